"""A file of questions, whatever its format: chosen by its name, checked by its content."""

import re
from importlib import import_module
from pathlib import PurePath
from typing import cast

from question_bank.formats.drafts import Problem, Reading, UnreadableFile
from question_bank.formats.gate import OLE, ZIP, check_size
from question_bank.formats.item_pictures import with_pictures
from question_bank.formats.judging import ERROR

BY_SUFFIX = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xls"), "xlsx"),
    **dict.fromkeys((".docx", ".docm", ".dotx", ".doc"), "docx"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".gift": "gift",
    ".xml": "moodle_xml",
}
_KNOWN = "Excel (.xlsx), Word (.docx), CSV, GIFT, Aiken (.txt) hoặc Moodle XML"
_AIKEN = re.compile(r"^\s*(?:ANSWERS?|Đáp án)\s*:\s*[A-Z]\s*$", re.MULTILINE | re.IGNORECASE)
_GIFT = re.compile(
    r"(?<!\\)\{[^{}]*(?<!\\)[=~][^{}]*\}|\{\s*(?:TRUE|FALSE|T|F)\b|^::|^\$CATEGORY:", re.MULTILINE
)
_LOOKED_AT = 200_000


def format_of(name: str, content: bytes) -> str:
    """Return the name of the module that reads the file; raises UnreadableFile if there is none."""
    suffix = PurePath(name.lower()).suffix
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if content.startswith(ZIP):
        return "docx" if b"word/document.xml" in content else "xlsx"
    if content.startswith(OLE) or suffix not in (".txt", ""):
        raise UnreadableFile(f"Không nhận loại tệp này; hãy gửi tệp {_KNOWN}.")
    text = _start_of(content)
    if text.lstrip().startswith("<"):
        return "moodle_xml"
    if _AIKEN.search(text):
        return "aiken"
    if _GIFT.search(text):
        return "gift"
    return "csv" if "\t" in text or ";" in text else "aiken"


def read_file(name: str, content: bytes) -> Reading:
    """Return what a file holds; one that can't be opened is a reading with that one problem."""
    try:
        check_size(content)
        module = import_module(f"question_bank.formats.{format_of(name, content)}")
        return with_pictures(cast(Reading, module.read(content)))
    except UnreadableFile as error:
        return Reading([], [Problem("unreadable_file", ERROR, {}, str(error))])


def _start_of(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return content[:_LOOKED_AT].decode(encoding, errors="replace")
