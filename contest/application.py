"""Flask, less what it does for every request and nothing here has a use for."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin


class _Notes(SecureCookieSessionInterface):
    """Flask's session in a cookie, for the notes that the next page shows; most requests have none."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the cookie holds."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie anew if somebody has looked at the session."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)


class FormRequest(Request):
    """A request whose forms are forms: a body of JSON is none, whatever its type says.

    Flask-WTF would read it as one, with lists and numbers where fields expect texts. What takes JSON
    reads the body itself.
    """

    is_json = False


class Application(Flask):
    """The application's class."""

    request_class = FormRequest
    session_interface = _Notes()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the view or hook itself: none is a coroutine, and Flask would look nine times a request."""
        return func
