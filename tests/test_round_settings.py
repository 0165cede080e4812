"""A round is set up, saved by who has seen it, cloned, deleted; opened, nothing of it changes."""

import hashlib
import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from contest import contest_settings, contests, leaderboards, public_texts, publishing, round_settings
from contest.cli import main
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.models import Account, AuditEvent, Division, Prize, Round, RoundDivision
from contest.pools import loaded, specification_cells
from contest.rules.configuration import PrizeSettings
from contest.saved_changes import ChangedMeanwhile
from question_bank.draw import Cell, draw_paper, paper_seed
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def organizer(session):
    return builders.make_staff(name="Chị Hoa")


@pytest.fixture
def round(contest):
    return contests.find_round(db.session(), builders.make_round(contest, opens_in=timedelta(days=2)).id)


def settings_of(round):
    return round_settings.settings_of_round(db.session(), round)


def save(round, organizer, *, seen=None, **changed):
    is_changed = round_settings.save_round(
        db.session(),
        round,
        replace(settings_of(round), **changed),
        seen=round.configuration_version if seen is None else seen,
        now=db_now(db.session()),
        actor_id=organizer.id,
    )
    db.session.commit()
    return is_changed


def last_event():
    return db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()


# --- saving --------------------------------------------------------------------------------------


def test_a_change_is_stored_with_its_version_and_what_was_before(round, organizer):
    assert save(round, organizer, cooldown_ms=1_800_000, attempts_allowed=2)

    event = last_event()
    assert (round.cooldown_ms, round.configuration_version) == (1_800_000, 2)
    assert (event.action, event.actor_id) == ("round.configure", organizer.id)
    assert event.before == {"cooldown_ms": 0, "attempts_allowed": 1}
    assert event.after == {"version": 2, "cooldown_ms": 1_800_000, "attempts_allowed": 2}


def test_saving_what_is_there_changes_nothing(round, organizer):
    before = last_event().id if db.session.scalar(select(AuditEvent.id).limit(1)) else 0

    assert not save(round, organizer)

    assert round.configuration_version == 1
    assert db.session.scalar(select(AuditEvent.id).where(AuditEvent.id > before)) is None


def test_everything_that_is_set_comes_back_as_it_was_set(round, organizer):
    present = settings_of(round)
    divisions = tuple(
        replace(
            one,
            specification=(
                Cell("T2", "TH", 1, frozenset({"code:T2-TH-001"})),
                Cell("T1", "NB", 2, frozenset({"x"})),
            ),
            barred=("T1-NB-001",),
            chain=("points", "attempts_used", "registered_at"),
            prediction_counted=None,
            prediction_over="round",
            unit_formula="points",
            unit_threshold_percent=30,
            unit_minimum_headcount=5,
            is_listed_below_threshold=False,
        )
        for one in present.divisions
    )
    prizes = (
        PrizeSettings(code="", division="citizens", title="Giải Đặc biệt", count=1, worth=5, unit_points=3),
        *present.prizes[::-1],
    )
    save(
        round,
        organizer,
        title="Vòng khác",
        opens_at=present.opens_at + timedelta(hours=1),
        is_partial=True,
        score_shown="after_closing",
        is_leaderboard_live=True,
        is_skipping_earlier_winners=True,
        seed_text_source="xổ số",
        lot_text_source="xổ số tuần sau",
        divisions=divisions,
        prizes=prizes,
    )

    stored = settings_of(contests.find_round(db.session(), round.id))
    assert stored.divisions == divisions
    assert [prize.title for prize in stored.prizes] == [prize.title for prize in prizes]
    assert stored.prizes[0].code == "citizens-giai-dac-biet"
    assert (stored.title, stored.lot_text_source) == ("Vòng khác", "xổ số tuần sau")
    assert stored.opens_at == present.opens_at + timedelta(hours=1)


def test_required_items_are_drawn_before_cells_that_could_take_them(round, organizer):
    present = settings_of(round)
    cells = (Cell("T1", "NB", 2), Cell("T1", "NB", 1, frozenset({"code:T1-NB-001"})))
    save(
        round,
        organizer,
        divisions=tuple(replace(one, specification=cells) for one in present.divisions),
    )

    assert settings_of(round).divisions[0].specification == cells[::-1]


def test_a_division_may_leave_and_come_back(round, organizer):
    present = settings_of(round)
    citizens = next(one for one in present.divisions if one.division == "citizens")
    save(round, organizer, divisions=(citizens,), prizes=())
    assert [one.division.code for one in round.divisions] == ["citizens"]

    save(round, organizer, divisions=present.divisions)

    assert len(round.divisions) == 2


def test_what_is_wrong_is_told_by_field_and_nothing_is_stored(round, organizer):
    with pytest.raises(BadInput) as refused:
        save(round, organizer, closes_at=round.opens_at, title="")

    db.session.rollback()
    assert set(refused.value.fields) == {"closes_at", "title"}
    assert round.title == "Vòng thử"


def test_a_number_that_is_taken_is_told_at_its_field(contest, round, organizer):
    builders.make_round(contest, number=7)

    with pytest.raises(BadInput) as refused:
        save(round, organizer, number=7)

    assert set(refused.value.fields) == {"number"}


# --- two people at once --------------------------------------------------------------------------


def test_the_second_of_two_is_told_who_saved_what(round, organizer):
    save(round, organizer, seen=1, cooldown_ms=60_000, attempts_allowed=2)

    with pytest.raises(ChangedMeanwhile) as told:
        save(round, builders.make_staff(), seen=1, title="Tên của người thứ hai")

    for words in ("Chị Hoa đã lưu lúc", "số lượt thi", "khoảng cách giữa hai lượt"):
        assert words in told.value.sentence
    assert told.value.version == 2


def test_of_eight_who_save_at_once_one_does(live_app):
    round_id = builders.make_round(builders.make_contest(), opens_in=timedelta(days=2)).id
    organizer_id = builders.make_staff().id
    outcomes, start = [], threading.Barrier(8)

    def save_mine(number):
        with live_app.app_context():
            session = db.session()
            round = contests.find_round(session, round_id)
            settings = replace(round_settings.settings_of_round(session, round), title=f"Tên {number}")
            now = db_now(session)
            start.wait()
            try:
                round_settings.save_round(session, round, settings, seen=1, now=now, actor_id=organizer_id)
                session.commit()
                outcomes.append("saved")
            except ChangedMeanwhile:
                session.rollback()
                outcomes.append("told")
            db.session.remove()

    threads = [threading.Thread(target=save_mine, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["saved"] + ["told"] * 7
    db.session.rollback()
    assert db.session.get_one(Round, round_id).configuration_version == 2


# --- which divisions it is for -------------------------------------------------------------------


def without(round, code, **changed):
    settings = settings_of(round)
    return {"divisions": tuple(one for one in settings.divisions if one.division != code)} | changed


def test_a_division_leaves_with_what_was_asked_of_it_and_the_log_keeps_it(round, organizer):
    prizes = tuple(one for one in settings_of(round).prizes if one.division == "officials")
    asked = next(one for one in settings_of(round).divisions if one.division == "citizens")

    assert save(round, organizer, **without(round, "citizens", prizes=prizes))

    assert [one.division for one in settings_of(round).divisions] == ["officials"]
    event = last_event()
    assert event.before["citizens.division"] == "citizens"
    assert event.before["citizens.chain"] == list(asked.chain)
    assert event.after["citizens.division"] is None
    assert event.after["citizens.chain"] is None
    assert not any(name.startswith("officials.") for name in event.after)


def test_a_division_that_prizes_name_stays(round, organizer):
    with pytest.raises(BadInput, match="còn giải thưởng của bảng Người dân") as refused:
        save(round, organizer, **without(round, "citizens"))

    assert list(refused.value.fields) == ["divisions"]
    db.session.rollback()
    assert len(settings_of(round).divisions) == 2


def test_a_division_begins_as_in_the_last_round_that_has_it_or_as_usual(contest, organizer, session):
    first = builders.make_round(contest, opens_in=timedelta(days=2), prizes=())
    of_first = settings_of(first).divisions
    contest.divisions.append(Division(code="guests", name="Khách", position=3, unit_kind="any"))
    session.commit()
    second = builders.make_round(contest, opens_in=timedelta(days=9), prizes=())
    for code in ("citizens", "guests"):
        builders.take_out(second, code)
        session.refresh(second)

    offered = round_settings.offered_divisions(session, contest_settings.find_contest(session, contest.id))

    assert list(offered) == ["officials", "citizens", "guests"]
    assert offered["citizens"] == of_first[1]
    assert (offered["guests"].specification, offered["guests"].unit_threshold_percent) == ((), 50)
    assert save(second, organizer, divisions=tuple(offered.values()))
    assert settings_of(second).divisions == tuple(offered.values())


def test_a_clone_is_for_the_same_divisions(contest, organizer, session):
    round = builders.make_round(contest, opens_in=timedelta(days=2), prizes=())
    builders.take_out(round, "officials")
    session.refresh(round)

    made = round_settings.clone_round(
        session,
        contest_settings.find_contest(session, contest.id),
        round,
        now=db_now(session),
        actor_id=organizer.id,
    )

    assert [one.division for one in settings_of(made).divisions] == ["citizens"]


def test_a_division_that_is_being_taken_out_of_the_contest_does_not_come_into_a_round(live_app):
    contest = builders.make_contest()
    contest.divisions.append(Division(code="guests", name="Khách", position=3, unit_kind="any"))
    db.session.commit()
    organizer_id = builders.make_staff().id
    round = builders.make_round(contest, opens_in=timedelta(days=2), prizes=())
    builders.take_out(round, "guests")
    round_id, contest_id = round.id, contest.id

    def add():
        session = db.session()
        found = contests.find_round(session, round_id)
        offered = round_settings.offered_divisions(
            session, contest_settings.find_contest(session, contest_id)
        )
        session.rollback()
        return save(found, session.get_one(Account, organizer_id), divisions=tuple(offered.values()))

    session = db.session()
    contest = contest_settings.find_contest(session, contest_id)
    settings = contest_settings.settings_of_contest(contest)
    contest_settings.save_contest(
        session,
        contest,
        replace(settings, divisions=settings.divisions[:2]),
        seen=1,
        now=db_now(session),
        actor_id=organizer_id,
    )
    thread, result = builders.in_thread(live_app, add)
    builders.wait_until_somebody_waits()
    session.commit()
    thread.join()

    assert isinstance(result[0], BadInput)
    assert "bảng thi của cuộc thi này" in result[0].sentence


# --- made, cloned, deleted -----------------------------------------------------------------------


def test_the_first_round_begins_with_what_is_usual(organizer, session):
    contest = contest_settings.find_contest(session, builders.make_contest().id)

    proposed = round_settings.proposed_round(session, contest, now=db_now(session))
    made = round_settings.create_round(session, contest, proposed, now=db_now(session), actor_id=organizer.id)

    assert (made.number, made.opened_at, made.seed_commitment) == (1, None, None)
    assert (proposed.opens_at.hour, len(proposed.divisions)) == (8, 2)
    assert last_event().action == "round.create"


def test_a_clone_is_a_week_later_with_the_next_number_and_no_seed(contest, round, organizer, session):
    round.title, round.attempts_allowed = "Tuần 1: Một cửa", 3
    contests.commit_seed(
        session, round, seed=b"s" * 32, data_key=builders.data_key(), now=db_now(session), actor_id=None
    )
    session.commit()

    made = round_settings.clone_round(
        session,
        contest_settings.find_contest(session, contest.id),
        round,
        now=db_now(session),
        actor_id=organizer.id,
    )

    assert (made.number, made.title) == (2, "Tuần 2: Một cửa")
    assert made.opens_at - round.opens_at == timedelta(days=7)
    assert made.closes_at - round.closes_at == timedelta(days=7)
    assert (made.seed_commitment, made.opened_at, made.seed_text, made.lot_text) == (None, None, None, None)
    one, other = settings_of(round), settings_of(made)
    assert (one.divisions, one.prizes, one.attempts_allowed) == (
        other.divisions,
        other.prizes,
        other.attempts_allowed,
    )


def test_a_round_that_was_never_opened_is_deleted_and_the_log_keeps_it(round, organizer, session):
    round_id = round.id
    round_settings.delete_round(session, round, reason="Lập nhầm", now=db_now(session), actor_id=organizer.id)
    session.commit()

    assert session.get(Round, round_id) is None
    assert session.scalar(select(Prize.id).where(Prize.round_id == round_id)) is None
    event = last_event()
    assert (event.action, event.reason, event.before["title"]) == ("round.delete", "Lập nhầm", "Vòng thử")


def test_an_opened_round_is_neither_saved_nor_deleted(round, organizer, session):
    builders.open_now(round)
    session.refresh(round)

    with pytest.raises(Conflict, match="đã khóa"):
        save(round, organizer, title="Khác")
    with pytest.raises(Conflict, match="không xóa được"):
        round_settings.delete_round(session, round, reason="x", now=db_now(session), actor_id=organizer.id)


# --- locked by the database ----------------------------------------------------------------------

LOCKED = [
    "UPDATE rounds SET duration_ms = 1",
    "UPDATE rounds SET counts = 'last'",
    "UPDATE rounds SET opens_at = opens_at - interval '1 hour'",
    "UPDATE rounds SET cooldown_ms = 5",
    "UPDATE rounds SET seed_text_source = 'x', seed_text = 'y'",
    "UPDATE rounds SET seed_commitment = 'other', seed_sealed = 'x'",
    "UPDATE rounds SET configuration_version = 9",
    "UPDATE rounds SET opened_at = NULL",
    "UPDATE round_divisions SET chain = '[\"points\"]'",
    "UPDATE round_divisions SET specification = '[]'",
    "UPDATE round_divisions SET barred = '[\"T1\"]'",
    "DELETE FROM round_divisions",
    "UPDATE prizes SET count = 100",
    "DELETE FROM prizes",
    "INSERT INTO prizes (round_id, division_id, code, title, position, count, unit_points, worth)"
    " SELECT round_id, division_id, 'x', 'x', 99, 1, 0, 0 FROM prizes LIMIT 1",
]
ALLOWED = [
    "UPDATE rounds SET closes_at = closes_at + interval '1 hour'",
    "UPDATE rounds SET ranked_at = statement_timestamp()",
    "UPDATE rounds SET closed_at = statement_timestamp()",
    "UPDATE round_divisions SET truth = 5",
]


@pytest.mark.parametrize("statement", LOCKED)
def test_the_database_refuses_changes_of_an_opened_round(round, session, statement):
    with session.begin_nested() as trial:
        session.execute(text(statement))  # not opened yet: it may
        trial.rollback()
    builders.open_now(round)

    with pytest.raises(IntegrityError, match="locked"), session.begin_nested():
        session.execute(text(statement))


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_the_life_of_a_round_changes_may_change(round, session, statement):
    builders.open_now(round)

    session.execute(text(statement))


def test_another_contests_planned_round_is_not_locked_by_this_one(contest, round, session, organizer):
    builders.open_now(round)
    other = contests.find_round(session, builders.make_round(contest, opens_in=timedelta(days=9)).id)

    assert save(other, organizer, title="Vẫn sửa được")
    assert session.scalar(select(RoundDivision.id).where(RoundDivision.round_id == other.id))


# --- public texts --------------------------------------------------------------------------------


@pytest.fixture
def mixed(contest):
    made = builders.make_round(
        contest, opens_in=timedelta(days=2), seed_text_source="Xổ số", lot_text_source="Xổ số sau"
    )
    return contests.find_round(db.session(), made.id)


def commit(round, secret=b"s" * 32):
    contests.commit_seed(
        db.session(),
        round,
        seed=secret,
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=None,
    )
    db.session.commit()


def write(round, words, organizer, kind="seed"):
    operation = public_texts.set_seed_text if kind == "seed" else public_texts.set_lot_text
    operation(db.session(), round, words, now=db_now(db.session()), actor_id=organizer.id)
    db.session.commit()


def test_the_text_is_written_down_after_the_commitment_and_before_the_opening(mixed, organizer):
    with pytest.raises(Conflict, match="cam kết"):
        write(mixed, "12345", organizer)
    commit(mixed)
    with pytest.raises(Conflict, match="văn bản công khai"):
        builders.open_now(mixed)
    db.session.rollback()
    write(mixed, "  Giải đặc biệt: 12345 ", organizer)
    assert mixed.seed_text == "Giải đặc biệt: 12345"
    builders.open_now(mixed)

    with pytest.raises(Conflict, match="đã được mở"):
        write(mixed, "67890", organizer)


def test_the_source_stands_from_the_commitment_on(mixed, organizer):
    commit(mixed)

    with pytest.raises(BadInput) as refused:
        save(mixed, organizer, seed_text_source="Nguồn khác")

    assert set(refused.value.fields) == {"seed_text_source"}


def test_papers_follow_from_the_secret_mixed_with_the_text(mixed, organizer, session):
    commit(mixed)
    write(mixed, "Giải: 12345", organizer)
    builders.open_now(mixed)
    builders.change_locked(mixed, opens_at=db_now(session) - timedelta(hours=1))
    person = builders.make_person(mixed.contest)

    attempt = builders.start(person, mixed)

    seed = hashlib.sha256(b"s" * 32 + "Giải: 12345".encode()).digest()
    pool = loaded(session, attempt.pool_id, attempt.pool.sha256)
    cells = specification_cells(mixed.divisions[0].specification)
    drawn = draw_paper(list(pool.items.values()), cells, paper_seed(seed, person.draw_id, 1))
    assert [item["code"] for item in attempt.paper] == [item.code for item in drawn]
    assert hashlib.sha256(b"s" * 32).hexdigest() == mixed.seed_commitment


def test_the_lots_wait_for_their_text_which_is_written_once(mixed, organizer, session):
    commit(mixed)
    write(mixed, "1", organizer)
    builders.open_now(mixed)
    builders.change_locked(mixed, opens_at=db_now(session) - timedelta(hours=1))
    closed = builders.close(mixed)
    with pytest.raises(Conflict, match="bốc thăm"):
        contests.key_of_lots(closed, data_key=builders.data_key())

    assert publishing.rank_round(session, closed, data_key=builders.data_key(), now=db_now(session)) == 0

    write(closed, " 777 ", organizer, kind="lot")

    assert leaderboards.rounds_to_rank(session) == [closed.id]
    assert contests.key_of_lots(closed, data_key=builders.data_key()) == hashlib.sha256(b"777").digest()
    with pytest.raises(Conflict, match="giữ nguyên"):
        write(closed, "888", organizer, kind="lot")
    with pytest.raises(IntegrityError, match="stands"), session.begin_nested():
        session.execute(text("UPDATE rounds SET lot_text = '888'"))


def test_a_commitment_is_made_once(round, session):
    commit(round, b"a" * 32)
    first = round.seed_commitment

    commit(round, b"b" * 32)

    assert round.seed_commitment == first


def test_the_list_on_the_command_line_names_the_divisions(live_app, monkeypatch):
    settings = live_app.config["CONTEST"]
    monkeypatch.setenv("CONTEST_ENV", "test")
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(settings, name)))
    contest = builders.make_contest()
    builders.make_round(contest, opens_in=timedelta(days=2))
    builders.take_out(builders.make_round(contest, opens_in=timedelta(days=9), prizes=()), "citizens")

    as_json = CliRunner().invoke(main, ["round", "list", "--json"])
    as_text = CliRunner().invoke(main, ["round", "list"])

    assert [row["divisions"] for row in json.loads(as_json.stdout)] == [
        ["officials", "citizens"],
        ["officials"],
    ]
    assert as_text.stdout.splitlines()[-1].endswith("Vòng thử (officials)")
