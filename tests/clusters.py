"""PostgreSQL servers beside the tests' own: with a standby, behind PgBouncer, to be killed."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from contest.backups import programs
from contest.embedded.runtime import Runtime, give
from contest.embedded.server import Postgres, database_url
from contest.launch import User, kill_group, launch

PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
POOLER = """
[databases]
* = host={server} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
logfile = {folder}/pgbouncer.log
"""


class Cluster(Postgres):
    """One server that lets in whoever reaches its socket; a copy of `primary` that follows it, if given."""

    def __init__(self, folder: Path, *, primary: "Cluster | None" = None, **settings: str) -> None:
        nobody = pwd.getpwnam("nobody")
        user = User(nobody.pw_uid, nobody.pw_gid) if os.getuid() == 0 else None
        folder.mkdir(parents=True)
        # In pytest's own folders, which are closed, others can't enter.
        super().__init__(folder / "postgres", Runtime(user), user, durable=primary is not None)
        self.primary = primary
        self.settings = settings

    def begin(self) -> "Cluster":
        """Start the server and return it once it answers."""
        self.prepare()
        self.start()
        self.wait()
        return self

    def end(self) -> None:
        """Stop it and remove its sockets."""
        self.stop(at_once=True)
        self.runtime.remove()

    def kill(self) -> None:
        """Kill every process of it at once, as a power cut does."""
        assert self.process
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)  # it would start again the children that die before it
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        kill_group(self.process)
        self.process = None

    def url(self, database: str = "contest", user: str = "postgres") -> str:
        return database_url(self.runtime.path, user=user, database=database)

    def ask(self, query: str, *values: object, database: str = "postgres") -> Sequence[object]:
        """Return the first row of an answer to a superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            asked = connection.execute(query, values)  # type: ignore[call-overload]
            return (asked.fetchone() or ()) if asked.description else ()

    def _initialise(self) -> None:
        if self.primary is None:
            super()._initialise()
            return
        program = programs.find("pg_basebackup", int((self.primary.data / "PG_VERSION").read_text())).path
        subprocess.run(
            [
                program,
                f"--pgdata={self.data}",
                "--write-recovery-conf",
                "--checkpoint=fast",
                f"--dbname={self.primary.url('postgres')}",
            ],
            check=True,
            capture_output=True,
        )
        for path in [self.data, *self.data.rglob("*")]:
            give(path, self.user)

    def _write_who_may_connect(self) -> None:
        super()._write_who_may_connect()
        (self.runtime.path / "hba.conf").write_text("local all,replication all trust\n")

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), *(f"--{name}={value}" for name, value in self.settings.items())]


class Pooler:
    """PgBouncer in transaction mode before a server."""

    def __init__(self, cluster: Cluster, *, size: int) -> None:
        assert PGBOUNCER
        self.folder = cluster.runtime.path / "pooler"
        self.folder.mkdir()
        (self.folder / "users").write_text('"contest" ""\n"bare" ""\n')
        ini = self.folder / "pgbouncer.ini"
        ini.write_text(POOLER.format(server=cluster.runtime.path, folder=self.folder, size=size))
        for path in (self.folder, *self.folder.iterdir()):
            give(path, cluster.user)
        self.process = launch([PGBOUNCER, ini], log=self.folder / "out", user=cluster.user)

    def url(self, database: str = "contest", user: str = "contest") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}&port=6432"

    def stop(self) -> None:
        kill_group(self.process)
