"""Questions of the bank that read alike: searched for, shown side by side, told apart."""

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError

from contest import bank, duplicates, jobs, tasks
from contest.clock import db_now
from contest.errors import Conflict
from contest.extensions import db
from contest.models import AuditEvent, Distinction, FoundDuplicate, ItemVersion
from question_bank.differences import Piece, side_by_side
from question_bank.items import Item, Option
from tests import builders
from tests.test_admin import page, post, words
from tests.test_bank_pages import approved, make_draft
from tests.visiting import visit

AGE = "Công dân từ đủ bao nhiêu tuổi phải làm thẻ căn cước theo quy định của Luật Căn cước?"
SAME_AGE = "Theo quy định của Luật Căn cước, công dân từ đủ bao nhiêu tuổi phải làm thẻ căn cước?"
OTHER_NUMBER = "Hồ sơ được trả trong 3 ngày làm việc kể từ khi nhận?"
NUMBER = "Hồ sơ được trả trong 5 ngày làm việc kể từ khi nhận?"


@pytest.fixture
def author(session):
    return builders.make_staff(name="Người soạn")


@pytest.fixture
def two(author):
    """Two drafts that read alike, and two that differ in a number."""
    drafts = [
        make_draft(author, f"T2-90{place}", stem=stem)
        for place, stem in enumerate((AGE, SAME_AGE, NUMBER, OTHER_NUMBER))
    ]
    # Of another wording, so that the pairs are no copies.
    bank.edit(
        db.session(), "T2-901", changed(drafts[1], legal_article="Điều 1"), author_id=author.id, now=now()
    )
    db.session.commit()
    return drafts


def changed(version, **changes):
    item = bank.item_of(version)
    return Item(**{name: getattr(item, name) for name in item.__dataclass_fields__} | changes)


def now():
    return db_now(db.session())


def search(author):
    task = duplicates.order(db.session(), now=now(), actor_id=author.id)
    db.session.commit()
    jobs.do_tasks()
    db.session.refresh(task)
    assert (task.error, task.finished_at is None) == (None, False)
    return task


def pairs(task, number=1):
    return [
        (pair.first.item.code, pair.second.item.code)
        for pair in duplicates.page_of_pairs(db.session(), task, number=number).rows
    ]


def fingerprints(*codes):
    return tuple(bank.newest_version(db.session(), code).fingerprint for code in codes)


def tell_apart(author, first="T2-900", second="T2-901"):
    return duplicates.tell_apart(
        db.session(), (first, second), fingerprints(first, second), actor_id=author.id, now=now()
    )


# --- the search ------------------------------------------------------------------------------------


def test_a_search_finds_the_pairs_and_says_so(author, two):
    task = search(author)

    assert pairs(task) == [("T2-900", "T2-901")]
    assert (task.done, task.total) == (4, 4)
    assert task.result["text"] == "Trong 4 câu hỏi có 1 cặp câu gần giống nhau."
    assert duplicates.search(db.session()) == (4, [("T2-900", "T2-901", 1.0)])


def test_a_bank_without_items_is_searched_too(author):
    assert pairs(search(author)) == []


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_in_steps_the_same_is_found(author, two, monkeypatch, chunk):
    make_draft(author, "T2-910", stem=f"{AGE} Vì sao")
    expected = {(first, second) for first, second, _ in duplicates.search(db.session())[1]}
    monkeypatch.setattr(duplicates, "CHUNK", chunk)

    assert set(pairs(search(author))) == expected == {("T2-900", "T2-901"), ("T2-900", "T2-910")}


def test_a_killed_search_goes_on_where_it_was(author, two, monkeypatch):
    monkeypatch.setattr(duplicates, "CHUNK", 2)
    task = duplicates.order(db.session(), now=now(), actor_id=author.id)
    db.session.commit()
    tasks.step(db.session(), jobs.STEPS, now=now())
    db.session.commit()
    tasks.step(db.session(), jobs.STEPS, now=now())
    db.session.rollback()  # the worker is gone before its commit

    assert (task.done, task.finished_at) == (2, None)
    jobs.do_tasks()
    db.session.refresh(task)
    assert (task.done, pairs(task)) == (4, [("T2-900", "T2-901")])


def test_one_search_at_a_time_and_the_last_one_counts(author, two):
    first = duplicates.order(db.session(), now=now(), actor_id=author.id)
    assert duplicates.order(db.session(), now=now(), actor_id=author.id) is first
    jobs.do_tasks()
    second = search(author)

    assert second.id != first.id
    assert duplicates.last_search(db.session()).id == second.id
    assert db.session.scalars(select(FoundDuplicate.task_id)).all() == [second.id]


def test_retired_items_are_left_out_and_pairs_go_when_a_text_changes(author, two):
    approved(author, "T2-920", stem=f"{NUMBER} Bao lâu")
    assert ("T2-902", "T2-920") in pairs(search(author))
    bank.retire(
        db.session(),
        [bank.newest_version(db.session(), "T2-920")],
        reason="Thay thế",
        actor_id=author.id,
        now=now(),
    )
    task = duplicates.last_search(db.session())
    assert pairs(task) == [("T2-900", "T2-901")]

    bank.edit(db.session(), "T2-900", changed(two[0], stem="Câu khác hẳn?"), author_id=author.id, now=now())
    assert pairs(task) == []
    assert pairs(search(author)) == []


# --- telling apart ---------------------------------------------------------------------------------


def test_what_was_told_apart_is_not_shown_again_until_a_text_changes(author, two):
    task = search(author)
    assert tell_apart(author) is True
    assert tell_apart(author) is False
    assert tell_apart(author, "T2-901", "T2-900") is False

    assert pairs(task) == pairs(search(author)) == []
    told = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert (told.action, told.actor_id, told.after["codes"]) == (
        "bank.tell_apart",
        author.id,
        ["T2-900", "T2-901"],
    )
    (made,) = db.session.scalars(select(Distinction)).all()
    assert (made.made_by_id, made.made_at <= now()) == (author.id, True)

    # Another explanation changes neither text.
    bank.edit(db.session(), "T2-900", changed(two[0], explanation="Khác."), author_id=author.id, now=now())
    assert pairs(search(author)) == []
    bank.edit(db.session(), "T2-900", changed(two[0], stem=f"Hỏi: {AGE}"), author_id=author.id, now=now())
    assert pairs(search(author)) == [("T2-900", "T2-901")]


def test_who_saw_another_text_is_asked_to_read_again(author, two):
    seen = fingerprints("T2-900", "T2-901")
    bank.edit(db.session(), "T2-900", changed(two[0], stem=f"Hỏi: {AGE}"), author_id=author.id, now=now())
    with pytest.raises(Conflict, match="vừa được sửa"):
        duplicates.tell_apart(db.session(), ("T2-900", "T2-901"), seen, actor_id=author.id, now=now())


def test_copies_can_not_be_told_apart(author, two):
    make_draft(author, "T2-930", stem=AGE.upper())
    with pytest.raises(Conflict, match="giống hệt"):
        tell_apart(author, "T2-900", "T2-930")


def test_the_database_refuses_a_pair_in_another_order(author):
    row = {"first_fingerprint": "b", "second_fingerprint": "a", "made_by_id": author.id, "made_at": now()}
    with pytest.raises(IntegrityError, match="ck_distinctions_in_order"):
        db.session.execute(insert(Distinction).values(row))


def test_two_who_tell_the_same_apart_leave_one_note_and_one_event(live_app):
    author = builders.make_staff()
    for code, stem in (("T2-900", AGE), ("T2-901", SAME_AGE)):
        make_draft(author, code, stem=stem)
    author_id = author.id

    def work():
        found = duplicates.tell_apart(
            db.session(),
            ("T2-900", "T2-901"),
            fingerprints("T2-900", "T2-901"),
            actor_id=author_id,
            now=now(),
        )
        db.session.commit()
        return found

    duplicates.tell_apart(
        db.session(), ("T2-900", "T2-901"), fingerprints("T2-900", "T2-901"), actor_id=author_id, now=now()
    )
    thread, results = builders.in_thread(live_app, work)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert results == [False]
    actions = db.session.scalars(select(AuditEvent.action).where(AuditEvent.action == "bank.tell_apart"))
    assert actions.all() == ["bank.tell_apart"]


# --- side by side ----------------------------------------------------------------------------------


def test_side_by_side_each_keeps_its_own_words_marked():
    def item(stem, *options):
        texts = tuple(map(Option, options))
        return Item(code="T1-1", kind="single", stem=stem, options=texts, key=(0,), topic="T1", level="NB")

    sides = {
        side.part: (side.first, side.second)
        for side in side_by_side(item("Có hai mức?", "Một", "Hai"), item("Có ba mức?", "Một", "Ba"), {})
    }

    assert sides["Câu hỏi"] == (
        (Piece("same", "Có "), Piece("own", "hai "), Piece("same", "mức?")),
        (Piece("same", "Có "), Piece("own", "ba "), Piece("same", "mức?")),
    )
    assert sides["Phương án A"] == ((Piece("same", "Một"),), (Piece("same", "Một"),))
    assert "Hình" not in sides


# --- pages -----------------------------------------------------------------------------------------


@pytest.fixture
def organizer(app, author):
    return builders.sign_in(visit(app), author)


def test_the_page_offers_a_search_shows_pairs_and_takes_one_off(organizer, author, two):
    assert "Chưa tìm lần nào" in page(organizer, "/admin/bank/duplicates")
    started = post(organizer, "/admin/bank/duplicates/search")
    assert "/admin/tasks/" in started.location
    assert "Đang tìm" in page(organizer, "/admin/bank/duplicates")
    jobs.do_tasks()

    html = page(organizer, "/admin/bank/duplicates")
    assert "T2-900 và T2-901, giống 100,0%" in words(html)
    assert "<mark>" in html
    assert "T2-902" not in html
    assert "/admin/bank/T2-901/edit" in html

    first, second = fingerprints("T2-900", "T2-901")
    fields = {"first": "T2-900", "second": "T2-901", "first_seen": first, "second_seen": second}
    assert post(organizer, "/admin/bank/duplicates/distinctions", **fields).status_code == 303
    html = page(organizer, "/admin/bank/duplicates")
    assert "hai câu khác nhau" in html
    assert "Không có cặp nào gần giống nhau" in html


@pytest.mark.parametrize(
    "fields, status",
    [
        ({}, 404),
        ({"first": "T2-900", "second": "T9-999"}, 404),
        ({"first": "T2-900", "second": "T2-901", "first_seen": "x", "second_seen": "y"}, 409),
        ({"first": "T2-900", "second": "T2-900", "page": "-1"}, 409),
    ],
)
def test_what_names_no_pair_is_refused(organizer, two, fields, status):
    assert post(organizer, "/admin/bank/duplicates/distinctions", **fields).status_code == status
    assert db.session.scalars(select(Distinction)).all() == []


@pytest.mark.parametrize("number", ["0", "-5", "99999999999999999999", "x"])
def test_a_page_that_is_not_there_is_the_nearest(organizer, author, two, number):
    search(author)
    assert "T2-900 và T2-901" in words(page(organizer, f"/admin/bank/duplicates?page={number}"))


def test_pairs_come_in_pages(organizer, author, monkeypatch):
    monkeypatch.setattr(duplicates, "PAGE_SIZE", 2)
    for place in range(6):
        make_draft(author, f"T2-9{place:02d}", stem=f"{AGE} Lần {place // 2}")
    task = search(author)
    assert len(pairs(task)) == 2
    assert len(pairs(task, 2)) == 1
    assert 'aria-current="page"' in page(organizer, "/admin/bank/duplicates?page=2")


# --- how long it takes -----------------------------------------------------------------------------


def test_a_large_bank_is_searched_in_few_statements(live_app):
    """trials/measure_bank.py measures 20,000 items; here, that the work does not grow with the pairs."""
    stems = builders.fill_bank(1_500)
    author_id = db.session.scalar(select(ItemVersion.author_id).limit(1))
    task = duplicates.order(db.session(), now=now(), actor_id=author_id)
    db.session.commit()
    statements = []
    event.listen(db.engine, "before_cursor_execute", lambda *details: statements.append(details[2]))
    jobs.do_tasks()

    db.session.refresh(task)
    assert (task.error, task.done) == (None, 1_500)
    assert duplicates.page_of_pairs(db.session(), task, number=1).total > 0.9 * len(stems) // 20
    assert len(statements) < 30
