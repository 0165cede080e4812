"""Files into the bank: the dry run tells the truth, the good items go in once."""

import base64
from dataclasses import replace
from html import escape

import pytest
from sqlalchemy import func, select

from contest import bank, imports
from contest.clock import db_now
from contest.errors import BadInput, Conflict
from contest.extensions import db
from contest.imports import Defaults
from contest.models import AuditEvent, BankImport, ItemVersion
from question_bank.formats import docx, moodle_xml, xlsx
from question_bank.items import Item, Option
from tests import builders
from tests.pictures import drawn, saved, stored

HEAD = "Chủ đề;Mức độ;Câu hỏi;A;B;C;Đáp án;Căn cứ;Giải thích\n"
GOOD = "T1;NB;Có mấy mức độ?;Hai;Ba;Bốn;A;Nghị định số 42/2022/NĐ-CP;Có hai mức độ.\n"
PLAIN = "T2;TH;Nếu a < b thì sao?;<b>x</b>;y & z;Tất cả các phương án trên;B;Luật số 20/2023/QH15;Vì thế.\n"
NO_KEY = "T1;NB;Câu này thiếu đáp án?;Một;Hai;Ba;;Nghị định số 42/2022/NĐ-CP;Thiếu.\n"
DEFAULTS = Defaults(divisions=("citizens", "officials"))


@pytest.fixture
def author(session):
    return builders.make_staff(name="Người soạn")


def bring(author, text, name="cau-hoi.csv"):
    content = text if isinstance(text, bytes) else text.encode("utf-8-sig")
    return imports.keep(db.session(), name, content, brought_by_id=author.id, now=db_now(db.session()))


def take_in(author, text, defaults=DEFAULTS):
    return imports.apply(
        db.session(), bring(author, text), defaults, actor_id=author.id, now=db_now(db.session())
    )


def plan(text, defaults=DEFAULTS):
    return imports.plan(db.session(), "cau-hoi.csv", text.encode("utf-8-sig"), defaults)


def versions():
    return db.session.scalars(select(ItemVersion).order_by(ItemVersion.id)).all()


def test_the_dry_run_stores_nothing_and_tells_what_would_happen(session):
    planned = plan(HEAD + GOOD + NO_KEY)

    assert [found.stem for found in planned.added] == ["Có mấy mức độ?"]
    assert [(problem.kind, problem.where["row"]) for problem in planned.problems] == [("missing_key", 3)]
    assert versions() == []


def test_the_good_items_go_in_as_drafts_with_the_next_codes(author):
    assert take_in(author, HEAD + GOOD + NO_KEY + PLAIN) == (2, 0)

    assert [(one.item.code, bank.state_of(one), one.author_id) for one in versions()] == [
        ("T1-001", "draft", author.id),
        ("T2-001", "draft", author.id),
    ]
    assert db.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all() == [
        "item.add",
        "bank.import",
    ]


def test_plain_text_stays_text_and_an_option_about_the_others_keeps_its_place(author):
    take_in(author, HEAD + PLAIN)

    item = bank.item_of(versions()[0])
    assert item.stem == "Nếu a &lt; b thì sao?"
    assert [option.text for option in item.options] == [
        "&lt;b&gt;x&lt;/b&gt;",
        "y &amp; z",
        "Tất cả các phương án trên",
    ]
    assert [option.is_pinned for option in item.options] == [False, False, True]


def test_the_same_file_twice_adds_nothing(author):
    take_in(author, HEAD + GOOD + PLAIN)

    assert take_in(author, HEAD + GOOD + PLAIN) == (0, 0)
    assert len(versions()) == 2
    assert len(plan(HEAD + GOOD + PLAIN).skipped) == 2


def test_one_kept_file_is_applied_once(author):
    brought = bring(author, HEAD + GOOD)
    now = db_now(db.session())
    imports.apply(db.session(), brought, DEFAULTS, actor_id=author.id, now=now)

    with pytest.raises(Conflict, match="đã được nhập"):
        imports.apply(db.session(), brought, DEFAULTS, actor_id=author.id, now=now)
    assert (brought.added, brought.changed) == (1, 0)


def test_another_key_changes_the_item_and_keeps_what_the_file_does_not_say(author):
    take_in(author, HEAD + GOOD)

    assert take_in(author, HEAD + GOOD.replace(";A;", ";B;")) == (0, 1)

    (version,) = versions()
    assert (version.item.code, version.key, version.divisions) == ("T1-001", [1], ["citizens", "officials"])


def test_a_change_of_an_approved_item_is_a_new_draft(author):
    take_in(author, HEAD + GOOD)
    reviewer = builders.make_staff()
    now = db_now(db.session())
    bank.review(db.session(), versions()[0], reviewer_id=reviewer.id, now=now)
    bank.approve(db.session(), versions()[0], approver_id=reviewer.id, now=now)

    take_in(author, HEAD + GOOD.replace("Có hai mức độ.", "Theo Điều 11, có hai mức độ."))

    assert [(one.number, bank.state_of(one)) for one in versions()] == [(1, "approved"), (2, "draft")]


def test_an_item_without_topic_or_level_waits_for_the_defaults(author):
    bare = "Câu hỏi;A;B;Đáp án\nCó mấy mức độ?;Hai;Ba;A\n"

    assert [problem.kind for problem in plan(bare).problems] == ["incomplete_item"]
    with_defaults = Defaults("T3", "VD", ("citizens",))
    assert take_in(author, bare, with_defaults) == (1, 0)
    (version,) = versions()
    assert (version.item.code, version.level, version.divisions) == ("T3-001", "VD", ["citizens"])


def test_what_the_bank_exports_comes_back_as_nothing_new(author):
    take_in(author, HEAD + GOOD)
    exported = xlsx.write([bank.item_of(version) for version in versions()])

    planned = imports.plan(db.session(), "xuat.xlsx", exported, DEFAULTS)

    assert (len(planned.added), len(planned.changed), len(planned.skipped)) == (0, 0, 1)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04 broken", "không phải bảng".encode()])
@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.docx", "a.xml", "a.gift", "a.txt", "a", "a.exe"])
def test_a_file_that_is_none_is_a_problem_and_no_exception(session, name, content):
    planned = imports.plan(db.session(), name, content, DEFAULTS)

    assert planned.added == []
    assert planned.problems


def test_a_file_is_kept_with_its_digest(author):
    bring(author, HEAD, name="Câu hỏi\x00.csv")

    (kept,) = db.session.scalars(select(BankImport)).all()
    assert (kept.name, len(kept.sha256), kept.applied_at) == ("Câu hỏi.csv", 64, None)
    assert db.session.scalar(select(func.count()).select_from(ItemVersion)) == 0


# --- pictures --------------------------------------------------------------------------------------

ILLUSTRATED = Item(
    code="T1-001",
    kind="single",
    stem="Sơ đồ này nói gì?",
    picture=stored(),
    picture_alt="Sơ đồ một cửa",
    options=(Option("Một cửa"), Option("Hai cửa")),
    key=(0,),
    topic="T1",
    level="NB",
    explanation="Vì thế.",
    legal_document="Nghị định số 118/2025/NĐ-CP",
)


def take_file(author, name, content):
    return imports.apply(
        db.session(), bring(author, content, name), DEFAULTS, actor_id=author.id, now=db_now(db.session())
    )


def plan_file(name, content):
    return imports.plan(db.session(), name, content, DEFAULTS)


@pytest.mark.parametrize(("name", "module"), [("a.docx", docx), ("a.xml", moodle_xml)])
def test_a_picture_comes_in_with_its_words_once(author, name, module):
    content = module.write([ILLUSTRATED])

    assert take_file(author, name, content) == (1, 0)
    assert take_file(author, name, content) == (0, 0)

    item = bank.item_of(versions()[0])
    assert (item.picture, item.picture_alt) == (stored(), "Sơ đồ một cửa")
    assert plan_file(name, module.write([item])).skipped


def test_other_words_for_a_picture_change_the_item_and_no_words_do_not(author):
    take_file(author, "a.docx", docx.write([ILLUSTRATED]))

    assert take_file(author, "a.docx", docx.write([replace(ILLUSTRATED, picture_alt="")])) == (0, 0)
    assert take_file(author, "a.docx", docx.write([replace(ILLUSTRATED, picture_alt="Khác")])) == (0, 1)
    assert [one.picture_alt for one in versions()] == ["Khác"]


def test_another_picture_is_another_item(author):
    take_file(author, "a.docx", docx.write([ILLUSTRATED]))

    assert take_file(author, "a.docx", docx.write([replace(ILLUSTRATED, picture=stored(2))])) == (1, 0)


def test_a_picture_without_words_comes_in_with_a_warning_and_waits_for_them(author):
    content = docx.write([replace(ILLUSTRATED, picture_alt="")])
    planned = plan_file("a.docx", content)

    assert [(one.kind, one.severity) for one in planned.problems] == [("picture_without_alt", "warning")]
    assert take_file(author, "a.docx", content) == (1, 0)
    with pytest.raises(BadInput, match="chưa có mô tả"):
        bank.review(
            db.session(), versions()[0], reviewer_id=builders.make_staff().id, now=db_now(db.session())
        )


def moodle(stem_image, option_image=""):
    data = f"data:image/png;base64,{base64.b64encode(saved(drawn(), 'PNG')).decode()}"
    image = f'<img src="{data}" alt="x">'
    return (
        moodle_xml.write(
            [
                replace(
                    ILLUSTRATED,
                    picture=None,
                    picture_alt="",
                    stem="Hỏi?IMAGE",
                    options=(Option("aOTHER"), Option("b")),
                )
            ]
        )
        .replace(b"IMAGE", escape(image * stem_image).encode())
        .replace(b"OTHER", escape(image if option_image else "").encode())
    )


@pytest.mark.parametrize(("in_stem", "in_option"), [(2, False), (0, True), (1, True)])
def test_a_question_with_pictures_that_have_no_place_is_an_error(session, in_stem, in_option):
    planned = plan_file("a.xml", moodle(in_stem, in_option))

    assert [(one.kind, one.severity) for one in planned.problems] == [("several_pictures", "error")]
    assert planned.added == []


def test_a_picture_of_any_kind_is_stored_as_the_bank_does(author):
    take_file(author, "a.xml", moodle(1))

    assert versions()[0].picture_sha256 == stored().sha256


def test_a_kept_file_gives_its_pictures_as_they_would_be_stored(author):
    brought = bring(author, moodle(1), "a.xml")

    assert imports.picture(brought, stored().sha256) == stored().content
    assert imports.picture(brought, "0" * 64) is None
