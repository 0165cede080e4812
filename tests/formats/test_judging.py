"""Judging: what a key cell says, which kind a question is, and every problem it may have."""

import unicodedata
from typing import Any

import pytest

from question_bank.formats.drafts import Draft, Picture, Problem
from question_bank.formats.encodings import is_unreadable
from question_bank.formats.judging import judge, level_code, topic_code
from question_bank.formats.keys import KeyFault, read_key
from question_bank.text import clean_text

STEM = "Kết quả điện tử có giá trị như thế nào?"
FOUR = ["01 mức độ", "02 mức độ: toàn trình và một phần", "03 mức độ", "04 mức độ"]


def draft(row: int = 2, **changes: Any) -> Draft:
    facts: dict[str, Any] = {"where": {"row": row}, "stem": STEM, "options": list(FOUR), "key_text": "B"}
    return Draft(**(facts | changes))


def kinds(*drafts: Draft) -> list[str]:
    return [problem.kind for problem in judge(drafts).problems]


# --- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, key",
    [
        *((said, {1}) for said in ("B", "b", " B ", "B.", "b)", "(B)", "[B]", "Ｂ", "2", "2.0", "2,0", "B,")),
        *(
            (said, {1})
            for said in ("Đáp án B", "Đáp án: B", "Đ/A: B", "Phương án 2", "PA B", "Câu b", "Ý B", "Chọn B")
        ),
        *(
            (said, {1})
            for said in ("Đáp án đúng là B", "ĐÁP ÁN ĐÚNG: B.", "02 mức độ: toàn trình và một phần")
        ),
        *(
            (said, {1})
            for said in ("B. 02 mức độ: toàn trình và một phần", "02 MỨC ĐỘ: toàn trình và một phần.")
        ),
        *(
            (said, {0, 2})
            for said in ("A, C", "A,C", "A;C", "A C", "AC", "A và C", "A & C", "A/C", "a), c)", "A.C")
        ),
        *(
            (said, {0, 2})
            for said in ("Cả A và C", "1; 3", "1,3", "1 và 3", "Đáp án A, đáp án C", "A\nC", "C, A")
        ),
        *(
            (said, {0, 2})
            for said in ("01 mức độ; 03 mức độ", "01 mức độ\n03 mức độ", "A. 01 mức độ; C. 03 mức độ")
        ),
        ("1; 2; 3", {0, 1, 2}),
        ("ABCD", {0, 1, 2, 3}),
    ],
)
def test_a_key_is_read_in_many_forms(said: str, key: set[int]) -> None:
    assert read_key(said, FOUR) == key
    assert read_key(unicodedata.normalize("NFD", said), FOUR) == key


@pytest.mark.parametrize(
    "said", ["", "  ", "?", "-", "x", "chưa rõ", "xem lại", "Tất cả", "A hoặc B", "Đ", "BA", "1.3"]
)
def test_what_is_no_key_is_missing(said: str) -> None:
    with pytest.raises(KeyFault) as fault:
        read_key(said, FOUR)
    assert fault.value.kind == "missing_key"


@pytest.mark.parametrize("said", ["A. 03 mức độ", "1/2/2026", "05 mức độ", "2026-01-02"])
def test_a_key_that_contradicts_itself_or_is_a_date_is_missing(said: str) -> None:
    with pytest.raises(KeyFault) as fault:
        read_key(said, FOUR)
    assert fault.value.kind == "missing_key"


@pytest.mark.parametrize(
    "said, options", [("E", FOUR), ("5", FOUR), ("0", FOUR), ("A, E", FOUR), ("C", ["Có", "", "", "Không"])]
)
def test_a_key_that_names_no_option_is_out_of_range(said: str, options: list[str]) -> None:
    with pytest.raises(KeyFault) as fault:
        read_key(said, options)
    assert fault.value.kind == "key_out_of_range"


def test_numbers_as_options_are_read_only_where_both_readings_agree() -> None:
    assert read_key("80%", ["60%", "70%", "80%"]) == {2}
    assert read_key("80 %", ["60%", "70%", "80%"]) == {2}
    assert read_key("2", ["1", "2", "3"]) == {1}
    assert read_key("20", ["10", "20", "30"]) == {1}
    with pytest.raises(KeyFault, match="vừa là thứ tự"):
        read_key("2", ["2", "4", "6"])


def test_f_is_the_sixth_option_where_there_is_one():
    assert read_key("F", ["1", "2", "3", "False", "5", "6"]) == {5}
    assert read_key("F", ["True", "False"]) == {1}


def test_dung_and_sai_may_be_abbreviated() -> None:
    for said, place in (
        ("Đúng", 0),
        ("đ", 0),
        ("S", 1),
        ("SAI", 1),
        ("False", 1),
        ("F", 1),
        ("B", 1),
        ("1", 0),
    ):
        assert read_key(said, ["Đúng", "Sai"]) == {place}, said


def test_marks_hold_where_no_text_says_the_key() -> None:
    assert judge([draft(key_text=None, marks={2})]).items[0].key == (2,)
    assert judge([draft(key_text="", marks={2})]).items[0].key == (2,)
    assert judge([draft(key_text="A", marks={2})]).items[0].key == (0,)
    assert kinds(draft(key_text=None)) == ["missing_key"]
    assert kinds(draft(key_text=None, marks={5})) == ["key_out_of_range"]


# --- kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hint",
    [
        "(Chọn một đáp án đúng)",
        "Chọn 01 phương án.",
        "Hãy chọn duy nhất một câu trả lời",
        "(Chỉ chọn một đáp án)",
        "Chọn đáp án đúng nhất",
        "Chọn một đáp án đúng trong các phương án sau",
        "(01 đáp án)",
    ],
)
def test_several_keys_where_one_is_asked_for(hint: str) -> None:
    assert kinds(draft(stem=f"{STEM} {hint}", key_text="B, D")) == ["several_keys_for_single"]


@pytest.mark.parametrize(
    "hint",
    ["", "(Chọn nhiều đáp án)", "Chọn một hoặc nhiều đáp án", "Chọn ít nhất một đáp án", "Chọn 2 đáp án"],
)
def test_several_keys_make_a_multiple(hint: str) -> None:
    assert judge([draft(stem=f"{STEM} {hint}", key_text="B, D")]).items[0].kind == "multiple"


def test_a_column_for_the_kind_decides() -> None:
    assert kinds(draft(asks_for="single", key_text="B, D")) == ["several_keys_for_single"]
    assert judge([draft(asks_for="multiple")]).items[0].kind == "multiple"
    assert judge([draft(asks_for="multiple", stem="Chọn một đáp án", key_text="A, B")]).problems == []


def test_true_false_is_always_in_one_order() -> None:
    item = judge([draft(options=["SAI", "đúng"], key_text="A")]).items[0]
    assert (item.kind, item.options, item.key) == ("true_false", ("Đúng", "Sai"), (1,))
    assert judge([draft(options=["True", "False"], key_text="A")]).items[0].options == ("Đúng", "Sai")
    assert judge([draft(options=[], asks_for="true_false", key_text="Sai")]).items[0].key == (1,)
    assert kinds(draft(options=["Đúng", "Sai"], key_text="A, B")) == ["several_keys_for_single"]


# --- texts -----------------------------------------------------------------------------------------


def test_texts_are_clean() -> None:
    dirty = "\ufeff Câu 12:\tHồ\u00a0sơ\r\nđiện\u00adtử\u200b\x0blà  gì? "
    item = judge(
        [draft(stem=unicodedata.normalize("NFD", dirty), legal_basis=" \u00a0", explanation=" a\n b")]
    ).items[0]

    assert item.stem == "Hồ sơ điệntử là gì?"
    assert (item.legal_basis, item.explanation) == (None, "a b")
    assert clean_text(item.stem) == item.stem


def test_labels_are_dropped_where_every_option_has_its_own() -> None:
    assert judge([draft(options=["A. Có", "B. Không"])]).items[0].options == ("Có", "Không")
    assert judge([draft(options=["a) Có", "", "c) Không"], key_text="C")]).items[0].options == ("Có", "Không")
    assert judge([draft(options=["A. Có", "Không"])]).items[0].options == ("A. Có", "Không")
    assert judge([draft(options=["B. Có", "A. Không"])]).items[0].options == ("B. Có", "A. Không")


def test_holes_between_options_are_closed_up() -> None:
    item = judge([draft(options=["Một", "", "Hai", " ", "Ba"], key_text="C, E")]).items[0]

    assert (item.options, item.key) == (("Một", "Hai", "Ba"), (1, 2))


@pytest.mark.parametrize(
    "text, code",
    [
        ("T1", "T1"),
        ("t12", "T12"),
        ("T09", "T9"),
        ("T1 - Khái niệm", "T1"),
        ("Thanh toán trực tuyến, phí/lệ phí", "T6"),
        ("CĂN CƯỚC, VNEID, ĐỀ ÁN 06", "T7"),
        ("Chủ đề 3: Thanh toán trực tuyến, phí, lệ phí", "T6"),
        ("T13", None),
        ("T1, T2", None),
        ("Khác", None),
        ("", None),
        (None, None),
    ],
)
def test_topics_by_code_or_by_name(text: str | None, code: str | None) -> None:
    assert topic_code(text) == code


@pytest.mark.parametrize(
    "text, code",
    [
        ("NB", "NB"),
        ("nhận biết", "NB"),
        ("Thông hiểu (TH)", "TH"),
        ("VD", "VD"),
        ("Vận dụng cao", "VD"),
        ("Dễ", None),
        ("NB/TH", None),
        (None, None),
    ],
)
def test_levels_by_code_or_in_words(text: str | None, code: str | None) -> None:
    assert level_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "DÞch vô c«ng trùc tuyÕn ®­îc cung cÊp theo mÊy møc ®é?",
        "Dòch vuï coâng tröïc tuyeán ñöôïc cung caáp theo maáy möùc ñoä?",
        "Theo Nghá»‹ Ä‘á»‹nh sá»‘ 42/2022, dá»‹ch vá»¥ cÃ´ng",
        "Theo Ngh? d?nh s? 42/2022, d?ch v? công tr?c tuy?n",
        "Theo Ngh\ufffd \ufffd\ufffdnh s\ufffd 42",
    ],
)
def test_old_fonts_and_broken_letters_are_not_imported(text: str) -> None:
    assert kinds(draft(stem=text)) == ["unreadable_text"]
    assert kinds(draft(options=[text, "Hai", "Ba"])) == ["unreadable_text"]


@pytest.mark.parametrize(
    "text",
    [
        "Hoà giải, thuý, quý khách, xoà, goòng, oán, khoẻ, loã; Ông Ngô Văn Uý",
        "Hãng François & Müller ở Zürich có 5 m² (±2 %), «toàn trình» là gì?",
        "Tỷ lệ ≥ 80%, Windows®, 100 µg, §5, A·B; https://a.vn/?id=5?x=6",
    ],
)
def test_vietnamese_and_foreign_names_are_readable(text: str) -> None:
    assert not is_unreadable(text)
    assert not is_unreadable(unicodedata.normalize("NFD", text))


# --- problems --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"stem": " \u00a0"}, ["empty_stem"]),
        ({"stem": "", "key_text": ""}, ["empty_stem", "missing_key"]),
        ({"options": ["Có"], "key_text": "B"}, ["too_few_options"]),
        ({"options": []}, ["too_few_options"]),
        ({"options": list("jklmnopqr")}, ["too_many_options"]),
        ({"options": ["Có", "Không", " có "]}, ["duplicate_option"]),
        ({"options": ["Bán", "Bàn"]}, []),
    ],
)
def test_faults(changes: dict[str, Any], expected: list[str]) -> None:
    assert kinds(draft(**changes)) == expected


def test_a_duplicate_names_the_first_one() -> None:
    same = unicodedata.normalize("NFD", STEM).upper().replace("?", " ?")
    reading = judge([draft(2), draft(3, stem=same), draft(4, options=FOUR[::-1]), draft(5, options=FOUR[:3])])

    assert [dict(item.where) for item in reading.items] == [{"row": 2}, {"row": 5}]
    assert [(one.kind, one.where, one.first) for one in reading.problems] == [
        ("duplicate_item", {"row": 3}, {"row": 2}),
        ("duplicate_item", {"row": 4}, {"row": 2}),
    ]


def test_spaces_within_numbers_do_not_matter() -> None:
    assert kinds(draft(2, stem="Nghị định 42/2022 là gì?"), draft(3, stem="Nghị định 42 / 2022 là gì")) == [
        "duplicate_item"
    ]


def test_what_differs_in_numbers_or_pictures_is_no_duplicate() -> None:
    drafts = [
        draft(2, stem="Phí là 1,5 triệu?"),
        draft(3, stem="Phí là 15 triệu?"),
        draft(4, pictures=[Picture(b"a")]),
        draft(5, pictures=[Picture(b"b")]),
    ]
    assert kinds(*drafts) == []


def test_a_faulty_question_does_not_make_a_good_one_a_duplicate() -> None:
    assert kinds(draft(2, key_text=""), draft(3)) == ["missing_key"]


OLD = "Nghị định số 61/2018/NĐ-CP ngày 23/4/2018 của Chính phủ"


@pytest.mark.parametrize(
    "changes",
    [
        {"legal_basis": OLD},
        {"legal_basis": "Điều 5 NĐ 13/2023"},
        {"legal_basis": "Điều 3 Nghị định 59/2022/NĐ–CP"},
        {"legal_basis": "Luật An toàn thông tin mạng số 86/2015/QH13"},
        {"legal_basis": "Luật An ninh mạng năm 2018"},
        {"options": [OLD, "Nghị định số 45/2020/NĐ-CP"], "key_text": "A"},
    ],
)
def test_a_replaced_text_taken_for_the_law_is_a_warning(changes: dict[str, Any]) -> None:
    reading = judge([draft(**changes)])

    assert [(one.kind, one.severity) for one in reading.problems] == [("outdated_legal_basis", "warning")]
    assert len(reading.items) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"options": [OLD, "Nghị định số 118/2025/NĐ-CP"], "key_text": "B"},
        {
            "stem": "Nghị định số 118/2025/NĐ-CP thay thế nghị định nào?",
            "options": [OLD, "NĐ 45/2020"],
            "key_text": "A",
        },
        {"stem": "Trước ngày 01/7/2025, việc này theo văn bản nào?", "legal_basis": OLD},
        {"legal_basis": f"Nghị định số 118/2025/NĐ-CP, thay thế {OLD}"},
        {"legal_basis": "Luật An ninh mạng số 116/2025/QH15"},
        {"legal_basis": "Thông tư số 61/2018/TT-BTC"},
        {"legal_basis": "Nghị định số 161/2018/NĐ-CP"},
    ],
)
def test_distractors_history_and_other_texts_are_not_outdated(changes: dict[str, Any]) -> None:
    assert judge([draft(**changes)]).problems == []


def test_what_only_the_reader_sees_keeps_its_place_in_the_order() -> None:
    skipped = Problem("unsupported_type", "warning", {"row": 3}, "Câu tự luận được bỏ qua.")
    formula = Problem("formula_cell", "error", {"row": 4, "column": "D"}, "Công thức.")
    reading = judge([draft(2, key_text=""), draft(4, problems=[formula]), draft(5, key_text="")], [skipped])

    assert [one.kind for one in reading.problems] == [
        "missing_key",
        "unsupported_type",
        "formula_cell",
        "missing_key",
    ]
    assert reading.items == []
