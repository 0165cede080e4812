"""The database crashed, cut off, slow and full."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from trials.faults.proxy import Mode
from trials.faults.rows import Finding, is_root, row
from trials.faults.stand import Stand


@row(6, "D", "nothing lost; everybody acknowledged again within 5 s")
def database_crashed(stand: Stand) -> Finding:
    """The database ends at once (as -m immediate), is away for 1.5 s and recovers."""
    found = Finding()
    with stand.crowd(hand_in_after=10) as crowd:
        crowd.wait_for_acks()
        stand.kill_server("PostgreSQL", signal.SIGQUIT)
        time.sleep(1.5)
        began = time.monotonic()
        stand.start_servers()
        found.facts["the server itself was back after"] = f"{time.monotonic() - began:.2f} s"
        crowd.wait_for_acks(since=began, count=20)
        found.within("acknowledged again", time.monotonic() - began, 5)
    found.judge(stand, crowd)
    return found


@row(7, "D", "503 within 3 s, nobody hangs, what was unknown is resolved by asking again; nothing lost")
def database_cut_off(stand: Stand) -> Finding:
    """The line to the database swallows everything for 4 s, then hears without answering for 4 s."""
    found = Finding()
    with stand.crowd() as crowd:
        for mode in (Mode.DROP, Mode.HALF_OPEN):
            crowd.wait_for_acks(since=time.monotonic())
            stand.database.set(mode)
            time.sleep(4)
            stand.database.set(Mode.PASS)
            whole = time.monotonic()
            found.within(f"again after {mode.name.lower()}", crowd.wait_for_acks(since=whole), 5)
    found.within("longest answer", crowd.ledger.longest(), 3.0)
    found.judge(stand, crowd)
    return found


@row(8, "A", "only answers and 503 with Retry-After, never 500; nothing lost")
def database_slow(stand: Stand) -> Finding:
    """Every answer of the database 300 ms later, and 60 people on two pools of six connections."""
    found = Finding()
    with stand.crowd(count=60, pause=0.5) as crowd:
        crowd.wait_for_acks()
        stand.database.set(Mode.DELAY, delay=0.15)  # in each direction
        time.sleep(6)
        stand.database.set(Mode.PASS)
        found.within("everybody again", crowd.wait_for_acks(since=time.monotonic()), 5)
    found.judge(stand, crowd)
    return found


@row(9, "D", "what is refused is not acknowledged; with room again writes work; nothing lost")
def database_disk_full(stand: Stand) -> Finding:
    """The disk of the attempts' table full for some seconds."""
    found = Finding()
    found.must(is_root(), "a small disk can be mounted only by root: not tried")
    if not is_root():
        return found
    folder = Path(tempfile.mkdtemp(prefix="contest-small-disk-"))
    return _on_small_disk(stand, folder, found)


def _on_small_disk(stand: Stand, folder: Path, found: Finding) -> Finding:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True)
    space = folder / "space"
    try:
        owner = Path(f"/proc/{stand.ground.postmaster}").stat()
        space.mkdir()
        folder.chmod(0o755)
        os.chown(space, owner.st_uid, owner.st_gid)
        with as_owner(stand) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            connection.execute("ALTER TABLE attempts SET TABLESPACE small")
        with stand.crowd() as crowd:
            crowd.wait_for_acks()
            filler = folder / "filler"
            _fill_up(filler)
            began = time.monotonic()
            # Rows that fit into room already theirs go on; a bulk of new versions needs new room.
            refused_at = _until_refused(stand)
            found.facts["refused after"] = f"{refused_at:.2f} s"
            found.must(refused_at != float("inf"), "the disk never was full")
            time.sleep(max(0, 3 - (time.monotonic() - began)))
            filler.unlink()
            found.within("everybody again", crowd.wait_for_acks(since=time.monotonic()), 5)
        found.judge(stand, crowd)
    finally:
        stand.end()
        with as_owner(stand) as connection:
            connection.execute("ALTER TABLE attempts SET TABLESPACE pg_default")
            connection.execute("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", "-l", folder], check=False)
        folder.rmdir()
    return found


def as_owner(stand: Stand) -> "psycopg.Connection[object]":
    """Return a connection that may do everything."""
    url = psycopg.conninfo.make_conninfo(stand.ground.plain_database_url, user="postgres")
    return psycopg.connect(url, autocommit=True)


def _fill_up(filler: Path) -> None:
    with filler.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65_536)
                file.flush()
        except OSError:
            pass


def _until_refused(stand: Stand) -> float:
    """Write new versions of rows until the database says that there is no room; return how long it took."""
    began = time.monotonic()
    with stand.ground.connect() as connection:
        while time.monotonic() - began < 5:
            try:
                connection.execute("UPDATE attempts SET grace_ms = grace_ms WHERE submitted_at IS NULL")
            except psycopg.errors.DiskFull:
                return time.monotonic() - began
    return float("inf")
