"""The go/no-go list: each line in its two or three states, and red lines that hold in the opening itself."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from contest import bank, contests, headcounts, readiness, round_settings, units
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import Pool, Unit
from contest.pools import pool_items
from contest.security import new_round_seed
from question_bank.draw import Cell
from question_bank.items import Item, Option
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    builders.make_items()
    made = builders.make_round(contest, opens_in=timedelta(days=2))
    return contests.find_round(db.session(), made.id)


def kind_of(round, title, words=""):
    found = readiness.checks(db.session(), round, now=db_now(db.session()))
    mine = [one for one in found if one.title.startswith(title)]
    assert mine, [one.title for one in found]
    assert all(words in one.text for one in mine[:1]), mine
    return {one.kind for one in mine}


def lock(contest):
    headcounts.lock(db.session(), contest, now=db_now(db.session()), actor_id=None)
    db.session.commit()


def open_round(round):
    contests.open_round(
        db.session(),
        round,
        seed=new_round_seed(),
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=None,
    )
    db.session.commit()


def set_paper(round, *cells, barred=()):
    settings = round_settings.settings_of_round(db.session(), round)
    divisions = tuple(replace(one, specification=cells, barred=barred) for one in settings.divisions)
    round_settings.save_round(
        db.session(),
        round,
        replace(settings, divisions=divisions),
        seen=round.configuration_version,
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )
    db.session.commit()


def approve(code, **fields):
    """Put one more item into the bank."""
    author, reviewer, now = builders.make_staff(), builders.make_staff(), db_now(db.session())
    item = Item(
        code=code,
        kind="single",
        stem=f"Câu hỏi {code}",
        options=(Option("Một"), Option("Hai")),
        key=(0,),
        topic="T1",
        level="NB",
        divisions=("officials", "citizens"),
        explanation="Lời giải thích.",
        legal_document="Nghị định số 42/2022/NĐ-CP",
        **fields,
    )
    (version,) = bank.add_drafts(db.session(), [item], author_id=author.id, now=now)
    bank.review(db.session(), version, reviewer_id=reviewer.id, now=now)
    bank.approve(db.session(), version, approver_id=reviewer.id, now=now)
    db.session.commit()


def test_a_round_in_order_opens(contest, round):
    lock(contest)

    assert kind_of(round, "Câu hỏi") == {"success"}
    open_round(round)

    assert round.opened_at is not None


def test_the_bank_is_counted_cell_by_cell(contest, round):
    lock(contest)
    set_paper(round, Cell("T1", "NB", 7), Cell("T2", "TH", 2))

    assert kind_of(round, "Câu hỏi", "T1/NB cần 7, có 6") == {"error"}
    with pytest.raises(Conflict, match="T1/NB cần 7, có 6"):
        open_round(round)


def test_an_empty_paper_is_saved_and_not_opened(contest, round):
    lock(contest)
    set_paper(round)

    with pytest.raises(Conflict, match="Chưa có cấu trúc đề"):
        open_round(round)


def test_unlocked_headcounts_are_a_red_line(round):
    assert kind_of(round, "Khóa số người") == {"error"}
    with pytest.raises(Conflict, match="Chưa khóa và công bố số người"):
        open_round(round)


def test_headcounts_that_no_longer_match_the_digest_are_a_red_line(contest, round):
    lock(contest)
    unit = db.session.scalars(select(Unit).where(Unit.code == "07582")).one()
    units.set_headcount(
        db.session(), division_id=contest.divisions[1].id, unit_id=unit.id, headcount=9, source="x"
    )

    with pytest.raises(Conflict, match="không khớp"):
        open_round(round)


def test_an_unannounced_contest_is_a_red_line(contest, round):
    lock(contest)
    contest.announced_at = None
    db.session.commit()

    with pytest.raises(Conflict, match="chưa được công bố"):
        open_round(round)


def test_prizes_that_grow_down_the_table_are_warned_of(round):
    assert kind_of(round, "Giải thưởng", "6 giải, tổng trị giá 3.000.000 đồng") == {"success"}
    db.session.execute(text("UPDATE prizes SET worth = 900000 WHERE title = 'Giải Nhì'"))

    assert kind_of(round, "Giải thưởng", "“Giải Nhì” có trị giá cao hơn") == {"warning"}


def test_items_that_run_out_within_the_round_are_named(round):
    approve("T1-NB-900", valid_to=(round.opens_at + timedelta(days=1)).date())
    approve("T1-NB-901", valid_to=(round.closes_at + timedelta(days=1)).date())

    assert kind_of(round, "Hiệu lực", "đóng: T1-NB-900 (đến") == {"warning"}


def test_a_change_on_the_last_day_is_warned_of(round):
    assert kind_of(round, "Thay đổi cấu hình") == {"success"}
    settings = round_settings.settings_of_round(db.session(), round)
    round_settings.save_round(
        db.session(),
        round,
        replace(settings, title="Khác", opens_at=db_now(db.session()) + timedelta(hours=5)),
        seen=1,
        now=db_now(db.session()),
        actor_id=builders.make_staff().id,
    )

    assert kind_of(round, "Thay đổi cấu hình") == {"warning"}


def test_a_backup_is_noted_by_a_person_and_gets_old(round):
    session, organizer = db.session(), builders.make_staff()
    now = db_now(session)
    assert kind_of(round, "Sao lưu", "Chưa có bản sao lưu nào") == {"warning"}
    with pytest.raises(BadInput):
        readiness.confirm_backup(
            session, backed_up_at=now + timedelta(hours=1), now=now, actor_id=organizer.id
        )

    readiness.confirm_backup(session, backed_up_at=now - timedelta(days=2), now=now, actor_id=organizer.id)
    assert kind_of(round, "Sao lưu", "Nên sao lưu lại") == {"warning"}
    readiness.confirm_backup(session, backed_up_at=now - timedelta(hours=2), now=now, actor_id=organizer.id)
    assert kind_of(round, "Sao lưu") == {"success"}


def test_work_that_nobody_does_is_seen(contest, round):
    other = builders.open_now(
        builders.make_round(
            contest, number=5, specification=({"topic": "T1", "level": "NB", "count": 1, "tags": []},)
        )
    )
    builders.finish_attempt(builders.make_person(contest), other, right=1, is_scored=False)

    assert kind_of(round, "Tiến trình chấm bài") == {"warning"}


# --- required and barred items -------------------------------------------------------------------


def frozen(round, code="citizens"):
    pools = {
        pool.division_id: pool for pool in db.session.scalars(select(Pool).where(Pool.round_id == round.id))
    }
    division = next(asked.division for asked in round.divisions if asked.division.code == code)
    return pool_items(pools[division.id].file)


def test_a_barred_item_is_not_in_the_pool(contest, round):
    lock(contest)
    set_paper(round, Cell("T1", "NB", 3), barred=("T1-NB-002",))
    open_round(round)

    assert set(frozen(round)) == {f"T1-NB-{number:03d}" for number in (1, 3, 4, 5, 6)}


def test_a_required_item_is_on_every_paper(contest, round):
    lock(contest)
    set_paper(round, Cell("T1", "NB", 1, frozenset({"code:T1-NB-004"})), Cell("T1", "NB", 2))
    open_round(round)
    builders.change_locked(round, opens_at=db_now(db.session()) - timedelta(hours=1))

    papers = [builders.start(builders.make_person(contest), round).paper for _ in range(8)]

    assert all("T1-NB-004" in {item["code"] for item in paper} for paper in papers)
    assert len({item["code"] for paper in papers for item in paper}) > 3
    tags = {code: item.tags for code, item in frozen(round).items()}
    assert tags["T1-NB-004"] == {"code:T1-NB-004"}
    assert tags["T1-NB-001"] == set()


def test_no_other_item_passes_for_a_required_one(contest, round):
    lock(contest)
    approve("T1-NB-900", tags=("code:T9-NB-001", "luật"))
    set_paper(round, Cell("T1", "NB", 1, frozenset({"code:T9-NB-001"})))

    with pytest.raises(Conflict, match="câu bắt buộc T9-NB-001 không dùng được"):
        open_round(round)


def test_a_required_item_of_another_rounds_pool_is_refused(contest, round):
    lock(contest)
    set_paper(round, Cell("T1", "NB", 3))
    open_round(round)
    other = contests.find_round(db.session(), builders.make_round(contest, opens_in=timedelta(days=9)).id)
    set_paper(other, Cell("T1", "NB", 1, frozenset({"code:T1-NB-001"})))

    with pytest.raises(Conflict, match="câu bắt buộc T1-NB-001"):
        open_round(other)
