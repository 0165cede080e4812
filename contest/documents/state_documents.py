"""State documents: tables under the letterhead, and above the signature, of Decree 30/2020/NĐ-CP."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from contest.clock import LOCAL_ZONE
from contest.documents.typesetting import typeset
from contest.formatting import vn_datetime


@dataclass(frozen=True)
class Issuer:
    """Who issues a document: its letterhead, its signature block, and who gets a copy."""

    parent: str
    name: str
    place: str
    # What follows the number, as in "Số: …/TB-BTC".
    symbol: str
    # The lines above the signature, as in "TM. BAN TỔ CHỨC", "TRƯỞNG BAN".
    signing: tuple[str, ...]
    recipients: tuple[str, ...]


def organizers(province: str, symbol: str) -> Issuer:
    """Return the organizers of a contest in a province, which is named as on pages: "Tỉnh Bắc Ninh"."""
    return Issuer(
        parent=f"Ủy ban nhân dân {province[:1].lower()}{province[1:]}",
        name="Ban Tổ chức hội thi",
        place=province.removeprefix("Tỉnh ").removeprefix("Thành phố "),
        symbol=symbol,
        signing=("TM. Ban Tổ chức", "Trưởng ban"),
        recipients=("Thành viên Ban Tổ chức;", "UBND các xã, phường;", "Lưu: VT."),
    )


@dataclass(frozen=True)
class PublishedVersion:
    """The published version that a document shows."""

    number: int
    is_official: bool
    published_at: datetime
    sha256: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, its width in millimetres (None: what is left) and its side."""

    head: str
    mm: float | None = None
    align: Literal["left", "center", "right"] = "left"


@dataclass(frozen=True)
class Part:
    """Rows of a table, under a title of their own where there is one."""

    title: str | None
    rows: Sequence[Sequence[str]]


def table_document(
    issuer: Issuer,
    version: PublishedVersion,
    *,
    kind: str,
    subject: str,
    before: Sequence[str],
    columns: Sequence[Column],
    parts: Sequence[Part],
    after: Sequence[str],
) -> bytes:
    """Return a state document as PDF: kind and subject, paragraphs, one long table, paragraphs."""
    moment = vn_datetime(version.published_at)
    state = "chính thức" if version.is_official else "kết quả dự kiến"
    values = {
        "issuer": asdict(issuer) | {"year": f"{version.published_at.astimezone(LOCAL_ZONE):%Y}"},
        "publication": {
            "line": f"Bản công bố số {version.number} ({state}), lúc {moment}",
            "sha256": version.sha256,
        },
        "kind": kind,
        "subject": subject,
        "before": before,
        "columns": [asdict(column) for column in columns],
        "parts": [asdict(part) for part in parts],
        "after": after,
    }
    return typeset(
        "table_document", values, title=f"{kind.capitalize()}: {subject}", created_at=version.published_at
    )
