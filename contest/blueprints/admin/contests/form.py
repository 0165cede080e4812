"""The form of a contest: its words, who may take part, its divisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, TextAreaField
from wtforms.validators import InputRequired

from contest.fields import LineField, WholeField
from contest.models.units import GROUPS
from contest.rules.configuration import ContestDivision, ContestSettings
from question_bank.text import clean_text

FILL_IN = "Bạn hãy điền mục này."
BLANK_DIVISIONS, MOST_DIVISIONS = 2, 12


class ContestForm(FlaskForm):  # type: ignore[misc]
    """What is set of a contest but its divisions."""

    form_errors: list[str]

    title = LineField("Tên cuộc thi", [InputRequired(FILL_IN)])
    slug = LineField(
        "Địa chỉ trang",
        [InputRequired(FILL_IN)],
        description="Chữ thường không dấu, chữ số, gạch nối, ví dụ dich-vu-cong-2026.",
    )
    summary = TextAreaField("Tóm tắt một, hai câu")
    minimum_age = WholeField("Tuổi tối thiểu", [InputRequired(FILL_IN)])
    has_standing = BooleanField("Xếp hạng chung cả cuộc thi")

    def show(self, settings: ContestSettings) -> None:
        """Put settings into the boxes."""
        for box in ("title", "slug", "summary", "minimum_age", "has_standing"):
            self[box].data = getattr(settings, box)

    def settings(self, divisions: Sequence[ContestDivision]) -> ContestSettings:
        """Return the settings that the boxes make."""
        return ContestSettings(
            slug=(self.slug.data or "").lower(),
            title=self.title.data or "",
            summary=clean_text(self.summary.data or ""),
            minimum_age=self.minimum_age.data or 0,
            has_standing=bool(self.has_standing.data),
            divisions=tuple(divisions),
        )

    def take(self, problems: Mapping[str, str], rows: Sequence["DivisionRow"]) -> None:
        """Show what was refused beside its field or row, the rest above the form."""
        self.form_errors = list(self.form_errors or [])
        written = [row for row in rows if row.is_written]
        for name, sentence in problems.items():
            part, _, rest = name.partition(".")
            place, _, box = rest.partition(".")
            if part == "divisions" and int(place) < len(written):
                written[int(place)].problems[box] = sentence
            elif name in self:
                self[name].errors = [*self[name].errors, sentence]
            else:
                self.form_errors.append(sentence)


@dataclass
class DivisionRow:
    """A division as typed; one that is there keeps its code."""

    settings: ContestDivision
    is_new: bool = True
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_written(self) -> bool:
        """Whether it is to be a division: one without a name is none."""
        return bool(self.settings.name)


def shown_divisions(divisions: Sequence[ContestDivision]) -> list[DivisionRow]:
    """Return the rows with the divisions in them, and some to write further ones in."""
    rows = [DivisionRow(one, is_new=False) for one in divisions]
    return rows + [DivisionRow(ContestDivision(code="", name="")) for _ in range(BLANK_DIVISIONS)]


def typed_divisions(given: MultiDict[str, str], present: Sequence[ContestDivision]) -> list[DivisionRow]:
    """Return the rows as they were sent."""
    known = {one.code for one in present}
    rows = []
    for place in range(MOST_DIVISIONS):
        name = f"division-{place}"
        if f"{name}-name" not in given:
            break
        code = clean_text(given.get(f"{name}-code", "")).lower()[:40]
        settings = ContestDivision(
            code=code,
            name=clean_text(given.get(f"{name}-name", ""))[:300],
            unit_kind=given.get(f"{name}-kind", "any"),
            unit_groups=tuple(group for group in GROUPS if group in given.getlist(f"{name}-groups")),
            is_residence_required=bool(given.get(f"{name}-residence")),
        )
        if settings.unit_kind == "commune":  # they count for where they live
            settings = replace(settings, is_residence_required=True)
        rows.append(DivisionRow(settings, is_new=code not in known))
    return rows


def written(rows: Sequence[DivisionRow]) -> list[Any]:
    """Return the divisions that the rows make."""
    return [row.settings for row in rows if row.is_written]
