"""What our requests are held against: a bare Flask application that does one raw statement each.

It runs on the same server with the same settings as the site, and does nothing that could be left
out: no session, no owner, no check. Its statements write the same columns of the same table.
"""

import json
import os
from collections import deque
from typing import Any

import psycopg
from flask import Flask, request

from contest import SESSION_TIMEOUTS
from contest.settings import Settings
from trials.bench import YARDSTICK_ROW

UPDATE = """
UPDATE attempts SET responses = %s, prediction = %s, save_seq = %s, save_editor = %s,
                    saved_at = statement_timestamp()
WHERE public_id = %s
"""
SUBMIT = """
UPDATE attempts SET responses = %s, prediction = %s, save_seq = %s, save_editor = %s,
                    saved_at = statement_timestamp(), submitted_at = statement_timestamp(), how = 'person'
WHERE public_id = %s
"""
INSERT = """
INSERT INTO attempts (public_id, receipt_code, account_id, round_id, division_id, unit_id, number, pool_id,
                      paper, paper_shape, started_at, closes_at, deadline_at, grace_ms, extra_ms)
VALUES (%s, %s, %s, %s, %s, %s, 1, %s, %s, %s, statement_timestamp(),
        statement_timestamp() + interval '1 day', statement_timestamp() + interval '15 minutes', 10000, 0)
"""

app = Flask(__name__)
_url = Settings.from_env().database_url.replace("+psycopg", "", 1)
_row: dict[str, Any] = json.loads(os.environ.get(YARDSTICK_ROW, "{}"))
# Taking from its end and putting back there is one step each: the smallest pool that there can be.
_idle: deque[psycopg.Connection[Any]] = deque()


def _changes_one(statement: str, parameters: tuple[Any, ...]) -> str:
    """Do one statement on a pooled connection in autocommit; it must have changed one row."""
    try:
        connection = _idle.pop()
    except IndexError:
        connection = psycopg.connect(_url, autocommit=True, options=SESSION_TIMEOUTS)
    changed = connection.execute(statement, parameters).rowcount
    _idle.append(connection)
    assert changed == 1, changed
    return "stored"


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.put("/update/<public_id>/<int:seq>")
def update(public_id: str, seq: int) -> str:
    return _changes_one(UPDATE, (request.get_data().decode(), 12345, seq, "page", public_id))


@app.post("/submit/<public_id>/<int:seq>")
def submit(public_id: str, seq: int) -> str:
    return _changes_one(SUBMIT, (request.get_data().decode(), 12345, seq, "page", public_id))


@app.post("/insert/<int:account_id>/<public_id>")
def insert(account_id: int, public_id: str) -> str:
    ids = (_row["round_id"], _row["division_id"], _row["unit_id"], _row["pool_id"])
    return _changes_one(INSERT, (public_id, f"R{public_id}", account_id, *ids, _row["paper"], _row["shape"]))
