"""The table of routes: who may ask for what. A route that is not in it fails a test and answers 404.

Authorisation is read from here before any view runs. Whose object it is, the view's own query
decides: `find and authorise in one step`.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Who(Enum):
    """Who may use a route."""

    EVERYBODY = "everybody"
    SIGNED_IN = "signed in"
    STAFF = "staff"
    # The saving statement itself finds the session: no account is loaded on the hot path.
    SESSION_IN_STATEMENT = "session in the statement"


@dataclass(frozen=True)
class Policy:
    """What holds for one route."""

    who: Who
    # For staff: one of these roles is needed; none named: any staff member may.
    roles: frozenset[str] = frozenset()
    # For how many seconds a shared cache may keep a page that is the same for everybody; 0: no-store.
    public_seconds: int = 0
    # The largest body in bytes where it differs from the application's.
    largest_body: int | None = None


_everybody = Policy(Who.EVERYBODY)
_signed_in = Policy(Who.SIGNED_IN)
_staff = Policy(Who.STAFF)
_organizer = Policy(Who.STAFF, roles=frozenset({"organizer"}))
# Signs as the second person.
_approver = Policy(Who.STAFF, roles=frozenset({"approver"}))
# Writes and signs for items.
_author = Policy(Who.STAFF, roles=frozenset({"organizer", "approver"}))
_in_statement = Policy(Who.SESSION_IN_STATEMENT)

POLICIES: dict[str, Policy] = {
    "static": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "health.healthz": _everybody,
    "health.readyz": _everybody,
    "public.landing": _everybody,
    "public.contest_page": _everybody,
    "public.rules": _everybody,
    "public.privacy": _everybody,
    "accounts.register": _everybody,
    "accounts.login": _everybody,
    "accounts.logout": _everybody,
    "accounts.me": _signed_in,
    "attempts.start": _in_statement,
    "attempts.show": _signed_in,
    "attempts.save": _in_statement,
    "attempts.save_form": _in_statement,
    "attempts.submit": _in_statement,
    "attempts.result": _signed_in,
    "attempts.receipts": _everybody,
    "attempts.receipt": _everybody,
    "leaderboards.units": _everybody,
    "leaderboards.individuals": _everybody,
    "leaderboards.winners": _everybody,
    "bundles.bundle": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "bundles.file": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "admin_bank.index": _staff,
    "admin_bank.show": _staff,
    "admin_bank.new": _author,
    "admin_bank.edit": _author,
    "admin_bank.review": _author,
    "admin_bank.send_back": _author,
    "admin_bank.approve": _author,
    "admin_bank.retire": _author,
    "admin_bank.export": _staff,
    "admin_bank.bring": replace(_author, largest_body=5 * 1024 * 1024),
    "admin_bank.import_plan": _staff,
    "admin_bank.import_apply": _author,
    "admin_dashboard.index": _staff,
    "admin_dashboard.show": _staff,
    "admin_dashboard.figures": _staff,
    "admin_participants.index": _staff,
    "admin_participants.attempts": _staff,
    "admin_rounds.show": _staff,
    "admin_rounds.open_round": _organizer,
    "admin_rounds.end": _organizer,
    "admin_rounds.close_books": _organizer,
    "admin_results.individuals": _staff,
    "admin_results.units": _staff,
    "admin_results.show": _staff,
    "admin_results.publish": _organizer,
    "admin_results.workbook": _staff,
    "admin_tasks.index": _staff,
    "admin_tasks.show": _staff,
    "admin_tasks.progress": _staff,
}
