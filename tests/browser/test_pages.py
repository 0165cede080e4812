"""Every main page at 360 and 1280 pixels: axe finds nothing, the weight is small, a picture is made."""

import hashlib
import json
import re
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from tests.browser.conftest import DESK, PHONE, PICTURES, Devices, Site, sign_in
from tests.bundle_maker import Maker, write

pytestmark = pytest.mark.browser
SLUG = "dich-vu-cong-truc-tuyen-2026"
# What links lead to that is no page.
FILES = re.compile(
    r"\.(pdf|xlsx|csv|json|zip|svg|png)$|^/admin/bank/export|^/static|^/pictures|/receipts/.*qr"
)
FIRST_VISIT_BYTES, QUIZ_BYTES = 60 * 1024, 40 * 1024
PUBLIC = {
    "landing": "/",
    "rules": f"/contests/{SLUG}/rules",
    "privacy": "/privacy",
    "register": "/register",
    "login": "/login",
    "units": f"/contests/{SLUG}/leaderboard?round=1",
    "units-closed": f"/contests/{SLUG}/leaderboard?round=2",
    "individuals": f"/contests/{SLUG}/leaderboard/individuals?round=1",
    "winners": f"/contests/{SLUG}/winners?round=1",
    "statistics": f"/contests/{SLUG}/statistics?round=1",
    "statistics-closed": f"/contests/{SLUG}/statistics?round=2",
    "receipts": "/receipts",
    "not-found": "/no-such-page",
}
ADMIN = {
    "admin-dashboard": "/admin/rounds/{round}/dashboard",
    "admin-participants": "/admin/participants",
    "admin-attempts": "/admin/rounds/{round}/attempts",
    "admin-incidents": "/admin/rounds/{round}/incidents",
    "admin-extra-times": "/admin/rounds/{round}/extra-times",
    "admin-participant": "/admin/participants/1",
    "admin-round": "/admin/rounds/{round}",
    "admin-round-planned": "/admin/rounds/{planned}",
    "admin-individuals": "/admin/rounds/{first}/standings",
    "admin-units": "/admin/rounds/{first}/standings/units",
    "admin-results": "/admin/rounds/{first}/results",
    "admin-statistics": "/admin/rounds/{first}/statistics?division=citizens",
    "admin-analysis": "/admin/rounds/{first}/analysis",
    "admin-analysed-item": "/admin/rounds/{first}/analysis/items/T1-001",
    "admin-drift": "/admin/rounds/{round}/drift",
    "admin-draw-trial": "/admin/rounds/{planned}/draw-trial",
    "admin-bank": "/admin/bank",
    "admin-bank-item": "/admin/bank/T1-001",
    "admin-bank-edit": "/admin/bank/T1-001/edit",
    "admin-bank-imports": "/admin/bank/imports",
}


def look(page: Page, name: str) -> list[str]:
    """Make a picture of the page and return what axe finds and what runs out of the screen."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
    violations = Axe().run(page).response["violations"]
    findings = [f"{name} {width}: {one['id']}: {one['help']}" for one in violations]
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        findings.append(f"{name} {width}: the page is {overflow} px wider than the screen")
    if page.locator("h1").count() != 1:
        findings.append(f"{name} {width}: {page.locator('h1').count()} h1")
    return findings


def rounds(site: Site) -> dict[str, int]:
    found = dict(site.execute("SELECT number, id FROM rounds"))
    return {"first": found[1], "round": found[2], "planned": found[3]}


def await_analyses(site: Site) -> None:
    """Wait until the sweeper has analysed both divisions of the demo's closed round."""
    until = time.monotonic() + 60
    while site.execute("SELECT count(*) FROM round_analyses")[0][0] < 2:
        assert time.monotonic() < until, "the sweeper has analysed nothing"
        time.sleep(0.5)


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_pages_have_no_accessibility_finding(devices: Devices, viewport, scheme) -> None:
    page = devices.open(viewport=viewport, color_scheme=scheme)
    findings = []
    for name, address in PUBLIC.items():
        page.goto(address)
        findings += look(page, name if scheme == "light" else f"{name}-dark")
    assert findings == []


def kind_of(address: str) -> str:
    """Return what is the same in the addresses of all pages of a kind: "/admin/rounds/-/results"."""
    return re.sub(r"/(\d+|T\d+-\d+)(?=/|$)", "/-", address.partition("?")[0])


def walk(page: Page, start: dict[str, str], *, within: str, role: str) -> list[str]:
    """Look at the named pages and, for every other kind of page that links lead to, at the first.

    Opens what is folded away; returns what is wrong with any of them.
    """
    findings, waiting = [], {address: name for name, address in start.items()}
    seen = {kind_of(address) for address in waiting}
    while waiting:
        address, name = waiting.popitem()
        answer = page.goto(address)
        assert answer, address
        if answer.status != 200:
            findings.append(f"{address}: {answer.status}")
            continue
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        findings += look(page, f"{role}-{name}")
        links = page.locator(f"a[href^='{within}']:not([download])").evaluate_all(
            "all => all.map(one => one.getAttribute('href').split('#')[0])"
        )
        for link in links:
            kind = kind_of(link)
            if kind not in seen and not FILES.search(kind):
                seen.add(kind)
                waiting[link] = kind.strip("/").replace("/", "-")
    return findings


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "login, viewport",
    [("bantochuc", PHONE), ("bantochuc", DESK), ("pheduyet", PHONE)],
    ids=["organizer, phone", "organizer, desk", "approver, phone"],
)
def test_every_admin_page_is_accessible_and_fits_the_screen(
    devices: Devices, site: Site, login, viewport
) -> None:
    page = devices.open(viewport=viewport)
    sign_in(page, login, site.password)
    await_analyses(site)
    start = {name: address.format(**rounds(site)) for name, address in ADMIN.items()}
    assert walk(page, start, within="/admin", role=login) == []


@pytest.mark.timeout(400)
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_of_a_winner_is_accessible_and_fits_the_screen(
    devices: Devices, site: Site, viewport
) -> None:
    page = devices.open(viewport=viewport)
    ((number,),) = site.execute(
        "SELECT account_id - (SELECT min(account_id) FROM registrations) + 1 FROM winner_checks LIMIT 1"
    )
    sign_in(page, f"09{number:08}", site.password)
    assert walk(page, {"winner-me": "/me"}, within="/", role="winner") == []


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_own_pages_have_no_accessibility_finding(devices: Devices, site: Site, viewport) -> None:
    page = devices.open(viewport=viewport)
    sign_in(page, "0900000001", site.password)  # one of the 400 people: has finished the first round
    findings = []
    page.goto("/me")
    findings += look(page, "me")
    page.get_by_role("link", name=re.compile("Xem|Kết quả")).first.click()
    page.wait_for_load_state()
    findings += look(page, "result")
    ((code,),) = site.execute("SELECT receipt_code FROM attempts WHERE submitted_at IS NOT NULL LIMIT 1")
    page.goto(f"/receipts/{code}")
    findings += look(page, "receipt")
    assert findings == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_the_quiz_has_no_accessibility_finding(devices: Devices, site: Site, viewport, javascript) -> None:
    page = devices.open(viewport=viewport, javascript=javascript)
    sign_in(page, "0911000001", site.password)
    page.goto("/")
    page.locator("form[action$='/attempts'] button, a[href*='/attempts/']").first.click()
    page.wait_for_url(re.compile("/attempts/"))
    name = "quiz" if javascript else "quiz-plain"
    if javascript:
        assert look(page, name) == []
        page.locator("#map-button").click()
        assert look(page, "quiz-map") == []
    else:
        page.screenshot(path=PICTURES / f"{name}-{viewport['width']}.png", full_page=True)


def weight(page: Page, address: str) -> int:
    """Return the bytes over the wire of everything that a first visit loads."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto(address, wait_until="networkidle")
    return sum(sizes)


def test_a_first_visit_is_light(devices: Devices) -> None:
    assert weight(devices.open(), "/") <= FIRST_VISIT_BYTES


def test_the_quiz_page_is_light(devices: Devices, site: Site) -> None:
    page = devices.open()
    sign_in(page, "0911000002", site.password)
    page.goto("/")
    page.get_by_role("button", name="Vào thi").first.click()
    page.wait_for_url(re.compile("/attempts/"))
    fresh = devices.open()
    fresh.context.add_cookies(page.context.cookies())
    assert weight(fresh, page.url) <= QUIZ_BYTES


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_a_visitor_recomputes_the_published_result(devices: Devices, site: Site, viewport) -> None:
    page = devices.open(viewport=viewport)
    page.goto(f"/contests/{SLUG}/winners")
    page.get_by_role("button", name="Kiểm tra trong trình duyệt của bạn").click()
    result = page.locator("[data-verify-result].notice")
    result.wait_for()
    assert "Khớp: trình duyệt của bạn đã tính lại" in result.inner_text()
    assert page.locator("[data-verify-steps] li").count() == 9
    assert look(page, "winners-checked") == []


def test_the_browser_names_what_was_changed(devices: Devices, site: Site) -> None:
    """Somebody changes a file on the way and even has the page show the digest of their own manifest."""
    page = devices.open()
    changed: dict[str, bytes] = {}

    def change(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name in changed:
            route.fulfill(body=changed[name])
        else:
            route.continue_()

    page.goto(f"/contests/{SLUG}/winners")
    base = page.locator("[data-base]").get_attribute("data-base")
    standings = page.request.get(f"{base}standings.csv").text().split("\n")
    standings[1], standings[2] = standings[2], standings[1]
    changed["standings.csv"] = "\n".join(standings).encode()
    manifest = page.request.get(f"{base}manifest.json").json()
    manifest["files"]["standings.csv"] = hashlib.sha256(changed["standings.csv"]).hexdigest()
    changed["manifest.json"] = json.dumps(manifest).encode()
    page.context.route(f"**{base}*", change)

    section = page.locator("[data-base]")
    page.get_by_role("button", name="Kiểm tra trong trình duyệt của bạn").click()
    page.locator("[data-verify-result].is-error").wait_for()
    assert "manifest.json" in page.locator("[data-verify-result]").inner_text()

    digest = hashlib.sha256(changed["manifest.json"]).hexdigest()
    section.evaluate("(section, digest) => { section.dataset.digest = digest; }", digest)
    page.get_by_role("button", name="Kiểm tra trong trình duyệt của bạn").click()
    page.locator("[data-verify-result].is-error", has_text="standings.csv").wait_for()
    assert "dòng 2, cột attempt" in page.locator("[data-verify-result]").inner_text()


def test_the_browser_takes_whatever_the_rules_allow(devices: Devices, tmp_path: Path) -> None:
    """Made-up rounds with corrections, exclusions, re-sits, lots, parents of units: all are right."""
    page = devices.open()
    page.goto(f"/contests/{SLUG}/winners")
    section = page.locator("[data-base]")
    base = section.get_attribute("data-base")
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(Maker(number, people=2 * number).files(), folder)
        page.context.route(
            f"**{base}*",
            lambda route, _, folder=folder: route.fulfill(
                body=(folder / route.request.url.rpartition("/")[2]).read_bytes()
            ),
        )
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        section.evaluate("(section, digest) => { section.dataset.digest = digest; }", digest)
        page.get_by_role("button", name="Kiểm tra trong trình duyệt của bạn").click()
        page.locator("[data-verify-result].notice").wait_for()
        assert "Khớp" in page.locator("[data-verify-result].is-success").inner_text(), number
        page.context.unroute(f"**{base}*")
