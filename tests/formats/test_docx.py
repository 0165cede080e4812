"""DOCX: the samples, layouts that occur, what marks and what does not, faulty files, there and back."""

import json
import re
import struct
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK, WD_COLOR_INDEX
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, RGBColor
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from question_bank.banks import demo_items
from question_bank.formats import docx
from question_bank.formats.docx_writing import _NO_XML
from question_bank.formats.drafts import UnreadableFile
from question_bank.formats.files import read_file
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Option
from question_bank.text import clean_text
from tests.formats.books import repacked
from tests.formats.test_gift import items, kinds, plain_texts, what_a_reader_finds, what_was_found
from tests.pictures import stored

SAMPLES = Path(__file__).parent / "samples"
MARKS = {
    "b": lambda run: setattr(run, "bold", True),
    "u": lambda run: setattr(run, "underline", True),
    "r": lambda run: setattr(run.font.color, "rgb", RGBColor(0xC0, 0, 0)),
    "n": lambda run: setattr(run.font.color, "rgb", RGBColor(0, 0x20, 0x60)),
    "k": lambda run: setattr(run.font.color, "rgb", RGBColor(0, 0, 0)),
    "o": lambda run: setattr(run.font.color, "rgb", RGBColor(0xED, 0x7D, 0x31)),
    "h": lambda run: setattr(run.font, "highlight_color", WD_COLOR_INDEX.YELLOW),
    "s": lambda run: shade(run._r.get_or_add_rPr(), "FFF2CC"),
    "w": lambda run: shade(run._r.get_or_add_rPr(), "FFFFFF"),
    "i": lambda run: setattr(run, "italic", True),
    "v": lambda run: setattr(run.font, "hidden", True),
}


def shade(properties, fill):
    properties.append(parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{fill}"/>'))


def write_into(paragraph, text):
    """Add runs: "{b:đậm}" is bold, "{bu:…}" bold and underlined; a line break is one of Word's."""
    for plain, marks, marked in re.findall(r"([^{]+)|\{(\w+):([^}]*)\}", text):
        run = paragraph.add_run()
        for place, part in enumerate((plain or marked).split("\n")):
            if place:
                run.add_break(WD_BREAK.LINE)
            run.add_text(part)
        for mark in marks:
            MARKS[mark](run)
    return paragraph


def saved(document):
    content = BytesIO()
    document.save(content)
    return content.getvalue()


def paper(*parts):
    """Make a Word file: a text is a paragraph, a list of rows a table."""
    document = Document()
    for part in parts:
        if isinstance(part, str):
            write_into(document.add_paragraph(), part)
        else:
            add_table(document, part)
    return document


def add_table(document, rows):
    table = document.add_table(rows=len(rows), cols=max(len(row) for row in rows))
    for place, row in enumerate(rows):
        if len(row) == 1 and len(table.columns) > 1:
            table.cell(place, 0).merge(table.cell(place, len(table.columns) - 1))
        for column, text in enumerate(row):
            cell = table.cell(place, column)
            for line, part in enumerate(text.split("¶")):
                write_into(cell.paragraphs[0] if line == 0 else cell.add_paragraph(), part)
    return table


def numbered(document, formats):
    """Add a list of Word's own to the document; return what puts a paragraph at one of its levels."""
    numbering = document.part.numbering_part.element
    number = str(900 + len(numbering))
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
        for level, (form, text) in enumerate(formats)
    )
    abstract = parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="{number}">{levels}</w:abstractNum>')
    numbering.insert(0, abstract)
    numbering.append(
        parse_xml(f'<w:num {nsdecls("w")} w:numId="{number}"><w:abstractNumId w:val="{number}"/></w:num>')
    )

    def add(text, level):
        paragraph = write_into(document.add_paragraph(), text)
        properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = level
        properties.get_or_add_numId().val = int(number)
        return paragraph

    return add


def read(*parts):
    return docx.read(saved(paper(*parts)))


def found(reading):
    """What matters of the items: stem, options, key."""
    return [(item.stem, list(item.options), list(item.key)) for item in reading.items]


TWO = ["một", "hai"]
FOUR = ["một", "hai", "ba", "bốn"]


# --- the samples -----------------------------------------------------------------------------------


def _samples():
    for folder in (SAMPLES, SAMPLES / "broken"):
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["files"]
        for name, told in expected.items():
            if name.endswith(".docx") and told["items"]:
                yield pytest.param(folder / name, told, id=name)


@pytest.mark.parametrize("path, expected", list(_samples()))
def test_a_sample_gives_what_is_expected(path, expected):
    told = docx.read(path.read_bytes()).as_json()

    assert told["items"] == expected["items"]
    assert [problem | {"reason": ""} for problem in told["problems"]] == [
        problem | {"reason": ""} for problem in expected["problems"]
    ]


# --- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label",
    [
        "Câu 1.",
        "Câu 1:",
        "Câu 1)",
        "Câu 1 -",
        "CÂU 1.",
        "câu 01:",
        "Câu hỏi 1:",
        "Câu hỏi số 1.",
        "Câu số 1:",
        "Câu 1/",
        "Câu 1.:",
        "Cau 1.",
        "1.",
        "1)",
        "01.",
        "1/",
        "Câu 1",
        "Câu\u00a01.",
        "Ca\u0302u 1:",
        "{b:Câu} 1{b:.}",
        "Câu 1 (NB):",
        "Câu 1 (0,5 điểm).",
        "Question 1.",
    ],
)
def test_labels_of_questions(label):
    reading = read(f"{label} Hỏi gì?", "A. một", "{b:B. hai}")

    assert not reading.problems
    ((stem, options, key),) = found(reading)
    assert (stem, options, key) == ("Hỏi gì?", TWO, [1])
    assert reading.items[0].where == {"paragraph": 1}


@pytest.mark.parametrize(
    "labels",
    [
        "A. B. C. D.",
        "A) B) C) D)",
        "a. b. c. d.",
        "a) b) c) d)",
        "(A) (B) (C) (D)",
        "A: B: C: D:",
        "[A] [B] [C] [D]",
        "A/ B/ C/ D/",
        "A.) B.) C.) D.)",
        "A B. C. D.",
    ],
)
def test_labels_of_options(labels):
    first, second, third, fourth = labels.split()
    reading = read("Câu 1. Hỏi?", f"{first} một", f"{second} hai", f"{{b:{third} ba}}", f"{fourth} bốn")
    if first == "A":
        assert not reading.items
    else:
        assert found(reading) == [("Hỏi?", FOUR, [2])]


def test_options_without_a_blank_after_their_letters():
    assert found(read("Câu 1.Hỏi?", "A.60%", "B.{r:70%}", "Đáp án:B")) == [("Hỏi?", ["60%", "70%"], [1])]


@pytest.mark.parametrize(
    "line",
    [
        "A. một\tB. hai\tC. ba\tD. bốn",
        "\tA. một\t\tB. hai\t\tC. ba\t\tD. bốn",
        "A. một    B. hai   C. ba     D. bốn",
        "A. một\u00a0\u00a0\u00a0B. hai\u00a0\u00a0 C. ba \tD. bốn",
        "A) một\tB) hai\tC) ba\tD) bốn",
        "a. một  b. hai  c. ba  d. bốn",
        "A. một\tB. hai\nC. ba\tD. bốn",
        "A. một\nB. hai\nC. ba\nD. bốn",
        "A. một B. hai C. ba D. bốn",
    ],
)
def test_options_on_one_line(line):
    assert found(read("Câu 1: Hỏi?", line, "Đáp án: C")) == [("Hỏi?", FOUR, [2])]


def test_options_on_two_lines_with_tabs_and_marks():
    reading = read("Câu 1: Hỏi?", "A. một\t{u:B}. hai", "C. ba\tD. bốn", "Câu 2: Gì?", "A. một\t*B. hai")
    assert found(reading) == [("Hỏi?", FOUR, [1]), ("Gì?", TWO, [1])]


def test_options_behind_the_stem():
    reading = read("Câu 1: Hỏi?\tA. một\tB. {r:hai}", "Câu 2: Gì?\nA. một\nB. hai\nĐáp án: A")
    assert found(reading) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [0])]


def test_a_whole_question_in_one_paragraph_with_its_key_behind_tabs():
    assert found(read("Câu 1: Hỏi?", "A. một\tB. hai\tĐáp án: B")) == [("Hỏi?", TWO, [1])]


@pytest.mark.parametrize(
    "rows",
    [
        [["A. một", "B. hai"], ["C. ba", "D. bốn"]],
        [["A. một", "C. ba"], ["B. hai", "D. bốn"]],
        [["A. một", "B. hai", "C. ba", "D. bốn"]],
        [["A.", "một"], ["B.", "hai"], ["C.", "ba"], ["D.", "bốn"]],
        [["A", "một", "B", "hai"], ["C", "ba", "D", "bốn"]],
    ],
)
def test_options_in_a_table_below_the_stem(rows):
    reading = read("Câu 1. Hỏi?", rows, "Đáp án: B", "Câu 2. Gì?", "A. một", "{b:B. hai}")
    assert found(reading) == [("Hỏi?", FOUR, [1]), ("Gì?", TWO, [1])]
    assert [item.where for item in reading.items] == [{"paragraph": 1}, {"paragraph": 3}]


def test_a_stem_over_several_paragraphs_with_statements():
    reading = read(
        "Câu 1. Cho các nhận định:",
        "1. Một là đúng",
        "2. Hai là sai",
        "",
        "a) thứ ba",
        "b) thứ tư",
        "Nhận định nào đúng?",
        "A. Chỉ 1",
        "B. Chỉ a",
        "Đáp án: A",
    )
    assert found(reading) == [
        (
            "Cho các nhận định: 1. Một là đúng 2. Hai là sai a) thứ ba b) thứ tư Nhận định nào đúng?",
            ["Chỉ 1", "Chỉ a"],
            [0],
        )
    ]


def test_an_option_over_several_paragraphs():
    reading = read(
        "Câu 1. Hỏi?", "A. một", "và nửa", "{b:B. hai}", "{b:và nửa}", "", "Ghi chú của người soạn"
    )
    assert found(reading) == [("Hỏi?", ["một và nửa", "hai và nửa"], [1])]


def test_titles_and_headings_belong_to_no_question():
    reading = read(
        "{b:BỘ CÂU HỎI}",
        "Câu 1. Hỏi?",
        "A. một",
        "{b:B. hai}",
        "{b:PHẦN II: NÂNG CAO}",
        "Câu 2. Gì?",
        "A. một",
        "B. {b:hai}",
        "--- HẾT ---",
        "Người lập biểu",
    )
    assert found(reading) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [1])]


def test_a_question_whose_label_was_forgotten_stands_for_itself():
    reading = read(
        "Câu 1. Hỏi?",
        "A. một",
        "{b:B. hai}",
        "Đây là câu nào?",
        "A. {b:ba}",
        "B. bốn",
        "Câu 3. Gì?",
        "A. một",
        "B. {b:hai}",
    )
    assert found(reading) == [
        ("Hỏi?", TWO, [1]),
        ("Đây là câu nào?", ["ba", "bốn"], [0]),
        ("Gì?", TWO, [1]),
    ]
    assert reading.items[1].where == {"paragraph": 4}


def test_questions_without_any_labels():
    reading = read(
        "{b:BỘ CÂU HỎI}", "Thủ đô là gì?", "A. một", "*B. hai", "", "Thủ đô", "ở đâu?", "A. một", "*B. hai"
    )
    assert found(reading) == [("Thủ đô là gì?", TWO, [1]), ("Thủ đô ở đâu?", TWO, [1])]
    assert [item.where for item in reading.items] == [{"paragraph": 2}, {"paragraph": 6}]


def test_bare_numbers_between_sections_and_in_explanations():
    reading = read(
        "I. PHẦN CHUNG",
        "1. Hỏi?",
        "A. một",
        "B. hai",
        "Đáp án: B",
        "Giải thích: Vì:",
        "2. lý do khác",
        "II. PHẦN RIÊNG",
        "2. Gì?",
        "A. một",
        "*B. hai",
    )
    assert found(reading) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [1])]
    assert reading.items[0].explanation == "Vì: 2. lý do khác"


def test_notes_and_key_above_the_options():
    reading = read(
        "Câu 1. Hỏi?", "Mức độ: NB", "Đáp án: B", "A. một", "B. hai", "Câu 2. Gì?", "A. một", "*B. hai"
    )
    assert found(reading) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [1])]
    assert [item.level for item in reading.items] == ["NB", None]


def test_letters_with_a_hole_keep_their_names():
    reading = read(
        "Câu 1. Hỏi?",
        "A. một",
        "B. hai",
        "D. bốn",
        "Đáp án: D",
        "Câu 2. Gì?",
        "A. một",
        "B. hai",
        "D. ba",
        "Đáp án: C",
    )
    assert found(reading) == [("Hỏi?", ["một", "hai", "bốn"], [2])]
    assert kinds(reading) == [("key_out_of_range", "error", {"paragraph": 6})]


def test_an_abbreviation_or_a_name_is_no_label():
    reading = read("Câu 1. Ông Đ. và bà", "Đ. Hòa, B. Minh làm gì?", "A. một", "B. hai", "Đ. ba", "Đáp án: A")
    assert found(reading)[0][0] == "Ông Đ. và bà Đ. Hòa, B. Minh làm gì?"


# --- Word's own numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Câu %1.", "%1.", "Câu hỏi %1:"])
@pytest.mark.parametrize("form", ["upperLetter", "lowerLetter"])
def test_automatic_numbers_of_questions_and_options(text, form):
    document = Document()
    add = numbered(document, [("decimal", text), (form, "%2.")])
    for stem in ("Hỏi?", "Gì?"):
        add(stem, 0)
        document.add_paragraph("Thêm.")
        add("một", 1)
        add("hai", 1)
    document.add_paragraph("Đáp án: 1B 2A")
    assert found(docx.read(saved(document))) == [("Hỏi? Thêm.", TWO, [1]), ("Gì? Thêm.", TWO, [0])]


def test_typed_questions_with_automatic_letters_that_count_on():
    document = Document()
    add = numbered(document, [("upperLetter", "%1.")])
    for stem, key in (("Câu 1. Hỏi?", "B"), ("Câu 2. Gì?", "D")):
        document.add_paragraph(stem)
        add("một", 0)
        add("hai", 0)
        document.add_paragraph(f"Đáp án: {key}")
    assert found(docx.read(saved(document))) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [1])]


def test_automatic_numbers_from_a_style_and_typed_letters():
    document = Document()
    add = numbered(document, [("decimal", "%1.")])
    style = document.styles.add_style("Cau hoi", WD_STYLE_TYPE.PARAGRAPH)
    style.element.get_or_add_pPr().append(add("", 0)._p.pPr.numPr)
    for stem in ("Hỏi?", "Gì?"):
        document.add_paragraph(stem, style="Cau hoi")
        write_into(document.add_paragraph(), "A. một\tB. {u:hai}")
    assert found(docx.read(saved(document))) == [("Hỏi?", TWO, [1]), ("Gì?", TWO, [1])]


def test_bullets_after_a_stem_are_options_unless_letters_follow():
    document = Document()
    add = numbered(document, [("bullet", "•")])
    document.add_paragraph("Câu 1. Hỏi?")
    add("một", 0)
    add("{b:hai}", 0)
    document.add_paragraph("Câu 2. Trong các ý:")
    add("ý một", 0)
    add("ý hai", 0)
    document.add_paragraph("A. một")
    write_into(document.add_paragraph(), "B. {b:hai}")
    assert found(docx.read(saved(document))) == [
        ("Hỏi?", TWO, [1]),
        ("Trong các ý: ý một ý hai", TWO, [1]),
    ]


# --- marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["b", "u", "r", "h", "s", "bu", "rb"])
@pytest.mark.parametrize(
    "shape", ["{%s:B. hai}", "B. {%s:hai}", "{%s:B}. hai", "{%s:B.} {%s:h}{%s:ai}", "B. {%s:ha}{%s:i}."]
)
def test_a_mark_on_text_or_letter(mark, shape):
    option = shape.replace("%s", mark)
    ((_, _, key),) = found(read("{b:Câu 1. Hỏi?}", "A. một", option, "C. ba"))
    assert key == [1]


@pytest.mark.parametrize(
    "option",
    [
        "*B. hai",
        "* B. hai",
        "B. *hai",
        "B. * hai",
        "B. hai*",
        "B. hai *",
        "*B) hai",
        "B.* hai",
        "(*) B. hai",
        "B. hai (*)",
    ],
)
def test_an_asterisk(option):
    assert found(read("Câu 1. Hỏi?", "A. một", option, "C. ba")) == [("Hỏi?", ["một", "hai", "ba"], [1])]


def test_several_marks_make_a_multiple():
    (item,) = read("Câu 1. Hỏi? (Chọn nhiều đáp án)", "*A. một", "B. hai", "*C. ba").items
    assert (item.kind, item.key, item.stem) == ("multiple", (0, 2), "Hỏi? (Chọn nhiều đáp án)")


@pytest.mark.parametrize(
    "lines",
    [
        ("{b:Câu 1. Hỏi?}", "{b:A. một}", "{b:B. hai}"),
        ("Câu 1. {n:Hỏi?}", "A. một", "B. hai"),
        ("Câu 1. {u:Hỏi}?", "A. {k:một}", "B. hai"),
        ("Câu 1. Hỏi?", "A. {n:một}", "B. hai"),
        ("Câu 1. Hỏi?", "A. {o:một}", "B. hai"),
        ("Câu 1. Hỏi?", "A. {i:một}", "B. hai"),
        ("Câu 1. Hỏi?", "A. {w:một}", "B. hai"),
        ("Câu 1. Hỏi?", "A. Việc {u:không} được làm ngay", "B. hai"),
        ("Câu 1. Hỏi?", "{b:A.} một", "{b:B.} hai"),
        ("Câu 1. Hỏi?", "* A. một", "* B. hai"),
        ("Câu 1. Hỏi?", "A. {b:một}", "B. {r:hai}"),
        ("Câu 1. Hỏi?", "A. một", "B. hai", "Đáp án:"),
        ("Câu 1. Hỏi?", "A. một", "B. hai", "Đáp án: ……"),
        ("Câu 1. Hỏi?", "A. {r:một}", "B. hai", "Đáp án: B"),
        ("Câu 1. Hỏi?", "A. một", "B. hai", "Đáp án: A", "Đáp án: B"),
    ],
)
def test_what_marks_nothing(lines):
    reading = read("Câu 5. Trước?", "A. một", "*B. hai", *lines, "Câu 7. Sau?", "A. một", "*B. hai")
    assert found(reading) == [("Trước?", TWO, [1]), ("Sau?", TWO, [1])]
    assert kinds(reading) == [("missing_key", "error", {"paragraph": 4})]


def test_bold_letters_everywhere_and_one_option_underlined():
    assert found(read("Câu 1. Hỏi?", "{b:A.} một", "{b:B.} {u:hai}")) == [("Hỏi?", TWO, [1])]


def test_marks_come_from_styles_too():
    document = Document()
    answer = document.styles.add_style("Dap an", WD_STYLE_TYPE.PARAGRAPH)
    answer.base_style = document.styles.add_style("Dam", WD_STYLE_TYPE.PARAGRAPH)
    answer.base_style.font.bold = True
    strong = document.styles.add_style("Nhan manh", WD_STYLE_TYPE.CHARACTER)
    strong.font.color.rgb = RGBColor(255, 0, 0)
    document.add_paragraph("Câu 1. Hỏi?")
    document.add_paragraph("A. một")
    document.add_paragraph("B. hai", style="Dap an")
    document.add_paragraph("Câu 2. Gì?")
    document.add_paragraph("A. ").add_run("một", style="Nhan manh")
    document.add_paragraph("B. hai")
    # All bold by style; the one that is not marked otherwise is no mark.
    document.add_paragraph("Câu 3. Sao?")
    document.add_paragraph("A. một", style="Dap an")
    document.add_paragraph("B. hai", style="Dap an").runs[0].underline = True
    assert [key for _, _, key in found(docx.read(saved(document)))] == [[1], [0], [1]]


def test_the_underline_of_a_link_marks_nothing():
    document = paper("Câu 1. Trang nào?", "A. một.vn")
    document.styles.add_style("Hyperlink", WD_STYLE_TYPE.CHARACTER).font.underline = True
    document.add_paragraph("B. ").add_run("hai.vn", style="Hyperlink")
    link = OxmlElement("w:hyperlink")
    paragraph = document.add_paragraph("C. ")
    run = paragraph.add_run("ba.vn")
    run.underline = True
    link.append(run._r)
    paragraph._p.append(link)
    reading = docx.read(saved(document))
    assert kinds(reading) == [("missing_key", "error", {"paragraph": 1})]


# --- keys in words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, key",
    [
        ("Đáp án: B", [1]),
        ("ĐÁP ÁN: B.", [1]),
        ("Đáp án:b", [1]),
        ("Dap an: B", [1]),
        ("Đáp án B", [1]),
        ("Đáp án đúng: B, D", [1, 3]),
        ("Đáp án đúng là: B", [1]),
        ("Đáp án đúng là B", [1]),
        ("=> Đáp án: B", [1]),
        ("(Đáp án: B)", [1]),
        ("Đáp án: B và D", [1, 3]),
        ("Đáp án: BD", [1, 3]),
        ("Chọn B", [1]),
        ("Chọn đáp án B.", [1]),
        ("ĐA: B", [1]),
        ("Trả lời: B", [1]),
        ("Đáp án: hai", [1]),
        ("Đáp án: B. hai", [1]),
        ("Answer: B", [1]),
        ("{b:Đáp án}: {r:B}", [1]),
        ("Đáp án:\nB", [1]),
        ("→ Đáp án: B", [1]),
        ("* Đáp án: B", [1]),
        ("Đáp án: (B)", [1]),
    ],
)
def test_a_line_with_the_key(line, key):
    reading = read(
        "Câu 1. Hỏi?", "A. một", "B. hai", "C. ba", "D. bốn", line, "Câu 2. Gì?", "A. một", "{b:B. hai}"
    )
    assert found(reading) == [("Hỏi?", FOUR, key), ("Gì?", TWO, [1])]


def three():
    return [line for n in (1, 2, 3) for line in (f"Câu {n}. Hỏi {n}?", "A. một", "B. hai", "C. ba", "D. bốn")]


@pytest.mark.parametrize(
    "end",
    [
        ["Đáp án: 1B 2D 3A"],
        ["ĐÁP ÁN", "1-B", "2-D", "3-A"],
        ["BẢNG ĐÁP ÁN", "1. B", "2. D", "3. A"],
        ["Bảng đáp án:", "1.B 2.D 3.A"],
        ["ĐÁP ÁN", "1 - B; 2 - D; 3 - A."],
        ["{b:ĐÁP ÁN}", "Câu 1: B", "Câu 2: D", "Câu 3: A"],
        ["HƯỚNG DẪN CHẤM", "Câu 1. B, Câu 2. D, Câu 3. A"],
        ["ĐÁP ÁN", "1. B (Điều 11)", "2. D. Khoản 1", "3. A"],
        ["Đáp án", "1B\t2D\t3A"],
        ["1B, 2D, 3A"],
        ["Đáp án: Câu 1: B, Câu 2: D, Câu 3: A"],
        ["ĐÁP ÁN: 1. B; 2. D; 3. A"],
        [[["Câu hỏi", "Đáp án", "Căn cứ"], ["1", "B", "Luật A"], ["2", "D", "Luật B"], ["3", "A", ""]]],
        ["ĐÁP ÁN", [["1-B", "2-D", "3-A"]]],
        ["ĐÁP ÁN", [["1", "2", "3"], ["B", "D", "A"]]],
        [[["Câu", "1", "2", "3"], ["Đáp án", "B", "D", "A"]]],
        [[["Câu", "Đáp án"], ["1", "B"], ["2", "D"], ["3", "A"]]],
        [[["Câu", "ĐA", "Câu", "ĐA"], ["Câu 1", "B", "Câu 3", "A"], ["Câu 2", "D", "", ""]]],
        [[["BẢNG ĐÁP ÁN"], ["Câu 1", "Câu 2", "Câu 3"], ["B", "D", "A"]]],
        [[["1", "2"], ["B", "D"], ["3", ""], ["A", ""]]],
        ["ĐÁP ÁN", [["1. B", "3. A"], ["2. D", ""]]],
    ],
)
def test_keys_at_the_end(end):
    reading = read(*three(), *end)
    assert [key for _, _, key in found(reading)] == [[1], [3], [0]]
    assert not reading.problems


def test_a_list_of_keys_numbered_by_word():
    document = paper(*three(), "{b:ĐÁP ÁN}")
    add = numbered(document, [("decimal", "%1.")])
    for letter in "BDA":
        add(letter, 0)
    assert [key for _, _, key in found(docx.read(saved(document)))] == [[1], [3], [0]]


def test_a_key_that_the_list_leaves_out():
    reading = read(*three(), [["1", "2", "3"], ["B", "", "A, C"]])
    assert [key for _, _, key in found(reading)] == [[1], [0, 2]]
    assert kinds(reading) == [("missing_key", "error", {"paragraph": 6})]


@pytest.mark.parametrize("end", [["1B 2A", "1A 2B"], [[["1-B", "2-A"]], [["1-A", "2-B"]]], ["1B 2A 3A 4B"]])
def test_numbers_that_begin_anew(end):
    part = ["Câu 1. Hỏi?", "A. một", "B. hai", "Câu 2. Gì?", "A. một", "B. hai"]
    other = [line.replace("?", " nữa?") for line in part]
    reading = read("PHẦN I", *part, "PHẦN II", *other, "ĐÁP ÁN", *end)
    assert [key for _, _, key in found(reading)] == [[1], [0], [0], [1]]


def test_numbers_that_begin_anew_with_one_list_are_not_guessed():
    part = ["Câu 1. Hỏi?", "A. một", "B. hai", "Câu 2. Gì?", "A. một", "B. hai"]
    other = [line.replace("?", " nữa?") for line in part]
    reading = read("PHẦN I", *part, "PHẦN II", *other, "Câu 9. Sau?", "A. một", "B. hai", "1B 2A 9A")
    assert found(reading) == [("Sau?", TWO, [0])]
    assert [kind for kind, _, _ in kinds(reading)] == ["missing_key"] * 4


# --- topics, levels, notes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "heading, topic",
    [
        ("CHỦ ĐỀ 1: KHÁI NIỆM, MỨC ĐỘ DVCTT", "T1"),
        ("Chủ đề T5: Số hóa hồ sơ", "T5"),
        ("T6. Thanh toán", "T6"),
        ("T6 Thanh toán trực tuyến", "T6"),
        ("Tình huống thực hành", "T12"),
        ("Chủ đề: Tình huống thực hành", "T12"),
        ("Chủ đề 2", "T2"),
        ("PHẦN I. TÌNH HUỐNG THỰC HÀNH", "T12"),
        ("Chủ đề 3: Giao dịch điện tử, chữ ký số", "T8"),
        ("Chủ đề 1: Văn hóa giao tiếp", None),
        ("PHẦN I", None),
        ("I. GIAO DỊCH ĐIỆN TỬ, CHỮ KÝ SỐ", "T8"),
        ("T10: Chất lượng phục vụ", "T10"),
        ("T13: Không có", None),
    ],
)
def test_headings_name_topics(heading, topic):
    reading = read(
        "{b:BỘ CÂU HỎI}",
        f"{{b:{heading}}}",
        "Câu 1. Hỏi?",
        "A. một",
        "*B. hai",
        "Câu 2. Gì?",
        "A. một",
        "*B. hai",
    )
    assert [item.topic for item in reading.items] == [topic, topic]
    between = read("Câu 1. Hỏi?", "A. một", "*B. hai", f"{{b:{heading}}}", "Câu 2. Gì?", "A. một", "*B. hai")
    assert [(item.topic, item.options) for item in between.items] == [(None, tuple(TWO)), (topic, tuple(TWO))]


def test_an_unknown_topic_ends_the_one_before():
    reading = read(
        "CHỦ ĐỀ T1",
        "Câu 1. Hỏi?",
        "A. một",
        "*B. hai",
        "CHỦ ĐỀ 2: VĂN HÓA",
        "Câu 2. Gì?",
        "A. một",
        "*B. hai",
    )
    assert [item.topic for item in reading.items] == ["T1", None]


@pytest.mark.parametrize(
    "stem, level",
    [
        ("Câu 1. Hỏi? (NB)", "NB"),
        ("Câu 1. [TH] Hỏi?", "TH"),
        ("Câu 1 (Vận dụng): Hỏi?", "VD"),
        ("Câu 1. (Nhận biết) Hỏi?", "NB"),
        ("Câu 1. Hỏi? [Mức độ: TH]", "TH"),
        ("Câu 1 [VD]. Hỏi?", "VD"),
        ("Câu 1. Hỏi?", None),
    ],
)
def test_notes_of_the_level_in_the_stem(stem, level):
    (item,) = read(stem, "A. một", "*B. hai").items
    assert (item.stem, item.level) == ("Hỏi?", level)


def test_notes_below_a_question():
    reading = read(
        "Câu 1. Hỏi?",
        "A. một",
        "B. hai",
        "Đáp án: B",
        "Căn cứ pháp lý: Điều 5",
        "Luật A",
        "Giải thích: Vì thế.",
        "Mức độ: Thông hiểu",
        "Chủ đề: T4",
        "",
        "Câu 2. Gì?",
        "A. một",
        "*B. hai",
        "Mức độ: NB",
    )
    first, second = reading.items
    assert (first.legal_basis, first.explanation, first.level, first.topic) == (
        "Điều 5 Luật A",
        "Vì thế.",
        "TH",
        "T4",
    )
    assert (second.level, second.topic) == ("NB", None)


def test_notes_above_the_questions():
    reading = read(
        "Chủ đề: T4",
        "Mức độ: NB",
        "Câu 1. Hỏi?",
        "A. một",
        "*B. hai",
        "Chủ đề: T5",
        "Mức độ: TH",
        "Câu 2. Gì?",
        "A. một",
        "*B. hai",
    )
    assert [(item.topic, item.level) for item in reading.items] == [("T4", "NB"), ("T5", "TH")]


def test_levels_as_headings():
    reading = read(
        "CHỦ ĐỀ T1",
        "I. NHẬN BIẾT",
        "Câu 1. Hỏi?",
        "A. một",
        "*B. hai",
        "II. THÔNG HIỂU",
        "Câu 2. Gì?",
        "A. một",
        "*B. hai",
        "CHỦ ĐỀ T2",
        "Câu 3. Sao?",
        "A. một",
        "*B. hai",
    )
    assert [(item.topic, item.level) for item in reading.items] == [("T1", "NB"), ("T1", "TH"), ("T2", None)]


# --- tables of questions ---------------------------------------------------------------------------

HEAD = ["STT", "Câu hỏi", "Phương án", "Đáp án"]


@pytest.mark.parametrize(
    "rows",
    [
        [HEAD, ["1", "Là ai?", "A. một¶B. hai", "B"], ["2", "Là gì?", "A. một¶B. hai", "A"]],
        [
            ["TT", "NOI DUNG CAU HOI", "CAC PHUONG AN TRA LOI", "DAP AN DUNG"],
            ["1", "Là ai?", "A. một\nB. hai", "B"],
            ["2", "Là gì?", "A. một¶B. hai", "a"],
        ],
        [["Đáp án", "Phương án", "Nội dung câu hỏi"], ["B", "một¶hai", "Là ai?"], ["A", "một¶hai", "Là gì?"]],
        [
            ["STT", "Nội dung câu hỏi", "A", "B", "Đáp án"],
            ["1", "Là ai?", "một", "hai", "B"],
            ["2", "Là gì?", "một", "hai", "A"],
        ],
        [
            ["STT", "Câu hỏi", "Phương án A", "Phương án B", "Đáp án"],
            ["1", "Là ai?", "A. một", "B. hai", "B"],
            ["2", "Là gì?", "một", "hai", "A"],
        ],
        [
            ["STT", "Câu hỏi", "Đáp án"],
            ["1", "Là ai?¶A. một¶B. hai", "B"],
            ["2", "Câu 2. Là gì?¶A. một\tB. hai", "A"],
        ],
        [
            ["STT", "Câu hỏi", "Phương án"],
            ["1", "Là ai?", "A. một¶{b:B. hai}"],
            ["2", "Là gì?", "{r:A. một}¶B. hai"],
        ],
        [
            ["Bảng câu hỏi"],
            HEAD,
            ["1", "Câu 1: Là ai?", "A. một¶B. hai", "B"],
            ["2", "2. Là gì?", "A. một¶B. hai", "A"],
        ],
        [["1", "Là ai?", "A. một¶B. hai", "B"], ["2", "Là gì?", "A. một¶B. hai", "A"]],
        [
            HEAD,
            ["1", "Là ai?", "A. một¶B. hai", "B"],
            HEAD,
            ["2", "Là gì?", "A. một¶B. hai", "A"],
            ["", "Người lập", "", ""],
        ],
    ],
)
def test_a_row_is_a_question(rows):
    reading = read("Danh sách", rows)
    assert found(reading) == [("Là ai?", TWO, [1]), ("Là gì?", TWO, [0])]
    assert not reading.problems
    texts = ["¶".join(row) for row in rows]
    assert [item.where for item in reading.items] == [
        {"table": 1, "row": next(n for n, text in enumerate(texts, start=1) if stem in text)}
        for stem in ("Là ai?", "Là gì?")
    ]


def test_a_table_with_topics_levels_and_notes():
    reading = read(
        [
            [*HEAD, "Mức độ", "Căn cứ", "Giải thích"],
            ["CHỦ ĐỀ 2: CỔNG DVCQG VÀ TÀI KHOẢN"],
            ["1", "Là ai?", "A. một¶B. hai", "B", "NB", "Luật A", "Vì thế."],
            ["2", "", "A. một¶B. hai", "B", "TH", "", ""],
            ["Văn hóa công sở"],
            ["3", "Là gì?", "A. một¶B. hai", "", "TH", "", ""],
            ["4", "Vì sao?", "A. một¶B. hai", "A", "Vận dụng", "", ""],
        ]
    )
    assert [(i.topic, i.level, i.legal_basis, i.explanation) for i in reading.items] == [
        ("T2", "NB", "Luật A", "Vì thế."),
        (None, "VD", None, None),
    ]
    assert kinds(reading) == [
        ("empty_stem", "error", {"table": 1, "row": 4}),
        ("missing_key", "error", {"table": 1, "row": 6}),
    ]


def test_merged_cells_and_options_in_rows():
    document = Document()
    table = add_table(
        document,
        [
            ["Chủ đề", "Câu hỏi", "Phương án", "Đáp án"],
            ["T3", "Là ai?", "A. một", ""],
            ["", "", "B. hai", "x"],
            ["", "Là gì?", "A. một", "x"],
            ["", "", "B. hai", ""],
        ],
    )
    table.cell(1, 0).merge(table.cell(4, 0))
    table.cell(1, 1).merge(table.cell(2, 1))
    table.cell(3, 1).merge(table.cell(4, 1))
    reading = docx.read(saved(document))
    assert [(*one, item.topic) for one, item in zip(found(reading), reading.items, strict=True)] == [
        ("Là ai?", TWO, [1], "T3"),
        ("Là gì?", TWO, [0], "T3"),
    ]


def test_options_in_rows_without_merged_cells():
    reading = read(
        [
            ["STT", "Câu hỏi", "", "Phương án", "Đáp án"],
            ["1", "Là ai?", "A", "một", ""],
            ["", "", "B", "hai", "x"],
            ["2", "Là gì?", "A", "một", "x"],
            ["", "", "B", "hai", ""],
        ]
    )
    assert found(reading) == [("Là ai?", TWO, [1]), ("Là gì?", TWO, [0])]


def test_headings_over_two_rows():
    document = Document()
    table = add_table(
        document,
        [
            ["STT", "Câu hỏi", "Phương án trả lời", "", "Đáp án"],
            ["", "", "A", "B", ""],
            ["1", "Là ai?", "một", "hai", "B"],
        ],
    )
    table.cell(0, 2).merge(table.cell(0, 3))
    for column in (0, 1, 4):
        table.cell(0, column).merge(table.cell(1, column))
    assert found(docx.read(saved(document))) == [("Là ai?", TWO, [1])]


def test_a_table_whose_keys_stand_in_another():
    reading = read(
        [HEAD[:3], ["1", "Là ai?", "A. một¶B. hai"], ["2", "Là gì?", "A. một¶B. hai"]],
        "ĐÁP ÁN",
        [["1", "2"], ["B", "A"]],
    )
    assert found(reading) == [("Là ai?", TWO, [1]), ("Là gì?", TWO, [0])]


def test_whole_questions_in_cells():
    reading = read([["Câu 1. Là ai?¶A. một¶B. hai¶Đáp án: B"], ["Câu 2. Là gì?¶A. một¶{b:B. hai}"]])
    assert found(reading) == [("Là ai?", TWO, [1]), ("Là gì?", TWO, [1])]
    assert [item.where for item in reading.items] == [{"table": 1, "row": 1}, {"table": 1, "row": 2}]


def test_a_table_for_each_question():
    reading = read(
        [["Câu 1", "Là ai?"], ["A", "một"], ["B", "hai"], ["Đáp án", "B"], ["Căn cứ", "Luật A"]],
        "",
        [["Câu 2. Là gì?"], ["{u:A}", "một"], ["B", "hai"]],
    )
    assert found(reading) == [("Là ai?", TWO, [1]), ("Là gì?", TWO, [0])]
    assert [item.legal_basis for item in reading.items] == ["Luật A", None]


# --- what Word puts around the text ----------------------------------------------------------------


def test_tracked_changes_are_read_as_accepted():
    document = paper("Câu 1. Hỏi ", "A. một", "B. hai", "C. ba", "Đáp án: C")
    first = document.paragraphs[0]._p
    deleted = OxmlElement("w:del")
    deleted.append(parse_xml(f"<w:r {nsdecls('w')}><w:delText>xóa</w:delText></w:r>"))
    inserted = OxmlElement("w:ins")
    inserted.append(parse_xml(f"<w:r {nsdecls('w')}><w:t>gì?</w:t></w:r>"))
    first.append(deleted)
    first.append(inserted)
    gone = document.paragraphs[2]._p
    run = gone.find(qn("w:r"))
    wrapper = OxmlElement("w:del")
    gone.replace(run, wrapper)
    wrapper.append(run)
    run.replace(run.find(qn("w:t")), parse_xml(f"<w:delText {nsdecls('w')}>B. hai</w:delText>"))
    assert found(docx.read(saved(document))) == [("Hỏi gì?", ["một", "ba"], [1])]


def test_text_boxes_headers_hidden_text_and_notes_are_not_read():
    document = paper("Câu 1. Hỏi?{v: ẩn}", "A. một", "*B. hai")
    document.sections[0].header.paragraphs[0].text = "Câu 9. Đầu trang?"
    box = parse_xml(
        f'<w:r {nsdecls("w")} xmlns:v="urn:schemas-microsoft-com:vml"><w:pict>'
        "<v:shape><v:textbox><w:txbxContent>"
        "<w:p><w:r><w:t>Câu 8. Hộp?</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
    )
    document.paragraphs[0]._p.append(box)
    assert found(docx.read(saved(document))) == [("Hỏi?", TWO, [1])]


def test_content_controls_are_read():
    document = paper("Câu 1. Hỏi?", "A. một", "*B. hai")
    paragraph = document.paragraphs[1]._p
    control = parse_xml(f"<w:sdt {nsdecls('w')}><w:sdtContent/></w:sdt>")
    paragraph.getparent().replace(paragraph, control)
    control[0].append(paragraph)
    assert found(docx.read(saved(document))) == [("Hỏi?", TWO, [1])]


def png(shade_of_grey):
    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes([0, shade_of_grey]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_pictures_of_a_stem_in_their_order():
    pictures = [png(0), png(255)]
    document = paper("Câu 1. Xem hình")
    document.paragraphs[0].add_run().add_picture(BytesIO(pictures[0]))
    document.add_paragraph().add_run().add_picture(BytesIO(pictures[1]))
    write_into(document.add_paragraph(), "A. một\tB. {b:hai}")
    for line in ("Câu 2. Hỏi?", "A. một", "*B. hai"):
        document.add_paragraph(line)
    first, second = docx.read(saved(document)).items
    assert [picture.content for picture in first.pictures] == pictures
    assert not second.pictures


def with_drawing(*lines, change=lambda blip, about: None):
    """A paper whose first paragraph carries a picture."""
    document = paper(*lines)
    inline = document.paragraphs[0].add_run().add_picture(BytesIO(png(0)))._inline
    inline.docPr.set("descr", "Sơ đồ")
    change(inline.graphic.graphicData.pic.blipFill.blip, inline.docPr)
    return document


def test_the_alternative_text_of_a_picture_is_read():
    (item,) = docx.read(saved(with_drawing("Câu 1. Xem hình?", "A. một", "*B. hai"))).items
    assert [(picture.alt, picture.where) for picture in item.pictures] == [("Sơ đồ", {"paragraph": 1})]


def test_the_alternative_text_of_an_old_picture_is_read():
    document = with_drawing("Câu 1. Xem hình?", "A. một", "*B. hai")
    drawing = document.paragraphs[0].runs[-1]._r[-1]
    relation = drawing.find(f".//{qn('a:blip')}").get(qn("r:embed"))
    names = 'xmlns:v="urn:schemas-microsoft-com:vml"'
    shape = f'<v:shape alt="Cũ"><v:imagedata r:id="{relation}"/></v:shape>'
    old = parse_xml(f"<w:pict {nsdecls('w', 'r')} {names}>{shape}</w:pict>")
    drawing.getparent().replace(drawing, old)

    (item,) = docx.read(saved(document)).items
    assert [(picture.alt, picture.content) for picture in item.pictures] == [("Cũ", png(0))]


def link(blip, _):
    del blip.attrib[qn("r:embed")]
    blip.set(qn("r:link"), "rId998")  # leads out of the file


def lose(blip, _):
    blip.set(qn("r:embed"), "rId999")


@pytest.mark.parametrize("change", [link, lose])
def test_a_picture_that_is_not_in_the_file_is_a_problem_of_its_paragraph(change):
    document = with_drawing("Xem hình sau:", "A. một", "*B. hai", change=change)
    document.paragraphs[0].insert_paragraph_before("Câu 1. Hỏi?")
    document.paragraphs[1].runs[0].text = ""

    reading = read_file("a.docx", saved(document))

    assert kinds(reading) == [("bad_picture", "error", {"paragraph": 2})]
    assert not reading.items


@pytest.mark.parametrize(
    "content, word", [(b"\xd7\xcd\xc6\x9a" + bytes(80), "WMF"), (b"\x01\x00\x00\x00" + bytes(80), "EMF")]
)
def test_a_picture_of_windows_is_a_problem_of_its_paragraph(content, word):
    name = "word/media/image1.png"
    original = saved(with_drawing("Câu 1. Hỏi?", "A. một", "*B. hai"))
    reading = read_file("a.docx", repacked(original, {name: content}))

    assert kinds(reading) == [("bad_picture", "error", {"paragraph": 1})]
    assert word in reading.problems[0].reason


def test_pictures_that_would_take_too_long_are_refused_together():
    document = paper("Câu 1. Hỏi?")
    for shade in range(3):
        content = BytesIO()
        Image.new("L", (7_000, 5_000), shade).save(content, "PNG")
        document.paragraphs[0].add_run().add_picture(content)
    for line in ("A. một", "*B. hai"):
        document.add_paragraph(line)

    reading = read_file("a.docx", saved(document))

    assert kinds(reading) == [("unreadable_file", "error", {})]
    assert "Nén ảnh" in reading.problems[0].reason


def test_texts_are_cleaned():
    reading = read("Câu 1. Ho\u0309i\u00a0 gi\u0300\u00ad?", "A. mo\u0323\u0302t", "{b:B. }{b:ha\u200b}{b:i}")
    assert found(reading) == [("Hỏi gì?", TWO, [1])]


def test_an_accent_in_the_next_run():
    assert found(read("Câu 1. Ho{b:\u0309i}?", "A. một", "*B. hai"))[0][0] == "Hỏi?"


# --- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines, kind",
    [
        (["Câu 2. Chỉ một?", "A. một"], "too_few_options"),
        (["Câu 2. Không có?"], "too_few_options"),
        (["Câu 2.", "A. một", "*B. hai"], "empty_stem"),
        (["Câu 2. Chọn một đáp án đúng?", "*A. một", "*B. hai", "C. ba"], "several_keys_for_single"),
        (["Câu 2. Khóa?", "A. một", "B. hai", "Đáp án: E"], "key_out_of_range"),
        (["Câu 2. Khóa?", "A. một", "B. hai", "Đáp án: không rõ"], "missing_key"),
        (["C©u 2: DÞch vô c«ng trùc tuyÕn lµ g×?", "A. Mét møc ®é", "*B. Hai møc ®é"], "unreadable_text"),
        (["Câu 2. Trùng?", "A. một", "*B. một"], "duplicate_option"),
        (["Câu 2. Sai chữ?", "B. một", "C. hai", "Đáp án: B"], "too_few_options"),
    ],
)
def test_a_faulty_question_between_good_ones(lines, kind):
    reading = read("Câu 1. Trước?", "A. một", "*B. hai", *lines, "Câu 3. Sau?", "A. một", "*B. hai")
    assert found(reading) == [("Trước?", TWO, [1]), ("Sau?", TWO, [1])]
    assert kinds(reading) == [(kind, "error", {"paragraph": 4})]


def with_part(name, content, base=None):
    """A Word file with one part put in or replaced."""
    source = zipfile.ZipFile(BytesIO(base or saved(paper("Câu 1. Hỏi?", "A. một", "*B. hai"))))
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in source.namelist():
            if member != name:
                archive.writestr(member, source.read(member))
        archive.writestr(name, content)
    return target.getvalue()


def document_xml(body, before=""):
    return f'<?xml version="1.0"?>{before}<w:document {nsdecls("w")}><w:body>{body}</w:body></w:document>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 not a zip",
        "Câu 1. Hỏi?".encode(),
        saved(paper("Câu 1. Hỏi?"))[:4000],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        with_part("word/vbaProject.bin", b"macro"),
        with_part("word/document.xml", "<not-closed>"),
        with_part("word/document.xml", "<other/>"),
        with_part(
            "word/document.xml", document_xml("&x;", '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>')
        ),
        with_part("word/document.xml", document_xml("", "<!DOCTYPE w>").encode("utf-16")),
        with_part("word/document.xml", document_xml("<w:p/>" * 900_000)),
        with_part("word/document.xml", document_xml("<w:sdt>" * 400 + "</w:sdt>" * 400)),
        with_part("word/document.xml", document_xml(f"<w:p><w:r><w:t>{'a' * 200_000}</w:t></w:r></w:p>")),
        with_part("word/styles.xml", "<w:styles"),
        with_part("xl/x.bin", bytes(60_000_000)),
    ],
)
def test_hostile_and_broken_files_are_refused_with_a_sentence(content):
    with pytest.raises(UnreadableFile) as refusal:
        docx.read(content)
    assert str(refusal.value).endswith(".")


def test_macros_are_refused_by_their_type():
    types = zipfile.ZipFile(BytesIO(saved(paper("x")))).read("[Content_Types].xml")
    macro = types.replace(b"wordprocessingml.document.main+xml", b"document.macroEnabled.main+xml")
    with pytest.raises(UnreadableFile, match="macro"):
        docx.read(with_part("[Content_Types].xml", macro))


def test_what_a_file_lacks_does_no_harm():
    bare = BytesIO()
    body = "".join(
        f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in ("Câu 1. Hỏi?", "A. một", "*B. hai")
    )
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("word/document.xml", document_xml(body))
    assert found(docx.read(bare.getvalue())) == [("Hỏi?", TWO, [1])]


def test_a_file_without_questions_is_refused():
    with pytest.raises(UnreadableFile, match="Không thấy câu hỏi"):
        read("Kính gửi: Sở Tư pháp", "Căn cứ kế hoạch, đề nghị gửi câu hỏi.")


# --- there and back --------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(items())
def test_what_was_written_is_read_again(item):
    expected = what_a_reader_finds(item, {})
    assume("unreadable_text" not in expected[1])  # what is left out when writing may be its only sign
    assert what_was_found(docx.read(docx.write([item]))) == expected


@settings(max_examples=30, deadline=None)
@given(items(), st.sampled_from([stored(), stored(2)]), plain_texts.filter(lambda text: len(text) < 300))
def test_a_picture_is_written_and_read_again(item, picture, alt):
    item = replace(item, picture=picture, picture_alt=alt)
    found, problems = what_was_found(docx.read(docx.write([item])))
    expected = what_a_reader_finds(item, {})
    assume("unreadable_text" not in expected[1])
    assert (found, problems) == (
        [one | {"images": [picture.sha256]} for one in expected[0]],
        expected[1],
    )
    for one in read_file("a.docx", docx.write([item])).items:
        assert one.picture is not None
        assert (one.picture.content, one.alt) == (picture.content, _NO_XML.sub("", alt))


def test_one_picture_in_many_questions_is_read_in_each():
    (first, second, *_) = demo_items()
    pictured = [replace(one, picture=stored(), picture_alt="Sơ đồ") for one in (first, second)]
    assert [one.picture for one in read_file("a.docx", docx.write(pictured)).items] == [stored()] * 2


def test_a_picture_that_was_exchanged_in_word_counts():
    (first, *_) = demo_items()
    written = docx.write([replace(first, picture=stored(), picture_alt="Sơ đồ")])
    reading = docx.read(repacked(written, {"word/media/image1.jpg": png(7)}))
    assert [picture.content for picture in reading.items[0].pictures] == [png(7)]


def test_word_is_shown_a_jpeg_with_its_alternative_text():
    (first, *_) = demo_items()
    document = Document(BytesIO(docx.write([replace(first, picture=stored(), picture_alt="Sơ đồ")])))
    (shape,) = document.inline_shapes
    relation = shape._inline.graphic.graphicData.pic.blipFill.blip.embed
    assert document.part.related_parts[relation].blob.startswith(b"\xff\xd8\xff")
    assert shape._inline.docPr.get("descr") == "Sơ đồ"
    assert shape.width <= Cm(15)


def test_the_demo_bank_survives_the_way_there_and_back():
    bank = list(demo_items())
    reading = docx.read(docx.write(bank))
    assert not [problem for problem in reading.problems if problem.severity == "error"]
    assert [
        (
            item.stem,
            item.options,
            item.key,
            item.kind,
            item.topic,
            item.level,
            item.legal_basis,
            item.explanation,
        )
        for item in reading.items
    ] == [
        (
            clean_text(text_of_html(item.stem)),
            tuple(clean_text(text_of_html(option.text)) for option in item.options),
            item.key,
            item.kind,
            item.topic,
            item.level,
            clean_text(f"{item.legal_article} {item.legal_document}"),
            clean_text(text_of_html(item.explanation)),
        )
        for item in bank
    ]


@pytest.mark.parametrize(
    "stem, option",
    [
        ("(NB) là gì?", "*sao"),
        ("Viết tắt (TH)", "sao *"),
        ("B", "B. hai"),
        ("A, C", "Đáp án: A"),
        (": hai chấm", "(NB)"),
        (". chấm", "1-B"),
        ("(a) và (b): gì?", "*"),
        ("*", ".5"),
        ("5. năm", "Câu 2. gì"),
        ("1B 2C", "Căn cứ: x"),
        ("- gạch", "- gạch"),
        ("Đáp án: B", ") ngoặc"),
        ("Căn cứ: Luật A", "D"),
        ("T1 là gì?", "(TH) và (VD)"),
        ("CHỦ ĐỀ 1: GÌ", "HẾT"),
        ("BẢNG ĐÁP ÁN", "NHẬN BIẾT"),
        ("=> B", "=> C"),
        ("1) một", "1) một"),
        ("Đúng", "Đúng"),
        ("Đáp án: A. Căn cứ: x", "Đáp án B. Giải thích: y"),
    ],
)
def test_texts_that_look_like_labels(stem, option):
    item = Item(
        code="x",
        kind="single",
        stem=stem,
        options=(Option(option), Option("khác"), Option("nữa")),
        key=(1,),
        topic="T1",
        level="NB",
        explanation="Đáp án: C",
        legal_document="Mức độ: TH",
    )
    other = Item(
        code="y",
        kind="single",
        stem="Tiếp?",
        options=(Option("x"), Option("y")),
        key=(0,),
        topic="T2",
        level="TH",
    )
    found_items, problems = what_was_found(docx.read(docx.write([other, item, other])))
    assert found_items[1:] == what_a_reader_finds(item, {})[0]
    assert problems == ["duplicate_item"]


def test_the_paper_reads_well():
    (item, *_) = demo_items()
    document = Document(BytesIO(docx.write([item])))
    title, stem, first, *_ = document.paragraphs
    assert title.alignment == WD_ALIGN_PARAGRAPH.CENTER
    assert stem.text == f"Câu 1. {item.stem}"
    assert first.text == f"A. {item.options[0].text}"
    assert [paragraph.text for paragraph in document.paragraphs][-2:] == ["Chủ đề: T1", "Mức độ: NB"]
