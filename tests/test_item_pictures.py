"""Pictures of items on pages: who is given them, how they are shown, how they come in by the editor."""

import io
import re
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from contest import bank
from contest.clock import db_now
from contest.extensions import db
from contest.models import ItemVersion, Picture
from question_bank.formats import docx
from tests import builders
from tests.pictures import drawn, saved, stored
from tests.test_admin import page, post
from tests.test_bank_pages import BODY, bring, make_draft, newest
from tests.visiting import visit

ADDRESS = f"/pictures/{stored().sha256}.webp"
ALT = "Sơ đồ một cửa"


@pytest.fixture
def contest(session):
    return builders.make_contest()


@pytest.fixture
def author(contest):
    return builders.make_staff(name="Nguyễn Thị Soạn")


@pytest.fixture
def writer(app, author):
    """A browser in which an organizer is signed in."""
    return builders.sign_in(visit(app), author)


@pytest.fixture
def round(contest):
    """An open round whose items of T1 have a picture."""
    builders.make_items(picture=stored())
    return builders.open_now(builders.make_round(contest))


@pytest.fixture
def sitting(contest, round):
    """Somebody's attempt at it."""
    return builders.start(builders.make_person(contest), round)


def browser_of(app, account):
    return builders.sign_in(visit(app), account)


def images(html):
    return re.findall(r"<img[^>]*\.webp[^>]*>", html)


# --- who is given a picture ------------------------------------------------------------------------


def test_who_has_a_picture_in_the_paper_is_given_it_to_keep(app, sitting):
    answer = browser_of(app, sitting.account).get(ADDRESS)

    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    assert answer.data == stored().content
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_staff_are_given_every_picture(author, writer):
    make_draft(author, picture=stored(), picture_alt=ALT)

    assert writer.get(ADDRESS).data == stored().content


def test_nobody_else_is_given_a_picture(app, contest, round, sitting):
    others = [
        browser_of(app, builders.make_person(contest)),
        browser_of(app, builders.make_person()),
        visit(app),
    ]

    answers = [browser.get(ADDRESS) for browser in others]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_picture_of_the_pool_that_is_not_in_the_paper_stays_hidden(app, author, contest, round, sitting):
    asked = {item["code"] for item in sitting.paper}
    left = next(code for code in sitting.pool.item_versions if code.startswith("T1") and code not in asked)
    item = bank.item_of(bank.newest_version(db.session(), left))
    bank.edit(
        db.session(), left, replace(item, picture=stored(2)), author_id=author.id, now=db_now(db.session())
    )
    db.session.commit()

    assert browser_of(app, sitting.account).get(f"/pictures/{stored(2).sha256}.webp").status_code == 404


def test_a_newer_wordings_picture_is_not_that_of_the_paper(app, author, sitting):
    code = next(item["code"] for item in sitting.paper if item["code"].startswith("T1"))
    item = bank.item_of(bank.newest_version(db.session(), code))
    bank.edit(
        db.session(), code, replace(item, picture=stored(2)), author_id=author.id, now=db_now(db.session())
    )
    db.session.commit()

    browser = browser_of(app, sitting.account)
    assert browser.get(f"/pictures/{stored(2).sha256}.webp").status_code == 404
    assert browser.get(ADDRESS).status_code == 200


@pytest.mark.parametrize("name", ["0" * 64, "x", "..%2f..%2fsettings", "%00", "0" * 5_000])
def test_what_is_no_picture_is_not_found(writer, name):
    assert writer.get(f"/pictures/{name}.webp").status_code == 404


# --- papers ----------------------------------------------------------------------------------------


def test_the_paper_shows_its_pictures_and_keeps_their_place(app, sitting):
    html = page(browser_of(app, sitting.account), f"/attempts/{sitting.public_id}")

    found = images(html)
    assert len(found) == sum(item["code"].startswith("T1") for item in sitting.paper) == 3
    for image in found:
        assert f'src="{ADDRESS}"' in image
        assert f'alt="{ALT}" width="400" height="300"' in image
    first_has_one = sitting.paper[0]["code"].startswith("T1")
    assert sum('loading="lazy"' not in image for image in found) == first_has_one


def test_a_paper_without_pictures_names_none(app, contest):
    round = builders.open_now(builders.make_round(contest))
    attempt = builders.start(builders.make_person(contest), round)

    assert images(page(browser_of(app, attempt.account), f"/attempts/{attempt.public_id}")) == []


def test_the_review_shows_the_pictures(app, contest, round):
    person = builders.make_person(contest)
    attempt = builders.finish_attempt(person, round)
    builders.close(round)

    html = page(browser_of(app, person), f"/attempts/{attempt.public_id}/result")

    assert len(images(html)) == 3
    assert all(ADDRESS in image and ALT in image for image in images(html))


# --- the editor ------------------------------------------------------------------------------------


def upload(content, name="hinh.png"):
    return io.BytesIO(content), name


def count():
    return db.session.scalar(select(func.count()).select_from(Picture))


def test_a_picture_comes_in_by_the_editor(writer):
    answer = post(
        writer, "/admin/bank/new", **BODY, picture_file=upload(saved(drawn(), "PNG")), picture_alt=f" {ALT} "
    )

    assert answer.status_code == 303
    version = db.session.scalars(select(ItemVersion)).one()
    assert (version.picture_sha256, version.picture_alt) == (stored().sha256, ALT)
    html = page(writer, answer.location)
    assert [ADDRESS in image for image in images(html)] == [True]


def test_a_picture_sent_for_a_preview_needs_not_be_sent_again(author, writer):
    make_draft(author)
    seen = bank.digest(newest())
    answer = post(
        writer,
        "/admin/bank/T2-900/edit",
        **BODY,
        seen=seen,
        picture_file=upload(saved(drawn(), "PNG")),
        picture_alt=ALT,
        preview="yes",
    )
    assert answer.status_code == 200
    assert newest().picture_sha256 is None
    (image,) = images(answer.text)
    assert ADDRESS in image
    kept = re.search(r'name="picture" type="hidden" value="([0-9a-f]+)"', answer.text)
    assert kept is not None

    post(writer, "/admin/bank/T2-900/edit", **BODY, seen=seen, picture=kept[1], picture_alt=ALT)

    assert (newest().picture_sha256, newest().picture_alt) == (stored().sha256, ALT)


def test_a_draft_keeps_its_picture_gets_another_and_loses_it(author, writer):
    make_draft(author, picture=stored(), picture_alt=ALT)
    html = page(writer, "/admin/bank/T2-900/edit")
    assert f'value="{stored().sha256}"' in html
    assert f'value="{ALT}"' in html

    def change(**fields):
        answer = post(
            writer,
            "/admin/bank/T2-900/edit",
            **BODY,
            seen=bank.digest(newest()),
            picture=stored().sha256,
            **fields,
        )
        assert answer.status_code == 303
        return newest().picture_sha256, newest().picture_alt

    assert change(picture_alt="Khác") == (stored().sha256, "Khác")
    other = upload(saved(drawn(seed=2), "PNG"))
    assert change(picture_alt=ALT, picture_file=other) == (stored(2).sha256, ALT)
    assert change(picture_alt=ALT, is_picture_removed="y") == (None, "")
    assert count() == 2


def test_a_picture_without_words_is_asked_for_them(writer):
    answer = post(writer, "/admin/bank/new", **BODY, picture_file=upload(saved(drawn(), "JPEG")))

    assert answer.status_code == 422
    assert "Bạn hãy mô tả hình bằng chữ." in answer.text
    assert db.session.scalar(select(func.count()).select_from(ItemVersion)) == 0


def test_words_without_a_picture_are_left_out(writer):
    assert post(writer, "/admin/bank/new", **BODY, picture_alt=ALT).status_code == 303
    assert db.session.scalars(select(ItemVersion)).one().picture_alt == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<svg onload=alert(1)>", "định dạng SVG"),
        (b"MZ\x90", "không phải là ảnh"),
        (saved(drawn(), "PNG")[:200], "bị hỏng"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_sentence(writer, content, sentence):
    answer = post(writer, "/admin/bank/new", **BODY, picture_file=upload(content), picture_alt=ALT)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert count() == 0


def test_a_bad_picture_leaves_the_one_that_was_there(author, writer):
    make_draft(author, picture=stored(), picture_alt=ALT)
    answer = post(
        writer,
        "/admin/bank/T2-900/edit",
        **BODY,
        seen=bank.digest(newest()),
        picture=stored().sha256,
        picture_file=upload(b"x"),
        picture_alt=ALT,
    )

    assert answer.status_code == 422
    assert ADDRESS in answer.text
    assert newest().picture_sha256 == stored().sha256


@pytest.mark.parametrize("digest", ["0" * 64, "x", "\0", "' OR 1=1"])
def test_a_picture_that_was_never_sent_is_none(writer, digest):
    assert post(writer, "/admin/bank/new", **BODY, picture=digest, picture_alt=ALT).status_code == 303
    assert db.session.scalars(select(ItemVersion)).one().picture_sha256 is None


def test_no_picture_comes_in_by_the_text(writer):
    body = BODY | {"stem": 'Hỏi <img src="https://evil.example/a.png" onerror="x">gì?'}

    assert post(writer, "/admin/bank/new", **body).status_code == 303
    assert db.session.scalars(select(ItemVersion)).one().stem == "Hỏi gì?"


def test_the_history_tells_that_a_picture_changed(app, author, writer):
    version = make_draft(author, picture=stored(), picture_alt=ALT)
    other = builders.make_staff()
    for sign, name in ((bank.review, "reviewer_id"), (bank.approve, "approver_id")):
        sign(db.session(), version, **{name: other.id}, now=db_now(db.session()))
    item = bank.item_of(version)
    bank.edit(
        db.session(),
        "T2-900",
        replace(item, picture=stored(2), picture_alt="Sơ đồ mới"),
        author_id=author.id,
        now=db_now(db.session()),
    )
    db.session.commit()

    assert "Khác phiên bản 1: Hình, Mô tả hình" in page(writer, "/admin/bank/T2-900")


# --- files -----------------------------------------------------------------------------------------


def test_the_dry_run_shows_the_pictures_of_a_file(app, contest, author, writer):
    version = make_draft(author, stem="Câu khác?", picture=stored(), picture_alt=ALT)
    item = replace(bank.item_of(version), stem="Câu trong tệp?", picture=stored(2), picture_alt="")
    address = bring(writer, "a.docx", docx.write([item])).location

    html = page(writer, address)

    (image,) = images(html)
    assert "chưa có, cần bổ sung" in html
    source = re.search(r'src="([^"]+)"', image)
    assert source is not None
    answer = writer.get(source[1])
    assert (answer.status_code, answer.data) == (200, stored(2).content)
    assert "immutable" in answer.headers["Cache-Control"]
    assert writer.get(f"{address}/pictures/{stored().sha256}.webp").status_code == 404
    participant = browser_of(app, builders.make_person(contest))
    assert participant.get(source[1]).status_code == 404
    assert count() == 1  # the dry run stores nothing
