"""CSV: what Excel writes in its encodings, and what must not come alive when Excel opens ours."""

import pytest

from question_bank.formats import csv
from question_bank.formats.drafts import UnreadableFile
from question_bank.items import Item, Option

HEADINGS = "STT;Nội dung câu hỏi;Phương án A;Phương án B;Phương án C;Đáp án;Căn cứ"
ROW = "1;Hồ sơ điện tử là gì?;Bản giấy;Bản điện tử;;B;Luật số 20/2023/QH15"
ANSWER = ("Hồ sơ điện tử là gì?", ("Bản giấy", "Bản điện tử"), (1,))


def only(content: bytes) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
    reading = csv.read(content)
    assert reading.problems == []
    [item] = reading.items
    return item.stem, item.options, item.key


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_encodings_separators_and_line_ends(encoding: str, separator: str, end: str) -> None:
    text = end.join([HEADINGS, ROW, ""]).replace(";", separator)

    assert only(text.encode(encoding)) == ANSWER


def test_the_windows_code_page_for_vietnamese() -> None:
    # Its accents are characters of their own, after the letter.
    table = {
        "ạ": "a\u0323",
        "ử": "ư\u0309",
        "ồ": "ô\u0300",
        "ơ": "ơ",
        "ệ": "ê\u0323",
        "ấ": "â\u0301",
        "ả": "a\u0309",
    }
    table |= {
        "ộ": "ô\u0323",
        "ỏ": "o\u0309",
        "ứ": "ư\u0301",
        "ậ": "â\u0323",
        "ố": "ô\u0301",
        "ì": "i\u0300",
        "ò": "o\u0300",
    }
    text = f"{HEADINGS}\n{ROW}".translate(str.maketrans(table))

    assert only(text.encode("cp1258")) == ANSWER


@pytest.mark.parametrize(
    "row",
    [
        "1;Hå s¬ ®iÖn tö lµ g×?;B¶n giÊy;B¶n ®iÖn tö;;B;LuËt".encode("cp1252"),
        "1;Ho\u0300 so d?i?n t? là gì?;B?n gi?y;B?n di?n t?;;B;Lu?t".encode("cp1258", errors="replace"),
    ],
)
def test_letters_that_are_lost_are_not_guessed(row: bytes) -> None:
    headings = "STT;N?i dung câu h?i;Phuong án A;Phuong án B;Phuong án C;Ðáp án;Can c?".encode("cp1252")
    reading = csv.read(headings + b"\r\n" + row)

    assert reading.items == []
    assert [(one.kind, one.where) for one in reading.problems] == [("unreadable_text", {"row": 2})]


def test_line_breaks_and_separators_in_quotes() -> None:
    row = '1;"Hồ sơ ""mới"";\r\nnộp ở đâu?";"A; B";Tại nhà;;b'
    reading = csv.read(f"{HEADINGS}\r\n{row}\r\n\r\n2;Câu hai là gì?;Có;Không;;a".encode())

    assert [item.stem for item in reading.items] == ['Hồ sơ "mới"; nộp ở đâu?', "Câu hai là gì?"]
    assert [dict(item.where) for item in reading.items] == [{"row": 2}, {"row": 4}]


def test_the_separator_may_be_named_in_front() -> None:
    assert only(f"sep=;\r\n{HEADINGS}\r\n{ROW}".encode()) == ANSWER
    assert dict(csv.read(f"sep=;\n{HEADINGS}\n{ROW}".encode()).items[0].where) == {"row": 2}


def test_a_formula_is_no_text_but_a_sign_is() -> None:
    rows = ['1;=HYPERLINK("http://a.vn");Một;Hai;;A', "2;Bao nhiêu?;= 80%;-5;+84;C", "3;Gì?;'=1+1;'Có;;A"]
    reading = csv.read("\n".join([HEADINGS, *rows]).encode())

    assert [(one.kind, one.where) for one in reading.problems] == [
        ("formula_cell", {"row": 2, "column": "B"})
    ]
    assert [item.options for item in reading.items] == [("= 80%", "-5", "+84"), ("=1+1", "'Có")]


def test_nothing_that_is_written_comes_alive() -> None:
    texts = ("=1+1", "+cmd|' /C calc'!A0", "-5", "@SUM(A1)", "\t=2", "'=3", "＝4", "'Có'")
    options = tuple(map(Option, texts))
    bank = [Item(code="C", kind="single", stem="=A1?", options=options, key=(2,), topic="T1", level="NB")]
    written = csv.write(bank).decode("utf-8-sig")

    cells = [cell.strip('"') for cell in written.splitlines()[1].split(";")]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r＝")]
    assert csv.write(bank).startswith(b"\xef\xbb\xbf")
    item = csv.read(csv.write(bank)).items[0]
    assert (item.stem, item.options) == ("=A1?", tuple(text.strip() for text in texts))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04rest",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"a;b;c\n1;2;3",
        bytes(5_000),
        b'STT;"' + b"x" * 400_000,
    ],
)
def test_what_is_no_table_of_questions_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        csv.read(content)


def test_a_quote_that_never_ends_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="ngoặc kép"):
        csv.read(f'{HEADINGS}\n{ROW}\n2;"{"x" * 200_000}'.encode())
