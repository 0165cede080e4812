"""What organizers see of a round's questions: a trial before it, drift during it, the analysis after it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from contest import contests, draw_trials, drifts, jobs, leaderboards
from contest.blueprints.admin import analysis as view
from contest.clock import db_now
from contest.extensions import db
from contest.models import Attempt, Pool
from contest.pools import pool_items
from question_bank.item_analysis import FEWEST_PAPERS
from tests import builders
from tests.visiting import visit


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def organizer(app):
    return builders.sign_in(visit(app), builders.make_staff())


def closed(contest, *rights, **settings):
    round = builders.open_now(builders.make_round(contest, **settings))
    for right in rights:
        builders.finish_attempt(builders.make_person(contest), round, right=right)
    builders.close(round)
    db.session.execute(update(Attempt).values(scored_at=Attempt.scored_at - timedelta(minutes=2)))
    db.session.commit()
    while jobs.analyse_what_closed():
        pass
    return contests.find_round(db.session(), round.id)


def page(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.text


def codes_of(html):
    """The codes of the table's rows, in their order."""
    return re.findall(r'<th scope="row" class="name"><a [^>]*>([^<]+)</a>', html)


# --- after the round -----------------------------------------------------------------------------


def test_the_analysis_is_sorted_and_filtered_by_the_address(contest, organizer):
    builders.make_items(per_cell=3)
    round = closed(contest, *[5] * 8, *[3] * 18, *[0] * 8)
    path = f"/admin/rounds/{round.id}/analysis?division=citizens"

    html = page(organizer, path)
    assert "34 bài được tính kết quả" in html
    assert codes_of(html) == ["T1-NB-001", "T1-NB-002", "T1-NB-003", "T2-TH-001", "T2-TH-002", "T2-TH-003"]
    assert html.count('<circle class="point') == 6
    assert codes_of(page(organizer, f"{path}&sort=code&order=desc")) == codes_of(html)[::-1]
    assert 'aria-sort="descending"' in page(organizer, f"{path}&sort=facility&order=desc")
    assert codes_of(page(organizer, f"{path}&topic=T2")) == ["T2-TH-001", "T2-TH-002", "T2-TH-003"]
    assert codes_of(page(organizer, f"{path}&topic=T2&level=NB")) == []
    assert "Nhóm điểm cao" in page(
        organizer, f"/admin/rounds/{round.id}/analysis/items/T1-NB-001?division=citizens"
    )
    for odd in ("sort=nothing", "topic=T99", "level=<b>", "flagged=1", "division=none", "order="):
        assert len(codes_of(page(organizer, f"{path}&{odd}"))) == 6


def test_an_item_shows_who_chose_what(contest, organizer):
    builders.make_items(per_cell=3)
    round = closed(contest, *[5] * 39, 0)

    listed = page(organizer, f"/admin/rounds/{round.id}/analysis?division=citizens&flagged=yes")
    assert [code for code in codes_of(listed) if code.startswith("T1")] == [f"T1-NB-00{n}" for n in (1, 2, 3)]
    assert "Quá dễ" in listed
    html = page(organizer, f"/admin/rounds/{round.id}/analysis/items/T1-NB-001?division=citizens")
    assert "Câu T1-NB-001" in html
    assert "✓ đáp án" in html
    assert "Thay bằng một phương án" in html  # what to do about an option that nobody chose
    other = organizer.get(f"/admin/rounds/{round.id}/analysis/items/T1-NB-001?division=officials")
    assert other.status_code == 404
    assert organizer.get(f"/admin/rounds/{round.id}/analysis/items/T9-999").status_code == 404


def test_the_item_of_the_bank_tells_how_it_did(contest, organizer):
    assert "Kết quả các vòng" not in page(organizer, bank_page(builders))
    round = closed(contest, 5, 3)
    html = page(organizer, f"/admin/bank/{drawn_code(round)}")
    assert "Kết quả các vòng" in html
    assert f"/admin/rounds/{round.id}/analysis/items/" in html


def bank_page(builders):
    builders.make_items()
    return "/admin/bank/T1-NB-001"


def drawn_code(round):
    return db.session.scalars(select(Attempt).where(Attempt.round_id == round.id)).first().paper[0]["code"]


def test_before_the_round_is_closed_there_is_no_analysis(contest, organizer):
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    assert "Chưa có phân tích" in page(organizer, f"/admin/rounds/{round.id}/analysis")
    assert organizer.get(f"/admin/rounds/{round.id}/analysis/items/T1-NB-001").status_code == 404
    builders.close(round)
    assert "Đang phân tích" in page(organizer, f"/admin/rounds/{round.id}/analysis")


def test_what_was_ranked_since_is_told(contest, organizer):
    round = closed(contest, 5, 3)
    path = f"/admin/rounds/{round.id}/analysis?division=citizens"
    assert "đang tính lại" not in page(organizer, path)
    leaderboards.rank_round(db.session(), round, now=db_now(db.session()))
    db.session.commit()
    assert "đang tính lại" in page(organizer, path)


def test_a_round_without_people_has_nothing_to_analyse(contest, organizer):
    round = closed(contest)
    assert "Không có bài thi nào" in page(organizer, f"/admin/rounds/{round.id}/analysis")


# --- during the round ----------------------------------------------------------------------------


def leaking(contest):
    """An open round in which everybody knows one item from the second hour on."""
    round = builders.open_now(builders.make_round(contest, opens_in=timedelta(hours=-3)))
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round, right=0, ago=timedelta(minutes=170))
    code = attempt.paper[0]["code"]
    wrong, right = dict(attempt.responses), dict(attempt.responses) | {"1": builders.answers(attempt, 1)["1"]}
    db.session.expunge(attempt)
    columns = {
        column.key: getattr(attempt, column.key)
        for column in Attempt.__table__.columns
        if column.key not in ("id", "public_id", "receipt_code", "number", "submitted_at", "responses")
    }
    for place in range(200):
        is_late = place >= 100
        knows = place % 20 < (19 if is_late else 8)
        db.session.add(
            Attempt(
                **columns,
                number=place + 2,
                public_id=f"x{place}",
                receipt_code=f"x{place}",
                submitted_at=attempt.submitted_at + timedelta(minutes=(120 if is_late else 0), seconds=place),
                responses=right if knows else wrong,
            )
        )
    db.session.commit()
    return round, code


def asked_of(round, code="citizens"):
    return next(one for one in round.divisions if one.division.code == code)


def test_an_item_that_gets_known_is_warned_of(contest, organizer):
    round, code = leaking(contest)
    courses = drifts.read(db.session(), asked_of(round), step="1h", now=db_now(db.session()))

    assert [one.code for one in courses.flagged] == [code]
    assert courses.items[0].code == code
    assert sum(window.shown for window in courses.items[0].windows) == courses.papers == 201
    assert sum(window.shown for window in courses.together) == 5 * 201
    html = page(organizer, f"/admin/rounds/{round.id}/drift?division=citizens&step=1h")
    assert f"Câu {code}" in html
    assert "bỗng dễ hơn" in html
    assert 'class="sparkline"' in html


def test_the_drift_reads_no_more_than_its_sample(contest, monkeypatch):
    round, _ = leaking(contest)
    monkeypatch.setattr(drifts, "PAPERS_PER_WINDOW", 10)
    courses = drifts.read(db.session(), asked_of(round), step="1h", now=db_now(db.session()))
    assert courses.papers == 20


def test_the_windows_are_the_last_ones_and_one_for_all_before(contest):
    round = builders.make_round(contest, opens_in=timedelta(hours=-30))
    now = db_now(db.session())
    asked = asked_of(round)
    hours = drifts.read(db.session(), asked, step="1h", now=now)
    assert len(hours.begins) == drifts.WINDOWS + 1
    assert (hours.begins[0], hours.begins[1]) == (round.opens_at, round.opens_at + timedelta(hours=19))
    assert drifts.read(db.session(), asked, step="3h", now=now).begins[0] == round.opens_at
    assert len(drifts.read(db.session(), asked, step="3h", now=now).begins) == 11
    assert drifts.step_of(asked, now=now) == "3h"
    assert len(drifts.read(db.session(), asked, step="1d", now=now - timedelta(days=3)).begins) == 1


def test_a_voided_or_open_attempt_is_no_drift(contest):
    round = builders.open_now(builders.make_round(contest))
    builders.start(builders.make_person(contest), round)
    voided = builders.finish_attempt(builders.make_person(contest), round)
    voided.voided_at, voided.void_reason = db_now(db.session()), "Hỏng"
    db.session.commit()
    assert drifts.read(db.session(), asked_of(round), step="1h", now=db_now(db.session())).papers == 0


def test_the_drift_is_for_those_who_look_after_the_questions(app, contest):
    round = builders.open_now(builders.make_round(contest))
    browser = builders.sign_in(visit(app), builders.make_staff("administrator"))
    assert browser.get(f"/admin/rounds/{round.id}/drift").status_code == 403
    assert "/drift" not in page(browser, f"/admin/rounds/{round.id}/analysis")


@pytest.mark.parametrize("odd", ["step=99h", "division=none", "step="])
def test_an_odd_address_shows_the_drift_as_usual(contest, organizer, odd):
    round, _ = leaking(contest)
    assert "Biến động" in page(organizer, f"/admin/rounds/{round.id}/drift?{odd}")


# --- before the round ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_opened", [False, True])
def test_a_trial_of_the_draw(contest, organizer, is_opened):
    builders.make_items()
    round = builders.make_round(contest, opens_in=timedelta(hours=1))
    if is_opened:
        builders.open_now(round)

    html = page(organizer, f"/admin/rounds/{round.id}/draw-trial?division=citizens&papers=1000")
    report = draw_trials.of_round(
        db.session(), round, papers=1000, seed="trial", now=db_now(db.session()), division="citizens"
    )["citizens"]
    assert len(codes_of(html)) == 12
    for exposure in report.exposures:
        assert f">{exposure.drawn}</td>" in html.replace(".", "")
    assert ("đã khóa" in html) is is_opened
    for odd in ("papers=999999", "papers=x", "papers=-1"):
        assert "2.000 đề" in page(organizer, f"/admin/rounds/{round.id}/draw-trial?{odd}")


def test_a_bank_that_is_too_small_is_told(contest, organizer):
    builders.make_items(per_cell=1)
    round = builders.make_round(contest, opens_in=timedelta(hours=1))
    assert "cần 3 câu" in page(organizer, f"/admin/rounds/{round.id}/draw-trial")


def test_one_trial_at_a_time(contest, organizer):
    round = builders.make_round(contest, opens_in=timedelta(hours=1))
    with view._drawing:
        answer = organizer.get(f"/admin/rounds/{round.id}/draw-trial")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert organizer.get(f"/admin/rounds/{round.id}/draw-trial").status_code == 200


def test_a_trial_knows_how_hard_the_items_were(contest):
    builders.make_items(per_cell=3)
    closed(contest, *[4] * FEWEST_PAPERS)
    later = builders.make_contest()
    round = builders.make_round(later, opens_in=timedelta(hours=1))

    report = draw_trials.of_round(db.session(), round, papers=50, seed="x", now=db_now(db.session()))
    spread = report["citizens"].spread
    assert spread is not None
    assert 0 < spread.hardest <= spread.easiest <= 1
    assert spread.hardest - 1e-9 <= spread.mean <= spread.easiest + 1e-9


def test_the_histogram_counts_every_item_once(contest):
    builders.make_items()
    round = builders.open_now(builders.make_round(contest))
    items = pool_items(db.session.scalars(select(Pool)).first().file)
    report = draw_trials.of_round(db.session(), round, papers=100, seed="x", now=db_now(db.session()))
    labels, counts = view._histogram(report["citizens"])
    assert (sum(counts), len(labels)) == (len(items), len(counts))


def test_an_item_in_every_paper_is_in_the_last_range(contest):
    builders.make_items(per_cell=3)
    round = builders.open_now(builders.make_round(contest))
    report = draw_trials.of_round(db.session(), round, papers=100, seed="x", now=db_now(db.session()))
    labels, counts = view._histogram(report["citizens"])
    assert (labels[-1], counts[-1]) == ("95–100%", 3)
