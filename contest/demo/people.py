"""Plausible people for the demo: none of them is real."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

# Family names roughly as often as in the north of Vietnam.
_RARE_FAMILIES = "Ngô Đỗ Đào Dương Bùi Đặng Hồ Lý Giáp Thân Nghiêm Tạ Trịnh Mai Chu"
_COMMON_FAMILIES = {"Nguyễn": 38, "Trần": 11, "Lê": 9, "Phạm": 7, "Hoàng": 5, "Vũ": 4}
_MENS_MIDDLES = "Văn Đức Quang Minh Hữu Xuân Ngọc Mạnh Công Thế"
_MENS_NAMES = "An Bình Cường Dũng Đạt Giang Hải Hiếu Hùng Khánh Long Nam Phong Quân Sơn Thắng Toàn Trung Việt"
_WOMENS_MIDDLES = "Thị Thị Thị Ngọc Thu Thanh Minh Phương Bích Kim"
_WOMENS_NAMES = "Anh Chi Dung Hà Hạnh Hằng Hiền Hoa Huyền Lan Linh Loan Mai Nga Nhung Thảo Trang Vân Yến"
FAMILIES = [
    *(family for family, often in _COMMON_FAMILIES.items() for _ in range(often)),
    *_RARE_FAMILIES.split(),
]
MEN = (_MENS_MIDDLES.split(), _MENS_NAMES.split())
WOMEN = (_WOMENS_MIDDLES.split(), _WOMENS_NAMES.split())
FIRST_BIRTH = date(1958, 1, 1)
BIRTH_DAYS = 18_000  # to the spring of 2007


@dataclass(frozen=True)
class Person:
    """A made-up person; `ability` is the chance of a right answer, 1 for who has prepared well."""

    name: str
    phone: str
    birth_date: date
    ability: float
    has_prediction: bool


def people(random: Random, count: int) -> Iterator[Person]:
    """Yield people of all ages with different phones (090000xxxx, in the order made)."""
    for number in range(1, count + 1):
        middles, givens = random.choice((MEN, WOMEN))
        yield Person(
            name=f"{random.choice(FAMILIES)} {random.choice(middles)} {random.choice(givens)}",
            phone=f"090000{number:04d}",
            birth_date=FIRST_BIRTH + timedelta(days=random.randrange(BIRTH_DAYS)),
            ability=1.0 if random.random() < 0.3 else random.uniform(0.55, 0.97),
            has_prediction=random.random() < 0.95,
        )
