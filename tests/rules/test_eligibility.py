"""Who may take part, and what a name, a phone number and a password must look like."""

import time
import unicodedata
from datetime import date

import pytest

from contest.rules.eligibility import LONGEST_NAME, age_on, is_name, normal_phone
from contest.rules.passwords import refusal
from question_bank.text import clean_text

# --- age -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "born, day, age",
    [
        (date(2010, 11, 23), date(2026, 11, 22), 15),
        (date(2010, 11, 23), date(2026, 11, 23), 16),
        (date(2010, 11, 23), date(2026, 11, 24), 16),
        (date(2010, 12, 31), date(2026, 1, 1), 15),
        (date(2008, 2, 29), date(2026, 2, 28), 17),  # 29 February: older on 1 March
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 2, 29), date(2024, 2, 29), 16),
        (date(2026, 11, 23), date(2026, 11, 23), 0),
        (date(1906, 11, 23), date(2026, 11, 22), 119),
    ],
)
def test_age_is_counted_in_completed_years(born, day, age):
    assert age_on(born, day) == age


# --- phone numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "0912345678",
        "0912 345 678",
        "091.234.5678",
        "0912-345-678",
        "(091) 234 5678",
        "+84912345678",
        "+84 912 345 678",
        "+84 (0)912 345 678",
        "(+84) 912.345.678",
        "84912345678",
        "84 0912 345 678",
        "0084912345678",
        "0084 0912-345-678",
        "\t0912345678\n",
        "0912\u00a0345\u00a0678",
    ],
)
def test_one_number_in_all_the_ways_people_write_it(written):
    assert normal_phone(written) == "0912345678"


@pytest.mark.parametrize("number", ["0312345678", "0512345678", "0712345678", "0841234567", "0981234567"])
def test_every_mobile_prefix_is_known(number):
    assert normal_phone(number) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        "0",
        "912345678",
        "091234567",
        "09123456789",
        "0212345678",  # a landline
        "02223822777",
        "01212345678",  # eleven digits, retired in 2018
        "0412345678",
        "0612345678",
        "+1 912 345 678",
        "+849123456789",
        "8412345678",
        "0084",
        "09123a5678",
        "0912345678 x2",
        "０９１２３４５６７８",
        "٠٩١٢٣٤٥٦٧٨",
        "0912/345/678",
        "bantochuc",
    ],
)
def test_what_is_no_vietnamese_mobile_number(written):
    assert normal_phone(written) is None


def test_a_normal_number_stays_as_it_is():
    assert normal_phone(normal_phone("+84 912 345 678")) == "0912345678"


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Nguyễn Văn An",
        "Lê A",
        "Đỗ Ánh Ửng",
        "H'Hen Niê",
        "H’Hen Niê",
        "Y Moan Ênuôl",
        "Trần Lê-Anh Đào",
        "Nguyễn V. A.",
        "Công Tằng Tôn Nữ Ngọc Minh Châu",
        "NGUYỄN VĂN AN",
    ],
)
def test_names_of_two_words_or_more(name):
    assert is_name(name)


def test_a_decomposed_name_is_one_after_cleaning():
    from_a_mac = unicodedata.normalize("NFD", "Nguyễn Thị Hồng Ửng")
    assert is_name(clean_text(from_a_mac))
    assert clean_text(from_a_mac) == "Nguyễn Thị Hồng Ửng"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "An",  # a single word
        "Nguyễn",
        "Nguyễn  An",  # blanks are collapsed before
        " Nguyễn An",
        "Nguyễn An ",
        "Nguyễn\nAn",
        "Nguyễn An 2",
        "N@m Anh",
        "Nguyễn_An Bình",
        "<b>Nguyễn</b> An",
        "Nguyễn --An",
        "-Nguyễn An",
        "Nguyễn An-",
        "Nguyễn An..",
        "0912345678 An",
        "Nguyễn An 😀",
        "Nguyễn Văn" + " An" * 25,
    ],
)
def test_what_is_no_name(text):
    assert not is_name(text)


def test_a_name_has_at_most_80_characters():
    assert is_name("A" * 40 + " " + "B" * (LONGEST_NAME - 41))
    assert not is_name("A" * 40 + " " + "B" * (LONGEST_NAME - 40))


@pytest.mark.parametrize(
    "text", ["a" * 80, "a" * 79 + "!", "a-" * 40, "a." * 40, "a a" * 26 + "1", "a'b." * 20]
)
def test_no_text_keeps_the_name_check_busy(text):
    began = time.perf_counter()
    is_name(text)
    assert time.perf_counter() - began < 1


# --- passwords -------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["con mèo trèo cây cau", "Xk3-vn9q", "x" * 60 + "yz", "quê hương tôi"])
def test_long_and_unusual_passwords_are_taken(password):
    assert refusal(password, phone="0912345678") is None


@pytest.mark.parametrize(
    "password, why",
    [
        ("", "ít nhất 8"),
        ("Xk3-vn9", "ít nhất 8"),
        ("xyz" * 43, "tối đa 128"),
        ("password", "dễ đoán"),
        ("MatKhau123", "dễ đoán"),
        ("12345678", "dễ đoán"),
        ("abababab", "dễ đoán"),
        ("        ", "dễ đoán"),
        ("0912345678", "số điện thoại"),
        ("an-912345678", "số điện thoại"),
    ],
)
def test_short_common_and_personal_passwords_are_refused_with_a_sentence(password, why):
    assert why in refusal(password, phone="0912345678")


def test_without_a_phone_only_the_password_is_judged():
    assert refusal("an-912345678") is None
