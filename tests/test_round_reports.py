"""The report of a round for leaders: whole figures, the change since the last round, what is published."""

import io
import re
from datetime import timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import update

from contest import contests, jobs
from contest.extensions import db
from contest.models import Attempt, Headcount
from tests import builders


@pytest.fixture
def contest(app):
    contest = builders.make_contest(title="Hội thi thử")
    commune = builders.make_unit("Xã A", "A")
    citizens = next(one for one in contest.divisions if one.code == "citizens")
    db.session.add(Headcount(division_id=citizens.id, unit_id=commune.id, headcount=40, source="Thử"))
    db.session.commit()
    contest.a = commune
    return contest


@pytest.fixture
def organizer(app):
    return builders.sign_in(app.test_client(), builders.make_staff("organizer"))


def held(contest, *rights, **details):
    """An open round, with a bank of its own, in which citizens of the commune had so many right."""
    builders.make_items(per_cell=6 * (1 + len(contest.rounds)))
    round = builders.open_now(builders.make_round(contest, **details))
    for right in rights:
        person = builders.make_person(contest, unit=contest.a, consents=("participation", "publication"))
        builders.finish_attempt(person, round, right=right, prediction=1)
    return round


def analysed(round):
    builders.close(round)
    db.session.execute(update(Attempt).values(scored_at=Attempt.scored_at - timedelta(minutes=2)))
    db.session.commit()
    while jobs.analyse_what_closed():
        pass
    db.session.expire_all()
    return contests.find_round(db.session(), round.id)


def report(organizer, round):
    """The text of the report, its runs of blanks joined."""
    answer = organizer.get(f"/admin/rounds/{round.id}/report.pdf")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    return " ".join(
        " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages).split()
    )


def test_a_closed_round_is_told_whole_and_against_the_one_before(contest, organizer):
    analysed(held(contest, 0, opens_in=timedelta(days=-20), lasts=timedelta(days=30)))
    second = analysed(held(contest, 5, 5, 5, 3, opens_in=timedelta(hours=-3), prizes=(("Giải Nhất", 1),)))
    builders.publish(second)

    text = report(organizer, second)

    assert "Người dự thi 4 vòng trước 1" in text
    # 18 of 20 answers are right; nobody had any in the first round.
    assert "Điểm trung bình 90,0% của điểm tối đa, vòng trước 0,0%" in text
    assert "Đạt điểm tuyệt đối 3 75,0% số người" in text
    assert re.search(r"Người đạt giải 1 bản 1, kết quả dự kiến, \d\d:\d\d ngày", text)
    assert "1 Giải Nhất" in text
    # Small counts stand as on the organizers' page: one person is no secret from the leaders.
    assert re.search(r"Phân bố điểm: \S.* 5 3 \(75,0%\)", text)
    assert "Theo độ tuổi: " in text
    assert re.search(r"1 Xã A 4 40 10,00%", text)
    assert re.search(r"T\d+\. .* \(\+\d+,\d điểm %\)", text)
    assert "Tài liệu nội bộ" in text


def test_while_a_round_is_open_there_is_participation_only(contest, organizer):
    text = report(organizer, held(contest, 5, 3))

    assert "Người dự thi 2" in text
    assert "vòng trước" not in text
    for later in ("Điểm trung bình", "Phân bố điểm", "Kiến thức theo chủ đề", "Người đạt giải"):
        assert later not in text


def test_a_round_of_nobody_has_a_report(contest, organizer):
    assert "Người dự thi 0" in report(organizer, builders.make_round(contest))


def test_a_topic_of_too_few_answers_has_no_share(contest, organizer):
    text = report(organizer, analysed(held(contest, 5)))

    assert re.search(r"T\d+\. \D+ –", text)
    assert "100,0% (" not in text.partition("Kiến thức theo chủ đề")[2].partition("Đơn vị dẫn đầu")[0]


def test_only_staff_reads_it(app, contest):
    round = held(contest, 5)
    person = builders.sign_in(app.test_client(), builders.make_person(contest))

    assert person.get(f"/admin/rounds/{round.id}/report.pdf").status_code == 404


def test_pages_lead_to_it(contest, organizer):
    round = held(contest, 5)

    for page in ("statistics", "results"):
        assert (
            f"/admin/rounds/{round.id}/report.pdf" in organizer.get(f"/admin/rounds/{round.id}/{page}").text
        )
