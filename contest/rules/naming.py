"""How people are named in public."""


def masked_name(name: str) -> str:
    """Return a name as public lists show it: "Nguyễn V. A." for "Nguyễn Văn An"."""
    first, *rest = name.split()
    return " ".join([first if rest else f"{first[0]}.", *(f"{word[0]}." for word in rest)])


def hidden_name(draw_id: str) -> str:
    """Return what stands for a person who refused publication."""
    return f"Thí sinh {draw_id[:6]}"


def told_apart(name: str, birth_year: int | None) -> str:
    """Return a winner's name, with the birth year where the list has it because another is named so too."""
    return f"{name} (sinh năm {birth_year})" if birth_year else name


def public_name(name: str, draw_id: str, *, is_publication_granted: bool, is_winner: bool = False) -> str:
    """Return the name in a public list: winners who agreed stand in full."""
    if not is_publication_granted:
        return hidden_name(draw_id)
    return name if is_winner else masked_name(name)
