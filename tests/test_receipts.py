"""Receipts: what was handed in is bound once, and anyone with the code sees when and how it was drawn."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contest import deadlines, papers, scoring
from contest.extensions import db
from contest.receipts import receipt_facts
from contest.security import plain_receipt_code, receipt_digest
from tests import builders


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest, attempts_allowed=2))


@pytest.fixture
def attempt(contest, round):
    return builders.finish_attempt(builders.make_person(contest), round, right=3, prediction=4)


def digest_of(attempt):
    return receipt_digest(builders.data_key(), receipt_facts(attempt))


# --- the digest ----------------------------------------------------------------------------------


def test_the_page_shows_before_the_scoring_what_is_stored_by_it(client, contest, round):
    attempt = builders.finish_attempt(builders.make_person(contest), round, is_scored=False)
    assert attempt.receipt_digest is None
    before = re.search(r"\b[0-9a-f]{64}\b", client.get(f"/receipts/{attempt.receipt_code}").text)[0]
    builders.score_all()
    db.session.refresh(attempt)
    assert attempt.receipt_digest == before == digest_of(attempt)


def test_scoring_anew_keeps_the_first_digest(attempt):
    """Or whoever changes answers and has them scored again would have them bound."""
    first = attempt.receipt_digest
    db.session.execute(
        text("UPDATE attempts SET responses = '{}', scored_at = NULL, points = NULL, duration_ms = NULL")
    )
    db.session.commit()
    assert scoring.score_batch(db.session(), data_key=builders.data_key()) == 1
    db.session.refresh(attempt)
    assert attempt.points == 0
    assert attempt.receipt_digest == first != digest_of(attempt)


def test_a_deadline_binds_as_a_person_does(contest, round):
    attempt = builders.start(builders.make_person(contest), round, ago=timedelta(minutes=16))
    deadlines.close_overdue(db.session())
    builders.score_all()
    db.session.refresh(attempt)
    assert (attempt.how, attempt.receipt_digest) == ("deadline", digest_of(attempt))


def test_a_score_without_a_digest_is_refused(contest, round):
    attempt = builders.finish_attempt(builders.make_person(contest), round, is_scored=False)
    with pytest.raises(IntegrityError, match="scored_with_receipt"):
        db.session.execute(
            text(
                "UPDATE attempts SET scored_at = statement_timestamp(), points = 0, duration_ms = 0"
                " WHERE id = :id"
            ),
            {"id": attempt.id},
        )


def test_swapped_answers_show_on_the_receipt(client, attempt):
    page = client.get(f"/receipts/{attempt.receipt_code}").text
    assert "còn nguyên như lúc nộp" in page
    db.session.execute(text("UPDATE attempts SET responses = '{}'"))
    db.session.commit()
    page = client.get(f"/receipts/{attempt.receipt_code}").text
    assert "KHÔNG còn như lúc nộp" in page
    assert attempt.receipt_digest in page


# --- asking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, code",
    [
        ("7K2M-Q9XD-4TWA", "7K2MQ9XD4TWA"),
        (" 7k2m q9xd 4twa ", "7K2MQ9XD4TWA"),
        ("7K2M–Q9XD–4TWA", "7K2MQ9XD4TWA"),
        ("OIL0-1111-0000", "011011110000"),
        ("", ""),
        ("Đ", ""),
    ],
)
def test_a_code_is_read_however_it_was_written_down(typed, code):
    assert plain_receipt_code(typed) == code


def test_the_form_leads_to_the_receipt(client, attempt):
    code = attempt.receipt_code
    assert "<form" in client.get("/receipts").text
    answer = client.get("/receipts", query_string={"code": f" {code[:4]}-{code[4:8].lower()}-{code[8:]}"})
    assert (answer.status_code, answer.location) == (303, f"/receipts/{code}")


@pytest.mark.parametrize("code", ["AAAABBBBCCCC", "x" * 5000, "\x00", "%"])
def test_an_unknown_code_is_asked_for_again(client, attempt, code):
    answer = client.get("/receipts", query_string={"code": code})
    assert answer.status_code == 404
    assert "Không có biên nhận nào" in answer.text


def test_an_open_attempt_has_no_receipt(client, contest, round):
    attempt = builders.start(builders.make_person(contest), round)
    assert client.get("/receipts", query_string={"code": attempt.receipt_code}).status_code == 404


# --- the draw ------------------------------------------------------------------------------------


def test_the_draw_is_not_shown_while_the_round_is_open(client, attempt):
    page = client.get(f"/receipts/{attempt.receipt_code}").text
    assert papers.redrawn(db.session(), attempt, data_key=builders.data_key()) is None
    assert attempt.paper[0]["code"] not in page


def test_after_the_closing_anyone_sees_the_paper_drawn_again(client, round, attempt):
    builders.close(round)
    page = client.get(f"/receipts/{attempt.receipt_code}").text
    redrawn = papers.redrawn(db.session(), attempt, data_key=builders.data_key())
    assert redrawn.is_the_stored
    assert redrawn.positions == [(item["code"], " ".join(map(str, item["order"]))) for item in attempt.paper]
    for shown in (redrawn.seed, redrawn.paper_seed, redrawn.message, round.seed_commitment, "đúng đề thi"):
        assert shown in page
    for hidden in ("Câu hỏi T1", "Phương án 1", attempt.account.name, attempt.public_id):
        assert hidden not in page.partition("<main")[2]


def test_a_second_attempt_is_drawn_knowing_the_first(contest, round):
    person = builders.make_person(contest)
    first = builders.finish_attempt(person, round)
    second = builders.finish_attempt(person, round, ago=timedelta(minutes=30))
    builders.close(round)
    redrawn = papers.redrawn(db.session(), second, data_key=builders.data_key())
    assert redrawn.had == sorted(item["code"] for item in first.paper)
    assert redrawn.is_the_stored


def test_a_paper_that_was_not_drawn_so_is_told(client, round, attempt):
    builders.close(round)
    first, *others = attempt.paper
    attempt.paper = [{**first, "order": first["order"][::-1]}, *others]
    db.session.commit()
    assert "một đề KHÁC" in client.get(f"/receipts/{attempt.receipt_code}").text
