"""`migrate` and `check-schema`: bring the database to the schema of this version, or say whether it is there."""

import asyncio
import sys

import typer

from invite_service.bootstrap import Factory
from invite_service.cli.running import CommandFailedError, explained, run_with_services
from invite_service.config import load_settings
from invite_service.storage.schema import find_migrations


async def migrate_to_head(database_url: str) -> None:
    """Bring the database that the URL names to the head of the migrations; one that is there stays as it is.

    Raises:
        SchemaOutdatedError: the folder of the migrations was not found.
        CommandFailedError: a migration cannot be run.
    """
    # Only here: `api` and `worker` would carry Alembic, 10 MiB with what it brings, all their life.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(find_migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    # The environment of the migrations runs an event loop of its own, and so needs a thread of its own.
    try:
        await asyncio.to_thread(command.upgrade, config, "head")
    except CommandError as error:
        raise CommandFailedError(str(error)) from error


def migrate() -> None:
    """Bring the database to the schema of this version."""
    with explained():
        settings = load_settings()
        asyncio.run(migrate_to_head(settings.database_url.get_secret_value()))
    typer.echo("The database schema is at head.")


def check_schema() -> None:
    """Say whether the database is at the schema of this version; exits with 1 and the command to run when not."""
    run_with_services(_do_nothing)
    typer.echo("The database schema is at head.")


async def _do_nothing(services: Factory) -> None:
    """Making the services has checked it."""
