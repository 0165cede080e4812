"""The pool of a round's division: frozen from the bank at opening, read by the draw and the scoring."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from contest import locks
from contest.clock import LOCAL_ZONE
from contest.models import BankItem, ItemVersion, Pool, Round, RoundDivision
from question_bank.draw import (
    REQUIRED,
    Candidates,
    Cell,
    PoolItem,
    candidates_of,
    required_code,
    shortfalls,
)

# What the pool keeps of a version: no texts, so that a large bank is read quickly.
Frozen = Row[Any]
# Without texts a pool is small; a process holds those of a whole contest.
POOLS_KEPT = 64
# Held shared by who freezes pools, alone by who releases items for practice. The database's triggers
_loaded: dict[tuple[int, str], "LoadedPool"] = {}


@dataclass(frozen=True)
class LoadedPool:
    """A pool as the draw and the scoring use it; `versions` tells which wording each code froze."""

    items: Mapping[str, PoolItem]
    versions: Mapping[str, int]
    # By specification: a round's division has one.
    _candidates: dict[tuple[Cell, ...], list[Candidates]] = field(default_factory=dict, compare=False)

    @cached_property
    def keys(self) -> dict[str, tuple[int, ...]]:
        """The keys by code."""
        return {code: item.key for code, item in self.items.items()}

    def candidates(self, specification: Sequence[Mapping[str, Any]]) -> list[Candidates]:
        """Return what each cell of the stored specification may take."""
        cells = tuple(specification_cells(specification))
        found = self._candidates.get(cells)
        if found is None:
            found = self._candidates[cells] = candidates_of(list(self.items.values()), cells)
        return found


def loaded(session: Session | Connection, pool_id: int, sha256: str) -> LoadedPool:
    """Return a pool, from this process's memory after the first time: a pool never changes.

    The digest is part of the key, so that a restored or another database never gets a stale one.
    """
    pool = kept(pool_id, sha256)
    if pool is None:
        row = session.execute(select(Pool.file, Pool.item_versions).where(Pool.id == pool_id)).one()
        pool = keep(pool_id, sha256, row.file, row.item_versions)
    return pool


def kept(pool_id: int, sha256: str) -> LoadedPool | None:
    """Return a pool that this process has loaded before, or None."""
    return _loaded.get((pool_id, sha256))


def keep(pool_id: int, sha256: str, file: bytes, versions: Mapping[str, int]) -> LoadedPool:
    """Return a pool made of its file, and keep it for the next time."""
    if len(_loaded) >= POOLS_KEPT:
        _loaded.clear()
    pool = _loaded[pool_id, sha256] = LoadedPool(pool_items(file), versions)
    return pool


def pool_items(file: bytes) -> dict[str, PoolItem]:
    """Return the items in the bytes of a pool's file, by code."""
    return {
        entry["code"]: PoolItem(
            code=entry["code"],
            topic=entry["topic"],
            level=entry["level"],
            tags=frozenset(entry["tags"]),
            options=entry["options"],
            pinned=frozenset(entry["pinned"]),
            key=tuple(entry["key"]),
            is_multiple=entry["kind"] == "multiple",
        )
        for entry in json.loads(file)["items"]
    }


def specification_cells(specification: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Return the cells of a stored specification, in their order."""
    return [
        Cell(cell["topic"], cell["level"], cell["count"], frozenset(cell.get("tags", ())))
        for cell in specification
    ]


def hold_releases(session: Session) -> None:
    """Let nobody release an item for practice until the commit: what is frozen meanwhile stays unseen."""
    session.execute(select(func.pg_advisory_xact_lock_shared(locks.RELEASES)))


def freeze(session: Session, asked: RoundDivision, *, now: datetime) -> Pool:
    """Store the pool of a round's division: the newest approved version of each item that fits.

    An item fits if it is available, asked for by a cell of the specification, and not barred.
    """
    cells, required = specification_cells(asked.specification), required_codes(asked.specification)
    fitting = [
        (code, version)
        for code, version in available(session, asked.round, asked.division.code)
        if code not in asked.barred and any(cell.takes(_item(code, version, required)) for cell in cells)
    ]
    file = _file(asked.division.code, 1, fitting, required)
    pool = Pool(
        round_id=asked.round_id,
        division_id=asked.division_id,
        version=1,
        file=file,
        sha256=hashlib.sha256(file).hexdigest(),
        item_versions={code: version.id for code, version in fitting},
        created_at=now,
    )
    session.add(pool)
    session.flush()
    return pool


def withdraw(session: Session, round: Round, code: str, *, now: datetime) -> dict[str, Pool]:
    """Take a code out of what later papers are drawn from: a new version of each pool that has it.

    Only where every cell can still be filled for sure; elsewhere the item stays. Returns the new pools
    by the codes of their divisions.
    """
    withdrawn = {}
    for asked in round.divisions:
        pool = newest(session, asked)
        if pool is None or not can_spare(pool, asked, code):
            continue
        content = json.loads(pool.file)
        content["version"] = pool.version + 1
        content["items"] = [item for item in content["items"] if item["code"] != code]
        file = _bytes_of(content)
        withdrawn[asked.division.code] = Pool(
            round_id=round.id,
            division_id=asked.division_id,
            version=pool.version + 1,
            file=file,
            sha256=hashlib.sha256(file).hexdigest(),
            item_versions={one: version for one, version in pool.item_versions.items() if one != code},
            created_at=now,
        )
        session.add(withdrawn[asked.division.code])
    session.flush()
    return withdrawn


def newest(session: Session, asked: RoundDivision) -> Pool | None:
    """Return the pool that papers of a round's division are drawn from now; None before opening."""
    return session.scalar(
        select(Pool)
        .where(Pool.round_id == asked.round_id, Pool.division_id == asked.division_id)
        .order_by(Pool.version.desc())
        .limit(1)
    )


def can_spare(pool: Pool, asked: RoundDivision, code: str) -> bool:
    """Tell whether the pool has a code, and has enough for every cell without it."""
    items = pool_items(pool.file)
    if items.pop(code, None) is None:
        return False
    return not shortfalls(list(items.values()), specification_cells(asked.specification))


def available(session: Session, round: Round, division: str) -> list[tuple[str, Frozen]]:
    """Return what a division's pool could be made of, sorted by code.

    The newest approved version of each item that is written for the division, valid on the day of
    opening (in Vietnam), not released for practice, and in no pool of another round of the contest,
    whose keys are shown after that round.
    """
    day = round.opens_at.astimezone(LOCAL_ZONE).date()
    elsewhere = _codes_of_other_rounds(session, round)
    return [
        (code, version)
        for code, version in _approved(session, day)
        if division in version.divisions and code not in elsewhere
    ]


def counting_pool(
    session: Session, round: Round, division: str, cells: Sequence[Cell], barred: Collection[str]
) -> list[PoolItem]:
    """Return the items that a specification that is not stored yet would draw from."""
    required = frozenset(code for cell in cells if (code := required_code(cell)))
    return [
        _item(code, version, required)
        for code, version in available(session, round, division)
        if code not in barred
    ]


def ending_within(session: Session, round: Round, codes: Collection[str]) -> list[tuple[str, date]]:
    """Return which of the items are no longer valid before the round closes, each with its last day."""
    first, last = (at.astimezone(LOCAL_ZONE).date() for at in (round.opens_at, round.closes_at))
    return [
        (code, version.valid_to)
        for code, version in _approved(session, first)
        if code in codes and version.valid_to is not None and version.valid_to < last
    ]


def required_codes(specification: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the codes of the items that a stored specification requires."""
    return frozenset(
        code for cell in specification_cells(specification) if (code := required_code(cell)) is not None
    )


def _item(code: str, version: Frozen, required: Collection[str]) -> PoolItem:
    return PoolItem(
        code=code,
        topic=version.topic,
        level=version.level,
        tags=frozenset(_tags(code, version, required)),
        options=len(version.options),
        pinned=frozenset(place for place, option in enumerate(version.options) if option["is_pinned"]),
        key=tuple(version.key),
        is_multiple=version.kind == "multiple",
    )


def _tags(code: str, version: Frozen, required: Collection[str]) -> list[str]:
    """Return an item's tags in the pool: only one that is required carries its own code."""
    own = [f"{REQUIRED}{code}"] if code in required else []
    return [tag for tag in version.tags if not tag.startswith(REQUIRED)] + own


def items_of_round(session: Session, round: Round, *, now: datetime) -> dict[int, list[PoolItem]]:
    """Return the items of each division's pool by its id: as frozen, or as opening would freeze them now."""
    if round.opened_at is not None:
        rows = session.execute(
            select(Pool.division_id, Pool.file).where(Pool.round_id == round.id).order_by(Pool.version)
        )
        files = dict(rows.all())
    else:
        # Frozen by the very operation of the opening, and undone.
        with session.begin_nested() as trial:
            files = {asked.division_id: freeze(session, asked, now=now).file for asked in round.divisions}
            trial.rollback()
    return {division_id: list(pool_items(file).values()) for division_id, file in files.items()}


def _approved(session: Session, day: date) -> list[tuple[str, Frozen]]:
    """Return the newest approved version of each code, sorted by code, if it is valid on the day.

    What was released for practice is left out: people have seen its key.
    An older wording never comes back because the newest is retired or not valid.
    """
    newest = (
        select(
            BankItem.code,
            ItemVersion.id,
            ItemVersion.kind,
            ItemVersion.options,
            ItemVersion.key,
            ItemVersion.topic,
            ItemVersion.level,
            ItemVersion.divisions,
            ItemVersion.tags,
            ItemVersion.valid_from,
            ItemVersion.valid_to,
            ItemVersion.retired_at,
        )
        .join(ItemVersion.item)
        .where(ItemVersion.approved_at.is_not(None), BankItem.released_at.is_(None))
        .ext(distinct_on(BankItem.code))
        .order_by(BankItem.code, ItemVersion.number.desc())
    )
    rows = session.execute(newest).all()
    return sorted(((row.code, row) for row in rows if _is_valid(row, day)), key=lambda one: one[0])


def _is_valid(version: Frozen, day: date) -> bool:
    return (
        version.retired_at is None
        and (version.valid_from is None or version.valid_from <= day)
        and (version.valid_to is None or version.valid_to >= day)
    )


def _codes_of_other_rounds(session: Session, opened: Round) -> frozenset[str]:
    pools = session.scalars(
        select(Pool.item_versions)
        .join(Round, Round.id == Pool.round_id)
        .where(Round.contest_id == opened.contest_id, Round.id != opened.id)
    )
    return frozenset(code for pool in pools for code in pool)


def _file(
    division: str, version: int, items: Sequence[tuple[str, Frozen]], required: Collection[str]
) -> bytes:
    """Return the bytes of a pool's file, whose SHA-256 is published before opening."""
    content = {
        "division": division,
        "version": version,
        "items": [
            {
                "code": code,
                "topic": item.topic,
                "level": item.level,
                "tags": _tags(code, item, required),
                "kind": item.kind,
                "options": len(item.options),
                "pinned": [place for place, option in enumerate(item.options) if option["is_pinned"]],
                "key": item.key,
            }
            for code, item in items
        ],
    }
    return _bytes_of(content)


def _bytes_of(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
