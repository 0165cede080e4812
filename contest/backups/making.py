"""Making a backup while people go on saving: one snapshot for the dump and for what is counted."""

import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from contest.backups import facts, files, programs
from contest.backups.errors import BackupError
from contest.backups.files import Manifest, Progress
from contest.security import data_key_tag

SUFFIX = ".backup"
# A migration holds its locks for moments; what holds them longer is not waited for.
LOCK_WAIT_SECONDS = 60
# What a request may wait is no measure for a backup.
PATIENT = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c timezone=UTC"


def make(
    target: Path, *, url: str, data_key: str, software: str, progress: Progress = lambda _: None
) -> Manifest:
    """Write a backup of the database at `url` to a new file. Raises BackupError, and leaves no file then."""
    try:
        with files.new_file(target) as file, psycopg.connect(programs.plain(url), options=PATIENT) as source:
            source.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            source.read_only = True
            snapshot, made_at, version = _snapshot(source)
            revision = facts.revision(source)
            if not revision:
                raise BackupError("There is nothing to back up: the database has no tables of the contest's.")
            counted = facts.of_database(source)
            pg_dump = programs.find("pg_dump", version)

            def describe(sha256: str, size: int) -> Manifest:
                return Manifest(
                    format=files.FORMAT,
                    made_at=made_at.astimezone(UTC).isoformat(),
                    software=software,
                    revision=revision,
                    postgres=version,
                    pg_dump=pg_dump.major,
                    dump_sha256=sha256,
                    dump_bytes=size,
                    facts=counted,
                    data_key=data_key_tag(data_key),
                )

            pieces = _dump(pg_dump.path, url, snapshot)
            return files.write(file, pieces, describe, data_key=data_key, progress=progress)
    except psycopg.Error as error:
        raise BackupError(f"The database does not answer as it should ({type(error).__name__}).") from None
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}.") from None


def _snapshot(source: facts.Connection) -> tuple[str, datetime, int]:
    """Return the name of the transaction's snapshot, its moment, and the server's major version."""
    row = source.execute("SELECT pg_export_snapshot(), transaction_timestamp()").fetchone()
    assert row
    return str(row[0]), row[1], source.info.server_version // 10_000


def _dump(program: Path, url: str, snapshot: str) -> Iterator[bytes]:
    """Yield what pg_dump writes. Raises BackupError if it does not come to a good end."""
    address, environ = programs.connection(url)
    command: list[str | Path] = [
        program,
        "--format=custom",
        "--compress=1",  # quick: the machine has people to serve
        "--no-owner",
        "--no-privileges",
        f"--lock-wait-timeout={LOCK_WAIT_SECONDS}s",
        f"--snapshot={snapshot}",
        f"--dbname={address}",
    ]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdout
        try:
            while piece := process.stdout.read(files.CHUNK):
                yield piece
            failed = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
        if failed:
            raise BackupError(f"pg_dump failed: {last_line(said.fileno())}.")


def last_line(fd: int) -> str:
    """Return the last line that a program has written to a file."""
    with open(fd, "rb", closefd=False) as file:
        file.seek(0)
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "it gave no reason"


def name_for(folder: Path, moment: datetime) -> Path:
    """Return where in a folder the backup of a moment goes."""
    return folder / f"contest-{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def keep_newest(folder: Path, count: int) -> list[Path]:
    """Remove all but the newest backups that were named by `name_for`; return the removed ones."""
    found = sorted(folder.glob(f"contest-????????T??????Z{SUFFIX}"))
    removed = found[: max(0, len(found) - count)]
    for path in removed:
        path.unlink()
    return removed
