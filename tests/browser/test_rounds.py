"""The specification editor: the bank's counts beside each cell while one types, and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, PICTURES, Devices, Site, sign_in

pytestmark = pytest.mark.browser
ORGANIZER = "bantochuc"


def open_editor(page: Page, site: Site) -> None:
    """Sign in and open the paper of the officials in the third week."""
    sign_in(page, ORGANIZER, site.password)
    ((round_id,),) = site.execute("SELECT id FROM rounds WHERE number = 3")
    page.goto(f"/admin/rounds/{round_id}/divisions/officials/configuration")


def test_the_banks_counts_follow_what_is_typed(devices: Devices, site: Site) -> None:
    page = devices.open(viewport=DESK)
    open_editor(page, site)
    box, has = page.locator('[name="n-T7-VD"]'), page.locator('[data-live="has-n-T7-VD"]')
    expect(has).not_to_contain_text("thiếu")

    box.fill("99")
    expect(has).to_contain_text("thiếu")
    expect(page.locator('[data-live="lacking"]')).to_contain_text("T7/VD cần 99, có")
    expect(page.locator('[data-live="specification"]')).to_contain_text("Mỗi đề có 113 câu")
    expect(box).to_be_focused()
    page.screenshot(path=PICTURES / "specification-short-1280.png", full_page=True)

    box.fill("1")
    expect(has).not_to_contain_text("thiếu")
    expect(page.locator('[data-live="lacking"]')).to_have_text("")

    # What is barred leaves the count at once; the sentence of the chain follows its numbers.
    before = int(re.search(r"\d+", has.inner_text())[0])  # type: ignore[index]
    ((code,),) = site.execute(
        "SELECT i.code FROM item_versions v JOIN bank_items i ON i.id = v.item_id WHERE v.topic = 'T7'"
        " AND v.level = 'VD' AND v.divisions ? 'officials' AND v.approved_at IS NOT NULL"
        " AND v.valid_to IS NULL ORDER BY i.code LIMIT 1"
    )
    page.locator("#barred").fill(code)
    expect(has).to_contain_text(f"/ {before - 1}")
    page.locator('[name="chain_duration_ms"]').fill("")
    expect(page.locator('[data-live="chain"]')).not_to_contain_text("thời gian ngắn hơn")

    page.get_by_role("button", name="Lưu", exact=True).click()
    page.wait_for_url(re.compile(r"/admin/rounds/\d+$"))
    ((version, barred),) = site.execute(
        "SELECT r.configuration_version, d.barred FROM rounds r JOIN round_divisions d ON d.round_id = r.id"
        " JOIN divisions v ON v.id = d.division_id WHERE r.number = 3 AND v.code = 'officials'"
    )
    assert (version, barred) == (2, [code])


def test_without_javascript_a_button_counts(devices: Devices, site: Site) -> None:
    page = devices.open(viewport=PHONE, javascript=False)
    open_editor(page, site)

    page.locator('[name="n-T8-VD"]').fill("77")
    page.get_by_role("button", name="Xem trước").click()

    expect(page.locator('[data-live="has-n-T8-VD"]')).to_contain_text("thiếu")
    assert page.locator('[name="n-T8-VD"]').input_value() == "77"
    page.screenshot(path=PICTURES / "specification-short-360.png", full_page=True)


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["360", "1280"])
def test_no_page_of_the_configuration_scrolls_sideways(
    devices: Devices, site: Site, viewport: dict[str, int]
) -> None:
    page = devices.open(viewport=viewport)
    sign_in(page, ORGANIZER, site.password)
    ((round_id,),) = site.execute("SELECT id FROM rounds WHERE number = 3")
    ((contest_id,),) = site.execute("SELECT id FROM contests")
    paths = {
        "contests": "/admin/contests",
        "contest": f"/admin/contests/{contest_id}",
        "contest-form": f"/admin/contests/{contest_id}/configuration",
        "contest-new": "/admin/contests/new",
        "headcounts": f"/admin/contests/{contest_id}/headcounts",
        "round-new": f"/admin/contests/{contest_id}/rounds/new",
        "round": f"/admin/rounds/{round_id}",
        "round-form": f"/admin/rounds/{round_id}/configuration",
        "specification": f"/admin/rounds/{round_id}/divisions/citizens/configuration",
        "prizes": f"/admin/rounds/{round_id}/prizes",
    }
    for name, path in paths.items():
        page.goto(path)
        page.screenshot(path=PICTURES / f"{name}-{viewport['width']}.png", full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], (name, width)
