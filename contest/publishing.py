"""Publishing: the prizes given by the rules, and every published version kept for ever as it was."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import collate, exists, func, select
from sqlalchemy.orm import Session, defer, joinedload

from contest import accounts, archives, audit, bundles, leaderboards
from contest.contests import newest_publication, revealed_seed
from contest.errors import Conflict
from contest.models import Account, Attempt, Decline, Pool, Prize, Publication, Round, Standing
from contest.rules import prizes as prize_rules
from contest.rules.naming import public_name
from question_bank.draw import lot_key


def winners(session: Session, round: Round, *, data_key: str) -> list[tuple[Prize, Standing, bool]]:
    """Return who gets which prize as the standings are now, highest first, and whether by lot.

    Raises Conflict before the books are closed: until then the prediction has no truth.
    """
    if round.books_closed_at is None:
        raise Conflict("Cần chốt sổ vòng thi trước khi xét giải.")
    seed = revealed_seed(round, data_key=data_key)
    assert seed is not None, "books are closed after the round"
    stated = session.scalars(
        select(Prize)
        .where(Prize.round_id == round.id)
        .order_by(Prize.position)
        .options(joinedload(Prize.division))
    ).all()
    skip = {*declined(session, round.id), *earlier_winners(session, round)}
    rows = _rows_in_reach(session, round.id, stated, skipped=len(skip))
    standings: dict[str, list[prize_rules.Contender]] = {}
    for row in rows.values():
        standings.setdefault(row.division.code, []).append(
            prize_rules.Contender(row.attempt.public_id, row.account.draw_id, row.rank or 0)
        )
    awards = prize_rules.allocate(
        [
            prize_rules.Prize(prize.code, prize.division.code, prize.count, prize.unit_points)
            for prize in stated
        ],
        standings,
        lot_key(seed, round.lot_text),
        skip,
    )
    by_code = {prize.code: prize for prize in stated}
    return [(by_code[award.prize], rows[award.attempt], award.is_by_lot) for award in awards]


def declined(session: Session, round_id: int) -> Sequence[str]:
    """Return the draw ids of the people who take no prize of the round."""
    return session.scalars(
        select(Account.draw_id)
        .join(Decline, Decline.account_id == Account.id)
        .where(Decline.round_id == round_id)
        .order_by(collate(Account.draw_id, "C"))
    ).all()


def earlier_winners(session: Session, round: Round) -> Sequence[str]:
    """Return the draw ids of who won in rounds that closed earlier, where the round skips them.

    Their newest official versions tell; who declined there has not won.
    """
    if not round.is_skipping_earlier_winners:
        return []
    official = session.execute(
        select(Publication.round_id, Publication.content)
        .join(Round, Round.id == Publication.round_id)
        .where(
            Round.contest_id == round.contest_id,
            Round.closed_at < round.closed_at,
            Publication.kind == "official",
        )
        .order_by(Publication.version)
    )
    newest: dict[int, dict[str, Any]] = dict(official.all())  # a later version replaces an earlier
    won = [winner["attempt"] for content in newest.values() for winner in content["winners"]]
    has_declined = exists().where(
        Decline.round_id == Attempt.round_id, Decline.account_id == Attempt.account_id
    )
    draw_ids = session.scalars(
        select(Account.draw_id)
        .join(Attempt, Attempt.account_id == Account.id)
        .where(Attempt.public_id.in_(won), ~has_declined)
    )
    return sorted(set(draw_ids))


def _rows_in_reach(
    session: Session, round_id: int, stated: Sequence[Prize], *, skipped: int
) -> dict[str, Standing]:
    """Return the standings that a prize could reach, ties at the edge included, by attempt."""
    rows: dict[str, Standing] = {}
    for division_id in {prize.division_id for prize in stated}:
        count = skipped + sum(prize.count for prize in stated if prize.division_id == division_id)
        last_rank = (
            select(Standing.rank)
            .where(
                Standing.round_id == round_id, Standing.division_id == division_id, Standing.position <= count
            )
            .order_by(Standing.position.desc())
            .limit(1)
            .scalar_subquery()
        )
        reached = session.scalars(
            select(Standing)
            .where(
                Standing.round_id == round_id, Standing.division_id == division_id, Standing.rank <= last_rank
            )
            .order_by(Standing.position)
            .options(
                joinedload(Standing.account),
                joinedload(Standing.unit),
                joinedload(Standing.attempt),
                joinedload(Standing.division),
            )
        )
        rows |= {row.attempt.public_id: row for row in reached}
    return rows


def publish(
    session: Session, round: Round, *, reason: str, data_key: str, now: datetime, actor_id: int
) -> Publication:
    """Publish the round's results as the next provisional version. Raises Conflict before the books."""
    leaderboards.take_turn(session, round.id)
    session.refresh(round, with_for_update=True)
    before = newest_publication(session, round.id)
    version = before.version + 1 if before else 1
    if before and not reason:
        raise Conflict("Bản công bố sau phải nêu lý do.")
    if any(asked.unit_formula == "points" for asked in round.divisions):
        points = _unit_points(winners(session, round, data_key=data_key))
        leaderboards.rank_round(session, round, now=now, prize_points=points)
    content = _content(session, round, version=version, reason=reason, data_key=data_key, now=now)
    publication_id = archives.new_publication_id(session)
    publication = Publication(
        id=publication_id,
        round_id=round.id,
        version=version,
        kind="provisional",
        published_at=now,
        published_by_id=actor_id,
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
    audit.record(
        session,
        "results.publish",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"version": before.version, "sha256": before.sha256} if before else None,
        after={
            "version": version,
            "sha256": publication.sha256,
            "content_sha256": publication.content_sha256,
        },
        reason=reason,
    )
    return publication


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
        declined=declined(session, round.id),
        earlier_winners=earlier_winners(session, round),
    )


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a publication's page shows: its JSON, keys sorted, no blanks, in UTF-8."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _content(
    session: Session, round: Round, *, version: int, reason: str, data_key: str, now: datetime
) -> dict[str, Any]:
    won = winners(session, round, data_key=data_key)
    granted = accounts.has_consented(session, [row.account_id for _, row, _ in won], "publication")
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
        "winners": [
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
                "unit": row.unit.name,
                "points": row.points,
                "full_points": row.full_points,
                "prediction_error": row.prediction_error,
                "duration_ms": row.duration_ms,
                "is_by_lot": is_by_lot,
            }
            for prize, row, is_by_lot in won
        ],
        "units": [
            {
                "division": asked.division.code,
                "group": row.group,
                "unit": row.unit.name,
                "code": row.unit.code,
                "rank": row.rank,
                "people": row.people,
                "headcount": row.headcount,
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


def versions(session: Session, contest_id: int) -> Sequence[Publication]:
    """Return all publications of a contest, the newest round and version first, without their content."""
    return session.scalars(
        select(Publication)
        .join(Publication.round)
        .where(Round.contest_id == contest_id)
        .order_by(Round.number.desc(), Publication.version.desc())
        .options(defer(Publication.content))
    ).all()
