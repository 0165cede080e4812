"""Aiken: the sample, layouts that occur, faulty files, and the way there and back."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from question_bank.banks import demo_items
from question_bank.formats import aiken
from question_bank.formats.drafts import UnreadableFile
from question_bank.formats.gift import MOST_BYTES
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Option
from question_bank.text import clean_text
from tests.formats.test_gift import SAMPLES, items, kinds, what_a_reader_finds, what_was_found


def read(text):
    return aiken.read(text.encode())


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
def test_the_sample_gives_what_is_expected():
    expected = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))["files"]["aiken.txt"]
    found = aiken.read((SAMPLES / "aiken.txt").read_bytes()).as_json()
    assert found == {"items": expected["items"], "problems": expected["problems"]}


@pytest.mark.parametrize(
    "text, line, stem, options, key",
    [
        ("Hỏi?\nA. một\nB) hai\nANSWER: B", 1, "Hỏi?", ("một", "hai"), (1,)),
        ("\ufeff\r\nHỏi?\r\n\r\nA. một\r\n\r\nB. hai\r\nANSWER: A\r\n", 2, "Hỏi?", ("một", "hai"), (0,)),
        ("Hỏi\nthế nào?\nA. một\nhai\nB. ba\nbốn\nANSWER:b", 1, "Hỏi thế nào?", ("một hai", "ba bốn"), (1,)),
        ("BỘ CÂU HỎI\n\nHỏi?\nA. một\nB. hai\nANSWER: B.", 3, "Hỏi?", ("một", "hai"), (1,)),
        ("Hỏi?\nA.một\nB)hai\nAnswer: A", 1, "Hỏi?", ("một", "hai"), (0,)),
        ("B. An làm gì?\nA. một\nB. hai\nANSWER: A", 1, "B. An làm gì?", ("một", "hai"), (0,)),
        ("Hỏi?\nA. một\nB.\nC. ba\nANSWER: C", 1, "Hỏi?", ("một", "ba"), (1,)),
        ("Hỏi?\nA. một\nC. ba\nANSWER: C", 1, "Hỏi?", ("một", "ba"), (1,)),
        ("Hỏi?\rA. một\rB. hai\rANSWER: A", 1, "Hỏi?", ("một", "hai"), (0,)),
        ("Hỏi <b> &lt;?\nA. 5 < 6\nB. hai\nĐÁP ÁN: A", 1, "Hỏi <b> &lt;?", ("5 < 6", "hai"), (0,)),
    ],
)
def test_layouts(text, line, stem, options, key):
    reading = read(text)
    assert not reading.problems
    (item,) = reading.items
    assert (item.where, item.stem, item.options, item.key) == ({"line": line}, stem, options, key)


def test_dung_and_sai_are_true_and_false():
    (item,) = read("Hỏi?\nA. Sai\nB. Đúng\nANSWER: A").items
    assert (item.kind, item.options, item.key) == ("true_false", ("Đúng", "Sai"), (1,))


@pytest.mark.parametrize(
    "faulty, kind",
    [
        ("Hỏi?\nA. x\nB. y", "missing_key"),
        ("Hỏi?\nA. x\nB. y\nANSWER:", "missing_key"),
        ("Hỏi?\nA. x\nB. y\nANSWER: ?", "missing_key"),
        ("Hỏi?\nA. x\nB. y\nANSWER: C", "key_out_of_range"),
        ("Hỏi?\nA. x\nC. y\nANSWER: B", "key_out_of_range"),
        ("Hỏi?\nA. x\nB. X\nANSWER: A", "duplicate_option"),
        ("Hỏi?\nA. x\nANSWER: A", "too_few_options"),
        ("Hỏi?\nANSWER: A", "too_few_options"),
        ("Chỉ có chữ.", "too_few_options"),
        ("A. x\nB. y\nANSWER: A", "empty_stem"),
        ("một ?\nA. Y\nB. X\nANSWER: B", "duplicate_item"),
        ("Chọn một đáp án đúng:\nA. x\nB. y\nC. z\nANSWER: A, C", "several_keys_for_single"),
        ("x" * 300_000 + "\nA. x\nB. y\nANSWER: A", "text_too_long"),
    ],
)
def test_a_fault_costs_one_question(faulty, kind):
    reading = read(f"Một?\nA. x\nB. y\nANSWER: A\n\n{faulty}\n\nHai?\nA. x\nB. y\nANSWER: B\n")
    assert [item.stem for item in reading.items] == ["Một?", "Hai?"]
    assert kinds(reading) == [(kind, "error", {"line": 6})]


def test_a_question_without_its_key_does_not_swallow_the_next():
    reading = read("Một?\nA. x\nB. y\nHai?\nA. x\nB. y\nANSWER: B")
    assert [item.stem for item in reading.items] == ["Hai?"]
    assert kinds(reading) == [("missing_key", "error", {"line": 1})]


@pytest.mark.parametrize(
    "content",
    [
        "Hỏi?\nA. đúng\nB. y\nANSWER: A".encode("cp1258", "replace") + b"\xff",
        "Hỏi?".encode("utf-16-le"),
        b"PK\x03\x04\x00\x00",
        b"a" * (MOST_BYTES + 1),
        "Một lá thư.\n\nChẳng có câu hỏi nào.".encode(),
    ],
)
def test_what_is_no_aiken_file_is_refused(content):
    with pytest.raises(UnreadableFile):
        aiken.read(content)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("AB.) :aANSWER\n\r?"))
    | st.lists(st.sampled_from(["A. x", "B) y", "C.", "ANSWER: B", "ANSWER:", "Hỏi?", ""])).map("\n".join)
)
def test_any_text_is_read_or_refused(text):
    with suppress(UnreadableFile):
        read(text)


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(content):
    with suppress(UnreadableFile):
        aiken.read(content)


@pytest.mark.parametrize("line", ["A. x\n", "x\n\n", "A. x\nB. y\nx\n", "A.B.C.", "ANSWER: A\n"])
def test_repetition_takes_no_time_to_speak_of(line):
    with suppress(UnreadableFile):
        read("Hỏi?\n" + line * 20_000)


# --- there and back --------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(items())
def test_what_was_written_is_read_again(item):
    """Topic, level, legal basis, explanation and several keys are what Aiken can't say."""
    item = replace(item, topic="", level="", legal_document="", legal_article="", explanation="")
    expected = what_a_reader_finds(item, {}) if aiken.can_say(item) else ([], [])
    assume("unreadable_text" not in expected[1])  # what is left out when writing may be its only sign
    assert what_was_found(aiken.read(aiken.write([item]))) == expected


def test_a_letter_is_a_place_even_where_another_option_says_it():
    reading = read("Chữ nào đứng đầu?\nA. 0\nB. A\nANSWER: A\n")
    assert ([item.key for item in reading.items], reading.problems) == ([(0,)], [])


def test_the_demo_bank_survives_the_way_there_and_back():
    bank = [item for item in demo_items() if item.kind != "multiple"]
    reading = aiken.read(aiken.write(bank))
    assert not [problem for problem in reading.problems if problem.severity == "error"]
    assert [(found.stem, found.options, found.key) for found in reading.items] == [
        (
            clean_text(text_of_html(item.stem)),
            tuple(clean_text(text_of_html(option.text)) for option in item.options),
            item.key,
        )
        for item in bank
    ]


def test_lines_end_as_moodle_and_windows_have_them():
    item = Item(
        code="T1-001",
        kind="single",
        stem="<p>Hỏi</p><p>gì &amp; ai?</p>",
        options=(Option("x"), Option("y")),
        key=(1,),
        topic="T1",
        level="NB",
    )
    assert aiken.write([item, item]).decode() == (
        "Hỏi gì & ai?\r\nA. x\r\nB. y\r\nANSWER: B\r\n\r\nHỏi gì & ai?\r\nA. x\r\nB. y\r\nANSWER: B\r\n"
    )
