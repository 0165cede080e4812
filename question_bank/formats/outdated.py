"""Legal texts that were replaced, and whether a question still takes one for the law.

Source: the domain notes, sections 0 and 3; a text whose replacement is not settled is not listed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from question_bank.text import clean_text, fold

_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


@dataclass(frozen=True)
class Replaced:
    """A legal text that no longer holds: what it is called, what replaced it, how it is cited."""

    name: str
    by: str
    pattern: re.Pattern[str]


def _decree(number: str, by: str) -> Replaced:
    cited = rf"(?<!\d){number}\s*/\s*n[dđ]|(?:nghi dinh|nd|nd-cp)\s*(?:so)?\s*:?\s*{number}(?![\d/])"
    return Replaced(f"Nghị định số {number}/NĐ-CP", by, re.compile(cited))


_SECURITY = "Luật An ninh mạng số 116/2025/QH15"
REPLACED: Sequence[Replaced] = (
    _decree("61/2018", "Nghị định số 118/2025/NĐ-CP"),
    _decree("107/2021", "Nghị định số 118/2025/NĐ-CP"),
    _decree("13/2023", "Luật Bảo vệ dữ liệu cá nhân số 91/2025/QH15 và Nghị định số 356/2025/NĐ-CP"),
    _decree("59/2022", "Nghị định số 69/2024/NĐ-CP"),
    _decree("43/2011", "Nghị định số 42/2022/NĐ-CP"),
    Replaced(
        "Luật An toàn thông tin mạng năm 2015",
        _SECURITY,
        re.compile(r"luat an toan thong tin mang|86/2015/qh13"),
    ),
    Replaced(
        "Luật An ninh mạng năm 2018",
        _SECURITY,
        re.compile(r"luat an ninh mang,?\s*(?:\(?\s*nam\s*)?\(?2018|(?<!\d)24/2018/qh14"),
    ),
    Replaced(
        "Thông tư số 32/2017/TT-BTTTT",
        "Thông tư số 22/2023/TT-BTTTT",
        re.compile(r"(?<!\d)32/2017/tt-?btttt"),
    ),
    Replaced(
        "Luật Căn cước công dân năm 2014",
        "Luật Căn cước số 26/2023/QH15",
        re.compile(r"luat can cuoc cong dan|(?<!\d)59/2014/qh13"),
    ),
    Replaced(
        "Luật Giao dịch điện tử năm 2005",
        "Luật Giao dịch điện tử số 20/2023/QH15",
        re.compile(r"luat giao dich dien tu,?\s*(?:nam\s*)?2005|(?<!\d)51/2005/qh11"),
    ),
)
# A question on what was: its key may well be a text that no longer holds.
_HISTORY = re.compile(
    r"thay the|thay cho|hop nhat|bai bo|het hieu luc|khong con hieu luc|ngung hieu luc|truoc day|lich su|"
    r"truoc (?:ngay|thang|nam|thoi diem) \d|giai doan|(?:tu|trong) nam \d{4} den"
)
# "…, thay thế Nghị định số 61/2018/NĐ-CP": named, but not as the law.
_BEFORE = 80
_NAMED_AS_GONE = re.compile(r"(?:thay the|thay cho|bai bo|het hieu luc|truoc day la)[^.;]{0,40}$")


def replaced_in(stem: str, held: Sequence[str]) -> Replaced | None:
    """Return the first replaced text that a question takes for the law, None if there is none.

    `held` is what the question holds to be so: its legal basis and its key, not its distractors.
    """
    if _HISTORY.search(_plain(stem)):
        return None
    for text in map(_plain, held):
        for replaced in REPLACED:
            for hit in replaced.pattern.finditer(text):
                if not _NAMED_AS_GONE.search(text[max(0, hit.start() - _BEFORE) : hit.start()]):
                    return replaced
    return None


def _plain(text: str) -> str:
    return re.sub(r"\s*-\s*", "-", fold(clean_text(text).translate(_DASHES)))
