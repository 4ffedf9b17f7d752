"""An empty database for each test, cloned from a template that Alembic migrated once."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
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

USES: Final = 50
"""Tests that a database is emptied after; rows deleted leave their pages behind, so that it is dropped some day."""

LARGE: Final = 2**20
"""Bytes of a table after which its database is dropped: that is faster than to delete what is in it."""

KEPT: Final = "invite-service tests, kept"
"""Name of the connections that go from one test to the next; whoever keeps them sees to what they hold."""

_END_OTHERS: Final = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND NOT (application_name = $1 AND state = 'idle')
"""

_RELATIONS: Final = """
    SELECT oid, relname, relkind, relnatts, relchecks, relfilenode, reltuples, relhastriggers, version_num
    FROM pg_class CROSS JOIN alembic_version WHERE relnamespace = 'public'::regnamespace ORDER BY oid
"""
"""What a change of the schema shows in; so does ANALYZE, after which statements are planned otherwise."""

_FILLED: Final = """
    SELECT relname, pg_relation_size(oid) AS size FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0
"""

_GONE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""Raised where a test closed its database, or ended all of its connections."""

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
        # It would look through each database once a minute, and move the rows of some.
        await admin.execute("ALTER SYSTEM SET autovacuum = off")
        await admin.execute("SELECT pg_reload_conf()")
    finally:
        await admin.close()


@dataclass
class _Database:
    """A copy of the template, with the connection over which it is emptied."""

    name: str
    url: str
    connection: asyncpg.Connection
    relations: list[asyncpg.Record]
    uses: int = 0

    async def empty(self) -> bool:
        """Delete what a test left, whoever is still connected; False where that does not make it as it was."""
        self.uses += 1
        if self.uses == USES:
            return False
        try:
            await self.connection.fetch(_END_OTHERS, KEPT)
            filled = await self.connection.fetch(_FILLED)
            if max((row["size"] for row in filled), default=0) > LARGE:
                return False
            if await self.connection.fetch(_RELATIONS) != self.relations:
                return False
            if filled:
                await self.connection.execute("".join(f"DELETE FROM {row['relname']};" for row in filled))
        except _GONE:
            return False
        return True


class DatabaseMaker:
    """Makes and drops databases over connections of its own, in a loop of its own, so that any test can ask it."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._spare: list[_Database] = []

    def __enter__(self) -> Self:
        self._admin = self._runner.run(asyncpg.connect(_libpq_url(self._server_url)))
        return self

    def __exit__(self, *_: object) -> None:
        for database in self._spare:
            self._runner.run(self._drop(database))
        self._runner.run(self._admin.close())
        self._runner.close()

    @contextlib.contextmanager
    def database(self, *, fresh: bool = False) -> Iterator[str]:
        """Give out the SQLAlchemy URL of an empty copy of the template, on request one that nobody had before."""
        database = self._spare.pop() if self._spare and not fresh else self._runner.run(self._make())
        try:
            yield database.url
        finally:
            if not fresh and self._runner.run(database.empty()):
                self._spare.append(database)
            else:
                self._runner.run(self._drop(database))

    @contextlib.contextmanager
    def unmigrated(self) -> Iterator[str]:
        """Give out the SQLAlchemy URL of a database without any table, and drop it afterwards."""
        name = self._runner.run(self._clone(EMPTY))
        try:
            yield _url_of(self._server_url, name)
        finally:
            self._runner.run(self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)"))

    async def _make(self) -> _Database:
        name = await self._clone(TEMPLATE)
        url = _url_of(self._server_url, name)
        connection = await asyncpg.connect(_libpq_url(url))
        # No foreign key is checked, so that tables are emptied in any order.
        await connection.execute("SET session_replication_role = replica")
        return _Database(name, url, connection, await connection.fetch(_RELATIONS))

    async def _clone(self, template: str) -> str:
        name = f"test_{uuid4().hex}"
        # Half the time of a copy through the log, where nothing waits for the disk.
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def _drop(self, database: _Database) -> None:
        with contextlib.suppress(*_GONE):
            await database.connection.close()
        await self._admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


def _url_of(server_url: str, database: str) -> str:
    return make_url(server_url).set(database=database).render_as_string(hide_password=False)


def _libpq_url(sqlalchemy_url: str) -> str:
    return make_url(sqlalchemy_url).set(drivername="postgresql").render_as_string(hide_password=False)
