"""The benchmark's own rules: what windows make of themselves, and what may not pass for a good result."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from trials.bench import load
from trials.bench.load import InTurn, Mixed, NumberedUpdates, Same, Saves, read_answer, request
from trials.bench.windows import (
    Row,
    Window,
    judged,
    percentile,
    row_of_cost,
    row_of_share,
    share,
    spread,
    table,
)
from trials.bench.world import FULL, QUICK, SHARES, halves, shared_out
from trials.data import People


def window(cpu_us: float, *, database_us: float = 0, wrong: int = 0, requests: int = 1000) -> Window:
    """Make a window in which each request took so much."""
    return Window(
        name="ours",
        requests=requests,
        wrong=wrong,
        first_wrong="HTTP/1.1 500" if wrong else "",
        seconds=1.0,
        cpu_seconds=requests * cpu_us / 1_000_000,
        database_cpu_seconds=requests * database_us / 1_000_000,
        p50_ms=1,
        p95_ms=2,
    )


# --- figures -------------------------------------------------------------------------------------


def test_the_share_is_the_median_over_the_pairs_and_not_over_the_run() -> None:
    ours = [window(200), window(400), window(1000)]
    yardsticks = [window(100), window(300), window(100)]
    assert share(ours, yardsticks) == pytest.approx(0.5)


def test_a_row_is_met_from_its_goal_on() -> None:
    yardsticks = [window(100), window(100)]
    assert row_of_share("save", [window(142), window(142)], yardsticks, 0.7).met
    assert not row_of_share("save", [window(144), window(144)], yardsticks, 0.7).met


def test_a_restless_yardstick_is_no_yardstick() -> None:
    row = row_of_share("save", [window(100)] * 2, [window(100), window(131)], 0.7)
    assert not row.met
    assert row.value.startswith("too noisy, run again (spread 1.31)")
    assert row_of_share("save", [window(100)] * 2, [window(100), window(129)], 0.7).met


def test_one_wrong_answer_spoils_a_row_whoever_gave_it() -> None:
    good, bad = [window(100)], [window(100, wrong=1)]
    for ours, yardsticks in ((bad, good), (good, bad)):
        row = row_of_share("save", ours, yardsticks, 0.7)
        assert not row.met
        assert row.value.startswith("1 wrong answers")


def test_nothing_measured_is_nothing_met() -> None:
    assert not judged("save", "", "", "", True, [], []).met


def test_the_cost_of_many_attempts_counts_the_database_too() -> None:
    few = [window(100, database_us=100)] * 3
    assert row_of_cost("own rank", [window(100, database_us=139)] * 3, few, 1.2).met
    row = row_of_cost("own rank", [window(100, database_us=142)] * 3, few, 1.2)
    assert not row.met
    assert row.value.startswith("1.21 ×")


def test_a_window_without_requests_costs_endlessly_much() -> None:
    assert window(100, requests=0).cpu_us == float("inf")
    assert spread([0.0, 1.0]) == spread([]) == float("inf")


def test_a_window_shows_its_wrong_answers() -> None:
    assert "3 WRONG: HTTP/1.1 500" in window(100, wrong=3).line()
    assert "WRONG" not in window(100).line()


@pytest.mark.parametrize(
    "values, share, value", [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0], 0.95, 1.0), ([], 0.5, float("inf"))]
)
def test_a_percentile(values: list[float], share: float, value: float) -> None:
    assert percentile(values, share) == value


def test_the_table_says_of_every_row_whether_it_is_met() -> None:
    rows = [Row("save", "70%", "bare", "≥ 70%", True), Row("a much longer name", "1%", "", "≥ 50%", False)]
    lines = table(rows).splitlines()
    assert lines[2].endswith("  met")
    assert lines[3].endswith("  NOT MET")
    assert lines[2].index("bare") == lines[0].index("yardstick")


# --- people --------------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [FULL.people, FULL.few, QUICK.people])
def test_nobody_does_two_things(people: int) -> None:
    groups = shared_out(People(3, people + 2))
    taken = [account_id for group in groups.values() for account_id in group.ids()]
    assert len(taken) == len(set(taken)) <= people
    assert min(taken) == 3
    assert groups.keys() == SHARES.keys()
    first, second = halves(groups["crowd"])
    assert [*first.ids(), *second.ids()] == [*groups["crowd"].ids()][: len(first) + len(second)]


def test_more_people_than_there_are_can_not_be_shared_out() -> None:
    with pytest.raises(ValueError, match="11 people are asked for, and there are 10"):
        People(1, 10).part(5, 6)


# --- load ----------------------------------------------------------------------------------------


def answer(status: int, body: bytes = b"", *headers: str) -> load.Answer:
    """Make an answer as it comes over the line."""
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}"]
    found = read_answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    assert found is not None
    return found


def test_an_answer_is_whole_only_with_its_whole_body() -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    assert all(read_answer(whole[:size]) is None for size in range(len(whole)))
    assert read_answer(whole) == load.Answer(200, whole.partition(b"\r\n\r\n")[0], b"hello")
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert read_answer(chunked[:-2]) is None
    assert read_answer(chunked) is not None


def test_each_save_of_an_attempt_has_the_next_number_and_must_be_stored_as_that() -> None:
    saves = Saves([("PUT /a HTTP/1.1\r\n", "4s"), ("PUT /b HTTP/1.1\r\n", "4s")], '{"1":["b"]}')
    sent = [made for _ in range(3) if (made := saves.next())]
    assert [expected for _, expected in sent] == [1, 1, 2]
    head, _, body = sent[2][0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /a ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'"seq":2,"base":1' in body
    good = b'{"seq": 2, "stored": true, "remaining_ms": 5}'
    assert saves.is_right(2, answer(200, good))
    assert not saves.is_right(1, answer(200, good))
    assert not saves.is_right(2, answer(200, good.replace(b"true", b"false")))
    assert not saves.is_right(2, answer(429, good))


def test_what_may_be_asked_once_comes_to_an_end() -> None:
    once = InTurn([b"a", b"b"], b"x", is_once=True)
    assert [once.next(), once.next(), once.next()] == [(b"a", None), (b"b", None), None]
    again = InTurn([b"a", b"b"], b"x")
    assert [again.next(), again.next(), again.next()] == [(b"a", None), (b"b", None), (b"a", None)]


def test_a_page_without_its_text_is_wrong() -> None:
    page = Same(b"", b"Hello")
    assert page.is_right(None, answer(200, b"Hello there"))
    assert not page.is_right(None, answer(200, b"An error"))
    assert not page.is_right(None, answer(500, b"Hello there"))


def test_who_is_turned_away_must_be_told_when_to_come_again() -> None:
    mixed = Mixed([(b"a", 303)])
    assert mixed.is_right(303, answer(303))
    assert mixed.is_right(303, answer(503, b"", "Retry-After: 1"))
    assert not mixed.is_right(303, answer(503))
    assert not mixed.is_right(303, answer(500, b"", "Retry-After: 1"))


def test_the_yardstick_updates_each_attempt_in_turn() -> None:
    updates = NumberedUpdates(["a", "b"], "{}")
    paths = [made[0].split(b" ")[1] for _ in range(3) if (made := updates.next())]
    assert paths == [b"/update/a/1", b"/update/b/1", b"/update/a/2"]


@contextmanager
def server(answers: list[bytes]) -> Iterator[int]:
    """Answer one request after the other on one connection at a time; an empty answer hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            left = iter(answers)
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while connection.recv(65536):
                        sent = next(left, b"")
                        if not sent:
                            break
                        connection.sendall(sent)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def run(port: int, source: Any, **options: Any) -> load.Tally:
    """Load a port from this process."""
    settings: dict[str, Any] = {"seconds": 5.0, "most": 3, "rate": 0.0, **options}
    return load._Run(port, source, **settings).run(1)


def test_the_load_counts_every_answer_and_keeps_the_first_wrong_one() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    with server([good, good.replace(b"hello", b"wrong"), good]) as port:
        tally = run(port, Same(request("GET", "/"), b"hello"))
    assert (tally.requests, tally.wrong, len(tally.latencies_ms)) == (3, 1, 3)
    assert "200 OK" in tally.first_wrong


def test_a_connection_that_is_closed_without_an_answer_is_a_wrong_answer() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    with server([good, b"", good]) as port:
        tally = run(port, Same(request("GET", "/"), b"hello"))
    assert (tally.requests, tally.wrong) == (3, 1)
    assert tally.first_wrong == "closed without an answer"


def test_a_source_that_is_used_up_ends_the_load() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    with server([good] * 2) as port:
        tally = run(port, InTurn([request("GET", "/")] * 2, b"x", is_once=True), most=100)
    assert (tally.requests, tally.wrong) == (2, 0)
    assert tally.seconds < 5


def test_an_even_rate_is_kept() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    with server([good] * 10) as port:
        tally = run(port, Same(request("GET", "/"), b"x"), most=10, rate=100.0)
    assert tally.requests == 10
    assert tally.seconds >= 0.09
