"""The file of a backup: a zip of the dump and the manifest, written whole or not at all."""

import fcntl
import hashlib
import hmac
import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from contest.backups.errors import BackupError
from contest.security import backup_seal, data_key_tag

FORMAT = "contest-backup/1"
DUMP = "contest.dump"
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4_000_000
CHUNK = 1 << 20

Progress = Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says of itself. No person is in it, and no secret."""

    format: str
    # The moment of the snapshot, as the database tells it.
    made_at: str
    software: str
    # Of the tables.
    revision: str
    # The major version of the server, and of the pg_dump that has written the dump.
    postgres: int
    pg_dump: int
    dump_sha256: str
    dump_bytes: int
    # As contest.backups.facts has counted them.
    facts: dict[str, Any]
    # Tells with which CONTEST_DATA_KEY the sealed columns can be read.
    data_key: str
    # The keyed digest of all this: it was not changed since.
    seal: str = ""

    def unsealed(self) -> bytes:
        """Return what the seal is made over."""
        told = {name: value for name, value in asdict(self).items() if name != "seal"}
        return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> str:
        """Return the manifest for people and programs."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


@contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its name only when it is whole and on disk. Raises BackupError if it is there.

    What a killed predecessor has left half written beside it is removed: nobody holds its lock.
    """
    if target.exists():
        raise BackupError(f"{target} exists already; a backup is never written over.")
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    remove_abandoned(target.parent)
    try:
        with open(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(half, target)  # unlike a rename, it never replaces another's
            except FileExistsError:
                raise BackupError(f"{target} exists already; a backup is never written over.") from None
    finally:
        half.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_abandoned(folder: Path) -> None:
    """Remove half-written backups whose writer is gone."""
    for half in folder.glob(".*.part"):
        try:
            with half.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                half.unlink()
        except OSError:
            continue


def write(
    file: IO[bytes],
    pieces: Iterable[bytes],
    describe: Callable[[str, int], Manifest],
    *,
    data_key: str,
    progress: Progress,
) -> Manifest:
    """Write the dump piece by piece and then its manifest; return the manifest, sealed."""
    digest, size = hashlib.sha256(), 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(zipfile.ZipInfo(DUMP), "w", force_zip64=True) as dump:
            for piece in pieces:
                dump.write(piece)
                digest.update(piece)
                size += len(piece)
                progress(len(piece))
        manifest = describe(digest.hexdigest(), size)
        told = asdict(manifest) | {"seal": backup_seal(data_key, manifest.unsealed())}
        manifest = Manifest(**told)
        archive.writestr(zipfile.ZipInfo(MANIFEST), manifest.to_json())
    return manifest


def checked(path: Path, *, data_key: str, any_key: bool, progress: Progress) -> Manifest:
    """Return the manifest of a backup of which every byte is as it was written. Raises BackupError.

    With `any_key` it may have been made with another data key, which can't be checked then.
    """
    manifest = read_manifest(path)
    if not any_key:
        if manifest.data_key != data_key_tag(data_key):
            raise BackupError(
                f"{path} was made with another CONTEST_DATA_KEY: set that one, "
                "or phones, seeds and receipts could not be read."
            )
        if not hmac.compare_digest(manifest.seal, backup_seal(data_key, manifest.unsealed())):
            raise BackupError(f"The manifest of {path} was changed after the backup was made.")
    digest, size = hashlib.sha256(), 0
    for piece in dump_of(path):
        digest.update(piece)
        size += len(piece)
        progress(len(piece))
    if (digest.hexdigest(), size) != (manifest.dump_sha256, manifest.dump_bytes):
        raise BackupError(f"{path} is damaged: its dump has another SHA-256 than the manifest says.")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return what a backup says of itself, not checked yet. Raises BackupError."""
    with _opened(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        is_ours = entries.keys() == {DUMP, MANIFEST} and len(archive.infolist()) == 2
        if not is_ours or any(one.compress_type != zipfile.ZIP_STORED for one in entries.values()):
            raise BackupError(f"{path} is no backup made by `contest backup`.")
        if entries[MANIFEST].file_size > LARGEST_MANIFEST:
            raise BackupError(f"{path} is damaged: its manifest is too large.")
        try:
            told = json.loads(archive.read(MANIFEST))
        except ValueError:
            raise BackupError(f"{path} is damaged: its manifest can't be read.") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BackupError(f"{path} has a format that this version can't read; it reads {FORMAT}.")
    kinds = {field.name: field.type if field.type in (str, int) else dict for field in fields(Manifest)}
    for name, kind in kinds.items():
        if type(told.get(name)) is not kind:
            raise BackupError(f"{path} is damaged: its manifest has no {name}.")
    return Manifest(**{name: told[name] for name in kinds})


def dump_of(path: Path) -> Iterator[bytes]:
    """Yield the dump in a backup piece by piece. Raises BackupError where it is damaged."""
    with _opened(path) as archive, archive.open(DUMP) as dump:
        while piece := dump.read(CHUNK):
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise BackupError(f"{path} is no backup, or it is damaged or cut off ({error}).") from None
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror}.") from None
