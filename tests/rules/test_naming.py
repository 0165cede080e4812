"""How people are named in public."""

import pytest

from contest.rules.naming import hidden_name, masked_name, public_name

DRAW_ID = "vD3k9Qw7LxT2mB8sHcR4Yg"


@pytest.mark.parametrize(
    "name, masked",
    [
        ("Nguyễn Văn An", "Nguyễn V. A."),
        ("Lê Ánh", "Lê Á."),
        ("Công Tằng Tôn Nữ Minh Châu", "Công T. T. N. M. C."),
        ("H'Hen Niê", "H'Hen N."),
        ("Đỗ Đạt", "Đỗ Đ."),
        ("Madonna", "M."),
    ],
)
def test_public_lists_show_the_family_name_and_initials(name, masked):
    assert masked_name(name) == masked


def test_who_refuses_publication_stands_as_six_characters_of_the_draw_id():
    assert hidden_name(DRAW_ID) == "Thí sinh vD3k9Q"


@pytest.mark.parametrize("is_winner", [False, True])
def test_a_refusal_holds_for_winners_too(is_winner):
    shown = public_name("Nguyễn Văn An", DRAW_ID, is_publication_granted=False, is_winner=is_winner)
    assert shown == "Thí sinh vD3k9Q"


def test_only_winners_who_agreed_stand_in_full():
    assert public_name("Nguyễn Văn An", DRAW_ID, is_publication_granted=True) == "Nguyễn V. A."
    winner = public_name("Nguyễn Văn An", DRAW_ID, is_publication_granted=True, is_winner=True)
    assert winner == "Nguyễn Văn An"
