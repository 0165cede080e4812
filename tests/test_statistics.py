"""Who took part and what is known where: whole for organizers, without what shows a person for the public."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select, update

from contest import contests, jobs, readings, statistics
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Correction, Headcount, RoundAnalysis, Standing
from tests import builders
from tests.visiting import visit


@pytest.fixture
def contest(app):
    """A contest with a ward and three communes."""
    builders.make_unit("Phường Kinh Bắc", "W1", group="ward")
    for name in ("Xã A", "Xã B", "Xã C"):
        builders.make_unit(name, name[-1])
    builders.make_unit("Sở Nội vụ", "S1", kind="agency", group="department")
    return builders.make_contest()


def unit(code):
    return db.session.scalar(select(builders.Unit).where(builders.Unit.code == code))


def held(contest, *rights, unit_code="A", division="citizens", round=None, **details):
    """A round in which people of a unit had so many right."""
    round = round or builders.open_now(builders.make_round(contest))
    for right in rights:
        person = builders.make_person(contest, division, unit=unit(unit_code), **details)
        builders.finish_attempt(person, round, right=right)
    return round


def closed(round):
    builders.close(round)
    db.session.execute(update(Attempt).values(scored_at=Attempt.scored_at - timedelta(minutes=2)))
    db.session.commit()
    while jobs.analyse_what_closed():
        pass
    db.session.expire_all()
    return contests.find_round(db.session(), round.id)


def figures(round, division="citizens", *, is_public=False):
    return next(
        one
        for one in statistics.of_round(db.session(), round, is_public=is_public)
        if one.division == division
    )


def people_of(found):
    return {place.code: place.people for place in found.communes}


# --- whole figures -------------------------------------------------------------------------------


def test_participation_by_day_hour_age_group_and_commune(contest):
    round = held(contest, 5, 4, birth_date=date(1990, 1, 1))
    held(contest, 3, unit_code="W1", birth_date=date(1950, 1, 1), round=round)
    moments = iter(["2026-11-23 16:59:59+00", "2026-11-23 17:00:00+00", "2026-11-25 01:30:00+00"])
    for standing in db.session.scalars(select(Standing).order_by(Standing.id)):
        standing.submitted_at = next(moments)
    db.session.commit()
    found = figures(round)

    assert (found.people, found.registered, found.analysed_at) == (3, 3, None)
    # Days and hours are those of Vietnam.
    assert found.days == [(date(2026, 11, 23), 1), (date(2026, 11, 24), 1), (date(2026, 11, 25), 1)]
    assert [(hour, people) for hour, people in enumerate(found.hours) if people] == [(0, 1), (8, 1), (23, 1)]
    assert {band: people for band, people in found.ages if people} == {"35_44": 2, "65_up": 1}
    assert found.groups == [("ward", 1), ("commune", 2)]
    assert people_of(found) == {"W1": 1, "A": 2, "B": 0, "C": 0}
    assert (found.scores, found.mean, found.topics, found.knowledge) == ([], None, [], [])


def test_a_closed_round_tells_scores_and_knowledge(contest):
    found = figures(closed(held(contest, 5, 5, 0)))

    assert found.analysed_at is not None
    assert found.scores == [(0, 0, 1), (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0), (5, 5, 2)]
    assert (found.mean, found.full, found.size) == (Fraction(2, 3), 2, 5)
    assert found.median_duration_ms == pytest.approx(300_000, abs=5_000)
    assert {topic.code: (topic.share, topic.answers) for topic in found.topics} == {
        "T1": (Fraction(2, 3), 9),
        "T2": (Fraction(2, 3), 6),
    }
    (line,) = found.knowledge
    assert (line.place.code, line.shares, line.changes) == (
        "A",
        {"T1": Fraction(2, 3), "T2": Fraction(2, 3)},
        {},
    )


def test_a_voided_item_says_nothing_of_a_topic(contest):
    round = held(contest, 0)
    code = next(
        item["code"]
        for item in db.session.scalars(select(Attempt)).first().paper
        if item["code"].startswith("T2")
    )
    people = builders.make_staff(), builders.make_staff()
    db.session.add(
        Correction(
            round_id=round.id,
            code=code,
            keys=None,
            reason="Sai",
            note="Sai",
            proposed_by_id=people[0].id,
            approved_by_id=people[1].id,
            applied_at=db_now(db.session()),
        )
    )
    db.session.commit()
    assert {topic.code: topic.answers for topic in figures(closed(round)).topics} == {"T1": 3, "T2": 1}


def test_officials_are_compared_by_group_of_units(contest):
    round = held(contest, 5, unit_code="S1", division="officials")
    held(contest, 0, unit_code="A", division="officials", round=round)
    found = figures(closed(round), "officials")
    assert [(line.place.code, line.shares["T1"]) for line in found.knowledge] == [
        ("commune", 0),
        ("department", 1),
    ]
    assert found.groups == [("commune", 1), ("department", 1)]


def test_the_change_is_against_the_last_round_that_asked_for_the_topic(contest):
    long_ago = timedelta(days=-20)
    first = builders.open_now(builders.make_round(contest, opens_in=long_ago, lasts=timedelta(days=30)))
    closed(held(contest, 0, 0, round=first))
    builders.make_items(per_cell=12)  # six more of each: pools of rounds share no item
    second = builders.open_now(builders.make_round(contest, opens_in=timedelta(hours=-3)))
    found = figures(closed(held(contest, 5, round=second)))

    assert {topic.code: topic.before for topic in found.topics} == {"T1": 0, "T2": 0}
    assert found.knowledge[0].changes == {"T1": 1, "T2": 1}
    assert [topic.before for topic in figures(contests.find_round(db.session(), first.id)).topics] == [
        None,
        None,
    ]


def test_the_rate_is_over_the_headcounts(contest):
    round = held(contest, 5, 3)
    assert figures(round).rate is None
    division_id = next(one.id for one in contest.divisions if one.code == "citizens")
    db.session.add(Headcount(division_id=division_id, unit_id=unit("A").id, headcount=80, source="Thử"))
    db.session.commit()
    found = figures(round)
    assert (found.headcount, found.rate) == (80, Fraction(2, 80))
    assert {place.code: place.headcount for place in found.communes if place.headcount} == {"A": 80}


def test_nobody_took_part(contest):
    found = figures(closed(held(contest)))
    assert (found.people, found.days, found.scores, found.topics) == (0, [], [], [])
    assert figures(contests.find_round(db.session(), found_round(found)), is_public=True).people == 0


def found_round(found):
    return db.session.scalar(select(RoundAnalysis.round_id))


# --- what the public sees ------------------------------------------------------------------------


def test_few_people_are_hidden_and_cannot_be_worked_out(contest):
    round = held(contest, *[5] * 12, unit_code="A")
    held(contest, *[3] * 3, unit_code="B", round=round)
    held(contest, *[4] * 14, unit_code="W1", round=round)
    round = closed(round)
    whole, public = figures(round), figures(round, is_public=True)

    assert people_of(whole) == {"W1": 14, "A": 12, "B": 3, "C": 0}
    # The communes' total is 15: A must go with B, or B were the rest.
    assert people_of(public) == {"W1": 14, "A": None, "B": None, "C": 0}
    assert public.groups == [("ward", 14), ("commune", 15)]
    assert [line.place.code for line in public.knowledge] == ["W1"]
    assert {line.place.code for line in whole.knowledge} == {"W1", "A", "B"}
    # Three people with 3 points go with the fourteen of 4.
    assert public.scores == [(0, 4, 17), (5, 5, 12)]
    assert (public.full, public.registered) == (12, None)
    assert sum(people for _, people in public.days) == public.people == 29


def test_a_division_of_few_people_shows_nothing(contest):
    public = figures(closed(held(contest, *[5] * 9)), is_public=True)
    assert public.people is None
    assert set(people_of(public).values()) <= {None, 0}
    assert {people for _, people in public.days} == {None}
    assert (public.scores, public.mean, public.full, public.topics, public.knowledge) == (
        [],
        None,
        None,
        [],
        [],
    )


def test_an_earlier_round_of_few_people_shows_in_no_change(contest):
    early = builders.open_now(
        builders.make_round(contest, opens_in=timedelta(days=-9), lasts=timedelta(days=30))
    )
    closed(held(contest, *[0] * 4, unit_code="A", round=early))
    builders.make_items(per_cell=12)
    late = builders.open_now(builders.make_round(contest, opens_in=timedelta(hours=-3)))
    round = closed(held(contest, *[5] * 12, unit_code="A", round=late))
    assert figures(round).knowledge[0].changes
    public = figures(round, is_public=True)
    assert ([topic.before for topic in public.topics], public.knowledge[0].changes) == ([None, None], {})


# --- pages ---------------------------------------------------------------------------------------


def text_of(app, path, status=200):
    answer = visit(app).get(path)
    assert answer.status_code == status
    return answer.text


def test_everybody_may_read_the_statistics_of_a_closed_round(app, contest):
    round = closed(held(contest, *[5] * 12, *[2] * 12))
    html = text_of(app, f"/contests/{contest.slug}/statistics?division=citizens")
    assert round.title in html
    for words in ("Phân bố điểm", "Bản đồ kiến thức", "Theo độ tuổi", "Theo nơi cư trú", "Theo giờ"):
        assert words in html
    assert "Đã đăng ký" not in html
    assert "Có dưới 10 người dự thi" not in html


def test_a_round_under_way_shows_its_counts_only_by_its_setting(app, contest):
    held(contest, *[5] * 12)
    html = text_of(app, f"/contests/{contest.slug}/statistics?division=citizens")
    assert "được giữ kín" in html
    assert "Người dự thi" not in html
    assert "Theo ngày" not in html


def test_live_statistics_have_no_scores(app, contest):
    held(contest, *[5] * 12, round=builders.open_now(builders.make_round(contest, is_leaderboard_live=True)))
    html = text_of(app, f"/contests/{contest.slug}/statistics?division=citizens")
    assert "Theo ngày nộp bài" in html
    assert "sau khi vòng thi đóng" in html
    assert "Phân bố điểm</h2>" not in html
    assert "Bản đồ kiến thức</h2>" not in html


def test_few_people_are_told_as_such(app, contest):
    closed(held(contest, *[5] * 9))
    html = text_of(app, f"/contests/{contest.slug}/statistics?division=citizens")
    assert "Có dưới 10 người dự thi" in html
    assert ">9<" not in html


@pytest.mark.parametrize("query", ["round=9", "division=none", "round=x&division=citizens"])
def test_what_is_not_there_is_not_found(app, contest, query):
    closed(held(contest, 5))
    assert "Không" in text_of(app, f"/contests/{contest.slug}/statistics?{query}", 404)


def test_before_any_round_there_are_none(app, contest):
    assert "Chưa có thống kê" in text_of(app, f"/contests/{contest.slug}/statistics")
    builders.make_round(contest, opens_in=timedelta(days=1))
    assert "Chưa có thống kê" in text_of(app, f"/contests/{contest.slug}/statistics")


def test_organizers_see_all_of_it_while_the_round_is_open(app, contest):
    round = held(contest, 5, 3)
    browser = builders.sign_in(visit(app), builders.make_staff())
    html = browser.get(f"/admin/rounds/{round.id}/statistics?division=citizens").text
    assert "Đã đăng ký" in html
    assert '<td class="num">2</td>' in html
    assert "chỉ dùng nội bộ" in html
    assert "Chưa có ai dự thi" in browser.get(f"/admin/rounds/{round.id}/statistics?division=officials").text


def test_many_readers_count_once(app, contest, statements, monkeypatch):
    monkeypatch.setattr(readings, "KEPT_FOR", 10_000)
    held(contest, *[5] * 12, round=builders.open_now(builders.make_round(contest, is_leaderboard_live=True)))
    path = f"/contests/{contest.slug}/statistics?division=citizens"
    text_of(app, path)
    with statements() as noted:
        text_of(app, path)
    assert not [one for one in noted if "GROUPING SETS" in one]
