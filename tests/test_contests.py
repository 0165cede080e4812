"""Rounds: opened, ended, closed, their books closed; each step in the log."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from contest import audit, bank, contests, publishing, units
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import Conflict
from contest.extensions import db
from contest.models import AuditEvent, ItemVersion, Pool, Registration, Standing, Unit, UnitStanding
from contest.pools import pool_items
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


def actions():
    of_rounds = AuditEvent.action.like("round.%")
    return list(db.session.scalars(select(AuditEvent.action).where(of_rounds).order_by(AuditEvent.id)))


def test_opening_commits_the_seed_and_freezes_a_pool_for_each_division(round):
    pools = db.session.scalars(select(Pool).where(Pool.round_id == round.id)).all()

    assert len(round.seed_commitment) == 64
    assert [len(pool_items(pool.file)) for pool in pools] == [12, 12]
    assert actions() == ["round.commit_seed", "round.open"]


def test_a_round_opens_once(round):
    with pytest.raises(Conflict, match="đã được mở"):
        builders.open_now(round)


def test_a_round_does_not_open_on_a_bank_that_is_too_small(contest):
    builders.make_items(per_cell=2)
    round = builders.make_round(contest)

    with pytest.raises(Conflict, match="T1/NB cần 3, có 2"):
        builders.open_now(round)


def test_an_older_wording_does_not_come_back_when_the_newest_is_retired(contest):
    builders.make_items(per_cell=4)
    first = db.session.scalars(select(ItemVersion).order_by(ItemVersion.id).limit(1)).one()
    now, reviewer_id = db_now(db.session()), first.approved_by_id
    changed = replace(bank.item_of(first), stem="Câu hỏi viết lại")
    newer = bank.edit(db.session(), first.item.code, changed, author_id=first.author_id, now=now)
    bank.review(db.session(), newer, reviewer_id=reviewer_id, now=now)
    bank.approve(db.session(), newer, approver_id=reviewer_id, now=now)
    bank.retire(db.session(), [newer], reason="Văn bản hết hiệu lực", actor_id=reviewer_id, now=now)
    db.session.commit()

    round = builders.open_now(builders.make_round(contest))

    pool = db.session.scalars(select(Pool).where(Pool.round_id == round.id)).first()
    assert len(pool.item_versions) == 7
    assert first.item.code not in pool.item_versions


def test_units_ranked_by_points_get_those_of_their_winners(contest):
    round = builders.make_round(contest)
    for asked in round.divisions:
        asked.unit_formula = "points"
    builders.open_now(round)
    division = next(one for one in contest.divisions if one.code == "citizens")
    other = db.session.scalars(select(Unit).where(Unit.code == "09187")).one()
    winner = builders.make_person(contest)
    unit = db.session.scalars(select(Registration).where(Registration.account_id == winner.id)).one().unit
    for one in (unit, other):
        units.set_headcount(
            db.session(), division_id=division.id, unit_id=one.id, headcount=100, source="Kiểm thử"
        )
    builders.finish_attempt(winner, round)
    closed = builders.close(round)

    builders.publish(closed)

    row = db.session.scalars(select(UnitStanding).where(UnitStanding.unit_id == unit.id)).one()
    assert row.value == "11/1", "100 x 1/100 for taking part and 10 for the first prize"


def test_the_pools_of_two_rounds_share_no_item(contest, round):
    second = builders.make_round(contest)

    with pytest.raises(Conflict, match="cần 3, có 0"):
        builders.open_now(second)


def test_a_pool_leaves_what_no_cell_asks_for_to_other_rounds(contest):
    builders.make_items()
    now = db_now(db.session())
    for place, first in enumerate(db.session.scalars(select(ItemVersion).order_by(ItemVersion.id)).all()):
        tagged = replace(bank.item_of(first), tags=(f"week-{place % 2 + 1}",))
        newer = bank.edit(db.session(), first.item.code, tagged, author_id=first.author_id, now=now)
        bank.review(db.session(), newer, reviewer_id=first.reviewed_by_id, now=now)
        bank.approve(db.session(), newer, approver_id=first.approved_by_id, now=now)
    db.session.commit()

    rounds = [
        builders.open_now(
            builders.make_round(
                contest, specification=[{"topic": "T1", "level": "NB", "count": 3, "tags": [tag]}]
            )
        )
        for tag in ("week-1", "week-2")
    ]

    for round in rounds:
        pool = db.session.scalars(select(Pool).where(Pool.round_id == round.id)).first()
        assert len(pool.item_versions) == 3


def test_two_rounds_opened_at_once_share_no_item(live_app):
    contest = builders.make_contest()
    builders.make_items()
    rounds = [builders.make_round(contest) for _ in range(2)]
    for round in rounds:
        contests.commit_seed(
            db.session(),
            round,
            seed=b"s" * 32,
            data_key=builders.data_key(),
            now=round.opens_at,
            actor_id=None,
        )
    round_ids = [round.id for round in rounds]
    db.session.commit()
    outcomes = []
    barrier = threading.Barrier(2)

    def open_one(round_id):
        with live_app.app_context():
            round = contests.find_round(db.session(), round_id)
            barrier.wait()
            try:
                builders.open_now(round)
                db.session.commit()
                outcomes.append("opened")
            except Conflict as error:
                outcomes.append(str(error))
            db.session.remove()

    threads = [threading.Thread(target=open_one, args=(round_id,)) for round_id in round_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(outcome == "opened" for outcome in outcomes) == 1
    assert sum("cần 3, có 0" in outcome for outcome in outcomes) == 1


def test_the_seed_stays_sealed_until_the_round_is_closed(round):
    assert contests.revealed_seed(round, data_key=builders.data_key()) is None

    closed = builders.close(round, with_books=False)

    assert len(contests.revealed_seed(closed, data_key=builders.data_key())) == 32


def test_ending_a_round_lets_whoever_sits_keep_their_time(contest, round):
    sitting = builders.start(builders.make_person(contest), round)
    deadline = sitting.deadline_at
    organizer = builders.make_staff()

    contests.end_round(db.session(), round, reason="Bão", now=db_now(db.session()), actor_id=organizer.id)
    db.session.commit()

    db.session.refresh(sitting)
    assert sitting.deadline_at == deadline
    assert contests.phase(round, now=db_now(db.session())) is Phase.CLOSING
    with pytest.raises(Conflict, match="đã đóng"):
        builders.start(builders.make_person(contest), round)
    assert not contests.close_round(db.session(), round.id, now=db_now(db.session()))


def test_books_need_a_closed_round_and_close_once(contest, round):
    organizer = builders.make_staff()
    with pytest.raises(Conflict, match="chưa đóng"):
        builders.close_books(round, actor_id=organizer.id)
    closed = builders.close(round)
    with pytest.raises(Conflict, match="đã chốt sổ"):
        builders.close_books(closed, actor_id=organizer.id)


def test_the_books_count_the_truth_and_order_by_the_prediction(contest, round):
    near, far, none = (builders.make_person(contest) for _ in range(3))
    builders.finish_attempt(far, round, prediction=30, took=timedelta(minutes=1))
    builders.finish_attempt(near, round, prediction=2, took=timedelta(minutes=9))
    builders.finish_attempt(none, round, took=timedelta(minutes=1))
    builders.finish_attempt(builders.make_person(contest), round, right=2)

    closed = builders.close(round)

    assert {asked.division.code: asked.truth for asked in closed.divisions} == {
        "citizens": 3,
        "officials": None,
    }
    ranks = dict(db.session.execute(select(Standing.account_id, Standing.rank)).all())
    assert (ranks[near.id], ranks[far.id], ranks[none.id]) == (1, 2, 3)
    errors = dict(db.session.execute(select(Standing.account_id, Standing.prediction_error)).all())
    assert (errors[near.id], errors[far.id], errors[none.id]) == (1, 27, None)


def test_before_the_books_the_prediction_orders_nobody(contest, round):
    slow, quick = builders.make_person(contest), builders.make_person(contest)
    builders.finish_attempt(slow, round, prediction=2, took=timedelta(minutes=9))
    builders.finish_attempt(quick, round, prediction=900, took=timedelta(minutes=1))

    builders.rank(round)

    ranks = dict(db.session.execute(select(Standing.account_id, Standing.rank)).all())
    assert (ranks[quick.id], ranks[slow.id]) == (1, 2)


def test_publishing_gives_the_prizes_and_numbers_the_versions(contest, round):
    for minutes in range(1, 6):
        builders.finish_attempt(builders.make_person(contest), round, took=timedelta(minutes=minutes))
    closed, organizer = builders.close(round), builders.make_staff()

    first = builders.publish(closed, by=organizer)

    assert [(won["prize_title"], won["rank"]) for won in first.content["winners"]] == [
        ("Giải Nhất", 1),
        ("Giải Nhì", 2),
        ("Giải Nhì", 3),
    ]
    assert first.content_sha256 == publishing.content_digest(first.content)
    with pytest.raises(Conflict, match="lý do"):
        builders.publish(closed, by=organizer)
    second = builders.publish(closed, reason="Sửa lỗi chính tả", by=organizer)
    assert second.version == 2


def test_a_winner_who_refused_publication_is_masked(contest, round):
    person = builders.make_person(contest, consents=("participation",))
    builders.finish_attempt(person, round)
    closed = builders.close(round)

    (prize, standing, _), *_ = publishing.winners(db.session(), closed, data_key=builders.data_key())
    published = builders.publish(closed)

    assert (prize.title, standing.account_id) == ("Giải Nhất", person.id)
    assert published.content["winners"][0]["name"] == f"Thí sinh {person.draw_id[:6]}"


def test_nothing_is_published_before_the_books(contest, round):
    with pytest.raises(Conflict, match="chốt sổ"):
        builders.publish(round)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET reason = 'x'",
        "DELETE FROM audit_events",
        "UPDATE publications SET reason = 'x'",
        "DELETE FROM publications",
        "UPDATE pools SET version = 2",
        "UPDATE item_versions SET stem = 'x'",
        "UPDATE item_versions SET key = '[0]'",
        "DELETE FROM item_versions",
    ],
)
def test_the_database_refuses_to_change_what_is_final(contest, round, change):
    with pytest.raises(IntegrityError), db.session.begin_nested():
        db.session.execute(text(change))


def test_the_log_is_chained_and_shows_a_change(contest, round):
    assert list(audit.broken_links(db.session())) == []

    db.session.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE audit_events SET reason = 'khác' WHERE id = 1"))
    db.session.expire_all()

    assert list(audit.broken_links(db.session())) == [1]
