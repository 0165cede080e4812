"""Secrets at work: seals, tags, tokens, and passwords that many want verified at once."""

import hashlib
import re
import threading
import time

import pytest
from argon2 import extract_parameters

from contest import security
from contest.errors import TryAgain
from contest.security import (
    csrf_token,
    hash_password,
    is_csrf_token,
    login_tag,
    new_public_id,
    new_receipt_code,
    new_token,
    receipt_digest,
    seal,
    token_hash,
    unseal,
    verify_password,
)

KEY, OTHER_KEY = "k" * 40, "o" * 40


# --- seals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"", b"0912345678", bytes(range(256))])
def test_what_is_sealed_comes_back(value):
    assert unseal(KEY, seal(KEY, value, "phone"), "phone") == value


def test_a_seal_shows_nothing_of_the_value_and_never_repeats():
    seals = {seal(KEY, b"0912345678", "phone") for _ in range(20)}
    assert len(seals) == 20
    assert not any(b"0912" in sealed for sealed in seals)


def test_another_key_or_purpose_opens_no_seal():
    sealed = seal(KEY, b"0912345678", "phone")
    for key, purpose in ((OTHER_KEY, "phone"), (KEY, "round seed"), (KEY, "")):
        with pytest.raises(ValueError, match="no "):
            unseal(key, sealed, purpose)


def test_a_change_of_any_byte_is_noticed():
    sealed = seal(KEY, b"0912345678", "phone")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(ValueError, match=r"sealed"):
            unseal(KEY, bytes(changed), "phone")


@pytest.mark.parametrize("length", [0, 1, 5, 13, 20, 28])
def test_a_shortened_seal_is_refused(length):
    with pytest.raises(ValueError, match=r".+"):
        unseal(KEY, seal(KEY, b"0912345678", "phone")[:length], "phone")


# --- tags and digests ------------------------------------------------------------------------------


def test_an_account_is_found_by_a_tag_that_needs_the_key():
    assert login_tag(KEY, "0912345678") == login_tag(KEY, "0912345678")
    others = {login_tag(OTHER_KEY, "0912345678"), login_tag(KEY, "0912345679")}
    others.add(hashlib.sha256(b"0912345678").digest())
    assert login_tag(KEY, "0912345678") not in others


def test_a_receipt_cannot_be_made_without_the_key():
    assert receipt_digest(KEY, b"facts") == receipt_digest(KEY, b"facts")
    assert (
        len(
            {
                receipt_digest(KEY, b"facts"),
                receipt_digest(OTHER_KEY, b"facts"),
                receipt_digest(KEY, b"Facts"),
            }
        )
        == 3
    )


def test_no_two_uses_of_a_key_share_a_digest():
    uses = {csrf_token(KEY, "x"), receipt_digest(KEY, b"x"), login_tag(KEY, "x").hex()}
    assert len(uses) == 3


# --- tokens and codes ------------------------------------------------------------------------------


def test_public_ids_are_22_characters_of_base64url():
    ids = {new_public_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[\w-]{22}", one, re.ASCII) for one in ids)


def test_receipt_codes_can_be_read_aloud():
    codes = {new_receipt_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{12}", code) for code in codes)  # no I, L, O, U


def test_the_database_keeps_only_a_digest_of_a_session_token():
    token = new_token()
    assert len(token) >= 43
    assert token_hash(token) == hashlib.sha256(token.encode()).digest()


def test_a_csrf_token_belongs_to_one_session_and_one_secret():
    token = csrf_token(KEY, "session")
    assert is_csrf_token(KEY, "session", token)
    assert not is_csrf_token(KEY, "another session", token)
    assert not is_csrf_token(OTHER_KEY, "session", token)


def test_a_page_never_carries_the_same_csrf_token_twice():
    tokens = {csrf_token(KEY, "session") for _ in range(20)}
    assert len(tokens) == 20
    assert all(is_csrf_token(KEY, "session", token) for token in tokens)


@pytest.mark.parametrize("token", ["", "x", "é", "ệ" * 50, "a" * 86, "a" * 10_000, "=" * 88, "\ud800"])
def test_what_is_no_csrf_token_is_refused(token):
    assert not is_csrf_token(KEY, "session", token)


def test_a_csrf_token_changed_anywhere_is_refused():
    token = csrf_token(KEY, "session")
    for place in range(0, len(token) - 3, 5):  # the last letter before the padding has idle bits
        other = "A" if token[place] != "A" else "B"
        assert not is_csrf_token(KEY, "session", token[:place] + other + token[place + 1 :])
    assert not is_csrf_token(KEY, "session", token[:-4])


# --- passwords -------------------------------------------------------------------------------------


def test_a_password_is_known_by_its_hash():
    hashed = hash_password("con mèo trèo cây cau")
    assert hashed.startswith("$argon2id$")
    assert "con mèo" not in hashed
    assert verify_password(hashed, "con mèo trèo cây cau")
    assert not verify_password(hashed, "con mèo trèo cây câu")


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=1$x"])
def test_nobody_and_broken_hashes_have_no_password(stored):
    assert not verify_password(stored, "")
    assert not verify_password(stored, "password")


def test_nobodys_hash_costs_what_somebodys_does():
    assert extract_parameters(security.NOBODYS_HASH) == extract_parameters(hash_password("right"))


class CountingHasher:
    """Stands in for argon2: slow on purpose, and counts how many hash at the same time."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def hash(self, password):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
        return "hashed"


def test_a_rush_of_sign_ins_hashes_two_at_a_time(monkeypatch):
    hasher = CountingHasher()
    monkeypatch.setattr(security, "_hasher", hasher)
    refused = []

    def sign_in():
        try:
            hash_password("x")
        except TryAgain:
            refused.append(1)

    threads = [threading.Thread(target=sign_in) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hasher.most == security.CONCURRENT_HASHES == 2
    assert refused, "who would wait behind six others is asked to try again, so that saving has threads left"
    assert hash_password("x") == "hashed"


def test_who_waits_too_long_for_a_turn_is_asked_to_try_again(monkeypatch):
    monkeypatch.setattr(security, "LONGEST_HASH_WAIT", 0.01)
    monkeypatch.setattr(security, "_hashing", threading.BoundedSemaphore(1))
    with security._turn(), pytest.raises(TryAgain, match="thử lại"):
        hash_password("x")
    assert hash_password("x").startswith("$argon2id$")  # the turn was given back
