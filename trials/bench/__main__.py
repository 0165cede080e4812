"""python -m trials.bench: the whole benchmark; `make bench` is the same."""

import argparse
import sys
import time
from collections.abc import Sequence

from trials import reports
from trials.bench import memory, pages, requests, results, signing_in, statements
from trials.bench.bench import Bench, stage
from trials.bench.load import Load
from trials.bench.windows import table
from trials.bench.world import FULL, QUICK, fill
from trials.ground import TrialError, ground
from trials.reports import say

GROUPS = ("statements", "requests", "pages", "sign-in", "results", "memory")


def main() -> None:
    """Run the benchmark, print its table and write it; leave with 1 if a row is not met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data and short windows, to try")
    parser.add_argument("--soak", action="store_true", help="memory over the whole 15 minutes")
    parser.add_argument("--only", choices=GROUPS, action="append", help="only this group; may be repeated")
    options = parser.parse_args()
    sys.exit(run(options))


def run(options: argparse.Namespace) -> int:
    """Run what the options ask for; return the exit code."""
    began = time.monotonic()
    try:
        with ground(web_workers=1, starts_per_second=10_000) as here, Load() as load:
            with stage(say, "Filling the databases"):
                world = fill(here, QUICK if options.quick else FULL, say)
            bench = Bench(
                world=world,
                load=load,
                say=say,
                pairs=3 if options.quick else 6,
                seconds=0.6 if options.quick else 1.5,
                warm_up=0.4 if options.quick else 1.0,
                is_quick=options.quick,
                is_soak=options.soak,
            )
            measure(bench, options.only or GROUPS)
    except TrialError as error:
        say(str(error))
        return 1
    say(table(bench.rows))
    say(f"\n{time.monotonic() - began:.0f} s in all.")
    write(bench)
    return 0 if all(row.met for row in bench.rows) else 1


def measure(bench: Bench, groups: Sequence[str]) -> None:
    """Measure group by group; each starts what it needs and stops it."""
    large = bench.world.large
    if "statements" in groups:
        with stage(say, "Statements and Redis commands"):
            statements.measure(bench)
    web, bare = large.web("web"), requests.yardstick(bench)
    if "requests" in groups:
        with stage(say, "The hot path"):
            requests.measure(bench, web, bare)
    if "pages" in groups:
        with stage(say, "Pages"):
            small = bench.world.small.web("web-small")
            pages.measure(bench, web, small, bare)
            small.stop()
    bare.stop()
    if "sign-in" in groups:
        with stage(say, "Signing in"):
            signing_in.measure(bench, web)
            web.stop()
            signing_in.measure_storm(bench)
    web.stop()
    if "results" in groups:
        with stage(say, "Scoring, closing and ranking"):
            results.measure(bench)
    if "memory" in groups:
        with stage(say, "Memory"):
            memory.measure(bench)


def write(bench: Bench) -> None:
    """Keep the rows, and every window that they rest on, where other programs find them."""
    found = {
        "rows": [vars(row) for row in bench.rows],
        "windows": [vars(window) for window in bench.windows],
        "is_quick": bench.is_quick,
    }
    reports.write("bench.json", found)


if __name__ == "__main__":
    main()
