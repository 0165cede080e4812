"""People: accounts, what they agreed to, what they may do, where they are signed in."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base

ROLES = ("organizer", "approver", "administrator")


class Account(Base):
    """A person who takes part or works here.

    The phone (or a staff member's sign-in name) is kept twice: as a keyed tag to find it by, and
    sealed to read it. Neither works without the data key, which is not in the database.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("login_tag"),
        UniqueConstraint("draw_id"),
        CheckConstraint("length(draw_id) = 22", name="draw_id_length"),
        CheckConstraint("name <> ''", name="has_name"),
        Index("ix_accounts_crowd", "crowd", postgresql_where=text("crowd IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # Used for the draw and nothing else, never shown beside a name in public.
    draw_id: Mapped[str]
    login_tag: Mapped[bytes]
    login_sealed: Mapped[bytes]
    name: Mapped[str]
    search_text: Mapped[str]
    birth_date: Mapped[date | None]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    locked_at: Mapped[datetime | None]
    # Of a virtual person: the crowd that it came with and goes with.
    crowd: Mapped[str | None]

    roles: Mapped[list["RoleGrant"]] = relationship(
        back_populates="account",
        primaryjoin="and_(RoleGrant.account_id == Account.id, RoleGrant.ended_at.is_(None))",
    )


class RoleGrant(Base):
    """A role that somebody has, from when to when."""

    __tablename__ = "role_grants"
    __table_args__ = (
        CheckConstraint(f"role IN {ROLES}", name="known_role"),
        Index(
            "uq_role_grants_account_id_role_open",
            "account_id",
            "role",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    role: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    ended_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(back_populates="roles")


class Session(Base):
    """A sign-in on one device. Only the SHA-256 of the cookie's token is kept."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("ix_sessions_account_id", "account_id"),
        CheckConstraint("expires_at > created_at", name="expires_after_creation"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()


class Consent(Base):
    """What a person agreed to: the purpose, the version of the text, from when to when."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_account_id", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    purpose: Mapped[str]
    text_version: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    withdrawn_at: Mapped[datetime | None]
