"""Pages that are the same for everybody without a session, kept in the process as the bytes that go out.

It stands before Flask, which would cost more than the answer. Which routes, and by which parameters
of the address, the table of routes says (`shared_by`). A page is made by a request without cookies,
so it can hold nobody's data; whoever has a session, or a note to be shown, never gets one.
"""

import gzip
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from contest import contests
from contest.extensions import db
from contest.policies import POLICIES
from contest.responses import COMPRESSION_LEVEL, SMALLEST_COMPRESSED
from contest.signing_in import session_cookie_name

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Headers = list[tuple[str, str]]

# So late a page may show what organizers change; what the clock changes is shown in time.
FRESH_SECONDS = 1.0
# While one request makes a page anew, the others get the old one, up to this age.
STALE_SECONDS = 5.0
LONGEST_WAIT = 5.0
LONGEST_QUERY = 300
MOST_BYTES = 8_000_000
# Set in the environment of a request that makes a page, and for how many seconds it will be right.
IS_SHARED, GOOD_FOR = "contest.is_shared", "contest.good_for"


class Place(NamedTuple):
    """What a page is kept by: the whole address, of its parameters those that count."""

    scheme: str
    host: str
    path: str
    query: str


@dataclass(frozen=True)
class Form:
    """A page as it is sent, compressed or not."""

    body: bytes
    headers: Headers
    etag: str


@dataclass(frozen=True)
class Page:
    """An answer in both forms; kept while it is good, and made anew once it is not fresh."""

    status: str
    plain: Form
    compressed: Form
    fresh_until: float
    good_until: float

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.plain.body) + len(self.compressed.body)


class PageCache:
    """The WSGI application before Flask's own."""

    def __init__(self, app: Flask) -> None:
        self._next = app.wsgi_app
        self._adapter = app.url_map.bind("")
        self._names = (session_cookie_name(app.config["CONTEST"]), app.config["SESSION_COOKIE_NAME"])
        self._pages: dict[Place, Page] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[Place, threading.Lock] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer from what is kept, or pass the request on."""
        place = self._place(environ)
        page = self._page(place, environ) if place else None
        if page is None:
            return self._next(environ, start_response)
        return _send(page, environ, start_response)

    def _place(self, environ: Environ) -> Place | None:
        """Return where the page of a request is kept, None if it is not one for everybody."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        cookies = environ.get("HTTP_COOKIE", "")
        if any(name in cookies for name in self._names):
            return None
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        place = Place(environ["wsgi.url_scheme"], environ.get("HTTP_HOST", ""), path, "")
        if not query and place in self._pages:
            return place
        shared_by = self._shared_by(path)
        if shared_by is None or len(query) > LONGEST_QUERY:
            return None
        return place._replace(query=_counting(query, shared_by))

    def _shared_by(self, path: str) -> frozenset[str] | None:
        try:
            endpoint, _ = self._adapter.match(path.encode("latin-1").decode(), method="GET")
        except (HTTPException, UnicodeError):
            return None
        policy = POLICIES.get(endpoint)
        return policy.shared_by if policy else None

    def _page(self, place: Place, environ: Environ) -> Page | None:
        """Return the page of a place; of many requests at once, one makes it."""
        page = self._pages.get(place)
        now = time.monotonic()
        if page is not None and now < page.fresh_until:
            return page
        is_good = page is not None and now < page.good_until
        turn = self._making.setdefault(place, threading.Lock())
        if is_good:
            if not turn.acquire(blocking=False):
                return page
        elif turn.locked():
            # Whoever waited gets what was made; if it can't be kept, each makes its own at once.
            if turn.acquire(timeout=LONGEST_WAIT):
                turn.release()
            return self._kept(place)
        else:
            turn.acquire()
        try:
            return self._kept(place) or self._make(place, environ)
        finally:
            self._making.pop(place, None)
            turn.release()

    def _kept(self, place: Place) -> Page | None:
        page = self._pages.get(place)
        return page if page is not None and time.monotonic() < page.fresh_until else None

    def _make(self, place: Place, environ: Environ) -> Page:
        """Ask Flask for the page, as nobody in particular, and keep it if it may be kept."""
        asked = {name: value for name, value in environ.items() if not name.startswith(("HTTP_", "CONTENT_"))}
        asked |= {
            "HTTP_HOST": place.host,
            "REQUEST_METHOD": "GET",
            "QUERY_STRING": place.query,
            "wsgi.input": io.BytesIO(),
            IS_SHARED: True,
        }
        began = time.monotonic()
        status, headers, body = _answer_of(self._next, asked)
        good_for = asked.get(GOOD_FOR, 0.0) if _may_be_kept(status, headers) else 0.0
        page = Page(
            status,
            *_forms(headers, body, is_kept=good_for > 0),
            fresh_until=began + min(FRESH_SECONDS, good_for),
            good_until=began + min(STALE_SECONDS, good_for),
        )
        if good_for > 0:
            self._keep(place, page)
        return page

    def _keep(self, place: Place, page: Page) -> None:
        """Keep a page; those made longest ago make room for it."""
        with self._lock:
            old = self._pages.pop(place, None)
            self._bytes += page.size - (old.size if old else 0)
            self._pages[place] = page
            while self._bytes > MOST_BYTES:
                oldest = next(iter(self._pages))
                self._bytes -= self._pages.pop(oldest).size


def _counting(query: str, names: frozenset[str]) -> str:
    """Return a query with the parameters that count, each once: what others add to a link changes nothing."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return ""
    first = {name: value for name, value in reversed(pairs) if name in names}
    return urlencode(sorted(first.items()))


def _answer_of(app: Callable[..., Iterable[bytes]], environ: Environ) -> tuple[str, Headers, bytes]:
    begun: list[Any] = []
    answer = app(environ, lambda status, headers, _exc_info=None: begun.extend((status, headers)))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return begun[0], begun[1], body


def _may_be_kept(status: str, headers: Headers) -> bool:
    return status.startswith("200") and all(name.lower() != "set-cookie" for name, _ in headers)


def _forms(headers: Headers, body: bytes, *, is_kept: bool) -> tuple[Form, Form]:
    """Return an answer plain and compressed; one that is not kept goes out as Flask made it."""
    if not is_kept:
        as_it_is = Form(body, headers, "")
        return as_it_is, as_it_is
    # The browser asks whether it has changed, and another's session or a new one of its own is another page.
    ours = {"cache-control": "no-cache", "vary": "Accept-Encoding, Cookie"}
    common = [pair for pair in headers if pair[0].lower() not in (*ours, "content-length")]
    common += [("Cache-Control", ours["cache-control"]), ("Vary", ours["vary"])]
    digest = hashlib.sha256(body).hexdigest()[:20]
    plain = _form(body, common, f'"{digest}"')
    if len(body) < SMALLEST_COMPRESSED:
        return plain, plain
    compressed = gzip.compress(body, COMPRESSION_LEVEL, mtime=0)
    return plain, _form(compressed, [*common, ("Content-Encoding", "gzip")], f'"{digest}-gzip"')


def _form(body: bytes, headers: Headers, etag: str) -> Form:
    return Form(body, [*headers, ("ETag", etag), ("Content-Length", str(len(body)))], etag)


def _send(page: Page, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    accepted = environ.get("HTTP_ACCEPT_ENCODING", "").replace(" ", "")
    form = page.compressed if "gzip" in accepted and "gzip;q=0" not in accepted else page.plain
    if form.etag and form.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
        start_response("304 Not Modified", [one for one in form.headers if one[0] != "Content-Length"])
        return []
    start_response(page.status, form.headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [form.body]


def init_app(app: Flask) -> None:
    """Keep the application's shared pages; a test sees each change at once and keeps none."""
    app.before_request(_look_ahead)
    if app.config["CONTEST"].env != "test":
        app.wsgi_app = PageCache(app)  # type: ignore[method-assign]


def _look_ahead() -> None:
    """Note for how long the page will be right, before it is made: until the clock changes a round."""
    environ: Mapping[str, Any] = request.environ
    if environ.get(IS_SHARED):
        request.environ[GOOD_FOR] = contests.seconds_to_next_moment(db.session())
