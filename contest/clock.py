"""The one clock: the database's. Nothing else tells the time to the rules."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def db_now(session: Session) -> datetime:
    """Return the database's statement time, aware."""
    now = session.scalar(select(func.statement_timestamp()))
    assert now is not None
    return now
