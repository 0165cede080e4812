"""Workbooks: a published version as XLSX, for those who file it, print it and send it on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any

from contest.formatting import vn_datetime
from contest.models import Publication
from contest.models.units import GROUPS
from contest.rules.explaining import CRITERIA_IN_WORDS
from contest.rules.naming import told_apart
from contest.rules.scoring import POINT

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

MS_A_DAY = 86_400_000
A4 = 9
KINDS = {"provisional": "Kết quả dự kiến", "official": "Kết quả chính thức"}
# A text is a text, whatever it begins with: a name must not become a formula or a link.
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
TITLE_ROWS = 3
FORMATS: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 14},
    "subtitle": {"bold": True},
    "note": {"font_color": "#5F584E"},
    "head": {"bold": True, "bg_color": "#F4EDDC", "border": 1, "text_wrap": True, "valign": "vcenter"},
    "text": {"border": 1, "valign": "top", "text_wrap": True},
    "whole": {"border": 1, "valign": "top", "num_format": "#,##0"},
    "decimal": {"border": 1, "valign": "top"},
    "percent": {"border": 1, "valign": "top", "num_format": "0.00%"},
    "clock": {"border": 1, "valign": "top", "num_format": "[m]:ss.000"},
    "label": {"bold": True, "valign": "top"},
    "value": {"valign": "top", "text_wrap": True},
}


@dataclass(frozen=True)
class Column:
    """One column: its heading, its width in characters, its format, and its value in a row."""

    heading: str
    width: int
    format: str
    value: Callable[[Mapping[str, Any]], str | float | None]


def publication_workbook(publication: Publication) -> bytes:
    """Return the XLSX of a published version; the same version always gives the same bytes."""
    content = publication.content
    file = BytesIO()
    from xlsxwriter import Workbook  # here: most processes write no workbook

    workbook = Workbook(file, OPTIONS)
    workbook.set_properties({"title": _title(publication), "created": publication.published_at})
    formats = {name: workbook.add_format(look) for name, look in FORMATS.items()}
    names = {division["code"]: division["name"] for division in content["divisions"]}
    for sheet, columns, rows in (
        ("Giải thưởng", _winner_columns(names), content["winners"]),
        ("Xếp hạng đơn vị", _unit_columns(names), content["units"]),
    ):
        _write_table(workbook.add_worksheet(sheet), publication, columns, rows, formats)
    _write_summary(workbook.add_worksheet("Tổng hợp"), publication, formats)
    _write_facts(workbook.add_worksheet("Thông tin"), publication, formats)
    workbook.close()
    return file.getvalue()


def _title(publication: Publication) -> str:
    return f"{publication.content['contest_title']} – {publication.content['round_title']}"


def _winner_columns(names: Mapping[str, str]) -> list[Column]:
    return [
        Column("STT", 6, "whole", lambda row: row["line"]),
        Column("Giải", 20, "text", lambda row: row["prize_title"]),
        Column("Bảng", 26, "text", lambda row: names.get(row["division"], row["division"])),
        Column("Hạng", 8, "whole", lambda row: row["rank"]),
        Column("Họ và tên", 28, "text", lambda row: told_apart(row["name"], row.get("birth_year"))),
        Column("Đơn vị", 34, "text", lambda row: row["unit"]),
        Column("Điểm", 9, "decimal", lambda row: row["points"] / POINT),
        Column("Điểm tối đa", 9, "decimal", lambda row: row["full_points"] / POINT),
        Column("Lệch dự đoán", 12, "whole", lambda row: row["prediction_error"]),
        Column("Thời gian làm bài (phút:giây)", 14, "clock", lambda row: row["duration_ms"] / MS_A_DAY),
        Column("Ghi chú", 18, "text", lambda row: "Theo kết quả bốc thăm" if row["is_by_lot"] else ""),
        Column("Mã bài thi", 26, "text", lambda row: row["attempt"]),
    ]


def _unit_columns(names: Mapping[str, str]) -> list[Column]:
    return [
        Column("STT", 6, "whole", lambda row: row["line"]),
        Column("Bảng", 26, "text", lambda row: names.get(row["division"], row["division"])),
        Column("Nhóm", 24, "text", lambda row: GROUPS.get(row["group"], row["group"])),
        Column("Hạng trong nhóm", 10, "whole", lambda row: row["rank"]),
        Column("Đơn vị", 40, "text", lambda row: row["unit"]),
        Column("Mã đơn vị", 12, "text", lambda row: row["code"]),
        Column("Số người dự thi", 12, "whole", lambda row: row["people"]),
        Column("Tổng số người", 12, "whole", lambda row: row["headcount"]),
        Column("Tỷ lệ tham gia", 12, "percent", lambda row: _share(row["rate"])),
        Column("Điểm trung bình (% điểm tối đa)", 14, "percent", lambda row: _share(row["mean"])),
    ]


def _share(fraction: str | None) -> float | None:
    return None if fraction is None else float(Fraction(fraction))


def _write_table(
    sheet: "Worksheet",
    publication: Publication,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    formats: Mapping[str, Any],
) -> None:
    _write_title(sheet, publication, formats)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    _write_rows(sheet, TITLE_ROWS, columns, rows, formats)
    sheet.freeze_panes(TITLE_ROWS + 1, 0)
    sheet.repeat_rows(TITLE_ROWS)
    if rows:
        sheet.autofilter(TITLE_ROWS, 0, TITLE_ROWS + len(rows), len(columns) - 1)
    _print_on_a4(sheet)


def _write_title(sheet: "Worksheet", publication: Publication, formats: Mapping[str, Any]) -> None:
    sheet.write_string(0, 0, _title(publication), formats["title"])
    kind = KINDS[publication.kind]
    sheet.write_string(
        1, 0, f"{sheet.get_name()} – {kind}, bản công bố số {publication.version}", formats["subtitle"]
    )
    sheet.write_string(
        2,
        0,
        f"Công bố lúc {vn_datetime(publication.published_at)}. SHA-256: {publication.sha256}",
        formats["note"],
    )


def _write_rows(
    sheet: "Worksheet",
    top: int,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    formats: Mapping[str, Any],
) -> None:
    for place, column in enumerate(columns):
        sheet.write_string(top, place, column.heading, formats["head"])
    for line, row in enumerate(rows, start=1):
        for place, column in enumerate(columns):
            _write_cell(sheet, top + line, place, column.value({**row, "line": line}), formats[column.format])


def _write_summary(sheet: "Worksheet", publication: Publication, formats: Mapping[str, Any]) -> None:
    """Write three tables one under the other: figures by division, by group of units, by prize."""
    content = publication.content
    names = {division["code"]: division["name"] for division in content["divisions"]}
    division = Column("Bảng", 34, "text", lambda row: names.get(row["division"], row["division"]))
    tables: list[tuple[list[Column], list[dict[str, Any]]]] = [
        (
            [
                division,
                Column("Người có kết quả", 26, "whole", lambda row: row["people"]),
                Column("Người đạt giải", 16, "whole", lambda row: row["winners"]),
                Column("Đơn vị có người dự thi", 16, "whole", lambda row: row["units"]),
                Column("Đáp số câu dự đoán", 16, "whole", lambda row: row["truth"]),
            ],
            _by_division(content),
        ),
        (
            [
                division,
                Column("Nhóm đơn vị", 26, "text", lambda row: GROUPS.get(row["group"], row["group"])),
                Column("Đơn vị có người dự thi", 16, "whole", lambda row: row["units"]),
                Column("Đơn vị được xếp hạng", 16, "whole", lambda row: row["ranked"]),
                Column("Số người dự thi", 16, "whole", lambda row: row["people"]),
                Column("Tổng số người", 16, "whole", lambda row: row["headcount"]),
                Column("Tỷ lệ tham gia", 16, "percent", lambda row: row["rate"]),
                Column("Đơn vị hạng nhất", 44, "text", lambda row: row["first"]),
            ],
            _by_group(content["units"]),
        ),
        (
            [
                division,
                Column("Giải", 26, "text", lambda row: row["prize_title"]),
                Column("Số giải đã trao", 16, "whole", lambda row: row["count"]),
            ],
            _by_prize(content["winners"]),
        ),
    ]
    _write_title(sheet, publication, formats)
    top = TITLE_ROWS
    for columns, rows in tables:
        for place, column in enumerate(columns):
            sheet.set_column(place, place, column.width)
        _write_rows(sheet, top, columns, rows, formats)
        top += len(rows) + 2
    _print_on_a4(sheet)


def _by_division(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    winners = Counter(row["division"] for row in content["winners"])
    units = Counter(row["division"] for row in content["units"])
    return [
        {
            "division": one["code"],
            "people": one["people"],
            "winners": winners[one["code"]],
            "units": units[one["code"]],
            "truth": one["truth"],
        }
        for one in content["divisions"]
    ]


def _by_group(units: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of each division's groups; the rate only where every unit's headcount is known."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in units:
        groups.setdefault((row["division"], row["group"]), []).append(row)
    return [
        {
            "division": division,
            "group": group,
            "units": len(rows),
            "ranked": sum(row["rank"] is not None for row in rows),
            "people": (people := sum(row["people"] for row in rows)),
            "headcount": (headcount := _sum_if_known([row["headcount"] for row in rows])),
            "rate": people / headcount if headcount else None,
            "first": "; ".join(row["unit"] for row in rows if row["rank"] == 1),
        }
        for (division, group), rows in groups.items()
    ]


def _sum_if_known(numbers: Sequence[int | None]) -> int | None:
    return None if None in numbers else sum(number or 0 for number in numbers)


def _by_prize(winners: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how many of each prize were given, in the order of the list."""
    given = Counter((row["division"], row["prize_title"]) for row in winners)
    return [
        {"division": division, "prize_title": title, "count": count}
        for (division, title), count in given.items()
    ]


def _write_cell(sheet: "Worksheet", row: int, place: int, value: str | float | None, format: Any) -> None:
    if value is None:
        sheet.write_blank(row, place, None, format)
    elif isinstance(value, str):
        sheet.write_string(row, place, value, format)
    else:
        sheet.write_number(row, place, value, format)


def _print_on_a4(sheet: "Worksheet") -> None:
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&RTrang &P/&N")


def _write_facts(sheet: "Worksheet", publication: Publication, formats: Mapping[str, Any]) -> None:
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, _title(publication), formats["title"])
    for row, (label, value) in enumerate(_facts(publication), start=2):
        sheet.write_string(row, 0, label, formats["label"])
        _write_cell(sheet, row, 1, value, formats["value"])
    sheet.freeze_panes(1, 0)
    _print_on_a4(sheet)


def _facts(publication: Publication) -> list[tuple[str, str | int | None]]:
    content = publication.content
    facts: list[tuple[str, str | int | None]] = [
        ("Loại kết quả", KINDS[publication.kind]),
        ("Bản công bố số", publication.version),
        ("Công bố lúc", vn_datetime(datetime.fromisoformat(content["published_at"]))),
        ("Lý do", content["reason"] or "Công bố lần đầu"),
        ("Mã kiểm tra của bản này (SHA-256)", publication.sha256),
        ("Cam kết hạt giống (SHA-256)", content["commitment"]),
        ("Hạt giống của vòng thi", content["seed"]),
    ]
    for division in content["divisions"]:
        chain = "; ".join(CRITERIA_IN_WORDS[name] for name in division["chain"])
        facts += [
            (f"{division['name']}: số người có kết quả", division["people"]),
            (f"{division['name']}: đáp số câu dự đoán", division["truth"]),
            (f"{division['name']}: thứ tự xét hạng", f"Xếp trên ai {chain}"),
        ]
    facts += [(f"SHA-256 của {file}", digest) for file, digest in content["pools"].items()]
    return facts
