"""`contest round verify` and the facts that people decide: each must stand as the log tells it."""

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from contest import (
    attempts,
    books,
    contests,
    corrections,
    declines,
    exclusions,
    extra_times,
    headcounts,
    jobs,
    leaderboards,
    outages,
    pauses,
    proposals,
    public_texts,
    publishing,
    regrading,
    resits,
    units,
)
from contest.clock import db_now
from contest.data import verify
from contest.extensions import db
from contest.models import Attempt, Pool, Registration, Unit
from contest.rules.sheets import Sheet
from contest.security import token_hash
from tests import builders, test_verifying
from tests.test_bundles import write
from tests.test_pauses import let_it_be_over
from tests.test_verifying import faults

SPECIFICATIONS = tuple(
    ({"topic": topic, "level": level, "count": 4, "tags": []},)
    for topic, level in (("T1", "NB"), ("T2", "TH"))
)


def found(round):
    return contests.find_round(db.session(), round.id)


def how(actor, reason="Lý do"):
    return {"reason": reason, "now": db_now(db.session()), "actor_id": actor.id}


def give_headcounts(contest, headcount):
    commune = db.session.scalar(select(Unit).where(Unit.kind == "commune").order_by(Unit.code).limit(1))
    for one in contest.divisions:
        units.set_headcount(
            db.session(), division_id=one.id, unit_id=commune.id, headcount=headcount, source="x"
        )
    headcounts.lock(db.session(), contest, now=db_now(db.session()), actor_id=None)
    db.session.commit()


def correct(round, code, keys):
    """Make a correction as two people do, and regrade by it."""
    organizer, approver = builders.make_staff(), builders.make_staff("approver")
    proposal = corrections.propose(
        db.session(), found(round), code, keys, note="Sai", data_key=builders.data_key(), **how(organizer)
    )
    now = db_now(db.session())
    leaderboards.take_turn(db.session(), round.id)
    accepted = proposals.accept(db.session(), proposal.id, actor_id=approver.id, now=now)
    corrections.make(db.session(), found(round), accepted, now=now)
    db.session.commit()
    jobs.do_tasks()


def tamper(statement, **values):
    """Change rows past every trigger, for the jobs that follow too."""
    test_verifying.tamper(statement, **values)
    db.session.commit()


def assert_all_agree(round, folder, **how_published):
    """Publish; the check from inside and that of the bundle both find nothing."""
    jobs.rank_what_changed()
    folder.mkdir(exist_ok=True)
    publication = builders.publish(round, **how_published)
    assert faults(round) == []
    assert verify.verify(str(write(publication, folder))) == publication.sha256


# --- honest rounds -------------------------------------------------------------------------------


def test_pauses_resits_withdrawn_items_and_playing_organizers_verify(app, tmp_path):
    session = db.session()
    builders.make_items(12)
    contest = builders.make_contest()
    round = builders.make_round(contest, prediction_counted="percentage", duration=timedelta(minutes=15))
    for asked in round.divisions:
        if asked.division_id == contest.divisions[0].id:
            asked.prediction_counted = None
        else:
            asked.prediction_over = "round"
        asked.unit_formula = "rate_mean"
    session.commit()
    builders.open_now(round)
    organizer = builders.make_staff()
    people = [builders.make_person(contest) for _ in range(4)]
    sitting = builders.start(people[1], round, ago=timedelta(minutes=2))
    paused = pauses.pause(
        session, found(round), timedelta(minutes=60), reason="Mất điện", actor_id=organizer.id
    )
    session.commit()
    pauses.resume(session, found(round), actor_id=organizer.id)
    session.commit()
    session.expire_all()
    let_it_be_over(paused, for_=timedelta(minutes=5))
    for round_id in pauses.rounds_to_settle(session, now=db_now(session)):
        pauses.settle(session, round_id, now=db_now(session))
        session.commit()
    short = {"ago": timedelta(minutes=4), "took": timedelta(minutes=2)}
    player = builders.make_person(contest, roles=("organizer",))
    builders.finish_attempt(player, round, prediction=5, **short)
    builders.finish_attempt(people[0], round, prediction=50_000_00, **short)
    session.refresh(sitting)
    sheet = Sheet(1, 0, "t", sitting.paper_shape, builders.answers(sitting, 4), 1)
    token = token_hash(builders.token_of(people[1]))
    attempts.submit(session.connection(), token, sitting.public_id, sheet, waited=0)
    session.commit()
    builders.score_all()
    correct(round, sitting.paper[0]["code"], None)
    builders.finish_attempt(people[2], round, right=3, ago=timedelta(minutes=4), took=timedelta(minutes=2))
    voided = builders.finish_attempt(
        people[3], round, right=1, ago=timedelta(minutes=4), took=timedelta(minutes=1)
    )
    resits.void(session, voided, resit_until=db_now(session) + timedelta(hours=1), **how(organizer))
    round.closes_at = db_now(session)
    session.commit()
    assert not contests.close_round(session, round.id, now=db_now(session))
    session.commit()
    builders.finish_attempt(
        people[3], round, right=5, ago=timedelta(0), took=timedelta(0), prediction=33_33333
    )
    assert contests.close_round(session, round.id, now=db_now(session))
    session.commit()
    closed = found(round)
    session.refresh(closed)
    how_closed = {"data_key": builders.data_key(), "now": db_now(session), "actor_id": organizer.id}
    books.close(session, closed, **how_closed)
    session.commit()
    assert faults(round) == []
    assert_all_agree(round, tmp_path)


def test_two_rounds_with_all_that_can_change_them_verify(app, tmp_path):
    session = db.session()
    builders.make_items(12, multiple=True)
    contest = builders.make_contest()
    give_headcounts(contest, 20)
    rounds = []
    for specification, counts in zip(SPECIFICATIONS, ("last", "first"), strict=True):
        round = builders.make_round(
            contest,
            specification=specification,
            attempts_allowed=3,
            counts=counts,
            is_partial=True,
            prediction_counted="people",
            is_skipping_earlier_winners=True,
            prizes=(("Nhất", 1), ("Nhì", 1)),
        )
        for asked in round.divisions:
            asked.unit_formula = "points"
            asked.is_listed_below_threshold = False
            asked.unit_minimum_headcount = 5
        session.commit()
        rounds.append(builders.open_now(round))
    one, two = rounds
    organizer, approver = builders.make_staff(), builders.make_staff("approver")
    people = [builders.make_person(contest) for _ in range(6)]
    for round in rounds:
        for i, person in enumerate(people):
            builders.finish_attempt(person, round, right=4 - i % 3, prediction=i + 4)
            if i % 2:
                times = {"ago": timedelta(minutes=40), "took": timedelta(minutes=4)}
                builders.finish_attempt(person, round, right=2 + i % 3, prediction=i, **times)
    now = db_now(session)
    outage = outages.note(session, now - timedelta(minutes=58), now - timedelta(minutes=57), **how(organizer))
    session.commit()
    for round in rounds:
        outages.compensate(session, found(round), outage, **how(organizer))
        session.commit()
    code = session.scalars(select(Attempt.paper).where(Attempt.round_id == one.id).limit(1)).first()[0][
        "code"
    ]
    correct(one, code, [[0], [2]])
    exclusion = {"kind": "several_accounts", **how(organizer)}
    exclusions.exclude(session, found(one), people[5].id, approved_by_id=approver.id, **exclusion)
    session.commit()
    for round in rounds:
        builders.close(round)
    assert_all_agree(one, tmp_path / "1a")

    correct(one, code, [[1]])
    exclusions.lift(session, found(one), people[5].id, **how(organizer))
    exclusions.exclude(session, found(one), people[4].id, **exclusion)
    session.commit()
    assert_all_agree(one, tmp_path / "1b", reason="x")

    exclusions.exclude(session, found(one), people[5].id, **exclusion)
    session.commit()
    winner = publishing.winners(session, found(one), data_key=builders.data_key())[0][1].account_id
    declines.decline(session, found(one), winner, **how(organizer))
    session.commit()
    assert_all_agree(one, tmp_path / "1c", reason="x", approved_by=approver)
    assert_all_agree(two, tmp_path / "2a")

    declines.take_back(session, found(one), winner, **how(organizer))
    session.commit()
    jobs.rank_what_changed()
    assert faults(one) == faults(two) == []
    assert_all_agree(one, tmp_path / "1d", reason="x", approved_by=approver)
    jobs.rank_what_changed()
    assert faults(two) == []
    assert_all_agree(two, tmp_path / "2b", reason="x", approved_by=approver)

    correct(one, code, None)
    jobs.rank_what_changed()
    assert faults(one) == faults(two) == []
    assert_all_agree(one, tmp_path / "1e", reason="x", approved_by=approver)


def test_extra_time_before_and_during_attempts_verifies(app):
    session = db.session()
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    organizer = builders.make_staff()
    early, sitting, late = (builders.make_person(contest) for _ in range(3))
    builders.finish_attempt(early, round, ago=timedelta(minutes=40))
    open_one = builders.start(sitting, round, ago=timedelta(minutes=5))
    entry = session.scalar(select(Registration).where(Registration.account_id == sitting.id))
    extra = {"round": round, **how(organizer)}
    extra_times.grant(session, contest, entry, timedelta(minutes=3), **extra)
    extra_times.grant(session, contest, contest.divisions[0], timedelta(minutes=2), **extra)
    session.commit()
    builders.finish_attempt(late, round, ago=timedelta(0), took=timedelta(0))
    session.refresh(open_one)
    assert open_one.extra_ms == 300_000 if entry.division_id == contest.divisions[0].id else 180_000
    sheet = Sheet(1, 0, "t", open_one.paper_shape, builders.answers(open_one, 4), 1)
    token = token_hash(builders.token_of(sitting))
    attempts.submit(session.connection(), token, open_one.public_id, sheet, waited=0)
    session.commit()
    builders.score_all()
    builders.close(round)
    assert faults(round) == []
    tamper(
        "UPDATE attempts SET extra_ms = extra_ms + 60000, deadline_at = deadline_at + interval '60 s',"
        " duration_ms = floor(duration_ms * (900000.0 + extra_ms) / (960000 + extra_ms)) WHERE id = :id",
        id=open_one.id,
    )
    assert "extra_ms" in {fault.column for fault in faults(round)}


# --- what was changed behind the application -----------------------------------------------------


@pytest.fixture
def round(app):
    """A round whose books are closed: headcounts, a lot text, a prediction; nothing published."""
    contest = builders.make_contest()
    round = builders.make_round(contest, prediction_counted="people", lot_text_source="Xổ số")
    give_headcounts(contest, 10)
    builders.open_now(round)
    for place, right in enumerate((5, 5, 4, 3)):
        builders.finish_attempt(builders.make_person(contest), round, right=right, prediction=place)
    builders.close(round)
    public_texts.set_lot_text(
        db.session(), found(round), "12345", now=db_now(db.session()), actor_id=builders.make_staff().id
    )
    db.session.commit()
    jobs.rank_what_changed()
    assert faults(round) == []
    return round


FIRST, LAST = ("(SELECT min(id) FROM attempts)", "(SELECT max(id) FROM attempts)")
AGENCY = "(SELECT id FROM units WHERE kind = 'agency' LIMIT 1)"


@pytest.mark.parametrize(
    "table, column, statements",
    [
        (
            "attempts",
            "outage_ms",
            [
                f"UPDATE attempts SET outage_ms = 60000, duration_ms = duration_ms - 60000 WHERE id = {LAST}",
                f"UPDATE standings SET duration_ms = duration_ms - 60000 WHERE attempt_id = {LAST}",
            ],
        ),
        (
            "attempts",
            "extra_ms",
            [
                "UPDATE attempts SET extra_ms = 900000, deadline_at = deadline_at + interval '900 s',"
                f" duration_ms = duration_ms / 2 WHERE id = {LAST}",
                f"UPDATE standings SET duration_ms = duration_ms / 2 WHERE attempt_id = {LAST}",
            ],
        ),
        (
            "attempts",
            "voided_at",
            [
                f"DELETE FROM standings WHERE attempt_id = {FIRST}",
                f"UPDATE attempts SET voided_at = now(), void_reason = 'x' WHERE id = {FIRST}",
                "UPDATE round_divisions SET truth = truth - 1 WHERE truth > 0",
            ],
        ),
        (
            "exclusions",
            "id",
            [
                "INSERT INTO exclusions (round_id, account_id, kind, reason)"
                f" SELECT round_id, account_id, 'organizer', 'x' FROM attempts WHERE id = {FIRST}",
                f"DELETE FROM standings WHERE attempt_id = {FIRST}",
            ],
        ),
        (
            "declines",
            "id",
            [
                "INSERT INTO declines (round_id, account_id, reason, recorded_by_id)"
                f" SELECT round_id, account_id, 'x', account_id FROM attempts WHERE id = {FIRST}"
            ],
        ),
        ("rounds", "prizes", ["UPDATE prizes SET count = count + 1"]),
        (
            "rounds",
            "citizens.chain",
            [
                "UPDATE round_divisions SET chain ="
                """ '["points", "duration_ms", "prediction_error", "submitted_at"]'"""
            ],
        ),
        ("headcounts", "sha256", ["UPDATE headcounts SET headcount = 5"]),
        ("rounds", "lot_text", ["UPDATE rounds SET lot_text = 'khác'"]),
        (
            "attempts",
            "facts at the books",
            [
                "UPDATE registrations SET registered_at = registered_at - interval '1 day'",
                "UPDATE standings SET registered_at = registered_at - interval '1 day'",
            ],
        ),
        (
            "attempts",
            "facts at the books",
            [f"UPDATE attempts SET unit_id = {AGENCY}", f"UPDATE standings SET unit_id = {AGENCY}"],
        ),
        (
            "corrections",
            "id",
            [
                "INSERT INTO corrections (round_id, code, keys, reason, note, proposed_by_id, approved_by_id,"
                " applied_at) SELECT r.id, 'T1-NB-001', NULL, 'x', 'x', (SELECT min(id) FROM accounts),"
                " (SELECT min(id) + 1 FROM accounts), now() FROM rounds r"
            ],
        ),
    ],
)
def test_a_changed_fact_is_named_though_all_results_follow_it(round, table, column, statements):
    for statement in statements:
        tamper(statement)
    if table == "corrections":
        regrading.add_task(db.session(), found(round), title="x", now=db_now(db.session()))
        db.session.commit()
        jobs.do_tasks()
    tamper("UPDATE rounds SET ranked_at = NULL")
    jobs.rank_what_changed()
    assert (table, column) in {(fault.table, fault.column) for fault in faults(round)}


def test_steps_whose_row_is_gone_or_changed_are_named(app):
    session = db.session()
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    organizer = builders.make_staff()
    people = [builders.make_person(contest) for _ in range(3)]
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, right=5 - place)
    builders.close(round)
    exclusions.exclude(session, found(round), people[0].id, kind="withdrawn", **how(organizer))
    exclusions.exclude(session, found(round), people[1].id, kind="withdrawn", **how(organizer))
    exclusions.lift(session, found(round), people[1].id, **how(organizer))
    declines.decline(session, found(round), people[2].id, **how(organizer))
    session.commit()
    correct(round, "T1-NB-001", None)
    jobs.rank_what_changed()
    assert faults(round) == []

    def named():
        return {(fault.table, fault.column) for fault in faults(round)}

    tamper("UPDATE exclusions SET kind = 'several_accounts' WHERE lifted_at IS NULL")
    assert ("exclusions", "kind") in named()
    tamper("UPDATE exclusions SET excluded_at = excluded_at - interval '1 day' WHERE lifted_at IS NOT NULL")
    assert ("exclusions", "excluded_at") in named()
    tamper("UPDATE exclusions SET lifted_at = NULL, lifted_by_id = NULL, lift_reason = NULL")
    assert {("exclusions", "lifted"), ("exclusions", "lifted_at")} <= named()
    tamper("DELETE FROM declines")
    assert ("declines", "id") in named()
    tamper("UPDATE corrections SET keys = '[[1]]'")
    assert ("corrections", "keys") in named()
    tamper("DELETE FROM exclusions")
    assert ("exclusions", "id") in named()


def test_an_unlogged_exclusion_does_not_excuse_the_publication(app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    for place, right in enumerate((5, 5, 4, 3)):
        builders.finish_attempt(builders.make_person(contest), round, right=right, prediction=place)
    builders.close(round)
    builders.publish(round)
    assert faults(round) == []
    tamper(
        "INSERT INTO exclusions (round_id, account_id, kind, reason, excluded_at)"
        f" SELECT round_id, account_id, 'organizer', 'x', clock_timestamp() FROM attempts WHERE id = {FIRST}"
    )
    tamper(f"DELETE FROM standings WHERE attempt_id = {FIRST}")
    tamper("UPDATE rounds SET ranked_at = NULL")
    jobs.rank_what_changed()
    assert {"exclusions", "publications", "publication_files"} <= {fault.table for fault in faults(round)}


def test_a_changed_contest_standing_is_named(app):
    contest = builders.make_contest()
    contest.has_standing = True
    db.session.commit()
    round = builders.open_now(builders.make_round(contest))
    for right in (5, 4):
        builders.finish_attempt(builders.make_person(contest), round, right=right)
    builders.close(round)
    jobs.rank_what_changed()
    assert faults(round) == []
    tamper("UPDATE contest_standings SET points = 0 WHERE position = 1")
    assert {(fault.table, fault.column) for fault in faults(round)} == {("contest_standings", "points")}
    tamper("DELETE FROM contest_standings")
    assert {fault.table for fault in faults(round)} == {"contest_standings"}


def test_a_later_pool_keeps_the_keys_of_the_first(app, tmp_path):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    correct(round, "T1-NB-001", None)
    pool = db.session.scalar(
        select(Pool).where(Pool.version == 2, Pool.division_id == contest.divisions[1].id)
    )
    content = json.loads(pool.file)
    for item in content["items"]:
        item["key"] = [3]
    file = (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
    tamper(
        "UPDATE pools SET file = :file, sha256 = :sha256 WHERE id = :id",
        file=file,
        sha256=hashlib.sha256(file).hexdigest(),
        id=pool.id,
    )
    db.session.expire_all()
    builders.finish_attempt(builders.make_person(contest), round, right=5, prediction=1)
    builders.close(round)
    publication = builders.publish(round)
    inside = faults(round)
    assert {fault.table for fault in inside} == {"pools"}
    assert "sha256" in {fault.column for fault in inside}
    with pytest.raises(verify.Difference) as outside:
        verify.verify(str(write(publication, tmp_path)))
    assert outside.value.file.endswith("-2.json")
