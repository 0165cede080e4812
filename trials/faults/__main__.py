"""python -m trials.faults: the scorecard of faults; `make faults` is the same."""

import argparse
import sys
import time

import psycopg

from trials import reports
from trials.faults import (  # noqa: F401  (the rows enter themselves)
    data_rows,
    database_rows,
    process_rows,
    proof_row,
    race_rows,
    redis_rows,
    time_rows,
)
from trials.faults.controls import CONTROLS, try_without
from trials.faults.rows import ROWS, Finding, Row
from trials.faults.stand import Stand, stand
from trials.ground import TrialError
from trials.reports import say

SCORECARD = 28
MOST_FAULTS_SHOWN = 5
YARDSTICK = "what people were told"


def main() -> None:
    """Try the rows, print the scorecard and write it; leave with 1 if a row is not met."""
    names = [row.name for row in ROWS]
    controls = [f"without-{one.guard}" for one in CONTROLS]
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", choices=names + controls, action="append", help="may be repeated")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of every choice by chance")
    options = parser.parse_args()
    sys.exit(run(options.only or names + controls, options.seed))


def run(wanted: list[str], seed: int) -> int:
    """Run the rows and controls of these names; return the exit code."""
    began = time.monotonic()
    lines: list[dict[str, object]] = []
    findings: list[Finding] = []
    is_whole = len(wanted) == len(ROWS) + len(CONTROLS)
    try:
        with stand(seed=seed) as here:
            say(f"seed {seed}; filled in {time.monotonic() - began:.0f} s")
            for row in sorted(ROWS, key=lambda one: one.number):
                if row.name in wanted:
                    finding = _try(here, row)
                    findings.append(finding)
                    lines.append(_line(row, finding))
            for control in CONTROLS:
                if f"without-{control.guard}" in wanted:
                    finding = try_without(here, control)
                    lines.append(_control_line(control.guard, finding))
    except TrialError as error:
        say(str(error))
        return 1
    tried = {row.number for row in ROWS}
    missing = [number for number in range(1, SCORECARD + 1) if number not in tried]
    if is_whole:
        # What is not tried is not met: the scorecard has 28 rows whoever wrote how many.
        lines += [_missing_line(number) for number in missing]
    met = sum(bool(line["met"]) for line in lines if "#" in str(line["what"]))
    seconds = time.monotonic() - began
    say(
        f"\n{met}/{SCORECARD if is_whole else len(findings)} rows met; longest answer "
        f"{max((one.longest_wait for one in findings), default=0):.2f} s, longest outage "
        f"{max((one.longest_outage for one in findings), default=0):.2f} s; "
        f"seed {seed}; {seconds:.0f} s in all."
    )
    _write(lines, findings, seed, seconds)
    return 0 if all(line["met"] for line in lines) else 1


def _try(here: Stand, row: Row) -> Finding:
    """Try a row; one that breaks down is not met, and the next one is tried all the same."""
    began = time.monotonic()
    try:
        finding = row.act(here)
    except (
        psycopg.Error,
        TrialError,
        OSError,
        ArithmeticError,
        LookupError,
        ValueError,
        AssertionError,
    ) as error:
        finding = Finding(faults=[f"the trial broke down: {type(error).__name__}: {error}"])
    finally:
        here.end()
    say(
        f"#{row.number:<2} {'met    ' if not finding.faults else 'NOT MET'} {row.title} "
        f"({time.monotonic() - began:.0f} s)\n     {_value(finding)}"
    )
    for fault in finding.faults[:MOST_FAULTS_SHOWN]:
        say(f"     ! {fault}")
    return finding


def _value(finding: Finding) -> str:
    return "; ".join(f"{what}: {value}" for what, value in finding.facts.items())


def _line(row: Row, finding: Finding) -> dict[str, object]:
    return {
        "what": f"#{row.number} {row.title}",
        "value": "; ".join([_value(finding), *finding.faults[:MOST_FAULTS_SHOWN]]),
        "yardstick": YARDSTICK,
        "goal": row.goal,
        "met": not finding.faults,
    }


def _control_line(guard: str, finding: Finding) -> dict[str, object]:
    """Return the line of a negative control, which is met when the row has failed."""
    said = finding.faults[0] if finding.faults else "nothing was noticed"
    say(f"    {'met    ' if finding.faults else 'NOT MET'} without the {guard}: {said}")
    return {
        "what": f"control: without the {guard} its row fails",
        "value": said,
        "yardstick": "the same row with it",
        "goal": "the row fails",
        "met": bool(finding.faults),
    }


def _missing_line(number: int) -> dict[str, object]:
    say(f"#{number:<2} NOT MET not tried by this command")
    return {
        "what": f"#{number}",
        "value": "not tried by this command; docs/faults.md names the tests that there are",
        "yardstick": "",
        "goal": "tried here",
        "met": False,
    }


def _write(lines: list[dict[str, object]], findings: list[Finding], seed: int, seconds: float) -> None:
    """Keep the scorecard where other programs find it."""
    kept = {
        "rows": lines,
        "seed": seed,
        "seconds": round(seconds),
        "longest_answer": max((one.longest_wait for one in findings), default=0),
        "longest_outage": max((one.longest_outage for one in findings), default=0),
    }
    reports.write("faults.json", kept)


if __name__ == "__main__":
    main()
