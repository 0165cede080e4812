"""The parts of a Word file that hold the questions: document, styles, numbering and pictures.

Only these are read: no template, no link to the outside, no macro. Whatever can't be opened is an
UnreadableFile with a sentence for the person who sent it.
"""

import posixpath
import zipfile
from dataclasses import dataclass, field
from typing import Any

from docx.oxml import parse_xml

from question_bank.formats import gate
from question_bank.formats.drafts import UnreadableFile

# An element of the XML tree; lxml comes without types.
Element = Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
# The strict variant of the format says the same under other names.
_STRICT = (
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/drawingml/main",
        b"http://schemas.openxmlformats.org/drawingml/2006/main",
    ),
)
MAIN_PART = "word/document.xml"
# About twice the elements of a part; a question takes some 200.
MOST_TAGS = 800_000

TOO_MUCH = "Tệp Word có quá nhiều nội dung; hãy chia thành nhiều tệp nhỏ hơn."


@dataclass
class Package:
    """An opened Word file."""

    document: Element
    styles: Element | None
    numbering: Element | None
    _archive: zipfile.ZipFile
    _targets: dict[str, str] = field(default_factory=dict)

    def picture(self, relation: str) -> bytes | None:
        """Return the bytes of the picture that a relation leads to; None if it isn't in the file."""
        target = self._targets.get(relation)
        if target is None or target not in self._archive.namelist():
            return None
        return gate.read_member(self._archive, target)


def open_package(content: bytes) -> Package:
    """Open a Word file; raise UnreadableFile with a sentence when that is impossible or unsafe."""
    archive = gate.open_office(content, MAIN_PART)
    document = _parsed(archive, MAIN_PART)
    if document.tag != f"{W}document" or document.find(f"{W}body") is None:
        raise UnreadableFile(gate.BROKEN)
    names = set(archive.namelist())
    relations = _relations(archive, names, MAIN_PART)
    return Package(
        document=document,
        styles=_part_of_kind(archive, names, relations, "styles"),
        numbering=_part_of_kind(archive, names, relations, "numbering"),
        _archive=archive,
        _targets={relation: target for relation, (_, target) in relations.items()},
    )


def _relations(archive: zipfile.ZipFile, names: set[str], part: str) -> dict[str, tuple[str, str]]:
    """Return a part's relations within the file: id to kind and target."""
    folder, name = posixpath.split(part)
    source = posixpath.join(folder, "_rels", f"{name}.rels")
    if source not in names:
        return {}
    found = {}
    for relation in _parsed(archive, source).iter(_RELATION):
        if relation.get("TargetMode") == "External" or not relation.get("Target"):
            continue
        target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target"))).lstrip("/")
        found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
    return found


def _part_of_kind(
    archive: zipfile.ZipFile, names: set[str], relations: dict[str, tuple[str, str]], kind: str
) -> Element | None:
    for this_kind, target in relations.values():
        if this_kind == kind and target in names:
            return _parsed(archive, target)
    return None


def _parsed(archive: zipfile.ZipFile, name: str) -> Element:
    content = gate.read_member(archive, name)
    if content.count(b"<") > MOST_TAGS:
        raise UnreadableFile(TOO_MUCH)
    if b"<!DOCTYPE" in content:
        raise UnreadableFile(gate.DECLARES)
    for strict, usual in _STRICT:
        content = content.replace(strict, usual)
    try:
        root: Element = parse_xml(content)
    except (SyntaxError, ValueError) as error:  # lxml's XMLSyntaxError is a SyntaxError
        raise UnreadableFile(gate.BROKEN) from error
    # Once more for encodings in which the bytes above look different.
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFile(gate.DECLARES)
    return root
