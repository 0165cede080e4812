"""Printed documents: what stands in them, that every letter is there, and that they stay the same."""

import io
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from contest.documents import typesetting
from contest.documents.certificates import (
    ParticipationCertificate,
    PrizeCertificate,
    UnitCertificate,
    certificates,
)
from contest.documents.posters import Poster, posters
from contest.documents.qr import qr_svg
from contest.documents.round_reports import (
    Count,
    DivisionResult,
    Figure,
    RoundReport,
    TopicResult,
    round_report,
)
from contest.documents.state_documents import Issuer, PublishedVersion
from contest.documents.typesetting import COVERED, FONTS, TEMPLATES, printable
from contest.documents.winner_lists import RoundNamed, UnitResult, Winner, unit_summary, winner_list

AT = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
VERSION = PublishedVersion(2, is_official=False, published_at=AT, sha256="d1" * 32)
OFFICIAL = PublishedVersion(3, is_official=True, published_at=AT, sha256="d1" * 32)
CONTEST = "Cuộc thi “Tìm hiểu về chuyển đổi số” năm 2026"
ROUND = RoundNamed(
    CONTEST, "Vòng 1", datetime(2026, 11, 16, 1, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC)
)
ISSUER = Issuer(
    parent="Ủy ban nhân dân tỉnh Bắc Ninh",
    name="Ban Tổ chức Cuộc thi",
    place="Bắc Ninh",
    symbol="TB-BTC",
    signing=("TM. Ban Tổ chức", "Trưởng ban"),
    recipients=("UBND các xã, phường;", "Lưu: VT."),
)
SITE = "https://thi.bacninh.gov.vn"
LONG_NAME = "Công Tằng Tôn Nữ Ngọc Quỳnh Hương Giang Nguyễn Thị Thùy Dương"
LONG_UNIT = (
    "Trung tâm Phục vụ hành chính công tỉnh Bắc Ninh và các đơn vị trực thuộc, "
    "Văn phòng Ủy ban nhân dân tỉnh Bắc Ninh"
)
MARKS = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
LETTERS = [
    letter
    for small in [unicodedata.normalize("NFC", vowel + mark) for vowel in "aăâeêioôơuưy" for mark in MARKS]
    + ["đ"]
    for letter in (small, small.upper())
    if not letter.isascii()
]


def winner(**facts):
    return Winner(
        **{
            "prize": "Giải Nhất",
            "division": "Người dân",
            "name": "Nguyễn Thị Ắng",
            "unit": "Xã Ỷ La",
            "points": 12_600,
            "prediction_error": "3",
            "duration_ms": 432_412,
        }
        | facts
    )


def unit(**facts):
    return UnitResult(
        **{
            "division": "Người dân",
            "group": "Xã",
            "unit": "Xã Ỷ La",
            "rank": 1,
            "people": 1234,
            "headcount": 20_000,
            "rate": Fraction(617, 10_000),
            "mean": Fraction(4, 5),
        }
        | facts
    )


def report(**facts):
    return RoundReport(
        **{
            "organizer": "Ban Tổ chức",
            "round": ROUND,
            "as_of": AT,
            "figures": [Figure("Người dự thi", "25.980", "trên 1.520.000 người")],
            "divisions": [DivisionResult("Người dân", 20, 1000, Fraction(1, 50), None, 3, 432_000)],
            "days": [(date(2026, 11, 16), 12), (date(2026, 11, 17), 8)],
            "scores": [("Người dân", [Count("14", 17), Count("15", 3)])],
            "counts": [("Theo độ tuổi", "Tuổi", [Count("18–24", 5), Count("25–34", 15)])],
            "topics": [
                (
                    "Người dân",
                    [
                        TopicResult("Chữ ký số", 900, Fraction(81, 100), Fraction(78, 100)),
                        TopicResult("Định danh điện tử", 4, None),
                    ],
                )
            ],
            "winners": [winner()],
            "units": [unit(), unit(unit="Xã Hiệp Hòa", rank=None, rate=None)],
        }
        | facts
    )


def prize_certificate(**facts):
    return PrizeCertificate(
        **{
            "code": "K7M2-9QX4-R3TZ",
            "name": "Nguyễn Thị Ánh Nguyệt",
            "unit": "Xã Ỷ La",
            "prize": "Giải Nhất",
            "division": "Bảng Người dân",
            "round": "Vòng 1",
            "contest": CONTEST,
        }
        | facts
    )


def printed_certificates(*pages):
    return certificates(ISSUER, pages, site=SITE, issued_at=AT)


def printed_posters(*pages, **facts):
    common = {
        "organizer": "Ban Tổ chức",
        "contest": CONTEST,
        "shown_address": "thi.bacninh.gov.vn",
        "opens_at": ROUND.opens_at,
        "closes_at": ROUND.closes_at,
        "made_at": AT,
    }
    return posters(pages, **common | facts)


def pages_of(pdf):
    """The text of each page, its lines and runs of blanks joined by one blank."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]


def fonts_of(pdf):
    """Every font of the document, as the dictionaries of its pages name them."""
    return {
        font["/BaseFont"]: font
        for page in PdfReader(io.BytesIO(pdf)).pages
        for font in (one.get_object() for one in page["/Resources"].get("/Font", {}).values())
    }


DOCUMENTS = {
    "winner list": lambda: winner_list(ISSUER, VERSION, ROUND, [winner(), winner(is_by_lot=True)]),
    "unit summary": lambda: unit_summary(ISSUER, OFFICIAL, ROUND, [unit(), unit(rank=None)]),
    "certificates": lambda: printed_certificates(
        prize_certificate(),
        UnitCertificate("K7M2-9QX4-R3T1", "Xã Ỷ La", "Giải Nhất tập thể", "Khối xã", "Vòng 1", CONTEST),
        ParticipationCertificate("K7M2-9QX4-R3T2", "Trần Ẩm", "Xã Ỷ La", "Vòng 1", CONTEST),
    ),
    "posters": lambda: printed_posters(Poster("Xã Ỷ La", f"{SITE}/?u=07582", "Cần giúp: Nhà văn hóa xã")),
    "round report": lambda: round_report(report()),
}


# --- every document --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_same_values_give_the_same_bytes(make):
    assert make() == make()


@pytest.mark.parametrize("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_font_is_inside_as_a_subset_that_can_be_searched(make):
    fonts = fonts_of(make())

    assert fonts
    for name, font in fonts.items():
        assert re.match(r"/[A-Z]{6}\+(Tinos|BeVietnamPro|ContestDisplay)", name)
        assert "/ToUnicode" in font
        (descendant,) = font["/DescendantFonts"]
        assert "/FontFile2" in descendant.get_object()["/FontDescriptor"].get_object()


@pytest.mark.parametrize("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_it_names_its_title_language_and_moment_and_is_fit_for_the_archive(make):
    pdf = PdfReader(io.BytesIO(make()))

    assert pdf.metadata.title
    assert pdf.root_object["/Lang"] == "vi-VN"
    assert pdf.metadata.creation_date == AT
    assert pdf.root_object["/MarkInfo"]["/Marked"]
    xmp = pdf.root_object["/Metadata"].get_object().get_data().decode()
    assert re.search(r"<pdfaid:part>2<.*<pdfaid:conformance>A<", xmp, re.DOTALL)
    assert "<pdfuaid:part>1<" in xmp


@pytest.mark.parametrize("make", DOCUMENTS.values(), ids=DOCUMENTS)
def test_no_letter_is_missing(make):
    written = {letter for page in pages_of(make()) for letter in page}

    assert {letter for letter in written if ord(letter) not in cmap("Tinos-Regular")} == set()


def cmap(font):
    return TTFont(FONTS / f"{font}.ttf").getBestCmap().keys()


def test_threads_at_once_get_each_their_own_document():
    names = [f"Nguyễn Văn {letter}" for letter in "ABCDEFGH"]

    with ThreadPoolExecutor(8) as threads:
        printed = threads.map(lambda name: printed_certificates(prize_certificate(name=name)), names)

    for name, pdf in zip(names, printed, strict=True):
        assert name in pages_of(pdf)[0]


# --- letters ---------------------------------------------------------------------------------------


def test_what_is_said_to_be_covered_is_what_every_tinos_has():
    covered = {code for first, last in COVERED for code in range(first, last + 1)}

    for style in ("Regular", "Bold", "Italic", "BoldItalic"):
        assert cmap(f"Tinos-{style}") == covered


def test_every_font_has_every_vietnamese_letter_and_the_ascii_ones():
    assert len(LETTERS) == 134
    needed = {*map(ord, LETTERS), *range(0x20, 0x7F), *map(ord, "–“”…−")}

    fonts = sorted(FONTS.glob("*.ttf"))
    assert len(fonts) == 8
    for font in fonts:
        assert needed <= cmap(font.stem), font


def test_every_letter_of_the_templates_is_in_a_font():
    for template in TEMPLATES.glob("*.typ"):
        text = template.read_text(encoding="utf-8")
        assert printable(text.replace("\n", "")) == text.replace("\n", ""), template


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Nguyễn Thị Ắng", "Nguyễn Thị Ắng"),
        (unicodedata.normalize("NFD", "Nguyễn Thị Ắng"), "Nguyễn Thị Ắng"),
        ("Y Bŏk Ƀuôn Krông", "Y Bŏk ?uôn Krông"),
        ("Nguyễn\tVăn\u2028An\u200b\x00", "Nguyễn Văn An"),
        ("𝐍guyễn Ⅳ ﬁ", "Nguyễn IV fi"),
        ("Lý 李 🎉", "Lý ? ?"),
    ],
)
def test_a_letter_that_no_font_has_becomes_the_nearest(text, expected):
    assert printable(text) == expected


def test_all_134_letters_come_back_from_a_list_and_from_a_certificate():
    words = ["".join(LETTERS[place : place + 12]) for place in range(0, len(LETTERS), 12)]
    rows = [winner(name=word, unit=word) for word in words]

    in_list = "".join(pages_of(winner_list(ISSUER, VERSION, ROUND, rows)))
    shown = printed_certificates(*(prize_certificate(name=word, unit=word) for word in words))
    on_paper = "".join(pages_of(shown))

    for word in words:
        assert in_list.count(word) == on_paper.count(word) == 2


def test_a_name_in_no_alphabet_of_ours_does_not_stop_a_list():
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner(name="李 🎉"), winner(name="Vũ An")]))

    assert "? ?" in page
    assert "Vũ An" in page


@pytest.mark.parametrize("name", ["#panic()", "*An* _Bình_ $x$ [y] \\ // @z <w>", '"); #let', "= An", "- An"])
def test_a_name_is_never_read_as_markup(name):
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner(name=name, unit="")]))
    (paper,) = pages_of(printed_certificates(prize_certificate(name=name)))

    assert name.replace(" ", "") in page.replace(" ", "")
    assert name.replace(" ", "") in paper.replace(" ", "")


# --- winner lists ----------------------------------------------------------------------------------


def test_a_list_has_the_parts_of_a_state_document():
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner()], complaints_until=AT))

    for part in (
        "ỦY BAN NHÂN DÂN TỈNH BẮC NINH",
        "BAN TỔ CHỨC CUỘC THI",
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "/TB-BTC",
        "DANH SÁCH CÁ NHÂN DỰ KIẾN ĐẠT GIẢI",
        f"Vòng 1, {CONTEST}",
        "Ban Tổ chức nhận kiến nghị về danh sách này đến 12:00 ngày 23/11/2026",
        "Nơi nhận:",
        "- Lưu: VT.",
        "TM. BAN TỔ CHỨC TRƯỞNG BAN",
        "Bản công bố số 2 (kết quả dự kiến), lúc 12:00 ngày 23/11/2026",
        "d1" * 32,
        "Trang 1/1",
    ):
        assert part in page
    assert re.search(r"Số: \.+ ?/TB-BTC", page)
    assert re.search(r"Bắc Ninh, ngày \.+ tháng \.+ năm 2026", page)


def test_an_official_list_is_not_called_provisional():
    (page,) = pages_of(winner_list(ISSUER, OFFICIAL, ROUND, [winner()]))

    assert "DANH SÁCH CÁ NHÂN ĐẠT GIẢI" in page
    assert "Bản công bố số 3 (chính thức)" in page
    assert "dự kiến" not in page.lower()


def test_a_winner_is_a_row_with_figures_as_officials_write_them():
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner(is_by_lot=True)]))

    assert "1 Nguyễn Thị Ắng Xã Ỷ La Giải Nhất (*) 15 3 07:12,4" in page
    assert "(*) Theo kết quả bốc thăm" in page


def test_without_a_prediction_its_column_is_left_out():
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner(prediction_error=None)]))

    assert "Lệch" not in page
    assert "bốc thăm" not in page


def test_five_hundred_winners_repeat_the_head_on_every_page():
    rows = [
        winner(
            name=LONG_NAME if place % 17 == 0 else f"Nguyễn Văn {place}",
            unit=LONG_UNIT if place % 5 == 0 else "Xã Ỷ La",
            division="Người dân" if place < 300 else "Cán bộ, công chức",
            prize=f"Giải {place % 8 + 1}",
        )
        for place in range(500)
    ]

    pages = pages_of(winner_list(ISSUER, VERSION, ROUND, rows))

    assert len(pages) > 15
    for number, page in enumerate(pages, start=1):
        assert "STT Họ và tên Đơn vị Giải" in page
        assert ("Người dân" in page) or ("Cán bộ, công chức" in page)
        assert f"Trang {number}/{len(pages)}" in page
        assert "d1" * 32 in page
    assert "500 Nguyễn Văn 499" in pages[-1]
    assert "Danh sách này gồm 500 cá nhân./." in pages[-1]
    assert "TRƯỞNG BAN" in pages[-1]
    assert not any("TRƯỞNG BAN" in page for page in pages[:-1])


@pytest.mark.parametrize("count", range(14, 24))
def test_the_signature_never_stands_on_a_page_of_its_own(count):
    pages = pages_of(winner_list(ISSUER, VERSION, ROUND, [winner()] * count))

    assert f"Danh sách này gồm {count} cá nhân./. Nơi nhận:" in pages[-1]


def test_a_list_without_winners_is_still_a_document():
    (page,) = pages_of(winner_list(ISSUER, VERSION, ROUND, []))

    assert "danh sách 0 cá nhân dự kiến đạt giải" in page


def test_units_stand_under_their_division_and_group():
    (page,) = pages_of(
        unit_summary(
            ISSUER, OFFICIAL, ROUND, [unit(), unit(group="Phường", unit="Phường Kinh Bắc", rank=None)]
        )
    )

    assert "TỔNG HỢP KẾT QUẢ THEO ĐƠN VỊ" in page
    assert "Người dân – Xã 1 Xã Ỷ La 1.234 20.000 6,17% 80,00%" in page
    assert "Người dân – Phường – Phường Kinh Bắc" in page
    assert "không được xếp hạng" in page


# --- certificates ----------------------------------------------------------------------------------


def test_a_prize_certificate_says_who_what_where_and_how_to_check():
    (page,) = pages_of(printed_certificates(prize_certificate()))

    for words in (
        "GIẤY CHỨNG NHẬN",
        "Tặng ông/bà Nguyễn Thị Ánh Nguyệt Xã Ỷ La",
        "đã đạt GIẢI NHẤT Bảng Người dân, Vòng 1",
        CONTEST,
        "K7M2-9QX4-R3TZ",
        "Kiểm tra tại thi.bacninh.gov.vn/certificates",
        "TM. BAN TỔ CHỨC TRƯỞNG BAN",
    ):
        assert words in page
    assert re.search(r"Theo Quyết định số \.+ ?/TB-BTC ngày \.+ tháng \.+ năm 2026", page)


def test_a_unit_gets_its_own_and_who_took_part_gets_no_decision():
    of_unit, of_part = pages_of(
        printed_certificates(
            UnitCertificate("A", "Xã Ỷ La", "Giải Nhất tập thể", "Khối xã", "Vòng 1", CONTEST),
            ParticipationCertificate("B", "Trần Ẩm", "Xã Ỷ La", "Vòng 1", CONTEST, "14/15 câu đúng"),
        )
    )

    assert "Tặng tập thể Xã Ỷ La đã đạt GIẢI NHẤT TẬP THỂ Khối xã, Vòng 1" in of_unit
    assert "đã tham gia Vòng 1" in of_part
    assert "14/15 câu đúng" in of_part
    assert "Quyết định" not in of_part


def test_the_longest_words_stay_on_one_page():
    pages = pages_of(
        printed_certificates(
            prize_certificate(
                name=LONG_NAME, unit=LONG_UNIT, division=f"Bảng {LONG_UNIT}", contest=f"{CONTEST} " * 3
            ),
            UnitCertificate("A", LONG_UNIT, f"Giải Nhất {LONG_UNIT}", LONG_UNIT, "Vòng 1", f"{CONTEST} " * 3),
            ParticipationCertificate(
                "B", f"{LONG_NAME} {LONG_NAME}", LONG_UNIT, "Vòng 1", CONTEST, LONG_UNIT
            ),
        )
    )

    assert len(pages) == 3
    assert all("TRƯỞNG BAN" in page for page in pages)


def test_a_single_certificate_is_titled_with_its_code_and_name():
    reader = PdfReader(io.BytesIO(printed_certificates(prize_certificate())))

    assert reader.metadata.title == "Giấy chứng nhận K7M2-9QX4-R3TZ: Nguyễn Thị Ánh Nguyệt"


# --- posters, reports, codes -----------------------------------------------------------------------


def test_each_commune_has_a_poster_of_one_page():
    pages = pages_of(
        printed_posters(
            Poster("Xã Ỷ La", f"{SITE}/?u=07582", "Cần giúp: Nhà văn hóa xã"),
            Poster(LONG_UNIT, f"{SITE}/contests/{'x' * 200}", LONG_UNIT),
            contest=f"{CONTEST}, {LONG_UNIT}",
        )
    )

    assert len(pages) == 2
    assert "Quét để dự thi hoặc vào địa chỉ thi.bacninh.gov.vn" in pages[0]
    assert "Xã Ỷ La Cần giúp: Nhà văn hóa xã" in pages[0]
    assert "Từ 08:00 ngày 16/11/2026 đến 00:00 ngày 23/11/2026" in pages[0]


def test_a_report_tells_the_round_in_figures_tables_and_bars():
    text = " ".join(pages_of(round_report(report())))

    for words in (
        "Báo cáo vòng 1",
        "Người dự thi 25.980 trên 1.520.000 người",
        "Người dân 20 2,00% 3 7 phút 12 giây",
        "16/11/2026 12 17/11/2026 8",
        "18–24 5 (25,0%) 25–34 15 (75,0%)",
        "14 17 (85,0%) 15 3 (15,0%)",
        "Chữ ký số 81,0% (+3,0 điểm %)",
        "Định danh điện tử –",
        "1 Giải Nhất Nguyễn Thị Ắng Xã Ỷ La 15",
        "Phụ lục: toàn bộ đơn vị",
        "– Xã Hiệp Hòa",
    ):
        assert words in text


def test_a_report_of_nothing_has_no_empty_sections():
    (page,) = pages_of(
        round_report(report(divisions=[], days=[], scores=[], topics=[], winners=[], units=[]))
    )

    assert "Báo cáo vòng 1" in page
    assert "Phụ lục" not in page


def test_bars_of_nobody_have_no_length():
    text = " ".join(
        pages_of(round_report(report(days=[(date(2026, 11, 16), 0)], scores=[("A", [Count("0", 0)])])))
    )

    assert "16/11/2026 0" in text
    assert "0 0 (0,0%)" in text


def test_a_code_is_one_path_that_the_content_security_policy_lets_pass():
    svg = qr_svg(f"{SITE}/receipts/K7M2-9QX4-R3TZ")
    element = ElementTree.fromstring(svg)

    assert element.tag.endswith("svg")
    assert element.get("viewBox")
    assert not {"style", "width", "height", "class"} & {name for one in element.iter() for name in one.attrib}
    assert len(list(element)) == 1
    assert svg == qr_svg(f"{SITE}/receipts/K7M2-9QX4-R3TZ") != qr_svg(f"{SITE}/receipts/K7M2-9QX4-R3T1")


def test_a_template_that_asks_for_what_it_was_not_given_is_a_bug_and_says_so():
    with pytest.raises(RuntimeError, match="does not contain key"):
        typesetting.typeset("poster", {}, title="x", created_at=AT)
