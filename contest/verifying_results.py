"""The check of a round from inside, second half: truth, standings, units, prizes.

They follow from the counted attempts, which contest/verifying.py has checked.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from contest import bundle_rows, contest_standings, declines, leaderboards, publishing
from contest.contests import are_prizes_decided, key_of_lots, refuse_while_regrading
from contest.errors import Conflict
from contest.models import (
    Attempt,
    Contest,
    ContestStanding,
    Prize,
    Round,
    RoundDivision,
    Standing,
    Unit,
    UnitStanding,
)
from contest.rules import prizes as prize_rules
from contest.rules.prediction import prediction_error, truth
from contest.rules.ranking import Result, rank_results
from contest.rules.unit_ranking import UnitFacts, UnitRule, fraction_text, rank_units
from contest.verifying import AttemptCheck, Counted, check_log, check_promises
from contest.verifying_facts import Fault, Faults, Log, check_facts, differences
from contest.verifying_publications import check_publications


def faults(
    session: Session, round: Round, *, data_key: str, progress: Callable[[str], object] = lambda _: None
) -> Faults:
    """Yield every place of the round that does not follow from its facts, the first first.

    Raises Conflict before the round is closed, and while a correction or a new ranking is under way:
    until then facts and results still change.
    """
    if round.closed_at is None:
        raise Conflict("Vòng thi chưa đóng nên chưa kiểm chứng được.")
    refuse_while_regrading(session, round.id)
    if round.ranked_at is None:
        raise Conflict("Vòng thi đang được xếp hạng lại; bạn thử lại sau ít phút.")
    session.execute(leaderboards.PATIENCE)
    progress("log")
    yield from check_log(session)
    log = Log(session, round)
    progress("seed and pools")
    broken = list(check_promises(session, round, log, data_key=data_key))
    yield from broken
    if broken:
        return  # without the right seed and pools nothing else follows
    progress("logged facts")
    yield from check_facts(session, round, log)
    progress("attempts")
    check, is_sound = AttemptCheck(session, round, log, data_key=data_key), True
    for fault in check.faults():
        is_sound = False
        yield fault
    progress("standings")
    yield from check_truth(round, check.counted)
    ranks = dict[int, list[tuple[Counted, int]]]()
    yield from check_standings(session, round, check.counted, ranks)
    progress("units and prizes")
    awards = _awards(session, round, ranks, data_key=data_key) if are_prizes_decided(round) else []
    yield from check_units(session, round, check.counted, _unit_points(awards))
    progress("publications")
    yield from check_publications(session, round, awards, log, is_sound=is_sound, data_key=data_key)
    del check, ranks, awards
    yield from check_contest_standing(session, round.contest)


# --- standings -----------------------------------------------------------------------------------


def check_truth(round: Round, counted: Sequence[Counted]) -> Faults:
    """Yield the divisions whose prediction has another truth, counted again as at the close of the books."""
    if round.books_closed_at is None:
        return
    for asked in round.divisions:
        expected = None
        if asked.prediction_counted is not None:
            judged = [
                one
                for one in counted
                if not one.was_out_at_books
                and (asked.prediction_over == "round" or one.division_id == asked.division_id)
            ]
            full = sum(one.points == one.full_points for one in judged)
            expected = truth(asked.prediction_counted, people=len(judged), full=full)
        row = asked.division.code
        yield from differences("round_divisions", row, {"truth": expected}, {"truth": asked.truth})


def check_standings(
    session: Session,
    round: Round,
    counted: Sequence[Counted],
    ranks: dict[int, list[tuple[Counted, int]]],
) -> Faults:
    """Yield the standings that differ from a new ranking of the counted attempts; fill in the ranks."""
    for asked in round.divisions:
        mine = {one.attempt: one for one in counted if one.division_id == asked.division_id}
        places = {
            place.result.attempt: place
            for place in rank_results(
                (_result(one, asked.truth) for one in mine.values() if not one.is_out),
                leaderboards.chain_of(round, asked),
            )
        }
        ranks[asked.division_id] = [(mine[attempt], place.rank) for attempt, place in places.items()]
        query = (
            select(Standing, Attempt.public_id)
            .join(Attempt, Attempt.id == Standing.attempt_id)
            .where(Standing.round_id == round.id, Standing.division_id == asked.division_id)
            .order_by(Standing.position, Standing.id)
            .with_only_columns(*Standing.__table__.columns, Attempt.public_id, maintain_column_froms=True)
        )
        for row in bundle_rows.stream(session, query):
            one = mine.pop(row.public_id, None)
            place = places.pop(row.public_id, None)
            if one is None:
                yield Fault("standings", row.public_id, "attempt_id", "no row: it is not counted", "a row")
                continue
            expected: dict[str, object] = {
                "account_id": one.account_id,
                "unit_id": one.unit_id,
                "points": one.points,
                "full_points": one.full_points,
                "duration_ms": one.duration_ms,
                "submitted_at": one.submitted_at,
                "attempts_used": one.used,
                "registered_at": one.registered_at,
                "prediction": one.prediction,
                "position": place.position if place else None,
                "rank": place.rank if place else None,
            }
            if place is not None:
                expected["separated_by"] = place.separated_by
                expected["prediction_error"] = place.result.prediction_error
            yield from differences("standings", row.public_id, expected, row._asdict())
        for attempt in places:
            yield Fault("standings", attempt, "attempt_id", "a row", "no row")


def _result(one: Counted, truth: int | None) -> Result:
    return Result(
        attempt=one.attempt,
        points=one.points,
        prediction_error=prediction_error(one.prediction, truth),
        duration_ms=one.duration_ms,
        submitted_at=one.submitted_at,
        attempts_used=one.used,
        registered_at=one.registered_at,
    )


# --- units ---------------------------------------------------------------------------------------


def check_units(
    session: Session,
    round: Round,
    counted: Sequence[Counted],
    prize_points: Mapping[tuple[int, int], int],
) -> Faults:
    """Yield the unit standings that differ from a new ranking; `prize_points` by division and unit."""
    listed = list(bundle_rows.units(session, round, bundle_rows.exclusions(session, round)))
    for asked in round.divisions:
        sums: dict[int, list[int]] = {}
        for one in counted:
            if one.division_id == asked.division_id and not one.is_out:
                mine = sums.setdefault(one.unit_id, [0, 0, 0])
                for place, value in enumerate((1, one.points, one.full_points)):
                    mine[place] += value
        ids = dict(session.execute(select(Unit.code, Unit.id)).all())
        facts = []
        for code, division, group, parent, headcount, excluded in listed:
            if division == asked.division.code:
                people, points, full_points = sums.get(ids[str(code)], (0, 0, 0))
                facts.append(
                    UnitFacts(
                        unit=str(code),
                        group=str(group),
                        parent=str(parent) if parent else None,
                        headcount=headcount if isinstance(headcount, int) else None,
                        excluded=excluded if isinstance(excluded, int) else 0,
                        people=people,
                        points=points,
                        full_points=full_points,
                        prize_points=prize_points.get((asked.division_id, ids[str(code)]), 0),
                    )
                )
        yield from _check_units_of(session, asked, facts)


def _check_units_of(session: Session, asked: RoundDivision, facts: Sequence[UnitFacts]) -> Faults:
    rule = UnitRule(
        formula=asked.unit_formula,
        threshold=Fraction(asked.unit_threshold_percent, 100),
        minimum_headcount=asked.unit_minimum_headcount,
    )
    rows = [row for row in rank_units(facts, rule) if row.rank is not None or asked.is_listed_below_threshold]
    stored = {
        row.unit.code: row for row in leaderboards.unit_rows(session, asked.round_id, asked.division_id)
    }
    for position, row in enumerate(rows, start=1):
        name = f"{row.unit} in {asked.division.code}"
        found: UnitStanding | None = stored.pop(row.unit, None)
        if found is None:
            yield Fault("unit_standings", name, "unit_id", "a row", "no row")
            continue
        expected: dict[str, Any] = {
            "group": row.group,
            "position": position,
            "rank": row.rank,
            "people": row.people,
            "headcount": row.headcount,
            "excluded": row.excluded,
            "rate": fraction_text(row.rate),
            "mean": fraction_text(row.mean),
            "value": fraction_text(row.value),
        }
        yield from differences(
            "unit_standings", name, expected, {column: getattr(found, column) for column in expected}
        )
    for code in stored:
        yield Fault("unit_standings", f"{code} in {asked.division.code}", "unit_id", "no row", "a row")


# --- prizes --------------------------------------------------------------------------------------


def _awards(
    session: Session, round: Round, ranks: Mapping[int, Sequence[tuple[Counted, int]]], *, data_key: str
) -> list[tuple[Prize, Counted, int, bool]]:
    """Return who gets which prize by the ranks as they should be, and whether by lot."""
    key = key_of_lots(round, data_key=data_key)
    stated = publishing.stated_prizes(session, round.id)
    by_attempt = {one.attempt: (one, rank) for rows in ranks.values() for one, rank in rows}
    awards = prize_rules.allocate(
        publishing.as_rules(stated),
        {
            asked.division.code: [
                prize_rules.Contender(one.attempt, one.draw_id, rank)
                for one, rank in ranks.get(asked.division_id, ())
            ]
            for asked in round.divisions
        },
        key,
        declines.skipped(session, round).values(),
    )
    by_code = {prize.code: prize for prize in stated}
    return [(by_code[award.prize], *by_attempt[award.attempt], award.is_by_lot) for award in awards]


def _unit_points(awards: Sequence[tuple[Prize, Counted, int, bool]]) -> dict[tuple[int, int], int]:
    """Return the unit points of the prizes, by division and unit."""
    points: dict[tuple[int, int], int] = {}
    for prize, one, _, _ in awards:
        place = (one.division_id, one.unit_id)
        points[place] = points.get(place, 0) + prize.unit_points
    return points


def check_contest_standing(session: Session, contest: Contest) -> Faults:
    """Yield where the contest's standing is not made of its rounds, unless it is to be made anew anyway."""
    if not contest.has_standing or contest_standings.is_due(session, contest):
        return
    stored_divisions = session.scalars(
        select(ContestStanding.division_id).where(ContestStanding.contest_id == contest.id).distinct()
    )
    for division_id in sorted({*contest_standings.divisions_of(session, contest.id), *stored_divisions}):
        query = (
            select(*ContestStanding.__table__.columns)
            .where(ContestStanding.contest_id == contest.id, ContestStanding.division_id == division_id)
            .order_by(ContestStanding.position)
        )
        expected = contest_standings.ranked(session, contest.id, division_id)
        for number, (row, found) in enumerate(
            zip_longest(expected, bundle_rows.stream(session, query)), start=1
        ):
            name = f"division {division_id}, position {number}"
            if row is None or found is None:
                whats = ("a row" if one else "no row" for one in (row, found))
                yield Fault("contest_standings", name, "account_id", *whats)
                return
            yield from differences("contest_standings", name, row, found._asdict())
