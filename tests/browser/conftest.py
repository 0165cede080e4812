"""A real Chromium before a real site: `contest run` with its own servers, workers and demo contest."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = os.environ.get("CONTEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "var" / "screenshots"
START_WITHIN = 120
PHONE = {"width": 360, "height": 640}
DESK = {"width": 1280, "height": 800}

if not CHROMIUM:
    LOUD = "\n*** NO CHROMIUM FOUND: the browser tests are NOT run. Install the package chromium. ***\n"
    if os.environ.get("CONTEST_BROWSER_REQUIRED") == "1":
        pytest.exit(LOUD, returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip loudly on a machine without Chromium."""
    if not CHROMIUM:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=LOUD))


@dataclass(frozen=True)
class Site:
    """The running site: its address, its sign-ins by role, its database."""

    address: str
    password: str
    database_url: str
    redis_url: str
    process: int

    def workers(self) -> list[int]:
        """Return the process ids of this site's scoring workers."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        return [int(pid) for pid in children if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement on the site's database, to let time pass or to look."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start everything that `make run` starts, on a free port and an empty directory.

    One for each module: the organizer's evening closes the round that the others take part in.
    """
    data_dir = tmp_path_factory.mktemp("site") / "var"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONTEST_")}
    environ |= {"CONTEST_DATA_DIR": str(data_dir), "CONTEST_PORT": str(port), "CONTEST_ENV": "dev"}
    process = subprocess.Popen([sys.executable, "-m", "contest.cli", "run"], cwd=ROOT, env=environ)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, data_dir / "running.json", address)
        running = json.loads((data_dir / "running.json").read_text())
        sign_ins = (data_dir / "demo-sign-ins.txt").read_text()
        password = re.search(r"(\S+)\n", sign_ins)[1]
        yield Site(address, password, running["database_url"], running["redis_url"], process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(process: subprocess.Popen[bytes], running: Path, address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    for _ in range(START_WITHIN * 5):
        assert process.poll() is None, "the site did not start"
        if running.exists():
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                pass
            else:
                return
        time.sleep(0.2)
    raise AssertionError("the site did not answer in time")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, headless, without its background traffic."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield chromium
        chromium.close()


class Devices:
    """Opens phones and desks before the site and notes what their consoles complain of."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.browser, self.site = browser, site
        self.complaints: list[str] = []
        self.contexts: list[BrowserContext] = []

    def open(self, *, viewport: dict[str, int] = PHONE, javascript: bool = True, **options: Any) -> Page:
        """Return a page of a new device: no cookies, no storage."""
        context = self.browser.new_context(
            base_url=self.site.address,
            viewport=viewport,  # type: ignore[arg-type]
            java_script_enabled=javascript,
            locale="vi-VN",
            timezone_id="Asia/Ho_Chi_Minh",
            **options,
        )
        self.contexts.append(context)
        context.set_default_timeout(10_000)
        context.on("page", self._listen)
        return context.new_page()

    def _listen(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        # A refusal that a test asks for is told by the browser as a failed resource.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)


@pytest.fixture
def devices(browser: Browser, site: Site) -> Iterator[Devices]:
    """Return devices; a script error or a breach of the security policy fails the test."""
    devices = Devices(browser, site)
    yield devices
    for context in devices.contexts:
        context.close()
    assert devices.complaints == []


def sign_in(page: Page, login: str, password: str) -> None:
    """Sign in by the form."""
    page.goto("/login")
    page.get_by_label(re.compile("Số điện thoại")).fill(login)
    page.get_by_label(re.compile("Mật khẩu")).fill(password)
    page.get_by_role("button", name="Đăng nhập").click()
    page.wait_for_load_state()
