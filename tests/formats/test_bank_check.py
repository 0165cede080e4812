"""`contest bank check`: one file's entry as JSON, or a table for people; no database, no application."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from contest.cli import main

SAMPLES = Path(__file__).parent / "samples"


def check(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["bank", "check", *map(str, arguments)])
    return result.exit_code, result.output


def test_json_is_the_entry_of_a_file() -> None:
    code, output = check(SAMPLES / "clean.xlsx", "--json")
    expected = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))["files"]["clean.xlsx"]

    assert code == 0
    assert json.loads(output) == {"items": expected["items"], "problems": []}
    assert "Nghị định" in output  # as people read it, not as \\u escapes


def test_several_files_are_entries_by_name() -> None:
    paths = [SAMPLES / "semi.csv", SAMPLES / "broken/missing-key.xlsx"]
    code, output = check(*paths, "--json")

    assert code == 0
    assert [len(entry["items"]) for entry in json.loads(output)["files"].values()] == [5, 2]


def test_the_table_names_places_and_faults() -> None:
    code, output = check(SAMPLES / "broken/duplicate.xlsx")

    assert code == 0
    assert "3 câu hỏi nhận được, 3 vấn đề" in output
    assert "LỖI trang Câu hỏi, dòng 5" in output
    assert "trang Câu hỏi, dòng 2" in output


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_file_that_cannot_be_opened_exits_with_1(options: list[str]) -> None:
    code, output = check(SAMPLES / "broken/text-not-xlsx.xlsx", *options)

    assert code == 1
    assert "không phải tệp Excel" in output


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert check(tmp_path / "none.xlsx")[0] == 2
