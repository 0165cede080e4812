"""A key and why it is right on one line: "Đáp án: A. Căn cứ: Điều 7" is read as two lines."""

from dataclasses import replace

from question_bank.formats.docx_labels import key_before_note
from question_bank.formats.docx_paragraphs import Line, Marked


def key_and_note(line: Line) -> tuple[Line, Line] | None:
    """Return the line of the key and that of the note behind it; None for other lines."""
    start = key_before_note(line.text.text)
    if start is None:
        return None
    note = line.text.cut(start, _end_of_note(line.text.text, start))
    return (
        replace(line, text=_trimmed(line.text, start)),
        replace(line, text=note, auto=None, pictures=()),
    )


def _trimmed(text: Marked, stop: int) -> Marked:
    """The text up to a place, without the signs that lead on to what follows."""
    return text.cut(0, len(text.text[:stop].rstrip(" .;,([-–—")))


def _end_of_note(text: str, start: int) -> int:
    """Where a note ends: before the bracket that is closed at the end, if it was opened before the note."""
    end = len(text.rstrip(" ."))
    is_bracketed = text[:start].rstrip().endswith(("(", "[")) and text[:end].endswith((")", "]"))
    return end - 1 if is_bracketed else len(text)
