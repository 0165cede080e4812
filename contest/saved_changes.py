"""A saved change of a configuration: judged, of the version that was seen, and in the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from contest import audit
from contest.errors import BadInput, Conflict
from contest.formatting import vn_time
from contest.models import AuditEvent, Contest, Round
from contest.rules import wording


class ChangedMeanwhile(Conflict):
    """Somebody else has saved since the person read; `version` is what there is now."""

    def __init__(self, sentence: str, version: int) -> None:
        super().__init__(sentence)
        self.version = version


def refuse(problems: Mapping[str, str]) -> None:
    """Raise BadInput if there are problems."""
    if problems:
        raise BadInput("Có mục chưa hợp lệ: " + " ".join(problems.values()), dict(problems))


def refuse_other(session: Session, subject: str, version: int, seen: int) -> None:
    """Raise ChangedMeanwhile if another version was seen than there is."""
    if version == seen:
        return
    since = session.scalars(
        select(AuditEvent)
        .where(
            AuditEvent.subject == subject,
            AuditEvent.action.endswith(".configure"),
            AuditEvent.after["version"].as_integer() > seen,
        )
        .order_by(AuditEvent.id)
        .options(joinedload(AuditEvent.actor))
    ).all()
    who = "Cấu hình đã được sửa"
    if since:
        last = since[-1]
        names = wording.changed(name for event in since for name in event.after or ())
        who = f"{last.actor.name if last.actor else 'Hệ thống'} đã lưu lúc {vn_time(last.at)} ({names})"
    raise ChangedMeanwhile(
        f"{who} trong khi bạn đang sửa. Những gì bạn nhập còn nguyên bên dưới; khi lưu lần nữa, các mục của "
        "biểu mẫu này thay cho bản vừa lưu.",
        version,
    )


def add(session: Session, row: Contest | Round, taken: Mapping[str, str]) -> None:
    """Store a row; what a unique constraint refuses is told at its field."""
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        raise BadInput(" ".join(taken.values()), dict(taken)) from None


def record(
    session: Session,
    action: str,
    subject: str,
    before: dict[str, Any],
    after: dict[str, Any],
    version: int,
    now: datetime,
    actor_id: int,
) -> None:
    """Append a change to the log, with the version that it made."""
    audit.record(
        session,
        action,
        subject,
        now=now,
        actor_id=actor_id,
        before=before,
        after={"version": version, **after},
    )
