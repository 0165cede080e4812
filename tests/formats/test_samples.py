"""Every sample, and what it must give: items and problems, word for word but for the sentences."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from question_bank.formats.drafts import UnreadableFile
from question_bank.formats.files import format_of, read_file

SAMPLES = Path(__file__).parent / "samples"
FOLDERS = (SAMPLES, SAMPLES / "broken")


def _cases() -> list[Any]:
    return [
        pytest.param(folder / name, expected, id=str((folder / name).relative_to(SAMPLES)))
        for folder in FOLDERS
        for name, expected in json.loads((folder / "expected.json").read_text(encoding="utf-8"))[
            "files"
        ].items()
    ]


def _without_sentences(told: dict[str, Any]) -> dict[str, Any]:
    problems = [{name: problem[name] for name in problem if name != "reason"} for problem in told["problems"]]
    return {"items": told["items"], "problems": problems}


@pytest.mark.parametrize("path, expected", _cases())
def test_a_sample_gives_its_items_and_problems(path: Path, expected: dict[str, Any]) -> None:
    content = path.read_bytes()
    module = format_of(path.name, content)
    if find_spec(f"question_bank.formats.{module}") is None:
        pytest.skip(f"question_bank/formats/{module}.py is not written yet")

    told = read_file(path.name, content).as_json()

    assert _without_sentences(told) == _without_sentences(expected)
    assert all(problem["reason"].strip() for problem in told["problems"])


def test_every_sample_is_tried() -> None:
    for folder in FOLDERS:
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["files"]
        there = {path.name for path in folder.iterdir() if path.is_file()} - {"README.md", "expected.json"}
        assert there == set(expected)


def test_a_file_of_no_known_kind_is_one_problem() -> None:
    reading = read_file("bai.pdf", b"%PDF-1.7")

    assert [problem.kind for problem in reading.problems] == ["unreadable_file"]
    assert dict(reading.problems[0].where) == {}
    with pytest.raises(UnreadableFile):
        format_of("bai.pdf", b"%PDF-1.7")
