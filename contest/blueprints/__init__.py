"""The web: thin views, one blueprint a noun."""

from contest.blueprints import accounts, attempts, certificates, health, leaderboards, public
from contest.blueprints.admin import bank, dashboard, documents, participants, results, rounds, tasks
from contest.blueprints.admin import certificates as admin_certificates

BLUEPRINTS = (
    health.bp,
    public.bp,
    accounts.bp,
    attempts.bp,
    leaderboards.bp,
    certificates.bp,
    dashboard.bp,
    participants.bp,
    rounds.bp,
    results.bp,
    bank.bp,
    tasks.bp,
    admin_certificates.bp,
    documents.bp,
)
