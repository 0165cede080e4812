"""The prediction: how it is typed, its truth, and the distance from it."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.prediction import prediction_error, read_count, read_percentage, truth


def test_people_and_people_with_full_points_are_counted_as_they_are():
    assert truth("people", people=24_399, full=14_512) == 24_399
    assert truth("full", people=24_399, full=14_512) == 14_512
    assert truth("full", people=3, full=0) == 0


@pytest.mark.parametrize(
    "full, people, percentage",
    [
        (0, 7, 0),
        (7, 7, 10_000_000),
        (1, 3, 3_333_333),
        (2, 3, 6_666_667),
        (1, 32, 312_500),
        (1, 256, 39_063),  # 39 062.5 is rounded up
        (3, 256, 117_188),  # 117 187.5 too
        (1, 10**8, 0),
        (1, 2 * 10**7, 1),  # exactly a half of the last digit
    ],
)
def test_a_percentage_has_five_digits_and_is_rounded_half_up(full, people, percentage):
    assert truth("percentage", people=people, full=full) == percentage


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**7).flatmap(lambda people: st.tuples(st.integers(0, people), st.just(people))))
def test_the_percentage_is_what_school_arithmetic_gives(counts):
    full, people = counts
    school = (Decimal(10**7 * full) / people).quantize(Decimal(1), ROUND_HALF_UP)
    assert truth("percentage", people=people, full=full) == school


@pytest.mark.parametrize("counted", ["people", "full", "percentage"])
def test_nobody_to_count_has_no_truth(counted):
    assert truth(counted, people=0, full=0) is None


def test_the_error_is_the_distance_either_way():
    assert (prediction_error(95, 100), prediction_error(105, 100), prediction_error(100, 100)) == (5, 5, 0)
    assert prediction_error(0, 0) == 0


@pytest.mark.parametrize("prediction, true", [(None, 100), (100, None), (None, None)])
def test_without_prediction_or_truth_there_is_no_error(prediction, true):
    assert prediction_error(prediction, true) is None


# --- as people type it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, number",
    [
        ("0", 0),
        ("12345", 12_345),
        (" 12.345 ", 12_345),
        ("12 345", 12_345),
        ("1.234.567", 1_234_567),
        ("007", 7),
    ],
)
def test_a_count_may_have_points_or_blanks_between_thousands(typed, number):
    assert read_count(typed) == number


@pytest.mark.parametrize(
    "typed",
    ["", "-1", "+1", "1.5", "12.34", "1,5", "1.2345", "1e3", "12a", "１２", "1..234", "12345678901", ".123"],
)
def test_what_is_no_count(typed):
    assert read_count(typed) is None


@pytest.mark.parametrize(
    "typed, units",
    [
        ("87,65432", 8_765_432),
        ("87.65432", 8_765_432),
        ("87,6", 8_760_000),
        (" 87,65432 % ", 8_765_432),
        ("5", 500_000),
        ("0", 0),
        ("0,00001", 1),
        ("100", 10_000_000),
        ("100,00000", 10_000_000),
    ],
)
def test_a_percentage_has_up_to_five_digits_after_comma_or_point(typed, units):
    assert read_percentage(typed) == units


@pytest.mark.parametrize(
    "typed", ["", "%", "-1", "100,00001", "101", "87,654321", "87,", ",5", "8 7", "1.234,5", "８"]
)
def test_what_is_no_percentage(typed):
    assert read_percentage(typed) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**7))
def test_a_percentage_is_read_as_it_was_written(units):
    assert read_percentage(f"{units // 10**5},{units % 10**5:05d}") == units
