"""Made-up rounds as bundles, of any size: everything that decides a result comes in them.

The results follow from the pure rules of the application; the verifier has to find the same by its
own. `write` puts a bundle into a folder, as contest/bundles.py would.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from contest import bundle_rows, bundles
from contest.rules import prizes as prize_rules
from contest.rules.prediction import prediction_error, truth
from contest.rules.ranking import Candidate, Result, chain_without_prediction, counted, rank_results
from contest.rules.scoring import LABELS, POINT, score
from contest.rules.timing import deadline, duration_ms
from contest.rules.unit_ranking import UnitFacts, UnitRule, fraction_text, rank_units
from question_bank.draw import Cell, PoolItem, draw_paper, paper_seed

OPENS_AT = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
CLOSES_AT = OPENS_AT + timedelta(days=7)
BOOKS_AT = CLOSES_AT + timedelta(days=1)
DURATION_MS, GRACE_MS = 900_000, 10_000
DIVISIONS = ("officials", "citizens")


@dataclass
class Person:
    """One person with their attempts, as rows of attempts.csv and papers."""

    draw_id: str
    division: str
    unit: str
    registered_at: datetime
    attempts: list[dict[str, Any]] = field(default_factory=list)
    chosen: int | None = None


def _id(random: Random) -> str:
    return base64.urlsafe_b64encode(random.randbytes(16)).decode().rstrip("=")


class Maker:
    """A made-up round. The same number makes the same round."""

    def __init__(self, number: int, *, people: int = 12, items_a_cell: int = 5) -> None:
        self.random = random = Random(number)
        self.secret = random.randbytes(32)
        self.seed_text = random.choice((None, "Giải đặc biệt 12345"))
        self.lot_text = random.choice((None, "Vietlott 01 02 03"))
        self.seed = self.secret
        if self.seed_text is not None:
            self.seed = hashlib.sha256(self.secret + self.seed_text.encode()).digest()
        self.is_partial = random.random() < 0.5
        self.counts = random.choice(("best", "first", "last"))
        self.allowed = random.choice((1, 2, 3))
        self.specification = [Cell("T1", "NB", 2), Cell("T1", "TH", 1, frozenset({"x"})), Cell("T1", "TH", 1)]
        self.pools = {
            (division, version): self._pool(division, items_a_cell - version + 1)
            for division in DIVISIONS
            for version in (1, 2)
        }
        self.corrections = self._corrections()
        self.chains = {
            division: random.choice(
                (
                    ("points", "prediction_error", "duration_ms", "submitted_at"),
                    ("points", "prediction_error"),
                    ("points", "duration_ms", "attempts_used", "registered_at"),
                )
            )
            for division in DIVISIONS
        }
        self.predictions = {
            division: random.choice(
                (
                    None,
                    *itertools.product(("people", "full", "percentage"), ("division", "round")),
                )
            )
            for division in DIVISIONS
        }
        self.rules = {
            division: UnitRule(
                formula=random.choice(("rate", "rate_mean", "points")),
                threshold=random.choice((Fraction(0), Fraction(1, 2))),
                minimum_headcount=random.choice((0, 2)),
            )
            for division in DIVISIONS
        }
        self.list_below = random.random() < 0.7
        self.people = [self._person(place) for place in range(people)]
        self._choose()
        self._exclude()

    def _pool(self, division: str, count: int) -> dict[str, PoolItem]:
        items = {}
        for level, tags in (("NB", ()), ("TH", ("x",)), ("TH", ())):
            for place in range(count):
                code = f"{division[0]}-{level}-{len(tags)}{place:02d}"
                options = 2 + (place % 4)
                items[code] = PoolItem(
                    code=code,
                    topic="T1",
                    level=level,
                    tags=frozenset(tags),
                    options=options,
                    pinned=frozenset({options - 1} if place % 3 == 0 else ()),
                    key=tuple(range(1 + place % 2)),
                    is_multiple=place % 2 == 1,
                )
        return items

    def _corrections(self) -> dict[str, list[list[int]] | None]:
        codes = sorted(self.pools["citizens", 1])
        picked = self.random.sample(codes, 2)
        chosen = self.random.choice(({}, {picked[0]: None}, {picked[0]: [[0], [1]], picked[1]: None}))
        withdrawn = [
            code for one in DIVISIONS for code in self.pools[one, 1].keys() - self.pools[one, 2].keys()
        ]
        return {**chosen, **dict.fromkeys(sorted(withdrawn))}

    def _person(self, place: int) -> Person:
        random = self.random
        person = Person(
            draw_id=_id(random),
            division=random.choice(DIVISIONS),
            unit=f"U{random.randrange(4)}",
            registered_at=OPENS_AT - timedelta(days=random.choice((1, 1, 2))),
        )
        had: set[str] = set()
        valid = 0
        moment = OPENS_AT + timedelta(minutes=random.choice((1, 1, 60 * 24 * 7 - 90)))
        for number in range(1, 4):
            is_voided = random.random() < 0.15
            if valid == self.allowed:
                break
            version = random.choice((1, 2))
            pool = self.pools[person.division, version]
            seen = {code for code in pool if random.random() < 0.1}
            seed = paper_seed(self.seed, person.draw_id, number)
            paper = draw_paper(list(pool.values()), self.specification, seed, had | seen)
            had |= {item.code for item in paper}
            row = self._attempt(person, number, version, moment, is_voided)
            row["paper"], row["seen"] = paper, sorted(seen)
            row["responses"] = {
                str(position): self._choice(pool[item.code], item.order)
                for position, item in enumerate(paper, start=1)
                if random.random() < 0.9
            }
            scored = score(
                paper,
                row["responses"],
                {code: item.key for code, item in pool.items()},
                partial=self.is_partial,
                corrections=self.corrections,
            )
            row["by_position"] = scored.by_position
            row["points"] = None if is_voided else scored.points
            person.attempts.append(row)
            valid += not is_voided
            moment = row["deadline_at"] + timedelta(minutes=1)
            if moment >= CLOSES_AT or random.random() < 0.5:
                break
        return person

    def _choice(self, item: PoolItem, order: tuple[int, ...]) -> list[str]:
        right = sorted(LABELS[place] for place, index in enumerate(order) if index in item.key)
        return right if self.random.random() < 0.8 else [LABELS[self.random.randrange(len(order))]]

    def _attempt(
        self, person: Person, number: int, version: int, started_at: datetime, is_voided: bool
    ) -> dict[str, Any]:
        random = self.random
        extra_ms, compensation_ms = random.choice((0, 0, 300_000)), random.choice((0, 0, 60_000))
        deadline_at = deadline(
            started_at,
            duration=timedelta(milliseconds=DURATION_MS),
            closes_at=CLOSES_AT,
            extra=timedelta(milliseconds=extra_ms),
            compensation=timedelta(milliseconds=compensation_ms),
        )
        how = random.choice(("person", "person", "deadline"))
        outage_ms = random.choice((0, 0, 20_000))
        submitted_at: datetime | None = deadline_at
        if how == "person":
            submitted_at = min(
                started_at + timedelta(seconds=random.choice((100, 100, 200, 300)), microseconds=7),
                deadline_at + timedelta(seconds=9),
            )
        if is_voided and random.random() < 0.5:
            submitted_at = None
        took = None
        if not is_voided:
            assert submitted_at is not None
            took = duration_ms(
                started_at,
                submitted_at,
                deadline_at,
                duration_ms=DURATION_MS,
                extra_ms=extra_ms,
                outage_ms=outage_ms,
            )
        return {
            "attempt": _id(random),
            "draw_id": person.draw_id,
            "number": number,
            "division": person.division,
            "unit": person.unit,
            "pool_version": version,
            "registered_at": person.registered_at,
            "started_at": started_at,
            "extra_ms": extra_ms,
            "compensation_ms": compensation_ms,
            "closes_at": CLOSES_AT,
            "deadline_at": deadline_at,
            "outage_ms": outage_ms,
            "submitted_at": submitted_at,
            "how": how if submitted_at else "",
            "duration_ms": took,
            "prediction": random.choice((None, 1, 2, 5, 10**7 // 3)),
            "voided": int(is_voided),
        }

    def _choose(self) -> None:
        for person in self.people:
            valid = [row for row in person.attempts if not row["voided"]]
            if valid:
                candidates = [
                    Candidate(number=row["number"], result=self._result(row, len(valid))) for row in valid
                ]
                person.chosen = counted(candidates, self.counts, self.chains[person.division]).number

    def _result(self, row: dict[str, Any], used: int, error: int | None = None) -> Result:
        return Result(
            attempt=row["attempt"],
            points=row["points"],
            prediction_error=error,
            duration_ms=row["duration_ms"],
            submitted_at=row["submitted_at"],
            attempts_used=used,
            registered_at=row["registered_at"],
        )

    def _exclude(self) -> None:
        random = self.random
        self.out: dict[str, datetime] = {}
        for person in random.sample(self.people, min(2, len(self.people))):
            self.out[person.draw_id] = BOOKS_AT + random.choice((-1, 1)) * timedelta(hours=1)
        self.absent = {_id(random): f"U{random.randrange(4)}" for _ in range(random.choice((0, 1)))}
        for draw_id in self.absent:
            self.out[draw_id] = BOOKS_AT + timedelta(hours=2)
        # One who was out once and is in again: let in before the books, or after.
        self.lifted: dict[str, tuple[datetime, datetime]] = {}
        for person in [one for one in self.people if one.draw_id not in self.out][:1]:
            lifted_at = BOOKS_AT + random.choice((-1, 1)) * timedelta(hours=1)
            self.lifted[person.draw_id] = (BOOKS_AT - timedelta(hours=2), lifted_at)
        everyone = sorted(person.draw_id for person in self.people)
        self.left_out = random.sample(everyone, min(1, len(everyone)))
        self.is_skipping = random.random() < 0.5
        self.earlier_winners = (
            sorted(random.sample(everyone, min(2, len(everyone)))) if self.is_skipping else []
        )
        self.stated = [
            prize_rules.Prize(f"{division}-{title}", division, count, points)
            for title, count, points in (("first", 1, 10), ("second", 2, 5))
            for division in DIVISIONS
        ]
        self.parents = {"U0": "", "U1": "U0", "U2": "", "U3": ""}
        self.groups = {"U0": "ward", "U1": "office", "U2": "ward", "U3": "ward"}
        self.headcounts = {
            (unit, division): random.choice((None, 3, 6, 40))
            for unit in sorted(self.parents)
            for division in DIVISIONS
        }

    # --- results -------------------------------------------------------------------------------

    def _counted_rows(self) -> Iterator[tuple[Person, dict[str, Any], int]]:
        for person in self.people:
            if person.chosen is not None:
                used = sum(not row["voided"] for row in person.attempts)
                yield person, person.attempts[person.chosen - 1], used

    def truths(self) -> dict[str, int | None]:
        truths: dict[str, int | None] = {}
        for division, asked in self.predictions.items():
            rows = [
                row
                for person, row, _ in self._counted_rows()
                if not self._was_out(person.draw_id)
                and asked
                and (asked[1] == "round" or row["division"] == division)
            ]
            full = sum(row["points"] == POINT * len(row["paper"]) for row in rows)
            truths[division] = truth(asked[0], people=len(rows), full=full) if asked else None
        return truths

    def _was_out(self, draw_id: str) -> bool:
        if draw_id in self.lifted:
            return self.lifted[draw_id][1] > BOOKS_AT
        return draw_id in self.out and self.out[draw_id] <= BOOKS_AT

    def files(self) -> bundles.Files:
        """Yield the files but the manifest, as contest/bundles.py does."""
        truths = self.truths()
        named = {f"pool-{key[0]}-{key[1]}.json": key for key in self.pools}
        pool_files = {name: self._pool_file(key) for name, key in named.items()}
        yield "configuration.json", _json(self._configuration())
        yield (
            "commitment.json",
            _json(
                {
                    "sha256": hashlib.sha256(self.secret).hexdigest(),
                    "published_at": bundle_rows.moment(OPENS_AT - timedelta(days=1)),
                    "pools": {
                        name: hashlib.sha256(content).hexdigest() for name, content in pool_files.items()
                    },
                }
            ),
        )
        yield (
            "seed.json",
            _json({"secret": self.secret.hex(), "public_text": self.seed_text, "seed": self.seed.hex()}),
        )
        for name, content in pool_files.items():
            yield name, [content]
        yield "books.json", _json({"closed_at": bundle_rows.moment(BOOKS_AT), "truth": truths})
        self.people.sort(key=lambda person: person.draw_id)
        yield "attempts.csv", bundle_rows.table(bundle_rows.ATTEMPTS, self._attempts())
        yield "responses.csv", bundle_rows.table(bundle_rows.RESPONSES, self._responses())
        yield "seen.csv", bundle_rows.table(("attempt", "code"), self._seen())
        yield (
            "exclusions.csv",
            bundle_rows.table(
                bundle_rows.EXCLUSIONS,
                sorted(
                    (draw_id, bundle_rows.moment(at), bundle_rows.moment(lifted_at), "withdrawn")
                    for draw_id, (at, lifted_at) in {
                        **{draw_id: (at, None) for draw_id, at in self.out.items()},
                        **self.lifted,
                    }.items()
                ),
            ),
        )
        awards, results = self._ranked(truths)
        yield "standings.csv", bundle_rows.table(bundle_rows.STANDINGS, results)
        yield "units.csv", bundle_rows.table(bundle_rows.UNITS, self._units())
        yield (
            "unit_standings.csv",
            bundle_rows.table(bundle_rows.UNIT_STANDINGS, self._unit_standings(awards)),
        )
        yield (
            "prizes.csv",
            bundle_rows.table(
                ("prize", "attempt", "by_lot"),
                ((award.prize, award.attempt, int(award.is_by_lot)) for award in awards),
            ),
        )

    def _pool_file(self, key: tuple[str, int]) -> bytes:
        items = [
            {
                "code": item.code,
                "topic": item.topic,
                "level": item.level,
                "tags": sorted(item.tags),
                "options": item.options,
                "pinned": sorted(item.pinned),
                "key": list(item.key),
            }
            for item in self.pools[key].values()
        ]
        return b"".join(_json({"division": key[0], "version": key[1], "items": items}))

    def _configuration(self) -> dict[str, Any]:
        return {
            "contest": "made-up",
            "round": 1,
            "opens_at": bundle_rows.moment(OPENS_AT),
            "closes_at": bundle_rows.moment(CLOSES_AT),
            "duration_ms": DURATION_MS,
            "grace_ms": GRACE_MS,
            "attempts_allowed": self.allowed,
            "counts": self.counts,
            "partial": self.is_partial,
            "corrections": {
                code: "void" if keys is None else keys for code, keys in self.corrections.items()
            },
            "divisions": [
                {
                    "code": division,
                    "specification": [
                        {
                            "topic": cell.topic,
                            "level": cell.level,
                            "count": cell.count,
                            "tags": sorted(cell.tags),
                        }
                        for cell in self.specification
                    ],
                    "chain": list(self.chains[division]),
                    "prediction": dict(zip(("counted", "over"), self.predictions[division], strict=True))
                    if self.predictions[division]
                    else None,
                    "units": {
                        "formula": self.rules[division].formula,
                        "threshold": fraction_text(self.rules[division].threshold),
                        "minimum_headcount": self.rules[division].minimum_headcount,
                        "list_below": self.list_below,
                    },
                }
                for division in DIVISIONS
            ],
            "prizes": [
                {
                    "code": prize.code,
                    "division": prize.division,
                    "count": prize.count,
                    "unit_points": prize.unit_points,
                }
                for prize in self.stated
            ],
            "skip_earlier_winners": self.is_skipping,
            "earlier_winners": self.earlier_winners,
            "left_out": self.left_out,
            "lot": {"public_text": self.lot_text},
        }

    def _attempts(self) -> Iterator[tuple[object, ...]]:
        for person in self.people:
            flags = (int(person.draw_id in self.out), int(self._was_out(person.draw_id)))
            for row in person.attempts:
                facts = {**row, "counted": int(row["number"] == person.chosen)}
                facts |= {"excluded": flags[0], "excluded_at_books": flags[1], "receipt_digest": ""}
                yield tuple(
                    bundle_rows.moment(facts[name]) if name.endswith("_at") else facts[name]
                    for name in bundle_rows.ATTEMPTS
                )

    def _responses(self) -> Iterator[tuple[object, ...]]:
        for person in self.people:
            for row in person.attempts:
                for position, item in enumerate(row["paper"], start=1):
                    chosen = "".join(row["responses"].get(str(position), ()))
                    order = " ".join(map(str, item.order))
                    yield row["attempt"], position, item.code, order, chosen, row["by_position"][position - 1]

    def _seen(self) -> Iterator[tuple[object, ...]]:
        for person in self.people:
            for row in person.attempts:
                yield from ((row["attempt"], code) for code in row["seen"])

    def _ranked(
        self, truths: dict[str, int | None]
    ) -> tuple[list[prize_rules.Award], list[tuple[object, ...]]]:
        by_attempt = {row["attempt"]: person for person, row, _ in self._counted_rows()}
        standings: dict[str, list[prize_rules.Contender]] = {}
        rows: list[tuple[object, ...]] = []
        for division in DIVISIONS:
            known = truths[division]
            chain = self.chains[division]
            ranked = rank_results(
                (
                    self._result(row, used, prediction_error(row["prediction"], known))
                    for person, row, used in self._counted_rows()
                    if row["division"] == division and person.draw_id not in self.out
                ),
                chain if known is not None else chain_without_prediction(chain),
            )
            for one in ranked:
                result = one.result
                draw_id = by_attempt[result.attempt].draw_id
                standings.setdefault(division, []).append(
                    prize_rules.Contender(result.attempt, draw_id, one.rank)
                )
                rows.append(
                    (
                        division,
                        one.rank,
                        result.attempt,
                        result.points,
                        result.prediction_error,
                        result.duration_ms,
                        bundle_rows.moment(result.submitted_at),
                        result.attempts_used,
                        bundle_rows.moment(result.registered_at),
                        one.separated_by,
                    )
                )
        key = self.seed if self.lot_text is None else hashlib.sha256(self.lot_text.encode()).digest()
        skip = {*self.left_out, *self.earlier_winners}
        return prize_rules.allocate(self.stated, standings, key, skip), rows

    def _facts(self, division: str, awards: Iterable[prize_rules.Award]) -> list[UnitFacts]:
        points_of = {prize.code: prize.unit_points for prize in self.stated}
        won = {award.attempt: points_of[award.prize] for award in awards}
        facts = []
        for unit, parent in self.parents.items():
            rows = [
                row
                for person, row, _ in self._counted_rows()
                if (row["division"], row["unit"]) == (division, unit) and person.draw_id not in self.out
            ]
            facts.append(
                UnitFacts(
                    unit=unit,
                    group=self.groups[unit],
                    parent=parent or None,
                    headcount=self.headcounts[unit, division],
                    excluded=self._excluded(unit, division),
                    people=len(rows),
                    points=sum(row["points"] for row in rows),
                    full_points=sum(POINT * len(row["paper"]) for row in rows),
                    prize_points=sum(won.get(row["attempt"], 0) for row in rows),
                )
            )
        return facts

    def _excluded(self, unit: str, division: str) -> int:
        absent = sum(of_unit == unit for of_unit in self.absent.values()) if division == DIVISIONS[0] else 0
        return absent + sum(
            (person.unit, person.division) == (unit, division) and person.draw_id in self.out
            for person in self.people
        )

    def _units(self) -> Iterator[tuple[object, ...]]:
        for division in DIVISIONS:
            for unit, parent in self.parents.items():
                headcount = self.headcounts[unit, division]
                out = self._excluded(unit, division)
                yield unit, division, self.groups[unit], parent, headcount, out

    def _unit_standings(self, awards: list[prize_rules.Award]) -> Iterator[tuple[object, ...]]:
        for division in DIVISIONS:
            for row in rank_units(self._facts(division, awards), self.rules[division]):
                if row.rank is not None or self.list_below:
                    fractions = (fraction_text(one) for one in (row.rate, row.mean, row.value))
                    yield (division, row.unit, row.rank, row.people, *fractions)


def _json(content: object) -> list[bytes]:
    return [(json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()]


def write(files: bundles.Files, folder: Path, *, version: int = 1) -> Path:
    """Write the files and their manifest into a folder."""
    digests = {}
    for name, content in files:
        digest = hashlib.sha256()
        with (folder / name).open("wb") as file:
            for piece in content:
                digest.update(piece)
                file.write(piece)
        digests[name] = digest.hexdigest()
    (folder / bundles.MANIFEST).write_bytes(bundles.manifest(version, digests))
    return folder
