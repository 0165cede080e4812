"""Practice for everybody: no sign-in, nothing stored. What was drawn and chosen stands in the address."""

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from contest import contests, practice
from contest.clock import local_today
from contest.errors import NotThere
from contest.extensions import db
from contest.rules.scoring import LABELS
from question_bank.items import TOPICS

bp = Blueprint("practice", __name__)

SEED_BYTES = 6
LONGEST_SEED = 16
LONGEST_CODE = 100


@dataclass(frozen=True)
class _State:
    """What an address says of somebody's practice."""

    topic: str
    seed: str
    codes: list[str]
    # What was chosen of each question so far, as labels: "b", "ac", "" for none.
    given: list[str]

    def arguments(self, *more: str) -> dict[str, Any]:
        """Return the address's arguments, with what was chosen next."""
        named = {"topic": self.topic} if self.topic else {}
        return {**named, "seed": self.seed, "item": self.codes, "given": [*self.given, *more]}


@bp.get("/practice")
def index() -> ResponseReturnValue:
    """Choose a topic."""
    counts = practice.counts_by_topic(db.session(), today=local_today(db.session()))
    return render_template(
        "practice/index.html",
        contest=contests.current_contest(db.session()),
        topics={code: (name, counts[code]) for code, name in TOPICS.items() if code in counts},
        total=sum(counts.values()),
        most=practice.QUESTIONS,
    )


@bp.get("/practice/new")
def new() -> ResponseReturnValue:
    """Draw some questions and go to the first of them."""
    topic, seed = _topic(), secrets.token_urlsafe(SEED_BYTES)
    codes = practice.draw(db.session(), topic=topic, seed=seed, today=local_today(db.session()))
    if not codes:
        return redirect(url_for("practice.index"), 303)
    return redirect(url_for("practice.show", **_State(topic, seed, codes, []).arguments()), 303)


@bp.get("/practice/questions")
def show() -> ResponseReturnValue:
    """Ask the next question, show at once what was right and why, and sum up after the last."""
    session = db.session()
    state = _state()
    found = practice.questions(session, state.codes, seed=state.seed, today=local_today(session))
    if not found:
        raise NotThere("Các câu luyện tập này không còn. Bạn hãy bắt đầu lượt luyện tập mới.")
    # A question that was taken out meanwhile goes with what was chosen of it.
    given = dict(zip(state.codes, state.given, strict=False))
    state = _State(
        state.topic,
        state.seed,
        [one["code"] for one in found],
        [given[one["code"]] for one in found if one["code"] in given],
    )
    done = [practice.judged(one, chosen) for one, chosen in zip(found, state.given, strict=False)]
    page = {
        "contest": contests.current_contest(session),
        "topic_name": TOPICS.get(state.topic),
        "state": state,
        "total": len(found),
        "right": sum(one["is_right"] for one in done),
    }
    if len(done) == len(found):
        return render_template("practice/sum.html", done=done, **page)
    question = found[len(done)]
    is_answered = "answer" in request.args
    if is_answered:
        question = practice.judged(question, request.args.getlist("choice"))
    is_missing = is_answered and not question["chosen"]
    return render_template(
        "practice/show.html",
        question=question,
        number=len(done) + 1,
        is_judged=is_answered and not is_missing,
        is_missing=is_missing,
        **page,
    ), 422 if is_missing else 200


def _state() -> _State:
    """Return what the address says, as far as it can be meant. Raises NotThere without questions."""
    codes = [code for code in request.args.getlist("item") if 0 < len(code) <= LONGEST_CODE]
    codes = [code for code in dict.fromkeys(codes) if "\0" not in code][: practice.QUESTIONS]
    if not codes:
        raise NotThere("Địa chỉ này không có câu luyện tập nào. Bạn hãy bắt đầu lượt luyện tập mới.")
    given = [text[: len(LABELS)] for text in request.args.getlist("given")[: len(codes)]]
    return _State(_topic(), request.args.get("seed", "")[:LONGEST_SEED], codes, given)


def _topic() -> str:
    topic = request.args.get("topic", "")
    return topic if topic in TOPICS else ""
