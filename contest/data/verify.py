#!/usr/bin/env python3
"""Recompute the result of a contest round from its published bundle.

    python3 verify.py BUNDLE [--digest SHA256] [--lang vi|en] [--json]

BUNDLE is the folder or the zip file that the organizers published. This program needs Python 3.9 or
newer and nothing else, asks no network and changes nothing. It draws every paper again, scores every
answer, ranks everybody, gives the prizes and ranks the units, and compares each value with the file.
It stops at the first one that differs, says where that is, what it should be and what is there, and
ends with exit code 1. Exit code 0: all agrees. Exit code 2: it was called the wrong way.

Compare the digest that it prints with the one on the results page, on paper and in the news, and the
commitment with what was printed before the round opened: that no file can prove by itself. What each
file holds is written in docs/bundle.md, the draw in docs/draw.md, the ranking in docs/ranking.md.
"""

import argparse
import csv
import hashlib
import hmac
import io
import json
import os
import sys
import unicodedata
import zipfile
from collections import namedtuple
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from struct import unpack

FORMAT = "contest-bundle/1"
POINT = 840  # one item; points are whole numbers of 1/840
LABELS = "abcdefgh"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

ATTEMPT = (
    "attempt draw_id number division unit pool_version registered_at started_at extra_ms compensation_ms"
    " closes_at deadline_at outage_ms submitted_at how duration_ms prediction points voided counted"
    " excluded excluded_at_books"
).split()
Attempt = namedtuple("Attempt", ["row", *ATTEMPT])
STANDING = (
    "division rank attempt points prediction_error duration_ms submitted_at attempts_used registered_at"
    " separated_by"
).split()
CRITERIA = ("points", "prediction_error", "duration_ms", "submitted_at", "attempts_used", "registered_at")

WORDS = {
    "vi": {
        "files": "Mọi tệp khớp với mã SHA-256 trong manifest.json",
        "seed": "Hạt giống và bộ câu hỏi đúng như mã đã công bố trước khi vòng thi mở",
        "times": "Thời hạn, thời gian làm bài của mọi lượt thi",
        "papers": "Mọi đề thi rút lại được từ hạt giống, mọi câu trả lời chấm lại đúng điểm",
        "counted": "Lượt được tính và người bị loại",
        "truth": "Kết quả của câu dự đoán",
        "standings": "Thứ tự, hạng và lý do xếp trên của từng người",
        "prizes": "Giải thưởng và bốc thăm",
        "units": "Xếp hạng đơn vị",
        "digest": "SHA-256 của bản công bố (manifest.json)",
        "good": "KHỚP: tính lại từ đầu cho đúng kết quả đã công bố.",
        "bad": "KHÔNG KHỚP",
        "where": "Tệp {file}{row}{column}",
        "row": ", dòng {}",
        "column": ", cột {}",
        "expected": "Tính lại được",
        "found": "Trong bản công bố",
        "nothing": "(trống)",
    },
    "en": {
        "files": "Every file has the SHA-256 that manifest.json says",
        "seed": "Seed and pools are those committed to before the round opened",
        "times": "Deadlines and durations of all attempts",
        "papers": "Every paper follows from the seed, every answer scores the points",
        "counted": "Counted attempts and excluded people",
        "truth": "The truth of the prediction",
        "standings": "Order, ranks and separating criteria",
        "prizes": "Prizes and lots",
        "units": "The ranking of units",
        "digest": "SHA-256 of the publication (manifest.json)",
        "good": "AGREES: recomputed from the start, the result is the published one.",
        "bad": "DOES NOT AGREE",
        "where": "File {file}{row}{column}",
        "row": ", line {}",
        "column": ", column {}",
        "expected": "Recomputed",
        "found": "Published",
        "nothing": "(empty)",
    },
}


class Difference(Exception):
    """A place where the bundle is not what it should be."""

    def __init__(self, file, row=None, column=None, expected="", found=""):
        super().__init__(file, row, column)
        self.file, self.row, self.column = file, row, column
        self.expected, self.found = expected, found


def same(expected, found, file, row=None, column=None):
    """Go on if both are equal; otherwise this is the difference."""
    if expected != found:
        raise Difference(file, row, column, expected, found)


# --- reading --------------------------------------------------------------------------------------


class Bundle:
    """The files of a folder or a zip, by name."""

    def __init__(self, path):
        self.zip = None if os.path.isdir(path) else zipfile.ZipFile(path)
        self.path = path
        if self.zip:
            self.names = [name for name in self.zip.namelist() if not name.endswith("/")]
        else:
            self.names = [
                os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/")
                for folder, _, names in os.walk(path)
                for name in names
            ]

    def open(self, name):
        if name not in self.names:
            raise Difference(name, expected="the file", found="no such file")
        return self.zip.open(name) if self.zip else open(os.path.join(self.path, name), "rb")

    def sha256(self, name):
        digest = hashlib.sha256()
        with self.open(name) as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        return digest.hexdigest()

    def json(self, name):
        with self.open(name) as file:
            return json.loads(file.read().decode("utf-8"))

    def header(self, name):
        """Return the names of a table's columns."""
        with io.TextIOWrapper(self.open(name), "utf-8", newline="") as file:
            return next(csv.reader(file), [])

    def table(self, name, columns):
        """Yield the number of each line and the cells of the named columns."""
        with io.TextIOWrapper(self.open(name), "utf-8", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            for column in columns:
                if column not in header:
                    raise Difference(name, 1, column, "the column", "no such column")
            places = [header.index(column) for column in columns]
            for cells in lines:
                same(len(header), len(cells), name, lines.line_num)
                yield lines.line_num, [cells[place] for place in places]


def whole(text, file, row, column, least=0):
    """Return the whole number in a cell; None for an empty one."""
    if text == "":
        return None
    digits = text[1:] if text[0] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or str(int(text)) != text or int(text) < least:
        raise Difference(file, row, column, f"a whole number, at least {least}", text)
    return int(text)


@lru_cache(maxsize=4096)
def microseconds(text):
    """Return a moment as whole microseconds since 1970; None for an empty cell."""
    if text == "":
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or len(text.partition(".")[2]) != len("000000+00:00"):
        raise ValueError(text)
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(text, file, row, column):
    """Return the moment in a cell in microseconds since 1970; None for an empty one."""
    try:
        return microseconds(text)
    except ValueError:
        raise Difference(file, row, column, "a moment with six decimals and offset", text) from None


def flag(text, file, row, column):
    """Return whether a cell says 1 rather than 0."""
    if text not in ("0", "1"):
        raise Difference(file, row, column, "0 or 1", text)
    return text == "1"


def known(found, allowed, file, row, column):
    """Return a value that must be one of some."""
    if found not in allowed:
        raise Difference(file, row, column, " | ".join(sorted(map(str, allowed))), found)
    return found


# --- digests, seed, pools -------------------------------------------------------------------------


def check_files(bundle):
    """Compare every file with the manifest, which names all but itself."""
    manifest = bundle.json("manifest.json")
    same(FORMAT, manifest["format"], "manifest.json", None, "format")
    if type(manifest["version"]) is not int or manifest["version"] < 1:
        raise Difference("manifest.json", None, "version", "a whole number from 1", manifest["version"])
    for name in sorted(manifest["files"]):
        same(manifest["files"][name], bundle.sha256(name), name, None, "SHA-256")
    for name in sorted(set(bundle.names) - set(manifest["files"]) - {"manifest.json"}):
        raise Difference("manifest.json", None, name, "listed with its SHA-256", "not listed")
    return len(manifest["files"])


def hex_bytes(text, file, column):
    if not isinstance(text, str) or len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise Difference(file, None, column, "64 digits 0-9 a-f", text)
    return bytes.fromhex(text)


def normal(text):
    """Return a public text as it enters a digest: NFC, no white space at the ends, UTF-8."""
    return unicodedata.normalize("NFC", text).strip().encode("utf-8")


def check_seed(bundle):
    """Return the round seed: it must be the one that the commitment bound."""
    told, promised = bundle.json("seed.json"), bundle.json("commitment.json")
    secret = hex_bytes(told["secret"], "seed.json", "secret")
    same(promised["sha256"], hashlib.sha256(secret).hexdigest(), "seed.json", None, "secret")
    text = told["public_text"]
    seed = hashlib.sha256(secret + normal(text)).digest() if text is not None else secret
    same(seed.hex(), told["seed"], "seed.json", None, "seed")
    return seed


def check_pools(bundle, divisions, corrections):
    """Return the items of each pool by division and version: the bytes must be those committed to.

    Only the first versions were committed to before the opening. A later one is the version before it,
    unchanged, without items that a correction names.
    """
    promised = bundle.json("commitment.json")["pools"]
    pools = {}
    for name in sorted({*promised, *(name for name in bundle.names if name.startswith("pool-"))}):
        same(promised.get(name), bundle.sha256(name), name, None, "SHA-256")
        pool = bundle.json(name)
        same(f"pool-{pool['division']}-{pool['version']}.json", name, name, None, "division, version")
        known(pool["division"], divisions, name, None, "division")
        items = {item["code"]: item for item in pool["items"]}
        same(len(items), len(pool["items"]), name, None, "code")
        pools[pool["division"], str(pool["version"])] = items
    for division, version in sorted(pools):
        if version == "1":
            continue
        name, items = f"pool-{division}-{version}.json", pools[division, version]
        before = pools.get((division, str(int(version) - 1)))
        if before is None:
            raise Difference(name, None, "version", "the version after one that is there", version)
        for code, item in items.items():
            same(before.get(code), item, name, None, code)
        for code in sorted(set(before) - set(items)):
            if code not in corrections:
                raise Difference(name, None, code, "there, or named by a correction", "")
    return pools


# --- attempts: their moments ----------------------------------------------------------------------


def read_attempts(bundle):
    """Return all attempts by person (draw id), in the order of their numbers."""
    file, people, seen = "attempts.csv", {}, set()
    moments = ("registered_at", "started_at", "closes_at", "deadline_at", "submitted_at")
    flags = ("voided", "counted", "excluded", "excluded_at_books")
    texts = {"attempt", "draw_id", "division", "unit", "pool_version", "how"}
    for row, cells in bundle.table(file, ATTEMPT):
        values = [row]
        for column, cell in zip(ATTEMPT, cells):
            if column in texts:
                values.append(sys.intern(cell))
            elif column in moments:
                values.append(moment(cell, file, row, column))
            elif column in flags:
                values.append(flag(cell, file, row, column))
            else:
                values.append(whole(cell, file, row, column))
        one = Attempt(*values)
        for column in ATTEMPT[:13]:
            if getattr(one, column) in (None, ""):
                raise Difference(file, row, column, "a value", "")
        if one.attempt in seen:
            raise Difference(file, row, "attempt", "an id that no other attempt has", one.attempt)
        seen.add(one.attempt)
        people.setdefault(one.draw_id, []).append(one)
    for attempts in people.values():
        attempts.sort(key=lambda one: one.number)
    return people


def check_times(people, configuration, pools, committed_at, books_at):
    """Compare the deadline and the duration of every attempt with the moments they follow from."""
    file = "attempts.csv"
    opens_at = microseconds(configuration["opens_at"])
    duration, grace = configuration["duration_ms"] * 1000, configuration["grace_ms"] * 1000
    divisions = {pool[0] for pool in pools}
    for attempts in people.values():
        for number, one in enumerate(attempts, start=1):
            row = one.row
            same(number, one.number, file, row, "number")
            known(one.division, divisions, file, row, "division")
            if (one.division, one.pool_version) not in pools:
                raise Difference(file, row, "pool_version", "a pool of the bundle", one.pool_version)
            # Division and unit are fixed at the first attempt, the entry before it.
            for column in ("division", "unit", "registered_at", "excluded", "excluded_at_books"):
                same(getattr(attempts[0], column), getattr(one, column), file, row, column)
            if not max(opens_at, committed_at) <= one.started_at < one.closes_at:
                expected = "from opens_at and published_at to closes_at"
                raise Difference(file, row, "started_at", expected, one.started_at)
            deadline = min(one.started_at + duration, one.closes_at)
            deadline += (one.extra_ms + one.compensation_ms) * 1000
            same(deadline, one.deadline_at, file, row, "deadline_at")
            if one.submitted_at is None:
                same((True, ""), (one.voided, one.how), file, row, "submitted_at")
            else:
                known(one.how, ("person", "deadline"), file, row, "how")
                latest = deadline + grace - 1 if one.how == "person" else deadline
                if not (one.started_at if one.how == "person" else deadline) <= one.submitted_at <= latest:
                    raise Difference(file, row, "submitted_at", "within the attempt", one.submitted_at)
            if (one.submitted_at or 0) > books_at:
                raise Difference("books.json", None, "closed_at", "after the last attempt", one.attempt)
            if one.voided:
                same(None, one.duration_ms, file, row, "duration_ms")
                same(None, one.points, file, row, "points")
                continue
            taken = min(one.submitted_at, deadline) - one.started_at - one.outage_ms * 1000
            total = (configuration["duration_ms"] + one.extra_ms) * 1000
            took = max(0, taken * configuration["duration_ms"] // total)
            same(took, one.duration_ms, file, row, "duration_ms")
        valid = [one for one in attempts if not one.voided]
        if len(valid) > configuration["attempts_allowed"]:
            allowed = configuration["attempts_allowed"]
            raise Difference(file, valid[-1].row, "number", f"at most {allowed} valid", len(valid))


# --- the draw -------------------------------------------------------------------------------------


class Stream:
    """The random numbers that follow from a paper seed."""

    def __init__(self, seed):
        self.seed, self.block, self.words = seed, 0, []

    def below(self, n):
        limit = 2**64 // n * n
        while True:
            if not self.words:
                digest = hmac.digest(self.seed, self.block.to_bytes(8, "big"), "sha256")
                self.words = list(unpack(">4Q", digest))[::-1]
                self.block += 1
            word = self.words.pop()
            if word < limit:
                return word % n

    def pick(self, items, k):
        items, n = list(items), len(items)
        for i in range(min(k, n - 1)):
            j = i + self.below(n - i)
            items[i], items[j] = items[j], items[i]
        return items[:k]


class Draw:
    """The papers of one pool."""

    def __init__(self, pool, specification, name):
        self.pool, self.name = pool, name
        self.cells = [
            (
                cell["count"],
                sorted(
                    code
                    for code, item in pool.items()
                    if (item["topic"], item["level"]) == (cell["topic"], cell["level"])
                    and set(cell["tags"]) <= set(item["tags"])
                ),
            )
            for cell in specification
        ]
        # Of each item, which places may change: the others are pinned.
        self.free = {
            code: [i for i in range(item["options"]) if i not in item["pinned"]]
            for code, item in pool.items()
        }

    def paper(self, seed, had):
        """Return the codes of a paper in their order, each with its options in the order shown."""
        stream, taken, paper = Stream(seed), set(), []
        for count, codes in self.cells:
            fresh = [code for code in codes if code not in taken and code not in had]
            chosen = stream.pick(fresh, count)
            if len(chosen) < count:
                again = [code for code in codes if code not in taken and code in had]
                chosen += stream.pick(again, count - len(chosen))
            if len(chosen) < count:
                raise Difference(self.name, None, "items", f"{count} for each cell", len(chosen))
            taken.update(chosen)
            paper += chosen
        return [(code, self._options(code, stream)) for code in stream.pick(paper, len(paper))]

    def _options(self, code, stream):
        order = list(range(self.pool[code]["options"]))
        for place, option in zip(self.free[code], stream.pick(self.free[code], len(order))):
            order[place] = option
        return " ".join(map(str, order))


# --- points ---------------------------------------------------------------------------------------


def item_points(chosen, keys, partial):
    """Return the points for the chosen options: those of the accepted key that pays most."""
    best = 0
    for key in map(set, keys):
        if not partial:
            best = max(best, POINT if chosen == key else 0)
        else:
            best = max(best, (len(chosen & key) - len(chosen - key)) * POINT // len(key))
    return best


def read_responses(bundle):
    """Return the rows of each attempt, by attempt: line, position, and the other cells shared by all."""
    file, rows, shared = "responses.csv", {}, {}
    columns = ("attempt", "position", "code", "options", "chosen", "points")
    for row, (attempt, position, *cells) in bundle.table(file, columns):
        cells = tuple(cells)
        mine = rows.get(attempt)
        if mine is None:
            mine = rows[sys.intern(attempt)] = (row, [])
        same(str(len(mine[1]) + 1), position, file, row, "position")
        same(mine[0] + len(mine[1]), row, file, row, "attempt")  # an attempt's rows stand together
        mine[1].append(shared.setdefault(cells, cells))
    return rows


def check_papers(bundle, people, configuration, pools, seed):
    """Draw every paper again and score it; return how many positions each attempt has."""
    file = "responses.csv"
    rows = read_responses(bundle)
    specification = {one["code"]: one["specification"] for one in configuration["divisions"]}
    draws = {
        key: Draw(pool, specification[key[0]], f"pool-{key[0]}-{key[1]}.json") for key, pool in pools.items()
    }
    elsewhere = {}
    attempts = {one.attempt for mine in people.values() for one in mine}
    for row, (attempt, code) in bundle.table("seen.csv", ("attempt", "code")):
        known(attempt, attempts, "seen.csv", row, "attempt")
        elsewhere.setdefault(attempt, []).append(sys.intern(code))
    for attempt, (row, _) in rows.items():
        if attempt not in attempts:
            raise Difference(file, row, "attempt", "an attempt of attempts.csv", attempt)
    corrections, partial = configuration["corrections"], configuration["partial"]

    @lru_cache(maxsize=1 << 18)
    def points_of(pool, code, options, chosen):
        """Return the points of an item of a paper; None if a label is none of its own, or out of order."""
        order = options.split(" ")
        if list(chosen) != sorted(set(chosen)) or set(chosen) - set(LABELS[: len(order)]):
            return None
        corrected = corrections.get(code)
        if corrected == "void":
            return POINT
        indices = {int(order[LABELS.index(label)]) for label in chosen}
        return item_points(indices, corrected or [pools[pool][code]["key"]], partial)

    sizes = {}
    for draw_id, mine in people.items():
        had = set()
        for one in mine:
            pool = (one.division, one.pool_version)
            message = f"{draw_id}|{one.number}".encode()
            had_before = had.union(elsewhere.get(one.attempt, ()))
            paper = draws[pool].paper(hmac.digest(seed, message, "sha256"), had_before)
            first, answers = rows.pop(one.attempt, (None, ()))
            total = 0
            for place, (drawn, answer) in enumerate(zip(paper, answers)):
                row = first + place
                code, options, chosen, points = answer
                same(drawn[0], code, file, row, "code")
                same(drawn[1], options, file, row, "options")
                right = points_of(pool, code, options, chosen)
                if right is None:
                    labels = LABELS[: len(options.split(" "))]
                    raise Difference(file, row, "chosen", f"labels of {labels} in order", chosen)
                same(str(right), points, file, row, "points")
                total += right
            if len(answers) != len(paper):
                raise Difference(
                    file, first, "position", f"{len(paper)} positions of {one.attempt}", len(answers)
                )
            if not one.voided:
                same(total, one.points, "attempts.csv", one.row, "points")
            sizes[one.attempt] = len(paper)
            had.update(code for code, _ in paper)
    return sizes


# --- who counts, and the truth of the prediction --------------------------------------------------


def merit(one, criterion, used, error=None):
    """Return what an attempt is ranked by in one criterion; the smaller comes first."""
    if criterion == "points":
        return -one.points
    if criterion == "prediction_error":
        return (error is None, error or 0)
    return used if criterion == "attempts_used" else getattr(one, criterion)


def read_exclusions(bundle, closed_at):
    """Return who is out now, and who was out when the books were closed."""
    excluded, at_books, file = set(), set(), "exclusions.csv"
    columns = ("draw_id", "excluded_at", "lifted_at", "reason")
    for row, (draw_id, excluded_at, lifted_at, reason) in bundle.table(file, columns):
        begins = moment(excluded_at, file, row, "excluded_at")
        ends = moment(lifted_at, file, row, "lifted_at")
        if begins is None:
            raise Difference(file, row, "excluded_at", "a moment", excluded_at)
        if ends is not None and not (begins <= ends and begins <= closed_at):
            raise Difference(file, row, "lifted_at", "after an exclusion before the books", lifted_at)
        if not reason:
            raise Difference(file, row, "reason", "a reason", reason)
        if not draw_id or (ends is None and draw_id in excluded):
            raise Difference(file, row, "draw_id", "each person excluded once", draw_id)
        if ends is None:
            excluded.add(draw_id)
        if begins <= closed_at and (ends is None or ends > closed_at):
            at_books.add(draw_id)
    return excluded, at_books


def check_counted(bundle, people, configuration):
    """Return the counted attempt of each person, with how many valid ones they have."""
    chains = {one["code"]: one["chain"] for one in configuration["divisions"]}
    closed_at = microseconds(bundle.json("books.json")["closed_at"])
    excluded, at_books = read_exclusions(bundle, closed_at)
    counted = {}
    for draw_id, mine in people.items():
        flags = {"excluded": draw_id in excluded, "excluded_at_books": draw_id in at_books}
        for column, value in flags.items():
            same(value, getattr(mine[0], column), "attempts.csv", mine[0].row, column)
        valid = [one for one in mine if not one.voided]
        chosen = None
        if valid and configuration["counts"] == "best":
            chain = [name for name in chains[mine[0].division] if name != "prediction_error"]
            chosen = min(
                valid, key=lambda one: (*(merit(one, name, len(valid)) for name in chain), one.number)
            )
        elif valid:
            chosen = valid[
                0
                if known(
                    configuration["counts"], ("best", "first", "last"), "configuration.json", None, "counts"
                )
                == "first"
                else -1
            ]
        for one in mine:
            same(one is chosen, one.counted, "attempts.csv", one.row, "counted")
        if chosen:
            counted[draw_id] = (chosen, len(valid))
    return counted, excluded


def check_truth(bundle, counted, sizes, configuration):
    """Return the truth of each division's prediction, counted again."""
    truths = bundle.json("books.json")["truth"]
    in_books = [one for one, _ in counted.values() if not one.excluded_at_books]
    for division in configuration["divisions"]:
        code, asked, expected = division["code"], division["prediction"], None
        if asked:
            over = known(asked["over"], ("division", "round"), "configuration.json", None, "over")
            counts = known(
                asked["counted"], ("people", "full", "percentage"), "configuration.json", None, "counted"
            )
            judged = [one for one in in_books if over == "round" or one.division == code]
            people = len(judged)
            full = sum(one.points == POINT * sizes[one.attempt] for one in judged)
            if people:
                percentage = (2 * 10**7 * full + people) // (2 * people)  # half up
                expected = {"people": people, "full": full, "percentage": percentage}[counts]
        same(expected, truths.get(code), "books.json", None, f"truth.{code}")
    return truths


# --- the order ------------------------------------------------------------------------------------


def ranked(division, counted, truth):
    """Yield the rows of a division in their order, as standings.csv has them."""
    chain = [name for name in division["chain"] if name != "prediction_error" or truth is not None]
    rows = []
    for one, used in counted.values():
        if one.division == division["code"] and not one.excluded:
            has_error = truth is not None and one.prediction is not None
            error = abs(one.prediction - truth) if has_error else None
            rows.append(([merit(one, name, used, error) for name in chain], one.attempt, one, used, error))
    rows.sort(key=lambda row: row[:2])
    rank = 0
    for place, (values, _, one, used, error) in enumerate(rows):
        if place == 0 or values != rows[place - 1][0]:
            rank = place + 1
        separated_by = ""
        if place + 1 < len(rows):
            below = rows[place + 1][0]
            separated_by = next((n for n, a, b in zip(chain, values, below) if a != b), "tie")
        yield (one, rank, error, used, separated_by)


def check_standings(bundle, counted, configuration, truths):
    """Compare the published standings row by row; return the ranks of each division in order."""
    file, expected, standings = "standings.csv", {}, {}
    for division in configuration["divisions"]:
        for name in division["chain"]:
            known(name, CRITERIA, "configuration.json", None, "chain")
        code = division["code"]
        expected[code], standings[code] = ranked(division, counted, truths.get(code)), []
    for row, cells in bundle.table(file, STANDING):
        found = dict(zip(STANDING, cells))
        code = known(found["division"], expected, file, row, "division")
        one, rank, error, used, separated_by = next(expected[code], (None,) * 5)
        same(one and one.attempt, found["attempt"], file, row, "attempt")
        facts = {
            "rank": rank,
            "points": one.points,
            "prediction_error": error,
            "duration_ms": one.duration_ms,
            "attempts_used": used,
        }
        for column, value in facts.items():
            same(value, whole(found[column], file, row, column), file, row, column)
        for column in ("submitted_at", "registered_at"):
            same(getattr(one, column), moment(found[column], file, row, column), file, row, column)
        same(separated_by, found["separated_by"], file, row, "separated_by")
        standings[code].append((one, rank))
    for code, rest in expected.items():
        for one, *_ in rest:
            raise Difference(file, None, "attempt", f"a row for {one.attempt} of {code}", "")
    return standings


# --- prizes ---------------------------------------------------------------------------------------


def check_prizes(bundle, standings, configuration, seed):
    """Give the prizes again, highest first; return the unit points by division and unit, and how many."""
    file, text = "prizes.csv", configuration["lot"]["public_text"]
    key = seed if text is None else hashlib.sha256(normal(text)).digest()
    out = set(configuration["left_out"])
    if configuration["skip_earlier_winners"]:
        out |= set(configuration["earlier_winners"])
    queues = {}
    for code, rows in standings.items():
        ordered = sorted(
            (rank, hmac.digest(key, f"lot|{code}|{one.draw_id}".encode(), "sha256"), one.attempt, one)
            for one, rank in rows
            if one.draw_id not in out
        )
        queues[code] = [(row[3], row[0]) for row in ordered]
    given = []
    for prize in configuration["prizes"]:
        code = known(prize["division"], queues, "configuration.json", None, "prizes")
        winners, queues[code] = queues[code][: prize["count"]], queues[code][prize["count"] :]
        given += [(prize, one, rank) for one, rank in winners]
    # The lot decided where people of one rank got different prizes, or some of them none.
    prizes_of = {}
    for prize, one, rank in given:
        prizes_of.setdefault((one.division, rank), set()).add(prize["code"])
    for code, queue in queues.items():
        for _, rank in queue:
            prizes_of.setdefault((code, rank), set()).add(None)
    published, unit_points = {}, {}
    tells_lots = "by_lot" in bundle.header(file)
    columns = ("prize", "attempt", "by_lot") if tells_lots else ("prize", "attempt")
    for row, (prize, attempt, *by_lot) in bundle.table(file, columns):
        if (prize, attempt) in published:
            raise Difference(file, row, "attempt", "each prize of a person once", attempt)
        published[prize, attempt] = (row, by_lot)
    for prize, one, rank in given:
        row, by_lot = published.pop((prize["code"], one.attempt), (None, None))
        if by_lot is None:
            raise Difference(file, None, prize["code"], one.attempt, "")
        if tells_lots:
            is_by_lot = len(prizes_of[one.division, rank]) > 1
            same(is_by_lot, flag(by_lot[0], file, row, "by_lot"), file, row, "by_lot")
        place = (one.division, one.unit)
        unit_points[place] = unit_points.get(place, 0) + prize["unit_points"]
    for (prize, attempt), (row, _) in published.items():
        raise Difference(file, row, "attempt", f"nobody more with {prize}", attempt)
    return unit_points, len(given)


# --- units ----------------------------------------------------------------------------------------


def fraction(number):
    return "" if number is None else f"{number.numerator}/{number.denominator}"


def read_units(bundle, people, excluded):
    """Return what units.csv says of each unit, by division and unit."""
    file, units = "units.csv", {}
    columns = ("unit", "division", "group", "parent", "headcount", "excluded")
    for row, (unit, division, group, parent, headcount, out) in bundle.table(file, columns):
        if (division, unit) in units:
            raise Difference(file, row, "unit", "each unit once in a division", unit)
        headcount = whole(headcount, file, row, "headcount")
        out = whole(out, file, row, "excluded")
        units[division, unit] = (row, group, parent, headcount, out)
    known_out, nobody = {}, len(excluded)
    for mine in people.values():
        place = (mine[0].division, mine[0].unit)
        if mine[0].excluded:
            known_out[place] = known_out.get(place, 0) + 1
            nobody -= 1
        elif place not in units and any(one.counted for one in mine):
            raise Difference(file, None, "unit", f"{place[1]} in {place[0]}", "")
    # Excluded people without an attempt are in no other file: of them only the number can be checked.
    for place, (row, _, _, _, out) in units.items():
        least = known_out.get(place, 0)
        if out is None or not least <= out <= least + nobody:
            raise Difference(file, row, "excluded", f"from {least} to {least + nobody}", out)
        nobody -= out - least
    return units


def check_units(bundle, people, counted, excluded, sizes, configuration, unit_points):
    """Rank the units again."""
    file = "unit_standings.csv"
    units = read_units(bundle, people, excluded)
    sums = {}
    for one, _ in counted.values():
        if not one.excluded:
            mine = sums.setdefault((one.division, one.unit), [0, 0, 0])
            mine[0] += 1
            mine[1] += one.points
            mine[2] += POINT * sizes[one.attempt]
    published = {}
    columns = ("division", "unit", "rank", "people", "rate", "mean", "value")
    for row, (division, unit, *cells) in bundle.table(file, columns):
        if (division, unit) in published:
            raise Difference(file, row, "unit", "each unit once in a division", unit)
        published[division, unit] = (row, cells)
    for division in configuration["divisions"]:
        code, rule = division["code"], division["units"]
        facts = {}
        for (of_division, unit), (_, group, parent, headcount, out) in units.items():
            if of_division == code:
                mine = (*sums.get((code, unit), (0, 0, 0)), unit_points.get((code, unit), 0), out)
                facts[unit] = (group, parent, headcount, mine)
        groups = {}
        for unit, (group, _, headcount, mine) in facts.items():
            total = list(mine)
            for _, parent, _, theirs in facts.values():
                if parent == unit:
                    total = [a + b for a, b in zip(total, theirs)]
            groups.setdefault(group, []).append((unit, *judge(total, headcount, rule)))
        for rows in groups.values():
            for unit, rank, number, rate, mean, value in ranked_units(rows):
                if rank is None and not rule["list_below"]:
                    continue
                row, cells = published.pop((code, unit), (None, None))
                if cells is None:
                    raise Difference(file, None, "unit", f"{unit} in {code}", "")
                right = ("" if rank is None else str(rank), str(number), *map(fraction, (rate, mean, value)))
                for column, expected, found in zip(columns[2:], right, cells):
                    same(expected, found, file, row, column)
    for (_, unit), (row, _) in published.items():
        raise Difference(file, row, "unit", "a unit to be listed", unit)
    return len(units)


def judge(total, headcount, rule):
    """Return people, rate, mean and value of a unit; the value is None for one without a rank."""
    people, points, full, prize_points, out = total
    present = (headcount or 0) - out
    rate = Fraction(people, present) if present > 0 else None
    mean = Fraction(points, full) if full else None
    if (
        not people
        or rate is None
        or rate < Fraction(rule["threshold"])
        or present < rule["minimum_headcount"]
    ):
        return people, rate, mean, None
    formula = known(rule["formula"], ("rate", "rate_mean", "points"), "configuration.json", None, "formula")
    capped = min(rate, Fraction(1))
    value = {"rate": capped, "rate_mean": capped * mean, "points": 100 * capped + prize_points}[formula]
    return people, rate, mean, value


def ranked_units(rows):
    """Yield the units of a group with their ranks: value, mean, people; equals share a rank."""
    order = sorted((row for row in rows if row[4] is not None), key=lambda row: (-row[4], -row[3], -row[1]))
    rank, previous = 0, None
    for place, (unit, people, rate, mean, value) in enumerate(order, start=1):
        if (value, mean, people) != previous:
            rank, previous = place, (value, mean, people)
        yield unit, rank, people, rate, mean, value
    for unit, people, rate, mean, value in rows:
        if value is None:
            yield unit, None, people, rate, mean, value


# --- all of it ------------------------------------------------------------------------------------


def verify(path, digest=None, done=lambda name, count: None):
    """Check a bundle and return the digest of its publication. Raises Difference at the first fault."""
    bundle = Bundle(path)
    own = bundle.sha256("manifest.json")
    if digest:
        same(digest.lower(), own, "manifest.json", None, "SHA-256")
    done("files", check_files(bundle))
    configuration = bundle.json("configuration.json")
    seed = check_seed(bundle)
    divisions = {one["code"] for one in configuration["divisions"]}
    pools = check_pools(bundle, divisions, configuration["corrections"])
    done("seed", len(pools))
    people = read_attempts(bundle)
    committed_at = microseconds(bundle.json("commitment.json")["published_at"])
    books_at = microseconds(bundle.json("books.json")["closed_at"])
    check_times(people, configuration, pools, committed_at, books_at)
    done("times", sum(map(len, people.values())))
    sizes = check_papers(bundle, people, configuration, pools, seed)
    done("papers", len(sizes))
    counted, excluded = check_counted(bundle, people, configuration)
    done("counted", len(counted))
    truths = check_truth(bundle, counted, sizes, configuration)
    done("truth", len(truths))
    standings = check_standings(bundle, counted, configuration, truths)
    done("standings", sum(map(len, standings.values())))
    unit_points, given = check_prizes(bundle, standings, configuration, seed)
    done("prizes", given)
    done("units", check_units(bundle, people, counted, excluded, sizes, configuration, unit_points))
    return own


def shown(value, words):
    return words["nothing"] if value in (None, "") else str(value)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("bundle", help="folder or zip file")
    parser.add_argument("--digest", help="the SHA-256 of the publication as you know it from elsewhere")
    parser.add_argument("--lang", choices=sorted(WORDS), default="vi")
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    options = parser.parse_args(arguments)
    words, checks, difference, own = WORDS[options.lang], [], None, None

    def done(name, count):
        checks.append({"check": name, "count": count})
        if not options.json:
            print(f"  ok  {words[name]} ({count})", flush=True)

    try:
        own = verify(options.bundle, options.digest, done)
    except Difference as error:
        difference = error
    except (OSError, zipfile.BadZipFile) as error:
        parser.error(str(error))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        # A file that is not built as docs/bundle.md says.
        difference = Difference("?", None, None, "docs/bundle.md", f"{type(error).__name__}: {error}")
    if options.json:
        facts = ("file", "row", "column", "expected", "found")
        found = {name: getattr(difference, name) for name in facts} if difference else None
        answer = {"ok": difference is None, "sha256": own, "checks": checks, "difference": found}
        print(json.dumps(answer, ensure_ascii=False, default=str))
    elif difference:
        row = words["row"].format(difference.row) if difference.row else ""
        column = words["column"].format(difference.column) if difference.column else ""
        print(words["bad"])
        print("  " + words["where"].format(file=difference.file, row=row, column=column))
        print(f"  {words['expected']}: {shown(difference.expected, words)}")
        print(f"  {words['found']}: {shown(difference.found, words)}")
    else:
        print(f"{words['digest']}:\n  {own}\n{words['good']}")
    return 0 if difference is None else 1


if __name__ == "__main__":
    sys.exit(main())
