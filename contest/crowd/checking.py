"""Every acknowledgement of a crowd held against the database."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from contest.crowd.ledger import Entry, Ledger, Sent
from contest.models import Attempt

BATCH = 2000


def faults(session: Session, ledger: Ledger) -> Iterator[str]:
    """Yield what the server acknowledged and the database does not hold, a sentence each.

    An acknowledged attempt is there and its person's; it holds the acknowledged sheet or one that was
    sent after it; one that was handed in holds the sheet that it was handed in with, under its receipt.
    """
    columns = (
        Attempt.public_id,
        Attempt.account_id,
        Attempt.save_seq,
        Attempt.save_editor,
        Attempt.responses,
        Attempt.submitted_at,
        Attempt.how,
        Attempt.receipt_code,
    )
    public_ids = list(ledger.entries)
    for begin in range(0, len(public_ids), BATCH):
        ids = public_ids[begin : begin + BATCH]
        found = {
            row.public_id: row for row in session.execute(select(*columns).where(Attempt.public_id.in_(ids)))
        }
        for public_id in ids:
            fault = _fault(found.get(public_id), ledger.entries[public_id])
            if fault:
                yield f"{public_id}: {fault}"


def _fault(row: Row[Any] | None, entry: Entry) -> str | None:
    if row is None:
        return "started, and not there"
    if entry.account_id is not None and row.account_id != entry.account_id:
        return "somebody else's"
    if entry.handed_in and row.submitted_at is None:
        return "submission acknowledged, and still open"
    if entry.receipt and row.receipt_code != entry.receipt:
        return "another receipt than the one shown"
    stored = Sent(row.save_seq, row.save_editor, row.responses)
    if entry.acknowledged is not None and stored.seq < entry.acknowledged.seq:
        return f"sheet {entry.acknowledged.seq} acknowledged, {stored.seq} stored"
    if entry.handed_in and row.how == "person":
        return None if stored == entry.handed_in else "handed in with another sheet than the one sent"
    known = [entry.acknowledged, entry.handed_in, *entry.unanswered]
    if stored.seq and stored not in known:
        return f"sheet {stored.seq} is stored with answers that were not sent"
    return None
