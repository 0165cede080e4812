"""Units: communes and agencies, their old names, and how many people they have."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from contest.extensions import Base

GROUPS = {
    "ward": "Phường",
    "commune": "Xã",
    "department": "Cơ quan chuyên môn thuộc UBND",
    "public_service": "Đơn vị sự nghiệp",
    "vertical": "Cơ quan ngành dọc",
}


class Unit(Base):
    """An organization or commune that people take part for."""

    __tablename__ = "units"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("kind IN ('commune', 'agency')", name="known_kind"),
        Index("ix_units_kind_sort_key", "kind", "sort_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    # The group within which it is ranked; for display see GROUPS.
    group: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    search_text: Mapped[str]
    sort_key: Mapped[str]

    parent: Mapped["Unit | None"] = relationship(remote_side=[id])


class UnitAlias(Base):
    """An old name under which people still look for a unit: a former commune or district."""

    __tablename__ = "unit_aliases"
    __table_args__ = (UniqueConstraint("unit_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    name: Mapped[str]
    search_text: Mapped[str]

    unit: Mapped[Unit] = relationship()


class Headcount(Base):
    """How many people of a division a unit has, by a named source. Locked before the first round."""

    __tablename__ = "headcounts"
    __table_args__ = (
        UniqueConstraint("division_id", "unit_id"),
        CheckConstraint("headcount >= 0", name="not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    division_id: Mapped[int] = mapped_column(ForeignKey("divisions.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    headcount: Mapped[int]
    source: Mapped[str]
