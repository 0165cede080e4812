"""Accounts: made at registration, found by phone or sign-in name, signed in by sessions in SQL."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as DbSession
from sqlalchemy.orm import joinedload, selectinload

from contest.errors import BadInput
from contest.models import Account, Consent, RoleGrant, Session
from contest.rules.eligibility import normal_phone
from contest.security import login_tag, new_public_id, new_token, seal, token_hash, unseal
from question_bank.text import fold

LOGIN_PURPOSE = "login"
CONSENT_VERSION = "2026-11"
# The text of each consent; participation is the only one that taking part needs.
CONSENTS = {
    "participation": (
        "Tôi đồng ý cho Ban Tổ chức xử lý họ tên, ngày sinh, số điện thoại, đơn vị và bài làm của tôi để "
        "tổ chức cuộc thi, và biết rằng bài làm dưới mã số ẩn danh có trong dữ liệu mở của vòng thi."
    ),
    "publication": (
        "Tôi đồng ý công bố họ tên, đơn vị và kết quả của tôi nếu tôi đạt giải; trong danh sách chung "
        "tên tôi được viết tắt. Khi tôi đạt giải, ai cũng có thể tìm thấy đề thi và bài làm của tôi "
        "trong dữ liệu mở của vòng thi."
    ),
    "contact": "Tôi đồng ý để Ban Tổ chức liên hệ qua số điện thoại này khi tôi đạt giải.",
}
PARTICIPANT_SESSION = timedelta(days=30)
STAFF_SESSION = timedelta(hours=10)


@dataclass(frozen=True)
class SignedIn:
    """A new session: its row, and the token that only the browser keeps."""

    session: Session
    token: str


def normal_login(text: str) -> str:
    """Return what an account is found by: the normal phone number, or a staff sign-in name."""
    return normal_phone(text) or text.strip().lower()


def create(
    session: DbSession,
    *,
    login: str,
    name: str,
    password_hash: str,
    birth_date: date | None,
    consents: Collection[str] = (),
    roles: Collection[str] = (),
    data_key: str,
    now: datetime,
) -> Account:
    """Make an account with its consents and roles. Raises BadInput if the phone has one already."""
    login = normal_login(login)
    account = Account(
        draw_id=new_public_id(),
        login_tag=login_tag(data_key, login),
        login_sealed=seal(data_key, login.encode(), LOGIN_PURPOSE),
        name=name,
        search_text=fold(name),
        birth_date=birth_date,
        password_hash=password_hash,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError as error:
        if "login_tag" not in str(error.orig):
            raise
        sentence = "Số điện thoại này đã có tài khoản. Bạn hãy đăng nhập, hoặc nhờ Ban Tổ chức hỗ trợ."
        raise BadInput(sentence, {"phone": sentence}) from None
    session.add_all(
        Consent(account_id=account.id, purpose=purpose, text_version=CONSENT_VERSION, granted_at=now)
        for purpose in consents
    )
    session.add_all(RoleGrant(account_id=account.id, role=role, granted_at=now) for role in roles)
    session.flush()
    return account


def find(session: DbSession, login: str, *, data_key: str) -> Account | None:
    """Return the account of a phone number or sign-in name, unless it is locked."""
    tag = login_tag(data_key, normal_login(login))
    return session.scalar(
        select(Account)
        .where(Account.login_tag == tag, Account.locked_at.is_(None))
        .options(selectinload(Account.roles))
    )


def login_of(account: Account, *, data_key: str) -> str:
    """Return the phone number or sign-in name of an account in clear."""
    return unseal(data_key, account.login_sealed, LOGIN_PURPOSE).decode()


def sign_in(session: DbSession, account: Account, *, now: datetime) -> SignedIn:
    """Open a session for an account whose password was right."""
    token = new_token()
    lifetime = STAFF_SESSION if account.roles else PARTICIPANT_SESSION
    opened = Session(
        account_id=account.id, token_hash=token_hash(token), created_at=now, expires_at=now + lifetime
    )
    session.add(opened)
    session.flush()
    return SignedIn(opened, token)


def live_session(session: DbSession, token: str) -> Session | None:
    """Return the session of a token, its account and roles with it, if it is alive."""
    return session.scalar(
        select(Session)
        .join(Session.account)
        .where(
            Session.token_hash == token_hash(token),
            Session.revoked_at.is_(None),
            Session.expires_at > text("statement_timestamp()"),
            Account.locked_at.is_(None),
        )
        .options(joinedload(Session.account).selectinload(Account.roles))
    )


def sign_out(session: DbSession, token: str, *, now: datetime) -> None:
    """End the session of a token."""
    session.execute(
        update(Session)
        .where(Session.token_hash == token_hash(token), Session.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def consents_of(session: DbSession, account_id: int) -> Sequence[Consent]:
    """Return what a person has agreed to, the oldest first."""
    return session.scalars(
        select(Consent).where(Consent.account_id == account_id).order_by(Consent.granted_at, Consent.id)
    ).all()


def has_consented(session: DbSession, account_ids: Collection[int], purpose: str) -> frozenset[int]:
    """Return those of the accounts that have a standing consent for the purpose."""
    return frozenset(
        session.scalars(
            select(Consent.account_id).where(
                Consent.account_id.in_(account_ids),
                Consent.purpose == purpose,
                Consent.withdrawn_at.is_(None),
            )
        )
    )
