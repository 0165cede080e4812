"""Which passwords are refused: too short, too long, the first that anyone tries, the phone itself."""

from contest.rules.eligibility import LONGEST_PASSWORD, SHORTEST_PASSWORD

# What lists of stolen passwords begin with, and what people here choose most.
_COMMON = """
12345678 123456789 1234567890 0123456789 012345678 01234567 87654321 987654321 9876543210 0987654321
11111111 00000000 88888888 99999999 66666666 11223344 12344321 12341234 11112222 123123123 147258369
123456aa 123456ab 123456abc 123456a@ 123456aa@ 12345678a a1234567 a12345678 a123456789 aa123456 abc12345
abc123456 abcd1234 abcd@1234 abc@1234 abc@12345 1q2w3e4r 1qaz2wsx qwertyui qwerty12 qwerty123 qwertyuiop
asdfghjk asdfghjkl zxcvbnm1 aaaaaaaa abcdefgh password password1 password12 password123 passw0rd p@ssw0rd
p@ssword matkhau1 matkhau123 matkhau@123 admin123 admin@123 iloveyou sunshine football superman
anhyeuem emyeuanh yeuemnhieu khongbiet khongcogi vietnam1 vietnam123 bacninh1 bacninh123 bacninh99
bacgiang bacgiang1 bacgiang98 bacgiang123 quanho123 dichvucong dichvucong1 hoithi2026 bacninh2026
"""
COMMON = frozenset(_COMMON.split())


def refusal(password: str, *, phone: str | None = None) -> str | None:
    """Return the sentence that says why a password can't be taken, or None if it can."""
    if len(password) < SHORTEST_PASSWORD:
        return f"Mật khẩu cần có ít nhất {SHORTEST_PASSWORD} ký tự."
    if len(password) > LONGEST_PASSWORD:
        return f"Mật khẩu chỉ được dài tối đa {LONGEST_PASSWORD} ký tự."
    if phone and phone.removeprefix("0") in "".join(char for char in password if char.isdigit()):
        return "Mật khẩu không được chứa số điện thoại của bạn."
    if password.lower() in COMMON or len(set(password)) < 3:
        return "Mật khẩu này quá dễ đoán. Bạn hãy chọn một mật khẩu khác, ví dụ vài từ ghép lại."
    return None
