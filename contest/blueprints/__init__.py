"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, health, leaderboards, public
from contest.blueprints.admin import (
    bank,
    configuration,
    dashboard,
    participants,
    results,
    rounds,
    tasks,
)
from contest.blueprints.admin import contests as admin_contests

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
    admin_contests.bp,
    configuration.bp,
)
