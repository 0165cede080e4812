"""Winners of one name are told apart by their birth years wherever they are listed."""

import io
import zipfile

from pypdf import PdfReader

from contest.printed_results import winner_list_of
from contest.workbooks import publication_workbook
from tests import builders
from tests.visiting import visit

NAME = "Nguyễn Văn An"


def test_winners_of_one_name_have_their_birth_years_in_every_list(app):
    contest = builders.make_contest()
    round = builders.open_now(builders.make_round(contest, prizes=(("Giải Nhất", 1), ("Giải Nhì", 4))))
    people = [
        builders.make_person(contest, name=name, consents=consents)
        for name, consents in (
            (NAME, ("participation", "publication")),
            (NAME, ("participation", "publication")),
            ("Trần Thị Bình", ("participation", "publication")),
            ("Trần Thị Bình", ("participation",)),
        )
    ]
    for place, person in enumerate(people):
        builders.finish_attempt(person, round, right=5 - place)
    builders.close(round)
    publication = builders.publish(round)
    year = people[0].birth_date.year
    winners = publication.content["winners"]
    assert [row["birth_year"] for row in winners] == [year, year, None, None]

    told = f"{NAME} (sinh năm {year})"
    page = visit(app).get(f"/contests/{contest.slug}/winners").get_data(as_text=True)
    workbook = zipfile.ZipFile(io.BytesIO(publication_workbook(publication)))
    strings = workbook.read("xl/sharedStrings.xml").decode()
    pdf = PdfReader(io.BytesIO(winner_list_of(publication, province="Bắc Ninh")))
    printed = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    assert page.count(told) == printed.count(told) == 2
    assert told in strings
    for text in (page, strings, printed):
        assert "Trần Thị Bình" in text
        assert "Trần Thị Bình (sinh" not in text
    # Versions that were published before have no birth years.
    for row in winners:
        del row["birth_year"]
    assert publication_workbook(publication)
