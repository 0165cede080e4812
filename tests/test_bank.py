"""The bank's rules: two people sign, what is approved never changes, the newest wording counts."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from contest import bank, item_lists
from contest.clock import db_now
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.models import AuditEvent, Picture
from question_bank.items import Item, Option
from tests import builders
from tests.pictures import stored

WHOLE = Item(
    code="T1-001",
    kind="single",
    stem="Dịch vụ công trực tuyến có mấy mức độ?",
    options=(Option("Hai"), Option("Ba"), Option("Bốn")),
    key=(0,),
    topic="T1",
    level="NB",
    divisions=("citizens",),
    tags=("vong-1",),
    explanation="Có hai mức độ.",
    legal_document="Nghị định số 42/2022/NĐ-CP",
    legal_article="khoản 1 Điều 11",
)


@pytest.fixture
def author(session):
    return builders.make_staff(name="Người soạn")


@pytest.fixture
def reviewer(session):
    return builders.make_staff(name="Người duyệt")


@pytest.fixture
def draft(author):
    (version,) = bank.add_drafts(db.session(), [WHOLE], author_id=author.id, now=now())
    return version


def now():
    return db_now(db.session())


def approved(version, reviewer):
    bank.review(db.session(), version, reviewer_id=reviewer.id, now=now())
    bank.approve(db.session(), version, approver_id=reviewer.id, now=now())
    return version


def test_a_draft_is_signed_for_by_two_people(draft, reviewer):
    approver = builders.make_staff()

    bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())
    assert bank.state_of(draft) == "reviewed"
    bank.approve(db.session(), draft, approver_id=approver.id, now=now())

    assert bank.state_of(draft) == "approved"
    assert (draft.reviewed_by_id, draft.approved_by_id) == (reviewer.id, approver.id)
    events = db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert events[-2:] == ["item.review", "item.approve"]


def test_nobody_signs_for_their_own_item(draft, author, reviewer):
    with pytest.raises(Conflict, match="không tự"):
        bank.review(db.session(), draft, reviewer_id=author.id, now=now())
    bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())
    with pytest.raises(Conflict, match="không tự"):
        bank.approve(db.session(), draft, approver_id=author.id, now=now())


@pytest.mark.parametrize("column", ["reviewed_by_id", "approved_by_id"])
def test_the_database_refuses_it_too(draft, author, reviewer, column):
    approved(draft, reviewer)

    with pytest.raises(IntegrityError), db.session.begin_nested():
        db.session.execute(text(f"UPDATE item_versions SET {column} = author_id"))


def test_whoever_ever_edited_a_draft_signs_for_nothing_of_it(draft, author, reviewer):
    editor = builders.make_staff(name="Người sửa")
    for person, stem in ((editor, "Sửa lần một?"), (author, "Sửa lần hai?")):
        bank.edit(db.session(), "T1-001", replace(WHOLE, stem=stem), author_id=person.id, now=now())

    assert draft.author_ids == [author.id, editor.id]
    for person in (author, editor):
        with pytest.raises(Conflict, match="không tự"):
            bank.review(db.session(), draft, reviewer_id=person.id, now=now())
        with pytest.raises(Conflict, match="không tự"):
            bank.send_back(db.session(), draft, reason="x", reviewer_id=person.id, now=now())
    bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())
    for person in (author, editor):
        with pytest.raises(Conflict, match="không tự"):
            bank.approve(db.session(), draft, approver_id=person.id, now=now())
    bank.approve(db.session(), draft, approver_id=reviewer.id, now=now())


def test_who_wrote_an_older_version_may_sign_for_the_next(draft, author, reviewer):
    approved(draft, reviewer)
    newer = bank.edit(
        db.session(), "T1-001", replace(WHOLE, stem="Viết lại?"), author_id=reviewer.id, now=now()
    )

    assert newer.author_ids == [reviewer.id]
    approved(newer, author)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("reviewed_by_id = :editor, reviewed_at = now()", "reviewed_by_another"),
        ("reviewed_by_id = :author, reviewed_at = now()", "reviewed_by_another"),
        ("approved_by_id = :editor, approved_at = now()", "approved_by_another"),
        ("author_ids = ARRAY[:author], reviewed_by_id = :editor, reviewed_at = now()", "stays among"),
        ("author_ids = '{}'", "stays among"),
        ("author_ids = author_ids || NULL::int", "author_among_authors"),
        ("author_id = :reviewer", "author_among_authors"),
    ],
)
def test_the_database_knows_whoever_edited_a_draft(draft, author, reviewer, change, constraint):
    editor = builders.make_staff(name="Người sửa")
    for person in (editor, author):
        bank.edit(db.session(), "T1-001", WHOLE, author_id=person.id, now=now())
    if "approved" in change:
        bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())
        db.session.flush()

    people = {"editor": editor.id, "author": author.id, "reviewer": reviewer.id}
    with pytest.raises(IntegrityError, match=constraint), db.session.begin_nested():
        db.session.execute(text(f"UPDATE item_versions SET {change}"), people)


# --- pictures --------------------------------------------------------------------------------------

ILLUSTRATED = replace(WHOLE, picture=stored(), picture_alt="Biểu đồ hai mức độ")


@pytest.fixture
def illustrated(author):
    (version,) = bank.add_drafts(db.session(), [ILLUSTRATED], author_id=author.id, now=now())
    return version


def test_an_item_comes_back_with_its_picture(illustrated):
    db.session.expire_all()

    item = bank.item_of(illustrated)
    assert item == ILLUSTRATED
    assert item.picture.content == stored().content
    assert bank.items_of(db.session(), item_lists.newest_versions(words="bieu do")) == [ILLUSTRATED]


def test_the_same_words_with_another_picture_are_another_item(illustrated):
    prints = [bank.fingerprint("Hỏi?", ["a"], picture) for picture in (None, stored(), stored(2))]

    assert len(set(prints)) == 3
    assert prints[0] == hashlib.sha256(b"hoi|a").hexdigest()  # as it was before there were pictures
    assert illustrated.fingerprint != bank.fingerprint(WHOLE.stem, ["Hai", "Ba", "Bốn"])


def test_a_change_of_the_picture_or_its_words_is_seen(illustrated, author):
    seen = bank.digest(illustrated)
    for changes in ({"picture": stored(2)}, {"picture_alt": "Khác"}, {"picture": None, "picture_alt": ""}):
        bank.edit(db.session(), "T1-001", replace(ILLUSTRATED, **changes), author_id=author.id, now=now())
        assert bank.digest(illustrated) != seen
        assert bank.item_of(illustrated) == replace(ILLUSTRATED, **changes)
    with pytest.raises(Conflict, match="vừa được người khác sửa"):
        bank.refuse_if_changed(illustrated, seen)


def test_a_picture_needs_words_before_the_review_and_not_before(author, reviewer):
    bare = replace(ILLUSTRATED, picture_alt="")
    (version,) = bank.add_drafts(db.session(), [bare], author_id=author.id, now=now())

    with pytest.raises(BadInput, match="chưa có mô tả bằng chữ"):
        bank.review(db.session(), version, reviewer_id=reviewer.id, now=now())
    with pytest.raises(IntegrityError, match="reviewed_picture_with_alt"), db.session.begin_nested():
        db.session.execute(
            text("UPDATE item_versions SET reviewed_by_id = :id, reviewed_at = now()"), {"id": reviewer.id}
        )


def test_words_for_no_picture_are_refused(draft):
    with pytest.raises(BadInput, match="không có hình"):
        bank.edit(
            db.session(), "T1-001", replace(WHOLE, picture_alt="x"), author_id=draft.author_id, now=now()
        )
    with pytest.raises(IntegrityError, match="alt_with_picture"), db.session.begin_nested():
        db.session.execute(text("UPDATE item_versions SET picture_alt = 'x'"))


@pytest.mark.parametrize(
    "change", ["picture_sha256 = NULL, picture_alt = ''", "picture_alt = 'x'", "author_ids = author_ids || 1"]
)
def test_an_approved_items_picture_never_changes(illustrated, reviewer, change):
    approved(illustrated, reviewer)
    db.session.flush()

    with pytest.raises(IntegrityError, match="never changes"), db.session.begin_nested():
        db.session.execute(text(f"UPDATE item_versions SET {change}"))


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE pictures SET width = 1", "append-only"),
        ("DELETE FROM pictures", "append-only"),
        ("TRUNCATE pictures CASCADE", "append-only"),
        ("INSERT INTO pictures VALUES (repeat('0', 64), 'x', 1, 1)", "digest_of_content"),
        (
            "INSERT INTO pictures VALUES (encode(sha256('x'), 'hex'), 'x', 1201, 1)",
            "small_size",
        ),
        (
            "INSERT INTO pictures SELECT encode(sha256(b), 'hex'), b, 1, 1"
            " FROM (SELECT convert_to(repeat('x', 153601), 'UTF8') AS b) big",
            "small_content",
        ),
    ],
)
def test_the_database_keeps_pictures_as_they_are(illustrated, statement, complaint):
    with pytest.raises(IntegrityError, match=complaint), db.session.begin_nested():
        db.session.execute(text(statement))


def test_one_picture_of_many_items_is_stored_once(illustrated, author):
    others = [replace(ILLUSTRATED, code=f"T1-00{number}") for number in (2, 3)]
    bank.add_drafts(db.session(), others, author_id=author.id, now=now())

    assert db.session.scalar(select(func.count()).select_from(Picture)) == 1


def test_a_draft_is_not_approved_before_its_review(draft, reviewer):
    with pytest.raises(Conflict, match="chưa được thẩm định"):
        bank.approve(db.session(), draft, approver_id=reviewer.id, now=now())


def test_what_is_missing_keeps_an_item_from_its_review(author, reviewer):
    bare = replace(WHOLE, code="T1-002", explanation="", legal_document="")
    (version,) = bank.add_drafts(db.session(), [bare], author_id=author.id, now=now())

    with pytest.raises(BadInput, match=r"chưa có lời giải thích.*chưa có căn cứ"):
        bank.review(db.session(), version, reviewer_id=reviewer.id, now=now())


def test_an_edited_approved_item_becomes_a_new_version(draft, author, reviewer):
    approved(draft, reviewer)

    newer = bank.edit(
        db.session(), "T1-001", replace(WHOLE, stem="Viết lại?"), author_id=author.id, now=now()
    )

    assert (newer.number, bank.state_of(newer)) == (2, "draft")
    assert draft.stem == WHOLE.stem
    assert bank.newest_version(db.session(), "T1-001") is newer


def test_an_edited_draft_stays_one_and_needs_a_new_review(draft, reviewer):
    bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())

    same = bank.edit(
        db.session(), "T1-001", replace(WHOLE, stem="Viết lại?"), author_id=draft.author_id, now=now()
    )

    assert same is draft
    assert (draft.stem, bank.state_of(draft)) == ("Viết lại?", "draft")


def test_an_edit_that_is_no_item_is_refused(draft):
    with pytest.raises(BadInput, match="chưa có đáp án"):
        bank.edit(db.session(), "T1-001", replace(WHOLE, key=()), author_id=draft.author_id, now=now())
    with pytest.raises(NotThere):
        bank.edit(db.session(), "T9-999", WHOLE, author_id=draft.author_id, now=now())


def test_a_draft_that_is_sent_back_says_why(draft, reviewer):
    bank.review(db.session(), draft, reviewer_id=reviewer.id, now=now())

    bank.send_back(db.session(), draft, reason="Thiếu căn cứ", reviewer_id=reviewer.id, now=now())

    assert (bank.state_of(draft), draft.returned_reason) == ("draft", "Thiếu căn cứ")


def test_retiring_needs_a_reason_and_counts_what_was_in_use(draft, reviewer):
    with pytest.raises(Conflict, match="lý do"):
        bank.retire(db.session(), [draft], reason="", actor_id=reviewer.id, now=now())
    approved(draft, reviewer)

    retired = [
        bank.retire(db.session(), [draft], reason="Hết hiệu lực", actor_id=reviewer.id, now=now())
        for _ in range(2)
    ]

    assert retired == [1, 0]
    assert bank.state_of(draft) == "retired"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["T1-001", "T1-002", "T2-001", "T10-001"]),
        ({"words": "dich vu cong"}, ["T1-001"]),
        ({"words": "42/2022"}, ["T1-001", "T1-002", "T2-001", "T10-001"]),
        ({"words": "t10-001"}, ["T10-001"]),
        ({"words": "100%"}, []),
        ({"topic": "T1"}, ["T1-001", "T1-002"]),
        ({"topic": "T1", "level": "TH"}, ["T1-002"]),
        ({"division": "citizens"}, ["T1-001", "T1-002", "T2-001", "T10-001"]),
        ({"division": "officials"}, []),
        ({"tag": "vong-1"}, ["T1-001", "T1-002", "T2-001", "T10-001"]),
        ({"state": "draft"}, ["T1-001", "T1-002", "T2-001", "T10-001"]),
        ({"state": "approved"}, []),
    ],
)
def test_items_are_found_without_accents_and_in_the_order_of_topics(draft, author, filters, found):
    others = [
        replace(WHOLE, code=code, topic=code.partition("-")[0], level=level, stem=f"Câu {code}?")
        for code, level in (("T10-001", "NB"), ("T2-001", "NB"), ("T1-002", "TH"))
    ]
    bank.add_drafts(db.session(), others, author_id=author.id, now=now())

    versions = db.session.scalars(item_lists.newest_versions(**filters)).all()

    assert [version.item.code for version in versions] == found


def test_only_the_newest_version_is_found(draft, reviewer, author):
    approved(draft, reviewer)
    bank.edit(db.session(), "T1-001", replace(WHOLE, stem="Viết lại?"), author_id=author.id, now=now())

    assert [version.number for version in db.session.scalars(item_lists.newest_versions())] == [2]
    assert bank.find_version(db.session(), "T1-001", 1) is draft


def test_the_next_code_of_a_topic_is_free(draft):
    assert bank.next_code(db.session(), "T1") == "T1-002"
    assert bank.next_code(db.session(), "T12") == "T12-001"


def test_an_item_comes_back_as_it_went_in(draft):
    assert bank.item_of(draft) == WHOLE
