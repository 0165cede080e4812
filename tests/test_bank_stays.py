"""What was approved and drawn stays as it is, and nobody signs for their own item, by any route there is."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from contest import bank
from contest.extensions import db
from contest.models import BankItem, ItemVersion, Pool
from contest.models.accounts import ROLES
from contest.policies import POLICIES, Who
from question_bank.formats import docx, xlsx
from tests import builders
from tests.pictures import drawn, saved, stored
from tests.test_admin import post
from tests.test_bank_pages import BODY, bring, make_draft
from tests.test_item_pictures import upload
from tests.visiting import visit

LEFT_OUT = {"accounts.logout", "admin_configuration.commit_seed"}
CONTENT = """
    SELECT kind, stem, picture_sha256, picture_alt, options::text, key::text, topic, level, divisions::text,
           tags::text, explanation, legal_document, legal_article, valid_from, valid_to, search_text,
           fingerprint, item_id, number, author_id, author_ids, created_at, reviewed_by_id, reviewed_at,
           approved_by_id, approved_at
    FROM item_versions WHERE id = ANY(:ids) ORDER BY id
"""


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def everybody(contest):
    """Somebody with all roles."""
    return builders.make_staff(*ROLES, name="Nguyễn Văn Nhiều")


@pytest.fixture
def browser(app, everybody):
    return builders.sign_in(visit(app), everybody)


@pytest.fixture
def paper(contest):
    """The attempt of somebody who sits right now, each of whose items has a picture or not."""
    builders.make_items(picture=stored())
    round = builders.open_now(builders.make_round(contest))
    return builders.start(builders.make_person(contest), round)


def versions_of(attempt):
    return [attempt.pool.item_versions[item["code"]] for item in attempt.paper]


def facts(ids):
    """All that may not change, as the database has it."""
    db.session.expire_all()
    contents = db.session.execute(text(CONTENT), {"ids": ids}).all()
    pools = db.session.execute(select(Pool.id, Pool.sha256, Pool.file).order_by(Pool.id)).all()
    pictures = db.session.execute(text("SELECT sha256, content FROM pictures ORDER BY sha256")).all()
    return contents, pools[:2], [one for one in pictures if one.sha256 == stored().sha256]


def unsafe_addresses(app, **known):
    """Every address that may change something, made with what is known and else with something.

    Without signing out, and without saving a sheet: that takes a connection of its own, and reads no form.
    Nor is the seed committed, which is committed already and so leaves no trail.
    """
    bound = app.url_map.bind("localhost")
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if POLICIES[rule.endpoint].who is Who.SESSION_IN_STATEMENT or rule.endpoint in LEFT_OUT:
            continue
        for method in sorted(rule.methods & {"POST", "PUT", "PATCH", "DELETE"}):
            fields = {name: known.get(name, 1 if name.endswith("_id") else "x") for name in rule.arguments}
            fields |= {"number": 1, "version": 1} if rule.arguments & {"number", "version"} else {}
            yield method, bound.build(rule.endpoint, {name: fields[name] for name in rule.arguments})


def body(version, **more):
    """A form that fits as many routes as one form can."""
    return {
        **BODY,
        "seen": bank.digest(version),
        "code": version.item.code,
        "which": "ticked",
        "reason": "Thay thế",
        "note": "Thay thế",
        "password": "x" * 12,
        "key_0": "y",
        "keys": "0",
        "accept": "y",
        **more,
    }


def walk(app, browser, version, **known):
    """Ask for every address with a form that means this version; return those that were answered."""
    asked = []
    for method, address in unsafe_addresses(app, code=version.item.code, **known):
        fields = {"csrf_token": builders.csrf(browser), **body(version)}
        status = browser.open(address, method=method, data=fields).status_code
        assert status < 500, address
        asked.append((address, status))
        db.session.expire_all()
    return asked


def test_a_drawn_version_stays_through_every_route_that_there_is(app, browser, paper, contest):
    ids, code = versions_of(paper), paper.paper[0]["code"]
    before = facts(ids)
    known = {
        "slug": contest.slug,
        "contest_id": contest.id,
        "round_id": paper.round_id,
        "public_id": paper.public_id,
        "account_id": paper.account_id,
        "division": "citizens",
    }

    asked = dict(walk(app, browser, bank.find_version(db.session(), code, 1), **known))

    assert facts(ids) == before
    # The walk came through: the item was edited into a draft, retired, and not released.
    assert asked[f"/admin/bank/{code}/edit"] == 303
    assert asked["/admin/bank/retirements"] == 303
    assert asked["/admin/bank/releases"] == 409
    assert bank.newest_version(db.session(), code).number == 2
    assert db.session.scalars(select(BankItem.code).where(BankItem.released_at.is_not(None))).all() == []


@pytest.mark.parametrize(("name", "module"), [("a.xlsx", xlsx), ("a.docx", docx)])
def test_a_drawn_version_stays_when_a_file_changes_it(browser, paper, name, module):
    ids = versions_of(paper)
    code = next(item["code"] for item in paper.paper if item["code"].startswith("T2"))
    before = facts(ids)
    item = bank.item_of(bank.find_version(db.session(), code, 1))

    place = bring(browser, name, module.write([replace(item, key=(3,), explanation="Khác hẳn.")])).location
    assert post(browser, f"{place}/application", count=1, is_chosen="yes").status_code == 303

    assert (bank.newest_version(db.session(), code).number, signatures(code)) == (2, (2, None, None))
    assert facts(ids) == before


def test_a_drawn_version_keeps_its_picture(browser, paper):
    code = next(item["code"] for item in paper.paper if item["code"].startswith("T1"))
    ids, version = versions_of(paper), bank.find_version(db.session(), code, 1)
    before = facts(ids)

    form = body(version, picture_file=upload(saved(drawn(), "PNG")), picture_alt="Hình khác")
    assert post(browser, f"/admin/bank/{code}/edit", **form).status_code == 303
    newer = bank.newest_version(db.session(), code)
    assert post(browser, f"/admin/bank/{code}/edit", **body(newer, is_picture_removed="y")).status_code

    assert newer.number == 2
    assert facts(ids) == before


def test_drawn_versions_stay_when_all_are_retired(browser, paper):
    ids = versions_of(paper)
    before = facts(ids)

    form = {"which": "all", "count": "12", "reason": "Thay thế"}
    assert post(browser, "/admin/bank/retirements", **form).status_code == 303
    assert post(browser, "/admin/bank/releases", **form).status_code == 409

    assert facts(ids) == before
    retired = db.session.scalars(select(ItemVersion.retired_at).where(ItemVersion.id.in_(ids))).all()
    assert all(retired)


@pytest.mark.parametrize(
    "change",
    [
        *(
            "kind = 'multiple'",
            "stem = 'x'",
            "options = '[1, 2]'",
            "key = '[2]'",
            "topic = 'T9'",
            "level = 'VD'",
        ),
        *("divisions = '[]'", "tags = '[\"x\"]'", "explanation = 'x'", "legal_document = 'x'"),
        *("legal_article = 'x'", "valid_from = '2020-01-01'", "valid_to = '2030-01-01'", "number = 9"),
        *("picture_sha256 = NULL, picture_alt = ''", "picture_alt = 'x'", "approved_at = NULL"),
        *("author_id = author_id + 1", "approved_at = now() + interval '1 day'"),
    ],
)
def test_the_database_keeps_each_part_of_a_drawn_version(paper, change):
    ids = versions_of(paper)
    condition = "id = ANY(:ids) AND picture_sha256 IS NOT NULL"
    for statement in (f"UPDATE item_versions SET {change}", "DELETE FROM item_versions"):
        with pytest.raises(DBAPIError), db.session.begin_nested():
            db.session.execute(text(f"{statement} WHERE {condition}"), {"ids": ids})
    for table in ("pools", "pictures"):
        with pytest.raises(DBAPIError), db.session.begin_nested():
            db.session.execute(text(f"DELETE FROM {table}"))


# --- four eyes -------------------------------------------------------------------------------------


def signatures(code):
    db.session.expire_all()
    version = bank.newest_version(db.session(), code)
    return version.number, version.reviewed_by_id, version.approved_by_id


def test_no_route_lets_anybody_review_their_own_item(app, browser, everybody, contest):
    draft = make_draft(everybody)
    asked = dict(walk(app, browser, draft, contest_id=contest.id, slug=contest.slug))

    assert asked["/admin/bank/T2-900/review"] == 409
    assert signatures("T2-900") == (1, None, None)


def test_no_route_lets_anybody_approve_their_own_item(app, browser, everybody, contest):
    draft = make_draft(everybody)
    other = builders.make_staff("organizer")
    for method, address in unsafe_addresses(app, code="T2-900", contest_id=contest.id, slug=contest.slug):
        db.session.refresh(draft)
        if draft.reviewed_at is None:
            # An edit took the signature back: somebody else signs again.
            bank.review(db.session(), draft, reviewer_id=other.id, now=draft.created_at)
            db.session.commit()
        fields = {"csrf_token": builders.csrf(browser), **body(draft)}
        assert browser.open(address, method=method, data=fields).status_code < 500, address
        db.session.expire_all()
        number, _, approved_by = signatures("T2-900")
        assert (number, approved_by) == (1, None), address


def test_a_file_is_nobodys_way_around_the_second_person(browser, everybody):
    draft = make_draft(everybody)
    changed = replace(bank.item_of(draft), key=(1,))

    place = bring(browser, "a.xlsx", xlsx.write([changed])).location
    assert post(browser, f"{place}/application", count=1, is_chosen="yes").status_code == 303

    assert bank.newest_version(db.session(), "T2-900").key == [1]
    assert signatures("T2-900") == (1, None, None)
