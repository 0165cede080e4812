"""Posters: a page to hang up in a commune, with the QR code that leads into the contest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contest.documents.qr import qr_svg
from contest.documents.typesetting import typeset
from contest.formatting import vn_datetime

STEPS = (
    "Mở máy ảnh của điện thoại và quét mã",
    "Đăng ký bằng số điện thoại, chọn xã, phường",
    "Làm bài và xem kết quả",
)


@dataclass(frozen=True)
class Poster:
    """One commune's poster; `address` is what the code holds and says which poster was scanned."""

    unit: str
    address: str
    # Where people find help, "Cần giúp: Tổ công nghệ số cộng đồng, Nhà văn hóa thôn".
    help: str | None = None


def posters(
    pages: Sequence[Poster],
    *,
    organizer: str,
    contest: str,
    shown_address: str,
    opens_at: datetime,
    closes_at: datetime,
    made_at: datetime,
) -> bytes:
    """Return the posters as one PDF, one to a page; `shown_address` is short enough to be typed."""
    common = {
        "organizer": organizer,
        "contest": contest,
        "shown_address": shown_address,
        "dates": f"Từ {vn_datetime(opens_at)} đến {vn_datetime(closes_at)}",
        "steps": STEPS,
    }
    values = {
        "posters": [
            common
            | {"unit": page.unit, "help": page.help, "address": page.address, "qr": qr_svg(page.address)}
            for page in pages
        ]
    }
    return typeset("poster", values, title=f"Quét để dự thi: {contest}", created_at=made_at)
