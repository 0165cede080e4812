"""The waiting room: where somebody who pressed start sees their place in the line."""

import random
from math import ceil

from flask import Blueprint, current_app, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from contest import contests, waiting_room
from contest.clock import db_now
from contest.door import Door
from contest.extensions import db
from contest.formatting import vn_wait
from contest.rules.admission import seconds_to_look
from contest.signing_in import give_ticket, session_hash, ticket_in_hand

bp = Blueprint("waiting_room", __name__)
ROUND = "/rounds/<int(max=2147483647):round_id>"


@bp.get(f"{ROUND}/waiting")
def show(round_id: int) -> ResponseReturnValue:
    """Show the place in the line, asked for again by itself; whoever is called finds the button to start."""
    session = db.session()
    round = contests.find_round(session, round_id, with_rehearsals=True)
    turn = waiting_room.find(session.connection(), session_hash(), round_id)
    if turn is None:
        return redirect(url_for("public.contest_page", slug=round.contest.slug), 303)
    now = db_now(session)
    ahead, seconds = (0, 0.0) if turn.is_called else _door().prospect(turn.number)
    page = render_template(
        "waiting_room/show.html",
        contest=round.contest,
        round=round,
        is_called=turn.is_called,
        is_closed=round.closed_at is not None or now >= round.closes_at,
        ahead=ahead,
        when=vn_wait(seconds),
        is_too_late=seconds > (round.closes_at - now).total_seconds(),
        paused_until=round.paused_until if round.paused_until and now < round.paused_until else None,
        look_in=ceil(seconds_to_look(seconds, random.random())),  # spreads those who ask
    )
    response = make_response(page)
    # Another device, or the same after a new sign-in.
    if ticket_in_hand(round_id) != turn.number:
        give_ticket(response, round_id, turn.number)
    return response


@bp.get(f"{ROUND}/place")
def place(round_id: int) -> ResponseReturnValue:
    """Answer where the number on the browser's ticket stands, without asking the database."""
    number = ticket_in_hand(round_id)
    if number is None:
        return {"code": "no_place"}, 404
    ahead, seconds = _door().prospect(number)
    return {
        "called": seconds == 0.0,
        "ahead": ahead,
        "when": vn_wait(seconds),
        "look_in": round(seconds_to_look(seconds, random.random()), 1),
    }


def _door() -> Door:
    door: Door = current_app.extensions["door"]
    return door
