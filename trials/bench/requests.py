"""The hot path: saving, starting and submitting, each beside its one bare statement."""

import json
from urllib.parse import urlencode

from contest.security import csrf_token
from trials import data
from trials.bench import YARDSTICK_ROW
from trials.bench import world as who
from trials.bench.bench import Bench, Target
from trials.bench.load import InTurn, NumberedUpdates, Saves, request
from trials.bench.windows import row_of_share
from trials.ground import Ground, Web

FORM = "application/x-www-form-urlencoded"
ANSWERS = json.dumps({str(n): ["b"] for n in range(1, data.QUESTIONS + 1)}, separators=(",", ":"))


def yardstick(bench: Bench) -> Web:
    """Start the bare application on the same server as the site."""
    world = bench.world
    with world.large.connect() as connection:
        row = connection.execute(
            "SELECT unit_id, paper::text, paper_shape FROM attempts WHERE public_id = %s",
            [data.public_id(world.live, world.groups[who.SAVE].first)],
        ).fetchone()
    assert row
    same = {**vars(world.live), "unit_id": row[0], "paper": row[1], "shape": row[2]}
    return world.large.web(
        "yardstick", target="trials.bench.yardstick:app", env={YARDSTICK_ROW: json.dumps(same)}
    )


def measure(bench: Bench, web: Web, bare: Web) -> None:
    """Measure the three requests of a sitting."""
    large = bench.world.large
    for name, goal, hand_over in (
        ("save an answer sheet", 0.70, _saves),
        ("start an attempt", 0.50, _starts),
        ("submit", 0.55, _submissions),
    ):
        ours, theirs = hand_over(bench)
        windows = bench.interleaved(Target(theirs, bare, large, theirs), Target(ours, web, large, ours))
        bench.add(row_of_share(name, windows[1], windows[0], goal))


def cookie(ground: Ground, account_id: int) -> str:
    """Return the header that shows a person's session."""
    return f"Cookie: contest_sid={data.session_token(ground.settings.secret_key, account_id)}"


def token(ground: Ground, account_id: int) -> str:
    """Return the CSRF token of a person's pages."""
    secret = ground.settings.secret_key
    return csrf_token(secret, data.session_token(secret, account_id))


def saves_of(ground: Ground, place: data.Place, people: data.People) -> Saves:
    """Return the saves of people who sit: whole sheets, each with its session and CSRF token."""
    shapes = shapes_of(ground, place)
    heads = []
    for account_id in people.ids():
        public_id = data.public_id(place, account_id)
        lines = (
            f"PUT /attempts/{public_id}/responses HTTP/1.1",
            "Host: 127.0.0.1",
            cookie(ground, account_id),
            f"X-CSRFToken: {token(ground, account_id)}",
            "Sec-Fetch-Site: same-origin",
            "Content-Type: application/json",
        )
        heads.append(("".join(f"{line}\r\n" for line in lines), shapes[public_id]))
    return Saves(heads, ANSWERS)


def steady_saves(bench: Bench) -> str:
    """Return the source of the saves of half of the crowd; it goes on where it stopped, like the people."""
    name, world = "steady saves", bench.world
    if name not in bench.kept:
        savers, _ = who.halves(world.groups[who.CROWD])
        bench.keep(name, saves_of(world.large, world.live, savers))
    return name


def start(ground: Ground, place: data.Place, account_id: int) -> bytes:
    """Return what the page sends when a person begins."""
    body = urlencode({"csrf_token": token(ground, account_id)})
    path = f"/rounds/{place.round_id}/attempts"
    return request("POST", path, cookie(ground, account_id), body=body, kind=FORM)


def submission(ground: Ground, place: data.Place, account_id: int, shape: str) -> bytes:
    """Return what the page's own form sends when a person hands in."""
    fields = [
        ("csrf_token", token(ground, account_id)),
        ("seq", "1"),
        ("base", "0"),
        ("editor", "page"),
        ("shape", shape),
        ("prediction", "12345"),
        *((f"q{n}", "b") for n in range(1, data.QUESTIONS + 1)),
    ]
    path = f"/attempts/{data.public_id(place, account_id)}/submission"
    return request("POST", path, cookie(ground, account_id), body=urlencode(fields), kind=FORM)


def shapes_of(ground: Ground, place: data.Place) -> dict[str, str]:
    """Return the shapes of all open papers of a round by public id."""
    with ground.connect() as connection:
        rows = connection.execute(
            "SELECT public_id, paper_shape FROM attempts WHERE round_id = %s AND submitted_at IS NULL",
            [place.round_id],
        ).fetchall()
    return {str(public_id): str(shape) for public_id, shape in rows}


def _saves(bench: Bench) -> tuple[str, str]:
    world = bench.world
    bench.keep("save", saves_of(world.large, world.live, world.groups[who.SAVE]))
    ids = [data.public_id(world.live, one) for one in world.groups[who.SAVE_BARELY].ids()]
    bench.keep("bare UPDATE", NumberedUpdates(ids, ANSWERS))
    return "save", "bare UPDATE"


def _starts(bench: Bench) -> tuple[str, str]:
    world = bench.world
    starts = [start(world.large, world.live, one) for one in world.groups[who.START].ids()]
    bench.keep("start", InTurn(starts, b"/attempts/", status=303, is_once=True))
    inserts = [
        request("POST", f"/insert/{one}/{data.public_id(world.live, one)}")
        for one in world.groups[who.INSERT_BARELY].ids()
    ]
    bench.keep("bare INSERT", InTurn(inserts, b"stored", is_once=True))
    return "start", "bare INSERT"


def _submissions(bench: Bench) -> tuple[str, str]:
    world = bench.world
    shapes = shapes_of(world.large, world.live)
    ours = [
        submission(world.large, world.live, one, shapes[data.public_id(world.live, one)])
        for one in world.groups[who.SUBMIT].ids()
    ]
    bench.keep("submit", InTurn(ours, b"/result", status=303, is_once=True))
    bare = [
        request("POST", f"/submit/{data.public_id(world.live, one)}/1", body=ANSWERS)
        for one in world.groups[who.SUBMIT_BARELY].ids()
    ]
    bench.keep("bare closing UPDATE", InTurn(bare, b"stored", is_once=True))
    return "submit", "bare closing UPDATE"
