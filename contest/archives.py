"""The files of published versions: written once, when the version is made, and given out as they are.

A version that was published can't be made again later: people are excluded, items corrected. So its
files stay, deflated, in pieces, and the zip and the single file are the same bytes for ever.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from contest.bundles import MANIFEST, Files, manifest
from contest.models import PublicationFile, PublicationPiece
from contest.rules.archives import Member, zip_pieces, zip_size

LEVEL = 6
RAW = -zlib.MAX_WBITS
PIECE = 512 * 1024
_NEXT_FILE = text("SELECT nextval(pg_get_serial_sequence('publication_files', 'id'))")
_NEXT_PUBLICATION = text("SELECT nextval(pg_get_serial_sequence('publications', 'id'))")


def new_publication_id(session: Session) -> int:
    """Return the id of a publication that is going to be: its files come before it."""
    return int(session.scalar(_NEXT_PUBLICATION))


def store(session: Session, publication_id: int, files: Files, *, version: int) -> str:
    """Keep the files and their manifest; return the manifest's SHA-256, the digest of the publication."""
    digests = {name: _store(session, publication_id, name, content) for name, content in files}
    return _store(session, publication_id, MANIFEST, [manifest(version, digests)])


def _store(session: Session, publication_id: int, name: str, content: Iterable[bytes]) -> str:
    """Keep one file; its pieces are written as they come."""
    file_id = session.scalar(_NEXT_FILE)
    digest, size, crc32, deflated_size = hashlib.sha256(), 0, 0, 0

    def seen() -> Iterator[bytes]:
        nonlocal size, crc32
        for piece in content:
            digest.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            size += len(piece)
            yield piece

    for number, piece in enumerate(_deflated(seen())):
        session.execute(insert(PublicationPiece), [{"file_id": file_id, "number": number, "deflated": piece}])
        deflated_size += len(piece)
    session.execute(
        insert(PublicationFile),
        [
            {
                "id": file_id,
                "publication_id": publication_id,
                "name": name,
                "size": size,
                "sha256": digest.hexdigest(),
                "crc32": crc32,
                "deflated_size": deflated_size,
            }
        ],
    )
    return digest.hexdigest()


def _deflated(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a deflate stream of the content in pieces of some size."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW)
    waiting = bytearray()
    for piece in content:
        waiting += packer.compress(piece)
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting + packer.flush())


# --- giving out ----------------------------------------------------------------------------------


def listed(session: Session, publication_id: int) -> Sequence[PublicationFile]:
    """Return the files of a publication in the order they were written; none of one without a bundle."""
    return session.scalars(
        select(PublicationFile)
        .where(PublicationFile.publication_id == publication_id)
        .order_by(PublicationFile.id)
    ).all()


def find(session: Session, publication_id: int, name: str) -> PublicationFile | None:
    """Return a file of a publication by its name."""
    return session.scalar(
        select(PublicationFile).where(
            PublicationFile.publication_id == publication_id, PublicationFile.name == name
        )
    )


def pieces(session: Session, file_id: int) -> Iterator[bytes]:
    """Yield the deflate stream of a file, a piece at a time, each by a query of its own.

    No cursor is left open while a slow phone takes its time.
    """
    last = session.scalar(
        select(func.max(PublicationPiece.number)).where(PublicationPiece.file_id == file_id)
    )
    for number in range((-1 if last is None else last) + 1):
        piece = session.scalar(
            select(PublicationPiece.deflated).where(
                PublicationPiece.file_id == file_id, PublicationPiece.number == number
            )
        )
        yield piece or b""


def content(session: Session, file_id: int) -> Iterator[bytes]:
    """Yield the bytes of a file. Raises zlib.error where the pieces are no deflate stream."""
    unpacker = zlib.decompressobj(RAW)
    for piece in pieces(session, file_id):
        yield unpacker.decompress(piece)
    yield unpacker.flush()
    if not unpacker.eof:
        raise zlib.error("the stream does not end")


def member(file: PublicationFile) -> Member:
    """Return a file as an archive's frame needs it."""
    return Member(file.name, file.size, file.crc32, file.deflated_size)


def zip_of(session: Session, files: Sequence[PublicationFile]) -> tuple[int, Iterator[bytes]]:
    """Return size and bytes of the files' zip. Raises ValueError if they are too large for one."""
    size = zip_size([member(file) for file in files])
    return size, zip_pieces([(member(file), pieces(session, file.id)) for file in files])
