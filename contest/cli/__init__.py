"""The console script `contest`: every command has --help and exits with a number other than 0 on failure."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from contest.cli.lazy import LazyGroup
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


PLACES = {
    "run": "contest.cli.run:run",
    "web": "contest.cli.processes:web",
    "worker": "contest.cli.processes:worker",
    "sweep": "contest.cli.processes:sweep",
    "migrate": "contest.cli.setup:migrate",
    "backup": "contest.cli.backups:backup",
    "restore": "contest.cli.backups:restore",
    "doctor": "contest.cli.setup:doctor",
    "seed-demo": "contest.cli.setup:seed_demo",
    "create-staff": "contest.cli.people:create_staff",
    "round": "contest.cli.rounds:round_group",
    "results": "contest.cli.results:results_group",
    "bank": "contest.cli.bank:bank_group",
    "units": "contest.cli.units:units_group",
}


@click.group(cls=LazyGroup, places=PLACES)
def main() -> None:
    """The contest platform."""
