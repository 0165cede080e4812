"""The one clock: the database's. Nothing else tells the time to the rules."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, func, select
from sqlalchemy.orm import Session

LOCAL_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def db_now(session: Session) -> datetime:
    """Return the database's statement time, aware."""
    return session.execute(select(func.statement_timestamp(type_=DateTime(timezone=True)))).scalar_one()


def local_today(session: Session) -> date:
    """Return the day that it is in Vietnam."""
    return db_now(session).astimezone(LOCAL_ZONE).date()
