"""Prizes that somebody does not take: declined, or won before where the round says so."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from contest import contests, declines, publishing
from contest.clock import db_now
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.models import AuditEvent, Decline, Standing
from tests import builders
from tests.visiting import visit

# Two rounds of a contest share no items.
SPECIFICATIONS = tuple(
    ({"topic": topic, "level": level, "count": 3, "tags": []},)
    for topic, level in (("T1", "NB"), ("T2", "TH"))
)


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def organizer(app):
    return builders.make_staff()


def ended(contest, people, **settings):
    """A closed round in which these people come in this order; the first three win."""
    round = builders.open_now(builders.make_round(contest, prediction_counted=None, **settings))
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, took=timedelta(minutes=2 + place))
    return builders.close(round)


def people(contest, count):
    return [builders.make_person(contest, name=f"Người số {place}") for place in range(1, count + 1)]


def winners(round):
    found = contests.find_round(db.session(), round.id)
    won = publishing.winners(db.session(), found, data_key=builders.data_key())
    return [(prize.title, row.account_id) for prize, row, _ in won]


def decline(round, person, organizer, *, reason="Đã nhận giải khác"):
    how = {"reason": reason, "now": db_now(db.session()), "actor_id": organizer.id}
    declines.decline(db.session(), contests.find_round(db.session(), round.id), person.id, **how)
    db.session.commit()


def publish_officially(round):
    builders.publish(round, reason="Chính thức", approved_by=builders.make_staff("approver"))


def test_the_rank_stays_and_the_next_moves_up(contest, organizer):
    one, two, three, four = people(contest, 4)
    round = ended(contest, [one, two, three, four])
    decline(round, one, organizer)
    assert winners(round) == [("Giải Nhất", two.id), ("Giải Nhì", three.id), ("Giải Nhì", four.id)]
    assert db.session.scalar(select(Standing.rank).where(Standing.account_id == one.id)) == 1
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.actor_id, event.reason) == (
        "prize.decline",
        organizer.id,
        "Đã nhận giải khác",
    )


def test_who_declines_may_go_deep_into_the_list(contest, organizer):
    everyone = people(contest, 8)
    round = ended(contest, everyone)
    for person in everyone[:5]:
        decline(round, person, organizer)
    assert [account for _, account in winners(round)] == [person.id for person in everyone[5:]]


def test_twice_is_once_and_can_be_struck_out(contest, organizer):
    one, two = people(contest, 2)
    round = ended(contest, [one, two])
    decline(round, one, organizer)
    decline(round, one, organizer)
    assert len(db.session.scalars(select(Decline)).all()) == 1
    how = {"reason": "Ghi nhầm", "now": db_now(db.session()), "actor_id": organizer.id}
    declines.take_back(db.session(), round, one.id, **how)
    assert winners(round)[0] == ("Giải Nhất", one.id)
    with pytest.raises(NotThere):
        declines.take_back(db.session(), round, one.id, **how)


def test_refusals(contest, organizer):
    one = builders.make_person(contest)
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(one, round)
    with pytest.raises(Conflict, match="sau khi chốt sổ"):
        decline(round, one, organizer)
    builders.close(round)
    with pytest.raises(Conflict, match="lý do"):
        decline(round, one, organizer, reason="")
    with pytest.raises(NotThere):
        decline(round, builders.make_person(contest), organizer)


def test_who_won_officially_in_an_earlier_round_is_skipped_where_the_round_says_so(contest, organizer):
    everyone = people(contest, 6)
    first = ended(contest, everyone, specification=SPECIFICATIONS[0])
    builders.publish(first)
    skipping = ended(contest, everyone, is_skipping_earlier_winners=True, specification=SPECIFICATIONS[1])
    every = [person.id for person in everyone]
    assert [account for _, account in winners(skipping)] == every[:3]  # not official yet

    publish_officially(first)
    assert [account for _, account in winners(skipping)] == every[3:]
    assert set(declines.earlier_winners(db.session(), skipping)) == set(every[:3])

    decline(first, everyone[1], organizer)  # counts as not won
    assert [account for _, account in winners(skipping)] == [every[1], every[3], every[4]]
    builders.change_locked(skipping, is_skipping_earlier_winners=False)
    assert [account for _, account in winners(skipping)] == every[:3]
    assert declines.earlier_winners(db.session(), first) == {}


def test_only_the_newest_official_version_says_who_won(contest):
    everyone = people(contest, 4)
    first = ended(contest, everyone, specification=SPECIFICATIONS[0])
    publish_officially(first)
    db.session.execute(
        update(Standing).where(Standing.account_id == everyone[0].id).values(rank=9, position=9)
    )
    db.session.commit()
    publish_officially(first)
    later = ended(contest, everyone, is_skipping_earlier_winners=True, specification=SPECIFICATIONS[1])
    assert set(declines.earlier_winners(db.session(), later)) == {person.id for person in everyone[1:]}


def test_the_page_records_it_and_strikes_it_out(app, contest, organizer):
    one, two = people(contest, 2)
    round = ended(contest, [one, two])
    browser = builders.sign_in(visit(app), organizer)
    page = f"/admin/rounds/{round.id}/declines"
    form = {"reason": "Gọi điện ngày 01/12", "csrf_token": builders.csrf(browser)}
    assert one.name in browser.get(page).text
    person = f"/admin/rounds/{round.id}/people/{one.id}/decline"
    assert browser.post(person, data=form).status_code == 303
    assert "Gọi điện ngày 01/12" in browser.get(page).text
    assert winners(round)[0] == ("Giải Nhất", two.id)
    assert browser.post(f"{person}/end", data=form).status_code == 303
    assert winners(round)[0] == ("Giải Nhất", one.id)
