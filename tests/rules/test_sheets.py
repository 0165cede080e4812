"""The answer sheet: what may be sent, and everything that is answered 422."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contest.rules.sheets import BadSheet, paper_shape, read_sheet
from question_bank.draw import PaperItem, PoolItem

MOST = 2**31 - 1
SHAPE = "4s4s2s5m"


def body(**changes):
    """A sheet as the page sends it, with changes; None as a value leaves a key out."""
    sheet = {
        "seq": 7,
        "base": 6,
        "editor": "k3v9",
        "shape": SHAPE,
        "responses": {"1": ["b"], "4": ["c", "a"]},
        "prediction": 12345,
    }
    return sheet | changes


def without(key):
    return {name: value for name, value in body().items() if name != key}


def responses_of(responses, shape=SHAPE):
    return read_sheet(body(responses=responses, shape=shape)).responses


# --- what is taken ---------------------------------------------------------------------------------


def test_the_example_of_the_rules_is_read():
    sheet = read_sheet(body())
    assert (sheet.seq, sheet.base, sheet.editor, sheet.shape) == (7, 6, "k3v9", SHAPE)
    assert (sheet.responses, sheet.prediction) == ({"1": ["b"], "4": ["a", "c"]}, 12345)


def test_labels_and_positions_are_put_in_order():
    sent = {"10": ["a"], "9": ["b"], "2": ["c"]}
    assert list(responses_of(sent, shape="4s" * 10).items()) == [("2", ["c"]), ("9", ["b"]), ("10", ["a"])]


@pytest.mark.parametrize("cleared", [{}, {"1": []}, {"1": None}, {"4": [], "2": None}])
def test_what_is_left_out_or_empty_is_cleared(cleared):
    assert responses_of(cleared) == {}


@pytest.mark.parametrize("prediction", [0, 1, MOST, None])
def test_a_prediction_is_a_whole_number_or_none(prediction):
    assert read_sheet(body(prediction=prediction)).prediction == prediction


def test_the_prediction_may_be_missing():
    assert read_sheet(without("prediction")).prediction is None


def test_unknown_keys_are_ignored():
    assert read_sheet(body(draft=True, points=100)) == read_sheet(body())


@pytest.mark.parametrize("editor", ["a", "Az09_-", "x" * 32])
def test_an_editor_has_one_to_32_letters_digits_and_dashes(editor):
    assert read_sheet(body(editor=editor)).editor == editor


def test_the_first_sheet_is_one_after_nothing():
    assert (read_sheet(body(seq=1, base=0)).seq, read_sheet(body(seq=MOST)).seq) == (1, MOST)


def test_every_label_of_eight_options_is_known():
    assert responses_of({"1": list("hgfedcba")}, shape="8m") == {"1": list("abcdefgh")}


# --- what is refused -------------------------------------------------------------------------------

NUMBERS = [True, False, "1", "", None, 1.0, 1.5, -1, 10**30, float("nan"), float("inf"), [1], {}]
REFUSED = {
    "a missing seq": without("seq"),
    "a missing base": without("base"),
    "a missing editor": without("editor"),
    "a missing shape": without("shape"),
    "missing responses": without("responses"),
    "a list": [],
    "a text": "sheet",
    "null": None,
    "a number": 7,
    "seq 0": body(seq=0),
    "seq too large": body(seq=MOST + 1),
    "base too large": body(base=MOST + 1),
    "a prediction too large": body(prediction=MOST + 1),
    "a prediction as a page writes it": body(prediction="12.345"),
    **{f"seq {value!r}": body(seq=value) for value in NUMBERS},
    **{f"base {value!r}": body(base=value) for value in NUMBERS},
    **{f"prediction {value!r}": body(prediction=value) for value in NUMBERS if value is not None},
    **{
        f"editor {value!r}": body(editor=value)
        for value in ["", "x" * 33, "a b", "a.b", "é", "a\n", "\n", "１", 7, None, ["a"]]
    },
    **{
        f"shape {value!r}": body(shape=value, responses={})
        for value in [
            "",
            "4",
            "s4",
            "4x",
            "1s",
            "9s",
            "0m",
            "4s ",
            "4s\n",
            "４s",
            "4S",
            4,
            None,
            ["4s"],
            "4s" * 201,
        ]
    },
    **{f"responses {value!r}": body(responses=value) for value in [None, [], "1", 1, [["1", ["a"]]]]},
    **{
        f"position {position!r}": body(responses={position: ["a"]})
        for position in [
            "0",
            "5",
            "01",
            "-1",
            "+1",
            "1.0",
            "1e0",
            "",
            " 1",
            "1 ",
            "1\n",
            "１",
            "١",
            "a",
            "999",
            "1000",
        ]
    },
    **{
        f"an empty unknown position {position!r}": body(responses={position: []})
        for position in ["0", "5", "01"]
    },
    **{
        f"labels {labels!r}": body(responses={"1": labels})
        for labels in [
            ["e"],
            ["A"],
            [""],
            ["ab"],
            ["á"],
            ["ａ"],
            [" a"],
            [1],
            [None],
            [["a"]],
            "a",
            "",
            1,
            {},
            False,
        ]
    },
    "the third option of two": body(responses={"3": ["c"]}),
    "the sixth option of five": body(responses={"4": ["f"]}),
    "two labels where one may be chosen": body(responses={"1": ["a", "b"]}),
    "a label twice": body(responses={"4": ["a", "a"]}),
    "a label twice where one may be chosen": body(responses={"1": ["a", "a"]}),
    "one bad position among good ones": body(responses={"1": ["a"], "2": ["a"], "4": ["z"]}),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_whatever_is_no_sheet_is_refused(refused):
    with pytest.raises(BadSheet):
        read_sheet(refused)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(body(), json_values)))
def test_any_body_is_read_or_refused_and_nothing_else(changes):
    try:
        sheet = read_sheet(body() | changes)
    except BadSheet:
        sheet = read_sheet(body())
    assert 1 <= sheet.seq <= MOST
    assert 0 <= sheet.base <= MOST
    assert all(labels and labels == sorted(set(labels)) for labels in sheet.responses.values())


# --- the shape of a paper --------------------------------------------------------------------------


def test_the_shape_tells_options_and_whether_several_may_be_chosen():
    def item(code, options, is_multiple):
        return PoolItem(code, "T1", "NB", frozenset(), options, frozenset(), (0,), is_multiple)

    pool = {one.code: one for one in (item("A", 4, False), item("B", 5, True), item("C", 2, False))}
    paper = [PaperItem("B", (4, 3, 2, 1, 0)), PaperItem("A", (0, 1, 2, 3)), PaperItem("C", (0, 1))]
    assert paper_shape(paper, pool) == "5m4s2s"
