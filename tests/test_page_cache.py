"""Pages for everybody without a session are made once a second and sent as bytes; nobody's data is in them."""

import gzip
import threading
import time
from datetime import timedelta

import pytest
from werkzeug.test import Client

from contest import page_cache
from contest.clock import db_now
from contest.contests import seconds_to_next_moment
from contest.extensions import db
from contest.page_cache import PageCache
from contest.policies import POLICIES, Who
from tests import builders
from tests.visiting import visit


class Counting:
    """The application, counting how often a page is made."""

    def __init__(self, app):
        self.app, self.made = app, []

    def __call__(self, environ, start_response):
        self.made.append((environ["PATH_INFO"], environ["QUERY_STRING"], environ.get("HTTP_COOKIE")))
        return self.app(environ, start_response)


@pytest.fixture
def round(live_app):
    builders.make_items()
    return builders.open_now(builders.make_round(builders.make_contest("thi"), is_leaderboard_live=True))


@pytest.fixture
def made(live_app, round, monkeypatch):
    """Stand the cache before the application; return the list of what was made."""
    monkeypatch.setattr(page_cache, "FRESH_SECONDS", 60.0)
    monkeypatch.setattr(page_cache, "STALE_SECONDS", 60.0)
    counting = Counting(live_app.wsgi_app)
    monkeypatch.setattr(live_app, "wsgi_app", counting)
    monkeypatch.setattr(live_app, "wsgi_app", PageCache(live_app))
    return counting.made


@pytest.fixture
def browser(live_app):
    return visit(live_app)


BOARD = "/contests/thi/leaderboard"


def test_the_second_visitor_gets_the_bytes_of_the_first(browser, made):
    first, second = browser.get("/"), browser.get("/")

    assert (first.status_code, first.data) == (200, second.data)
    assert "Hội thi thử" in first.text
    assert len(made) == 1
    assert "Set-Cookie" not in first.headers
    assert "default-src 'none'" in second.headers["Content-Security-Policy"]


def test_a_page_goes_out_compressed_to_who_takes_it(browser, made):
    plain = browser.get("/")
    small = browser.get("/", headers={"Accept-Encoding": "gzip, br"})
    refused = browser.get("/", headers={"Accept-Encoding": "gzip; q=0"})

    assert gzip.decompress(small.data) == plain.data == refused.data
    assert (small.headers["Content-Encoding"], small.content_length) == ("gzip", len(small.data))
    assert "Accept-Encoding" in small.headers["Vary"] and "Cookie" in small.headers["Vary"]
    assert len({small.headers["ETag"], plain.headers["ETag"]}) == 2
    assert len(made) == 1


def test_who_has_the_page_is_told_so(browser, made):
    page = browser.get("/")
    again = browser.get("/", headers={"If-None-Match": page.headers["ETag"]})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", page.headers["ETag"])


def test_a_head_has_the_headers_alone(browser, made):
    head, page = browser.head("/"), browser.get("/")

    assert (head.status_code, head.data, head.content_length) == (200, b"", len(page.data))


def test_only_the_parameters_that_count_make_another_page(browser, made):
    assert browser.get(f"{BOARD}?fbclid=xyz").status_code == 200
    assert browser.get(BOARD).status_code == 200
    assert browser.get(f"{BOARD}?page=1&fbclid=1&division=citizens").status_code == 200
    assert browser.get(f"{BOARD}?division=citizens&page=1").status_code == 200

    assert [query for _, query, _ in made] == ["", "division=citizens&page=1"]


def test_who_is_signed_in_never_gets_the_shared_page(live_app, browser, made, round):
    anonymous = browser.get("/")
    person = builders.make_person(round.contest)
    signed_in = builders.sign_in(visit(live_app), person)

    own = signed_in.get("/")

    assert "Vào thi" in own.text and own.data != anonymous.data
    assert own.headers["Cache-Control"] == "no-store"
    assert browser.get("/").data == anonymous.data


def test_a_page_is_made_for_nobody_in_particular(browser, made):
    browser.get("/login")  # leaves the visitor's cookie
    assert browser.get_cookie("contest_visitor") is not None
    made.clear()

    page = browser.get("/", headers={"Accept-Encoding": "gzip", "User-Agent": "one"})

    assert made == [("/", "", None)]
    assert "Set-Cookie" not in page.headers


def test_what_goes_wrong_is_not_kept(browser, made):
    assert browser.get(f"{BOARD}?round=7").status_code == 404
    assert browser.get(f"{BOARD}?round=7").status_code == 404
    assert browser.get("/contests/none/leaderboard", headers={"If-None-Match": '""'}).status_code == 404
    assert browser.get(f"{BOARD}?scope=contest").status_code == 303

    assert len(made) == 4


def test_a_page_is_made_anew_when_it_is_no_longer_fresh(browser, made, monkeypatch):
    monkeypatch.setattr(page_cache, "FRESH_SECONDS", 0.1)
    browser.get("/")
    time.sleep(0.15)
    browser.get("/")

    assert len(made) == 2


def test_an_opening_is_shown_in_time(live_app, browser, made, round):
    """However long a page may be kept, it is not when the clock changes a round before."""
    opens_at = db_now(db.session()) + timedelta(seconds=1)
    builders.change_locked(round, opens_at=opens_at)
    assert 0 < seconds_to_next_moment(db.session()) <= 1
    db.session.commit()
    assert "Mở" in browser.get("/").text or len(made) == 1
    before = browser.get("/").data
    time.sleep(1.1)

    assert browser.get("/").data != before
    assert len(made) == 2


def test_of_many_at_once_one_makes_the_page(live_app, made, monkeypatch):
    answers = []
    slow = live_app.view_functions["public.landing"]

    def view():
        time.sleep(0.3)
        return slow()

    monkeypatch.setitem(live_app.view_functions, "public.landing", view)
    threads = [
        threading.Thread(target=lambda: answers.append(Client(live_app).get("/").status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 8
    assert len(made) == 1


def test_the_old_page_is_sent_while_a_new_one_is_made(live_app, browser, made, monkeypatch):
    monkeypatch.setattr(page_cache, "FRESH_SECONDS", 0.01)
    old = browser.get("/").data
    time.sleep(0.02)
    is_at_work, go_on = threading.Event(), threading.Event()
    slow = live_app.view_functions["public.landing"]

    def view():
        is_at_work.set()
        go_on.wait(5)
        return slow()

    monkeypatch.setitem(live_app.view_functions, "public.landing", view)
    maker = threading.Thread(target=lambda: Client(live_app).get("/"))
    maker.start()
    try:
        assert is_at_work.wait(5)
        assert browser.get("/").data == old
    finally:
        go_on.set()
        maker.join()
    assert len(made) == 2


def test_what_is_kept_has_a_limit(browser, made, monkeypatch):
    page = len(browser.get("/").data)
    monkeypatch.setattr(page_cache, "MOST_BYTES", 3 * page)
    for number in range(2, 12):
        assert browser.get(f"{BOARD}?page={number}").status_code == 200
    made.clear()

    browser.get("/")

    assert len(made) == 1
    assert browser.application.wsgi_app._bytes <= 3 * page


def test_another_host_is_another_page(browser, made):
    browser.get("/", base_url="http://one.example")
    browser.get("/", base_url="http://two.example")

    assert len(made) == 2


def test_every_shared_route_gives_a_page_that_can_be_kept(live_app, browser, made, round):
    """A form on such a page would bind it to one visitor: its route can't be shared then."""
    round.contest.has_standing = True
    builders.finish_attempt(builders.make_person(round.contest), round)
    builders.close(round)
    builders.publish(round, by=builders.make_staff())
    db.session.commit()
    shared = [name for name, policy in POLICIES.items() if policy.shared_by is not None]
    adapter = live_app.url_map.bind("localhost")

    for endpoint in shared:
        assert POLICIES[endpoint].who is Who.EVERYBODY, endpoint
        (rule,) = live_app.url_map.iter_rules(endpoint)
        page = browser.get(adapter.build(endpoint, dict.fromkeys(rule.arguments, "thi")))
        assert (page.status_code, "ETag" in page.headers) == (200, True), endpoint
        assert "csrf_token" not in page.text, endpoint
