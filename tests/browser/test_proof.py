"""Proof of work in a real browser: unseen by whoever fills in a form, and honest with whoever can't."""

import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import DESK, PHONE, Devices, Site
from tests.browser.test_pages import FIRST_VISIT_BYTES, look

pytestmark = pytest.mark.browser
STATE = "[data-proof-state]"
# More than the limit of look-ups from one address in a minute.
MANY = 800


def look_up(address: str) -> None:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()


def fill_in(page: Page, phone: str) -> None:
    page.goto("/register")
    page.get_by_label("Họ và tên").fill("Hoàng Thị Mai")
    page.get_by_label("Ngày sinh").fill("05/03/1990")
    page.get_by_label("Số điện thoại").fill(phone)
    page.get_by_label("Mật khẩu").fill("con mèo vàng")
    page.get_by_label(re.compile("Người dân")).check()
    page.locator("select[name=commune]").select_option(label="Phường Kinh Bắc")
    page.get_by_label(re.compile("bắt buộc để dự thi")).check()


def press(page: Page) -> None:
    page.locator("main").get_by_role("button", name="Đăng ký", exact=True).click()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_the_proof_is_ready_when_the_form_is_filled_in(devices: Devices, viewport) -> None:
    page = devices.open(viewport=viewport)
    fill_in(page, "0977000001" if viewport is PHONE else "0977000002")
    expect(page.locator(STATE)).to_have_text("Đã kiểm tra xong.")
    assert look(page, "register-proved") == []
    press(page)
    page.wait_for_url("**/")
    expect(page.get_by_text("Bạn đã đăng ký dự thi")).to_be_visible()


def test_who_is_faster_than_the_proof_is_sent_on_when_it_is_ready(devices: Devices) -> None:
    page = devices.open()
    held: list[Route] = []
    page.context.route(re.compile("/proof.for="), lambda route: held.append(route))
    fill_in(page, "0977000003")
    press(page)
    expect(page.locator(STATE)).to_have_text(re.compile("phiếu tự gửi khi xong"))
    assert held
    held[0].continue_()
    page.wait_for_url("**/")
    expect(page.get_by_text("Bạn đã đăng ký dự thi")).to_be_visible()


def test_a_form_that_was_refused_proves_again_by_itself(devices: Devices) -> None:
    page = devices.open()
    fill_in(page, "12")
    press(page)
    page.wait_for_selector("[data-focus]")
    expect(page.locator(STATE)).to_have_text("Đã kiểm tra xong.")
    page.get_by_label("Số điện thoại").fill("0977000004")
    page.get_by_label("Mật khẩu").fill("con mèo vàng")
    press(page)
    page.wait_for_url("**/")


def test_where_the_proof_can_not_run_the_form_goes_into_the_slow_lane(devices: Devices) -> None:
    """As with a browser without Web Crypto: nobody is left before a button that does nothing."""
    page = devices.open()
    page.context.route("**/altcha-*", lambda route: route.abort())
    fill_in(page, "0977000005")
    press(page)
    expect(page.get_by_text(re.compile("Bạn vui lòng chờ .* giây rồi bấm lại")).first).to_be_visible()


def test_without_javascript_the_page_says_what_to_do(devices: Devices) -> None:
    page = devices.open(javascript=False)
    page.goto("/register")
    # Chromium under test runs no script, but leaves <noscript> as it is with one.
    assert "chờ ít nhất 30 giây kể từ khi mở trang" in page.locator("noscript").text_content()


def test_the_registration_page_is_light_with_its_proof(devices: Devices) -> None:
    page = devices.open()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto("/register", wait_until="networkidle")
    untouched = sum(sizes)
    page.get_by_label("Họ và tên").fill("Hoàng Thị Mai")
    expect(page.locator(STATE)).to_have_text("Đã kiểm tra xong.")
    assert untouched <= FIRST_VISIT_BYTES
    assert sum(sizes) - untouched <= 40 * 1024


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_when_very_many_look_up_from_one_address_a_short_proof_leads_on(
    devices: Devices, site: Site, viewport
) -> None:
    page = devices.open(viewport=viewport)
    with ThreadPoolExecutor(4) as attackers:
        attack = [attackers.submit(look_up, f"{site.address}/receipts/0000") for _ in range(MANY)]
        attack[-MANY // 8].result()
        page.goto("/receipts/0000")
    expect(page.get_by_role("heading", name="Kiểm tra nhanh trước khi tiếp tục")).to_be_visible()
    expect(page.locator(STATE)).to_have_text("Đã kiểm tra xong.")
    assert look(page, "proof-asked") == []
    page.get_by_role("button", name="Tiếp tục").click()
    page.wait_for_url("**/receipts/0000")
    expect(page.get_by_text("Mã lỗi 404")).to_be_visible()
