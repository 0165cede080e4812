"""Proposals: what needs two people is decided once, by another than who proposed it."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from contest import proposals
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import AuditEvent
from contest.models.integrity import EXCLUSION_KINDS
from contest.rules.exclusions import KINDS
from tests import builders


@pytest.fixture
def proposer(app):
    return builders.make_staff()


@pytest.fixture
def approver(app):
    return builders.make_staff("approver", name="Người phê duyệt")


def propose(proposer, **changes):
    given = {"title": "Hủy câu", "content": {"keys": None}, "effect": ["2 người đổi điểm"], "reason": "Sai"}
    return proposals.propose(
        db.session(),
        "correction",
        "round/1/item/T1-001",
        **(given | changes),
        actor_id=proposer.id,
        now=db_now(db.session()),
    )


def accept(proposal, person):
    return proposals.accept(db.session(), proposal.id, actor_id=person.id, now=db_now(db.session()))


def test_another_person_accepts_and_both_are_in_the_log(proposer, approver):
    proposal = propose(proposer)
    assert proposals.waiting(db.session(), kind="correction") == [proposal]

    accept(proposal, approver)

    assert (proposal.is_accepted, proposal.decided_by_id) == (True, approver.id)
    assert proposals.waiting(db.session()) == []
    events = db.session.execute(select(AuditEvent.action, AuditEvent.actor_id).order_by(AuditEvent.id))
    assert events.all()[-2:] == [
        ("correction.propose", proposer.id),
        ("correction.accept", approver.id),
    ]


def test_nobody_accepts_their_own(proposer):
    proposal = propose(proposer)
    with pytest.raises(Conflict, match="không tự phê duyệt"):
        accept(proposal, proposer)
    with pytest.raises(IntegrityError, match="accepted_by_another"), db.session.begin_nested():
        db.session.execute(
            text(
                "UPDATE proposals SET decided_by_id = proposed_by_id, decided_at = now(), is_accepted = true"
            )
        )


def test_whoever_proposed_may_take_it_back(proposer):
    proposal = propose(proposer)
    proposals.reject(
        db.session(), proposal.id, reason="Nhầm câu", actor_id=proposer.id, now=db_now(db.session())
    )
    assert proposal.is_accepted is False


def test_it_is_decided_once(proposer, approver):
    proposal = propose(proposer)
    accept(proposal, approver)
    with pytest.raises(Conflict, match="đã được quyết định"):
        accept(proposal, approver)
    with pytest.raises(Conflict, match="đã được quyết định"):
        proposals.reject(
            db.session(), proposal.id, reason="Muộn", actor_id=approver.id, now=db_now(db.session())
        )


def test_one_about_a_thing_at_a_time(proposer, approver):
    first = propose(proposer)
    with pytest.raises(Conflict, match="đang chờ"):
        propose(approver)
    accept(first, approver)
    assert propose(approver).id != first.id


def test_a_reason_is_needed(proposer, approver):
    with pytest.raises(Conflict, match="lý do"):
        propose(proposer, reason="")
    proposal = propose(proposer)
    with pytest.raises(Conflict, match="lý do"):
        proposals.reject(db.session(), proposal.id, reason="", actor_id=approver.id, now=db_now(db.session()))


def test_what_is_not_there_can_not_be_decided(app, approver):
    with pytest.raises(NotThere):
        proposals.accept(db.session(), 0, actor_id=approver.id, now=db_now(db.session()))


def test_every_kind_of_exclusion_has_its_words():
    assert tuple(KINDS) == EXCLUSION_KINDS
