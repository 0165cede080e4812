"""All tables, so that migrations and mappers see them at once."""

from contest.models.accounts import Account, Consent, RoleGrant, Session
from contest.models.analyses import RoundAnalysis
from contest.models.attempts import Attempt
from contest.models.audit import AuditEvent
from contest.models.bank import BankImport, BankItem, ItemVersion, Picture
from contest.models.certificates import Certificate
from contest.models.complaints import Complaint
from contest.models.contests import (
    Contest,
    Division,
    Pool,
    Prize,
    Registration,
    Round,
    RoundDivision,
    UnrankedPerson,
)
from contest.models.duplicates import Distinction, FoundDuplicate
from contest.models.incidents import ExtraTime, Heartbeat, Outage, OutageDecision, Resit
from contest.models.integrity import Correction, Decline, Exclusion
from contest.models.proofs import UsedProof
from contest.models.proposals import Proposal
from contest.models.results import (
    ContestStanding,
    Publication,
    PublicationFile,
    PublicationPiece,
    Standing,
    UnitStanding,
)
from contest.models.tasks import Task, TaskFile
from contest.models.throttles import Throttle
from contest.models.units import Headcount, Unit, UnitAlias
from contest.models.waiting_rooms import Place, WaitingRoom, WebProcess
from contest.models.winner_checks import WinnerCall, WinnerCheck

__all__ = [
    "Account",
    "Attempt",
    "AuditEvent",
    "BankImport",
    "BankItem",
    "Certificate",
    "Complaint",
    "Consent",
    "Contest",
    "ContestStanding",
    "Correction",
    "Decline",
    "Distinction",
    "Division",
    "Exclusion",
    "ExtraTime",
    "FoundDuplicate",
    "Headcount",
    "Heartbeat",
    "ItemVersion",
    "Outage",
    "OutageDecision",
    "Picture",
    "Place",
    "Pool",
    "Prize",
    "Proposal",
    "Publication",
    "PublicationFile",
    "PublicationPiece",
    "Registration",
    "Resit",
    "RoleGrant",
    "Round",
    "RoundAnalysis",
    "RoundDivision",
    "Session",
    "Standing",
    "Task",
    "TaskFile",
    "Throttle",
    "Unit",
    "UnitAlias",
    "UnitStanding",
    "UnrankedPerson",
    "UsedProof",
    "WaitingRoom",
    "WebProcess",
    "WinnerCall",
    "WinnerCheck",
]
