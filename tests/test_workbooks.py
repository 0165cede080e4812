"""Workbooks: what a published version looks like as XLSX, read back from the parts of the file."""

import io
import re
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from contest.models import Publication
from contest.workbooks import publication_workbook


def winner(**facts):
    return {
        "prize": "nhat",
        "prize_title": "Giải Nhất",
        "division": "citizens",
        "rank": 1,
        "attempt": "aB3dE5gH7jK9mN1pQ3sT5v",
        "name": "Nguyễn Thị Ắng",
        "unit": "Xã Ỷ La",
        "points": 12_600,
        "full_points": 12_600,
        "prediction_error": 3,
        "duration_ms": 432_412,
        "is_by_lot": False,
    } | facts


def unit(**facts):
    return {
        "division": "citizens",
        "group": "commune",
        "unit": "Xã Ỷ La",
        "code": "07582",
        "rank": 1,
        "people": 1_234,
        "headcount": 20_000,
        "rate": "617/10000",
        "mean": "4/5",
    } | facts


def publication(winners=(), units=(), **facts):
    content = {
        "contest_title": "Hội thi trực tuyến",
        "round_title": "Tuần 1",
        "published_at": "2026-11-23T05:00:00.000000+00:00",
        "reason": "",
        "commitment": "c" * 64,
        "seed": "5" * 64,
        "pools": {"pool-citizens-1.json": "b" * 64},
        "divisions": [
            {
                "code": "citizens",
                "name": "Người dân",
                "truth": 60,
                "chain": ["points", "duration_ms"],
                "people": 400,
            }
        ],
        "winners": list(winners),
        "units": list(units),
    }
    return Publication(
        **{
            "version": 2,
            "kind": "provisional",
            "published_at": datetime(2026, 11, 23, 5, 0, tzinfo=UTC),
            "content": content,
            "sha256": "d" * 64,
        }
        | facts
    )


MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read(file):
    """Return the rows of each sheet by its name, an empty cell as ""."""
    with zipfile.ZipFile(io.BytesIO(file)) as parts:

        def tree(part):
            return ElementTree.fromstring(parts.read(part))

        texts = ["".join(one.itertext()) for one in tree("xl/sharedStrings.xml")]
        names = [one.get("name") for one in tree("xl/workbook.xml").iter(f"{MAIN}sheet")]
        return {
            name: _rows(tree(f"xl/worksheets/sheet{number}.xml"), texts)
            for number, name in enumerate(names, start=1)
        }


def _rows(sheet, texts):
    rows = []
    for row in sheet.iter(f"{MAIN}row"):
        cells = {}
        for cell in row:
            value = cell.findtext(f"{MAIN}v")
            column = ord(re.match("[A-Z]", cell.get("r"))[0]) - ord("A")
            if cell.get("t") == "s":
                cells[column] = texts[int(value)]
            else:
                cells[column] = "" if value is None else float(value)
        rows.append([cells.get(column, "") for column in range(max(cells) + 1)])
    return rows


def sheets(publication):
    return read(publication_workbook(publication))


def test_four_sheets_each_under_its_title():
    book = sheets(publication([winner()], [unit()]))

    assert list(book) == ["Giải thưởng", "Xếp hạng đơn vị", "Tổng hợp", "Thông tin"]
    assert {rows[0][0] for rows in book.values()} == {"Hội thi trực tuyến – Tuần 1"}
    assert book["Giải thưởng"][1][0] == "Giải thưởng – Kết quả dự kiến, bản công bố số 2"
    assert "d" * 64 in book["Giải thưởng"][2][0]


def test_a_winner_is_a_row_of_texts_and_numbers():
    _, _, _, heading, row = sheets(publication([winner(is_by_lot=True)]))["Giải thưởng"]

    found = dict(zip(heading, row, strict=True))
    assert (found["STT"], found["Hạng"], found["Điểm"], found["Lệch dự đoán"]) == (1, 1, 15, 3)
    assert (found["Họ và tên"], found["Bảng"]) == ("Nguyễn Thị Ắng", "Người dân")
    assert found["Ghi chú"] == "Theo kết quả bốc thăm"


def test_a_unit_is_a_row_with_its_rate_as_a_number():
    _, _, _, heading, row = sheets(publication(units=[unit()]))["Xếp hạng đơn vị"]

    found = dict(zip(heading, row, strict=True))
    assert (found["Số người dự thi"], found["Tổng số người"], found["Tỷ lệ tham gia"]) == (
        1234,
        20000,
        0.0617,
    )
    assert (found["Nhóm"], found["Mã đơn vị"]) == ("Xã", "07582")


def test_the_summary_adds_up_by_division_by_group_and_by_prize():
    rows = sheets(
        publication(
            [winner(), winner(prize_title="Giải Nhì"), winner(prize_title="Giải Nhì")],
            [unit(), unit(unit="Xã Hiệp Hòa", rank=None, people=766), unit(group="ward", headcount=None)],
        )
    )["Tổng hợp"]

    assert rows[4] == ["Người dân", 400, 3, 3, 60]
    assert rows[5][:6] == [
        "Bảng",
        "Nhóm đơn vị",
        "Đơn vị có người dự thi",
        "Đơn vị được xếp hạng",
        "Số người dự thi",
        "Tổng số người",
    ]
    assert rows[6] == ["Người dân", "Xã", 2, 1, 2000, 40_000, 0.05, "Xã Ỷ La"]
    assert rows[7] == ["Người dân", "Phường", 1, 1, 1234, "", "", "Xã Ỷ La"]
    assert rows[9:] == [["Người dân", "Giải Nhất", 1], ["Người dân", "Giải Nhì", 2]]


def test_what_is_not_known_is_an_empty_cell():
    rows = sheets(
        publication([winner(prediction_error=None)], [unit(rank=None, headcount=None, rate=None, mean=None)])
    )

    assert rows["Giải thưởng"][-1][8] == ""
    assert rows["Xếp hạng đơn vị"][-1][3] == ""


@pytest.mark.parametrize(
    "name", ["=1+1", "+84912", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "http://x.vn", "\t=1"]
)
def test_a_text_stays_a_text_whatever_it_begins_with(name):
    file = publication_workbook(publication([winner(name=name)], [unit(unit=name)]))

    assert read(file)["Giải thưởng"][-1][4] == name
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        for part in parts.namelist():
            if part.startswith("xl/worksheets/"):
                xml = parts.read(part).decode()
                assert "<f>" not in xml
                assert "<hyperlink" not in xml


def test_the_heading_stays_in_sight_and_is_repeated_in_print():
    with zipfile.ZipFile(io.BytesIO(publication_workbook(publication([winner()])))) as parts:
        assert '<pane ySplit="4"' in parts.read("xl/worksheets/sheet1.xml").decode()
        assert "_xlnm.Print_Titles" in parts.read("xl/workbook.xml").decode()


def test_the_information_names_what_anyone_needs_to_check():
    facts = dict(row[:2] for row in sheets(publication())["Thông tin"] if len(row) > 1)

    assert facts["Mã kiểm tra của bản này (SHA-256)"] == "d" * 64
    assert facts["Hạt giống của vòng thi"] == "5" * 64
    assert facts["Người dân: đáp số câu dự đoán"] == 60
    assert facts["SHA-256 của pool-citizens-1.json"] == "b" * 64


def test_the_same_version_always_gives_the_same_bytes():
    one = publication([winner()], [unit()])

    assert publication_workbook(one) == publication_workbook(one)
