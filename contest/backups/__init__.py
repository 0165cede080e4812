"""Backups of the database, and the way back.

A backup is one zip file that any machine can open: `contest.dump` as pg_dump writes it, and
`manifest.json`, which says of which moment and version it is, how many rows each table has and what
the results were. Secrets are not in it: the data key has to be kept elsewhere, or what it has
sealed stays unreadable. Redis is not in it either, for nothing is only there.
"""

from contest.backups.errors import BackupError
from contest.backups.files import Manifest
from contest.backups.making import keep_newest, make, name_for
from contest.backups.restoring import check, restore

__all__ = ["BackupError", "Manifest", "check", "keep_newest", "make", "name_for", "restore"]
