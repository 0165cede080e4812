"""Secrets at work: passwords, session tokens, CSRF tokens, tags and seals. Nothing here asks the database."""

import base64
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contest.errors import TryAgain

# OWASP's minimum for argon2id; the library's default would let a box verify four passwords a second.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A hash keeps a core and 19 MiB busy: of a rush of sign-ins most wait, so that saving goes on.
CONCURRENT_HASHES = 2
LONGEST_HASH_WAIT = 5.0
_hashing = threading.BoundedSemaphore(CONCURRENT_HASHES)
# Whoever waits holds a thread of the web process; the others must stay free for saving.
MOST_IN_LINE = 6
_in_line = threading.BoundedSemaphore(CONCURRENT_HASHES + MOST_IN_LINE)
# Verified for a name that nobody has, so that it takes as long as for one that somebody has.
NOBODYS_HASH = _hasher.hash(secrets.token_hex(16))

SEAL_VERSION = b"\x01"
NONCE_BYTES = 12
THROTTLE_KEY_BYTES = 16
CSRF_BYTES = 32  # of SHA-256
RECEIPT_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
RECEIPT_LENGTH = 12
MISREAD = str.maketrans("OIL", "011")


def new_public_id() -> str:
    """Return a random 128-bit id for addresses: 22 characters, base64url."""
    return secrets.token_urlsafe(16)


def new_round_seed() -> bytes:
    """Return the 32 random bytes that all papers of a round follow from."""
    return secrets.token_bytes(32)


def new_receipt_code() -> str:
    """Return a random receipt code of 60 bits that people can read aloud."""
    return "".join(secrets.choice(RECEIPT_ALPHABET) for _ in range(RECEIPT_LENGTH))


def plain_receipt_code(typed: str) -> str:
    """Return a receipt code as it is stored, from however somebody wrote it down; O and 0 are one."""
    return re.sub(r"[^0-9A-Z]", "", typed.upper()).translate(MISREAD)


def new_token() -> str:
    """Return a random 256-bit session token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return what the database keeps of a session token."""
    return hashlib.sha256(token.encode()).digest()


@contextmanager
def _turn() -> Iterator[None]:
    crowded = TryAgain("Đang có rất nhiều người đăng nhập. Bạn vui lòng thử lại sau ít giây.")
    if not _in_line.acquire(blocking=False):
        raise crowded
    try:
        if not _hashing.acquire(timeout=LONGEST_HASH_WAIT):
            raise crowded
        try:
            yield
        finally:
            _hashing.release()
    finally:
        _in_line.release()


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    with _turn():
        return _hasher.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Tell whether the password is the right one; None (nobody) takes as long and says no."""
    with _turn():
        try:
            _hasher.verify(password_hash or NOBODYS_HASH, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def csrf_token(secret_key: str, session_token: str) -> str:
    """Return a CSRF token of a session: it is checked without a look-up and lives as long.

    Masked anew each time, so that the size of compressed pages tells nothing about it (BREACH).
    """
    mask = secrets.token_bytes(CSRF_BYTES)
    return base64.urlsafe_b64encode(mask + _xor(mask, _csrf_digest(secret_key, session_token))).decode()


def is_csrf_token(secret_key: str, session_token: str, token: str) -> bool:
    """Tell whether the token belongs to the session."""
    try:
        masked = base64.urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        return False
    mask, body = masked[:CSRF_BYTES], masked[CSRF_BYTES:]
    return len(body) == CSRF_BYTES and hmac.compare_digest(
        _xor(mask, body), _csrf_digest(secret_key, session_token)
    )


def place_ticket(secret_key: str, session_token: str, round_id: int, number: int) -> str:
    """Return what a browser shows for its place in the line: bound to its session, as its CSRF token is."""
    message = f"{session_token}|{round_id}|{number}".encode()
    return f"{round_id}.{number}.{hmac.digest(_derive(secret_key, 'place'), message, 'sha256').hex()}"


def ticket_number(secret_key: str, session_token: str, round_id: int, ticket: str) -> int | None:
    """Return the number on a session's ticket for a round; None for whatever else it may be."""
    number = ticket.split(".")[1] if ticket.count(".") == 2 else ""
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    own = place_ticket(secret_key, session_token, round_id, int(number))
    return int(number) if hmac.compare_digest(own.encode(), ticket.encode()) else None


def _csrf_digest(secret_key: str, session_token: str) -> bytes:
    return hmac.digest(_derive(secret_key, "csrf"), session_token.encode(), "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(CSRF_BYTES)


def login_tag(data_key: str, login: str) -> bytes:
    """Return the keyed tag by which an account is found by its phone or sign-in name."""
    return hmac.digest(_derive(data_key, "login"), f"login|{login}".encode(), "sha256")


def citizen_tag(data_key: str, number: str) -> bytes:
    """Return the keyed tag of a citizen number: it can be compared, and read by nobody."""
    return hmac.digest(_derive(data_key, "citizen"), number.encode(), "sha256")


def seal(data_key: str, value: bytes, purpose: str) -> bytes:
    """Encrypt a value for the database: version, nonce, AES-256-GCM bound to its purpose."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return SEAL_VERSION + nonce + _cipher(data_key).encrypt(nonce, value, purpose.encode())


def unseal(data_key: str, sealed: bytes, purpose: str) -> bytes:
    """Return what was sealed. Raises ValueError if the key, the purpose or a byte differs."""
    version, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if version != SEAL_VERSION:
        raise ValueError("sealed by an unknown version")
    try:
        return _cipher(data_key).decrypt(nonce, body, purpose.encode())
    except InvalidTag:
        raise ValueError(f"this is no {purpose} sealed with the present data key") from None


def receipt_digest(data_key: str, facts: bytes) -> str:
    """Return the digest on a receipt: keyed, so that nobody with the database alone can forge one."""
    return hmac.digest(_derive(data_key, "receipt"), facts, "sha256").hex()


def data_key_tag(data_key: str) -> str:
    """Return what tells one data key from another and gives nothing of it away."""
    return hmac.digest(_derive(data_key, "key tag"), b"", "sha256")[:8].hex()


def backup_seal(data_key: str, facts: bytes) -> str:
    """Return the keyed digest of a backup's manifest: only who has the data key can have written it."""
    return hmac.digest(_derive(data_key, "backup"), facts, "sha256").hex()


def device_signature(secret_key: str, text: str) -> bytes:
    """Return what shows that a device's cookie was written here."""
    return hmac.digest(_derive(secret_key, "device"), text.encode(), "sha256")


def throttle_key(secret_key: str, text: str) -> bytes:
    """Return the keyed tag under which turns are counted: it tells nothing of whom it counts."""
    return hmac.digest(_derive(secret_key, "throttle"), text.encode(), "sha256")[:THROTTLE_KEY_BYTES]


def proof_key(secret_key: str) -> bytes:
    """Return the key that puzzles for proof of work are signed with."""
    return _derive(secret_key, "proof")


def pass_signature(secret_key: str, text: str) -> str:
    """Return what shows that a pass, or a place in the slow lane, was written here."""
    return hmac.digest(_derive(secret_key, "pass"), text.encode(), "sha256")[:16].hex()


@lru_cache(maxsize=4)
def _cipher(data_key: str) -> AESGCM:
    return AESGCM(_derive(data_key, "seal"))


@lru_cache(maxsize=32)
def _derive(secret: str, label: str) -> bytes:
    """Return the key of one use, so that no two uses share one."""
    return hmac.digest(secret.encode(), f"contest|{label}".encode(), "sha256")
