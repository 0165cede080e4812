"""The settings, read once from the environment.

Every setting is a field of `Settings`, and its variable is the field's name in capitals with the
prefix CONTEST_. Nothing else in the project reads the environment.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

ENVIRONMENTS = ("dev", "test", "prod")
WAITING_ROOMS = ("auto", "on", "off")
SECRET_NAMES = ("secret_key", "data_key")
SHORTEST_SECRET = 32
RUNNING_FILE = "running.json"


class SettingsError(Exception):
    """A setting is missing or can't be used; the message is one finished sentence."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a deployment may choose."""

    env: str = "dev"
    database_url: str
    # The server itself where `database_url` leads to a pooler in transaction mode; "" without a pooler.
    database_direct_url: str = ""
    # A streaming replica that shows anonymous visitors leaderboards and statistics; "" without one.
    replica_url: str = ""
    redis_url: str
    # Signs cookies and CSRF tokens.
    secret_key: str
    # Seals phones and round seeds, tags sign-in names, signs receipts. Losing it loses those.
    data_key: str
    data_dir: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = 8000
    web_workers: int = 2
    # Threads per web process; also the size of its pool of database connections.
    web_threads: int = 16
    scoring_workers: int = 2
    # The waiting room before a start: auto (who comes waits only while more come than the machines
    # carry), on (everybody takes a place in the line first), off (nobody ever waits).
    waiting_room: str = "auto"
    # At most so many people start in a second, all web processes together.
    starts_per_second: int = 200
    # What a proof of work costs at first, in thousands of hashes; more when many come. 0 asks for none.
    proof_work: int = 150
    # A monitor on another host gives it as its bearer token for /metrics; empty: only this host may ask.
    metrics_token: str = ""
    # How many proxies in front set X-Forwarded-For; 0 trusts none.
    proxy_count: int = 0
    # Names under which the site may be asked for, separated by commas; empty allows all but in prod.
    trusted_hosts: tuple[str, ...] = ()
    # Cookies only over HTTPS, named __Host-…; prod always does.
    secure_cookies: bool = False
    province: str = "Tỉnh Bắc Ninh"
    host_body: str = "Văn phòng Ủy ban nhân dân"
    contact: str = "Trung tâm Phục vụ hành chính công"

    @property
    def reachable_host(self) -> str:
        """Where a listener on all addresses is reached from here."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def address(self) -> str:
        """The address of the own web server on this machine."""
        host = self.reachable_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def asked_host(self) -> str | None:
        """The name to ask the own web server under, where it takes only certain ones."""
        return self.trusted_hosts[0].lstrip(".") if self.trusted_hosts else None

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler in transaction mode stands before the database."""
        return bool(self.database_direct_url)

    @property
    def server_url(self) -> str:
        """The address of the database server itself, for migrations and backups."""
        return self.database_direct_url or self.database_url

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Return the settings of the environment.

        Without the two server addresses, those of a running `contest run` on the same data
        directory are taken. Raises SettingsError for what is missing, malformed or too weak.
        """
        environ = os.environ if environ is None else environ
        given = {
            field.name: environ[f"CONTEST_{field.name.upper()}"].strip()
            for field in fields(cls)
            if environ.get(f"CONTEST_{field.name.upper()}", "").strip()
        }
        env = given.get("env", "dev")
        if env not in ENVIRONMENTS:
            raise SettingsError(f"CONTEST_ENV is {env!r}; it must be one of {', '.join(ENVIRONMENTS)}.")
        data_dir = Path(given.get("data_dir", "var")).resolve()
        if env != "prod":
            given = _running_servers(data_dir) | given
        for name in ("database_url", "redis_url"):
            if name not in given:
                raise SettingsError(
                    f"CONTEST_{name.upper()} is not set and no embedded servers are running in "
                    f"{data_dir}: set it, or start `contest run`."
                )
        if env != "prod":
            missing = [name for name in SECRET_NAMES if name not in given]
            given |= {name: demo_secrets(data_dir)[name] for name in missing}
        return cls(
            env=env,
            database_url=_psycopg_url(given, "database_url"),
            database_direct_url=_psycopg_url(given, "database_direct_url"),
            replica_url=_psycopg_url(given, "replica_url"),
            redis_url=given["redis_url"],
            secret_key=_secret(given, "secret_key"),
            data_key=_secret(given, "data_key"),
            data_dir=data_dir,
            host=given.get("host", cls.host),
            port=_number(given, "port", cls.port, 1, 65535),
            web_workers=_number(given, "web_workers", cls.web_workers, 1, 256),
            web_threads=_number(given, "web_threads", cls.web_threads, 1, 256),
            scoring_workers=_number(given, "scoring_workers", cls.scoring_workers, 1, 256),
            waiting_room=_choice(given, "waiting_room", cls.waiting_room, WAITING_ROOMS),
            starts_per_second=_number(given, "starts_per_second", cls.starts_per_second, 1, 10_000),
            proof_work=_number(given, "proof_work", 0 if env == "test" else cls.proof_work, 0, 10_000),
            metrics_token=_metrics_token(given),
            proxy_count=_number(given, "proxy_count", cls.proxy_count, 0, 10),
            trusted_hosts=_hosts(given, env),
            secure_cookies=env == "prod" or _flag(given, "secure_cookies"),
            province=given.get("province", cls.province),
            host_body=given.get("host_body", cls.host_body),
            contact=given.get("contact", cls.contact),
        )


def demo_secrets(data_dir: Path) -> dict[str, str]:
    """Return the generated secrets of a data directory, made at the first call and kept there."""
    path = data_dir / "secrets.json"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = {name: secrets.token_urlsafe(48) for name in SECRET_NAMES}
        own = path.with_suffix(f".{os.getpid()}")
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(fresh, file)
        try:
            os.link(own, path)  # of two first starts at once, one wins and both read the same
        except FileExistsError:
            pass
        own.unlink()
    generated: dict[str, str] = json.loads(path.read_text())
    return generated


def _running_servers(data_dir: Path) -> dict[str, str]:
    """Return the addresses that a running `contest run` has left in its data directory."""
    path = data_dir / RUNNING_FILE
    try:
        running = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: running[name] for name in ("database_url", "redis_url") if name in running}


def _secret(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if len(value) < SHORTEST_SECRET:
        raise SettingsError(
            f"CONTEST_{name.upper()} must be a random text of at least {SHORTEST_SECRET} characters."
        )
    if name == "data_key" and value == given.get("secret_key"):
        raise SettingsError("CONTEST_DATA_KEY and CONTEST_SECRET_KEY must differ.")
    return value


def _number(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"CONTEST_{name.upper()} is {text!r}; it must be a number from {low} to {high}.")
    return int(text)


def _choice(given: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = given.get(name, default)
    if value not in choices:
        raise SettingsError(f"CONTEST_{name.upper()} is {value!r}; it must be one of {', '.join(choices)}.")
    return value


def _metrics_token(given: Mapping[str, str]) -> str:
    token = given.get("metrics_token", "")
    if token and len(token) < SHORTEST_SECRET:
        raise SettingsError(
            f"CONTEST_METRICS_TOKEN must be a random text of at least {SHORTEST_SECRET} characters."
        )
    return token


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "0").lower()
    if text not in ("0", "1", "true", "false"):
        raise SettingsError(f"CONTEST_{name.upper()} is {text!r}; it must be 0 or 1.")
    return text in ("1", "true")


def _hosts(given: Mapping[str, str], env: str) -> tuple[str, ...]:
    hosts = tuple(host.strip() for host in given.get("trusted_hosts", "").split(",") if host.strip())
    if env == "prod" and not hosts:
        raise SettingsError("CONTEST_TRUSTED_HOSTS must name the site's host in prod.")
    return hosts


def _psycopg_url(given: Mapping[str, str], name: str) -> str:
    """Name the driver, so that the plain postgresql:// of the handbooks works too; "" if not given."""
    url = given.get(name, "")
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    if url and not url.startswith("postgresql+psycopg://"):
        raise SettingsError(f"CONTEST_{name.upper()} must begin with postgresql://.")
    return url
