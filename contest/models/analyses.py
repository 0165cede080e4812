"""Analyses: what a closed round tells of its questions and its people, worked out once and kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base
from contest.models.contests import Division, Round


class RoundAnalysis(Base):
    """One division of a closed round, derived from its counted attempts; worked out anew when they change."""

    __tablename__ = "round_analyses"
    __table_args__ = (
        UniqueConstraint("round_id", "division_id"),
        CheckConstraint("papers >= 0", name="papers_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    computed_at: Mapped[datetime]
    # The ranking whose counted attempts these are; a later one makes the analysis outdated.
    as_of: Mapped[datetime]
    papers: Mapped[int]
    reliability: Mapped[dict[str, Any]]
    # By code; each item with the version that was drawn.
    items: Mapped[dict[str, Any]]
    # Participation, scores and knowledge, whole: whoever shows them hides what is of too few people.
    statistics: Mapped[dict[str, Any]]

    round: Mapped[Round] = relationship()
    division: Mapped[Division] = relationship()
