"""Devices: a random name in a signed cookie, and which accounts were ever signed in there.

It opens nothing. It only tells an owner's phone from a stranger's, so that a stranger's wrong
passwords slow down the stranger alone.
"""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, replace

from contest.security import device_signature

# A family's phone, or a helper's; the earliest is forgotten.
MOST_ACCOUNTS = 8
NAME_BYTES = 16
TAG_BYTES = 6
COOKIE = re.compile(r"([A-Za-z0-9_-]{22})\.((?:[A-Za-z0-9_-]{8})*)\.([A-Za-z0-9_-]{22})")


@dataclass(frozen=True)
class Device:
    """A browser, as far as it is told from others."""

    name: str
    # Short keyed tags of the accounts, the earliest first.
    known: tuple[str, ...] = ()


def new_device() -> Device:
    """Return a device that was never seen before."""
    return Device(secrets.token_urlsafe(NAME_BYTES))


def read(secret_key: str, cookie: str) -> Device | None:
    """Return the device of a cookie; None if it is none of ours."""
    match = COOKIE.fullmatch(cookie)
    if match is None or not hmac.compare_digest(match[3], _signature(secret_key, match[1], match[2])):
        return None
    size = len(match[2])
    return Device(match[1], tuple(match[2][at : at + 8] for at in range(0, size, 8)))


def written(secret_key: str, device: Device) -> str:
    """Return the cookie of a device."""
    known = "".join(device.known)
    return f"{device.name}.{known}.{_signature(secret_key, device.name, known)}"


def knows(secret_key: str, device: Device, login_tag: bytes) -> bool:
    """Tell whether an account was ever signed in on the device."""
    return _tag(secret_key, login_tag) in device.known


def remembering(secret_key: str, device: Device, login_tag: bytes) -> Device:
    """Return the device after an account was signed in on it."""
    tag = _tag(secret_key, login_tag)
    others = [one for one in device.known if one != tag]
    return replace(device, known=(*others, tag)[-MOST_ACCOUNTS:])


def _tag(secret_key: str, login_tag: bytes) -> str:
    return _base64(device_signature(secret_key, f"account|{login_tag.hex()}")[:TAG_BYTES])


def _signature(secret_key: str, name: str, known: str) -> str:
    return _base64(device_signature(secret_key, f"cookie|{name}.{known}")[:NAME_BYTES])


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
