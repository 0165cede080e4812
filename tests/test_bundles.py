"""The bundle of a published round: its files, that they never change, and that the verifier takes them."""

import csv
import gzip
import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contest import archives, bundles, contests, exclusions, jobs, pools
from contest.blueprints.bundles import MOST_AT_ONCE, _turns
from contest.cli import main
from contest.clock import db_now
from contest.data import verify
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Correction, Decline, Exclusion
from tests import builders


@pytest.fixture
def contest(app):
    return builders.make_contest("hoi-thi")


@pytest.fixture
def round(contest):
    """A closed round of three people with a tie, two attempts each, not published yet."""
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    for right in (5, 5, 3):
        person = builders.make_person(contest)
        builders.finish_attempt(person, round, right=right, prediction=right)
        builders.finish_attempt(person, round, right=4, prediction=2, ago=timedelta(minutes=30))
    return builders.close(round)


def write(publication, folder):
    """Write a publication's files into a folder."""
    for file in archives.listed(db.session(), publication.id):
        (folder / file.name).write_bytes(b"".join(archives.content(db.session(), file.id)))
    return folder


def read(publication, name):
    file = archives.find(db.session(), publication.id, name)
    return b"".join(archives.content(db.session(), file.id)).decode()


# --- what is in it -------------------------------------------------------------------------------


def test_a_published_round_verifies_and_its_digest_is_the_manifests(round, tmp_path):
    publication = builders.publish(round)
    folder = write(publication, tmp_path)
    assert verify.verify(str(folder)) == publication.sha256
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == publication.sha256
    assert (folder / "verify.py").read_bytes() == bundles.VERIFIER.read_bytes()


def test_nobody_is_named(round, tmp_path):
    folder = write(builders.publish(round), tmp_path)
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    for secret in ("Nguyễn Văn An", "0912"):
        assert secret.encode() not in content


def test_people_meet_an_item_again_only_where_nothing_new_is_left(contest, tmp_path, monkeypatch):
    """Two rounds of one pool: what was had in the first is told in seen.csv of the second."""
    monkeypatch.setattr(pools, "_codes_of_other_rounds", lambda *_: frozenset())
    first, second = (builders.open_now(builders.make_round(contest)) for _ in range(2))
    person = builders.make_person(contest)
    had = builders.finish_attempt(person, first).paper
    attempt = builders.finish_attempt(person, second)
    builders.close(first)
    publication = builders.publish(builders.close(second))
    rows = read(publication, "seen.csv").splitlines()
    assert rows == ["attempt,code", *sorted(f"{attempt.public_id},{item['code']}" for item in had)]
    verify.verify(str(write(publication, tmp_path)))


def test_exclusions_corrections_and_declines_are_told(contest, round):
    session, now = db.session(), db_now(db.session())
    people = [builders.make_person(contest) for _ in range(2)]
    first, second = builders.make_staff(), builders.make_staff()
    facts = {"round_id": round.id, "reason": "x", "kind": "withdrawn", "excluded_by_id": first.id}
    lifted = {"lifted_at": now, "lifted_by_id": first.id, "lift_reason": "x"}
    session.add(Exclusion(**facts, account_id=people[0].id, excluded_at=now))
    session.add(Exclusion(**facts, **lifted, account_id=people[1].id, excluded_at=now))
    session.add(Decline(round_id=round.id, account_id=people[1].id, reason="x", recorded_by_id=first.id))
    correction = Correction(
        round_id=round.id,
        code="T1-NB-001",
        keys=[[0], [1]],
        reason="x",
        note="x",
        proposed_by_id=first.id,
        approved_by_id=second.id,
    )
    session.add(correction)
    session.commit()
    with pytest.raises(Conflict):
        builders.publish(round)  # while scores still follow the old key
    session.rollback()
    correction.applied_at = now
    session.commit()
    publication = builders.publish(round)
    configuration = json.loads(read(publication, "configuration.json"))
    assert configuration["corrections"] == {"T1-NB-001": [[0], [1]]}
    assert configuration["left_out"] == [people[1].draw_id]
    assert read(publication, "exclusions.csv").splitlines() == [
        "draw_id,excluded_at,lifted_at,reason",
        f"{people[0].draw_id},{now.isoformat(timespec='microseconds')},,withdrawn",
    ]


def test_an_exclusion_at_the_books_is_listed_though_lifted_later(contest, tmp_path):
    session = db.session()
    round = builders.open_now(builders.make_round(contest, prediction_counted="people"))
    staff = {"actor_id": builders.make_staff().id, "approved_by_id": builders.make_staff("approver").id}
    people = [builders.make_person(contest) for _ in range(4)]
    for person in people:
        builders.finish_attempt(person, round, prediction=3)

    def step(operation, person, **facts):
        found = contests.find_round(session, round.id)
        operation(session, found, person.id, reason="x", now=db_now(session), **staff, **facts)
        session.commit()

    out = {"kind": "several_accounts"}
    for person in people[:2]:
        step(exclusions.exclude, person, **out)
    step(exclusions.lift, people[1])
    builders.close(round)
    step(exclusions.lift, people[0])
    step(exclusions.exclude, people[2], **out)
    step(exclusions.lift, people[2])
    step(exclusions.exclude, people[0], **out)
    jobs.rank_what_changed()
    publication = builders.publish(round)
    rows = list(csv.DictReader(io.StringIO(read(publication, "exclusions.csv"))))
    listed = [(row["draw_id"], bool(row["lifted_at"])) for row in rows]
    # Not the one that was made after the books and holds no more.
    expected = [(people[0].draw_id, True), (people[0].draw_id, False), (people[1].draw_id, True)]
    assert sorted(listed) == sorted(expected)
    folder = write(publication, tmp_path)
    assert verify.verify(str(folder)) == publication.sha256

    for changed, column in (
        ([row for row in rows if row["lifted_at"]], "excluded"),
        ([row for row in rows if not row["lifted_at"]], "excluded_at_books"),
    ):
        with (folder / "exclusions.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(changed)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"]["exclusions.csv"] = hashlib.sha256(
            (folder / "exclusions.csv").read_bytes()
        ).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(verify.Difference) as difference:
            verify.verify(str(folder))
        assert (difference.value.file, difference.value.column) == ("attempts.csv", column)


def test_public_texts_enter_the_seed_and_the_lots(contest, tmp_path):
    """White space at the ends and the way of composing letters make no difference."""
    texts = {"seed_text": " Xổ số: giải đặc biệt 12345 ", "lot_text": "Số khác 6789"}
    sources = {"seed_text_source": "Xổ số miền Bắc", "lot_text_source": "Xổ số miền Bắc"}
    prizes = (("Giải Nhất", 1),)
    round = builders.open_now(builders.make_round(contest, prizes=prizes, **texts, **sources))
    for _ in range(5):
        builders.finish_attempt(builders.make_person(contest), round)
    for asked in round.divisions:
        builders.change_locked(asked, chain=["points"])
    publication = builders.publish(builders.close(round))
    assert read(publication, "prizes.csv").splitlines()[1].endswith(",1")  # by lot
    told = json.loads(read(publication, "seed.json"))
    assert told["secret"] != told["seed"] == publication.content["seed"]
    assert verify.verify(str(write(publication, tmp_path))) == publication.sha256


def test_who_declines_or_won_earlier_gets_no_prize_and_keeps_the_rank(contest, tmp_path):
    first = builders.open_now(builders.make_round(contest))
    people = [builders.make_person(contest) for _ in range(6)]
    for place, person in enumerate(people):
        builders.finish_attempt(person, first, took=timedelta(minutes=5 + place))
    builders.publish(builders.close(first), approved_by=builders.make_staff("approver"))

    builders.make_items(12)
    second = builders.open_now(builders.make_round(contest, is_skipping_earlier_winners=True))
    for place, person in enumerate(people):
        builders.finish_attempt(person, second, took=timedelta(minutes=5 + place))
    builders.close(second)
    staff = builders.make_staff()
    declined = Decline(round_id=second.id, account_id=people[3].id, reason="x", recorded_by_id=staff.id)
    db.session.add(declined)
    publication = builders.publish(second)

    configuration = json.loads(read(publication, "configuration.json"))
    assert configuration["earlier_winners"] == sorted(person.draw_id for person in people[:3])
    assert configuration["left_out"] == [people[3].draw_id]
    assert [winner["rank"] for winner in publication.content["winners"]] == [5, 6]
    verify.verify(str(write(publication, tmp_path)))


def test_before_the_books_there_is_no_bundle(contest):
    round = builders.close(builders.open_now(builders.make_round(contest)), with_books=False)
    with pytest.raises(Conflict):
        list(bundles.files(db.session(), round, [], version=1, data_key=builders.data_key()))


# --- that it stays -------------------------------------------------------------------------------


def test_an_older_version_stays_as_it_was(round):
    publication = builders.publish(round)
    before = read(publication, "attempts.csv")
    builders.change_locked(round, title="Tên mới")
    second = builders.publish(round, reason="Đổi tên")
    assert read(publication, "attempts.csv") == before
    assert "Tên mới" not in read(publication, "configuration.json")
    assert "Tên mới" in read(second, "configuration.json")
    assert publication.sha256 != second.sha256


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE publication_files SET name = 'x'",
        "DELETE FROM publication_pieces",
        "UPDATE publication_pieces SET deflated = ''",
        "UPDATE attempts SET receipt_digest = repeat('0', 64)",
        "UPDATE attempts SET receipt_digest = NULL",
    ],
)
def test_the_database_refuses_to_change_it(round, statement):
    builders.publish(round)
    with pytest.raises(IntegrityError):
        db.session.execute(text(statement))


# --- on the web ----------------------------------------------------------------------------------

ZIP = "/contests/hoi-thi/winners/1/1/bundle.zip"
FILE = "/contests/hoi-thi/winners/1/1/files/attempts.csv"


def test_the_zip_is_the_same_each_time_and_any_program_reads_it(client, round, tmp_path):
    publication = builders.publish(round)
    first, second = client.get(ZIP, buffered=True), client.get(ZIP, buffered=True)
    assert first.data == second.data
    assert first.content_length == len(first.data)
    assert "immutable" in first.headers["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(first.data)) as archive:
        assert archive.testzip() is None
        names = [file.name for file in archives.listed(db.session(), publication.id)]
        assert archive.namelist() == names
    path = tmp_path / "bundle.zip"
    path.write_bytes(first.data)
    assert verify.verify(str(path)) == publication.sha256


def test_a_file_goes_out_compressed_or_plain(client, round):
    publication = builders.publish(round)
    plain = client.get(FILE, headers={"Accept-Encoding": "identity"}, buffered=True)
    packed = client.get(FILE, headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert plain.data.decode() == read(publication, "attempts.csv")
    assert (plain.mimetype, packed.headers["Content-Encoding"]) == ("text/csv", "gzip")
    assert gzip.decompress(packed.data) == plain.data


@pytest.mark.parametrize(
    "path",
    [
        "/contests/none/winners/1/1/bundle.zip",
        "/contests/hoi-thi/winners/2/1/bundle.zip",
        "/contests/hoi-thi/winners/1/2/bundle.zip",
        "/contests/hoi-thi/winners/1/1/files/nothing.csv",
        "/contests/hoi-thi/winners/1/1/files/..%2Fverify.py",
    ],
)
def test_what_is_not_published_is_not_found(client, round, path):
    builders.publish(round)
    assert client.get(path, buffered=True).status_code == 404


def test_nothing_is_given_before_it_is_published(client, round):
    assert client.get(ZIP, buffered=True).status_code == 404


def test_downloads_never_take_all_threads(client, round):
    builders.publish(round)
    for _ in range(MOST_AT_ONCE):
        assert _turns.acquire(blocking=False)
    refused = client.get(ZIP, buffered=True)
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    for _ in range(MOST_AT_ONCE):
        _turns.release()
    for method in ("GET", "HEAD") * MOST_AT_ONCE:
        assert client.open(ZIP, method=method, buffered=True).status_code == 200


def test_the_winners_page_offers_the_check(client, round):
    publication = builders.publish(round)
    page = client.get("/contests/hoi-thi/winners").text
    assert ZIP in page
    assert f'data-digest="{publication.sha256}"' in page
    assert "verify-worker.js" in page


def test_a_version_from_before_bundles_has_none_to_offer(client, round):
    builders.publish(round)
    db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for table in ("publication_files", "publication_pieces"):
        db.session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    db.session.execute(text("DELETE FROM publication_pieces"))
    db.session.execute(text("DELETE FROM publication_files"))
    page = client.get("/contests/hoi-thi/winners")
    assert page.status_code == 200
    assert "bundle.zip" not in page.text


# --- from the command line -----------------------------------------------------------------------


@pytest.fixture
def command(live_app, monkeypatch):
    """The console script on the database of the test, with a published round."""
    settings = live_app.config["CONTEST"]
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(settings, name)))
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.publish(builders.close(round))
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


def test_folder_and_zip_hold_the_same_and_verify(command, tmp_path, capfd):
    folder, path = tmp_path / "bundle", tmp_path / "bundle.zip"
    assert command("results", "bundle", 1, "--to", folder).exit_code == 0
    assert command("results", "bundle", 1, "--to", folder).exit_code == 0
    assert command("results", "bundle", 1, "--to", path).exit_code == 0
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held == {file.name: file.read_bytes() for file in folder.iterdir()}
    for place in (folder, path):
        assert command("results", "verify-bundle", place, "--json").exit_code == 0
    assert '"ok": true' in capfd.readouterr().out


def test_a_changed_bundle_ends_with_one(command, tmp_path):
    command("results", "bundle", 1, "--to", tmp_path)
    (tmp_path / "prizes.csv").write_text("prize,attempt\n")
    assert command("results", "verify-bundle", tmp_path).exit_code == 1


@pytest.mark.parametrize("arguments", [(1, "--version", 2), (2,)])
def test_what_was_not_published_is_refused(command, tmp_path, arguments):
    refused = command("results", "bundle", *arguments, "--to", tmp_path / "x")
    assert refused.exit_code == 1


def test_a_folder_with_other_files_is_refused(command, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    assert command("results", "bundle", 1, "--to", tmp_path).exit_code == 1
