"""Large files: read and imported by tasks in steps, all or nothing, once."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from contest import bank, duplicates, import_tasks, imports, jobs, kept_readings, tasks
from contest.clock import db_now
from contest.errors import Conflict
from contest.extensions import db
from contest.imports import Defaults, Near, Verdict
from contest.models import AuditEvent, BankImport, BankItem, ItemVersion, Task, TaskFile
from question_bank.formats import moodle_xml
from question_bank.formats.drafts import FoundItem, Problem, Reading
from question_bank.formats.drafts import Picture as FilePicture
from question_bank.items import Item, Option
from question_bank.items import Picture as StoredPicture
from tests import builders
from tests.pictures import stored
from tests.test_admin import page, post, words
from tests.test_bank_pages import make_draft
from tests.visiting import visit

HEAD = "Chủ đề;Mức độ;Câu hỏi;A;B;Đáp án;Căn cứ;Giải thích\n"
DEFAULTS = Defaults(divisions=("citizens", "officials"))
COUNT = import_tasks.LARGE_COUNT + 1
NAMES = "an binh cam dao em gio hoa khoa lan mai nga oanh phu quang son tam uyen vinh xuan yen"


def row(place, key="A", topic="T1"):
    """A question that reads like no other one."""
    names = NAMES.split()
    own = [names[place // 20**power % 20] + "xyzt"[power] for power in range(4)]
    return f"{topic};NB;{' '.join(own)} số {place}?;Phương án {place};Khác;{key};Luật số {place};Vì thế.\n"


def file_of(count, **details):
    return (HEAD + "".join(row(place, **details) for place in range(count))).encode("utf-8-sig")


def now():
    return db_now(db.session())


@pytest.fixture
def author(session):
    return builders.make_staff(name="Người nhập")


@pytest.fixture
def organizer(app, author):
    return builders.sign_in(visit(app), author)


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(import_tasks, "CHUNK", 100)


def bring(author, content, name="cau-hoi.csv"):
    return imports.keep(db.session(), name, content, brought_by_id=author.id, now=now())


def work():
    """Do what there is to do, as a worker does."""
    db.session.commit()
    jobs.do_tasks()
    db.session.expire_all()


def bring_and_read(author, content, name="cau-hoi.csv"):
    brought = bring(author, content, name)
    task = import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)
    work()
    assert (task.error, task.finished_at is None) == (None, False)
    return brought, task


def order(author, brought, count, defaults=DEFAULTS):
    return import_tasks.order_application(
        db.session(), brought, defaults, count=count, now=now(), actor_id=author.id
    )


def take_in(author, content, count, defaults=DEFAULTS):
    brought, _ = bring_and_read(author, content)
    task = order(author, brought, count, defaults)
    work()
    return brought, task


def count_of(model):
    return db.session.scalar(select(func.count()).select_from(model))


# --- reading ---------------------------------------------------------------------------------------


def test_a_file_is_large_by_its_bytes_or_by_what_is_in_it(monkeypatch):
    assert not import_tasks.is_large("a.csv", file_of(COUNT - 1))
    assert import_tasks.is_large("a.csv", file_of(COUNT))
    assert import_tasks.is_large("a.csv", file_of(COUNT, key=""))  # each an error
    read = []
    monkeypatch.setattr(imports, "read", lambda *file: read.append(file))
    assert import_tasks.is_large("a.csv", b"x" * (import_tasks.LARGE_FILE + 1))
    assert read == []


@pytest.mark.parametrize("chunk", [100, 1_000])
def test_in_steps_the_plan_is_what_it_is_at_once(author, monkeypatch, chunk):
    monkeypatch.setattr(import_tasks, "CHUNK", chunk)
    make_draft(author, "T2-900", stem="Ai là người xuân anx binhy ký vào hồ sơ của công dân đi vắng?")
    near = "T1;TH;Ai là người xuân anx binhy ký hồ sơ của công dân đi vắng?;Một;Hai;A;Luật;Vì.\n"
    again = "T1;TH;Của công dân đi vắng, ai là người xuân anx binhy ký hồ sơ?;Một;Ba;A;Luật;Vì.\n"
    imports.apply(
        db.session(), bring(author, file_of(30)), DEFAULTS, actor_id=author.id, now=now()
    )  # the first thirty are there
    content = file_of(20) + row(20, key="B").encode() + "".join(map(row, range(30, 250))).encode()
    content += (near + again + row(500, key="")).encode()
    expected = imports.plan(db.session(), "cau-hoi.csv", content, DEFAULTS)
    assert (len(expected.skipped), len(expected.changed), len(expected.added)) == (20, 1, 222)
    assert (expected.near_count, len(expected.near), len(expected.problems)) == (2, 2, 1)

    _, task = bring_and_read(author, content)

    planned = import_tasks.plan(db.session(), task, DEFAULTS)
    assert planned.added == expected.added
    assert [change.version_id for change in planned.changed] == [
        change.version_id for change in expected.changed
    ]
    assert (planned.skipped, planned.problems) == (expected.skipped, expected.problems)
    assert {(one.found.stem, str(one.like), one.similarity) for one in planned.near} == {
        (one.found.stem, str(one.like), one.similarity) for one in expected.near
    }
    assert (task.done, task.total) == (243, 243)


@pytest.mark.usefixtures("small_steps")
def test_a_killed_reading_goes_on_where_it_was(author, monkeypatch):
    brought = bring(author, file_of(250))
    task = import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)
    for _ in range(2):
        db.session.commit()
        tasks.step(db.session(), jobs.STEPS, now=now())
    db.session.commit()
    assert (task.done, task.total) == (100, 250)
    tasks.step(db.session(), jobs.STEPS, now=now())
    db.session.rollback()  # the worker is gone before its commit
    monkeypatch.setattr(imports, "read", None)  # the next one does not read the file again

    work()

    assert (task.done, task.error) == (250, None)
    assert len(import_tasks.plan(db.session(), task, DEFAULTS).added) == 250


def test_a_file_that_can_not_be_read_is_a_plan_of_one_problem(author):
    _, task = bring_and_read(author, b"PK\x03\x04 broken", "hong.xlsx")

    planned = import_tasks.plan(db.session(), task, DEFAULTS)
    assert (planned.added, [problem.kind for problem in planned.problems]) == ([], ["unreadable_file"])


def test_a_second_click_reads_nothing_twice_and_reading_again_forgets_the_first(author):
    brought, first = bring_and_read(author, file_of(3))
    second = import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)
    assert second.id != first.id
    assert import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id) is second
    assert count_of(TaskFile) == 0
    assert import_tasks.plan(db.session(), second, DEFAULTS) is None
    with pytest.raises(Conflict, match="chưa được đọc xong"):
        order(author, brought, 3)
    work()
    assert len(import_tasks.plan(db.session(), second, DEFAULTS).added) == 3


def test_what_nobody_imports_is_not_kept_for_ever(author):
    brought, task = bring_and_read(author, file_of(3))
    task.created_at = now() - import_tasks.KEPT * 1.01
    other = bring(author, file_of(2))
    import_tasks.order_reading(db.session(), other, now=now(), actor_id=author.id)

    assert import_tasks.plan(db.session(), task, DEFAULTS) is None
    with pytest.raises(Conflict, match="đọc lại tệp"):
        order(author, brought, 3)


# --- importing -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
def test_the_good_items_go_in_once_with_codes_in_the_files_order(author):
    content = file_of(250) + row(700, key="").encode()
    brought, task = take_in(author, content, 250)

    assert (task.error, task.done, task.total) == (None, 250, 250)
    assert task.result["text"].startswith("Đã thêm 250 câu hỏi, sửa 0 câu")
    codes = db.session.scalars(select(BankItem.code).order_by(BankItem.id)).all()
    assert codes == [f"T1-{number:03d}" for number in range(1, 251)]
    first = bank.newest_version(db.session(), "T1-001")
    assert (first.author_id, first.divisions) == (author.id, ["citizens", "officials"])
    assert first.search_text.startswith("t1-001 anx any anz ant so 0?")
    assert (brought.added, brought.changed) == (250, 0)
    actions = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions == ["item.add", "bank.import"]
    assert count_of(TaskFile) == 0


@pytest.mark.usefixtures("small_steps")
def test_in_steps_an_item_is_stored_as_at_once(author):
    take_in(author, file_of(3), 3)
    by_task = bank.newest_version(db.session(), "T1-003")
    direct = bank.content_of(
        imports.item_of_found(imports.read("a.csv", (HEAD + row(2)).encode()).items[0], "T1-003", DEFAULTS)
    )
    for name in set(direct) - {"picture", "search_text"}:
        assert getattr(by_task, name) == direct[name], name
    assert by_task.search_text == f"t1-003 {direct['search_text']}"


@pytest.mark.usefixtures("small_steps")
def test_nothing_is_there_before_all_is(author):
    brought, _ = bring_and_read(author, file_of(250))
    task = order(author, brought, 250)
    for done in (100, 200, 250):
        db.session.commit()
        tasks.step(db.session(), jobs.STEPS, now=now())
        assert (task.done, count_of(ItemVersion), brought.applied_at) == (done, 0, None)
    db.session.commit()
    tasks.step(db.session(), jobs.STEPS, now=now())
    db.session.rollback()  # killed in the last step
    assert count_of(ItemVersion) == 0

    work()
    assert (count_of(ItemVersion), brought.added, task.error) == (250, 250, None)


def test_a_second_application_is_the_first_and_then_a_refusal(author):
    brought, _ = bring_and_read(author, file_of(5))
    task = order(author, brought, 5)
    assert order(author, brought, 5) is task
    assert import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id) is task
    work()
    assert count_of(ItemVersion) == 5

    with pytest.raises(Conflict, match="đã được nhập"):
        order(author, brought, 5)
    with pytest.raises(Conflict, match="đã được nhập"):
        import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)


def test_the_same_file_again_adds_nothing(author):
    take_in(author, file_of(5), 5)
    _, task = bring_and_read(author, file_of(5))
    assert len(import_tasks.plan(db.session(), task, DEFAULTS).skipped) == 5


@pytest.mark.usefixtures("small_steps")
def test_other_keys_are_changes_of_which_each_is_a_draft(author):
    take_in(author, file_of(150), 150)
    brought, task = take_in(author, file_of(150, key="B"), 150)

    assert (task.error, brought.added, brought.changed, count_of(ItemVersion)) == (None, 0, 150, 150)
    assert {tuple(key) for key in db.session.scalars(select(ItemVersion.key))} == {(1,)}


def test_who_saw_another_number_is_asked_to_look_again(author):
    brought, _ = bring_and_read(author, file_of(5))
    with pytest.raises(Conflict, match="đã thay đổi"):
        order(author, brought, 4)
    with pytest.raises(Conflict, match="chưa được đọc"):
        order(author, bring(author, file_of(5)), 5)


def test_a_bank_that_changed_meanwhile_stops_the_import_and_reading_again_helps(author):
    brought, _ = bring_and_read(author, file_of(5))
    imports.apply(db.session(), bring(author, file_of(1)), DEFAULTS, actor_id=author.id, now=now())
    task = order(author, brought, 5)
    work()
    assert task.error == import_tasks.CHANGED_MEANWHILE
    assert (brought.applied_at, count_of(ItemVersion)) == (None, 1)

    import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)
    work()
    order(author, brought, 4)
    work()
    assert (brought.added, count_of(ItemVersion)) == (4, 5)


def test_a_file_that_was_imported_meanwhile_is_not_imported_again(author):
    brought, _ = bring_and_read(author, file_of(5))
    task = order(author, brought, 5)
    imports.apply(db.session(), brought, DEFAULTS, actor_id=author.id, now=now())
    work()
    assert (task.error, count_of(ItemVersion)) == ("Tệp này đã được nhập.", 5)


def test_pictures_come_along(author):
    item = Item(
        code="T1-001",
        kind="single",
        stem="Hình nào?",
        picture=stored(1),
        picture_alt="Một biển báo",
        options=(Option("Một"), Option("Hai")),
        key=(0,),
        topic="T1",
        level="NB",
    )
    brought, task = bring_and_read(author, moodle_xml.write([item]), "hinh.xml")
    (found,) = import_tasks.plan(db.session(), task, Defaults("T1", "NB")).added
    sha256 = found.picture.sha256
    assert import_tasks.picture(db.session(), brought, sha256)
    for name in ("0" * 64, "reading", "near"):
        assert import_tasks.picture(db.session(), brought, name) is None

    order(author, brought, 1, Defaults("T1", "NB"))
    work()
    kept = bank.item_of(bank.newest_version(db.session(), "T1-001"))
    assert (kept.picture.sha256, kept.picture_alt, len(kept.picture.content) > 0) == (
        sha256,
        "Một biển báo",
        True,
    )


@pytest.mark.usefixtures("small_steps")
def test_without_those_that_read_alike(author):
    make_draft(author, "T2-900", stem="Người xuân anx binhy ký vào hồ sơ của công dân đi vắng?")
    near = "T1;TH;Vào hồ sơ của công dân đi vắng người xuân anx binhy ký?;Một;Hai;A;Luật;Vì.\n"
    content = file_of(150) + near.encode()
    with_all, without = DEFAULTS, Defaults(divisions=("citizens",), without_near=True)
    for planned in (imports.plan(db.session(), "a.csv", content, one) for one in (with_all, without)):
        assert (planned.near_count, len(planned.near)) == (1, 1)
    brought, _ = take_in(author, content, 150, without)
    assert brought.added == 150
    assert imports.apply(db.session(), bring(author, content), without, actor_id=author.id, now=now()) == (
        0,
        0,
    )


def test_what_was_told_apart_is_no_near_duplicate_of_a_file(author):
    make_draft(author, "T2-900", stem="Người xuân anx binhy ký vào hồ sơ của công dân đi vắng?")
    near = "T1;TH;Vào hồ sơ của công dân đi vắng người xuân anx binhy ký?;Một;Hai;A;Luật;Vì.\n"
    content = (HEAD + near).encode()
    assert imports.plan(db.session(), "a.csv", content, DEFAULTS).near_count == 1
    make_draft(
        author,
        "T1-001",
        stem="Vào hồ sơ của công dân đi vắng người xuân anx binhy ký?",
        options=(Option("Một"), Option("Hai")),
    )
    seen = [bank.newest_version(db.session(), code).fingerprint for code in ("T2-900", "T1-001")]
    duplicates.tell_apart(db.session(), ("T2-900", "T1-001"), tuple(seen), actor_id=author.id, now=now())
    bank.edit(
        db.session(),
        "T1-001",
        Item(
            code="T1-001",
            kind="single",
            stem="Khác hẳn?",
            options=(Option("Một"), Option("Hai")),
            key=(0,),
            topic="T1",
            level="TH",
        ),
        author_id=author.id,
        now=now(),
    )
    planned = imports.plan(db.session(), "a.csv", content, DEFAULTS)
    assert (len(planned.added), planned.near_count) == (1, 0)


# --- races -----------------------------------------------------------------------------------------


def test_two_who_apply_at_once_import_once(live_app):
    author = builders.make_staff()
    brought, _ = bring_and_read(author, file_of(5))
    import_id, author_id = brought.id, author.id
    first = order(author, brought, 5)

    def apply():
        brought = db.session.get_one(BankImport, import_id)
        task = import_tasks.order_application(
            db.session(), brought, DEFAULTS, count=5, now=now(), actor_id=author_id
        )
        db.session.commit()
        return task.id

    thread, results = builders.in_thread(live_app, apply)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()
    assert results == [first.id]
    work()
    assert count_of(ItemVersion) == 5


def test_two_files_of_the_same_items_at_once_add_them_once(live_app):
    author = builders.make_staff()
    ids = [bring(author, file_of(5)).id for _ in range(2)]
    author_id = author.id
    db.session.commit()

    def apply(import_id):
        return imports.apply(
            db.session(), db.session.get_one(BankImport, import_id), DEFAULTS, actor_id=author_id, now=now()
        )

    def second():
        outcome = apply(ids[1])
        db.session.commit()
        return outcome

    assert apply(ids[0]) == (5, 0)
    thread, results = builders.in_thread(live_app, second)
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()
    assert results == [(0, 0)]
    assert count_of(ItemVersion) == 5


# --- what is kept between steps --------------------------------------------------------------------

texts = st.text(max_size=20)
places = st.dictionaries(st.sampled_from(["row", "sheet", "line"]), st.one_of(st.integers(), texts))
problems = st.builds(Problem, texts, st.sampled_from(["error", "warning"]), places, texts, st.none() | places)
pictures = st.builds(
    FilePicture, content=st.just(b""), alt=texts, where=st.none(), is_in_option=st.booleans()
)
found_items = st.builds(
    FoundItem,
    where=places,
    stem=texts,
    options=st.lists(texts, min_size=2, max_size=4).map(tuple),
    key=st.lists(st.integers(0, 7), min_size=1, max_size=3).map(tuple),
    kind=st.sampled_from(["single", "multiple", "true_false"]),
    topic=st.none() | texts,
    level=st.none() | texts,
    legal_basis=st.none() | texts,
    explanation=st.none() | texts,
    pictures=st.lists(pictures, max_size=2).map(tuple),
    picture=st.none() | st.builds(StoredPicture, texts, st.integers(), st.integers(), st.just(b"")),
)
verdicts = st.builds(Verdict, texts, st.none() | st.integers(), st.lists(problems, max_size=2).map(tuple))
near = st.builds(Near, st.integers(), st.integers(), st.booleans(), st.floats(0, 1))


@settings(deadline=None)
@given(st.builds(Reading, st.lists(found_items, max_size=3), st.lists(problems, max_size=3)))
def test_a_kept_reading_comes_back_as_it_was(reading):
    assert kept_readings.reading_of(kept_readings.reading_as_json(reading)) == reading


@settings(deadline=None)
@given(st.lists(verdicts, max_size=3))
def test_kept_verdicts_come_back_as_they_were(some):
    assert kept_readings.verdicts_of(kept_readings.verdicts_as_json(some)) == some


@settings(deadline=None)
@given(st.lists(near, max_size=3))
def test_what_reads_alike_comes_back_as_it_was(some):
    assert kept_readings.near_of(kept_readings.near_as_json(some)) == some


# --- pages -----------------------------------------------------------------------------------------


def send(browser, content, name="cau-hoi.csv"):
    return browser.post(
        "/admin/bank/imports",
        data={"csrf_token": builders.csrf(browser), "file": (io.BytesIO(content), name)},
        content_type="multipart/form-data",
    )


def test_a_large_file_leads_from_task_to_plan_to_task_to_bank(organizer):
    sent = send(organizer, file_of(COUNT))
    reading = db.session.scalars(select(Task)).one()
    assert sent.location == f"/admin/tasks/{reading.id}"
    assert "Đọc tệp cau-hoi.csv" in page(organizer, sent.location)
    brought = db.session.scalars(select(BankImport)).one()
    address = f"/admin/bank/imports/{brought.id}"
    assert organizer.get(address).location == sent.location
    work()
    assert address in page(organizer, sent.location)

    html = page(organizer, address)
    assert f"Nhập {COUNT} câu hỏi" in html
    assert "So với ngân hàng lúc" in html
    applied = post(
        organizer, f"{address}/application", count=str(COUNT), is_chosen="yes", divisions=["citizens"]
    )
    application = db.session.scalars(select(Task).order_by(Task.id.desc())).first()
    assert applied.location == f"/admin/tasks/{application.id}"
    assert organizer.get(address).location == applied.location
    assert count_of(ItemVersion) == 0
    work()
    assert f"Đã thêm {COUNT} câu hỏi" in page(organizer, applied.location)
    assert "Tệp này đã được nhập" in page(organizer, address)
    assert count_of(ItemVersion) == COUNT
    assert post(organizer, f"{address}/application", count=str(COUNT)).status_code == 409


def test_a_small_file_is_read_and_imported_at_once(organizer):
    sent = send(organizer, file_of(3))
    assert "/admin/bank/imports/" in sent.location
    assert post(organizer, f"{sent.location}/application", count="3").location == "/admin/bank?state=draft"
    assert count_of(Task) == 0


def test_pairs_that_read_alike_are_shown_side_by_side(organizer, author):
    make_draft(author, "T2-900", stem="Người xuân anx binhy ký vào hồ sơ của công dân đi vắng?")
    near = "T1;TH;Vào hồ sơ của công dân đi vắng người xuân anx binhy ký?;Một;Hai;A;Luật;Vì.\n"
    again = "T1;TH;Bao nhiêu oanh phu quang thì được miễn phí hồ sơ?;Một;Hai;A;Luật;Vì.\n"
    fourth = "T1;TH;Được miễn phí hồ sơ thì bao nhiêu oanh phu quang?;Một;Ba;A;Luật;Vì.\n"
    address = send(organizer, (HEAD + near + again + fourth).encode()).location

    html = words(page(organizer, address))
    assert "Gần giống câu khác (2 cặp)" in html
    assert "Trong ngân hàng: T2-900 Chờ thẩm định" in html
    assert "Trong tệp: dòng 4 Trong tệp: dòng 3" in html
    assert "[khác:" in html

    html = words(page(organizer, f"{address}?is_chosen=yes&without_near=yes"))
    assert "Nhập 1 câu hỏi" in html
    answer = post(organizer, f"{address}/application", count="1", is_chosen="yes", without_near="yes")
    assert answer.status_code == 303
    assert count_of(ItemVersion) == 2


def test_a_reading_that_failed_is_offered_again(organizer, author, monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    brought = bring(author, file_of(3))
    import_tasks.order_reading(db.session(), brought, now=now(), actor_id=author.id)
    with monkeypatch.context() as patch:
        patch.setattr(imports, "compare", broken)
        work()
    html = page(organizer, f"/admin/bank/imports/{brought.id}")
    assert jobs.GIVEN_UP in html
    assert post(organizer, f"/admin/bank/imports/{brought.id}/reading").status_code == 303
    work()
    assert "Nhập 3 câu hỏi" in page(organizer, f"/admin/bank/imports/{brought.id}")


def test_many_problems_are_shown_when_asked_for(organizer, monkeypatch):
    address = send(organizer, file_of(210, key="")).location
    html = words(page(organizer, address))
    assert "Xem cả 210 vấn đề" in html
    assert "dòng 211" not in html
    assert "dòng 211" in words(page(organizer, f"{address}?problems=all"))


@pytest.mark.parametrize("count", ["", "x", "4", "-1"])
def test_a_large_file_is_imported_only_as_it_was_seen(organizer, author, count):
    brought, _ = bring_and_read(author, file_of(5))
    answer = post(organizer, f"/admin/bank/imports/{brought.id}/application", count=count)
    assert answer.status_code == 409
    work()
    assert count_of(ItemVersion) == 0
