import asyncio
import io

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from invite_service.storage.tables import metadata
from tests.support.databases import ALEMBIC_INI

RELATIONS = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
    UNION SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
"""


def config_for(database_url: str, *, output: io.StringIO | None = None) -> Config:
    config = Config(ALEMBIC_INI, output_buffer=output)
    config.attributes["database_url"] = database_url
    return config


async def connect(database_url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(database_url).set(drivername="postgresql").render_as_string(False))


def relations_in(database_url: str) -> set[str]:
    async def read() -> set[str]:
        connection = await connect(database_url)
        try:
            return {row["relname"] for row in await connection.fetch(RELATIONS)}
        finally:
            await connection.close()

    return asyncio.run(read())


def test_migrations_make_the_tables_take_them_back_and_make_them_again(unmigrated_database_url: str) -> None:
    config = config_for(unmigrated_database_url)
    command.upgrade(config, "head")
    command.check(config)
    tables = set(metadata.tables) | {"alembic_version"}
    assert relations_in(unmigrated_database_url) == tables

    command.downgrade(config, "base")
    assert relations_in(unmigrated_database_url) == {"alembic_version"}

    command.upgrade(config, "head")
    command.check(config)
    assert relations_in(unmigrated_database_url) == tables


def test_migration_that_waits_for_a_lock_gives_up_within_seconds(database_url: str) -> None:
    # The runner keeps the lock's connection open while Alembic runs a loop of its own.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        blocker = runner.run(connect(database_url))
        runner.run(blocker.execute("BEGIN; LOCK TABLE merchants"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            command.downgrade(config_for(database_url), "base")
        runner.run(blocker.close())
    # Each revision is a transaction: later ones that needed no lock on merchants are gone, of the first nothing is.
    assert {"merchants", "orders", "timeline_entries"} <= relations_in(database_url)


def test_migrations_can_be_printed_without_a_database() -> None:
    output = io.StringIO()
    command.upgrade(config_for("", output=output), "head", sql=True)
    assert "CREATE TABLE merchants (" in output.getvalue()


def test_url_comes_from_the_environment_where_none_is_passed(
    unmigrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVITE_DATABASE_URL", unmigrated_database_url.replace("postgresql+asyncpg", "postgres"))
    command.upgrade(Config(ALEMBIC_INI), "head")
    assert "merchants" in relations_in(unmigrated_database_url)

    monkeypatch.setenv("INVITE_DATABASE_URL", "")
    with pytest.raises(CommandError, match="set INVITE_DATABASE_URL to the database to migrate"):
        command.current(Config(ALEMBIC_INI))
