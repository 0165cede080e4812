"""Restoring a backup: every byte is looked at first, and only an empty database is filled."""

import subprocess
import tempfile
from collections.abc import Collection
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg

from contest import locks
from contest.backups import facts, files, programs
from contest.backups.errors import BackupError
from contest.backups.files import Manifest, Progress
from contest.backups.making import PATIENT, last_line


def check(
    source: Path,
    *,
    data_key: str,
    revisions: Collection[str],
    any_key: bool = False,
    progress: Progress = lambda _: None,
) -> Manifest:
    """Return the manifest of a backup that this version can restore. Raises BackupError.

    `revisions` are those of the tables that this version knows.
    """
    manifest = files.checked(source, data_key=data_key, any_key=any_key, progress=progress)
    if manifest.revision not in revisions:
        raise BackupError(
            f"{source} was made by another version ({manifest.software}, tables {manifest.revision}): "
            "restore it with that version or a newer one."
        )
    return manifest


def restore(source: Path, manifest: Manifest, *, url: str, progress: Progress = lambda _: None) -> None:
    """Fill the empty database at `url` from a checked backup, whole or not at all. Raises BackupError.

    Afterwards everything has been counted again and is as the manifest says.
    """
    try:
        with psycopg.connect(programs.plain(url), options=PATIENT, autocommit=True) as target:
            # Nobody makes tables meanwhile: a migration waits here.
            target.execute("SELECT pg_advisory_lock(%s)", [locks.MIGRATION])
            if not facts.is_empty(target):
                raise BackupError("The database is not empty: a backup is restored into an empty one only.")
            version = target.info.server_version // 10_000
            if version < manifest.postgres:
                raise BackupError(
                    f"The backup is of PostgreSQL {manifest.postgres}, and this server is {version}: "
                    "restore it on the same version or a newer one."
                )
            program = programs.find("pg_restore", max(version, manifest.pg_dump))
            _fill(program.path, source, url, progress)
            target.execute("ANALYZE")
            compare(manifest, facts.of_database(target))
    except psycopg.Error as error:
        raise BackupError(f"The database does not answer as it should ({type(error).__name__}).") from None


def _fill(program: Path, source: Path, url: str, progress: Progress) -> None:
    address, environ = programs.connection(url)
    command: list[str | Path] = [
        program,
        "--format=custom",
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        f"--dbname={address}",
    ]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        assert process.stdin
        try:
            for piece in files.dump_of(source):
                process.stdin.write(piece)
                progress(len(piece))
            process.stdin.close()
            failed = process.wait()
        except BrokenPipeError:
            failed = process.wait() or 1
        finally:
            if process.poll() is None:
                process.kill()
        if failed:
            raise BackupError(f"pg_restore failed and has left nothing: {last_line(said.fileno())}.")


def compare(manifest: Manifest, found: dict[str, Any]) -> None:
    """Raise BackupError for the first thing that is not as it was when the backup was made."""
    told = manifest.facts
    tables = told["rows"].keys() | found["rows"].keys()
    pairs = chain(
        ((f"the number of rows of {name}", told["rows"], found["rows"], name) for name in sorted(tables)),
        ((f"the {name}", told, found, name) for name in ("standings", "publications", "log")),
    )
    for what, before, after, name in pairs:
        if before.get(name) != after.get(name):
            raise BackupError(
                f"After the restore {what} is not as in the backup; "
                "make the database anew and restore another backup."
            )
