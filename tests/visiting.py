"""A browser for tests whose requests share one application context, as rolled-back tests need it."""

from typing import Any

from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class Browser(FlaskClient):
    """A test client whose requests do not see what an earlier one left in `g`, such as who was signed in."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Ask for a page as if the server had just come up."""
        for name in list(g):
            g.pop(name)
        return super().open(*args, **kwargs)


def visit(app: Flask) -> Browser:
    """Return a browser without cookies."""
    return Browser(app, use_cookies=True)
