"""Waiting before a start, with and without JavaScript; what the quiz page says while the server is away."""

import os
import re
import signal
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, Route, expect
from redis import Redis

from tests.browser.conftest import DESK, PHONE, PICTURES, Devices, Site
from tests.browser.test_pages import look
from tests.browser.test_participant import answer, begin, register, saved, stored

pytestmark = pytest.mark.browser

PEOPLE_BEFORE = 400


@pytest.fixture
def crowd(site: Site):
    """Hundreds wait already, and one is called a second."""
    site.execute("UPDATE waiting_room SET mode = 'fixed', fixed_rate = 1, rate = 1, pace = 1")
    site.execute(
        f"SELECT setval('places_number_seq', (SELECT last_value + {PEOPLE_BEFORE} FROM places_number_seq))"
    )
    yield
    site.execute("UPDATE waiting_room SET mode = 'auto', fixed_rate = NULL, rate = 30, pace = 30")
    call_everybody(site)


def call_everybody(site: Site) -> None:
    site.execute("UPDATE waiting_room SET called = (SELECT last_value FROM places_number_seq)")


def press_start(page: Page) -> None:
    # The processes look at the line once a second.
    page.wait_for_timeout(1_500)
    page.goto("/")
    page.get_by_role("button", name="Vào thi").first.click()
    page.wait_for_url(re.compile(r"/rounds/\d+/waiting"))


def ahead(page: Page) -> int:
    return int(page.locator("#ahead").inner_text().removesuffix(" người").replace(".", ""))


def wait_for(site: Site) -> None:
    """Return once the site answers again."""
    for tries_left in reversed(range(60)):
        time.sleep(1)
        try:
            urlopen(f"{site.address}/healthz", timeout=2).close()
            return
        except OSError:
            assert tries_left, "the site does not come back"


def web_processes(site: Site) -> list[int]:
    """Return the processes that serve: the children of the server that the site has started."""

    def children(pid: int) -> list[int]:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    return [
        worker
        for server in children(site.process)
        if b"granian" in Path(f"/proc/{server}/cmdline").read_bytes()
        for worker in children(server)
    ]


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_without_javascript_the_page_comes_again_by_itself(
    devices: Devices, site: Site, crowd, viewport
) -> None:
    page = devices.open(viewport=viewport, javascript=False)
    register(page, "Ngô Thị Lan", f"0987 100 {viewport['width']:03d}"[:12], javascript=False)
    press_start(page)
    page.wait_for_timeout(1_500)
    page.reload()
    before = ahead(page)
    assert 0 < before <= PEOPLE_BEFORE
    expect(page.locator("#when")).to_have_text(re.compile(r"khoảng \d+ phút|chưa đến 1 phút"))
    page.screenshot(path=PICTURES / f"waiting-plain-{viewport['width']}.png", full_page=True)
    expect(page.locator("#ahead")).not_to_have_text(f"{before} người", timeout=60_000)
    assert ahead(page) < before
    call_everybody(site)
    expect(page.get_by_role("heading", level=1)).to_have_text("Đến lượt bạn vào thi", timeout=60_000)
    page.get_by_role("button", name="Vào thi ngay").click()
    page.wait_for_url(re.compile("/attempts/"))


def test_with_javascript_the_paper_opens_at_the_turn(devices: Devices, site: Site, crowd) -> None:
    page = devices.open()
    register(page, "Ngô Văn Tám", "0987 100 003")
    press_start(page)
    assert look(page, "waiting") == []
    call_everybody(site)
    page.wait_for_url(re.compile("/attempts/"), timeout=60_000)


def test_the_place_outlives_the_web_processes_and_an_emptied_redis(
    devices: Devices, site: Site, crowd
) -> None:
    page = devices.open()
    register(page, "Ngô Thị Chín", "0987 100 004")
    press_start(page)
    page.wait_for_timeout(2_000)
    before = ahead(page)
    killed = web_processes(site)
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    Redis.from_url(site.redis_url).flushall()
    wait_for(site)
    page.reload()
    assert before - 60 <= ahead(page) <= before


def test_a_quiz_page_tells_the_truth_while_the_server_is_busy(devices: Devices, site: Site) -> None:
    page = devices.open()
    register(page, "Ngô Văn Mười", "0987 100 005")
    begin(page)

    def busy(route: Route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"code": "busy"})

    page.route("**/responses", busy)
    answer(page, 1, 2)
    box = page.locator("#quiz-alert")
    expect(box).to_contain_text("Máy chủ đang bận. Câu trả lời vẫn được giữ trên máy này và sẽ tự gửi lại.")
    page.screenshot(path=PICTURES / "quiz-busy.png")
    page.unroute("**/responses")
    saved(page)
    expect(box).to_be_hidden()
    assert len(stored(site, page)[0]) == 2


def test_what_the_phone_cannot_keep_it_does_not_promise(devices: Devices, site: Site) -> None:
    page = devices.open()
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
    register(page, "Ngô Thị Sáu", "0987 100 006")
    begin(page)
    page.route("**/responses", lambda route: route.abort())
    answer(page, 1, 1)
    box = page.locator("#quiz-alert")
    expect(box).to_contain_text("Chưa nối được với máy chủ")
    expect(box).to_contain_text("bạn đừng đóng hay tải lại trang")
    page.unroute("**/responses")
    saved(page)


def test_the_page_for_an_outage_is_whole(devices: Devices) -> None:
    page = devices.open()
    page.goto("/static/outage.html")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hệ thống đang tạm gián đoạn")
    page.screenshot(path=PICTURES / "outage.png")
