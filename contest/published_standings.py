"""The public list of people as the official publication has it: what came later is in the next version.

The standings in the database go on: somebody is excluded, an item is corrected. Until the next version
is published, the pages read the list from the newest version's bundle.
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, defer, joinedload

from contest import archives, leaderboards, regrading
from contest.bundle_rows import STANDINGS
from contest.models import Attempt, Exclusion, Publication, Round, RoundDivision, Standing, Task

FILE = "standings.csv"
# A province's file is some 25 MB.
FILES_KEPT = 2
_LINE = re.compile(rb"(?m)^([^,\n]*),[^\n]*\n")
_loaded: dict[tuple[int, str], "_List"] = {}


@dataclass(frozen=True)
class _List:
    """The file, and by division where its lines begin, in their order."""

    content: bytes
    starts: Mapping[str, Sequence[int]]

    def lines(self, division: str, first: int, end: int) -> list[list[str]]:
        """Return some lines of a division, numbered from 0."""
        starts = self.starts.get(division, ())[first:end]
        return [
            next(csv.reader([self.content[at : self.content.index(b"\n", at)].decode()])) for at in starts
        ]

    def place_of(self, division: str, attempt: str) -> int | None:
        """Return the number of the attempt's line, from 0."""
        starts = self.starts.get(division, ())
        at = self.content.find(f",{attempt},".encode())
        place = bisect_right(starts, at) - 1
        return (
            place
            if at >= 0 and place >= 0 and self.lines(division, place, place + 1)[0][2] == attempt
            else None
        )


def in_force(session: Session, round: Round) -> Publication | None:
    """Return the newest official version, if something was changed since; None where the database shows it.

    Only an exclusion, its lifting or a regrade changes a person's place after the books.
    """
    if round.books_closed_at is None:
        return None
    publication = session.scalar(
        select(Publication)
        .where(Publication.round_id == round.id, Publication.kind == "official")
        .order_by(Publication.version.desc())
        .limit(1)
        .options(defer(Publication.content))
    )
    if publication is None:
        return None
    since = publication.published_at
    is_changed = or_(
        exists().where(
            Exclusion.round_id == round.id, or_(Exclusion.excluded_at > since, Exclusion.lifted_at > since)
        ),
        exists().where(
            Task.kind == regrading.KIND, Task.subject == f"round/{round.id}", Task.created_at > since
        ),
    )
    return publication if session.scalar(select(is_changed)) else None


def is_kept(session: Session, publication: Publication) -> bool:
    """Tell whether the version's list is there: the first versions of all were kept without files."""
    return archives.find(session, publication.id, FILE) is not None


def people_page(
    session: Session, publication: Publication, asked: RoundDivision, *, number: int, size: int
) -> leaderboards.Page[Standing]:
    """Return a page of a division's people as published; the row after its last is `row_below`'s."""
    published = _list(session, publication)
    total = len(published.starts.get(asked.division.code, ()))
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    rows = _rows(session, publication, asked, (number - 1) * size, number * size)
    return leaderboards.Page(rows, number, pages, total)


def row_below(
    session: Session, publication: Publication, asked: RoundDivision, row: Standing
) -> Standing | None:
    """Return the row after a row of the same list, or None after the last."""
    return next(iter(_rows(session, publication, asked, row.position or 0, (row.position or 0) + 1)), None)


def own_standing(
    session: Session, publication: Publication, asked: RoundDivision, account_id: int
) -> Standing | None:
    """Return a person's own row as published."""
    published = _list(session, publication)
    attempts = session.scalars(
        select(Attempt.public_id).where(
            Attempt.round_id == publication.round_id,
            Attempt.account_id == account_id,
            Attempt.division_id == asked.division_id,
        )
    )
    for attempt in attempts:
        place = published.place_of(asked.division.code, attempt)
        if place is not None:
            return _rows(session, publication, asked, place, place + 1)[0]
    return None


def truth(publication: Publication, asked: RoundDivision) -> int | None:
    """Return what the prediction's truth was in the version."""
    of_division: dict[str, int | None] = {
        one["code"]: one["truth"] for one in publication.content["divisions"]
    }
    return of_division.get(asked.division.code)


def _rows(
    session: Session, publication: Publication, asked: RoundDivision, first: int, end: int
) -> list[Standing]:
    """Return some rows of a list, from 0, as standings that are no part of the session."""
    lines = [
        dict(zip(STANDINGS, line, strict=False))
        for line in _list(session, publication).lines(asked.division.code, first, end)
    ]
    attempts = {
        attempt.public_id: attempt
        for attempt in session.scalars(
            select(Attempt)
            .where(Attempt.public_id.in_([line["attempt"] for line in lines]))
            .options(joinedload(Attempt.account), joinedload(Attempt.unit))
        )
    }
    return [
        _standing(line, attempts[line["attempt"]], position)
        for position, line in enumerate(lines, start=first + 1)
    ]


def _standing(line: Mapping[str, str], attempt: Attempt, position: int) -> Standing:
    return Standing(
        account_id=attempt.account_id,
        account=attempt.account,
        unit=attempt.unit,
        position=position,
        rank=int(line["rank"]),
        points=int(line["points"]),
        prediction_error=int(line["prediction_error"]) if line["prediction_error"] else None,
        duration_ms=int(line["duration_ms"]),
        submitted_at=datetime.fromisoformat(line["submitted_at"]),
        attempts_used=int(line["attempts_used"]),
        registered_at=datetime.fromisoformat(line["registered_at"]),
        separated_by=line["separated_by"] or None,
    )


def _list(session: Session, publication: Publication) -> _List:
    """Return the version's list, from this process's memory after the first time: it never changes."""
    file = archives.find(session, publication.id, FILE)
    if file is None:
        raise LookupError(f"version {publication.version} has no {FILE}")
    known = _loaded.get((file.id, file.sha256))
    if known is None:
        known = _read(b"".join(archives.content(session, file.id)))
        if len(_loaded) >= FILES_KEPT:
            _loaded.clear()
        _loaded[file.id, file.sha256] = known
    return known


def _read(content: bytes) -> _List:
    starts: dict[str, list[int]] = {}
    for line in _LINE.finditer(content, content.index(b"\n") + 1):
        starts.setdefault(line[1].decode(), []).append(line.start())
    return _List(content, starts)
