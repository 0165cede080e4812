"""Proof of work: puzzles that cost a phone a second and an army of machines their time.

A puzzle is signed and held nowhere; that it was handed in is noted in SQL, so that it counts once.
Which counter solves it is drawn beforehand: nobody is unlucky for a minute.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import altcha
from sqlalchemy import text
from sqlalchemy.orm import Session

from contest.security import pass_signature, proof_key

ALGORITHM = "PBKDF2/SHA-256"
# Of one try, in hashes: what verifying costs the server, a third of a millisecond.
HASHES_PER_TRY = 1_000
GOOD_FOR = timedelta(minutes=30)
# Of a step over its limit each doubles the work, up to this level: a phone of 2015 takes 8 seconds then.
HIGHEST_LEVEL = 3
LONGEST_PAYLOAD = 2_048
# Somebody whose browser can't prove waits so long before the form.
SLOW_LANE_SECONDS = 30
SLOW_LANE_ENDS = 24 * 3600
# For so long a pass opens what asks for proof because much came from one address.
PASS_SECONDS = 300
PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Proof:
    """What may be used once."""

    key: bytes
    expires_at: datetime


_TAKE = text("""
INSERT INTO used_proofs (key, expires_at) VALUES (:key, :expires_at) ON CONFLICT DO NOTHING RETURNING key
""")
# Kept a while longer than a proof is good for: the clocks of web and database may differ.
_PRUNE = text("""
DELETE FROM used_proofs
WHERE key IN (SELECT key FROM used_proofs WHERE expires_at < statement_timestamp() - interval '1 hour'
              ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)
""")


def web_now() -> datetime:
    """Return the web's own clock: what is signed here is read here, and asking costs no statement."""
    return datetime.now(UTC)


def puzzle(secret_key: str, purpose: str, *, work: int, level: int, now: datetime) -> dict[str, Any]:
    """Return a puzzle as the widget takes it; `work` is that of the first level, in thousands of hashes."""
    tries = work * 2 ** (min(level, HIGHEST_LEVEL) - 1)
    # From two thirds to four thirds of it.
    counter = max(1, tries * 2 // 3 + secrets.randbelow(tries * 2 // 3 + 1))
    made = altcha.create_challenge(
        ALGORITHM,
        HASHES_PER_TRY,
        counter=counter,
        expires_at=now + GOOD_FOR,
        data={"for": purpose},
        hmac_secret=proof_key(secret_key),
    )
    return made.to_dict()


def read(secret_key: str, payload: str, purpose: str) -> Proof | None:
    """Return the proof that a form carries; None if it is none, of another purpose or too old."""
    if not 0 < len(payload) <= LONGEST_PAYLOAD:
        return None
    try:
        if not altcha.verify_solution(payload, proof_key(secret_key)).verified:
            return None
        # Signed by us from here on.
        challenge = altcha.Payload.from_base64(payload).challenge
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    parameters = challenge.parameters
    if (parameters.data or {}).get("for") != purpose or not parameters.expires_at:
        return None
    return Proof(_key(str(challenge.signature)), datetime.fromtimestamp(parameters.expires_at, UTC))


def slow_ticket(secret_key: str, purpose: str, *, now: datetime) -> str:
    """Return what a form holds from which it is seen how long somebody has waited before it."""
    text = f"{int(now.timestamp())}.{secrets.token_hex(8)}"
    return f"{text}.{pass_signature(secret_key, f'slow|{purpose}|{text}')}"


def read_slow_ticket(
    secret_key: str, ticket: str, purpose: str, *, now: datetime
) -> tuple[Proof, int] | None:
    """Return a ticket as something to use once, and the seconds still to wait; None if it is none of ours."""
    moment, _, rest = ticket.partition(".")
    nonce, _, signature = rest.partition(".")
    expected = pass_signature(secret_key, f"slow|{purpose}|{moment}.{nonce}")
    if not secrets.compare_digest(signature.encode(), expected.encode()):
        return None
    age = int(now.timestamp()) - int(moment)
    if age > SLOW_LANE_ENDS:
        return None
    expires_at = datetime.fromtimestamp(int(moment) + SLOW_LANE_ENDS, UTC)
    return Proof(_key(signature), expires_at), max(0, SLOW_LANE_SECONDS - age)


def new_pass(secret_key: str, device: str, *, now: datetime) -> str:
    """Return the pass of a device that has proved."""
    expires = int(now.timestamp()) + PASS_SECONDS
    return f"{expires}.{pass_signature(secret_key, f'device|{device}|{expires}')}"


def is_pass(secret_key: str, given: str, device: str, *, now: datetime) -> bool:
    """Tell whether this is the device's pass and still good."""
    expires, _, signature = given.partition(".")
    expected = pass_signature(secret_key, f"device|{device}|{expires}")
    return secrets.compare_digest(signature.encode(), expected.encode()) and int(expires) >= now.timestamp()


def take(session: Session, proof: Proof) -> bool:
    """Use a proof; False if it was used before. Commit at once, or whoever is refused keeps it."""
    return session.scalar(_TAKE, {"key": proof.key, "expires_at": proof.expires_at}) is not None


def prune(session: Session) -> int:
    """Forget used proofs that have expired, some at a time; return how many."""
    pruned = session.execute(_PRUNE, {"most": PRUNED_AT_ONCE})
    return int(pruned.rowcount)  # type: ignore[attr-defined]


def _key(signature: str) -> bytes:
    return hashlib.sha256(signature.encode()).digest()[:16]
