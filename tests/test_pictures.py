"""Pictures that people send: what comes out is small, upright and bare; what is hostile is refused."""

import struct
import subprocess
import sys
import time
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from question_bank.picture_files import BadPicture, is_bare_webp
from question_bank.pictures import LARGEST_FILE, LARGEST_STORED, as_jpeg, prepare
from tests.pictures import chunk, drawn, exif, noise, png, saved, stored

SECONDS, MEGABYTES = 2.0, 150


def shown(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("RGB")


def is_red(pixel: tuple[int, int, int]) -> bool:
    return pixel[0] > 150 and pixel[1] < 90 and pixel[2] < 90


# --- what is taken ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        saved(drawn(), "PNG"),
        saved(drawn(), "JPEG"),
        saved(drawn(), "JPEG", progressive=True),
        saved(drawn(), "WEBP"),
        saved(drawn(), "GIF"),
        saved(drawn().convert("P"), "PNG"),
        saved(drawn().convert("CMYK"), "JPEG"),
        saved(drawn(), "PNG", save_all=True, append_images=[noise(400, 300)]),
        saved(drawn(), "GIF", save_all=True, append_images=[noise(400, 300)]),
        saved(drawn(), "WEBP", save_all=True, append_images=[noise(400, 300)]),
    ],
    ids=["png", "jpeg", "progressive", "webp", "gif", "palette", "cmyk", "apng", "moving gif", "moving webp"],
)
def test_every_kind_becomes_a_webp_that_shows_the_same(content: bytes) -> None:
    picture = prepare(content)

    assert (picture.width, picture.height) == (400, 300)
    assert is_bare_webp(picture.content)
    image = shown(picture.content)
    assert image.size == (400, 300)
    assert is_red(image.getpixel((150, 250)))
    assert not is_red(image.getpixel((350, 250)))


def test_what_was_prepared_stays_as_it_is() -> None:
    for content in (
        saved(drawn(), "PNG"),
        saved(noise(900, 700), "PNG"),
        saved(drawn().convert("RGBA"), "PNG"),
    ):
        picture = prepare(content)
        again = prepare(picture.content)
        assert (again, again.content) == (picture, picture.content)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((3000, 1500), (1200, 600)), ((1500, 3200), (750, 1600)), ((1201, 5), (1200, 5)), ((1, 1), (1, 1))],
)
def test_what_is_larger_than_a_phone_shows_is_scaled_down(size, fitted) -> None:
    picture = prepare(saved(drawn(size), "JPEG"))

    assert (picture.width, picture.height) == fitted == shown(picture.content).size


def test_whatever_is_drawn_is_small_enough() -> None:
    assert len(prepare(saved(noise(1300, 1300), "JPEG", quality=80)).content) <= LARGEST_STORED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "white_corner"),
    [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)), (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))],
)
def test_a_photo_is_turned_upright_and_loses_its_metadata(kind, orientation, white_corner) -> None:
    picture = prepare(saved(drawn((400, 200)), kind, exif=exif(orientation)))

    assert (picture.width, picture.height) == ((400, 200) if orientation < 5 else (200, 400))
    image = shown(picture.content)
    corners = {
        (x, y): sum(image.getpixel((10 + x * (image.width - 21), 10 + y * (image.height - 21))))
        for x in (0, 1)
        for y in (0, 1)
    }
    assert max(corners, key=lambda corner: corners[corner]) == white_corner
    assert b"EXIF" not in picture.content
    assert "nhà riêng".encode() not in picture.content


def test_every_kind_of_metadata_is_left_behind() -> None:
    secret = b"ToaDo:21.18,106.07"
    jpeg = saved(drawn(), "JPEG", comment=secret, icc_profile=secret, xmp=secret)
    image = saved(drawn(), "WEBP", xmp=secret, icc_profile=secret)
    text = png(1, 1, chunk(b"tEXt", b"Comment\0" + secret), rows=b"\0abc")
    for content in (jpeg, image, text, prepare(text).content + secret):
        assert secret in content
        assert secret not in prepare(content).content


def test_what_is_transparent_stays_so_and_is_white_for_word() -> None:
    image = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (50, 0, 100, 100))
    picture = prepare(saved(image, "PNG"))

    assert Image.open(BytesIO(picture.content)).convert("RGBA").getpixel((10, 50))[3] == 0
    jpeg = shown(as_jpeg(picture))
    assert min(jpeg.getpixel((10, 50))) > 240
    assert is_red(jpeg.getpixel((90, 50)))


def test_sixteen_bits_of_grey_are_grey() -> None:
    picture = prepare(saved(Image.new("I;16", (50, 50), 40_000), "PNG"))

    assert abs(shown(picture.content).getpixel((25, 25))[0] - 40_000 // 256) < 4


def test_a_large_photo_of_a_phone_is_taken() -> None:
    picture = prepare(saved(drawn((8000, 4900)), "JPEG", exif=exif(6)))

    assert (picture.width, picture.height) == (980, 1600)


# --- what is refused -------------------------------------------------------------------------------


def flat(width: int, height: int, mode: str, kind: str = "PNG", **details) -> bytes:
    return saved(Image.new(mode, (width, height)), kind, **details)


def scans() -> bytes:
    """A progressive JPEG with thousands of scans."""
    content = saved(drawn((2000, 2000)), "JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:start] + content[start:-2] * 3_000 + content[-2:]


def exif_bomb() -> bytes:
    """EXIF whose thousands of tags all name the same large text."""
    tags = b"".join(struct.pack("<HHII", tag, 2, 30_000, 8) for tag in range(0x1000, 0x1000 + 2_600))
    table = b"II*\0" + struct.pack("<IH", 8, 2_600) + tags
    segment = b"Exif\0\0" + table
    plain = saved(drawn(), "JPEG")
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


BOMB = zlib.compress(bytes(50_000_000))
HOSTILE = {
    "nothing": lambda: b"",
    "text": lambda: "Câu 1. Hỏi gì?".encode(),
    "a page": lambda: b"<html><script>alert(1)</script>",
    "a drawing of text": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "a Windows metafile": lambda: b"\xd7\xcd\xc6\x9a" + bytes(200),
    "a TIFF": lambda: saved(drawn(), "TIFF"),
    "a BMP": lambda: saved(drawn(), "BMP"),
    "only a PNG's first bytes": lambda: b"\x89PNG\r\n\x1a\n",
    "only a JPEG's first bytes": lambda: b"\xff\xd8\xff",
    "a PNG without pixels": lambda: png(100, 100),
    "a cut PNG": lambda: saved(noise(300, 300), "PNG")[:20_000],
    "a cut JPEG": lambda: saved(noise(300, 300), "JPEG")[:9_000],
    "a cut WebP": lambda: saved(noise(300, 300), "WEBP")[:9_000],
    "a cut GIF": lambda: saved(noise(300, 300), "GIF")[:9_000],
    "a heavy file": lambda: saved(drawn(), "PNG") + bytes(LARGEST_FILE),
    "a PNG of 4 billion pixels": lambda: png(65_535, 65_535, rows=b"\0"),
    "a PNG of no width": lambda: png(0, 10, rows=b"\0"),
    "a flat PNG of 41 million pixels": lambda: flat(8_200, 5_000, "L"),
    "a colourful PNG of 20 million pixels": lambda: flat(5_000, 4_000, "RGB"),
    "a WebP of 12 million pixels": lambda: flat(4_000, 3_000, "RGB", "WEBP"),
    "a progressive JPEG of 30 million pixels": lambda: flat(6_000, 5_000, "RGB", "JPEG", progressive=True),
    "a JPEG of thousands of scans": scans,
}


@cache
def hostile(name: str) -> bytes:
    return HOSTILE[name]()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_is_refused_at_once(name: str) -> None:
    content = hostile(name)

    started = time.perf_counter()
    with pytest.raises(BadPicture) as refusal:
        prepare(content)

    assert time.perf_counter() - started < SECONDS
    assert str(refusal.value).endswith(".")


HEAVY = {
    "flat grey of 40 million pixels": lambda: flat(8_000, 5_000, "L"),
    "a palette of 40 million pixels": lambda: flat(8_000, 5_000, "P"),
    "a GIF of 40 million pixels": lambda: flat(8_000, 5_000, "P", "GIF"),
    "all the colours that are taken": lambda: flat(3_700, 3_000, "RGBA"),
    "the largest WebP": lambda: flat(1_990, 1_400, "RGBA", "WEBP"),
    "just not twice as large": lambda: flat(2_390, 3_190, "RGBA"),
    "a long line": lambda: flat(65_000, 600, "L"),
    "noise": lambda: saved(noise(1_200, 1_600), "JPEG", quality=90),
    "a profile that bursts": lambda: png(
        2, 2, chunk(b"iCCP", b"x\0\0" + BOMB), chunk(b"zTXt", b"x\0\0" + BOMB), rows=bytes(14)
    ),
    "EXIF that bursts": exif_bomb,
}
MEASURE = """
import sys
from pathlib import Path
from question_bank.picture_files import BadPicture
from question_bank.pictures import prepare
try:
    prepare(Path(sys.argv[1]).read_bytes())
    print("taken")
except BadPicture:
    print("refused")
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("name", [*HEAVY, "a JPEG of thousands of scans", "a WebP of 12 million pixels"])
def test_what_is_heavy_takes_little_time_and_memory(name: str, tmp_path: Path) -> None:
    content = HEAVY[name]() if name in HEAVY else hostile(name)
    (tmp_path / "picture").write_bytes(content)
    started = time.process_time()
    if name in HEAVY:
        prepare(content)
    took = time.process_time() - started

    command = [sys.executable, "-c", MEASURE, str(tmp_path / "picture")]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()

    assert took < SECONDS
    assert said[0] == ("taken" if name in HEAVY else "refused")
    assert int(said[1]) < MEGABYTES


def test_what_stands_behind_a_webp_is_no_bare_webp() -> None:
    content = stored().content
    assert is_bare_webp(content)
    for changed in (content + b"x", content[:-1], content + struct.pack("<4sI", b"XMP ", 0), b"RIFF", b""):
        assert not is_bare_webp(changed)
