"""Zip and gzip around a deflate stream: whatever is in it, other programs read it back."""

import gzip
import io
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.rules.archives import MOST_BYTES, Member, gzip_pieces, zip_pieces, zip_size


def packed(name, content):
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = packer.compress(content) + packer.flush()
    return Member(name, len(content), zlib.crc32(content), len(deflated)), [deflated[:7], deflated[7:]]


names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)


@given(st.dictionaries(names, st.binary(max_size=2000), max_size=6))
def test_a_zip_gives_back_what_went_in(files):
    members = [packed(name, content) for name, content in files.items()]
    made = b"".join(zip_pieces(members))
    assert len(made) == zip_size([member for member, _ in members])
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


@given(st.binary(max_size=5000))
def test_gzip_gives_back_what_went_in(content):
    assert gzip.decompress(b"".join(gzip_pieces(*packed("x", content)))) == content


def test_what_is_too_large_for_a_zip_is_refused():
    with pytest.raises(ValueError, match="too large"):
        zip_size([Member("x", MOST_BYTES + 1, 0, 10)])
    with pytest.raises(ValueError, match="too large"):
        zip_size([Member("x", 10, 0, MOST_BYTES)])
