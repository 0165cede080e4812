"""A bank of hundreds and thousands of items: counted, searched and retired in few statements."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, event, select, text, update

from contest import audit, bank, item_lists
from contest.clock import db_now
from contest.extensions import db
from contest.models import AuditEvent, ItemVersion
from tests import builders
from tests.test_admin import page, post, words
from tests.visiting import visit

DOCUMENT = "Nghị định số 99/2009/NĐ-CP"


def now():
    return db_now(db.session())


@pytest.fixture
def statements():
    """The statements that the test sends."""
    sent = []

    def note(*details):
        sent.append(details[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def test_counts_are_those_of_the_lists_in_one_statement(session, statements):
    builders.make_items()
    author, signer = builders.make_staff(), builders.make_staff()
    approved = session.scalars(item_lists.newest_versions(state="approved")).all()
    bank.retire(session, approved[:2], reason="Thử", actor_id=signer.id, now=now())
    for version in approved[1:4]:  # one that is retired, two in use
        item = replace(bank.item_of(version), explanation="Khác.", tags=("mới",))
        bank.edit(session, item.code, item, author_id=author.id, now=now())
    reviewed = bank.newest_version(session, approved[3].item.code)
    bank.review(session, reviewed, reviewer_id=signer.id, now=now())
    for filters in (
        {},
        {"words": "cau hoi"},
        {"topic": "T1"},
        {"topic": "T2", "level": "TH"},
        {"tag": "mới"},
        {"division": "citizens"},
        {"words": "không có"},
    ):
        statements.clear()
        counts = item_lists.counts_by_state(session, **filters)
        assert len(statements) == 1
        assert counts == {
            state: len(session.scalars(item_lists.newest_versions(state=state, **filters)).all())
            for state in ("", *item_lists.STATES)
        }
    assert item_lists.counts_by_state(session)["retired"] == 2
    assert item_lists.counts_by_state(session)["draft"] == 2
    assert item_lists.counts_by_state(session)["reviewed"] == 1


@pytest.fixture
def superseded(session):
    """A bank of 520 items in use, of which 500 rest on a document that no longer holds."""
    signer = builders.make_staff(name="Người ký")
    builders.fill_bank(520)
    rests_on = {"legal_document": DOCUMENT, "search_text": "t1 nghi dinh so 99/2009/nd-cp"}
    first = select(ItemVersion.id).order_by(ItemVersion.id).limit(500)
    session.execute(update(ItemVersion).where(ItemVersion.id.in_(first)).values(rests_on))
    session.execute(
        update(ItemVersion).values(
            reviewed_at=now(), reviewed_by_id=signer.id, approved_at=now(), approved_by_id=signer.id
        )
    )
    session.commit()
    return signer


def test_hundreds_of_items_on_a_superseded_basis_are_found_by_one_search_and_retired_at_once(
    superseded, session, statements
):
    found = session.scalars(item_lists.newest_versions(words=DOCUMENT, state="approved")).all()
    assert len(found) == 500
    statements.clear()

    assert bank.retire(session, found, reason="Thay thế", actor_id=superseded.id, now=now()) == 500

    assert len(statements) < 10
    assert item_lists.counts_by_state(session)["retired"] == 500
    events = session.scalars(select(AuditEvent).where(AuditEvent.action == "item.retire")).all()
    assert {(event.reason, event.actor_id) for event in events} == {("Thay thế", superseded.id)}
    assert {event.subject for event in events} == {f"item/{one.item.code}/1" for one in found}
    assert list(audit.broken_links(session)) == []


def test_the_page_retires_what_its_search_finds(app, contest, superseded, session, statements):
    browser = builders.sign_in(visit(app), superseded)
    html = words(page(browser, "/admin/bank?q=99/2009/nd-cp"))
    assert "500 câu phù hợp" in html
    assert "Cả 500 câu đang dùng mà tìm kiếm này thấy" in html
    fields = {"which": "all", "q": "99/2009/nd-cp", "reason": "Đã bị thay thế"}
    assert post(browser, "/admin/bank/retirements", count="499", **fields).status_code == 409
    statements.clear()

    assert post(browser, "/admin/bank/retirements", count="500", **fields).status_code == 303

    assert len(statements) < 35
    assert "Đã ngừng dùng 500 câu hỏi" in page(browser, "/admin/bank")
    assert item_lists.counts_by_state(session)["approved"] == 20
    assert post(browser, "/admin/bank/retirements", count="500", **fields).status_code == 409


@pytest.mark.parametrize("address", ["/admin/bank", "/admin/bank?q=thu+tuc&topic=T2&level=TH&page=3"])
def test_a_list_needs_as_few_statements_in_a_large_bank(app, contest, session, statements, address):
    browser = builders.sign_in(visit(app), builders.make_staff())
    sent = []
    for size in (60, 600):
        session.execute(text("TRUNCATE item_versions, bank_items CASCADE"))
        builders.fill_bank(size)
        statements.clear()
        assert browser.get(address).status_code == 200
        sent.append(len(statements))
    assert sent[0] <= sent[1] <= 16


@pytest.fixture
def contest(session):
    return builders.make_contest()


def test_many_edits_are_logged_each_and_cost_few_statements(session, statements):
    author, signer = builders.make_staff(), builders.make_staff()
    builders.fill_bank(40)
    versions = session.scalars(item_lists.newest_versions()).all()
    for version in versions[:2]:
        bank.review(session, version, reviewer_id=signer.id, now=now())
        bank.approve(session, version, approver_id=signer.id, now=now())
    items = [replace(bank.item_of(version), tags=("mới",)) for version in versions]
    twice = replace(items[0], tags=("hai",))
    session.commit()
    statements.clear()

    bank.edit_many(session, [*items, twice], author_id=author.id, now=now())

    assert len(statements) < 16
    first = bank.newest_version(session, items[0].code)
    assert (first.number, first.tags, first.author_ids) == (2, ["hai"], [author.id])
    assert bank.newest_version(session, items[2].code).number == 1
    told = session.scalars(select(AuditEvent).where(AuditEvent.action == "item.edit")).all()
    assert len(told) == 41
    assert told[-1].after == {"version": 2, "tags": ["hai"]}
    assert list(audit.broken_links(session)) == []
