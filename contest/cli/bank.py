"""The question bank from the command line."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from contest.cli.lazy import LazyGroup
from question_bank.formats.drafts import FoundItem, Reading
from question_bank.formats.files import read_file
from question_bank.formats.keys import label_of

UNITS = {
    "sheet": "trang",
    "table": "bảng",
    "row": "dòng",
    "column": "cột",
    "paragraph": "đoạn",
    "line": "dòng",
}
SEVERITIES = {"error": "LỖI", "warning": "CẢNH BÁO"}
STEM_WIDTH = 70


PLACES = {
    "import": "contest.cli.bank_data:import_",
    "export": "contest.cli.bank_data:export",
    "duplicates": "contest.cli.bank_data:duplicates_",
    "analyse": "contest.cli.bank_data:analyse",
    "simulate-draw": "contest.cli.bank_data:simulate",
}


@click.group("bank", cls=LazyGroup, places=PLACES)
def bank_group() -> None:
    """Look after the question bank."""


@bank_group.command("check")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="Print items and problems as JSON.")
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Show which questions FILES hold and what is wrong with them; nothing is stored.

    Exits with 1 if a file can't be opened at all.
    """
    readings = {path: read_file(path.name, path.read_bytes()) for path in files}
    if as_json:
        told = [reading.as_json() for reading in readings.values()]
        # One file is its entry; several are entries by name.
        shown = told[0] if len(told) == 1 else {"files": dict(zip(map(str, files), told, strict=True))}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        for path, reading in readings.items():
            _print(path, reading)
    if any(
        problem.kind == "unreadable_file" for reading in readings.values() for problem in reading.problems
    ):
        raise SystemExit(1)


def _print(path: Path, reading: Reading) -> None:
    click.echo(f"{path.name}: {len(reading.items)} câu hỏi nhận được, {len(reading.problems)} vấn đề")
    for item in reading.items:
        click.echo(f"  {_place(item.where):<24} {_facts(item):<22} {_short(item.stem)}")
    for problem in reading.problems:
        first = f" (câu đầu tiên: {_place(problem.first)})" if problem.first is not None else ""
        click.echo(f"  {SEVERITIES[problem.severity]} {_place(problem.where)}: {problem.reason}{first}")


def _facts(item: FoundItem) -> str:
    key = ", ".join(label_of(index) for index in item.key)
    return f"{item.topic or '–':<4}{item.level or '–':<4}{key}"


def _place(where: Mapping[str, str | int]) -> str:
    return ", ".join(f"{UNITS.get(unit, 'câu')} {value}" for unit, value in where.items()) or "cả tệp"


def _short(text: str) -> str:
    return text if len(text) <= STEM_WIDTH else f"{text[: STEM_WIDTH - 1]}…"
