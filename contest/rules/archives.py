"""The formats in which a file's deflated bytes are given out: zip and gzip, made without packing again.

Both are a frame around the same deflate stream, so that a file that was packed once is the same,
byte for byte, whenever and however it is asked for.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# ZIP's own limits; a bundle above them is given file by file.
MOST_BYTES = 2**32 - 1
DEFLATED = 8
VERSION_NEEDED = 20
UTF8_NAMES = 1 << 11
# 1 January 1980, 00:00: the files carry their moments inside.
NO_DATE = (1 << 5) | 1
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(frozen=True)
class Member:
    """A file in an archive, as far as the frame needs it."""

    name: str
    size: int
    crc32: int
    deflated_size: int


def _facts(member: Member) -> tuple[int, ...]:
    name = len(member.name.encode())
    return (UTF8_NAMES, DEFLATED, 0, NO_DATE, member.crc32, member.deflated_size, member.size, name, 0)


def zip_size(members: Sequence[Member]) -> int:
    """Return how many bytes a zip of the members has. Raises ValueError above the format's limits."""
    frames = sum(_LOCAL.size + _CENTRAL.size + 2 * len(one.name.encode()) for one in members)
    total = frames + sum(one.deflated_size for one in members) + _END.size
    if total > MOST_BYTES or any(one.size > MOST_BYTES for one in members):
        raise ValueError("too large for a zip")
    return total


def zip_pieces(members: Sequence[tuple[Member, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield the bytes of a zip; each member comes with the pieces of its deflate stream."""
    offset, directory = 0, []
    for member, deflated in members:
        name = member.name.encode()
        directory.append(
            _CENTRAL.pack(b"PK\1\2", VERSION_NEEDED, VERSION_NEEDED, *_facts(member), 0, 0, 0, 0, offset)
            + name
        )
        header = _LOCAL.pack(b"PK\3\4", VERSION_NEEDED, *_facts(member)) + name
        yield header
        yield from deflated
        offset += len(header) + member.deflated_size
    central = b"".join(directory)
    yield central
    count = len(directory)
    yield _END.pack(b"PK\5\6", 0, 0, count, count, len(central), offset, 0)


def gzip_pieces(member: Member, deflated: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a member as a gzip stream."""
    yield GZIP_HEADER
    yield from deflated
    yield struct.pack("<2I", member.crc32, member.size & MOST_BYTES)
