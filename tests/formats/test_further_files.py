"""Further files of the kinds that the samples are of, each read as its sender means it."""

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from question_bank.formats.files import read_file
from tests.formats.books import books
from tests.formats.test_docx import Document, add_table, numbered, paper, saved, write_into

# A stem, its options, its key and what else the file says: topic, level, legal basis, explanation.
Told = tuple[Any, ...]
AB = ["một", "hai"]
ABC = [*AB, "ba"]
TF = ["Đúng", "Sai"]


def word(*parts: Any) -> bytes:
    return saved(paper(*parts))


def word_list(formats: list[tuple[str, str]], *parts: Any) -> bytes:
    """A Word file with a list of Word's own; a pair is a text and its level."""
    document = Document()
    add = numbered(document, formats)
    for part in parts:
        if isinstance(part, tuple):
            add(*part)
        elif isinstance(part, list):
            add_table(document, part)
        else:
            write_into(document.add_paragraph(), part)
    return saved(document)


def sheet(*rows: list[Any], change: Callable[..., None] | None = None, **more: list[list[Any]]) -> bytes:
    return books({"Câu hỏi": rows, **more}, change)


def merged(*areas: tuple[int, int, int, int, Any]) -> Callable[..., None]:
    def change(_book: Any, worksheet: Any) -> None:
        for area in areas:
            worksheet.merge_range(*area)

    return change


def windows_1258(text: str) -> bytes:
    """The text as Windows in Vietnamese saves it: tones behind their letters."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    typed = ""
    for char in unicodedata.normalize("NFC", text):
        apart = unicodedata.normalize("NFD", char)
        letter = unicodedata.normalize("NFC", "".join(one for one in apart if one not in tones))
        typed += letter + "".join(one for one in apart if one in tones)
    return typed.encode("cp1258")


CSV = "STT;Câu hỏi;Phương án A;Phương án B;Đáp án;Căn cứ\r\n1;Hồ sơ nộp ở đâu?;một;hai;B;Điều 3\r\n"
HO_SO: Told = ("Hồ sơ nộp ở đâu?", AB, [1], None, None, "Điều 3")

FILES: dict[str, tuple[str, bytes, list[Told], list[tuple[str, dict[str, Any]]]]] = {
    # --- Word ---
    "dashes": (
        "x.docx",
        word("Câu 1. Ai?", "- một", "- {b:hai}", "- ba", "Câu 2. Gì?", "+ một", "+ hai *"),
        [("Ai?", ABC, [1]), ("Gì?", AB, [1])],
        [],
    ),
    "dashes that are statements": (
        "x.docx",
        word("Câu 1. Xét:", "- ý này", "- ý kia", "Số ý đúng là:", "A. một", "{u:B. hai}"),
        [("Xét: - ý này - ý kia Số ý đúng là:", AB, [1])],
        [],
    ),
    "numbers": (
        "x.docx",
        word("Câu 1. Ai?", "1) một", "2) {b:hai}", "Câu 2. Gì?", "1. một", "2. hai", "Đáp án: 2"),
        [("Ai?", AB, [1]), ("Gì?", AB, [1])],
        [],
    ),
    "numbers that are statements": (
        "x.docx",
        word("Câu 1. Xét:", "1. Ý này", "2. Ý kia", "Ý nào đúng?", "A. một", "{b:B. hai}"),
        [("Xét: 1. Ý này 2. Ý kia Ý nào đúng?", AB, [1])],
        [],
    ),
    "true or false by themselves": (
        "x.docx",
        word("Câu 1. Trời xanh.", "{b:Đúng}", "Sai", "Câu 2. Đất đỏ.", "Đúng", "Sai", "Đáp án: Sai"),
        [("Trời xanh.", TF, [0]), ("Đất đỏ.", TF, [1])],
        [],
    ),
    "a key with its reasons on one line": (
        "x.docx",
        word(
            *("Câu 1. Ai?", "A. một", "B. hai", "Đáp án: A. Căn cứ: Điều 7 Luật Căn cước"),
            *("Câu 2. Gì?", "A. một", "B. hai", "Đáp án B – Giải thích: Vì luật định."),
            *("Câu 3. Đâu?", "A. một", "B. hai", "Đáp án: A (Căn cứ: Điều 6)"),
        ),
        [
            ("Ai?", AB, [0], None, None, "Điều 7 Luật Căn cước"),
            ("Gì?", AB, [1], None, None, None, "Vì luật định."),
            ("Đâu?", AB, [0], None, None, "Điều 6"),
        ],
        [],
    ),
    "keys after arrows, in brackets, in small letters": (
        "x.docx",
        word(
            *("Câu 1. Ai?", "A. một", "B. hai", "=> B", "Câu 2. Gì?", "A. một", "B. hai", "→ A"),
            *("Câu 3. Đâu?", "A. một", "B. hai", "Đáp án (B)"),
            *("Câu 4. Nào?", "a) một", "b) hai", "Chọn đáp án b"),
        ),
        [("Ai?", AB, [1]), ("Gì?", AB, [0]), ("Đâu?", AB, [1]), ("Nào?", AB, [1])],
        [],
    ),
    "a table of keys with their legal basis": (
        "x.docx",
        word(
            *("Câu 1. Ai?", "A. một", "B. hai", "Câu 2. Gì?", "A. một", "B. hai", "ĐÁP ÁN"),
            [
                ["Câu", "Đáp án", "Căn cứ", "Giải thích"],
                ["1", "B", "Điều 1", "Vì vậy"],
                ["2", "A", "Điều 2", ""],
            ],
        ),
        [("Ai?", AB, [1], None, None, "Điều 1", "Vì vậy"), ("Gì?", AB, [0], None, None, "Điều 2")],
        [],
    ),
    "levels and topics behind the number": (
        "x.docx",
        word("Câu 1 (NB). Ai?", "A. một", "B. {b:hai}", "Câu 2 [TH] [T6]: Gì?", "A. một", "B. {b:hai}"),
        [("Ai?", AB, [1], None, "NB"), ("Gì?", AB, [1], "T6", "TH")],
        [],
    ),
    "bold labels everywhere, the key red": (
        "x.docx",
        word("{b:Câu 1.} {b:Ai?}", "{b:A.} một", "{b:B.} {r:hai}", "{b:C.} ba"),
        [("Ai?", ABC, [1])],
        [],
    ),
    "a label on a line of its own": (
        "x.docx",
        word("Câu 1", "Ai là", "người nộp?", "A. một", "B. {h:hai}"),
        [("Ai là người nộp?", AB, [1])],
        [],
    ),
    "automatic numbers over two levels": (
        "x.docx",
        word_list(
            [("decimal", "Câu %1."), ("upperLetter", "%2.")],
            *(("Ai?", 0), ("một", 1), ("{b:hai}", 1), ("Gì?", 0), ("một", 1), ("hai", 1), "Đáp án: A"),
        ),
        [("Ai?", AB, [1]), ("Gì?", AB, [0])],
        [],
    ),
    "automatic numbers, tabs and a table of two rows": (
        "x.docx",
        word_list(
            [("decimal", "%1.")],
            *(("Ai?", 0), "A. một\tB. hai", ("Gì?", 0), "A. một\tB. hai", "Đáp án"),
            [["Câu", "1", "2"], ["ĐA", "A", "B"]],
        ),
        [("Ai?", AB, [0]), ("Gì?", AB, [1])],
        [],
    ),
    "a stem, options and the key in one paragraph": (
        "x.docx",
        word("Câu 1: Ai?\nA. một\nB. hai\nĐáp án: B"),
        [("Ai?", AB, [1])],
        [],
    ),
    "a key that contradicts the mark": (
        "x.docx",
        word("Câu 1. Ai?", "A. một", "{b:B. hai}", "Đáp án: A", "Câu 2. Gì?", "A. một", "{b:B. hai}"),
        [("Gì?", AB, [1])],
        [("missing_key", {"paragraph": 1})],
    ),
    "an essay among the questions": (
        "x.docx",
        word("Câu 1. Ai?", "A. một", "{b:B. hai}", "PHẦN II: TỰ LUẬN", "Câu 2. Bạn hãy viết cảm nghĩ."),
        [("Ai?", AB, [1])],
        [("too_few_options", {"paragraph": 5})],
    ),
    # --- Excel ---
    "headings without accents in an odd order": (
        "x.xlsx",
        sheet(
            ["CAN CU PHAP LY", "DAP AN", "NOI DUNG CAU HOI", "A", "B", "MUC DO", "CHU DE", "STT"],
            ["Điều 1", " b ", "Ai?", *AB, "nhan biet", "t3", 1],
        ),
        [("Ai?", AB, [1], "T3", "NB", "Điều 1")],
        [],
    ),
    "keys in English words": (
        "x.xlsx",
        sheet(
            ["No", "Question", "Option 1", "Option 2", "Correct Answer", "Level"],
            [1, "Ai?", *AB, "Option 2", "TH"],
        ),
        [("Ai?", AB, [1], None, "TH")],
        [],
    ),
    "options under the stem, their letters in the first column": (
        "x.xlsx",
        sheet(
            ["Câu", "Nội dung", "Đáp án"],
            *(["1", "Ai?", "B"], ["A", "một"], ["B", "hai"], ["2", "Gì?", "A"], ["A", "một"], ["B", "hai"]),
        ),
        [("Ai?", AB, [1]), ("Gì?", AB, [0])],
        [],
    ),
    "options under “Đáp án”, marked under “Đúng”": (
        "x.xlsx",
        sheet(
            ["STT", "Câu hỏi", "Đáp án", "Đúng"],
            *([1, "Ai?", "A. một", ""], ["", "", "B. hai", "x"], [2, "Gì?", "một", "Đ"], ["", "", "hai"]),
        ),
        [("Ai?", AB, [1]), ("Gì?", AB, [0])],
        [],
    ),
    "true or false by kind": (
        "x.xlsx",
        sheet(
            ["Câu hỏi", "Loại câu hỏi", "Đáp án"],
            *(["Trời xanh", "Đúng/Sai", "Đúng"], ["Đất đỏ", "Đúng/Sai", "Sai"], ["Người lập biểu"]),
        ),
        [("Trời xanh", TF, [0]), ("Đất đỏ", TF, [1])],
        [],
    ),
    "a question and its options in one cell, on one line too": (
        "x.xlsx",
        sheet(
            ["STT", "Câu hỏi và phương án", "Đáp án"],
            *([1, "Ai?\nA. một\nB. hai", "B"], [2, "Gì? A. một B. hai C. ba", "C"]),
        ),
        [("Ai?", AB, [1]), ("Gì?", ABC, [2])],
        [],
    ),
    "topics in rows of their own": (
        "x.xlsx",
        sheet(
            ["STT", "Câu hỏi", "A", "B", "Đáp án"],
            *(["I", "T1. Khái niệm"], [1, "Ai?", *AB, "A"], ["II", "T6 - Thanh toán"], [2, "Gì?", *AB, "B"]),
            ["", "Tổng cộng: 2 câu"],
        ),
        [("Ai?", AB, [0], "T1"), ("Gì?", AB, [1], "T6")],
        [],
    ),
    "titles, headings over two rows, signatures": (
        "x.xlsx",
        sheet(
            ["UBND TỈNH BẮC NINH"],
            ["(Kèm theo Công văn số 1)"],
            [],
            ["TT", "Nội dung câu hỏi", "Phương án trả lời", None, "Đáp án đúng"],
            [None, None, "A", "B"],
            *([1, "Ai?", *AB, "B"], [2, "Gì?", *AB, "a"], [], ["Người lập biểu", None, None, "Thủ trưởng"]),
            change=merged(
                *((0, 0, 0, 4, "UBND TỈNH BẮC NINH"), (3, 2, 3, 3, "Phương án trả lời")),
                *((3, 0, 4, 0, "TT"), (3, 1, 4, 1, "Nội dung câu hỏi"), (3, 4, 4, 4, "Đáp án đúng")),
            ),
        ),
        [("Ai?", AB, [1]), ("Gì?", AB, [0])],
        [],
    ),
    "a merged stem and key beside options in rows": (
        "x.xlsx",
        sheet(
            ["STT", "Câu hỏi", "Các phương án trả lời", "Đáp án"],
            *([1, "Ai?", "A. một", "B"], ["", "", "B. hai", ""]),
            change=merged((1, 0, 2, 0, 1), (1, 1, 2, 1, "Ai?"), (1, 3, 2, 3, "B")),
        ),
        [("Ai?", AB, [1])],
        [],
    ),
    "keys in many words": (
        "x.xlsx",
        sheet(
            ["Câu hỏi", "A", "B", "C", "Đáp án"],
            *(["Ai?", *ABC, "Đáp án B"], ["Gì?", *ABC, "A và C"], ["Đâu?", *ABC, 2.0], ["Nào?", *ABC, "ba"]),
            *(["Sao?", *ABC, "E"], ["Khi nào?", *ABC, "không rõ"]),
        ),
        [("Ai?", ABC, [1]), ("Gì?", ABC, [0, 2]), ("Đâu?", ABC, [1]), ("Nào?", ABC, [2])],
        [
            ("key_out_of_range", {"sheet": "Câu hỏi", "row": 6}),
            ("missing_key", {"sheet": "Câu hỏi", "row": 7}),
        ],
    ),
    "a sheet of instructions and one for each topic": (
        "x.xlsx",
        books(
            {
                "Hướng dẫn": [["Điền câu hỏi vào các trang sau"]],
                "T7": [["Câu hỏi", "A", "B", "Đáp án"], ["Ai?", *AB, "A"]],
                "T12 Tình huống": [["Đáp án", "Câu hỏi", "A", "B"], ["B", "Gì?", *AB]],
            }
        ),
        [("Ai?", AB, [0], "T7"), ("Gì?", AB, [1], "T12")],
        [],
    ),
    # --- CSV ---
    "the Windows code page": ("x.csv", windows_1258(CSV), [HO_SO], []),
    "UTF-16, big-endian, tabs": (
        "x.csv",
        b"\xfe\xff" + CSV.replace(";", "\t").encode("utf-16-be"),
        [HO_SO],
        [],
    ),
    "a separator named in front": (
        "x.csv",
        ("sep=,\r\n" + CSV.replace(";", ",")).encode("utf-8-sig"),
        [HO_SO],
        [],
    ),
    "a separator named in quotes": ("x.csv", ('"sep=;"\r\n' + CSV).encode(), [HO_SO], []),
    "titles above, decomposed letters, old Mac line ends": (
        "x.csv",
        ("NGÂN HÀNG;;;;;\r" + unicodedata.normalize("NFD", CSV).replace("\r\n", "\r")).encode(),
        [HO_SO],
        [],
    ),
    # --- Moodle ---
    "GIFT with a code in its category, weights and reasons": (
        "x.gift",
        (
            "$CATEGORY: $course$/top/T2 Cổng DVCQG\r\n\r\n// [tag:VD]\r\n"
            "::a:: Ai? {\r\n~%50%một\r\n~%50%hai#tốt\r\n~%-100%ba\r\n"
            "#### Căn cứ: Điều 1\r\nGiải thích: vì\r\n}\r\n"
        ).encode(),
        [("Ai?", ABC, [0, 1], "T2", "VD", "Điều 1", "vì")],
        [],
    ),
    "GIFT with a blank, a number and a match": (
        "x.gift",
        "Nộp {=một ~hai} nhé\n\nMấy? {#4}\n\nGhép {=a -> b =c -> d}\n".encode(),
        [("Nộp _____ nhé", AB, [0])],
        [("unsupported_type", {"line": 3}), ("unsupported_type", {"line": 5})],
    ),
    "Moodle XML in UTF-16 with true and false in Vietnamese": (
        "x.xml",
        (
            '<?xml version="1.0" encoding="UTF-16"?><quiz><question type="truefalse"><questiontext>'
            '<text>Trời xanh?</text></questiontext><answer fraction="100"><text>Đúng</text></answer>'
            '<answer fraction="0"><text>Sai</text></answer></question></quiz>'
        ).encode("utf-16"),
        [("Trời xanh?", TF, [0])],
        [],
    ),
    "Aiken with tabs and brackets": (
        "x.txt",
        (
            "\ufeffAi\nđây?\r\nA.\tmột\r\nB)  hai\r\nANSWER:B\r\nGì?\r\nA. một\r\nB. hai\r\nANSWER: D\r\n"
        ).encode(),
        [("Ai đây?", AB, [1])],
        [("key_out_of_range", {"line": 6})],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_further_file_is_read_as_it_is_meant(name: str) -> None:
    file_name, content, items, problems = FILES[name]

    told = read_file(file_name, content).as_json()

    found = [
        (
            item["stem"],
            item["options"],
            item["key"],
            *said(item, "topic", "level", "legal_basis", "explanation"),
        )
        for item in told["items"]
    ]
    assert found == [(*item, *[None] * (7 - len(item))) for item in items]
    assert [(one["kind"], one["where"]) for one in told["problems"]] == problems


def said(item: dict[str, Any], *names: str) -> list[Any]:
    return [item[name] for name in names]


def test_a_true_false_answer_that_says_neither_is_no_key() -> None:
    content = (
        '<quiz><question type="truefalse"><questiontext><text>Trời xanh?</text></questiontext>'
        '<answer fraction="100"><text>Có</text></answer><answer fraction="0"><text>Không</text></answer>'
        "</question></quiz>"
    )
    told = read_file("x.xml", content.encode()).as_json()
    assert told["items"] == []
    assert [one["kind"] for one in told["problems"]] == ["missing_key"]


def test_a_list_of_numbers_and_letters_in_a_sheet_is_no_list_of_questions() -> None:
    told = read_file("x.xlsx", sheet(["Câu", "Đáp án"], ["1", "A"], ["2", "B"])).as_json()
    assert [one["kind"] for one in told["problems"]] == ["unreadable_file"]
