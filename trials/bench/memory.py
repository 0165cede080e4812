"""What the processes hold, and whether it grows while people come and go."""

import time
from statistics import median

from trials import data
from trials.bench import pages, requests, signing_in
from trials.bench import world as who
from trials.bench.bench import Bench, of_tally
from trials.bench.load import Load, Mixed, request
from trials.bench.windows import Row
from trials.ground import Ground, Running, Web
from trials.processes import Memory, memory

MOST_MB = 120
MOST_GROWTH_MB = 2.0
# From when to when growth counts, in seconds of load: as the issue says, and as a shorter run can.
WHOLE, SHORT, QUICK = (300.0, 900.0), (45.0, 105.0), (6.0, 14.0)
# A reading moves with what is under way just then: several are taken and the median counts.
READINGS, READING_EVERY = 5, 0.4
# In people: who comes so many later has not overtaken, however slow an answer is.
LAG = 5


def measure(bench: Bench) -> None:
    """Load the whole platform with everything that people do, and look at its processes."""
    begin, end = WHOLE if bench.is_soak else QUICK if bench.is_quick else SHORT
    ground = bench.world.large
    web = ground.web("web-memory", env={"CONTEST_WEB_WORKERS": "2"})
    programs: list[Running] = [web, ground.worker(), ground.sweep()]
    saves = requests.steady_saves(bench)
    with Load() as looking:
        looking.keep("looks", _all_else(bench))
        seconds = end + 6.0
        bench.load.begin(saves, web.port, seconds=seconds, connections=8, rate=40.0)
        looking.begin("looks", web.port, seconds=seconds, connections=4, rate=20.0)
        time.sleep(begin)
        early = _readings(programs, web)
        time.sleep(max(0.0, end - begin - READINGS * READING_EVERY))
        late = _readings(programs, web)
        tallies = [
            bench.note(of_tally("saves meanwhile", bench.load.end(), 0.0, 0.0)),
            bench.note(of_tally("all else meanwhile", looking.end(), 0.0, 0.0)),
        ]
    for program in programs:
        program.stop()
    wrong = sum(one.wrong for one in tallies)
    for name, one in late.items():
        bench.say(f"  {name:<12} {one.rss:6.1f} MB resident, {one.pss:6.1f} MB its own share")
    largest = max(late, key=lambda name: late[name].rss)
    bench.add(
        Row(
            "memory of the largest process",
            f"{late[largest].rss:.0f} MB ({largest}; its own share {late[largest].pss:.0f} MB)"
            + (f", {wrong} wrong answers" if wrong else ""),
            "",
            f"≤ {MOST_MB} MB",
            late[largest].rss <= MOST_MB and not wrong,
        )
    )
    growth = {name: late[name].private - early[name].private for name in late}
    most = max(growth, key=lambda name: growth[name])
    span = f"from minute {begin / 60:.1f} to {end / 60:.1f} of load"
    shorter = "" if bench.is_soak else "; `make bench ARGS=--soak` measures minute 5 to 15"
    bench.add(
        Row(
            f"growth of memory {span}",
            f"{growth[most]:+.1f} MB ({most}{shorter})",
            "",
            f"≤ {MOST_GROWTH_MB:g} MB",
            growth[most] <= MOST_GROWTH_MB and not wrong,
        )
    )


def _all_else(bench: Bench) -> Mixed:
    """Return what people do beside saving, in turn: look, start, hand in, see the result, sign in."""
    world, ground = bench.world, bench.world.large
    _, handing_in = who.halves(world.groups[who.CROWD])
    shapes = requests.shapes_of(ground, world.live)
    people = [person for person in handing_in.ids() if data.public_id(world.live, person) in shapes]
    phones = [signing_in.request_of(ground, phone, device) for device, phone in enumerate(world.phones)]
    asked: list[tuple[bytes, int]] = []
    for n, person in enumerate(people):
        cookie = requests.cookie(ground, person)
        asked += [(request("GET", path), 200) for path, _ in pages.FOR_EVERYBODY.values()]
        asked += [(request("GET", path, cookie), 200) for path, _ in pages.OWN.values()]
        asked.append((requests.start(ground, world.live, person), 303))
        asked.append((phones[n % len(phones)], 303))
        paper = f"/attempts/{data.public_id(world.live, person)}"
        asked.append((request("GET", paper, cookie), 200))
        # Who looked at their paper a while ago hands in, and who handed in a while ago looks: several
        # connections are at work, and none waits for another.
        for lag, follows in ((LAG, _hand_in), (2 * LAG, _see_result)):
            if n >= lag:
                asked.append(follows(ground, world.live, people[n - lag], shapes))
    return Mixed(asked)


def _hand_in(ground: Ground, place: data.Place, person: int, shapes: dict[str, str]) -> tuple[bytes, int]:
    shape = shapes[data.public_id(place, person)]
    return requests.submission(ground, place, person, shape), 303


def _see_result(ground: Ground, place: data.Place, person: int, _: dict[str, str]) -> tuple[bytes, int]:
    path = f"/attempts/{data.public_id(place, person)}/result"
    return request("GET", path, requests.cookie(ground, person)), 200


def _readings(programs: list[Running], web: Web) -> dict[str, Memory]:
    """Return the memory of each process of the platform: the median of some readings, field by field."""
    pids = {f"web {n}": pid for n, pid in enumerate(web.workers(), start=1)}
    pids |= {one.name: one.pid for one in programs if one is not web}
    taken: dict[str, list[Memory]] = {name: [] for name in pids}
    for _ in range(READINGS):
        for name, pid in pids.items():
            taken[name].append(memory(pid))
        time.sleep(READING_EVERY)
    return {
        name: Memory(
            rss=median(one.rss for one in some),
            pss=median(one.pss for one in some),
            private=median(one.private for one in some),
        )
        for name, some in taken.items()
    }
