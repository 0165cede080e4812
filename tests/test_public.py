"""The landing page's one big button in every state, the rules from the configuration, results, receipts."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from contest.clock import db_now
from contest.extensions import db
from contest.models import Pool
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest(title="Hội thi về dịch vụ công")


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest, title="Vòng 1"))


def text(response):
    return response.get_data(as_text=True)


def big_button(client, path="/"):
    """Return the words and the address of the page's one big button."""
    page = text(client.get(path))
    found = re.findall(
        r'<form method="post" action="([^"]+)"[^>]*>(?:(?!</form>).)*button-big[^>]*>([^<]+)<'
        r'|<a href="([^"]+)" class="[^"]*button-big[^>]*>([^<]+)<',
        page,
        re.DOTALL,
    )
    assert len(found) == 1, page
    posted, posted_words, linked, linked_words = found[0]
    return (posted_words or linked_words, posted or linked)


# --- the one big button --------------------------------------------------------------------------


def test_a_visitor_is_asked_to_register(client, round):
    assert big_button(client) == ("Đăng ký dự thi", "/register")
    assert 'href="/login"' in text(client.get("/"))


def test_who_is_registered_may_start(client, contest, round):
    builders.sign_in(client, builders.make_person(contest))

    assert big_button(client) == ("Vào thi", f"/rounds/{round.id}/attempts")
    assert "Bạn còn 1 lượt thi." in text(client.get("/"))


def test_who_is_sitting_goes_on(client, contest, round):
    person = builders.make_person(contest)
    attempt = builders.start(person, round)
    builders.sign_in(client, person)

    assert big_button(client) == ("Tiếp tục làm bài", f"/attempts/{attempt.public_id}")


def test_who_has_used_all_attempts_sees_the_result(client, contest, round):
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round)
    builders.sign_in(client, person)

    assert big_button(client) == ("Xem kết quả", f"/attempts/{attempt.public_id}/result")


def test_a_voided_attempt_is_not_used_up(client, contest, round):
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round)
    attempt.voided_at, attempt.void_reason = db_now(db.session()), "Lỗi mạng"
    db.session.commit()
    builders.sign_in(client, person)

    assert big_button(client)[0] == "Vào thi"


def test_an_attempt_left_open_past_its_deadline_is_used(client, contest, round):
    person = builders.make_person(contest)
    attempt = builders.start(person, round, ago=timedelta(hours=1))
    builders.sign_in(client, person)

    assert big_button(client) == ("Xem kết quả", f"/attempts/{attempt.public_id}/result")


def test_of_several_attempts_those_left_are_counted(client, contest):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=3))
    person = builders.make_person(contest)
    builders.finish_attempt(person, round)
    builders.sign_in(client, person)

    assert "Bạn còn 2 lượt thi." in text(client.get("/"))


def test_a_division_that_the_round_does_not_ask_is_told_so(client, contest):
    round = builders.make_round(contest, prizes=())
    person = builders.make_person(contest)
    builders.take_out(round, "citizens")
    builders.open_now(round)
    builders.sign_in(client, person)

    assert big_button(client)[0] == "Xem thể lệ"
    assert "Vòng này không dành cho bảng Người dân của bạn." in text(client.get("/"))
    assert "Vòng này không dành cho bảng Người dân của bạn." in text(client.get("/me"))
    only = "Dành cho bảng Cán bộ, công chức, viên chức. Không dành cho bảng Người dân."
    assert only in text(client.get("/"))
    assert text(client.get(f"/contests/{contest.slug}/rules")).count(only) == 2  # the schedule, an article


def test_before_it_opens_too_nobody_is_promised_a_start_that_will_not_come(client, contest):
    builders.take_out(builders.make_round(contest, opens_in=timedelta(days=1), prizes=()), "citizens")
    builders.sign_in(client, builders.make_person(contest))

    assert big_button(client)[0] == "Xem thể lệ"
    assert "không dành cho bảng Người dân của bạn" in text(client.get("/"))


def test_of_two_rounds_at_once_everybody_is_led_to_their_own(client, contest):
    first = builders.make_round(contest, prizes=(), title="Vòng của cán bộ")
    builders.take_out(first, "citizens")
    builders.open_now(first)
    second = builders.make_round(contest, prizes=(), title="Vòng của người dân", opens_in=timedelta(days=1))
    builders.take_out(second, "officials")

    builders.sign_in(client, builders.make_person(contest, division="officials"))
    assert big_button(client) == ("Vào thi", f"/rounds/{first.id}/attempts")

    builders.sign_in(client, builders.make_person(contest))
    assert big_button(client)[0] == "Xem thể lệ"
    assert "Nút Vào thi hiện ở đây khi vòng thi mở." in text(client.get("/"))
    assert '<h2 class="now-title">Vòng của người dân</h2>' in client.get("/").get_data(as_text=True)


def test_staff_are_not_asked_to_take_part(client, round):
    builders.sign_in(client, builders.make_staff())

    assert big_button(client) == ("Vào trang quản trị", "/admin/")


def test_who_has_an_account_but_no_entry_is_asked_to_register(client, round):
    builders.sign_in(client, builders.make_person())

    assert big_button(client) == ("Đăng ký dự thi", "/register")


def test_before_the_opening_the_page_counts_down(client, contest):
    builders.make_round(contest, opens_in=timedelta(days=2, hours=1))

    page = text(client.get("/"))

    assert "Sắp diễn ra" in page
    milliseconds = int(re.search(r'data-countdown-ms="(\d+)">2 ngày 0[01]:', page).group(1))
    assert 176_000_000 < milliseconds <= 176_400_000
    assert big_button(client) == ("Đăng ký dự thi", "/register")


def test_before_the_opening_who_is_registered_reads_the_rules(client, contest):
    builders.make_round(contest, opens_in=timedelta(days=2))
    builders.sign_in(client, builders.make_person(contest))

    assert big_button(client) == ("Xem thể lệ", f"/contests/{contest.slug}/rules")


def test_a_round_that_is_over_leads_to_what_may_be_seen_of_it(client, contest, round):
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round)
    round.closes_at = db_now(db.session())
    db.session.commit()
    assert big_button(client)[0] == "Xem thể lệ"  # the last attempts are being scored

    closed = builders.close(round)
    assert big_button(client)[0] == "Xem bảng xếp hạng"

    staff = builders.make_staff()
    builders.publish(closed, by=staff)
    assert big_button(client) == ("Xem kết quả", f"/contests/{contest.slug}/winners?round=1")

    builders.sign_in(client, person)
    assert big_button(client) == ("Xem kết quả", f"/attempts/{attempt.public_id}/result")


# --- the page ------------------------------------------------------------------------------------


def test_the_page_says_what_when_and_what_for(client, contest, round):
    page = text(client.get("/"))

    for shown in (
        "Hội thi về dịch vụ công",
        "Một dòng.",
        "Đang diễn ra",
        "Giải Nhất",
        "500.000 đồng",
        "5 câu, 15 phút, 1 lượt thi mỗi người",
    ):
        assert shown in page
    assert page.count("<h1") == 1


def test_a_contest_has_its_own_address(client, contest, round):
    assert big_button(client, f"/contests/{contest.slug}") == big_button(client)
    for slug in ("khong-co", "%00", "x" * 3000):
        assert client.get(f"/contests/{slug}").status_code == 404


def test_without_contest_or_round_the_page_is_calm(client, session):
    assert "Chưa có cuộc thi nào" in text(client.get("/"))

    builders.make_contest()

    assert "Chưa có lịch thi" in text(client.get("/"))


def headcounts(contest):
    from contest import units

    division = next(one for one in contest.divisions if one.code == "citizens")
    for unit in units.listed(db.session(), "commune"):
        units.set_headcount(
            db.session(), division_id=division.id, unit_id=unit.id, headcount=2000, source="Cục Thống kê"
        )
    db.session.commit()


def test_participation_is_not_shown_while_the_round_is_open(client, contest, round):
    headcounts(contest)
    builders.finish_attempt(builders.make_person(contest), round)
    builders.rank(round)

    page = text(client.get("/"))
    assert "sôi nổi" not in page
    assert "Xã Lục Ngạn" not in page

    builders.change_locked(round, is_leaderboard_live=True)
    page = text(client.get("/"))
    assert "0,50" in page
    assert "tạm tính" in page


def test_participation_of_a_closed_round_is_shown(client, contest, round):
    headcounts(contest)
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)

    assert "Xã Lục Ngạn" in text(client.get("/"))


def test_the_page_takes_few_statements(client, contest, round, statements):
    builders.sign_in(client, builders.make_person(contest))

    with statements() as noted:
        client.get("/")

    assert len(noted) <= 14, "\n".join(noted)


# --- rules and privacy ---------------------------------------------------------------------------


def test_the_rules_are_those_that_hold(client, contest):
    round = builders.make_round(
        contest, title="Vòng 1", duration=timedelta(minutes=20), attempts_allowed=3, counts="last"
    )
    for asked in round.divisions:
        asked.unit_formula, asked.unit_threshold_percent = "rate_mean", 50
    db.session.commit()
    builders.open_now(round)
    db.session.commit()

    page = text(client.get(f"/contests/{contest.slug}/rules"))

    for rule in (
        "Người từ đủ 16 tuổi",
        "Người dân: 5 câu hỏi trong 20 phút.",
        "Mỗi người được thi 3 lượt trong mỗi vòng. Kết quả của lượt cuối cùng được tính.",
        "dự đoán số người trả lời đúng tất cả các câu hỏi trong bảng của mình",
        "Ai có số dự đoán gần với kết quả hơn",
        "Điều 1. Đối tượng dự thi",
        "Ai nộp bài sớm hơn.",
        "Đơn vị có tỷ lệ dưới 50% được liệt kê bên dưới mà không xếp hạng.",
        "Giải Nhất",
        round.seed_commitment,
        "Được công bố sau khi vòng thi đóng.",
    ):
        assert rule in page, rule
    for pool in db.session.scalars(select(Pool)):
        assert pool.sha256 in page


def test_the_seed_is_shown_after_the_round_is_closed_and_not_before(client, contest, round):
    from contest import contests

    builders.finish_attempt(builders.make_person(contest), round)
    path = f"/contests/{contest.slug}/rules"
    assert "Được công bố sau khi vòng thi đóng." in text(client.get(path))

    closed = builders.close(round, with_books=False)

    seed = contests.revealed_seed(closed, data_key=builders.data_key())
    assert seed.hex() in text(client.get(path))


def test_rounds_with_other_rules_are_told_apart(client, contest):
    builders.make_round(contest, title="Vòng 1")
    builders.make_round(contest, title="Vòng 2", opens_in=timedelta(days=8))
    path = f"/contests/{contest.slug}/rules"
    assert text(client.get(path)).count(". Số lượt thi<") == 1

    builders.make_round(contest, title="Chung kết", opens_in=timedelta(days=20), attempts_allowed=2)

    page = text(client.get(path))
    assert page.count(". Số lượt thi<") == 2
    assert "Chương II. Vòng 1, Vòng 2<" in page
    assert "Chương III. Chung kết<" in page


def test_without_a_prediction_question_it_is_no_criterion(client, contest):
    builders.make_round(contest, prediction_counted=None)

    page = text(client.get(f"/contests/{contest.slug}/rules"))

    assert "dự đoán" not in page.lower()


def test_the_rules_open_before_there_is_a_round(client, contest):
    assert client.get(f"/contests/{contest.slug}/rules").status_code == 200


def test_the_consents_are_there_word_for_word(client, session):
    from markupsafe import escape

    from contest import accounts

    page = text(client.get("/privacy"))

    for wording in (*accounts.CONSENTS.values(), accounts.CONSENT_VERSION):
        assert str(escape(wording)) in page


# --- results and receipts ------------------------------------------------------------------------


@pytest.fixture
def person(contest):
    return builders.make_person(contest, name="Phan Thị Huyền")


def result_page(client, person, attempt):
    return text(builders.sign_in(client, person).get(f"/attempts/{attempt.public_id}/result"))


def test_the_score_is_a_sentence(client, person, round):
    attempt = builders.finish_attempt(person, round, right=4)

    page = result_page(client, person, attempt)

    assert "Bạn trả lời đúng 4 trên 5 câu trong 5 phút." in re.sub(r"\s+", " ", page)
    assert attempt.receipt_code[:4] in page


def test_before_it_is_scored_the_page_says_so_and_can_be_reloaded(client, person, round):
    attempt = builders.finish_attempt(person, round, is_scored=False)

    page = result_page(client, person, attempt)

    assert "Bài đang được chấm." in page
    assert f'href="/attempts/{attempt.public_id}/result"' in page
    assert "http-equiv" not in page


def test_keys_and_explanations_come_after_the_closing(client, person, round):
    attempt = builders.finish_attempt(person, round, right=4)
    page = result_page(client, person, attempt)
    for hidden in ("Đáp án đúng", "Lời giải thích.", "Nghị định số 42/2022/NĐ-CP"):
        assert hidden not in page

    builders.close(round)

    page = result_page(client, person, attempt)
    for shown in ("Đáp án đúng", "Bạn chọn, chưa đúng", "Lời giải thích.", "Nghị định số 42/2022/NĐ-CP"):
        assert shown in page


def test_a_score_that_is_shown_after_the_closing_is_not_shown_before(client, person, contest):
    round = builders.open_now(builders.make_round(contest, score_shown="after_closing"))
    attempt = builders.finish_attempt(person, round, right=4)

    page = result_page(client, person, attempt)

    assert "Bài của bạn đã được chấm." in page
    assert "4/5 điểm" not in page
    assert "đúng 4" not in page


def test_hitting_the_deadline_is_told_as_that(client, person, round):
    attempt = builders.start(person, round, ago=timedelta(minutes=16))

    assert "đang được tự động nộp" in result_page(client, person, attempt)


def test_a_receipt_says_when_and_nothing_personal(client, person, round):
    attempt = builders.finish_attempt(person, round)

    response = client.get(f"/receipts/{attempt.receipt_code.lower()}")

    page = text(response)
    assert response.status_code == 200
    assert re.search(r"\b[0-9a-f]{64}\b", page)
    for private in ("Phan", "Huyền", attempt.public_id, "Người dân", "Xã Lục Ngạn"):
        assert private not in page


@pytest.mark.parametrize("code", ["AAAABBBBCCCC", "%00", "x" * 500])
def test_an_unknown_receipt_is_not_found(client, session, code):
    assert client.get(f"/receipts/{code}").status_code == 404
