"""Moodle XML, as Moodle writes and reads it, and what it shares with GIFT: feedback, tags, pictures."""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from math import isfinite
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from question_bank.formats.drafts import Draft, Picture, Problem, Reading, UnreadableFile
from question_bank.formats.judging import TRUE_FALSE, judge, level_code, topic_code
from question_bank.formats.keys import truth_of
from question_bank.formats.markup import shown_text, tag_end, text_of_html
from question_bank.items import LEVELS, TOPICS, Item
from question_bank.text import LONGEST_HTML

MOST_BYTES = 20 * 1024 * 1024
MOST_QUESTIONS = 30_000
# A question of Moodle's has some forty elements; more than this is no question.
MOST_ELEMENTS = 10_000
# The parser begins a long token again with every piece that it is given: large pieces then.
PIECE = 1024 * 1024
FULL_MARK = 99.999
# multichoiceset and oumultiresponse are the common plugins for “all of them or nothing”.
MULTIPLE_TYPES = {"multichoiceset", "oumultiresponse"}
UNSUPPORTED = "Câu hỏi loại “{}” không phải câu trắc nghiệm có phương án nên được bỏ qua."


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IMAGE = re.compile(r"<img\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-zA-Z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")


def check_length(draft: Draft) -> None:
    """Add a problem to a draft with a text that is longer than the bank stores."""
    texts = (draft.stem, *draft.options, draft.explanation or "", draft.legal_basis or "")
    if max(map(len, texts)) > LONGEST_HTML:
        reason = f"Câu hỏi có phần chữ dài hơn {LONGEST_HTML} ký tự."
        draft.problems.append(Problem("text_too_long", "error", draft.where, reason))


def check_number(questions: int) -> None:
    """Raise UnreadableFile if a file holds more questions than are read at once."""
    if questions > MOST_QUESTIONS:
        raise UnreadableFile(f"Tệp có hơn {MOST_QUESTIONS} câu hỏi; hãy chia nhỏ tệp rồi nhập lại.")


# --- feedback, tags and categories -----------------------------------------------------------------

_BASIS = re.compile(r"(?<!\w)(?:Căn cứ(?: pháp lý)?|CĂN CỨ(?: PHÁP LÝ)?)\s*:")
_EXPLANATION = re.compile(r"(?<!\w)(?:Giải thích|GIẢI THÍCH)\s*:")


def split_feedback(feedback: str) -> tuple[str | None, str | None]:
    """Return the legal basis and the explanation that a general feedback holds."""
    text = unicodedata.normalize("NFC", feedback).strip()
    basis, explanation = _BASIS.search(text), _EXPLANATION.search(text)
    if basis and (later := _EXPLANATION.search(text, basis.end())):
        return text[basis.end() : later.start()], f"{text[: basis.start()]} {text[later.end() :]}"
    if basis and explanation:  # the other way round
        return text[basis.end() :], f"{text[: explanation.start()]} {text[explanation.end() : basis.start()]}"
    if basis and basis.start() == 0:
        return text[basis.end() :], None
    if explanation and explanation.start() == 0:
        return None, text[explanation.end() :]
    return None, text or None


def feedback_of(item: Item) -> str:
    """Return an item's legal basis and explanation as the markup that split_feedback takes apart."""
    basis = html.escape(f"{item.legal_article} {item.legal_document}".strip(), quote=False)
    shown = unicodedata.normalize("NFC", text_of_html(item.explanation))
    if not basis and not _BASIS.search(shown) and not _EXPLANATION.search(shown):
        return item.explanation
    return f"<p>Căn cứ: {basis}</p><p>Giải thích: {item.explanation}</p>"


def topic_of(tags: Sequence[str], category: str) -> str | None:
    """Return the topic that a tag names or, failing that, the last part of the category."""
    # Moodle doubles a slash inside a name; of our topics one has a slash, often typed singly.
    path = re.sub(r"phí\s*/+\s*lệ phí", "phí, lệ phí", unicodedata.normalize("NFC", category))
    last = re.split(r"(?<!/)/(?!/)", path.rstrip("/ \t\n"))[-1]
    first = re.match(r"\s*T\d+(?!\w)", last)
    named = (topic_code(text) for text in (*tags, first[0] if first else "", last))
    return next((topic for topic in named if topic), None)


def level_of(tags: Sequence[str]) -> str | None:
    """Return the level that a tag names, by its letters or in words."""
    exact = (tag.strip().upper() for tag in tags)
    named = (level_code(tag) for tag in tags)
    return next((level for level in (*exact, *named) if level in LEVELS), None)


def tags_of(item: Item) -> Sequence[str]:
    """Return the tags with which an item is written: topic, level, then its own."""
    return (item.topic, item.level, *item.tags)


def category_of(item: Item) -> str:
    """Return the category under which an item is written: its topic with the topic's name."""
    name = f"{item.topic} {TOPICS.get(item.topic, '')}".strip()
    return f"$course$/top/{name.replace('/', '//')}"


def weight_of_right(item: Item) -> str:
    """Return what each right option of a multiple choice is worth, as Moodle rounds it."""
    return f"{100 / len(item.key):.5f}".rstrip("0").rstrip(".")


def is_true_false(item: Item) -> bool:
    """Tell whether Moodle's own true/false question can say the item: it has no texts for options."""
    shown = tuple(text_of_html(option.text).strip() for option in item.options)
    return item.kind == "true_false" and shown == TRUE_FALSE


# --- reading ---------------------------------------------------------------------------------------


def read(content: bytes) -> Reading:
    """Return what a Moodle XML file holds; raises UnreadableFile if it is none."""
    drafts: list[Draft] = []
    problems: list[Problem] = []
    category = ""
    for number, question in enumerate(_questions(content), 1):
        check_number(number)
        kind = question.get("type", "").strip().lower()
        if kind == "category":
            category = _text(question, "category")
        elif kind in {"multichoice", "truefalse"} | MULTIPLE_TYPES:
            drafts.append(_draft(question, kind, number, category))
        else:
            reason = UNSUPPORTED.format(kind[:40] or "không rõ")
            problems.append(Problem("unsupported_type", "warning", {"question": number}, reason))
    return judge(drafts, problems)


class _Pieces(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece, however little was asked for."""
        return super().read(PIECE)


def _questions(content: bytes) -> Iterator[Element]:
    """Yield the question elements one by one; each is emptied when the next one is asked for."""
    if len(content) > MOST_BYTES:
        raise UnreadableFile(f"Tệp lớn hơn {MOST_BYTES // 2**20} MB; hãy chia nhỏ tệp rồi nhập lại.")
    depth = elements = 0
    root: Element | None = None
    try:
        for event, element in iterparse(_Pieces(content), events=("start", "end")):
            if event == "start":
                depth, elements = depth + 1, elements + 1
                if root is None:
                    root = element
                    if root.tag != "quiz":
                        raise UnreadableFile("Tệp XML không phải tệp câu hỏi của Moodle (thiếu thẻ quiz).")
                if elements > MOST_ELEMENTS:
                    raise UnreadableFile("Tệp XML có cấu trúc bất thường, không phải tệp câu hỏi của Moodle.")
            else:
                depth -= 1
                if depth == 1:
                    if element.tag == "question":
                        yield element
                    assert root is not None  # it started before its child ended
                    root.clear()
                    elements = 0
    except DefusedXmlException as error:
        raise UnreadableFile(
            "Tệp XML khai báo thực thể (entity) nên bị từ chối để bảo đảm an toàn."
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        line, _ = getattr(error, "position", (1, 0))
        raise UnreadableFile(f"Tệp XML bị lỗi từ dòng {line}, không mở được.") from error


def _draft(question: Element, kind: str, number: int, category: str) -> Draft:
    answers = question.findall("answer")
    tags = [_text(tag) for tag in question.findall("tags/tag")]
    basis, explanation = split_feedback(_shown(question.find("generalfeedback")))
    draft = Draft(
        where={"question": number},
        stem=_shown(question.find("questiontext")),
        options=[_shown(answer) for answer in answers],
        topic=topic_of(tags, category),
        level=level_of(tags),
        legal_basis=basis,
        explanation=explanation,
    )
    check_length(draft)
    fractions = [_fraction(answer) for answer in answers]
    if kind == "truefalse":
        right = {
            truth_of(said)
            for said, fraction in zip(draft.options, fractions, strict=True)
            if fraction >= FULL_MARK
        }
        draft.asks_for, draft.options = "true_false", list(TRUE_FALSE)
        # An answer that says neither is no key.
        draft.marks = {place for place, says in enumerate((True, False)) if says in right}
    elif kind in MULTIPLE_TYPES or _text(question, "single").lower() in ("false", "0"):
        draft.asks_for = "multiple"
        draft.marks = {place for place, fraction in enumerate(fractions) if fraction > 0}
    else:
        draft.asks_for = "single"
        draft.marks = {place for place, fraction in enumerate(fractions) if fraction >= FULL_MARK}
    for holder in (*question.findall("questiontext"), *answers):
        files = {file.get("name", ""): file.text or "" for file in holder.findall("file")}
        take_pictures(_text(holder), files, draft, is_in_option=holder.tag == "answer")
    return draft


def _text(element: Element, path: str = "") -> str:
    """Return the text under a path: that of the element's own <text>, or else what it holds itself."""
    found = element.find(path) if path else element
    if found is None:
        return ""
    inner = found.find("text")
    return ((inner if inner is not None else found).text or "").strip()


def _shown(element: Element | None) -> str:
    if element is None:
        return ""
    return shown_text(_text(element), element.get("format", "html").strip().lower())


def _fraction(answer: Element) -> float:
    try:
        fraction = float(answer.get("fraction", "0").replace(",", "."))
    except ValueError:
        return 0
    return fraction if isfinite(fraction) else 0


def take_pictures(markup: str, files: Mapping[str, str], draft: Draft, *, is_in_option: bool = False) -> None:
    """Add the pictures that the markup shows, in its order; `files` are in base64 under their names."""
    for source, alt in _images(markup):
        name = _percent_decoded(source.rpartition("/")[2].partition("?")[0])
        data = None
        if source.startswith("@@PLUGINFILE@@/"):
            data = files.get(name)
        elif source.startswith("data:image/"):
            data = source.partition(";base64,")[2]
        content = _decoded(data or "")
        if not content:
            reason = "Hình ảnh trong câu hỏi không có trong tệp hoặc bị hỏng."
            draft.problems.append(Problem("missing_picture", "error", draft.where, reason))
            return
        draft.pictures.append(Picture(content, alt, is_in_option=is_in_option))


def _images(markup: str) -> Iterator[tuple[str, str]]:
    """Yield the source and the alternative text of each image."""
    place = 0
    while (start := _IMAGE.search(markup, place)) and (place := tag_end(markup, start.end())) >= 0:
        values = {
            name.lower(): html.unescape("".join(said))
            for name, *said in _ATTRIBUTE.findall(markup, start.end(), place)
        }
        yield values.get("src", ""), values.get("alt", "")


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(re.sub(r"\s+", "", text), validate=True)
    except (binascii.Error, ValueError):
        return None


def _percent_decoded(name: str) -> str:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), name.encode())
    return raw.decode("utf-8", "replace")


# --- writing ---------------------------------------------------------------------------------------


def write(items: Iterable[Item]) -> bytes:
    """Return the items as a Moodle XML file, a category whenever the topic changes."""
    quiz = Element("quiz")
    category = ""
    for item in items:
        if category_of(item) != category:
            category = category_of(item)
            holder = SubElement(SubElement(quiz, "question", type="category"), "category")
            SubElement(holder, "text").text = category
        _write_item(quiz, item)
    content = tostring(quiz, encoding="utf-8", xml_declaration=True)
    assert isinstance(content, bytes)
    return content


def _write_item(quiz: Element, item: Item) -> None:
    kind = "truefalse" if is_true_false(item) else "multichoice"
    question = SubElement(quiz, "question", type=kind)
    _write_text(question, "name", item.code)
    _write_stem(question, item)
    _write_text(question, "generalfeedback", feedback_of(item), format="html")
    for tag, value in {"defaultgrade": "1.0000000", "hidden": "0", "idnumber": item.code}.items():
        SubElement(question, tag).text = _NOT_XML.sub("", value)
    if kind == "truefalse":
        for place, answer in enumerate(("true", "false")):
            fraction = "100" if place in item.key else "0"
            _write_text(question, "answer", answer, fraction=fraction, format="moodle_auto_format")
    else:
        _write_choice(question, item)
    tags = SubElement(question, "tags")
    for tag in tags_of(item):
        _write_text(tags, "tag", tag)


def _write_stem(question: Element, item: Item) -> None:
    stem, picture = item.stem, item.picture
    if picture is not None:
        name = f"{picture.sha256[:16]}.webp"
        alt = html.escape(item.picture_alt)
        stem += (
            f'<p><img src="@@PLUGINFILE@@/{name}" alt="{alt}" width="{picture.width}" '
            f'height="{picture.height}"></p>'
        )
    _write_text(question, "questiontext", stem, format="html")
    if picture is not None:
        file = SubElement(question[-1], "file", name=name, path="/", encoding="base64")
        file.text = base64.b64encode(picture.content).decode()


def _write_choice(question: Element, item: Item) -> None:
    is_multiple = item.kind == "multiple"
    shuffles = not all(option.is_pinned for option in item.options)
    for tag, value in {"single": not is_multiple, "shuffleanswers": shuffles}.items():
        SubElement(question, tag).text = str(value).lower()
    SubElement(question, "answernumbering").text = "ABCD"
    right, wrong = (weight_of_right(item), "-100") if is_multiple else ("100", "0")
    for place, option in enumerate(item.options):
        fraction = right if place in item.key else wrong
        _write_text(question, "answer", option.text, fraction=fraction, format="html")


def _write_text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(SubElement(parent, tag, attributes), "text").text = _NOT_XML.sub("", text)
