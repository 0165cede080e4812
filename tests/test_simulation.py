"""The trial of the draw: exposure, overlap, spread and the warnings that organizers read."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.draw import Cell, PoolItem, draw_paper, paper_seed
from question_bank.simulation import Exposure, Overlap, Spread, simulate_draw

SEED = bytes(range(32))


def item(code, topic="T1", level="NB", *tags):
    return PoolItem(code, topic, level, frozenset(tags), 4, frozenset(), (0,))


def pool_of(size, topic="T1", level="NB"):
    return [item(f"{topic}-{level}-{number:03}", topic, level) for number in range(size)]


def test_every_item_is_drawn_about_as_often_as_expected():
    report = simulate_draw(pool_of(10), [Cell("T1", "NB", 3)], 2_000, SEED)
    assert (report.papers, report.items_per_paper) == (2_000, 3)
    assert [exposure.expected for exposure in report.exposures] == [600] * 10
    assert sum(exposure.drawn for exposure in report.exposures) == 6_000
    assert 500 < report.least_drawn <= report.most_drawn < 700
    assert report.warnings == []


def test_overlap_is_that_of_all_pairs_of_papers():
    pool, cells = pool_of(8), [Cell("T1", "NB", 3)]
    report = simulate_draw(pool, cells, 20, SEED)
    papers = [{one.code for one in draw_paper(pool, cells, paper_seed(SEED, str(n), 1))} for n in range(20)]
    shared = [len(first & second) for first, second in combinations(papers, 2)]
    assert report.overlap == Overlap(pytest.approx(sum(shared) / 190), max(shared), 190)


def test_of_many_papers_a_sample_of_pairs_is_compared():
    report = simulate_draw(pool_of(40), [Cell("T1", "NB", 4)], 300, SEED)
    assert report.overlap.pairs == 20_000
    assert report.overlap.mean == pytest.approx(4 * 4 / 40, rel=0.1)
    assert 1 <= report.overlap.most <= 4


def test_the_spread_of_difficulty():
    pool = [item("a"), item("b"), item("c", "T2"), item("d", "T3")]
    cells = [Cell("T1", "NB", 1), Cell("T2", "NB", 1), Cell("T3", "NB", 1)]
    report = simulate_draw(pool, cells, 400, SEED, {"a": 0.9, "b": 0.1, "c": 0.5})
    counts = {exposure.code: exposure.drawn for exposure in report.exposures}
    mean = (counts["a"] * 0.7 + counts["b"] * 0.3) / 400
    assert report.spread == Spread(pytest.approx(mean), pytest.approx(0.2, rel=0.02), 0.7, 0.3)
    assert any("chênh nhau 40% số điểm dự kiến" in warning for warning in report.warnings)


def test_without_facilities_there_is_no_spread():
    assert simulate_draw(pool_of(5), [Cell("T1", "NB", 1)], 10, SEED).spread is None


def test_a_pool_that_is_too_small_gives_a_warning_and_no_papers():
    report = simulate_draw(pool_of(3, "T6", "VD"), [Cell("T6", "VD", 4, frozenset({"khó"}))], 10, SEED)
    assert (report.papers, report.overlap, report.exposures) == (0, None, ())
    assert report.warnings == ["Chủ đề T6, mức VD (khó) cần 4 câu, chỉ chắc chắn có 0."]


def test_a_pool_that_just_suffices_puts_the_same_items_on_every_paper():
    report = simulate_draw(pool_of(3), [Cell("T1", "NB", 3)], 50, SEED)
    assert report.overlap == Overlap(3, 3, 50 * 49 // 2)
    texts = "\n".join(report.warnings)
    assert "lấy 3 câu mà ngân hàng chỉ có 3" in texts
    assert "3 câu có mặt trong hơn 50% số đề: T1-NB-000, T1-NB-001, T1-NB-002." in texts
    assert "trùng nhau trung bình 3,0 trên 3 câu" in texts


def test_items_that_are_never_drawn_are_named():
    report = simulate_draw(pool_of(60), [Cell("T1", "NB", 1)], 20, SEED)
    assert any("không được rút lần nào" in warning and "câu khác" in warning for warning in report.warnings)


def test_cells_that_share_items_expect_nothing_of_them():
    pool = [*pool_of(4), item("x", "T1", "NB", "ảnh"), item("y", "T2", "NB")]
    cells = [Cell("T1", "NB", 1), Cell("T1", "NB", 1, frozenset({"ảnh"})), Cell("T2", "NB", 1)]
    report = simulate_draw(pool, cells, 10, SEED)
    assert report.warnings[0] == "Chủ đề T1, mức NB (ảnh) cần 1 câu, chỉ chắc chắn có 0."
    enough = simulate_draw([*pool, item("z", "T1", "NB", "ảnh")], cells, 10, SEED)
    expected = {exposure.code: exposure.expected for exposure in enough.exposures}
    assert (expected["T1-NB-000"], expected["x"], expected["y"]) == (None, None, 10)


def test_items_that_no_cell_takes_change_nothing_and_are_not_listed():
    pool, cells = pool_of(9), [Cell("T1", "NB", 2)]
    assert simulate_draw([*pool, *pool_of(9, "T2")], cells, 30, SEED) == simulate_draw(pool, cells, 30, SEED)


def test_nothing_to_draw():
    assert simulate_draw([], [], 3, SEED).overlap == Overlap(0, 0, 3)
    report = simulate_draw(pool_of(3), [Cell("T1", "NB", 1)], 0, SEED)
    assert (report.papers, report.overlap, report.warnings) == (0, None, [])
    assert Exposure("T1-NB-000", 0, 0) in report.exposures


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 12), st.binary(min_size=32, max_size=32))
def test_counts_add_up_and_the_same_seed_says_the_same(size, papers, count, seed):
    pool, cells = pool_of(size), [Cell("T1", "NB", count)]
    report = simulate_draw(pool, cells, papers, seed)
    assert report == simulate_draw(pool[::-1], cells, papers, seed)
    if count > size:
        assert report.papers == 0
        assert report.warnings
        return
    assert sum(exposure.drawn for exposure in report.exposures) == papers * count
    assert report.most_drawn <= papers
    if papers > 1:
        assert 0 <= report.overlap.mean <= count
        assert report.overlap.mean <= report.overlap.most + 1e-9 <= count + 1e-9
