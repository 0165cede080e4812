"""Pictures that people send, made fit to store and to show: re-encoded, small, without metadata."""

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from math import sqrt

from PIL import Image

from question_bank.items import Picture
from question_bank.picture_files import BadPicture, BareFile, bare_file, is_bare_webp

LARGEST_FILE = 5 * 1024 * 1024
MOST_PIXELS = 40_000_000
WIDEST, TALLEST = 1_200, 1_600
LARGEST_STORED = 150 * 1024
QUALITIES = (80, 60, 40)
# What decoding may take. A decoded pixel takes one byte in these modes and four in the others.
_MOST_MEMORY = 45_000_000
_SMALL_MODES = ("1", "L", "P")
# Beyond that, per pixel of the file: WebP's decoder holds the picture four times, and a progressive
# JPEG's the coefficients of each channel.
_WEBP_MORE, _PROGRESSIVE_MORE = 12, 2
_PIXELS_OF_BAND = 2_000_000
_FEW_COLOURS = 256
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

TOO_LARGE = "Ảnh có quá nhiều điểm ảnh; hãy thu nhỏ ảnh (rộng khoảng 1.200 điểm) rồi gửi lại."
BROKEN = "Ảnh bị hỏng hoặc tải lên chưa trọn vẹn, không mở được."
TOO_HEAVY = f"Ảnh lớn hơn {LARGEST_FILE // 2**20} MB; hãy thu nhỏ ảnh rồi gửi lại."


def prepare(content: bytes) -> Picture:
    """Return a picture as it is stored: WebP, upright, at most WIDEST × TALLEST and LARGEST_STORED bytes.

    Takes PNG, JPEG, WebP, and of what is animated the first frame. What came from here comes back
    unchanged. Raises BadPicture with a sentence for the person who sent it.
    """
    if not content:
        raise BadPicture("Ảnh không có trong tệp.")
    if len(content) > LARGEST_FILE:
        raise BadPicture(TOO_HEAVY)
    try:
        image, orientation = _decoded(content)
        is_ready = len(content) <= LARGEST_STORED and is_bare_webp(content)
        if is_ready and image.width <= WIDEST and image.height <= TALLEST:
            return _picture(content, image)
        return _encoded(_upright(image, orientation))
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(TOO_LARGE) from error
    except Exception as error:  # Pillow raises whatever its parsers run into
        raise BadPicture(BROKEN) from error


def pixels_of(content: bytes) -> int:
    """Return how many pixels a picture claims to have, without decoding it; 0 for what is no picture."""
    try:
        image, _ = _opened(content)
    except Exception:  # Pillow raises whatever its parsers run into
        return 0
    return image.width * image.height


def as_jpeg(picture: Picture) -> bytes:
    """Return a picture for programs that can't show WebP, on white where it is transparent."""
    with Image.open(BytesIO(picture.content), formats=("WEBP",)) as image:
        shown = image.convert("RGBA")
    paper = Image.new("RGB", shown.size, "white")
    paper.paste(shown, mask=shown)
    file = BytesIO()
    paper.save(file, "JPEG", quality=88)
    return file.getvalue()


def _picture(content: bytes, image: Image.Image) -> Picture:
    return Picture(sha256(content).hexdigest(), image.width, image.height, content)


# --- decoding --------------------------------------------------------------------------------------


def _opened(content: bytes) -> tuple[Image.Image, BareFile]:
    file = bare_file(content)
    return Image.open(BytesIO(file.content), formats=(file.kind,)), file


def _decoded(content: bytes) -> tuple[Image.Image, int]:
    """Return the decoded picture as it lies in the file, and its orientation."""
    image, file = _opened(content)
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise BadPicture(TOO_LARGE)
    memory = _WEBP_MORE * pixels if file.kind == "WEBP" else 0
    if "progression" in image.info:
        memory += _PROGRESSIVE_MORE * len(image.getbands()) * pixels
    if file.kind == "JPEG":  # its decoder shrinks by 2, 4 or 8 on the way
        image.draft(None, _fitted(image.size, file.orientation))
    memory += image.width * image.height * (1 if image.mode in _SMALL_MODES else 4)
    if memory > _MOST_MEMORY:
        raise BadPicture(TOO_LARGE)
    image.load()
    return image, file.orientation


def _fitted(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the size that a picture of some size, still lying as the camera was held, is stored in."""
    widest, tallest = (TALLEST, WIDEST) if orientation >= 5 else (WIDEST, TALLEST)
    scale = min(1.0, widest / size[0], tallest / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture in colours, shrunk to its size, and turned upright; nothing else is left of it."""
    fitted = _fitted(image.size, orientation)
    shrunk = _shrunk(image, min(image.width // fitted[0], image.height // fitted[1]))
    if shrunk.size != fitted:
        shrunk = shrunk.resize(fitted, Image.Resampling.LANCZOS)
    return shrunk.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else shrunk


def _shrunk(image: Image.Image, times: int) -> Image.Image:
    """Return the picture in colours, so many times smaller; band by band, so that it is never there twice."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    shrunk = Image.new(mode, (-(-image.width // times), -(-image.height // times)))
    rows = max(1, _PIXELS_OF_BAND // (image.width * times)) * times
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(image.height, top + rows)))
        if band.mode.startswith("I;16"):
            band = band.convert("I").point(lambda value: value / 256).convert("L")
        shrunk.paste(band.convert(mode).reduce(times), (0, top // times))
    return shrunk


# --- encoding --------------------------------------------------------------------------------------


def _encoded(image: Image.Image) -> Picture:
    """Return the picture as the smallest WebP that is worth looking at."""
    for content, shown in _tries(image):
        if len(content) <= LARGEST_STORED:
            return _picture(content, shown)
    raise BadPicture(TOO_LARGE)


def _tries(image: Image.Image) -> Iterator[tuple[bytes, Image.Image]]:
    """Yield the picture ever smaller: of few colours without loss, then in less quality, then in size."""
    content = _webp(image, QUALITIES[0])
    if image.getcolors(_FEW_COLOURS) is not None:
        content = min(content, _webp(image, lossless=True), key=len)
    yield content, image
    for quality in QUALITIES[1:]:
        if len(content) < 3 * LARGEST_STORED:
            content = _webp(image, quality)
            yield content, image
    while min(image.size) > 1:
        scale = min(0.9, sqrt(LARGEST_STORED / len(content)))
        image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        content = _webp(image, QUALITIES[-1])
        yield content, image


def _webp(image: Image.Image, quality: int = 100, *, lossless: bool = False) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", quality=quality, lossless=lossless, method=4)
    return file.getvalue()
