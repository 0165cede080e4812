"""The gate: hostile and broken files are refused with a sentence, quickly and in little memory."""

import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from question_bank.formats.drafts import UnreadableFile
from question_bank.formats.files import read_file
from question_bank.formats.gate import LARGEST_FILE, walk_member
from tests.formats.books import HEADINGS, book, question, repacked

SECONDS, MEGABYTES = 2.0, 150
SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
GOOD = book([HEADINGS, question()])
SAMPLES = Path(__file__).parent / "samples"
DOCX = (SAMPLES / "bold-key.docx").read_bytes()


def sheet(rows: str, *, before: str = "", after: str = "") -> bytes:
    content = f'{before}<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData>{after}</worksheet>'
    return repacked(GOOD, {SHEET: content.encode()})


def cell(place: str, text: str) -> str:
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def incompressible(size: int) -> bytes:
    """Text that ZIP can shrink only to about a half."""
    return random.Random(7).randbytes(size // 2).hex().encode()


def wrapped(text: str, width: int) -> list[str]:
    return [text[place : place + width] for place in range(0, len(text), width)]


ENTITIES = "<!DOCTYPE a [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{place} '{f'&a{place - 1};' * 10}'>" for place in range(1, 10)
)
EXTERNAL = "<!DOCTYPE a [<!ENTITY a9 SYSTEM 'file:///etc/passwd'>"


def lying() -> bytes:
    """An archive whose directory claims a small member where a large one lies."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(GOOD)) as good, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in good.namelist():
            archive.writestr(name, good.read(name) if name != SHEET else b"<a>" + b" " * 60_000_000)
    content = file.getvalue()
    return content.replace((60_000_003).to_bytes(4, "little"), (100_000).to_bytes(4, "little"))


def encrypted() -> bytes:
    content = bytearray(GOOD)
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(magic)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(magic, start + 4)
    return bytes(content)


def symlinked() -> bytes:
    file = BytesIO(GOOD)
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("xl/media/a.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


HOSTILE: dict[str, Callable[[], tuple[str, bytes]]] = {
    "a far cell": lambda: ("a.xlsx", sheet(cell("A1", "Câu hỏi") + cell("XFD1048576", "x"))),
    "a far row": lambda: ("a.xlsx", sheet(cell("A999999", "x"))),
    "a cell of 100 MB": lambda: ("a.xlsx", sheet(cell("A1", "x" * 100_000_000))),
    "a cell of 40 MB": lambda: ("a.xlsx", sheet(cell("A1", "x" * 40_000_000))),
    "a cell of 15 MB that does not shrink": lambda: (
        "a.xlsx",
        sheet(cell("A1", incompressible(15_000_000).decode())),
    ),
    "a shared text of 15 MB": lambda: (
        "a.xlsx",
        repacked(GOOD, {STRINGS: b"<sst><si><t>" + incompressible(15_000_000) + b"</t></si></sst>"}),
    ),
    "a zip bomb": lambda: ("a.xlsx", repacked(GOOD, {"xl/media/a.png": bytes(200_000_000)})),
    "a member that lies about its size": lambda: ("a.xlsx", lying()),
    "ten thousand members": lambda: (
        "a.xlsx",
        repacked(GOOD, {f"a/{place}": b"x" for place in range(10_000)}),
    ),
    "a zip in the zip": lambda: ("a.xlsx", repacked(GOOD, {"xl/media/a.zip": GOOD})),
    "a way out": lambda: ("a.xlsx", repacked(GOOD, {"../../etc/passwd": b"x"})),
    "a link": lambda: ("a.xlsx", symlinked()),
    "an entity bomb": lambda: ("a.xlsx", sheet(cell("A1", "&a9;"), before=f"{ENTITIES}]>")),
    "an external entity": lambda: ("a.xlsx", sheet(cell("A1", "&a9;"), before=f"{EXTERNAL}]>")),
    "an entity bomb in the texts": lambda: (
        "a.xlsx",
        repacked(GOOD, {STRINGS: f"{ENTITIES}]><sst/>".encode()}),
    ),
    "a bomb in the styles": lambda: (
        "a.xlsx",
        repacked(GOOD, {"xl/styles.xml": f"{ENTITIES}]><a/>".encode()}),
    ),
    "deep elements": lambda: ("a.xlsx", sheet("<a>" * 500_000)),
    "many elements": lambda: ("a.xlsx", sheet("<c/>" * 7_000_000)),
    "many elements that do not shrink": lambda: (
        "a.xlsx",
        sheet("".join(f'<c x="{digits}"/>' for digits in wrapped(incompressible(10_000_000).decode(), 7))),
    ),
    "many cells": lambda: (
        "a.xlsx",
        sheet(
            "".join(
                f"<row>{''.join(f'<c><v>{text}</v></c>' for text in wrapped(line, 7))}</row>"
                for line in wrapped(incompressible(6_000_000).decode(), 700)
            )
        ),
    ),
    "many rows": lambda: (
        "a.xlsx",
        sheet(
            "".join(
                f"<row><c><v>{text}</v></c></row>" for text in wrapped(incompressible(5_000_000).decode(), 9)
            )
        ),
    ),
    "many merged cells": lambda: (
        "a.xlsx",
        sheet(
            "".join(cell(f"A{row}", "Câu hỏi") for row in range(1, 3_000)),
            after="<mergeCells>" + '<mergeCell ref="A1:XFD1048576"/>' * 20_000 + "</mergeCells>",
        ),
    ),
    "macros": lambda: ("a.xlsx", repacked(GOOD, {"xl/vbaProject.bin": b"x"})),
    "macros in Word": lambda: ("a.docx", repacked(DOCX, {"word/vbaProject.bin": b"x"})),
    "a macro file by name": lambda: ("a.xlsm", repacked(GOOD, {"xl/vbaProject.bin": b"x"})),
    "a password": lambda: (
        "a.xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
    ),
    "an encrypted archive": lambda: ("a.xlsx", encrypted()),
    "an old file": lambda: ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000)),
    "text called .xlsx": lambda: ("a.xlsx", "STT,Câu hỏi\n1,Gì?".encode()),
    "Word called .xlsx": lambda: ("a.xlsx", DOCX),
    "Excel called .docx": lambda: ("a.docx", GOOD),
    "a plain zip": lambda: ("a.xlsx", repacked(GOOD, {"xl/workbook.xml": None})),
    "a broken zip": lambda: ("a.xlsx", GOOD[: len(GOOD) // 2]),
    "a broken member": lambda: ("a.xlsx", GOOD.replace(b"PK\x05\x06", b"PK\x05\x07")),
    "broken XML": lambda: ("a.xlsx", repacked(GOOD, {SHEET: b"<worksheet><sheetData><row>"})),
    "no relations": lambda: ("a.xlsx", repacked(GOOD, {"xl/_rels/workbook.xml.rels": None})),
    "too large": lambda: ("a.xlsx", b"PK\x03\x04" + bytes(LARGEST_FILE)),
    "nothing": lambda: ("a.xlsx", b""),
    "an unknown kind": lambda: ("a.exe", b"MZ"),
    "a nul file": lambda: ("a.csv", bytes(1_000_000)),
    "one long line": lambda: ("a.csv", b"x" * 15_000_000),
    "many separators": lambda: ("a.csv", b";" * 15_000_000),
    "many quotes": lambda: ("a.csv", b'"' * 5_000_000),
    "many lines": lambda: ("a.csv", b"a;b\n" * 3_000_000),
}


@cache
def hostile(name: str) -> tuple[str, bytes]:
    return HOSTILE[name]()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(name: str) -> None:
    file, content = hostile(name)

    started = time.process_time()  # of this process alone: others may be busy beside it
    reading = read_file(file, content)
    took = time.process_time() - started

    assert reading.items == []
    assert [(problem.kind, dict(problem.where)) for problem in reading.problems] == [("unreadable_file", {})]
    assert reading.problems[0].reason.endswith(".")
    assert took < SECONDS, f"{took:.1f} s"


CHECK = """
import sys
from contest.cli import main
try:
    main(["bank", "check", sys.argv[1]])
except SystemExit as stop:
    assert stop.code == 1
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize(
    "name",
    [
        "a cell of 15 MB that does not shrink",
        "many elements that do not shrink",
        "many cells",
        "many rows",
        "many merged cells",
        "many lines",
    ],
)
def test_refusing_takes_little_memory(name: str, tmp_path: Path) -> None:
    file, content = hostile(name)
    (tmp_path / file).write_bytes(content)

    command = [sys.executable, "-c", CHECK, str(tmp_path / file)]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert int(said.splitlines()[-1]) < MEGABYTES


def test_a_good_file_passes_with_a_far_cell_that_is_empty() -> None:
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData>'
    with zipfile.ZipFile(BytesIO(GOOD)) as archive:
        content = archive.read(SHEET).decode().replace("</sheetData>", far)

    assert len(read_file("a.xlsx", repacked(GOOD, {SHEET: content.encode()})).items) == 1


def test_a_text_is_that_of_its_own_element() -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("good.xml", b"<x:a xmlns:x='x'>1<b>2</b>3</x:a>")
        archive.writestr("broken.xml", b"<a>")
    found: list[tuple[str, str]] = []
    with zipfile.ZipFile(file) as archive:
        walk_member(
            archive, "good.xml", start=lambda *_: None, end=lambda name, text: found.append((name, text))
        )
        for name in ("broken.xml", "none.xml"):
            with pytest.raises(UnreadableFile):
                walk_member(archive, name, start=lambda *_: None, end=lambda *_: None)

    assert found == [("b", "2"), ("a", "3")]
