"""Who may import what and do what: the table of the design, and what it forbids, read from the source.

Nothing is run. Each complaint names file and line and says what to do instead.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEMPLATES = sorted((ROOT / "contest/templates").rglob("*.html"))
# A program of its own that is given out with every bundle; it shares nothing with the application.
VERIFIER = ROOT / "contest/data/verify.py"
SOURCES = sorted(
    path for part in ("contest", "question_bank") for path in (ROOT / part).rglob("*.py") if path != VERIFIER
)
LONGEST_FILE = 450

# The files directly in contest/ that are the shell's, or the machinery under it. Every other one is
# an operation (contest/<noun>.py) and obeys the operations' rules.
SHELL_FILES = {
    "__init__",
    "application",
    "clock",
    "collector",
    "door",
    "extensions",
    "fields",
    "health",
    "hot_connections",
    "jobs",
    "launch",
    "limits",
    "logs",
    "navigation",
    "page_cache",
    "proofs",
    "proving",
    "pulse",
    "readings",
    "redis_connection",
    "replica",
    "responses",
    "settings",
    "signing_in",
    "static_files",
    "supervisor",
}
SHELL_FOLDERS = {"backups", "blueprints", "cli", "demo", "embedded"}
WEB = {"flask", "flask_login", "flask_wtf", "flask_migrate", "werkzeug", "wtforms", "jinja2"}
QUEUE = {"redis", "rq"}
FILE_FORMATS = {"PIL", "openpyxl", "docx", "lxml", "defusedxml", "xlsxwriter"}
TYPESETTING = {"typst", "segno"}
# Of the standard library: what brings in the time, chance, or the world outside.
IMPURE = {"time", "random", "secrets", "socket", "subprocess", "threading", "logging", "urllib", "http"}


def name_of(path: Path) -> str:
    """contest/rules/ranking.py is contest.rules.ranking."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(path: Path) -> str:
    """The row of the design's table that a file belongs to."""
    first, *rest = path.relative_to(ROOT).with_suffix("").parts
    if first == "question_bank" or rest[0] in ("rules", "models", "documents"):
        return first if first == "question_bank" else rest[0]
    if rest[0] in SHELL_FOLDERS:
        return rest[0]
    if rest[0] in ("door", "jobs", "limits", "proving", "pulse"):
        return "jobs"
    return "shell" if rest[0] in SHELL_FILES else "operations"


def files_of(*parts: str) -> list[Path]:
    return [path for path in SOURCES if part_of(path) in parts]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(tree: ast.Module, module: str = "", *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Every imported name in full, wherever in the file it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".")
            base = here[: len(here) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def is_within(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def dotted(node: ast.expr) -> str:
    """a.b.c of an expression, as far as it is names and attributes."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls_of(tree: ast.Module) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func), node


def complain(complaints: list[str]) -> None:
    assert not complaints, "\n" + "\n".join(complaints)


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


# --- the table of imports --------------------------------------------------------------------------


def why_not(part: str, module: str, name: str) -> str | None:
    """What to do instead of importing this name here; None if it may be imported."""
    root = name.partition(".")[0]
    is_standard = root in sys.stdlib_module_names
    if part == "question_bank":
        if is_standard and root not in IMPURE:
            return None
        allowed = is_within(name, "question_bank") or root in FILE_FORMATS | {"bleach", "nh3"}
        return None if allowed else "question_bank is pure: take the value as an argument"
    if part == "rules":
        if is_standard and root not in IMPURE:
            return None
        allowed = is_within(name, "contest.rules", "question_bank")
        return None if allowed else "rules are pure: take the value, the moment or the key as an argument"
    if part == "documents":
        if is_standard and root not in IMPURE:
            return None
        allowed = root in TYPESETTING or is_within(
            name, "contest.documents", "contest.rules", "contest.formatting", "contest.clock.LOCAL_ZONE"
        )
        return None if allowed else "documents are pure: take finished values as arguments"
    if part == "models":
        allowed = (
            is_standard or root == "sqlalchemy" or is_within(name, "contest.models", "contest.extensions")
        )
        return (
            None
            if allowed
            else "models are tables only: what works on them is an operation, contest/<noun>.py"
        )
    if part == "operations":
        return why_not_in_an_operation(name)
    if part == "blueprints":
        return why_not_in_a_blueprint(module, name)
    if part in ("jobs", "cli", "demo") and is_within(name, "contest.blueprints"):
        return "only the web knows blueprints: move what is shared into an operation"
    return None


def why_not_in_an_operation(name: str) -> str | None:
    root = name.partition(".")[0]
    if root in WEB:
        return "operations never know the request: take what you need as an argument"
    if root in QUEUE or is_within(name, "contest.jobs", "contest.limits", "contest.redis_connection"):
        return "operations never ring: the shell rings after its commit"
    if is_within(name, "contest.clock") and name != "contest.clock.LOCAL_ZONE":
        return "operations never ask for the time: take a keyword-only `now`"
    inner = name.removeprefix("contest.").partition(".")[0]
    allowed = {"clock", "extensions"}
    if name.startswith("contest.") and inner in (SHELL_FILES | SHELL_FOLDERS) - allowed:
        return "operations stand below the shell: move what both need into an operation or a rule"
    return None


def why_not_in_a_blueprint(module: str, name: str) -> str | None:
    if name.partition(".")[0] in QUEUE:
        return "views never talk to Redis: ask a function of contest/jobs.py"
    lists_them = module in ("contest.blueprints", "contest.blueprints.admin")
    if is_within(name, "contest.blueprints") and not lists_them:
        # A noun is a module or a folder: contest.blueprints.attempts, contest.blueprints.admin.bank.
        noun = module.split(".")[: 4 if ".admin." in module else 3]
        if name.split(".")[: len(noun)] != noun:
            return "blueprints never import one another: move what both need into an operation"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_follow_the_table(path):
    module, part = name_of(path), part_of(path)
    found = imports_of(tree_of(path), module, is_package=path.name == "__init__.py")
    complain(
        [
            f"{place(path, line)} imports {name}; {instead}"
            for line, name in found
            if (instead := why_not(part, module, name))
        ]
    )


@pytest.mark.parametrize(
    "part, module, source",
    [
        ("question_bank", "question_bank.draw", "import flask"),
        ("question_bank", "question_bank.draw", "from contest.rules import ranking"),
        ("question_bank", "question_bank.draw", "import secrets"),
        ("rules", "contest.rules.timing", "from contest.clock import LOCAL_ZONE"),
        ("rules", "contest.rules.timing", "import time"),
        ("rules", "contest.rules.timing", "from contest import models"),
        ("rules", "contest.rules.timing", "from ..models import Attempt"),
        ("documents", "contest.documents.certificates", "from contest.models import Publication"),
        ("documents", "contest.documents.certificates", "from contest.clock import db_now"),
        ("documents", "contest.documents.certificates", "import secrets"),
        ("models", "contest.models.units", "from contest import units"),
        ("operations", "contest.attempts", "from flask import request"),
        ("operations", "contest.attempts", "def f():\n    from flask_login import current_user"),
        ("operations", "contest.attempts", "from contest.clock import db_now"),
        ("operations", "contest.attempts", "from contest import jobs"),
        ("operations", "contest.attempts", "from .jobs import ring_for_scoring"),
        ("operations", "contest.attempts", "from contest.blueprints import attempts"),
        ("blueprints", "contest.blueprints.public", "from contest.blueprints.accounts import bp"),
        ("blueprints", "contest.blueprints.public", "from contest.blueprints import accounts"),
        ("blueprints", "contest.blueprints.admin.rounds", "from . import results"),
        ("blueprints", "contest.blueprints.public", "from redis.exceptions import RedisError"),
        ("jobs", "contest.jobs", "import contest.blueprints.public"),
        ("cli", "contest.cli.setup", "from contest.blueprints import BLUEPRINTS"),
    ],
)
def test_the_table_refuses(part, module, source):
    assert all(why_not(part, module, name) for _, name in imports_of(ast.parse(source), module))


# --- time and commits ------------------------------------------------------------------------------

CLOCKS = re.compile(
    r"(^|\.)(datetime|date|dt)\.(now|utcnow|today)$|^time\.(time|time_ns|localtime|gmtime|ctime)$"
)
TRANSACTION_TIME = re.compile(r"(^|\.)func\.(now|current_timestamp|localtimestamp|transaction_timestamp)$")


def test_nobody_but_the_shell_reads_a_clock():
    complaints = []
    for path in files_of(
        "question_bank", "rules", "documents", "models", "operations", "blueprints", "jobs", "demo"
    ):
        tree = tree_of(path)
        complaints += [
            f"{place(path, line)} calls {name}; take `now`, which the shell gets from contest.clock.db_now"
            for line, name, _ in calls_of(tree)
            if CLOCKS.search(name)
        ]
        complaints += [
            f"{place(path, line)} imports {name}; the database's clock decides, see contest/clock.py"
            for line, name in imports_of(tree)
            if name in ("time.time", "time.time_ns")
        ]
    complain(complaints)


def test_the_database_is_asked_for_the_statements_time():
    complain(
        [
            f"{place(path, line)} calls {name}: the transaction's start; use statement_timestamp"
            for path in SOURCES
            for line, name, _ in calls_of(tree_of(path))
            if TRANSACTION_TIME.search(name)
        ]
    )


def test_only_views_jobs_and_commands_commit():
    complain(
        [
            f"{place(path, line)} calls {name}; the shell commits once, after the operation"
            for path in SOURCES
            if part_of(path) not in ("blueprints", "jobs", "cli", "embedded")
            for line, name, _ in calls_of(tree_of(path))
            if name.rpartition(".")[2] in ("commit", "begin") and "." in name
        ]
    )


# --- what is never done ----------------------------------------------------------------------------

NEVER_CALLED = {
    "eval": "parse the value",
    "exec": "call a function",
    "compile": "call a function",
    "__import__": "import it at the top",
    "render_template_string": "make a file under contest/templates and render_template it",
    "yaml.load": "use TOML or JSON",
    "os.system": "pass a list to subprocess",
}
NEVER_IMPORTED = {
    "pickle": "use JSON",
    "marshal": "use JSON",
    "shelve": "use the database",
    "dill": "use JSON",
    "cloudpickle": "use JSON",
    "yaml": "use TOML or JSON",
    "flask.render_template_string": "make a file under contest/templates",
    "jinja2.Template": "make a file under contest/templates",
}


def test_nothing_dangerous_is_called_or_imported():
    complaints = []
    for path in SOURCES:
        tree = tree_of(path)
        complaints += [
            f"{place(path, line)} calls {name}; {NEVER_CALLED[name]}"
            for line, name, _ in calls_of(tree)
            if name in NEVER_CALLED
        ]
        complaints += [
            f"{place(path, line)} imports {name}; {instead}"
            for line, name in imports_of(tree)
            for never, instead in NEVER_IMPORTED.items()
            if is_within(name, never)
        ]
    complain(complaints)


def test_no_route_is_exempt_from_the_csrf_check():
    complain(
        [
            f"{place(path, node.lineno)} exempts something; contest/signing_in.py checks every request"
            for path in SOURCES
            for node in ast.walk(tree_of(path))
            if (isinstance(node, ast.Attribute) and node.attr in ("exempt", "csrf_exempt"))
            or (isinstance(node, ast.Name) and node.id == "csrf_exempt")
        ]
    )


CLIENTS = {"Redis", "StrictRedis", "RedisCluster", "Sentinel", "ConnectionPool", "from_url"}


def made_clients(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every place that makes, or could make, a connection to Redis of its own."""
    for line, name in imports_of(tree):
        last = name.rpartition(".")[2]
        inside = ("redis.asyncio", "redis.client", "redis.connection", "redis.sentinel")
        if name == "redis" or is_within(name, *inside) or (is_within(name, "redis") and last in CLIENTS):
            yield line, name
    for line, name, _ in calls_of(tree):
        if name.rpartition(".")[2] in CLIENTS:
            yield line, name


def test_there_is_one_way_to_redis():
    complain(
        [
            f"{place(path, line)} has {name}; use QuickRedis or waiting_redis of contest/redis_connection.py"
            for path in SOURCES
            if path != ROOT / "contest/redis_connection.py"
            for line, name in made_clients(tree_of(path))
        ]
    )


@pytest.mark.parametrize(
    "source, is_one",
    [
        ("import redis", True),
        ("from redis import Redis", True),
        ("import redis.asyncio as r", True),
        ("from redis.client import Redis as R", True),
        ("from redis.sentinel import Sentinel", True),
        ("import rq\nrq.connections.Redis.from_url('x')", True),
        ("def f(kind):\n    return kind.from_url('redis://x')", True),
        ("from redis.exceptions import RedisError", False),
        ("from contest.redis_connection import QuickRedis\nQuickRedis('x')", False),
    ],
)
def test_the_rule_for_redis_sees(source, is_one):
    assert bool(list(made_clients(ast.parse(source)))) is is_one


# --- SQL -------------------------------------------------------------------------------------------


def sql_texts(tree: ast.Module) -> Iterator[ast.Call]:
    """Every call of SQLAlchemy's text() or literal_column(), under whatever name it was imported."""
    names = {"sqlalchemy.text", "sqlalchemy.literal_column", "sa.text", "sa.literal_column"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sqlalchemy":
            names |= {one.asname or one.name for one in node.names if one.name in ("text", "literal_column")}
    for _, name, call in calls_of(tree):
        if name in names:
            yield call


def constants_of(tree: ast.Module) -> set[str]:
    """The names that are bound once, at the top of the module, to a text of which every part is constant."""
    bound: dict[str, list[ast.expr | None]] = {}
    top = {id(statement) for statement in tree.body}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                value = getattr(node, "value", None) if id(node) in top else None
                bound.setdefault(target.id, []).append(value)
        if isinstance(node, ast.arg):
            bound.setdefault(node.arg, []).append(None)
    known: set[str] = set()
    while found := {
        name
        for name, values in bound.items()
        if name not in known and len(values) == 1 and values[0] is not None and is_constant(values[0], known)
    }:
        known |= found
    return known


def is_constant(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | int)
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.JoinedStr):
        return all(is_constant(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return node.format_spec is None and is_constant(node.value, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_constant(node.left, known) and is_constant(node.right, known)
    return False


def loose_sql(tree: ast.Module) -> list[int]:
    known = constants_of(tree)
    return [
        call.lineno
        for call in sql_texts(tree)
        if not (len(call.args) == 1 and is_constant(call.args[0], known))
    ]


def test_sql_is_made_of_constants():
    complain(
        [
            f"{place(path, line)} builds SQL from something that changes; bind it as a :parameter"
            for path in SOURCES
            for line in loose_sql(tree_of(path))
        ]
    )


@pytest.mark.parametrize(
    "source, is_loose",
    [
        ("text('SELECT 1')", False),
        ("text('SELECT ' 'a')", False),
        ("A = 'a = 1'\nB = f'{A} AND b'\nQ = text(f'SELECT {B}' + A)", False),
        ("A = 'a'\ndef f():\n    return text(f'SELECT {A}')", False),
        ("def f(a):\n    return text(f'SELECT {a}')", True),
        ("A = 'a'\ndef f(A):\n    return text(f'SELECT {A}')", True),
        ("A = 'a'\nA = input()\nQ = text(f'SELECT {A}')", True),
        ("A = input()\nQ = text(f'SELECT {A}')", True),
        ("def f(a):\n    return text('SELECT %s' % a)", True),
        ("def f(a):\n    return text('SELECT {}'.format(a))", True),
        ("def f(a):\n    return text('SELECT ' + a)", True),
        ("def f(a):\n    return text(a)", True),
        ("def f(a):\n    sql = f'SELECT {a}'\n    return text(sql)", True),
        ("for A in ('x', 'y'):\n    Q = text(f'SELECT {A}')", True),
    ],
)
def test_the_rule_for_sql_sees(source, is_loose):
    tree = ast.parse(f"from sqlalchemy import text\n{source}")
    assert bool(loose_sql(tree)) is is_loose


# --- templates -------------------------------------------------------------------------------------

COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
TAG = re.compile(r"<([a-z][a-z0-9-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)
FOREIGN = re.compile(r"(?:https?:)?//([^/\"'\s>]+)", re.IGNORECASE)


def blanked(pattern: re.Pattern[str], text: str, filler: str) -> str:
    """The text with what matches replaced, its lines kept."""
    return pattern.sub(lambda match: filler + "\n" * match[0].count("\n"), text)


def faults_of(template: str) -> Iterator[tuple[int, str]]:
    """What the content security policy would refuse, by line."""
    source = blanked(CODE, blanked(COMMENT, template, ""), "x")
    for match in TAG.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        tag, attributes = match[1].lower(), match[2]
        names = {name.lower() for name in re.findall(r"[\s\"']([a-z-]+)\s*=", attributes, re.IGNORECASE)}
        if tag == "style" or "style" in names:
            yield line, "has an inline style; write a class in static/css"
        if tag == "script" and "src" not in names:
            yield line, "has an inline script; write a module in static/js"
        if handlers := sorted(name for name in names if name.startswith("on")):
            yield line, f"has {handlers[0]}=; add the listener in static/js"
        if re.search(r"javascript:|data:text", attributes, re.IGNORECASE):
            yield line, "has a script for an address; use a button and static/js"
        for host in FOREIGN.findall(attributes):
            if tag != "a" or not host.endswith(".gov.vn"):
                yield line, f"names the host {host}; serve it from static/"


def test_templates_have_nothing_inline_and_nothing_foreign():
    assert TEMPLATES
    complain(
        [
            f"{place(path, line)} {fault}"
            for path in TEMPLATES
            for line, fault in faults_of(path.read_text(encoding="utf-8"))
        ]
    )


def test_templates_leave_escaping_to_jinja():
    unescaped = re.compile(r"\|\s*safe\b|autoescape\s+false")
    complain(
        [
            f"{place(path, number)} turns escaping off; let the view hand over Markup of a cleaned text"
            for path in TEMPLATES
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            if unescaped.search(line)
        ]
    )


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<style>a {}</style>",
        '<p style="color: red">',
        "<b\n  onclick='x()'>",
        '<p class="{{ a > b }}" onclick="x()">',
        '<a href="javascript:x()">',
        '<script src="https://cdn.example/x.js"></script>',
        '<img src="//cdn.example/x.png">',
        '<a href="https://example.com">',
    ],
)
def test_the_rule_for_templates_sees(html):
    assert list(faults_of(html))


def test_the_rule_for_templates_lets_pass():
    fine = """<!-- <script> --><script type="module" src="{{ asset('js/app.js') }}"></script>
    {# style="x" #}{{ button("x", onclick=1) }}<p class="on" data-once>on time = //</p>
    <a href="https://dichvucong.gov.vn">x</a><input name="q" value="{{ '<style>' }}">"""
    assert list(faults_of(fine)) == []


def test_style_sheets_and_scripts_load_nothing_foreign():
    loads = re.compile(r"""(?:url\(|@import|import|from|fetch\()\s*["']?(?:https?:)?//[^"')\s]+""")
    files = [path for kind in ("css", "js") for path in (ROOT / "contest/static").rglob(f"*.{kind}")]
    assert files
    complain(
        [
            f"{path.relative_to(ROOT)} loads {found}; serve it from static/"
            for path in files
            for found in loads.findall(path.read_text(encoding="utf-8"))
        ]
    )


# --- docstrings and sizes --------------------------------------------------------------------------


def without_docstring(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The module, if it has any code, and its public functions and classes that have none."""
    if tree.body and not ast.get_docstring(tree):
        yield 1, "the module"
    for node in tree.body:
        is_named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if is_named and not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.lineno, node.name


def test_everything_public_says_what_it_is():
    complain(
        [
            f"{place(path, line)} {name} has no docstring: one line, what it returns and when it refuses"
            for path in SOURCES
            for line, name in without_docstring(tree_of(path))
        ]
    )


def test_no_file_has_a_second_noun_in_it():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    complain(
        [
            f"{path.relative_to(ROOT)} has {size} lines: there is a second noun in it, give it a file"
            for path, size in sizes.items()
            if size > LONGEST_FILE
        ]
    )


# --- the verifier ----------------------------------------------------------------------------------


def test_the_verifier_needs_the_standard_library_alone():
    complain(
        [
            f"{place(VERIFIER, line)} imports {name}; strangers have nothing but Python"
            for line, name in imports_of(tree_of(VERIFIER))
            if name.partition(".")[0] not in sys.stdlib_module_names
        ]
    )


def test_the_verifier_is_not_used_by_what_it_checks():
    complain(
        [
            f"{place(path, line)} imports {name}; the check is worth something only if it shares no code"
            for path in SOURCES
            for line, name in imports_of(tree_of(path), name_of(path))
            if is_within(name, "contest.data")
        ]
    )
