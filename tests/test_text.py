"""Vietnamese text: one form to store, one to search, one to sort, and the one cleaner of HTML."""

import time
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from question_bank.text import (
    ALLOWED_TAGS,
    LONGEST_HTML,
    _cleaned_once,
    clean_html,
    clean_text,
    fold,
    name_sort_key,
    sort_key,
)


def nfd(text):
    return unicodedata.normalize("NFD", text)


# --- plain text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, stored",
    [
        (nfd("Nguyễn Thị Ửng"), "Nguyễn Thị Ửng"),
        ("  Nguyễn \t Văn\r\n An ", "Nguyễn Văn An"),
        ("Nguyễn\u00a0Văn\u202fAn", "Nguyễn Văn An"),
        ("\ufeffNguyễn\u200b Văn\u00ad An\x00", "Nguyễn Văn An"),
        ("Nguyễn\x0bVăn", "Nguyễn Văn"),
        (
            "\u202eNguyễn\u202c Văn \u200eAn",
            "Nguyễn Văn An",
        ),  # marks of direction, pasted or meant to deceive
        ("An \u200b Bình", "An Bình"),
        ("e\x01\u0301", "é"),  # composed though something stood between
        ("hoà", "hoà"),  # the place of the tone stays as typed
        ("<b> & 'x'", "<b> & 'x'"),
        ("", ""),
    ],
)
def test_text_is_stored_in_one_form(typed, stored):
    assert clean_text(typed) == stored


texts = (
    st.text(st.sampled_from("aeuđư \n\t\u0301\u0302\u0323\u031b\u00a0\u200b\u202e\x00\x01\x1f<>&;#"))
    | st.text()
)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_clean_text_is_composed_and_stays_as_it_is(text):
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in cleaned)


# --- search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, folded",
    [
        ("Nguyễn Văn Đường", "nguyen van duong"),
        ("ĐỒNG NGUYÊN", "dong nguyen"),
        ("Hòa", "hoa"),
        ("Hoà", "hoa"),
        ("Thủy thuỷ quý", "thuy thuy quy"),
        ("Ưng Ơ Ă Â Ê Ô", "ung o a a e o"),
        ("Phường 2, số 15/3", "phuong 2, so 15/3"),
    ],
)
def test_search_forgets_case_accents_and_the_bar_of_the_d(text, folded):
    assert fold(text) == fold(nfd(text)) == folded


@settings(max_examples=100, deadline=None)
@given(st.text("aăâđeêoôơuưáàảãạ ĐẤ"))
def test_a_folded_text_stays_as_it_is(text):
    assert fold(fold(text)) == fold(text)
    assert fold(text).isascii()


# --- order -----------------------------------------------------------------------------------------


def is_in_order(*words, key=sort_key):
    """Whether the words stand in strictly rising order."""
    keys = [key(word) for word in words]
    return keys == sorted(keys) and len(set(keys)) == len(keys)


def test_the_alphabet():
    assert is_in_order(*"aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")


@pytest.mark.parametrize(
    "words",
    [
        "ba bà bả bã bá bạ bă bằ bâ bẩ da dì đa",
        "ma mà mả mã má mạ mă mâ me",
        "to tò tô tồ tơ tờ tu tư",
        "e è ẻ ẽ é ẹ ê ề ể ễ ế ệ",
        "An Anh Ảnh Ánh Ân Ẩn Bình Dũng Đào Hòa",
        "Bắc Bằng Cần Đáp",
    ],
)
def test_letters_decide_before_tones(words):
    assert is_in_order(*words.split())


def test_tones_decide_only_where_all_letters_are_equal():
    assert is_in_order("bà ta", "bá ta", "ba te")
    assert is_in_order("Hòa Bình", "Hóa Bình", "Hòa Minh")


def test_a_shorter_word_stands_first_and_numbers_before_letters():
    assert is_in_order("Phường 2", "Phường Bồng Lai", "Phường Chũ", "Phường Đa Mai")
    assert is_in_order("An", "An Bình", "Anh")


def test_case_and_the_way_of_composing_change_nothing():
    assert sort_key("Đồng Nguyên") == sort_key("đồng nguyên") == sort_key(nfd("ĐỒNG NGUYÊN"))


def test_names_stand_in_the_order_of_given_then_family_then_middle_names():
    assert is_in_order(
        "Trần Thị An",
        "Lê Văn Anh",
        "Nguyễn Thị Ảnh",
        "Bùi Văn Ánh",  # all Ảnh before all Ánh, whatever the family
        "Bùi Văn Bình",
        "Nguyễn Bá Bình",
        "Nguyễn Văn Bình",
        "Đỗ Đạt",
        key=name_sort_key,
    )


# --- HTML ------------------------------------------------------------------------------------------

PAYLOADS = """
<script>alert(1)</script>
<ScRiPt/src=//evil.example/x.js></sCrIpT>
<scr<script>ipt>alert(1)</scr</script>ipt>
<<script>alert(1);//<</script>
<img src=x onerror=alert(1)>
<img/src="x"/onerror=alert(1)//
<svg onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<style><style /><img src=x onerror=alert(1)>
<title><img src=x onerror=alert(1)></title>
<textarea><script>alert(1)</script></textarea>
<xmp><script>alert(1)</script></xmp>
<plaintext><script>alert(1)</script>
<template><script>alert(1)</script></template>
<iframe srcdoc="<script>alert(1)</script>"></iframe>
<iframe src=javascript:alert(1)>
<object data=data:text/html,<script>alert(1)</script>>
<embed src=javascript:alert(1)>
<a href="javascript:alert(1)">x</a>
<a href="jav&#x09;ascript:alert(1)">x</a>
<a href=" &#14; javascript:alert(1)">x</a>
<b onclick=alert(1)>x</b>
<b style="background:url(javascript:alert(1))">x</b>
<p/onmouseover=alert(1)//>x
<b\u0338 onmouseover=alert(1)>x
<b>&#x338; onmouseover=alert(1) &gt;x</b>
<body onload=alert(1)>
<base href=//evil.example/>
<link rel=stylesheet href=//evil.example/x.css>
<meta http-equiv=refresh content="0;url=javascript:alert(1)">
<!--<img src="--><img src=x onerror=alert(1)//">
<!--[if gte IE 4]><script>alert(1)</script><![endif]-->
<![CDATA[<script>alert(1)</script>]]>
<?xml version="1.0"?><script>alert(1)</script>
<!DOCTYPE html [<!ENTITY x "y">]>&x;
<table><td background="javascript:alert(1)">
<select><style></select><img src=x onerror=alert(1)></style>
<details open ontoggle=alert(1)>
<video><source onerror=alert(1)>
<input autofocus onfocus=alert(1)>
&lt;script&gt;alert(1)&lt;/script&gt;
&amp;lt;script&amp;gt;alert(1)
%3Cscript%3Ealert(1)%3C/script%3E
+ADw-script+AD4-alert(1)
<b><p><ul></b><li></p>x
</p></b></ul>
<
<b
</
&
&#x;
&#0;&#xd800;&#x110000;
""".strip().split("\n")


class Markup(HTMLParser):
    """Everything in a text that a browser would not take for text."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, attributes))

    def handle_comment(self, data):
        self.found.append(("<!--", data))

    def handle_decl(self, declaration):
        self.found.append(("<!", declaration))

    def handle_pi(self, data):
        self.found.append(("<?", data))

    unknown_decl = handle_decl


def assert_harmless(html):
    assert [piece for piece in Markup(html).found if piece[0] not in ALLOWED_TAGS or piece[1]] == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_leaves_more_than_plain_tags(payload):
    cleaned = clean_html(payload)
    assert_harmless(cleaned)
    assert clean_html(cleaned) == cleaned


@pytest.mark.parametrize(
    "html",
    [
        "<p>Mức <b>toàn trình</b> và <em>một phần</em>.</p>",
        "H<sub>2</sub>O, m<sup>2</sup><br>xuống dòng",
        "<ul><li>một</li><li>hai</li></ul>",
        "<ol><li><strong>một</strong></li></ol><i>nghiêng</i> <u>gạch</u>",
        "5 &lt; 7 &amp; 7 &gt; 5",
        "Không có thẻ nào",
        "",
    ],
)
def test_what_is_allowed_stays_as_it_is(html):
    assert clean_html(html) == html


@given(st.text(alphabet=st.characters(exclude_characters="<>&", exclude_categories=("Cs",))))
def test_what_has_no_markup_is_cleaned_as_if_it_might(plain):
    """The short way past the cleaners gives what they give."""
    assert clean_html(plain) == _cleaned_once(_cleaned_once(plain))


def test_what_is_not_allowed_leaves_its_text():
    assert clean_html('<h1 class="x">Câu <a href="https://example.vn">hỏi</a></h1>') == "Câu hỏi"


def test_a_lone_bracket_is_text():
    assert clean_html("nếu 5 < 7 & 7 > 5") == "nếu 5 &lt; 7 &amp; 7 &gt; 5"


def test_open_tags_are_closed():
    assert clean_html("<b>đậm") == "<b>đậm</b>"


@pytest.mark.parametrize("written", [nfd("<b>tiếng Việt</b>"), "<b>tiê&#x301;ng Viê&#x323;t</b>"])
def test_html_is_composed(written):
    assert clean_html(written) == "<b>tiếng Việt</b>"


WILD = """<script> </script> <svg> <math> <style> </style> <table> <title> <b\tx=1> <!-- --> < > & &lt;
 &amp; &#x338; \u0338 \u0301 e " ' = / \x00 \x0c \u200b onload=x"""
PIECES = [f"<{slash}{tag}>" for tag in sorted(ALLOWED_TAGS) for slash in ("", "/")] + WILD.split(" ")
pieces = st.sampled_from(PIECES)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join))
def test_whatever_is_put_together_is_harmless_composed_and_stays_as_it_is(html):
    cleaned = clean_html(html)
    assert_harmless(cleaned)
    assert clean_html(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)


@pytest.mark.parametrize("length", [LONGEST_HTML + 1, 10**7])
def test_too_long_a_text_is_refused(length):
    with pytest.raises(ValueError, match="20000"):
        clean_html("a" * length)


@pytest.mark.parametrize("piece", ["<b>", "<ul><li>", "<p><b>", "<", "&", "<!--", "<b ", "</b>"])
def test_nothing_within_the_limit_takes_long(piece):
    began = time.perf_counter()
    try:
        assert_harmless(clean_html((piece * LONGEST_HTML)[:LONGEST_HTML]))
    except ValueError:
        pass  # it has grown past the limit by being closed or escaped
    assert time.perf_counter() - began < 10


def test_twenty_thousand_nested_tags_are_refused_at_once():
    began = time.perf_counter()
    with pytest.raises(ValueError, match="20000"):
        clean_html("<b>" * 20_000)
    assert time.perf_counter() - began < 1
