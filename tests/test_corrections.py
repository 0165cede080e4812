"""Corrections: the effect before anybody signs, the regrade in steps, and what everybody then sees."""

import threading
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from contest import contests, corrections, exclusions, jobs, pools, proposals, regrading, tasks
from contest.cli import main
from contest.clock import db_now
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.models import Attempt, AuditEvent, Correction, Pool, RoundDivision, Standing, Task
from contest.rules.scoring import POINT
from tests import builders
from tests.visiting import visit

EVERYTHING = (
    "SELECT id, points, duration_ms FROM attempts ORDER BY id",
    "SELECT account_id, attempt_id, points, full_points, attempts_used, prediction_error, position, rank,"
    " separated_by FROM standings ORDER BY account_id",
    "SELECT division_id, unit_id, position, rank, people, headcount, rate, mean, value FROM unit_standings"
    " ORDER BY division_id, unit_id",
    "SELECT division_id, truth FROM round_divisions ORDER BY id",
)


@pytest.fixture
def contest(app):
    return builders.make_contest()


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def staff(app):
    return builders.make_staff(name="Người đề nghị"), builders.make_staff("approver", name="Người phê duyệt")


def found(round):
    return contests.find_round(db.session(), round.id)


def code_on(*attempts):
    """A code that is on the papers of all of these."""
    papers = [{item["code"] for item in attempt.paper} for attempt in attempts]
    return sorted(set.intersection(*papers))[0]


def propose(round, code, keys, staff, *, note="Câu hỏi có sai sót."):
    proposal = corrections.propose(
        db.session(),
        found(round),
        code,
        keys,
        reason="Kiến nghị của thí sinh",
        note=note,
        data_key=builders.data_key(),
        now=db_now(db.session()),
        actor_id=staff[0].id,
    )
    db.session.commit()
    return proposal


def accept(round, proposal, staff):
    now = db_now(db.session())
    accepted = proposals.accept(db.session(), proposal.id, actor_id=staff[1].id, now=now)
    task = corrections.make(db.session(), found(round), accepted, now=now)
    db.session.commit()
    return task


def correct(round, code, keys, staff):
    """Propose, accept, and let the worker do it."""
    task = accept(round, propose(round, code, keys, staff), staff)
    jobs.do_tasks()
    db.session.expire_all()
    return task


def points_of(*attempts):
    db.session.expire_all()
    return [db.session.get_one(Attempt, attempt.id).points / POINT for attempt in attempts]


def with_all_items(contest, **settings):
    """A round whose papers have every item, so that everyone meets the corrected one."""
    builders.make_items(per_cell=3)
    specification = (
        {"topic": "T1", "level": "NB", "count": 3, "tags": []},
        {"topic": "T2", "level": "TH", "count": 2, "tags": []},
    )
    return builders.open_now(builders.make_round(contest, specification=specification, **settings))


def answered(contest, round, code, *, is_right, **facts):
    """A person who has all items right, but for this one where told so."""
    person = facts.pop("person", None) or builders.make_person(contest)
    attempt = builders.finish_attempt(person, round, right=5, is_scored=False, **facts)
    if not is_right:
        place = next(str(n) for n, item in enumerate(attempt.paper, 1) if item["code"] == code)
        item = attempt.paper[int(place) - 1]
        attempt.responses = attempt.responses | {place: ["abcd"[item["order"].index(3)]]}
    db.session.commit()
    builders.score_all()
    db.session.refresh(attempt)
    return attempt


CODE = "T1-NB-001"


# --- points ----------------------------------------------------------------------------------------


def test_a_voided_item_is_a_full_point_to_everyone_who_had_it(contest, staff):
    round = with_all_items(contest)
    right, wrong = (answered(contest, round, CODE, is_right=one) for one in (True, False))
    assert points_of(right, wrong) == [5, 4]

    task = correct(round, CODE, None, staff)

    assert points_of(right, wrong) == [5, 5]
    assert set(db.session.scalars(select(Standing.points))) == {5 * POINT}
    assert (task.done, task.total, task.result["changed"], task.error) == (2, 2, 1, None)
    assert db.session.scalars(select(Correction)).one().applied_at is not None


def test_another_key_takes_the_point_from_some_and_gives_it_to_others(contest, staff):
    round = with_all_items(contest)
    right, wrong = (answered(contest, round, CODE, is_right=one) for one in (True, False))
    correct(round, CODE, [[3]], staff)
    assert points_of(right, wrong) == [4, 5]


def test_of_two_accepted_keys_either_pays(contest, staff):
    round = with_all_items(contest)
    right, wrong = (answered(contest, round, CODE, is_right=one) for one in (True, False))
    correct(round, CODE, [[1], [3]], staff)
    assert points_of(right, wrong) == [5, 5]


def test_a_later_correction_supersedes_the_one_before(contest, staff):
    round = with_all_items(contest)
    right, wrong = (answered(contest, round, CODE, is_right=one) for one in (True, False))
    correct(round, CODE, None, staff)
    correct(round, CODE, [[1]], staff)  # it was right after all
    assert points_of(right, wrong) == [5, 4]
    states = [(one.keys, one.superseded_at is None) for one in corrections.of_round(db.session(), round.id)]
    assert states == [([[1]], True), (None, False)]


def test_what_is_submitted_later_follows_the_correction(contest, staff):
    round = with_all_items(contest)
    correct(round, CODE, [[3]], staff)
    assert answered(contest, round, CODE, is_right=False).points == 5 * POINT


def test_the_attempt_that_counts_is_chosen_again(contest, staff):
    round = with_all_items(contest, attempts_allowed=2)
    person = builders.make_person(contest)
    first = answered(contest, round, CODE, is_right=True, person=person, ago=timedelta(minutes=60))
    second = answered(contest, round, CODE, is_right=False, person=person, ago=timedelta(minutes=30))
    assert db.session.scalar(select(Standing.attempt_id)) == first.id
    correct(round, CODE, [[3]], staff)
    assert db.session.scalar(select(Standing.attempt_id)) == second.id


def test_who_is_excluded_is_regraded_too_and_stands_rightly_when_let_in(contest, staff):
    round = with_all_items(contest)
    wrong = answered(contest, round, CODE, is_right=False)
    how = {"now": db_now(db.session()), "actor_id": staff[0].id, "approved_by_id": staff[1].id}
    exclusions.exclude(db.session(), found(round), wrong.account_id, kind="withdrawn", reason="Rút", **how)
    correct(round, CODE, None, staff)
    assert db.session.scalar(select(Standing.id)) is None
    exclusions.lift(db.session(), found(round), wrong.account_id, reason="Nhầm", **how)
    assert db.session.scalar(select(Standing.points)) == 5 * POINT


# --- the books and the winners ---------------------------------------------------------------------


def test_after_the_books_the_truth_is_counted_again_and_everyone_ranked(contest, staff):
    round = with_all_items(contest)
    near = answered(contest, round, CODE, is_right=True, prediction=2, took=timedelta(minutes=9))
    far = answered(contest, round, CODE, is_right=True, prediction=3, took=timedelta(minutes=8))
    answered(contest, round, CODE, is_right=False, took=timedelta(minutes=7))
    builders.close(round)
    best = select(Standing.attempt_id).order_by(Standing.position).limit(1)
    assert db.session.scalar(best) == near.id

    sentences = corrections.effect(db.session(), found(round), CODE, None, data_key=builders.data_key())
    assert "Đáp số câu dự đoán của bảng Người dân được đếm lại: từ 2 thành 3." in sentences
    correct(round, CODE, None, staff)

    assert db.session.scalar(best) == far.id
    assert sorted(db.session.scalars(select(RoundDivision.truth)), key=str) == [3, None]
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "round.recount_truth")).one()
    assert (event.before["truth"]["citizens"], event.after["truth"]["citizens"]) == (2, 3)


def test_the_effect_says_who_enters_and_who_leaves(contest, staff):
    round = with_all_items(contest, prediction_counted=None, prizes=(("Giải Nhất", 1), ("Giải Nhì", 1)))
    for minutes in (3, 4, 5):
        answered(contest, round, CODE, is_right=True, took=timedelta(minutes=minutes))
    answered(contest, round, CODE, is_right=False, took=timedelta(minutes=1))
    builders.close(round)
    everything = [db.session.execute(text(query)).all() for query in EVERYTHING]

    sentences = corrections.effect(db.session(), found(round), CODE, None, data_key=builders.data_key())

    assert sentences == [
        "4 người có câu này trong đề (4 bài đã chấm).",
        "1 bài đổi điểm: 1 bài tăng, 0 bài giảm.",
        "4 người đổi hạng.",
        "1 người vào danh sách đạt giải, 1 người ra, 1 người đổi giải.",
        "Không đơn vị nào đổi hạng.",
    ]
    assert [db.session.execute(text(query)).all() for query in EVERYTHING] == everything


def test_the_effect_of_several_attempts_names_what_the_regrade_does(contest, staff):
    """What is foretold is what comes: with re-chosen attempts, an excluded person, a recount, units."""
    round = with_all_items(contest, attempts_allowed=2)
    people = [builders.make_person(contest) for _ in range(6)]
    for place, person in enumerate(people):
        minutes = timedelta(minutes=2 + place)
        answered(contest, round, CODE, is_right=place % 2 == 0, person=person, took=minutes, prediction=place)
        answered(
            contest,
            round,
            CODE,
            is_right=place % 3 == 0,
            person=person,
            took=minutes,
            ago=timedelta(minutes=40),
            prediction=5,
        )
    builders.close(round)
    exclusions.exclude(
        db.session(),
        found(round),
        people[3].id,
        kind="withdrawn",
        reason="Rút",
        now=db_now(db.session()),
        actor_id=staff[0].id,
    )
    jobs.rank_what_changed()
    places = select(Standing.account_id, Standing.rank)
    before = dict(db.session.execute(places).all())
    truth = select(RoundDivision.truth).where(RoundDivision.truth.is_not(None))
    old_truth = db.session.scalar(truth)
    sentences = corrections.effect(db.session(), found(round), CODE, [[3]], data_key=builders.data_key())

    correct(round, CODE, [[3]], staff)

    after = dict(db.session.execute(places).all())
    moved = sum(before[one] != after[one] for one in before)
    assert f"{moved} người đổi hạng." in sentences
    assert moved
    new_truth = db.session.scalar(truth)
    if new_truth != old_truth:
        assert any(f"từ {old_truth} thành {new_truth}." in sentence for sentence in sentences)


def test_an_effect_on_nobody_says_so(contest, round, staff):
    builders.finish_attempt(builders.make_person(contest), round, right=5)
    code = sorted(corrections.items_of(db.session(), round))[0]
    sentences = corrections.effect(db.session(), found(round), code, [[1], [0]], data_key=builders.data_key())
    assert sentences[1] == "Không bài nào đổi điểm, không ai đổi hạng."


def test_nothing_is_published_while_scores_are_half_done(contest, staff):
    round = with_all_items(contest)
    answered(contest, round, CODE, is_right=False)
    builders.close(round, with_books=False)
    accept(round, propose(round, CODE, None, staff), staff)
    with pytest.raises(Conflict, match="đang được chấm lại"):
        builders.close_books(found(round), actor_id=staff[0].id)
    jobs.do_tasks()
    builders.close_books(found(round), actor_id=staff[0].id)


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [[], [[]], [[4]], [[-1]], [[0, 1]]], ids=str)
def test_a_key_that_no_answer_matches_is_refused(contest, round, staff, keys):
    code = sorted(corrections.items_of(db.session(), round))[0]
    with pytest.raises(BadInput):
        propose(round, code, keys, staff)


def test_what_holds_already_is_no_correction(contest, round, staff):
    code = sorted(corrections.items_of(db.session(), round))[0]
    with pytest.raises(Conflict, match="đang được áp dụng"):
        propose(round, code, [[1]], staff)
    correct(round, code, None, staff)
    with pytest.raises(Conflict, match="đang được áp dụng"):
        propose(round, code, None, staff)


def test_an_unknown_item_a_missing_note_and_an_unopened_round_are_refused(contest, round, staff):
    with pytest.raises(NotThere):
        propose(round, "T9-000", None, staff)
    code = sorted(corrections.items_of(db.session(), round))[0]
    with pytest.raises(Conflict, match="thông báo"):
        propose(round, code, None, staff, note="")
    planned = builders.make_round(contest, opens_in=timedelta(days=1))
    with pytest.raises(NotThere):
        propose(planned, code, None, staff)


# --- papers still to be drawn ----------------------------------------------------------------------


def test_a_voided_item_leaves_the_pools_that_have_enough_without_it(contest, round, staff):
    first = builders.start(builders.make_person(contest), round)
    code = code_on(first)
    correct(round, code, None, staff)

    versions = db.session.execute(
        select(Pool.version, Pool.file, Pool.item_versions, Pool.sha256).order_by(
            Pool.division_id, Pool.version
        )
    ).all()
    assert [row.version for row in versions] == [1, 2, 1, 2]
    for before, after in zip(versions[::2], versions[1::2], strict=True):
        items = pools.pool_items(before.file)
        items.pop(code)
        assert pools.pool_items(after.file) == items
        assert after.item_versions == {one: n for one, n in before.item_versions.items() if one != code}
    for _ in range(8):
        later = builders.start(builders.make_person(contest), round)
        assert code not in {item["code"] for item in later.paper}
        assert later.pool.version == 2


def test_where_a_cell_would_lack_one_the_item_stays_and_is_a_full_point(contest, staff):
    round = with_all_items(contest)
    sentences = corrections.effect(db.session(), found(round), CODE, None, data_key=builders.data_key())
    assert "không đủ câu thay" in sentences[-1]
    correct(round, CODE, None, staff)
    assert set(db.session.scalars(select(Pool.version))) == {1}
    later = answered(contest, round, CODE, is_right=False)
    assert later.points == 5 * POINT


# --- in steps --------------------------------------------------------------------------------------


def test_interrupted_between_chunks_it_ends_as_a_clean_run(contest, staff, monkeypatch):
    monkeypatch.setattr(regrading, "CHUNK", 3)
    round = with_all_items(contest)
    for place in range(8):
        answered(
            contest, round, CODE, is_right=place % 2 == 0, took=timedelta(minutes=1 + place), prediction=place
        )
    builders.close(round)
    task = accept(round, propose(round, CODE, [[3]], staff), staff)

    with db.session.begin_nested() as clean:
        while tasks.step(db.session(), jobs.STEPS, now=db_now(db.session())):
            pass
        expected = [db.session.execute(text(query)).all() for query in EVERYTHING]
        clean.rollback()
    db.session.expire_all()
    for interrupted_after in (1, 2):
        for _ in range(interrupted_after):
            tasks.step(db.session(), jobs.STEPS, now=db_now(db.session()))
        db.session.commit()
        with db.session.begin_nested() as killed:  # in the middle of the next step
            tasks.step(db.session(), jobs.STEPS, now=db_now(db.session()))
            killed.rollback()
        db.session.expire_all()
    assert db.session.get_one(Task, task.id).done > 0
    jobs.do_tasks()

    assert [db.session.execute(text(query)).all() for query in EVERYTHING] == expected
    finished = db.session.get_one(Task, task.id)
    assert (finished.done, finished.total, finished.result["changed"], finished.error) == (8, 8, 8, None)


def test_an_operator_scores_a_whole_round_again(contest, staff):
    round = with_all_items(contest)
    attempts = [answered(contest, round, CODE, is_right=one) for one in (True, False)]
    builders.rank(round)
    expected = [db.session.execute(text(query)).all() for query in EVERYTHING]
    db.session.execute(text("UPDATE attempts SET points = 0"))
    db.session.execute(text("UPDATE standings SET points = 0, attempts_used = 9"))
    regrading.rescore(db.session(), found(round), now=db_now(db.session()))
    db.session.commit()
    jobs.do_tasks()
    assert points_of(*attempts) == [5, 4]
    assert [db.session.execute(text(query)).all() for query in EVERYTHING] == expected


def test_a_correction_accepted_while_a_batch_is_scored_leaves_no_old_points(live_app):
    """The batch has read the keys and not committed yet: the acceptance waits for it, then regrades."""
    contest = builders.make_contest()
    round = with_all_items(contest)
    staff = builders.make_staff(), builders.make_staff("approver")
    proposal = propose(round, CODE, None, staff)
    attempt = answered(contest, round, CODE, is_right=False)
    db.session.execute(text("UPDATE attempts SET scored_at = NULL, points = NULL, duration_ms = NULL"))
    db.session.execute(text("DELETE FROM standings"))
    db.session.commit()
    ids, failures = (round.id, proposal.id, staff[1].id), []

    def work():
        with live_app.app_context():
            try:
                now = db_now(db.session())
                accepted = proposals.accept(db.session(), ids[1], actor_id=ids[2], now=now)
                corrections.make(db.session(), contests.find_round(db.session(), ids[0]), accepted, now=now)
                db.session.commit()
            except Exception as error:
                failures.append(error)
            finally:
                db.session.remove()

    builders.score_one_batch()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=0.5)
    assert thread.is_alive()
    db.session.commit()
    thread.join()
    assert not failures
    assert points_of(attempt) == [4]
    jobs.do_tasks()
    assert points_of(attempt) == [5]


def test_a_batch_that_waited_for_an_acceptance_scores_by_the_new_key(live_app):
    contest = builders.make_contest()
    round = with_all_items(contest)
    staff = builders.make_staff(), builders.make_staff("approver")
    proposal = propose(round, CODE, [[3]], staff)
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round, right=5, is_scored=False)
    attempt_id, scored = attempt.id, []
    db.session.commit()
    now = db_now(db.session())
    accepted = proposals.accept(db.session(), proposal.id, actor_id=staff[1].id, now=now)
    corrections.make(db.session(), contests.find_round(db.session(), round.id), accepted, now=now)

    def work():
        with live_app.app_context():
            scored.append(builders.score_one_batch())
            db.session.commit()
            db.session.remove()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=0.5)
    assert thread.is_alive()
    db.session.commit()
    thread.join()
    assert scored == [1]
    assert db.session.get_one(Attempt, attempt_id, populate_existing=True).points == 4 * POINT


# --- pages -----------------------------------------------------------------------------------------


def test_from_the_search_to_the_participants_review(app, contest, staff):
    round = with_all_items(contest)
    attempt = answered(contest, round, CODE, is_right=False)
    builders.close(round, with_books=False)
    browser, second = builders.sign_in(visit(app), staff[0]), builders.sign_in(visit(app), staff[1])
    page = f"/admin/rounds/{round.id}/corrections"
    assert CODE in browser.get(page, query_string={"q": "cau hoi t1 nb so 1"}).text
    shown = browser.get(f"{page}/new", query_string={"code": CODE, "action": "void", "key1": "1"}).text
    assert "1 bài đổi điểm: 1 bài tăng, 0 bài giảm." in shown
    assert "Chưa có gì thay đổi." in shown
    nothing = browser.get(f"{page}/new", query_string={"code": CODE, "action": "keys"}).text
    assert "Bạn hãy chọn phương án đúng." in nothing

    form = {"code": CODE, "action": "void", "reason": "Sai", "note": "Câu này có hai cách hiểu."}
    answer = browser.post(page, data=form | {"csrf_token": builders.csrf(browser)})
    assert answer.status_code == 303
    accepted = builders.accept(second, answer.location)
    assert accepted.status_code == 303
    assert "Đang chấm lại" in browser.get(page).text
    jobs.do_tasks()
    assert "Đã chấm lại" in browser.get(page).text

    review = builders.sign_in(visit(app), attempt.account).get(f"/attempts/{attempt.public_id}/result").text
    assert "Câu này đã được hủy" in review
    assert "Câu này có hai cách hiểu." in review
    assert "5/5 điểm" in review
    board = visit(app).get(f"/contests/{contest.slug}/leaderboard").text
    assert "Câu này có hai cách hiểu." in board
    builders.close_books(found(round), actor_id=staff[0].id)
    builders.rank(round)
    builders.publish(round)
    assert "Câu này có hai cách hiểu." in visit(app).get(f"/contests/{contest.slug}/winners").text


def test_before_the_round_is_closed_the_public_reads_no_note(app, contest, staff):
    round = with_all_items(contest, is_leaderboard_live=True)
    answered(contest, round, CODE, is_right=False)
    correct(round, CODE, None, staff)
    for address in ("leaderboard", "leaderboard/individuals"):
        assert "sai sót" not in visit(app).get(f"/contests/{contest.slug}/{address}").text


def test_the_command_scores_a_round_again(live_app, monkeypatch):
    for name in ("database_url", "redis_url", "secret_key", "data_key", "data_dir"):
        monkeypatch.setenv(f"CONTEST_{name.upper()}", str(getattr(live_app.config["CONTEST"], name)))
    monkeypatch.setenv("CONTEST_ENV", "test")
    contest = builders.make_contest()
    round = with_all_items(contest)
    attempt = answered(contest, round, CODE, is_right=True)
    db.session.execute(text("UPDATE attempts SET points = 0"))
    db.session.commit()

    answer = CliRunner().invoke(main, ["round", "rescore", str(round.number), "--contest", contest.slug])

    assert answer.exit_code == 0, answer.output
    assert "1 attempts scored again, 1 changed" in answer.output
    db.session.rollback()
    assert points_of(attempt) == [5]
    assert CliRunner().invoke(main, ["round", "rescore", "99"]).exit_code != 0


def test_a_regrade_that_was_given_up_is_caught_up_by_the_operator(contest, staff):
    round = with_all_items(contest)
    wrong = answered(contest, round, CODE, is_right=False)
    builders.close(round)
    task = accept(round, propose(round, CODE, None, staff), staff)
    task.finished_at, task.error = db_now(db.session()), jobs.GIVEN_UP
    db.session.commit()
    with pytest.raises(Conflict, match="đang được chấm lại"):
        builders.publish(round)
    regrading.rescore(db.session(), found(round), now=db_now(db.session()))
    jobs.do_tasks()
    assert points_of(wrong) == [5]
    builders.publish(round)
