"""The cookie by which a device is known again, and the accounts it knows."""

import pytest

from contest import devices
from contest.devices import MOST_ACCOUNTS, new_device

KEY, OTHER_KEY = "s" * 40, "t" * 40
AN, BINH = b"a" * 32, b"b" * 32


def test_a_device_is_known_again_by_its_cookie():
    device = devices.remembering(KEY, devices.remembering(KEY, new_device(), AN), BINH)
    assert devices.read(KEY, devices.written(KEY, device)) == device
    assert devices.read(KEY, devices.written(KEY, new_device())) is not None


def test_devices_have_names_of_their_own():
    assert len({new_device().name for _ in range(100)}) == 100


def test_a_device_knows_whoever_was_signed_in_there_and_nobody_else():
    device = devices.remembering(KEY, new_device(), AN)
    assert devices.knows(KEY, device, AN)
    assert not devices.knows(KEY, device, BINH)
    assert not devices.knows(OTHER_KEY, device, AN)


def test_signing_in_again_takes_no_more_room():
    device = devices.remembering(KEY, new_device(), AN)
    assert devices.remembering(KEY, device, AN) == device


def test_of_many_accounts_the_earliest_are_forgotten():
    device = new_device()
    for number in range(MOST_ACCOUNTS + 2):
        device = devices.remembering(KEY, device, bytes([number]) * 32)
    assert len(device.known) == MOST_ACCOUNTS
    assert not devices.knows(KEY, device, bytes([1]) * 32)
    assert devices.knows(KEY, device, bytes([2]) * 32)
    assert devices.read(KEY, devices.written(KEY, device)) == device


def test_a_cookie_that_was_changed_or_made_elsewhere_is_none():
    cookie = devices.written(KEY, devices.remembering(KEY, new_device(), AN))
    assert devices.read(OTHER_KEY, cookie) is None
    for at in range(len(cookie)):
        changed = cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]
        assert devices.read(KEY, changed) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "x", "a" * 5000, "ế.ế.ế", "a" * 22 + ".." + "a" * 22])
def test_nonsense_is_no_cookie(cookie):
    assert devices.read(KEY, cookie) is None


def test_a_tag_moved_to_another_device_is_refused():
    known, stranger = devices.remembering(KEY, new_device(), AN), new_device()
    _, tags, signature = devices.written(KEY, known).split(".")
    assert devices.read(KEY, f"{stranger.name}.{tags}.{signature}") is None
