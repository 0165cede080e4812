"""Virtual people in bulk: what they are made of, what they can do, and that nothing of them stays."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from contest import attempts, contests
from contest.clock import db_now
from contest.crowd import preparing, removing
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Account, Attempt, Registration, Unit
from contest.models import Session as SignIn
from contest.pools import pool_items, specification_cells
from contest.rules.sheets import Sheet
from contest.security import token_hash, unseal
from question_bank.draw import draw_paper, paper_seed
from tests.builders import (
    SPECIFICATION,
    data_key,
    finish_attempt,
    make_contest,
    make_person,
    make_round,
    open_now,
)


@pytest.fixture
def round(session):
    return open_now(make_round(make_contest()))


def prepare(round, people=6, **settings):
    session = db.session()
    made = preparing.prepare(
        session,
        contests.find_round(session, round.id),
        people,
        **{"crowd": "thu", "data_key": data_key(), "env": "test", "now": db_now(session)} | settings,
    )
    session.commit()
    return made


def test_prepared_people_are_registered_all_over_and_can_start(round):
    made = prepare(round, people=6)

    entries = db.session.scalars(select(Registration).order_by(Registration.account_id)).all()
    assert [one.account_id for one in entries] == [one.account_id for one in made]
    assert {one.division.code for one in entries} == {"officials", "citizens"}
    assert len({one.unit_id for one in entries}) == db.session.scalar(select(func.count()).select_from(Unit))
    connection = db.session.connection()
    started = [
        attempts.start(connection, token_hash(one.token), round.id, data_key=data_key()) for one in made
    ]
    assert len(set(started)) == 6


def test_the_tokens_are_known_to_the_caller_alone(round):
    [one] = prepare(round, people=1)

    [row] = db.session.scalars(select(SignIn))
    assert row.token_hash == token_hash(one.token)


def test_who_sits_has_the_paper_that_a_start_would_have_drawn(round):
    made = prepare(round, people=4, sitting=3)

    assert [one.attempt is not None for one in made] == [True, True, True, False]
    sat = db.session.scalars(select(Attempt).order_by(Attempt.started_at)).all()
    assert [one.public_id for one in sat] == [one.attempt for one in made[:3]]
    assert len({one.started_at for one in sat}) == 3
    assert all(one.deadline_at - one.started_at == timedelta(minutes=15) for one in sat)
    secret = unseal(data_key(), round.seed_sealed, contests.SEED_PURPOSE)
    for one in sat:
        pool = list(pool_items(one.pool.file).values())
        cells = specification_cells(SPECIFICATION)
        assert attempts.paper_of(one.paper) == draw_paper(
            pool, cells, paper_seed(secret, one.account.draw_id, 1)
        )


def test_who_sits_can_save_as_the_page_would(round):
    [one] = prepare(round, people=1, sitting=1)

    sheet = Sheet(1, 0, "thu", one.shape, {"1": ["a"]})
    saved = attempts.save(db.session.connection(), token_hash(one.token), one.attempt, sheet)
    assert saved.outcome is attempts.Outcome.STORED


def test_the_official_site_takes_them_only_into_a_rehearsal(round):
    with pytest.raises(Conflict):
        prepare(round, env="prod")
    assert db.session.scalar(select(func.count(Account.id)).where(Account.crowd.is_not(None))) == 0


def test_nobody_sits_in_a_round_that_is_not_open(session):
    with pytest.raises(Conflict):
        prepare(make_round(make_contest()), sitting=1)


def test_removed_they_leave_nothing_and_nobody_else_goes(round):
    someone = make_person(round.contest)
    finish_attempt(someone, round)
    other = prepare(round, people=2, crowd="khac")
    prepare(round, people=5, sitting=3)
    assert removing.crowds(db.session()) == {"khac": 2, "thu": 5}

    assert removing.remove(db.session(), "thu") == 5
    db.session.commit()

    assert removing.crowds(db.session()) == {"khac": 2}
    assert {one.account_id for one in db.session.scalars(select(Registration))} == {
        someone.id,
        *(one.account_id for one in other),
    }
    assert db.session.scalars(select(Attempt.account_id)).all() == [someone.id]
