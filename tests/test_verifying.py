"""`contest round verify`: nobody with the database changes anything unseen; the row is named."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from contest import contests, verifying_results
from contest.cli import main
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Attempt
from tests import builders

GUARDED = (
    "attempts",
    "audit_events",
    "pools",
    "prizes",
    "round_divisions",
    "rounds",
    "publications",
    "publication_files",
    "publication_pieces",
)


@pytest.fixture
def round(app):
    """A published round of five people: ties, a second attempt, units, a prediction."""
    contest = builders.make_contest()
    round = builders.make_round(contest, attempts_allowed=2, prediction_counted="people")
    builders.open_now(round)
    for right, prediction in ((5, 3), (5, None), (4, 9), (5, 3)):
        builders.finish_attempt(builders.make_person(contest), round, right=right, prediction=prediction)
    person = builders.make_person(contest, "officials")
    builders.finish_attempt(person, round, right=2)
    builders.finish_attempt(person, round, right=3, ago=timedelta(minutes=30))
    builders.close(round)
    builders.publish(round)
    return round


def faults(round):
    db.session.expire_all()
    found = contests.find_round(db.session(), round.id)
    return list(verifying_results.faults(db.session(), found, data_key=builders.data_key()))


def tamper(statement, **values):
    """Change rows as the owner of the database would, past every trigger."""
    db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for table in GUARDED:
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    changed = db.session.execute(text(statement), values).rowcount
    for table in GUARDED:
        db.session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    db.session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    assert changed >= 1


def test_an_honest_round_verifies(round):
    assert faults(round) == []
    builders.publish(round, reason="Bổ sung")
    assert faults(round) == []


def test_a_round_that_is_not_closed_is_not_verified(app):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    with pytest.raises(Conflict):
        faults(round)


ONE_ATTEMPT = "WHERE id = (SELECT min(id) FROM attempts)"


@pytest.mark.parametrize(
    "statement, table, column",
    [
        (f"UPDATE attempts SET points = points - 840 {ONE_ATTEMPT}", "attempts", "points"),
        (f"UPDATE attempts SET duration_ms = duration_ms - 1 {ONE_ATTEMPT}", "attempts", "duration_ms"),
        (
            "UPDATE attempts SET responses = jsonb_set(responses, '{1}',"
            f""" CASE WHEN responses -> '1' = '["d"]' THEN '["c"]'::jsonb"""
            f""" ELSE '["d"]'::jsonb END) {ONE_ATTEMPT}""",
            "attempts",
            "receipt_digest",
        ),
        (f"UPDATE attempts SET responses = responses - '1' {ONE_ATTEMPT}", "attempts", "receipt_digest"),
        (f"UPDATE attempts SET responses = '[]' {ONE_ATTEMPT}", "attempts", "receipt_digest"),
        (f"UPDATE attempts SET prediction = 4 {ONE_ATTEMPT}", "attempts", "receipt_digest"),
        (
            f"UPDATE attempts SET submitted_at = submitted_at - interval '1 second' {ONE_ATTEMPT}",
            "attempts",
            "receipt_digest",
        ),
        (
            f"UPDATE attempts SET started_at = started_at + interval '1 second' {ONE_ATTEMPT}",
            "attempts",
            "deadline_at",
        ),
        (
            f"UPDATE attempts SET deadline_at = deadline_at + interval '1 second' {ONE_ATTEMPT}",
            "attempts",
            "deadline_at",
        ),
        (f"UPDATE attempts SET extra_ms = 60000 {ONE_ATTEMPT}", "attempts", "deadline_at"),
        (f"UPDATE attempts SET outage_ms = 60000 {ONE_ATTEMPT}", "attempts", "duration_ms"),
        (f"UPDATE attempts SET receipt_digest = repeat('0', 64) {ONE_ATTEMPT}", "attempts", "receipt_digest"),
        (
            f"""UPDATE attempts SET paper = jsonb_set(paper, '{{0, order}}', (
                SELECT jsonb_agg(place ORDER BY number DESC)
                FROM jsonb_array_elements(paper #> '{{0, order}}') WITH ORDINALITY AS shown (place, number)))
                {ONE_ATTEMPT}""",
            "attempts",
            "paper",
        ),
        (f"UPDATE attempts SET paper = '{{}}' {ONE_ATTEMPT}", "attempts", "paper"),
        (
            "UPDATE attempts a SET account_id = b.account_id, number = 9 FROM attempts b"
            " WHERE a.id = (SELECT min(id) FROM attempts) AND b.id = (SELECT min(id) + 1 FROM attempts)",
            "attempts",
            "paper",
        ),
        ("UPDATE standings SET rank = rank + 1 WHERE position = 2", "standings", "rank"),
        ("UPDATE standings SET points = points + 1 WHERE position = 2", "standings", "points"),
        (
            "UPDATE standings SET separated_by = 'points' WHERE position = 1 AND separated_by <> ''",
            "standings",
            "separated_by",
        ),
        (
            "UPDATE standings SET prediction_error = 0 WHERE prediction_error > 0",
            "standings",
            "prediction_error",
        ),
        ("UPDATE standings SET attempts_used = 2 WHERE position = 2", "standings", "attempts_used"),
        ("DELETE FROM standings WHERE position = 2", "standings", "attempt_id"),
        ("UPDATE unit_standings SET rank = 7 WHERE position = 1", "unit_standings", "rank"),
        ("UPDATE unit_standings SET people = people + 1 WHERE position = 1", "unit_standings", "people"),
        ("DELETE FROM unit_standings WHERE position = 1", "unit_standings", "unit_id"),
        (
            "UPDATE round_divisions SET truth = truth + 1 WHERE truth IS NOT NULL",
            "round_divisions",
            "truth",
        ),
        ("UPDATE pools SET file = file || '\\x20'::bytea", "pools", "file"),
        ("UPDATE pools SET sha256 = repeat('0', 64)", "pools", "file"),
        ("UPDATE rounds SET seed_commitment = repeat('0', 64)", "rounds", "seed_commitment"),
        ("UPDATE rounds SET seed_sealed = '\\x00'::bytea", "rounds", "seed_sealed"),
        ("UPDATE audit_events SET reason = 'x' WHERE action = 'round.close_books'", "audit_events", "hash"),
        ("DELETE FROM audit_events WHERE action = 'round.close_books'", "audit_events", "hash"),
        (
            """UPDATE publications SET content = jsonb_set(content, '{winners, 0, name}', '"Ai đó"')""",
            "publications",
            "content",
        ),
        ("UPDATE publications SET sha256 = repeat('0', 64)", "publications", "sha256"),
        (
            "UPDATE publications SET published_at = published_at - interval '1 day'",
            "publications",
            "published_at",
        ),
        (
            "WITH a AS (DELETE FROM publication_pieces), b AS (DELETE FROM publication_files)"
            " DELETE FROM publications",
            "publications",
            "version",
        ),
        ("UPDATE publication_files SET sha256 = repeat('0', 64)", "publication_files", "sha256"),
        (
            "UPDATE publication_pieces SET deflated = set_byte(deflated, 40, get_byte(deflated, 40) # 1)"
            " WHERE file_id = (SELECT id FROM publication_files WHERE name = 'attempts.csv')",
            "publication_files",
            "sha256",
        ),
        (
            "WITH gone AS (DELETE FROM publication_files WHERE name = 'standings.csv' RETURNING id)"
            " DELETE FROM publication_pieces p USING gone WHERE p.file_id = gone.id",
            "publication_files",
            "sha256",
        ),
    ],
)
def test_what_is_changed_behind_the_application_is_named(round, statement, table, column):
    tamper(statement)
    found = faults(round)
    assert found
    assert (found[0].table, found[0].column) == (table, column), found[0]
    if table == "attempts":
        first = db.session.scalar(select(Attempt.public_id).order_by(Attempt.id).limit(1))
        assert first in {fault.row for fault in found}


def test_answers_swapped_with_score_standing_and_publication_are_still_seen(round):
    """Whoever swaps the answers and makes all that follows from them anew lacks the key of the receipt."""
    attempt = db.session.scalars(select(Attempt).where(Attempt.points == 4 * 840)).one()
    perfect = builders.answers(attempt, right=5)
    tamper(
        "UPDATE attempts SET responses = :responses, points = 4200 WHERE id = :id",
        responses=json.dumps(perfect),
        id=attempt.id,
    )
    tamper("UPDATE standings SET points = 4200 WHERE attempt_id = :id", id=attempt.id)
    builders.rank(round)
    builders.publish(round, reason="Sửa")
    found = faults(round)
    assert [(fault.row, fault.column) for fault in found] == [(attempt.public_id, "receipt_digest")]


def test_what_a_prize_list_says_against_the_ranking_is_named(round):
    """A page whose digest was made right again still has to follow from the facts."""
    from contest.publishing import content_digest

    content = db.session.scalar(text("SELECT content FROM publications"))
    content["winners"][0]["attempt"] = content["winners"][1]["attempt"]
    tamper(
        "UPDATE publications SET content = :content, content_sha256 = :digest",
        content=json.dumps(content),
        digest=content_digest(content),
    )
    columns = {fault.column for fault in faults(round)}
    assert columns == {"content_sha256", "content, winner 1, attempt"}


def test_the_command_names_the_first_row(live_app, monkeypatch):
    settings = live_app.config["CONTEST"]
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(settings, name)))
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    attempt = builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    builders.publish(round)

    honest = CliRunner().invoke(main, ["round", "verify", "1", "--json"])
    assert (honest.exit_code, json.loads(honest.stdout)) == (0, {"round": 1, "ok": True, "faults": []})

    db.session.execute(text("UPDATE attempts SET points = 0"))
    db.session.commit()
    changed = CliRunner().invoke(main, ["round", "verify", "1", "--json"])
    first = json.loads(changed.stdout)["faults"][0]
    assert changed.exit_code == 1
    assert first == {
        "table": "attempts",
        "row": attempt.public_id,
        "column": "points",
        "expected": 4200,
        "stored": 0,
    }
    words = CliRunner().invoke(main, ["round", "verify", "1"])
    assert f"KHÔNG KHỚP: attempts, {attempt.public_id}, points" in words.output
