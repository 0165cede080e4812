"""How often what may be done: the rates, and the arithmetic of a throttle (GCRA).

Of each key only one moment is kept: `due`, when its next turn would be due if turns came evenly.
Somebody may run ahead of it by a burst. Whoever is refused is not charged, so trying again too
early costs nothing, and waiting always helps.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, IPv6Network, ip_address

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class By(Enum):
    """What turns are counted by."""

    ACCOUNT = "account"
    # The token of the session: for routes whose own statement finds the account.
    SESSION = "session"
    DEVICE = "device"
    # The phone or sign-in name that was typed, whether it exists or not.
    IDENTITY_AND_DEVICE = "identity and device"
    # Devices that this identity was ever signed in on are not counted, or strangers could lock it out.
    IDENTITY_ELSEWHERE = "identity elsewhere"
    # A school or a whole mobile network: over its limit it is asked for proof of work, never refused.
    ADDRESS = "address"
    # The same, of people whose browser can't prove: here the address does refuse, for this lane alone.
    SLOW_LANE = "address in the slow lane"
    # Everybody together.
    SITE = "site"


class Away(Enum):
    """Who counts while Redis is away."""

    PROCESS = "process"
    SQL = "sql"


@dataclass(frozen=True)
class Step:
    """So many turns in so many seconds, by one kind of key; all of them at once if somebody likes."""

    by: By
    turns: int
    seconds: int
    # Over the limit: asked for proof of work instead of refused.
    only_proves: bool = False
    # Counted in SQL always, and given back when the turn was no failure: forgetting Redis resets nothing.
    is_failures: bool = False

    @property
    def within(self) -> int:
        """How far a key may run ahead, in microseconds."""
        return self.seconds * 1_000_000

    @property
    def apart(self) -> int:
        """How far apart turns are when they come evenly, in microseconds."""
        return self.within // self.turns


@dataclass(frozen=True)
class Rate:
    """How often a route may be used, and what whoever is too fast reads before how long to wait."""

    name: str
    sentence: str
    steps: tuple[Step, ...]
    away: Away = Away.PROCESS
    # Reading is free, as where one address shows a form and takes it.
    only_unsafe: bool = False
    # Each route has turns of its own.
    is_per_route: bool = False
    # Counted only when the address has this argument: with a search a page costs more than without.
    with_argument: str = ""


SIGN_IN = Rate(
    "sign_in",
    "Đã có nhiều lần đăng nhập liên tiếp; tài khoản không bị khóa.",
    (
        Step(By.DEVICE, 20, 15 * MINUTE),
        Step(By.ADDRESS, 600, 10 * MINUTE, only_proves=True),
        Step(By.IDENTITY_AND_DEVICE, 5, 15 * MINUTE, is_failures=True),
        Step(By.IDENTITY_ELSEWHERE, 20, HOUR, is_failures=True),
    ),
    away=Away.SQL,
    only_unsafe=True,
)
REGISTER = Rate(
    "register",
    "Thiết bị này đã gửi đăng ký nhiều lần liên tiếp.",
    (
        # A helper at a counter registers many people on one device.
        Step(By.DEVICE, 60, HOUR),
    ),
    away=Away.SQL,
    only_unsafe=True,
)
# Puzzles for proof of work. Each step over its limit doubles the work of the next puzzle.
PROOF = Rate(
    "proof",
    "Thiết bị này đã yêu cầu kiểm tra nhiều lần liên tiếp.",
    (
        Step(By.DEVICE, 240, HOUR),
        Step(By.DEVICE, 6, DAY, only_proves=True),
        Step(By.ADDRESS, 200, HOUR, only_proves=True),
        Step(By.ADDRESS, 1000, HOUR, only_proves=True),
    ),
)
# Who comes without proof, because the browser has no JavaScript or no HTTPS.
SLOW_LANE = Rate(
    "slow_lane",
    "Đã có nhiều lượt gửi từ mạng này mà trình duyệt không chạy được bước kiểm tra tự động.",
    (Step(By.SLOW_LANE, 6, HOUR), Step(By.SITE, 120, HOUR)),
    away=Away.SQL,
)
START = Rate("start", "Bạn đã bấm vào thi nhiều lần liên tiếp.", (Step(By.SESSION, 6, MINUTE),))
# One look-up is up to three requests: the code, the page, its QR code.
LOOK_UP = Rate(
    "look_up",
    "Thiết bị này đã tra cứu nhiều lần liên tiếp.",
    (Step(By.DEVICE, 30, MINUTE), Step(By.ADDRESS, 360, MINUTE, only_proves=True)),
)
PRACTICE = Rate(
    "practice",
    "Bạn đã chuyển câu luyện tập quá nhanh.",
    (Step(By.DEVICE, 90, MINUTE), Step(By.ADDRESS, 1800, MINUTE, only_proves=True)),
)
SEARCH = Rate(
    "search",
    "Thiết bị này đã tìm kiếm nhiều lần liên tiếp.",
    (Step(By.DEVICE, 30, MINUTE), Step(By.ADDRESS, 600, MINUTE, only_proves=True)),
    with_argument="q",
)
# What a participant files or hands in of their own: complaints, papers for a prize.
FILE = Rate("file", "Bạn đã gửi nhiều lần liên tiếp.", (Step(By.ACCOUNT, 20, HOUR),), only_unsafe=True)
DOWNLOAD = Rate("download", "Bạn đã tải tệp nhiều lần liên tiếp.", (Step(By.ACCOUNT, 20, HOUR),))
CHANGE = Rate(
    "change",
    "Tài khoản này đã gửi rất nhiều thao tác liên tiếp.",
    (Step(By.ACCOUNT, 120, MINUTE),),
    away=Away.SQL,
    only_unsafe=True,
)
IMPORT = Rate(
    "import",
    "Tài khoản này đã nhập tệp nhiều lần liên tiếp.",
    (Step(By.ACCOUNT, 10, HOUR),),
    away=Away.SQL,
    only_unsafe=True,
)
EXPORT = Rate(
    "export",
    "Tài khoản này đã xuất tệp này nhiều lần liên tiếp.",
    (Step(By.ACCOUNT, 10, HOUR),),
    away=Away.SQL,
    is_per_route=True,
)


# Posters are printed unit by unit.
PRINT = Rate(
    "print",
    "Tài khoản này đã in văn bản này nhiều lần liên tiếp.",
    (Step(By.ACCOUNT, 60, HOUR),),
    away=Away.SQL,
    is_per_route=True,
)


@dataclass(frozen=True)
class Turn:
    """What became of asking for a turn: the key's new `due`, or how much too early it comes."""

    due: int
    wait: int = 0


def take_turn(due: int | None, now: int, *, apart: int, within: int) -> Turn:
    """Return what becomes of a key that asks for a turn; all in microseconds of one clock."""
    due = now if due is None else max(due, now)
    wait = due + apart - now - within
    return Turn(due, wait) if wait > 0 else Turn(due + apart)


def network_of(address: str | None) -> str:
    """Return what an IP address is counted as: itself, or of the sixth version its /64; "" if it is none."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return str(IPv6Network((int(ip) >> 64 << 64, 64)))
        ip = ip.ipv4_mapped
    return str(ip)
