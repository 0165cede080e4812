"""Archives: many files as one ZIP that is written while it is sent."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from io import RawIOBase
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from contest.clock import LOCAL_ZONE


class _Outbox(RawIOBase):
    """A file that can only be written on; what was written is taken out piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def zipped(files: Iterable[tuple[str, bytes]], *, made_at: datetime) -> Iterator[bytes]:
    """Yield a ZIP of the files, never more than one of them in memory; PDFs are compressed already."""
    outbox = _Outbox()
    moment = made_at.astimezone(LOCAL_ZONE).timetuple()[:6]
    with ZipFile(outbox, "w", ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(ZipInfo(name, moment), content)
            yield outbox.take()
    yield outbox.take()
