"""The check of a round from inside, last part: published versions as published, and the newest anew."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from contest import archives, declines, publishing
from contest.bundles import MANIFEST
from contest.models import AuditEvent, Prize, Publication, Round
from contest.verifying import Counted
from contest.verifying_facts import Fault, Faults, Log, differences

PROGRAM = "verify.py"
# Steps on a round after which its newest publication need not be what follows from its facts any more.
_CHANGING = ("exclusion.make", "exclusion.lift", "round.exclude_organizers", "correction.make")


def check_publications(
    session: Session,
    round: Round,
    awards: Sequence[tuple[Prize, Counted, int, bool]],
    log: Log,
    *,
    is_sound: bool,
    data_key: str,
) -> Faults:
    """Yield what of the published versions is not as it was published, or does not follow from the facts.

    The files are made anew only from sound attempts: others would only differ once more.
    """
    logged = {(event.after or {}).get("version"): event for event in log.of("results.publish")}
    publications = session.scalars(
        select(Publication).where(Publication.round_id == round.id).order_by(Publication.version)
    ).all()
    event: AuditEvent | None = None
    for publication in publications:
        event = logged.pop(publication.version, None)
        yield from _check_as_published(session, publication, event)
    for version in logged:
        yield Fault("publications", f"version {version}", "version", "a publication", "none")
    if publications and not (event and _has_changed(session, round, event)):
        yield from _check_content(publications[-1], awards)
        if is_sound:
            yield from _check_files(session, round, publications[-1], data_key=data_key)


def _check_as_published(session: Session, publication: Publication, event: AuditEvent | None) -> Faults:
    row = f"version {publication.version}"
    digest = publishing.content_digest(publication.content)
    yield from differences("publications", row, {"content": digest}, {"content": publication.content_sha256})
    after = (event.after or {}) if event else {}
    expected = {name: after.get(name) for name in ("sha256", "content_sha256") if name in after or not event}
    yield from differences(
        "publications", row, expected, {name: getattr(publication, name) for name in expected}
    )
    if event is not None and event.at != publication.published_at:
        yield Fault("publications", row, "published_at", event.at, publication.published_at)
    files = archives.listed(session, publication.id)
    if not files and publication.sha256 == publication.content_sha256:
        return  # published before bundles were kept
    digests = {}
    for file in files:
        sha256, size, crc32 = _read(archives.content(session, file.id))
        digests[file.name] = sha256
        yield from differences(
            "publication_files",
            f"{file.name} of {row}",
            {"sha256": sha256, "size": size, "crc32": crc32},
            {"sha256": file.sha256, "size": file.size, "crc32": file.crc32},
        )
    own = digests.pop(MANIFEST, None)
    yield from differences("publications", row, {"sha256": own}, {"sha256": publication.sha256})
    if own == publication.sha256:
        manifest = archives.find(session, publication.id, MANIFEST)
        assert manifest is not None
        listed = json.loads(b"".join(archives.content(session, manifest.id)))["files"]
        for name in sorted({*listed, *digests}):
            if listed.get(name) != digests.get(name):
                place = f"{name} of {row}"
                yield Fault("publication_files", place, "sha256", listed.get(name), digests.get(name))


def _read(content: Iterator[bytes]) -> tuple[str, int, int]:
    """Return digest, size and checksum of a file; of one that can't be unpacked those of its beginning."""
    digest, size, crc32 = hashlib.sha256(), 0, 0
    try:
        for piece in content:
            digest.update(piece)
            size += len(piece)
            crc32 = zlib.crc32(piece, crc32)
    except zlib.error as error:
        return f"can't be unpacked: {error}", size, crc32
    return digest.hexdigest(), size, crc32


def _has_changed(session: Session, round: Round, published: AuditEvent) -> bool:
    """Tell whether a logged step since a publication has changed what the round's results follow from."""
    own, earlier = f"round/{round.id}", [f"round/{one}" for one in declines.rounds_before(session, round)]
    of_own = or_(AuditEvent.subject == own, AuditEvent.subject.startswith(f"{own}/"))
    of_deciding = or_(*(AuditEvent.subject.startswith(f"{one}/") for one in (own, *earlier)))
    since = session.scalars(
        select(AuditEvent).where(
            AuditEvent.id > published.id,
            or_(
                of_own & AuditEvent.action.in_(_CHANGING),
                of_deciding & AuditEvent.action.in_(declines.ACTIONS),
                AuditEvent.subject.in_(earlier) & (AuditEvent.action == "results.publish"),
            ),
        )
    )
    return any(
        event.action != "results.publish" or (event.after or {}).get("kind") == "official" for event in since
    )


def _check_content(publication: Publication, awards: Sequence[tuple[Prize, Counted, int, bool]]) -> Faults:
    """Compare what the page shows of the prizes with the prizes as they follow."""
    row = f"version {publication.version}"
    shown = publication.content["winners"]
    for place, (found, award) in enumerate(zip_longest(shown, awards), start=1):
        prize, one, rank, is_by_lot = award or (None, None, None, None)
        expected = {
            "prize": prize.code if prize else None,
            "attempt": one.attempt if one else None,
            "rank": rank,
            "points": one.points if one else None,
            "duration_ms": one.duration_ms if one else None,
            "is_by_lot": is_by_lot,
        }
        stored = found or dict.fromkeys(expected)
        for column, value in expected.items():
            if stored[column] != value:
                yield Fault("publications", row, f"content, winner {place}, {column}", value, stored[column])


def _check_files(session: Session, round: Round, publication: Publication, *, data_key: str) -> Faults:
    """Make the newest version's files anew and compare them byte for byte."""
    made = publishing.bundle_files(session, round, version=publication.version, data_key=data_key)
    for name, content in made:
        stored = archives.find(session, publication.id, name)
        if name == PROGRAM or (stored is None and publication.sha256 == publication.content_sha256):
            continue  # a later release may have another program
        place = f"{name} of version {publication.version}"
        if stored is None:
            yield Fault("publication_files", place, "name", "a file", "no file")
            continue
        pairs = zip_longest(_lines(content), _lines(archives.content(session, stored.id)))
        for number, (expected, found) in enumerate(pairs, start=1):
            if expected != found:
                yield Fault("publication_files", f"{place}, line {number}", "bytes", expected, found)
                break


def _lines(content: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a file that comes in pieces; what can't be unpacked ends it."""
    rest = b""
    try:
        for piece in content:
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
    except zlib.error as error:
        rest = f"can't be unpacked: {error}".encode()
    yield rest.decode(errors="replace")
