"""The table of routes: who may ask for what. A route that is not in it fails a test and answers 404.

Authorisation is read from here before any view runs. Whose object it is, the view's own query
decides: `find and authorise in one step`.
"""

from dataclasses import dataclass, replace
from enum import Enum

from contest.rules.rates import (
    CHANGE,
    DOWNLOAD,
    EXPORT,
    FILE,
    IMPORT,
    LOOK_UP,
    PRACTICE,
    PRINT,
    PROOF,
    REGISTER,
    SEARCH,
    SIGN_IN,
    START,
    Rate,
)


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
    # For how many seconds the browser that asked may keep the answer: its address never names another.
    own_seconds: int = 0
    # Of a page that is the same for everybody without a session: the parameters of its address that
    # count. The process keeps such pages (page_cache). None: it is made for each request.
    shared_by: frozenset[str] | None = None
    # The largest body in bytes where it differs from the application's.
    largest_body: int | None = None
    # Served before all others: of a process's threads some are kept for these routes.
    is_first: bool = False
    # How often one person, device or network may use it.
    rate: Rate | None = None


_everybody = Policy(Who.EVERYBODY)
_shared = Policy(Who.EVERYBODY, shared_by=frozenset())
_signed_in = Policy(Who.SIGNED_IN)
_staff = Policy(Who.STAFF, rate=CHANGE)
_organizer = replace(_staff, roles=frozenset({"organizer"}))
# Signs as the second person.
_approver = replace(_staff, roles=frozenset({"approver"}))
# Writes and signs for items.
_author = replace(_staff, roles=frozenset({"organizer", "approver"}))
_export = replace(_staff, rate=EXPORT)
_printed = replace(_staff, rate=PRINT)
# Finds something by a code that somebody was given.
_look_up = replace(_everybody, rate=LOOK_UP)
_practice = replace(_everybody, rate=PRACTICE)
_files = replace(_signed_in, rate=FILE)
_download = replace(_signed_in, rate=DOWNLOAD)
# A picture of 5 MB and the other fields.
_with_picture = replace(_author, largest_body=6 * 1024 * 1024)
_in_statement = Policy(Who.SESSION_IN_STATEMENT)
# What people need who sit already.
_sitting = replace(_in_statement, is_first=True)
_operations = replace(_everybody, is_first=True)


def _board(*parameters: str) -> Policy:
    return replace(_shared, shared_by=frozenset(parameters))


POLICIES: dict[str, Policy] = {
    "static": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "health.healthz": _operations,
    "health.readyz": _operations,
    "metrics.show": _operations,
    "public.landing": _shared,
    "public.contest_page": _shared,
    "public.rules": _shared,
    "public.headcounts_file": _everybody,
    "public.privacy": _shared,
    "practice.index": _everybody,
    "practice.new": _practice,
    "practice.show": _practice,
    "accounts.register": replace(_everybody, rate=REGISTER),
    "accounts.login": replace(_everybody, rate=SIGN_IN),
    "accounts.logout": _everybody,
    "accounts.me": _signed_in,
    "proofs.puzzle": replace(_everybody, rate=PROOF),
    "proofs.give": _everybody,
    "attempts.start": replace(_in_statement, rate=START),
    "attempts.show": replace(_signed_in, is_first=True),
    "attempts.save": _sitting,
    "attempts.save_form": _sitting,
    "attempts.submit": _sitting,
    "attempts.result": _signed_in,
    "attempts.receipts": replace(_everybody, rate=replace(LOOK_UP, with_argument="code")),
    "attempts.receipt": _look_up,
    "contest_standings.show": _board("division", "page"),
    "contest_standings.staff": _staff,
    "attempts.receipt_qr": _look_up,
    "waiting_room.show": _signed_in,
    "waiting_room.place": _everybody,
    "complaints.new": _files,
    "complaints.show": _signed_in,
    "winner_checks.identity": _files,
    "pictures.show": Policy(Who.EVERYBODY, own_seconds=31_536_000),
    "pictures.of_import": Policy(Who.STAFF, own_seconds=31_536_000),
    "leaderboards.units": replace(
        _board("round", "division", "group", "page", "q", "scope", "view"), rate=SEARCH
    ),
    "leaderboards.individuals": _board("round", "division", "page"),
    "leaderboards.winners": _board("round", "version"),
    "certificates.check": _everybody,
    "certificates.show": _look_up,
    "certificates.download": _download,
    "certificates.take_part": _download,
    "bundles.bundle": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "bundles.file": Policy(Who.EVERYBODY, public_seconds=31_536_000),
    "admin_bank.index": _staff,
    "admin_bank.show": _staff,
    "admin_bank.new": _with_picture,
    "admin_bank.edit": _with_picture,
    "admin_bank.review": _author,
    "admin_bank.send_back": _author,
    "admin_bank.approve": _author,
    "admin_bank.retire": _author,
    "admin_bank.release": _organizer,
    "admin_bank.export": _export,
    "admin_bank.duplicates": _staff,
    "admin_bank.search_duplicates": _author,
    "admin_bank.tell_apart": _author,
    "admin_imports.new": replace(_author, largest_body=5 * 1024 * 1024, rate=IMPORT),
    "admin_imports.show": _staff,
    "admin_imports.apply": _author,
    "admin_imports.read_again": _author,
    "admin_corrections.index": _staff,
    "admin_corrections.new": _organizer,
    "admin_corrections.propose": _organizer,
    "admin_dashboard.index": _staff,
    "admin_dashboard.show": _staff,
    "admin_dashboard.figures": _staff,
    "admin_declines.index": _staff,
    "admin_declines.decline": _organizer,
    "admin_declines.take_back": _organizer,
    "admin_exclusions.index": _staff,
    "admin_exclusions.show": _staff,
    "admin_exclusions.exclude": _organizer,
    "admin_exclusions.lift": _organizer,
    "admin_participants.index": _staff,
    "admin_participants.attempts": _staff,
    "admin_proposals.index": _staff,
    "admin_proposals.show": _staff,
    "admin_proposals.accept": _approver,
    "admin_proposals.reject": _author,
    "admin_participant.show": _staff,
    "admin_participant.void": _organizer,
    "admin_participant.grant_resit": _organizer,
    "admin_participant.revoke_resit": _organizer,
    "admin_participant.grant_extra": _organizer,
    "admin_extra_times.show": _staff,
    "admin_extra_times.grant": _organizer,
    "admin_extra_times.revoke": _organizer,
    "admin_incidents.show": _staff,
    "admin_incidents.note": _organizer,
    "admin_incidents.compensate": _organizer,
    "admin_incidents.leave": _organizer,
    "admin_incidents.pause": _organizer,
    "admin_incidents.resume": _organizer,
    "admin_incidents.extend": _organizer,
    "admin_waiting_room.show": _staff,
    "admin_waiting_room.choose": _organizer,
    "admin_rounds.show": _staff,
    "admin_rounds.open_round": _organizer,
    "admin_rounds.end": _organizer,
    "admin_rounds.close_books": _organizer,
    "admin_results.individuals": _staff,
    "admin_results.units": _staff,
    "admin_results.show": _staff,
    "admin_results.publish": _organizer,
    "admin_results.workbook": _export,
    "admin_contests.index": _staff,
    "admin_contests.show": _staff,
    "admin_contests.new": _organizer,
    "admin_contests.edit": _organizer,
    "admin_contests.announce": _organizer,
    "admin_contests.counts": _organizer,
    "admin_contests.export_counts": _export,
    "admin_contests.lock_counts": _organizer,
    "admin_contests.name_unranked": _organizer,
    "admin_contests.unname_unranked": _organizer,
    "admin_configuration.new": _organizer,
    "admin_configuration.edit": _organizer,
    "admin_configuration.edit_division": _organizer,
    "admin_configuration.prizes": _organizer,
    "admin_configuration.clone": _organizer,
    "admin_configuration.delete": _organizer,
    "admin_configuration.commit_seed": _organizer,
    "admin_configuration.seed_text": _organizer,
    "admin_configuration.lot_text": _organizer,
    "admin_configuration.confirm_backup": _organizer,
    "admin_results.propose_official": _organizer,
    "admin_winner_checks.open_checks": _organizer,
    "admin_winner_checks.show": _organizer,
    "admin_winner_checks.phone": _organizer,
    "admin_winner_checks.call": _organizer,
    "admin_winner_checks.compare": _organizer,
    "admin_winner_checks.verify": _organizer,
    "admin_complaints.index": _staff,
    "admin_complaints.receive": _organizer,
    "admin_complaints.show": _organizer,
    "admin_complaints.extend": _organizer,
    "statistics.show": _board("round", "division"),
    "admin_statistics.show": _staff,
    "admin_analysis.show": _staff,
    "admin_analysis.item": _staff,
    "admin_analysis.drift": _author,
    "admin_analysis.draw_trial": _staff,
    "admin_rehearsals.index": _organizer,
    "admin_rehearsals.order": _organizer,
    "admin_rehearsals.show": _organizer,
    "admin_rehearsals.progress": _organizer,
    "admin_rehearsals.stop": _organizer,
    "admin_tasks.index": _staff,
    "admin_tasks.show": _staff,
    "admin_tasks.progress": _staff,
    "admin_certificates.show": _staff,
    "admin_certificates.issue": _organizer,
    "admin_certificates.print_all": _organizer,
    "admin_certificates.files": replace(_organizer, rate=EXPORT),
    "admin_documents.winner_list": _printed,
    "admin_documents.unit_summary": _printed,
    "admin_documents.posters": _printed,
    "admin_documents.round_report": _printed,
}
