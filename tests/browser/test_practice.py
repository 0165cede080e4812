"""Somebody practises on a phone, with and without JavaScript; an organizer releases an item for it."""

import pytest

from tests.browser.conftest import DESK, PHONE, Devices, Site, sign_in
from tests.browser.test_pages import look, weight

pytestmark = pytest.mark.browser
LIGHT_BYTES = 60 * 1024


@pytest.mark.parametrize("javascript", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_ten_questions_are_practised(devices: Devices, viewport, javascript) -> None:
    page = devices.open(viewport=viewport, javascript=javascript)
    findings = []

    def check(name: str) -> None:
        if javascript:  # axe is a script itself
            findings.extend(look(page, name))

    page.goto("/")
    page.locator("main").get_by_role("link", name="Luyện tập").click()
    check("practice")
    page.get_by_label("Cổng Dịch vụ công quốc gia và tài khoản").check()
    page.get_by_role("button", name="Bắt đầu luyện tập").click()
    for number in range(1, 11):
        assert page.get_by_text(f"Câu {number}/10").is_visible()
        if number == 1:
            check("practice-question")
        page.locator(".choice").first.click()
        page.get_by_role("button", name="Trả lời").click()
        assert page.get_by_role("status").filter(has_text="úng").is_visible()
        assert page.get_by_text("Căn cứ:").is_visible()
        if number == 1:
            check("practice-answer")
        page.get_by_role("link", name="Câu tiếp theo" if number < 10 else "Xem kết quả lượt này").click()
    assert page.get_by_role("heading", name="Kết quả luyện tập").is_visible()
    assert page.locator(".review-item").count() == 10
    check("practice-result")
    page.get_by_role("link", name="Luyện tập lượt mới").click()
    assert page.get_by_text("Câu 1/10").is_visible()
    assert findings == []


def test_going_back_shows_the_question_again(devices: Devices) -> None:
    page = devices.open()
    page.goto("/practice/new")
    stem = page.locator(".stem").inner_text()
    page.locator(".choice").first.click()
    page.get_by_role("button", name="Trả lời").click()
    page.go_back()
    assert page.locator(".stem").inner_text() == stem
    assert page.get_by_role("button", name="Trả lời").is_visible()


def test_the_practice_is_light(devices: Devices) -> None:
    assert weight(devices.open(), "/practice") <= LIGHT_BYTES


def test_an_organizer_releases_what_no_round_has(devices: Devices, site: Site) -> None:
    page = devices.open(viewport=DESK)
    sign_in(page, "bantochuc", site.password)
    page.goto("/admin/bank/T12-001")
    page.get_by_text("Đưa vào luyện tập").first.click()
    form = page.locator("form[action$='/releases']")
    form.get_by_label("Lý do").fill("Cho người dân làm quen")
    assert look(page, "admin-bank-release") == []
    form.get_by_role("button", name="Đưa vào luyện tập").click()
    assert page.get_by_text("Đã đưa 1 câu hỏi vào luyện tập.").is_visible()
    page.goto("/admin/bank?released=yes&topic=T12")
    assert page.get_by_role("link", name="T12-001").is_visible()
    assert look(page, "admin-bank-released") == []
    page.goto("/practice")
    assert page.get_by_label("Tình huống thực hành").is_visible()
