"""What a picture's file consists of, before anyone decodes it: its kind, its bare parts, its orientation.

Metadata is cut away here and not by the decoder, because a decoder that unpacks colour profiles, texts
and EXIF tables first can be made to fill the memory with them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_KEPT_OF_PNG = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_ONLY_ALPHA = 0x10  # of the flags of VP8X: no animation, profile, EXIF or XMP
_SOS, _APP0, _APP1, _APP14, _APP15, _COM = 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_ORIENTATION, _MOST_TAGS = 0x0112, 200
# A progressive JPEG has some ten scans; thousands of empty ones take minutes.
_MOST_SCANS = 64
_NO_PICTURE = "Tệp không phải là ảnh PNG, JPEG, WebP hoặc GIF."
_OTHERS = {
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"\x01\x00\x09\x00": "WMF",
    b"\x02\x00\x09\x00": "WMF",
    b"\x01\x00\x00\x00": "EMF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"<?xml": "SVG",
}


class BadPicture(ValueError):
    """The picture can't be taken; the message is a Vietnamese sentence."""


@dataclass(frozen=True)
class BareFile:
    """A picture's file without metadata, and what was of use in it: how the camera was held (1 to 8)."""

    kind: str  # "PNG", "JPEG", "WEBP" or "GIF", as Pillow calls them
    content: bytes
    orientation: int = 1


def bare_file(content: bytes) -> BareFile:
    """Return a picture's file without metadata. Raises BadPicture for what is none of the four kinds."""
    try:
        if content.startswith(_PNG):
            return _bare_png(content)
        if content.startswith(b"\xff\xd8\xff"):
            return _bare_jpeg(content)
        if _is_webp(content):
            exif = next((body for name, body in _webp_chunks(content) if name == b"EXIF"), b"")
            return BareFile("WEBP", content, _orientation(exif.removeprefix(b"Exif\0\0")))
    except (struct.error, IndexError) as error:
        raise BadPicture("Ảnh bị hỏng hoặc tải lên chưa trọn vẹn, không mở được.") from error
    if content.startswith((b"GIF87a", b"GIF89a")):
        return BareFile("GIF", content)
    kind = next((kind for magic, kind in _OTHERS.items() if content.lstrip().startswith(magic)), None)
    if kind is None:
        raise BadPicture(_NO_PICTURE)
    raise BadPicture(f"Ảnh ở định dạng {kind} không dùng được; hãy lưu lại thành PNG hoặc JPEG.")


def is_bare_webp(content: bytes) -> bool:
    """Tell whether a file is one WebP picture and nothing else: no metadata, nothing before or after."""
    if not _is_webp(content):
        return False
    try:
        chunks = list(_webp_chunks(content))
    except (struct.error, IndexError):
        return False
    names = [name for name, _ in chunks]
    length = 12 + sum(8 + len(body) + len(body) % 2 for _, body in chunks)
    is_plain = names in ([b"VP8 "], [b"VP8L"], [b"VP8X", b"ALPH", b"VP8 "], [b"VP8X", b"VP8L"])
    is_whole = length == len(content) == 8 + struct.unpack("<I", content[4:8])[0]
    return is_plain and is_whole and (names[0] != b"VP8X" or chunks[0][1][:1] == bytes([_ONLY_ALPHA]))


def _is_webp(content: bytes) -> bool:
    return content.startswith(b"RIFF") and content[8:12] == b"WEBP"


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place < len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        yield name, content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _bare_png(content: bytes) -> BareFile:
    kept, orientation, place = [_PNG], 1, len(_PNG)
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        if name in _KEPT_OF_PNG:
            kept.append(content[place : place + 12 + length])
        elif name == b"eXIf":
            orientation = _orientation(content[place + 8 : place + 8 + length])
        place += 12 + length
        if name == b"IEND":
            break
    return BareFile("PNG", b"".join(kept), orientation)


def _bare_jpeg(content: bytes) -> BareFile:
    kept, orientation, place = [content[:2]], 1, 2
    while content[place + 1] != _SOS:
        if content[place] != 0xFF:
            raise IndexError("no marker where one should be")
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        (length,) = struct.unpack_from(">H", content, place + 2)
        segment = content[place : place + 2 + length]
        if marker == _APP1 and segment[4:10] == b"Exif\0\0" and orientation == 1:
            orientation = _orientation(segment[10:])
        # APP0 is JFIF's own; APP14 says how the colours are meant.
        is_metadata = _APP0 < marker <= _APP15 and marker != _APP14
        if not is_metadata and marker != _COM:
            kept.append(segment)
        place += 2 + length
    if content.count(bytes([0xFF, _SOS]), place) > _MOST_SCANS:
        raise BadPicture("Ảnh JPEG có cấu trúc bất thường; hãy lưu lại ảnh rồi gửi lại.")
    return BareFile("JPEG", b"".join([*kept, content[place:]]), orientation)


def _orientation(exif: bytes) -> int:
    """Return how the camera was held, as the first table of EXIF says; 1 if it says nothing."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 1
    (table,) = struct.unpack_from(f"{order}I", exif, 4)
    if table + 2 > len(exif):
        return 1
    (tags,) = struct.unpack_from(f"{order}H", exif, table)
    for number in range(min(tags, _MOST_TAGS)):
        entry = exif[table + 2 + 12 * number : table + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, _, _, value = struct.unpack(f"{order}HHIH", entry[:10])
        if tag == _ORIENTATION:
            return value if 1 <= value <= 8 else 1
    return 1
