"""The ground of the trials: real processes are started, measured and ended, and nothing is left behind."""

import os
import sys
import time
from collections.abc import Iterable

import pytest

from trials import processes
from trials.ground import TrialError, free_port, ground


def is_there(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet waited for does not."""
    return bool(processes.command_of(pid))


def are_gone(pids: Iterable[int], *, within: float = 10) -> bool:
    """Tell whether processes end: what is killed may take a moment to leave the kernel's table."""
    give_up_at = time.monotonic() + within
    while any(map(is_there, pids)):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def test_a_platform_of_its_own_runs_is_measured_and_goes_without_a_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CONTEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("CONTEST_REDIS_URL", raising=False)
    monkeypatch.setenv("CONTEST_CONTACT", "the caller's own")
    with ground(durable=False, web_workers=2, web_threads=2) as here:
        assert here.settings.contact != "the caller's own"
        assert here.settings.web_workers == 2
        with here.connect() as connection:
            connection.execute("INSERT INTO bank_items (code) VALUES ('T1-001')")
        with here.copy("other") as copy:
            with copy.connect() as connection:
                assert connection.execute("SELECT code FROM bank_items").fetchall() == [("T1-001",)]
                connection.execute("DELETE FROM bank_items")
            beside = copy.web("beside")
            assert beside.answers("/readyz")
        assert are_gone([beside.pid])
        with here.connect() as connection:
            assert connection.execute("SELECT count(*) FROM bank_items").fetchone() == (1,)
        web, idle = here.web(), here.start("idle", [sys.executable, "-c", "import time; time.sleep(60)"])
        assert web.answers("/healthz")
        assert web.answers("/readyz")
        assert not web.answers("/no-such-page")
        give_up_at = time.monotonic() + 20
        while len(web.workers()) < 2 and time.monotonic() < give_up_at:
            time.sleep(0.05)
        assert len(web.workers()) == 2
        assert web.cpu_seconds() > 0.1
        assert here.database_cpu_seconds() > 0
        held = web.memory()
        assert web.pid in held
        assert all(one.rss >= one.pss >= one.private > 0 for one in held.values())
        children = web.tree()
        web.kill()
        assert are_gone(children)
        assert web.has_ended()
        folder, left = here.folder, [idle.pid, *(here.servers.pids.values() if here.servers else ())]
        assert all(is_there(pid) for pid in left)
    assert are_gone(left)
    assert not folder.exists()


def test_a_web_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("CONTEST_REDIS_URL", raising=False)
    with ground(durable=False) as here, pytest.raises(TrialError, match="no_such_module"):
        here.web(target="no_such_module:app")


def test_one_given_address_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEST_DATABASE_URL", "postgresql://")
    monkeypatch.delenv("CONTEST_REDIS_URL", raising=False)
    with pytest.raises(TrialError, match="Set both"), ground():
        pass


def test_what_a_process_computes_and_starts_is_read_from_the_kernel() -> None:
    before = processes.cpu_seconds([os.getpid()])
    began = time.process_time()
    while time.process_time() - began < 0.1:
        sum(range(1000))
    assert 0.05 <= processes.cpu_seconds([os.getpid()]) - before <= 2
    assert os.getpid() in processes.tree(os.getppid())
    assert processes.parent(os.getpid()) == os.getppid()
    gone = 2**22 + 1  # above the largest number of a process
    assert processes.cpu_seconds([gone]) == 0
    assert processes.parent(gone) is None
    assert processes.command_of(gone) == ""
    with pytest.raises(FileNotFoundError):
        processes.memory(gone)


def test_a_free_port_is_free() -> None:
    assert 1024 <= free_port() <= 65535
