"""Questions that read alike: the pairs that a search found, and those that a person found different."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.accounts import Account


class FoundDuplicate(Base):
    """Two items whose stems read alike, as a search of the whole bank (a task) found them.

    It holds while both texts still have the fingerprints of then. It goes when the next search is done.
    """

    __tablename__ = "found_duplicates"
    __table_args__ = (
        CheckConstraint("first_item_id <> second_item_id", name="two_items"),
        CheckConstraint("similarity > 0 AND similarity <= 1", name="similarity_is_a_part"),
    )

    task_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tasks.id"), primary_key=True)
    first_item_id: Mapped[int] = mapped_column(ForeignKey("bank_items.id"), primary_key=True)
    second_item_id: Mapped[int] = mapped_column(ForeignKey("bank_items.id"), primary_key=True)
    first_fingerprint: Mapped[str]
    second_fingerprint: Mapped[str]
    similarity: Mapped[float]


class Distinction(Base):
    """Two texts that somebody found to be different questions: told by fingerprints, the lesser first.

    A changed text has another fingerprint, and the pair is looked at again.
    """

    __tablename__ = "distinctions"
    __table_args__ = (CheckConstraint("first_fingerprint < second_fingerprint", name="in_order"),)

    first_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    second_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    made_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())

    made_by: Mapped[Account] = relationship()
