"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, health, leaderboards, public
from contest.blueprints.admin import (
    bank,
    dashboard,
    extra_times,
    incidents,
    participant,
    participants,
    results,
    rounds,
    tasks,
)

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    dashboard.bp,
    participants.bp,
    participant.bp,
    incidents.bp,
    extra_times.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    tasks.bp,
)
