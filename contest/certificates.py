"""Certificates: issued from an official publication, checked by anyone, printed for their holders."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer, joinedload

from contest import accounts, audit
from contest.documents import certificates as printed
from contest.errors import Conflict, NotThere
from contest.models import Account, Attempt, Certificate, Division, Publication, Round, Standing, Unit
from contest.models.units import GROUPS
from contest.rules.naming import public_name
from contest.security import RECEIPT_ALPHABET, RECEIPT_LENGTH, new_receipt_code

PLACES = {1: "Hạng Nhất", 2: "Hạng Nhì", 3: "Hạng Ba"}
MOST_UNIT_PLACES = 10


@dataclass(frozen=True)
class Said:
    """What a certificate says of whom; two that say the same are one."""

    kind: str
    account_id: int | None
    unit_id: int
    division_id: int
    name: str
    prize_code: str | None = None
    prize: str | None = None


@dataclass(frozen=True)
class Issued:
    """How many certificates an issue made, and how many it revoked."""

    new: int
    revoked: int


# --- issuing ---------------------------------------------------------------------------------------


def issue(
    session: Session, round: Round, *, unit_places: int = 3, now: datetime, actor_id: int | None
) -> Issued:
    """Certify what the round's newest official publication says: its winners, and its first units.

    Twice is harmless: what holds stays as it is. What no longer holds, or reads otherwise now, is
    revoked. Raises Conflict without an official publication.
    """
    session.refresh(round, with_for_update=True)  # a second click waits here
    publication = official(session, round.id)
    if publication is None:
        raise Conflict("Giấy chứng nhận được cấp theo bản công bố chính thức; vòng này chưa có bản nào.")
    wanted = dict.fromkeys(
        [*_winners(session, publication), *_first_units(session, publication, unit_places)]
    )
    holding = {
        Said(*said): id
        for id, *said in session.execute(
            select(Certificate.id, *(getattr(Certificate, field.name) for field in fields(Said))).where(
                _holds(round.id), Certificate.kind != "participation"
            )
        )
    }
    revoked = _revoke(session, publication, [id for said, id in holding.items() if said not in wanted], now)
    made = _insert(session, publication, [said for said in wanted if said not in holding], now)
    if made or revoked:
        audit.record(
            session,
            "certificates.issue",
            f"round/{round.id}",
            now=now,
            actor_id=actor_id,
            after={"version": publication.version, "new": made, "revoked": revoked},
        )
    return Issued(made, revoked)


def certify_taking_part(session: Session, account: Account, round_id: int, *, now: datetime) -> Certificate:
    """Return the person's certificate of having taken part in a round, issuing it the first time.

    Raises Conflict before the official publication, or where the person is not in the standings.
    """
    publication = official(session, round_id)
    standing = session.scalar(
        select(Standing).where(Standing.round_id == round_id, Standing.account_id == account.id)
    )
    if publication is None or standing is None:
        raise Conflict(
            "Giấy chứng nhận tham gia có sau khi công bố kết quả chính thức, cho người có kết quả."
        )
    said = Said("participation", account.id, standing.unit_id, standing.division_id, account.name)
    if _insert(session, publication, [said], now):
        audit.record(
            session,
            "certificates.take_part",
            f"round/{round_id}/person/{account.draw_id}",
            now=now,
            actor_id=account.id,
            after={"version": publication.version},
        )
    return session.scalars(
        select(Certificate).where(
            _holds(round_id), Certificate.kind == "participation", Certificate.account_id == account.id
        )
    ).one()


def official(session: Session, round_id: int) -> Publication | None:
    """Return the newest official publication of a round."""
    return session.scalar(
        select(Publication)
        .where(Publication.round_id == round_id, Publication.kind == "official")
        .order_by(Publication.version.desc())
        .limit(1)
    )


def _holds(round_id: int) -> ColumnElement[bool]:
    return (Certificate.round_id == round_id) & Certificate.revoked_at.is_(None)


def _divisions(session: Session, publication: Publication) -> dict[str, int]:
    query = (
        select(Division.code, Division.id)
        .join(Round, Round.contest_id == Division.contest_id)
        .where(Round.id == publication.round_id)
    )
    return {row.code: row.id for row in session.execute(query)}


def _winners(session: Session, publication: Publication) -> list[Said]:
    """Return what the publication says of its winners, under their names in full."""
    rows = publication.content["winners"]
    people = {
        attempt: (account_id, unit_id, name)
        for attempt, account_id, unit_id, name in session.execute(
            select(Attempt.public_id, Attempt.account_id, Attempt.unit_id, Account.name)
            .join(Account, Account.id == Attempt.account_id)
            .where(Attempt.public_id.in_([row["attempt"] for row in rows]))
        )
    }
    divisions = _divisions(session, publication)
    said = []
    for row in rows:
        account_id, unit_id, name = people[row["attempt"]]
        division_id = divisions[row["division"]]
        said.append(Said("prize", account_id, unit_id, division_id, name, row["prize"], row["prize_title"]))
    return said


def _first_units(session: Session, publication: Publication, places: int) -> list[Said]:
    rows = [row for row in publication.content["units"] if row["rank"] and row["rank"] <= places]
    units = {
        row.code: row.id
        for row in session.execute(
            select(Unit.code, Unit.id).where(Unit.code.in_([one["code"] for one in rows]))
        )
    }
    divisions = _divisions(session, publication)
    return [
        Said(
            "unit",
            None,
            units[row["code"]],
            divisions[row["division"]],
            row["unit"],
            prize=PLACES.get(row["rank"], f"Hạng {row['rank']}"),
        )
        for row in rows
    ]


def _revoke(session: Session, publication: Publication, ids: Collection[int], now: datetime) -> int:
    """Revoke these, and the certificates of people who are no longer in the standings; return how many."""
    in_standings = exists().where(
        Standing.round_id == Certificate.round_id, Standing.account_id == Certificate.account_id
    )
    revoked = session.scalars(
        update(Certificate)
        .where(
            _holds(publication.round_id),
            Certificate.id.in_(ids) | ((Certificate.kind == "participation") & ~in_standings),
        )
        .values(
            revoked_at=now,
            revoke_reason=f"Kết quả đã thay đổi ở bản công bố số {publication.version}.",
        )
        .returning(Certificate.id)
    )
    return len(revoked.all())


def _insert(session: Session, publication: Publication, new: Sequence[Said], now: datetime) -> int:
    """Insert what does not hold already; return how many."""
    if not new:
        return 0
    common = {"publication_id": publication.id, "round_id": publication.round_id, "issued_at": now}
    made = session.scalars(
        insert(Certificate).on_conflict_do_nothing().returning(Certificate.id),
        [common | {"code": new_receipt_code()} | asdict(said) for said in new],
    )
    return len(made.all())


# --- finding ---------------------------------------------------------------------------------------

_WITH_ALL = (
    joinedload(Certificate.round).joinedload(Round.contest),
    joinedload(Certificate.division),
    joinedload(Certificate.unit),
    joinedload(Certificate.account),
    joinedload(Certificate.publication).options(defer(Publication.content)),
)


def find(session: Session, code: str) -> Certificate:
    """Return the certificate of a code as people type it, revoked or not. Raises NotThere."""
    code = normal_code(code)
    is_code = len(code) == RECEIPT_LENGTH and set(code) <= set(RECEIPT_ALPHABET)
    query = select(Certificate).where(Certificate.code == code).options(*_WITH_ALL)
    found = session.scalar(query) if is_code else None
    if found is None:
        raise NotThere("Không có giấy chứng nhận nào mang mã này.")
    return found


def find_own(session: Session, code: str, account_id: int) -> Certificate:
    """Return the person's own certificate that holds. Raises NotThere for any other."""
    found = find(session, code)
    if found.account_id != account_id or found.revoked_at is not None:
        raise NotThere("Không có giấy chứng nhận nào của bạn mang mã này.")
    return found


def normal_code(typed: str) -> str:
    """Return a code as it is stored: capitals, no dashes, and what is read alike read as meant."""
    return typed.upper().replace("-", "").replace(" ", "").translate(str.maketrans("OIL", "011"))


def shown_code(code: str) -> str:
    """Return a code in groups that people can read aloud."""
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


def of_account(session: Session, account_id: int) -> Sequence[Certificate]:
    """Return the certificates of a person that hold, the newest first."""
    return session.scalars(
        select(Certificate)
        .where(Certificate.account_id == account_id, Certificate.revoked_at.is_(None))
        .order_by(Certificate.id.desc())
        .options(*_WITH_ALL)
    ).all()


def rounds_to_certify(session: Session, account_id: int) -> Sequence[Round]:
    """Return the rounds of which the person may ask for a certificate of having taken part."""
    has_one = exists().where(
        Certificate.round_id == Round.id,
        Certificate.account_id == account_id,
        Certificate.kind == "participation",
        Certificate.revoked_at.is_(None),
    )
    is_official = exists().where(Publication.round_id == Round.id, Publication.kind == "official")
    return session.scalars(
        select(Round)
        .join(Standing, Standing.round_id == Round.id)
        .where(Standing.account_id == account_id, is_official, ~has_one)
        .order_by(Round.closes_at)
    ).all()


def of_round(
    session: Session, round_id: int, *, after: int = 0, limit: int | None = None
) -> Sequence[Certificate]:
    """Return the prize and unit certificates of a round that hold, in the order they were issued."""
    return session.scalars(
        select(Certificate)
        .where(_holds(round_id), Certificate.kind != "participation", Certificate.id > after)
        .order_by(Certificate.id)
        .limit(limit)
        .options(*_WITH_ALL)
    ).all()


def counts(session: Session, round_id: int) -> dict[str, int]:
    """Return how many certificates of each kind hold in a round, and how many are "revoked"."""
    kind = case((Certificate.revoked_at.is_not(None), "revoked"), else_=Certificate.kind).label("kind")
    rows = session.execute(
        select(kind, func.count().label("number")).where(Certificate.round_id == round_id).group_by(kind)
    )
    return {row.kind: row.number for row in rows}


# --- showing and printing --------------------------------------------------------------------------


def shown_name(session: Session, certificate: Certificate) -> str:
    """Return the holder's name as anyone may see it: as consented now, winners in full."""
    account = certificate.account
    if account is None:
        return certificate.name
    granted = accounts.has_consented(session, [account.id], "publication")
    return public_name(
        certificate.name,
        account.draw_id,
        is_publication_granted=account.id in granted,
        is_winner=certificate.kind == "prize",
    )


def page_of(certificate: Certificate) -> printed.Certificate:
    """Return the certificate as it is printed for its holder: the name in full."""
    code = shown_code(certificate.code)
    named = {"round": certificate.round.title, "contest": certificate.round.contest.title}
    division = f"Bảng {certificate.division.name}"
    unit = certificate.unit
    match certificate.kind:
        case "prize":
            return printed.PrizeCertificate(
                code, certificate.name, unit.name, certificate.prize or "", division, **named
            )
        case "unit":
            group = f"Nhóm {GROUPS.get(unit.group, unit.group)}, {division}"
            return printed.UnitCertificate(code, certificate.name, certificate.prize or "", group, **named)
        case _:
            return printed.ParticipationCertificate(code, certificate.name, unit.name, **named)
