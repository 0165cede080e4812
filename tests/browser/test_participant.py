"""The whole way of a participant, as they take it: phone, interrupted, on two devices, without JavaScript."""

import os
import re
import signal
import time

import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from contest.proofs import SLOW_LANE_SECONDS
from tests.browser.conftest import DESK, PICTURES, Devices, Site, sign_in

pytestmark = pytest.mark.browser


def register(
    page: Page, name: str, phone: str, commune: str = "Phường Kinh Bắc", *, javascript: bool = True
) -> None:
    page.goto("/register")
    page.get_by_label("Họ và tên").fill(name)
    page.get_by_label("Ngày sinh").fill("05/03/1990")
    page.get_by_label("Số điện thoại").fill(phone)
    page.get_by_label("Mật khẩu").fill("con trâu đi cày")
    page.get_by_label("Người dân").check()
    page.locator("select[name=commune]").select_option(label=commune)
    page.locator("input[name=participation]").check()
    page.locator("input[name=publication]").check()
    if not javascript:
        page.wait_for_timeout(1000 * (SLOW_LANE_SECONDS + 1))
    page.get_by_role("button", name="Đăng ký").click()
    # The form is held back until the proof of work is there.
    expect(page).not_to_have_url(re.compile("/register"), timeout=15_000)


def begin(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Vào thi").first.click()
    page.wait_for_url(re.compile("/attempts/"))


def answer(page: Page, first: int, last: int) -> None:
    """Choose an option of the questions first to last, one screen at a time."""
    for position in range(first, last + 1):
        question = page.locator(f"[data-position='{position}']")
        expect(question).to_be_visible()
        question.locator(".choice").nth(position % 2).click()
        page.get_by_role("button", name="Tiếp").click()


def saved(page: Page) -> None:
    expect(page.locator("#save-state")).to_contain_text("Đã lưu lúc", timeout=5_000)


def stored(site: Site, page: Page) -> tuple[dict[str, list[str]], int | None]:
    public_id = re.search("/attempts/([^/?]+)", page.url)[1]
    return site.execute("SELECT responses, prediction FROM attempts WHERE public_id = %s", public_id)[0]


def test_the_whole_way_on_a_phone_with_a_closed_tab_and_a_second_device(devices: Devices, site: Site) -> None:
    phone = devices.open()
    register(phone, "Nguyễn Thị Minh Châu", "0987 654 321")
    begin(phone)
    answer(phone, 1, 6)
    saved(phone)
    again = phone.context.new_page()
    attempt = phone.url
    phone.close()

    again.goto(attempt)
    expect(again.locator("[data-position] input:checked")).to_have_count(6)
    answer_from = again.locator("[data-position]:visible").get_attribute("data-position")
    assert answer_from is not None
    tablet = devices.open(viewport={"width": 820, "height": 1180})
    sign_in(tablet, "0987654321", "con trâu đi cày")
    tablet.goto("/")
    tablet.get_by_role("link", name=re.compile("Tiếp tục")).or_(
        tablet.get_by_role("button", name=re.compile("Tiếp tục"))
    ).first.click()
    tablet.wait_for_url(re.compile("/attempts/"))
    expect(tablet.locator("[data-position] input:checked")).to_have_count(6)
    open_map_and_go(tablet, 7)
    answer(tablet, 7, 15)
    tablet.locator("#prediction").fill("1.250")
    saved(tablet)
    tablet.get_by_role("button", name="Xem lại", exact=True).click()
    expect(tablet.locator("#review")).to_be_visible()
    tablet.locator("#submit-button").click()
    tablet.wait_for_url(re.compile("/result"))

    responses, prediction = stored(site, tablet)
    assert (len(responses), prediction) == (15, 1250)
    expect(tablet.locator("main")).to_contain_text("Biên nhận")
    expect(tablet.locator("main")).to_contain_text(re.compile(r"\d+([,.]\d+)?/15 điểm"), timeout=20_000)
    again.reload()
    again.wait_for_url(re.compile("/result"))


def open_map_and_go(page: Page, position: int) -> None:
    page.locator("#map-button").click()
    page.locator("#map-list").get_by_role("button", name=re.compile(rf"\b{position}\b")).first.click()


def test_answers_survive_a_cut_network_and_a_reload(devices: Devices, site: Site) -> None:
    page = devices.open()
    register(page, "Trần Văn Hải", "0987 000 002")
    begin(page)
    answer(page, 1, 2)
    saved(page)
    page.context.set_offline(True)
    answer(page, 3, 5)
    expect(page.locator("body")).to_contain_text("Mất mạng", timeout=20_000)
    attempt = page.url
    page.close()
    page = devices.contexts[-1].new_page()
    devices.contexts[-1].set_offline(False)
    page.goto(attempt)
    expect(page.locator("[data-position] input:checked")).to_have_count(5)
    saved(page)
    page.wait_for_timeout(1_500)
    assert len(stored(site, page)[0]) == 5
    # What the browser says about requests that it could not send is no complaint of the page.
    devices.complaints = [text for text in devices.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


def test_at_the_deadline_everything_saved_is_handed_in(devices: Devices, site: Site) -> None:
    page = devices.open()
    register(page, "Phạm Thị Hoa", "0987 000 003")
    begin(page)
    answer(page, 1, 3)
    saved(page)
    public_id = re.search("/attempts/([^/?]+)", page.url)[1]
    site.execute(
        "UPDATE attempts SET started_at = started_at - interval '14 minutes 50 seconds',"
        " deadline_at = deadline_at - interval '14 minutes 50 seconds' WHERE public_id = %s",
        public_id,
    )
    page.reload()
    page.wait_for_url(re.compile("/result"), timeout=20_000)

    ((how, count),) = site.execute(
        "SELECT how, (SELECT count(*) FROM jsonb_object_keys(responses)) FROM attempts WHERE public_id = %s",
        public_id,
    )
    assert (how, count) == ("person", 3)


def test_the_whole_way_without_javascript(devices: Devices, site: Site) -> None:
    page = devices.open(javascript=False)
    register(page, "Lê Thị Tư", "0987 000 004", javascript=False)
    begin(page)
    for position in range(1, 9):
        page.locator(f"input[name=q{position}]").first.check()
    page.get_by_role("button", name="Lưu nháp").click()
    page.wait_for_load_state()
    assert page.locator("input[type=radio]:checked, input[type=checkbox]:checked").count() == 8
    for position in range(9, 16):
        page.locator(f"input[name=q{position}]").first.check()
    page.locator("input[name=prediction]").fill("12.345")
    page.get_by_role("button", name="Nộp bài").click()
    page.wait_for_url(re.compile("/result"))

    responses, prediction = stored(site, page)
    assert (len(responses), prediction) == (15, 12_345)
    expect(page.locator("main")).to_contain_text("Biên nhận")


def test_two_devices_at_once_are_asked_which_sheet_holds(devices: Devices, site: Site) -> None:
    first, second = devices.open(), devices.open(viewport=DESK)
    register(first, "Vũ Đức Long", "0987 000 005")
    begin(first)
    answer(first, 1, 2)
    saved(first)
    sign_in(second, "0987000005", "con trâu đi cày")
    second.goto(first.url)
    second.locator("[data-position]:visible .choice:not(:has(:checked))").last.click()
    saved(second)
    second.wait_for_timeout(1_500)
    first.locator("[data-position]:visible .choice").first.click()
    expect(first.get_by_role("dialog")).to_be_visible(timeout=5_000)
    PICTURES.mkdir(parents=True, exist_ok=True)
    first.screenshot(path=PICTURES / "quiz-two-devices-360.png")
    first.get_by_role("button", name="Giữ câu trả lời trên máy này").click()
    saved(first)
    first.wait_for_timeout(1_500)
    assert len(stored(site, first)[0]) == 3


def test_the_keyboard_alone_takes_the_quiz(devices: Devices, site: Site) -> None:
    page = devices.open(viewport=DESK)
    register(page, "Hoàng Minh Tuấn", "0987 000 006")
    begin(page)
    for _ in range(15):
        page.keyboard.press("2")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(80)
    saved(page)
    page.wait_for_timeout(1_500)
    assert len(stored(site, page)[0]) == 15


def test_an_attempt_is_scored_within_twenty_seconds_after_redis_forgot_everything(
    devices: Devices, site: Site
) -> None:
    page = devices.open()
    register(page, "Giáp Văn Bền", "0987 000 007")
    begin(page)
    answer(page, 1, 15)
    page.locator("#next").click()
    workers = site.workers()
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)  # so that the ring is lost for certain
    try:
        page.locator("#submit-button").click()
        page.wait_for_url(re.compile("/result"))
        began = time.monotonic()
        with Redis.from_url(site.redis_url) as redis:
            redis.flushall()
        expect(page.locator("main")).to_contain_text(re.compile(r"\d+([,.]\d+)?/15 điểm"), timeout=20_000)
        assert time.monotonic() - began < 20
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
