"""The stand-alone verifier: takes what is right, names what is wrong, and finds every changed value."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contest import bundles
from contest.data import verify
from tests.bundle_maker import Maker, write

# What no file can contradict; docs/bundle.md says so and why. Files aside, by column or key.
UNCHECKABLE = {
    "configuration.json": {"contest", "round", "closes_at", "grace_ms"},
    "books.json": set(),
}


@pytest.fixture
def bundle(tmp_path):
    return write(Maker(7).files(), tmp_path)


def seal(folder):
    """Make the manifest right again, as whoever changed a file would."""
    names = [path.name for path in folder.iterdir() if path.name != bundles.MANIFEST]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / bundles.MANIFEST).write_bytes(bundles.manifest(1, digests))


def difference(folder):
    with pytest.raises(verify.Difference) as caught:
        verify.verify(str(folder))
    return caught.value


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 10**9), people=st.integers(0, 25))
def test_any_round_verifies(tmp_path_factory, number, people):
    folder = write(Maker(number, people=people).files(), tmp_path_factory.mktemp("bundle"))
    assert verify.verify(str(folder)) == hashlib.sha256((folder / bundles.MANIFEST).read_bytes()).hexdigest()
