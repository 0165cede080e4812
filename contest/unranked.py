"""People who may play but are not ranked: organizers, item writers, whom the organizers name before."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit, leaderboards
from contest.errors import BadInput, Conflict, NotThere
from contest.models import Account, Contest, Registration, Round, Standing, UnrankedPerson
from contest.rules.eligibility import normal_phone
from contest.security import login_tag

REASON = (
    "Theo thể lệ: thành viên Ban Tổ chức, người soạn, thẩm định, duyệt câu hỏi hoặc người được nêu tên trước."
)

# A role held at any time until the closing takes out by the rule alone, one that is granted while the round
# is open too: whoever works for the organizers may have seen what nobody else has, and roles are granted by
# the operator's command only, never on a page. The printed rules say so.
# Named after the opening, a person is not taken out by this rule: that takes a reason and two people.
# Who was taken out by it and let back in stays in.
_EXCLUDE = text("""
WITH named AS (
  SELECT grants.account_id FROM role_grants grants, rounds r
  WHERE r.id = :round AND (grants.ended_at IS NULL OR grants.ended_at >= r.committed_at)
  UNION
  SELECT unnest(v.author_ids || ARRAY[v.reviewed_by_id, v.approved_by_id])
  FROM pools p CROSS JOIN LATERAL jsonb_each_text(p.item_versions) frozen
  JOIN item_versions v ON v.id = CAST(frozen.value AS integer)
  WHERE p.round_id = :round
  UNION
  SELECT a.id FROM unranked_people u JOIN accounts a ON a.login_tag = u.login_tag
  JOIN rounds r ON r.contest_id = u.contest_id
  WHERE r.id = :round AND u.added_at <= r.opened_at
)
INSERT INTO exclusions (round_id, account_id, kind, reason, excluded_at)
SELECT r.id, g.account_id, 'organizer', :reason, :now
FROM rounds r JOIN registrations g ON g.contest_id = r.contest_id JOIN named n ON n.account_id = g.account_id
WHERE r.id = :round AND r.opened_at IS NOT NULL AND r.books_closed_at IS NULL
  AND (CAST(:account AS integer) IS NULL OR g.account_id = :account)
  AND NOT EXISTS (SELECT FROM exclusions x WHERE x.round_id = r.id AND x.account_id = g.account_id
                  AND (x.lifted_at IS NULL OR x.excluded_by_id IS NULL))
ON CONFLICT DO NOTHING
RETURNING account_id
""")


def exclude(session: Session, round_id: int, *, now: datetime, account_id: int | None = None) -> list[int]:
    """Keep an opened round's organizers and item writers out of its standings; return whom this added.

    With an account only that one is looked at. Doing it again changes nothing. The caller has taken
    its turn at ranking if somebody may have a standing already.
    """
    added = session.scalars(
        _EXCLUDE, {"round": round_id, "account": account_id, "reason": REASON, "now": now}
    ).all()
    struck = session.scalars(
        delete(Standing)
        .where(Standing.round_id == round_id, Standing.account_id.in_(added))
        .returning(Standing.id)
    ).all()
    if struck:
        leaderboards.call_for_ranking(session, session.get_one(Round, round_id))
    if added:
        audit.record(
            session,
            "round.exclude_organizers",
            f"round/{round_id}",
            now=now,
            after={"accounts": sorted(added)},
            reason=REASON,
        )
    return list(added)


def exclude_entrant(session: Session, account_id: int, contest_id: int, *, now: datetime) -> None:
    """Do the same for somebody who enters while rounds are opened already."""
    opened = select(Round.id).where(
        Round.contest_id == contest_id, Round.opened_at.is_not(None), Round.books_closed_at.is_(None)
    )
    for round_id in session.scalars(opened.order_by(Round.number)).all():
        exclude(session, round_id, now=now, account_id=account_id)


def name_person(
    session: Session, contest: Contest, *, phone: str, note: str, data_key: str, now: datetime, actor_id: int
) -> UnrankedPerson:
    """Name somebody who may play but is not ranked, by phone, with or without an account.

    It holds for the rounds that open later. Raises BadInput, or Conflict if the person is named already.
    """
    normal = normal_phone(phone)
    if normal is None:
        sentence = "Số điện thoại cần là số di động 10 chữ số, ví dụ 0912 345 678."
        raise BadInput(sentence, {"phone": sentence})
    if not note:
        sentence = "Bạn hãy ghi người đó là ai, ví dụ họ tên và đơn vị."
        raise BadInput(sentence, {"note": sentence})
    person = UnrankedPerson(
        contest_id=contest.id,
        login_tag=login_tag(data_key, normal),
        note=note,
        added_by_id=actor_id,
        added_at=now,
    )
    try:
        with session.begin_nested():
            session.add(person)
    except IntegrityError:
        raise Conflict("Số điện thoại này đã có trong danh sách không xếp hạng.") from None
    audit.record(
        session,
        "contest.name_unranked",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        after={"note": note},
    )
    return person


def unname_person(
    session: Session, contest: Contest, person_id: int, *, now: datetime, actor_id: int
) -> None:
    """Take somebody off the list, for the rounds that open later. Raises NotThere."""
    person = session.get(UnrankedPerson, person_id)
    if person is None or person.contest_id != contest.id:
        raise NotThere("Không tìm thấy người này trong danh sách.")
    session.delete(person)
    session.flush()
    audit.record(
        session,
        "contest.unname_unranked",
        f"contest/{contest.id}",
        now=now,
        actor_id=actor_id,
        before={"note": person.note},
    )


def named_people(session: Session, contest_id: int) -> Sequence[tuple[UnrankedPerson, bool]]:
    """Return who is named, the newest first, and whether they take part."""
    takes_part = exists().where(
        Account.login_tag == UnrankedPerson.login_tag,
        Registration.account_id == Account.id,
        Registration.contest_id == contest_id,
    )
    rows = session.execute(
        select(UnrankedPerson, takes_part)
        .where(UnrankedPerson.contest_id == contest_id)
        .order_by(UnrankedPerson.id.desc())
        .options(joinedload(UnrankedPerson.added_by))
    )
    return [(person, is_in) for person, is_in in rows]
