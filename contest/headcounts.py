"""Headcounts: how many people each unit has, brought in from lists, locked before the first round."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contest import audit, units
from contest.errors import BadInput, Conflict
from contest.models import Contest, Division, Headcount, Unit
from contest.models.units import GROUPS
from question_bank.formats.csv import SEPARATORS, decoded
from question_bank.text import clean_text, fold

COLUMNS = {
    "code": ("ma", "ma don vi", "code"),
    "name": ("ten", "ten don vi", "name"),
    "group": ("nhom", "group"),
}
MOST_ROWS = 5_000
LARGEST = 2**31 - 1
LONGEST_SOURCE = 300
LONGEST_CODE, LONGEST_NAME = 40, 200
# What a spreadsheet would compute.
_LIVE = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class UnitRow:
    """A row of the list: a unit, and its headcounts by division code."""

    code: str
    name: str
    group: str
    headcounts: Mapping[str, int]


@dataclass
class Plan:
    """What a list would change, and what is wrong with it by row."""

    new_units: list[UnitRow] = field(default_factory=list)
    # Unit, division code, headcount before (None: none) and after.
    changes: list[tuple[str, str, int | None, int]] = field(default_factory=list)
    same: int = 0
    problems: list[str] = field(default_factory=list)


# --- reading -------------------------------------------------------------------------------------


def read(content: bytes, divisions: Sequence[Division]) -> tuple[list[UnitRow], list[str]]:
    """Return the rows of a CSV and what is wrong with others, in a sentence each.

    Columns in any order: mã, tên, nhóm, and for each division its code or name. Raises BadInput if
    there is no such table.
    """
    records = _records(content)
    if not records:
        raise _unreadable("Tệp không có dòng nào.")
    places, of_division = _columns(records[0], divisions)
    rows: list[UnitRow] = []
    problems: list[str] = []
    seen: set[str] = set()
    for number, record in enumerate(records[1:], start=2):
        if not any(cell.strip() for cell in record):
            continue
        try:
            row = _row(record, places, of_division)
            if row.code in seen:
                raise ValueError(f"mã {row.code} đã có ở dòng trên")
        except ValueError as error:
            problems.append(f"Dòng {number}: {error}.")
        else:
            seen.add(row.code)
            rows.append(row)
    return rows, problems


def _records(content: bytes) -> list[list[str]]:
    text = decoded(content)
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        raise _unreadable("Không đọc được tệp CSV: dấu ngoặc kép không khớp hoặc ô quá dài.") from None
    if len(records) > MOST_ROWS:
        raise _unreadable(f"Tệp có quá {MOST_ROWS} dòng.")
    return records


def _columns(headings: Sequence[str], divisions: Sequence[Division]) -> tuple[dict[str, int], dict[str, int]]:
    folded = [fold(clean_text(heading)) for heading in headings]
    places = {
        name: folded.index(known)
        for name, all_known in COLUMNS.items()
        for known in all_known
        if known in folded
    }
    if "code" not in places:
        raise _unreadable(
            "Không thấy cột Mã. Dòng đầu của tệp cần có tên các cột: Mã, Tên, Nhóm, và các bảng thi."
        )
    of_division = {
        one.code: folded.index(known)
        for one in divisions
        for known in (fold(one.name), fold(one.code))
        if known in folded
    }
    return places, of_division


def _row(record: Sequence[str], places: Mapping[str, int], of_division: Mapping[str, int]) -> UnitRow:
    def cell(place: int | None) -> str:
        return clean_text(record[place]) if place is not None and place < len(record) else ""

    code = cell(places.get("code"))
    if not code or len(code) > LONGEST_CODE:
        raise ValueError("thiếu mã đơn vị, hoặc mã quá dài")
    name = cell(places.get("name"))
    if len(name) > LONGEST_NAME:
        raise ValueError("tên đơn vị quá dài")
    counts = {
        division: _number(text) for division, place in of_division.items() if (text := cell(place)) != ""
    }
    return UnitRow(code, name, _group(cell(places.get("group"))), counts)


def _number(text: str) -> int:
    digits = text.replace(".", "").replace(" ", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit()) or int(digits) > LARGEST:
        raise ValueError(f"“{text[:20]}” không phải là số người")
    return int(digits)


def _group(text: str) -> str:
    if not text:
        return ""
    for code, name in GROUPS.items():
        if fold(text) in (fold(code), fold(name)):
            return code
    raise ValueError(f"không có nhóm “{text[:40]}”; các nhóm là {', '.join(GROUPS.values())}")


def _unreadable(sentence: str) -> BadInput:
    return BadInput(sentence, {"file": sentence})


# --- planning and bringing in --------------------------------------------------------------------


def plan(session: Session, contest: Contest, rows: Sequence[UnitRow], problems: Sequence[str]) -> Plan:
    """Return what the rows would change in a contest; a new unit needs a name and a group of agencies."""
    made = Plan(problems=list(problems))
    known = {unit.code: unit for unit in session.scalars(select(Unit))}
    present = _present(session, contest)
    kinds = {one.code: one.unit_kind for one in contest.divisions}
    for row in rows:
        unit = known.get(row.code)
        if unit is None and (not row.name or row.group in ("", "ward", "commune")):
            made.problems.append(
                f"Mã {row.code} chưa có trong danh mục; đơn vị mới cần tên và một nhóm cơ quan, đơn vị."
            )
            continue
        if unit is None:
            made.new_units.append(row)
        kind = unit.kind if unit else "agency"
        for division, count in row.headcounts.items():
            if kinds[division] == "commune" and kind != "commune":
                made.problems.append(
                    f"Mã {row.code} không phải xã, phường nên không có số người bảng {division}."
                )
                continue
            before = present.get((row.code, division))
            if before == count:
                made.same += 1
            else:
                made.changes.append((row.code, division, before, count))
    return made


def bring_in(
    session: Session, contest: Contest, made: Plan, *, source: str, now: datetime, actor_id: int | None
) -> None:
    """Do what a plan says, by a named source. Raises Conflict once the headcounts are locked."""
    _refuse_locked(session, contest)
    if not source or len(source) > LONGEST_SOURCE:
        sentence = "Bạn hãy ghi nguồn của số liệu, ví dụ Cục Thống kê tỉnh, ngày 01/7/2026."
        raise BadInput(sentence, {"source": sentence})
    units.import_agencies(
        session, [{"code": row.code, "name": row.name, "group": row.group} for row in made.new_units]
    )
    ids = dict(session.execute(select(Unit.code, Unit.id)).all())
    divisions = {one.code: one.id for one in contest.divisions}
    for unit, division, _, count in made.changes:
        values = {"headcount": count, "source": source}
        session.execute(
            insert(Headcount)
            .values(division_id=divisions[division], unit_id=ids[unit], **values)
            .on_conflict_do_update(index_elements=["division_id", "unit_id"], set_=values)
        )
    audit.record(
        session,
        "headcounts.import",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        before={f"{unit}/{division}": before for unit, division, before, _ in made.changes},
        after={f"{unit}/{division}": count for unit, division, _, count in made.changes}
        | {"source": source, "new_units": [row.code for row in made.new_units]},
    )


def clear(session: Session, contest: Contest, *, now: datetime, actor_id: int | None) -> int:
    """Take all headcounts of a contest away, to begin again. Raises Conflict once they are locked."""
    _refuse_locked(session, contest)
    gone = session.scalars(
        delete(Headcount)
        .where(Headcount.division_id.in_([one.id for one in contest.divisions]))
        .returning(Headcount.id)
    ).all()
    audit.record(
        session,
        "headcounts.clear",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        before={"headcounts": len(gone)},
    )
    return len(gone)


def _refuse_locked(session: Session, contest: Contest) -> None:
    session.refresh(contest, with_for_update=True)
    if contest.headcounts_locked_at is not None:
        raise Conflict("Số người của các đơn vị đã khóa nên không đổi được nữa.")


# --- the lock ------------------------------------------------------------------------------------


def lock(session: Session, contest: Contest, *, now: datetime, actor_id: int | None) -> str:
    """Lock a contest's headcounts and publish their digest; return it. Raises Conflict a second time."""
    _refuse_locked(session, contest)
    contest.headcounts_locked_at = now
    contest.headcounts_sha256 = digest(session, contest)
    session.flush()
    audit.record(
        session,
        "headcounts.lock",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        after={"sha256": contest.headcounts_sha256, "sources": sources(session, contest)},
    )
    return contest.headcounts_sha256


def digest(session: Session, contest: Contest) -> str:
    """Return the SHA-256 of the file that `write` gives."""
    return hashlib.sha256(write(session, contest, only_known=True)).hexdigest()


def write(session: Session, contest: Contest, *, only_known: bool = False) -> bytes:
    """Return the units and headcounts as a CSV that `read` takes, sorted by code.

    With those units alone that have a headcount it is the file whose digest is published.
    """
    present = _present(session, contest)
    codes = [one.code for one in contest.divisions]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["code", "name", "group", *codes])
    for unit in session.scalars(select(Unit).order_by(Unit.code.collate("C"))):
        counts = [present.get((unit.code, code)) for code in codes]
        if only_known and all(count is None for count in counts):
            continue
        cells = [unit.code, unit.name, unit.group]
        writer.writerow([_guarded(cell) for cell in cells] + ["" if n is None else n for n in counts])
    return file.getvalue().encode()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_LIVE) else text


def sources(session: Session, contest: Contest) -> list[str]:
    """Return by which sources the headcounts of a contest are known."""
    ids = [one.id for one in contest.divisions]
    return sorted(session.scalars(select(Headcount.source).distinct().where(Headcount.division_id.in_(ids))))


def _present(session: Session, contest: Contest) -> dict[tuple[str, str], int]:
    rows = session.execute(
        select(Unit.code, Division.code, Headcount.headcount)
        .select_from(Headcount)
        .join(Unit, Unit.id == Headcount.unit_id)
        .join(Division, Division.id == Headcount.division_id)
        .where(Division.contest_id == contest.id)
    )
    return {(unit, division): count for unit, division, count in rows}


@dataclass(frozen=True)
class Known:
    """How many of a division's units have a headcount, how many people that makes, and by which sources."""

    units: int
    known: int
    people: int
    sources: Sequence[str]


def known(session: Session, divisions: Sequence[Division]) -> dict[int, Known]:
    """Return what is known of the headcounts of each division by its id."""
    of_group: dict[tuple[str, str], int] = {
        (kind, group): count
        for kind, group, count in session.execute(
            select(Unit.kind, Unit.group, func.count()).group_by(Unit.kind, Unit.group)
        )
    }
    rows = session.execute(
        select(
            Headcount.division_id,
            func.count().label("known"),
            func.sum(Headcount.headcount).label("people"),
            func.array_agg(Headcount.source.distinct()).label("sources"),
        )
        .where(Headcount.division_id.in_([one.id for one in divisions]))
        .group_by(Headcount.division_id)
    )
    by_division = {row.division_id: row for row in rows}
    found = {}
    for one in divisions:
        row = by_division.get(one.id)
        in_it = sum(
            count
            for (kind, group), count in of_group.items()
            if (one.unit_kind != "commune" or kind == "commune")
            and (not one.unit_groups or group in one.unit_groups)
        )
        found[one.id] = Known(
            units=in_it,
            known=row.known if row else 0,
            people=row.people if row else 0,
            sources=row.sources if row else (),
        )
    return found
