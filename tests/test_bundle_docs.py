"""docs/bundle.md and docs/ranking.md say what the program does; the worked example verifies."""

import json
import re
from pathlib import Path

import pytest

from contest import bundle_rows
from contest.data import verify
from contest.rules.ranking import CRITERIA
from contest.rules.unit_ranking import FORMULAS
from tests.test_verifier import SELDOM_FOUND, seal, write_rows

DOCS = Path(__file__).parent.parent / "docs"
DRAW, BUNDLE, RANKING = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("draw", "bundle", "ranking")
)
DAY = "2026-11-23T"


def example_files():
    """The JSON files of draw.md's example by name."""
    found = re.findall(r"`([a-z0-9-]+\.json)`:\n\n```json\n(.*?)```", DRAW, re.DOTALL)
    return {name: json.loads(content) for name, content in found}, dict(found)


def pipe_table(text, first):
    """A table of a page as rows of cells, from its header cell on."""
    lines = text[text.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows[0], rows[2:]


@pytest.fixture
def example(tmp_path):
    """The worked example of bundle.md, with the files that draw.md shows, as a bundle."""
    files, texts = example_files()
    draw_id = re.search(r"k7Rw,(\S{22}),1", DRAW)[1]
    (tmp_path / "pool-citizens-1.json").write_text(texts["pool-citizens-1.json"], encoding="utf-8")
    published = {"published_at": "2026-11-20T00:00:00.000000+00:00"}
    configuration = {
        "opens_at": f"{DAY}00:00:00.000000+00:00",
        "closes_at": "2026-11-30T00:00:00.000000+00:00",
        "duration_ms": 900000,
        "grace_ms": 10000,
        "attempts_allowed": 2,
        "counts": "best",
        "partial": False,
        "corrections": {},
        "prizes": [{"code": "first", "division": "citizens", "count": 1, "unit_points": 0}],
        "skip_earlier_winners": False,
        "earlier_winners": [],
        "left_out": [],
        "lot": {"public_text": None},
        "divisions": [
            files["configuration.json"]["divisions"][0]
            | {
                "chain": ["points", "duration_ms", "submitted_at"],
                "prediction": None,
                "units": {
                    "formula": "rate_mean",
                    "threshold": "1/2",
                    "minimum_headcount": 0,
                    "list_below": True,
                },
            }
        ],
    }
    told = {
        "commitment.json": files["commitment.json"] | published,
        "seed.json": files["seed.json"],
        "configuration.json": configuration,
        "books.json": {"closed_at": "2026-12-01T00:00:00.000000+00:00", "truth": {"citizens": None}},
    }
    for name, content in told.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    header, rows = pipe_table(BUNDLE, "attempt | number")
    standing = re.search(r"division,rank,.*?\n(.*?)\n", BUNDLE)[1].split(",")
    attempts = []
    for row in rows:
        facts = dict(zip(header, row, strict=True))
        for name in ("started_at", "deadline_at", "submitted_at"):
            facts[name] = f"{DAY}{facts[name]}+00:00"
        facts |= {"draw_id": draw_id, "division": "citizens", "unit": "U", "pool_version": "1"}
        facts |= {"registered_at": standing[8], "closes_at": configuration["closes_at"]}
        zeros = ("extra_ms", "compensation_ms", "outage_ms", "voided", "excluded", "excluded_at_books")
        attempts.append([facts.get(name, "0" if name in zeros else "") for name in bundle_rows.ATTEMPTS])
    responses = re.search(r"attempt,position,code,options,chosen,points\n(.*?)```", BUNDLE, re.DOTALL)[1]
    tables = {
        "attempts.csv": [bundle_rows.ATTEMPTS, *attempts],
        "responses.csv": [bundle_rows.RESPONSES, *(line.split(",") for line in responses.splitlines())],
        "seen.csv": [("attempt", "code")],
        "exclusions.csv": [bundle_rows.EXCLUSIONS],
        "standings.csv": [bundle_rows.STANDINGS, standing],
        "units.csv": [bundle_rows.UNITS, ("U", "citizens", "ward", "", "2", "0")],
        "unit_standings.csv": [bundle_rows.UNIT_STANDINGS, ("citizens", "U", "1", "1", "1/2", "1/1", "1/2")],
        "prizes.csv": [
            ("prize", "attempt", "by_lot"),
            re.search(r"`prizes.csv` is `(.*?)`", BUNDLE)[1].split(","),
        ],
    }
    for name, lines in tables.items():
        write_rows(tmp_path / name, lines)
    seal(tmp_path)
    return tmp_path


def test_the_worked_example_verifies(example):
    verify.verify(str(example))


@pytest.mark.parametrize(
    "columns",
    [
        bundle_rows.ATTEMPTS,
        bundle_rows.RESPONSES,
        bundle_rows.STANDINGS,
        bundle_rows.UNITS,
        bundle_rows.UNIT_STANDINGS,
    ],
    ids=["attempts", "responses", "standings", "units", "unit standings"],
)
def test_every_column_is_explained(columns):
    assert [column for column in columns if f"`{column}`" not in BUNDLE] == []


def test_every_criterion_and_formula_is_explained():
    assert [name for name in (*CRITERIA, *FORMULAS) if f"`{name}`" not in RANKING] == []


def test_what_no_check_finds_is_said():
    limits = BUNDLE[BUNDLE.index("## What no check can find") :]
    names = {name for file, name in SELDOM_FOUND if file in ("attempts.csv", "responses.csv")}
    assert [name for name in names if f"`{name}`" not in limits] == []
