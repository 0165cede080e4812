"""Drift: two windows compared by hand, many at once, and what the organizers are told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.drift import Window, drift, holm, two_proportion_z, two_sided_p, windows_of


def test_two_proportions_by_hand():
    # 40/100 against 60/100: p = .5, error = √(.25 · .02) = .0707, z = .2 / .0707
    assert two_proportion_z(Window(40, 100), Window(60, 100)) == pytest.approx(2.8284, abs=1e-4)
    assert two_sided_p(2.8284) == pytest.approx(0.00468, abs=1e-5)
    assert two_sided_p(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert two_proportion_z(Window(4, 5), Window(60, 100)) is None
    assert two_proportion_z(Window(0, 0), Window(60, 100)) is None
    assert two_proportion_z(Window(100, 100), Window(100, 100)) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_an_item_that_suddenly_gets_easy():
    items = {"steady": [Window(50, 100)] * 3, "known": [Window(50, 100), Window(48, 100), Window(90, 100)]}
    first, *others = drift(items)
    assert (first.item, first.window, first.before, first.now) == ("known", 2, 0.49, 0.9)
    assert first.flag == "Câu hỏi bỗng dễ hơn (từ 49% đến 90% trả lời đúng): có thể đã bị lộ."
    assert first.adjusted_p == pytest.approx(4 * first.p_value)
    assert len(others) == 3
    assert not any(one.flag for one in others)


def test_an_item_that_suddenly_gets_hard_and_one_without_counts():
    (only,) = drift({"broken": [Window(90, 100), Window(40, 100)], "new": [Window(1, 2), Window(2, 2)]})
    assert only.flag is not None
    assert "bỗng khó hơn" in only.flag


def test_windows_between_edges():
    answers = [(0.0, True), (9.9, False), (10.0, True), (25.0, True), (30.0, False)]
    assert windows_of(answers, [10, 20]) == [Window(1, 2), Window(1, 1), Window(1, 2)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    in_order = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert in_order == sorted(in_order)
    assert sorted(holm(p_values[::-1])) == sorted(adjusted)


counts = st.integers(0, 200).flatmap(lambda shown: st.builds(Window, st.integers(0, shown), st.just(shown)))


@settings(max_examples=200, deadline=None)
@given(counts, counts)
def test_z_changes_its_sign_with_the_order_and_with_right_and_wrong(first, second):
    z = two_proportion_z(first, second)
    back = two_proportion_z(second, first)
    wrong = two_proportion_z(*(Window(one.shown - one.right, one.shown) for one in (first, second)))
    if z is None:
        assert back is wrong is None
    else:
        assert (back, wrong) == (pytest.approx(-z), pytest.approx(-z))
        assert 0 <= two_sided_p(z) <= 1
