"""Papers as people see them: the questions in their order, and after the round what was right and why."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from contest import attempts, bank, contests, pools, scoring
from contest.models import Attempt, Round, RoundDivision
from contest.rules.scoring import LABELS, POINT, score
from question_bank.draw import NotEnoughItems, draw_paper, paper_seed

PREDICTIONS = {
    "people": "Theo bạn, có bao nhiêu người tham gia {scope}?",
    "full": "Theo bạn, có bao nhiêu người trả lời đúng tất cả các câu hỏi {scope}?",
    "percentage": "Theo bạn, bao nhiêu phần trăm người tham gia {scope} trả lời đúng tất cả các câu hỏi?",
}
PREDICTION_SCOPES = {"division": "của bảng {division} trong vòng này", "round": "trong vòng này"}


def questions(session: Session, attempt: Attempt, responses: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return the paper as shown: no key, no bank order, no code."""
    paper = attempts.paper_of(attempt.paper)
    versions = bank.texts(session, [attempt.pool.item_versions[item.code] for item in paper])
    shown = []
    for position, item in enumerate(paper, start=1):
        version = versions[attempt.pool.item_versions[item.code]]
        shown.append(
            {
                "position": position,
                "kind": version.kind,
                "is_multiple": version.kind == "multiple",
                "stem": _html(version.stem),
                "picture": version.picture,
                "picture_alt": version.picture_alt,
                "options": [
                    {"label": LABELS[place], "text": _html(version.options[index]["text"])}
                    for place, index in enumerate(item.order)
                ],
                "chosen": responses.get(str(position), []),
            }
        )
    return shown


def _html(cleaned: str) -> Markup:
    """Return bank text as HTML: it went through the cleaner when it was stored."""
    return Markup(cleaned)  # noqa: S704


@dataclass(frozen=True)
class Redrawn:
    """A paper drawn again from the revealed seed, step by step; no text and no answer is in it."""

    seed: str
    message: str
    paper_seed: str
    pool: str
    pool_sha256: str
    # The codes the person had had before, which come last in the draw; of this pool.
    had: list[str]
    # Code and option indices of each position.
    positions: list[tuple[str, str]]
    is_the_stored: bool


def redrawn(session: Session, attempt: Attempt, *, data_key: str) -> Redrawn | None:
    """Return the attempt's paper drawn again; None until the round's seed is revealed."""
    seed = contests.revealed_seed(attempt.round, data_key=data_key)
    if seed is None:
        return None
    items = pools.pool_items(attempt.pool.file)
    specification = session.scalar(
        select(RoundDivision.specification).where(
            RoundDivision.round_id == attempt.round_id, RoundDivision.division_id == attempt.division_id
        )
    )
    earlier = session.scalars(
        select(Attempt.paper)
        .join(Attempt.round)
        .where(
            Attempt.account_id == attempt.account_id,
            Round.contest_id == attempt.round.contest_id,
            Attempt.id < attempt.id,
        )
    )
    had = {item["code"] for paper in earlier for item in paper if item["code"] in items}
    own = paper_seed(seed, attempt.account.draw_id, attempt.number)
    cells = pools.specification_cells(specification or ())
    try:
        paper = draw_paper(list(items.values()), cells, own, had)
    except NotEnoughItems:
        paper = []  # not the specification or the pool that it was drawn with
    return Redrawn(
        seed=seed.hex(),
        message=f"{attempt.account.draw_id}|{attempt.number}",
        paper_seed=own.hex(),
        pool=f"pool-{attempt.division.code}-{attempt.pool.version}.json",
        pool_sha256=hashlib.sha256(attempt.pool.file).hexdigest(),
        had=sorted(had),
        positions=[(item.code, " ".join(map(str, item.order))) for item in paper],
        is_the_stored=paper == attempts.paper_of(attempt.paper),
    )


def review(session: Session, attempt: Attempt) -> list[dict[str, Any]]:
    """Return the questions with key, points and explanation; only after the round is closed."""
    paper = attempts.paper_of(attempt.paper)
    pool = attempt.pool
    versions = bank.texts(session, [pool.item_versions[item.code] for item in paper])
    keys = {item.code: versions[pool.item_versions[item.code]].key for item in paper}
    corrected = {one.code: one for one in scoring.corrections_in_force(session, attempt.round_id)}
    scored = score(
        paper,
        attempt.responses,
        keys,
        partial=attempt.round.is_partial,
        corrections={code: one.keys for code, one in corrected.items()},
    )
    reviewed = []
    for question, item, points in zip(
        questions(session, attempt, attempt.responses), paper, scored.by_position, strict=True
    ):
        version = versions[pool.item_versions[item.code]]
        correction = corrected.get(item.code)
        accepted = [version.key] if correction is None else correction.keys or []
        right = {
            LABELS[place] for place, index in enumerate(item.order) if any(index in key for key in accepted)
        }
        reviewed.append(
            question
            | {
                "right": right,
                "points": points,
                "is_right": points == POINT,
                "is_void": correction is not None and correction.keys is None,
                "note": correction.note if correction else "",
                "explanation": _html(version.explanation),
                "legal_document": version.legal_document,
                "legal_article": version.legal_article,
            }
        )
    return reviewed


def prediction(session: Session, attempt: Attempt) -> dict[str, Any] | None:
    """Return the prediction question of the attempt's division, or None."""
    asked = session.scalar(
        select(RoundDivision).where(
            RoundDivision.round_id == attempt.round_id, RoundDivision.division_id == attempt.division_id
        )
    )
    if asked is None or asked.prediction_counted is None:
        return None
    scope = PREDICTION_SCOPES[asked.prediction_over].format(division=attempt.division.name)
    return {
        "question": PREDICTIONS[asked.prediction_counted].format(scope=scope),
        "hint": "Câu này không tính điểm, chỉ dùng để xếp hạng khi bằng điểm.",
        "percentage": asked.prediction_counted == "percentage",
        "value": attempt.prediction,
        "truth": asked.truth,
    }
