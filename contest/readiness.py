"""Ready to open? The go/no-go list of a round: the page shows it, the opening obeys its red lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contest import audit, headcounts, heartbeats, pools
from contest.errors import BadInput, Conflict
from contest.formatting import vn_date, vn_datetime, vn_duration, vn_number
from contest.models import Attempt, AuditEvent, Prize, Round, RoundDivision
from contest.rules.wording import LEVEL_NAMES
from question_bank.draw import Cell, PoolItem, required_code, shortfalls

FRESH_BACKUP = timedelta(hours=24)
LATE_CHANGE = timedelta(hours=24)
NO_WORKER_HEARD = timedelta(seconds=30)
BACKUP_CONFIRMED = "backup.confirm"
BACKUP_MADE = "backup.make"
MOST_NAMED = 8
_PROCESSES = {heartbeats.WORKER: "Tiến trình chấm bài", heartbeats.SWEEP: "Tiến trình quét"}


@dataclass(frozen=True)
class Check:
    """One line of the list; kind error (a red line), warning or success."""

    kind: str
    title: str
    text: str


def refuse_unready(session: Session, round: Round, *, now: datetime) -> None:
    """Raise Conflict if a red line keeps the round from being opened."""
    red = [check for check in checks(session, round, now=now) if check.kind == "error"]
    if red:
        raise Conflict("Chưa mở được vòng thi. " + " ".join(f"{check.title}: {check.text}" for check in red))


def checks(
    session: Session,
    round: Round,
    *,
    now: datetime,
    items: Mapping[int, Sequence[PoolItem]] | None = None,
) -> list[Check]:
    """Return what must be (error) or should be (warning) in order before a round opens.

    `items` are those of pools.items_of_round, where they are read already.
    """
    items = pools.items_of_round(session, round, now=now) if items is None else items
    found = [_of_items(asked, items.get(asked.division_id, ())) for asked in round.divisions]
    if not round.divisions:
        found.append(Check("error", "Bảng thi", "Vòng thi chưa có bảng nào."))
    return [
        *found,
        _of_validity(session, round, items),
        _of_announcement(round),
        _of_late_change(session, round),
        *_of_headcounts(session, round),
        _of_prizes(session, round),
        _of_seed(round, now=now),
        _of_time(round, now=now),
        _of_backup(session, now=now),
        _of_workers(session, now=now),
    ]


# --- the bank ------------------------------------------------------------------------------------


def lacks(short: Sequence[tuple[Cell, int]]) -> str:
    """Return "T6/VD cần 4, có 3" for the cells that can't be filled."""
    return "; ".join(
        f"câu bắt buộc {code} không dùng được"
        if (code := required_code(cell))
        else f"{cell.topic}/{cell.level} cần {cell.count}, có {sure}"
        for cell, sure in short
    )


def _of_items(asked: RoundDivision, items: Sequence[PoolItem]) -> Check:
    title = f"Câu hỏi, {asked.division.name}"
    cells = pools.specification_cells(asked.specification)
    if not cells:
        return Check("error", title, "Chưa có cấu trúc đề.")
    short = shortfalls(items, cells)
    if short:
        return Check("error", title, f"Ngân hàng câu hỏi chưa đủ: {lacks(short)}.")
    total = sum(cell.count for cell in cells)
    text = f"{vn_number(len(items))} câu phù hợp cho đề {total} câu."
    if any(cell.level not in LEVEL_NAMES for cell in cells):
        return Check("error", title, "Cấu trúc đề có mức độ không có trong danh mục.")
    return Check("success", title, text)


def _of_validity(session: Session, round: Round, items: Mapping[int, Sequence[PoolItem]]) -> Check:
    title = "Hiệu lực của câu hỏi"
    codes = {item.code for of_division in items.values() for item in of_division}
    ending = pools.ending_within(session, round, codes)
    if not ending:
        return Check("success", title, "Không câu nào hết hiệu lực trong thời gian của vòng.")
    named = ", ".join(f"{code} (đến {vn_date(day)})" for code, day in ending[:MOST_NAMED])
    more = f" và {len(ending) - MOST_NAMED} câu khác" if len(ending) > MOST_NAMED else ""
    return Check("warning", title, f"Hết hiệu lực trước khi vòng đóng: {named}{more}.")


# --- what the public can read --------------------------------------------------------------------


def _of_announcement(round: Round) -> Check:
    if round.contest.announced_at is None:
        return Check("error", "Thể lệ", "Cuộc thi và thể lệ chưa được công bố.")
    return Check("success", "Thể lệ", f"Đã công bố lúc {vn_datetime(round.contest.announced_at)}.")


def _of_late_change(session: Session, round: Round) -> Check:
    title = "Thay đổi cấu hình"
    changed_at = session.scalar(
        select(func.max(AuditEvent.at)).where(
            AuditEvent.subject == f"round/{round.id}", AuditEvent.action == "round.configure"
        )
    )
    if changed_at is None or changed_at < round.opens_at - LATE_CHANGE:
        return Check("success", title, "Không thay đổi gì trong 24 giờ trước giờ mở.")
    words = f"Lần cuối lúc {vn_datetime(changed_at)}: người dự thi chỉ có ít thời gian đọc thể lệ mới."
    return Check("warning", title, words)


def _of_headcounts(session: Session, round: Round) -> list[Check]:
    contest = round.contest
    known = headcounts.known(session, [asked.division for asked in round.divisions])
    found = []
    for asked in round.divisions:
        of_division = known[asked.division_id]
        missing = of_division.units - of_division.known
        words = f"{vn_number(of_division.known)}/{vn_number(of_division.units)} đơn vị có số người."
        if missing > 0:
            words += " Đơn vị không có số người không được xếp hạng."
        kind = "warning" if missing > 0 else "success"
        found.append(Check(kind, f"Số người của đơn vị, {asked.division.name}", words))
    title = "Khóa số người của đơn vị"
    if contest.headcounts_locked_at is None:
        found.append(Check("error", title, "Chưa khóa và công bố số người của các đơn vị."))
    elif contest.headcounts_sha256 and headcounts.digest(session, contest) != contest.headcounts_sha256:
        words = "Số người hiện có không khớp với mã kiểm tra đã công bố."
        found.append(Check("error", title, words))
    else:
        found.append(Check("success", title, f"Đã khóa lúc {vn_datetime(contest.headcounts_locked_at)}."))
    return found


def _of_prizes(session: Session, round: Round) -> Check:
    title = "Giải thưởng"
    prizes = session.scalars(select(Prize).where(Prize.round_id == round.id).order_by(Prize.position)).all()
    if not prizes:
        return Check("warning", title, "Vòng này không có giải.")
    in_round = {asked.division_id for asked in round.divisions}
    if any(prize.division_id not in in_round for prize in prizes):
        return Check("error", title, "Có giải của bảng không dự thi vòng này.")
    lowest: dict[int, int] = {}
    for prize in prizes:
        if prize.worth > lowest.get(prize.division_id, prize.worth):
            words = f"“{prize.title}” có trị giá cao hơn giải đứng trước trong cùng bảng."
            return Check("warning", title, words)
        lowest[prize.division_id] = prize.worth
    points = {asked.division_id for asked in round.divisions if asked.unit_formula == "points"}
    if points - {prize.division_id for prize in prizes if prize.unit_points}:
        return Check("warning", title, "Đơn vị xếp theo điểm giải nhưng không giải nào của bảng có điểm.")
    count, worth = sum(one.count for one in prizes), sum(one.count * one.worth for one in prizes)
    return Check("success", title, f"{vn_number(count)} giải, tổng trị giá {vn_number(worth)} đồng.")


# --- seed and time -------------------------------------------------------------------------------


def _of_seed(round: Round, *, now: datetime) -> Check:
    title = "Cam kết hạt giống"
    if round.seed_text_source and not round.seed_text:
        if round.seed_commitment is None:
            return Check("error", title, "Cần công bố cam kết trước khi biết văn bản công khai.")
        return Check("error", title, f"Chưa ghi văn bản công khai: {round.seed_text_source}.")
    if round.seed_commitment is not None and round.committed_at is not None:
        return Check("success", title, f"Đã công bố lúc {vn_datetime(round.committed_at)}.")
    if now >= round.opens_at:
        return Check("error", title, "Đã đến giờ thi: cần công bố cam kết trước khi có người vào làm bài.")
    return Check("warning", title, "Được tạo và công bố ngay khi bấm mở; nên công bố sớm hơn.")


def _of_time(round: Round, *, now: datetime) -> Check:
    title = "Thời gian"
    if now >= round.closes_at:
        return Check("error", title, "Vòng thi đã qua thời điểm đóng.")
    if now >= round.opens_at:
        return Check("warning", title, "Đã qua giờ mở; người dự thi vào được ngay khi bấm mở.")
    return Check("success", title, "Mở trước giờ thi; chưa ai vào được trước giờ đã công bố.")


# --- machines ------------------------------------------------------------------------------------


def confirm_backup(session: Session, *, backed_up_at: datetime, now: datetime, actor_id: int) -> None:
    """Note that somebody says when the last backup was made. Raises BadInput for a moment to come."""
    if backed_up_at > now:
        sentence = "Thời điểm sao lưu không thể ở trong tương lai."
        raise BadInput(sentence, {"backed_up_at": sentence})
    audit.record(
        session,
        BACKUP_CONFIRMED,
        "backup",
        now=now,
        actor_id=actor_id,
        after={"backed_up_at": backed_up_at.isoformat()},
    )


def note_backup(session: Session, *, backed_up_at: datetime, sha256: str, now: datetime) -> None:
    """Note that `contest backup` has made a backup: of which moment, and the digest of its dump."""
    audit.record(
        session,
        BACKUP_MADE,
        "backup",
        now=now,
        after={"backed_up_at": backed_up_at.isoformat(), "sha256": sha256},
    )


def last_backup(session: Session) -> datetime | None:
    """Return of which moment the backup is that the command or a person has noted last."""
    after = session.scalar(
        select(AuditEvent.after)
        .where(AuditEvent.subject == "backup", AuditEvent.action.in_((BACKUP_CONFIRMED, BACKUP_MADE)))
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return datetime.fromisoformat(after["backed_up_at"]) if after else None


def _of_backup(session: Session, *, now: datetime) -> Check:
    title, made_at = "Sao lưu", last_backup(session)
    if made_at is None:
        return Check("warning", title, "Chưa có bản sao lưu nào được ghi nhận.")
    words = f"Bản gần nhất lúc {vn_datetime(made_at)}."
    if now - made_at > FRESH_BACKUP:
        return Check("warning", title, f"{words} Nên sao lưu lại trước khi mở.")
    return Check("success", title, words)


def _of_workers(session: Session, *, now: datetime) -> Check:
    """Judge the processes that score and close by their heartbeats, and by the work that waits."""
    title = "Tiến trình chấm bài"
    silent = heartbeats.silent(session, now=now)
    for kind, name in _PROCESSES.items():
        if kind in silent:
            return Check("error", title, f"{name} không báo hoạt động từ {vn_datetime(silent[kind])}.")
    waiting_since = session.scalar(
        select(func.min(Attempt.submitted_at)).where(
            Attempt.submitted_at.is_not(None), Attempt.scored_at.is_(None), Attempt.voided_at.is_(None)
        )
    )
    if waiting_since is not None and now - waiting_since >= NO_WORKER_HEARD:
        waited = vn_duration((now - waiting_since) // timedelta(milliseconds=1))
        return Check("warning", title, f"Có bài đã chờ chấm {waited}: cần kiểm tra máy chủ trước khi mở.")
    unheard = _PROCESSES.keys() - heartbeats.known(session)
    if unheard:
        return Check("warning", title, f"{_PROCESSES[min(unheard)]} chưa từng báo hoạt động.")
    return Check("success", title, "Đang hoạt động; không bài nào chờ chấm lâu.")
