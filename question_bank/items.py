"""The item: a question with its options and key, and what makes one fit for a paper."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

KINDS = ("single", "multiple", "true_false")
LEVELS = ("NB", "TH", "VD")
TOPICS = {
    "T1": "Khái niệm, mức độ dịch vụ công trực tuyến",
    "T2": "Cổng Dịch vụ công quốc gia và tài khoản",
    "T3": "Một cửa, một cửa liên thông, Trung tâm Phục vụ hành chính công",
    "T4": "Thủ tục hành chính trên môi trường điện tử, giá trị pháp lý",
    "T5": "Số hóa hồ sơ, kho dữ liệu điện tử, tái sử dụng dữ liệu",
    "T6": "Thanh toán trực tuyến, phí, lệ phí",
    "T7": "Căn cước, VNeID, Đề án 06",
    "T8": "Giao dịch điện tử, chữ ký số",
    "T9": "Bảo vệ dữ liệu cá nhân, an toàn mạng",
    "T10": "Chất lượng phục vụ: Bộ chỉ số 766, SIPAS, PAR INDEX, phản ánh kiến nghị",
    "T11": "Bắc Ninh: kế hoạch thi đua, chỉ tiêu, số liệu",
    "T12": "Tình huống thực hành",
}
FEWEST_OPTIONS, MOST_OPTIONS = 2, 8
LONGEST_ALT = 300


@dataclass(frozen=True)
class Option:
    """One option: limited HTML, and whether it keeps its place when options are shuffled."""

    text: str
    is_pinned: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture as it is stored: WebP. Its digest stands for its bytes wherever pictures are compared."""

    sha256: str
    width: int = field(compare=False)
    height: int = field(compare=False)
    content: bytes = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question as it stands in the bank; `key` holds the indices of the right options, from 0."""

    code: str
    kind: str
    stem: str
    # Shown below the stem; who can't see it is told `picture_alt`.
    picture: Picture | None = None
    picture_alt: str = ""
    options: tuple[Option, ...]
    key: tuple[int, ...]
    topic: str
    level: str
    divisions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    explanation: str = ""
    legal_document: str = ""
    legal_article: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


def problems_of(item: Item) -> Iterator[str]:
    """Yield what is wrong with an item, each a sentence for the person who wrote it."""
    if not item.code:
        yield "Câu hỏi chưa có mã."
    if item.kind not in KINDS:
        yield f"Loại câu hỏi “{item.kind}” không có; dùng: {', '.join(KINDS)}."
    if item.topic not in TOPICS:
        yield f"Chủ đề “{item.topic}” không có; dùng T1 đến T12."
    if item.level not in LEVELS:
        yield f"Mức độ “{item.level}” không có; dùng NB, TH hoặc VD."
    if not item.stem.strip():
        yield "Câu hỏi chưa có nội dung."
    if not FEWEST_OPTIONS <= len(item.options) <= MOST_OPTIONS:
        yield f"Câu hỏi phải có từ {FEWEST_OPTIONS} đến {MOST_OPTIONS} phương án."
    if item.kind == "true_false" and len(item.options) != FEWEST_OPTIONS:
        yield "Câu hỏi đúng/sai phải có đúng hai phương án."
    if any(not option.text.strip() for option in item.options):
        yield "Có phương án để trống."
    texts = [option.text.strip().casefold() for option in item.options]
    if len(set(texts)) < len(texts):
        yield "Có hai phương án trùng nhau."
    if not item.key:
        yield "Câu hỏi chưa có đáp án."
    elif len(set(item.key)) < len(item.key) or not set(item.key) <= set(range(len(item.options))):
        yield "Đáp án chỉ đến phương án không có hoặc lặp lại."
    elif item.kind != "multiple" and len(item.key) != 1:
        yield "Câu hỏi một lựa chọn phải có đúng một đáp án."
    if item.picture is None and item.picture_alt:
        yield "Có mô tả hình nhưng câu hỏi không có hình."
    if item.valid_from and item.valid_to and item.valid_from > item.valid_to:
        yield "Ngày hết hiệu lực đứng trước ngày bắt đầu."


def problems_before_approval(item: Item) -> Iterator[str]:
    """Yield what still keeps an item from being approved."""
    yield from problems_of(item)
    if item.picture is not None and not item.picture_alt.strip():
        yield "Hình của câu hỏi chưa có mô tả bằng chữ."
    if not item.explanation.strip():
        yield "Câu hỏi chưa có lời giải thích."
    if not item.legal_document.strip():
        yield "Câu hỏi chưa có căn cứ (văn bản)."
