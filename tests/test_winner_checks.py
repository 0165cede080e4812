"""Identity checks: only winners are asked, only a tag is kept, nobody signs for themselves."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from contest import winner_checks
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import AuditEvent, WinnerCheck
from contest.rules.citizen_numbers import doubts, normal_citizen_number
from tests import builders
from tests.visiting import visit

NUMBER = "027190001234"  # Bắc Ninh, male, born 1990


@pytest.fixture
def round(app):
    """A round whose books are closed, with one winner."""
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    winner = builders.make_person(contest, birth_date=date(1990, 1, 1))
    builders.finish_attempt(winner, round)
    builders.close(round)
    round.winner = winner
    return round


@pytest.fixture
def check(round):
    organizer = builders.make_staff()
    winner_checks.open_checks(
        db.session(), round, [round.winner.id], actor_id=organizer.id, now=db_now(db.session())
    )
    db.session.commit()
    return db.session.scalars(select(WinnerCheck)).one()


def give(check, typed=NUMBER):
    winner_checks.give_number(
        db.session(),
        check,
        typed,
        birth_date=check.account.birth_date,
        data_key=builders.data_key(),
        now=db_now(db.session()),
    )


def compare(check, typed=NUMBER, *, now=None):
    return winner_checks.compare(
        db.session(),
        check,
        typed,
        data_key=builders.data_key(),
        actor_id=check.opened_by_id,
        now=now or db_now(db.session()),
    )


@pytest.mark.parametrize(
    ("typed", "number"),
    [("027190001234", NUMBER), (" 0271 9000 1234 ", NUMBER), ("027.190.001-234", NUMBER)]
    + [(typed, None) for typed in ("", "12345678", "0271900012345", "02719000123a", "０27190001234")],
)
def test_twelve_digits_are_a_number(typed, number):
    assert normal_citizen_number(typed) == number


@pytest.mark.parametrize(
    ("number", "birth_date", "found"),
    [
        (NUMBER, date(1990, 5, 5), 0),
        ("027290001234", date(2090, 5, 5), 0),
        ("027305001234", date(2005, 5, 5), 0),
        ("027190001234", date(1991, 5, 5), 1),
        ("003190001234", date(1990, 5, 5), 1),
        ("099191001234", date(1990, 5, 5), 2),
        ("027190001234", None, 0),
    ],
)
def test_what_does_not_fit_is_told_and_refuses_nothing(number, birth_date, found):
    assert len(list(doubts(number, birth_date))) == found


def test_only_a_tag_of_the_number_is_kept(check):
    give(check)
    stored = db.session.execute(text("SELECT winner_checks::text FROM winner_checks")).scalar_one()
    assert NUMBER not in stored
    assert check.number_doubts == []
    assert compare(check, "0271 9000 1234")
    assert not compare(check, "027190001235")
    with pytest.raises(BadInput):
        compare(check, "27190001234")


def test_a_number_cannot_be_found_by_trying(check):
    with pytest.raises(Conflict, match="chưa ghi số"):
        compare(check)
    give(check)
    for last in range(winner_checks.MOST_TRIES):
        compare(check, f"02719000999{last}")

    with pytest.raises(Conflict, match="5 lần trong một giờ"):
        compare(check)

    later = db_now(db.session()) + timedelta(hours=1, minutes=1)
    assert compare(check, now=later), "a wrong card is no reason to wait for ever"
    query = select(AuditEvent).filter_by(action="winners.compare").order_by(AuditEvent.id)
    events = db.session.scalars(query).all()
    assert [one.after for one in events] == [{"is_same": False}] * 5 + [{"is_same": True}]


def test_that_a_number_was_given_is_logged_without_it(check):
    give(check)
    give(check, "027190001299")

    query = select(AuditEvent).filter_by(action="winners.give_number").order_by(AuditEvent.id)
    events = db.session.scalars(query).all()

    assert [one.actor_id for one in events] == [check.account_id] * 2
    assert events[0].before == {"given_at": None}
    assert events[1].before == {"given_at": events[0].after["given_at"]}
    assert events[0].after["doubts"] == 0
    assert not any("0271" in str([one.before, one.after, one.reason]) for one in events)


def test_two_accounts_with_one_number_are_told(check, round):
    other = builders.make_person(round.contest)
    now = db_now(db.session())
    winner_checks.open_checks(db.session(), round, [other.id], actor_id=check.opened_by_id, now=now)
    second = winner_checks.own(db.session(), round.id, other.id)
    give(check)
    give(second)
    assert winner_checks.namesakes(db.session(), [check, second]) == {check.id: 1, second.id: 1}


def test_opening_twice_asks_once(check, round):
    opened = winner_checks.open_checks(
        db.session(), round, [round.winner.id], actor_id=check.opened_by_id, now=db_now(db.session())
    )
    assert opened == 0


def test_verified_once_and_by_nobody_for_themselves(check):
    session, now = db.session(), db_now(db.session())
    with pytest.raises(Conflict, match="tự xác minh"):
        winner_checks.verify(session, check, how="card", actor_id=check.account_id, now=now)
    with pytest.raises(BadInput):
        winner_checks.verify(session, check, how="guess", actor_id=check.opened_by_id, now=now)
    winner_checks.verify(session, check, how="card", actor_id=check.opened_by_id, now=now)
    with pytest.raises(Conflict, match="đã được xác minh"):
        winner_checks.verify(session, check, how="card", actor_id=check.opened_by_id, now=now)
    with pytest.raises(Conflict, match="không đổi được"):
        give(check)


def test_tags_are_dropped_long_after_the_official_results(check, round):
    give(check)
    builders.publish(round, by=builders.make_staff(), approved_by=builders.make_staff("approver"))
    session, now = db.session(), db_now(db.session())
    assert winner_checks.forget_numbers(session, now=now + timedelta(days=89)) == 0
    assert winner_checks.forget_numbers(session, now=now + timedelta(days=91)) == 1
    session.refresh(check)
    assert (check.number_tag, check.number_given_at is None) == (None, False)


# --- pages ---------------------------------------------------------------------------------------


def test_the_winner_is_invited_and_types_the_number(app, check, client):
    builders.sign_in(client, check.account)
    assert "dự kiến đạt giải" in client.get("/me").text
    address = f"/me/rounds/{check.round_id}/identity"
    token = builders.csrf(client)
    refused = client.post(address, data={"csrf_token": token, "number": "123"})
    assert (refused.status_code, winner_checks.NO_NUMBER in refused.text) == (422, True)
    assert client.post(address, data={"csrf_token": token, "number": NUMBER}).status_code == 303
    db.session.expire_all()
    assert check.number_tag is not None
    assert "dự kiến đạt giải" not in client.get("/me").text


def test_nobody_else_finds_the_page(app, check, round, client):
    builders.sign_in(client, builders.make_person(round.contest))
    assert client.get(f"/me/rounds/{round.id}/identity").status_code == 404


def test_an_organizer_opens_calls_compares_and_signs(app, round):
    browser = builders.sign_in(visit(app), builders.make_staff())
    token = {"csrf_token": builders.csrf(browser)}
    browser.post(f"/admin/rounds/{round.id}/winner-checks", data=token)
    check = db.session.scalars(select(WinnerCheck)).one()
    give(check)
    db.session.commit()
    address = f"/admin/winner-checks/{check.id}"
    page = browser.get(address).text
    assert "0912" not in page
    assert "0912" in browser.post(f"{address}/phone", data=token).text
    assert "Trùng với số" in browser.post(f"{address}/comparison", data=token | {"number": NUMBER}).text
    other = {"number": "027190001299"}
    assert "Không trùng" in browser.post(f"{address}/comparison", data=token | other).text
    browser.post(f"{address}/calls", data=token | {"outcome": "reached", "note": "Gặp trực tiếp"})
    assert "Gặp trực tiếp" in browser.get(address).text
    browser.post(f"{address}/verification", data=token | {"how": "card"})
    assert "Đã xác minh" in browser.get(f"/admin/rounds/{round.id}/results").text
    actions = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert [one for one in actions if one.startswith("winners.")] == [
        "winners.check",
        "winners.give_number",
        "winners.see_phone",
        "winners.compare",
        "winners.compare",
        "winners.call",
        "winners.verify",
    ]
