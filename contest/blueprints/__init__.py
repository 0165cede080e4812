"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, health, leaderboards, public, statistics
from contest.blueprints.admin import analysis, bank, dashboard, participants, results, rounds, tasks
from contest.blueprints.admin import statistics as admin_statistics

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    statistics.bp,
    dashboard.bp,
    participants.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    tasks.bp,
    analysis.bp,
    admin_statistics.bp,
)
