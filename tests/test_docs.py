"""The handbooks say what is there: every page, button and metric they name exists."""

import json
import re
from pathlib import Path

import pytest

from contest.navigation import ROUND_TABS, SITE_TABS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
HANDBOOK = sorted((DOCS / "organizers").glob("*.md"))
TEMPLATES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("templates", "blueprints", "rules")
    for path in (ROOT / "contest" / folder).rglob("*")
    if path.suffix in (".html", ".py")
)
TABS = {tab.label for tab in (*SITE_TABS, *(tab for group in ROUND_TABS.values() for tab in group))}
METRIC = re.compile(r"\bcontest_[a-z_]+")


def bold_words(text):
    """Return what a page names in bold outside of headings of a list."""
    return {word for word in re.findall(r"\*\*([^*]+)\*\*", text) if not word.endswith(".")}


@pytest.mark.parametrize("page", HANDBOOK, ids=lambda page: page.name)
def test_every_name_in_bold_is_on_a_page(page):
    named = bold_words(page.read_text(encoding="utf-8"))
    assert named
    missing = {word for word in named if word not in TABS and word not in TEMPLATES}
    # "Căn cứ" and its like open a sentence in the interface and stand within one in the handbook.
    missing -= {word for word in missing if word[0].upper() + word[1:] in TEMPLATES}
    assert not missing


def test_every_page_is_in_the_navigation():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    left_out = {page for page in pages if page not in settings and not page.startswith("decisions/0")}
    assert not left_out


@pytest.mark.parametrize("name", ["grafana/contest.json", "prometheus/alerts.yml"])
def test_every_metric_of_dashboard_and_alerts_is_given_out(name):
    given = set(METRIC.findall((ROOT / "contest/blueprints/metrics.py").read_text(encoding="utf-8")))
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    asked = {metric.removesuffix("_bucket") for metric in METRIC.findall(text)}
    assert len(asked) >= 5
    assert asked <= given


def test_every_alert_is_explained():
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    explained = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    assert len(alerts) >= 6
    assert [alert for alert in alerts if f"| {alert} |" not in explained] == []


def test_the_dashboard_can_be_imported():
    dashboard = json.loads((ROOT / "deploy/grafana/contest.json").read_text(encoding="utf-8"))
    assert dashboard["panels"]
    assert all(panel["targets"] and panel["title"] for panel in dashboard["panels"])


def test_every_file_that_the_developers_pages_name_is_there():
    for page in (DOCS / "developers").glob("*.md"):
        named = re.findall(
            r"`((?:contest|question_bank|docs|tests)/[\w/.]+)`", page.read_text(encoding="utf-8")
        )
        assert named
        assert [name for name in named if not (ROOT / name).exists()] == [], page.name
