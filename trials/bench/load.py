"""The load: a process of its own that keeps connections busy and looks at every answer.

It is a bare HTTP/1.1 client over a selector, because whatever it computes is missing to the server
on a small machine. It sends only to the loopback interface.
"""

import gc
import json
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self

from trials.bench.windows import percentile

HOST = "127.0.0.1"
CONNECTIONS = 8
ANSWER_WITHIN = 20.0
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    head: bytes
    body: bytes

    def is_honest_refusal(self) -> bool:
        """Tell whether it turns somebody away and says when to come again."""
        return self.status in (429, 503) and b"retry-after:" in self.head.lower()


class Source(Protocol):
    """Where requests come from, and what their answers must be."""

    def next(self) -> tuple[bytes, Any] | None:
        """Return the next request and what its answer is checked with; None when there is none left."""

    def is_right(self, expected: Any, answer: Answer) -> bool:
        """Tell whether an answer is as it must be."""


@dataclass
class Same:
    """One request over and over, whose answer must have a status and hold a text."""

    request: bytes
    text: bytes
    status: int = 200

    def next(self) -> tuple[bytes, Any] | None:
        return self.request, None

    def is_right(self, expected: Any, answer: Answer) -> bool:
        return answer.status == self.status and self.text in answer.body


@dataclass
class InTurn:
    """Many requests, round and round or each once; the answer must hold a text in its head or body."""

    requests: Sequence[bytes]
    text: bytes
    status: int = 200
    is_once: bool = False
    place: int = 0

    def next(self) -> tuple[bytes, Any] | None:
        if self.is_once and self.place >= len(self.requests):
            return None
        self.place += 1
        return self.requests[(self.place - 1) % len(self.requests)], None

    def is_right(self, expected: Any, answer: Answer) -> bool:
        return answer.status == self.status and (self.text in answer.head or self.text in answer.body)


@dataclass
class Mixed:
    """Many different requests, round and round, each with the status that its answer must have.

    Some may be turned away, if they are told when to come again.
    """

    requests: Sequence[tuple[bytes, int]]
    place: int = 0

    def next(self) -> tuple[bytes, Any] | None:
        self.place += 1
        return self.requests[(self.place - 1) % len(self.requests)]

    def is_right(self, expected: Any, answer: Answer) -> bool:
        return answer.status == expected or answer.is_honest_refusal()


@dataclass
class Saves:
    """Whole answer sheets of many people in turn, each with the next number of its attempt."""

    # Per attempt: the head of its request without the length, and the shape of its paper.
    attempts: Sequence[tuple[str, str]]
    answers: str
    seqs: list[int] = field(default_factory=list)
    place: int = 0

    def next(self) -> tuple[bytes, Any] | None:
        self.seqs = self.seqs or [0] * len(self.attempts)
        n = self.place % len(self.attempts)
        self.place += 1
        head, shape = self.attempts[n]
        base, self.seqs[n] = self.seqs[n], self.seqs[n] + 1
        body = (
            f'{{"seq":{base + 1},"base":{base},"editor":"page","shape":"{shape}",'
            f'"responses":{self.answers},"prediction":12345}}'
        )
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), base + 1

    def is_right(self, expected: Any, answer: Answer) -> bool:
        if answer.status != 200:
            return False
        said = json.loads(answer.body)
        return said["stored"] is True and said["seq"] == expected and said["remaining_ms"] > 0


@dataclass
class NumberedUpdates:
    """The yardstick's updates of many attempts in turn."""

    ids: Sequence[str]
    body: str
    place: int = 0

    def next(self) -> tuple[bytes, Any] | None:
        id, seq = self.ids[self.place % len(self.ids)], 1 + self.place // len(self.ids)
        self.place += 1
        return request("PUT", f"/update/{id}/{seq}", body=self.body), None

    def is_right(self, expected: Any, answer: Answer) -> bool:
        return answer.status == 200 and answer.body == b"stored"


def request(method: str, path: str, *headers: str, body: str = "", kind: str = "application/json") -> bytes:
    """Return a whole request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers]
    if body or method != "GET":
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}"]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


@dataclass
class Tally:
    """What came of a while of load."""

    requests: int = 0
    wrong: int = 0
    first_wrong: str = ""
    seconds: float = 0
    own_cpu_seconds: float = 0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        return percentile(self.latencies_ms, 0.5)

    @property
    def p95_ms(self) -> float:
        return percentile(self.latencies_ms, 0.95)


@dataclass(eq=False)
class _Line:
    """One connection: the request under way on it, since when, and what has come back."""

    socket: socket.socket
    expected: Any = None
    since: float = 0
    received: bytes = b""


class _Run:
    """One while of load on a port."""

    def __init__(self, port: int, source: Source, *, seconds: float, most: int, rate: float) -> None:
        self.port, self.source, self.rate = port, source, rate
        self.tally = Tally()
        self.left, self.began = most, time.perf_counter()
        self.until = self.began + seconds
        self.selector = selectors.DefaultSelector()
        self.idle: deque[_Line] = deque()
        self.busy = 0

    def run(self, connections: int) -> Tally:
        own = time.process_time()
        lines = [_Line(self._connect()) for _ in range(connections)]
        for line in lines:
            self.selector.register(line.socket, selectors.EVENT_READ, line)
        self.idle.extend(lines)
        self._send()
        while (self.busy or self._may_send()) and time.perf_counter() < self.until + ANSWER_WITHIN:
            for key, _ in self.selector.select(self._patience()):
                self._receive(key.data)
            self._send()
        if self.busy:
            self.tally.wrong += self.busy
            self.tally.first_wrong = self.tally.first_wrong or f"no answer within {ANSWER_WITHIN:.0f} s"
        for line in lines:
            line.socket.close()
        self.selector.close()
        self.tally.seconds = time.perf_counter() - self.began
        self.tally.own_cpu_seconds = time.process_time() - own
        return self.tally

    def _connect(self) -> socket.socket:
        """Return a connection; a server that has just died is given time to come back."""
        give_up_at = time.perf_counter() + ANSWER_WITHIN
        while True:
            try:
                connected = socket.create_connection((HOST, self.port), timeout=ANSWER_WITHIN)
            except ConnectionError:
                if time.perf_counter() > give_up_at:
                    raise
                time.sleep(0.05)
            else:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connected

    def _may_send(self) -> bool:
        return self.left > 0 and time.perf_counter() < self.until

    def _due(self) -> float:
        """Return when the next request is due: at once, or at its place in an even row."""
        sent = self.tally.requests + self.busy
        return self.began + sent / self.rate if self.rate else 0.0

    def _patience(self) -> float:
        return min(0.5, max(0.0, self._due() - time.perf_counter())) if self.rate and self.idle else 0.5

    def _send(self) -> None:
        while self.idle and self._may_send() and (due := self._due()) <= (now := time.perf_counter()):
            following = self.source.next()
            if following is None:
                self.left = 0
                return
            line = self.idle.popleft()
            # In an even row a request that is sent late has waited: its time counts from when it was due.
            line.since, line.received = due or now, b""
            sent, line.expected = following
            self.left -= 1
            self.busy += 1
            try:
                line.socket.sendall(sent)
            except ConnectionError:
                pass  # the end of the connection is read next, and is a wrong answer

    def _receive(self, line: _Line) -> None:
        try:
            part = line.socket.recv(262_144)
        except ConnectionError:
            part = b""
        line.received += part
        answer = read_answer(line.received)
        if answer is None and part:
            return
        if line in self.idle:  # closed between two requests, which harms nobody
            self._reconnect(line)
            return
        self.busy -= 1
        self.tally.requests += 1
        self.tally.latencies_ms.append((time.perf_counter() - line.since) * 1000)
        if answer is None or not self.source.is_right(line.expected, answer):
            self.tally.wrong += 1
            shown = line.received[:LONGEST_SHOWN].decode(errors="replace").splitlines()
            self.tally.first_wrong = self.tally.first_wrong or " | ".join(shown) or "closed without an answer"
        if not part or (answer and b"connection: close" in answer.head.lower()):
            self._reconnect(line)
        self.idle.append(line)

    def _reconnect(self, line: _Line) -> None:
        self.selector.unregister(line.socket)
        line.socket.close()
        line.socket = self._connect()
        self.selector.register(line.socket, selectors.EVENT_READ, line)


def read_answer(received: bytes) -> Answer | None:
    """Return the whole answer, or None while a part of it is missing."""
    head, mark, body = received.partition(b"\r\n\r\n")
    if not mark:
        return None
    status = int(head[9:12])
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        if not body.endswith(b"0\r\n\r\n"):
            return None
    else:
        _, mark, rest = lowered.partition(b"content-length:")
        if mark and len(body) < int(rest.partition(b"\r\n")[0]):
            return None
    return Answer(status, head, body)


# --- the process ---------------------------------------------------------------------------------


class Load:
    """A process that makes load; use it as a context manager, from which it never outlives."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def keep(self, name: str, source: Source) -> None:
        """Hand over a source, which goes on where it stopped at each run."""
        self._pipe.send(("keep", name, source))

    def begin(
        self,
        name: str,
        port: int,
        *,
        seconds: float,
        most: int = 10_000_000,
        connections: int = CONNECTIONS,
        rate: float = 0,
    ) -> None:
        """Begin to send what a source has, at an even rate or (0) as fast as answers come back."""
        options = {"seconds": seconds, "most": most, "rate": rate}
        self._pipe.send(("run", name, port, connections, options))

    def end(self) -> Tally:
        """Wait until it is over and return what came of it. Raises RuntimeError with what went wrong."""
        tally = self._pipe.recv()
        if isinstance(tally, str):
            raise RuntimeError(f"the load stopped: {tally}")
        assert isinstance(tally, Tally)
        return tally


def _serve(pipe: "Connection[Any, Any]") -> None:
    sources: dict[str, Source] = {}
    gc.freeze()
    while True:
        try:
            what, name, *rest = pipe.recv()
        except EOFError:
            return
        if what == "keep":
            sources[name] = rest[0]
            gc.collect()
            gc.freeze()  # or the collector would look at thirty thousand requests again and again
            continue
        port, connections, options = rest
        try:
            pipe.send(_Run(port, sources[name], **options).run(connections))
        except OSError as error:
            pipe.send(f"{type(error).__name__}: {error}")
