"""What a crowd found, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contest.crowd.simulating import Outcome
from contest.rules.crowds import OPERATIONS, Finding, Scenario, Timing, findings, timing

MOST_FAULTS_SHOWN = 20
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Report:
    """A crowd that is over and checked."""

    scenario: Scenario
    outcome: Outcome
    timings: dict[str, Timing]
    faults: Sequence[str]
    findings: Sequence[Finding]

    @property
    def is_met(self) -> bool:
        """Whether every goal was met."""
        return all(one.is_met for one in self.findings)


def report(scenario: Scenario, outcome: Outcome, faults: Sequence[str]) -> Report:
    """Return the report of a crowd; `faults` are the acknowledgements that the database does not hold."""
    ledger = outcome.ledger
    timings = {
        name: timing(ledger.milliseconds[name], outcome.seconds)
        for name in OPERATIONS
        if name in ledger.milliseconds
    }
    errors = dict(ledger.errors)
    if outcome.unfinished:
        errors["no answer to the end"] = outcome.unfinished
    found = findings(
        scenario,
        timings,
        errors=errors,
        lost=len(faults),
        saves_due=outcome.saves_due,
        starts_due=outcome.starts_due,
        started=ledger.started,
        handed_in_seconds=outcome.handed_in_seconds,
    )
    return Report(scenario, outcome, timings, faults, found)


def as_record(told: Report) -> dict[str, Any]:
    """Return the report as one JSON object."""
    outcome = told.outcome
    return {
        "scenario": told.scenario.name,
        "sitting": told.scenario.sitting,
        "seconds": round(outcome.seconds, 1),
        "is_met": told.is_met,
        "lost": len(told.faults),
        "faults": list(told.faults[:MOST_FAULTS_SHOWN]),
        "findings": [asdict(one) for one in told.findings],
        "timings": {name: asdict(one) for name, one in told.timings.items()},
        **outcome.ledger.as_record(),
        "acknowledged": len(outcome.ledger.entries),
        "handed_in_seconds": outcome.handed_in_seconds,
        "generator": {
            "cpu_us_per_request": round(outcome.cpu_us_per_request),
            "cpu_share": round(outcome.generator_cpu / outcome.seconds, 3) if outcome.seconds else 0,
            "latest_ms": round(outcome.lateness_ms, 1),
            "connections": outcome.connections,
        },
    }


def lines(told: Report) -> list[str]:
    """Return the report as lines for a terminal."""
    record = as_record(told)
    out = [f"{'':10}{'count':>8}{'/s':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms   by status"]
    for name, one in told.timings.items():
        statuses = "  ".join(
            f"{NO_ANSWER if key == '0' else key}: {count}"
            for key, count in record["statuses"].get(name, {}).items()
        )
        out.append(
            f"{name:10}{one.count:8}{one.per_second:8.1f}{one.p50:8.0f}{one.p95:8.0f}{one.p99:8.0f}"
            f"{one.longest:8.0f}       {statuses}"
        )
    if record["no_answers"]:
        out.append("no answer: " + ", ".join(f"{why} {n}" for why, n in sorted(record["no_answers"].items())))
    waited = told.outcome.ledger.waited
    if waited:
        out.append(f"{len(waited)} starts waited their turn, {sum(waited) / len(waited):.1f} s on average")
    generator = record["generator"]
    out.append(
        f"load generator: {generator['cpu_us_per_request']} µs of a core per request, "
        f"{100 * generator['cpu_share']:.0f} % of a core, at most {generator['latest_ms']:.0f} ms late"
    )
    out.append(f"{record['acknowledged']} attempts checked against the database, {len(told.faults)} lost")
    out += [f"  LOST {fault}" for fault in told.faults[:MOST_FAULTS_SHOWN]]
    out += [f"{'met   ' if one.is_met else 'MISSED'}  {one.goal}: {one.value}" for one in told.findings]
    return out
