"""The gate: what a file must be before anyone parses it.

Sizes, the real type by its first bytes, and the inside of a ZIP are looked at here, so that a hostile file
is refused quickly and in little memory. The XML is read as a stream and may declare nothing.
"""

import stat
import zlib
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from question_bank.formats.drafts import UnreadableFile

MEGABYTE = 1_000_000
LARGEST_FILE = 20 * MEGABYTE
MOST_MEMBERS = 1_000
LARGEST_CONTENT = 50 * MEGABYTE
LARGEST_XML = 30 * MEGABYTE
HIGHEST_RATIO = 100
# Small parts may shrink as they like: a sheet of equal rows does.
RATIO_COUNTS_FROM = 2 * MEGABYTE
MOST_TAGS = 1_200_000
MOST_NAMES = 1_000
LONGEST_TEXT = 100_000  # of one element; a cell of Excel holds 32,767 characters
DEEPEST = 200
CHUNK = 65_536

ZIP, OLE, PDF, RTF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF", b"{\\rtf"
_NESTED = (".zip", ".jar", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz")
_EMBEDDED = (".xlsx", ".docx", ".pptx")
_ENCRYPTED, _SYMLINK = 0x1, stat.S_IFLNK
_MAIN_PARTS = {"xl/workbook.xml": "Excel (.xlsx)", "word/document.xml": "Word (.docx)"}

OnStart = Callable[[str, Mapping[str, str]], None]
OnEnd = Callable[[str, str], None]

_BROKEN_ARCHIVE = (KeyError, BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError)
BROKEN = "Tệp bị hỏng hoặc tải lên chưa trọn vẹn, không mở được; hãy gửi lại tệp gốc."
DECLARES = "Tệp chứa khai báo thực thể XML (DOCTYPE, ENTITY), không được phép vì lý do an toàn."


def check_size(content: bytes) -> None:
    """Raise UnreadableFile for an empty file and for one over the limit."""
    if not content:
        raise UnreadableFile("Tệp trống, không có nội dung.")
    if len(content) > LARGEST_FILE:
        raise UnreadableFile(f"Tệp lớn hơn {LARGEST_FILE // MEGABYTE} MB; hãy chia thành nhiều tệp nhỏ hơn.")


def require_text(content: bytes) -> None:
    """Raise UnreadableFile if the bytes are no text: an archive, an old Office file, a picture."""
    check_size(content)
    kinds = {
        ZIP: "Tệp này là tệp Word, Excel hoặc tệp nén, không phải tệp văn bản; hãy đặt đúng đuôi tệp.",
        OLE: "Tệp này là tệp Office định dạng cũ, không phải tệp văn bản.",
        PDF: "Tệp này là tệp PDF; hãy gửi tệp Word hoặc Excel gốc.",
        RTF: "Tệp này là tệp RTF; hãy lưu lại thành tệp Word (.docx).",
    }
    for magic, reason in kinds.items():
        if content.startswith(magic):
            raise UnreadableFile(reason)
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not is_utf16 and content.count(b"\x00", 0, 4096) > len(content[:4096]) // 2 + 1:
        raise UnreadableFile("Tệp không phải tệp văn bản.")


def open_office(content: bytes, main_part: str) -> ZipFile:
    """Return the archive of an Office file whose main part is there, after looking at all its members.

    Raises UnreadableFile for anything else: another type, a broken, encrypted or oversized archive, macros.
    """
    check_size(content)
    kind = _MAIN_PARTS[main_part]
    if content.startswith(OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise UnreadableFile("Tệp được đặt mật khẩu; hãy bỏ mật khẩu rồi gửi lại.")
        raise UnreadableFile(f"Tệp ở định dạng Office cũ (.doc, .xls); hãy lưu lại thành tệp {kind}.")
    if not content.startswith(ZIP):
        raise UnreadableFile(f"Tệp không phải tệp {kind}, dù tên tệp ghi như vậy.")
    try:
        archive = ZipFile(BytesIO(content))
    except (BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError) as error:
        raise UnreadableFile(BROKEN) from error
    names = _check_members(archive.infolist())
    if main_part not in names:
        other = next((label for part, label in _MAIN_PARTS.items() if part in names), None)
        said = f"Tệp này thật ra là tệp {other}" if other else "Tệp này chỉ là một tệp nén"
        raise UnreadableFile(f"{said}, không phải tệp {kind}.")
    types = read_member(archive, "[Content_Types].xml") if "[Content_Types].xml" in names else b""
    if b"macroEnabled" in types or any(name.lower().endswith("vbaproject.bin") for name in names):
        raise UnreadableFile("Tệp chứa macro nên không được nhận; hãy lưu lại thành tệp không có macro.")
    return archive


def read_member(archive: ZipFile, name: str, *, largest: int = LARGEST_XML) -> bytes:
    """Return the bytes of a member; raises UnreadableFile if it is missing, broken or too large."""
    try:
        if archive.getinfo(name).file_size > largest:
            raise UnreadableFile("Một phần của tệp quá lớn; hãy chia thành nhiều tệp nhỏ hơn.")
        return archive.read(name)
    except _BROKEN_ARCHIVE as error:
        raise UnreadableFile(BROKEN) from error


def walk_member(archive: ZipFile, name: str, *, start: OnStart, end: OnEnd) -> None:
    """Read a member's XML as a stream: `start(name, attributes)`, then `end(name, text)`, without prefixes.

    The text is what stands directly in the element, after its last child. Raises UnreadableFile for
    broken XML, for declarations of entities, and for what is too long, too deep or too much.
    """
    try:
        if archive.getinfo(name).file_size > LARGEST_XML:
            raise UnreadableFile("Một phần của tệp quá lớn; hãy chia thành nhiều tệp nhỏ hơn.")
        with archive.open(name) as member:
            # Counting is a hundred times as fast as parsing.
            if sum(chunk.count(b"<") for chunk in iter(lambda: member.read(CHUNK), b"")) > MOST_TAGS:
                raise UnreadableFile("Tệp có quá nhiều ô hoặc dòng; hãy chia thành nhiều tệp nhỏ hơn.")
        with archive.open(name) as member:
            _walk(iter(lambda: member.read(CHUNK), b""), start, end)
    except _BROKEN_ARCHIVE as error:
        raise UnreadableFile(BROKEN) from error


def _walk(chunks: Iterable[bytes], start: OnStart, end: OnEnd) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    local = _LocalNames()
    pieces: list[str] = []
    length = depth = 0

    def on_start(name: str, attributes: dict[str, str]) -> None:
        nonlocal length, depth
        depth += 1
        if depth > DEEPEST:
            raise UnreadableFile("Cấu trúc của tệp lồng nhau quá sâu; tệp không được nhận.")
        if pieces:
            pieces.clear()
            length = 0
        start(local[name], attributes)

    def on_end(name: str) -> None:
        nonlocal length, depth
        depth -= 1
        if pieces:
            end(local[name], "".join(pieces))
            pieces.clear()
            length = 0
        else:
            end(local[name], "")

    def on_text(text: str) -> None:
        nonlocal length
        length += len(text)
        if length > LONGEST_TEXT:
            raise UnreadableFile("Có một ô hoặc đoạn chứa quá nhiều chữ; tệp không được nhận.")
        pieces.append(text)

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = on_text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.EntityDeclHandler = _refuse_declaration
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableFile(BROKEN) from error


class _LocalNames(dict[str, str]):
    """Names without their prefixes, each found once."""

    def __missing__(self, name: str) -> str:
        local = name.rpartition(":")[2]
        if len(self) < MOST_NAMES:
            self[name] = local
        return local


def _refuse_declaration(*_declared: object) -> None:
    raise UnreadableFile(DECLARES)


def _check_members(members: list[ZipInfo]) -> set[str]:
    """The members' names; raises UnreadableFile for an archive that is a bomb or a trap."""
    names = {member.filename for member in members}
    if len(members) > MOST_MEMBERS or len(names) < len(members):
        raise UnreadableFile("Tệp chứa quá nhiều phần hoặc có phần trùng tên; tệp không được nhận.")
    if sum(member.file_size for member in members) > LARGEST_CONTENT:
        raise UnreadableFile(
            f"Nội dung sau khi giải nén lớn hơn {LARGEST_CONTENT // MEGABYTE} MB; tệp không được nhận."
        )
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise UnreadableFile("Tệp được đặt mật khẩu; hãy bỏ mật khẩu rồi gửi lại.")
        is_link = stat.S_IFMT(member.external_attr >> 16) == _SYMLINK
        if is_link or member.filename.startswith(("/", "\\")) or ".." in member.filename.split("/"):
            raise UnreadableFile("Tệp chứa đường dẫn không hợp lệ; tệp không được nhận.")
        name = member.filename.lower()
        is_part = name.endswith(_EMBEDDED) and "/embeddings/" in name
        if name.endswith((*_NESTED, *_EMBEDDED)) and not is_part:
            raise UnreadableFile("Tệp chứa tệp nén khác bên trong; tệp không được nhận.")
        if member.file_size > max(RATIO_COUNTS_FROM, HIGHEST_RATIO * member.compress_size):
            raise UnreadableFile("Tệp nén bất thường (tỷ lệ nén quá cao); tệp không được nhận.")
    return names
