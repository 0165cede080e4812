"""Who may start an attempt: two statements tell, and the first rule that keeps them from it is the answer."""

from typing import Any

from contest import locks
from contest.driver import AnyConnection, one_row
from contest.errors import Conflict, NotThere
from contest.formatting import vn_datetime, vn_duration
from contest.rules.timing import next_start


class NotSignedIn(Exception):
    """The session is none, or no longer alive."""


_LOCK_PERSON = """
SELECT p.id, p.draw_id, pg_advisory_xact_lock_shared(%(starts)s)
FROM sessions s JOIN accounts p ON p.id = s.account_id
WHERE s.token_hash = %(token)s AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
  AND p.locked_at IS NULL
FOR NO KEY UPDATE OF p
"""

# A statement of its own after the lock, so that it sees what the person's other start committed.
_FACTS_FOR_START = """
SELECT r.id, r.opened_at, r.closed_at, r.opens_at, greatest(r.closes_at, resit.closes_at) AS closes_at,
       r.paused_until, r.attempts_allowed, r.cooldown_ms, r.seed_sealed, r.seed_text, resit.id AS resit_id,
       resit.closes_at AS resit_closes_at,
       (SELECT coalesce(sum(x.extra_ms), 0) FROM extra_times x
        WHERE x.contest_id = r.contest_id AND x.revoked_at IS NULL
          AND (x.round_id IS NULL OR x.round_id = r.id)
          AND (x.registration_id = g.id OR x.unit_id = g.unit_id OR x.division_id = g.division_id)
       ) AS extra_ms,
       g.division_id, g.unit_id, d.specification, p.id AS pool_id, p.sha256 AS pool_sha256,
       statement_timestamp() - make_interval(secs => %(waited)s) AS now,
       own.used, own.numbers, own.last_submitted_at,
       own.open_id, own.open_deadline_at,
       own.open_deadline_at + own.open_grace_ms * interval '1 millisecond' AS open_until,
       ARRAY(SELECT DISTINCT item ->> 'code'
             FROM attempts a JOIN rounds o ON o.id = a.round_id, jsonb_array_elements(a.paper) item
             WHERE a.account_id = %(person)s AND o.contest_id = r.contest_id) AS had
FROM rounds r
LEFT JOIN registrations g ON g.contest_id = r.contest_id AND g.account_id = %(person)s
LEFT JOIN round_divisions d ON d.round_id = r.id AND d.division_id = g.division_id
LEFT JOIN LATERAL (SELECT id, sha256 FROM pools WHERE round_id = r.id AND division_id = g.division_id
                   ORDER BY version DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT id, closes_at FROM resits
                   WHERE round_id = r.id AND account_id = %(person)s AND taken_id IS NULL
                     AND closes_at > statement_timestamp() - make_interval(secs => %(waited)s)
                   ORDER BY closes_at LIMIT 1) resit ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE voided_at IS NULL) AS used, coalesce(max(number), 0) AS numbers,
           max(submitted_at) FILTER (WHERE voided_at IS NULL) AS last_submitted_at,
           max(public_id) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_id,
           max(deadline_at) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_deadline_at,
           max(grace_ms) FILTER (WHERE submitted_at IS NULL AND voided_at IS NULL) AS open_grace_ms
    FROM attempts WHERE account_id = %(person)s AND round_id = r.id) own
WHERE r.id = %(round)s
"""


def may_start(
    connection: AnyConnection, token_hash: bytes, round_id: int, *, waited: float = 0
) -> tuple[int, str | None]:
    """Return the session's person, locked, and their open attempt; raise as a start does if they can't."""
    person, facts = facts_for_start(connection, token_hash, round_id, waited)
    if facts.open_id is not None and facts.now < facts.open_until:
        return person.id, str(facts.open_id)
    refuse_start(facts)
    return person.id, None


def facts_for_start(
    connection: AnyConnection, token_hash: bytes, round_id: int, waited: float
) -> tuple[Any, Any]:
    """Lock the session's person; return them and what decides on their start."""
    person = one_row(connection, _LOCK_PERSON, {"token": token_hash, "starts": locks.STARTS})
    if person is None:
        raise NotSignedIn
    facts = one_row(connection, _FACTS_FOR_START, {"person": person.id, "round": round_id, "waited": waited})
    if facts is None:
        raise NotThere("Không tìm thấy vòng thi này.")
    return person, facts


def refuse_start(facts: Any) -> None:
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
