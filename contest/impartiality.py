"""Nobody decides on what concerns themselves, alone or as the second of two."""

from contest.errors import Conflict


def refuse_oneself(account_id: int, *deciding: int | None) -> None:
    """Raise Conflict if somebody decides on themselves."""
    if account_id in deciding:
        raise Conflict("Không ai tự quyết định việc của chính mình; cần người khác trong Ban Tổ chức.")
