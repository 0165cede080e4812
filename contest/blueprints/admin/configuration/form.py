"""The forms of a round: what an official types, and the settings that it makes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, RadioField, SelectField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import AnyOf, InputRequired, ValidationError

from contest.fields import LineField, MomentField, MultiCheckboxField, WholeField, whole
from contest.rules.configuration import (
    COUNTS,
    FORMULAS,
    MINUTE_MS,
    NO_DIVISION,
    ContestDivision,
    DivisionSettings,
    PrizeSettings,
    RoundSettings,
    with_divisions,
)
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.rules.prediction import COUNTED
from question_bank.text import clean_text

SECOND_MS = 1000
BLANK_PRIZES = 4
MOST_ROWS = 60
LONGEST_TYPED = 300
FILL_IN = "Bạn hãy điền mục này."
CHOOSE = "Bạn hãy chọn trong danh sách."


def _choices(names: Mapping[str, str]) -> list[Any]:
    return [SelectChoice(value, name) for value, name in names.items()]


class SettingsForm(FlaskForm):  # type: ignore[misc]
    """A form that makes settings; what they refuse is told at the field it belongs to."""

    form_errors: list[str]

    def take(self, problems: Mapping[str, str]) -> None:
        """Show what was refused beside its field, the rest above the form."""
        self.form_errors = list(self.form_errors or [])
        for name, sentence in problems.items():
            if name in self:
                self[name].errors = [*self[name].errors, sentence]
            else:
                self.form_errors.append(sentence)

    def typed(self, name: str, otherwise: Any) -> Any:
        """Return what a box of a validated form holds, or something else where that can't be used."""
        data = self[name].data
        return otherwise if data is None or self[name].errors else data


class RoundForm(SettingsForm):
    """When a round is and for whom, how often one sits, what is shown, where public texts come from.

    `offer` comes before `show` and `validate_on_submit`.
    """

    title = LineField("Tên vòng thi", [InputRequired(FILL_IN)])
    number = WholeField("Số thứ tự", [InputRequired(FILL_IN)])
    divisions = MultiCheckboxField("Bảng dự thi vòng này", choices=[], validate_choice=False)
    opens_at = MomentField("Mở lúc", [InputRequired(FILL_IN)], description="Ví dụ 08:00 ngày 30/11/2026.")
    closes_at = MomentField("Đóng lúc", [InputRequired(FILL_IN)], description="Ví dụ 22:00 ngày 06/12/2026.")
    duration_ms = WholeField("Thời gian làm bài (phút)", [InputRequired(FILL_IN)])
    grace_ms = WholeField("Chờ bài về máy chủ (giây)", [InputRequired(FILL_IN)])
    attempts_allowed = WholeField("Số lượt thi của mỗi người", [InputRequired(FILL_IN)])
    counts = SelectField(
        "Lượt được tính",
        [InputRequired(FILL_IN), AnyOf(COUNTS, CHOOSE)],
        choices=_choices({"best": "Lượt tốt nhất", "first": "Lượt đầu tiên", "last": "Lượt cuối cùng"}),
        validate_choice=False,
    )
    cooldown_ms = WholeField("Khoảng cách giữa hai lượt (phút)", [InputRequired(FILL_IN)])
    is_partial = BooleanField("Tính điểm từng phần cho câu có nhiều đáp án")
    score_shown = RadioField(
        "Người dự thi thấy điểm của mình",
        [InputRequired(FILL_IN), AnyOf(("at_once", "after_closing"), CHOOSE)],
        choices=_choices({"at_once": "Ngay khi bài được chấm", "after_closing": "Sau khi vòng thi đóng"}),
        validate_choice=False,
    )
    is_leaderboard_live = BooleanField("Hiện bảng xếp hạng tạm tính trong thời gian thi")
    is_skipping_earlier_winners = BooleanField("Không xét giải cho người đã đạt giải ở vòng trước")
    complaint_days = WholeField("Thời hạn kiến nghị (ngày làm việc)", [InputRequired(FILL_IN)])
    seed_text_source = LineField(
        "Nguồn văn bản ngẫu nhiên trộn vào hạt giống",
        description="Ví dụ: kết quả xổ số miền Bắc mở thưởng ngày 29/11/2026. Để trống nếu không dùng.",
    )
    lot_text_source = LineField(
        "Nguồn văn bản ngẫu nhiên dùng để bốc thăm", description="Để trống nếu bốc thăm bằng hạt giống."
    )

    # How many milliseconds make one of what is typed.
    UNITS: ClassVar[Mapping[str, int]] = {
        "duration_ms": MINUTE_MS,
        "grace_ms": SECOND_MS,
        "cooldown_ms": MINUTE_MS,
    }

    def offer(self, divisions: Sequence[ContestDivision]) -> None:
        """Make the boxes of the contest's divisions."""
        self.codes = {one.code for one in divisions}
        self.divisions.choices = [SelectChoice(one.code, one.name) for one in divisions]
        # One of the boxes, not each of them: that is why no InputRequired says it.
        self.divisions.flags.required = True

    def validate_divisions(self, field: MultiCheckboxField) -> None:
        """Refuse a round for nobody."""
        if not self.codes & set(field.data or ()):
            raise ValidationError(NO_DIVISION)

    def show(self, settings: RoundSettings) -> None:
        """Put settings into the boxes."""
        self.divisions.data = [one.division for one in settings.divisions]
        for box in self.boxes():
            value = getattr(settings, box)
            self[box].data = value // self.UNITS[box] if box in self.UNITS else value

    def settings(self, present: RoundSettings, offered: Mapping[str, DivisionSettings]) -> RoundSettings:
        """Return the settings that the boxes make; what can't be read is left as it is.

        `offered` is what each division of the contest begins with, should it be added.
        """
        made: dict[str, Any] = {}
        for box in self.boxes():
            value = self.typed(box, None)
            if value is not None:
                made[box] = value * self.UNITS[box] if box in self.UNITS else value
        for box in ("seed_text_source", "lot_text_source"):
            made[box] = made.get(box) or None
        return with_divisions(replace(present, **made), self.divisions.data or (), offered)

    def boxes(self) -> Iterator[str]:
        """Yield the names of the settings that have a box of their own here."""
        return (one.name for one in self if one.name not in ("csrf_token", "divisions"))


class DivisionForm(SettingsForm):
    """How a division's people and units are ranked, and what they predict."""

    prediction_counted = SelectField(
        "Câu dự đoán",
        [AnyOf(("", *COUNTED), CHOOSE)],
        choices=_choices(
            {
                "": "Không có",
                "people": "Số người dự thi",
                "full": "Số người đúng tất cả các câu",
                "percentage": "Tỷ lệ phần trăm người đúng tất cả các câu",
            }
        ),
        validate_choice=False,
    )
    prediction_over = SelectField(
        "Đếm trong phạm vi",
        [InputRequired(FILL_IN), AnyOf(("division", "round"), CHOOSE)],
        choices=_choices({"division": "Bảng này", "round": "Cả vòng, tính chung các bảng"}),
        validate_choice=False,
    )
    unit_formula = SelectField(
        "Cách xếp hạng đơn vị",
        [InputRequired(FILL_IN), AnyOf(FORMULAS, CHOOSE)],
        choices=_choices(
            {
                "rate": "Tỷ lệ tham gia",
                "rate_mean": "Tỷ lệ tham gia × điểm trung bình",
                "points": "100 × tỷ lệ tham gia + điểm của các giải",
            }
        ),
        validate_choice=False,
    )
    unit_threshold_percent = WholeField("Ngưỡng tỷ lệ tham gia (%)", [InputRequired(FILL_IN)])
    unit_minimum_headcount = WholeField("Đơn vị có ít nhất (người)", [InputRequired(FILL_IN)])
    is_listed_below_threshold = BooleanField("Liệt kê cả đơn vị dưới ngưỡng, không xếp hạng")

    BOXES = (
        "prediction_counted",
        "prediction_over",
        "unit_formula",
        "unit_threshold_percent",
        "unit_minimum_headcount",
        "is_listed_below_threshold",
    )

    def show(self, settings: DivisionSettings) -> None:
        """Put settings into the boxes."""
        for box in self.BOXES:
            self[box].data = getattr(settings, box)
        self.prediction_counted.data = settings.prediction_counted or ""
        for place, name in enumerate(settings.chain, start=1):
            self[f"chain_{name}"].data = place

    def settings(self, present: DivisionSettings) -> DivisionSettings:
        """Return the settings that the boxes make, but for the paper."""
        made = {box: self.typed(box, getattr(present, box)) for box in self.BOXES}
        made["prediction_counted"] = made["prediction_counted"] or None
        return replace(present, chain=self.chain(), **made)

    def chain(self) -> tuple[str, ...]:
        """Return the criteria by the numbers beside them; those without a number are not used."""
        numbered = [(self.typed(f"chain_{name}", 0), name) for name in CRITERIA_IN_WORDS]
        return tuple(name for number, name in sorted(numbered, key=lambda one: one[0]) if number)


for _name, _words in CRITERIA_IN_WORDS.items():
    setattr(DivisionForm, f"chain_{_name}", WholeField(f"Thứ tự: ai {_words}"))


# --- prizes --------------------------------------------------------------------------------------

PRIZE_BOXES = ("order", "title", "division", "count", "worth", "unit_points")


@dataclass
class PrizeRow:
    """A line of the prize table as typed; `code` is that of a prize there was before."""

    code: str = ""
    order: str = ""
    title: str = ""
    division: str = ""
    count: str = ""
    worth: str = ""
    unit_points: str = ""
    problems: dict[str, str] = field(default_factory=dict)


def shown_prizes(prizes: Sequence[PrizeSettings]) -> list[PrizeRow]:
    """Return the table with the prizes in it, and rows to write further ones in."""
    rows = [
        PrizeRow(
            one.code,
            str(place),
            one.title,
            one.division,
            str(one.count),
            str(one.worth),
            str(one.unit_points),
        )
        for place, one in enumerate(prizes, start=1)
    ]
    return rows + [PrizeRow() for _ in range(BLANK_PRIZES)]


def typed_prizes(given: MultiDict[str, str], known: Collection[str]) -> list[PrizeRow]:
    """Return the table as it was sent; a code that no prize has had is made anew."""
    rows = []
    for place in range(MOST_ROWS):
        if f"prize-{place}-title" not in given:
            break
        code = given.get(f"prize-{place}-code", "")
        row = PrizeRow(code if code in known else "")
        for name in PRIZE_BOXES:
            setattr(row, name, clean_text(given.get(f"prize-{place}-{name}", ""))[:LONGEST_TYPED])
        rows.append(row)
    return rows


def prizes_of(rows: Sequence[PrizeRow]) -> list[tuple[PrizeRow, PrizeSettings]]:
    """Return the prizes that the rows make, in the order of their numbers; a row without a title is none."""
    made = []
    for place, row in enumerate(rows):
        if not row.title:
            continue
        numbers = {
            name: _whole(row, name, default)
            for name, default in (
                ("order", len(rows) + place),
                ("count", 0),
                ("worth", 0),
                ("unit_points", 0),
            )
        }
        prize = PrizeSettings(
            code=row.code,
            division=row.division,
            title=row.title,
            count=numbers["count"],
            worth=numbers["worth"],
            unit_points=numbers["unit_points"],
        )
        made.append((numbers["order"], place, row, prize))
    return [(row, prize) for _, _, row, prize in sorted(made, key=lambda one: one[:2])]


def _whole(row: PrizeRow, name: str, default: int) -> int:
    try:
        number = whole(getattr(row, name))
    except ValueError as error:
        row.problems[name] = str(error)
        return default
    return default if number is None else number
