"""The draw: frozen vectors, what holds for every paper, and a second draw written from the rules alone."""

import hashlib
import itertools
import json
import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from question_bank.draw import (
    Cell,
    NotEnoughItems,
    PoolItem,
    Stream,
    draw_paper,
    lot_key,
    lot_number,
    paper_seed,
    required_code,
    round_seed,
    shortfalls,
)

ROOT = Path(__file__).parent.parent.parent
VECTORS = json.loads((ROOT / "tests/vectors/draw.json").read_text(encoding="utf-8"))
PAPERS = [pytest.param(paper, id=paper["name"]) for paper in VECTORS["papers"]]
SEED = bytes.fromhex(VECTORS["paper_seed"])
EXPLAINED = (ROOT / "docs/draw.md").read_text(encoding="utf-8")


# --- the same draw once more -----------------------------------------------------------------------


def hmac_sha256(key, message):
    """RFC 2104, for keys of 32 bytes."""
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


class ByTheRules:
    """The draw from a paper seed, word for word as the rules tell it; shares no line with the real one."""

    def __init__(self, seed):
        self.seed, self.words_taken = seed, 0

    def word(self):
        block, place = divmod(self.words_taken, 4)
        self.words_taken += 1
        return struct.unpack(">4Q", hmac_sha256(self.seed, struct.pack(">Q", block)))[place]

    def below(self, n):
        while (w := self.word()) >= 2**64 // n * n:
            pass
        return w % n

    def pick(self, numbers, k):
        result, n = list(numbers), len(numbers)
        i = 0
        while i <= min(k, n - 1) - 1:
            j = i + self.below(n - i)
            result[i], result[j] = result[j], result[i]
            i += 1
        return result[:k]

    def shuffle(self, numbers):
        return self.pick(numbers, len(numbers))

    def paper(self, pool, specification, had):
        """Return [code, order] pairs, or None where a cell can't be filled."""
        items = {item["code"]: item for item in pool}
        codes = []
        for cell in specification:
            candidates = sorted(
                code
                for code, item in items.items()
                if code not in codes
                and (item["topic"], item["level"]) == (cell["topic"], cell["level"])
                and all(tag in item["tags"] for tag in cell["tags"])
            )
            if len(candidates) < cell["count"]:
                return None
            picked = self.pick([code for code in candidates if code not in had], cell["count"])
            missing = cell["count"] - len(picked)
            codes += picked + self.pick([code for code in candidates if code in had], missing)
        return [(code, self.option_order(items[code])) for code in self.shuffle(codes)]

    def option_order(self, item):
        places = [place for place in range(item["options"]) if place not in item["pinned"]]
        order = list(range(item["options"]))
        for place, index in zip(places, self.shuffle(places), strict=True):
            order[place] = index
        return tuple(order)


def pool_item(entry):
    return PoolItem(
        code=entry["code"],
        topic=entry["topic"],
        level=entry["level"],
        tags=frozenset(entry["tags"]),
        options=entry["options"],
        pinned=frozenset(entry["pinned"]),
        key=(0,),
    )


def cell_of(entry):
    return Cell(entry["topic"], entry["level"], entry["count"], frozenset(entry["tags"]))


def drawn(pool, specification, seed, had=()):
    """The real draw's paper in the shape of the second one's, None where it refuses."""
    try:
        paper = draw_paper(
            [pool_item(one) for one in pool], [cell_of(one) for one in specification], seed, had
        )
    except NotEnoughItems:
        return None
    return [(item.code, item.order) for item in paper]


def make_pool(*codes, topic="T1", level="NB", tags=(), options=4, pinned=()):
    fixed = {"topic": topic, "level": level, "tags": list(tags), "options": options, "pinned": list(pinned)}
    return [{"code": code, **fixed} for code in codes]


def make_cell(count, topic="T1", level="NB", tags=()):
    return {"topic": topic, "level": level, "count": count, "tags": list(tags)}


# --- the words, and choices made from them ---------------------------------------------------------


def test_the_self_check_of_the_rules():
    words = Stream(SEED)
    assert [words.below(2**64) for _ in range(6)] == [
        0x50D605E2CE7736CF,
        0x7A9D423A574C1DF4,
        0x2DC1CD58F3408E9A,
        0xF5C666D44A5084FA,
        0xBB390B2E35C0CA35,
        0x1EEB966CAA2F325B,
    ]
    assert Stream(SEED).shuffle(range(10)) == [1, 6, 4, 2, 7, 0, 5, 3, 8, 9]
    assert Stream(SEED).pick(range(10), 3) == [1, 6, 4]


@pytest.mark.parametrize("vector", VECTORS["below"], ids=lambda vector: f"below {vector['n']}")
def test_numbers_below_n_are_the_frozen_ones(vector):
    stream = Stream(SEED)
    assert [str(stream.below(int(vector["n"]))) for _ in vector["results"]] == vector["results"]


def test_a_word_past_the_last_whole_multiple_is_thrown_away():
    n = 2**63 + 1  # half of all words are too large
    stream, words = Stream(SEED), ByTheRules(SEED)
    small_enough = (word for word in iter(words.word, None) if word < n)
    assert [stream.below(n) for _ in range(50)] == list(itertools.islice(small_enough, 50))


@pytest.mark.parametrize("short", [[], ["only"]])
def test_a_list_of_none_or_one_takes_no_word(short):
    stream = Stream(SEED)
    assert stream.shuffle(short) == short
    assert stream.pick(["x", "y"], 0) == []
    assert stream.below(2**64) == ByTheRules(SEED).word()


def test_more_than_there_is_gives_all_in_random_order():
    assert Stream(SEED).pick(range(10), 99) == Stream(SEED).shuffle(range(10))


def test_the_list_that_is_picked_from_stays_as_it_was():
    items = [1, 2, 3]
    Stream(SEED).shuffle(items)
    assert items == [1, 2, 3]


def test_every_order_is_about_as_likely():
    orders = Counter(tuple(Stream(paper_seed(SEED, "x", number)).shuffle("abcd")) for number in range(4800))
    assert len(orders) == 24
    chi_square = sum((count - 200) ** 2 / 200 for count in orders.values())
    assert chi_square < 49.7  # one fair generator in a thousand exceeds it


# --- whole papers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", PAPERS)
def test_the_frozen_papers_are_drawn_again(vector):
    seed = paper_seed(bytes.fromhex(vector["round_seed"]), vector["draw_id"], vector["number"])
    assert seed.hex() == vector["paper_seed"]
    paper = drawn(vector["pool"], vector["specification"], seed, vector["had"])
    assert [[code, list(order)] for code, order in paper] == vector["paper"]


seeds = st.binary(min_size=32, max_size=32)
topics, levels, tag_sets = (
    st.sampled_from(["T1", "T2"]),
    st.sampled_from(["NB", "TH"]),
    st.sets(st.sampled_from("xy")),
)


@st.composite
def entries(draw):
    options = draw(st.integers(2, 8))
    return {
        "code": draw(st.text("ABaéđ1-", min_size=1, max_size=4)),
        "topic": draw(topics),
        "level": draw(levels),
        "tags": sorted(draw(tag_sets)),
        "options": options,
        "pinned": sorted(draw(st.sets(st.integers(0, options - 1)))),
    }


pools = st.lists(entries(), max_size=16, unique_by=lambda entry: entry["code"])
cells = st.builds(make_cell, st.integers(0, 2), topic=topics, level=levels, tags=tag_sets.map(sorted))
specifications = st.lists(cells, max_size=4)


@st.composite
def asked(draw):
    """A pool, a specification of it, a seed, and what the person has had."""
    pool = draw(pools)
    had = draw(st.sets(st.sampled_from([entry["code"] for entry in pool] + ["elsewhere"])))
    return pool, draw(specifications), draw(seeds), had


@settings(max_examples=250, deadline=None)
@given(asked())
def test_a_second_draw_from_the_rules_gives_the_same_paper(asked):
    pool, specification, seed, had = asked
    assert drawn(pool, specification, seed, had) == ByTheRules(seed).paper(pool, specification, had)


@settings(max_examples=80, deadline=None)
@given(asked())
def test_no_item_comes_twice_and_every_cell_is_exact(asked):
    pool, specification, seed, had = asked
    apart = list({(cell["topic"], cell["level"]): {**cell, "tags": []} for cell in specification}.values())
    paper = drawn(pool, apart, seed, had)
    assume(paper is not None)
    cell_of_code = {entry["code"]: (entry["topic"], entry["level"]) for entry in pool}
    assert len({code for code, _ in paper}) == len(paper)
    asked_for = Counter({(cell["topic"], cell["level"]): cell["count"] for cell in apart})
    assert Counter(cell_of_code[code] for code, _ in paper) == +asked_for


@settings(max_examples=100, deadline=None)
@given(asked())
def test_options_are_a_permutation_in_which_the_pinned_stay(asked):
    pool, specification, seed, had = asked
    items = {entry["code"]: entry for entry in pool}
    for code, order in drawn(pool, specification, seed, had) or ():
        assert sorted(order) == list(range(items[code]["options"]))
        assert all(order[place] == place for place in items[code]["pinned"])


@settings(max_examples=100, deadline=None)
@given(pool=pools, seed=seeds, count=st.integers(0, 6), data=st.data())
def test_what_was_had_comes_again_only_where_nothing_else_is_left(pool, seed, count, data):
    pool = [{**entry, "topic": "T1", "level": "NB"} for entry in pool]
    assume(count <= len(pool))
    had = data.draw(st.sets(st.sampled_from([entry["code"] for entry in pool])) if pool else st.just(set()))
    paper = drawn(pool, [make_cell(count)], seed, had)
    assert sum(code in had for code, _ in paper) == max(0, count - (len(pool) - len(had)))


@settings(max_examples=100, deadline=None)
@given(asked(), st.randoms(use_true_random=False))
def test_a_pool_in_any_order_gives_the_same_paper(asked, random):
    pool, specification, seed, had = asked
    mixed = random.sample(pool, len(pool))
    assert drawn(mixed, specification, seed, had) == drawn(pool, specification, seed, had)


def test_each_person_and_each_attempt_gets_another_paper():
    pool, whole = make_pool(*"ABCDEFGHIJ"), [make_cell(10)]
    papers = {
        str(drawn(pool, whole, paper_seed(SEED, draw_id, number)))
        for draw_id in ("an", "binh")
        for number in (1, 2)
    }
    assert len(papers) == 4


def test_a_cell_that_cannot_be_filled_is_refused_by_name():
    with pytest.raises(NotEnoughItems, match="T1/NB needs 3, has 2"):
        draw_paper([pool_item(one) for one in make_pool("A", "B")], [cell_of(make_cell(3))], SEED)


# --- may a round open? -----------------------------------------------------------------------------


def short(pool, specification):
    found = shortfalls([pool_item(one) for one in pool], [cell_of(one) for one in specification])
    return [sure for _, sure in found]


def test_a_pool_that_fills_every_cell_is_enough():
    pool = make_pool("A", "B") + make_pool("C", topic="T2")
    assert short(pool, [make_cell(2), make_cell(1, topic="T2")]) == []


def test_a_cell_is_judged_after_earlier_cells_took_all_they_can():
    pool = make_pool("A", "B", tags=["law"]) + make_pool("C")
    # The first cell may take both items of law that the second needs.
    assert short(pool, [make_cell(2), make_cell(1, tags=["law"])]) == [0]
    assert short(pool, [make_cell(1, tags=["law"]), make_cell(2)]) == []


def test_two_earlier_cells_cannot_take_the_same_item_twice():
    pool = make_pool("A", tags=["fees", "law", "tax"]) + make_pool("B", tags=["fees"])
    pool += make_pool("C", tags=["law"]) + make_pool("D", tags=["tax"])
    # Either of the first two cells may take A, but not both: one of A and B is left.
    wanted = [make_cell(1, tags=["law"]), make_cell(1, tags=["tax"]), make_cell(1, tags=["fees"])]
    assert short(pool, wanted) == []
    assert short(pool, [*wanted[:2], make_cell(2, tags=["fees"])]) == [1]


def test_the_unluckiest_choice_of_the_earlier_cells_decides():
    pool = make_pool("A", tags=["fees", "law"]) + make_pool("B", tags=["fees"])
    # If the first cell takes B, the second still finds A, and nothing is left.
    assert short(pool, [make_cell(1, tags=["fees"]), make_cell(1, tags=["law"]), make_cell(1)]) == [0, 0]
    pool += make_pool("C", level="TH", tags=["law"])
    assert short(pool, [make_cell(1, tags=["fees"]), make_cell(1)]) == []


three_tags = st.sets(st.sampled_from("xyz")).map(sorted)


def fewest_left(left, specification):
    """The fewest items that the last cell may find, over everything earlier cells may take."""
    *earlier, last = specification
    if not earlier:
        return sum(cell_of(last).takes(item) for item in left)
    first = cell_of(earlier[0])
    fitting = [item for item in left if first.takes(item)]
    return min(
        fewest_left([item for item in left if item not in taken], [*earlier[1:], last])
        for taken in itertools.combinations(fitting, min(first.count, len(fitting)))
    )


@settings(max_examples=100, deadline=None)
@given(
    pool=st.lists(three_tags, max_size=6),
    wanted=st.lists(st.builds(make_cell, st.integers(0, 2), tags=three_tags), min_size=1, max_size=4),
)
def test_a_round_opens_only_if_the_unluckiest_draw_fills_every_cell(pool, wanted):
    items = [entry for number, tags in enumerate(pool) for entry in make_pool(f"{number}", tags=tags)]
    worst = [
        fewest_left([pool_item(one) for one in items], wanted[:end]) for end in range(1, len(wanted) + 1)
    ]
    assert short(items, wanted) == [
        sure for sure, cell in zip(worst, wanted, strict=True) if sure < cell["count"]
    ]


# --- the lot ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vector", VECTORS["lots"], ids=lambda vector: f"{vector['division']} {vector['draw_id']}"
)
def test_lots_are_the_frozen_ones(vector):
    lot = lot_number(bytes.fromhex(vector["round_seed"]), vector["division"], vector["draw_id"])
    assert lot.hex() == vector["lot"]
    assert lot == hmac_sha256(
        bytes.fromhex(vector["round_seed"]), f"lot|{vector['division']}|{vector['draw_id']}".encode()
    )


# --- what the public is told -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The folder of docs/draw.md: its example's files and its program, as a reader would save them."""
    folder = tmp_path_factory.mktemp("example")
    files = dict(re.findall(r"^`([\w.-]+)`:\n\n```\w+\n(.*?)^```", EXPLAINED, re.MULTILINE | re.DOTALL))
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "redraw.py").write_text(fenced("python"), encoding="utf-8")
    return folder


def fenced(language):
    """The only code block of a language on the page."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```", EXPLAINED, re.MULTILINE | re.DOTALL)
    return block


def redraw(folder, attempt):
    return subprocess.run(
        [sys.executable, "-I", folder / "redraw.py", folder, attempt], capture_output=True, text=True
    )


@pytest.mark.parametrize("attempt", ["k7Rw", "m2Xe"])
def test_the_published_program_draws_the_published_papers(published, attempt):
    rows = [row.split(",") for row in (published / "responses.csv").read_text().splitlines()]
    as_published = "".join(f"{' '.join(row[1:])}\n" for row in rows if row[0] == attempt)
    assert redraw(published, attempt).stdout == as_published


def test_the_page_shows_what_the_published_program_prints(published):
    assert "redraw.py example k7Rw" in EXPLAINED
    assert redraw(published, "k7Rw").stdout == fenced("text")


@pytest.mark.parametrize(
    "name, told, changed",
    [
        ("pool-citizens-1.json", "T1-001", "T1-009"),
        ("seed.json", '"secret": "00', '"secret": "01'),
        ("seed.json", '"seed": "00', '"seed": "01'),
        ("seed.json", "null", '"12345"'),
    ],
)
def test_the_published_program_refuses_what_was_not_promised(published, tmp_path, name, told, changed):
    for file in published.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    original = (published / name).read_text()
    assert told in original
    (tmp_path / name).write_text(original.replace(told, changed))
    refused = redraw(tmp_path, "k7Rw")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "AssertionError" in refused.stderr


def test_the_worked_example_is_what_the_platform_draws(published):
    pool = json.loads((published / "pool-citizens-1.json").read_text())["items"]
    [division] = json.loads((published / "configuration.json").read_text())["divisions"]
    secret = bytes.fromhex(json.loads((published / "seed.json").read_text())["secret"])
    published_rows = [row.split(",") for row in (published / "responses.csv").read_text().splitlines()[1:]]
    had = set()
    for number, attempt in enumerate(["k7Rw", "m2Xe"], start=1):
        seed = paper_seed(secret, "vD3k9Qw7LxT2mB8sHcR4Yg", number)
        assert f"`{seed.hex()}`" in EXPLAINED
        paper = drawn(pool, division["specification"], seed, had)
        assert [[code, " ".join(map(str, order))] for code, order in paper] == [
            row[2:] for row in published_rows if row[0] == attempt
        ]
        had |= {code for code, _ in paper}


def test_the_words_of_the_worked_example_are_right():
    steps = re.findall(r"^\| `([0-9a-f]{16})` \| (\d+) \| (\d+) \|", EXPLAINED, re.MULTILINE)
    seed = paper_seed(bytes(range(32)), "vD3k9Qw7LxT2mB8sHcR4Yg", 1)
    words = ByTheRules(seed)
    assert len(steps) == 7
    for word, n, remainder in steps:
        assert (f"{words.word():016x}", int(word, 16) % int(n)) == (word, int(remainder))


# --- public texts and required items -------------------------------------------------------------


def test_a_public_text_is_mixed_in_as_the_rules_say():
    secret = bytes(range(32))
    decomposed = "  Gia\u0309i 12\n"

    assert round_seed(secret, None) == secret
    assert round_seed(secret, decomposed) == hashlib.sha256(secret + "Giải 12".encode()).digest()
    assert lot_key(secret, None) == secret
    assert lot_key(secret, decomposed) == hashlib.sha256("Giải 12".encode()).digest()


def test_a_required_items_cell_is_known_by_its_tag():
    assert required_code(Cell("T1", "NB", 1, frozenset({"code:T1-001"}))) == "T1-001"
    assert required_code(Cell("T1", "NB", 1, frozenset({"luật"}))) is None
