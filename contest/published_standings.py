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


@dataclass(frozen=True)
class Shown:
    """A page of a division's people as the public sees it."""

    page: leaderboards.Page[Standing]
    # The row after the page's last.
    below: Standing | None
    # The viewer's own.
    own: Standing | None
    # What the prediction came to.
    truth: int | None
    is_as_published: bool


def shown(
    session: Session,
    asked: RoundDivision,
    publication: Publication | None,
    *,
    number: int,
    size: int,
    account_id: int | None,
) -> Shown:
    """Return a page of a division's people, from the version that is in force if there is one.

    A version that was kept without files can't be shown; then the list is that of the database too.
    """
    published = _list(session, publication) if publication else None
    if publication is None or published is None:
        page = leaderboards.people_page(session, asked.round_id, asked.division_id, number=number, size=size)
        below = leaderboards.row_below(session, page.rows[-1]) if page.rows else None
        own = leaderboards.own_standing(session, asked.round_id, account_id) if account_id else None
        is_ranked_here = own is not None and own.position and own.division_id == asked.division_id
        return Shown(page, below, own if is_ranked_here else None, asked.truth, is_as_published=False)
    code = asked.division.code
    total = len(published.starts.get(code, ()))
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    first = (number - 1) * size
    rows = _rows(session, published, code, first, first + size + 1)
    place = _own_place(session, published, asked, account_id) if account_id else None
    return Shown(
        page=leaderboards.Page(rows[:size], number, pages, total),
        below=rows[size] if len(rows) > size else None,
        own=_rows(session, published, code, place, place + 1)[0] if place is not None else None,
        truth=next(one["truth"] for one in publication.content["divisions"] if one["code"] == code),
        is_as_published=True,
    )


def _own_place(session: Session, published: _List, asked: RoundDivision, account_id: int) -> int | None:
    """Return where a person's attempt stands, from 0."""
    own = select(Attempt.public_id).where(
        Attempt.round_id == asked.round_id,
        Attempt.account_id == account_id,
        Attempt.division_id == asked.division_id,
    )
    places = (published.place_of(asked.division.code, attempt) for attempt in session.scalars(own).all())
    return next((place for place in places if place is not None), None)


def _rows(session: Session, published: _List, division: str, first: int, end: int) -> list[Standing]:
    """Return some rows of a list, from 0, as standings that are no part of the session."""
    lines = [dict(zip(STANDINGS, line, strict=False)) for line in published.lines(division, first, end)]
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


def _list(session: Session, publication: Publication) -> _List | None:
    """Return the version's list, from this process's memory after the first time: it never changes."""
    file = archives.find(session, publication.id, FILE)
    if file is None:
        return None
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
