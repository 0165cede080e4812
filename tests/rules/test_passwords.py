"""Passwords that anyone would guess are refused, each with its reason."""

import pytest

from contest.rules.passwords import COMMON, refusal


@pytest.mark.parametrize(
    "password, reason",
    [
        ("", "ít nhất 8"),
        ("bảy chữ", "ít nhất 8"),
        ("x" * 129, "tối đa 128"),
        ("12345678", "dễ đoán"),
        ("MatKhau123", "dễ đoán"),
        ("abababababab", "dễ đoán"),
        ("0912345678", "số điện thoại"),
        ("an-912.345.678", "số điện thoại"),
    ],
)
def test_a_poor_password_is_refused(password, reason):
    assert reason in refusal(password, phone="0912345678")


@pytest.mark.parametrize("password", ["con mèo vàng", "a" * 60 + "bcd" + "e" * 65, "Kinh@Bac#7788"])
def test_a_fair_password_is_taken(password):
    assert refusal(password, phone="0912345678") is None


def test_the_list_is_in_lower_case_and_of_passwords_long_enough_to_be_asked():
    assert all(word == word.lower() and len(word) >= 8 for word in COMMON)
