"""Corrections: an item of a round is voided, or gets another key or several, after its papers were drawn.

First the effect, without changing anything; then two people; then every score follows (regrading).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from contest import audit, contests, effects, leaderboards, pools, proposals, regrading, scoring
from contest.errors import BadInput, Conflict, NotThere
from contest.models import Correction, Pool, Proposal, Round, Task
from contest.rules.scoring import LABELS

CORRECT = "correction"


@dataclass(frozen=True)
class Item:
    """An item of a round, as far as a correction needs it: the same in all its pools."""

    code: str
    options: int
    key: tuple[int, ...]
    is_multiple: bool
    version_id: int
    # The codes of the divisions whose papers may have it.
    divisions: tuple[str, ...]


def items_of(session: Session, round: Round) -> dict[str, Item]:
    """Return the items of all pools of a round by code, sorted; of every version, so that none is missed."""
    codes = {asked.division_id: asked.division.code for asked in round.divisions}
    found: dict[str, Item] = {}
    for pool in session.scalars(select(Pool).where(Pool.round_id == round.id).order_by(Pool.id)):
        division = codes[pool.division_id]
        for code, item in pools.pool_items(pool.file).items():
            known = found[code].divisions if code in found else ()
            found[code] = Item(
                code=code,
                options=item.options,
                key=tuple(item.key),
                is_multiple=item.is_multiple,
                version_id=pool.item_versions[code],
                divisions=known if division in known else (*known, division),
            )
    return dict(sorted(found.items()))


def find_item(session: Session, round: Round, code: str) -> Item:
    """Return an item of a round. Raises NotThere."""
    item = items_of(session, round).get(code)
    if item is None:
        raise NotThere("Vòng thi này không có câu hỏi mang mã đó.")
    return item


def of_round(session: Session, round_id: int) -> Sequence[Correction]:
    """Return the corrections of a round, superseded ones too, the newest first."""
    return session.scalars(
        select(Correction)
        .where(Correction.round_id == round_id)
        .order_by(Correction.id.desc())
        .options(joinedload(Correction.proposed_by), joinedload(Correction.approved_by))
    ).all()


def in_words(keys: Sequence[Collection[int]] | None) -> str:
    """Return what a correction does: "hủy câu", "đáp án B", "chấp nhận A hoặc C"."""
    if keys is None:
        return "hủy câu"
    names = [", ".join(LABELS[index].upper() for index in sorted(key)) for key in keys]
    return f"đáp án {names[0]}" if len(names) == 1 else f"chấp nhận {' hoặc '.join(names)}"


def checked(
    session: Session, round: Round, item: Item, keys: Sequence[Collection[int]] | None
) -> list[list[int]] | None:
    """Return the accepted keys as they are stored; None voids the item.

    Raises BadInput for a key that no answer could match, Conflict for what holds already or a round
    that is not opened.
    """
    if round.opened_at is None:
        raise Conflict("Vòng thi chưa mở: hãy sửa câu hỏi trong ngân hàng.")
    proper = None if keys is None else sorted({tuple(sorted(set(key))) for key in keys})
    if proper is not None:
        if not proper or any(not key or key[0] < 0 or key[-1] >= item.options for key in proper):
            raise BadInput("Bạn hãy chọn phương án đúng.", {"keys": "Bạn hãy chọn phương án đúng."})
        if not item.is_multiple and any(len(key) > 1 for key in proper):
            raise BadInput("Câu này chỉ chọn được một phương án.", {"keys": "Mỗi đáp án là một phương án."})
    if proper == _in_force_now(session, round, item):
        raise Conflict("Đáp án này đang được áp dụng cho câu hỏi.")
    return None if proper is None else [list(key) for key in proper]


def _in_force_now(session: Session, round: Round, item: Item) -> list[tuple[int, ...]] | None:
    current = scoring.corrections_of(session, round.id).get(item.code, (item.key,))
    return None if current is None else sorted(tuple(sorted(key)) for key in current)


def effect(
    session: Session, round: Round, code: str, keys: Sequence[Collection[int]] | None, *, data_key: str
) -> list[str]:
    """Return what a correction would change, in sentences. Changes nothing. Raises as `checked` does."""
    item = find_item(session, round, code)
    proper = checked(session, round, item, keys)
    found = effects.of_keys(
        session, round, code, _in_force_now(session, round, item), proper, data_key=data_key
    )
    last = contests.newest_publication(session, round.id)
    published = (
        [
            f"Bản {last.version} đã công bố không đổi; kết quả mới có hiệu lực khi công bố bản "
            f"{last.version + 1}."
        ]
        if last
        else []
    )
    return [*found.sentences(), *published, *_on_later_papers(session, round, code, proper)]


def _on_later_papers(
    session: Session, round: Round, code: str, keys: Sequence[Collection[int]] | None
) -> list[str]:
    if keys is not None or round.closed_at is not None:
        return []
    newest = [(asked, pools.newest(session, asked)) for asked in round.divisions]
    having = [(asked, pool) for asked, pool in newest if pool and code in pool.item_versions]
    if not having:
        return []
    spared = [pools.can_spare(pool, asked, code) for asked, pool in having]
    if all(spared):
        return ["Câu được rút khỏi bộ đề: ai vào thi từ lúc này không gặp câu này."]
    names = ", ".join(
        asked.division.name for (asked, _), is_spared in zip(having, spared, strict=True) if not is_spared
    )
    return [f"Bộ đề của bảng {names} không đủ câu thay: câu vẫn ra trong đề, ai gặp được trọn điểm."]


def propose(
    session: Session,
    round: Round,
    code: str,
    keys: Sequence[Collection[int]] | None,
    *,
    reason: str,
    note: str,
    data_key: str,
    now: datetime,
    actor_id: int,
) -> Proposal:
    """Put a correction before a second person, with its effect as it is now.

    Raises Conflict without reason or public note, and as `checked` does.
    """
    if not note:
        raise Conflict("Bạn cần viết thông báo công khai về đính chính.")
    sentences = effect(session, round, code, keys, data_key=data_key)
    proper = checked(session, round, find_item(session, round, code), keys)
    return proposals.propose(
        session,
        CORRECT,
        f"round/{round.id}/item/{code}",
        title=f"Đính chính câu {code}, vòng {round.number}: {in_words(proper)}",
        content={"code": code, "keys": proper, "note": note},
        effect=sentences,
        reason=reason,
        round_id=round.id,
        actor_id=actor_id,
        now=now,
    )


def make(session: Session, round: Round, proposal: Proposal, *, now: datetime) -> Task:
    """Let an accepted correction hold from now on, and put the regrade of its attempts on the list.

    Scoring under way is waited for: what was scored before is regraded, what follows knows it. A
    voided item leaves the pools of a round that still draws, where they have enough without it.
    Raises Conflict as `checked` does.
    """
    session.execute(leaderboards.PATIENCE)
    scoring.take_turn(session, round.id)
    session.refresh(round)
    code, note = proposal.content["code"], proposal.content["note"]
    keys = checked(session, round, find_item(session, round, code), proposal.content["keys"])
    before = session.execute(
        update(Correction)
        .where(Correction.round_id == round.id, Correction.code == code, Correction.superseded_at.is_(None))
        .values(superseded_at=now)
        .returning(Correction.id, Correction.keys)
    ).one_or_none()
    correction = Correction(
        round_id=round.id,
        code=code,
        keys=keys,
        reason=proposal.reason,
        note=note,
        proposed_by_id=proposal.proposed_by_id,
        approved_by_id=proposal.decided_by_id,
    )
    session.add(correction)
    session.flush()
    is_drawing = keys is None and round.closed_at is None
    withdrawn = pools.withdraw(session, round, code, now=now) if is_drawing else {}
    audit.record(
        session,
        "correction.make",
        f"round/{round.id}/item/{code}",
        now=now,
        actor_id=proposal.decided_by_id,
        before={"correction": before.id, "keys": before.keys} if before else None,
        after={
            "correction": correction.id,
            "keys": keys,
            "note": note,
            "withdrawn_from": list(withdrawn),
            "pools": {
                f"{division}-{pool.version}": pool.sha256 for division, pool in sorted(withdrawn.items())
            },
        },
        reason=proposal.reason,
    )
    return regrading.add_task(
        session,
        round,
        title=proposal.title,
        code=code,
        corrections=[correction.id],
        now=now,
        actor_id=proposal.decided_by_id,
    )
