"""Workbooks and questions for the tests, built as Excel would."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

HEADINGS = [
    "STT",
    "Chủ đề",
    "Mức độ",
    "Nội dung câu hỏi",
    "Phương án A",
    "Phương án B",
    "Phương án C",
    "Phương án D",
]
HEADINGS += ["Đáp án", "Căn cứ pháp lý", "Giải thích"]
STEM = "Dịch vụ công trực tuyến được cung cấp theo mấy mức độ?"
OPTIONS = ["Một mức độ", "Hai mức độ", "Ba mức độ", "Bốn mức độ"]


def question(
    number: int = 1, *, key: Any = "B", stem: Any = STEM, options: Sequence[Any] = OPTIONS
) -> list[Any]:
    """A row under HEADINGS."""
    places = [*options, *[None] * (4 - len(options))]
    return [number, "T1", "NB", stem, *places, key, "Nghị định số 42/2022/NĐ-CP", "Có hai mức độ."]


def book(rows: Iterable[Sequence[Any]], change: Callable[[Workbook, Worksheet], None] | None = None) -> bytes:
    """A workbook with one sheet; `change` may add what rows can't say."""
    return books({"Câu hỏi": rows}, change)


def books(
    sheets: dict[str, Iterable[Sequence[Any]]], change: Callable[[Workbook, Worksheet], None] | None = None
) -> bytes:
    """A workbook with sheets by name; a text that begins with = is a formula."""
    file = BytesIO()
    with Workbook(file, {"in_memory": True, "strings_to_urls": False}) as workbook:
        for name, rows in sheets.items():
            sheet = workbook.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, value in enumerate(row):
                    if value is not None:
                        sheet.write(number, column, value)
            if change is not None:
                change(workbook, sheet)
    return file.getvalue()


def repacked(content: bytes, changes: dict[str, bytes | None], *, level: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive with members replaced, added, or (None) left out."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(file, "w", level) as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, text in changes.items():
            if text is not None:
                new.writestr(name, text)
    return file.getvalue()
