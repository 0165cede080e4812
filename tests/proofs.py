"""Solving a puzzle as a browser does, for tests of what asks for proof."""

from contest.crowd.participants import solved


def proof(browser, purpose="register", **details):
    """Fetch a puzzle and return its solution, as the form carries it."""
    answer = browser.get(f"/proof?for={purpose}", **details)
    assert answer.status_code == 200, answer.text
    return solved(answer.text)
