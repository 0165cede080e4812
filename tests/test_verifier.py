"""The stand-alone verifier: takes what is right, names what is wrong, and finds every changed value."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contest import bundles
from contest.data import verify
from tests.bundle_maker import Maker, write

# What nothing else in the bundle contradicts, always or where the value decides nothing; docs/bundle.md
# lists the same and says why. Whoever changes it changes the digest of the publication.
SELDOM_FOUND = {
    ("attempts.csv", column)
    for column in (
        "closes_at",
        "outage_ms",
        "prediction",
        "receipt_digest",
        "registered_at",
        "submitted_at",
    )
} | {
    ("responses.csv", "chosen"),
    ("seen.csv", "code"),
    ("exclusions.csv", "draw_id"),
    ("exclusions.csv", "excluded_at"),
    ("exclusions.csv", "lifted_at"),
    ("exclusions.csv", "reason"),
    ("units.csv", "unit"),
    ("units.csv", "division"),
    ("units.csv", "group"),
    ("units.csv", "parent"),
    ("units.csv", "headcount"),
    ("units.csv", "excluded"),
    ("books.json", "closed_at"),
    ("commitment.json", "published_at"),
    ("configuration.json", "attempts_allowed"),
    ("configuration.json", "closes_at"),
    ("configuration.json", "contest"),
    ("configuration.json", "corrections"),
    ("configuration.json", "divisions.chain"),
    ("configuration.json", "divisions.prediction.counted"),
    ("configuration.json", "divisions.prediction.over"),
    ("configuration.json", "divisions.units.formula"),
    ("configuration.json", "divisions.units.list_below"),
    ("configuration.json", "divisions.units.minimum_headcount"),
    ("configuration.json", "divisions.units.threshold"),
    ("configuration.json", "counts"),
    ("configuration.json", "earlier_winners"),
    ("configuration.json", "grace_ms"),
    ("configuration.json", "left_out"),
    ("configuration.json", "lot.public_text"),
    ("configuration.json", "opens_at"),
    ("configuration.json", "partial"),
    ("configuration.json", "prizes.code"),
    ("configuration.json", "prizes.count"),
    ("configuration.json", "prizes.unit_points"),
    ("configuration.json", "round"),
    ("configuration.json", "skip_earlier_winners"),
}
# A file that is not built as it should be: the program says so, as it says what differs.
BROKEN = (verify.Difference, KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


@pytest.fixture
def bundle(tmp_path):
    return write(Maker(7).files(), tmp_path)


def seal(folder):
    """Make the manifest right again, as whoever changed a file would."""
    names = [path.name for path in folder.iterdir() if path.name != bundles.MANIFEST]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / bundles.MANIFEST).write_bytes(bundles.manifest(1, digests))


def difference(folder):
    with pytest.raises(verify.Difference) as caught:
        verify.verify(str(folder))
    return caught.value


def changed(value):
    """Return another value of the same kind, as near as can be."""
    if value is None or value == "":
        return "1"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value in ("0", "1"):
        return str(1 - int(value))
    if value.isdigit():
        return str(int(value) + 1)
    if value[10:11] == "T" and value.endswith("+00:00"):
        return f"{value[:25]}{(int(value[25]) + 1) % 10}{value[26:]}"
    return value[:-1] + ("x" if value[-1] != "x" else "y")


def rows_of(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def write_rows(path, rows):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")


def leaves(content, path=()):
    """Every value of a JSON document with the way to it."""
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from leaves(content[key], (*path, key))
    else:
        yield path, content


def name_of(path):
    names = [one for one in path if isinstance(one, str)]
    return "corrections" if names[0] == "corrections" else ".".join(names)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 10**9), people=st.integers(0, 25))
def test_any_round_verifies(tmp_path_factory, number, people):
    folder = write(Maker(number, people=people).files(), tmp_path_factory.mktemp("bundle"))
    assert verify.verify(str(folder)) == hashlib.sha256((folder / bundles.MANIFEST).read_bytes()).hexdigest()


@pytest.mark.parametrize("number", [7, 11])
def test_every_changed_cell_is_found_but_for_those_that_decide_nothing(tmp_path, number):
    write(Maker(number, people=7).files(), tmp_path)
    missed, tried = set(), 0
    for path in sorted(tmp_path.glob("*.csv")):
        honest, rows = path.read_bytes(), rows_of(path)
        for place in range(1, len(rows)):
            for column, name in enumerate(rows[0]):
                cell, rows[place][column] = rows[place][column], changed(rows[place][column])
                write_rows(path, rows)
                rows[place][column] = cell
                tried += 1
                missed |= {(path.name, name)} if verifies(tmp_path) else set()
        path.write_bytes(honest)
    assert tried > 500
    assert missed <= SELDOM_FOUND


@pytest.mark.parametrize("number", [7, 11])
def test_every_changed_value_is_found_but_for_those_that_decide_nothing(tmp_path, number):
    write(Maker(number, people=7).files(), tmp_path)
    missed = set()
    for path in sorted(tmp_path.glob("*.json")):
        if path.name == bundles.MANIFEST:
            continue
        honest = path.read_bytes()
        for way, value in leaves(json.loads(honest)):
            content = json.loads(honest)
            holder = content
            for key in way[:-1]:
                holder = holder[key]
            holder[way[-1]] = changed(value)
            path.write_text(json.dumps(content), encoding="utf-8")
            missed |= {(path.name, name_of(way))} if verifies(tmp_path) else set()
        path.write_bytes(honest)
    assert missed <= SELDOM_FOUND


def verifies(folder):
    seal(folder)
    try:
        verify.verify(str(folder))
    except BROKEN:
        return False
    return True


@pytest.mark.parametrize("name", ["attempts.csv", "responses.csv", "standings.csv", "prizes.csv"])
@pytest.mark.parametrize("how", ["left out", "twice"])
def test_a_row_that_is_left_out_or_comes_twice_is_found(bundle, name, how):
    rows = rows_of(bundle / name)
    write_rows(bundle / name, rows[:1] + rows[2:] if how == "left out" else [*rows[:2], *rows[1:]])
    assert not verifies(bundle)


def test_the_first_difference_is_named_with_file_line_and_both_values(bundle):
    rows = rows_of(bundle / "standings.csv")
    points = rows[0].index("points")
    right, rows[2][points] = rows[2][points], str(int(rows[2][points]) + 840)
    write_rows(bundle / "standings.csv", rows)
    seal(bundle)
    found = difference(bundle)
    assert (found.file, found.row, found.column) == ("standings.csv", 3, "points")
    assert (str(found.expected), str(found.found)) == (right, rows[2][points])


def test_a_file_that_was_changed_after_publishing_is_named(bundle):
    (bundle / "books.json").write_bytes((bundle / "books.json").read_bytes() + b" ")
    assert (difference(bundle).file, difference(bundle).column) == ("books.json", "SHA-256")


def test_a_file_that_nobody_listed_is_named(bundle):
    (bundle / "extra.csv").write_text("x")
    assert difference(bundle).column == "extra.csv"


def test_another_manifest_than_the_known_one_is_refused(bundle):
    with pytest.raises(verify.Difference):
        verify.verify(str(bundle), digest="0" * 64)


def run(*arguments):
    program = [sys.executable, bundles.VERIFIER, *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_the_program_runs_by_itself_on_a_zip(bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in bundle.iterdir():
            archive.write(file, file.name)
    answer = run(path, "--lang", "en")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "AGREES" in answer.stdout
    assert "KHỚP" in run(path).stdout


def test_the_program_answers_programs(bundle):
    assert json.loads(run(bundle, "--json").stdout)["ok"] is True
    rows = rows_of(bundle / "prizes.csv")
    write_rows(bundle / "prizes.csv", rows[:-1])
    seal(bundle)
    answer = run(bundle, "--json")
    told = json.loads(answer.stdout)
    assert (answer.returncode, told["ok"], told["difference"]["file"]) == (1, False, "prizes.csv")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "contest-bundle/1"}', "\x00", '{"format": 1, "files": 3}']
)
def test_what_is_no_bundle_is_said_calmly(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    answer = run(tmp_path)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr


def test_what_is_not_there_is_a_wrong_call(tmp_path):
    answer = run(tmp_path / "nothing.zip")
    assert (answer.returncode, "Traceback" in answer.stderr) == (2, False)
