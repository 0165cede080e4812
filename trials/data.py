"""A province's worth of data in bulk: a bank, rounds with frozen pools, people, papers that were drawn.

Papers come from the real draw: some hundred of them, given out over and over. All else is made by
the database itself, a table at a time.
"""

import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import psycopg
from sqlalchemy import select, text

from contest import contests, leaderboards, pools
from contest.accounts import normal_login
from contest.clock import db_now
from contest.extensions import db
from contest.models import Contest, Headcount, ItemVersion, Pool, Round, RoundDivision, Unit
from contest.pools import loaded, specification_cells
from contest.rules.scoring import LABELS, score
from contest.rules.sheets import paper_shape
from contest.security import hash_password, login_tag, new_round_seed
from question_bank.draw import PaperItem, PoolItem, draw_paper, paper_seed
from tests import builders

UNITS = 99
QUESTIONS = 20
PAPERS, SHEETS_PER_PAPER = 100, 10
DIVISION = "officials"  # what a page shows first
PASSWORD = "mot mat khau dai"
WEEK = timedelta(days=7)
DURATION = timedelta(minutes=15)
LIVE_DURATION = timedelta(hours=4)  # longer than any trial: who sits goes on sitting

_SIGN_ITEMS = text("""
UPDATE item_versions SET reviewed_by_id = :signer, reviewed_at = now(),
                         approved_by_id = :signer, approved_at = now(),
                         tags = jsonb_build_array('vong-' || item_id % :rounds)
""")
_PEOPLE = """
INSERT INTO accounts (draw_id, login_tag, login_sealed, name, search_text, password_hash)
SELECT lpad(n::text, 22, 'x'), decode(md5(n::text), 'hex'), '', 'Nguyễn Văn An', 'nguyen van an', %(password)s
FROM generate_series(1, %(people)s) n ORDER BY n RETURNING id
"""
_ENTRIES = """
INSERT INTO registrations (contest_id, account_id, division_id, unit_id, commune_id, registered_at)
SELECT %(contest)s, a.id, %(division)s, u.unit_id, u.unit_id, now() - interval '90 days'
FROM accounts a
CROSS JOIN LATERAL (SELECT (%(units)s::int[])[1 + a.id %% cardinality(%(units)s::int[])] AS unit_id) u
WHERE a.id BETWEEN %(first)s AND %(last)s
"""
_CONSENTS = """
INSERT INTO consents (account_id, purpose, text_version)
SELECT id, 'publication', '2026-11' FROM accounts WHERE id BETWEEN %(first)s AND %(last)s
"""
_SUBMITTED = """
INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id,
                      paper, paper_shape, started_at, closes_at, deadline_at, grace_ms, responses, prediction,
                      save_seq, save_editor, saved_at, submitted_at, how, receipt_digest, scored_at, points,
                      duration_ms)
SELECT left(md5(g.account_id || '/' || r.id), 22), 'R' || left(md5(r.id || '/' || g.account_id), 20),
       g.account_id, r.id, g.division_id, g.unit_id, 1, %(pool)s, s.paper, s.shape, t.began, r.closes_at,
       t.began + r.duration_ms * interval '1 millisecond', r.grace_ms, s.responses,
       (hashint8(g.account_id) & 65535), 1, 'page', t.ended, t.ended, 'person',
       CASE WHEN %(scored)s THEN md5(g.account_id::text) END, CASE WHEN %(scored)s THEN t.ended END,
       CASE WHEN %(scored)s THEN s.points END,
       CASE WHEN %(scored)s THEN (extract(epoch FROM t.ended - t.began) * 1000)::int END
FROM registrations g
JOIN rounds r ON r.id = %(round)s AND r.contest_id = g.contest_id
JOIN trial_sheets s ON s.n = (hashint8extended(g.account_id, r.id) & 1023) %% %(sheets)s
CROSS JOIN LATERAL (
    SELECT r.opens_at + (hashint8extended(g.account_id, r.id + 1) & 4194303) * interval '0.8 milliseconds'
           AS began) b
CROSS JOIN LATERAL (
    SELECT b.began,
           b.began + interval '60 s' + (hashint8extended(g.account_id, r.id + 2) & 524287) * interval '1 ms'
           AS ended) t
WHERE g.account_id BETWEEN %(first)s AND %(last)s
"""
_SITTING = """
INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id,
                      paper, paper_shape, started_at, closes_at, deadline_at, grace_ms)
SELECT left(md5(g.account_id || '/' || r.id), 22), 'R' || left(md5(r.id || '/' || g.account_id), 20),
       g.account_id, r.id, g.division_id, g.unit_id, 1, %(pool)s, s.paper, s.shape, now(), r.closes_at,
       now() + r.duration_ms * interval '1 millisecond', r.grace_ms
FROM registrations g
JOIN rounds r ON r.id = %(round)s AND r.contest_id = g.contest_id
JOIN trial_sheets s ON s.n = g.account_id %% %(sheets)s
WHERE g.account_id BETWEEN %(first)s AND %(last)s
"""
_STANDINGS = """
INSERT INTO standings (round_id, account_id, division_id, unit_id, attempt_id, points, full_points,
                       duration_ms, submitted_at, attempts_used, registered_at, prediction, position, rank,
                       separated_by)
SELECT a.round_id, a.account_id, a.division_id, a.unit_id, a.id, a.points, %(full)s, a.duration_ms,
       a.submitted_at, 1, g.registered_at, a.prediction, row_number() OVER place, rank() OVER place,
       CASE WHEN lead(a.points) OVER place < a.points THEN 'points' ELSE 'duration_ms' END
FROM attempts a
JOIN registrations g ON g.account_id = a.account_id AND g.division_id = a.division_id
WHERE a.round_id = %(round)s
WINDOW place AS (ORDER BY a.points DESC, a.duration_ms, a.submitted_at, a.id)
"""


@dataclass(frozen=True)
class Place:
    """Where attempts belong: a round, its one division and the pool of it."""

    contest_id: int
    slug: str
    round_id: int
    division_id: int
    pool_id: int


@dataclass(frozen=True)
class People:
    """Accounts whose numbers follow one another; the last is among them."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def part(self, skip: int, count: int) -> "People":
        """Return so many of them after the first `skip`. Raises ValueError where they are too few."""
        if skip + count > len(self):
            raise ValueError(f"{skip + count} people are asked for, and there are {len(self)}")
        return People(self.first + skip, self.first + skip + count - 1)

    def ids(self) -> range:
        return range(self.first, self.last + 1)


# --- bank and rounds -----------------------------------------------------------------------------


def make_bank(items: int, *, rounds: int = 1) -> None:
    """Fill the bank with approved items of the demo bank's words, shared out among rounds by tags.

    No item may be in two rounds of a contest.
    """
    builders.fill_bank(items)
    signer = builders.make_staff("approver").id
    db.session.execute(_SIGN_ITEMS, {"signer": signer, "rounds": rounds})
    db.session.commit()


def specification(share: int = 0, questions: int = QUESTIONS) -> list[dict[str, Any]]:
    """Return one question from each of the fullest cells of a share of the bank: the pool is most of it."""
    cells = Counter(db.session.execute(select(ItemVersion.topic, ItemVersion.level)).tuples())
    fullest = sorted(cell for cell, _ in cells.most_common(questions))
    return [
        {"topic": topic, "level": level, "count": 1, "tags": [f"vong-{share}"]} for topic, level in fullest
    ]


def make_contest(slug: str, headcount: int) -> Contest:
    """Make a contest whose communes, made with the first one, have so many people each."""
    contest = builders.make_contest(slug)
    if not db.session.scalar(select(Unit.id).where(Unit.name == "Xã số 0")):
        for number in range(UNITS):
            builders.make_unit(f"Xã số {number}", group="commune" if number % 3 else "ward")
    division = next(one for one in contest.divisions if one.code == DIVISION)
    db.session.add_all(
        Headcount(division_id=division.id, unit_id=unit_id, headcount=headcount, source="Số liệu thử")
        for unit_id in unit_ids()
    )
    db.session.commit()
    return contest


def unit_ids() -> list[int]:
    """Return the communes that people belong to."""
    return list(db.session.scalars(select(Unit.id).where(Unit.name.startswith("Xã số")).order_by(Unit.id)))


def make_round(
    contest: Contest, cells: Sequence[dict[str, Any]], *, weeks_ago: int, by_the_book: bool = False
) -> Place:
    """Open a round that began so many weeks ago and lasts a week; 0: it is open now.

    The checks before an opening, and its audit event, take seconds at a large bank: only by the book.
    """
    round = builders.make_round(
        contest,
        specification=cells,
        opens_in=-weeks_ago * WEEK - timedelta(days=1),
        lasts=WEEK - timedelta(days=1) if weeks_ago else WEEK,
        duration=DURATION if weeks_ago else LIVE_DURATION,
        prizes=(("Giải Nhất", 5), ("Giải Nhì", 95)),
    )
    asked = next(one for one in round.divisions if one.division.code == DIVISION)
    if by_the_book:
        builders.open_now(round)
    else:
        _freeze(round, asked)
    pool = pools.newest(db.session(), asked)
    assert pool is not None
    db.session.commit()
    return Place(contest.id, contest.slug, round.id, asked.division_id, pool.id)


def _freeze(round: Round, asked: RoundDivision) -> None:
    session, now = db.session(), round.opens_at - timedelta(minutes=1)
    builders.lock_headcounts(round.contest)
    contests.commit_seed(
        session, round, seed=new_round_seed(), data_key=builders.data_key(), now=now, actor_id=None
    )
    pools.freeze(session, asked, now=now)
    round.opened_at = now
    session.commit()


# --- people and papers ---------------------------------------------------------------------------


def add_people(connection: psycopg.Connection[Any], count: int) -> People:
    """Add so many accounts; all have PASSWORD, and nobody a sign-in name yet."""
    found = connection.execute(_PEOPLE, {"people": count, "password": hash_password(PASSWORD)}).fetchall()
    ids = [int(row[0]) for row in found]
    assert ids == list(range(ids[0], ids[0] + count)), "the numbers of the accounts have gaps"
    people = People(ids[0], ids[-1])
    connection.execute(_CONSENTS, vars(people))
    connection.execute("ANALYZE accounts")
    return people


def enter(connection: psycopg.Connection[Any], place: Place, people: People, units: Sequence[int]) -> None:
    """Enter people into the contest of a round, spread over units."""
    parameters = {"contest": place.contest_id, "division": place.division_id, "units": list(units)}
    connection.execute(_ENTRIES, {**parameters, **vars(people)})
    connection.execute("ANALYZE registrations")


def name_sign_ins(connection: psycopg.Connection[Any], people: People, data_key: str) -> list[str]:
    """Give people phone numbers to sign in with, and return them in the people's order."""
    phones = {account_id: f"0912{account_id:06d}" for account_id in people.ids()}
    connection.cursor().executemany(
        "UPDATE accounts SET login_tag = %s WHERE id = %s",
        [(login_tag(data_key, normal_login(phone)), account_id) for account_id, phone in phones.items()],
    )
    return list(phones.values())


def session_token(secret: str, account_id: int) -> str:
    """Return the token of a prepared session: derived, so that none is kept anywhere."""
    digest = hmac.digest(secret.encode(), f"trial|{account_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def sign_in(connection: psycopg.Connection[Any], people: People, secret: str) -> None:
    """Open a session for each of the people, with the token of `session_token`."""
    with connection.cursor().copy("COPY sessions (account_id, token_hash, expires_at) FROM STDIN") as copy:
        for account_id in people.ids():
            token = session_token(secret, account_id)
            copy.write_row((account_id, hashlib.sha256(token.encode()).digest(), "tomorrow"))


def keep_sheets(connection: psycopg.Connection[Any], place: Place) -> int:
    """Draw papers of a round and answer each in some ways; attempts are then made of them. Returns how many.

    The table of them lasts until the next ones are kept, or as long as the connection.
    """
    session = db.session()
    pool_row = session.get_one(Pool, place.pool_id)
    asked = session.scalars(
        select(RoundDivision).where(
            RoundDivision.round_id == place.round_id, RoundDivision.division_id == place.division_id
        )
    ).one()
    pool = loaded(session, pool_row.id, pool_row.sha256)
    items, cells, random = list(pool.items.values()), specification_cells(asked.specification), Random(1)
    connection.execute("DROP TABLE IF EXISTS trial_sheets")
    connection.execute(
        "CREATE TEMP TABLE trial_sheets (n int, paper jsonb, shape text, responses jsonb, points int)"
    )
    with connection.cursor().copy("COPY trial_sheets FROM STDIN") as copy:
        for n in range(PAPERS):
            paper = draw_paper(items, cells, paper_seed(b"trial" * 6, str(n), 1))
            stored = json.dumps([{"code": item.code, "order": item.order} for item in paper])
            for m in range(SHEETS_PER_PAPER):
                responses = answered(paper, pool.items, random)
                points = score(paper, responses, pool.keys).points
                shape = paper_shape(paper, pool.items)
                number = n * SHEETS_PER_PAPER + m
                copy.write_row((number, stored, shape, json.dumps(responses), points))
    connection.execute("ANALYZE trial_sheets")
    session.commit()
    return PAPERS * SHEETS_PER_PAPER


def answered(
    paper: Sequence[PaperItem], pool: Mapping[str, PoolItem], random: Random
) -> dict[str, list[str]]:
    """Return the answers to a paper of somebody who knows most of it."""
    responses = {}
    for position, item in enumerate(paper, start=1):
        key = pool[item.code].key
        right = sorted(LABELS[place] for place, index in enumerate(item.order) if index in key)
        responses[str(position)] = right if random.random() < 0.9 else ["a"]
    return responses


# --- attempts ------------------------------------------------------------------------------------


def submit_all(
    connection: psycopg.Connection[Any], place: Place, people: People, sheets: int, *, scored: bool
) -> int:
    """Let people sit a round once and hand in, some minutes after one another; return how many did."""
    parameters = {"pool": place.pool_id, "round": place.round_id, "sheets": sheets, "scored": scored}
    return connection.execute(_SUBMITTED, {**parameters, **vars(people)}).rowcount


def sit(connection: psycopg.Connection[Any], place: Place, people: People, sheets: int) -> int:
    """Let people begin a paper of an open round just now; return how many did."""
    parameters = {"pool": place.pool_id, "round": place.round_id, "sheets": sheets}
    return connection.execute(_SITTING, {**parameters, **vars(people)}).rowcount


def public_id(place: Place, account_id: int) -> str:
    """Return the public id of an attempt made here."""
    return hashlib.md5(f"{account_id}/{place.round_id}".encode(), usedforsecurity=False).hexdigest()[:22]


def stand(connection: psycopg.Connection[Any], place: Place, full_points: int) -> None:
    """Give everybody in a round their place, and close the round; its units are ranked by the rules."""
    connection.execute(_STANDINGS, {"round": place.round_id, "full": full_points})
    session = db.session()
    round = contests.find_round(session, place.round_id)
    leaderboards.rank_units_of_round(session, round)
    now = db_now(session)
    round.ranked_at = now
    session.commit()
    assert contests.close_round(session, place.round_id, now=now), "the round does not close"
    session.commit()


def vacuum() -> None:
    """Let the database know what it holds, so that it does not begin to look while something is measured."""
    db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def count(connection: psycopg.Connection[Any], tables: Iterable[str]) -> dict[str, int]:
    """Return how many rows tables have."""
    counts = {}
    for table in tables:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        assert row
        counts[table] = int(row[0])
    return counts
