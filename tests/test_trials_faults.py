"""The harness of the faults: its proxy, and that its checks find what is planted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trials.faults.ledger import Entry, Kept, Ledger, Told, dishonest, lost
from trials.faults.proxy import Mode, Proxy
from trials.faults.unguarded import without

SHEET, OTHER = {"1": ["a"]}, {"1": ["b"]}


def entry(seq: int = 1, told: Told = Told.ACKED, **changes: object) -> Entry:
    facts = {"op": "save", "attempt": "x", "sheet": SHEET, "began": 1.0, "ended": 1.5, "status": 200}
    return Entry(seq=seq, told=told, **(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entries", "kept", "said"),
    [
        ([entry(1), entry(2)], {"x": Kept(1, SHEET, False)}, "sheet 2 was acknowledged, and 1 is stored"),
        ([entry(1)], {"x": Kept(1, OTHER, False)}, "is not the one that was sent"),
        ([entry(1)], {}, "no such attempt"),
        ([entry(1)], {"x": Kept(7, SHEET, False)}, "nobody sent it"),
        ([entry(0, op="submit")], {"x": Kept(0, {}, False)}, "and it is open"),
    ],
)
def test_a_planted_loss_is_found(entries: list[Entry], kept: dict[str, Kept], said: str) -> None:
    [fault] = lost(entries, kept)
    assert said in fault


def test_what_nobody_was_told_may_be_there_or_not() -> None:
    asked = [entry(1), entry(2, Told.UNKNOWN, sheet=OTHER, status=None)]
    assert not list(lost(asked, {"x": Kept(1, SHEET, False)}))
    assert not list(lost(asked, {"x": Kept(2, OTHER, False)}))


def test_only_an_honest_503_passes() -> None:
    honest = entry(told=Told.REFUSED, status=503, retry_after="2")
    assert not list(dishonest([honest, entry(status=404), entry(status=None)]))
    assert len(list(dishonest([entry(status=500), entry(status=503)]))) == 2


def test_the_longest_outage_lies_between_two_acknowledgements() -> None:
    ledger = Ledger(
        [entry(ended=1.0), entry(ended=4.0), entry(told=Told.REFUSED, ended=9.0), entry(ended=5.0)]
    )
    assert ledger.longest_outage() == 3.0


def test_guards_are_taken_out_of_updates_alone() -> None:
    update = "UPDATE attempts a SET x WHERE %(seq)s::INTEGER > a.save_seq AND y"
    assert without("sequence", update) == "UPDATE attempts a SET x WHERE true AND y"
    assert without("sequence", "SELECT a.save_seq") == "SELECT a.save_seq"


@contextmanager
def echo() -> Iterator[Proxy]:
    """Give a proxy before a server that sends back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(line: socket.socket) -> None:
            with line:
                try:
                    while heard := line.recv(100):
                        line.sendall(heard)
                except OSError:
                    pass

        def accept() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(line,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        address = server.getsockname()
        with Proxy(lambda: socket.create_connection(address)) as proxy:
            yield proxy


def said_back(line: socket.socket, text: bytes) -> bytes | None:
    """Return what comes back within a moment; None: nothing at all."""
    line.settimeout(0.3)
    line.sendall(text)
    try:
        return line.recv(100)
    except TimeoutError:
        return None


def is_broken(line: socket.socket) -> bool:
    """Tell whether a line has been closed or reset."""
    try:
        return said_back(line, b"more") == b""
    except OSError:
        return True


@pytest.mark.parametrize("mode", [Mode.DROP, Mode.HALF_OPEN])
def test_a_line_that_swallows_is_broken_afterwards(mode: Mode) -> None:
    with echo() as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as line:
        assert said_back(line, b"one") == b"one"
        proxy.set(mode)
        assert said_back(line, b"two") is None
        proxy.set(Mode.PASS)
        assert is_broken(line)
        with socket.create_connection(("127.0.0.1", proxy.port)) as fresh:
            assert said_back(fresh, b"four") == b"four"


def test_a_slow_line_is_slow_in_both_directions() -> None:
    with echo() as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as line:
        proxy.set(Mode.DELAY, delay=0.2)
        assert said_back(line, b"one") is None
        line.settimeout(5)
        assert line.recv(100) == b"one"


def test_a_reset_line_takes_nobody() -> None:
    with echo() as proxy:
        proxy.set(Mode.RESET)
        with socket.create_connection(("127.0.0.1", proxy.port)) as line:
            assert is_broken(line)
