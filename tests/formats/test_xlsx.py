"""XLSX: the layouts of officials, what cells show, and the way out and back in."""

import unicodedata
import zipfile
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.formats import csv, xlsx
from question_bank.formats.drafts import Reading, UnreadableFile
from question_bank.formats.number_formats import shown
from question_bank.items import Item, Option
from tests.formats.books import HEADINGS, OPTIONS, STEM, book, books, question, repacked


def told(reading: Reading) -> list[tuple[Any, ...]]:
    return [(item.stem, item.options, item.key) for item in reading.items]


def kinds(reading: Reading) -> list[tuple[Any, ...]]:
    return [(problem.kind, dict(problem.where)) for problem in reading.problems]


ONE = [(STEM, tuple(OPTIONS), (1,))]


# --- headings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headings",
    [
        ["STT", "Nội dung câu hỏi", "Phương án A", "Phương án B", "Phương án C", "Phương án D", "Đáp án"],
        ["TT", "Câu hỏi", "PA 1", "PA 2", "PA 3", "PA 4", "Đáp án đúng"],
        ["Câu", "Nội dung", "A", "B", "C", "D", "ĐA"],
        ["Mã câu hỏi", "NỘI DUNG CÂU HỎI", "Đáp án A", "Đáp án B", "Đáp án C", "Đáp án D", "Đáp án đúng"],
        ["Số TT", "Câu hỏi trắc nghiệm", "Lựa chọn 1", "Lựa chọn 2", "Lựa chọn 3", "Lựa chọn 4", "Key"],
        ["stt", "noi dung cau hoi", "phuong an a", "phuong an b", "phuong an c", "phuong an d", "dap an"],
        [
            "TT",
            "Câu hỏi",
            "Phương án (A)",
            "Phương án (B)",
            "Phương án (C)",
            "Phương án (D)",
            "Đáp án (A/B/C/D)",
        ],
        ["STT", "Đề bài", "Trả lời A", "Trả lời B", "Trả lời C", "Trả lời D", "Phương án đúng"],
        ["No.", "Question", "Option A", "Option B", "Option C", "Option D", "Correct answer"],
        ["STT", "C©u hái", "Ph­¬ng ¸n A", "Ph­¬ng ¸n B", "Ph­¬ng ¸n C", "Ph­¬ng ¸n D", "§¸p ¸n"],
        ["STT", "Caâu hoûi", "Phöông aùn A", "Phöông aùn B", "Phöông aùn C", "Phöông aùn D", "Ñaùp aùn"],
    ],
)
def test_headings_are_known_by_their_words(headings: list[str]) -> None:
    assert told(xlsx.read(book([headings, [1, STEM, *OPTIONS, "B"]]))) == ONE
    decomposed = [unicodedata.normalize("NFD", heading) for heading in headings]
    assert told(xlsx.read(book([decomposed, [1, STEM, *OPTIONS, "B"]]))) == ONE


def test_columns_may_stand_in_any_order_with_what_else_there_is() -> None:
    headings = ["Giải thích đáp án", "Ghi chú", "Đáp án", "Phương án D", "Phương án C", "Phương án B"]
    headings += [
        "Phương án A",
        "Mức độ nhận thức",
        "Chủ đề",
        "Căn cứ (điều, khoản)",
        "Câu hỏi",
        "Thời gian (giây)",
    ]
    row = ["Vì thế.", "xem lại", "b", *reversed(OPTIONS), "Thông hiểu", "T02", "Điều 5", STEM, 30]

    [item] = xlsx.read(book([headings, row])).items

    assert (item.stem, item.options, item.key) == ONE[0]
    assert (item.topic, item.level, item.legal_basis, item.explanation) == ("T2", "TH", "Điều 5", "Vì thế.")


def test_titles_stand_before_headings_over_two_rows() -> None:
    def merge(_workbook: Any, sheet: Any) -> None:
        sheet.merge_range("A1:G1", "NGÂN HÀNG CÂU HỎI")
        for place, text in (
            ("A3:A4", "STT"),
            ("B3:B4", "Nội dung câu hỏi"),
            ("C3:F3", "Phương án"),
            ("G3:G4", "Đáp án"),
        ):
            sheet.merge_range(place, text)

    rows: list[list[Any]] = [[], [], [], [None, None, "A", "B", "C", "D"], [1, STEM, *OPTIONS, "B"]]
    reading = xlsx.read(book(rows, merge))

    assert told(reading) == ONE
    assert dict(reading.items[0].where) == {"sheet": "Câu hỏi", "row": 5}


def test_a_row_that_counts_the_columns_is_no_question() -> None:
    headings = ["STT", "Chủ đề", "Nội dung", "Câu hỏi", "A", "B", "C", "D", "Đáp án"]
    numbering = [f"({place})" for place in range(1, 10)]

    assert told(xlsx.read(book([headings, numbering, [1, "T1", "Mục 1", STEM, *OPTIONS, "B"]]))) == ONE


def test_headings_again_on_the_next_page_are_no_question() -> None:
    reading = xlsx.read(book([HEADINGS, question(1), HEADINGS, question(2, stem="Câu khác?")]))

    assert [item.stem for item in reading.items] == [STEM, "Câu khác?"]
    assert reading.problems == []


def test_a_workbook_without_headings_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="dòng tiêu đề"):
        xlsx.read(book([["Danh sách cán bộ"], ["Nguyễn Văn A", "Phòng Nội vụ"]]))


# --- rows ------------------------------------------------------------------------------------------


def test_sections_totals_and_signatures_are_no_questions() -> None:
    rows = [
        HEADINGS,
        ["I. T7 – Căn cước, VNeID, Đề án 06"],
        [1, None, "NB", STEM, *OPTIONS, "B"],
        ["II. Phần chung"],
        [2, None, "NB", "Câu khác?", *OPTIONS, "C"],
        [],
        [None, None, None, "Tổng cộng: 02 câu"],
        [None, None, None, "NGƯỜI LẬP BIỂU", None, None, "CHÁNH VĂN PHÒNG"],
        [None, None, None, "NGƯỜI LẬP", None, "TRƯỞNG PHÒNG", "LÃNH ĐẠO"],
        [None, None, None, None, None, None, "Nguyễn Văn B"],
    ]
    reading = xlsx.read(book(rows))

    assert [(item.topic, item.key) for item in reading.items] == [("T7", (1,)), (None, (2,))]
    assert reading.problems == []


def test_a_question_without_options_among_others_is_told() -> None:
    reading = xlsx.read(book([HEADINGS, question(1, options=[]), question(2)]))

    assert kinds(reading) == [("too_few_options", {"sheet": "Câu hỏi", "row": 2})]
    assert len(reading.items) == 1


def test_merged_cells_count_for_the_rows_they_cover() -> None:
    def merge(_workbook: Any, sheet: Any) -> None:
        sheet.merge_range("B2:B3", "T5")
        sheet.merge_range("J2:J3", "Luật Giao dịch điện tử số 20/2023/QH15")

    rows = [HEADINGS, question(1), question(2, stem="Câu khác?")]
    for row in rows[1:]:
        row[1] = row[9] = None

    assert [(item.topic, item.legal_basis) for item in xlsx.read(book(rows, merge)).items] == [
        ("T5", "Luật Giao dịch điện tử số 20/2023/QH15")
    ] * 2


def test_a_question_over_two_merged_rows_is_one() -> None:
    def merge(_workbook: Any, sheet: Any) -> None:
        for column, value in enumerate(question()):
            sheet.merge_range(1, column, 2, column, value)

    assert told(xlsx.read(book([HEADINGS, [], [], question(2, stem="Câu khác?")], merge))) == [
        *ONE,
        ("Câu khác?", tuple(OPTIONS), (1,)),
    ]


def test_hidden_sheets_are_not_read_and_a_sheet_may_name_the_topic() -> None:
    def hide(_workbook: Any, sheet: Any) -> None:
        if sheet.get_name() == "Nháp":
            sheet.hide()
        if sheet.get_name() == "Lưu":
            sheet.very_hidden()

    headings, row = ["Câu hỏi", "A", "B", "C", "D", "Đáp án"], [STEM, *OPTIONS, "B"]
    sheets = {"Hướng dẫn": [["Điền vào trang sau"]], "T8 - Chữ ký số": [headings, row]}
    reading = xlsx.read(books({**sheets, "Nháp": [headings, row], "Lưu": [headings, row]}, hide))

    assert [(item.topic, dict(item.where)) for item in reading.items] == [
        ("T8", {"sheet": "T8 - Chữ ký số", "row": 2})
    ]
    assert reading.problems == []


# --- options in rows -------------------------------------------------------------------------------


def test_options_in_rows_beside_a_merged_stem() -> None:
    def merge(_workbook: Any, sheet: Any) -> None:
        sheet.merge_range("B2:B5", STEM)

    rows = [
        ["STT", "Câu hỏi", "Phương án", "Đáp án"],
        *(
            [1 if place == 0 else None, None, text, mark]
            for place, (text, mark) in enumerate(zip(OPTIONS, ["S", "Đ", "S", "S"], strict=True))
        ),
    ]
    rows += [[2, "Câu khác?", "Có", None], [None, None, "Không", "x"], [], [None, "Tổng: 2 câu"]]

    assert told(xlsx.read(book(rows, merge))) == [*ONE, ("Câu khác?", ("Có", "Không"), (1,))]


def test_options_in_rows_by_labels_alone() -> None:
    rows = [
        ["Câu hỏi và phương án", "Đáp án"],
        ["Câu 1: Ông An nộp hồ sơ.", "B"],
        ["Ông nhận kết quả ở đâu?"],
    ]
    rows += [
        ["A. Tại nhà"],
        ["B. Trực tuyến"],
        ["Kết quả điện tử là gì?"],
        ["a) Bản chụp"],
        ["b) Bản ký số", "x"],
    ]

    assert told(xlsx.read(book(rows))) == [
        ("Ông An nộp hồ sơ. Ông nhận kết quả ở đâu?", ("Tại nhà", "Trực tuyến"), (1,)),
        ("Kết quả điện tử là gì?", ("Bản chụp", "Bản ký số"), (1,)),
    ]


def test_options_as_lines_of_one_cell() -> None:
    lines = "\n".join(f"{label}. {text}" for label, text in zip("ABCD", OPTIONS, strict=True))

    assert (
        told(xlsx.read(book([["STT", "Câu hỏi", "Phương án trả lời", "Đáp án"], [1, STEM, lines, "B"]])))
        == ONE
    )
    assert (
        told(xlsx.read(book([["STT", "Câu hỏi và đáp án", "Đáp án đúng"], [1, f"{STEM}\n{lines}", "B"]])))
        == ONE
    )


# --- what cells show -------------------------------------------------------------------------------


def test_a_cell_counts_as_it_is_shown() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        percent, day = (
            workbook.add_format({"num_format": "0%"}),
            workbook.add_format({"num_format": "dd/mm/yyyy"}),
        )
        for column, share in enumerate((0.6, 0.7, 0.8, 0.9), 4):
            sheet.write_number(1, column, share, percent)
        sheet.write_number(1, 8, 0.8, percent)
        for column, month in enumerate((5, 6, 7, 8), 4):
            sheet.write_datetime(2, column, date(2025, month, 1), day)
        sheet.write_datetime(2, 8, date(2025, 7, 1), day)
        sheet.write_rich_string(3, 3, "Theo ", workbook.add_format({"bold": True}), "Luật", " mới?")

    rows = [
        HEADINGS,
        question(1, stem="Chỉ tiêu?"),
        question(2, stem="Ngày nào?"),
        question(3, options=[2, 2.5, True]),
    ]
    reading = xlsx.read(book(rows, fill))

    assert told(reading) == [
        ("Chỉ tiêu?", ("60%", "70%", "80%", "90%"), (2,)),
        ("Ngày nào?", ("01/05/2025", "01/06/2025", "01/07/2025", "01/08/2025"), (2,)),
        ("Theo Luật mới?", ("2", "2.5", "TRUE"), (1,)),
    ]


@pytest.mark.parametrize(
    "value, code, text",
    [
        (0.8266, "0.00%", "82.66%"),
        (0.145, "0%", "15%"),
        (50000, '#,##0\\ "đồng"', "50,000 đồng"),
        (7, "00", "07"),
        (-5, "0;(0)", "(5)"),
        (0, '0;-0;"không"', "không"),
        (0.5, "# ?/?", "1/2"),
        (45839, "[$-1010000]d/m/yyyy;@", "1/7/2025"),
        (45839.5, "yyyy\\-mm\\-dd hh:mm", "2025-07-01 12:00"),
        (1.5, "[h]:mm", "36:00"),
        (0.1 + 0.2, "General", "0.3"),
        (123456789012, "General", "123456789012"),
        (1e300, "dd/mm/yyyy", "1e+300"),
    ],
)
def test_number_formats(value: float, code: str, text: str) -> None:
    assert shown(value, code) == text


def test_a_formula_may_give_the_key_but_no_text() -> None:
    def fill(_workbook: Any, sheet: Any) -> None:
        sheet.write_formula(1, 8, "=CHAR(66)", None, "B")
        sheet.write_formula(2, 8, "=Z9", None, "")
        sheet.write_formula(3, 5, '=UPPER("hai")', None, "HAI")

    reading = xlsx.read(
        book([HEADINGS, question(1), question(2, stem="Hai?"), question(3, stem="Ba?")], fill)
    )

    assert told(reading) == ONE
    assert kinds(reading) == [
        ("missing_key", {"sheet": "Câu hỏi", "row": 3}),
        ("formula_cell", {"sheet": "Câu hỏi", "row": 4, "column": "F"}),
    ]


def test_labels_in_cells_are_dropped() -> None:
    options = [f"{label}) {text}" for label, text in zip("ABCD", OPTIONS, strict=True)]

    assert told(xlsx.read(book([HEADINGS, question(1, stem=f"Câu 1. {STEM}", options=options)]))) == ONE
    assert told(xlsx.read(book([HEADINGS, question(1, stem=f"1. {STEM}")]))) == ONE


def test_the_kind_may_stand_in_a_column() -> None:
    headings = ["Loại câu hỏi", "Câu hỏi", "A", "B", "C", "Đáp án"]
    rows = [
        ["Một đáp án", "Chọn gì?", "Một", "Hai", "Ba", "A, B"],
        ["Nhiều lựa chọn", "Những gì?", "Một", "Hai", "Ba", "A"],
        ["Đúng/Sai", "Nộp hồ sơ trực tuyến được giảm phí.", None, None, None, "Đúng"],
        ["Đúng/Sai", "Phải nộp bản giấy.", "Sai", "Đúng", None, "A"],
    ]
    reading = xlsx.read(book([headings, *rows]))

    assert [(item.kind, item.options, item.key) for item in reading.items] == [
        ("multiple", ("Một", "Hai", "Ba"), (0,)),
        ("true_false", ("Đúng", "Sai"), (0,)),
        ("true_false", ("Đúng", "Sai"), (1,)),
    ]
    assert [kind for kind, _where in kinds(reading)] == ["several_keys_for_single"]


def test_strings_as_other_programs_write_them() -> None:
    content = book([HEADINGS, question(1)])
    with zipfile.ZipFile(BytesIO(content)) as archive:
        strings = archive.read("xl/sharedStrings.xml").decode()
    marked = strings.replace("Hai mức độ", "Hai_x000D_\nmức_x0020_độ").replace(
        "<t>Một mức độ</t>", "<r><t>Một</t></r><r><t xml:space='preserve'> mức độ</t></r><rPh><t>x</t></rPh>"
    )

    assert told(xlsx.read(repacked(content, {"xl/sharedStrings.xml": marked.encode()}))) == ONE


# --- out and back in -------------------------------------------------------------------------------

_WORDS = [
    "hồ sơ",
    "Đề án 06",
    "=1+1",
    "@SUM(A1)",
    "+84",
    "-5",
    "80%",
    "01/07/2025",
    "2",
    "A",
    "'=x",
    "\t=2",
    "“trích”",
]
_WORDS += [
    "_x000D_",
    "a < b & c",
    "Trung tâm",
    "công chức",
    "nghị định",
    "thủ tục",
    "“một cửa”",
    "5,5",
    "=HYPERLINK(A1)",
    "'",
]
_TEXTS = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=5).map("; ".join)
_FORMS = st.sampled_from(["NFC", "NFD"])


def _html(text: str, form: Any) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return unicodedata.normalize(form, escaped)


@st.composite
def items(draw: Any) -> list[Item]:
    stems = draw(st.lists(_TEXTS, min_size=1, max_size=4, unique_by=str.casefold))
    found: list[Item] = []
    for place, stem in enumerate(stems):
        options = draw(
            st.lists(_TEXTS, min_size=2, max_size=8, unique_by=lambda text: text.casefold().strip())
        )
        kind = draw(st.sampled_from(["single", "multiple"]))
        places = st.integers(0, len(options) - 1)
        key = draw(st.sets(places, min_size=1)) if kind == "multiple" else {draw(places)}
        form = draw(_FORMS)
        found.append(
            Item(
                code=f"C{place}",
                kind=kind,
                stem=_html(f"Hỏi {place} {'abcd'[place]} {stem}", form),
                options=tuple(Option(_html(text, form)) for text in options),
                key=tuple(sorted(key)),
                topic=draw(st.sampled_from(["T1", "T12"])),
                level=draw(st.sampled_from(["NB", "TH", "VD"])),
                explanation=_html(draw(_TEXTS), form),
                legal_document=draw(_TEXTS),
                legal_article="Điều 5",
            )
        )
    return found


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.replace("&lt;", "<").replace("&amp;", "&").split()))


@pytest.mark.parametrize("module", [xlsx, csv])
@settings(max_examples=60, deadline=None)
@given(bank=items())
def test_what_is_written_is_read_again(module: Any, bank: list[Item]) -> None:
    reading = module.read(module.write(bank))

    assert reading.problems == []
    assert [
        (
            found.stem,
            found.options,
            found.key,
            found.kind,
            found.topic,
            found.level,
            found.legal_basis,
            found.explanation,
        )
        for found in reading.items
    ] == [
        (
            _clean(item.stem),
            tuple(_clean(option.text) for option in item.options),
            item.key,
            item.kind,
            item.topic,
            item.level,
            _clean(f"{item.legal_article} {item.legal_document}"),
            _clean(item.explanation),
        )
        for item in bank
    ]


def test_an_export_holds_no_formula_and_no_link() -> None:
    texts = ("=1+1", '=HYPERLINK("http://a.vn")', "+cmd|' /C calc'!A0", "@SUM(A1)")
    bank = [
        Item(
            code="C",
            kind="single",
            stem="=IMPORTXML(1)",
            options=tuple(map(Option, texts)),
            key=(0,),
            topic="T1",
            level="NB",
            legal_document="http://chinhphu.vn",
        )
    ]
    content = xlsx.write(bank)

    with zipfile.ZipFile(BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f" not in sheet.replace("<formatPr", "").replace("<sheetFormatPr", "")
    assert "hyperlink" not in sheet
    assert content == xlsx.write(bank)
    assert xlsx.read(content).items[0].options == texts
