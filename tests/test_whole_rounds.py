"""A round in which everything happens that the rules know still verifies, from inside and by its bundle."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from contest import (
    archives,
    contests,
    corrections,
    declines,
    exclusions,
    extra_times,
    jobs,
    outages,
    proposals,
    public_texts,
    publishing,
    registrations,
    resits,
    verifying_results,
)
from contest.clock import db_now
from contest.data import verify
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Standing
from tests import builders


@pytest.fixture
def contest(app):
    builders.make_items(12)
    return builders.make_contest("hoi-thi")


@pytest.fixture
def staff():
    return builders.make_staff("organizer"), builders.make_staff("approver")


def written(publication, folder):
    for file in archives.listed(db.session(), publication.id):
        (folder / file.name).write_bytes(b"".join(archives.content(db.session(), file.id)))
    return str(folder)


def found(round):
    return contests.find_round(db.session(), round.id)


def faults(round):
    db.session.expire_all()
    return list(verifying_results.faults(db.session(), found(round), data_key=builders.data_key()))


def how(actor, reason="Lý do"):
    return {"reason": reason, "now": db_now(db.session()), "actor_id": actor.id}


def exclude(round, person, staff):
    exclusions.exclude(
        db.session(),
        found(round),
        person.id,
        kind="several_accounts",
        approved_by_id=staff[1].id,
        **how(staff[0]),
    )
    db.session.commit()


def correct(round, code, keys, staff):
    proposal = corrections.propose(
        db.session(), found(round), code, keys, note="Sai", data_key=builders.data_key(), **how(staff[0])
    )
    now = db_now(db.session())
    accepted = proposals.accept(db.session(), proposal.id, actor_id=staff[1].id, now=now)
    corrections.make(db.session(), found(round), accepted, now=now)
    db.session.commit()
    jobs.do_tasks()
    jobs.rank_what_changed()


def test_everything_at_once_verifies_in_every_version(contest, staff, tmp_path):
    session, organizer = db.session(), staff[0]
    round = builders.make_round(
        contest,
        attempts_allowed=2,
        prediction_counted="people",
        seed_text_source="Xổ số",
        seed_text="Giải đặc biệt 12345",
        lot_text_source="Xổ số tuần sau",
        prizes=(("Giải Nhất", 1), ("Giải Nhì", 2)),
    )
    for asked in round.divisions:
        asked.unit_formula = "points"
    builders.open_now(round)
    people = [builders.make_person(contest) for _ in range(8)]
    slow, hit, broken, early, late, *others = people

    extra_times.grant(
        session,
        contest,
        registrations.of_account(session, slow.id, contest.id),
        timedelta(minutes=5),
        round=None,
        **how(organizer, "Khiếm thị"),
    )
    session.commit()
    builders.finish_attempt(slow, round, took=timedelta(minutes=18), prediction=6)
    builders.finish_attempt(hit, round, took=timedelta(minutes=12), prediction=6)
    now = db_now(session)
    outage = outages.note(
        session, now - timedelta(minutes=55), now - timedelta(minutes=52), **how(organizer, "Mất điện")
    )
    session.commit()
    outages.compensate(session, found(round), outage, **how(organizer))
    session.commit()
    for person in (early, late, *others):
        builders.finish_attempt(person, round, right=4, prediction=7)
    builders.finish_attempt(others[0], round, right=5, prediction=6, ago=timedelta(minutes=20))

    voided = builders.finish_attempt(broken, round, right=1)
    resits.void(
        session, voided, resit_until=db_now(session) + timedelta(hours=1), **how(organizer, "Máy hỏng")
    )
    session.commit()
    builders.finish_attempt(broken, round, right=5, prediction=3, ago=timedelta(minutes=40))
    exclude(round, early, staff)
    jobs.rank_what_changed()

    closed = builders.close(round)
    public_texts.set_lot_text(
        session, closed, "Giải đặc biệt 67890", now=db_now(session), actor_id=organizer.id
    )
    session.commit()
    jobs.rank_what_changed()
    first = builders.publish(closed)
    assert faults(round) == []
    (tmp_path / "1").mkdir()
    assert verify.verify(written(first, tmp_path / "1")) == first.sha256
    told = session.scalars(select(Attempt).where(Attempt.account_id == hit.id)).one()
    assert told.outage_ms == 180_000
    assert 540_000 <= told.duration_ms < 550_000  # 12 minutes without the three

    # After the books: an exclusion moves no truth, a correction recounts everything, a winner declines.
    exclude(round, late, staff)
    paper = session.scalars(select(Attempt.paper).where(Attempt.account_id == others[0].id).limit(1)).one()
    correct(round, paper[0]["code"], None, staff)
    correct(round, paper[1]["code"], [[0], [1]], staff)
    winner = publishing.winners(session, found(round), data_key=builders.data_key())[0][1]
    declines.decline(session, found(round), winner.account_id, **how(organizer))
    session.commit()
    jobs.rank_what_changed()
    assert faults(round) == []  # the older version is still as it was published

    second = builders.publish(closed, reason="Đính chính")
    assert faults(round) == []
    (tmp_path / "2").mkdir()
    folder = tmp_path / "2"
    assert verify.verify(written(second, folder)) == second.sha256
    assert verify.verify(str(tmp_path / "1")) == first.sha256
    won = {row["attempt"] for row in second.content["winners"]}
    assert session.get_one(Standing, winner.id).attempt.public_id not in won
    assert len((folder / "exclusions.csv").read_text().splitlines()) == 3
    assert '"void"' in (folder / "configuration.json").read_text()
    assert session.scalar(select(AuditEvent.id).where(AuditEvent.action == "attempt.void"))


def test_a_decline_that_vanished_is_named(contest, staff):
    round = builders.open_now(builders.make_round(contest))
    for right in (5, 4, 3):
        builders.finish_attempt(builders.make_person(contest), round, right=right)
    closed = builders.close(round)
    winner = publishing.winners(db.session(), closed, data_key=builders.data_key())[0][1]
    declines.decline(db.session(), closed, winner.account_id, **how(staff[0]))
    db.session.commit()
    builders.publish(closed)
    assert faults(round) == []

    db.session.execute(text("DELETE FROM declines"))
    db.session.commit()

    assert {fault.table for fault in faults(round)} == {"declines", "publications", "publication_files"}


def test_a_round_whose_ranking_is_due_is_not_judged_yet(contest, staff):
    round = builders.open_now(builders.make_round(contest))
    person = builders.make_person(contest)
    builders.finish_attempt(person, round)
    builders.close(round)
    exclude(round, person, staff)

    with pytest.raises(contests.Conflict, match="xếp hạng lại"):
        faults(round)


def test_a_round_of_one_division_is_published_and_verifies(contest, tmp_path):
    only = builders.make_round(contest, prizes=())
    builders.take_out(only, "citizens")
    round = builders.open_now(only)
    for right in (3, 5):
        builders.finish_attempt(builders.make_person(contest, division="officials"), round, right=right)
    builders.close(round)

    publication = builders.publish(round)

    assert [one["code"] for one in publication.content["divisions"]] == ["officials"]
    assert faults(round) == []
    assert verify.main([written(publication, tmp_path)]) == 0
