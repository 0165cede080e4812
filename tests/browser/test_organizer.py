"""The organizer's evening, and what the public sees of it: a person's answers move the unit's place."""

import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, Devices, Site, sign_in
from tests.browser.test_participant import answer, begin, register

pytestmark = pytest.mark.browser
UNIT = "Xã Tuấn Đạo"
ORGANIZER = "bantochuc"


def open_round(site: Site) -> int:
    ((round_id,),) = site.execute("SELECT id FROM rounds WHERE number = 2")
    return int(round_id)


def row_of_unit(page: Page, site: Site) -> str:
    """Return the unit's row in the organizer's view of the open round's citizens, or ""."""
    page.goto(f"/admin/rounds/{open_round(site)}/standings/units?division=citizens")
    row = page.locator("tr", has_text=UNIT).first
    return row.inner_text() if row.count() else ""


def confirm(page: Page, name: str, reason: str = "") -> None:
    """Open the confirmation of an action, read the effect, confirm."""
    details = page.locator("details", has=page.locator("summary", has_text=name))
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    if reason:
        details.locator("textarea, input[type=text]").first.fill(reason)
    details.get_by_role("button").first.click()
    page.wait_for_load_state()


def test_from_the_first_answer_to_the_published_winner_list(devices: Devices, site: Site) -> None:
    organizer = devices.open(viewport=DESK, accept_downloads=True)
    sign_in(organizer, ORGANIZER, site.password)
    organizer.wait_for_url(re.compile("/admin/"))
    before = row_of_unit(organizer, site)

    citizen = devices.open()
    register(citizen, "Chu Thị Thảo", "0987 111 001", UNIT)
    citizen.goto("/contests/dich-vu-cong-truc-tuyen-2026/leaderboard?round=2&division=citizens")
    assert UNIT not in citizen.locator("main").inner_text(), "the board is closed while the round is open"
    begin(citizen)
    answer(citizen, 1, 15)
    citizen.locator("#next").click()
    citizen.locator("#submit-button").click()
    citizen.wait_for_url(re.compile("/result"))

    for _ in range(30):
        after = row_of_unit(organizer, site)
        if after != before:
            break
        organizer.wait_for_timeout(1_000)
    assert after != before, "the unit's place has moved in the organizer's view"

    organizer.goto(f"/admin/rounds/{open_round(site)}")
    confirm(organizer, "Đóng sớm", "Kết thúc buổi chạy thử")
    expect(organizer.locator("main")).to_contain_text("Đang kết thúc")
    late = devices.open()
    register(late, "Ngô Văn Muộn", "0987 111 002")
    late.goto("/")
    expect(late.get_by_role("button", name="Vào thi")).to_have_count(0)
    # Whoever sits keeps their time: let it pass for all of them.
    site.execute(
        "UPDATE attempts SET started_at = started_at - interval '1 hour',"
        " deadline_at = deadline_at - interval '1 hour' WHERE submitted_at IS NULL"
    )
    for _ in range(40):
        organizer.reload()
        if organizer.locator("#step h2", has_text="Chốt sổ").count():
            break
        organizer.wait_for_timeout(1_000)
    confirm(organizer, "Chốt sổ")
    organizer.goto(f"/admin/rounds/{open_round(site)}/results")
    expect(organizer.locator("main")).to_contain_text("Giải Nhất")
    confirm(organizer, "Công bố kết quả")
    expect(organizer.locator("main")).to_contain_text("SHA-256")
    with organizer.expect_download() as download:
        organizer.get_by_role("link", name=re.compile("XLSX")).first.click()
    with zipfile.ZipFile(download.value.path()) as workbook:
        assert "xl/workbook.xml" in workbook.namelist()

    visitor = devices.open()
    visitor.goto("/contests/dich-vu-cong-truc-tuyen-2026/leaderboard?round=2&division=citizens&q=tuan+dao")
    expect(visitor.locator("main")).to_contain_text(UNIT)
    visitor.goto("/contests/dich-vu-cong-truc-tuyen-2026/winners?round=2")
    expect(visitor.locator("main")).to_contain_text("Giải Nhất")
    ((digest,),) = site.execute(
        "SELECT sha256 FROM publications WHERE round_id = %s ORDER BY version DESC LIMIT 1", open_round(site)
    )
    expect(visitor.locator("main")).to_contain_text(digest)
    citizen.reload()
    expect(citizen.locator("main")).to_contain_text("Căn cứ")
