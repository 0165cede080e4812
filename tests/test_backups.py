"""Backup under writes, restore into an empty database, and every file that must be refused."""

import json
import os
import resource
import threading
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import flask_migrate
import psycopg
import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from psycopg import sql
from sqlalchemy import select, text

from contest import MIGRATIONS, backups, readiness
from contest.backups import BackupError, facts, files, programs
from contest.cli import main
from contest.clock import db_now
from contest.embedded import EmbeddedServers
from contest.extensions import db
from contest.models import Round
from tests import builders
from tests.savers import Savers

NAMES = ("Nguyễn Thị Bí Mật", "0987654321")


@pytest.fixture
def settings_of_test(live_app):
    return live_app.config["CONTEST"]


@pytest.fixture
def contest(settings_of_test, monkeypatch):
    """The console script on the database of the test."""
    return command_on(monkeypatch, settings_of_test)


def command_on(monkeypatch, settings, **changed):
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(changed.get(name, getattr(settings, name))))
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def published(live_app):
    """A closed round with a published bundle, and one that is still open."""
    contest = builders.make_contest("hoi-thi")
    round = builders.open_now(builders.make_round(contest))
    for right in (5, 5, 3, 1):
        person = builders.make_person(contest, name=NAMES[0])
        builders.finish_attempt(person, round, right=right, prediction=right)
    publication = builders.publish(builders.close(round))
    return publication.sha256


@pytest.fixture
def empty(settings_of_test):
    """The address of an empty database beside the test's."""
    url = programs.plain(settings_of_test.database_url)
    server, _, query = url.partition("?")
    name = f"{server.rpartition('/')[2]}_restored"
    target = f"{server.rpartition('/')[0]}/{name}?{query}"
    maintenance = target.replace(name, "postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield target
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tables_in(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone()[0]


def test_a_restored_database_has_the_same_winners_to_the_byte(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    file = tmp_path / "evening.backup"
    assert contest("backup", file).exit_code == 0

    elsewhere = command_on(monkeypatch, settings_of_test, database_url=empty)
    restored = elsewhere("restore", file, "--json")

    assert restored.exit_code == 0, restored.output
    told = json.loads(restored.stdout)
    assert told["rounds"] == [{"contest": "hoi-thi", "round": 1, "faults": []}]
    lists = {}
    for url in (settings_of_test.database_url, empty):
        with psycopg.connect(programs.plain(url)) as connection:
            lists[url] = connection.execute(
                "SELECT p.sha256, p.content, f.name, f.sha256 FROM publications p"
                " JOIN publication_files f ON f.publication_id = p.id ORDER BY f.name"
            ).fetchall()
            columns = connection.execute(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype <> 'n'"
                " AND connamespace = 'public'::regnamespace ORDER BY 1, 2"
            ).fetchall()
            lists[url].append(columns)
    assert lists[settings_of_test.database_url] == lists[empty]
    assert lists[empty][0][0] == published
    human = contest("restore", file)
    assert human.exit_code == 1  # the first restore has filled it
    assert "not empty" in human.output


def test_what_a_restored_database_is_told_names_winners_and_publication(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    file = tmp_path / "evening.backup"
    contest("backup", file)
    told = command_on(monkeypatch, settings_of_test, database_url=empty)("restore", file).stdout

    assert "Winners identical: hoi-thi, round 1" in told
    assert f"Publication identical: hoi-thi, round 1, version 1, {published}" in told
    assert "KHỚP: hoi-thi, round 1" in told
    with psycopg.connect(empty) as connection:
        last = connection.execute("SELECT action FROM audit_events ORDER BY id DESC LIMIT 1").fetchone()
    assert last == ("backup.restore",)


def test_a_backup_under_writes_is_of_one_moment(live_app, empty, tmp_path, settings_of_test):
    """What it holds and what its manifest counts is one snapshot, with every sheet that was acknowledged."""
    of_contest = builders.make_contest("hoi-thi")
    savers = Savers(live_app)
    savers.sit_down(of_contest, builders.open_now(builders.make_round(of_contest)), 4)
    stop = threading.Event()

    def register():
        with live_app.app_context():
            while not stop.is_set():
                builders.make_person()

    registering = threading.Thread(target=register)
    registering.start()
    savers.begin()
    before = dict(savers.acknowledged)
    manifest = backups.make(
        tmp_path / "a.backup",
        url=settings_of_test.server_url,
        data_key=settings_of_test.data_key,
        software="1",
    )
    stop.set()
    registering.join()
    savers.end()

    backups.restore(tmp_path / "a.backup", manifest, url=empty)
    with psycopg.connect(empty) as connection:
        rows = connection.execute("SELECT public_id, save_seq, prediction, saved_at FROM attempts").fetchall()
    assert len(rows) == 4
    for public_id, seq, prediction, saved_at in rows:
        assert before[public_id] <= seq <= savers.sent[public_id]
        assert prediction == seq
        assert saved_at <= datetime.fromisoformat(manifest.made_at)


def test_the_manifest_and_what_is_printed_name_nobody_and_hold_no_secret(
    published, contest, tmp_path, settings_of_test
):
    file = tmp_path / "a.backup"
    printed = contest("backup", file).output + contest("restore", file, "--check", "--json").output
    with zipfile.ZipFile(file) as archive:
        told = printed + archive.read("manifest.json").decode()
        dump = archive.read("contest.dump")
    for word in (*NAMES, "0912", settings_of_test.data_key, settings_of_test.secret_key):
        assert word not in told
    assert settings_of_test.data_key.encode() not in dump
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_go_no_go_list_knows_the_backup(published, contest, tmp_path):
    round = db.session.scalars(select(Round)).one()
    assert readiness.last_backup(db.session()) is None
    contest("backup", tmp_path / "a.backup")
    db.session.rollback()

    noted = readiness.last_backup(db.session())
    assert db_now(db.session()) - noted < timedelta(minutes=1)
    [line] = [one for one in readiness.checks(db.session(), round, now=noted) if one.title == "Sao lưu"]
    assert line.kind == "success"


def test_a_folder_keeps_the_newest_and_nothing_else_is_touched(published, contest, tmp_path):
    for name in ("contest-20200101T000000Z.backup", "contest-20200102T000000Z.backup", "mine.backup"):
        (tmp_path / name).write_text("old")
    told = json.loads(contest("backup", tmp_path, "--keep", 2, "--json").stdout)

    assert told["removed"] == [str(tmp_path / "contest-20200101T000000Z.backup")]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"contest-20200102T000000Z.backup", "mine.backup", Path(told["file"]).name}


def test_a_backup_never_replaces_a_file_and_what_a_killed_one_left_goes(contest, published, tmp_path):
    (tmp_path / ".a.backup.1.part").write_text("half")
    file = tmp_path / "a.backup"
    assert contest("backup", file).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.backup"]
    before = file.read_bytes()

    refused = contest("backup", file)

    assert refused.exit_code == 1
    assert "never written over" in refused.output
    assert file.read_bytes() == before


def test_a_backup_that_fails_leaves_no_file(published, contest, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "find", lambda name, _: programs.Program(Path("/bin/false"), 18))
    refused = contest("backup", tmp_path / "a.backup")
    assert refused.exit_code == 1
    assert "pg_dump failed" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_sentence_and_leaves_no_file(published, contest, tmp_path):
    """A limit on the size of files stands in for the disk's end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        refused = contest("backup", tmp_path / "a.backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.exit_code == 1
    assert "can't be written: File too large." in refused.output
    assert list(tmp_path.iterdir()) == []
    assert contest("backup", tmp_path / "a.backup").exit_code == 0


def test_a_backup_whose_database_goes_away_leaves_no_file(published, contest, tmp_path, settings_of_test):
    """Somebody ends all connections while the dump is written."""
    pieces = []
    db.session.remove()
    db.engine.dispose()

    def end_connections(size):
        if not pieces:
            with psycopg.connect(programs.plain(settings_of_test.database_url)) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND usename = current_user"
                )
        pieces.append(size)

    with pytest.raises(BackupError):
        backups.make(
            tmp_path / "a.backup",
            url=settings_of_test.server_url,
            data_key=settings_of_test.data_key,
            software="1",
            progress=end_connections,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_not_backed_up(empty, tmp_path):
    with pytest.raises(BackupError, match="nothing to back up"):
        backups.make(tmp_path / "a.backup", url=empty, data_key="k" * 40, software="1")
    assert list(tmp_path.iterdir()) == []


# --- what is refused -----------------------------------------------------------------------------


def rewritten(file, manifest=None, dump=None, **options):
    """Put another zip in the place of a backup, with some of its parts changed."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    told = json.loads(parts["manifest.json"]) | (manifest or {})
    parts["manifest.json"] = json.dumps(told).encode()
    parts["contest.dump"] = dump(parts["contest.dump"]) if dump else parts["contest.dump"]
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def flip(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


DAMAGES = {
    "a bit of the dump": (lambda file: flip(file, file.stat().st_size // 2), "damaged"),
    "cut off": (lambda file: os.truncate(file, file.stat().st_size - 100), "damaged or cut off"),
    "cut in half": (lambda file: os.truncate(file, file.stat().st_size // 2), "damaged or cut off"),
    "empty": (lambda file: os.truncate(file, 0), "damaged or cut off"),
    "a text": (lambda file: file.write_text("CREATE TABLE"), "no backup"),
    "another zip": (
        lambda file: zipfile.ZipFile(file, "w").writestr("contest.dump", b"x"),
        "no backup made by",
    ),
    "a compressed zip": (
        lambda file: rewritten(file, compression=zipfile.ZIP_DEFLATED),
        "no backup made by",
    ),
    "another dump in it": (lambda file: rewritten(file, dump=lambda old: old + b"x"), "another SHA-256"),
    "a changed manifest": (lambda file: rewritten(file, {"made_at": "2020-01-01T00:00:00+00:00"}), "changed"),
    "a changed digest": (lambda file: rewritten(file, {"dump_sha256": "0" * 64}), "changed"),
    "a manifest without rows": (lambda file: rewritten(file, {"facts": None}), "no facts"),
    "a later format": (lambda file: rewritten(file, {"format": "contest-backup/2"}), "can't read"),
    "another data key": (lambda file: rewritten(file, {"data_key": "0" * 16}), "another CONTEST_DATA_KEY"),
}


@pytest.fixture(scope="module")
def one_backup(settings, tmp_path_factory):
    """A backup of the tables without people."""
    file = tmp_path_factory.mktemp("backup") / "one.backup"
    backups.make(file, url=settings.server_url, data_key=settings.data_key, software="1")
    return file


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_as_it_was_written_is_refused(damage, one_backup, settings, tmp_path):
    file = tmp_path / "a.backup"
    file.write_bytes(one_backup.read_bytes())
    change, words = DAMAGES[damage]
    assert backups.check(file, data_key=settings.data_key, revisions=Everything())
    change(file)

    with pytest.raises(BackupError, match=words):
        backups.check(file, data_key=settings.data_key, revisions=Everything())


class Everything:
    def __contains__(self, _):
        return True


def test_every_place_of_a_backup_is_guarded(one_backup, settings, tmp_path):
    """A flipped bit anywhere is found, or is in a place that nobody reads."""
    file, content = tmp_path / "a.backup", one_backup.read_bytes()
    with zipfile.ZipFile(one_backup) as archive:
        dump, manifest = archive.read("contest.dump"), archive.read("manifest.json")
    for place in range(0, len(content), max(1, len(content) // 97)):
        file.write_bytes(content)
        flip(file, place)
        try:
            backups.check(file, data_key=settings.data_key, revisions=Everything())
        except BackupError:
            continue
        with zipfile.ZipFile(file) as archive:
            assert (archive.read("contest.dump"), archive.read("manifest.json")) == (dump, manifest)


def test_a_damaged_backup_leaves_the_empty_database_empty(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    file = tmp_path / "a.backup"
    contest("backup", file)
    flip(file, file.stat().st_size // 2)
    refused = command_on(monkeypatch, settings_of_test, database_url=empty)("restore", file)

    assert refused.exit_code == 1
    assert "damaged" in refused.output
    assert "Traceback" not in refused.output
    assert tables_in(empty) == 0


def test_a_restore_that_breaks_off_leaves_the_database_empty(one_backup, settings, empty, monkeypatch):
    manifest = backups.check(one_backup, data_key=settings.data_key, revisions=Everything())
    whole = list(files.dump_of(one_backup))
    monkeypatch.setattr(files, "dump_of", lambda _: iter([b"".join(whole)[:-20_000]]))
    with pytest.raises(BackupError, match="has left nothing"):
        backups.restore(one_backup, manifest, url=empty)
    assert tables_in(empty) == 0


def test_an_older_backup_is_brought_up_to_date(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    db.session.remove()
    flask_migrate.downgrade(revision="-1")
    backups.make(
        tmp_path / "old.backup",
        url=settings_of_test.server_url,
        data_key=settings_of_test.data_key,
        software="0",
    )
    told = command_on(monkeypatch, settings_of_test, database_url=empty)("restore", tmp_path / "old.backup")
    assert told.exit_code == 0, told.output
    assert "KHỚP: hoi-thi, round 1" in told.output
    with psycopg.connect(empty) as connection:
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        assert facts.revision(connection) == head


def test_tables_that_this_version_does_not_know_are_refused(one_backup, settings):
    with pytest.raises(BackupError, match="made by another version"):
        backups.check(one_backup, data_key=settings.data_key, revisions={"an older one"})


def test_a_database_with_anything_in_it_is_refused(one_backup, settings, empty):
    manifest = backups.check(one_backup, data_key=settings.data_key, revisions=Everything())
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE VIEW somebodys AS SELECT 1")
    with pytest.raises(BackupError, match="not empty"):
        backups.restore(one_backup, manifest, url=empty)
    assert tables_in(empty) == 1


def test_with_another_data_key_only_on_request(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    file = tmp_path / "a.backup"
    contest("backup", file)
    elsewhere = command_on(monkeypatch, settings_of_test, database_url=empty, data_key="e" * 40)
    assert "another CONTEST_DATA_KEY" in elsewhere("restore", file).output
    assert tables_in(empty) == 0
    assert elsewhere("restore", file, "--any-key").exit_code == 0
    assert tables_in(empty) > 0


def test_what_was_changed_in_the_database_shows_after_the_restore(
    published, contest, empty, tmp_path, monkeypatch, settings_of_test
):
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE standings SET points = points + 1 WHERE position = 1"))
    file = tmp_path / "a.backup"
    contest("backup", file)
    told = command_on(monkeypatch, settings_of_test, database_url=empty)("restore", file)
    assert told.exit_code == 1
    assert "KHÔNG KHỚP: hoi-thi, round 1: standings" in told.output


def test_the_oldest_program_that_fits_is_taken(tmp_path, monkeypatch):
    paths = []
    for major in (14, 17, 16, 18):
        path = tmp_path / str(major)
        path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.3 (Debian)'\n")
        path.chmod(0o755)
        paths.append(path)
    monkeypatch.setattr(programs, "_places", lambda _: iter([*paths, tmp_path / "none"]))
    assert programs.find("pg_dump", 15).major == 16
    assert programs.find("pg_dump", 18).major == 18
    with pytest.raises(BackupError, match="postgresql-client-19"):
        programs.find("pg_dump", 19)


def test_a_password_is_on_no_command_line():
    address, environ = programs.connection(
        "postgresql+psycopg://web:s%20ecret@db.example/contest?sslmode=require"
    )
    assert "ecret" not in address
    assert environ["PGPASSWORD"] == "s ecret"
    assert "sslmode=require" in address


def test_a_new_machine_is_filled_by_one_command_and_a_stopped_one_backed_up(
    published, contest, tmp_path, monkeypatch, settings_of_test
):
    """Without addresses the embedded servers of the data directory are started for the moment."""
    file = tmp_path / "a.backup"
    contest("backup", file)
    data_dir = tmp_path / "new machine"
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
        monkeypatch.delenv(f"CONTEST_{name}")
    monkeypatch.setenv("CONTEST_DATA_DIR", str(data_dir))

    restored = contest("restore", file)
    assert restored.exit_code == 0, restored.output
    assert not EmbeddedServers.are_running(data_dir)
    again = contest("backup", tmp_path / "b.backup", "--json")
    assert again.exit_code == 0, again.output
    before = files.read_manifest(file).facts
    after = json.loads(again.stdout)["facts"]
    assert after["publications"] == before["publications"]
    assert after["standings"] == before["standings"]
