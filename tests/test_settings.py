"""What the settings take from the environment, and what they refuse."""

import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from contest.settings import RUNNING_FILE, Settings, SettingsError

ROOT = Path(__file__).resolve().parent.parent
SERVERS = {"CONTEST_DATABASE_URL": "postgresql://db/contest", "CONTEST_REDIS_URL": "redis://cache"}
SECRETS = {"CONTEST_SECRET_KEY": "s" * 32, "CONTEST_DATA_KEY": "d" * 32}
PROD = SERVERS | SECRETS | {"CONTEST_ENV": "prod", "CONTEST_TRUSTED_HOSTS": "thi.example.vn"}


@pytest.fixture
def dev(tmp_path: Path) -> dict[str, str]:
    """Return the smallest environment for development."""
    return SERVERS | {"CONTEST_DATA_DIR": str(tmp_path / "var")}


def test_without_choices_the_defaults_hold(dev):
    settings = Settings.from_env(dev)
    assert (settings.env, settings.host, settings.port) == ("dev", "127.0.0.1", 8000)
    assert (settings.web_workers, settings.web_threads, settings.scoring_workers) == (2, 16, 2)
    assert (settings.proxy_count, settings.trusted_hosts, settings.secure_cookies) == (0, (), False)
    assert settings.province == "Tỉnh Bắc Ninh"


def test_every_choice_is_taken(dev):
    settings = Settings.from_env(
        dev
        | SECRETS
        | {
            "CONTEST_ENV": "test",
            "CONTEST_HOST": "0.0.0.0",
            "CONTEST_PORT": "80",
            "CONTEST_WEB_WORKERS": "3",
            "CONTEST_WEB_THREADS": "4",
            "CONTEST_SCORING_WORKERS": "5",
            "CONTEST_WAITING_ROOM": "on",
            "CONTEST_STARTS_PER_SECOND": "40",
            "CONTEST_PROOF_WORK": "7",
            "CONTEST_METRICS_TOKEN": "m" * 32,
            "CONTEST_PROXY_COUNT": "1",
            "CONTEST_TRUSTED_HOSTS": "thi.example.vn, www.example.vn",
            "CONTEST_SECURE_COOKIES": "true",
            "CONTEST_PROVINCE": "Thành phố Bắc Ninh",
            "CONTEST_HOST_BODY": "Sở Tư pháp",
            "CONTEST_CONTACT": "Phòng Phổ biến",
        }
    )
    assert settings == Settings(
        env="test",
        database_url="postgresql+psycopg://db/contest",
        redis_url="redis://cache",
        secret_key="s" * 32,
        data_key="d" * 32,
        data_dir=Path(dev["CONTEST_DATA_DIR"]),
        host="0.0.0.0",
        port=80,
        web_workers=3,
        web_threads=4,
        scoring_workers=5,
        waiting_room="on",
        starts_per_second=40,
        proof_work=7,
        metrics_token="m" * 32,
        proxy_count=1,
        trusted_hosts=("thi.example.vn", "www.example.vn"),
        secure_cookies=True,
        province="Thành phố Bắc Ninh",
        host_body="Sở Tư pháp",
        contact="Phòng Phổ biến",
    )


def test_blanks_around_a_choice_do_not_count_and_nothing_but_blanks_is_no_choice(dev):
    settings = Settings.from_env(dev | {"CONTEST_PORT": " 8080 ", "CONTEST_HOST": "  "})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)


def test_the_process_environment_is_read_when_none_is_given(dev, monkeypatch):
    for name, text in (dev | {"CONTEST_PORT": "8001"}).items():
        monkeypatch.setenv(name, text)
    assert Settings.from_env().port == 8001


def test_settings_do_not_change(dev):
    settings = Settings.from_env(dev)
    with pytest.raises(FrozenInstanceError):
        settings.port = 1


@pytest.mark.parametrize(
    "given,taken",
    [
        ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql://u@/d?host=/tmp/x&port=5432", "postgresql+psycopg://u@/d?host=/tmp/x&port=5432"),
    ],
)
def test_the_databases_address_names_the_driver(dev, given, taken):
    assert Settings.from_env(dev | {"CONTEST_DATABASE_URL": given}).database_url == taken


@pytest.mark.parametrize(
    "name,text,sentence",
    [
        ("ENV", "staging", "it must be one of dev, test, prod"),
        ("DATABASE_URL", "sqlite:///contest.db", "must begin with postgresql://"),
        ("PORT", "0", "a number from 1 to 65535"),
        ("PORT", "65536", "a number from 1 to 65535"),
        ("PORT", "-1", "a number from 1 to 65535"),
        ("PORT", "8e3", "a number from 1 to 65535"),
        ("PORT", "８０", "a number from 1 to 65535"),
        ("WEB_WORKERS", "0", "a number from 1 to 256"),
        ("WEB_THREADS", "x", "a number from 1 to 256"),
        ("SCORING_WORKERS", "257", "a number from 1 to 256"),
        ("PROXY_COUNT", "11", "a number from 0 to 10"),
        ("WAITING_ROOM", "yes", "must be one of auto, on, off"),
        ("STARTS_PER_SECOND", "0", "a number from 1 to 10000"),
        ("METRICS_TOKEN", "short", "a random text of at least 32 characters"),
        ("SECURE_COOKIES", "yes", "it must be 0 or 1"),
        ("SECRET_KEY", "s" * 31, "a random text of at least 32 characters"),
        ("DATA_KEY", "short", "a random text of at least 32 characters"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name(dev, name, text, sentence):
    with pytest.raises(SettingsError, match=f"^CONTEST_{name} .*{sentence}") as refusal:
        Settings.from_env(dev | {f"CONTEST_{name}": text})
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("name", SERVERS)
def test_an_unknown_server_is_refused_with_advice(dev, name):
    del dev[name]
    with pytest.raises(SettingsError, match=f"^{name} is not set .* start `contest run`"):
        Settings.from_env(dev)


def test_the_servers_of_a_running_platform_are_taken(tmp_path):
    running = {"database_url": "postgresql://own/contest", "redis_url": "unix:///own"}
    (tmp_path / RUNNING_FILE).write_text(json.dumps(running | {"secret_key": "from nowhere"}))
    dev = {"CONTEST_DATA_DIR": str(tmp_path)}

    settings = Settings.from_env(dev)

    assert (settings.database_url, settings.redis_url) == ("postgresql+psycopg://own/contest", "unix:///own")
    assert settings.secret_key != "from nowhere"
    assert Settings.from_env(dev | {"CONTEST_REDIS_URL": "redis://chosen"}).redis_url == "redis://chosen"


def test_prod_never_takes_the_servers_of_a_demo(tmp_path):
    running = {"database_url": "postgresql://own/contest", "redis_url": "unix:///own"}
    (tmp_path / RUNNING_FILE).write_text(json.dumps(running))
    with pytest.raises(SettingsError, match="CONTEST_DATABASE_URL is not set"):
        Settings.from_env(SECRETS | {"CONTEST_ENV": "prod", "CONTEST_DATA_DIR": str(tmp_path)})


def test_a_broken_note_of_running_servers_is_no_note(tmp_path):
    (tmp_path / RUNNING_FILE).write_text("{")
    with pytest.raises(SettingsError, match="CONTEST_DATABASE_URL is not set"):
        Settings.from_env({"CONTEST_DATA_DIR": str(tmp_path)})


def test_the_secrets_of_development_are_made_once_and_kept_from_others(dev):
    first, second = Settings.from_env(dev), Settings.from_env(dev)
    assert (first.secret_key, first.data_key) == (second.secret_key, second.data_key)
    assert first.secret_key != first.data_key
    assert (first.data_dir / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_one_given_secret_does_not_change_the_other(dev):
    generated = Settings.from_env(dev)
    settings = Settings.from_env(dev | {"CONTEST_SECRET_KEY": "s" * 32})
    assert (settings.secret_key, settings.data_key) == ("s" * 32, generated.data_key)


def test_first_starts_at_once_have_the_same_secrets(tmp_path):
    code = "import sys; from pathlib import Path; from contest.settings import demo_secrets as secrets; "
    code += "print('ready', flush=True); input(); print(secrets(Path(sys.argv[1]))['secret_key'])"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "var")],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        assert start.stdout.readline() == "ready\n"
    for start in starts:
        start.stdin.write("\n")
        start.stdin.flush()
    assert len({start.communicate()[0] for start in starts}) == 1
    assert {start.returncode for start in starts} == {0}
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secrets.json"]


def test_prod_with_everything_it_needs():
    settings = Settings.from_env(PROD)
    assert settings.secure_cookies
    assert settings.trusted_hosts == ("thi.example.vn",)


@pytest.mark.parametrize("name", [*SERVERS, *SECRETS, "CONTEST_TRUSTED_HOSTS"])
def test_prod_makes_nothing_up(name):
    environ = {key: text for key, text in PROD.items() if key != name}
    with pytest.raises(SettingsError, match=f"^{name} "):
        Settings.from_env(environ)


def test_one_secret_for_two_purposes_is_refused():
    with pytest.raises(SettingsError, match="CONTEST_DATA_KEY and CONTEST_SECRET_KEY must differ"):
        Settings.from_env(PROD | {"CONTEST_DATA_KEY": PROD["CONTEST_SECRET_KEY"]})
