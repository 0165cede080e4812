"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, bundles, health, leaderboards, public
from contest.blueprints.admin import bank, dashboard, participants, results, rounds, tasks

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    bundles.bp,
    dashboard.bp,
    participants.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    tasks.bp,
)
