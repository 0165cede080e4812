"""Moodle XML: the sample, the rules of Moodle's reader, hostile files, and the way there and back."""

import base64
import json
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.banks import demo_items
from question_bank.formats import moodle_xml
from question_bank.formats.drafts import Picture, UnreadableFile
from question_bank.formats.files import read_file
from question_bank.formats.markup import shown_text, text_of_html
from question_bank.formats.moodle_xml import MOST_BYTES
from question_bank.items import Item, Option
from question_bank.text import clean_text
from tests.formats.test_gift import (
    SAMPLES,
    items,
    kinds,
    plain_texts,
    what_a_reader_finds,
    what_was_found,
)
from tests.pictures import stored


def quiz(*questions, head='<?xml version="1.0" encoding="UTF-8"?>'):
    return f"{head}<quiz>{''.join(questions)}</quiz>".encode()


def answer(text, fraction, more="", kind="html"):
    feedback = "<feedback><text>không phải</text></feedback>"
    return (
        f'<answer fraction="{fraction}" format="{kind}"><text>{escape(text)}</text>{more}{feedback}</answer>'
    )


def choice(
    *answers, stem="<p>Hỏi?</p>", single="true", kind="multichoice", more="", stem_format="html", file=""
):
    return (
        f'<question type="{kind}"><name><text>Tên</text></name>'
        f'<questiontext format="{stem_format}"><text>{escape(stem)}</text>{file}</questiontext>'
        f"<single>{single}</single>{''.join(answers)}{more}</question>"
    )


def category(name):
    return f'<question type="category"><category><text>{escape(name)}</text></category></question>'


XY = (answer("x", 100), answer("y", 0))


def only_item(*questions):
    reading = moodle_xml.read(quiz(*questions))
    assert not reading.problems
    (item,) = reading.items
    return item


# --- the sample ------------------------------------------------------------------------------------


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
def test_the_sample_gives_what_is_expected():
    expected = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))["files"]["moodle.xml"]
    found = moodle_xml.read((SAMPLES / "moodle.xml").read_bytes()).as_json()
    for problem in [*found["problems"], *expected["problems"]]:
        del problem["reason"]
    assert found == {"items": expected["items"], "problems": expected["problems"]}


# --- questions as Moodle reads them ----------------------------------------------------------------


@pytest.mark.parametrize(
    "single, fractions, key, kind",
    [
        ("true", [0, 100, 0], (1,), "single"),
        ("1", ["50", "100.0000000", "-50"], (1,), "single"),
        ("false", ["33.33333", "33.33333", "33.33333"], (0, 1, 2), "multiple"),
        ("false", ["50,00000", "0", "50,00000"], (0, 2), "multiple"),
        ("0", [0, 100, -100], (1,), "multiple"),
        ("", [0, 0, 100], (2,), "single"),
    ],
)
def test_fractions_make_the_key(single, fractions, key, kind):
    answers = [answer(text, fraction) for text, fraction in zip("xyz", fractions, strict=True)]
    item = only_item(choice(*answers, single=single))
    assert (item.key, item.kind) == (key, kind)


@pytest.mark.parametrize(
    "single, fractions, kind",
    [
        ("true", [100, 100, 0], "several_keys_for_single"),
        ("true", [50, 50, 0], "missing_key"),
        ("false", [0, 0, -50], "missing_key"),
        ("true", ["nan", "inf", "một"], "missing_key"),
    ],
)
def test_fractions_without_a_key_are_told(single, fractions, kind):
    answers = [answer(text, fraction) for text, fraction in zip("xyz", fractions, strict=True)]
    reading = moodle_xml.read(quiz(category("T1"), choice(*answers, single=single)))
    assert kinds(reading) == [(kind, "error", {"question": 2})]


@pytest.mark.parametrize("first, second, key", [("true", "false", (0,)), ("false", "true", (1,))])
def test_true_and_false_are_dung_and_sai_in_this_order(first, second, key):
    answers = answer(first, 100, kind="moodle_auto_format"), answer(second, 0, kind="moodle_auto_format")
    item = only_item(choice(*answers, kind="truefalse"))
    assert (item.kind, item.options, item.key) == ("true_false", ("Đúng", "Sai"), key)


def test_a_choice_between_dung_and_sai_is_true_or_false():
    item = only_item(choice(answer("<p>Sai</p>", 100), answer("<p>Đúng</p>", 0)))
    assert (item.kind, item.options, item.key) == ("true_false", ("Đúng", "Sai"), (1,))


@pytest.mark.parametrize(
    "stem, stem_format, shown",
    [
        ("<p>Một</p><p>hai <b>b</b>a<br/>bốn</p>", "html", "Một hai ba bốn"),
        ("Tr&#7867; em &lt; 14&nbsp;tu&ocirc;i", "html", "Trẻ em < 14 tuôi"),
        ("<ul><li>a</li><li>b</li></ul><table><tr><td>c</td><td>d</td></tr></table>", "html", "a b c d"),
        ("H<sub>2</sub>O <o:p>x</o:p><!-- y --><script>z</script>", "html", "H2O x"),
        ("<p> </p>5 < 6 &amp; 7 > 3", "html", "5 < 6 & 7 > 3"),
        ("Viết <b> và &lt;", "plain_text", "Viết <b> và &lt;"),
        ("a <b>b</b> <c> &lt;", "moodle_auto_format", "a b <c> <"),
    ],
)
def test_markup_is_dropped(stem, stem_format, shown):
    assert only_item(choice(*XY, stem=stem, stem_format=stem_format)).stem == shown


def test_cdata_and_entities_say_the_same():
    cdata = choice(*XY).replace("&lt;p&gt;Hỏi?&lt;/p&gt;", "<![CDATA[<p>Hỏi?</p>]]>")
    assert only_item(cdata).stem == only_item(choice(*XY)).stem == "Hỏi?"


def test_categories_and_tags_say_topic_and_level():
    tags = "<tags><tag><text>hội thi</text></tag><tag><text>T12</text></tag><tag><text>VD</text></tag></tags>"
    reading = moodle_xml.read(
        quiz(
            choice(*XY, stem="một"),
            category("$course$/top/T1 Khái niệm/T6 Thanh toán trực tuyến, phí//lệ phí"),
            choice(*XY, stem="hai", more="<tags><tag><text>thông hiểu</text></tag></tags>"),
            choice(*XY, stem="ba", more=tags),
            category("top/Hội thi 2026"),
            choice(*XY, stem="bốn"),
        )
    )
    found = [(item.where["question"], item.topic, item.level) for item in reading.items]
    assert found == [(1, None, None), (3, "T6", "TH"), (4, "T12", "VD"), (6, None, None)]


def test_general_feedback_is_split_and_other_feedback_dropped():
    feedback = "<p>Căn cứ: Luật A</p><p>Giải thích: Vì &lt; B.</p>"
    general = f'<generalfeedback format="html"><text>{escape(feedback)}</text></generalfeedback>'
    item = only_item(choice(*XY, more=general + "<correctfeedback><text>Hay!</text></correctfeedback>"))
    assert (item.legal_basis, item.explanation) == ("Luật A", "Vì < B.")


@pytest.mark.parametrize(
    "kind",
    [
        "essay",
        "shortanswer",
        "numerical",
        "matching",
        "cloze",
        "description",
        "ddwtos",
        "calculated",
        "lạ",
        "",
    ],
)
def test_other_types_are_reported_and_skipped(kind):
    reading = moodle_xml.read(quiz(choice(*XY, stem="a"), choice(kind=kind), choice(*XY, stem="b")))
    assert [item.where for item in reading.items] == [{"question": 1}, {"question": 3}]
    assert kinds(reading) == [("unsupported_type", "warning", {"question": 2})]


@pytest.mark.parametrize("kind", ["multichoiceset", "oumultiresponse"])
def test_all_or_nothing_plugins_are_multiple_choices(kind):
    item = only_item(choice(answer("x", 100), answer("y", 100), answer("z", 0), kind=kind))
    assert (item.kind, item.key) == ("multiple", (0, 1))


# --- pictures --------------------------------------------------------------------------------------

PNG, GIF = b"\x89PNG\r\n\x1a\n...", b"GIF89a..."


def file(name, content):
    return f'<file name="{name}" path="/" encoding="base64">{base64.encodebytes(content).decode()}</file>'


def test_pictures_come_in_the_order_in_which_they_are_shown():
    first = '<img alt="a > b" src="@@PLUGINFILE@@/%C4%91%C3%A2y%201.png?time=5">'
    stem = f"<p>Hỏi? {first}<img src='@@PLUGINFILE@@/b.gif'></p>"
    files = file("thừa.png", b"x") + file("b.gif", GIF) + file("đây 1.png", PNG)
    data = f'<img src="data:image/gif;base64,{base64.b64encode(GIF).decode()}">z'
    item = only_item(choice(*XY, answer(data, 0), stem=stem, file=files))
    assert item.pictures == (Picture(PNG, "a > b"), Picture(GIF), Picture(GIF, is_in_option=True))
    assert (item.stem, item.options) == ("Hỏi?", ("x", "y", "z"))


@pytest.mark.parametrize(
    "source, files",
    [
        ("@@PLUGINFILE@@/a.png", ""),
        ("@@PLUGINFILE@@/a.png", '<file name="a.png" encoding="base64">%%%</file>'),
        ("@@PLUGINFILE@@/a.png", '<file name="a.png" encoding="base64"></file>'),
        ("https://example.org/a.png", ""),
        ("", ""),
    ],
)
def test_a_question_whose_picture_is_missing_is_not_imported(source, files):
    question = choice(*XY, stem=f'Hỏi? <img src="{source}">', file=files)
    assert kinds(moodle_xml.read(quiz(question))) == [("missing_picture", "error", {"question": 1})]


@pytest.mark.parametrize(
    "image, alt",
    [
        ('<img src="@@PLUGINFILE@@/a" alt="a &quot;b&quot; &amp; c">', 'a "b" & c'),
        ("<IMG ALT='một hai' data-src=x SRC=@@PLUGINFILE@@/a>", "một hai"),
        ('<img src="@@PLUGINFILE@@/a" alt="">', ""),
        ('<img src="@@PLUGINFILE@@/a">', ""),
    ],
)
def test_the_alternative_text_of_a_picture_is_read(image, alt):
    item = only_item(choice(*XY, stem=f"<p>Hỏi? {image}</p>", file=file("a", PNG)))
    assert item.pictures == (Picture(PNG, alt),)
    assert item.alt == alt


def test_a_file_that_is_no_picture_keeps_its_question_out():
    reading = read_file("a.xml", quiz(choice(*XY, stem='<img src="@@PLUGINFILE@@/a">?', file=file("a", PNG))))
    assert kinds(reading) == [("bad_picture", "error", {"question": 1})]
    assert not reading.items


# --- hostile files ---------------------------------------------------------------------------------

BOMB = '<!DOCTYPE q [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<quiz>",
        b"<quiz><question></quiz>",
        b"<html><body/></html>",
        b"GIFT {=x ~y}",
        b"PK\x03\x04",
        b"\xff\xfe\x00",
        quiz(choice(*XY))[:-9],
        quiz(choice(*XY), head='<?xml version="1.0" encoding="klingon"?>'),
        "<quiz>Tiếng Việt</quiz>".encode("cp1258", "replace") + b"\xe1",
        f"{BOMB}]><quiz>&i;</quiz>".encode(),
        b'<!DOCTYPE q [<!ENTITY x SYSTEM "file:///etc/passwd">]><quiz>&x;</quiz>',
        b"<quiz>&nbsp;</quiz>",
        b"<quiz><question>" + b"<a/>" * 20_000 + b"</question></quiz>",
        b"<quiz>" + b"<a>" * 20_000,
        b" " * (MOST_BYTES + 1),
    ],
)
def test_what_is_no_moodle_xml_is_refused(content):
    with pytest.raises(UnreadableFile):
        moodle_xml.read(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1258"])
def test_declared_encodings_are_read(encoding):
    content = quiz(choice(*XY, stem="Đơn?"), head=f'<?xml version="1.0" encoding="{encoding}"?>')
    content = content.decode().replace("không phải", "").encode(encoding)
    assert moodle_xml.read(content).items[0].stem == "Đơn?"


def test_an_empty_quiz_holds_nothing():
    reading = moodle_xml.read(moodle_xml.write([]))
    assert (list(reading.items), list(reading.problems)) == ([], [])


def test_a_text_of_a_book_is_no_question():
    reading = moodle_xml.read(quiz(choice(*XY, stem="x" * 300_000), choice(*XY)))
    assert kinds(reading) == [("text_too_long", "error", {"question": 1})]
    assert len(reading.items) == 1


def test_questions_are_let_go_when_they_are_read():
    content = quiz(*[choice(*XY, stem="một\u200b" * 300, kind="essay")] * 3_000)
    tracemalloc.start()
    moodle_xml.read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(content)


@pytest.mark.parametrize(
    "piece",
    [
        "<b",
        '<b a="',
        "<!--",
        "<!",
        "<?",
        "<script>",
        "<script></script>",
        "&amp",
        "<img ",
        '<img src="',
        "<p>",
        "<",
    ],
)
def test_repetition_takes_no_time_to_speak_of(piece):
    moodle_xml.read(quiz(choice(*XY, stem=piece * (200_000 // len(piece)))))


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("<>/!-?&;\"'= abp:1\n")) | st.text())
def test_any_markup_gives_a_text(markup):
    assert isinstance(text_of_html(markup), str)
    assert isinstance(text_of_html(markup, known_only=True), str)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.sampled_from(["html", "moodle_auto_format"]))
def test_a_text_without_markup_stays(text, kind):
    text = text.replace("<", "").replace("&", "")
    assert shown_text(text, kind) == text


@settings(max_examples=100, deadline=None)
@given(st.binary() | st.binary().map(lambda content: quiz(choice(*XY))[:40] + content))
def test_any_bytes_are_read_or_refused(content):
    with suppress(UnreadableFile):
        moodle_xml.read(content)


# --- there and back --------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(items())
def test_what_was_written_is_read_again(item):
    found, problems = what_was_found(moodle_xml.read(moodle_xml.write([item])))
    assert (found, problems) == what_a_reader_finds(item, {})


@settings(max_examples=60, deadline=None)
@given(items(), st.sampled_from([stored(), stored(2)]), plain_texts.filter(lambda text: len(text) < 300))
def test_a_picture_is_written_and_read_again(item, picture, alt):
    item = replace(item, picture=picture, picture_alt=alt)
    found, problems = what_was_found(moodle_xml.read(moodle_xml.write([item])))
    expected = what_a_reader_finds(item, {})
    assert (found, problems) == ([one | {"images": [picture.sha256]} for one in expected[0]], expected[1])
    for one in read_file("a.xml", moodle_xml.write([item])).items:
        assert one.picture is not None
        assert (one.picture.content, one.alt) == (picture.content, alt)


def test_the_demo_bank_survives_the_way_there_and_back():
    bank = list(demo_items())
    reading = moodle_xml.read(moodle_xml.write(bank))
    assert not [problem for problem in reading.problems if problem.severity == "error"]
    assert [(found.stem, found.key, found.topic, found.level) for found in reading.items] == [
        (clean_text(text_of_html(item.stem)), item.key, item.topic, item.level) for item in bank
    ]


def test_characters_that_xml_has_no_place_for_are_left_out():
    item = Item(
        code="T1-\x01001",
        kind="single",
        stem="H\x0bỏi\ufffe?",
        options=(Option("x"), Option("y")),
        key=(0,),
        topic="T1",
        level="NB",
    )
    assert moodle_xml.read(moodle_xml.write([item])).items[0].stem == "Hỏi?"
