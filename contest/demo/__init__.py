"""The demo contest: everything in it was made by the same operations as in a real one.

Past moments come from `waited`: the operations take the database's time less what a request has
waited, and a demo request has waited for days.
"""

import csv
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from contest import (
    accounts,
    attempts,
    bank,
    books,
    certificates,
    complaints,
    contests,
    headcounts,
    leaderboards,
    official_results,
    proposals,
    publishing,
    registrations,
    scoring,
    units,
    winner_checks,
)
from contest.clock import LOCAL_ZONE, db_now
from contest.demo.people import Person, people
from contest.models import (
    Account,
    Attempt,
    Contest,
    Division,
    Pool,
    Prize,
    Registration,
    Round,
    RoundDivision,
    Unit,
)
from contest.pools import loaded
from contest.rules.ranking import DEFAULT_CHAIN
from contest.rules.scoring import LABELS
from contest.rules.sheets import Sheet
from contest.rules.timing import DEFAULT_GRACE
from contest.security import hash_password, new_round_seed, token_hash
from question_bank.banks import demo_items

DATA = Path(__file__).parent.parent / "data"
PEOPLE = 400
# Of them took part again in the second round so far, and of these some are sitting right now.
AGAIN, SITTING = 170, 4
STEPS = PEOPLE + AGAIN
SLUG = "dich-vu-cong-truc-tuyen-2026"
TITLE = "Hội thi trực tuyến: Tuyên truyền nâng cao nhận thức về dịch vụ công trực tuyến"
SUMMARY = (
    "15 câu hỏi trong 15 phút, dành cho cán bộ và mọi người dân từ đủ 16 tuổi; mỗi bài thi góp vào thứ hạng "
    "của xã, phường, cơ quan bạn."
)
ROUNDS = (
    ("Vòng 1: Dịch vụ công trực tuyến và một cửa", ("T1", "T2", "T3")),
    ("Vòng 2: Hồ sơ điện tử, số hóa và thanh toán", ("T4", "T5", "T6")),
    ("Vòng 3: Căn cước, chữ ký số và dữ liệu cá nhân", ("T7", "T8", "T9")),
    ("Vòng 4: Chất lượng phục vụ và thực hành", ("T10", "T11", "T12")),
)
PAPER = (("NB", 2), ("TH", 2), ("VD", 1))  # of each of the three topics: 15 items
MINUTES = 15
PRIZES = (
    ("nhat", "Giải Nhất", 1, 10, 2_000_000),
    ("nhi", "Giải Nhì", 2, 8, 1_000_000),
    ("ba", "Giải Ba", 3, 6, 500_000),
    ("khuyen-khich", "Giải Khuyến khích", 5, 3, 200_000),
)
COMPLAINT = (
    "Tôi thấy câu về thời hạn trả kết quả có hai phương án gần giống nhau, đề nghị Ban Tổ chức xem lại."
)
ANSWER = (
    "Ban Tổ chức đã xem lại cùng tổ biên soạn: hai phương án khác nhau ở ngày bắt đầu tính; "
    "đáp án giữ nguyên."
)
SOURCE = "Số liệu minh họa"
# Whoever tries the demo finds these two registered and not started.
NEWCOMERS = (
    Person("Nguyễn Thị Lan Anh", "0911000001", date(1988, 5, 14), 1, True),
    Person("Trần Quang Minh", "0911000002", date(1979, 9, 2), 1, True),
)


@dataclass
class _Demo:
    session: Session
    data_key: str
    random: Random
    now: datetime
    began: float
    contest: Contest
    password_hash: str
    people: list[tuple[Person, Account, str]]

    def waited(self, moment: datetime) -> float:
        """Return how long a request of that moment has waited by now, in seconds."""
        return (self.now - moment).total_seconds() + time.monotonic() - self.began


def seed(session: Session, *, data_key: str, progress: Callable[[int], object]) -> str:
    """Make the demo contest and return the text with its sign-ins. The caller commits."""
    random = Random(2026)
    now = db_now(session)
    password = secrets.token_urlsafe(9)
    password_hash = hash_password(password)
    author, organizer, approver = _staff(session, password_hash, data_key, now)
    _fill_bank(session, author, organizer, now)
    _fill_units(session)
    contest = _contest(session, now)
    demo = _Demo(session, data_key, random, now, time.monotonic(), contest, password_hash, [])
    first, second = contest.rounds[:2]
    _register_people(demo)
    _set_headcounts(demo)
    headcounts.lock(session, contest, now=first.opens_at - timedelta(days=2), actor_id=organizer.id)
    for round in (first, second):
        contests.open_round(
            session,
            contests.find_round(session, round.id),
            seed=new_round_seed(),
            data_key=data_key,
            now=first.opens_at - timedelta(days=1),
            actor_id=organizer.id,
        )
    for person, _, token in demo.people[:PEOPLE]:
        _take(demo, first, person, token, _moment(random, first, first.closes_at))
        progress(1)
    _finish(demo, first, organizer, approver)
    for place, (person, _, token) in enumerate(demo.people[:AGAIN]):
        is_sitting = place < SITTING
        moment = now - timedelta(minutes=2 + place) if is_sitting else _moment(random, second, now)
        _take(demo, second, person, token, moment, is_submitted=not is_sitting)
        progress(1)
    while scoring.score_batch(session, data_key=data_key, now=now):
        pass
    leaderboards.rank_round(session, contests.find_round(session, second.id), now=now)
    for _, _, token in demo.people:
        accounts.sign_out(session, token, now=db_now(session))
    citizen, official = NEWCOMERS
    return (
        f"Người dân         {citizen.phone}   {password}\n"
        f"Cán bộ            {official.phone}   {password}\n"
        f"Ban Tổ chức       bantochuc    {password}\n"
        f"Người phê duyệt   pheduyet     {password}\n"
    )


def _staff(session: Session, password_hash: str, data_key: str, now: datetime) -> list[Account]:
    staff = (
        ("tobiensoan", "Tổ biên soạn câu hỏi", "organizer"),
        ("bantochuc", "Ban Tổ chức hội thi", "organizer"),
        ("pheduyet", "Lãnh đạo phê duyệt", "approver"),
    )
    return [
        accounts.create(
            session,
            login=login,
            name=name,
            password_hash=password_hash,
            birth_date=None,
            roles=(role,),
            data_key=data_key,
            now=now,
        )
        for login, name, role in staff
    ]


def _fill_bank(session: Session, author: Account, reviewer: Account, now: datetime) -> None:
    bank.add_drafts(session, demo_items("draft"), author_id=author.id, now=now)
    for version in bank.add_drafts(session, demo_items("approved"), author_id=author.id, now=now):
        bank.review(session, version, reviewer_id=reviewer.id, now=now)
        bank.approve(session, version, approver_id=reviewer.id, now=now)


def _fill_units(session: Session) -> None:
    with (DATA / "communes.csv").open(encoding="utf-8") as file:
        units.import_communes(session, file)
    with (DATA / "demo_agencies.csv").open(encoding="utf-8") as file:
        units.import_agencies(session, csv.DictReader(file))


def _contest(session: Session, now: datetime) -> Contest:
    contest = Contest(slug=SLUG, title=TITLE, summary=SUMMARY, minimum_age=16, announced_at=now)
    contest.divisions = [
        Division(code="officials", name="Cán bộ, công chức, viên chức", position=1, unit_kind="any"),
        Division(code="citizens", name="Người dân", position=2, unit_kind="commune"),
    ]
    today = now.astimezone(LOCAL_ZONE).replace(hour=8, minute=0, second=0, microsecond=0)
    for number, (title, topics) in enumerate(ROUNDS, start=1):
        # A week to take part, a week to check, answer and publish: the first round's results are official.
        opens_at = today + timedelta(days=14 * (number - 2) - 2)
        contest.rounds.append(_round(contest, number, title, topics, opens_at))
    session.add(contest)
    session.flush()
    for round in contest.rounds:
        _prizes(session, round, contest)
    return contest


def _round(contest: Contest, number: int, title: str, topics: Sequence[str], opens_at: datetime) -> Round:
    round = Round(
        number=number,
        title=title,
        opens_at=opens_at,
        closes_at=opens_at + timedelta(days=6, hours=14),
        duration_ms=MINUTES * 60_000,
        grace_ms=DEFAULT_GRACE // timedelta(milliseconds=1),
        attempts_allowed=1,
        counts="best",
        is_partial=False,
        score_shown="at_once",
        is_leaderboard_live=False,
    )
    round.divisions = [
        RoundDivision(
            division=division,
            specification=[
                {"topic": topic, "level": level, "count": count, "tags": []}
                for topic in topics
                for level, count in PAPER
            ],
            chain=list(DEFAULT_CHAIN),
            prediction_counted="full",
            unit_formula="rate_mean" if division.code == "officials" else "rate",
            unit_threshold_percent=50 if division.code == "officials" else 0,
        )
        for division in contest.divisions
    ]
    return round


def _prizes(session: Session, round: Round, contest: Contest) -> None:
    stated = [(division, prize) for prize in PRIZES for division in contest.divisions]
    for position, (division, (code, title, count, unit_points, worth)) in enumerate(stated, start=1):
        session.add(
            Prize(
                round_id=round.id,
                division_id=division.id,
                code=f"{division.code}-{code}",
                title=title,
                position=position,
                count=count,
                unit_points=unit_points,
                worth=worth,
            )
        )
    session.flush()


def _set_headcounts(demo: _Demo) -> None:
    """Say how many people each unit has: at least as many as have registered."""
    registered: Counter[tuple[int, int]] = Counter(
        demo.session.execute(select(Registration.unit_id, Registration.division_id)).all()
    )
    for unit in units.listed(demo.session):
        for division in demo.contest.divisions:
            headcount = max(_headcount(demo.random, unit, division), registered[unit.id, division.id])
            if headcount:
                units.set_headcount(
                    demo.session, division_id=division.id, unit_id=unit.id, headcount=headcount, source=SOURCE
                )
    demo.session.flush()


def _headcount(random: Random, unit: Unit, division: Division) -> int:
    if division.unit_kind == "commune":
        return random.randrange(9_000, 60_000) if unit.kind == "commune" else 0
    return random.randrange(7, 16) if unit.kind == "agency" else random.randrange(5, 11)


def _register_people(demo: _Demo) -> None:
    communes = units.listed(demo.session, "commune")
    agencies = units.listed(demo.session, "agency")
    officials, citizens = demo.contest.divisions
    made = [(person, demo.random.choice((officials, citizens))) for person in people(demo.random, PEOPLE)]
    made += [(NEWCOMERS[0], citizens), (NEWCOMERS[1], officials)]
    for person, division in made:
        registered_at = demo.contest.rounds[0].opens_at - timedelta(minutes=demo.random.randrange(20_000))
        account = accounts.create(
            demo.session,
            login=person.phone,
            name=person.name,
            password_hash=demo.password_hash,
            birth_date=person.birth_date,
            consents=("participation", "contact")
            if demo.random.random() < 0.1
            else ("participation", "publication", "contact"),
            data_key=demo.data_key,
            now=registered_at,
        )
        # Officials are fewer units than people, so that some units pass the threshold.
        unit = demo.random.choice(agencies if demo.random.random() < 0.6 else communes[::4])
        registrations.enter(
            demo.session,
            account,
            demo.contest,
            division_id=division.id,
            unit_id=unit.id if division is officials else None,
            commune_id=demo.random.choice(communes).id,
            now=registered_at,
        )
        demo.people.append((person, account, accounts.sign_in(demo.session, account, now=demo.now).token))


def _moment(random: Random, round: Round, end: datetime) -> datetime:
    """Return when somebody starts: half of them on the first morning or the last evening."""
    share = random.choice((random.random(), random.random() ** 4, 1 - random.random() ** 4))
    span = end - timedelta(minutes=MINUTES + 1) - round.opens_at
    return round.opens_at + span * share


def _take(
    demo: _Demo,
    round: Round,
    person: Person,
    token: str,
    moment: datetime,
    *,
    is_submitted: bool = True,
) -> None:
    """Let a person take the round's paper: start, save half of it, submit the whole."""
    connection = demo.session.connection()
    hashed = token_hash(token)
    public_id = attempts.start(
        connection, hashed, round.id, data_key=demo.data_key, waited=demo.waited(moment)
    )
    attempt = demo.session.execute(
        select(Attempt.paper, Attempt.paper_shape, Attempt.pool_id).where(Attempt.public_id == public_id)
    ).one()
    sheet = _answered(demo, person, attempt)
    seconds = demo.random.uniform(70, MINUTES * 60 - 20)
    half = dict(list(sheet.responses.items())[: len(sheet.responses) // 2])
    saved_at = moment + timedelta(seconds=min(seconds / 2, 60))
    attempts.save(
        connection,
        hashed,
        public_id,
        Sheet(1, 0, sheet.editor, sheet.shape, half, None),
        waited=demo.waited(saved_at),
    )
    if is_submitted:
        attempts.submit(
            connection, hashed, public_id, sheet, waited=demo.waited(moment + timedelta(seconds=seconds))
        )


def _answered(demo: _Demo, person: Person, attempt: Any) -> Sheet:
    """Return the sheet that a person of this ability hands in."""
    random = demo.random
    keys = _keys(demo.session, attempt.pool_id)
    responses = {}
    for position, item in enumerate(attempt.paper, start=1):
        right = sorted(
            LABELS[place] for place, index in enumerate(item["order"]) if index in keys[item["code"]]
        )
        wrong = [label for label in LABELS[: len(item["order"])] if label not in right]
        responses[str(position)] = (
            right if random.random() < person.ability else [random.choice(wrong or right)]
        )
    prediction = max(0, int(random.gauss(60, 15))) if person.has_prediction else None
    return Sheet(2, 1, "demo", attempt.paper_shape, responses, prediction)


def _keys(session: Session, pool_id: int) -> dict[str, tuple[int, ...]]:
    sha256 = session.scalar(select(Pool.sha256).where(Pool.id == pool_id))
    return loaded(session, pool_id, sha256 or "").keys


def _finish(demo: _Demo, round: Round, organizer: Account, approver: Account) -> None:
    """Score the round, close it and its books, publish its results."""
    session = demo.session
    closed_at = round.closes_at + timedelta(minutes=1)
    while scoring.score_batch(session, data_key=demo.data_key, now=closed_at):
        pass
    contests.close_round(session, round.id, now=closed_at)
    found = contests.find_round(session, round.id)
    session.refresh(found)
    books_at = closed_at + timedelta(hours=10)
    books.close(session, found, data_key=demo.data_key, now=books_at, actor_id=organizer.id)
    publishing.publish(
        session,
        found,
        reason="",
        data_key=demo.data_key,
        now=books_at + timedelta(hours=4),
        actor_id=organizer.id,
    )
    _make_official(demo, found, organizer, approver)


def _make_official(demo: _Demo, round: Round, organizer: Account, approver: Account) -> None:
    """Check the winners, answer a complaint, and publish officially, if the window is over by now."""
    session, data_key = demo.session, demo.data_key
    closes_at = round.complaints_close_at
    assert closes_at is not None, "provisional results are out"
    now = closes_at - timedelta(hours=8)
    won = [row.account_id for _, row, _ in publishing.winners(session, round, data_key=data_key)]
    winner_checks.open_checks(session, round, won, actor_id=organizer.id, now=now)
    person = demo.people[-1][1]
    complaint = complaints.file(session, round, topic="item", text=COMPLAINT, account_id=person.id, now=now)
    if closes_at >= demo.now:
        return
    complaints.decide(session, complaint, decision="dismissed", answer=ANSWER, actor_id=organizer.id, now=now)
    for check in winner_checks.of_round(session, round.id).values():
        winner_checks.verify(session, check, how="phone", actor_id=organizer.id, now=now)
    proposal = official_results.propose(
        session,
        round,
        reason="Hết thời hạn kiến nghị, người đạt giải đã được xác minh",
        data_key=data_key,
        now=closes_at,
        actor_id=organizer.id,
    )
    signed_at = min(demo.now, closes_at + timedelta(hours=9))
    proposals.accept(session, proposal.id, actor_id=approver.id, now=signed_at)
    official_results.publish(session, proposal, data_key=data_key, now=signed_at)
    certificates.issue(session, round, now=signed_at, actor_id=organizer.id)
