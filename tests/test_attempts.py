"""The life of an attempt, on the real statements."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from contest import accounts, attempts, deadlines
from contest.attempts import Outcome
from contest.clock import db_now
from contest.contests import SEED_PURPOSE
from contest.entries import NotSignedIn
from contest.errors import Conflict, NotThere
from contest.extensions import db
from contest.formatting import vn_datetime
from contest.models import Attempt
from contest.pools import loaded, specification_cells
from contest.rules.sheets import Sheet
from contest.rules.timing import deadline, next_start
from contest.security import token_hash, unseal
from question_bank.draw import draw_paper, paper_seed
from tests import builders


@pytest.fixture
def round(session):
    contest = builders.make_contest()
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def person(round):
    return builders.make_person(round.contest)


def save(attempt, token, sheet, waited=0.0):
    return attempts.save(db.session.connection(), token_hash(token), attempt.public_id, sheet, waited=waited)


def sheet_for(attempt, seq=1, base=0, editor="k3v9", responses=None, prediction=None):
    return Sheet(seq, base, editor, attempt.paper_shape, responses or {"1": ["b"]}, prediction)


def test_a_start_stores_a_paper_of_the_specification(round, person):
    attempt = builders.start(person, round)

    assert [item["code"][:2] for item in sorted(attempt.paper, key=lambda one: one["code"])] == ["T1"] * 3 + [
        "T2"
    ] * 2
    assert attempt.paper_shape == "4s" * 5
    assert attempt.deadline_at - attempt.started_at == timedelta(minutes=15)
    assert attempt.number == 1


def test_the_paper_follows_from_the_seed(round, person):
    attempt = builders.start(person, round)
    pool = loaded(db.session, attempt.pool_id, attempt.pool.sha256)
    seed = unseal(builders.data_key(), round.seed_sealed, SEED_PURPOSE)

    drawn = draw_paper(
        list(pool.items.values()),
        specification_cells(builders.SPECIFICATION),
        paper_seed(seed, person.draw_id, 1),
    )

    assert attempts.paper_of(attempt.paper) == drawn
    assert hashlib.sha256(seed).hexdigest() == round.seed_commitment


def test_a_second_start_leads_to_the_open_attempt(round, person):
    assert builders.start(person, round).id == builders.start(person, round).id


def test_attempts_used_up_are_refused_with_the_rule(round, person):
    builders.finish_attempt(person, round)

    with pytest.raises(Conflict, match="Mỗi người được thi 1 lần trong vòng này"):
        builders.start(person, round)


def test_a_start_closes_the_persons_own_overdue_attempt(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    person = builders.make_person(contest)
    overdue = builders.start(person, round, ago=timedelta(minutes=16))

    second = builders.start(person, round)

    session.refresh(overdue)
    assert (overdue.submitted_at, overdue.how) == (overdue.deadline_at, "deadline")
    assert second.number == 2
    assert not {item["code"] for item in second.paper} & {item["code"] for item in overdue.paper}


def test_an_overdue_attempt_that_was_the_last_one_allowed_is_named_in_the_refusal(round, person):
    builders.start(person, round, ago=timedelta(minutes=16))

    with pytest.raises(Conflict, match="Mỗi người được thi 1 lần"):
        builders.start(person, round)


def test_within_the_grace_a_start_leads_to_the_open_attempt(round, person):
    open_attempt = builders.start(person, round, ago=timedelta(minutes=15, seconds=5))

    assert builders.start(person, round).id == open_attempt.id


def test_the_deadline_is_cut_short_by_the_closing(session):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, lasts=timedelta(hours=2, minutes=5)))

    attempt = builders.start(builders.make_person(contest), round)

    assert attempt.deadline_at == round.closes_at
    assert attempt.deadline_at == deadline(
        attempt.started_at, duration=timedelta(minutes=15), closes_at=round.closes_at
    ), "the statement and the rule agree"


@pytest.mark.parametrize(
    ("opens_in", "sentence"), [(timedelta(hours=1), "chưa mở"), (timedelta(days=-8), "đã đóng")]
)
def test_a_round_that_is_not_open_can_not_be_started(session, opens_in, sentence):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, opens_in=opens_in))

    with pytest.raises(Conflict, match=sentence):
        builders.start(builders.make_person(contest), round)


def test_who_has_not_entered_the_contest_can_not_start(round):
    with pytest.raises(Conflict, match="chưa đăng ký"):
        builders.start(builders.make_person(), round)


def test_without_a_live_session_nothing_happens(round, person):
    attempt = builders.start(person, round)
    token = builders.token_of(person)
    accounts.sign_out(db.session(), token, now=db_now(db.session()))

    with pytest.raises(NotSignedIn):
        save(attempt, token, sheet_for(attempt))
    with pytest.raises(NotSignedIn):
        attempts.submit(db.session.connection(), token_hash(token), attempt.public_id)
    with pytest.raises(NotSignedIn):
        attempts.start(
            db.session.connection(), token_hash("no token"), round.id, data_key=builders.data_key()
        )


def test_another_persons_attempt_is_not_there(round, person):
    attempt = builders.start(person, round)
    other = builders.token_of(builders.make_person(round.contest))

    with pytest.raises(NotThere):
        save(attempt, other, sheet_for(attempt))
    with pytest.raises(NotThere):
        attempts.submit(db.session.connection(), token_hash(other), attempt.public_id)


def rested(attempt, seconds=1):
    """Let the last save lie some time back, so that the flood limit is no matter."""
    db.session.execute(
        update(Attempt)
        .where(Attempt.id == attempt.id)
        .values(saved_at=Attempt.saved_at - timedelta(seconds=seconds))
    )


@pytest.fixture
def sitting(round, person):
    """An open attempt and the token of who sits it."""
    return builders.start(person, round), builders.token_of(person)


def test_a_sheet_is_stored_whole(sitting):
    attempt, token = sitting

    saved = save(attempt, token, sheet_for(attempt, responses={"1": ["b"], "2": ["a"]}, prediction=120))
    rested(attempt)
    cleared = save(attempt, token, sheet_for(attempt, seq=2, responses={"2": ["c"]}))

    assert (saved.outcome, saved.stored.seq) == (Outcome.STORED, 1)
    assert 890_000 < saved.remaining_ms <= 900_000
    assert cleared.outcome is Outcome.STORED
    db.session.refresh(attempt)
    assert (attempt.responses, attempt.prediction, attempt.save_seq) == ({"2": ["c"]}, None, 2)


def test_an_older_sheet_of_the_same_page_is_stale(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt, seq=5, responses={"1": ["c"]}))

    late = save(attempt, token, sheet_for(attempt, seq=4))

    assert late.outcome is Outcome.STALE
    assert (late.stored.seq, late.stored.responses) == (5, {"1": ["c"]})


def test_a_resend_is_stored_again_whatever_the_flood_limit(sitting):
    attempt, token = sitting
    first = save(attempt, token, sheet_for(attempt))

    again = save(attempt, token, sheet_for(attempt))

    assert (again.outcome, again.is_the_stored) == (Outcome.STORED, True)
    assert again.stored.saved_at == first.stored.saved_at


def test_one_seq_with_two_sheets_is_stale(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt))

    assert save(attempt, token, sheet_for(attempt, responses={"1": ["d"]})).outcome is Outcome.STALE


def test_another_page_must_know_what_it_replaces(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt, seq=3))
    rested(attempt)

    unknowing = save(attempt, token, sheet_for(attempt, seq=9, base=0, editor="other"))
    knowing = save(attempt, token, sheet_for(attempt, seq=4, base=3, editor="other"))

    assert (unknowing.outcome, knowing.outcome) == (Outcome.STALE, Outcome.STORED)


def test_a_second_sheet_within_a_quarter_second_is_too_soon_but_a_submission_is_not(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt))

    assert save(attempt, token, sheet_for(attempt, seq=2)).outcome is Outcome.TOO_SOON
    assert (
        attempts.submit(
            db.session.connection(), token_hash(token), attempt.public_id, sheet_for(attempt, seq=2)
        )
        is None
    )


def test_a_saved_at_in_the_future_does_not_limit_and_never_goes_back(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt))
    rested(attempt, seconds=-60)
    db.session.refresh(attempt)
    future = attempt.saved_at

    saved = save(attempt, token, sheet_for(attempt, seq=2))

    assert (saved.outcome, saved.stored.saved_at) == (Outcome.STORED, future)


def test_shape_and_seq_are_judged_before_the_state(sitting):
    attempt, token = sitting
    attempts.submit(db.session.connection(), token_hash(token), attempt.public_id)
    wrong = Sheet(1, 0, "k", "4s4s", {}, None)

    assert save(attempt, token, wrong).outcome is Outcome.WRONG_SHAPE
    assert save(attempt, token, sheet_for(attempt, seq=10_001)).outcome is Outcome.TOO_FAR_AHEAD
    assert save(attempt, token, sheet_for(attempt, seq=10_000)).outcome is Outcome.SUBMITTED


def test_the_highest_seq_does_not_overflow(sitting):
    attempt, token = sitting
    db.session.execute(update(Attempt).where(Attempt.id == attempt.id).values(save_seq=2**31 - 2))

    assert save(attempt, token, sheet_for(attempt, seq=2**31 - 1, base=2**31 - 2)).outcome is Outcome.STORED


@pytest.mark.parametrize(
    ("ago", "outcome"),
    [
        (timedelta(minutes=15, seconds=9), Outcome.STORED),
        (timedelta(minutes=15, seconds=11), Outcome.DEADLINE_PASSED),
    ],
)
def test_a_sheet_is_taken_until_deadline_and_grace(round, person, ago, outcome):
    attempt = builders.start(person, round, ago=ago)

    saved = save(attempt, builders.token_of(person), sheet_for(attempt))

    assert (saved.outcome, saved.remaining_ms) == (outcome, 0)


def test_what_a_request_waited_costs_the_person_no_time(round, person):
    attempt = builders.start(person, round, ago=timedelta(minutes=15, seconds=12))

    assert save(attempt, builders.token_of(person), sheet_for(attempt), waited=4).outcome is Outcome.STORED


def test_after_submission_nothing_is_stored(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt))
    attempts.submit(db.session.connection(), token_hash(token), attempt.public_id)

    late = save(attempt, token, sheet_for(attempt, seq=2, responses={"1": ["d"]}))
    same = save(attempt, token, sheet_for(attempt))

    assert (late.outcome, late.is_the_stored) == (Outcome.SUBMITTED, False)
    assert (same.outcome, same.is_the_stored) == (Outcome.SUBMITTED, True)
    db.session.refresh(attempt)
    assert attempt.responses == {"1": ["b"]}


def submit(attempt, token, sheet=None, **how):
    return attempts.submit(db.session.connection(), token_hash(token), attempt.public_id, sheet, **how)


def test_a_submission_carries_the_last_sheet(sitting):
    attempt, token = sitting

    assert submit(attempt, token, sheet_for(attempt, responses={"3": ["d"]}, prediction=7)) is None

    db.session.refresh(attempt)
    assert (attempt.responses, attempt.prediction, attempt.how) == ({"3": ["d"]}, 7, "person")
    assert attempt.started_at <= attempt.submitted_at <= attempt.deadline_at


def test_a_submission_of_the_sheet_that_is_stored_already_closes(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt))

    assert submit(attempt, token, sheet_for(attempt)) is None


def test_a_second_submission_finds_it_submitted(sitting):
    attempt, token = sitting
    submit(attempt, token)
    db.session.refresh(attempt)
    first = attempt.submitted_at

    assert submit(attempt, token).outcome is Outcome.SUBMITTED
    db.session.refresh(attempt)
    assert attempt.submitted_at == first


def test_a_stale_sheet_does_not_close_before_the_deadline(sitting):
    attempt, token = sitting
    save(attempt, token, sheet_for(attempt, seq=3, responses={"1": ["a"]}))

    refused = submit(attempt, token, sheet_for(attempt, seq=1, editor="other"))

    assert refused.outcome is Outcome.STALE
    db.session.refresh(attempt)
    assert attempt.submitted_at is None


def test_within_the_grace_a_stale_or_unreadable_sheet_closes_with_the_stored_one(round):
    for sheet_sent in ("stale", "unreadable"):
        person = builders.make_person(round.contest)
        attempt = builders.start(person, round, ago=timedelta(minutes=15, seconds=5))
        token = builders.token_of(person)
        save(attempt, token, sheet_for(attempt, seq=3, responses={"1": ["a"]}))
        stale = sheet_for(attempt, seq=1, editor="other")

        refused = (
            submit(attempt, token, stale)
            if sheet_sent == "stale"
            else submit(attempt, token, is_unreadable=True)
        )

        assert refused is None
        db.session.refresh(attempt)
        assert (attempt.responses, attempt.how) == ({"1": ["a"]}, "person")
        assert attempt.submitted_at > attempt.deadline_at


def test_an_unreadable_sheet_does_not_close_before_the_deadline(sitting):
    attempt, token = sitting

    assert submit(attempt, token, is_unreadable=True).outcome is Outcome.UNKNOWN
    db.session.refresh(attempt)
    assert attempt.submitted_at is None


@pytest.mark.parametrize(("seconds", "closed"), [(19, 0), (21, 1)])
def test_the_sweeper_closes_after_deadline_grace_and_margin(round, person, seconds, closed):
    attempt = builders.start(person, round, ago=timedelta(minutes=15, seconds=seconds))

    assert deadlines.close_overdue(db.session()) == closed
    db.session.refresh(attempt)
    assert attempt.submitted_at == (attempt.deadline_at if closed else None)


def test_a_start_takes_three_statements_a_save_one_a_submission_one(round, person, statements):
    builders.start(builders.make_person(round.contest), round)  # the process has the pool now
    token, round_id = builders.token_of(person), round.id

    with statements() as of_start:
        public_id = attempts.start(
            db.session.connection(), token_hash(token), round_id, data_key=builders.data_key()
        )
    attempt = db.session.scalars(select(Attempt).where(Attempt.public_id == public_id)).one()
    with statements() as of_save:
        save(attempt, token, sheet_for(attempt))
    with statements() as of_submission:
        submit(attempt, token, sheet_for(attempt, seq=2))

    assert (len(of_start), len(of_save), len(of_submission)) == (3, 1, 1)


# --- cool-down -----------------------------------------------------------------------------------


@pytest.fixture
def two_tries(session):
    contest = builders.make_contest()
    return builders.open_now(
        builders.make_round(
            contest, attempts_allowed=2, cooldown_ms=30 * 60_000, opens_in=timedelta(hours=-5)
        )
    )


def test_the_next_attempt_waits_for_the_cooldown_and_says_until_when(two_tries):
    person = builders.make_person(two_tries.contest)
    first = builders.finish_attempt(person, two_tries, ago=timedelta(minutes=20), took=timedelta(minutes=5))

    with pytest.raises(Conflict) as told:
        builders.start(person, two_tries)

    may_start = next_start(first.submitted_at, 30 * 60_000)
    assert "Hai lượt thi cách nhau ít nhất 30 phút" in told.value.sentence
    assert vn_datetime(may_start) in told.value.sentence


def test_after_the_cooldown_the_next_attempt_starts_in_three_statements(two_tries, statements):
    person = builders.make_person(two_tries.contest)
    builders.finish_attempt(person, two_tries, ago=timedelta(minutes=50), took=timedelta(minutes=5))
    token, round_id = token_hash(builders.token_of(person)), two_tries.id

    with statements() as noted:
        attempts.start(db.session.connection(), token, round_id, data_key=builders.data_key())

    assert len(noted) <= 3


def test_an_overdue_attempt_cools_down_from_its_deadline(two_tries):
    person = builders.make_person(two_tries.contest)
    builders.start(person, two_tries, ago=timedelta(minutes=30))  # its deadline was 15 minutes ago

    with pytest.raises(Conflict, match="cách nhau ít nhất 30 phút"):
        builders.start(person, two_tries)


def test_a_voided_attempt_does_not_cool_down(two_tries):
    person = builders.make_person(two_tries.contest)
    first = builders.finish_attempt(person, two_tries, ago=timedelta(minutes=20), took=timedelta(minutes=5))
    first.voided_at, first.void_reason = db_now(db.session()), "Mất điện"
    db.session.commit()

    assert builders.start(person, two_tries).number == 2
