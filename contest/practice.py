"""Practice: items are released for it for good, and everybody tries them as often as they like.

Nothing is kept of who practises: which questions somebody has, and what was chosen, stands in the
address of their page.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from contest import audit, locks, papers
from contest.errors import Conflict
from contest.models import BankItem, Correction, ItemVersion, Pool, Round
from contest.rules.scoring import LABELS, POINT, chosen_indices, item_points
from question_bank.draw import PoolItem, Stream, option_order

QUESTIONS = 10
# Each release is an event of the log, which others wait for meanwhile.
MOST_AT_ONCE = 500


# --- releasing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """The codes that can't be released now, by what keeps them."""

    in_rounds: list[str]
    corrected: list[str]

    def sentence(self) -> str:
        """Return what keeps them back, "" if nothing does."""
        told = []
        if self.in_rounds:
            told.append(f"{_named(self.in_rounds)} đang ở bộ câu hỏi của vòng thi chưa đóng.")
        if self.corrected:
            told.append(f"{_named(self.corrected)} đã được đính chính hoặc hủy ở một vòng thi; hãy soạn lại.")
        return " ".join(told)


def release(
    session: Session, versions: Iterable[ItemVersion], *, reason: str, actor_id: int, now: datetime
) -> tuple[list[str], Held]:
    """Release the items of versions in use for practice, for good; return their codes, and what was held.

    An item in a pool of a round that is not closed, or whose wording was corrected in a round, stays as
    it is. Raises Conflict without a reason, or if there is nothing that can be released.
    """
    if not reason:
        raise Conflict("Bạn cần ghi lý do đưa vào luyện tập.")
    in_use = {one.item_id: one for one in versions if one.approved_at is not None and one.retired_at is None}
    if len(in_use) > MOST_AT_ONCE:
        raise Conflict(f"Mỗi lần đưa vào luyện tập được nhiều nhất {MOST_AT_ONCE} câu. Bạn hãy lọc bớt.")
    # No round freezes its pools meanwhile.
    session.execute(select(func.pg_advisory_xact_lock(locks.RELEASES)))
    released = session.scalars(
        update(BankItem)
        .where(
            BankItem.id.in_(in_use),
            BankItem.released_at.is_(None),
            ~_is_in_open_pool(),
            ~exists().where(
                ItemVersion.id.in_([one.id for one in in_use.values()]),
                ItemVersion.item_id == BankItem.id,
                _is_corrected(),
            ),
        )
        .values(released_at=now, released_by_id=actor_id, release_reason=reason)
        .returning(BankItem)
        .execution_options(populate_existing=True)
    ).all()
    codes = sorted(item.code for item in released)
    held = _held(session, [one.item.code for one in in_use.values()])
    if not codes:
        raise Conflict(held.sentence() or "Không có câu nào đang dùng mà chưa đưa vào luyện tập.")
    for item in sorted(released, key=lambda one: one.code):
        audit.record(
            session,
            "item.release",
            f"item/{item.code}/{in_use[item.id].number}",
            now=now,
            actor_id=actor_id,
            before={"released_at": None},
            after={"released_at": now.isoformat()},
            reason=reason,
        )
    return codes, held


def _held(session: Session, codes: Sequence[str]) -> Held:
    """Return which of the codes are still not released, and why."""
    rows = session.execute(
        select(BankItem.code, _is_in_open_pool()).where(
            BankItem.code.in_(codes), BankItem.released_at.is_(None)
        )
    ).all()
    return Held(
        in_rounds=sorted(code for code, is_in_pool in rows if is_in_pool),
        corrected=sorted(code for code, is_in_pool in rows if not is_in_pool),
    )


def _is_in_open_pool() -> ColumnElement[bool]:
    """Return the condition that an item's code is in a pool of a round that is not closed."""
    return exists(
        select(Pool.id)
        .join(Round, Round.id == Pool.round_id)
        .where(Pool.item_versions.has_key(BankItem.code), Round.closed_at.is_(None))
    )


def _is_corrected() -> ColumnElement[bool]:
    """Return the condition that a round had a version, and found that its key does not hold."""
    return exists(
        select(Correction.id)
        .join(Pool, Pool.round_id == Correction.round_id)
        .where(
            Correction.superseded_at.is_(None),
            Correction.code == BankItem.code,
            Pool.item_versions[BankItem.code].as_integer() == ItemVersion.id,
        )
    )


def _named(codes: Sequence[str], most: int = 8) -> str:
    more = f" và {len(codes) - most} câu khác" if len(codes) > most else ""
    return ", ".join(codes[:most]) + more


# --- practising ----------------------------------------------------------------------------------


def counts_by_topic(session: Session, *, today: date) -> Mapping[str, int]:
    """Return how many items each topic has for practice."""
    shown = _shown(today).with_only_columns(ItemVersion.topic, func.count()).order_by(None)
    return dict(session.execute(shown.group_by(ItemVersion.topic)).all())


def draw(session: Session, *, topic: str, seed: str, today: date) -> list[str]:
    """Return the codes of some items of a topic, or of all ("") topics, as the seed decides."""
    query = _shown(today).with_only_columns(BankItem.code)
    if topic:
        query = query.where(ItemVersion.topic == topic)
    return _stream(seed, topic).pick(sorted(session.scalars(query)), QUESTIONS)


def questions(session: Session, codes: Sequence[str], *, seed: str, today: date) -> list[dict[str, Any]]:
    """Return the items that are for practice as they are asked, with key and reasons, in the order given."""
    query = (
        _shown(today)
        .where(BankItem.code.in_(codes))
        .options(contains_eager(ItemVersion.item), joinedload(ItemVersion.picture))
    )
    versions = {version.item.code: version for version in session.scalars(query)}
    return [_question(versions[code], seed) for code in dict.fromkeys(codes) if code in versions]


def judged(question: Mapping[str, Any], chosen: Iterable[str]) -> dict[str, Any]:
    """Return a question with what was chosen, as far as it has such options, and whether that is right."""
    labels = {option["label"] for option in question["options"]}
    known = sorted(labels.intersection(chosen))
    points = item_points(chosen_indices(known, question["order"]), question["key"])
    return {**question, "chosen": known, "is_right": points == POINT}


def _shown(today: date) -> Select[Any]:
    """Return the query of what is practised with: the newest approved version of each released item.

    One that is retired, not valid today, or whose key a round found wrong is left out.
    """
    newer = aliased(ItemVersion)
    return (
        select(ItemVersion)
        .join(ItemVersion.item)
        .where(
            BankItem.released_at.is_not(None),
            ItemVersion.approved_at.is_not(None),
            ~exists().where(
                newer.item_id == ItemVersion.item_id,
                newer.number > ItemVersion.number,
                newer.approved_at.is_not(None),
            ),
            ItemVersion.retired_at.is_(None),
            or_(ItemVersion.valid_from.is_(None), ItemVersion.valid_from <= today),
            or_(ItemVersion.valid_to.is_(None), ItemVersion.valid_to >= today),
            ~_is_corrected(),
        )
    )


def _question(version: ItemVersion, seed: str) -> dict[str, Any]:
    code = version.item.code
    item = PoolItem(
        code=code,
        topic=version.topic,
        level=version.level,
        tags=frozenset(),
        options=len(version.options),
        pinned=frozenset(place for place, option in enumerate(version.options) if option["is_pinned"]),
        key=tuple(version.key),
    )
    order = option_order(item, _stream(seed, code))
    return {
        "code": code,
        "topic": version.topic,
        "order": order,
        "key": item.key,
        "right": [LABELS[place] for place, index in enumerate(order) if index in item.key],
        **papers.question(version, order),
        **papers.reasons(version),
    }


def _stream(seed: str, of: str) -> Stream:
    return Stream(hashlib.sha256(f"practice|{seed}|{of}".encode()).digest())
