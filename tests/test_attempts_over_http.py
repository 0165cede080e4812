"""The attempt's addresses as a browser and a hostile program use them; commits are real."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from time import sleep

import pytest
from sqlalchemy import func, select, update

from contest.extensions import db
from contest.models import Attempt, Session
from contest.policies import POLICIES
from tests import builders


@pytest.fixture
def round(live_app):
    contest = builders.make_contest()
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def person(round):
    return builders.make_person(round.contest)


@pytest.fixture
def browser(live_client, person):
    return builders.sign_in(live_client, person)


@pytest.fixture
def attempt(browser, round):
    """The browser's open attempt, started over HTTP."""
    answer = browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})
    assert answer.status_code == 303
    return db.session.scalars(select(Attempt)).one()


def body_for(attempt, **changes):
    return {
        "seq": 1,
        "base": 0,
        "editor": "k3v9",
        "shape": attempt.paper_shape,
        "responses": {"1": ["b"]},
        "prediction": 12,
    } | changes


def put(browser, attempt, body, **headers):
    raw = body if isinstance(body, bytes | str) else json.dumps(body)
    return browser.put(
        f"/attempts/{attempt.public_id}/responses",
        data=raw,
        headers={"X-CSRFToken": builders.csrf(browser), "Content-Type": "application/json"} | headers,
    )


def rest(attempt):
    """Let the last save lie a second back."""
    db.session.execute(update(Attempt).values(saved_at=Attempt.saved_at - timedelta(seconds=1)))
    db.session.commit()


def test_a_save_is_acknowledged_with_the_time_that_is_left(browser, attempt):
    answer = put(browser, attempt, body_for(attempt))

    assert answer.status_code == 200
    assert answer.json["seq"] == 1
    assert answer.json["stored"] is True
    assert "+00:00" in answer.json["saved_at"]
    assert 0 < answer.json["remaining_ms"] <= 900_000
    db.session.refresh(attempt)
    assert attempt.responses == {"1": ["b"]}


def test_a_stale_save_gets_the_stored_sheet(browser, attempt):
    put(browser, attempt, body_for(attempt, seq=5))
    rest(attempt)

    answer = put(browser, attempt, body_for(attempt, seq=6, editor="other", base=1))

    assert (answer.status_code, answer.json["stored"], answer.json["seq"]) == (200, False, 5)
    assert answer.json["sheet"] == {"responses": {"1": ["b"]}, "prediction": 12, "editor": "k3v9"}


def test_a_flood_is_asked_to_wait_a_second(browser, attempt):
    put(browser, attempt, body_for(attempt))

    answer = put(browser, attempt, body_for(attempt, seq=2))

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


def test_after_submission_a_save_is_told_so(browser, attempt):
    put(browser, attempt, body_for(attempt))
    browser.post(f"/attempts/{attempt.public_id}/submission", data={"csrf_token": builders.csrf(browser)})

    answer = put(browser, attempt, body_for(attempt, seq=2))

    assert answer.status_code == 409
    assert (answer.json["code"], answer.json["stored"], answer.json["seq"]) == ("submitted", False, 1)


BAD_SHEETS = {
    "no seq": {"seq": None},
    "seq of 0": {"seq": 0},
    "seq too high": {"seq": 2**31},
    "seq is true": {"seq": True},
    "negative base": {"base": -1},
    "empty editor": {"editor": ""},
    "long editor": {"editor": "x" * 33},
    "editor with blanks": {"editor": "a b"},
    "no shape": {"shape": ""},
    "responses is a list": {"responses": []},
    "unknown position": {"responses": {"6": ["a"]}},
    "position zero": {"responses": {"0": ["a"]}},
    "position with NUL": {"responses": {"1\x00": ["a"]}},
    "unknown label": {"responses": {"1": ["e"]}},
    "label with NUL": {"responses": {"1": ["\x00"]}},
    "two labels where one may be chosen": {"responses": {"1": ["a", "b"]}},
    "a label twice": {"responses": {"1": ["a", "a"]}},
    "labels as text": {"responses": {"1": "ab"}},
    "a fraction predicted": {"prediction": 1.5},
    "too much predicted": {"prediction": 2**31},
    "a text predicted": {"prediction": "12"},
    "another shape": {"shape": "4s4s", "responses": {}},
    "far ahead": {"seq": 10_001},
}


@pytest.mark.parametrize("changes", BAD_SHEETS.values(), ids=BAD_SHEETS.keys())
def test_a_sheet_that_is_none_is_refused(browser, attempt, changes):
    answer = put(browser, attempt, body_for(attempt, **changes))

    assert answer.status_code == 422
    db.session.refresh(attempt)
    assert attempt.save_seq == 0


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"seq": 1', 400),
        (b"\x00", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b'{"seq": ' + b"9" * 5_000 + b"}", 422),
        (b" " * (64 * 1024 + 1), 413),
        (b"x" * (10 * 1024 * 1024), 413),
    ],
    ids=[
        "empty",
        "brace",
        "cut off",
        "NUL",
        "not UTF-8",
        "deep",
        "null",
        "list",
        "huge number",
        "64 KB",
        "10 MB",
    ],
)
def test_a_body_that_is_no_sheet_is_refused(browser, attempt, raw, status):
    assert put(browser, attempt, raw).status_code == status


def test_unknown_keys_are_ignored_and_what_is_empty_is_cleared(browser, attempt):
    answer = put(browser, attempt, body_for(attempt, score=99, responses={"1": ["b"], "2": [], "3": None}))

    assert answer.status_code == 200
    db.session.refresh(attempt)
    assert attempt.responses == {"1": ["b"]}


def test_without_a_session_every_body_is_answered_401(browser, attempt, live_app):
    stranger = live_app.test_client()
    stranger.set_cookie("contest_sid", "no such session")

    for raw in (json.dumps(body_for(attempt)), "{", "null", "x" * 70_000):
        answer = put(stranger, attempt, raw)
        assert (answer.status_code, answer.json["code"]) == (401, "not_signed_in")
    assert live_app.test_client().put(f"/attempts/{attempt.public_id}/responses").status_code == 401


def test_a_revoked_session_is_told_to_sign_in_before_its_token_is_judged(browser, attempt):
    db.session.execute(update(Session).values(revoked_at=func.now()))
    db.session.commit()

    assert put(browser, attempt, body_for(attempt), **{"X-CSRFToken": "wrong"}).status_code == 401


def test_a_wrong_token_or_a_foreign_origin_is_refused(browser, attempt):
    for headers in (
        {"X-CSRFToken": "wrong"},
        {"X-CSRFToken": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert put(browser, attempt, body_for(attempt), **headers).status_code == 403
    db.session.refresh(attempt)
    assert attempt.save_seq == 0


def test_another_persons_attempt_is_not_found(live_app, round, attempt):
    other = builders.sign_in(live_app.test_client(), builders.make_person(round.contest))
    token = {"csrf_token": builders.csrf(other)}

    assert put(other, attempt, body_for(attempt)).status_code == 404
    for address in ("", "/result"):
        assert other.get(f"/attempts/{attempt.public_id}{address}").status_code == 404
    for address in ("responses", "submission"):
        form = token if address == "submission" else token | form_for(attempt)
        assert other.post(f"/attempts/{attempt.public_id}/{address}", data=form).status_code == 404


# --- plain forms ---------------------------------------------------------------------------------


def form_for(attempt, **changes):
    return {
        "seq": "1",
        "base": "0",
        "editor": "plain",
        "shape": attempt.paper_shape,
        "q1": "b",
        "prediction": "1.200",
    } | changes


def post(browser, attempt, address, form):
    return browser.post(
        f"/attempts/{attempt.public_id}/{address}", data=form | {"csrf_token": builders.csrf(browser)}
    )


def test_the_plain_form_saves_and_comes_back(browser, attempt):
    answer = post(browser, attempt, "responses", form_for(attempt))

    assert (answer.status_code, answer.location) == (303, f"/attempts/{attempt.public_id}")
    db.session.refresh(attempt)
    assert (attempt.responses, attempt.prediction) == ({"1": ["b"]}, 1200)


def test_a_stale_form_shows_both_sheets_and_overwrites_nothing(browser, attempt):
    put(browser, attempt, body_for(attempt, seq=4, responses={"1": ["c"]}))

    for address in ("responses", "submission"):
        answer = post(browser, attempt, address, form_for(attempt))
        assert answer.status_code == 409
    db.session.refresh(attempt)
    assert (attempt.responses, attempt.submitted_at) == ({"1": ["c"]}, None)


def test_submitting_twice_gives_the_same_receipt(browser, attempt):
    first = post(browser, attempt, "submission", form_for(attempt))
    db.session.refresh(attempt)
    submitted_at = attempt.submitted_at
    second = post(browser, attempt, "submission", form_for(attempt, q1="d"))

    assert (first.status_code, first.location) == (second.status_code, second.location)
    assert first.status_code == 303
    db.session.refresh(attempt)
    assert (attempt.submitted_at, attempt.responses) == (submitted_at, {"1": ["b"]})


def test_a_form_with_nonsense_in_it_is_refused_with_a_sentence(browser, attempt):
    for changes in (
        {"prediction": "rất nhiều"},
        {"q1": "z"},
        {"seq": "x"},
        {"seq": "٣"},
        {"q1\x00": "a"},
        {"editor": "\x00"},
    ):
        for address in ("responses", "submission"):
            answer = post(browser, attempt, address, form_for(attempt, **changes))
            assert answer.status_code == 422, changes
            assert "Phiếu trả lời" in answer.text
    db.session.refresh(attempt)
    assert attempt.submitted_at is None


def test_a_submission_rings_for_the_workers(browser, attempt, live_app):
    post(browser, attempt, "submission", {})

    assert live_app.extensions["doorbell"].rings == 1


def test_the_paper_shows_no_key_and_no_code(browser, attempt):
    page = browser.get(f"/attempts/{attempt.public_id}").text

    assert "Câu hỏi T1 NB số" in page
    assert page.count('type="radio"') == 20
    assert "Lời giải thích" not in page
    assert all(item["code"] not in page for item in attempt.paper)


def test_a_start_by_somebody_who_is_not_signed_in_leads_to_the_sign_in(live_client, round):
    live_client.get("/login")

    answer = live_client.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(live_client)})

    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/login")


def test_a_refused_start_has_closed_the_persons_overdue_attempt(browser, person, round):
    overdue = builders.start(person, round, ago=timedelta(minutes=16))

    answer = browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})

    assert answer.status_code == 409
    db.session.refresh(overdue)
    assert (overdue.submitted_at, overdue.how) == (overdue.deadline_at, "deadline")


def test_a_large_body_with_a_dead_session_and_its_token_is_asked_to_sign_in(browser, attempt):
    db.session.execute(update(Session).values(revoked_at=func.now()))
    db.session.commit()

    assert put(browser, attempt, b"x" * 70_000).status_code == 401


def test_the_plain_form_saved_twice_at_once_is_asked_to_wait(browser, attempt):
    post(browser, attempt, "responses", form_for(attempt))

    answer = post(browser, attempt, "responses", form_for(attempt, seq="2", base="1"))

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


def test_a_receipt_shows_the_draw_id_and_no_name(browser, attempt, person):
    post(browser, attempt, "submission", form_for(attempt))
    db.session.refresh(attempt)

    page = browser.get(f"/receipts/{attempt.receipt_code}").text

    assert person.draw_id in page
    assert person.name not in page.partition("<main")[2]


def test_a_closed_round_answers_409(browser, round):
    round.closes_at = round.opens_at + timedelta(minutes=1)
    db.session.commit()

    answer = browser.post(f"/rounds/{round.id}/attempts", data={"csrf_token": builders.csrf(browser)})

    assert answer.status_code == 409
    assert "đã đóng" in answer.text


# --- races ---------------------------------------------------------------------------------------


def at_once(live_app, count, work):
    """Run the work in so many threads at the same moment; return what each returned."""
    barrier, results = threading.Barrier(count), []

    def run(number):
        with live_app.test_client() as client:
            barrier.wait()
            results.append(work(client, number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def unhurried(monkeypatch):
    """The races themselves are tried, so nobody is told to wait before them."""
    monkeypatch.setitem(POLICIES, "attempts.start", replace(POLICIES["attempts.start"], rate=None))


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("allowed", [1, 3])
def test_fifty_starts_at_once_give_one_open_attempt(live_app, person, round, allowed):
    builders.change_locked(round, attempts_allowed=allowed)
    tokens, round_id = [builders.token_of(person) for _ in range(5)], round.id

    def begin(client, number):
        client.set_cookie("contest_sid", tokens[number % 5])
        for _ in range(40):
            with live_app.app_context():
                token = builders.csrf(client)
            answer = client.post(f"/rounds/{round_id}/attempts", data={"csrf_token": token})
            if answer.status_code != 503:
                return answer.status_code, answer.location
            sleep(0.1)  # pages wait a little too before they come again
        return answer.status_code, None

    results = at_once(live_app, 50, begin)

    assert {status for status, _ in results} == {303}
    assert len({location for _, location in results}) == 1
    assert db.session.scalar(select(func.count()).select_from(Attempt)) == 1


@pytest.mark.usefixtures("unhurried")
def test_starts_and_submissions_at_once_never_exceed_the_attempts_allowed(live_app, person, round):
    builders.change_locked(round, attempts_allowed=3)
    tokens, round_id = [builders.token_of(person) for _ in range(4)], round.id

    def take(client, number):
        client.set_cookie("contest_sid", tokens[number % 4])
        with live_app.app_context():
            token = builders.csrf(client)
        for _ in range(10):
            begun = client.post(f"/rounds/{round_id}/attempts", data={"csrf_token": token})
            if begun.status_code == 409:
                return 409
            if begun.status_code == 303:
                client.post(f"{begun.location}/submission", data={"csrf_token": token})
        return 303

    assert 409 in at_once(live_app, 12, take)
    numbers = db.session.scalars(select(Attempt.number).order_by(Attempt.number)).all()
    assert numbers == [1, 2, 3]


def test_twenty_submissions_at_once_give_one_receipt(live_app, browser, attempt, person):
    tokens, public_id, shape = (
        [builders.token_of(person) for _ in range(4)],
        attempt.public_id,
        attempt.paper_shape,
    )

    def hand_in(client, number):
        client.set_cookie("contest_sid", tokens[number % 4])
        with live_app.app_context():
            token = builders.csrf(client)
        form = {"csrf_token": token, "seq": "1", "base": "0", "editor": "same", "shape": shape, "q1": "b"}
        for _ in range(40):
            answer = client.post(f"/attempts/{public_id}/submission", data=form)
            if answer.status_code != 503:
                return answer.status_code, answer.location
        return answer.status_code, None

    results = at_once(live_app, 20, hand_in)

    assert set(results) == {(303, f"/attempts/{public_id}/result")}
    db.session.refresh(attempt)
    assert attempt.responses == {"1": ["b"]}


def test_saves_racing_a_submission_leave_what_was_acknowledged(live_app, person, round):
    """Each acknowledged sheet is in the row, or an acknowledged later one replaced it."""
    for _ in range(5):
        racer = builders.make_person(round.contest)
        attempt = builders.start(racer, round)
        token, public_id, shape = builders.token_of(racer), attempt.public_id, attempt.paper_shape

        def race(client, number, token=token, public_id=public_id, shape=shape):
            client.set_cookie("contest_sid", token)
            with live_app.app_context():
                csrf = builders.csrf(client)
            if number == 0:
                return client.post(
                    f"/attempts/{public_id}/submission", data={"csrf_token": csrf}
                ).status_code, 0
            body = {
                "seq": number,
                "base": 0,
                "editor": "e",
                "shape": shape,
                "responses": {"1": ["abcd"[number % 4]]},
            }
            answer = client.put(f"/attempts/{public_id}/responses", json=body, headers={"X-CSRFToken": csrf})
            return answer.status_code, number if answer.status_code == 200 and answer.json["stored"] else 0

        results = at_once(live_app, 9, race)

        acknowledged = max(number for _, number in results)
        db.session.refresh(attempt)
        assert attempt.submitted_at is not None
        assert attempt.save_seq == acknowledged
        assert attempt.responses == ({"1": ["abcd"[acknowledged % 4]]} if acknowledged else {})


def test_the_result_of_an_attempt_that_still_has_time_leads_back_to_the_paper(browser, attempt):
    answer = browser.get(f"/attempts/{attempt.public_id}/result")

    assert (answer.status_code, answer.location) == (303, f"/attempts/{attempt.public_id}")
