"""The printed rules: chapters, articles and clauses, generated from the settings that the program runs by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contest.rules import wording
from contest.rules.configuration import ContestDivision, ContestSettings, DivisionSettings, RoundSettings
from contest.rules.exclusions import KINDS
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.rules.figures import vn_duration
from question_bank.draw import required_code

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Clause:
    """A khoản, with its points a), b), c) where it has some."""

    text: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Article:
    """A điều. `table` names what the page shows beneath it: schedule, prizes, digests."""

    title: str
    clauses: tuple[Clause, ...]
    table: str = ""
    number: int = 0


@dataclass(frozen=True)
class Chapter:
    """A chương; one on rounds names them."""

    title: str
    articles: tuple[Article, ...]
    rounds: tuple[RoundSettings, ...] = ()


def chapters(
    contest: ContestSettings, rounds: Sequence[RoundSettings], groups: Mapping[str, str]
) -> list[Chapter]:
    """Return the rules of a contest: what holds throughout, and a chapter for rounds that are run alike."""
    alike: dict[object, list[RoundSettings]] = {}
    for one in rounds:
        alike.setdefault(_terms(one), []).append(one)
    parts = [Chapter("Quy định chung", _general(contest, groups))]
    for those in alike.values():
        title = "Các vòng thi" if len(alike) == 1 else ", ".join(one.title for one in those)
        parts.append(Chapter(title, _of_rounds(contest, those[0]), tuple(those)))
    parts.append(Chapter("Công bố và kiểm chứng", _closing(contest)))
    return _numbered(parts)


def _terms(one: RoundSettings) -> object:
    """Return what tells the rules of two rounds apart: of their papers only the size is told."""
    divisions = tuple(
        replace(asked, specification=(), barred=(), chain=asked.effective_chain) for asked in one.divisions
    )
    sizes = tuple((asked.size, _required(asked)) for asked in one.divisions)
    prizes = tuple(replace(prize, code="") for prize in one.prizes)
    same = replace(one, number=0, title="", opens_at=_EPOCH, closes_at=_EPOCH)
    return replace(same, divisions=divisions, prizes=prizes), sizes


def _required(asked: DivisionSettings) -> int:
    return sum(required_code(cell) is not None for cell in asked.specification)


def _numbered(parts: Sequence[Chapter]) -> list[Chapter]:
    number, numbered = 0, []
    for part in parts:
        articles = []
        for article in part.articles:
            number += 1
            articles.append(replace(article, number=number))
        numbered.append(replace(part, articles=tuple(articles)))
    return numbered


# --- what holds throughout -----------------------------------------------------------------------


def _general(contest: ContestSettings, groups: Mapping[str, str]) -> tuple[Article, ...]:
    return (
        Article(
            "Đối tượng dự thi",
            (
                Clause(wording.age(contest.minimum_age)),
                Clause(
                    "Mỗi người dùng một tài khoản theo số điện thoại của mình và dự thi ở một bảng:",
                    tuple(f"{one.name}: {wording.division(one, groups)}" for one in contest.divisions),
                ),
                Clause("Bảng thi và đơn vị được giữ cố định từ lượt thi đầu tiên."),
            ),
        ),
        Article(
            "Trường hợp không xếp hạng",
            (
                Clause(
                    "Thành viên Ban Tổ chức, người soạn, thẩm định, duyệt câu hỏi của vòng thi và những "
                    "người "
                    "Ban Tổ chức nêu tên trước được dự thi nhưng không được xếp hạng, không được xét giải."
                ),
                Clause(
                    "Người thuộc một trong các trường hợp sau bị loại khỏi bảng xếp hạng:",
                    tuple(KINDS.values()),
                ),
                Clause(
                    "Máy chỉ nêu nghi vấn, không tự loại ai. Loại một người trước khi chốt sổ cần lý do và "
                    "hai "
                    "người quyết định; công khai chỉ ghi loại lý do, kèm mã rút đề của người đó."
                ),
                Clause(
                    "Người bị loại không có trong bảng xếp hạng và không tính vào số người của đơn vị; "
                    "người xếp dưới được đưa lên."
                ),
            ),
        ),
        Article(
            "Lịch thi", (Clause("Thời gian theo giờ Việt Nam và theo đồng hồ của máy chủ."),), "schedule"
        ),
        Article(
            "Rút đề",
            (
                Clause(
                    "Câu hỏi được rút từ ngân hàng câu hỏi theo cùng một cơ cấu cho mọi người trong bảng; "
                    "câu hỏi, "
                    "thứ tự câu và thứ tự phương án của mỗi người khác nhau."
                ),
                Clause(
                    "Đề của mỗi lượt được tính từ hạt giống ngẫu nhiên của vòng thi và mã rút đề ngẫu "
                    "nhiên của "
                    "từng người; không ai chọn được câu hỏi cho ai. Câu người đó đã gặp chỉ được dùng lại "
                    "khi "
                    "không còn câu khác."
                ),
            ),
        ),
    )


# --- rounds --------------------------------------------------------------------------------------


def _of_rounds(contest: ContestSettings, one: RoundSettings) -> tuple[Article, ...]:
    names = {division.code: division for division in contest.divisions}
    asked = [(names[entry.division], entry) for entry in one.divisions if entry.division in names]
    articles = [
        *_who(contest, one),
        _paper(one, asked),
        Article("Số lượt thi", (Clause(wording.attempts(one)),)),
        Article(
            "Chấm điểm",
            (
                Clause("Mỗi câu đúng được 1 điểm. Câu sai hoặc bỏ trống được 0 điểm, không bị trừ điểm."),
                Clause(wording.marking(one.is_partial)),
                Clause(
                    "Câu hỏi bị hủy được tính đủ điểm cho mọi người gặp câu đó. Sửa đáp án cần hai người "
                    "quyết định, "
                    "chấm lại cho tất cả và được công bố."
                ),
            ),
        ),
        *_prediction(asked),
        _people(asked),
        Article(
            "Xếp hạng đơn vị",
            (
                Clause(
                    "Mỗi bảng xếp riêng, các nhóm đơn vị xếp riêng:",
                    tuple(f"{division.name}: {wording.units(entry, division)}" for division, entry in asked),
                ),
                Clause(
                    "Người dự thi là số người khác nhau có bài được tính, không phải số lượt. Bằng nhau "
                    "thì xét điểm "
                    "trung bình, rồi số người dự thi; vẫn bằng thì đồng hạng. Số người của đơn vị theo "
                    "nguồn nêu "
                    "tên và được khóa trước vòng thi đầu tiên."
                ),
            ),
        ),
        *_prizes(one),
        Article(
            "Điều gì hiện ra khi nào",
            (
                Clause(wording.score_shown(one.score_shown)),
                Clause(wording.leaderboard(one.is_leaderboard_live)),
                *_predictions_hidden(asked),
            ),
        ),
        Article("Hạt giống", (Clause(wording.seed(one.seed_text_source)),)),
        Article("Kiến nghị về kết quả", (Clause(wording.complaints(one.complaint_days)),)),
    ]
    return tuple(articles)


def _who(contest: ContestSettings, one: RoundSettings) -> list[Article]:
    if len(contest.divisions) == 1:
        return []
    codes = {asked.division for asked in one.divisions}
    return [Article("Bảng dự thi", (Clause(wording.who(codes, contest.divisions)),))]


def _paper(one: RoundSettings, asked: Sequence[tuple[ContestDivision, DivisionSettings]]) -> Article:
    return Article(
        "Bài thi",
        (
            Clause(
                "Số câu hỏi và thời gian làm bài:",
                tuple(_size(one, division, entry) for division, entry in asked),
            ),
            Clause(
                "Người bắt đầu muộn làm bài đến khi vòng thi đóng. Hết giờ, những gì đã lưu được tự động "
                "nộp; "
                f"máy chủ chờ thêm {vn_duration(one.grace_ms)} để bài đang gửi kịp về, như nhau với mọi "
                "người."
            ),
            Clause(
                "Mất mạng hay đóng trang, người dự thi mở lại và làm tiếp trên bất kỳ thiết bị nào; thời "
                "gian vẫn "
                "tính. Khi hệ thống gặp sự cố, Ban Tổ chức bù đúng thời gian đã mất hoặc cho thi lại, có "
                "ghi nhật ký."
            ),
            Clause(
                "Người khuyết tật được thêm thời gian khi Ban Tổ chức chấp thuận; thời gian thêm được quy "
                "đổi, "
                "không làm ai lợi hay thiệt khi xếp hạng."
            ),
        ),
    )


def _size(one: RoundSettings, division: ContestDivision, entry: DivisionSettings) -> str:
    words = f"{division.name}: {entry.size} câu hỏi trong {vn_duration(one.duration_ms)}."
    required = _required(entry)
    return f"{words} {required} câu mọi người trong bảng đều gặp." if required else words


def _prediction(asked: Sequence[tuple[ContestDivision, DivisionSettings]]) -> list[Article]:
    points = tuple(
        f"{division.name}: {wording.prediction(entry)}"
        for division, entry in asked
        if entry.prediction_counted
    )
    if not points:
        return []
    explained = Clause(
        "Câu dự đoán không tính điểm, chỉ dùng để xếp hạng khi bằng điểm. Kết quả để so sánh được đếm một "
        "lần "
        "sau khi vòng thi đóng và mọi bài đã chấm xong; không có ai để đếm thì bỏ qua tiêu chí này."
    )
    return [Article("Câu dự đoán", (Clause("Mỗi lượt thi có một câu dự đoán:", points), explained))]


def _predictions_hidden(asked: Sequence[tuple[ContestDivision, DivisionSettings]]) -> tuple[Clause, ...]:
    if not any(entry.prediction_counted for _, entry in asked):
        return ()
    return (Clause("Số dự đoán không ai xem được trước khi chốt sổ, kể cả Ban Tổ chức."),)


def _people(asked: Sequence[tuple[ContestDivision, DivisionSettings]]) -> Article:
    by_chain: dict[tuple[str, ...], list[str]] = {}
    for division, entry in asked:
        by_chain.setdefault(entry.effective_chain, []).append(division.name)
    clauses = [
        Clause(
            "Mỗi bảng xếp riêng. Tiêu chí trước bằng nhau mới xét tiêu chí sau; bằng nhau ở mọi tiêu chí thì "
            "đồng hạng."
        )
    ]
    for names, who in by_chain.items():
        of = "Xếp trên" if len(by_chain) == 1 else f"Bảng {', '.join(who)}, xếp trên"
        clauses.append(
            Clause(f"{of} lần lượt là:", tuple(f"Ai {CRITERIA_IN_WORDS[name]}." for name in names))
        )
    return Article("Xếp hạng cá nhân", tuple(clauses))


def _prizes(one: RoundSettings) -> list[Article]:
    if not one.prizes:
        return []
    return [
        Article(
            "Giải thưởng mỗi vòng",
            (
                Clause(f"{wording.prizes(one.prizes)} Người từ chối giải giữ thứ hạng, giải được xét tiếp."),
                Clause(wording.earlier_winners(one.is_skipping_earlier_winners)),
                Clause(
                    "Nếu những người đồng hạng nhiều hơn số giải còn lại, thứ tự của họ do bốc thăm quyết "
                    "định: số "
                    "thăm của mỗi người được tính bằng HMAC-SHA256 từ khóa bốc thăm và mã rút đề của người "
                    "đó, số "
                    "nhỏ hơn đứng trước; danh sách ghi rõ điều đó. "
                    f"{wording.lot(one.lot_text_source)}"
                ),
            ),
            "prizes",
        )
    ]


# --- afterwards ----------------------------------------------------------------------------------


def _closing(contest: ContestSettings) -> tuple[Article, ...]:
    return (
        Article("Xếp hạng chung", (Clause(wording.standing(contest.has_standing)),)),
        Article(
            "Công bố kết quả",
            (
                Clause(
                    "Ban Tổ chức công bố kết quả dự kiến, có số phiên bản, thời điểm và mã kiểm tra; bản sửa "
                    "đổi phải nêu lý do, các bản trước vẫn được giữ."
                ),
                Clause(
                    "Khi đã hết hạn kiến nghị và trả lời mọi kiến nghị, kết quả chính thức được công bố "
                    "sau khi có người thứ hai phê duyệt. Sai sót tìm thấy về sau được sửa bằng một bản "
                    "công bố mới."
                ),
                Clause("Gia hạn, tạm dừng, đóng sớm vòng thi chỉ được thực hiện có lý do và ghi nhật ký."),
            ),
        ),
        Article(
            "Dữ liệu cá nhân",
            (
                Clause(
                    "Danh sách công khai ghi tên viết tắt, đơn vị và kết quả; không bao giờ có số điện "
                    "thoại hay "
                    "ngày sinh đầy đủ."
                ),
            ),
            "privacy",
        ),
        Article(
            "Kiểm chứng",
            (
                Clause(
                    "Trước khi vòng thi mở, Ban Tổ chức công bố mã SHA-256 của hạt giống (hoặc của số bí "
                    "mật tạo ra "
                    "hạt giống) và của bộ câu hỏi; sau khi vòng thi đóng, hạt giống được công bố. Nhờ vậy "
                    "ai cũng "
                    "kiểm tra được rằng đề thi không bị chọn cho riêng ai và không bị thay đổi."
                ),
            ),
            "digests",
        ),
    )
