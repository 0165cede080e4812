"""Pages that everybody looks at, beside a bare "hello"; and whether many attempts make them dearer."""

from urllib.parse import quote

from trials import data
from trials.bench import requests
from trials.bench import world as who
from trials.bench.bench import Bench, Target
from trials.bench.load import InTurn, Same, request
from trials.bench.windows import row_of_cost, row_of_share
from trials.ground import Ground, Web

HELLO = "hello"
BOARD = "/contests/nam-nay/leaderboard"
# Each with what its answer must hold: a page of an error would be quick too.
FOR_EVERYBODY = {
    "landing page": ("/", "Hội thi thử"),
    "leaderboard of units": (BOARD, "Xã số"),
    "leaderboard of people": (f"{BOARD}/individuals", "Xã số"),
}
OWN = {
    "own rank": (f"{BOARD}/individuals", "(bạn)"),
    "search of a unit": (f"{BOARD}?q={quote('xã số 7')}", "Xã số 7"),
}
SHARE_FOR_EVERYBODY = 0.85
SHARE_OF_OWN = 0.40
MOST_DEARER = 1.2


def measure(bench: Bench, web: Web, small_web: Web, bare: Web) -> None:
    """Measure the pages for everybody, then what is one person's own."""
    large, small = bench.world.large, bench.world.small
    hello = Target(HELLO, bare, large, HELLO)
    bench.keep(HELLO, Same(request("GET", "/hello"), b"hello"))
    for name, (path, text) in FOR_EVERYBODY.items():
        bench.keep(name, Same(request("GET", path, "Accept: text/html"), text.encode()))
        theirs, ours = bench.interleaved(hello, Target(name, web, large, name))
        bench.add(row_of_share(name, ours, theirs, SHARE_FOR_EVERYBODY))
    attempts = bench.world.sizes.people * who.PAST_ROUNDS * 2
    for name, (path, text) in OWN.items():
        few = f"{name}, few attempts"
        bench.keep(name, _of_people(large, bench.world.groups[who.LOOK], path, text))
        bench.keep(few, _of_people(small, bench.world.few[who.LOOK], path, text))
        theirs, ours, in_small = bench.interleaved(
            hello, Target(name, web, large, name), Target(few, small_web, small, few)
        )
        bench.add(row_of_share(name, ours, theirs, SHARE_OF_OWN))
        bench.add(row_of_cost(f"{name} at {attempts:,} attempts", ours, in_small, MOST_DEARER))


def _of_people(ground: Ground, people: data.People, path: str, text: str) -> InTurn:
    """Return a page as each of some people asks for it."""
    asked = [request("GET", path, requests.cookie(ground, one)) for one in people.ids()]
    return InTurn(asked, text.encode())
