"""docs/security.md: a row for each of the 66 checks, and every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
TEXT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\|\s*\d+\s*\|", line)
]
NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(test_\w+)`")
COMING = {file for file in re.findall(r"† `([\w/]+\.py)::", TEXT) if not (TESTS / file).exists()}
STATES = {"met", "in part", "does not apply"}


def test_there_is_a_row_for_each_of_the_66_checks():
    assert [int(row[0]) for row in ROWS] == list(range(1, 67))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_how_a_check_is_met_and_what_watches_it(row):
    assert len(row) == 5
    assert row[1]
    assert row[2] in STATES
    assert row[3] or row[2] == "met", "say what is missing, or why it does not apply"
    assert NAMED.findall(row[4]) or row[2] == "does not apply"


@pytest.mark.parametrize("file, name", sorted(set(NAMED.findall(TEXT))), ids=lambda one: one)
def test_a_test_that_is_named_exists(file, name):
    if file in COMING:
        pytest.skip(f"{file} comes with another change")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
