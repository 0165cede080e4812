"""Units: imported from lists, found by name, old name or code."""

import csv
from collections.abc import Iterable, Mapping
from typing import TextIO

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from contest.models import Headcount, Unit, UnitAlias
from question_bank.text import clean_text, fold, sort_key

COMMUNE_GROUPS = {"Phường": "ward", "Xã": "commune"}


def import_communes(session: Session, file: TextIO) -> int:
    """Add the communes of a CSV (code, type, name, old_district, old_units); return how many are new.

    A commune's former communes and districts become its aliases, because people look for those.
    """
    known = set(session.scalars(select(Unit.code)))
    rows = [row for row in csv.DictReader(file) if row["code"] not in known]
    for row in rows:
        unit = new_unit(row["code"], f"{row['type']} {row['name']}", "commune", COMMUNE_GROUPS[row["type"]])
        session.add(unit)
        session.flush()
        aliases = dict.fromkeys(
            clean_text(name)
            for name in f"{row['old_units']};{row['old_district']}".split(";")
            if name.strip()
        )
        session.add_all(UnitAlias(unit_id=unit.id, name=name, search_text=fold(name)) for name in aliases)
    session.flush()
    return len(rows)


def import_agencies(session: Session, rows: Iterable[Mapping[str, str]]) -> int:
    """Add the agencies of a list (code, name, group); return how many are new."""
    known = set(session.scalars(select(Unit.code)))
    new = [
        new_unit(row["code"], row["name"], "agency", row["group"]) for row in rows if row["code"] not in known
    ]
    session.add_all(new)
    session.flush()
    return len(new)


def new_unit(code: str, name: str, kind: str, group: str) -> Unit:
    """Return a unit that is not stored yet, found and sorted by its name."""
    name = clean_text(name)
    # "Phường Bắc Giang" is sorted and found by "Bắc Giang" too, its type coming last.
    first, _, rest = name.partition(" ")
    plain = f"{rest} {first}" if kind == "commune" else name
    return Unit(
        code=code, name=name, kind=kind, group=group, search_text=fold(name), sort_key=sort_key(plain)
    )


def listed(session: Session, kind: str | None = None) -> list[Unit]:
    """Return the units in Vietnamese order, those of one kind or all, communes first."""
    query = select(Unit).order_by(Unit.kind.desc(), Unit.sort_key.collate("C"))
    return list(session.scalars(query if kind is None else query.where(Unit.kind == kind)))


def ids_matching(session: Session, words: str) -> frozenset[int]:
    """Return the ids of units whose name, code or an old name contains the words, accents aside."""
    sought = fold(clean_text(words))
    own = select(Unit.id).where(
        or_(
            Unit.search_text.contains(sought, autoescape=True),
            func.lower(Unit.code).contains(sought, autoescape=True),
        )
    )
    old = select(UnitAlias.unit_id).where(UnitAlias.search_text.contains(sought, autoescape=True))
    return frozenset(session.scalars(own.union(old)))


def former_names(session: Session) -> dict[int, str]:
    """Return under which old names each unit is still looked for, by the unit's id."""
    rows = session.execute(
        select(UnitAlias.unit_id, func.string_agg(UnitAlias.name, ", ")).group_by(UnitAlias.unit_id)
    )
    return dict(rows.all())


def set_headcount(session: Session, *, division_id: int, unit_id: int, headcount: int, source: str) -> None:
    """Say how many people of a division a unit has, by a named source."""
    session.add(Headcount(division_id=division_id, unit_id=unit_id, headcount=headcount, source=source))
