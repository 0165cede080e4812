"""The files of published versions, for anyone who recomputes a result: as a zip and one by one."""

import threading
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_with_context
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from contest import archives, contests
from contest.errors import NotThere, TryAgain
from contest.extensions import db
from contest.models import Publication, PublicationFile, Round
from contest.rules.archives import gzip_pieces

bp = Blueprint("bundles", __name__)

VERSION = "/contests/<slug>/winners/<int(max=2147483647):round_number>/<int(max=2147483647):version_number>/"
TYPES = {"json": "application/json", "csv": "text/csv", "py": "text/x-python"}
# They never change.
FOR_EVER = "public, max-age=31536000, immutable"
# Whoever downloads holds a thread of the web process for as long as their network takes; the others
# stay free for saving.
MOST_AT_ONCE = 4
_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


@bp.get(f"{VERSION}bundle.zip")
def bundle(slug: str, round_number: int, version_number: int) -> ResponseReturnValue:
    """Give the bundle of a published version as a zip."""
    publication, files = _published(slug, round_number, version_number)
    try:
        size, pieces = archives.zip_of(db.session(), files)
    except ValueError:
        raise NotThere("Bộ dữ liệu này quá lớn cho một tệp zip; hãy tải từng tệp.") from None
    response = _stream(pieces, "application/zip", publication.sha256)
    response.content_length = size
    name = f"{slug}-vong-{round_number}-ban-{version_number}.zip"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@bp.get(f"{VERSION}files/<name>")
def file(slug: str, round_number: int, version_number: int, name: str) -> ResponseReturnValue:
    """Give one file of a published version; it is stored compressed and goes out so."""
    _, files = _published(slug, round_number, version_number)
    found = next((one for one in files if one.name == name), None)
    if found is None:
        raise NotThere("Bản công bố này không có tệp đó.")
    mimetype = TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    if request.accept_encodings["gzip"] > 0:
        member = archives.member(found)
        pieces = gzip_pieces(member, archives.pieces(db.session(), found.id))
        response = _stream(pieces, mimetype, found.sha256)
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = _stream(archives.content(db.session(), found.id), mimetype, found.sha256)
        response.content_length = found.size
    response.vary.add("Accept-Encoding")
    return response


def _published(
    slug: str, round_number: int, version_number: int
) -> tuple[Publication, list[PublicationFile]]:
    """Return a published version with its files. Raises NotThere."""
    contest = contests.find_contest(db.session(), slug)
    publication = db.session.scalar(
        select(Publication)
        .join(Publication.round)
        .where(
            Round.contest_id == contest.id,
            Round.number == round_number,
            Publication.version == version_number,
        )
    )
    files = archives.listed(db.session(), publication.id) if publication else []
    if publication is None or not files:
        raise NotThere("Không có bản công bố này, hoặc bản này không kèm bộ dữ liệu kiểm chứng.")
    return publication, list(files)


def _stream(pieces: Iterator[bytes], mimetype: str, digest: str) -> Response:
    """Answer with a file as it is read, a few of them at a time. Raises TryAgain when all turns are taken."""
    if not _turns.acquire(blocking=False):
        raise TryAgain("Nhiều người đang tải bộ dữ liệu. Bạn vui lòng thử lại sau ít giây.")
    response = Response(stream_with_context(_releasing(pieces)), mimetype=mimetype)
    response.call_on_close(_turns.release)
    response.set_etag(digest)
    response.headers["Cache-Control"] = FOR_EVER
    return response


def _releasing(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces; while one is under way to a slow network, no database connection waits for it."""
    for piece in pieces:
        db.session.rollback()
        yield piece
