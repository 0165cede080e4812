"""A school and an attacker behind one address, in small; `make faults` has 300 people."""

import pytest

from contest.extensions import db
from tests.test_crowd_over_http import site  # noqa: F401 - a fixture
from trials.one_address import Ground, try_one_address


@pytest.mark.timeout(120)
def test_people_are_served_beside_an_attacker_on_their_address(site, live_app):  # noqa: F811
    here = site(CONTEST_PROOF_WORK="10")
    secret = live_app.config["CONTEST"].secret_key
    ground = Ground(here.base, f"/contests/{here.round.contest.slug}", here.round.id, secret)
    db.session.remove()  # no transaction of the test's own stays open meanwhile
    went = try_one_address(ground, people=30, per_second=4, seed=26)

    assert dict(went.ledger.errors) == {}
    assert went.served == went.people
    assert went.tried >= 100
    assert went.got_in <= went.tried * 0.05
    assert set(went.statuses) <= {303, 422, 503}
