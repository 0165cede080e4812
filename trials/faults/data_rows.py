"""What is kept: tampering found out, and the embedded servers killed with their supervisor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from contest import audit, verifying
from contest.clock import db_now
from contest.extensions import db
from contest.settings import Settings, SettingsError
from trials.faults.database_rows import as_owner
from trials.faults.rows import Finding, row
from trials.faults.stand import Stand, wait_until
from trials.ground import ROOT, free_port


@row(20, "D", "the check names the first event that was changed, removed or moved")
def log_tampered_with(stand: Stand) -> Finding:
    """An audit event changed, one removed, two exchanged, each by direct SQL."""
    found = Finding()
    with stand.ground.app():
        for number in range(6):
            audit.record(db.session(), "round.note", f"round:{number}", now=db_now(db.session()))
        db.session.commit()
    with stand.ground.connect() as connection:
        ids = [one[0] for one in connection.execute("SELECT id FROM audit_events ORDER BY id").fetchall()]
    found.facts["events"] = len(ids)
    found.must(len(ids) >= 3, "there are too few events to tamper with")
    if found.faults:
        return found
    _look(stand, found, "untouched", [], None)
    middle, after = ids[len(ids) // 2 - 1], ids[len(ids) // 2]
    changes = {
        "changed": (["UPDATE audit_events SET action = 'khác' WHERE id = %(middle)s"], middle),
        "removed": (["DELETE FROM audit_events WHERE id = %(middle)s"], after),
        "moved": (
            [
                "UPDATE audit_events SET id = -1 WHERE id = %(middle)s",
                "UPDATE audit_events SET id = %(middle)s WHERE id = %(after)s",
                "UPDATE audit_events SET id = %(after)s WHERE id = -1",
            ],
            middle,
        ),
    }
    for what, (statements, first_bad) in changes.items():
        _look(stand, found, what, statements, first_bad, {"middle": middle, "after": after})
    return found


def _look(
    stand: Stand,
    found: Finding,
    what: str,
    statements: list[str],
    first_bad: int | None,
    values: dict[str, int] | None = None,
) -> None:
    """Tamper with a copy of the log, look at what the check says, and put back what was."""
    with as_owner(stand) as connection:
        connection.execute("CREATE TABLE trial_events AS SELECT * FROM audit_events")
        # As whoever owns the database can: the log's own trigger refuses it to all others.
        connection.execute("SET session_replication_role = replica")
        try:
            for statement in statements:
                connection.execute(statement, values)
            with stand.ground.app():
                said = [str(one) for one in verifying.check_log(db.session())]
        finally:
            connection.execute("DELETE FROM audit_events")
            connection.execute("INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM trial_events")
            connection.execute("DROP TABLE trial_events")
    found.facts[what] = said[0] if said else "nothing said"
    if first_bad is None:
        found.must(not said, "the check complains of a log that nobody touched")
    else:
        found.must(bool(said) and str(first_bad) in said[0], f"{what}: event {first_bad} is not named first")


@row(28, "D", "all that was committed is there; the site answers again within 20 s")
def supervisor_killed(stand: Stand) -> Finding:
    """`contest run` killed (kill -9) while somebody writes, with its embedded servers, and started again."""
    found = Finding()
    folder = stand.ground.folder / "run"
    env = {name: value for name, value in stand.ground.env.items() if not name.startswith("CONTEST_")}
    env |= {"CONTEST_DATA_DIR": str(folder), "CONTEST_PORT": str(free_port()), "CONTEST_WEB_WORKERS": "1"}
    running = _run(stand, "run", env)
    try:
        found.within("first start", wait_until(lambda: _connect(folder) is not None, within=90), 90)
        written = _write_until(folder, lambda: os.kill(running.pid, signal.SIGKILL))
        running.wait(10)
        began = time.monotonic()
        running = _run(stand, "run-again", env)
        took = wait_until(lambda: _count(folder) is not None, within=60)
        found.within("database again", took, 20)
        found.facts["started again"] = f"{time.monotonic() - began:.1f} s"
        found.facts["acknowledged"], found.facts["there"] = written, _count(folder)
        found.must((_count(folder) or 0) >= written > 0, "what was committed is not there")
    finally:
        running.terminate()
        running.wait(30)
    return found


def _run(stand: Stand, name: str, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    with open(stand.ground.folder / "log" / f"{name}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "contest.cli", "run"], cwd=ROOT, env=env, stdout=log, stderr=log
        )


def _connect(folder: Path) -> "psycopg.Connection[object] | None":
    """Return a connection to the database of a `contest run`, None while there is none."""
    try:
        url = Settings.from_env({"CONTEST_DATA_DIR": str(folder)}).database_url
        connection = psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=2)
        connection.execute("SELECT FROM accounts LIMIT 0")
    except (SettingsError, psycopg.Error):
        return None
    return connection


def _write_until(folder: Path, kill: "object") -> int:
    """Commit row after row, kill in the middle of it, and return how many were committed."""
    connection = _connect(folder)
    assert connection is not None
    connection.execute("CREATE TABLE trial_rows (n int)")
    written, began, is_killed = 0, time.monotonic(), False
    try:
        while time.monotonic() < began + 10:
            connection.execute("INSERT INTO trial_rows VALUES (%s)", [written])
            written += 1
            if not is_killed and time.monotonic() > began + 1:
                kill()  # type: ignore[operator]
                is_killed = True
    except psycopg.Error:
        pass
    return written


def _count(folder: Path) -> int | None:
    connection = _connect(folder)
    if connection is None:
        return None
    with connection:
        row = connection.execute("SELECT count(*) FROM trial_rows").fetchone()
    return int(row[0])  # type: ignore[index]
