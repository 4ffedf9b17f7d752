"""A database for each test, cloned from a template that Alembic migrated once."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine

TEMPLATE: Final = "invite_template"
EMPTY: Final = "template0"

ALEMBIC_INI: Final = Path(__file__).parents[2] / "alembic.ini"


def alembic_config(connection: Connection) -> Config:
    """Return the configuration with which Alembic's commands work on this connection."""
    config = Config(ALEMBIC_INI)
    config.attributes["connection"] = connection
    return config


async def make_template(server_url: str) -> None:
    """Create the template, migrate it, and close it to connections: a template in use cannot be cloned."""
    admin = await asyncpg.connect(_libpq_url(server_url))
    try:
        await admin.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE {EMPTY}")
        engine = create_async_engine(_url_of(server_url, TEMPLATE), poolclass=pool.NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(lambda opened: command.upgrade(alembic_config(opened), "head"))
        await engine.dispose()
        await admin.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    finally:
        await admin.close()


class DatabaseMaker:
    """Makes and drops databases over one connection of its own, in a loop of its own, so that any test can ask it."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)

    def __enter__(self) -> Self:
        self._admin = self._runner.run(asyncpg.connect(_libpq_url(self._server_url)))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._admin.close())
        self._runner.close()

    @contextlib.contextmanager
    def database(self, *, template: str = TEMPLATE) -> Iterator[str]:
        """Give out the SQLAlchemy URL of a fresh copy, and drop it afterwards, whoever is still connected."""
        name = f"test_{uuid4().hex}"
        # Half the time of a copy through the log, where nothing waits for the disk.
        self._runner.run(self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        try:
            yield _url_of(self._server_url, name)
        finally:
            self._runner.run(self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)"))


def _url_of(server_url: str, database: str) -> str:
    return make_url(server_url).set(database=database).render_as_string(hide_password=False)


def _libpq_url(sqlalchemy_url: str) -> str:
    return make_url(sqlalchemy_url).set(drivername="postgresql").render_as_string(hide_password=False)
