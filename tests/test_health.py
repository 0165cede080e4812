"""What a web process measures of itself, the threads it keeps for those who sit, and what monitors read."""

import json
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from contest import waiting_room
from contest.extensions import db
from contest.health import BUCKETS, FEWEST, Gauge
from contest.policies import POLICIES
from contest.rules.admission import Measures
from tests import builders
from tests.visiting import visit


@pytest.fixture
def gauge():
    return Gauge(threads=16)


def serve(gauge, route, *, seconds=0.0, status=200, times=1):
    for _ in range(times):
        assert gauge.enter(is_first=True)
        gauge.leave(time.monotonic() - seconds, route, status, is_first=True)


# --- measures --------------------------------------------------------------------------------------


def test_of_a_hundred_saves_the_slowest_five_do_not_count(gauge):
    serve(gauge, "attempts.save", seconds=0.05, times=96)
    serve(gauge, "attempts.save", seconds=3.0, times=4)
    serve(gauge, "attempts.start", seconds=0.5, times=FEWEST)
    measures = gauge.read(lag=0.2)
    assert measures.save_ms == pytest.approx(50, abs=10)
    assert measures.start_ms == pytest.approx(500, abs=10)
    assert measures.lag_ms == pytest.approx(200)


def test_a_handful_of_requests_tells_nothing(gauge):
    serve(gauge, "attempts.save", seconds=3.0, times=FEWEST - 1)
    serve(gauge, "public.landing", seconds=3.0, times=100)
    assert gauge.read().save_ms is None
    assert gauge.read().start_ms is None


def test_what_is_long_past_counts_no_more(gauge, monkeypatch):
    serve(gauge, "attempts.save", seconds=1.0, times=50)
    gauge.note_pool_timeout()
    assert gauge.read().pool_timeouts == 1
    monkeypatch.setattr("contest.health.WINDOW", -1.0)
    assert gauge.read() == Measures(busy=gauge.read().busy)


def test_busy_threads_are_seen_while_they_are_busy():
    gauge = Gauge(threads=2)
    gauge.enter(is_first=True)
    gauge.read()
    time.sleep(0.05)
    assert gauge.read().busy == pytest.approx(0.5, abs=0.1)
    gauge.leave(time.monotonic(), "x", 200, is_first=True)
    gauge.read()
    time.sleep(0.05)
    assert gauge.read().busy == pytest.approx(0.0, abs=0.1)


def test_counts_add_up_however_many_threads_count(gauge):
    threads = [
        threading.Thread(target=serve, args=(gauge, "attempts.save"), kwargs={"times": 500}) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = json.loads(gauge.counts())
    assert counts["requests"] == {"attempts.save 200": 2000}
    assert sum(counts["save_buckets"]) == 2000
    assert len(counts["save_buckets"]) == len(BUCKETS) + 1


# --- threads kept ----------------------------------------------------------------------------------


def test_some_threads_are_kept_for_those_who_sit(gauge):
    assert [gauge.enter(is_first=False) for _ in range(13)] == [True] * 12 + [False]
    assert [gauge.enter(is_first=True) for _ in range(4)] == [True] * 4
    gauge.leave(time.monotonic(), "public.landing", 200, is_first=False)
    assert gauge.enter(is_first=False)


@pytest.mark.parametrize("threads, others", [(1, 1), (2, 2), (3, 2), (4, 3), (8, 6), (64, 48)])
def test_few_threads_are_not_all_kept(threads, others):
    assert Gauge(threads).most_others == others


def test_saving_comes_first_and_a_start_does_not():
    first = {endpoint for endpoint, policy in POLICIES.items() if policy.is_first}
    assert first >= {
        "attempts.save",
        "attempts.save_form",
        "attempts.submit",
        "attempts.show",
        "health.healthz",
    }
    assert first & {"attempts.start", "accounts.login", "public.landing", "waiting_room.place"} == set()


@pytest.fixture
def crowded(live_app):
    """The application with all threads that pages may take taken, and somebody who sits."""
    round = builders.open_now(builders.make_round(builders.make_contest()))
    person = builders.make_person(round.contest)
    attempt = builders.start(person, round)
    browser = builders.sign_in(visit(live_app), person)
    gauge = live_app.extensions["gauge"]
    while gauge.enter(is_first=False):
        pass
    return browser, attempt


def test_in_a_crowd_saves_and_submissions_are_served(crowded):
    browser, attempt = crowded
    token = {"X-CSRFToken": builders.csrf(browser)}
    sheet = {"seq": 1, "base": 0, "editor": "e", "shape": attempt.paper_shape, "responses": {"1": ["a"]}}
    saved = browser.put(f"/attempts/{attempt.public_id}/responses", json=sheet, headers=token)
    assert (saved.status_code, saved.json["stored"]) == (200, True)
    submitted = browser.post(f"/attempts/{attempt.public_id}/submission", headers=token)
    assert submitted.status_code == 303
    assert browser.get("/healthz").status_code == 200


def test_in_a_crowd_others_are_told_at_once_and_without_the_database(crowded, live_app, monkeypatch):
    browser, attempt = crowded
    token = {"csrf_token": builders.csrf(browser)}
    round_id = attempt.round_id

    def fail(*_args, **_details):
        raise AssertionError("the database was asked")

    monkeypatch.setattr("sqlalchemy.engine.Engine.connect", fail)
    page = browser.get("/?a=1")
    assert (page.status_code, page.text.count("<h1>")) == (503, 1)
    assert page.headers["Refresh"] == page.headers["Retry-After"]
    assert 3 <= int(page.headers["Retry-After"]) <= 9
    start = browser.post(f"/rounds/{round_id}/attempts", data=token)
    assert (start.status_code, "Refresh" in start.headers) == (503, False)
    assert "quay lại trang trước" in start.text
    poll = browser.get(f"/rounds/{round_id}/place", headers={"Accept": "application/json"})
    assert (poll.status_code, poll.json) == (503, {"code": "busy"})


def test_a_request_gives_its_thread_back_whatever_becomes_of_it(live_app):
    browser, gauge = visit(live_app), live_app.extensions["gauge"]
    for path in ("/", "/nothing-here", "/admin/", "/healthz", "/static/css/app.css"):
        browser.get(path, buffered=True)
    browser.post("/logout")
    live_app.testing = False
    live_app.view_functions["public.privacy"] = lambda: 1 / 0
    assert browser.get(live_app.url_map.bind("localhost").build("public.privacy")).status_code == 500
    assert (gauge._running, gauge._others) == (0, 0)


def test_a_request_that_finds_no_connection_is_noted(live_app):
    def view():
        raise PoolTimeout

    live_app.view_functions["public.privacy"] = view
    address = live_app.url_map.bind("localhost").build("public.privacy")
    assert visit(live_app).get(address).status_code == 503
    assert live_app.extensions["gauge"].read().pool_timeouts == 1


# --- metrics ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def redis_is_away(monkeypatch):
    monkeypatch.setattr("contest.jobs.is_redis_there", lambda: False)


def test_monitors_read_all_processes_from_whichever_they_ask(live_app):
    round = builders.open_now(builders.make_round(builders.make_contest()))
    builders.finish_attempt(builders.make_person(round.contest), round)
    browser = visit(live_app)
    for _ in range(3):
        browser.get("/healthz")
    live_app.extensions["door"].tick()
    other = Gauge(16)
    serve(other, "attempts.save", seconds=0.08, times=2)
    waiting_room.say(db.session.connection(), "another", other.read(), other.counts())
    db.session.commit()
    answer = browser.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    mine = live_app.extensions["door"].process_id
    assert f'contest_requests_total{{process="{mine}",route="health.healthz",status="200"}} 3' in lines
    assert 'contest_requests_total{process="another",route="attempts.save",status="200"} 2' in lines
    assert 'contest_save_seconds_bucket{process="another",le="0.05"} 0' in lines
    assert 'contest_save_seconds_bucket{process="another",le="0.1"} 2' in lines
    assert 'contest_save_seconds_count{process="another"} 2' in lines
    assert "contest_waiting_room_waiting 0" in lines
    assert "contest_waiting_room_rate 30" in lines
    assert "contest_redis_available 0" in lines
    assert any(line.startswith("contest_oldest_waiting_seconds ") for line in lines)
    names = tuple(line.split()[2] for line in lines if line.startswith("# TYPE"))
    assert [line for line in lines if not line.startswith(("# ", *names))] == []


def test_strangers_read_no_metrics(live_app):
    browser = visit(live_app)
    assert browser.get("/metrics").status_code == 200
    assert browser.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.5"}).status_code == 404
    # A proxy on this host seems to be this host.
    assert browser.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 404


def test_with_a_token_only_its_holder_reads_metrics(live_app):
    token = "t" * 40
    live_app.config["CONTEST"] = replace(live_app.config["CONTEST"], metrics_token=token)
    browser = visit(live_app)
    assert browser.get("/metrics").status_code == 404
    assert browser.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    answer = browser.get(
        "/metrics",
        headers={"Authorization": f"Bearer {token}"},
        environ_base={"REMOTE_ADDR": "203.0.113.5"},
    )
    assert answer.status_code == 200


def test_a_door_tells_how_its_process_fares(live_app):
    gauge = live_app.extensions["gauge"]
    serve(gauge, "attempts.save", seconds=0.9, times=20)
    live_app.extensions["door"].tick()
    found = waiting_room.overview(db.session())
    assert found.processes[0].save_ms == pytest.approx(900, abs=50)
    assert found.verdict.name == "BAD"
