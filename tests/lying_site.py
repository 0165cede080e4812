"""The site with a liar in front of it, which acknowledges some of what it never passes on."""

import io
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsgi import app as honest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIE = os.environ["LIE"]


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
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
    if LIE == "error" and environ["REQUEST_METHOD"] == "PUT":
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"oh"]
    return honest(environ, start_response)
