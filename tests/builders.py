"""People, contests and attempts for tests, made by the real operations. Each builder commits."""

import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from contest import (
    accounts,
    attempts,
    bank,
    books,
    contests,
    exclusions,
    extra_times,
    leaderboards,
    outages,
    publishing,
    registrations,
    scoring,
    units,
)
from contest.clock import db_now
from contest.extensions import db
from contest.models import (
    Account,
    Attempt,
    Contest,
    Division,
    ExtraTime,
    Pool,
    Prize,
    Proposal,
    Publication,
    Round,
    RoundDivision,
    Unit,
)
from contest.pools import pool_items
from contest.rules.ranking import DEFAULT_CHAIN
from contest.rules.scoring import LABELS
from contest.rules.sheets import Sheet
from contest.security import hash_password, new_round_seed, token_hash
from question_bank.banks import demo_items
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Option, Picture

PASSWORD = "mật khẩu dài"
_PASSWORD_HASH = hash_password(PASSWORD)
_numbers = itertools.count(1)
_tokens: dict[int, str] = {}
SPECIFICATION = (
    {"topic": "T1", "level": "NB", "count": 3, "tags": []},
    {"topic": "T2", "level": "TH", "count": 2, "tags": []},
)


def data_key() -> str:
    """Return the data key of the tests."""
    return str(current_app.config["CONTEST"].data_key)


def make_person(
    contest: Contest | None = None,
    division: str = "citizens",
    *,
    name: str = "Nguyễn Văn An",
    phone: str | None = None,
    unit: Unit | None = None,
    consents: Sequence[str] = ("participation", "publication"),
    roles: Sequence[str] = (),
    birth_date: date = date(1990, 1, 1),
) -> Account:
    """Make a person, entered into the contest if one is given."""
    now = db_now(db.session())
    account = accounts.create(
        db.session(),
        login=phone or f"0912{next(_numbers):06d}",
        name=name,
        password_hash=_PASSWORD_HASH,
        birth_date=birth_date,
        consents=consents,
        roles=roles,
        data_key=data_key(),
        now=now,
    )
    if contest is not None:
        commune = db.session.scalar(select(Unit).where(Unit.kind == "commune").order_by(Unit.code).limit(1))
        assert commune is not None
        registrations.enter(
            db.session(),
            account,
            contest,
            division_id=next(one.id for one in contest.divisions if one.code == division),
            unit_id=(unit or commune).id,
            commune_id=unit.id if unit is not None and unit.kind == "commune" else commune.id,
            now=now,
        )
    db.session.commit()
    return account


def make_staff(*roles: str, name: str = "Ban Tổ chức", login: str | None = None) -> Account:
    """Make somebody who works here: an organizer unless other roles are named."""
    return make_person(
        name=name, phone=login or f"canbo{next(_numbers)}", roles=roles or ("organizer",), consents=()
    )


def make_unit(name: str, code: str | None = None, kind: str = "commune", group: str = "commune") -> Unit:
    """Make a unit."""
    unit = units.new_unit(code or f"U{next(_numbers):04d}", name, kind, group)
    db.session.add(unit)
    db.session.commit()
    return unit


def make_items(per_cell: int = 6, *, multiple: bool = False, picture: Picture | None = None) -> None:
    """Fill the bank with approved items for SPECIFICATION: option index 1 is right (0 and 2 if multiple).

    A picture goes into the items of T1.
    """
    now = db_now(db.session())
    author, reviewer = make_staff(name="Người soạn"), make_staff(name="Người duyệt")
    items = [
        Item(
            code=f"{topic}-{level}-{number:03d}",
            kind="multiple" if multiple else "single",
            stem=f"Câu hỏi {topic} {level} số {number}",
            picture=picture if topic == "T1" else None,
            picture_alt="Sơ đồ một cửa" if picture and topic == "T1" else "",
            options=tuple(Option(f"Phương án {place}") for place in range(4)),
            key=(0, 2) if multiple else (1,),
            topic=topic,
            level=level,
            divisions=("officials", "citizens"),
            explanation="Lời giải thích.",
            legal_document="Nghị định số 42/2022/NĐ-CP",
        )
        for topic, level in (("T1", "NB"), ("T2", "TH"))
        for number in range(1, per_cell + 1)
    ]
    for version in bank.add_drafts(db.session(), items, author_id=author.id, now=now):
        bank.review(db.session(), version, reviewer_id=reviewer.id, now=now)
        bank.approve(db.session(), version, approver_id=reviewer.id, now=now)
    db.session.commit()


def fill_bank(size: int) -> list[str]:
    """Make a bank of so many drafts of the demo bank's words; return their stems.

    Every twentieth has the words of the one before it, in another order.
    """
    chance = random.Random(size)
    demo = list(demo_items())
    words = [word for item in demo for word in text_of_html(item.stem).split()]
    items: list[Item] = []
    for place in range(size):
        model = chance.choice(demo)
        stem = chance.choices(words, k=chance.randint(10, 30))
        if place % 20 == 19:
            *rest, last = items[-1].stem.split()
            stem = [last, *rest]
        options = tuple(replace(one, text=f"{one.text} {place}") for one in model.options)
        items.append(
            replace(model, code=f"{model.topic}-{place + 1:05d}", stem=" ".join(stem), options=options)
        )
    bank.add_drafts(db.session(), items, author_id=make_staff().id, now=db_now(db.session()))
    db.session.commit()
    return [item.stem for item in items]


def make_contest(slug: str | None = None, *, title: str = "Hội thi thử") -> Contest:
    """Make a contest of two divisions, with two communes and an agency if there are no units."""
    if db.session.scalar(select(Unit.id).limit(1)) is None:
        make_unit("Phường Kinh Bắc", "09187", group="ward")
        make_unit("Xã Lục Ngạn", "07582")
        make_unit("Sở Nội vụ", "H05.02", kind="agency", group="department")
    contest = Contest(
        slug=slug or f"hoi-thi-{next(_numbers)}",
        title=title,
        summary="Một dòng.",
        minimum_age=16,
        announced_at=db_now(db.session()),
    )
    contest.divisions = [
        Division(code="officials", name="Cán bộ, công chức, viên chức", position=1, unit_kind="any"),
        Division(code="citizens", name="Người dân", position=2, unit_kind="commune"),
    ]
    db.session.add(contest)
    db.session.commit()
    return contest


def make_round(
    contest: Contest,
    *,
    number: int | None = None,
    opens_in: timedelta = timedelta(hours=-2),
    lasts: timedelta = timedelta(days=7),
    duration: timedelta = timedelta(minutes=15),
    specification: Sequence[dict[str, Any]] = SPECIFICATION,
    prediction_counted: str | None = "full",
    prizes: Sequence[tuple[str, int]] = (("Giải Nhất", 1), ("Giải Nhì", 2)),
    **settings: Any,
) -> Round:
    """Make a round that is not opened yet; `settings` are columns of the round."""
    now = db_now(db.session())
    round = Round(
        **{
            "contest_id": contest.id,
            "number": number or len(contest.rounds) + 1,
            "title": "Vòng thử",
            "opens_at": now + opens_in,
            "closes_at": now + opens_in + lasts,
            "duration_ms": duration // timedelta(milliseconds=1),
            "grace_ms": 10_000,
            "attempts_allowed": 1,
            "counts": "best",
            "is_partial": False,
            "score_shown": "at_once",
            "is_leaderboard_live": False,
        }
        | settings
    )
    round.divisions = [
        RoundDivision(
            division_id=division.id,
            specification=list(specification),
            chain=list(DEFAULT_CHAIN),
            prediction_counted=prediction_counted,
            unit_formula="rate",
            unit_threshold_percent=0,
        )
        for division in contest.divisions
    ]
    contest.rounds.append(round)
    db.session.flush()
    stated = [(division, prize) for prize in prizes for division in contest.divisions]
    for position, (division, (title, count)) in enumerate(stated, start=1):
        db.session.add(
            Prize(
                round_id=round.id,
                division_id=division.id,
                code=f"prize-{position}",
                title=title,
                position=position,
                count=count,
                unit_points=10,
                worth=500_000,
            )
        )
    db.session.commit()
    return round


def take_out(round: Round, code: str) -> None:
    """Leave a division out of a round that is not opened and has no prize for it."""
    db.session.delete(next(one for one in round.divisions if one.division.code == code))
    db.session.commit()


def lock_headcounts(contest: Contest) -> None:
    """Lock the contest's headcounts, without a digest: tests give units headcounts when they need them."""
    if contest.headcounts_locked_at is None:
        contest.headcounts_locked_at = db_now(db.session())
    db.session.commit()


def open_now(round: Round) -> Round:
    """Open the round, filling the bank first if it is empty."""
    if not db.session.scalar(select(bank.ItemVersion.id).limit(1)):
        make_items()
    lock_headcounts(round.contest)
    contests.open_round(
        db.session(),
        contests.find_round(db.session(), round.id),
        seed=new_round_seed(),
        data_key=data_key(),
        now=round.opens_at - timedelta(minutes=1),
        actor_id=None,
    )
    db.session.commit()
    return round


def change_locked(row: Round | RoundDivision, **columns: Any) -> None:
    """Change what is locked in an opened round, past the database's lock."""
    session, model = db.session(), type(row)
    session.flush()
    session.execute(text(f"ALTER TABLE {model.__tablename__} DISABLE TRIGGER locked_at_opening"))
    session.execute(update(model).where(model.id == row.id).values(**columns))
    session.execute(text(f"ALTER TABLE {model.__tablename__} ENABLE TRIGGER locked_at_opening"))
    session.refresh(row)
    session.commit()


def token_of(account: Account) -> str:
    """Return a session token of the account, signing it in the first time."""
    signed_in = accounts.sign_in(db.session(), account, now=db_now(db.session()))
    db.session.commit()
    return signed_in.token


def sign_in(client: FlaskClient, account: Account) -> FlaskClient:
    """Give the browser a live session of the account."""
    client.set_cookie("contest_sid", token_of(account))
    return client


def csrf(client: FlaskClient) -> str:
    """Return the CSRF token that this browser's pages carry."""
    from contest.security import csrf_token

    holder = client.get_cookie("contest_sid") or client.get_cookie("contest_visitor")
    assert holder is not None, "sign in or open a page first"
    return csrf_token(current_app.config["CONTEST"].secret_key, holder.value)


def start(account: Account, round: Round, *, ago: timedelta = timedelta()) -> Attempt:
    """Start an attempt, some time ago."""
    token = token_hash(token_of(account))
    public_id = attempts.start(
        db.session.connection(),
        token,
        round.id,
        data_key=data_key(),
        waited=ago.total_seconds(),
    )
    db.session.commit()
    return db.session.scalars(select(Attempt).where(Attempt.public_id == public_id)).one()


def answers(attempt: Attempt, right: int) -> dict[str, list[str]]:
    """Return responses of which the first `right` are right and the others wrong."""
    items = pool_items(db.session.get_one(Pool, attempt.pool_id).file)
    responses = {}
    for position, item in enumerate(attempt.paper, start=1):
        key = items[item["code"]].key
        of_key = sorted(LABELS[place] for place, index in enumerate(item["order"]) if index in key)
        others = [label for label in LABELS[: len(item["order"])] if label not in of_key]
        responses[str(position)] = of_key if position <= right else others[:1]
    return responses


def finish_attempt(
    account: Account,
    round: Round,
    *,
    right: int = 5,
    prediction: int | None = None,
    took: timedelta = timedelta(minutes=5),
    ago: timedelta = timedelta(hours=1),
    is_scored: bool = True,
) -> Attempt:
    """Start an attempt some time ago, submit it after `took`, and score what waits."""
    attempt = start(account, round, ago=ago)
    sheet = Sheet(1, 0, "test", attempt.paper_shape, answers(attempt, right), prediction)
    token = token_hash(token_of(account))
    attempts.submit(
        db.session.connection(),
        token,
        attempt.public_id,
        sheet,
        waited=(ago - took).total_seconds(),
    )
    if is_scored:
        score_all()
    db.session.commit()
    db.session.refresh(attempt)
    return attempt


def score_one_batch() -> int:
    """Score a batch of what waits, without a commit; return how many."""
    return scoring.score_batch(db.session(), data_key=data_key(), now=db_now(db.session()))


def score_all() -> None:
    """Score all that waits."""
    while score_one_batch():
        pass
    db.session.commit()


def rank(round: Round) -> None:
    """Rank the round."""
    leaderboards.rank_round(
        db.session(), contests.find_round(db.session(), round.id), now=db_now(db.session())
    )
    db.session.commit()


def close(round: Round, *, with_books: bool = True) -> Round:
    """End the round now and mark it closed; with its books closed and ranked unless told otherwise."""
    session = db.session()
    round.closes_at = db_now(session)
    session.commit()
    assert contests.close_round(session, round.id, now=db_now(session))
    found = contests.find_round(session, round.id)
    session.refresh(found)
    if with_books:
        close_books(found)
    else:
        leaderboards.rank_round(session, found, now=db_now(session))
    session.commit()
    return found


def close_books(round: Round, *, actor_id: int | None = None, session: Session | None = None) -> int:
    """Close the books of a closed round, ranking it, without a commit; return how many people it has."""
    session = session or db.session()
    now = db_now(session)
    return books.close(session, round, data_key=data_key(), now=now, actor_id=actor_id or make_staff().id)


def accept(browser: FlaskClient, address: str) -> TestResponse:
    """Accept the proposal at an address as its page shows it now."""
    seen = re.search(r'name="seen" value="(\w+)"', browser.get(address).text)
    return browser.post(
        f"{address}/acceptance",
        data={"csrf_token": csrf(browser), "seen": seen[1] if seen else ""},
    )


def publish(
    round: Round, *, reason: str = "", by: Account | None = None, approved_by: Account | None = None
) -> Publication:
    """Publish the next version of the round's results: official if somebody approved."""
    publication = publishing.publish(
        db.session(),
        contests.find_round(db.session(), round.id),
        reason=reason,
        data_key=data_key(),
        now=db_now(db.session()),
        actor_id=(by or make_staff()).id,
        approved_by_id=approved_by.id if approved_by else None,
    )
    db.session.commit()
    return publication


def propose_exclusion(round: Round, person: Account, *, by: Account) -> Proposal:
    """Ask a second person to keep somebody out of the round's standings."""
    proposal = exclusions.propose(
        db.session(),
        contests.find_round(db.session(), round.id),
        person.id,
        kind="several_accounts",
        reason="Hai tài khoản",
        actor_id=by.id,
        now=db_now(db.session()),
    )
    db.session.commit()
    return proposal


def make_incidents(round: Round, person: Account, *, by: Account) -> dict[str, int]:
    """Note an outage, and grant the person extra time; return what their addresses need."""
    session, now = db.session(), db_now(db.session())
    entry = registrations.of_account(session, person.id, round.contest_id)
    assert entry is not None
    outage = outages.note(
        session,
        now - timedelta(minutes=64),
        now - timedelta(minutes=57),
        reason="Mất đường truyền",
        now=now,
        actor_id=by.id,
    )
    extra_times.grant(
        session,
        round.contest,
        entry,
        timedelta(minutes=5),
        round=None,
        reason="Khiếm thị",
        now=now,
        actor_id=by.id,
    )
    session.commit()
    extra_time = session.scalars(select(ExtraTime)).one()
    return {"outage_id": outage.id, "extra_time_id": extra_time.id, "registration_id": entry.id}


def in_thread(app: Flask, work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Do it in a thread with a session of its own; return the thread and the list its result comes into."""
    result: list[Any] = []

    def run() -> None:
        with app.app_context():
            try:
                result.append(work())
            except Exception as error:  # the test looks at it
                result.append(error)
            finally:
                db.session.remove()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def wait_until_somebody_waits() -> None:
    """Return once a statement of another connection waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'"
    )
    until = time.monotonic() + 20
    with db.engine.connect() as watcher:
        while not watcher.scalar(waiting):
            assert time.monotonic() < until, "nobody waits"
            watcher.rollback()
            time.sleep(0.02)


NOON = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
