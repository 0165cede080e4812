"""The demo bank: what can be seen of it without a lawyer."""

import re
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from question_bank import banks
from question_bank.banks import DIVISIONS, demo_items
from question_bank.formats.outdated import replaced_in
from question_bank.items import LEVELS, TOPICS, problems_before_approval, problems_of
from question_bank.text import clean_html, clean_text, fold

FILES = sorted(Path(banks.__file__).parent.glob("*.toml"))
APPROVED, DRAFTS = list(demo_items()), list(demo_items("draft"))
ALL = APPROVED + DRAFTS
# Texts that no longer hold, and what may stand beside them to show that they don't.
REPEALED = ("61/2018", "107/2021", "13/2023", "43/2011", "59/2022")
SAYS_SO = ("thay thế", "thay", "nay là", "hết hiệu lực")


def texts_of(item):
    return [
        item.stem,
        *(option.text for option in item.options),
        item.explanation,
        item.legal_document,
        item.legal_article,
    ]


def claims_of(item):
    """What an item states as true: its stem, its key, its explanation, its legal basis."""
    return [
        item.stem,
        *(item.options[index].text for index in item.key),
        item.explanation,
        item.legal_document,
        item.legal_article,
    ]


def offenders(items, is_wrong):
    return [item.code for item in items if is_wrong(item)]


# --- every item ------------------------------------------------------------------------------------


def test_every_approved_item_may_be_approved():
    assert {item.code: list(problems_before_approval(item)) for item in APPROVED} == {
        item.code: [] for item in APPROVED
    }


def test_drafts_are_items_too():
    assert {item.code: list(problems_of(item)) for item in DRAFTS} == {item.code: [] for item in DRAFTS}


def test_codes_are_unique_and_name_their_topic():
    codes = Counter(item.code for item in ALL)
    assert [code for code, count in codes.items() if count > 1] == []
    assert offenders(ALL, lambda item: not re.fullmatch(rf"{item.topic}-\d{{3}}", item.code)) == []


def test_no_stem_comes_twice():
    stems = Counter(fold(item.stem) for item in ALL)
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_texts_are_stored_as_the_cleaners_leave_them():
    assert (
        offenders(
            ALL, lambda item: any(not unicodedata.is_normalized("NFC", text) for text in texts_of(item))
        )
        == []
    )
    assert offenders(ALL, lambda item: any(clean_html(text) != text for text in texts_of(item))) == []
    assert offenders(ALL, lambda item: any(clean_text(text) != text for text in texts_of(item))) == []


def test_true_and_false_are_pinned_in_this_order():
    for item in ALL:
        if item.kind == "true_false":
            assert [(option.text, option.is_pinned) for option in item.options] == [
                ("Đúng", True),
                ("Sai", True),
            ], item.code


def numbers_of(item):
    """The options as comparable numbers or dates, None where one is neither."""
    found = [
        re.match(r"(?:Tháng )?(?:(\d+)/)?(?:(\d+)/)?(\d[\d.,]*)", option.text) for option in item.options
    ]
    if not all(found):
        return None
    return [
        (
            float(match[3].rstrip(".,").replace(".", "").replace(",", ".")),
            int(match[2] or match[1] or 0),
            int(match[1] or 0),
        )
        for match in found
    ]


def test_numbers_in_order_are_pinned():
    def is_loose(item):
        numbers = numbers_of(item)
        in_order = numbers is not None and len(numbers) > 2 and numbers == sorted(numbers)
        return in_order and not all(option.is_pinned for option in item.options)

    loose = offenders(APPROVED, is_loose)
    assert loose == [], (
        'options that are numbers in order would be shuffled: give these items pinned = "abcd"'
    )


def test_options_that_point_to_the_others_are_pinned():
    above = re.compile(r"(?<!\w)(phương án|đáp án|ý) (trên|nào)(?!\w)", re.IGNORECASE)
    loose = [
        item.code for item in ALL for one in item.options if above.search(one.text) and not one.is_pinned
    ]
    assert loose == []


def test_whoever_must_choose_several_can_and_is_told():
    for item in ALL:
        if item.kind == "multiple":
            assert 2 <= len(item.key) < len(item.options), item.code
            assert re.search(r"chọn (các|những|hai|ba|tất cả|nhiều|2|3)|những|các", item.stem.lower()), (
                item.code
            )


# --- the whole -------------------------------------------------------------------------------------


def test_there_are_enough_items_for_a_contest_of_four_rounds():
    assert len(APPROVED) >= 150
    counts = Counter((item.topic, item.level, division) for item in APPROVED for division in item.divisions)
    wanted = [(topic, level, division) for topic in TOPICS for level in LEVELS for division in DIVISIONS]
    assert {cell: counts[cell] for cell in wanted if counts[cell] < 4} == {}


def test_the_right_option_stands_everywhere():
    free = [
        item for item in APPROVED if item.kind == "single" and not any(one.is_pinned for one in item.options)
    ]
    places = Counter(item.key[0] for item in free)
    assert all(0.15 < places[place] / len(free) < 0.35 for place in range(4)), places
    said_true = Counter(item.key[0] for item in APPROVED if item.kind == "true_false")
    assert 0.3 < said_true[0] / said_true.total() < 0.7


def test_the_right_option_cannot_be_told_by_its_length():
    singles = [item for item in APPROVED if item.kind == "single"]
    longest = [
        item.code
        for item in singles
        if len(item.options[item.key[0]].text)
        > 1.1 * max(len(one.text) for n, one in enumerate(item.options) if n != item.key[0])
    ]
    assert len(longest) / len(singles) < 0.3, longest


# --- what must not be written ----------------------------------------------------------------------


@pytest.mark.parametrize("number", REPEALED)
def test_no_repealed_decree_stands_as_current_law(number):
    def claims_it(item):
        names_it = [text for text in claims_of(item) if number in text]
        return names_it and not any(word in " ".join([item.stem, *names_it]) for word in SAYS_SO)

    assert offenders(APPROVED, claims_it) == []


def test_no_key_has_four_levels_of_online_services():
    four = re.compile(r"(4|04|bốn) mức độ|mức độ (3|4)(?!\d)", re.IGNORECASE)
    assert (
        offenders(APPROVED, lambda item: any(four.search(item.options[index].text) for index in item.key))
        == []
    )
    assert offenders(APPROVED, lambda item: four.search(item.explanation)) == []


def test_districts_are_named_as_past_only():
    district = re.compile(r"(?<!\w)(cấp huyện|quận|huyện|thị xã|thị trấn)(?!\w)", re.IGNORECASE)
    past = re.compile(r"trước đây|trước ngày|cũ|hình thành từ|sắp xếp", re.IGNORECASE)
    assert (
        offenders(
            ALL, lambda item: any(district.search(text) and not past.search(text) for text in claims_of(item))
        )
        == []
    )


def test_nothing_unchecked_is_approved():
    for path in FILES:
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["item"]:
            assert entry.get("facts", "").strip(), f"{entry['code']} names no source in `facts`"
            if entry.get("status", "approved") == "approved":
                assert "K-med" not in entry["facts"], (
                    f"{entry['code']} rests on something to be checked first"
                )


def test_every_approved_item_names_a_document():
    assert offenders(APPROVED, lambda item: len(item.legal_document) < 10) == []


def test_items_name_no_foreign_hosts():
    host = re.compile(r"[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|vn)(?!\w)", re.ASCII)
    named = {name for item in ALL for text in texts_of(item) for name in host.findall(text)}
    assert {name for name in named if not name.endswith(".vn")} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_name_no_addresses_and_no_places_of_a_machine(path):
    content = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://|localhost|127\.0\.0\.1|/(?:home|work|tmp|usr)/|pypi", content) == []


def test_no_question_takes_a_replaced_text_for_the_law():
    def held(item):
        return [item.legal_document, *(item.options[index].text for index in item.key)]

    outdated = {item.code: replaced_in(item.stem, held(item)) for item in APPROVED}
    assert {code: text.name for code, text in outdated.items() if text} == {}
