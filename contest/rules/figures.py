"""Numbers and durations as Vietnamese officials write them, for sentences that rules write."""


def vn_number(number: float, digits: int = 0) -> str:
    """Return "25.980", or "87,65" with two digits; rounded half even as Python rounds."""
    return f"{number:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def vn_duration(ms: int) -> str:
    """Return "7 phút 12 giây" for milliseconds, cut off to whole seconds."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "giờ"), (minutes, "phút"), (seconds, "giây")]
    words = [f"{amount} {word}" for amount, word in parts if amount]
    return " ".join(words) or "0 giây"
