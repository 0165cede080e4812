"""The console script `contest`: every command has --help and exits with a number other than 0 on failure."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from contest.errors import ContestError
from contest.settings import SettingsError

P = ParamSpec("P")
T = TypeVar("T")


def with_app(command: Callable[P, T]) -> Callable[P, T]:
    """Run a command inside the application's context; refusals become one sentence and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # The commands that need no application start without it.
        from contest import create_app
        from contest.extensions import db

        try:
            app = create_app()
            with app.app_context():
                try:
                    return command(*args, **kwargs)
                finally:
                    db.session.remove()
                    db.engine.dispose()
        except (ContestError, SettingsError) as error:
            raise click.ClickException(str(error)) from None

    return run


@click.group()
def main() -> None:
    """The contest platform."""


def _add_commands() -> None:
    from contest.cli import bank_data  # noqa: F401  (adds its commands to the group)
    from contest.cli.bank import bank_group
    from contest.cli.people import create_staff
    from contest.cli.processes import sweep, web, worker
    from contest.cli.results import results_group
    from contest.cli.rounds import round_group
    from contest.cli.run import run
    from contest.cli.setup import doctor, migrate, seed_demo

    for command in (
        run,
        web,
        worker,
        sweep,
        migrate,
        doctor,
        seed_demo,
        create_staff,
        round_group,
        results_group,
        bank_group,
    ):
        main.add_command(command)


_add_commands()
