"""Certificates: what is certified of whom, one to a page, each with the address where it is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contest.clock import LOCAL_ZONE
from contest.documents.qr import qr_svg
from contest.documents.state_documents import Issuer
from contest.documents.typesetting import typeset


@dataclass(frozen=True)
class PrizeCertificate:
    """A person's prize; `division` and `round` are as printed, "bảng Người dân" and "Vòng 1"."""

    code: str
    name: str
    unit: str
    prize: str
    division: str
    round: str
    contest: str


@dataclass(frozen=True)
class UnitCertificate:
    """A unit's place in the ranking of its group, "Giải Nhất tập thể", "khối xã"."""

    code: str
    unit: str
    prize: str
    group: str
    round: str
    contest: str


@dataclass(frozen=True)
class ParticipationCertificate:
    """That a person took part; `result` is a finished sentence about it, or nothing."""

    code: str
    name: str
    unit: str
    round: str
    contest: str
    result: str | None = None


Certificate = PrizeCertificate | UnitCertificate | ParticipationCertificate


def certificates(issuer: Issuer, pages: Sequence[Certificate], *, site: str, issued_at: datetime) -> bytes:
    """Return the certificates as one PDF, each on a page of its own.

    `site` is the address of the platform, "https://thi.bacninh.gov.vn", under which codes are checked.
    """
    common = {
        "issuer": issuer.name,
        "place": issuer.place,
        "signing": issuer.signing,
        "symbol": issuer.symbol,
        "year": f"{issued_at.astimezone(LOCAL_ZONE):%Y}",
    }
    values = {"certificates": [common | _checked(page.code, site) | _words(page) for page in pages]}
    return typeset("certificates", values, title=_title(pages), created_at=issued_at)


def _title(pages: Sequence[Certificate]) -> str:
    if len(pages) != 1:
        return f"Giấy chứng nhận: {len(pages)} bản"
    (page,) = pages
    whose = page.unit if isinstance(page, UnitCertificate) else page.name
    return f"Giấy chứng nhận {page.code}: {whose}"


def _checked(code: str, site: str) -> dict[str, str]:
    address = f"{site.rstrip('/')}/certificates/{code}"
    shown = f"{site.rstrip('/').partition('://')[2]}/certificates"
    return {"code": code, "address": address, "shown_address": shown, "qr": qr_svg(address)}


def _words(page: Certificate) -> dict[str, Any]:
    match page:
        case PrizeCertificate():
            return {
                "kind": "individual",
                "presented_to": "Tặng ông/bà",
                "name": page.name,
                "unit": page.unit,
                "verb": "đã đạt",
                "prize": page.prize,
                "about": [f"{page.division}, {page.round}", page.contest],
                "has_decision": True,
            }
        case UnitCertificate():
            return {
                "kind": "collective",
                "presented_to": "Tặng tập thể",
                "name": page.unit,
                "unit": None,
                "verb": "đã đạt",
                "prize": page.prize,
                "about": [f"{page.group}, {page.round}", page.contest],
                "has_decision": True,
            }
        case ParticipationCertificate():
            return {
                "kind": "participation",
                "presented_to": "Chứng nhận ông/bà",
                "name": page.name,
                "unit": page.unit,
                "verb": "đã tham gia",
                "prize": None,
                "about": [page.round, page.contest, *filter(None, [page.result])],
                "has_decision": False,
            }
