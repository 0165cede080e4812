"""The standing over the rounds of a contest: sums over what is closed, made anew when a round is ranked."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from contest import contest_standings, contests, exclusions, jobs
from contest.clock import db_now
from contest.extensions import db
from contest.models import ContestStanding
from contest.rules.scoring import POINT
from tests import builders
from tests.visiting import visit

SPECIFICATIONS = tuple(
    ({"topic": topic, "level": level, "count": 3, "tags": []},)
    for topic, level in (("T1", "NB"), ("T2", "TH"))
)


@pytest.fixture
def contest(app):
    contest = builders.make_contest()
    contest.has_standing = True
    db.session.commit()
    return contest


@pytest.fixture
def rounds(contest):
    return [
        builders.open_now(builders.make_round(contest, specification=specification))
        for specification in SPECIFICATIONS
    ]


def rows():
    db.session.expire_all()
    ordered = db.session.scalars(select(ContestStanding).order_by(ContestStanding.position))
    return [(row.account_id, row.rank, row.points / POINT, row.rounds, row.separated_by) for row in ordered]


def sits(person, round, right=3, minutes=5):
    builders.finish_attempt(person, round, right=right, took=timedelta(minutes=minutes))


def test_points_of_the_closed_rounds_are_summed_and_one_not_taken_gives_none(contest, rounds):
    both, quick, once = (builders.make_person(contest) for _ in range(3))
    sits(both, rounds[0], right=2)
    sits(once, rounds[0], right=3)
    sits(quick, rounds[0], right=3, minutes=1)
    for person in (both, quick):
        sits(person, rounds[1], right=1)
    builders.close(rounds[0])
    jobs.rank_what_changed()
    assert rows() == [
        (quick.id, 1, 3, 1, "duration_ms"),
        (once.id, 2, 3, 1, "points"),
        (both.id, 3, 2, 1, ""),
    ]

    builders.close(rounds[1])
    jobs.rank_what_changed()
    assert rows() == [
        (quick.id, 1, 4, 2, "points"),
        (once.id, 2, 3, 1, "duration_ms"),
        (both.id, 3, 3, 2, ""),
    ]


def test_who_is_excluded_in_one_round_is_excluded_and_comes_back(contest, rounds):
    one, other = builders.make_person(contest), builders.make_person(contest)
    for round in rounds:
        sits(one, round)
        sits(other, round, right=1)
        builders.close(round)
    how = {"now": db_now(db.session()), "actor_id": builders.make_staff().id}
    found = contests.find_round(db.session(), rounds[1].id)
    exclusions.exclude(db.session(), found, one.id, kind="withdrawn", reason="Rút", **how)
    db.session.commit()
    jobs.rank_what_changed()
    assert [row[0] for row in rows()] == [other.id]
    exclusions.lift(db.session(), found, one.id, reason="Nhầm", **how)
    db.session.commit()
    jobs.rank_what_changed()
    assert [row[0] for row in rows()] == [one.id, other.id]


def test_it_is_made_anew_only_when_a_round_was_ranked(contest, rounds):
    sits(builders.make_person(contest), rounds[0])
    assert contest_standings.due(db.session()) == []
    builders.close(rounds[0])
    assert contest_standings.due(db.session()) == [contest.id]
    jobs.rank_what_changed()
    assert contest_standings.due(db.session()) == []
    builders.rank(rounds[0])
    assert contest_standings.due(db.session()) == [contest.id]


def test_the_pages_mask_names_in_public_and_name_the_rounds(app, contest, rounds):
    one, other = (builders.make_person(contest, name=f"Trần Thị {name}") for name in ("Bình", "Chi"))
    sits(one, rounds[0])
    sits(other, rounds[0], right=1)
    builders.close(rounds[0])
    jobs.rank_what_changed()
    browser = visit(app)
    moved = browser.get(f"/contests/{contest.slug}/leaderboard?scope=contest")
    assert moved.status_code == 303
    page = browser.get(f"{moved.location}?division=citizens").text
    assert "Trần T. B." in page
    assert "Trần Thị Bình" not in page
    assert "Tính từ 1 vòng đã đóng: vòng 1." in page
    assert "Hơn dòng dưới về điểm: 3 so với 1." in page
    assert "Cả cuộc thi" in browser.get(f"/contests/{contest.slug}/leaderboard").text
    staff = builders.sign_in(visit(app), builders.make_staff())
    assert "Trần Thị Bình" in staff.get(f"/admin/contests/{contest.slug}/standing?division=citizens").text


def test_a_contest_without_one_has_no_such_page(app):
    contest = builders.make_contest()
    assert visit(app).get(f"/contests/{contest.slug}/leaderboard/contest").status_code == 404


def test_an_exclusion_in_an_open_round_and_its_lifting_are_followed(app):
    contest = builders.make_contest()
    contest.has_standing = True
    db.session.commit()
    specifications = (
        ({"topic": "T1", "level": "NB", "count": 3, "tags": []},),
        ({"topic": "T2", "level": "TH", "count": 3, "tags": []},),
    )
    closed, still_open = (
        builders.open_now(builders.make_round(contest, specification=one)) for one in specifications
    )
    out, other = (builders.make_person(contest) for _ in range(2))
    for person in (out, other):
        builders.finish_attempt(person, closed, right=3)
    builders.close(closed)
    jobs.rank_what_changed()
    staff = {"actor_id": builders.make_staff().id, "approved_by_id": builders.make_staff("approver").id}

    def in_standing():
        db.session.commit()
        jobs.rank_what_changed()
        return set(db.session.scalars(select(ContestStanding.account_id)))

    found = contests.find_round(db.session(), still_open.id)
    facts = {"reason": "x", "now": db_now(db.session()), **staff}
    exclusions.exclude(db.session(), found, out.id, kind="several_accounts", **facts)
    assert in_standing() == {other.id}
    exclusions.lift(db.session(), found, out.id, **facts)
    assert in_standing() == {out.id, other.id}
