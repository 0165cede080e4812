"""XLSX: the layouts that officials use go in, our documented template comes out."""

from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO

from question_bank.formats.drafts import Reading, UnreadableFile
from question_bank.formats.judging import judge
from question_bank.formats.tables import drafts_of, has_questions
from question_bank.formats.template import HEADINGS, rows_of
from question_bank.formats.workbook import read_tables
from question_bank.items import Item

NO_HEADINGS = (
    "Không thấy dòng tiêu đề của bảng câu hỏi (ví dụ: Nội dung câu hỏi, Phương án A, Phương án B, Đáp án)."
)
SHEET = "Câu hỏi"
# A text is a text, whatever it begins with: no formula, no link, no number.
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
# The same items give the same bytes.
_MADE = datetime(2026, 1, 1, tzinfo=UTC)
_WIDTHS = {"STT": 6, "Nội dung câu hỏi": 60, "Đáp án": 10, "Căn cứ pháp lý": 40, "Giải thích": 50}
_NARROW, _OPTION_WIDTH = 14, 30


def read(content: bytes) -> Reading:
    """Return the questions of the visible sheets; raises UnreadableFile if there is no table of questions."""
    tables = read_tables(content)
    if not any(has_questions(table) for table in tables):
        raise UnreadableFile(NO_HEADINGS)
    return judge([draft for table in tables for draft in drafts_of(table)])


def write(items: Iterable[Item]) -> bytes:
    """Return the items as a workbook of our template, every cell a text."""
    file = BytesIO()
    from xlsxwriter import Workbook  # here: most processes write no workbook

    workbook = Workbook(file, _OPTIONS)
    workbook.set_properties({"created": _MADE})
    sheet = workbook.add_worksheet(SHEET)
    head = workbook.add_format(
        {"bold": True, "bg_color": "#F4EDDC", "border": 1, "text_wrap": True, "valign": "vcenter"}
    )
    text = workbook.add_format({"num_format": "@", "border": 1, "text_wrap": True, "valign": "top"})
    for column, heading in enumerate(HEADINGS):
        width = _OPTION_WIDTH if heading.startswith("Phương án") else _WIDTHS.get(heading, _NARROW)
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, heading, head)
    for number, row in enumerate(rows_of(items), 1):
        for column, cell in enumerate(row):
            if cell:
                sheet.write_string(number, column, cell, text)
    sheet.freeze_panes(1, 0)
    workbook.close()
    return file.getvalue()
