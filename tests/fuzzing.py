"""A walker over all routes: as every role, with what no page would send; it says what came back wrong.

Everything follows from one seed. The walker learns the forms from the pages themselves, keeps most
fields as the page gave them and puts something hostile into the others, so that requests get deeper
than the first check.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from random import Random
from typing import Any
from urllib.parse import quote, urlsplit

from werkzeug.routing import Rule

from contest.extensions import db
from tests import builders

# What a template would make of 1337 × 1337; nothing else on a page is this number.
PRODUCT = "1787569"
XSS = (
    "<script>fz9(1)</script>",
    '"><img src=x onerror=fz9(1)>',
    "'><svg/onload=fz9(1)>",
    '" autofocus onfocus=fz9(1) x="',
    "javascript:fz9(1)",
    "</textarea><script>fz9(1)</script>",
    "</title><iframe srcdoc='<script>fz9(1)</script>'>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=fz9(1)>",
    "<scr<script>ipt>fz9(1)</script>",
    "&lt;script&gt;fz9(1)&lt;/script&gt;",
    "＜script＞fz9(1)＜/script＞",
)
SQL = (
    "' OR '1'='1",
    "1' OR 1=1-- -",
    "1;SELECT pg_sleep(9)--",
    "'||(SELECT pg_sleep(9))||'",
    "1) UNION SELECT password_hash FROM accounts--",
    "' AND extractvalue(1,concat(0x7e,version()))--",
    "\\'; DROP TABLE accounts;--",
    "1 AND (SELECT 1 FROM (SELECT pg_sleep(9)) x)",
    "%' AND '%'='",
    "_%\\",
    "$$; SELECT 1; $$",
)
TEMPLATES = (
    "{{1337*1337}}",
    "${1337*1337}",
    "<%= 1337*1337 %>",
    "#{1337*1337}",
    "{% print(1337*1337) %}",
    "{{config.SECRET_KEY}}",
    "{{''.__class__.__mro__[1].__subclasses__()}}",
    "%(1337*1337)s{0.__class__}",
)
PATHS = (
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "/etc/passwd",
    "\\..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "C:\\x",
    ".",
    "..",
    "%00",
    "~root",
)
LINES = (
    "x\r\nSet-Cookie: fz9=1",
    "x\nLocation: https://evil.example/",
    "x%0d%0aSet-Cookie:%20fz9=1",
    "\r",
    "\n\n",
)
TARGETS = (
    "//evil.example",
    "https://evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "/%09/evil.example",
    "\u2028//x",
)
NUMBERS = (
    "-1", "0", "2147483648", "9223372036854775808", "1e999", "NaN",
    "Infinity", "0x10", "1_000", "٣", "1" * 5000,
    "-0", "1.5", "+1", " 1 ", "true", "null",
)  # fmt: skip
TEXTS = (
    "", " ", "\x00", "a\x00b", "A" * 30_000, "ệ" * 3_000, "\u202e\u200b\ufeff", "😀",
    "\x1b[31m", "Ǆ" * 50, "a\u0301" * 500, "[]", "{}", '{"a":' * 500, "=1+1", "@SUM(1)", "-2+3|cmd", "\t=1",
)  # fmt: skip
HOSTILE = (*XSS, *SQL, *TEMPLATES, *PATHS, *LINES, *TARGETS, *NUMBERS, *TEXTS)
IN_PATH = (
    *SQL, *PATHS, "{{1337*1337}}", "%ED%A0%80", "%FF%FE", "%0d%0aSet-Cookie:fz9=1", "1" * 300, "-1", "0",
    "9" * 19, "<script>fz9(1)</script>", "%00", "é", "x" * 22, "1.pdf", "%2e%2e",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "PUT"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-For": "1.2.3.4, ::1"},
    {"X-Original-URL": "/admin/", "X-Rewrite-URL": "/admin/"},
    {"Accept": "application/json"},
    {"Accept": "*/*;q=9,<script>", "Accept-Language": "' OR 1=1", "Accept-Encoding": "gzip;q=x, br"},
    {
        "Referer": "https://evil.example/<script>fz9(1)</script>",
        "User-Agent": "{{1337*1337}}'\"<script>fz9(1)</script>",
    },
    {"Origin": "https://evil.example"},
    {
        "If-None-Match": 'W/"' + "x" * 2000,
        "Range": "bytes=0-18446744073709551615",
        "If-Modified-Since": "NaN",
    },
    {"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"},
    {"Transfer-Encoding": "chunked"},
    {
        "Cookie": "contest_sid=%00; contest_visitor=é; contest_device=a.b.c; contest_pass=..; "
        "contest_place=1.2.3; contest_notes=x"
    },
    {"X-CSRFToken": "é" * 100},
)
ODD_METHODS = ("TRACE", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND", "X" * 40)
FORM = "application/x-www-form-urlencoded"
FOREIGN = re.compile(r"Traceback \(most recent|psycopg\.|sqlalchemy\.|werkzeug\.|jinja2\.|File \"/|root:x:0")


@dataclass
class Form:
    """A form as a page has it: its fields with their values."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


class Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._list = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of the one that is open."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag in ("input", "button", "textarea", "select") and given.get("name"):
            name = given["name"]
            if given.get("type") == "file":
                self._open.files.add(name)
                return
            self._list = name if tag == "select" else self._list
            is_off = given.get("type") in ("radio", "checkbox") and "checked" not in given
            self._open.fields.setdefault(name, [])
            if not is_off and tag != "select":
                self._open.fields[name].append(given.get("value", ""))
        elif tag == "option" and self._list and ("selected" in given or not self._open.fields[self._list]):
            self._open.fields[self._list] = [given.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        """Note that a form ends."""
        if tag == "form":
            self._open = None


class Markup(HTMLParser):
    """What of a page would run: anything inline is somebody else's, for no page of ours has it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what runs."""
        given = dict(attrs)
        if tag in ("iframe", "object", "embed", "base", "math", "style") or (
            tag == "script" and "src" not in given
        ):
            self.faults.append(f"<{tag}>")
        self.faults += [f"{name}=" for name in given if name.startswith("on") or name == "srcdoc"]
        self.faults += [
            f"{name}={value}"
            for name, value in attrs
            if name in ("href", "src", "action", "formaction")
            and (value or "").strip().lower().startswith(("javascript:", "data:", "//", "https://evil"))
        ]


def uploads() -> dict[str, tuple[str, bytes]]:
    """Return files that are not what they say, by what they try."""

    def zipped(**members: bytes) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "/"), content)
        return packed.getvalue()

    entity = b'<?xml version="1.0"?><!DOCTYPE q [<!ENTITY x SYSTEM "file:///etc/passwd">]><quiz><question>&x;</question></quiz>'
    laughs = (
        b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><quiz>&c;</quiz>'
    )
    return {
        "a program": ("x.exe", b"MZ" + bytes(200)),
        "svg": ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='fz9(1)'/>"),
        "html as png": ("x.png", b"<script>fz9(1)</script>"),
        "gif and script": ("x.gif", b"GIF89a/*" + bytes(20) + b"*/=1;fz9(1)"),
        "cut png": ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(30)),
        "bomb": ("x.xlsx", zipped(xl__workbook_xml=bytes(40_000_000))),
        "climbing names": ("x.docx", zipped(**{"..__..__evil": b"x", "word__document.xml": b"<w/>"})),
        "xlsx of nothing": ("x.xlsx", zipped(a=b"b")),
        "docx of entities": (
            "x.docx",
            zipped(**{"word__document.xml": entity, "[Content_Types].xml": b"<T/>"}),
        ),
        "entity": ("x.xml", entity),
        "laughs": ("x.xml", laughs),
        "formula": ("x.csv", "câu,a,b,đúng\n=cmd|' /C calc'!A0,@x,-1,a\n".encode()),
        "name climbs": ("../../../etc/cron.d/x.csv", b"a,b\n"),
        "name with lines": ("x\r\nSet-Cookie: fz9=1.csv", b"a,b\n"),
        "name with nul": ("x.csv\x00.png", b"a\x00b"),
        "gift": ("x.gift", b"::{{1337*1337}}::<script>fz9(1)</script>{=a ~b}\n" * 50),
        "nothing": ("", b""),
        "utf-16": ("x.csv", "câu,a\n".encode("utf-16")),
        "long lines": ("x.txt", b"1. " + b"A" * 60_000),
    }


UPLOADS = uploads()


@dataclass(frozen=True)
class Asked:
    """A request, as it can be told."""

    role: str
    method: str
    path: str
    note: str

    def __str__(self) -> str:
        return f"{self.role} {self.method} {self.path[:120]!a} {self.note[:200]!a}"


class Walker:
    """Sends requests of one seed to an application, whose browsers are those of its roles."""

    def __init__(self, app: Any, browsers: dict[str, Any], known: dict[str, Any], seed: int) -> None:
        self.app, self.browsers, self.known = app, browsers, known
        self.sessions = {role: browser.get_cookie("contest_sid") for role, browser in browsers.items()}
        self.random = Random(seed)
        self.rules = sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))
        self.forms: dict[str, list[Form]] = {}
        self.statuses: dict[int, int] = {}
        self.asked = 0

    # --- what to ask ----------------------------------------------------------------------------------

    def learn(self) -> None:
        """Read the forms of all pages, as each role."""
        for browser in self.browsers.values():
            for rule in self.rules:
                if "GET" not in (rule.methods or ()) or rule.endpoint in ("static", "health.readyz"):
                    continue
                answer = browser.get(self.address(rule), buffered=True)
                if answer.status_code == 200 and answer.mimetype == "text/html":
                    for form in Forms(answer.text).forms:
                        path = urlsplit(form.action).path or self.address(rule)
                        self.forms.setdefault(path, []).append(form)

    def address(self, rule: Rule) -> str:
        """Return a rule's address, of what is really there."""
        fields = {name: self.known.get(name, 0) for name in rule.arguments}
        return str(self.app.url_map.bind("localhost").build(rule.endpoint, fields))

    def requests(self, count: int) -> Iterator[tuple[Asked, dict[str, Any]]]:
        """Yield so many requests: each route in turn, each time in another way."""
        ways = (
            self._as_it_is,
            self._hostile_path,
            self._hostile_query,
            self._odd_method,
            self._hostile_headers,
        )
        for number in range(count):
            rule = self.rules[number % len(self.rules)]
            role = self.random.choice(list(self.browsers))
            method = self.random.choice(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            if method == "GET":
                asked, details = self.random.choice(ways)(rule)
            else:
                asked, details = self._body(rule, role, method)
            details.setdefault("method", method)
            yield Asked(role, details["method"], details["path"], asked), details

    def _as_it_is(self, rule: Rule) -> tuple[str, dict[str, Any]]:
        return "", {"path": self.address(rule)}

    def _hostile_path(self, rule: Rule) -> tuple[str, dict[str, Any]]:
        if not rule.arguments:
            return self._hostile_query(rule)
        bad = self.random.choice(IN_PATH)
        known = {name: str(self.known.get(name, 0)) for name in rule.arguments}
        victim = self.random.choice(sorted(rule.arguments))
        path = re.sub(
            r"<(?:[^:<>]*:)?(\w+)>",
            lambda match: quote(bad, safe="%/") if match[1] == victim else quote(known[match[1]]),
            rule.rule,
        )
        return f"{victim}={bad}", {"path": path}

    def _hostile_query(self, rule: Rule) -> tuple[str, dict[str, Any]]:
        names = (
            "q",
            "page",
            "round",
            "division",
            "next",
            "code",
            "for",
            "group",
            "scope",
            "state",
            "format",
            "sort",
        )
        chosen = self.random.sample(names, 3)
        query = "&".join(f"{name}={quote(self.random.choice(HOSTILE), safe='')}" for name in chosen)
        if self.random.random() < 0.2:
            query += f"&{chosen[0]}=1&{chosen[0]}[]=2&%ED%A0%80=%FF&=&&"
        # Longer than any server before this one lets through.
        return query, {"path": self.address(rule), "query_string": query[:6_000]}

    def _odd_method(self, rule: Rule) -> tuple[str, dict[str, Any]]:
        return "", {"path": self.address(rule), "method": self.random.choice(ODD_METHODS)}

    def _hostile_headers(self, rule: Rule) -> tuple[str, dict[str, Any]]:
        headers = self.random.choice(HEADERS)
        latin = {name: value.encode().decode("latin-1") for name, value in headers.items()}
        return str(headers), {"path": self.address(rule), "headers": latin}

    def _body(self, rule: Rule, role: str, method: str) -> tuple[str, dict[str, Any]]:
        path, browser, random = self.address(rule), self.browsers[role], self.random
        token = builders.csrf(browser)
        details: dict[str, Any] = {"path": path, "headers": {"X-CSRFToken": token}}
        kind = random.random()
        if method == "PUT" or kind < 0.08:
            body = self._json()
            return body[:100], details | {
                "data": body.encode("utf-8", "surrogatepass"),
                "content_type": "application/json",
            }
        if kind < 0.16:
            raw = random.choice(
                (
                    b'--x\r\nContent-Disposition: form-data; name="a',
                    b"--x--",
                    b"\xff\xfe\x00",
                    b"a=%ED%A0%80&b=%",
                    b"",
                )
            )
            content_type = random.choice(
                ("multipart/form-data; boundary=x", "multipart/form-data", FORM, "text/xml", "\u00e9")
            )
            return str(raw), details | {"data": raw, "content_type": content_type.encode().decode("latin-1")}
        forms = self.forms.get(path, [])
        form = random.choice(forms) if forms else Form(path, "post")
        fields: dict[str, Any] = {
            name: list(values) for name, values in form.fields.items() if name != "csrf_token"
        }
        extra = {"role": "organizer", "score": "100", "is_correct": "1", "unit_id": "1", "reason": "x" * 40}
        if random.random() < 0.3:
            fields |= extra
        victims = (
            random.sample(sorted(fields), min(len(fields), random.choice((0, 1, 1, 2, 9)))) if fields else []
        )
        for name in victims:
            fields[name] = random.choice(HOSTILE)
        if random.random() < 0.1 and fields:
            fields[random.choice(sorted(fields))] = [random.choice(HOSTILE)[:200]] * 200
        if form.files or random.random() < 0.1:
            name = (
                random.choice(sorted(form.files)) if form.files else random.choice(sorted(fields) or ["file"])
            )
            what = random.choice(sorted(UPLOADS))
            file_name, content = UPLOADS[what]
            fields = {key: value for key, value in fields.items() if key != name}
            data = {key: value for key, value in fields.items() if value not in ("", [])}
            data[name] = (io.BytesIO(content), file_name)
            return f"{what} as {name}", details | {"data": data, "content_type": "multipart/form-data"}
        return str({name: fields[name] for name in victims}), details | {"data": fields}

    def _json(self) -> str:
        random = self.random
        sheet = {
            "seq": 1,
            "base": 0,
            "editor": "e",
            "shape": "4s",
            "responses": {"1": ["a"]},
            "prediction": None,
        }
        odd = random.choice(
            (
                "[" * 3000, '{"seq":' * 500, "null", "[]", '"x"', "NaN", '{"seq": 1e999}',
                "{" + '"a":1,' * 5000 + '"a":1}',
                '{"seq": ' + "9" * 5000 + "}", "\ud800", '{"seq": "\\ud800"}', "", "\x00",
            )
        )  # fmt: skip
        if random.random() < 0.5:
            return odd
        name = random.choice(sorted(sheet))
        bad = random.choice(
            (None, [], {}, -1, 2**40, 1.5, "x" * 5000, "\x00", {"1": [["a"]]}, {"\x00": "a"}, True)
        )
        return re.sub(r"'", '"', repr(sheet | {name: bad})).replace("None", "null").replace("True", "true")

    def welcome(self, role: str) -> None:
        """Let a role be who it was: it may have signed out, or lost its cookies."""
        browser, session = self.browsers[role], self.sessions[role]
        if session is not None:
            browser.set_cookie("contest_sid", session.value)
        elif browser.get_cookie("contest_sid") or not browser.get_cookie("contest_visitor"):
            browser.delete_cookie("contest_sid")
            browser.get("/login")

    # --- what came back -------------------------------------------------------------------------------

    def ask(self, asked: Asked, details: dict[str, Any]) -> list[str]:
        """Send a request and return what is wrong with the answer."""
        self.asked += 1
        path = details.pop("path")
        browser = self.browsers[asked.role]
        db.session.expunge_all()  # each request of a real server reads everything anew
        answer = browser.open(path, buffered=True, **details)
        self.welcome(asked.role)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        return [f"{asked}: {fault}" for fault in faults_of(answer)]


def faults_of(answer: Any) -> Iterator[str]:
    """Yield what no answer may be, whatever was asked."""
    if answer.status_code >= 500:
        yield f"answered {answer.status_code}"
    location = answer.headers.get("Location", "")
    if urlsplit(location).netloc or location.startswith(("//", "/\\", "javascript:")):
        yield f"leads to {location}"
    for name, value in answer.headers.items():
        if name == "Set-Cookie" and value.startswith("fz9"):
            yield "a header was injected"
        if name.startswith("Access-Control-"):
            yield f"{name} is set"
        if "evil.example" in value and name != "Location":
            yield f"{name} names a foreign host"
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"):
        if name not in answer.headers:
            yield f"{name} is missing"
    if answer.mimetype not in ("text/html", "text/plain", "application/json", "text/csv"):
        return
    text = answer.get_data().decode("utf-8", "replace")
    if match := FOREIGN.search(text):
        yield f"shows {match[0]}"
    if PRODUCT in text:
        yield "a template was evaluated"
    if answer.mimetype == "text/html":
        yield from (f"holds {fault}" for fault in Markup(text).faults)
