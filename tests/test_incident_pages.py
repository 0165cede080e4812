"""The organizers' pages for what goes wrong, and what participants see of it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from contest import registrations
from contest.clock import db_now
from contest.extensions import db
from contest.formatting import field_moment, read_moment
from contest.models import Attempt, ExtraTime, Heartbeat, Outage, OutageDecision, Resit
from tests import builders
from tests.visiting import visit

MINUTE = timedelta(minutes=1)


@pytest.fixture
def round(session):
    return builders.open_now(builders.make_round(builders.make_contest()))


@pytest.fixture
def staff(client, round):
    return builders.sign_in(client, builders.make_staff())


@pytest.fixture
def person(round):
    return builders.make_person(round.contest, name="Trần Thị Bình")


def post(browser, address, **fields):
    answer = browser.post(address, data=fields | {"csrf_token": builders.csrf(browser)})
    db.session.expire_all()
    return answer


def page(browser, address, status=200):
    answer = browser.get(address)
    assert answer.status_code == status
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


@pytest.fixture
def live(live_app):
    """A round, an organizer's browser and a person's, where commits are real: a start needs that."""
    round = builders.open_now(builders.make_round(builders.make_contest()))
    person = builders.make_person(round.contest)
    organizer = builders.sign_in(visit(live_app), builders.make_staff())
    return round, person, organizer, builders.sign_in(visit(live_app), person)


def entry(person, round):
    return registrations.of_account(db.session(), person.id, round.contest_id)


def test_a_detected_outage_is_alerted_shown_and_compensated(staff, round, person):
    attempt = builders.start(person, round, ago=12 * MINUTE)
    now = db_now(db.session())
    outage = Outage(from_at=now - 10 * MINUTE, until_at=now - 5 * MINUTE, how="heartbeat")
    db.session.add(outage)
    db.session.commit()
    address = f"/admin/rounds/{round.id}/incidents"

    assert "Chưa ai quyết định bù giờ" in page(staff, f"/admin/rounds/{round.id}/dashboard")
    html = page(staff, address)
    assert "Gián đoạn 5 phút" in html
    assert "1 bài đang mở được lùi hạn nộp" in html

    answer = post(staff, f"/admin/rounds/{round.id}/outages/{outage.id}/compensation", reason="")

    assert answer.status_code == 303
    assert attempt.compensation_ms == 300_000
    assert "Đã bù" in page(staff, address)
    again = post(staff, f"/admin/rounds/{round.id}/outages/{outage.id}/compensation", reason="")
    assert again.status_code == 409
    assert attempt.compensation_ms == 300_000


def test_an_outage_is_noted_in_local_time_and_left(staff, round, person):
    builders.start(person, round, ago=12 * MINUTE)
    now = db_now(db.session())
    fields = {"from_at": field_moment(now - 10 * MINUTE), "until_at": field_moment(now - 5 * MINUTE)}

    assert post(staff, f"/admin/rounds/{round.id}/outages", **fields, reason="Đứt cáp").status_code == 303
    outage = db.session.scalars(select(Outage)).one()
    assert abs(outage.from_at - (now - 10 * MINUTE)) < timedelta(seconds=1)
    address = f"/admin/rounds/{round.id}/outages/{outage.id}/dismissal"
    assert post(staff, address, reason="").status_code == 409
    assert post(staff, address, reason="Không ảnh hưởng").status_code == 303

    assert not db.session.scalars(select(OutageDecision.is_compensated)).one()


@pytest.mark.parametrize(
    "moment", ["", "hôm nay", "2026-11-26", "2026-11-26T10:00:00+07:00", "0001-01-01T00:00"]
)
def test_what_is_no_moment_is_told(moment):
    at = read_moment(moment)
    assert at is None or moment == "2026-11-26", "a day alone is its midnight"


def test_a_round_is_paused_resumed_and_extended(live):
    round, _, staff, participant = live
    address = f"/admin/rounds/{round.id}"
    assert post(staff, f"{address}/pause", minutes="x", reason="Nghẽn mạng").status_code == 422
    assert post(staff, f"{address}/pause", minutes="30", reason="Nghẽn mạng").status_code == 303
    assert "đang tạm dừng" in page(staff, f"{address}/dashboard")
    assert "Tiếp tục ngay" in page(staff, f"{address}/incidents")
    assert "Vòng thi tạm dừng đến" in page(participant, "/")
    refused = post(participant, f"/rounds/{round.id}/attempts")
    assert (refused.status_code, "đang tạm dừng" in refused.text) == (409, True)

    assert post(staff, f"{address}/resumption").status_code == 303
    assert post(participant, f"/rounds/{round.id}/attempts").status_code == 303

    later = round.closes_at + timedelta(days=1)
    assert post(staff, f"{address}/extension", closes_at="", reason="x").status_code == 422
    answer = post(staff, f"{address}/extension", closes_at=field_moment(later), reason="Bão")
    assert answer.status_code == 303
    assert abs(round.closes_at - later) < timedelta(seconds=1)


def test_an_attempt_is_voided_on_the_persons_page_and_sat_again_from_their_own(live):
    round, person, staff, participant = live
    attempt = builders.start(person, round)
    db.session.execute(text("UPDATE rounds SET closes_at = statement_timestamp() - interval '1 minute'"))
    db.session.commit()
    own = f"/admin/participants/{entry(person, round).id}"
    assert "Số bài từng bị hủy</dt><dd>0" in page(staff, own)
    until = field_moment(db_now(db.session()) + timedelta(hours=1))

    answer = post(staff, f"/admin/attempts/{attempt.public_id}/voiding", reason="Máy hỏng", closes_at=until)

    assert (answer.status_code, answer.location) == (303, own)
    html = page(staff, own)
    assert "Số bài từng bị hủy</dt><dd>1" in html
    assert "Máy hỏng" in html
    assert "Vào thi lại" in page(participant, "/me")
    assert "Vào thi lại" in page(participant, "/")
    assert post(participant, f"/rounds/{round.id}/attempts").status_code == 303
    assert db.session.scalars(select(Resit.taken_id)).one() is not None
    assert "Vào thi lại" not in page(participant, "/me")


def test_a_resit_can_be_granted_after_the_void(staff, round, person):
    attempt = builders.start(person, round)
    post(staff, f"/admin/attempts/{attempt.public_id}/voiding", reason="Máy hỏng")
    address = f"/admin/attempts/{attempt.public_id}/resit"

    assert post(staff, address, closes_at="").status_code == 422
    until = field_moment(db_now(db.session()) + timedelta(hours=1))
    assert post(staff, address, closes_at=until).status_code == 303
    assert post(staff, address, closes_at=until).status_code == 409


def test_extra_time_is_granted_to_persons_and_groups_and_never_shown(staff, round, person, app):
    own = entry(person, round)
    address = f"/admin/participants/{own.id}/extra-times"
    assert post(staff, address, minutes="", reason="Khiếm thị").status_code == 422
    assert post(staff, address, minutes="5", round="99", reason="Khiếm thị").status_code == 422
    assert post(staff, address, minutes="5", round="1", reason="Khiếm thị").status_code == 303
    groups = f"/admin/rounds/{round.id}/extra-times"
    both = {"unit": own.unit.code, "division": "citizens", "minutes": "2", "reason": "Mất điện"}
    assert post(staff, groups, **both).status_code == 422
    assert post(staff, groups, **(both | {"division": ""})).status_code == 303
    assert "Khiếm thị" in page(staff, groups)

    attempt = builders.finish_attempt(person, round)

    assert attempt.extra_ms == 7 * 60_000
    participant = builders.sign_in(visit(app), person)
    for seen in (
        f"/receipts/{attempt.receipt_code}",
        f"/contests/{round.contest.slug}",
        f"/attempts/{attempt.public_id}/result",
    ):
        assert "Khiếm thị" not in page(participant, seen)
    grant = db.session.scalars(select(ExtraTime).where(ExtraTime.unit_id.is_(None))).one()
    revocation = f"/admin/rounds/{round.id}/extra-times/{grant.id}/revocation"
    answer = post(staff, revocation, next="https://evil.example/")
    assert (answer.status_code, answer.location) == (303, groups)
    assert post(staff, revocation).status_code == 409


def test_silent_processes_are_named(staff, round):
    now = db_now(db.session())
    db.session.add(Heartbeat(kind="worker", beat_at=now - 5 * MINUTE))
    db.session.add(Heartbeat(kind="sweep", beat_at=now))
    db.session.commit()

    html = page(staff, f"/admin/rounds/{round.id}/dashboard")

    assert "Tiến trình chấm bài không còn hoạt động" in html
    assert "Tiến trình quét" not in html


# --- receipts ------------------------------------------------------------------------------------


def test_a_receipt_has_a_qr_code_and_nothing_personal(client, round, person):
    attempt = builders.finish_attempt(person, round)

    html = page(client, f"/receipts/{attempt.receipt_code}")
    qr = client.get(f"/receipts/{attempt.receipt_code.lower()}/qr.svg")

    assert f'src="/receipts/{attempt.receipt_code}/qr.svg"' in html
    assert person.name not in html
    assert (qr.status_code, qr.mimetype) == (200, "image/svg+xml")
    assert qr.text.startswith("<svg")
    assert "<script" not in qr.text
    assert client.get("/receipts/0123456789AB/qr.svg").status_code == 404


def test_a_voided_receipt_says_so(client, round, person):
    attempt = builders.finish_attempt(person, round)
    db.session.execute(update(Attempt).values(voided_at=db_now(db.session()), void_reason="Máy hỏng"))
    db.session.commit()

    html = page(client, f"/receipts/{attempt.receipt_code}")

    assert "đã bị hủy" in html
    assert "Máy hỏng" not in html
