"""Pictures for the tests, as phones, screens and Word give them."""

import random
import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from question_bank.items import Picture
from question_bank.pictures import prepare


def drawn(size: tuple[int, int] = (400, 300), seed: int = 1) -> Image.Image:
    """A picture whose left half is red and whose corners differ."""
    image = Image.new("RGB", size, (20, 60 + seed % 100, 160))
    image.paste((200, 30, 30), (0, 0, size[0] // 2, size[1]))
    image.paste((255, 255, 255), (0, 0, size[0] // 4, size[1] // 4))
    return image


def saved(image: Image.Image, kind: str, **details: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **details)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """A picture that no one can make small."""
    return Image.frombytes("RGB", (width, height), random.Random(5).randbytes(width * height * 3))


@cache
def stored(seed: int = 1) -> Picture:
    """A picture as the bank stores it."""
    return prepare(saved(drawn(seed=seed), "PNG"))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, *chunks: bytes, depth: int = 8, colours: int = 2, rows: bytes = b""
) -> bytes:
    """A PNG put together by hand; without rows it has no pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows)) if rows else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + data + chunk(b"IEND", b"")


def exif(orientation: int) -> bytes:
    """EXIF that says how the camera was held, and where it was."""
    table = Image.Exif()
    table[0x0112] = orientation
    table[0x010E] = "nơi chụp: nhà riêng"
    return table.tobytes()
