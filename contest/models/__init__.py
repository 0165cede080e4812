"""All tables, so that migrations and mappers see them at once."""

from contest.models.accounts import Account, Consent, RoleGrant, Session
from contest.models.attempts import Attempt
from contest.models.audit import AuditEvent
from contest.models.bank import BankImport, BankItem, ItemVersion
from contest.models.complaints import Complaint
from contest.models.contests import Contest, Division, Pool, Prize, Registration, Round, RoundDivision
from contest.models.integrity import Correction, Decline, Exclusion
from contest.models.proposals import Proposal
from contest.models.results import Publication, Standing, UnitStanding
from contest.models.tasks import Task
from contest.models.units import Headcount, Unit, UnitAlias
from contest.models.winner_checks import WinnerCall, WinnerCheck

__all__ = [
    "Account",
    "Attempt",
    "AuditEvent",
    "BankImport",
    "BankItem",
    "Complaint",
    "Consent",
    "Contest",
    "Correction",
    "Decline",
    "Division",
    "Exclusion",
    "Headcount",
    "ItemVersion",
    "Pool",
    "Prize",
    "Proposal",
    "Publication",
    "Registration",
    "RoleGrant",
    "Round",
    "RoundDivision",
    "Session",
    "Standing",
    "Task",
    "Unit",
    "UnitAlias",
    "UnitStanding",
    "WinnerCall",
    "WinnerCheck",
]
