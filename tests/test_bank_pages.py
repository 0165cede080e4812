"""The organizers' bank: lists, one item and its signatures, the editor, files that come in and go out."""

import io
import re
from html import unescape

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from contest import bank
from contest.clock import db_now
from contest.extensions import db
from contest.models import BankImport, ItemVersion, Pool
from question_bank.formats import xlsx
from question_bank.items import Item, Option
from tests import builders
from tests.test_admin import page, post, words
from tests.visiting import visit

BODY = {
    "kind": "single",
    "stem": "Cổng Dịch vụ công quốc gia có địa chỉ nào?",
    "option_0": "dichvucong.gov.vn",
    "is_right_0": "y",
    "option_1": "dichvucong.com",
    "topic": "T2",
    "level": "NB",
    "divisions": ["citizens"],
    "explanation": "Địa chỉ chính thức.",
    "legal_document": "Nghị định số 42/2022/NĐ-CP",
    "legal_article": "Điều 5",
    "tags": "cổng, địa chỉ",
}


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def author(contest):
    return builders.make_staff(name="Nguyễn Thị Soạn")


@pytest.fixture
def writer(app, author):
    """A browser in which the author is signed in."""
    return builders.sign_in(visit(app), author)


@pytest.fixture
def other(app, contest):
    """A browser in which another organizer is signed in."""
    return builders.sign_in(visit(app), builders.make_staff(name="Trần Văn Duyệt"))


@pytest.fixture
def third(app, contest):
    """A browser in which somebody is signed in who wrote nothing."""
    return builders.sign_in(visit(app), builders.make_staff(name="Lê Thị Ba"))


def make_draft(author, code="T2-900", **changes):
    item = Item(
        **{
            "code": code,
            "kind": "single",
            "stem": "Ai cấp căn cước?",
            "options": (Option("Công an"), Option("Tòa án"), Option("Cả hai", is_pinned=True)),
            "key": (0,),
            "topic": "T2",
            "level": "NB",
            "divisions": ("citizens",),
            "explanation": "Cơ quan quản lý căn cước.",
            "legal_document": "Luật Căn cước 2023",
            "legal_article": "Điều 27",
        }
        | changes
    )
    (version,) = bank.add_drafts(db.session(), [item], author_id=author.id, now=db_now(db.session()))
    db.session.commit()
    return version


def approved(author, code="T2-900", **changes):
    version = make_draft(author, code, **changes)
    signer, now = builders.make_staff(name="Lê Thị Ký"), db_now(db.session())
    bank.review(db.session(), version, reviewer_id=signer.id, now=now)
    bank.approve(db.session(), version, approver_id=signer.id, now=now)
    db.session.commit()
    return version


def newest(code="T2-900"):
    db.session.expire_all()
    return bank.newest_version(db.session(), code)


def sign(browser, action, version, **fields):
    seen = bank.digest(version)
    return post(browser, f"/admin/bank/{version.item.code}/{action}", seen=seen, **fields)


# --- signing --------------------------------------------------------------------------------------


def test_a_draft_is_reviewed_and_approved_by_another_person(author, other):
    draft = make_draft(author)

    assert sign(other, "review", draft).status_code == 303
    assert "Chờ duyệt" in page(other, "/admin/bank/T2-900")
    assert sign(other, "approval", draft).status_code == 303

    assert bank.state_of(newest()) == "approved"
    html = words(page(other, "/admin/bank/T2-900"))
    assert "Nguyễn Thị Soạn soạn" in html
    assert "Trần Văn Duyệt thẩm định" in html
    assert "Trần Văn Duyệt duyệt" in html


@pytest.mark.parametrize("action", ["review", "return", "approval"])
@pytest.mark.parametrize("is_reviewed", [False, True])
def test_the_author_signs_for_nothing_of_their_own(author, writer, other, action, is_reviewed):
    draft = make_draft(author)
    if is_reviewed:
        sign(other, "review", draft)

    assert sign(writer, action, draft, reason="x").status_code == 409

    assert bank.state_of(newest()) == ("reviewed" if is_reviewed else "draft")
    html = page(writer, "/admin/bank/T2-900")
    assert "Bạn đã soạn hoặc sửa phiên bản này" in html
    assert "/T2-900/approval" not in html
    assert "/T2-900/review" not in html


def test_who_changes_a_reviewed_draft_becomes_an_author_and_it_is_reviewed_again(
    author, writer, other, third
):
    draft = make_draft(author)
    sign(other, "review", draft)

    answer = post(other, "/admin/bank/T2-900/edit", seen=bank.digest(newest()), **BODY)

    assert answer.status_code == 303
    assert bank.state_of(newest()) == "draft"
    for person in (other, writer):
        assert sign(person, "review", newest()).status_code == 409
        assert "Bạn đã soạn hoặc sửa phiên bản này" in page(person, "/admin/bank/T2-900")
    assert "Nguyễn Thị Soạn, Trần Văn Duyệt soạn" in words(page(other, "/admin/bank/T2-900"))
    assert sign(third, "review", newest()).status_code == 303
    for person in (other, writer):
        assert sign(person, "approval", newest()).status_code == 409
    assert sign(third, "approval", newest()).status_code == 303


def test_the_database_itself_refuses_an_authors_signature(author):
    draft = make_draft(author)
    with pytest.raises(DBAPIError, match="reviewed_by_another"):
        db.session.execute(
            text("UPDATE item_versions SET reviewed_by_id = author_id, reviewed_at = now() WHERE id = :id"),
            {"id": draft.id},
        )


def test_who_changes_a_draft_by_a_file_becomes_an_author(author, writer, other, third):
    make_draft(author, options=(Option("Công an"), Option("Tòa án")))
    address = bring(other, "x.txt", AIKEN.replace("ANSWER: A", "ANSWER: B").encode()).location
    post(other, f"{address}/application", count=1)

    assert newest().key == [1]
    assert sign(other, "review", newest()).status_code == 409
    assert sign(writer, "review", newest()).status_code == 409
    assert sign(third, "review", newest()).status_code == 303


def test_nobody_signs_for_words_that_they_have_not_seen(author, writer, other):
    draft = make_draft(author)
    seen = bank.digest(draft)
    post(writer, "/admin/bank/T2-900/edit", seen=seen, **BODY)

    answer = post(other, "/admin/bank/T2-900/review", seen=seen)

    assert answer.status_code == 409
    assert "vừa được người khác sửa" in answer.text
    assert bank.state_of(newest()) == "draft"


def test_a_draft_is_not_approved_before_it_is_reviewed(author, other):
    draft = make_draft(author)

    assert sign(other, "approval", draft).status_code == 409


def test_what_is_missing_is_said_and_keeps_a_draft_from_review(author, other):
    draft = make_draft(author, explanation="", legal_document="")

    html = page(other, "/admin/bank/T2-900")
    answer = sign(other, "review", draft)

    assert "Câu hỏi chưa có lời giải thích." in html
    assert answer.status_code == 422
    assert bank.state_of(newest()) == "draft"


def test_a_draft_goes_back_to_its_author_with_a_reason(author, writer, other):
    draft = make_draft(author)

    assert sign(other, "return", draft).status_code == 409
    assert sign(other, "return", draft, reason="Sai điều luật").status_code == 303

    html = words(page(writer, "/admin/bank/T2-900"))
    assert "Đã trả lại cho người soạn Sai điều luật" in html
    assert "trả lại, lý do: Sai điều luật" in html
    assert "Đã trả lại" in page(writer, "/admin/bank?state=draft")


# --- an approved version stays -------------------------------------------------------------------


def test_editing_an_approved_item_drafts_its_next_version(author, writer):
    first = approved(author)
    content = bank.digest(first)

    assert "phiên bản 2 được soạn" in page(writer, "/admin/bank/T2-900/edit")
    assert post(writer, "/admin/bank/T2-900/edit", seen=content, **BODY).status_code == 303

    second = newest()
    assert (second.number, bank.state_of(second)) == (2, "draft")
    assert bank.digest(bank.find_version(db.session(), "T2-900", 1)) == content
    html = page(writer, "/admin/bank/T2-900")
    assert "phiên bản 1 vẫn đang dùng" in html
    assert '<del><span class="visually-hidden">[bỏ: </span>' in html
    assert '<ins><span class="visually-hidden">[thêm: </span>' in html


@pytest.mark.parametrize("column", ["stem = 'x'", "key = '[1]'", "options = '[]'", "explanation = 'x'"])
def test_the_database_refuses_to_change_an_approved_version(author, column):
    version = approved(author)
    with pytest.raises(DBAPIError):
        db.session.execute(text(f"UPDATE item_versions SET {column} WHERE id = :id"), {"id": version.id})


def test_a_drawn_version_stays_through_every_route(contest, writer, other):
    round = builders.open_now(builders.make_round(contest))
    attempt = builders.start(builders.make_person(contest), round)
    code = attempt.paper[0]["code"]
    drawn = bank.find_version(db.session(), code, 1)
    content, pool = bank.digest(drawn), db.session.get_one(Pool, attempt.pool_id).file

    post(writer, f"/admin/bank/{code}/edit", seen=content, **BODY)
    for action in ("review", "approval", "return"):
        sign(other, action, newest(code), reason="x")
    post(writer, "/admin/bank/retirements", code=code, reason="Thay thế")
    bring(writer, "x.xlsx", xlsx.write([bank.item_of(drawn)]))

    db.session.expire_all()
    assert bank.digest(bank.find_version(db.session(), code, 1)) == content
    assert db.session.get_one(Pool, attempt.pool_id).file == pool
    assert "Vòng 1" in page(writer, f"/admin/bank/{code}")


# --- finding and retiring ------------------------------------------------------------------------


def test_the_list_counts_each_state_within_the_search(author, writer):
    approved(author)
    make_draft(author, "T7-001", topic="T7")

    assert "Chờ thẩm định 1" in words(page(writer, "/admin/bank"))
    assert "Chờ thẩm định 0" in words(page(writer, "/admin/bank?topic=T2"))


def listed(browser, query=""):
    return re.findall(r'<a href="/admin/bank/(T\d+-\d+)">', page(browser, f"/admin/bank?{query}"))


def test_the_list_is_filtered_by_what_the_address_says(author, writer):
    make_draft(author, "T2-001", tags=("khó",))
    approved(author, "T7-002", topic="T7", level="VD", stem="Thẻ căn cước gắn chip?")
    make_draft(author, "T10-003", topic="T10", divisions=("officials",))

    assert listed(writer) == ["T2-001", "T7-002", "T10-003"]
    assert listed(writer, "q=gan+CHIP") == ["T7-002"]
    assert listed(writer, "q=luat+can+cuoc&topic=T10") == ["T10-003"]
    assert listed(writer, "level=VD") == ["T7-002"]
    assert listed(writer, "division=officials") == ["T10-003"]
    assert listed(writer, "tag=khó") == ["T2-001"]
    assert listed(writer, "state=draft") == ["T2-001", "T10-003"]
    assert listed(writer, "state=approved") == ["T7-002"]
    assert "Không tìm thấy câu hỏi nào" in page(writer, "/admin/bank?q=khongco")


def test_an_item_is_in_use_while_its_next_version_is_a_draft(author, writer):
    version = approved(author)
    post(writer, "/admin/bank/T2-900/edit", seen=bank.digest(version), **BODY)

    assert listed(writer, "state=approved") == listed(writer, "state=draft") == ["T2-900"]


def test_all_items_of_a_superseded_document_are_retired_by_one_search(author, writer):
    for number in range(3):
        approved(author, f"T2-00{number}", stem=f"Câu {number}?", legal_document="Nghị định 61/2018/NĐ-CP")
    approved(author, "T2-010", stem="Câu khác?")
    post(writer, "/admin/bank/T2-000/edit", seen=bank.digest(newest("T2-000")), **BODY)
    search = {"q": "nghi dinh 61/2018", "which": "all", "reason": "Bị thay bởi Nghị định mới"}

    assert post(writer, "/admin/bank/retirements", **search, count=2).status_code == 409
    answer = post(writer, "/admin/bank/retirements", **search, count=3)

    assert answer.status_code == 303
    assert "61/2018" in answer.location
    assert listed(writer, "state=approved") == ["T2-010"]
    assert listed(writer, "state=retired") == ["T2-000", "T2-001", "T2-002"]


def test_ticked_items_are_retired_with_a_reason(author, writer):
    approved(author, "T2-001")
    approved(author, "T2-002", stem="Khác?")

    assert post(writer, "/admin/bank/retirements", code="T2-001").status_code == 409
    assert post(writer, "/admin/bank/retirements", reason="Cũ").status_code == 409
    assert post(writer, "/admin/bank/retirements", code="T2-001", reason="Cũ").status_code == 303

    assert bank.state_of(newest("T2-001")) == "retired"
    assert bank.state_of(newest("T2-002")) == "approved"
    assert "ngừng dùng, lý do: Cũ" in page(writer, "/admin/bank/T2-001")


# --- the editor ----------------------------------------------------------------------------------


def test_a_new_item_is_a_draft_under_the_next_code(author, writer):
    make_draft(author, "T2-041")

    answer = post(writer, "/admin/bank/new", **BODY)

    assert answer.location == "/admin/bank/T2-042"
    item = bank.item_of(newest("T2-042"))
    assert (item.key, item.tags, item.divisions) == ((0,), ("cổng", "địa chỉ"), ("citizens",))
    assert newest("T2-042").author_id == author.id


def test_the_editor_shows_what_is_stored_and_stores_what_it_shows(author, writer):
    version = make_draft(
        author, stem="5 &lt; 6 &amp; <b>7</b> &gt; 6?", valid_from=db_now(db.session()).date()
    )
    html = page(writer, "/admin/bank/T2-900/edit")
    assert "5 &lt; 6 &amp; &lt;b&gt;7&lt;/b&gt; &gt; 6?" in html
    before = bank.item_of(version)

    form = {name: value for name, value in fields_of(html).items() if value}
    assert writer.post("/admin/bank/T2-900/edit", data=form).status_code == 303

    assert bank.item_of(newest()) == before


def fields_of(html):
    """Return what a browser would send of the page's item form as it stands."""
    sent = {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', html)[1]}
    for tag in re.findall(r"<input[^>]*>", html):
        name, value = (re.search(rf'{part}="([^"]*)"', tag) for part in ("name", "value"))
        if name and ("checked" in tag or not re.search(r'type="(checkbox|radio)"', tag)):
            if name[1] == "divisions":
                sent.setdefault("divisions", []).append(value[1])
            else:
                sent[name[1]] = unescape(value[1]) if value else ""
    for name, content in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', html, re.DOTALL):
        sent[name] = unescape(content).strip()
    for name, content in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', content)
        sent[name] = chosen[1] if chosen else ""
    return sent


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"stem": ""}, "Bạn hãy ghi câu hỏi."),
        ({"option_1": ""}, "Bạn hãy ghi ít nhất hai phương án."),
        ({"option_1": "DICHVUCONG.gov.vn"}, "Có hai phương án trùng nhau."),
        ({"is_right_0": None}, "Bạn hãy đánh dấu phương án đúng."),
        ({"is_right_1": "y"}, "Loại câu hỏi này chỉ có một phương án đúng."),
        ({"is_right_7": "y"}, "Có phương án để trống được đánh dấu là đúng."),
        ({"kind": "true_false", "option_2": "c"}, "Câu hỏi đúng/sai có đúng hai phương án."),
        ({"kind": "essay"}, "Loại câu hỏi “essay” không có"),
        ({"topic": "T99"}, "Bạn hãy chọn một chủ đề trong danh sách."),
        ({"level": "\0"}, "Bạn hãy chọn một mức độ trong danh sách."),
        ({"divisions": "nobody"}, "Bạn hãy chọn các bảng thi trong danh sách."),
        ({"valid_from": "31/02/2026"}, "Bạn hãy ghi ngày theo thứ tự ngày/tháng/năm"),
        ({"valid_from": "02/02/2026", "valid_to": "01/02/2026"}, "Ngày hết hiệu lực đứng trước"),
        ({"tags": "a" * 41}, "mỗi nhãn tối đa 40 ký tự"),
        ({"stem": "&" * 4001}, "Câu hỏi dài tối đa 4.000 ký tự."),
        ({"stem": "<script></script>"}, "Câu hỏi chưa có nội dung."),
    ],
)
def test_the_editor_names_what_is_wrong_and_keeps_what_was_typed(writer, changes, sentence):
    body = {name: value for name, value in (BODY | changes).items() if value is not None}

    answer = post(writer, "/admin/bank/new", **body)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert "Địa chỉ chính thức." in answer.text
    assert db.session.scalar(select(ItemVersion.id)) is None


def test_a_preview_stores_nothing_and_cleans_what_it_shows(writer):
    answer = post(writer, "/admin/bank/new", **BODY | {"stem": "<b>Ai</b><script>x()</script>?"}, preview="y")

    assert answer.status_code == 200
    assert "<b>Ai</b>" in answer.text
    assert "<script>x" not in answer.text
    assert db.session.scalar(select(ItemVersion.id)) is None


def test_the_longest_question_is_stored(writer):
    stem = "".join(chr(0x4E00 + number) for number in range(4000))

    assert post(writer, "/admin/bank/new", **BODY | {"stem": stem}).status_code == 303


def test_an_edit_over_somebody_elses_edit_keeps_both(author, writer, other):
    seen = bank.digest(make_draft(author))
    post(writer, "/admin/bank/T2-900/edit", seen=seen, **BODY)

    answer = post(other, "/admin/bank/T2-900/edit", seen=seen, **BODY | {"stem": "Của tôi?"})

    assert answer.status_code == 422
    assert "vừa được người khác sửa" in answer.text
    assert "Của tôi?" in answer.text
    assert newest().stem == BODY["stem"]


# --- files ---------------------------------------------------------------------------------------

AIKEN = """Ai cấp căn cước?
A. Công an
B. Tòa án
ANSWER: A

Câu không có đáp án
A. Một
B. Hai
"""


def bring(browser, name, content):
    data = {"csrf_token": builders.csrf(browser), "file": (io.BytesIO(content), name)}
    return browser.post("/admin/bank/imports", data=data)


def test_a_file_is_shown_before_it_is_imported_and_then_imported_once(author, writer):
    address = bring(writer, "câu hỏi.txt", AIKEN.encode()).location
    assert words(page(writer, address)).count("bạn hãy chọn chủ đề") == 1
    plan = page(writer, f"{address}?is_chosen=yes&topic=T7&level=NB&divisions=citizens")
    assert "Nhập 1 câu hỏi" in plan
    assert "dòng 6" in plan
    assert db.session.scalar(select(ItemVersion.id)) is None
    asked = {"is_chosen": "yes", "topic": "T7", "level": "NB", "divisions": "citizens"}

    assert post(writer, f"{address}/application", **asked, count=2).status_code == 409
    answer = post(writer, f"{address}/application", **asked, count=1)

    assert answer.location == "/admin/bank?state=draft"
    item = bank.item_of(newest("T7-001"))
    assert (item.stem, item.topic, item.level, item.divisions) == (
        "Ai cấp căn cước?",
        "T7",
        "NB",
        ("citizens",),
    )
    assert newest("T7-001").author_id == author.id
    assert post(writer, f"{address}/application", **asked, count=1).status_code == 409
    assert "Tệp này đã được nhập" in page(writer, address)
    again = bring(writer, "again.txt", AIKEN.encode()).location
    assert "Tệp này không thêm hay sửa câu hỏi nào" in page(writer, again)


def test_a_file_that_changes_an_approved_item_drafts_its_next_version(author, writer):
    first = approved(author, options=(Option("Công an"), Option("Tòa án")))
    address = bring(writer, "x.txt", AIKEN.replace("ANSWER: A", "ANSWER: B").encode()).location

    plan = page(writer, address)
    assert "[bỏ: " in plan
    assert "Bảng thi</dt>" not in plan
    post(writer, f"{address}/application", count=1)

    second = newest()
    assert (second.number, second.key, second.author_id) == (2, [1], author.id)
    assert bank.state_of(second) == "draft"
    assert first.key == [0]


@pytest.mark.parametrize("name", ["xlsx", "docx", "csv", "gift", "moodle_xml", "aiken"])
def test_the_list_is_given_out_in_every_format_and_comes_back(author, writer, name):
    approved(author)
    make_draft(author, "T7-001", topic="T7", stem="Khác?")

    answer = writer.get(f"/admin/bank/export?format={name}&topic=T2")

    assert answer.status_code == 200
    disposition = answer.headers["Content-Disposition"]
    assert "attachment" in disposition
    assert "filename*=UTF-8''Ng%C3%A2n%20h%C3%A0ng" in disposition
    file_name = "x." + disposition.rpartition(".")[2]
    plan = page(writer, bring(writer, file_name, answer.data).location)
    assert "Tệp này không thêm hay sửa câu hỏi nào" in plan
    assert "Bỏ qua vì đã có trong ngân hàng (1)" in plan


# --- wrong input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "page=abc", "page=-1", "page=999999999999999999999", "q=%00%00", "q=%25_%5C", "q=%ED%A0%80",
        "topic=%00", "level=x", "division=%00", "state=none", "tag=%00", "tag=%22%5D", "q=" + "a" * 5000,
    ],
)  # fmt: skip
def test_wrong_filters_never_break_the_list(author, writer, query):
    make_draft(author)
    page(writer, f"/admin/bank?{query}")
    assert writer.get(f"/admin/bank/export?format=csv&{query}").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/admin/bank/NONE", "/admin/bank/NONE/edit", "/admin/bank/%00", "/admin/bank/imports/0",
        "/admin/bank/imports/99999999999", "/admin/bank/export", "/admin/bank/export?format=os",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(writer, address):
    page(writer, address, 404)


@pytest.mark.parametrize("action", ["review", "return", "approval", "edit"])
def test_an_unknown_code_is_not_found_by_any_action(writer, action):
    assert post(writer, f"/admin/bank/NONE/{action}", reason="x", **BODY).status_code == 404


@pytest.mark.parametrize(
    "name, content",
    [
        ("x.xlsx", b"no workbook"), ("x.docx", b"PK\x03\x04"),
        ("x.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]>&a;"),
        ("x.exe", b"MZ"), ("\0.csv", b"\0\0\0"), ("a/../b.txt", b""), ("x.gift", b"\xff" * 100),
        ("x.csv", "Câu hỏi;A\n".encode()), ("x.txt", b"Q" * 30_000 + b"\nA. a\nB. b\nANSWER: A\n"),
        ("x.txt", b"&" * 19_000 + b"\nA. a\nB. b\nANSWER: A\n"),
    ],
)  # fmt: skip
def test_hostile_files_are_answered_in_words(writer, name, content):
    answer = bring(writer, name, content)
    if answer.status_code == 422:
        return
    html = page(writer, f"{answer.location}?topic=T1&level=NB")
    assert "Vấn đề (1)" in html or "không thêm hay sửa" in html
    post(writer, f"{answer.location}/application", topic="T1", level="NB", count=0)


def test_no_file_and_too_large_a_file_are_refused(writer):
    assert post(writer, "/admin/bank/imports").status_code == 422
    form = {"content_type": "multipart/form-data; boundary=x", "data": b"x" * (5 * 1024 * 1024 + 1)}
    assert writer.post("/admin/bank/imports", **form).status_code == 413
    assert db.session.scalar(select(BankImport.id)) is None


def test_participants_are_not_told_of_the_bank(client, contest):
    builders.sign_in(client, builders.make_person(contest))
    for address in ("/admin/bank", "/admin/bank/new", "/admin/bank/imports", "/admin/bank/export?format=csv"):
        assert client.get(address).status_code == 404
