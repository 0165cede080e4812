"""A contest is made unseen, changed until a round of it opens, announced once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from contest import contest_settings, contests, registrations
from contest.clock import db_now
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.models import Contest, Division, Unit
from contest.rules.configuration import ContestDivision, ContestSettings
from contest.saved_changes import ChangedMeanwhile
from tests import builders

NEW = ContestSettings(
    slug="hoi-thi-moi",
    title="Hội thi mới",
    summary="",
    minimum_age=18,
    has_standing=True,
    divisions=(
        ContestDivision(
            code="departments", name="Các sở", unit_groups=("department",), is_residence_required=False
        ),
        ContestDivision(code="citizens", name="Người dân", unit_kind="commune"),
    ),
)


@pytest.fixture
def organizer(session):
    return builders.make_staff()


def create(organizer, **changed):
    made = contest_settings.create_contest(
        db.session(), replace(NEW, **changed), now=db_now(db.session()), actor_id=organizer.id
    )
    db.session.commit()
    return made


def save(contest, organizer, *, seen=None, **changed):
    settings = replace(contest_settings.settings_of_contest(contest), **changed)
    is_changed = contest_settings.save_contest(
        db.session(),
        contest,
        settings,
        seen=contest.configuration_version if seen is None else seen,
        now=db_now(db.session()),
        actor_id=organizer.id,
    )
    db.session.commit()
    return is_changed


def test_a_new_contest_is_stored_as_set_and_not_shown(organizer, client):
    shown = builders.make_contest()

    made = create(organizer)

    found = contest_settings.find_contest(db.session(), made.id)
    assert contest_settings.settings_of_contest(found) == NEW
    assert contests.current_contest(db.session()) == shown
    with pytest.raises(NotThere):
        contests.find_contest(db.session(), NEW.slug)
    assert client.get(f"/contests/{NEW.slug}/rules").status_code == 404


def test_organizers_read_the_rules_before_they_are_announced(organizer, client):
    create(organizer)

    page = builders.sign_in(client, organizer).get(f"/contests/{NEW.slug}/rules")

    assert page.status_code == 200
    assert "chưa được công bố" in page.get_data(as_text=True)


def test_announced_it_is_what_the_site_shows(organizer):
    builders.make_contest()
    made = create(organizer)
    with pytest.raises(Conflict, match="ít nhất một vòng"):
        contest_settings.announce(db.session(), made, now=db_now(db.session()), actor_id=organizer.id)
    builders.make_round(made, opens_in=timedelta(days=1))

    contest_settings.announce(db.session(), made, now=db_now(db.session()), actor_id=organizer.id)

    assert contests.current_contest(db.session()) == made
    with pytest.raises(Conflict, match="đã được công bố"):
        contest_settings.announce(db.session(), made, now=db_now(db.session()), actor_id=organizer.id)


def test_an_address_that_is_taken_is_told_at_its_field(organizer):
    create(organizer)

    with pytest.raises(BadInput) as refused:
        create(organizer)

    assert set(refused.value.fields) == {"slug"}


@pytest.mark.parametrize(
    "division, field",
    [
        (ContestDivision(code="a", name="A", unit_groups=("kings",)), "unit_groups"),
        (
            ContestDivision(code="a", name="A", unit_kind="commune", unit_groups=("department",)),
            "unit_groups",
        ),
        (
            ContestDivision(code="a", name="A", unit_kind="commune", is_residence_required=False),
            "is_residence_required",
        ),
    ],
)
def test_a_division_that_contradicts_itself_is_refused(organizer, division, field):
    with pytest.raises(BadInput) as refused:
        create(organizer, divisions=(division,))

    assert set(refused.value.fields) == {f"divisions.0.{field}"}


def test_divisions_come_and_go_until_somebody_uses_them(organizer):
    contest = create(organizer)
    more = (*NEW.divisions, ContestDivision(code="guests", name="Khách mời"))
    assert save(contest, organizer, divisions=more)
    assert [one.code for one in contest_settings.find_contest(db.session(), contest.id).divisions] == [
        "departments",
        "citizens",
        "guests",
    ]
    assert save(contest, organizer, divisions=NEW.divisions)
    assert db.session.scalar(select(Division.id).where(Division.code == "guests")) is None
    builders.make_round(contest, opens_in=timedelta(days=1))

    with pytest.raises(Conflict, match="không bỏ được"):
        save(contest, organizer, divisions=NEW.divisions[:1])


def test_once_a_round_is_opened_only_words_change(organizer):
    contest = builders.make_contest()
    builders.open_now(builders.make_round(contest))

    assert save(contest, organizer, title="Tên hay hơn")
    with pytest.raises(Conflict, match="chỉ sửa được tên"):
        save(contest, organizer, minimum_age=17)


def test_nobody_under_16_is_let_in_by_a_setting_that_no_guardian_can_answer(organizer):
    contest = create(organizer)
    with pytest.raises(BadInput, match="người giám hộ"):
        save(contest, organizer, minimum_age=15)

    contest.minimum_age = 12  # as it could once be stored
    db.session.commit()
    assert save(contest, organizer, title="Tên khác")
    with pytest.raises(BadInput, match="Hiện cuộc thi nhận người từ đủ 16 tuổi"):
        registrations.check_birth_date(date(2012, 1, 1), contest, now=db_now(db.session()))


def test_the_second_of_two_is_told(organizer):
    contest = create(organizer)
    save(contest, organizer, title="Một")

    with pytest.raises(ChangedMeanwhile):
        save(contest, organizer, seen=1, title="Hai")


# --- where people meet the settings --------------------------------------------------------------


def enter(contest, division, unit, commune):
    ids = dict(db.session.execute(select(Unit.code, Unit.id)).all())
    return registrations.enter(
        db.session(),
        builders.make_person(),
        contest,
        division_id=next(one.id for one in contest.divisions if one.code == division),
        unit_id=ids.get(unit),
        commune_id=ids.get(commune),
        now=db_now(db.session()),
    )


@pytest.fixture
def contest(organizer):
    builders.make_contest()  # and its units
    made = create(organizer)
    return db.session.get_one(Contest, made.id)


def test_a_division_admits_its_groups_alone(contest):
    assert enter(contest, "departments", "H05.02", "07582").unit.code == "H05.02"
    with pytest.raises(BadInput) as refused:
        enter(contest, "departments", "09187", "07582")

    assert set(refused.value.fields) == {"unit"}


def test_who_lives_elsewhere_may_enter_where_no_residence_is_asked_for(contest):
    assert enter(contest, "departments", "H05.02", None).commune_id is None
    with pytest.raises(BadInput) as refused:
        enter(contest, "citizens", None, None)

    assert set(refused.value.fields) == {"commune"}


def test_the_form_offers_what_the_divisions_admit(contest, client, organizer):
    builders.make_round(contest, opens_in=timedelta(days=1))
    contest_settings.announce(db.session(), contest, now=db_now(db.session()), actor_id=organizer.id)
    db.session.commit()
    page = client.get("/register").get_data(as_text=True)
    assert "Cư trú ngoài tỉnh" in page
    assert page.count('value="09187"') == 1  # as a residence, not as a unit

    fields = {
        "csrf_token": builders.csrf(client),
        "name": "Lê Thị Mai",
        "birth_date": "05/03/1990",
        "phone": "0987654321",
        "password": "con mèo vàng",
        "participation": "y",
        "commune": "elsewhere",
        "unit": "H05.02",
    }
    refused = client.post("/register", data=fields | {"division": "citizens"})
    assert (refused.status_code, "dành cho người cư trú trong tỉnh" in refused.get_data(as_text=True)) == (
        422,
        True,
    )
    assert client.post("/register", data=fields | {"division": "departments"}).status_code == 303
    assert "Ngoài tỉnh" in client.get("/me").get_data(as_text=True)


def test_too_young_for_this_contest_is_told_its_age(contest, client, organizer):
    with pytest.raises(BadInput, match="từ đủ 18 tuổi"):
        registrations.check_birth_date(
            (db_now(db.session()) - timedelta(days=17 * 365)).date(), contest, now=db_now(db.session())
        )
