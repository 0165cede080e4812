"""Units and headcounts come from lists: read with forgiveness, planned before they are stored, locked."""

import hashlib

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from contest import headcounts
from contest.cli import main
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import AuditEvent, Headcount, Unit
from tests import builders

LIST = (
    "Mã;Tên đơn vị;Nhóm;Người dân;Cán bộ, công chức, viên chức\n"
    "09187;Phường Kinh Bắc;Phường;52.100;40\n"
    "H05.09;Sở Y tế;Cơ quan chuyên môn thuộc UBND;;120\n"
)


@pytest.fixture
def contest(session):
    return builders.make_contest()


def plan(contest, text=LIST):
    return headcounts.plan(db.session(), contest, *headcounts.read(text.encode(), contest.divisions))


def bring(contest, text=LIST, source="Cục Thống kê"):
    headcounts.bring_in(
        db.session(),
        contest,
        plan(contest, text),
        source=source,
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )
    db.session.commit()


def stored(contest):
    rows = db.session.execute(
        select(Unit.code, Headcount.division_id, Headcount.headcount).join(Unit, Unit.id == Headcount.unit_id)
    )
    names = {one.id: one.code for one in contest.divisions}
    return {(code, names[division]): count for code, division, count in rows}


def test_a_list_is_planned_then_stored_with_its_source(contest):
    made = plan(contest)
    assert [row.code for row in made.new_units] == ["H05.09"]
    assert ("09187", "citizens", None, 52_100) in made.changes
    assert stored(contest) == {}

    bring(contest)

    assert stored(contest) == {
        ("09187", "citizens"): 52_100,
        ("09187", "officials"): 40,
        ("H05.09", "officials"): 120,
    }
    assert headcounts.sources(db.session(), contest) == ["Cục Thống kê"]
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (event.action, event.after["09187/citizens"]) == ("headcounts.import", 52_100)


def test_the_same_list_again_changes_nothing_and_another_figure_replaces(contest):
    bring(contest)
    assert (plan(contest).changes, plan(contest).same) == ([], 3)

    bring(contest, LIST.replace("52.100", "53.000"), source="Bản sửa")

    assert stored(contest)["09187", "citizens"] == 53_000


@pytest.mark.parametrize(
    "row, words",
    [
        ("09187;;;nhiều;", "Dòng 2: “nhiều” không phải là số người"),
        (";Không mã;;1;", "thiếu mã đơn vị"),
        ("X1;Đơn vị lạ;;1;", "đơn vị mới cần tên và một nhóm"),
        ("X1;Xã lạ;Xã;1;", "đơn vị mới cần tên và một nhóm cơ quan"),
        ("X1;Đơn vị;Nhóm lạ;1;", "không có nhóm “Nhóm lạ”"),
        ("H05.02;;;5;", "không phải xã, phường"),
        ("09187;;;99999999999;", "không phải là số người"),
    ],
)
def test_each_problem_says_where_and_what(contest, row, words):
    made = plan(contest, LIST.splitlines()[0] + "\n" + row + "\n")

    assert made.changes == []
    assert words in " ".join(made.problems)


def test_a_code_twice_is_told_at_the_second(contest):
    assert "mã 09187 đã có ở dòng trên" in plan(contest, LIST + "09187;;;1;\n").problems[0]


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a;b\n1;2\n", "Tên;Nhóm\nx;y\n".encode()])
def test_what_is_no_list_is_refused_in_a_sentence(contest, content):
    with pytest.raises(BadInput):
        headcounts.read(content, contest.divisions)


def test_a_source_is_asked_for(contest):
    with pytest.raises(BadInput) as refused:
        bring(contest, source="")

    assert set(refused.value.fields) == {"source"}


def test_the_lock_publishes_the_digest_of_the_file_and_holds(contest, client):
    bring(contest)
    assert client.get(f"/contests/{contest.slug}/headcounts.csv").status_code == 404

    digest = headcounts.lock(db.session(), contest, now=db_now(db.session()), actor_id=None)
    db.session.commit()

    file = client.get(f"/contests/{contest.slug}/headcounts.csv").get_data()
    assert hashlib.sha256(file).hexdigest() == digest == contest.headcounts_sha256
    assert b"09187" in file
    assert b"07582" not in file  # no figure is known
    assert digest in client.get(f"/contests/{contest.slug}/rules").get_data(as_text=True)
    for change in (
        bring,
        lambda contest: headcounts.lock(db.session(), contest, now=db_now(db.session()), actor_id=None),
    ):
        with pytest.raises(Conflict, match="đã khóa"):
            change(contest)
        db.session.rollback()


def test_what_is_given_out_can_be_brought_back(contest):
    bring(contest)

    made = plan(contest, headcounts.write(db.session(), contest).decode())

    assert (made.new_units, made.changes, made.problems, made.same) == ([], [], [], 3)


def test_a_spreadsheet_computes_nothing_of_it(contest):
    builders.make_unit("=HYPERLINK(1)", "U9", kind="agency", group="department")

    assert b"'=HYPERLINK" in headcounts.write(db.session(), contest)


def test_units_of_other_groups_are_not_expected_to_have_a_headcount(contest):
    contest.divisions[0].unit_groups = ["department"]
    db.session.commit()

    known = headcounts.known(db.session(), contest.divisions)

    assert [known[one.id].units for one in contest.divisions] == [1, 2]


# --- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_it_would_do_then_does_it(live_app, monkeypatch, tmp_path):
    settings = live_app.config["CONTEST"]
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(settings, name)))
    contest = builders.make_contest()
    file, out = tmp_path / "a.csv", tmp_path / "b.csv"
    file.write_text(LIST, encoding="utf-8-sig")

    def run(*arguments):
        return CliRunner().invoke(main, ["units", *map(str, arguments)])

    assert "Would bring in 1 new units, 3 figures" in run("import", file, "--source", "x", "--dry-run").output
    db.session.rollback()
    assert stored(contest) == {}
    assert run("import", file, "--source", "x").exit_code == 0
    file.write_text(LIST + "X;;;1;\n", encoding="utf-8-sig")
    assert run("import", file, "--source", "x").exit_code == 1
    assert run("import", file, "--source", "x", "--skip-problems", "--json").exit_code == 0
    assert run("export", out).exit_code == 0
    assert "H05.09" in out.read_text(encoding="utf-8-sig")
    assert len(run("lock").output.strip()) == 64
    assert run("lock").exit_code == 1
