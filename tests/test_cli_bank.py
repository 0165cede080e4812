"""The bank's commands, as an operator types them."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from contest.cli import main
from contest.extensions import db
from contest.models import ItemVersion, Pool
from tests import builders

FILE = (
    "Chủ đề;Mức độ;Câu hỏi;A;B;Đáp án;Căn cứ;Giải thích\n"
    "T1;NB;Có mấy mức độ?;Hai;Ba;A;Nghị định số 42/2022/NĐ-CP;Có hai mức độ.\n"
)
NO_KEY = "T1;NB;Câu này thiếu đáp án?;Một;Hai;;Nghị định số 42/2022/NĐ-CP;Thiếu.\n"


@pytest.fixture
def contest(live_app, monkeypatch):
    """The console script on the database of the test."""
    settings = live_app.config["CONTEST"]
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(settings, name)))
    builders.make_staff(login="huong")
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cau-hoi.csv"
    path.write_text(FILE, encoding="utf-8-sig")
    return path


def stored():
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(ItemVersion))


def test_a_file_comes_in_once(contest, file):
    first, second = (contest("bank", "import", file, "--as", "huong", "--json") for _ in range(2))

    assert (first.exit_code, json.loads(first.output)["added"]) == (0, 1)
    assert (second.exit_code, json.loads(second.output)["skipped"]) == (0, 1)
    assert stored() == 1


def test_a_dry_run_stores_nothing(contest, file):
    outcome = json.loads(contest("bank", "import", file, "--as", "huong", "--dry-run", "--json").output)

    assert (outcome["added"], outcome["stored"]) == (1, False)
    assert stored() == 0


def test_errors_have_to_be_accepted(contest, file):
    file.write_text(FILE + NO_KEY, encoding="utf-8-sig")

    refused = contest("bank", "import", file, "--as", "huong")
    assert (refused.exit_code, stored()) == (1, 0)
    assert contest("bank", "import", file, "--as", "huong", "--accept-errors").exit_code == 0
    assert stored() == 1


def test_only_staff_bring_files(contest, file):
    outcome = contest("bank", "import", file, "--as", "nobody")

    assert outcome.exit_code == 1
    assert "no staff account" in outcome.output
    assert stored() == 0


@pytest.mark.parametrize("ending", ["xlsx", "csv", "docx", "gift", "xml", "txt"])
def test_what_goes_out_comes_back_as_nothing_new(contest, file, tmp_path, ending):
    contest("bank", "import", file, "--as", "huong")
    target = tmp_path / f"xuat.{ending}"

    assert contest("bank", "export", target).exit_code == 0
    outcome = json.loads(contest("bank", "import", target, "--as", "huong", "--dry-run", "--json").output)

    assert (outcome["added"], outcome["skipped"]) == (0, 1)


def test_an_unknown_ending_is_refused(contest, tmp_path):
    outcome = contest("bank", "export", tmp_path / "a.pdf")

    assert (outcome.exit_code, "must be one of" in outcome.output) == (1, True)


@pytest.mark.parametrize("is_opened", [False, True])
def test_a_trial_of_the_draw_stores_nothing_and_counts_the_items(contest, is_opened):
    builders.make_items()
    round = builders.make_round(builders.make_contest())
    if is_opened:
        builders.open_now(round)

    outcome = contest("bank", "simulate-draw", 1, "--papers", 200, "--json")

    report = json.loads(outcome.output)["citizens"]
    assert (report["papers"], report["items_per_paper"]) == (200, 5)
    assert sum(one["drawn"] for one in report["exposures"]) == 1_000
    assert db.session.scalar(select(func.count()).select_from(Pool)) == (2 if is_opened else 0)


@pytest.fixture
def closed_round(contest):
    builders.make_items(per_cell=3)
    held = builders.make_contest()
    round = builders.open_now(builders.make_round(held))
    for right in [5, 4, 3] * 10:
        builders.finish_attempt(builders.make_person(held), round, right=right)
    return builders.close(round)


@pytest.mark.usefixtures("closed_round")
def test_a_closed_round_is_analysed(contest):
    outcome = contest("bank", "analyse", 1)

    assert outcome.exit_code == 0
    assert "citizens: 30 papers, reliability " in outcome.output
    assert "officials: 0 papers, reliability unknown" in outcome.output
    assert "T1-NB-001    facility" in outcome.output
    told = json.loads(contest("bank", "analyse", 1, "--division", "citizens", "--json").output)
    assert list(told) == ["citizens"]
    assert (told["citizens"]["papers"], len(told["citizens"]["items"])) == (30, 6)


def test_distractors_that_nobody_chose_are_told(contest):
    builders.make_items(per_cell=3)
    held = builders.make_contest()
    round = builders.open_now(builders.make_round(held))
    for _ in range(60):
        builders.finish_attempt(builders.make_person(held), round, right=5)
    builders.close(round)

    assert "Không ai chọn phương án" in contest("bank", "analyse", 1).output


@pytest.mark.usefixtures("closed_round")
def test_what_cannot_be_analysed_is_told(contest):
    assert contest("bank", "analyse", 1, "--division", "none").exit_code == 1
    assert contest("bank", "analyse", 2).exit_code == 1
    builders.make_round(builders.make_contest())
    assert "chưa đóng" in contest("bank", "analyse", 1).output


AGE = "Công dân từ đủ bao nhiêu tuổi phải làm thẻ căn cước theo quy định?"
SAME_AGE = "Theo quy định công dân từ đủ bao nhiêu tuổi phải làm thẻ căn cước?"


def row(stem, place):
    return f"T1;NB;{stem};Số {place};Ba;A;Luật Căn cước;Có quy định.\n"


def test_what_reads_alike_is_told_for_the_bank_and_for_a_file(contest, file):
    file.write_text(FILE + row(AGE, 1), encoding="utf-8-sig")
    assert contest("bank", "import", file, "--as", "huong").exit_code == 0
    assert json.loads(contest("bank", "duplicates", "--json").output) == {"items": 2, "pairs": []}
    file.write_text(FILE + row(SAME_AGE, 2) + row(f"{SAME_AGE} Vì", 3), encoding="utf-8-sig")

    outcome = json.loads(contest("bank", "import", file, "--as", "huong", "--dry-run", "--json").output)
    assert [(one["where"]["row"], one.get("code"), one.get("first")) for one in outcome["near"]] == [
        (3, "T1-002", None),
        (4, "T1-002", None),
    ]
    printed = contest("bank", "import", file, "--as", "huong")
    assert "near {'row': 3}: 100% like T1-002" in printed.output

    found = json.loads(contest("bank", "duplicates", "--json").output)
    assert found["items"] == 4
    assert [(one["first"], one["second"]) for one in found["pairs"]] == [
        ("T1-002", "T1-003"),
        ("T1-002", "T1-004"),
    ]
    assert "4 items, 2 pairs that read alike" in contest("bank", "duplicates").output


def test_what_reads_alike_can_stay_out(contest, file):
    file.write_text(FILE + row(AGE, 1) + row(SAME_AGE, 2), encoding="utf-8-sig")
    outcome = json.loads(contest("bank", "import", file, "--as", "huong", "--without-near", "--json").output)
    assert (outcome["added"], outcome["near"][0]["first"]) == (2, {"row": 3})
    assert stored() == 2
