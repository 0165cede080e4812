"""Complaints: filed in the window after the provisional results, answered before the official ones."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, joinedload

from contest import audit
from contest.clock import LOCAL_ZONE
from contest.errors import BadInput, Conflict, NotThere
from contest.models import Complaint, Contest, Round
from contest.rules.working_days import last_day
from contest.security import new_public_id

TOPICS = {
    "item": "Câu hỏi, đáp án",
    "score": "Điểm bài thi",
    "rank": "Thứ hạng, giải thưởng",
    "person": "Người đạt giải không đúng đối tượng hoặc vi phạm",
    "other": "Việc khác",
}
DECISIONS = {"upheld": "Chấp nhận", "partly": "Chấp nhận một phần", "dismissed": "Không chấp nhận"}
FEWEST_SIGNS = 10
# Nobody needs more in one round, and a script must not fill the table.
MOST_OF_A_PERSON = 5
MOST_DAYS_MORE = 10


def window_end(published_at: datetime, days: int) -> datetime:
    """Return when a window of so many working days ends: at midnight, in Vietnam, holidays respected."""
    begins = published_at.astimezone(LOCAL_ZONE).date()
    import holidays  # here: it is large, and seldom needed

    calendar = holidays.country_holidays("VN", years=(begins.year, begins.year + 1))
    day: date = last_day(begins, days, calendar)
    return datetime.combine(day + timedelta(days=1), time(), LOCAL_ZONE)


def extend_window(
    session: Session, round: Round, days: int, *, reason: str, actor_id: int, now: datetime
) -> None:
    """Let the window end so many working days later. Raises Conflict without a window or a reason."""
    session.refresh(round, with_for_update=True)
    before = round.complaints_close_at
    if before is None:
        raise Conflict("Chưa có kết quả dự kiến nên chưa có thời hạn kiến nghị.")
    if not 1 <= days <= MOST_DAYS_MORE:
        raise Conflict(f"Kéo dài được từ 1 đến {MOST_DAYS_MORE} ngày làm việc.")
    if not reason:
        raise Conflict("Bạn cần ghi lý do kéo dài.")
    # A window that is over opens again from today.
    last_moment = max(before - timedelta(seconds=1), now)
    round.complaints_close_at = window_end(last_moment, days)
    session.flush()
    audit.record(
        session,
        "complaints.extend",
        f"round/{round.id}",
        now=now,
        actor_id=actor_id,
        before={"closes_at": before.isoformat()},
        after={"closes_at": round.complaints_close_at.isoformat()},
        reason=reason,
    )


def is_open(round: Round, *, now: datetime) -> bool:
    """Tell whether complaints about a round are taken now."""
    return round.complaints_close_at is not None and now < round.complaints_close_at


def file(
    session: Session,
    round: Round,
    *,
    topic: str,
    text: str,
    now: datetime,
    account_id: int | None = None,
    complainant: str | None = None,
    received_by_id: int | None = None,
) -> Complaint:
    """Take a complaint and give it the contest's next number.

    By the person themselves (`account_id`), or by staff for somebody who wrote or came (`complainant`,
    `received_by_id`; `now` is when it came in). Raises Conflict outside the window, BadInput.
    """
    if topic not in TOPICS:
        raise BadInput("Bạn hãy chọn nội dung kiến nghị.", {"topic": "Bạn hãy chọn nội dung kiến nghị."})
    if len(text) < FEWEST_SIGNS:
        sentence = "Bạn hãy viết rõ điều bạn kiến nghị."
        raise BadInput(sentence, {"text": sentence})
    if account_id is None and not complainant:
        sentence = "Bạn hãy ghi tên người kiến nghị."
        raise BadInput(sentence, {"complainant": sentence})
    # The contest's row is the counter's lock: numbers come without gaps, in the order they are given.
    session.execute(select(Contest.id).where(Contest.id == round.contest_id).with_for_update(key_share=True))
    session.refresh(round)
    if not is_open(round, now=now):
        raise Conflict("Chỉ nhận kiến nghị trong thời hạn sau khi công bố kết quả dự kiến.")
    numbers = select(func.coalesce(func.max(Complaint.number), 0))
    last = session.scalar(numbers.where(Complaint.contest_id == round.contest_id)) or 0
    if account_id is not None and _count_of(session, round.id, account_id) >= MOST_OF_A_PERSON:
        raise Conflict(
            f"Bạn đã gửi {MOST_OF_A_PERSON} kiến nghị về vòng này. Ban Tổ chức sẽ trả lời từng kiến nghị."
        )
    complaint = Complaint(
        public_id=new_public_id(),
        contest_id=round.contest_id,
        number=last + 1,
        round_id=round.id,
        account_id=account_id,
        complainant=complainant if account_id is None else None,
        received_by_id=received_by_id,
        filed_at=now,
        topic=topic,
        text=text,
    )
    session.add(complaint)
    session.flush()
    audit.record(
        session,
        "complaint.file",
        f"complaint/{complaint.number}",
        now=now,
        actor_id=received_by_id or account_id,
        after={"round": round.id, "topic": topic},
    )
    return complaint


def _count_of(session: Session, round_id: int, account_id: int) -> int:
    query = select(func.count()).where(Complaint.round_id == round_id, Complaint.account_id == account_id)
    return session.scalar(query) or 0


def decide(
    session: Session, complaint: Complaint, *, decision: str, answer: str, actor_id: int, now: datetime
) -> None:
    """Answer a complaint, once. Raises Conflict a second time or for one's own, BadInput."""
    if decision not in DECISIONS:
        raise BadInput("Bạn hãy chọn quyết định.", {"decision": "Bạn hãy chọn quyết định."})
    if len(answer) < FEWEST_SIGNS:
        sentence = "Bạn hãy viết câu trả lời cho người kiến nghị."
        raise BadInput(sentence, {"answer": sentence})
    if complaint.account_id == actor_id:
        raise Conflict("Không ai tự trả lời kiến nghị của mình.")
    decided = session.execute(
        update(Complaint)
        .where(Complaint.id == complaint.id, Complaint.decided_at.is_(None))
        .values(decided_at=now, decided_by_id=actor_id, decision=decision, answer=answer)
        .returning(Complaint.id)
    ).one_or_none()
    if decided is None:
        raise Conflict("Kiến nghị này đã được trả lời.")
    session.refresh(complaint)
    audit.record(
        session,
        "complaint.decide",
        f"complaint/{complaint.number}",
        now=now,
        actor_id=actor_id,
        after={"decision": decision},
    )


def find(session: Session, number: int, contest_id: int) -> Complaint:
    """Return a complaint by its number in a contest. Raises NotThere."""
    return _one(session, Complaint.number == number, Complaint.contest_id == contest_id)


def find_own(session: Session, public_id: str, account_id: int) -> Complaint:
    """Return a person's own complaint. Raises NotThere."""
    return _one(session, Complaint.public_id == public_id, Complaint.account_id == account_id)


def _one(session: Session, *conditions: ColumnElement[bool]) -> Complaint:
    complaint = session.scalar(
        select(Complaint)
        .where(*conditions)
        .options(
            joinedload(Complaint.round), joinedload(Complaint.account), joinedload(Complaint.received_by)
        )
    )
    if complaint is None:
        raise NotThere("Không tìm thấy kiến nghị này.")
    return complaint


def own(session: Session, account_id: int, contest_id: int) -> Sequence[Complaint]:
    """Return a person's complaints in a contest, the newest first."""
    return session.scalars(
        select(Complaint)
        .where(Complaint.account_id == account_id, Complaint.contest_id == contest_id)
        .order_by(Complaint.number.desc())
    ).all()


def of_round(session: Session, round_id: int) -> Sequence[Complaint]:
    """Return a round's complaints, those without an answer first, in the order they came."""
    return session.scalars(
        select(Complaint)
        .where(Complaint.round_id == round_id)
        .order_by(Complaint.decided_at.is_not(None), Complaint.number)
        .options(joinedload(Complaint.account), joinedload(Complaint.decided_by))
    ).all()


def counts(session: Session, round_id: int) -> tuple[int, int]:
    """Return how many complaints about a round there are, and how many have no answer yet."""
    row = session.execute(
        select(func.count(), func.count().filter(Complaint.decided_at.is_(None))).where(
            Complaint.round_id == round_id
        )
    ).one()
    return row[0], row[1]
