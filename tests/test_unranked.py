"""Organizers and item writers may play and are not ranked; so are those whom the organizers name before."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from contest import contests, registrations, unranked
from contest.clock import db_now
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.models import Account, Exclusion, ItemVersion, RoleGrant, Standing, Unit
from contest.security import new_round_seed
from tests import builders


@pytest.fixture
def contest(session):
    builders.make_items()
    contest = builders.make_contest()
    builders.lock_headcounts(contest)
    return contest


@pytest.fixture
def round(contest):
    made = builders.make_round(contest, opens_in=timedelta(hours=1))
    return contests.find_round(db.session(), made.id)


def open_round(round):
    contests.open_round(
        db.session(),
        round,
        seed=new_round_seed(),
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=None,
    )
    db.session.commit()


def excluded(round):
    rows = db.session.scalars(select(Exclusion).where(Exclusion.round_id == round.id)).all()
    assert all((row.kind, row.excluded_by_id, row.lifted_at) == ("organizer", None, None) for row in rows)
    return {row.account_id for row in rows}


def enter(account, contest):
    commune = db.session.scalars(select(Unit).where(Unit.code == "07582")).one()
    registrations.enter(
        db.session(),
        account,
        contest,
        division_id=contest.divisions[1].id,
        unit_id=None,
        commune_id=commune.id,
        now=db_now(db.session()),
    )
    db.session.commit()


def name(contest, phone, note="Nguyễn Văn Thẩm, tổ thẩm định"):
    person = unranked.name_person(
        db.session(),
        contest,
        phone=phone,
        note=note,
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )
    db.session.commit()
    return person


def test_who_has_a_role_or_signed_for_an_item_of_the_pool_is_excluded_at_the_opening(contest, round):
    worker = builders.make_person(contest, roles=("administrator",))
    author = db.session.get_one(Account, db.session.scalar(select(ItemVersion.author_id).limit(1)))
    db.session.execute(delete(RoleGrant).where(RoleGrant.account_id == author.id))
    enter(author, contest)
    builders.make_person(contest)

    open_round(round)

    assert excluded(round) == {worker.id, author.id}


def test_staff_who_do_not_take_part_are_not_listed(contest, round):
    builders.make_staff()

    open_round(round)

    assert excluded(round) == set()


def test_a_role_that_ended_before_the_seed_was_committed_excludes_nobody(contest, round):
    former = builders.make_person(contest, roles=("organizer",))
    grant = db.session.scalars(select(RoleGrant).where(RoleGrant.account_id == former.id)).one()
    grant.ended_at = db_now(db.session()) - timedelta(minutes=1)
    db.session.commit()

    open_round(round)

    assert excluded(round) == set()


def test_who_enters_later_is_excluded_then(contest, round):
    open_round(round)

    late = builders.make_person(contest, roles=("approver",))

    assert excluded(round) == {late.id}


def test_who_gets_a_role_during_the_round_is_excluded_at_the_closing(contest, round):
    open_round(round)
    person = builders.make_person(contest)
    db.session.add(RoleGrant(account_id=person.id, role="organizer"))
    db.session.commit()
    builders.change_locked(round, opens_at=db_now(db.session()) - timedelta(hours=2))
    other = builders.make_person(contest)
    for one in (person, other):
        builders.finish_attempt(one, round)
    builders.rank(round)

    builders.close(round, with_books=False)

    assert excluded(round) == {person.id}
    left = db.session.scalars(select(Standing).where(Standing.round_id == round.id)).all()
    assert [(row.account_id, row.rank) for row in left] == [(other.id, 1)]


def test_named_people_are_found_by_their_phone_even_before_they_register(contest, round):
    name(contest, "0987 000 111")
    name(contest, "+84 987 000 222")
    one = builders.make_person(contest, phone="0987000111")
    open_round(round)

    other = builders.make_person(contest, phone="0987000222")

    assert excluded(round) == {one.id, other.id}


def test_naming_somebody_after_the_opening_takes_nobody_out_of_an_open_round(contest, round):
    builders.make_person(contest, phone="0987000333")
    open_round(round)

    name(contest, "0987000333")
    unranked.exclude(db.session(), round.id, now=db_now(db.session()))

    assert excluded(round) == set()
    ((person, takes_part),) = unranked.named_people(db.session(), contest.id)
    assert (person.note, takes_part) == ("Nguyễn Văn Thẩm, tổ thẩm định", True)


def test_doing_it_again_changes_nothing_and_who_was_let_back_in_stays_in(contest, round):
    person = builders.make_person(contest, roles=("organizer",))
    open_round(round)
    row = db.session.scalars(select(Exclusion).where(Exclusion.account_id == person.id)).one()
    row.lifted_at, row.lifted_by_id, row.lift_reason = (
        db_now(db.session()),
        builders.make_staff().id,
        "Không tham gia tổ chức",
    )
    db.session.commit()

    assert unranked.exclude(db.session(), round.id, now=db_now(db.session())) == []


def test_the_list_refuses_what_is_no_phone_and_who_is_on_it(contest):
    with pytest.raises(BadInput):
        name(contest, "12345")
    with pytest.raises(BadInput):
        name(contest, "0987000444", note="")
    person = name(contest, "0987000444")
    with pytest.raises(Conflict):
        name(contest, "0987.000.444")
    db.session.rollback()

    unranked.unname_person(
        db.session(), contest, person.id, now=db_now(db.session()), actor_id=builders.make_staff().id
    )
    assert unranked.named_people(db.session(), contest.id) == []


def test_another_contests_list_is_not_this_ones(contest):
    person = name(contest, "0987000555")

    with pytest.raises(NotThere):
        unranked.unname_person(
            db.session(),
            builders.make_contest(),
            person.id,
            now=db_now(db.session()),
            actor_id=builders.make_staff().id,
        )
