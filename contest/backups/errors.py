"""What may go wrong with a backup."""


class BackupError(Exception):
    """It can't be made or restored; the message is one finished sentence."""
