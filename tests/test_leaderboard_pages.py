"""Leaderboards and winners: hidden while a round is open, masked, explained, searched, paged."""

import re
from datetime import timedelta

import pytest

from contest import units
from contest.clock import db_now
from contest.extensions import db
from tests import builders


@pytest.fixture
def contest(session):
    return builders.make_contest("hoi-thi")


@pytest.fixture
def round(contest):
    return builders.open_now(builders.make_round(contest, title="Vòng 1"))


UNITS = "/contests/hoi-thi/leaderboard"
PEOPLE = "/contests/hoi-thi/leaderboard/individuals"
WINNERS = "/contests/hoi-thi/winners"


def text(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.get_data(as_text=True))


def table(page):
    """Return the words of each row of the page's table."""
    body = re.search(r"<tbody>(.*)</tbody>", page)
    rows = re.findall(r"<tr.*?</tr>", body.group(1)) if body else []
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]


def unit_named(name):
    return next(one for one in units.listed(db.session()) if one.name == name)


def set_headcount(contest, division, name, headcount):
    units.set_headcount(
        db.session(),
        division_id=next(one.id for one in contest.divisions if one.code == division),
        unit_id=unit_named(name).id,
        headcount=headcount,
        source="Sở Nội vụ",
    )
    db.session.commit()


def take_part(contest, round, *names, division="citizens", unit=None, **result):
    """Let people finish an attempt."""
    people = [builders.make_person(contest, division, name=name, unit=unit) for name in names]
    for person in people:
        builders.finish_attempt(person, round, **result)
    return people


def publish(round, reason=""):
    return builders.publish(round, reason=reason)


# --- what is not shown yet -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [UNITS, PEOPLE, f"{UNITS}?round=1&division=citizens", f"{PEOPLE}?round=1&page=2"]
)
def test_while_the_round_is_open_the_board_says_when_and_shows_no_number(client, contest, round, path):
    take_part(contest, round, "Lê Thị Hoa", "Trần Văn Tú", prediction=987_654)
    builders.rank(round)

    page = text(client.get(path))

    assert "được giữ kín trong thời gian thi" in page
    for leak in ("<table", "Hoa", "Lê T. H.", "Xã Lục Ngạn", "2 người", "987654", "987.654"):
        assert leak not in page


def test_between_the_end_and_the_last_scoring_the_board_waits(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    builders.rank(round)
    round.closes_at = db_now(db.session())
    db.session.commit()

    page = text(client.get(PEOPLE))

    assert "đang được nộp và chấm" in page
    assert "<table" not in page


def test_a_board_that_is_live_by_its_setting_is_shown_as_provisional(client, contest):
    round = builders.open_now(builders.make_round(contest, is_leaderboard_live=True))
    take_part(contest, round, "Lê Thị Hoa")
    builders.rank(round)

    for path in (UNITS, PEOPLE):
        page = text(client.get(f"{path}?division=citizens"))
        assert "Tạm tính" in page
        assert "<table" in page


def test_a_live_round_that_has_not_begun_has_no_board(client, contest):
    builders.open_now(builders.make_round(contest, opens_in=timedelta(days=1), is_leaderboard_live=True))

    assert "mở lúc" in text(client.get(UNITS))


def test_without_an_asked_round_the_newest_public_one_is_shown(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    builders.close(round)
    builders.make_round(contest, opens_in=timedelta(days=1))

    assert "Lê T. H." in text(client.get(f"{PEOPLE}?division=citizens"))
    assert "Lê T. H." not in text(client.get(f"{PEOPLE}?division=citizens&round=2"))


def test_a_contest_without_rounds_has_calm_pages(client, contest):
    for path in (UNITS, PEOPLE, WINNERS):
        assert "Chưa có" in text(client.get(path))


QUERIES = {
    "page=abc": 200,
    "page=999999999999999999": 200,
    "page=999999": 200,
    "page=-1": 200,
    "page=%00": 200,
    "page=²": 200,
    "page=1&page=2": 200,
    "q=%00%5C%25_": 200,
    "q=" + "x" * 3000: 200,
    "group=&division=&round=": 200,
    "round=99": 404,
    "round=abc": 404,
    "round=1%00": 404,
    "round=²": 404,
}


@pytest.mark.parametrize("path", [UNITS, PEOPLE, WINNERS])
def test_no_address_makes_the_server_stumble(client, contest, round, path):
    take_part(contest, round, "Lê Thị Hoa")
    publish(builders.close(round))

    assert {query: client.get(f"{path}?{query}").status_code for query in QUERIES} == QUERIES


def test_a_division_group_or_version_that_is_not_there_is_not_found(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    publish(builders.close(round))

    for path in (f"{UNITS}?division=x", f"{PEOPLE}?division=x", f"{UNITS}?group=x", f"{WINNERS}?version=9"):
        assert client.get(path).status_code == 404, path


# --- people --------------------------------------------------------------------------------------


def test_people_stand_in_order_masked_with_the_reason_for_each_place(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa", right=5, took=timedelta(minutes=5))
    take_part(contest, round, "Trần Văn Tú", right=5, took=timedelta(minutes=4))
    take_part(contest, round, "Vũ An", right=3)
    builders.close(round)

    page = text(client.get(f"{PEOPLE}?division=citizens"))

    assert [row.split(" Xã")[0] for row in table(page)] == ["1 Trần V. T.", "2 Lê T. H.", "3 Vũ A."]
    assert "Hơn dòng dưới về thời gian: 04:00 so với 05:00." in table(page)[0]
    assert "Hơn dòng dưới về điểm: 5 so với 3." in table(page)[1]
    assert "Hơn dòng dưới" not in table(page)[2]
    for name in ("Hoa", "Tú", "Vũ An"):
        assert name not in page


def test_who_refused_publication_stands_under_a_code(client, contest, round):
    person = builders.make_person(contest, name="Lê Thị Hoa", consents=("participation",))
    builders.finish_attempt(person, round)
    builders.close(round)

    page = text(client.get(f"{PEOPLE}?division=citizens"))

    assert f"Thí sinh {person.draw_id[:6]}" in page
    assert person.draw_id not in page
    assert "Lê" not in table(page)[0]


def test_the_divisions_keep_apart(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    take_part(contest, round, "Trần Văn Tú", division="officials", unit=unit_named("Sở Nội vụ"))
    builders.close(round)

    assert len(table(text(client.get(f"{PEOPLE}?division=citizens")))) == 1
    assert "Sở Nội vụ" in table(text(client.get(f"{PEOPLE}?division=officials")))[0]


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr("contest.blueprints.leaderboards.PAGE_SIZE", 2)
    monkeypatch.setattr("contest.blueprints.leaderboards.IN_SIGHT", 1)


@pytest.mark.usefixtures("small_pages")
def test_pages_follow_each_other_and_the_last_row_of_a_page_is_explained_too(client, contest, round):
    for right in (5, 4, 3):
        take_part(contest, round, "Lê Thị Hoa", right=right)
    builders.close(round)
    path = f"{PEOPLE}?round=1&division=citizens"

    first, second = text(client.get(path)), text(client.get(f"{path}&page=2"))

    assert [row[:1] for row in table(first)] == ["1", "2"]
    assert "4 so với 3" in table(first)[1]
    assert [row[:1] for row in table(second)] == ["3"]
    assert table(text(client.get(f"{path}&page=77"))) == table(second)
    assert "round=1&amp;division=citizens&amp;page=2" in first


@pytest.mark.usefixtures("small_pages")
def test_the_own_row_is_pinned_where_it_is_out_of_sight(client, contest, round):
    people = [take_part(contest, round, "Lê Thị Hoa", right=right)[0] for right in (5, 4, 3)]
    builders.close(round)
    builders.sign_in(client, people[2])

    rows = table(text(client.get(PEOPLE)))

    assert len(rows) == 3
    assert rows[0].startswith("3 Lê T. H. (bạn)")
    assert "Đến dòng của bạn ở trang 2" in rows[0]
    assert len(table(text(client.get(f"{PEOPLE}?page=2")))) == 1


def test_who_is_signed_in_sees_the_own_division_first(client, contest, round):
    official = take_part(contest, round, "Trần Văn Tú", division="officials", unit=unit_named("Sở Nội vụ"))[0]
    take_part(contest, round, "Lê Thị Hoa")
    builders.close(round)

    assert "Trần V. T. (bạn)" in table(text(builders.sign_in(client, official).get(PEOPLE)))[0]


def test_a_percentage_is_worded_in_per_cent(client, contest):
    round = builders.open_now(builders.make_round(contest, prediction_counted="percentage"))
    take_part(contest, round, "Lê Thị Hoa", prediction=9_000_000)
    builders.close(round)

    page = text(client.get(f"{PEOPLE}?division=citizens"))

    assert "100,00000%" in page
    assert "10,00000%" in table(page)[0]


# --- units ---------------------------------------------------------------------------------------


def test_residents_are_counted_in_a_thousand(client, contest, round):
    set_headcount(contest, "citizens", "Xã Lục Ngạn", 3000)
    take_part(contest, round, "Lê Thị Hoa", "Trần Văn Tú", right=4)
    builders.close(round)

    row = table(text(client.get(f"{UNITS}?division=citizens")))[0]

    assert row.startswith("1 Xã Lục Ngạn 0,66 2/3.000 người")
    assert "4,00" in row


def test_officials_are_shown_as_a_share_of_the_headcount(client, contest, round):
    set_headcount(contest, "officials", "Sở Nội vụ", 3)
    take_part(contest, round, "Lê Hoa", "Trần Tú", division="officials", unit=unit_named("Sở Nội vụ"))
    builders.close(round)

    page = text(client.get(f"{UNITS}?division=officials"))

    assert "66,6%" in table(page)[0]
    assert '<rect class="fill" width="66.67"' in page


def test_a_unit_without_rank_is_listed_below_with_the_reason(client, contest):
    round = builders.make_round(contest)
    for asked in round.divisions:
        asked.unit_threshold_percent = 50
    builders.open_now(round)
    builders.make_unit("Sở Tài chính", "H05.03", kind="agency", group="department")
    builders.make_unit("Sở Y tế", "H05.04", kind="agency", group="department")
    set_headcount(contest, "officials", "Sở Nội vụ", 1)
    set_headcount(contest, "officials", "Sở Tài chính", 10)
    set_headcount(contest, "officials", "Sở Y tế", 10)
    for name in ("Sở Nội vụ", "Sở Tài chính"):
        take_part(contest, round, "Lê Hoa", division="officials", unit=unit_named(name))
    closed = builders.close(round)

    rows = table(text(client.get(f"{UNITS}?division=officials")))

    assert [row.split(" Sở ")[0] for row in rows] == ["1", "–", "–"]
    assert "Chưa đạt ngưỡng 50% để xếp hạng" in rows[1]
    assert "Chưa có người dự thi" in rows[2]

    for asked in closed.divisions:
        builders.change_locked(asked, is_listed_below_threshold=False)
    assert len(table(text(client.get(f"{UNITS}?division=officials")))) == 1


def test_a_unit_without_headcount_says_so(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    builders.close(round)

    assert "Chưa có số người của đơn vị" in table(text(client.get(f"{UNITS}?division=citizens")))[0]


@pytest.mark.parametrize("words", ["luc ngan", "LỤC NGẠN", "ngan", "07582", "chu cu"])
def test_a_unit_is_found_by_name_code_and_old_name_accents_aside(client, contest, round, words):
    from contest.models import UnitAlias

    db.session.add(
        UnitAlias(unit_id=unit_named("Xã Lục Ngạn").id, name="Thị trấn Chũ cũ", search_text="thi tran chu cu")
    )
    for name in ("Xã Lục Ngạn", "Phường Kinh Bắc"):
        set_headcount(contest, "citizens", name, 1000)
        take_part(contest, round, "Lê Thị Hoa", unit=unit_named(name))
    builders.close(round)

    rows = table(text(client.get(UNITS, query_string={"division": "citizens", "q": words})))

    assert len(rows) == 1
    assert "Xã Lục Ngạn" in rows[0]


@pytest.mark.parametrize("words", ["H05.09", "h05.09"])
def test_a_unit_whose_code_has_letters_is_found_by_it(session, words):
    unit = builders.make_unit("Sở Thử nghiệm", code="H05.09", kind="agency", group="department")

    assert units.ids_matching(session, words) == {unit.id}


def test_a_search_that_finds_nothing_says_so_and_shows_what_was_typed_safely(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    builders.close(round)

    page = text(client.get(UNITS, query_string={"q": "<script>x"}))

    assert "Không có đơn vị nào khớp" in page
    assert "<script>x" not in page


def test_groups_rank_apart_and_the_filters_stay_in_the_addresses(client, contest, round):
    for name in ("Xã Lục Ngạn", "Phường Kinh Bắc"):
        set_headcount(contest, "citizens", name, 1000)
        take_part(contest, round, "Lê Thị Hoa", unit=unit_named(name))
    builders.close(round)

    page = text(client.get(f"{UNITS}?round=1&division=citizens"))

    assert table(page)[0].startswith("1 Phường Kinh Bắc")
    assert "round=1&amp;division=citizens&amp;group=commune" in page
    assert table(text(client.get(f"{UNITS}?division=citizens&group=commune")))[0].startswith("1 Xã Lục Ngạn")


def test_the_own_unit_is_shown_first_and_marked(client, contest, round):
    for name in ("Xã Lục Ngạn", "Phường Kinh Bắc"):
        set_headcount(contest, "citizens", name, 1000)
        take_part(contest, round, "Lê Thị Hoa", unit=unit_named(name))
    builders.close(round)
    builders.sign_in(client, builders.make_person(contest, unit=unit_named("Xã Lục Ngạn")))

    assert "Xã Lục Ngạn Đơn vị của bạn" in table(text(client.get(UNITS)))[0]
    rows = table(text(client.get(f"{UNITS}?group=ward")))
    assert "Xã Lục Ngạn Đơn vị của bạn" in rows[0]
    assert "Phường Kinh Bắc" in rows[1]


# --- winners -------------------------------------------------------------------------------------


def test_before_anything_is_published_the_page_says_what_comes(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    builders.close(round)

    page = text(client.get(WINNERS))

    assert "Chưa có kết quả được công bố" in page
    assert "Hoa" not in page


def test_winners_who_agreed_stand_in_full_with_the_proofs(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa", right=5)
    shy = builders.make_person(contest, name="Trần Văn Tú", consents=("participation",))
    builders.finish_attempt(shy, round, right=4)
    publication = publish(builders.close(round))

    page = text(client.get(WINNERS))

    for shown in ("Lê Thị Hoa", f"Thí sinh {shy.draw_id[:6]}", "Giải Nhất", "Bản 1", "Kết quả dự kiến"):
        assert shown in page
    for proof in (publication.sha256, publication.content["seed"], publication.content["commitment"]):
        assert proof in page
    assert "Tú" not in page


def test_the_newest_version_is_shown_and_the_older_ones_are_kept(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    closed = builders.close(round)
    first, second = publish(closed), publish(closed, "Sửa tên giải")

    page = text(client.get(WINNERS))
    assert "Bản 2, công bố lúc" in page
    assert "Lý do: Sửa tên giải" in page
    assert first.sha256 in page

    page = text(client.get(f"{WINNERS}?round=1&version=1"))
    assert "Bản 1, công bố lúc" in page
    assert "đã được thay thế" in page
    assert second.sha256 in page


def test_a_round_without_publication_has_an_empty_board_of_its_own(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    publish(builders.close(round))
    builders.make_round(contest, opens_in=timedelta(days=1))

    assert "Lê Thị Hoa" in text(client.get(WINNERS))
    assert "Chưa có kết quả được công bố" in text(client.get(f"{WINNERS}?round=2"))


def test_a_round_that_is_not_for_the_asked_division_says_so_and_shows_the_one_it_has(client, contest, round):
    builders.close(round)
    second = builders.make_round(contest, title="Vòng 2", prizes=(), is_leaderboard_live=True)
    builders.take_out(second, "citizens")
    notes = "Vòng 2 không dành cho bảng Người dân."

    for path in (UNITS, PEOPLE, "/contests/hoi-thi/statistics"):
        # It has no board yet.
        assert notes in text(client.get(f"{path}?round=2&division=citizens"))
        assert notes not in text(client.get(f"{path}?round=1&division=citizens"))
        assert client.get(f"{path}?round=2&division=guests").status_code == 404

    builders.sign_in(client, builders.make_person(contest))
    assert notes in text(client.get(f"{UNITS}?round=2"))
    builders.sign_in(client, builders.make_person(contest, "officials"))
    assert "không dành cho bảng" not in text(client.get(f"{UNITS}?round=2"))


def test_the_board_of_a_round_of_one_division_has_its_people_alone(client, contest):
    only = builders.make_round(contest, title="Vòng riêng", prizes=())
    builders.take_out(only, "citizens")
    builders.open_now(only)
    take_part(contest, only, "Trần Thị Mai", division="officials")
    builders.close(only)

    for path in (UNITS, PEOPLE):
        shown = text(client.get(f"{path}?division=citizens"))
        assert "Vòng riêng, bảng Cán bộ, công chức, viên chức" in shown
        assert "Vòng 1 không dành cho bảng Người dân." in shown
    assert "Trần T. M." in text(client.get(PEOPLE))


# --- the hall's screen ---------------------------------------------------------------------------


def test_the_screen_shows_the_first_units_of_every_group_and_no_menu(client, contest, round):
    for name in ("Xã Lục Ngạn", "Phường Kinh Bắc"):
        set_headcount(contest, "citizens", name, 1000)
        take_part(contest, round, "Lê Thị Hoa", unit=unit_named(name))
    builders.close(round)

    page = text(client.get(f"{UNITS}?round=1&division=citizens&view=screen"))

    assert page.index("Phường Kinh Bắc") < page.index("Xã Lục Ngạn")
    assert page.count("1,00</span>") == 2
    assert '<b class="figures">2</b> người dự thi' in page
    assert "Đăng nhập" not in page
    assert "view=screen" in text(client.get(f"{UNITS}?division=citizens"))


def test_the_screen_keeps_quiet_while_the_board_is_hidden(client, contest, round):
    take_part(contest, round, "Lê Thị Hoa")
    assert "screen-group" not in text(client.get(f"{UNITS}?view=screen"))
