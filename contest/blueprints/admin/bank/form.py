"""The form of an item: what an official types, and the item that it makes."""

from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from sqlalchemy.orm import Session
from wtforms import (
    BooleanField,
    DateField,
    Field,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length, ValidationError
from wtforms.widgets import TextInput

from contest import pictures
from contest.fields import MultiCheckboxField
from question_bank.items import (
    FEWEST_OPTIONS,
    LEVELS,
    LONGEST_ALT,
    MOST_OPTIONS,
    TOPICS,
    Item,
    Option,
    Picture,
    problems_of,
)
from question_bank.picture_files import BadPicture
from question_bank.pictures import LARGEST_FILE, prepare
from question_bank.text import clean_html, clean_text

LETTERS = "ABCDEFGH"
LONGEST_TAG, MOST_TAGS = 40, 10
MARKUP = "Có thể dùng <b>, <i>, <u>, <sub>, <sup>, <br>."


class LineField(StringField):
    """A line of text; one that was not sent is empty."""

    data: str

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Clean what was typed."""
        self.data = clean_text(valuelist[0]) if valuelist else ""


class MarkupField(TextAreaField):
    """Limited HTML, as typed; `html` is what is stored of it."""

    data: str

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Clean what was typed, line by line."""
        lines = valuelist[0].splitlines() if valuelist else []
        self.data = "\n".join(map(clean_text, lines)).strip()

    def pre_validate(self, form: Any) -> None:
        """Refuse what the cleaner refuses."""
        try:
            clean_html(self.data or "")
        except ValueError:
            raise ValidationError("Nội dung này quá dài hoặc có định dạng không đọc được.") from None

    @property
    def html(self) -> str:
        """What is stored; nothing for what the cleaner refuses."""
        try:
            return clean_html(self.data or "")
        except ValueError:
            return ""


class DayField(DateField):
    """A day, typed; what was typed stays in the box."""

    widget = TextInput()

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, format=["%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%d"], **kwargs)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the day; an empty box is no day."""
        self.data = None
        if valuelist and valuelist[0].strip():
            try:
                super().process_formdata([valuelist[0].strip()])
            except ValueError:
                raise ValueError("Bạn hãy ghi ngày theo thứ tự ngày/tháng/năm, ví dụ 01/07/2026.") from None


class ItemForm(FlaskForm):  # type: ignore[misc]
    """An item as it is written; `offer` comes before `validate_on_submit`."""

    kind = RadioField(
        "Loại câu hỏi",
        [InputRequired("Bạn hãy chọn loại câu hỏi.")],
        choices=[
            SelectChoice("single", "Một lựa chọn"),
            SelectChoice("multiple", "Nhiều lựa chọn"),
            SelectChoice("true_false", "Đúng/sai"),
        ],
        default="single",
        validate_choice=False,
    )
    stem = MarkupField(
        "Câu hỏi",
        [InputRequired("Bạn hãy ghi câu hỏi."), Length(max=4000, message="Câu hỏi dài tối đa 4.000 ký tự.")],
        description=MARKUP,
    )
    picture_file = FileField(
        "Hình",
        description="PNG, JPEG, WebP hoặc GIF, tối đa 5 MB; hình được thu nhỏ khi lưu.",
    )
    # The digest of the picture that the item has, or that was sent before with a form not yet stored.
    picture = HiddenField()
    is_picture_removed = BooleanField("Bỏ hình")
    picture_alt = LineField(
        "Mô tả hình bằng chữ",
        [Length(max=LONGEST_ALT, message=f"Mô tả hình dài tối đa {LONGEST_ALT} ký tự.")],
        description="Cần có khi câu hỏi có hình, cho người không nhìn thấy: hình có gì, đủ để trả lời.",
    )
    topic = SelectField(
        "Chủ đề", [InputRequired("Bạn hãy chọn chủ đề.")], choices=[], default="", validate_choice=False
    )
    level = SelectField(
        "Mức độ", [InputRequired("Bạn hãy chọn mức độ.")], choices=[], default="", validate_choice=False
    )
    divisions = MultiCheckboxField(
        "Dùng cho bảng thi",
        choices=[],
        validate_choice=False,
        description="Không chọn bảng nào thì câu hỏi không vào đề nào.",
    )
    tags = LineField(
        "Nhãn",
        [Length(max=300, message="Các nhãn dài tối đa 300 ký tự.")],
        description="Cách nhau bằng dấu phẩy.",
    )
    explanation = MarkupField(
        "Giải thích",
        [Length(max=4000, message="Lời giải thích dài tối đa 4.000 ký tự.")],
        description="Cần có trước khi thẩm định; người dự thi đọc sau khi vòng thi đóng.",
    )
    legal_document = LineField(
        "Văn bản căn cứ",
        [Length(max=300, message="Tên văn bản dài tối đa 300 ký tự.")],
        description="Cần có trước khi thẩm định, ví dụ Nghị định số 61/2018/NĐ-CP.",
    )
    legal_article = LineField("Điều, khoản", [Length(max=100, message="Điều, khoản dài tối đa 100 ký tự.")])
    valid_from = DayField("Hiệu lực từ ngày", description="Ngày/tháng/năm.")
    valid_to = DayField("Hiệu lực đến ngày", description="Ngày/tháng/năm.")

    def offer(self, levels: Mapping[str, str], divisions: Mapping[str, str], session: Session) -> None:
        """Fill the lists, and settle the picture of a form that was sent."""
        self.offered = frozenset(divisions)
        topics = {code: f"{code}. {name}" for code, name in TOPICS.items()}
        self.topic.choices = _choices({"": "Chọn chủ đề", **topics})
        self.level.choices = _choices({"": "Chọn mức độ", **levels})
        self.divisions.choices = _choices(divisions)
        if self.is_submitted():
            self._take_picture(session)

    item_picture: Picture | None = None
    _fault_of_picture = ""

    def _take_picture(self, session: Session) -> None:
        """Settle which picture the item is to have: the one sent now, the one that it had, or none."""
        if not self.is_picture_removed.data:
            self.item_picture = pictures.find(session, clean_text(self.picture.data or ""))
        if self.picture_file.data:
            try:
                self.item_picture = prepare(self.picture_file.data.read(LARGEST_FILE + 1))
                pictures.keep(session, self.item_picture)
            except BadPicture as error:
                self._fault_of_picture = str(error)
        self.picture.data = self.item_picture.sha256 if self.item_picture else ""
        self.is_picture_removed.data = False

    def show(self, item: Item) -> None:
        """Put an item of the bank into the boxes."""
        for name in ("kind", "topic", "level", "legal_document", "legal_article", "valid_from", "valid_to"):
            self[name].data = getattr(item, name)
        self.item_picture, self.picture_alt.data = item.picture, item.picture_alt
        self.picture.data = item.picture.sha256 if item.picture else ""
        self.divisions.data = list(item.divisions)
        self.tags.data = ", ".join(item.tags)
        self.stem.data, self.explanation.data = typed(item.stem), typed(item.explanation)
        for place, option in enumerate(item.options):
            self[f"option_{place}"].data = typed(option.text)
            self[f"is_right_{place}"].data = place in item.key
            self[f"is_pinned_{place}"].data = option.is_pinned

    def rows(self) -> Iterator[tuple[str, MarkupField, Field, Field]]:
        """Yield the boxes of each option with its letter: text, right, pinned."""
        for place, letter in enumerate(LETTERS):
            yield letter, self[f"option_{place}"], self[f"is_right_{place}"], self[f"is_pinned_{place}"]

    def item(self, code: str) -> Item:
        """Return the item that the boxes make; options left empty are left out."""
        written = [row for row in self.rows() if row[1].data]
        return Item(
            code=code,
            kind=self.kind.data or "",
            stem=self.stem.html,
            picture=self.item_picture,
            picture_alt=(self.picture_alt.data or "") if self.item_picture else "",
            options=tuple(Option(text.html, bool(pinned.data)) for _, text, _, pinned in written),
            key=tuple(place for place, (_, _, right, _) in enumerate(written) if right.data),
            topic=self.topic.data or "",
            level=self.level.data or "",
            divisions=tuple(dict.fromkeys(self.divisions.data or ())),
            tags=tuple(sorted({tag for tag in map(str.strip, (self.tags.data or "").split(",")) if tag})),
            explanation=self.explanation.html,
            legal_document=self.legal_document.data or "",
            legal_article=self.legal_article.data or "",
            valid_from=self.valid_from.data,
            valid_to=self.valid_to.data,
        )

    def validate_picture_file(self, _: Field) -> None:
        """Refuse what is no picture."""
        if self._fault_of_picture:
            raise ValidationError(self._fault_of_picture)

    def validate_picture_alt(self, field: Field) -> None:
        """Refuse a picture that some people can't see without words for it."""
        if self.item_picture and not field.data:
            raise ValidationError("Bạn hãy mô tả hình bằng chữ.")

    def validate_topic(self, field: Field) -> None:
        """Refuse a topic that is not there."""
        if field.data not in TOPICS:
            raise ValidationError("Bạn hãy chọn một chủ đề trong danh sách.")

    def validate_level(self, field: Field) -> None:
        """Refuse a level that is not there."""
        if field.data not in LEVELS:
            raise ValidationError("Bạn hãy chọn một mức độ trong danh sách.")

    def validate_divisions(self, field: Field) -> None:
        """Refuse divisions that are not there."""
        if not set(field.data or ()) <= self.offered:
            raise ValidationError("Bạn hãy chọn các bảng thi trong danh sách.")

    def validate_tags(self, field: Field) -> None:
        """Refuse tags that are no words to find by."""
        tags = [tag.strip() for tag in field.data.split(",")]
        if len(tags) > MOST_TAGS or max(map(len, tags)) > LONGEST_TAG:
            raise ValidationError(f"Tối đa {MOST_TAGS} nhãn, mỗi nhãn tối đa {LONGEST_TAG} ký tự.")

    def validate_valid_to(self, field: Field) -> None:
        """Refuse an end before the beginning."""
        if field.data and self.valid_from.data and field.data < self.valid_from.data:
            raise ValidationError("Ngày hết hiệu lực đứng trước ngày bắt đầu.")

    def validate_option_0(self, field: Field) -> None:
        """Judge the options together; what is wrong stands at the first."""
        written = [row for row in self.rows() if row[1].data]
        right = sum(bool(right.data) for _, _, right, _ in written)
        texts = [text.html.strip().casefold() for _, text, _, _ in written]
        if len(written) < FEWEST_OPTIONS:
            raise ValidationError("Bạn hãy ghi ít nhất hai phương án.")
        if self.kind.data == "true_false" and len(written) != FEWEST_OPTIONS:
            raise ValidationError("Câu hỏi đúng/sai có đúng hai phương án.")
        if any(right.data and not text.data for _, text, right, _ in self.rows()):
            raise ValidationError("Có phương án để trống được đánh dấu là đúng.")
        if len(set(texts)) < len(texts):
            raise ValidationError("Có hai phương án trùng nhau.")
        if not right:
            raise ValidationError("Bạn hãy đánh dấu phương án đúng.")
        if right > 1 and self.kind.data != "multiple":
            raise ValidationError("Loại câu hỏi này chỉ có một phương án đúng.")

    def validate(self, extra_validators: Any = None) -> bool:
        """Judge each field, then the item as a whole."""
        if not super().validate(extra_validators):
            return False
        self.form_errors = list(problems_of(self.item("-")))
        return not self.form_errors


for _place, _letter in enumerate(LETTERS[:MOST_OPTIONS]):
    setattr(
        ItemForm,
        f"option_{_place}",
        MarkupField(f"Phương án {_letter}", [Length(max=1000, message="Phương án dài tối đa 1.000 ký tự.")]),
    )
    setattr(ItemForm, f"is_right_{_place}", BooleanField(f"Phương án {_letter} đúng"))
    setattr(ItemForm, f"is_pinned_{_place}", BooleanField(f"Giữ nguyên vị trí phương án {_letter}"))


def _choices(names: Mapping[str, str]) -> list[Any]:
    return [SelectChoice(code, name) for code, name in names.items()]


def typed(html: str) -> str:
    """Return what somebody would type to get the stored text: plain signs where that is the same."""
    text = unescape(html)
    try:
        return text if clean_html(text) == html else html
    except ValueError:
        return html
