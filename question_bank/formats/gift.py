"""GIFT, Moodle's text format, as Moodle writes and reads it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from question_bank.formats.drafts import Draft, Place, Problem, Reading, UnreadableFile
from question_bank.formats.judging import TRUE_FALSE, judge
from question_bank.formats.markup import shown_text
from question_bank.formats.moodle_xml import (
    FULL_MARK,
    UNSUPPORTED,
    category_of,
    check_length,
    check_number,
    feedback_of,
    is_true_false,
    level_of,
    split_feedback,
    tags_of,
    take_pictures,
    topic_of,
    weight_of_right,
)
from question_bank.items import Item

MOST_BYTES = 16 * 1024 * 1024
MOST_LINES = 400_000
LONGEST_QUESTION = 200_000
BLANK = "_____"
TRUE, FALSE = {"T", "TRUE"}, {"F", "FALSE"}

# While a question is taken apart, an escaped character stands as a control character, which no text
# that we read has: decoded() takes them out.
_PLAIN, _HIDDEN = ":#={}~\n", "\x01\x02\x03\x04\x05\x06\x07"
_HIDE = dict(zip(":#={}~n", _HIDDEN, strict=True)) | {"\\": "\\"}
_SHOW = str.maketrans(_HIDDEN, _PLAIN)
_ESCAPE = re.compile(r"\\([\\:#={}~n])")
_TO_ESCAPE = re.compile(r"[\\:#={}~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]+")

_TAG = re.compile(r"\[tag:((?:\\\]|[^\]<>`]){1,200})\]")
_ONLY_TAGS = re.compile(r"(?:\[(?:tag|id):[^\[\]]*\]\s*)+")
_CATEGORY = "$CATEGORY:"
_FORMAT = re.compile(r"\[(html|moodle|plain|markdown)\]")
_WEIGHT = re.compile(r"%(-?\d{1,3}(?:[.,]\d*)?)%")
_CLOZE = re.compile(r"\d*[:\x01][A-Z_]+[:\x01]")

Lines = list[tuple[int, str]]


def decoded(content: bytes) -> str:
    """Return a text file's text, its line ends as \\n; raises UnreadableFile if it is not Unicode text."""
    if len(content) > MOST_BYTES:
        raise UnreadableFile(f"Tệp lớn hơn {MOST_BYTES // 2**20} MB; hãy chia nhỏ tệp rồi nhập lại.")
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            "Tệp không phải văn bản Unicode (UTF-8); hãy lưu lại tệp với mã hóa UTF-8."
        ) from error
    if "\x00" in text:
        raise UnreadableFile("Tệp không phải tệp văn bản.")
    if text.count("\n") + text.count("\r") > 2 * MOST_LINES:
        raise UnreadableFile(f"Tệp có hơn {MOST_LINES} dòng; hãy chia nhỏ tệp rồi nhập lại.")
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


# --- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """One question's text, escapes hidden, with its first line and the tags of its comments."""

    text: str
    line: int
    tags: list[str]


def read(content: bytes) -> Reading:
    """Return what a GIFT file holds; raises UnreadableFile if it is no text."""
    drafts: list[Draft] = []
    problems: list[Problem] = []
    category = ""
    for block in _blocks(decoded(content)):
        category, block = _without_category(block, category)
        for source in _sources(block):
            found = _question(source, category)
            if isinstance(found, Draft):
                drafts.append(found)
            else:
                problems.append(found)
            check_number(len(drafts) + len(problems))
    return judge(drafts, problems)


def _blocks(text: str) -> Iterator[Lines]:
    """Yield the runs of lines between blank ones; a blank line among the answers is passed over."""
    block: Lines = []
    is_open = was_blank = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line:
            was_blank = True
            continue
        if was_blank and block and not (is_open and line[0] in "~=}#"):
            yield block
            block, is_open = [], False
        was_blank = False
        block.append((number, line))
        if not line.startswith("//"):
            bare = _ESCAPE.sub("", line)
            is_open = bare.rfind("{") > bare.rfind("}") or (is_open and "}" not in bare)
    if block:
        yield block


def _without_category(block: Lines, category: str) -> tuple[str, Lines]:
    """Return the category that holds from this block on, and the block's other lines."""
    others: Lines = []
    for number, line in block:
        is_start = all(other.startswith("//") for _, other in others)
        if is_start and line.startswith(_CATEGORY):
            category, others = line.removeprefix(_CATEGORY).strip(), []
        else:
            others.append((number, line))
    return category, others


def _sources(block: Lines) -> Iterator[_Source]:
    """Yield the questions of a block: one, unless the blank line between two was forgotten."""
    tags: list[str] = []
    gathered: Lines = []
    is_closed = False
    last = max((place for place, (_, line) in enumerate(block) if "{" in _hidden(line)), default=-1)
    for place, (number, line) in enumerate(block):
        if line.startswith("//") or _ONLY_TAGS.fullmatch(line):
            if is_closed:
                yield _source(gathered, tags)
                gathered, tags, is_closed = [], [], False
            tags += [tag.replace("\\]", "]").strip() for tag in _TAG.findall(line)]
            continue
        if is_closed and (line.startswith("::") or place <= last):
            yield _source(gathered, tags)
            gathered, tags, is_closed = [], [], False
        gathered.append((number, _hidden(line)))
        is_closed = is_closed or "}" in gathered[-1][1]
    if gathered:
        yield _source(gathered, tags)


def _source(lines: Lines, tags: list[str]) -> _Source:
    return _Source("\n".join(line for _, line in lines), lines[0][0], tags)


def _hidden(text: str) -> str:
    return _ESCAPE.sub(lambda escape: _HIDE[escape[1]], text)


def _question(source: _Source, category: str) -> Draft | Problem:
    where = {"line": source.line}
    if len(source.text) > LONGEST_QUESTION:
        reason = f"Câu hỏi dài hơn {LONGEST_QUESTION} ký tự."
        return Problem("text_too_long", "error", where, reason)
    text = _without_title(source.text)
    start, end = text.find("{"), text.find("}")
    if start < 0 and end < 0:
        return _unsupported("description", where)
    if start < 0 or end < start:
        reason = "Câu hỏi GIFT thiếu dấu ngoặc nhọn mở “{” hoặc đóng “}” quanh các phương án."
        return Problem("malformed_question", "error", where, reason)
    before, answers, after = text[:start], text[start + 1 : end].strip(), text[end + 1 :]
    stem = f"{before}{BLANK if after.strip() else ''}{after}".strip()
    answers, _, feedback = answers.rpartition("####") if "####" in answers else (answers, "", "")
    kind = _kind(answers.strip())
    if kind not in ("multichoice", "truefalse"):
        return _unsupported(kind, where)
    format_name, stem = _shown(stem, "moodle")
    basis, explanation = split_feedback(_shown(feedback, format_name)[1])
    draft = Draft(
        where=where,
        stem=stem,
        options=[],
        topic=topic_of(source.tags, category.translate(_SHOW)),
        level=level_of(source.tags),
        legal_basis=basis,
        explanation=explanation,
    )
    if kind == "truefalse":
        draft.asks_for, draft.options = "true_false", list(TRUE_FALSE)
        draft.marks = {0 if _truth_word(answers) in TRUE else 1}
    else:
        _take_options(draft, answers, format_name)
    if format_name == "html":
        take_pictures(text.translate(_SHOW), {}, draft)
    check_length(draft)
    return draft


def _without_title(text: str) -> str:
    if not text.startswith("::"):
        return text
    title, separator, rest = text[2:].partition("::")
    return rest.strip() if separator else title


def _unsupported(kind: str, where: Place) -> Problem:
    return Problem("unsupported_type", "warning", where, UNSUPPORTED.format(kind))


def _kind(answers: str) -> str:
    """Return Moodle's name for the type of question that these answers make."""
    if not answers:
        return "essay"
    if answers.startswith("#"):
        return "numerical"
    if _CLOZE.match(answers):
        return "cloze"
    if "~" in answers:
        return "multichoice"
    if "=" in answers and "->" in answers:
        return "matching"
    return "truefalse" if _truth_word(answers) in TRUE | FALSE else "shortanswer"


def _truth_word(answers: str) -> str:
    return answers.partition("#")[0].strip().upper()


def _take_options(draft: Draft, answers: str, format_name: str) -> None:
    """Give the draft its options; without a “=” several of them may be right, says Moodle."""
    draft.asks_for = "single" if "=" in answers else "multiple"
    first, *others = answers.replace("=", "~=").split("~")
    for answer in [first, *others] if first.strip() else others:
        answer = answer.strip()
        worth = 100.0 if answer.startswith("=") else 0.0
        answer = answer.removeprefix("=").strip()
        if weight := _WEIGHT.match(answer):
            worth = float(weight[1].replace(",", "."))
            answer = answer[weight.end() :]
        if worth >= FULL_MARK or (worth > 0 and draft.asks_for == "multiple"):
            draft.marks.add(len(draft.options))
        draft.options.append(_shown(answer.partition("#")[0], format_name)[1])


def _shown(text: str, format_name: str) -> tuple[str, str]:
    """Return the format that the text says it has, or else the one given, and what it shows."""
    text = text.strip()
    if stated := _FORMAT.match(text):
        format_name, text = stated[1], text[stated.end() :]
    return format_name, shown_text(text.translate(_SHOW), format_name).strip()


# --- writing ---------------------------------------------------------------------------------------


def write(items: Iterable[Item]) -> bytes:
    """Return the items as a GIFT file, a category whenever the topic changes."""
    blocks: list[str] = []
    category = ""
    for item in items:
        if category_of(item) != category:
            category = category_of(item)
            blocks.append(f"{_CATEGORY} {category}\n")
        blocks.append(_written(item))
    return "\n".join(blocks).encode()


def _written(item: Item) -> str:
    marks = [("id", item.code), *(("tag", tag) for tag in tags_of(item))]
    comment = " ".join(f"[{name}:{_in_comment(value)}]" for name, value in marks)
    question = f"// {comment}\n::{_escaped(item.code)}::[html]{_escaped(item.stem)}"
    feedback = feedback_of(item)
    general = f"####{_in_place(feedback)}" if feedback else ""
    if is_true_false(item):
        return f"{question}{{{'TRUE' if item.key == (0,) else 'FALSE'}{general}}}\n"
    answers = [f"{_marker(item, place)}{_in_place(option.text)}" for place, option in enumerate(item.options)]
    lines = "".join(f"\t{line}\n" for line in [*answers, general] if line)
    return f"{question}{{\n{lines}}}\n"


def _marker(item: Item, place: int) -> str:
    if item.kind == "multiple":
        return f"~%{weight_of_right(item)}%" if place in item.key else "~%-100%"
    return "=" if place in item.key else "~"


def _in_place(text: str) -> str:
    """Return a text in the question's own format, said again where its beginning could be misread."""
    text = text.strip()
    return f"{'[html]' if text.startswith(('[', '%')) else ''}{_escaped(text)}"


def _escaped(text: str) -> str:
    escaped = _TO_ESCAPE.sub(r"\\\g<0>", text.strip().replace("\r", ""))
    return escaped.replace("\n", "\\n")


def _in_comment(text: str) -> str:
    return re.sub(r"[<>`\s]+", " ", text).replace("]", "\\]").strip()
