"""Many virtual people at once: accounts, registrations, sessions, and papers that are being sat already.

They are written in bulk and carry the name of their crowd, by which contest.crowd.removing finds them.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import psycopg
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from contest import pools, registrations
from contest.accounts import CONSENT_VERSION, LOGIN_PURPOSE, PARTICIPANT_SESSION
from contest.contests import SEED_PURPOSE
from contest.errors import Conflict
from contest.models import Account, Division, Round, RoundDivision, Unit
from contest.rules.sheets import paper_shape
from contest.rules.timing import deadline
from contest.security import login_tag, new_public_id, new_receipt_code, new_token, seal, token_hash, unseal
from question_bank.draw import draw_paper, paper_seed, round_seed
from question_bank.text import fold

NAME = "Người Thử Máy"
# No password fits: nobody but the holder of a token is signed in as one of them.
NO_PASSWORD = "!"
# Who sits already has begun no longer ago than this part of the duration, so that time is left.
SAT_AT_MOST = 0.5
# Bulk work outlasts what a request may take, and papers are drawn between its statements.
PATIENCE = text(
    "SELECT set_config('statement_timeout', '10min', true),"
    " set_config('idle_in_transaction_session_timeout', '10min', true)"
)
Rows = Iterable[Sequence[Any]]


@dataclass(frozen=True)
class Prepared:
    """A virtual person who is signed in; one who sits already has an attempt and its paper's shape."""

    account_id: int
    token: str
    draw_id: str
    division_id: int
    attempt: str | None = None
    shape: str = ""


def prepare(
    session: Session,
    round: Round,
    people: int,
    *,
    crowd: str,
    sitting: int = 0,
    sat_for: timedelta | None = None,
    data_key: str,
    env: str,
    now: datetime,
) -> list[Prepared]:
    """Make virtual people who are registered for the round and signed in, the first of them sitting.

    They are spread over the round's divisions and the units that these admit. Who sits began between
    `sat_for` (by default half the duration) and no time ago, and has a really drawn paper. The tokens
    are only in what is returned. Raises Conflict in prod for a round of no rehearsal, for a round that
    is not open where somebody is to sit, and where no unit is admitted.
    """
    session.execute(PATIENCE)
    if env == "prod" and not round.contest.is_rehearsal:
        raise Conflict("Trên hệ thống chính thức, người ảo chỉ vào được vòng diễn tập.")
    longest = timedelta(milliseconds=round.duration_ms * SAT_AT_MOST) if sat_for is None else sat_for
    first = now - longest if sitting else now
    places = _places(session, round)
    made = [
        Prepared(account_id, new_token(), new_public_id(), places[index % len(places)].division_id)
        for index, account_id in enumerate(_ids(session, people))
    ]
    cursor = _cursor(session)
    _write_people(cursor, made, places, round.contest_id, crowd=crowd, data_key=data_key, at=first, now=now)
    if sitting:
        sat = _sit_down(session, cursor, round, made[:sitting], places, first, data_key=data_key, now=now)
        made[:sitting] = sat
    return made


def free_phones(session: Session, count: int, *, data_key: str, random: Random) -> list[str]:
    """Return different phone numbers that have no account."""
    phones: dict[str, None] = {}
    while len(phones) < count:
        phone = f"09{random.randrange(10**8):08d}"
        if session.scalar(select(Account.id).where(Account.login_tag == login_tag(data_key, phone))) is None:
            phones[phone] = None
    return list(phones)


def adopt(session: Session, phones: Collection[str], *, crowd: str, data_key: str) -> int:
    """Count people who filled in the form themselves to a crowd; return how many they are."""
    tags = [login_tag(data_key, phone) for phone in phones]
    adopted = update(Account).where(Account.login_tag.in_(tags)).values(crowd=crowd).returning(Account.id)
    return len(session.execute(adopted).all())


# --- who they are --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A division with a unit that it admits, and where its people live."""

    division_id: int
    unit_id: int
    commune_id: int | None


def _places(session: Session, round: Round) -> list[_Place]:
    """Return where the people belong, the divisions in turn. Raises Conflict if there is no place."""
    units = session.scalars(select(Unit).order_by(Unit.code)).all()
    communes = [one for one in units if one.kind == "commune"]
    by_division = []
    for asked in round.divisions:
        division = session.get_one(Division, asked.division_id)
        fitting = communes if division.unit_kind == "commune" else units
        admitted = [one for one in fitting if registrations.is_admitted(division, one)]
        if not admitted or not communes:
            raise Conflict(f"Bảng {division.name} chưa có đơn vị nào để người ảo vào thi.")
        by_division.append(
            [
                _Place(division.id, one.id, (one if one.kind == "commune" else communes[0]).id)
                for one in admitted
            ]
        )
    if not by_division:
        raise Conflict("Vòng thi chưa có bảng thi nào.")
    most = max(map(len, by_division))
    return [places[index % len(places)] for index in range(most) for places in by_division]


def _ids(session: Session, count: int) -> Sequence[int]:
    numbers = text("SELECT nextval(pg_get_serial_sequence('accounts', 'id')) FROM generate_series(1, :count)")
    return session.scalars(numbers, {"count": count}).all()


def _write_people(
    cursor: psycopg.Cursor[Any],
    made: Sequence[Prepared],
    places: Sequence[_Place],
    contest_id: int,
    *,
    crowd: str,
    data_key: str,
    at: datetime,
    now: datetime,
) -> None:
    logins = [f"{crowd}/{index}" for index in range(len(made))]
    _copy(
        cursor,
        "accounts (id, draw_id, login_tag, login_sealed, name, search_text, password_hash, created_at,"
        " crowd)",
        (
            (
                one.account_id,
                one.draw_id,
                login_tag(data_key, login),
                seal(data_key, login.encode(), LOGIN_PURPOSE),
                NAME,
                fold(NAME),
                NO_PASSWORD,
                at,
                crowd,
            )
            for one, login in zip(made, logins, strict=True)
        ),
    )
    _copy(
        cursor,
        "consents (account_id, purpose, text_version, granted_at)",
        ((one.account_id, "participation", CONSENT_VERSION, at) for one in made),
    )
    _copy(
        cursor,
        "registrations (contest_id, account_id, division_id, unit_id, commune_id, registered_at)",
        (
            (contest_id, one.account_id, place.division_id, place.unit_id, place.commune_id, at)
            for index, one in enumerate(made)
            for place in [places[index % len(places)]]
        ),
    )
    _copy(
        cursor,
        "sessions (account_id, token_hash, created_at, expires_at)",
        ((one.account_id, token_hash(one.token), at, now + PARTICIPANT_SESSION) for one in made),
    )


# --- who sits already ----------------------------------------------------------------------------


def _sit_down(
    session: Session,
    cursor: psycopg.Cursor[Any],
    round: Round,
    people: Sequence[Prepared],
    places: Sequence[_Place],
    first: datetime,
    *,
    data_key: str,
    now: datetime,
) -> list[Prepared]:
    if round.opened_at is None or round.seed_sealed is None or not round.opens_at <= now < round.closes_at:
        raise Conflict("Vòng thi chưa mở nên chưa có ai đang làm bài.")
    seed = round_seed(unseal(data_key, round.seed_sealed, SEED_PURPOSE), round.seed_text)
    papers = {asked.division_id: _Papers(session, asked, seed) for asked in round.divisions}
    begin, duration = max(first, round.opens_at), timedelta(milliseconds=round.duration_ms)
    sat, rows = [], []
    for index, one in enumerate(people):
        paper, shape = papers[one.division_id].draw(one.draw_id)
        started_at = begin + (now - begin) * (index / len(people))
        one = replace(one, attempt=new_public_id(), shape=shape)
        sat.append(one)
        rows.append(
            (
                one.attempt,
                new_receipt_code(),
                one.account_id,
                round.id,
                one.division_id,
                places[index % len(places)].unit_id,
                1,
                papers[one.division_id].pool_id,
                paper,
                shape,
                started_at,
                round.closes_at,
                deadline(started_at, duration=duration, closes_at=round.closes_at),
                round.grace_ms,
            )
        )
    _copy(
        cursor,
        "attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id,"
        " paper, paper_shape, started_at, closes_at, deadline_at, grace_ms)",
        rows,
    )
    return sat


class _Papers:
    """Draws the first papers of a round's division, as a start does."""

    def __init__(self, session: Session, asked: RoundDivision, seed: bytes) -> None:
        newest = pools.newest(session, asked)
        if newest is None:
            raise Conflict("Vòng thi chưa có bộ câu hỏi của mọi bảng thi.")
        self.pool_id = newest.id
        self._pool: Mapping[str, Any] = pools.loaded(session, newest.id, newest.sha256).items
        self._items = list(self._pool.values())
        self._cells = pools.specification_cells(asked.specification)
        self._seed = seed

    def draw(self, draw_id: str) -> tuple[str, str]:
        """Return somebody's first paper as it is stored, and its shape."""
        paper = draw_paper(self._items, self._cells, paper_seed(self._seed, draw_id, 1))
        stored = json.dumps([{"code": item.code, "order": item.order} for item in paper])
        return stored, paper_shape(paper, self._pool)


# --- in bulk -------------------------------------------------------------------------------------


def _cursor(session: Session) -> psycopg.Cursor[Any]:
    """Return a cursor of the driver in the session's own transaction."""
    session.flush()
    driver: psycopg.Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]
    return driver.cursor()


def _copy(cursor: psycopg.Cursor[Any], columns: str, rows: Rows) -> None:
    with cursor.copy(f"COPY {columns} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
