"""Staff accounts from the command line: the first organizer has nobody to be invited by."""

import click
from flask import current_app

from contest import accounts
from contest.cli import with_app
from contest.clock import db_now
from contest.extensions import db
from contest.models.accounts import ROLES
from contest.rules.eligibility import SHORTEST_STAFF_PASSWORD
from contest.security import hash_password
from question_bank.text import clean_text


@click.command("create-staff")
@click.argument("login")
@click.option("--name", required=True, help="The person's full name.")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), required=True)
@click.password_option(help="At least 12 characters; asked for if not given.")
@with_app
def create_staff(login: str, name: str, roles: tuple[str, ...], password: str) -> None:
    """Make an account for somebody who works here."""
    if len(password) < SHORTEST_STAFF_PASSWORD:
        raise click.ClickException(f"The password needs at least {SHORTEST_STAFF_PASSWORD} characters.")
    accounts.create(
        db.session(),
        login=login,
        name=clean_text(name),
        password_hash=hash_password(password),
        birth_date=None,
        roles=roles,
        data_key=current_app.config["CONTEST"].data_key,
        now=db_now(db.session()),
    )
    db.session.commit()
    click.echo(f"{login} can sign in now.")
