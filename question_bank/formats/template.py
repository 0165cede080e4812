"""Our template for tables of questions: the columns of the XLSX and CSV that we write."""

from collections.abc import Iterable, Iterator, Sequence

from question_bank.formats.keys import KeyFault, label_of, read_key
from question_bank.formats.markup import text_of_html
from question_bank.items import MOST_OPTIONS, Item
from question_bank.text import clean_text

KINDS = {"single": "Một lựa chọn", "multiple": "Nhiều lựa chọn", "true_false": "Đúng/Sai"}
HEADINGS = (
    *("STT", "Chủ đề", "Mức độ", "Loại câu hỏi", "Nội dung câu hỏi"),
    *(f"Phương án {label_of(place)}" for place in range(MOST_OPTIONS)),
    *("Đáp án", "Căn cứ pháp lý", "Giải thích"),
)


def rows_of(items: Iterable[Item]) -> Iterator[list[str]]:
    """Yield the cells of each item under HEADINGS, markup dropped."""
    for number, item in enumerate(items, 1):
        options = [_shown(option.text) for option in item.options]
        yield [
            str(number),
            item.topic,
            item.level,
            KINDS[item.kind],
            _shown(item.stem),
            *options,
            *[""] * (MOST_OPTIONS - len(options)),
            _key_of(item.key, options),
            clean_text(f"{item.legal_article} {item.legal_document}"),
            _shown(item.explanation),
        ]


def _key_of(key: Sequence[int], options: Sequence[str]) -> str:
    """The key as letters, in words where an option's own text could be taken for a letter."""
    letters = ", ".join(label_of(place) for place in key)
    for said in (letters, f"Phương án {letters}", f"Các phương án đúng là {letters}"):
        try:
            if read_key(said, options) == set(key):
                return said
        except KeyFault:
            continue
    return "; ".join(options[place] for place in key)


def _shown(html: str) -> str:
    return clean_text(text_of_html(html))
