"""Charts: axes that end at round numbers, and drawings that say what is hidden and what there is."""

import re

import pytest
from flask import render_template_string

from contest.charts import ticks


@pytest.mark.parametrize(
    "highest, expected",
    [
        (0, [0, 1, 2, 3, 4]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (100, [0, 50, 100]),
        (101, [0, 50, 100, 150]),
        (12.5, [0, 5, 10, 15]),
        (99_999, [0, 50_000, 100_000]),
    ],
)
def test_an_axis_ends_at_a_round_number(highest, expected):
    assert list(ticks(highest)) == expected


def drawn(app, macro, call):
    return render_template_string(f'{{% from "charts.html" import {macro} %}}{{{{ {call} }}}}')


def test_columns_have_a_name_and_their_numbers_below(app):
    html = drawn(
        app,
        "columns",
        'columns("Theo ngày", "Ngày", ["1/1", "2/1", "3/1"], [("Bài", [3, none, 0])], none_text="dưới 10")',
    )
    assert 'role="img" aria-label="Theo ngày' in html
    assert html.count('<rect class="a"') == 1
    assert html.count('<rect class="unknown"') == 1
    assert re.findall(r'<td class="num">([^<]*)</td>', html) == ["3", "dưới 10", "0"]
    assert "style=" not in html


def test_shares_are_shown_in_per_cent(app):
    html = drawn(
        app, "columns", 'columns("T", "H", ["A"], [("x", [0.25]), ("y", [1])], unit="%", top=1, marked=[0])'
    )
    assert "25,0%" in html
    assert "100%" in html
    assert "A ✓" in html
    assert 'class="key-b"' in html


@pytest.mark.parametrize("labels, values", [([], []), (["a"], [None]), (["a"], [0]), (["a", "b"], [1, 2])])
@pytest.mark.parametrize("macro", ["columns", "lines"])
def test_nothing_and_little_can_be_drawn(app, macro, labels, values):
    html = drawn(app, macro, f'{macro}("T", "H", {labels}, [("x", {values})])')
    assert "<svg" in html
    assert "nan" not in html.lower()


def test_a_line_has_gaps(app):
    html = drawn(app, "lines", 'lines("T", "H", ["a", "b", "c", "d"], [("x", [1, none, 3, 4])])')
    (path,) = re.findall(r'<path d="([^"]+)"', html)
    assert re.findall("[ML]", path) == ["M", "M", "L"]
    assert html.count("<circle") == 3


def test_a_sparkline_says_what_it_is(app):
    html = drawn(app, "sparkline", 'sparkline("Câu T1-001", [0.5, none, 1])')
    assert 'role="img" aria-label="Câu T1-001"' in html


def test_names_are_escaped(app):
    html = drawn(app, "columns", 'columns("<b>", "H", ["<i>"], [("<u>", [1]), ("y", [1])])')
    assert not re.search("<(b|i|u)>", html)


def test_points_are_links_that_stay_in_the_field(app):
    html = drawn(
        app,
        "scatter",
        'scatter("T", [{"x": 2, "y": -5, "label": "A", "href": "/a", "is_marked": true}], '
        '{"title": "X", "low": 0, "high": 1, "ticks": [0, 1], "unit": "%"}, '
        '{"title": "Y", "low": -1, "high": 1, "ticks": [0], "unit": ""}, [{"x": 0.5}, {"y": 0.2}])',
    )
    assert (
        '<a href="/a" tabindex="-1" aria-label="A"><circle class="point is-marked" cx="418.0" cy="250.0"'
        in html
    )
    assert html.count('class="guide"') == 2
