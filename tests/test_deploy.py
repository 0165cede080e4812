"""The files in deploy/: the proxy before a real web process, the units' form, the settings they name."""

import gzip
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contest import heartbeats
from contest.extensions import db
from contest.settings import Settings
from tests import builders

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
HOST = "thi.example.vn"
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
UNITS = sorted((DEPLOY / "systemd").iterdir())
BOARD = "/contests/hoi-thi/leaderboard/individuals"

if NGINX is None:
    print("nginx is missing, its tests are SKIPPED: apt-get install nginx", file=sys.__stderr__)
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/contest.conf;
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Site:
    """A web process and the proxy before it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.port, self.tls_port, self.web_port = free_port(), free_port(), free_port()
        write_certificate(folder)
        (folder / "outage.html").write_text("tạm gián đoạn")
        (folder / "nginx.conf").write_text(
            MAIN.format(folder=folder, user="user root;" if os.getuid() == 0 else "")
        )
        told = (DEPLOY / "nginx" / "contest.conf").read_text()
        for here, there in {
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.tls_port} ssl",
            "127.0.0.1:8000": f"127.0.0.1:{self.web_port}",
            "/etc/ssl/contest": str(folder),
            "/var/cache/nginx-contest": f"{folder}/cache",
            "/opt/contest/contest/static": str(folder),  # what the outage page says is not tried here
            "/opt/contest": str(ROOT),
        }.items():
            assert here in told
            told = told.replace(here, there)
        told = re.sub(r"listen \[::\].*", "", told)
        (folder / "contest.conf").write_text(told)
        self.web = self.start_web()
        assert NGINX
        self.proxy = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"])
        self.until(lambda: self.get("/healthz").status == 200)

    def start_web(self) -> subprocess.Popen[bytes]:
        environment = {
            "CONTEST_ENV": "test",
            "CONTEST_DATABASE_URL": self.settings.database_url,
            "CONTEST_REDIS_URL": self.settings.redis_url,
            "CONTEST_SECRET_KEY": self.settings.secret_key,
            "CONTEST_DATA_KEY": self.settings.data_key,
            "CONTEST_DATA_DIR": str(self.folder / "var"),
            "CONTEST_PORT": str(self.web_port),
            "CONTEST_WEB_WORKERS": "1",
            "CONTEST_SECURE_COOKIES": "1",
            "CONTEST_TRUSTED_HOSTS": HOST,
            "CONTEST_PROXY_COUNT": "1",
        }
        with (self.folder / "web.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "contest.cli", "web"],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_web(self) -> None:
        os.killpg(self.web.pid, signal.SIGKILL)  # its workers too
        self.web.wait()

    def stop(self) -> None:
        for process in (self.proxy, self.web):
            process.terminate()
            process.wait(20)

    def ask(self, method: str, address: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        """Return the answer, its body in `content`."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.tls_port, context=context, timeout=40)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, address, body or None, {"Host": HOST, **named})
        answer = connection.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def get(self, address: str, **headers: str) -> http.client.HTTPResponse:
        return self.ask("GET", address, **headers)

    def until(self, fact, seconds: float = 40) -> None:
        give_up_at = time.monotonic() + seconds
        while True:
            try:
                if fact():
                    return
            except OSError:
                pass
            assert time.monotonic() < give_up_at, (self.folder / "error.log").read_text()[-2000:]
            time.sleep(0.1)


@pytest.fixture
def site(live_app, tmp_path) -> Iterator[Site]:
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest, name="Nguyễn Văn An"), round)
    builders.publish(builders.close(round))
    heartbeats.beat(db.session(), heartbeats.WEB)
    db.session.commit()
    site = Site(tmp_path, live_app.config["CONTEST"])
    yield site
    site.stop()


def session_cookie(person) -> str:
    return f"__Host-sid={builders.token_of(person)}"


@needs_nginx
def test_the_site_behind_its_proxy(site):
    """One run through what the proxy adds, for a web process takes seconds to start."""
    landing = site.get("/")
    assert landing.status == 200
    assert "max-age=31536000" in landing.headers["Strict-Transport-Security"]
    assert site.get("/metrics").status == site.get("/readyz").status == 404
    assert site.get("/", Host="evil.example").status in (400, 421, 404)

    # Plain HTTP leads to TLS.
    plain = http.client.HTTPConnection("127.0.0.1", site.port)
    plain.request("GET", "/login", headers={"Host": HOST})
    assert plain.getresponse().headers["Location"] == f"https://{HOST}/login"
    plain.close()

    # A page comes compressed by the application, once.
    page = site.get("/", Accept_Encoding="gzip")
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.content[:2] == b"\x1f\x8b"

    # Static files: for a year, compressed beforehand, the second time from the proxy.
    style = re.search(r'href="(/static/css/app\.css\?v=\w+)"', landing.content.decode())[1]
    for _ in range(2):
        file = site.get(style, Accept_Encoding="gzip")
        assert (file.status, file.headers["Content-Encoding"]) == (200, "gzip")
        assert "max-age=31536000" in file.headers["Cache-Control"]

    # Bodies: an answer sheet is small, a file for the bank is not.
    assert site.ask("PUT", "/attempts/x/responses", b"x" * 200_000).status == 413
    assert site.ask("POST", "/admin/bank/imports", b"x" * 200_000).status in (303, 403)

    # What was published never changes: everybody may keep it, and the proxy does.
    manifest = "/contests/hoi-thi/winners/1/1/files/manifest.json"
    first, second = site.get(manifest), site.get(manifest)
    assert (first.headers["X-Contest-Cache"], second.headers["X-Contest-Cache"]) == ("MISS", "HIT")
    assert "immutable" in second.headers["Cache-Control"]
    assert first.content == second.content

    # Boards: one reading for everybody without a session, and none for who has one.
    first, second = site.get(BOARD), site.get(BOARD)
    assert (first.headers["X-Contest-Cache"], second.headers["X-Contest-Cache"]) == ("MISS", "HIT")
    assert first.content == second.content
    assert second.headers["Cache-Control"] == "no-store"
    small = [site.get(BOARD, Accept_Encoding="gzip, br") for _ in range(2)]
    assert [one.headers["X-Contest-Cache"] for one in small] == ["MISS", "HIT"]
    assert gzip.decompress(small[1].content) == first.content
    person = builders.make_person(name="Trần Thị Bình")
    own = site.get(BOARD, Cookie=session_cookie(person))
    assert own.headers["X-Contest-Cache"] == "BYPASS"
    assert own.content != first.content
    assert site.get(BOARD).content == first.content

    # The application is gone: boards go on as they were, the rest says so calmly, and a page may retry.
    site.kill_web()
    assert site.get(BOARD).status == 200
    away = site.get("/login")
    assert (away.status, away.headers["Retry-After"]) == (503, "10")
    assert away.content.decode() == "tạm gián đoạn"
    sheet = site.ask("PUT", "/attempts/x/responses", b"{}", Content_Type="application/json")
    assert (sheet.status, sheet.headers["Retry-After"]) == (503, "10")
    assert site.get("/static/css/app.css").status == 200

    site.web = site.start_web()
    site.until(lambda: site.get("/login").status == 200)


def test_what_the_proxy_keeps_is_the_same_for_every_visitor(live_app):
    """No cookie, no token, nobody's name: two browsers get the same bytes."""
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.publish(builders.close(round))
    base = "/contests/hoi-thi"
    for address in ("leaderboard", "leaderboard/individuals", "winners", "statistics"):
        answers = [live_app.test_client().get(f"{base}/{address}") for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].data == answers[1].data
        assert "Set-Cookie" not in answers[0].headers
        assert b"csrf" not in answers[0].data


@needs_nginx
def test_an_address_a_visitor_claims_does_not_count():
    told = (DEPLOY / "nginx" / "contest.conf").read_text()
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in told
    assert "$proxy_add_x_forwarded_for" not in told


# --- units, compose, settings ---------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_systemd_takes_the_units(unit, tmp_path):
    for one in UNITS:
        told = one.read_text().replace("/opt/contest/.venv/bin/python", sys.executable)
        (tmp_path / one.name).write_text(told)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "contest" in line]
    assert ours == []
    assert done.returncode == 0


@pytest.mark.parametrize("unit", [one for one in UNITS if one.suffix == ".service"], ids=lambda one: one.name)
def test_every_service_is_shut_in(unit):
    told = unit.read_text()
    for line in (
        "User=contest",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
        "SystemCallFilter=@system-service",
    ):
        assert line in told
    assert "CONTEST_SECRET_KEY" not in told


def test_compose_has_every_process_and_no_secret():
    told = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    commands = {next(iter(one["command"])) for one in told["services"].values() if "command" in one}
    assert {"web", "worker", "sweep", "migrate", "backup"} <= commands
    named = told["services"]["web"]["environment"]
    assert named["CONTEST_SECRET_KEY"] == "${CONTEST_SECRET_KEY:?}"
    assert named["CONTEST_DATA_KEY"] == "${CONTEST_DATA_KEY:?}"
    assert told["services"]["db"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?}"
    volumes = {
        part.split(":")[0]
        for one in told["services"].values()
        for part in one.get("volumes", ())
        if not part.startswith((".", "$"))
    }
    assert volumes == set(told["volumes"])


@pytest.mark.parametrize("file", ["contest.env.example", "compose/env.example"])
def test_an_example_names_real_settings_and_holds_no_secret(file):
    known = {f"CONTEST_{one.name.upper()}" for one in fields(Settings)}
    for line in (DEPLOY / file).read_text().splitlines():
        name, _, value = line.lstrip("#").partition("=")
        if re.fullmatch(r"[A-Z_]+", name):
            assert name in known | {"POSTGRES_PASSWORD", "CERTIFICATES", "BACKUPS"}
            assert not (name.endswith(("_KEY", "PASSWORD")) and value)


def test_the_image_gets_every_part_of_the_program():
    told = (DEPLOY / "compose" / "Dockerfile").read_text()
    for part in ("contest", "question_bank", "migrations", "wsgi.py", "pyproject.toml", "requirements.lock"):
        assert re.search(rf"^COPY .*\b{re.escape(part)}\b", told, re.MULTILINE), part
