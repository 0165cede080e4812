"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, complaints, health, leaderboards, public, winner_checks
from contest.blueprints.admin import (
    bank,
    dashboard,
    participants,
    results,
    rounds,
    tasks,
)
from contest.blueprints.admin import complaints as admin_complaints
from contest.blueprints.admin import winner_checks as admin_winner_checks

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    dashboard.bp,
    participants.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    tasks.bp,
    complaints.bp,
    winner_checks.bp,
    admin_complaints.bp,
    admin_winner_checks.bp,
)
