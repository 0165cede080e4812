"""What another key would change in a round, worked out by the same rules without changing anything."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, Integer, Row, any_, literal, select, text
from sqlalchemy.orm import Session

from contest import books, contests, declines, leaderboards, publishing, scoring
from contest.formatting import vn_number
from contest.models import Exclusion, Prize, Round, RoundDivision, Standing, Unit, UnitStanding
from contest.rules.prediction import prediction_error
from contest.rules.prizes import Contender, allocate
from contest.rules.ranking import Ranked, rank_results
from contest.rules.scoring import Correction, chosen_indices, corrected_points

# The one item on each paper that has it, with what was chosen.
_HAVING_IT = text("""
SELECT a.id, a.account_id, a.number, a.points, item.value -> 'order' AS shown,
       a.responses -> CAST(item.place AS text) AS chosen
FROM attempts a, jsonb_array_elements(a.paper) WITH ORDINALITY AS item (value, place)
WHERE a.round_id = :round AND a.scored_at IS NOT NULL AND a.voided_at IS NULL
  AND a.paper @> CAST(:having AS jsonb) AND item.value ->> 'code' = :code
""")


@dataclass(frozen=True)
class Effect:
    """What would change; prizes are None before the books, when there is no list of them."""

    people: int
    attempts: int
    raised: int
    lowered: int
    ranks: int = 0
    units: int = 0
    entering: int | None = None
    leaving: int = 0
    moving: int = 0
    # Division, truth of the prediction before, after.
    truths: Sequence[tuple[str, int | None, int | None]] = ()

    def sentences(self) -> list[str]:
        """Return it in words, one fact a sentence."""
        lines = [
            f"{vn_number(self.people)} người có câu này trong đề ({vn_number(self.attempts)} bài đã chấm)."
        ]
        changed = self.raised + self.lowered
        if not changed:
            return [*lines, "Không bài nào đổi điểm, không ai đổi hạng."]
        lines.append(
            f"{vn_number(changed)} bài đổi điểm: {vn_number(self.raised)} bài tăng, "
            f"{vn_number(self.lowered)} bài giảm."
        )
        lines.append(f"{vn_number(self.ranks)} người đổi hạng.")
        for division, before, after in self.truths:
            lines.append(
                f"Đáp số câu dự đoán của bảng {division} được đếm lại: "
                f"từ {_number(before)} thành {_number(after)}."
            )
        lines.append(self._on_prizes())
        units = f"{vn_number(self.units)} đơn vị" if self.units else "Không đơn vị nào"
        lines.append(f"{units} đổi hạng.")
        return lines

    def _on_prizes(self) -> str:
        if self.entering is None:
            return "Chưa có danh sách đạt giải: giải được xét sau khi chốt sổ."
        if not (self.entering or self.leaving or self.moving):
            return "Danh sách đạt giải không đổi."
        return (
            f"{vn_number(self.entering)} người vào danh sách đạt giải, {vn_number(self.leaving)} người ra, "
            f"{vn_number(self.moving)} người đổi giải."
        )


def _number(truth: int | None) -> str:
    return "không có" if truth is None else vn_number(truth)


@dataclass(frozen=True)
class _Changes:
    """New points by attempt, and by account the attempt that would count, of whoever has new points."""

    points: Mapping[int, int]
    counted: Mapping[int, Row[Any]]

    def points_of(self, one: Row[Any]) -> int:
        """Return what an attempt would have."""
        points: int = self.points.get(one.id, one.points)
        return points


@dataclass(frozen=True)
class _Board:
    """A division as it would be ranked; rows and units by the public id of the counted attempt."""

    asked: RoundDivision
    ranked: Sequence[Ranked]
    rows: Mapping[str, Row[Any]]
    sums: Mapping[int, Sequence[int]]

    def moved(self) -> int:
        """Return how many people would have another rank."""
        return sum(self.rows[place.result.attempt].rank != place.rank for place in self.ranked)


def of_keys(
    session: Session, round: Round, code: str, before: Correction, after: Correction, *, data_key: str
) -> Effect:
    """Return what would change if other keys held for a code; None for keys voids it. Changes nothing."""
    session.execute(leaderboards.PATIENCE)
    rows = session.execute(
        _HAVING_IT, {"round": round.id, "having": json.dumps([{"code": code}]), "code": code}
    ).all()
    gains = {row.id: _gain(row, before, after, is_partial=round.is_partial) for row in rows}
    found = Effect(
        people=len({row.account_id for row in rows}),
        attempts=len(rows),
        raised=sum(gain > 0 for gain in gains.values()),
        lowered=sum(gain < 0 for gain in gains.values()),
    )
    points = {row.id: row.points + gains[row.id] for row in rows if gains[row.id]}
    if not points:
        return found
    people = scoring.attempts_of_people(session, list(points))
    changes = _Changes(points, {one[0].account_id: scoring.counted_of(one, points) for one in people})
    truths = _truths(session, round, changes)
    boards = [_board(session, round, asked, changes, truths[asked.division_id]) for asked in round.divisions]
    found = replace(
        found,
        ranks=sum(board.moved() for board in boards),
        truths=[
            (asked.division.name, asked.truth, truths[asked.division_id])
            for asked in round.divisions
            if truths[asked.division_id] != asked.truth
        ],
    )
    if not contests.are_prizes_decided(round):
        return replace(found, units=_moved_units(session, boards, {}))
    old = {row.account_id: prize for prize, row, _ in publishing.winners(session, round, data_key=data_key)}
    new, unit_points = _winners(session, round, boards, data_key=data_key)
    return replace(
        found,
        units=_moved_units(session, boards, unit_points),
        entering=len(new.keys() - old.keys()),
        leaving=len(old.keys() - new.keys()),
        moving=sum(old[one].id != new[one].id for one in new.keys() & old.keys()),
    )


def _gain(row: Row[Any], before: Correction, after: Correction, *, is_partial: bool) -> int:
    chosen = chosen_indices(row.chosen or (), row.shown)
    return corrected_points(chosen, after, partial=is_partial) - corrected_points(
        chosen, before, partial=is_partial
    )


def _truths(session: Session, round: Round, changes: _Changes) -> dict[int, int | None]:
    """Return what the books would count over their people; before them what is counted already: nothing."""
    if round.books_closed_at is None:
        return {asked.division_id: asked.truth for asked in round.divisions}
    counts = books.counted_people(session, round, changes.points)
    out = set(session.scalars(select(Exclusion.account_id).where(*books.out_at_books(round))))
    standing = session.execute(
        select(
            Standing.account_id,
            Standing.division_id,
            (Standing.points == Standing.full_points).label("is_full"),
        ).where(
            Standing.round_id == round.id,
            Standing.account_id == any_(literal(list(changes.counted), ARRAY(Integer))),
        )
    )
    for row in standing:
        if row.account_id not in out:
            one = changes.counted[row.account_id]
            people, full = counts[row.division_id]
            gained = int(changes.points_of(one) == one.full_points) - int(row.is_full)
            counts[row.division_id] = (people, full + gained)
    return contests.truths_of(round, counts)


def _board(
    session: Session, round: Round, asked: RoundDivision, changes: _Changes, truth: int | None
) -> _Board:
    rows: dict[str, Row[Any]] = {}
    sums: dict[int, list[int]] = {}
    results = []
    for row in leaderboards.standings_of(session, round.id, asked.division_id):
        one = changes.counted.get(row.account_id)
        result, full = leaderboards.result_of(row, truth), row.full_points
        if one is not None:
            full = one.full_points
            result = replace(
                result,
                attempt=one.public_id,
                points=changes.points_of(one),
                duration_ms=one.duration_ms,
                submitted_at=one.submitted_at,
                prediction_error=prediction_error(one.prediction, truth),
            )
        rows[result.attempt] = row
        sum_of_unit = sums.setdefault(row.unit_id, [0, 0, 0])
        for place, amount in enumerate((1, result.points, full)):
            sum_of_unit[place] += amount
        results.append(result)
    return _Board(asked, rank_results(results, leaderboards.chain_of(round, asked)), rows, sums)


def _winners(
    session: Session, round: Round, boards: Sequence[_Board], *, data_key: str
) -> tuple[dict[int, Prize], Counter[tuple[int, int]]]:
    """Return who would win which prize by account, and the unit points of these prizes."""
    key = contests.key_of_lots(round, data_key=data_key)
    stated = publishing.stated_prizes(session, round.id)
    skipped = declines.skipped(session, round)
    reached = {board.asked.division.code: _reach(board, stated, skipped) for board in boards}
    drawn = publishing.draw_ids(session, [row.account_id for rows in reached.values() for row, _ in rows])
    rows = {place.result.attempt: row for some in reached.values() for row, place in some}
    awards = allocate(
        publishing.as_rules(stated),
        {
            code: [Contender(place.result.attempt, drawn[row.account_id], place.rank) for row, place in some]
            for code, some in reached.items()
        },
        key,
        skipped.values(),
    )
    by_code = {prize.code: prize for prize in stated}
    won = {rows[award.attempt].account_id: by_code[award.prize] for award in awards}
    points: Counter[tuple[int, int]] = Counter()
    for award in awards:
        prize = by_code[award.prize]
        points[prize.division_id, rows[award.attempt].unit_id] += prize.unit_points
    return won, points


def _reach(board: _Board, stated: Sequence[Prize], skipped: Collection[int]) -> list[tuple[Row[Any], Ranked]]:
    """Return the rows that a prize could reach, ties at the edge included."""
    count = sum(prize.count for prize in stated if prize.division_id == board.asked.division_id)
    reached: list[tuple[Row[Any], Ranked]] = []
    for place in board.ranked:
        row = board.rows[place.result.attempt]
        if len(reached) >= count and place.rank != reached[-1][1].rank:
            break
        if row.account_id not in skipped:
            reached.append((row, place))
    return reached if count else []


def _moved_units(
    session: Session, boards: Sequence[_Board], prize_points: Mapping[tuple[int, int], int]
) -> int:
    """Return how many units would have another rank, in any division."""
    moved = 0
    for board in boards:
        asked = board.asked
        before = dict(
            session.execute(
                select(Unit.code, UnitStanding.rank)
                .join(Unit, Unit.id == UnitStanding.unit_id)
                .where(UnitStanding.round_id == asked.round_id, UnitStanding.division_id == asked.division_id)
            ).all()
        )
        after = leaderboards.rank_units_of(session, asked, board.sums, prize_points)
        moved += sum(before.get(row.unit) != row.rank for row in after)
    return moved
