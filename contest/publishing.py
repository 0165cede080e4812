"""Publishing: the prizes given by the rules, and every published version kept for ever as it was."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, Integer, any_, func, literal, select
from sqlalchemy.orm import Session, contains_eager, defer, joinedload

from contest import accounts, archives, audit, bundles, complaints, declines, leaderboards, scoring
from contest.contests import (
    are_prizes_decided,
    key_of_lots,
    newest_publication,
    refuse_while_regrading,
    revealed_seed,
    waits_for_lot_text,
)
from contest.errors import Conflict
from contest.models import Account, Attempt, Pool, Prize, Publication, Round, Standing
from contest.rules import prizes as prize_rules
from contest.rules.naming import public_name


def winners(session: Session, round: Round, *, data_key: str) -> list[tuple[Prize, Standing, bool]]:
    """Return who gets which prize as the standings are now, highest first, and whether by lot.

    Raises Conflict before the books are closed: until then the prediction has no truth.
    """
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước khi xét giải.")
    key = key_of_lots(round, data_key=data_key)
    stated = stated_prizes(session, round.id)
    skipped = declines.skipped(session, round)
    awards = prize_rules.allocate(
        as_rules(stated), _in_reach(session, round.id, stated, skipped), key, skipped.values()
    )
    by_code = {prize.code: prize for prize in stated}
    rows = _rows_of(session, [award.attempt for award in awards])
    return [(by_code[award.prize], rows[award.attempt], award.is_by_lot) for award in awards]


def stated_prizes(session: Session, round_id: int) -> Sequence[Prize]:
    """Return the prizes of a round in their stated order."""
    return session.scalars(
        select(Prize)
        .where(Prize.round_id == round_id)
        .order_by(Prize.position)
        .options(joinedload(Prize.division))
    ).all()


def as_rules(stated: Sequence[Prize]) -> list[prize_rules.Prize]:
    """Return stated prizes as the rules of allocation take them."""
    return [
        prize_rules.Prize(prize.code, prize.division.code, prize.count, prize.unit_points) for prize in stated
    ]


def draw_ids(session: Session, account_ids: Sequence[int]) -> dict[int, str]:
    """Return the draw ids of people by account id."""
    rows = session.execute(
        select(Account.id, Account.draw_id).where(
            Account.id == any_(literal(list(account_ids), ARRAY(Integer)))
        )
    )
    return dict(rows.all())


def _in_reach(
    session: Session, round_id: int, stated: Sequence[Prize], skipped: Mapping[int, str]
) -> dict[str, list[prize_rules.Contender]]:
    """Return the contenders that a prize could reach, ties at the edge included, by division.

    Who is skipped uses up no prize, so that the reach goes as many rows further down.
    """
    standings = {}
    for division_id, code in {prize.division_id: prize.division.code for prize in stated}.items():
        count = sum(prize.count for prize in stated if prize.division_id == division_id)
        of_division = (
            Standing.round_id == round_id,
            Standing.division_id == division_id,
            Standing.account_id.not_in(skipped),
        )
        reached = (
            select(Standing.rank).where(*of_division).order_by(Standing.position).limit(count).subquery()
        )
        rows = session.execute(
            select(Attempt.public_id, Account.draw_id, Standing.rank)
            .join(Standing.attempt)
            .join(Standing.account)
            .where(*of_division, Standing.rank <= select(func.max(reached.c.rank)).scalar_subquery())
            .order_by(Standing.position)
        )
        standings[code] = [prize_rules.Contender(row.public_id, row.draw_id, row.rank or 0) for row in rows]
    return standings


def _rows_of(session: Session, attempts: Sequence[str]) -> dict[str, Standing]:
    """Return the standings of counted attempts by public id, with what a list of winners shows."""
    rows = session.scalars(
        select(Standing)
        .join(Standing.attempt)
        .where(Attempt.public_id.in_(attempts))
        .options(
            joinedload(Standing.account),
            joinedload(Standing.unit),
            contains_eager(Standing.attempt),
            joinedload(Standing.division),
        )
    )
    return {row.attempt.public_id: row for row in rows}


def rank_round(session: Session, round: Round, *, data_key: str, now: datetime) -> int:
    """Rank a round, and its units by the points of its decided prizes; return how many people."""
    people = leaderboards.rank_round(session, round, now=now)
    if are_prizes_decided(round):
        _give_unit_points(session, round, data_key=data_key)
    return people


def _give_unit_points(session: Session, round: Round, *, data_key: str) -> None:
    if any(asked.unit_formula == "points" for asked in round.divisions):
        points = _unit_points(winners(session, round, data_key=data_key))
        leaderboards.rank_units_of_round(session, round, points)


def publish(
    session: Session,
    round: Round,
    *,
    reason: str,
    data_key: str,
    now: datetime,
    actor_id: int,
    approved_by_id: int | None = None,
) -> Publication:
    """Publish the round's results as the next version: provisional, or official if another approved.

    The first provisional version opens the window for complaints. Raises Conflict before the books,
    for a later version without a reason, and for a provisional one after an official.
    """
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)
    kind = "provisional" if approved_by_id is None else "official"
    later = declines.later_rounds(session, round) if kind == "official" else []
    for one in later:
        leaderboards.take_turn(session, one.id)
    before = refuse(session, round, reason=reason, is_official=kind == "official")
    version = before.version + 1 if before else 1
    if round.complaints_close_at is None:
        round.complaints_close_at = complaints.window_end(now, round.complaint_days)
    if round.ranked_at is None:
        leaderboards.rank_round(session, round, now=now)
    _give_unit_points(session, round, data_key=data_key)
    content = _content(session, round, version=version, reason=reason, data_key=data_key, now=now)
    publication_id = archives.new_publication_id(session)
    publication = Publication(
        id=publication_id,
        round_id=round.id,
        version=version,
        kind=kind,
        published_at=now,
        published_by_id=actor_id,
        approved_by_id=approved_by_id,
        reason=reason,
        content=content,
        sha256=archives.store(
            session,
            publication_id,
            bundle_files(session, round, version=version, data_key=data_key),
            version=version,
        ),
        content_sha256=content_digest(content),
    )
    session.add(publication)
    session.flush()
    if kind == "official":
        declines.call_for_rankings(session, later)
    audit.record(
        session,
        "results.publish",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"version": before.version, "sha256": before.sha256} if before else None,
        after={
            "version": version,
            "kind": kind,
            "sha256": publication.sha256,
            "content_sha256": publication.content_sha256,
        },
        reason=reason,
    )
    return publication


def winners_digest(session: Session, round: Round, *, data_key: str) -> str:
    """Return a digest of who wins what by the standings of now, to know them again later."""
    rows = [[prize.code, row.account_id] for prize, row, _ in winners(session, round, data_key=data_key)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def refuse(session: Session, round: Round, *, reason: str, is_official: bool) -> Publication | None:
    """Return the version that a new one would follow; raise Conflict if none may be published now."""
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước khi công bố kết quả.")
    if waits_for_lot_text(round):
        raise Conflict("Cần ghi văn bản công khai dùng để bốc thăm trước khi xét giải.")
    refuse_while_regrading(session, round.id)
    before = newest_publication(session, round.id)
    if before and not reason:
        raise Conflict("Bản công bố sau phải nêu lý do.")
    if before and before.kind == "official" and not is_official:
        raise Conflict("Đã có kết quả chính thức: sửa thì ra bản chính thức mới, do hai người ký.")
    return before


def _unit_points(won: Sequence[tuple[Prize, Standing, bool]]) -> Counter[tuple[int, int]]:
    """Return the unit points of the prizes, by division and unit of who won them."""
    points: Counter[tuple[int, int]] = Counter()
    for prize, row, _ in won:
        points[row.division_id, row.unit_id] += prize.unit_points
    return points


def bundle_files(session: Session, round: Round, *, version: int, data_key: str) -> bundles.Files:
    """Yield the files of the round's bundle as its facts are now, but for the manifest."""
    return bundles.files(
        session,
        round,
        winners(session, round, data_key=data_key),
        version=version,
        data_key=data_key,
        declined=sorted(declines.declined(session, round.id).values()),
        earlier_winners=sorted(declines.skipped_winners(session, round).values()),
    )


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a publication's page shows: its JSON, keys sorted, no blanks, in UTF-8."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _content(
    session: Session, round: Round, *, version: int, reason: str, data_key: str, now: datetime
) -> dict[str, Any]:
    seed = revealed_seed(round, data_key=data_key)
    pools = session.execute(
        select(Pool.sha256, Pool.division_id, Pool.version).where(Pool.round_id == round.id).order_by(Pool.id)
    ).all()
    code_of = {asked.division_id: asked.division.code for asked in round.divisions}
    return {
        "contest": round.contest.slug,
        "contest_title": round.contest.title,
        "round": round.number,
        "round_title": round.title,
        "version": version,
        "reason": reason,
        "published_at": now.astimezone(UTC).isoformat(timespec="microseconds"),
        "commitment": round.seed_commitment,
        "seed": seed.hex() if seed else None,
        "pools": {f"pool-{code_of[pool.division_id]}-{pool.version}.json": pool.sha256 for pool in pools},
        "corrections": [
            {"code": one.code, "keys": one.keys, "note": one.note}
            for one in scoring.corrections_in_force(session, round.id)
        ],
        "divisions": [
            {
                "code": asked.division.code,
                "name": asked.division.name,
                "truth": asked.truth,
                "chain": leaderboards.chain_of(round, asked),
                "people": _people(session, round.id, asked.division_id),
            }
            for asked in round.divisions
        ],
        "winners": winner_rows(session, round, data_key=data_key),
        "units": [
            {
                "division": asked.division.code,
                "group": row.group,
                "unit": row.unit.name,
                "code": row.unit.code,
                "rank": row.rank,
                "people": row.people,
                "headcount": row.headcount,
                "excluded": row.excluded,
                "rate": row.rate,
                "mean": row.mean,
            }
            for asked in round.divisions
            for row in leaderboards.unit_rows(session, round.id, asked.division_id)
            if row.people
        ],
    }


def _people(session: Session, round_id: int, division_id: int) -> int:
    query = select(func.count()).where(Standing.round_id == round_id, Standing.division_id == division_id)
    return session.scalar(query) or 0


def winner_rows(session: Session, round: Round, *, data_key: str) -> list[dict[str, Any]]:
    """Return the winners as a publication made now would hold them, highest prize first."""
    won = winners(session, round, data_key=data_key)
    granted = accounts.has_consented(session, [row.account_id for _, row, _ in won], "publication")
    namesakes = Counter(row.account.name for _, row, _ in won if row.account_id in granted)
    return [
        {
            "prize": prize.code,
            "prize_title": prize.title,
            "division": prize.division.code,
            "rank": row.rank,
            "attempt": row.attempt.public_id,
            "name": public_name(
                row.account.name,
                row.account.draw_id,
                is_publication_granted=row.account_id in granted,
                is_winner=True,
            ),
            "birth_year": row.account.birth_date.year
            if row.account_id in granted and namesakes[row.account.name] > 1 and row.account.birth_date
            else None,
            "unit": row.unit.name,
            "points": row.points,
            "full_points": row.full_points,
            "prediction_error": row.prediction_error,
            "duration_ms": row.duration_ms,
            "is_by_lot": is_by_lot,
        }
        for prize, row, is_by_lot in won
    ]


def versions(session: Session, contest_id: int) -> Sequence[Publication]:
    """Return all publications of a contest, the newest round and version first, without their content."""
    return session.scalars(
        select(Publication)
        .join(Publication.round)
        .where(Round.contest_id == contest_id)
        .order_by(Round.number.desc(), Publication.version.desc())
        .options(defer(Publication.content))
    ).all()
