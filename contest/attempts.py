"""The life of an attempt: started, saved, submitted, closed at its deadline.

This is the hot path. Every operation is one statement where it can be, with all its conditions in
it, and takes the database's statement time less `waited`: the seconds that the request waited in
the process since its whole body was there, so that a slow server costs nobody time. The statements
go to the driver itself: SQLAlchemy would cost as much again (docs/decisions/0017-hot-path.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import msgspec

from contest import pools
from contest.contests import SEED_PURPOSE
from contest.driver import AnyConnection, one_row
from contest.entries import NotSignedIn, facts_for_start, refuse_start
from contest.errors import Conflict, NotThere
from contest.models import Attempt
from contest.rules.sheets import Sheet, paper_shape
from contest.security import new_public_id, new_receipt_code, unseal
from question_bank.draw import PaperItem, draw_from, paper_seed, round_seed

FURTHEST_SEQ = 10_000
SAVES_APART = timedelta(milliseconds=250)


# --- start ---------------------------------------------------------------------------------------

# The round's row is shared until commit: whoever closes the round waits for starts under way.
_INSERT = """
WITH new AS (
    INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number,
                          pool_id, paper, paper_shape, started_at, closes_at, deadline_at, grace_ms, extra_ms)
    SELECT %(public_id)s, %(receipt_code)s, %(person)s, r.id, %(division_id)s, %(unit_id)s, %(number)s,
           %(pool_id)s, CAST(%(paper)s AS jsonb), %(shape)s, r.now, c.closes_at,
           least(r.now + r.duration_ms * interval '1 millisecond', c.closes_at)
           + %(extra_ms)s * interval '1 millisecond', r.grace_ms, %(extra_ms)s
    FROM (SELECT *, statement_timestamp() - make_interval(secs => %(waited)s) AS now
          FROM rounds WHERE id = %(id)s FOR SHARE) r
    CROSS JOIN LATERAL
         (SELECT greatest(r.closes_at, CAST(%(resit_closes_at)s AS timestamptz)) AS closes_at) c
    WHERE r.opened_at IS NOT NULL AND r.closed_at IS NULL AND r.now >= r.opens_at AND r.now < c.closes_at
      AND (r.paused_until IS NULL OR r.now >= r.paused_until)
    RETURNING id, public_id),
taken AS (UPDATE resits SET taken_id = new.id FROM new WHERE resits.id = %(resit_id)s)
SELECT public_id FROM new
"""

_CLOSE_ONE_OVERDUE = """
UPDATE attempts SET submitted_at = deadline_at, how = 'deadline'
WHERE public_id = %(id)s AND submitted_at IS NULL AND voided_at IS NULL
RETURNING submitted_at
"""
_POOL = "SELECT file, item_versions FROM pools WHERE id = %(id)s"


def start(
    connection: AnyConnection, token_hash: bytes, round_id: int, *, data_key: str, waited: float = 0
) -> str:
    """Open an attempt for the session's person and return its public id; at most three statements.

    Leads to the open attempt if there is one; one that is overdue is closed first (a fourth
    statement). Raises NotSignedIn, NotThere, or Conflict with the reason.
    """
    person, facts = facts_for_start(connection, token_hash, round_id, waited)
    if facts.open_id is not None:
        if facts.now < facts.open_until:
            return str(facts.open_id)
        one_row(connection, _CLOSE_ONE_OVERDUE, {"id": facts.open_id})
    refuse_start(facts)
    number = facts.numbers + 1
    pool = pools.kept(facts.pool_id, facts.pool_sha256)
    if pool is None:
        row = one_row(connection, _POOL, {"id": facts.pool_id})
        pool = pools.keep(facts.pool_id, facts.pool_sha256, row.file, row.item_versions)
    secret = unseal(data_key, facts.seed_sealed, SEED_PURPOSE)
    seed = paper_seed(round_seed(secret, facts.seed_text), person.draw_id, number)
    paper = draw_from(pool.candidates(facts.specification), seed, facts.had)
    new = one_row(
        connection,
        _INSERT,
        {
            **facts._asdict(),
            "public_id": new_public_id(),
            "receipt_code": new_receipt_code(),
            "person": person.id,
            "number": number,
            "paper": _json([{"code": item.code, "order": item.order} for item in paper]),
            "shape": paper_shape(paper, pool.items),
            "waited": waited,
        },
    )
    if new is None:
        raise Conflict("Vòng thi đã đóng hoặc đang tạm dừng, không nhận thêm lượt thi mới.")
    return str(new.public_id)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- save ----------------------------------------------------------------------------------------

# The one statement of a save. `fits`: the page's paper is this one, and the page knows what it
# replaces. The flood limit lets a saved_at in the future pass, or it would lock the person out.
_FITS = f"""
a.paper_shape = %(shape)s AND %(seq)s > a.save_seq AND %(seq)s - {FURTHEST_SEQ} <= a.save_seq
AND (a.save_editor = %(editor)s OR a.save_seq = %(base)s)
"""
_SAVE = f"""
UPDATE attempts a
SET responses = CAST(%(responses)s AS jsonb), prediction = CAST(%(prediction)s AS integer),
    save_seq = %(seq)s, save_editor = %(editor)s,
    saved_at = greatest(a.saved_at, statement_timestamp() - make_interval(secs => %(waited)s))
FROM sessions s
WHERE a.public_id = %(id)s AND s.token_hash = %(token)s AND s.account_id = a.account_id
  AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND a.submitted_at IS NULL AND a.voided_at IS NULL
  AND {_FITS}
  AND (a.saved_at IS NULL
       OR a.saved_at NOT BETWEEN statement_timestamp() - interval '250 milliseconds'
                             AND statement_timestamp())
  AND statement_timestamp() - make_interval(secs => %(waited)s)
      < a.deadline_at + a.grace_ms * interval '1 millisecond'
RETURNING a.saved_at, a.deadline_at, statement_timestamp() - make_interval(secs => %(waited)s) AS now
"""  # noqa: S608

# Why a save or a submission changed nothing: no row, no session; no attempt in it, not theirs.
_WHY_NOT = """
SELECT a.public_id, a.paper_shape, a.save_seq, a.save_editor, a.saved_at, a.responses, a.prediction,
       a.submitted_at, a.voided_at, a.deadline_at,
       a.deadline_at + a.grace_ms * interval '1 millisecond' AS open_until,
       statement_timestamp() AS statement_at,
       statement_timestamp() - make_interval(secs => %(waited)s) AS now
FROM sessions s LEFT JOIN attempts a ON a.public_id = %(id)s AND a.account_id = s.account_id
WHERE s.token_hash = %(token)s AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
"""


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
    connection: AnyConnection, token_hash: bytes, public_id: str, sheet: Sheet, *, waited: float = 0
) -> Saved:
    """Store a whole answer sheet in one statement; a second one only tells why it was not stored.

    The caller commits (or is in autocommit) before it acknowledges. Raises NotSignedIn or NotThere.
    """
    row = one_row(connection, _SAVE, _parameters(token_hash, public_id, sheet, waited))
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
        "responses": _json(sheet.responses),
        "prediction": sheet.prediction,
    }


def _why_not(connection: AnyConnection, token_hash: bytes, public_id: str, waited: float) -> Any:
    facts = one_row(connection, _WHY_NOT, {"token": token_hash, "id": public_id, "waited": waited})
    if facts is None:
        raise NotSignedIn
    if facts.public_id is None:
        raise NotThere("Không tìm thấy bài thi này.")
    return facts


def _outcome(facts: Any, sheet: Sheet) -> Outcome:
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


def _stored(facts: Any) -> Stored:
    return Stored(facts.save_seq, facts.save_editor, facts.saved_at, facts.responses, facts.prediction)


def _judged(facts: Any, outcome: Outcome, sheet: Sheet | None) -> Saved:
    stored = _stored(facts)
    return Saved(outcome, stored, stored.is_the(sheet), _remaining_ms(facts))


def _remaining_ms(row: Any) -> int:
    left: timedelta = row.deadline_at - row.now
    return max(0, left // timedelta(milliseconds=1))


# --- submit --------------------------------------------------------------------------------------

_CLOSE_BY_PERSON = """
submitted_at = statement_timestamp() - make_interval(secs => %(waited)s), how = 'person'
FROM sessions s
WHERE a.public_id = %(id)s AND s.token_hash = %(token)s AND s.account_id = a.account_id
  AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND a.submitted_at IS NULL AND a.voided_at IS NULL
  AND statement_timestamp() - make_interval(secs => %(waited)s)
      < a.deadline_at + a.grace_ms * interval '1 millisecond'
"""
_SUBMIT_WITHOUT_SHEET = f"UPDATE attempts a SET {_CLOSE_BY_PERSON} RETURNING a.submitted_at"  # noqa: S608

# With a sheet: judged as a save, without the flood limit. One that was stored already counts as
# stored; one that does not fit closes the attempt only within the grace, with the stored sheet.
_SUBMIT = f"""
UPDATE attempts a
SET responses = CASE WHEN {_FITS} THEN CAST(%(responses)s AS jsonb) ELSE a.responses END,
    prediction = CASE WHEN {_FITS} THEN CAST(%(prediction)s AS integer) ELSE a.prediction END,
    save_editor = CASE WHEN {_FITS} THEN %(editor)s ELSE a.save_editor END,
    saved_at = CASE WHEN {_FITS}
                    THEN greatest(a.saved_at, statement_timestamp() - make_interval(secs => %(waited)s))
                    ELSE a.saved_at END,
    save_seq = CASE WHEN {_FITS} THEN %(seq)s ELSE a.save_seq END,
    {_CLOSE_BY_PERSON}
  AND (({_FITS})
       OR (a.paper_shape = %(shape)s AND a.save_seq = %(seq)s AND a.save_editor = %(editor)s
           AND a.responses = CAST(%(responses)s AS jsonb)
           AND a.prediction IS NOT DISTINCT FROM CAST(%(prediction)s AS integer))
       OR statement_timestamp() - make_interval(secs => %(waited)s) >= a.deadline_at)
RETURNING a.submitted_at
"""  # noqa: S608

# An unreadable sheet: closes the attempt only within the grace.
_SUBMIT_IN_GRACE = (
    f"UPDATE attempts a SET {_CLOSE_BY_PERSON}"  # noqa: S608
    "AND statement_timestamp() - make_interval(secs => %(waited)s) >= a.deadline_at RETURNING a.submitted_at"
)


def submit(
    connection: AnyConnection,
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
    if one_row(connection, statement, parameters) is not None:
        return None
    facts = _why_not(connection, token_hash, public_id, waited)
    if sheet is not None:
        outcome = _outcome(facts, sheet)
        # A sheet for another paper says nothing about an attempt that is closed anyway.
        if outcome in (Outcome.WRONG_SHAPE, Outcome.TOO_FAR_AHEAD):
            outcome = _closed(facts) or outcome
        return _judged(facts, outcome, sheet)
    return _judged(facts, _closed(facts) or Outcome.UNKNOWN, None)


def _closed(facts: Any) -> Outcome | None:
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
