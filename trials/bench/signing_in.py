"""Signing in: what it costs beside the hash that it must compute, and what it does to who is saving."""

import time
from urllib.parse import urlencode

from argon2 import PasswordHasher

from contest.security import csrf_token
from trials import data
from trials.bench import requests
from trials.bench.bench import Bench, Target, of_tally
from trials.bench.load import Answer, InTurn, Load, request
from trials.bench.windows import Row, Window, judged, median_us, share
from trials.ground import Ground, Web

# What the issue names, and OWASP's minimum.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
MOST_DEARER = 1.3
# The design load: so many saves a second, and what they may take.
SAVES_PER_SECOND = 150
LONGEST_P95_MS = 300
STORM_CONNECTIONS = 24
STORM_SECONDS = 10.0


class Storm(InTurn):
    """Sign-ins of which some may be turned away, if it is said when to come again."""

    def is_right(self, expected: object, answer: Answer) -> bool:
        return answer.is_honest_refusal() or super().is_right(expected, answer)


def request_of(ground: Ground, phone: str, device: int) -> bytes:
    """Return the sign-in of a person, from a device of its own."""
    visitor = data.session_token(ground.settings.secret_key, -1 - device)
    fields = {
        "csrf_token": csrf_token(ground.settings.secret_key, visitor),
        "login": phone,
        "password": data.PASSWORD,
    }
    cookie = f"Cookie: contest_visitor={visitor}"
    return request("POST", "/login", cookie, body=urlencode(fields), kind=requests.FORM)


def measure(bench: Bench, web: Web) -> None:
    """Measure a sign-in beside one verification, then saving while everybody signs in."""
    world = bench.world
    phones = world.phones[: len(world.phones) * 3 // 4]
    sign_ins = [request_of(world.large, phone, n) for n, phone in enumerate(phones)]
    bench.keep("sign-in", InTurn(sign_ins, b"contest_sid=", status=303))
    # One at a time, as the verifications: two hashes at once take longer each, for they share a memory.
    target = Target("sign-in", web, world.large, "sign-in", connections=1)
    bench.window(target, bench.warm_up, label="(sign-in: warm-up)")
    ours, hashes = [], []
    for _ in range(bench.pairs):
        hashes.append(bench.note(_verifications(bench.seconds)))
        ours.append(bench.window(target, bench.seconds))
    value = 1 / share(ours, hashes)
    bench.add(
        judged(
            "sign-in",
            f"{value:.2f} × ({median_us(ours):.0f} µs CPU)",
            f"one argon2id verification: {median_us(hashes):.0f} µs CPU",
            f"≤ {MOST_DEARER:g} ×",
            value <= MOST_DEARER,
            ours,
            hashes,
        )
    )


def measure_storm(bench: Bench) -> None:
    """Measure saves at the design load alone, and while as many people as get through sign in."""
    world = bench.world
    web = world.large.web("web-storm", env={"CONTEST_WEB_WORKERS": "2"})
    sign_ins = [request_of(world.large, phone, n) for n, phone in enumerate(world.phones)]
    seconds = 3.0 if bench.is_quick else STORM_SECONDS
    _steady(bench, web, 2.0, "(saves: warm-up)")
    alone = _steady(bench, web, seconds, "saves alone")
    with Load() as other:
        other.keep("storm", Storm(sign_ins, b"contest_sid=", status=303))
        other.begin("storm", web.port, seconds=seconds + 1.0, connections=STORM_CONNECTIONS)
        time.sleep(0.5)
        beside = _steady(bench, web, seconds, "saves in the storm")
        storm = bench.note(of_tally("sign-ins of the storm", other.end(), 0.0, 0.0))
    web.stop()
    wrong = alone.wrong + beside.wrong + storm.wrong
    bench.add(
        Row(
            f"p95 of {SAVES_PER_SECOND} saves/s while everybody signs in",
            f"{beside.p95_ms:.0f} ms ({storm.requests / storm.seconds:.0f} sign-ins/s answered"
            + (f", {wrong} wrong answers)" if wrong else ")"),
            f"without sign-ins: {alone.p95_ms:.0f} ms",
            f"< {LONGEST_P95_MS} ms, none refused",
            beside.p95_ms < LONGEST_P95_MS and not wrong,
        )
    )


def _steady(bench: Bench, web: Web, seconds: float, label: str) -> Window:
    with bench.metered(bench.world.large, web) as taken:
        bench.load.begin(
            requests.steady_saves(bench), web.port, seconds=seconds, connections=16, rate=SAVES_PER_SECOND
        )
        tally = bench.load.end()
    return bench.note(of_tally(label, tally, *taken))


def _verifications(seconds: float) -> Window:
    """Verify one password for a while, in this process."""
    kept = HASHER.hash(data.PASSWORD)
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        HASHER.verify(kept, data.PASSWORD)
        count += 1
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    each = took / count * 1000
    return Window("argon2id verification", count, 0, "", took, cpu, 0.0, each, each)
