"""After the official publication the public list of people changes only with a new version."""

import csv
import io
import time

import pytest
from sqlalchemy import update

from contest import archives, exclusions, jobs, published_standings, regrading
from contest.clock import db_now
from contest.contests import find_round
from contest.extensions import db
from contest.models import Standing
from tests import builders
from tests.test_leaderboard_pages import PEOPLE, UNITS, table, text
from tests.visiting import visit


@pytest.fixture
def contest(session):
    return builders.make_contest("hoi-thi")


@pytest.fixture
def people(contest):
    """Three people in the official version, in their order, and one of another division."""
    round = builders.open_now(builders.make_round(contest, prediction_counted="people"))
    made = [builders.make_person(contest, name=f"Nguyễn Văn {name}") for name in ("Minh", "Hoa", "Bình")]
    for place, one in enumerate(made):
        builders.finish_attempt(one, round, right=5 - place, prediction=place)
    builders.finish_attempt(builders.make_person(contest, "officials", name="Lê Thị Tư"), round)
    builders.close(round)
    builders.publish(round, approved_by=builders.make_staff("approver"))
    return made


@pytest.fixture
def round(people, contest):
    return find_round(db.session(), contest.rounds[0].id)


def exclude(round, person):
    exclusions.exclude(
        db.session(),
        round,
        person.id,
        kind="several_accounts",
        reason="Hai tài khoản",
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )
    db.session.commit()


def page_of(app, **asked):
    query = "&".join(f"{name}={value}" for name, value in {"division": "citizens", **asked}.items())
    return text(visit(app).get(f"{PEOPLE}?{query}"))


def test_an_exclusion_changes_the_list_with_the_next_version(app, round, people):
    before = page_of(app)
    assert "bản công bố chính thức số" not in before

    exclude(round, people[0])
    at_once = page_of(app)
    jobs.rank_what_changed()
    later = page_of(app)

    assert len(table(before)) == 3
    assert table(at_once) == table(later) == table(before)
    assert "Danh sách này theo <a" in later
    assert "/winners?round=1&amp;version=1" in later
    assert "có thể khác" in text(visit(app).get(f"{UNITS}?division=citizens"))

    builders.publish(round, reason="Loại một người", approved_by=builders.make_staff("approver"))
    assert [row[:1] for row in table(page_of(app))] == ["1", "2"]
    assert "bản công bố chính thức số" not in page_of(app)


def test_a_regrade_changes_the_list_with_the_next_version(app, round):
    before = page_of(app)
    regrading.rescore(db.session(), round, now=db_now(db.session()))
    db.session.execute(update(Standing).values(points=0))
    db.session.commit()

    assert table(page_of(app)) == table(before)


def test_the_pages_and_the_own_row_are_those_of_the_version(app, round, people, monkeypatch):
    monkeypatch.setattr("contest.blueprints.leaderboards.PAGE_SIZE", 2)
    monkeypatch.setattr("contest.blueprints.leaderboards.IN_SIGHT", 1)
    before = [table(page_of(app, page=number)) for number in (1, 2, 77)]

    exclude(round, people[2])

    assert [table(page_of(app, page=number)) for number in (1, 2, 77)] == before
    browser = builders.sign_in(visit(app), people[2])
    rows = table(text(browser.get(PEOPLE)))
    assert rows[0].startswith("3 Nguyễn V. B. (bạn)")
    assert "Đến dòng của bạn ở trang 2" in rows[0]
    assert table(page_of(app, division="officials"))[0].startswith("1 Lê T. T.")


def test_a_provisional_version_binds_nobody(app, contest):
    round = builders.open_now(builders.make_round(contest))
    people = [builders.make_person(contest) for _ in range(2)]
    for one in people:
        builders.finish_attempt(one, round)
    builders.close(round)
    builders.publish(round)

    exclude(find_round(db.session(), round.id), people[0])
    jobs.rank_what_changed()

    assert len(table(page_of(app))) == 1


def test_without_files_the_list_says_that_it_may_differ(app, round, people, monkeypatch):
    monkeypatch.setattr(published_standings, "FILE", "not-kept.csv")
    exclude(round, people[0])
    jobs.rank_what_changed()

    page = page_of(app)

    assert len(table(page)) == 2
    assert "có thể khác" in page


def test_a_list_of_two_hundred_thousand_is_read_in_a_moment():
    """Found by line, whatever the size: the first look at a version may take a second, no later one."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(published_standings.STANDINGS)
    moment = "2026-11-24T08:00:00.123456+00:00"
    for place in range(200_000):
        division = "citizens" if place < 150_000 else "officials"
        writer.writerow(
            (division, place + 1, f"attempt-{place:014}", 4200, 12, 300_000, moment, 1, moment, "duration_ms")
        )
    read = published_standings._read(rows.getvalue().encode())

    began = time.perf_counter()
    last = read.lines("officials", 49_950, 50_001)
    place = read.place_of("officials", "attempt-00000000199999")
    took = time.perf_counter() - began

    assert (len(last), last[-1][2], place) == (50, "attempt-00000000199999", 49_999)
    assert read.place_of("citizens", "attempt-00000000199999") is None
    assert read.place_of("citizens", "attempt-00000000000000") == 0
    assert took < 0.5


def test_a_version_of_another_database_is_never_taken_for_this_one(app, round, people):
    exclude(round, people[0])
    page_of(app)
    [(file_id, digest)] = [key for key in published_standings._loaded if key[1]][-1:]
    publication = published_standings.in_force(db.session(), round)
    file = archives.find(db.session(), publication.id, published_standings.FILE)
    assert (file.id, file.sha256) == (file_id, digest)
