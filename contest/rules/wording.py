"""Every setting in a sentence that says what it means for people.

The forms show the sentence under the setting, the printed rules are made of the same ones
(rules/articles.py): what organizers set is what people read. Moments are worded in the zone they
come in.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from contest.rules.configuration import (
    ContestDivision,
    ContestSettings,
    DivisionSettings,
    PrizeSettings,
    RoundSettings,
)
from contest.rules.eligibility import GUARDIAN_AGE, youngest
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.rules.figures import vn_duration, vn_number
from question_bank.draw import Cell, required_code
from question_bank.items import LEVELS

LEVEL_NAMES = {"NB": "nhận biết", "TH": "thông hiểu", "VD": "vận dụng"}
COUNTED = {
    "people": "số người dự thi",
    "full": "số người trả lời đúng tất cả các câu hỏi",
    "percentage": "tỷ lệ phần trăm người trả lời đúng tất cả các câu hỏi, ghi được đến 5 chữ số thập phân",
}
OVER = {"division": "trong bảng của mình ở vòng đó", "round": "trong cả vòng, tính chung các bảng"}
COUNTS = {
    "best": "Kết quả tốt nhất được tính.",
    "first": "Kết quả của lượt đầu tiên được tính.",
    "last": "Kết quả của lượt cuối cùng được tính.",
}
ONLY_ATTEMPT = "Mỗi người chỉ có một lượt nên mục này chưa có tác dụng."
FORMULAS = {
    "rate": "theo tỷ lệ người dự thi trên tổng số người của đơn vị",
    "rate_mean": (
        "theo tích của tỷ lệ người dự thi trên tổng số người của đơn vị (tối đa 100%) và điểm trung bình"
    ),
    "points": (
        "theo tổng của 100 × tỷ lệ người dự thi trên tổng số người của đơn vị (tối đa 100%) "
        "và điểm của các giải mà người của đơn vị đạt được"
    ),
}

# What each setting is called, for the history of changes.
SETTINGS = {
    "number": "số thứ tự",
    "title": "tên",
    "opens_at": "giờ mở",
    "closes_at": "giờ đóng",
    "duration_ms": "thời gian làm bài",
    "grace_ms": "thời gian chờ bài",
    "attempts_allowed": "số lượt thi",
    "counts": "lượt được tính",
    "cooldown_ms": "khoảng cách giữa hai lượt",
    "is_partial": "điểm từng phần",
    "score_shown": "lúc hiện điểm",
    "is_leaderboard_live": "bảng xếp hạng trực tiếp",
    "is_skipping_earlier_winners": "người đã đạt giải",
    "complaint_days": "thời hạn kiến nghị",
    "seed_text_source": "nguồn văn bản cho hạt giống",
    "lot_text_source": "nguồn văn bản bốc thăm",
    "seed_text": "văn bản cho hạt giống",
    "lot_text": "văn bản bốc thăm",
    "division": "bảng dự thi",
    "prizes": "giải thưởng",
    "specification": "cấu trúc đề",
    "barred": "câu không dùng",
    "chain": "thứ tự xét",
    "prediction_counted": "câu dự đoán",
    "prediction_over": "phạm vi dự đoán",
    "unit_formula": "cách xếp hạng đơn vị",
    "unit_threshold_percent": "ngưỡng tỷ lệ",
    "unit_minimum_headcount": "số người tối thiểu của đơn vị",
    "is_listed_below_threshold": "đơn vị dưới ngưỡng",
    "slug": "địa chỉ trang",
    "summary": "tóm tắt",
    "minimum_age": "tuổi tối thiểu",
    "has_standing": "xếp hạng chung",
    "name": "tên bảng",
    "unit_kind": "đơn vị của bảng",
    "unit_groups": "nhóm đơn vị",
    "is_residence_required": "nơi cư trú",
}


def changed(record: Iterable[str]) -> str:
    """Return what the settings of a record are called, each once: "giờ mở, thứ tự xét"."""
    record = list(record)
    # Of a division that came or went all its settings differ; that it did says enough.
    moved = {name.rpartition(".")[0] for name in record if name.endswith(".division")}
    told = (name for name in record if name.endswith(".division") or name.rpartition(".")[0] not in moved)
    names = (SETTINGS.get(name.rpartition(".")[2]) for name in told)
    return ", ".join(dict.fromkeys(name for name in names if name))


def moment(at: datetime) -> str:
    """Return "08:00 ngày 30/11/2026", in the zone that the moment comes in."""
    return at.strftime("%H:%M ngày %d/%m/%Y")


# --- a round -------------------------------------------------------------------------------------


def of_round(settings: RoundSettings, divisions: Sequence[ContestDivision]) -> dict[str, str]:
    """Return the sentences of a round's settings, by setting; `divisions` are those of the contest."""
    is_once = settings.attempts_allowed == 1
    return {
        "divisions": who({one.division for one in settings.divisions}, divisions),
        "opens_at": f"Người dự thi vào làm bài từ {moment(settings.opens_at)}.",
        "closes_at": (
            f"Sau {moment(settings.closes_at)} không ai bắt đầu được bài mới; bài đang làm dừng lúc đó."
        ),
        "duration_ms": (
            f"Mỗi lượt làm bài trong {vn_duration(settings.duration_ms)}. Người bắt đầu muộn làm bài đến khi "
            "vòng thi đóng."
        ),
        "grace_ms": (
            f"Hết giờ, máy chủ còn chờ {vn_duration(settings.grace_ms)} để bài đang gửi kịp về, "
            "như nhau với mọi người."
        ),
        "attempts_allowed": attempts(settings),
        "counts": ONLY_ATTEMPT if is_once else COUNTS[settings.counts],
        "cooldown_ms": ONLY_ATTEMPT if is_once else cooldown(settings.cooldown_ms),
        "is_partial": marking(settings.is_partial),
        "score_shown": score_shown(settings.score_shown),
        "is_leaderboard_live": leaderboard(settings.is_leaderboard_live),
        "is_skipping_earlier_winners": earlier_winners(settings.is_skipping_earlier_winners),
        "complaint_days": complaints(settings.complaint_days),
        "seed_text_source": seed(settings.seed_text_source),
        "lot_text_source": lot(settings.lot_text_source),
    }


def who(codes: Collection[str], divisions: Sequence[ContestDivision]) -> str:
    """Return which of a contest's divisions a round is for."""
    own = [one.name for one in divisions if one.code in codes]
    others = [one.name for one in divisions if one.code not in codes]
    if not own:
        return "Chưa chọn bảng nào."
    if not others:
        return "Dành cho mọi bảng thi."
    return f"Dành cho bảng {'; '.join(own)}. Không dành cho bảng {'; '.join(others)}."


def attempts(settings: RoundSettings) -> str:
    """Return how often one may sit, which time counts, and how far apart the times are."""
    allowed = f"Mỗi người được thi {settings.attempts_allowed} lượt trong mỗi vòng."
    if settings.attempts_allowed == 1:
        return allowed
    apart = f" {cooldown(settings.cooldown_ms)}" if settings.cooldown_ms else ""
    return f"{allowed} {COUNTS[settings.counts]}{apart} Lượt đã bắt đầu mà bỏ dở cũng được tính là một lượt."


def cooldown(cooldown_ms: int) -> str:
    """Return how far apart a person's attempts are."""
    if not cooldown_ms:
        return "Nộp bài xong có thể thi lượt tiếp theo ngay."
    return (
        f"Hai lượt cách nhau ít nhất {vn_duration(cooldown_ms)}, tính từ lúc nộp bài đến lúc bắt đầu "
        "lượt sau."
    )


def marking(is_partial: bool) -> str:
    """Return what an answer to a question with several right options is worth."""
    if is_partial:
        return (
            "Câu có nhiều đáp án được điểm theo (số lựa chọn đúng − số lựa chọn sai) ÷ số đáp án đúng, "
            "thấp nhất là 0."
        )
    return "Câu có nhiều đáp án chỉ được điểm khi chọn đúng và đủ."


def score_shown(shown: str) -> str:
    """Return when people see their own score."""
    when = "ngay sau khi bài được chấm" if shown == "at_once" else "sau khi vòng thi đóng"
    return f"Người dự thi thấy điểm của mình {when}; đáp án và giải thích chỉ hiện sau khi vòng thi đóng."


def leaderboard(is_live: bool) -> str:
    """Return when the public sees ranks and counts."""
    if is_live:
        return "Bảng xếp hạng hiện ngay trong thời gian thi, ghi là tạm tính."
    return "Bảng xếp hạng chỉ hiện sau khi vòng thi đóng."


def earlier_winners(is_skipping: bool) -> str:
    """Return what holds for people who won in rounds before."""
    if is_skipping:
        return (
            "Người đã đạt giải theo kết quả chính thức của các vòng đóng trước giữ thứ hạng nhưng không được "
            "xét giải ở vòng này; giải đã từ chối không tính là đạt giải."
        )
    return "Người đã đạt giải ở vòng trước vẫn được xét giải ở vòng này."


def complaints(days: int) -> str:
    """Return how long complaints are taken after the provisional results."""
    return (
        f"Trong {days:02d} ngày làm việc kể từ khi công bố kết quả dự kiến (không tính ngày công bố, "
        "ngày nghỉ hằng tuần và ngày lễ), người dự thi gửi được kiến nghị; mỗi kiến nghị có số và được "
        "trả lời."
    )


def seed(source: str | None) -> str:
    """Return where the random seed of the round comes from."""
    if source:
        return (
            "Hạt giống là SHA-256 của một số bí mật và một văn bản ngẫu nhiên công khai, lấy từ: "
            f"{source}. Mã SHA-256 của số bí mật được công bố trước khi biết văn bản; văn bản được công bố "
            "trước khi vòng thi mở."
        )
    return "Hạt giống do máy chủ sinh ngẫu nhiên; mã SHA-256 của nó được công bố trước khi vòng thi mở."


def lot(source: str | None) -> str:
    """Return what the lots are drawn by."""
    if source:
        return f"Khóa bốc thăm là SHA-256 của một văn bản ngẫu nhiên công khai, nêu trước nguồn: {source}."
    return "Khóa bốc thăm là chính hạt giống của vòng thi."


# --- a division of a round -----------------------------------------------------------------------


def of_division(asked: DivisionSettings, division: ContestDivision) -> dict[str, str]:
    """Return the sentences of what a round asks of a division, by setting."""
    barred = len(asked.barred)
    return {
        "specification": specification(asked.specification),
        "barred": (
            f"{barred} câu của ngân hàng không được dùng trong vòng này."
            if barred
            else "Không câu nào bị loại."
        ),
        "chain": chain(asked.effective_chain),
        "prediction": prediction(asked),
        "unit_formula": units(asked, division),
    }


def specification(cells: Sequence[Cell]) -> str:
    """Return what a paper is made of."""
    total = sum(cell.count for cell in cells)
    if not total:
        return "Đề chưa có câu hỏi nào."
    levels = [(LEVEL_NAMES[level], sum(c.count for c in cells if c.level == level)) for level in LEVELS]
    parts = ", ".join(f"{count} câu {name}" for name, count in levels if count)
    topics: dict[str, int] = {}
    for cell in cells:
        topics[cell.topic] = topics.get(cell.topic, 0) + cell.count
    by_topic = ", ".join(f"{topic}: {count}" for topic, count in topics.items())
    required = sum(required_code(cell) is not None for cell in cells)
    words = f"Mỗi đề có {total} câu: {parts} (theo chủ đề {by_topic})."
    return f"{words} {required} câu mọi người trong bảng đều gặp." if required else words


def chain(names: Sequence[str]) -> str:
    """Return the order of the criteria in a sentence."""
    words = "; ".join(f"{place}) ai {CRITERIA_IN_WORDS[name]}" for place, name in enumerate(names, start=1))
    return f"Xếp trên là {words}. Bằng nhau ở mọi tiêu chí thì đồng hạng."


def prediction(asked: DivisionSettings) -> str:
    """Return what is to be predicted."""
    if asked.prediction_counted is None:
        return "Bảng này không có câu dự đoán."
    return f"Người dự thi dự đoán {COUNTED[asked.prediction_counted]} {OVER[asked.prediction_over]}."


def units(asked: DivisionSettings, division: ContestDivision) -> str:
    """Return how units are ranked by a division's people."""
    words = [f"Xếp {FORMULAS[asked.unit_formula]}."]
    if asked.unit_threshold_percent:
        below = (
            "được liệt kê bên dưới mà không xếp hạng"
            if asked.is_listed_below_threshold
            else "không được liệt kê"
        )
        words.append(f"Đơn vị có tỷ lệ dưới {asked.unit_threshold_percent}% {below}.")
    if asked.unit_minimum_headcount:
        words.append(f"Chỉ xếp hạng đơn vị có từ {vn_number(asked.unit_minimum_headcount)} người.")
    if division.unit_kind == "commune":
        words.append("Tỷ lệ được ghi theo số người trên 1.000 dân.")
    return " ".join(words)


# --- prizes --------------------------------------------------------------------------------------


def prizes(table: Sequence[PrizeSettings]) -> str:
    """Return how many prizes there are and what they are worth in all."""
    if not table:
        return "Vòng này không có giải."
    count, worth = sum(one.count for one in table), sum(one.count * one.worth for one in table)
    value = f", tổng trị giá {vn_number(worth)} đồng" if worth else ""
    return f"{vn_number(count)} giải{value}. Mỗi người nhận một giải, giải cao nhất của mình theo thứ tự này."


# --- a contest -----------------------------------------------------------------------------------


def of_contest(settings: ContestSettings) -> dict[str, str]:
    """Return the sentences of a contest's settings, by setting."""
    return {
        "minimum_age": age(settings.minimum_age),
        "has_standing": standing(settings.has_standing),
        "slug": f"Trang công khai ở địa chỉ /contests/{settings.slug or '…'}.",
    }


def age(minimum_age: int) -> str:
    """Return from which age people may take part."""
    words = f"Người từ đủ {youngest(minimum_age)} tuổi."
    if minimum_age < GUARDIAN_AGE:
        words += (
            f" Người dưới {GUARDIAN_AGE} tuổi chỉ được dự thi khi cả người đó và người giám hộ đồng ý; hệ "
            "thống chưa nhận đăng ký kèm sự đồng ý của người giám hộ."
        )
    return words


def standing(has_standing: bool) -> str:
    """Return whether people are ranked over all the rounds."""
    if has_standing:
        return (
            "Có xếp hạng chung cả cuộc thi: tổng điểm được tính của các vòng cao hơn, rồi tổng thời gian làm "
            "bài ngắn hơn, rồi lần nộp cuối sớm hơn; vòng không thi được 0 điểm."
        )
    return "Mỗi vòng xếp hạng riêng, không có xếp hạng chung cả cuộc thi."


def division(one: ContestDivision, groups: Mapping[str, str]) -> str:
    """Return who is in a division; `groups` names the unit groups."""
    where = "xã, phường nơi cư trú" if one.unit_kind == "commune" else "cơ quan, đơn vị công tác"
    words = f"tính cho {where}"
    if one.unit_groups:
        words += f" thuộc nhóm {', '.join(groups.get(code, code) for code in one.unit_groups)}"
    if not one.is_residence_required:
        return f"{words}; người cư trú ngoài tỉnh cũng được dự thi."
    return f"{words}; người dự thi cần cư trú tại một xã, phường trong tỉnh."
