"""Long work: what is to be done, how far it has come, and what came out."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account


class Task(Base):
    """Work that takes longer than a request, done in steps; each step is one transaction.

    The row is the to-do list: it is open until `finished_at`, and whoever steps it holds its lock.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("done >= 0 AND total >= 0", name="counts"),
        CheckConstraint("error IS NULL OR finished_at IS NOT NULL", name="failed_is_finished"),
        Index("ix_tasks_open", "id", postgresql_where=text("finished_at IS NULL")),
        Index("ix_tasks_kind_subject", "kind", "subject"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str]
    # What it is about, as the audit log names things: "round/3", "import/17".
    subject: Mapped[str]
    # What it is called on pages.
    title: Mapped[str]
    argument: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    # How far: total is 0 until the first step knows it.
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    stepped_at: Mapped[datetime | None]
    # Steps that failed in a row.
    failures: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[datetime | None]
    # Why it was given up, a sentence; None if it went well.
    error: Mapped[str | None]
    result: Mapped[dict[str, Any]] = mapped_column(server_default="{}")

    created_by: Mapped[Account | None] = relationship()
