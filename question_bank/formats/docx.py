"""DOCX: question papers as officials write them in Word, and a neat one of our own."""

from collections.abc import Iterable

from question_bank.formats.docx_answers import Answer, answers_in_columns, answers_of_table, assign
from question_bank.formats.docx_assembly import Assembly
from question_bank.formats.docx_package import open_package
from question_bank.formats.docx_paragraphs import Line, Table, blocks_of
from question_bank.formats.docx_tables import QuestionTable, flowing_lines, question_table, read_table
from question_bank.formats.docx_writing import write
from question_bank.formats.drafts import Reading, UnreadableFile
from question_bank.formats.judging import judge


def read(content: bytes) -> Reading:
    """Return the questions of a Word file; raises UnreadableFile if it can't be opened or has none."""
    parts: list[Line | QuestionTable | list[Answer]] = []
    for block in blocks_of(open_package(content)):
        parts.extend([block] if isinstance(block, Line) else _parts_of_table(block))
    assembly = Assembly([part for part in parts if isinstance(part, Line)])
    for part in parts:
        if isinstance(part, Line):
            assembly.feed(part)
        elif isinstance(part, QuestionTable):
            read_table(part, assembly)
        else:
            assembly.list_answers(part)
    assembly.close()
    if not assembly.questions:
        raise UnreadableFile(
            "Không thấy câu hỏi nào trong tệp (Câu 1. …, A. …, B. …, hoặc bảng có tiêu đề cột)."
        )
    assign(assembly.questions, assembly.answers)
    return judge([question.draft() for question in assembly.questions], [])


def _parts_of_table(table: Table) -> Iterable[Line | QuestionTable | list[Answer]]:
    """What a table is: a list of keys, questions in rows, or lines that it only arranges."""
    keys = answers_of_table(table)
    if keys is not None:
        return [keys]
    found = question_table(table)
    if found is not None:
        return [found]
    keys = answers_in_columns(table)
    return [keys] if keys is not None else flowing_lines(table)


__all__ = ["read", "write"]
