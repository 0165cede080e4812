"""How a contest and its rounds are set up: the settings as values, what is wrong with them, what changed.

Forms make these values, the database gives them, rules/wording.py says them in sentences.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from contest.rules.eligibility import GUARDIAN_AGE, OLDEST
from contest.rules.ranking import CRITERIA, DEFAULT_CHAIN
from question_bank.draw import Cell

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CODE = re.compile(r"[a-z][a-z0-9-]{0,29}")
COUNTS = ("best", "first", "last")
FORMULAS = ("rate", "rate_mean", "points")
LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_SOURCE = 200, 500, 300
MOST_COMPLAINT_DAYS = 30
LONGEST_SLUG = 80
MINUTE_MS = 60_000
LONGEST_PAPER_MS = 24 * 60 * MINUTE_MS
LONGEST_GRACE_MS = MINUTE_MS
LONGEST_COOLDOWN_MS = 14 * 24 * 60 * MINUTE_MS
MOST_ATTEMPTS = 50
MOST_ITEMS = 200
LARGEST = 2**31 - 1
USUAL_THRESHOLD_PERCENT = 50
NO_DIVISION = "Vòng thi cần ít nhất một bảng thi."


@dataclass(frozen=True, kw_only=True)
class DivisionSettings:
    """What a round asks of one division."""

    division: str
    specification: tuple[Cell, ...]
    barred: tuple[str, ...] = ()
    chain: tuple[str, ...]
    prediction_counted: str | None = None
    prediction_over: str = "division"
    unit_formula: str = "rate"
    unit_threshold_percent: int = 0
    unit_minimum_headcount: int = 0
    is_listed_below_threshold: bool = True

    @property
    def size(self) -> int:
        """How many items a paper has."""
        return sum(cell.count for cell in self.specification)

    @property
    def effective_chain(self) -> tuple[str, ...]:
        """The criteria that people are really ranked by: without a question there is no prediction."""
        return tuple(name for name in self.chain if name != "prediction_error" or self.prediction_counted)


@dataclass(frozen=True, kw_only=True)
class PrizeSettings:
    """One line of the prize table."""

    code: str
    division: str
    title: str
    count: int
    worth: int = 0
    unit_points: int = 0


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """Everything that is set of a round before it opens."""

    number: int
    title: str
    opens_at: datetime
    closes_at: datetime
    duration_ms: int
    grace_ms: int
    attempts_allowed: int = 1
    counts: str = "best"
    cooldown_ms: int = 0
    is_partial: bool = False
    score_shown: str = "at_once"
    is_leaderboard_live: bool = False
    is_skipping_earlier_winners: bool = False
    complaint_days: int = 3
    seed_text_source: str | None = None
    lot_text_source: str | None = None
    divisions: tuple[DivisionSettings, ...] = ()
    prizes: tuple[PrizeSettings, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ContestDivision:
    """A division: who is in it."""

    code: str
    name: str
    unit_kind: str = "any"
    unit_groups: tuple[str, ...] = ()
    is_residence_required: bool = True


@dataclass(frozen=True, kw_only=True)
class ContestSettings:
    """What is set of a contest as a whole."""

    slug: str
    title: str
    summary: str
    minimum_age: int
    has_standing: bool = False
    divisions: tuple[ContestDivision, ...] = ()


# --- which divisions a round has -----------------------------------------------------------------


def usual(division: ContestDivision) -> DivisionSettings:
    """Return what a round asks of a division unless something else is set."""
    return DivisionSettings(
        division=division.code,
        specification=(),
        chain=DEFAULT_CHAIN,
        prediction_counted="full",
        unit_threshold_percent=0 if division.unit_kind == "commune" else USUAL_THRESHOLD_PERCENT,
    )


def with_divisions(
    settings: RoundSettings, chosen: Collection[str], offered: Mapping[str, DivisionSettings]
) -> RoundSettings:
    """Return the settings for the chosen divisions: what was asked of them stays, others are as offered."""
    present = {one.division: one for one in settings.divisions}
    divisions = tuple(present.get(code, one) for code, one in offered.items() if code in chosen)
    return replace(settings, divisions=divisions)


def without_stray_prizes(settings: RoundSettings) -> RoundSettings:
    """Return the settings without the prizes of divisions that the round has not."""
    codes = {one.division for one in settings.divisions}
    return replace(settings, prizes=tuple(prize for prize in settings.prizes if prize.division in codes))


def left_with_prizes(before: RoundSettings, after: RoundSettings) -> list[str]:
    """Return the divisions that a change leaves out of the round although prizes name them."""
    named = {prize.division for prize in after.prizes} - {one.division for one in after.divisions}
    return [one.division for one in before.divisions if one.division in named]


# --- what is wrong -------------------------------------------------------------------------------

# Each problem is named by the setting: "closes_at", "citizens.chain", "prizes.2.count".


def problems_of_round(settings: RoundSettings) -> dict[str, str]:
    """Return what is wrong with a round's settings: a sentence by setting."""
    found = dict(_of_times(settings))
    if not settings.divisions:
        found["divisions"] = NO_DIVISION
    for asked in settings.divisions:
        found |= {f"{asked.division}.{name}": words for name, words in _of_division(asked)}
    return found | dict(_of_prizes(settings))


def _of_times(settings: RoundSettings) -> Iterator[tuple[str, str]]:
    if not settings.title:
        yield "title", "Bạn hãy ghi tên vòng thi."
    elif len(settings.title) > LONGEST_TITLE:
        yield "title", f"Tên vòng thi dài tối đa {LONGEST_TITLE} ký tự."
    if not 1 <= settings.number <= 999:
        yield "number", "Số thứ tự của vòng là số từ 1 đến 999."
    if settings.closes_at <= settings.opens_at:
        yield "closes_at", "Thời điểm đóng cần sau thời điểm mở."
    if not MINUTE_MS <= settings.duration_ms <= LONGEST_PAPER_MS:
        yield "duration_ms", "Thời gian làm bài từ 1 phút đến 24 giờ."
    elif settings.duration_ms / 1000 > (settings.closes_at - settings.opens_at).total_seconds() > 0:
        yield "duration_ms", "Thời gian làm bài dài hơn cả vòng thi."
    if not 0 <= settings.grace_ms <= LONGEST_GRACE_MS:
        yield "grace_ms", "Thời gian chờ bài về máy chủ từ 0 đến 60 giây."
    if not 1 <= settings.attempts_allowed <= MOST_ATTEMPTS:
        yield "attempts_allowed", f"Số lượt thi của mỗi người từ 1 đến {MOST_ATTEMPTS}."
    if settings.counts not in COUNTS:
        yield "counts", "Bạn hãy chọn lượt được tính."
    if not 0 <= settings.cooldown_ms <= LONGEST_COOLDOWN_MS:
        yield "cooldown_ms", "Hai lượt cách nhau nhiều nhất 14 ngày."
    elif settings.attempts_allowed > 1 and _last_start(settings) > settings.closes_at.timestamp():
        yield "cooldown_ms", "Với khoảng cách này không ai thi đủ số lượt trước khi vòng đóng."
    if settings.score_shown not in ("at_once", "after_closing"):
        yield "score_shown", "Bạn hãy chọn khi nào người dự thi thấy điểm."
    if not 1 <= settings.complaint_days <= MOST_COMPLAINT_DAYS:
        yield "complaint_days", f"Thời hạn kiến nghị từ 1 đến {MOST_COMPLAINT_DAYS} ngày làm việc."
    for name in ("seed_text_source", "lot_text_source"):
        if len(getattr(settings, name) or "") > LONGEST_SOURCE:
            yield name, f"Nguồn dài tối đa {LONGEST_SOURCE} ký tự."


def _last_start(settings: RoundSettings) -> float:
    """Return the first moment at which somebody could start the last attempt, handing in at once."""
    return settings.opens_at.timestamp() + (settings.attempts_allowed - 1) * settings.cooldown_ms / 1000


def _of_division(asked: DivisionSettings) -> Iterator[tuple[str, str]]:
    if not asked.chain or asked.chain[0] != "points":
        yield "chain", "Điểm phải là tiêu chí đầu tiên."
    elif len(set(asked.chain)) < len(asked.chain) or not set(asked.chain) <= set(CRITERIA):
        yield "chain", "Mỗi tiêu chí chỉ đứng một lần trong thứ tự."
    elif asked.prediction_counted and "prediction_error" not in asked.chain:
        yield "chain", "Bảng có câu dự đoán thì dự đoán cần có trong thứ tự xét."
    if asked.prediction_counted not in (None, "people", "full", "percentage"):
        yield "prediction_counted", "Bạn hãy chọn điều cần dự đoán."
    if asked.prediction_over not in ("division", "round"):
        yield "prediction_over", "Bạn hãy chọn phạm vi đếm."
    if asked.unit_formula not in FORMULAS:
        yield "unit_formula", "Bạn hãy chọn cách xếp hạng đơn vị."
    if not 0 <= asked.unit_threshold_percent <= 100:
        yield "unit_threshold_percent", "Ngưỡng là số từ 0 đến 100."
    if not 0 <= asked.unit_minimum_headcount <= LARGEST:
        yield "unit_minimum_headcount", "Số người tối thiểu là số từ 0 trở lên."
    if asked.size > MOST_ITEMS:
        yield "specification", f"Một đề có nhiều nhất {MOST_ITEMS} câu."
    elif asked.size < 1 or any(cell.count < 1 for cell in asked.specification):
        yield "specification", "Đề thi cần ít nhất một câu hỏi."


def _of_prizes(settings: RoundSettings) -> Iterator[tuple[str, str]]:
    divisions = {asked.division for asked in settings.divisions}
    for place, prize in enumerate(settings.prizes):
        if not prize.title or len(prize.title) > LONGEST_TITLE:
            yield f"prizes.{place}.title", f"Bạn hãy ghi tên giải, tối đa {LONGEST_TITLE} ký tự."
        if prize.division not in divisions:
            yield f"prizes.{place}.division", "Bạn hãy chọn bảng thi có trong vòng này."
        if not 1 <= prize.count <= 100_000:
            yield f"prizes.{place}.count", "Số giải từ 1 đến 100.000."
        if not 0 <= prize.worth <= LARGEST:
            yield f"prizes.{place}.worth", "Trị giá là số đồng từ 0 đến 2.147.483.647."
        if not 0 <= prize.unit_points <= 100_000:
            yield f"prizes.{place}.unit_points", "Điểm cho đơn vị là số từ 0 đến 100.000."


def problems_of_contest(settings: ContestSettings) -> dict[str, str]:
    """Return what is wrong with a contest's settings: a sentence by setting."""
    found = {}
    if not settings.title or len(settings.title) > LONGEST_TITLE:
        found["title"] = f"Bạn hãy ghi tên cuộc thi, tối đa {LONGEST_TITLE} ký tự."
    if not SLUG.fullmatch(settings.slug) or len(settings.slug) > LONGEST_SLUG:
        found["slug"] = "Địa chỉ chỉ có chữ thường không dấu, chữ số và dấu gạch nối, ví dụ hoi-thi-2026."
    if len(settings.summary) > LONGEST_SUMMARY:
        found["summary"] = f"Phần tóm tắt dài tối đa {LONGEST_SUMMARY} ký tự."
    if settings.minimum_age < GUARDIAN_AGE:
        found["minimum_age"] = (
            f"Tuổi tối thiểu từ {GUARDIAN_AGE}: người dưới {GUARDIAN_AGE} tuổi chỉ được dự thi khi cả người "
            "đó và người giám hộ đồng ý, mà hệ thống chưa nhận đăng ký kèm sự đồng ý của người giám hộ."
        )
    elif settings.minimum_age > OLDEST:
        found["minimum_age"] = f"Tuổi tối thiểu nhiều nhất là {OLDEST}."
    if not settings.divisions:
        found["divisions.0.name"] = "Cuộc thi cần ít nhất một bảng thi."
    codes = [one.code for one in settings.divisions]
    for place, one in enumerate(settings.divisions):
        if not one.name or len(one.name) > LONGEST_TITLE:
            found[f"divisions.{place}.name"] = "Bạn hãy ghi tên bảng thi."
        if not CODE.fullmatch(one.code):
            found[f"divisions.{place}.code"] = (
                "Mã bảng bắt đầu bằng chữ, chỉ có chữ thường không dấu, chữ số và dấu gạch nối."
            )
        elif one.code in codes[:place]:
            found[f"divisions.{place}.code"] = "Hai bảng thi không được trùng mã."
    return found


# --- what changed --------------------------------------------------------------------------------


def as_record(settings: RoundSettings | ContestSettings) -> dict[str, Any]:
    """Return the settings by name as the audit log keeps them; those of a division under its code."""
    record: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name == "divisions":
            key = "division" if isinstance(settings, RoundSettings) else "code"
            for one in value:
                code = getattr(one, key)
                record |= {f"{code}.{part.name}": _plain(getattr(one, part.name)) for part in fields(one)}
        else:
            record[field.name] = _plain(value)
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Cell):
        return {
            "topic": value.topic,
            "level": value.level,
            "count": value.count,
            "tags": sorted(value.tags),
        }
    if isinstance(value, PrizeSettings):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that differ between two records, as they were and as they are."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}
