"""The data of the benchmark: three databases on one server, and who in them does what."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from trials import data
from trials.data import People, Place
from trials.ground import Ground, TrialError

PAST_ROUNDS = 5  # in each of two contests
POINT = 840


@dataclass(frozen=True)
class Sizes:
    """How much there is."""

    items: int
    # In the large database: each has sat all past rounds.
    people: int
    # In the small one.
    few: int
    # In the round that is closed and ranked, in a database of its own.
    closing: int


FULL = Sizes(items=20_000, people=100_000, few=1_000, closing=200_000)
QUICK = Sizes(items=2_000, people=10_000, few=1_000, closing=10_000)

# Who does what in the live round, as shares of the people; the rest only looks on.
SAVE, SAVE_BARELY, SUBMIT, SUBMIT_BARELY = "save", "save barely", "submit", "submit barely"
START, INSERT_BARELY, CROWD, SIGN_IN, LOOK = "start", "insert barely", "crowd", "sign in", "look"
SHARES = {
    SAVE: 0.08,  # at full speed nobody's turn may come again within the flood limit of 250 ms
    SAVE_BARELY: 0.05,
    SUBMIT: 0.15,
    SUBMIT_BARELY: 0.25,
    START: 0.08,
    INSERT_BARELY: 0.18,
    CROWD: 0.10,
    SIGN_IN: 0.02,
    LOOK: 0.01,
}
SITTING = (SAVE, SAVE_BARELY, SUBMIT, SUBMIT_BARELY, CROWD)
WITH_SESSION = (SAVE, SUBMIT, START, CROWD, LOOK)


@dataclass(frozen=True)
class World:
    """The filled databases."""

    sizes: Sizes
    large: Ground
    small: Ground
    closing: Ground
    live: Place
    # Who does what in the large database, and in the small one.
    groups: dict[str, People]
    few: dict[str, People]
    # Of those who sign in, in their order.
    phones: list[str]


def fill(ground: Ground, sizes: Sizes, say: Callable[[str], None]) -> World:
    """Fill the databases. Raises TrialError where a count of rows is not what it must be."""
    began = time.monotonic()

    def tell(text: str) -> None:
        say(f"  {time.monotonic() - began:6.1f} s  {text}")

    with ground.app():
        data.make_bank(sizes.items, rounds=PAST_ROUNDS + 1)
        contests = [data.make_contest(slug, sizes.people // 50) for slug in ("nam-ngoai", "nam-nay")]
        past = [
            data.make_round(contest, data.specification(ago), weeks_ago=ago)
            for contest in contests
            for ago in range(PAST_ROUNDS, 0, -1)
        ]
        live = data.make_round(contests[-1], data.specification(0), weeks_ago=0)
        units = data.unit_ids()
    tell(f"a bank of {sizes.items} items, {len(past) + 1} rounds opened")
    small, closing = ground.copy("small"), ground.copy("closing")
    few = _fill_one(small, sizes.few, past, live, units)
    tell(f"{sizes.few} people and {sizes.few * len(past)} attempts beside them")
    groups = _fill_one(ground, sizes.people, past, live, units)
    tell(f"{sizes.people} people and {sizes.people * len(past)} attempts of past rounds")
    with closing.app(), closing.connect() as connection:
        many = data.add_people(connection, sizes.closing)
        data.enter(connection, live, many, units)
        sheets = data.keep_sheets(connection, live)
        data.submit_all(connection, live, many, sheets, scored=False)
        data.vacuum()
    tell(f"{sizes.closing} submitted attempts that wait for scoring")
    with ground.connect() as connection:
        phones = data.name_sign_ins(connection, groups[SIGN_IN], ground.settings.data_key)
    world = World(sizes, ground, small, closing, live, groups, few, phones)
    _check(world, len(past))
    tell("all tables have the rows that they must have")
    return world


def _fill_one(
    here: Ground, count: int, past: Sequence[Place], live: Place, units: Sequence[int]
) -> dict[str, People]:
    """Fill one database with people who have sat all past rounds; return who does what in the live one."""
    with here.app(), here.connect() as connection:
        people = data.add_people(connection, count)
        contests = {one.contest_id: one for one in past}
        for place in contests.values():
            data.enter(connection, place, people, units)
        # Or the database would begin to tidy up while the tables still grow.
        connection.execute("ALTER TABLE attempts SET (autovacuum_enabled = false)")
        with ThreadPoolExecutor(len(contests)) as threads:
            of_contest = [[one for one in past if one.contest_id == contest] for contest in contests]
            for _ in threads.map(lambda places: _sit_past(here, places, people), of_contest):
                pass
        connection.execute("ALTER TABLE attempts RESET (autovacuum_enabled)")
        groups = shared_out(people)
        sheets = data.keep_sheets(connection, live)
        for name in SITTING:
            data.sit(connection, live, groups[name], sheets)
        for name in WITH_SESSION:
            data.sign_in(connection, groups[name], here.settings.secret_key)
        data.vacuum()
    return groups


def _sit_past(here: Ground, places: Sequence[Place], people: People) -> None:
    """Let everybody sit some past rounds, and rank and close these."""
    with here.app(), here.connect() as connection:
        for place in places:
            sheets = data.keep_sheets(connection, place)
            data.submit_all(connection, place, people, sheets, scored=True)
            data.stand(connection, place, data.QUESTIONS * POINT)


def shared_out(people: People) -> dict[str, People]:
    """Return who does what, no one twice."""
    groups, skip = {}, 0
    for name, share in SHARES.items():
        count = int(len(people) * share)
        groups[name] = people.part(skip, count)
        skip += count
    return groups


def halves(people: People) -> tuple[People, People]:
    """Return the first half of people, who go on saving, and the second, who hand in."""
    half = len(people) // 2
    return people.part(0, half), people.part(half, half)


def _check(world: World, past: int) -> None:
    """Raise TrialError where there are not as many rows as there must be."""
    sizes = world.sizes
    sitting = sum(len(world.groups[name]) for name in SITTING)
    wanted = {
        world.large: {
            "item_versions": sizes.items,
            "registrations": 2 * sizes.people,
            "standings": past * sizes.people,
            "attempts": past * sizes.people + sitting,
        },
        world.closing: {"registrations": sizes.closing, "attempts": sizes.closing, "standings": 0},
    }
    for here, counts in wanted.items():
        with here.connect() as connection:
            found = data.count(connection, counts)
        if found != counts:
            raise TrialError(f"The data are not what they must be: {found} instead of {counts}.")
