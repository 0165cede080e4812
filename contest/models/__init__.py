"""All tables, so that migrations and mappers see them at once."""

from contest.models.accounts import Account, Consent, RoleGrant, Session
from contest.models.attempts import Attempt
from contest.models.audit import AuditEvent
from contest.models.bank import BankImport, BankItem, ItemVersion
from contest.models.contests import Contest, Division, Pool, Prize, Registration, Round, RoundDivision
from contest.models.integrity import Correction, Decline, Exclusion
from contest.models.proposals import Proposal
from contest.models.results import (
    Publication,
    PublicationFile,
    PublicationPiece,
    Standing,
    UnitStanding,
)
from contest.models.tasks import Task
from contest.models.units import Headcount, Unit, UnitAlias

__all__ = [
    "Account",
    "Attempt",
    "AuditEvent",
    "BankImport",
    "BankItem",
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
    "PublicationFile",
    "PublicationPiece",
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
]
