"""The pictures of a file's questions, made as the bank stores them."""

from dataclasses import replace

from question_bank.formats.drafts import Problem, Reading, UnreadableFile
from question_bank.formats.judging import ERROR
from question_bank.items import Picture
from question_bank.picture_files import BadPicture
from question_bank.pictures import pixels_of, prepare

# Of all pictures of a file together: more take too long.
MOST_PIXELS = 100_000_000
TOO_MUCH = (
    "Các hình trong tệp quá lớn (cộng lại hơn 100 triệu điểm ảnh); "
    "trong Word hãy chọn Nén ảnh (Compress Pictures) rồi gửi lại."
)


def with_pictures(reading: Reading) -> Reading:
    """Return what a file gave with its pictures ready to store; a question whose picture is bad is out.

    Raises UnreadableFile if there is too much to decode.
    """
    contents = {picture.content for item in reading.items for picture in item.pictures}
    if sum(map(pixels_of, contents)) > MOST_PIXELS:
        raise UnreadableFile(TOO_MUCH)
    prepared = {content: _prepared(content) for content in contents}
    items, problems = [], list(reading.problems)
    for item in reading.items:
        told = [(picture, prepared[picture.content]) for picture in item.pictures]
        faults = [
            Problem("bad_picture", ERROR, picture.where or item.where, outcome)
            for picture, outcome in told
            if isinstance(outcome, str)
        ]
        problems.extend(faults)
        stored = [outcome for _, outcome in told if isinstance(outcome, Picture)]
        if not faults:
            items.append(replace(item, picture=stored[0] if len(stored) == 1 else None))
    return Reading(items, problems)


def _prepared(content: bytes) -> Picture | str:
    """Return a picture ready to store, or what is wrong with it."""
    try:
        return prepare(content)
    except BadPicture as error:
        return str(error)
