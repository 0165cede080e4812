"""Writing a question paper as a Word file that people can read and `docx.read` reads back."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

from docx import Document
from docx.document import Document as WordDocument
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Cm, Emu, Pt

from question_bank.formats.docx_labels import LETTERS, answer_pairs, question_label, stars, without_notes
from question_bank.formats.docx_paragraphs import GUARD, ORIGINAL
from question_bank.formats.markup import text_of_html
from question_bank.items import Item, Picture
from question_bank.pictures import as_jpeg
from question_bank.text import clean_text

TITLE = "BỘ CÂU HỎI"
_EMU_PER_PIXEL, _WIDEST = 9_525, Cm(15)  # at 96 dots an inch
_EXTENSION = "{8A1B6F0C-6E57-4C0D-9C57-3B6E0A6B7D21}"
_NO_XML = re.compile("[\ufffe\uffff]")


def write(items: Iterable[Item]) -> bytes:
    """Return the items as a Word file, one after the other, in a plain and neat layout.

    A paper has no place for code, divisions, tags, pinned places and dates, nor for markup. A stem
    that itself begins with "Câu 5." or options that all begin with their letters lose these.
    """
    document = _blank_document()
    for number, item in enumerate(items, start=1):
        _add(document, number, item)
    content = BytesIO()
    document.save(content)
    return content.getvalue()


def _blank_document() -> WordDocument:
    document = Document()
    # The template's own dates and author mean nothing here.
    properties = document.core_properties
    properties.author, properties.title, properties.comments = "", TITLE, ""
    properties.created = properties.modified = datetime(2000, 1, 1, tzinfo=UTC)
    font = document.styles["Normal"].font
    font.name, font.size = "Times New Roman", Pt(13)
    title = document.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title.add_run(TITLE).bold = True
    return document


def _add(document: WordDocument, number: int, item: Item) -> None:
    stem = document.add_paragraph()
    stem.paragraph_format.space_before, stem.paragraph_format.space_after = Pt(10), Pt(2)
    stem.paragraph_format.keep_with_next = True
    stem.add_run(f"Câu {number}. ").bold = True
    stem.add_run(_guarded_stem(_shown(item.stem)))
    if item.picture is not None:
        _add_picture(document, item.picture, item.picture_alt)
    for letter, option in zip(LETTERS, item.options, strict=False):
        _line(document, f"{letter}. ", _guarded_option(_shown(option.text)), indent=0.75)
    _line(document, "Đáp án: ", ", ".join(LETTERS[index] for index in sorted(item.key)))
    if item.kind == "multiple":
        _line(document, "Loại câu hỏi: ", "Nhiều đáp án")
    _line(document, "Căn cứ: ", _shown(f"{item.legal_article} {item.legal_document}"))
    _line(document, "Giải thích: ", _shown(item.explanation))
    _line(document, "Chủ đề: ", item.topic)
    _line(document, "Mức độ: ", item.level)


def _add_picture(document: WordDocument, picture: Picture, alt: str) -> None:
    """Add a picture as a JPEG, which every Word shows, and with it the picture itself, to be read back."""
    paragraph = document.add_paragraph()
    paragraph.paragraph_format.keep_with_next = True
    width = Emu(min(picture.width * _EMU_PER_PIXEL, _WIDEST))
    shown = as_jpeg(picture)
    shape = paragraph.add_run().add_picture(BytesIO(shown), width=width)._inline
    shape.docPr.set("descr", _NO_XML.sub("", alt))
    name = PackURI(f"/word/media/{picture.sha256[:16]}.webp")
    there = (part for part in document.part.related_parts.values() if part.partname == name)
    part = next(there, None) or Part(name, "image/webp", picture.content, document.part.package)
    relation = document.part.relate_to(part, RELATIONSHIP_TYPE.IMAGE)
    namespace, _, tag = ORIGINAL[1:].partition("}")
    extension = parse_xml(
        f'<a:extLst {nsdecls("a", "r")}><a:ext uri="{_EXTENSION}">'
        f'<x:{tag} xmlns:x="{namespace}" of="{sha256(shown).hexdigest()}" r:embed="{relation}"/>'
        "</a:ext></a:extLst>"
    )
    shape.graphic.graphicData.pic.blipFill.blip.append(extension)


def _line(document: WordDocument, label: str, text: str, *, indent: float = 0) -> None:
    """Add a line; a note that says nothing is left out, an option never."""
    if not text and not indent:
        return
    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(1)
    paragraph.paragraph_format.left_indent = Cm(indent)
    paragraph.add_run(label).italic = not indent
    paragraph.add_run(text)


def _shown(markup: str) -> str:
    return clean_text(_NO_XML.sub("", text_of_html(markup)))


def _guarded_stem(text: str) -> str:
    """A stem with a sign that can't be seen where its edges would be read as labels or notes."""
    first = f"Câu 1. {text}"
    label = question_label(first)
    is_plain = label is not None and first[label.end :] == text and not answer_pairs(first)
    rest, notes = without_notes(text)
    if is_plain and not notes:
        return text
    return f"{GUARD}{text}{GUARD}" if notes or rest != text else f"{GUARD}{text}"


def _guarded_option(text: str) -> str:
    return f"{GUARD}{text}{GUARD}" if stars(text)[2] else text
