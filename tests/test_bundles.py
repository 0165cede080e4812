"""The bundle of a published round: its files, that they never change, and that the verifier takes them."""

import pytest

from contest import archives
from contest.data import verify
from contest.extensions import db
from tests import builders


@pytest.fixture
def contest(app):
    return builders.make_contest()


def write(publication, folder):
    """Write a publication's files into a folder."""
    for file in archives.listed(db.session(), publication.id):
        (folder / file.name).write_bytes(b"".join(archives.content(db.session(), file.id)))
    return folder


def test_a_published_round_verifies(contest, tmp_path):
    round = builders.open_now(builders.make_round(contest, attempts_allowed=2))
    for right in (5, 5, 3):
        person = builders.make_person(contest)
        builders.finish_attempt(person, round, right=right, prediction=right)
        builders.finish_attempt(person, round, right=4, prediction=2)
    builders.close(round)
    publication = builders.publish(round)
    folder = write(publication, tmp_path)
    assert verify.verify(str(folder)) == publication.sha256
