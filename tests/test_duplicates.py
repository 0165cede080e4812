"""Near-duplicate stems: which pairs are told, which are not, and how few pairs are looked at."""

import random
import unicodedata
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank import duplicates
from question_bank.banks import demo_items
from question_bank.duplicates import THRESHOLD, NearDuplicate, near_duplicates, similarity

SAME = [
    ("Dịch vụ công trực tuyến có mấy mức độ?", "DỊCH VỤ CÔNG TRỰC TUYẾN CÓ MẤY MỨC ĐỘ"),
    ("Dịch vụ công trực tuyến có mấy mức độ?", "dich vu cong truc tuyen co may muc do ?"),
    ("Thủ tục hành chính", unicodedata.normalize("NFD", "thủ  tục\u00a0hành chính!")),
    (
        "Theo Nghị định số 42/2022/NĐ-CP, dịch vụ công trực tuyến có mấy mức độ?",
        "Dịch vụ công trực tuyến có mấy mức độ, theo Nghị định số 42/2022/NĐ-CP?",
    ),
    ("Im lặng có được coi là đồng ý không?", "Im lặng có được coi là đồng ý hay không?"),
    ("Phí là 1.000 đồng trong 05 ngày?", "Phí là 1000 đồng trong 5 ngày?"),
    ("Người <b>không</b> có thẻ căn cước?", "Người không có thẻ căn cước?"),
    (
        "Trường hợp nào phải nộp phí, ngoại trừ người nghèo?",
        "truong hop nao phai nop phi, ngoai tru nguoi ngheo",
    ),
]
ALIKE = [
    (
        "Theo quy định hiện hành, công dân từ đủ bao nhiêu tuổi phải làm thẻ căn cước?",
        "Theo quy định, công dân từ đủ bao nhiêu tuổi trở lên phải làm thẻ căn cước?",
    ),
    (
        "Cơ quan nào quản lý Cổng Dịch vụ công quốc gia theo quy định hiện nay?",
        "Cổng Dịch vụ công quốc gia do cơ quan nào quản lý theo quy định?",
    ),
]
DIFFERENT = [
    ("Nghị định số 42/2022/NĐ-CP quy định về việc gì?", "Nghị định số 45/2020/NĐ-CP quy định về việc gì?"),
    ("Hồ sơ được trả trong 3 ngày làm việc?", "Hồ sơ được trả trong 5 ngày làm việc?"),
    ("Hồ sơ được trả trong ngày làm việc?", "Hồ sơ được trả trong 5 ngày làm việc?"),
    ("Trường hợp nào phải nộp bản sao giấy tờ?", "Trường hợp nào không phải nộp bản sao giấy tờ?"),
    ("Nhận định nào sau đây là đúng về chữ ký số?", "Nhận định nào sau đây là sai về chữ ký số?"),
    ("Người dân có được nộp thay hồ sơ không?", "Người dân không được nộp thay hồ sơ?"),
    ("Truong hop nao phai nop phi?", "Truong hop nao khong phai nop phi?"),
    ("Ai cấp thẻ căn cước cho công dân?", "Ai cấp chứng thư chữ ký số cho tổ chức?"),
    ("Cổng Dịch vụ công quốc gia có địa chỉ nào?", "Tỷ lệ hài lòng được tính theo công thức nào?"),
]


@pytest.mark.parametrize("first, second", SAME)
def test_spelling_marks_and_order_make_no_difference(first, second):
    assert near_duplicates([first, second]) == [NearDuplicate(0, 1, 1.0)]


@pytest.mark.parametrize("first, second", ALIKE)
def test_a_few_other_words_are_still_alike(first, second):
    (pair,) = near_duplicates([first, second])
    assert THRESHOLD <= pair.similarity < 1


@pytest.mark.parametrize("first, second", DIFFERENT)
def test_other_numbers_negations_and_words_are_no_duplicates(first, second):
    assert near_duplicates([first, second]) == []


def test_the_most_alike_come_first_and_copies_pair_with_the_first_only():
    stems = [*ALIKE[0], "Một hai ba?", "ba hai một", "MỘT HAI BA", ALIKE[0][0].upper()]
    assert [(pair.first, pair.second) for pair in near_duplicates(stems)] == [(0, 5), (2, 3), (2, 4), (0, 1)]


def test_an_import_is_compared_with_the_bank_and_with_itself():
    bank = ["Một hai ba?", "ba hai một"]
    assert near_duplicates([*bank, "Hai ba một", "Bốn năm", "năm bốn"], since=len(bank)) == [
        NearDuplicate(0, 2, 1.0),
        NearDuplicate(3, 4, 1.0),
    ]


def test_what_is_known_to_be_different_is_not_told_and_hides_no_other_pair():
    stems = ["Một hai ba?", "ba hai một", "Hai ba một", "Một hai ba bốn"]
    pairs = near_duplicates(stems, threshold=0.7, apart={(0, 1)})
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 2), (0, 3), (1, 3)]
    assert near_duplicates(stems[:3], apart={(0, 1), (0, 2), (1, 2)}) == []


def test_nothing_and_stems_of_no_words():
    assert near_duplicates([]) == near_duplicates(["một"]) == []
    assert near_duplicates(["?", "!"]) == [NearDuplicate(0, 1, 1.0)]


words = st.sampled_from(
    ["là", "của", "hồ", "sơ", "thẻ", "phí", "không", "2", "02", "3", "cấp", "nộp", "trừ", "an", "b", "c"]
)
stem_lists = st.lists(st.lists(words, max_size=9).map(" ".join), max_size=12)


@settings(max_examples=300, deadline=None)
@given(stem_lists, st.sampled_from([0.5, 0.75, 0.9]))
def test_no_pair_is_lost_by_not_comparing_all_with_all(stems, threshold):
    firsts = [
        place for place, stem in enumerate(stems) if all(similarity(stem, one) < 1 for one in stems[:place])
    ]
    expected = {
        (first, second)
        for first, second in combinations(firsts, 2)
        if similarity(stems[first], stems[second]) >= threshold
    }
    found = {(pair.first, pair.second) for pair in near_duplicates(stems, threshold=threshold)}
    assert {pair for pair in found if pair[1] in firsts} == expected
    assert {second for _, second in found - expected} == set(range(len(stems))) - set(firsts)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_similarity_is_symmetric_and_between_0_and_1(first, second):
    assert 0 <= similarity(first, second) == similarity(second, first) <= 1
    assert similarity(first, first) == 1


@pytest.mark.parametrize("size", [1_000, 4_000])
def test_the_pairs_looked_at_grow_with_the_bank_and_not_with_its_square(size):
    """Stems of the demo bank's words: of 8 million pairs of 4,000 stems, a few in ten thousand."""
    chance = random.Random(5)
    vocabulary = [word for item in demo_items() for word in item.stem.split()]
    stems = [" ".join(chance.choices(vocabulary, k=chance.randint(10, 35))) for _ in range(size)]
    bags = [duplicates._bag(stem) for stem in stems]
    compared = sum(1 for _ in duplicates._candidate_pairs(bags, (), THRESHOLD, 0))
    assert compared < 5 * size


def test_a_bank_of_one_pattern_is_bounded():
    chance = random.Random(5)
    names = ["".join(chance.choices("abcdeghik", k=6)) for _ in range(1_500)]
    stems = [f"Mức phí của thủ tục {name} khi nộp hồ sơ trực tuyến là bao nhiêu?" for name in names]
    bags = [duplicates._bag(stem) for stem in stems]
    compared = sum(1 for _ in duplicates._candidate_pairs(bags, (), THRESHOLD, 0))
    assert compared <= len(stems) * duplicates.MOST_CANDIDATES


def test_the_demo_bank_has_none():
    stems = [item.stem for item in demo_items()]
    found = [(stems[pair.first], stems[pair.second], pair.similarity) for pair in near_duplicates(stems)]
    assert found == [], "reword one of each pair, or make them one question"
