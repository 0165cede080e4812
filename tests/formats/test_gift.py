"""GIFT: the sample, the rules of Moodle's reader, faulty files, and the way there and back."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.banks import demo_items
from question_bank.formats import gift
from question_bank.formats.drafts import Draft, UnreadableFile
from question_bank.formats.judging import judge
from question_bank.formats.markup import text_of_html
from question_bank.items import LEVELS, TOPICS, Item, Option
from question_bank.text import clean_html, clean_text

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "bank-samples"


def read(text):
    return gift.read(text.encode())


def only_item(text):
    reading = read(text)
    assert not reading.problems
    (item,) = reading.items
    return item


def kinds(reading):
    return [(problem.kind, problem.severity, problem.where) for problem in reading.problems]


# --- the sample ------------------------------------------------------------------------------------


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
def test_the_sample_gives_what_is_expected():
    expected = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))["files"]["moodle.gift"]
    found = gift.read((SAMPLES / "moodle.gift").read_bytes()).as_json()
    assert found == {"items": expected["items"], "problems": expected["problems"]}


# --- questions as Moodle reads them ----------------------------------------------------------------


def test_a_choice_on_one_line():
    item = only_item("Thủ đô của Việt Nam?{~Huế =Hà Nội ~Đà Nẵng}")
    assert (item.stem, item.options, item.key, item.kind) == (
        "Thủ đô của Việt Nam?",
        ("Huế", "Hà Nội", "Đà Nẵng"),
        (1,),
        "single",
    )
    assert (item.topic, item.level, item.legal_basis, item.explanation) == (None, None, None, None)


@pytest.mark.parametrize(
    "answers, key, kind",
    [
        ("{=a ~b ~c}", (0,), "single"),
        ("{=a#đúng ~%50%b#gần đúng ~c}", (0,), "single"),  # partial credit is dropped
        ("{~%100%a ~%0%b ~c}", (0,), "multiple"),  # no “=”: several may be right
        ("{~%50%a ~%50%b ~%-100%c}", (0, 1), "multiple"),
        ("{~%33,333%a ~%66.667%b ~c}", (0, 1), "multiple"),
        ("{~%33.33333%a ~%33.33333%b ~%33.33333%c}", (0, 1, 2), "multiple"),
        ("{=%100%a ~b ~c}", (0,), "single"),
        ("{T}", (0,), "true_false"),
        ("{TRUE}", (0,), "true_false"),
        ("{ FALSE#sai rồi#đúng rồi }", (1,), "true_false"),
        ("{F####Vì thế.}", (1,), "true_false"),
        ("{true}", (0,), "true_false"),
        ("{~Sai =Đúng}", (0,), "true_false"),
    ],
)
def test_weights_and_truth_make_the_key(answers, key, kind):
    item = only_item(f"Câu nào?{answers}")
    assert (item.key, item.kind) == (key, kind)


def test_two_full_marks_in_a_single_choice_are_reported():
    assert kinds(read("\nCâu nào?{=a =b ~c}")) == [("several_keys_for_single", "error", {"line": 2})]


def test_a_choice_without_a_right_option_has_no_key():
    assert kinds(read("Câu nào?{~a ~b}")) == [("missing_key", "error", {"line": 1})]


def test_escapes_stand_for_themselves():
    item = only_item(r"::T\:1::Tập \{1, 2\} \# \~ \= \: \\ x\n y?{=\{1\} \= một~\~2 \\n # sai}")
    assert item.stem == r"Tập {1, 2} # ~ = : \ x y?"
    assert item.options == ("{1} = một", r"~2 \n")


def test_an_unknown_escape_keeps_its_backslash():
    assert only_item(r"C\a?{=C\d ~x}").options == (r"C\d", "x")


@pytest.mark.parametrize(
    "stem, shown",
    [
        ("[html]<p>Một<br>hai <b>b</b>a &lt; &agrave;&nbsp;x</p>", "Một hai ba < à x"),
        ("[html]<!-- ẩn --><style>p {}</style>Hiện".replace("{}", r"\{\}"), "Hiện"),
        ("[plain]Viết <b> và &lt;", "Viết <b> và &lt;"),
        ("[moodle]Trẻ em < 14 tuổi và x<y", "Trẻ em < 14 tuổi và x<y"),
        ("Trẻ em < 14 tuổi <i>và</i> <a@b.vn>", "Trẻ em < 14 tuổi và <a@b.vn>"),
        ("[markdown]Một <b>hai</b>", "Một hai"),
        ("[khác]Một", "[khác]Một"),
        ("a < b", "a < b"),
        ("[html]<p title=\"x > y\" data-a='>'>Một</p>".replace("=", r"\="), "Một"),
        ("[html]Một <chưa đóng", "Một <chưa đóng"),
    ],
)
def test_formats_of_text(stem, shown):
    assert only_item(f"{stem}{{=x ~y}}").stem == shown


def test_options_and_feedback_take_the_questions_format():
    item = only_item("[html]Hỏi?{=<p>x</p> ~[plain]<p> ####<p>Căn cứ\\: L</p><p>Giải thích\\: vì &lt;</p>}")
    assert item.options == ("x", "<p>")
    assert (item.legal_basis, item.explanation) == ("L", "vì <")


def test_a_missing_word_becomes_a_blank():
    item = only_item("Hà Nội là {=thủ đô ~cố đô} của Việt Nam.")
    assert item.stem == "Hà Nội là _____ của Việt Nam."


@pytest.mark.parametrize(
    "feedback, basis, explanation",
    [
        (r"Căn cứ\: Luật A\nGiải thích\: Vì B.", "Luật A", "Vì B."),
        (r"Căn cứ\: Luật A. Giải thích\: Vì B.", "Luật A.", "Vì B."),
        (r"Giải thích\: Vì B.\nCăn cứ\: Luật A", "Luật A", "Vì B."),
        (r"Căn cứ pháp lý\: Luật A\nGiải thích\:Vì B.", "Luật A", "Vì B."),
        (r"Đúng rồi! Căn cứ\: Luật A\nGiải thích\: Vì B.", "Luật A", "Đúng rồi! Vì B."),
        (r"Đúng rồi!\nGiải thích\: Vì B.\nCăn cứ\: Luật A", "Luật A", "Đúng rồi! Vì B."),
        (r"Căn cứ\: Luật A", "Luật A", None),
        (r"Giải thích\: Vì B.", None, "Vì B."),
        ("Vì B.", None, "Vì B."),
        ("Có căn cứ rõ ràng.", None, "Có căn cứ rõ ràng."),
        ("", None, None),
    ],
)
def test_general_feedback_is_split(feedback, basis, explanation):
    item = only_item(f"Hỏi?{{=x#đúng ~y#sai####{feedback}}}")
    assert (item.legal_basis, item.explanation) == (basis, explanation)
    assert item.options == ("x", "y")


def test_categories_and_tags_say_topic_and_level():
    reading = read(
        "// question: 0  name: Switch category\n"
        "$CATEGORY: $course$/top/T1 Khái niệm/T2 Cổng DVCQG\n"
        "\n"
        "// question: 1  name: a [id:a\\]] [tag:Nhận biết]\n"
        "Một?{=x ~y}\n\n"
        "// [tag:VD] [tag:T12]\n"
        "Hai?{=x ~y}\n\n"
        "$CATEGORY: T6 Thanh toán trực tuyến, phí/lệ phí\n"
        "[tag:TH]\n"
        "Ba?{=x ~y}\n\n"
        "$CATEGORY: top/T1 Khái niệm/Câu khó\n\n"
        "Bốn?{=x ~y}\n"
    )
    assert [(item.topic, item.level, item.where["line"]) for item in reading.items] == [
        ("T2", "NB", 5),
        ("T12", "VD", 8),
        ("T6", "TH", 12),
        (None, None, 16),
    ]


def test_comments_and_blank_lines_inside_a_question_are_passed_over():
    item = only_item("\ufeff// đầu tệp\r\n\r\nHỏi?{\r\n// chú thích\r\n=x\r\n\r\n~y\r\n\r\n}\r\n")
    assert (item.where, item.options) == ({"line": 3}, ("x", "y"))


def test_questions_without_a_blank_line_between_them():
    reading = read("::a::Một?{=x ~y}\n::b::Hai?{=x ~y}\nBa?{\n=x\n~y\n}\n// [tag:NB]\nBốn?{=x ~y}")
    assert [(item.stem, item.where["line"], item.level) for item in reading.items] == [
        ("Một?", 1, None),
        ("Hai?", 2, None),
        ("Ba?", 3, None),
        ("Bốn?", 8, "NB"),
    ]


@pytest.mark.parametrize(
    "question, kind",
    [
        ("Một đoạn văn.", "description"),
        ("Viết đi.{}", "essay"),
        ("Viết đi.{####Gợi ý.}", "essay"),
        ("Bao nhiêu?{#5:1}", "numerical"),
        ("Bao nhiêu?{#\n=%100%5:0#\n}", "numerical"),
        ("Ai?{=Nam =Bắc}", "shortanswer"),
        ("Ai?{Nam}", "shortanswer"),
        ("Ghép\\: {=a -> b =c -> d}", "matching"),
        ("Chọn {1:MULTICHOICE:=a~b}", "cloze"),
    ],
)
def test_other_types_are_reported_and_skipped(question, kind):
    reading = read(f"Một?{{=x ~y}}\n\n{question}\n\nHai?{{=x ~y}}")
    assert [item.stem for item in reading.items] == ["Một?", "Hai?"]
    assert kinds(reading) == [("unsupported_type", "warning", {"line": 3})]
    assert kind in reading.problems[0].reason


@pytest.mark.parametrize("question", ["Hỏi?{=x ~y", "Hỏi? =x ~y}", "Hỏi?}=x ~y{"])
def test_a_lost_brace_costs_one_question(question):
    reading = read(f"Một?{{=x ~y}}\n\n{question}\n\nHai?{{=x ~y}}")
    assert [item.stem for item in reading.items] == ["Một?", "Hai?"]
    assert kinds(reading) == [("malformed_question", "error", {"line": 3})]


@pytest.mark.parametrize(
    "question, kind",
    [
        ("{=x ~y}", "empty_stem"),
        ("Hỏi?{~%100%x}", "too_few_options"),
        ("Hỏi?{=x ~x}", "duplicate_option"),
        ("Hỏi?{=" + "~".join(map(str, range(12))) + "}", "too_many_options"),
        ("Một?{=x ~y}\n\nMỘT ?{=y ~x}", "duplicate_item"),
        ("x" * 300_000 + "{=x ~y}", "text_too_long"),
    ],
)
def test_faults_are_told(question, kind):
    assert [problem.kind for problem in read(question).problems] == [kind]


# --- hostile files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "Thủ đô?{=Hà Nội ~Huế}".encode("cp1258", "replace") + b"\xff",
        "Thủ đô?".encode("utf-16-be"),
        b"PK\x03\x04\x00\x00",
        b"\xff\xfeA",
        b"a" * (gift.MOST_BYTES + 1),
    ],
)
def test_what_is_no_text_is_refused(content):
    with pytest.raises(UnreadableFile):
        gift.read(content)


def test_utf_16_with_its_mark_is_read():
    assert gift.read("Thủ đô?{=Hà Nội ~Huế}".encode("utf-16")).items[0].stem == "Thủ đô?"


def test_a_file_of_nothing_holds_nothing():
    assert gift.read(b"") == gift.read("\ufeff// chú thích\n".encode()) == judge([])


def test_more_questions_than_are_read_at_once_are_refused():
    with pytest.raises(UnreadableFile):
        read("x\n\n" * 40_000)
    with pytest.raises(UnreadableFile):
        read("\n" * 1_000_000)


def test_a_question_whose_picture_gift_cannot_carry_is_not_imported():
    reading = read('[html]Hỏi? <img src\\="@@PLUGINFILE@@/a.png">{=x ~y}')
    assert kinds(reading) == [("missing_picture", "error", {"line": 1})]


@pytest.mark.parametrize(
    "piece", ["<b", '<b a="', "<!--", "<!", "<script>", "&amp", "[html]<", "~", "=", "{", "}", "\n\n~"]
)
def test_repetition_takes_no_time_to_speak_of(piece):
    read("[html]" + piece * 25_000 + "{=x ~y}")


gift_soup = st.text(st.sampled_from("ab{}=~#:\\n%5[]/$<>&; \n\tT\x01")) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
)


@settings(max_examples=300, deadline=None)
@given(gift_soup)
def test_any_text_is_read_without_a_fault_of_ours(text):
    read(text)


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(content):
    with suppress(UnreadableFile):
        gift.read(content)


# --- there and back --------------------------------------------------------------------------------

letters = st.sampled_from("aàảãáạăâbcdđeêghiklmnoôơưxyÝỲĐ0123456789%.,;:!?-/\\\"'()[]{}=~#$@_*^|`+ \n")
raw_texts = st.text(
    letters | st.sampled_from("<>&") | st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40
)
fragments = st.sampled_from(
    [
        "<b>đậm</b>",
        "<p>đoạn</p>",
        "a<br>b",
        "H<sub>2</sub>O",
        "Căn cứ: ",
        "Giải thích: ",
        "[html]",
        "%50%",
        "//",
        "->",
        "A. ",
        "\\n",
    ]
)


def html_of(raw):
    try:
        return clean_html(raw)
    except ValueError:
        return "x"


markups = st.builds(
    lambda parts: html_of("".join(parts)), st.lists(raw_texts | fragments, min_size=1, max_size=4)
)
plain_texts = raw_texts.map(clean_text)


@st.composite
def items(draw):
    """Items as the bank stores them, whatever is in their texts."""
    kind = draw(st.sampled_from(["single", "multiple", "true_false"]))
    if kind == "true_false":
        options = (Option("Đúng"), Option("Sai"))
    else:
        options = tuple(
            Option(text, draw(st.booleans())) for text in draw(st.lists(markups, min_size=2, max_size=8))
        )
    places = st.integers(0, len(options) - 1)
    key = draw(st.sets(places, min_size=1) if kind == "multiple" else places.map(lambda place: {place}))
    return Item(
        code=draw(st.sampled_from(["T1-001", "a]b", "x::y", "Câu {1}"])),
        kind=kind,
        stem=draw(markups),
        options=options,
        key=tuple(sorted(key)),
        topic=draw(st.sampled_from(list(TOPICS))),
        level=draw(st.sampled_from(LEVELS)),
        tags=tuple(draw(st.lists(plain_texts, max_size=2))),
        explanation=draw(st.just("") | markups),
        legal_document=draw(st.just("") | plain_texts.filter(lambda text: "Giải thích" not in text)),
        legal_article=draw(st.sampled_from(["", "khoản 1 Điều 11"])),
    )


def what_a_reader_finds(item, place):
    """What judging makes of the item's own texts: no format can say more."""
    draft = Draft(
        where=place,
        stem=text_of_html(item.stem),
        options=[text_of_html(option.text) for option in item.options],
        marks=set(item.key),
        asks_for=item.kind,
        topic=item.topic,
        level=item.level,
        legal_basis=f"{item.legal_article} {item.legal_document}",
        explanation=text_of_html(item.explanation),
    )
    reading = judge([draft])
    return [found.as_json() | {"where": None} for found in reading.items], [
        one.kind for one in reading.problems
    ]


def what_was_found(reading):
    return [found.as_json() | {"where": None} for found in reading.items], [
        one.kind for one in reading.problems
    ]


@settings(max_examples=300, deadline=None)
@given(items())
def test_what_was_written_is_read_again(item):
    assert what_was_found(gift.read(gift.write([item]))) == what_a_reader_finds(item, {})


def test_the_demo_bank_survives_the_way_there_and_back():
    bank = list(demo_items())
    reading = gift.read(gift.write(bank))
    assert not [problem for problem in reading.problems if problem.severity == "error"]
    assert [(found.stem, found.key, found.topic, found.level) for found in reading.items] == [
        (clean_text(text_of_html(item.stem)), item.key, item.topic, item.level) for item in bank
    ]
    assert [found.explanation for found in reading.items] == [clean_text(item.explanation) for item in bank]


def test_a_file_says_code_category_and_tags_as_moodle_does():
    item = Item(
        code="T1-001",
        kind="multiple",
        stem="Hỏi: {a}?",
        options=(Option("1 = 1"), Option("2"), Option("[3]")),
        key=(0, 1),
        topic="T1",
        level="NB",
        tags=("thử",),
        explanation="Vì thế.",
        legal_document="Luật A",
    )
    assert gift.write([item]).decode() == (
        "$CATEGORY: $course$/top/T1 Khái niệm, mức độ dịch vụ công trực tuyến\n"
        "\n"
        "// [id:T1-001] [tag:T1] [tag:NB] [tag:thử]\n"
        "::T1-001::[html]Hỏi\\: \\{a\\}?{\n"
        "\t~%50%1 \\= 1\n"
        "\t~%50%2\n"
        "\t~%-100%[html][3]\n"
        "\t####<p>Căn cứ\\: Luật A</p><p>Giải thích\\: Vì thế.</p>\n"
        "}\n"
    )
