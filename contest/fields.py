"""What was sent, and fields of forms: text, boxes to tick, whole numbers, moments as officials write them."""

import re
from datetime import datetime
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectMultipleField, StringField
from wtforms.widgets import CheckboxInput, ListWidget, TextInput

from contest.clock import LOCAL_ZONE
from contest.formatting import vn_datetime
from question_bank.text import clean_text

LONGEST_TYPED, LONGEST_REASON = 60, 300
DAY = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
CLOCK = re.compile(r"([0-9]{1,2})(?:[:hg]([0-9]{1,2})?)")
HOW_TO_WRITE = "Bạn hãy ghi giờ và ngày, ví dụ 08:00 ngày 30/11/2026."


def typed_reason() -> str:
    """Return the reason that was sent along with an action, cleaned and cut to its longest."""
    return clean_text(request.form.get("reason", ""))[:LONGEST_REASON]


def posted() -> MultiDict[str, str] | None:
    """Return the fields of the form alone: a file sent under a field's name is none of them."""
    return request.form if request.method == "POST" else None


class LineField(StringField):
    """A line of text; one that was not sent is empty."""

    data: str

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Clean what was typed."""
        self.data = clean_text(valuelist[0]) if valuelist else ""


class MultiCheckboxField(SelectMultipleField):
    """Several of a list, each with a box to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class _TypedField(Field):
    """What was typed stays in the box, right or wrong."""

    widget = TextInput()

    def _value(self) -> str:
        if self.raw_data:
            return clean_text(str(self.raw_data[0]))[:LONGEST_TYPED]
        return "" if self.data is None else self.shown()

    def shown(self) -> str:
        """Return the value as one would type it."""
        return str(self.data)


class WholeField(_TypedField):
    """A whole number; dots between thousands are forgiven, an empty box is None."""

    data: int | None

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the number."""
        self.data = whole(valuelist[0]) if valuelist else None


def whole(text: str) -> int | None:
    """Return a typed whole number, None for an empty box. Raises ValueError with a sentence."""
    digits = re.sub(r"[ .]", "", clean_text(text))
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        raise ValueError("Bạn hãy ghi một số nguyên.")
    return int(digits)


class MomentField(_TypedField):
    """A moment in Vietnam: "08:00 ngày 30/11/2026", "30/11/2026 8h"."""

    data: datetime | None

    def shown(self) -> str:
        """Return the moment as officials write it."""
        return vn_datetime(self.data) if self.data else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the moment; an empty box is None."""
        text = clean_text(valuelist[0]) if valuelist else ""
        self.data = moment(text) if text else None


def moment(text: str) -> datetime:
    """Return a typed moment. Raises ValueError with a sentence."""
    day = DAY.search(text)
    clock = CLOCK.search(DAY.sub(" ", text))
    if day is None or clock is None:
        raise ValueError(HOW_TO_WRITE)
    try:
        return datetime(
            int(day[3]), int(day[2]), int(day[1]), int(clock[1]), int(clock[2] or 0), tzinfo=LOCAL_ZONE
        )
    except ValueError:
        raise ValueError("Ngày giờ này không có. " + HOW_TO_WRITE) from None
