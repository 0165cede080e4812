"""Practice: released items for everybody, with the key at once, and never an item of a contest."""

import re
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from contest import audit, bank, contests, corrections, item_lists, pools, practice, readiness
from contest.clock import db_now, local_today
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Account, Attempt, AuditEvent, BankItem, Pool
from question_bank.items import Option
from tests import builders
from tests.pictures import stored
from tests.visiting import visit

CELL = [{"topic": "T1", "level": "NB", "count": 2, "tags": []}]


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def organizer(session):
    return builders.make_staff("organizer")


@pytest.fixture
def browser(app, organizer):
    return builders.sign_in(visit(app), organizer)


def now():
    return db_now(db.session())


def release(codes=None, *, by, reason="Vòng đã đóng"):
    query = item_lists.newest_versions(state="approved")
    if codes is not None:
        query = query.where(BankItem.code.in_(codes))
    found = db.session.scalars(query).all()
    released = practice.release(db.session(), found, reason=reason, actor_id=by.id, now=now())
    db.session.commit()
    return released


def post(browser, path, **fields):
    return browser.post(path, data={"csrf_token": builders.csrf(browser), **fields})


def shown_codes():
    return practice.draw(db.session(), topic="", seed="x", today=local_today(db.session()))


# --- releasing -------------------------------------------------------------------------------------


def test_a_release_is_logged_with_who_when_and_why(organizer):
    builders.make_items(per_cell=1)

    codes, held = release(["T1-NB-001"], by=organizer)

    assert (codes, held.sentence()) == (["T1-NB-001"], "")
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "item.release")).one()
    assert (event.actor_id, event.subject, event.reason) == (organizer.id, "item/T1-NB-001/1", "Vòng đã đóng")
    assert event.before == {"released_at": None}
    assert event.after["released_at"]
    assert list(audit.broken_links(db.session())) == []


def test_a_release_needs_a_reason_and_something_to_release(organizer):
    builders.make_items(per_cell=1)

    with pytest.raises(Conflict, match="lý do"):
        release(by=organizer, reason="")
    release(by=organizer)
    with pytest.raises(Conflict, match="Không có câu nào"):
        release(by=organizer)


def test_no_more_are_released_at_once_than_others_can_wait_for(organizer, monkeypatch):
    builders.make_items(per_cell=2)
    monkeypatch.setattr(practice, "MOST_AT_ONCE", 3)

    with pytest.raises(Conflict, match="nhiều nhất 3 câu"):
        release(by=organizer)
    assert len(release(["T1-NB-001", "T1-NB-002", "T2-TH-001"], by=organizer)[0]) == 3


def test_an_item_that_is_written_anew_is_practised_in_its_new_words(organizer):
    builders.make_items(per_cell=1)
    release(["T1-NB-001"], by=organizer)
    item = bank.item_of(bank.newest_version(db.session(), "T1-NB-001"))
    newer = bank.edit(
        db.session(), "T1-NB-001", replace(item, stem="Viết lại?"), author_id=organizer.id, now=now()
    )
    asked = {"seed": "x", "today": local_today(db.session())}

    assert [one["stem"] for one in practice.questions(db.session(), ["T1-NB-001"], **asked)] == [item.stem]
    other = builders.make_staff()
    bank.review(db.session(), newer, reviewer_id=other.id, now=now())
    bank.approve(db.session(), newer, approver_id=other.id, now=now())
    assert [one["stem"] for one in practice.questions(db.session(), ["T1-NB-001"], **asked)] == ["Viết lại?"]
    bank.retire(db.session(), [newer], reason="Sai", actor_id=other.id, now=now())
    assert practice.questions(db.session(), ["T1-NB-001"], **asked) == []


def test_a_released_item_is_in_no_pool(contest, organizer):
    builders.make_items(per_cell=3)
    release(["T1-NB-001"], by=organizer)
    round = builders.make_round(contest, specification=CELL)

    assert "T1-NB-001" not in dict(pools.available(db.session(), round, "citizens"))
    builders.open_now(round)

    for pool in db.session.scalars(select(Pool.item_versions)):
        assert set(pool) == {"T1-NB-002", "T1-NB-003"}


def test_a_new_version_of_a_released_item_is_in_no_pool_either(contest, organizer):
    builders.make_items(per_cell=3)
    release(["T1-NB-001"], by=organizer)
    item = bank.item_of(bank.newest_version(db.session(), "T1-NB-001"))
    newer = bank.edit(
        db.session(), "T1-NB-001", replace(item, stem="Viết lại?"), author_id=organizer.id, now=now()
    )
    other = builders.make_staff()
    bank.review(db.session(), newer, reviewer_id=other.id, now=now())
    bank.approve(db.session(), newer, approver_id=other.id, now=now())

    round = builders.make_round(contest, specification=CELL)
    assert "T1-NB-001" not in dict(pools.available(db.session(), round, "citizens"))


def test_a_round_that_lacks_its_released_items_does_not_open(contest, organizer):
    builders.make_items(per_cell=2)
    round = builders.make_round(contest, specification=CELL)
    release(["T1-NB-001"], by=organizer)

    with pytest.raises(Conflict, match="T1/NB cần 2, có 1"):
        builders.open_now(round)
    assert any(check.kind == "error" for check in readiness.checks(db.session(), round, now=now()))


def test_an_item_of_a_round_is_released_after_the_round_is_closed_and_not_before(contest, organizer):
    round = builders.open_now(builders.make_round(contest))
    drawn, free = "T1-NB-001", "T9-NB-001"
    author, reviewer = builders.make_staff(), builders.make_staff()
    item = replace(bank.item_of(bank.newest_version(db.session(), drawn)), code=free, topic="T9")
    (extra,) = bank.add_drafts(db.session(), [item], author_id=author.id, now=now())
    bank.review(db.session(), extra, reviewer_id=reviewer.id, now=now())
    bank.approve(db.session(), extra, approver_id=reviewer.id, now=now())

    with pytest.raises(Conflict, match="T1-NB-001 đang ở bộ câu hỏi của vòng thi chưa đóng"):
        release([drawn], by=organizer)
    codes, held = release([drawn, free], by=organizer)
    assert (codes, held.in_rounds) == ([free], [drawn])

    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    assert release([drawn], by=organizer)[0] == [drawn]


def test_an_item_that_a_round_found_wrong_is_not_released_and_not_shown(contest, organizer):
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    approver = builders.make_staff("approver")
    release(["T1-NB-002"], by=organizer)
    for code in ("T1-NB-001", "T1-NB-002"):
        corrections_of(round, code, organizer, approver)

    with pytest.raises(Conflict, match="T1-NB-001 đã được đính chính"):
        release(["T1-NB-001"], by=organizer)
    assert shown_codes() == []


def corrections_of(round, code, organizer, approver):
    db.session.add(
        corrections.Correction(
            round_id=round.id,
            code=code,
            keys=[[2]],
            reason="Sai đáp án",
            note="Đáp án đúng là phương án khác.",
            proposed_by_id=organizer.id,
            approved_by_id=approver.id,
        )
    )
    db.session.commit()


def test_drafts_and_retired_items_are_not_released(organizer):
    builders.make_items(per_cell=1)
    version = bank.newest_version(db.session(), "T1-NB-001")
    bank.retire(db.session(), [version], reason="Cũ", actor_id=organizer.id, now=now())

    with pytest.raises(Conflict, match="Không có câu nào"):
        practice.release(db.session(), [version], reason="x", actor_id=organizer.id, now=now())


# --- what the database refuses -----------------------------------------------------------------------

RELEASE = "UPDATE bank_items SET released_at = now(), released_by_id = :person, release_reason = 'x'"


def refused(statement, complaint, **parameters):
    with pytest.raises(IntegrityError, match=complaint), db.session.begin_nested():
        db.session.execute(text(statement), parameters)


def test_the_database_keeps_an_item_of_an_open_round_from_release(contest, organizer):
    builders.open_now(builders.make_round(contest))
    refused(RELEASE, "pool of a round that is not closed", person=organizer.id)


@pytest.mark.parametrize(
    "change", ["released_at = NULL, released_by_id = NULL, release_reason = NULL", "release_reason = 'y'"]
)
def test_the_database_keeps_a_release_as_it_is(organizer, change):
    builders.make_items(per_cell=1)
    release(by=organizer)
    refused(f"UPDATE bank_items SET {change}", "stays so")


def test_the_database_knows_no_release_without_a_person(organizer):
    builders.make_items(per_cell=1)
    refused("UPDATE bank_items SET released_at = now()", "released_with_reason")


def test_the_database_keeps_released_items_out_of_pools(contest, organizer):
    round = builders.open_now(builders.make_round(contest))
    builders.finish_attempt(builders.make_person(contest), round)
    builders.close(round)
    release(by=organizer)
    refused(
        "INSERT INTO pools (round_id, division_id, version, file, sha256, item_versions) "
        "SELECT round_id, division_id, 7, file, sha256, item_versions FROM pools",
        "no item that was released",
    )


def test_a_release_waits_for_a_round_that_opens_and_then_leaves_its_items(live_app):
    contest, organizer = builders.make_contest(), builders.make_staff("organizer")
    builders.make_items(per_cell=3)
    round = builders.make_round(contest)
    builders.lock_headcounts(contest)
    round_id, person_id = round.id, organizer.id
    contests.open_round(
        db.session(),
        contests.find_round(db.session(), round_id),
        seed=bytes(32),
        data_key=builders.data_key(),
        now=round.opens_at - timedelta(minutes=1),
        actor_id=None,
    )

    thread, result = builders.in_thread(live_app, lambda: release(by=db.session.get(Account, person_id)))
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert isinstance(result[0], Conflict)
    assert "chưa đóng" in result[0].sentence
    assert db.session.scalars(select(BankItem.released_at).distinct()).all() == [None]


def test_a_round_that_opens_waits_for_a_release_and_then_goes_without_its_items(live_app):
    contest, organizer = builders.make_contest(), builders.make_staff("organizer")
    builders.make_items(per_cell=4)
    round = builders.make_round(contest)
    round_id = round.id
    versions = db.session.scalars(
        item_lists.newest_versions(state="approved").where(BankItem.code == "T1-NB-001")
    ).all()
    practice.release(db.session(), versions, reason="x", actor_id=organizer.id, now=now())

    thread, result = builders.in_thread(
        live_app, lambda: builders.open_now(contests.find_round(db.session(), round_id)).id
    )
    builders.wait_until_somebody_waits()
    db.session.commit()
    thread.join()

    assert result == [round_id]
    for pool in db.session.scalars(select(Pool.item_versions)):
        assert "T1-NB-001" not in pool
        assert "T1-NB-002" in pool


# --- the organizer's pages ---------------------------------------------------------------------------


def test_an_item_is_released_from_its_page(browser):
    builders.make_items(per_cell=1)
    assert "Đưa vào luyện tập" in browser.get("/admin/bank/T1-NB-001").get_data(as_text=True)

    answer = post(browser, "/admin/bank/releases", code="T1-NB-001", item="yes", reason="Dùng thử")

    assert answer.status_code == 303
    html = browser.get("/admin/bank/T1-NB-001").get_data(as_text=True)
    assert "đưa vào luyện tập, lý do: Dùng thử" in html
    assert "không vào vòng thi nào" in html
    assert 'action="/admin/bank/releases"' not in html


def test_ticked_items_are_released_and_found_by_the_filter(browser):
    builders.make_items(per_cell=3)
    ticked = ["T1-NB-001", "T2-TH-002"]

    assert post(browser, "/admin/bank/releases", code=ticked, which="ticked", reason="x").status_code == 303

    for value, codes in (("yes", ticked), ("no", ["T1-NB-002", "T1-NB-003", "T2-TH-001", "T2-TH-003"])):
        html = browser.get(f"/admin/bank?released={value}").get_data(as_text=True)
        assert re.findall(r'<a href="/admin/bank/(T\S+)">', html) == codes


def test_all_that_a_search_finds_are_released_if_it_still_finds_as_many(browser, contest):
    builders.make_items(per_cell=3)
    fields = {"which": "all", "topic": "T1", "reason": "x"}

    assert post(browser, "/admin/bank/releases", count=2, **fields).status_code == 409
    assert post(browser, "/admin/bank/releases", count=3, **fields).status_code == 303

    released = db.session.scalars(select(BankItem.code).where(BankItem.released_at.is_not(None)))
    assert sorted(released) == ["T1-NB-001", "T1-NB-002", "T1-NB-003"]


def test_what_stays_behind_is_named(browser, contest):
    builders.open_now(builders.make_round(contest, specification=CELL))

    answer = post(browser, "/admin/bank/releases", which="all", count=12, reason="x")
    html = browser.get(answer.location).get_data(as_text=True)

    assert "Đã đưa 6 câu hỏi vào luyện tập." in html
    assert "T1-NB-001, T1-NB-002" in html
    assert "vòng thi chưa đóng" in html


def test_only_organizers_release(app):
    builders.make_items(per_cell=1)
    for roles in (["approver"], ["administrator"]):
        staff = builders.sign_in(visit(app), builders.make_staff(*roles))
        assert post(staff, "/admin/bank/releases", code="T1-NB-001", reason="x").status_code == 403
        assert "/admin/bank/releases" not in staff.get("/admin/bank/T1-NB-001").get_data(as_text=True)
        assert "/admin/bank/releases" not in staff.get("/admin/bank").get_data(as_text=True)
    assert db.session.scalar(select(BankItem.released_at).where(BankItem.code == "T1-NB-001")) is None


# --- practising --------------------------------------------------------------------------------------


@pytest.fixture
def practised(organizer):
    builders.make_items(per_cell=6)
    release(by=organizer)


def page(browser, path):
    return browser.get(path)


def arguments(html):
    """Return the fields that a page's form carries on."""
    return re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html)


def begin(browser, topic=""):
    answer = browser.get(f"/practice/new?topic={topic}")
    assert answer.status_code == 303
    return answer.location


def right_labels(html):
    return re.findall(r'<input type="(?:radio|checkbox)" name="choice" value="(\w)"', html)


def answer_all(browser, choose):
    """Go through a practice; `choose` picks of the options on a page. Return the pages of the answers."""
    address, judged = begin(browser), []
    while True:
        html = browser.get(address).get_data(as_text=True)
        if "Kết quả luyện tập" in html:
            return html, judged
        chosen = choose(html)
        asked = [*arguments(html), ("answer", "1"), *(("choice", label) for label in chosen)]
        html = browser.get("/practice/questions", query_string=asked).get_data(as_text=True)
        judged.append(html)
        address = re.search(r'href="(/practice/questions[^"]*)"', html)[1].replace("&amp;", "&")


def label_of(html, words):
    return re.search(r'value="(\w)"(?:(?!value=).)*?<span>' + words + "</span>", html, re.DOTALL)[1]


@pytest.mark.usefixtures("practised")
def test_nobody_needs_to_sign_in_and_each_answer_is_explained_at_once(client):
    summed, judged = answer_all(client, lambda html: label_of(html, "Phương án 1"))

    assert len(judged) == practice.QUESTIONS
    for html in judged:
        assert "Đúng." in html
        assert "Lời giải thích." in html
        assert "Nghị định số 42/2022/NĐ-CP" in html
    assert "10/10 câu" in summed
    assert "Bạn trả lời đúng tất cả 10 câu" in summed


@pytest.mark.usefixtures("practised")
def test_a_wrong_answer_shows_the_right_one_and_the_sum_opens_it(client):
    summed, judged = answer_all(client, lambda html: label_of(html, "Phương án 0"))

    assert all("Chưa đúng." in html and "Đáp án đúng" in html for html in judged)
    assert "0/10 câu" in summed
    assert summed.count("<details") == summed.count(" open>") == 10


@pytest.mark.usefixtures("practised")
def test_the_key_is_not_on_the_page_before_the_answer(client):
    html = client.get(begin(client)).get_data(as_text=True)
    for words in ("Đáp án", "Lời giải thích", "is-right", "Nghị định"):
        assert words not in html


def test_several_right_options_are_all_to_be_chosen(client, organizer):
    builders.make_items(per_cell=6, multiple=True)
    release(by=organizer)

    summed, judged = answer_all(client, lambda html: label_of(html, "Phương án 0"))
    assert "0/10 câu" in summed
    assert "Cần chọn đủ" in judged[0]
    both = lambda html: label_of(html, "Phương án 0") + label_of(html, "Phương án 2")  # noqa: E731
    assert "10/10 câu" in answer_all(client, both)[0]


@pytest.mark.usefixtures("practised")
def test_nothing_is_written(client, statements):
    with statements() as noted:
        answer_all(client, lambda html: "a")
    assert noted
    assert all(statement.lstrip().upper().startswith("SELECT") for statement in noted)


@pytest.mark.usefixtures("practised")
def test_each_page_takes_few_statements(client, contest, statements):
    for address, most in (("/practice", 4), ("/practice/new", 2), (begin(client), 4)):
        with statements() as noted:
            client.get(address)
        assert len(noted) <= most, noted


@pytest.mark.usefixtures("practised")
def test_a_topic_is_practised_alone(client):
    codes = [value for name, value in parse_qsl(urlsplit(begin(client, "T2")).query) if name == "item"]
    assert len(codes) == 6
    assert all(code.startswith("T2-") for code in codes)


def test_pages_say_what_there_is(client, organizer):
    assert "Chưa có câu luyện tập" in client.get("/practice").get_data(as_text=True)
    assert client.get("/practice/new").location == "/practice"
    builders.make_items(per_cell=2)
    release(["T1-NB-001", "T1-NB-002"], by=organizer)

    html = client.get("/practice").get_data(as_text=True)
    assert 'value="T1"' in html
    assert 'value="T2"' not in html
    assert "Mỗi lượt 2 câu" in html


def test_only_released_items_are_shown_whatever_the_address_says(client, contest, organizer):
    builders.make_items(per_cell=2)
    release(["T1-NB-001"], by=organizer)

    html = client.get("/practice/questions?seed=a&item=T1-NB-002&item=T1-NB-001").get_data(as_text=True)
    assert "Câu hỏi T1 NB số 1" in html
    assert "số 2" not in html
    assert "Câu 1/1" in html
    assert client.get("/practice/questions?seed=a&item=T1-NB-002").status_code == 404


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_not_valid_today_is_not_practised(organizer, ended):
    builders.make_items(per_cell=1)
    item = bank.item_of(bank.newest_version(db.session(), "T1-NB-001"))
    today = local_today(db.session())
    dates = {"valid_to": today - timedelta(days=1)} if ended else {"valid_from": today + timedelta(days=1)}
    author, other = builders.make_staff(), builders.make_staff()
    newer = bank.edit(db.session(), item.code, replace(item, **dates), author_id=author.id, now=now())
    bank.review(db.session(), newer, reviewer_id=other.id, now=now())
    bank.approve(db.session(), newer, approver_id=other.id, now=now())
    release(by=organizer)

    assert shown_codes() == ["T2-TH-001"]


@pytest.mark.usefixtures("practised")
def test_a_retired_item_is_practised_no_more_and_the_others_go_on(client, organizer):
    address = begin(client)
    first = dict(parse_qsl(urlsplit(address).query))
    codes = [value for name, value in parse_qsl(urlsplit(address).query) if name == "item"]
    version = bank.newest_version(db.session(), codes[0])
    bank.retire(db.session(), [version], reason="Cũ", actor_id=organizer.id, now=now())
    db.session.commit()

    html = client.get(f"{address}&given=a&given=b").get_data(as_text=True)

    assert first["seed"] in html
    assert "Câu 2/9" in html
    assert [value for name, value in arguments(html) if name == "given"] == ["b"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "item=",
        "item=%00",
        "item=T1-NB-001&given=zz&given=%C3%A9&given=" + "a" * 5000,
        "item=T1-NB-001&seed=" + "s" * 3000,
        "item=T1-NB-001&answer=1",
        "item=T1-NB-001&answer=1&choice=z&choice=%00",
        "item=" + "x" * 3000,
        "&".join(f"item=T1-NB-{n:03d}" for n in range(1, 500)),
        "item=T1-NB-001&item=T1-NB-001&topic=%27%22%3E%3Cscript%3E",
        "item=T1-NB-001&given=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&item=T1-NB-002",
    ],
)
@pytest.mark.usefixtures("practised")
def test_no_address_breaks_the_page(client, query):
    answer = client.get(f"/practice/questions?{query}")
    assert answer.status_code in (200, 404, 422)
    assert "<script>" not in answer.get_data(as_text=True)


@pytest.mark.usefixtures("practised")
def test_an_empty_answer_asks_for_one(client):
    html = client.get(begin(client)).get_data(as_text=True)
    answer = client.get("/practice/questions", query_string=[*arguments(html), ("answer", "1")])
    assert answer.status_code == 422
    assert "Bạn hãy chọn một phương án." in answer.get_data(as_text=True)
    assert "Đáp án đúng" not in answer.get_data(as_text=True)


def test_options_stay_in_their_order_while_one_practises_and_pinned_ones_in_their_places(organizer):
    builders.make_items(per_cell=1)
    item = bank.item_of(bank.newest_version(db.session(), "T1-NB-001"))
    pinned = replace(
        item, options=(*(Option(f"Phương án {n}") for n in range(3)), Option("Tất cả", is_pinned=True))
    )
    author, other = builders.make_staff(), builders.make_staff()
    newer = bank.edit(db.session(), item.code, pinned, author_id=author.id, now=now())
    bank.review(db.session(), newer, reviewer_id=other.id, now=now())
    bank.approve(db.session(), newer, approver_id=other.id, now=now())
    release(by=organizer)
    today = local_today(db.session())

    orders = set()
    for seed in map(str, range(30)):
        (one,) = practice.questions(db.session(), [item.code], seed=seed, today=today)
        (again,) = practice.questions(db.session(), [item.code], seed=seed, today=today)
        assert one["order"] == again["order"]
        assert one["order"][3] == 3
        orders.add(one["order"])
    assert len(orders) > 3


def test_everybody_sees_the_pictures_of_released_items_and_of_no_others(client, organizer):
    builders.make_items(per_cell=1, picture=stored())
    address = f"/pictures/{stored().sha256}.webp"
    assert client.get(address).status_code == 404

    release(["T2-TH-001"], by=organizer)
    assert client.get(address).status_code == 404
    release(["T1-NB-001"], by=organizer)

    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.mimetype == "image/webp"
    html = client.get("/practice/questions?seed=a&item=T1-NB-001").get_data(as_text=True)
    assert address in html
    assert 'alt="Sơ đồ một cửa"' in html


@pytest.mark.usefixtures("practised")
def test_practice_is_no_attempt_and_its_items_are_not_what_somebody_has_had(client, contest):
    answer_all(client, lambda html: "a")
    assert db.session.scalars(select(Attempt)).all() == []


def test_the_contest_page_leads_to_the_practice(client, contest):
    assert 'href="/practice"' in client.get("/").get_data(as_text=True)
    builders.make_items()
    builders.make_round(contest)
    assert 'href="/practice"' in client.get(f"/contests/{contest.slug}").get_data(as_text=True)


# --- validity in the list ----------------------------------------------------------------------------


def test_items_that_run_out_are_found_by_when_they_do(browser):
    builders.make_items(per_cell=3)
    today, author, other = local_today(db.session()), builders.make_staff(), builders.make_staff()
    ends = {
        "T1-NB-001": today - timedelta(days=1),
        "T1-NB-002": today,
        "T1-NB-003": today + timedelta(days=60),
    }
    for code, day in ends.items():
        item = bank.item_of(bank.newest_version(db.session(), code))
        dated = replace(item, valid_from=date(2025, 7, 1), valid_to=day)
        newer = bank.edit(db.session(), code, dated, author_id=author.id, now=now())
        bank.review(db.session(), newer, reviewer_id=other.id, now=now())
        bank.approve(db.session(), newer, approver_id=other.id, now=now())
    db.session.commit()

    for value, codes in (
        ("past", ["T1-NB-001"]),
        ("30", ["T1-NB-002"]),
        ("90", ["T1-NB-002", "T1-NB-003"]),
        ("never-heard-of", [*ends, "T2-TH-001", "T2-TH-002", "T2-TH-003"]),
    ):
        html = browser.get(f"/admin/bank?ends={value}").get_data(as_text=True)
        assert re.findall(r'<a href="/admin/bank/(T\S+)">', html) == codes
    assert "từ 01/07/2025 đến" in html
    assert "Đã hết" in html
    assert (
        browser.get("/admin/bank/export?format=csv&ends=past").get_data(as_text=True).count("Câu hỏi T") == 1
    )
    fields = {"which": "all", "ends": "past", "reason": "Hết hiệu lực"}
    assert post(browser, "/admin/bank/retirements", count=1, **fields).status_code == 303
    assert bank.state_of(bank.newest_version(db.session(), "T1-NB-001")) == "retired"
    assert bank.state_of(bank.newest_version(db.session(), "T1-NB-002")) == "approved"
