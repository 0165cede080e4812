"""The web: thin views, one blueprint a noun."""

from contest.blueprints import (
    accounts,
    attempts,
    bundles,
    certificates,
    complaints,
    contest_standings,
    health,
    leaderboards,
    pictures,
    public,
    statistics,
    winner_checks,
)
from contest.blueprints.admin import (
    analysis,
    bank,
    configuration,
    corrections,
    dashboard,
    declines,
    documents,
    exclusions,
    extra_times,
    incidents,
    participant,
    participants,
    proposals,
    results,
    rounds,
    tasks,
)
from contest.blueprints.admin import certificates as admin_certificates
from contest.blueprints.admin import complaints as admin_complaints
from contest.blueprints.admin import contests as admin_contests
from contest.blueprints.admin import statistics as admin_statistics
from contest.blueprints.admin import winner_checks as admin_winner_checks
from contest.blueprints.admin.bank import imports as bank_imports

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    contest_standings.bp,
    pictures.bp,
    statistics.bp,
    certificates.bp,
    bundles.bp,
    dashboard.bp,
    participants.bp,
    participant.bp,
    incidents.bp,
    extra_times.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    bank_imports.bp,
    tasks.bp,
    proposals.bp,
    exclusions.bp,
    declines.bp,
    corrections.bp,
    admin_contests.bp,
    configuration.bp,
    complaints.bp,
    winner_checks.bp,
    admin_complaints.bp,
    admin_winner_checks.bp,
    analysis.bp,
    admin_statistics.bp,
    admin_certificates.bp,
    documents.bp,
)
