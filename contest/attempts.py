"""The life of an attempt: started, saved, submitted, closed at its deadline.

This is the hot path. Every operation is one statement where it can be, with all its conditions in
it, and takes the database's statement time less `waited`: the seconds that the request waited in
the process since its whole body was there, so that a slow server costs nobody time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, Row, text

from contest import locks
from contest.contests import SEED_PURPOSE
from contest.errors import Conflict, NotThere
from contest.formatting import vn_datetime, vn_duration
from contest.models import Attempt
from contest.pools import loaded, specification_cells
from contest.rules.sheets import Sheet, paper_shape
from contest.rules.timing import next_start
from contest.security import new_public_id, new_receipt_code, unseal
from question_bank.draw import PaperItem, draw_paper, paper_seed, round_seed

FURTHEST_SEQ = 10_000
SAVES_APART = timedelta(milliseconds=250)


class NotSignedIn(Exception):
    """The session is none, or no longer alive."""


# --- start ---------------------------------------------------------------------------------------

_LOCK_PERSON = text("""
SELECT p.id, p.draw_id, pg_advisory_xact_lock_shared(:starts)
FROM sessions s JOIN accounts p ON p.id = s.account_id
WHERE s.token_hash = :token AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND p.locked_at IS NULL
FOR NO KEY UPDATE OF p
""")

# A statement of its own after the lock, so that it sees what the person's other start committed.
_FACTS_FOR_START = text("""
SELECT r.id, r.opened_at, r.closed_at, r.opens_at, greatest(r.closes_at, resit.closes_at) AS closes_at,
       r.paused_until, r.attempts_allowed, r.cooldown_ms, r.seed_sealed, r.seed_text, resit.id AS resit_id,
       resit.closes_at AS resit_closes_at,
       (SELECT coalesce(sum(x.extra_ms), 0) FROM extra_times x
        WHERE x.contest_id = r.contest_id AND x.revoked_at IS NULL
          AND (x.round_id IS NULL OR x.round_id = r.id)
          AND (x.registration_id = g.id OR x.unit_id = g.unit_id OR x.division_id = g.division_id)
       ) AS extra_ms,
       g.division_id, g.unit_id, d.specification, p.id AS pool_id, p.sha256 AS pool_sha256,
       statement_timestamp() - make_interval(secs => :waited) AS now,
       own.used, own.numbers, own.last_submitted_at,
       own.open_id, own.open_deadline_at,
       own.open_deadline_at + own.open_grace_ms * interval '1 millisecond' AS open_until,
       ARRAY(SELECT DISTINCT item ->> 'code'
             FROM attempts a JOIN rounds o ON o.id = a.round_id, jsonb_array_elements(a.paper) item
             WHERE a.account_id = :person AND o.contest_id = r.contest_id) AS had
FROM rounds r
LEFT JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = :person
LEFT JOIN round_divisions d ON d.round_id = r.id AND d.division_id = g.division_id
LEFT JOIN LATERAL (SELECT id, sha256 FROM pools WHERE round_id = r.id AND division_id = g.division_id
                   ORDER BY version DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT id, closes_at FROM resits
                   WHERE round_id = r.id AND account_id = :person AND taken_id IS NULL
                     AND closes_at > statement_timestamp() - make_interval(secs => :waited)
                   ORDER BY closes_at LIMIT 1) resit ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE voided_at IS NULL) AS used, coalesce(max(number), 0) AS numbers,
           max(submitted_at) FILTER (WHERE voided_at IS NULL) AS last_submitted_at,
           max(public_id) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_id,
           max(deadline_at) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_deadline_at,
           max(grace_ms) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_grace_ms
    FROM attempts WHERE account_id = :person AND round_id = r.id) own
WHERE r.id = :round
""")

# The round's row is shared until commit: whoever closes the round waits for starts under way.
_INSERT = text("""
WITH new AS (
    INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number,
                          pool_id, paper, paper_shape, started_at, closes_at, deadline_at, grace_ms, extra_ms)
    SELECT :public_id, :receipt_code, :person, r.id, :division_id, :unit_id, :number, :pool_id,
           CAST(:paper AS jsonb), :shape, r.now, c.closes_at,
           least(r.now + r.duration_ms * interval '1 millisecond', c.closes_at)
           + :extra_ms * interval '1 millisecond', r.grace_ms, :extra_ms
    FROM (SELECT *, statement_timestamp() - make_interval(secs => :waited) AS now
          FROM rounds WHERE id = :id FOR SHARE) r
    CROSS JOIN LATERAL
         (SELECT greatest(r.closes_at, CAST(:resit_closes_at AS timestamptz)) AS closes_at) c
    WHERE r.opened_at IS NOT NULL AND r.closed_at IS NULL AND r.now >= r.opens_at AND r.now < c.closes_at
      AND (r.paused_until IS NULL OR r.now >= r.paused_until)
    RETURNING id, public_id),
taken AS (UPDATE resits SET taken_id = new.id FROM new WHERE resits.id = :resit_id)
SELECT public_id FROM new
""")

_CLOSE_ONE_OVERDUE = text("""
UPDATE attempts SET submitted_at = deadline_at, how = 'deadline'
WHERE public_id = :id AND submitted_at IS NULL AND voided_at IS NULL
""")


def start(
    connection: Connection, token_hash: bytes, round_id: int, *, data_key: str, waited: float = 0
) -> str:
    """Open an attempt for the session's person and return its public id; at most three statements.

    Leads to the open attempt if there is one; one that is overdue is closed first (a fourth
    statement). Raises NotSignedIn, NotThere, or Conflict with the reason.
    """
    person, facts = _facts_for_start(connection, token_hash, round_id, waited)
    if facts.open_id is not None:
        if facts.now < facts.open_until:
            return str(facts.open_id)
        connection.execute(_CLOSE_ONE_OVERDUE, {"id": facts.open_id})
    _refuse_start(facts)
    number = facts.numbers + 1
    pool = loaded(connection, facts.pool_id, facts.pool_sha256)
    secret = unseal(data_key, facts.seed_sealed, SEED_PURPOSE)
    seed = paper_seed(round_seed(secret, facts.seed_text), person.draw_id, number)
    paper = draw_paper(list(pool.items.values()), specification_cells(facts.specification), seed, facts.had)
    public_id = connection.scalar(
        _INSERT,
        {
            **facts._mapping,
            "public_id": new_public_id(),
            "receipt_code": new_receipt_code(),
            "person": person.id,
            "number": number,
            "paper": json.dumps([{"code": item.code, "order": item.order} for item in paper]),
            "shape": paper_shape(paper, pool.items),
            "waited": waited,
        },
    )
    if public_id is None:
        raise Conflict("Vòng thi đã đóng hoặc đang tạm dừng, không nhận thêm lượt thi mới.")
    return str(public_id)


def may_start(
    connection: Connection, token_hash: bytes, round_id: int, *, waited: float = 0
) -> tuple[int, str | None]:
    """Return the session's person, locked, and their open attempt; raise as start does if they can't."""
    person, facts = _facts_for_start(connection, token_hash, round_id, waited)
    if facts.open_id is not None and facts.now < facts.open_until:
        return person.id, str(facts.open_id)
    _refuse_start(facts)
    return person.id, None


def _facts_for_start(
    connection: Connection, token_hash: bytes, round_id: int, waited: float
) -> tuple[Row[Any], Row[Any]]:
    """Lock the session's person, and return them and what decides on their start."""
    person = connection.execute(_LOCK_PERSON, {"token": token_hash, "starts": locks.STARTS}).one_or_none()
    if person is None:
        raise NotSignedIn
    known = {"person": person.id, "round": round_id, "waited": waited}
    facts = connection.execute(_FACTS_FOR_START, known).one_or_none()
    if facts is None:
        raise NotThere("Không tìm thấy vòng thi này.")
    return person, facts


def _refuse_start(facts: Row[Any]) -> None:
    """Raise Conflict with the rule that keeps the person from starting, if there is one."""
    if facts.opened_at is None or facts.now < facts.opens_at:
        raise Conflict(f"Vòng thi chưa mở. Bạn có thể vào thi từ {vn_datetime(facts.opens_at)}.")
    if facts.closed_at is not None or facts.now >= facts.closes_at:
        raise Conflict(f"Vòng thi đã đóng lúc {vn_datetime(facts.closes_at)}.")
    if facts.paused_until is not None and facts.now < facts.paused_until:
        raise Conflict(
            f"Vòng thi đang tạm dừng. Bạn có thể vào thi từ {vn_datetime(facts.paused_until)}; "
            "Ban Tổ chức có thể cho tiếp tục sớm hơn."
        )
    if facts.division_id is None:
        raise Conflict("Bạn chưa đăng ký dự thi cuộc thi này.")
    if facts.pool_id is None:
        raise Conflict("Vòng này không dành cho bảng thi của bạn.")
    if facts.used >= facts.attempts_allowed:
        raise Conflict(
            f"Mỗi người được thi {facts.attempts_allowed} lần trong vòng này. "
            f"Bạn đã nộp bài lúc {vn_datetime(facts.last_submitted_at or facts.open_deadline_at)}."
        )
    # One that is overdue has just been closed, at its deadline.
    next_at = next_start(facts.open_deadline_at or facts.last_submitted_at, facts.cooldown_ms)
    if next_at is not None and facts.now < next_at:
        raise Conflict(
            f"Hai lượt thi cách nhau ít nhất {vn_duration(facts.cooldown_ms)}. "
            f"Bạn bắt đầu được lượt tiếp theo từ {vn_datetime(next_at)}."
        )


# --- save ----------------------------------------------------------------------------------------

# The one statement of a save. `fits`: the page's paper is this one, and the page knows what it
# replaces. The flood limit lets a saved_at in the future pass, or it would lock the person out.
_FITS = """
a.paper_shape = :shape AND :seq > a.save_seq AND :seq - :furthest <= a.save_seq
AND (a.save_editor = :editor OR a.save_seq = :base)
"""
_SAVE = text(f"""
UPDATE attempts a
SET responses = CAST(:responses AS jsonb), prediction = CAST(:prediction AS integer), save_seq = :seq,
    save_editor = :editor,
    saved_at = greatest(a.saved_at, statement_timestamp() - make_interval(secs => :waited))
FROM sessions s
WHERE a.public_id = :id AND s.token_hash = :token AND s.account_id = a.account_id
  AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND a.submitted_at IS NULL AND a.voided_at IS NULL
  AND {_FITS}
  AND (a.saved_at IS NULL
       OR a.saved_at NOT BETWEEN statement_timestamp() - interval '250 milliseconds'
                             AND statement_timestamp())
  AND statement_timestamp() - make_interval(secs => :waited)
      < a.deadline_at + a.grace_ms * interval '1 millisecond'
RETURNING a.saved_at, a.deadline_at, statement_timestamp() - make_interval(secs => :waited) AS now
""")  # noqa: S608

# Why a save or a submission changed nothing: no row, no session; no attempt in it, not theirs.
_WHY_NOT = text("""
SELECT a.public_id, a.paper_shape, a.save_seq, a.save_editor, a.saved_at, a.responses, a.prediction,
       a.submitted_at, a.voided_at, a.deadline_at,
       a.deadline_at + a.grace_ms * interval '1 millisecond' AS open_until,
       statement_timestamp() AS statement_at,
       statement_timestamp() - make_interval(secs => :waited) AS now
FROM sessions s LEFT JOIN attempts a ON a.public_id = :id AND a.account_id = s.account_id
WHERE s.token_hash = :token AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
""")


class Outcome(Enum):
    """What became of a sheet."""

    STORED = auto()
    STALE = auto()  # another page has saved since
    WRONG_SHAPE = auto()  # it answers another paper
    TOO_FAR_AHEAD = auto()  # its seq
    VOIDED = auto()
    SUBMITTED = auto()
    DEADLINE_PASSED = auto()
    TOO_SOON = auto()
    UNKNOWN = auto()  # it would be taken by now: send it again


CLOSED = frozenset({Outcome.VOIDED, Outcome.SUBMITTED, Outcome.DEADLINE_PASSED})


@dataclass(frozen=True)
class Stored:
    """The sheet as the database has it."""

    seq: int
    editor: str
    saved_at: datetime | None
    responses: Mapping[str, list[str]]
    prediction: int | None

    def is_the(self, sheet: Sheet | None) -> bool:
        """Tell whether this is the sheet that the page has sent."""
        return sheet is not None and (
            (self.seq, self.editor, self.responses, self.prediction)
            == (sheet.seq, sheet.editor, sheet.responses, sheet.prediction)
        )


@dataclass(frozen=True)
class Saved:
    """The answer to a save: the outcome, the sheet that is stored now, the time that is left."""

    outcome: Outcome
    stored: Stored
    is_the_stored: bool
    remaining_ms: int


def save(
    connection: Connection, token_hash: bytes, public_id: str, sheet: Sheet, *, waited: float = 0
) -> Saved:
    """Store a whole answer sheet in one statement; a second one only tells why it was not stored.

    The caller commits (or is in autocommit) before it acknowledges. Raises NotSignedIn or NotThere.
    """
    row = connection.execute(_SAVE, _parameters(token_hash, public_id, sheet, waited)).one_or_none()
    if row is not None:
        stored = Stored(sheet.seq, sheet.editor, row.saved_at, sheet.responses, sheet.prediction)
        return Saved(Outcome.STORED, stored, True, _remaining_ms(row))
    facts = _why_not(connection, token_hash, public_id, waited)
    return _judged(facts, _outcome(facts, sheet), sheet)


def _parameters(token_hash: bytes, public_id: str, sheet: Sheet, waited: float) -> dict[str, Any]:
    return {
        "token": token_hash,
        "id": public_id,
        "waited": waited,
        "seq": sheet.seq,
        "base": sheet.base,
        "editor": sheet.editor,
        "shape": sheet.shape,
        "responses": json.dumps(sheet.responses),
        "prediction": sheet.prediction,
        "furthest": FURTHEST_SEQ,
    }


def _why_not(connection: Connection, token_hash: bytes, public_id: str, waited: float) -> Row[Any]:
    facts = connection.execute(
        _WHY_NOT, {"token": token_hash, "id": public_id, "waited": waited}
    ).one_or_none()
    if facts is None:
        raise NotSignedIn
    if facts.public_id is None:
        raise NotThere("Không tìm thấy bài thi này.")
    return facts


def _outcome(facts: Row[Any], sheet: Sheet) -> Outcome:
    """Return why the row did not take the sheet, in the order of rules.md."""
    if facts.paper_shape != sheet.shape:
        return Outcome.WRONG_SHAPE
    if sheet.seq > facts.save_seq + FURTHEST_SEQ:
        return Outcome.TOO_FAR_AHEAD
    if facts.voided_at is not None:
        return Outcome.VOIDED
    if facts.submitted_at is not None:
        return Outcome.SUBMITTED
    if facts.now >= facts.open_until:
        return Outcome.DEADLINE_PASSED
    if _stored(facts).is_the(sheet):
        return Outcome.STORED
    if sheet.seq <= facts.save_seq or (facts.save_editor != sheet.editor and facts.save_seq != sheet.base):
        return Outcome.STALE
    if facts.saved_at and facts.statement_at - SAVES_APART <= facts.saved_at <= facts.statement_at:
        return Outcome.TOO_SOON
    return Outcome.UNKNOWN


def _stored(facts: Row[Any]) -> Stored:
    return Stored(facts.save_seq, facts.save_editor, facts.saved_at, facts.responses, facts.prediction)


def _judged(facts: Row[Any], outcome: Outcome, sheet: Sheet | None) -> Saved:
    stored = _stored(facts)
    return Saved(outcome, stored, stored.is_the(sheet), _remaining_ms(facts))


def _remaining_ms(row: Row[Any]) -> int:
    left: timedelta = row.deadline_at - row.now
    return max(0, left // timedelta(milliseconds=1))


# --- submit --------------------------------------------------------------------------------------

_CLOSE_BY_PERSON = """
submitted_at = statement_timestamp() - make_interval(secs => :waited), how = 'person'
FROM sessions s
WHERE a.public_id = :id AND s.token_hash = :token AND s.account_id = a.account_id
  AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND a.submitted_at IS NULL AND a.voided_at IS NULL
  AND statement_timestamp() - make_interval(secs => :waited)
      < a.deadline_at + a.grace_ms * interval '1 millisecond'
"""
_SUBMIT_WITHOUT_SHEET = text(f"UPDATE attempts a SET {_CLOSE_BY_PERSON} RETURNING a.submitted_at")  # noqa: S608

# With a sheet: judged as a save, without the flood limit. One that was stored already counts as
# stored; one that does not fit closes the attempt only within the grace, with the stored sheet.
_SUBMIT = text(f"""
UPDATE attempts a
SET responses = CASE WHEN {_FITS} THEN CAST(:responses AS jsonb) ELSE a.responses END,
    prediction = CASE WHEN {_FITS} THEN CAST(:prediction AS integer) ELSE a.prediction END,
    save_editor = CASE WHEN {_FITS} THEN :editor ELSE a.save_editor END,
    saved_at = CASE WHEN {_FITS}
                    THEN greatest(a.saved_at, statement_timestamp() - make_interval(secs => :waited))
                    ELSE a.saved_at END,
    save_seq = CASE WHEN {_FITS} THEN :seq ELSE a.save_seq END,
    {_CLOSE_BY_PERSON}
  AND (({_FITS})
       OR (a.paper_shape = :shape AND a.save_seq = :seq AND a.save_editor = :editor
           AND a.responses = CAST(:responses AS jsonb)
           AND a.prediction IS NOT DISTINCT FROM CAST(:prediction AS integer))
       OR statement_timestamp() - make_interval(secs => :waited) >= a.deadline_at)
RETURNING a.submitted_at
""")  # noqa: S608

# An unreadable sheet: closes the attempt only within the grace.
_SUBMIT_IN_GRACE = text(
    f"UPDATE attempts a SET {_CLOSE_BY_PERSON}"  # noqa: S608
    "AND statement_timestamp() - make_interval(secs => :waited) >= a.deadline_at RETURNING a.submitted_at"
)


def submit(
    connection: Connection,
    token_hash: bytes,
    public_id: str,
    sheet: Sheet | None = None,
    *,
    is_unreadable: bool = False,
    waited: float = 0,
) -> Saved | None:
    """Close the attempt with its last sheet; at most two statements.

    Returns None if this call closed it, otherwise why not: VOIDED, SUBMITTED (whoever closed it) and
    DEADLINE_PASSED are as good as done; with any other outcome the attempt is open still, and the
    person is to be asked. Without a sheet the stored one counts; `is_unreadable` says that there was
    one that can't be read. Raises NotSignedIn or NotThere.
    """
    if sheet is not None:
        statement, parameters = _SUBMIT, _parameters(token_hash, public_id, sheet, waited)
    else:
        statement = _SUBMIT_IN_GRACE if is_unreadable else _SUBMIT_WITHOUT_SHEET
        parameters = {"token": token_hash, "id": public_id, "waited": waited}
    if connection.execute(statement, parameters).one_or_none() is not None:
        return None
    facts = _why_not(connection, token_hash, public_id, waited)
    if sheet is not None:
        outcome = _outcome(facts, sheet)
        # A sheet for another paper says nothing about an attempt that is closed anyway.
        if outcome in (Outcome.WRONG_SHAPE, Outcome.TOO_FAR_AHEAD):
            outcome = _closed(facts) or outcome
        return _judged(facts, outcome, sheet)
    return _judged(facts, _closed(facts) or Outcome.UNKNOWN, None)


def _closed(facts: Row[Any]) -> Outcome | None:
    if facts.voided_at is not None:
        return Outcome.VOIDED
    if facts.submitted_at is not None:
        return Outcome.SUBMITTED
    return Outcome.DEADLINE_PASSED if facts.now >= facts.open_until else None


# --- reading -------------------------------------------------------------------------------------


def is_sitting(attempt: Attempt, *, now: datetime) -> bool:
    """Tell whether an attempt is open and has time left."""
    return attempt.submitted_at is None and attempt.voided_at is None and now < attempt.deadline_at


def paper_of(stored: Sequence[Mapping[str, Any]]) -> list[PaperItem]:
    """Return a stored paper as the draw made it."""
    return [PaperItem(item["code"], tuple(item["order"])) for item in stored]
