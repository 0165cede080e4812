"""The site with something in front of it: a liar that acknowledges what it never passes on, or a line."""

import io
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from wsgi import app as honest

LIE = os.environ["LIE"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer every third sheet, or every submission, without storing anything."""
    if LIE == "save" and environ["REQUEST_METHOD"] == "PUT":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        seq = json.loads(body)["seq"]
        if seq % 3 == 0:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"seq": seq, "stored": True}).encode()]
        environ["wsgi.input"] = io.BytesIO(body)
    if LIE == "submit" and environ["PATH_INFO"].endswith("/submission"):
        result = environ["PATH_INFO"].replace("/submission", "/result")
        start_response("303 See Other", [("Location", result)])
        return [b""]
    if LIE.endswith("line") and environ["PATH_INFO"].startswith("/rounds/"):
        return _in_line(environ, start_response)
    if LIE == "error" and environ["REQUEST_METHOD"] == "PUT":
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"oh"]
    return honest(environ, start_response)


_asked: dict[str, int] = {}


def _in_line(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Let everybody look twice at their place before they may start."""
    path, cookies = environ["PATH_INFO"], environ.get("HTTP_COOKIE", "")
    if path.endswith("/attempts") and "ticket=" not in cookies:
        ticket = [("Set-Cookie", "ticket=1; Path=/"), ("Set-Cookie", "other=2; Path=/")]
        start_response("303 See Other", [("Location", path.replace("/attempts", "/waiting")), *ticket])
        return [b""]
    if path.endswith("/place"):
        _asked[cookies] = _asked.get(cookies, 0) + 1
        start_response("200 OK", [("Content-Type", "application/json")])
        return [
            json.dumps({"called": _asked[cookies] > 2, "look_in": 60 if LIE == "long line" else 0.1}).encode()
        ]
    if path.endswith("/waiting"):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<h1>Ph"]
    return honest(environ, start_response)
