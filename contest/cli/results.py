"""Results from the command line: the bundle of a published round, and the check of one."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from sqlalchemy import select

from contest import archives, contests
from contest.bundles import VERIFIER
from contest.cli import with_app
from contest.cli.rounds import find_round
from contest.errors import Conflict
from contest.extensions import db
from contest.models import Publication, PublicationFile


@click.group("results")
def results_group() -> None:
    """Write the bundle of published results, check one."""


@results_group.command("bundle")
@click.argument("number", type=int)
@click.option("--contest", "slug", help="The contest's address; without it the newest.")
@click.option("--version", type=int, help="A published version; without it the newest.")
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="A file NAME.zip, or a folder."
)
@with_app
def bundle(number: int, slug: str | None, version: int | None, target: Path) -> None:
    """Write the files from which anyone recomputes the published result of round NUMBER.

    They are the files as they were published, byte for byte, whenever this is asked.
    """
    session = db.session()
    round = find_round(number, slug)
    publication = (
        contests.newest_publication(session, round.id)
        if version is None
        else session.scalar(
            select(Publication).where(Publication.round_id == round.id, Publication.version == version)
        )
    )
    files = archives.listed(session, publication.id) if publication else []
    if publication is None or not files:
        raise Conflict("Vòng thi chưa có bản công bố nào kèm bộ dữ liệu kiểm chứng.")
    if target.suffix.lower() == ".zip":
        _write_zip(files, target)
    else:
        _write_folder(files, target)
    click.echo(f"Bản {publication.version}: {len(files)} tệp trong {target}")
    click.echo(f"SHA-256 của bản công bố: {publication.sha256}")


def _write_zip(files: Sequence[PublicationFile], target: Path) -> None:
    size, pieces = archives.zip_of(db.session(), files)
    with target.open("wb") as out, click.progressbar(length=size, file=sys.stderr) as shown:
        for piece in pieces:
            out.write(piece)
            shown.update(len(piece))


def _write_folder(files: Sequence[PublicationFile], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if foreign := {path.name for path in target.iterdir()} - {file.name for file in files}:
        raise Conflict(f"Thư mục {target} đã có tệp khác: {', '.join(sorted(foreign))}.")
    size = sum(file.size for file in files)
    with click.progressbar(length=size, file=sys.stderr) as shown:
        for file in files:
            with (target / file.name).open("wb") as out:
                for piece in archives.content(db.session(), file.id):
                    out.write(piece)
                    shown.update(len(piece))


@results_group.command("verify-bundle")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--digest", help="The SHA-256 of the publication as you know it from elsewhere.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_bundle(path: Path, digest: str | None, lang: str, as_json: bool) -> None:
    """Recompute the result from the bundle at PATH, a folder or zip; exits with 1 where it differs.

    It runs the program that is in every bundle, which shares no code with this one.
    """
    words = [str(path), "--lang", lang]
    words += ["--digest", digest] if digest else []
    words += ["--json"] if as_json else []
    raise SystemExit(subprocess.run([sys.executable, str(VERIFIER), *words], check=False).returncode)
