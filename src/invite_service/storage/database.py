"""The way into PostgreSQL: the pool, transactions, and the only `COMMIT` of this code base."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Connection, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from invite_service.storage.connections import Connections, Held
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver
from invite_service.storage.errors import DatabaseUnavailableError, TransactionConflictError
from invite_service.storage.schema import find_migrations, head_revisions, require_head
from invite_service.storage.stores import Stores

BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

# Planning ingest's statements takes longer than running them for one order, and a plan made for the arrays of a large
# batch, or on tables that were never analyzed, may read whole tables. All in one message.
PLAN_BY_KEY: Final = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off"
PLAN_FREELY: Final = "RESET plan_cache_mode; RESET enable_seqscan"

# The same for one transaction, where sessions are not ours from one to the next.
BEGIN_BY_KEY: Final = f"{BEGIN}; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"

ROLLBACK_SECONDS: Final = 5.0
"""How long a rollback may take; past it the connection is dropped, which rolls back as well."""

_CONFLICT_STATES: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs serialization_failure and deadlock_detected (PostgreSQL manual, appendix A)."""

_CANNOT_CONNECT: Final = (
    OSError,
    DBAPIError,
    # A raw connection's errors come as the dialect's own, not yet as SQLAlchemy's.
    AsyncAdapt_asyncpg_dbapi.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_FAILED_STATEMENT: Final = (
    OSError,
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg raises in place of the server's goodbye when that arrives while a statement is being sent.
    asyncpg.InternalClientError,
)

_STATEMENT_CACHE: Final = {
    "statement_cache_size": 250,
    # Seconds; preparing ingest's statements again would take longer than using them a few times.
    "max_cached_statement_lifetime": 0,
    # Characters; no limit.
    "max_cacheable_statement_size": 0,
}
"""asyncpg's cache of prepared statements."""

_SERVER_SETTINGS: Final = {
    "timezone": "UTC",
    # Compiling a statement takes longer than any of ours runs.
    "jit": "off",
    # A process that hangs in the middle of a transaction does not keep its locks.
    "idle_in_transaction_session_timeout": "60s",
}


class Database:
    """A pool of connections and the transactions on them.

    SQLAlchemy's pool makes the connections. They are in its AUTOCOMMIT mode, which means here that it sends no
    BEGIN of its own: `transaction` does, on the driver's connection, so that SQLAlchemy's statements and the driver's
    run in the same one.
    """

    def __init__(
        self,
        url: str,
        *,
        contact_keys: ContactKeys,
        new_id: Callable[[], UUID],
        pool_size: int = 10,
        statement_cache: bool = True,
        name: str = "invite-service",
    ) -> None:
        """Make a database that connects when it is first used.

        `url` begins with `postgresql+asyncpg://`. Without `statement_cache` nothing outlives a transaction on the
        server, as PgBouncer in transaction mode needs it. `name` is what the server calls these connections.
        """
        connect_args: dict[str, Any] = (
            {"server_settings": {**_SERVER_SETTINGS, "application_name": name}, **_STATEMENT_CACHE}
            if statement_cache
            else {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        )
        self._contact_keys = contact_keys
        self._new_id = new_id
        self._keeps_sessions = statement_cache
        self._engine = create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,
            json_serializer=_dump_json,
            json_deserializer=orjson.loads,
            connect_args=connect_args,
        )
        event.listen(self._engine.sync_engine, "connect", _set_codecs)
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._connections = Connections(self._engine, size=pool_size)

    @property
    def connections_in_use(self) -> int:
        """How many connections somebody works on."""
        return self._connections.in_use

    @contextlib.asynccontextmanager
    async def transaction(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        """Open a transaction (READ COMMITTED); it commits when the block ends, and rolls back when it raises.

        `by_key` promises that every statement finds its rows by their keys: plans are then made once per connection,
        without a look at the parameters, and never read a whole table.

        Raises:
            TransactionConflictError: another transaction came in between; nothing was written, do it again.
            DatabaseUnavailableError: the database cannot be reached, or went away.
        """
        async with self._connection(by_key=by_key) as held:
            driver = held.driver
            try:
                await driver.execute(BEGIN_BY_KEY if by_key and not self._keeps_sessions else BEGIN)
                yield self._stores(held)
                await _commit(driver)
            except BaseException:
                await _roll_back(driver)
                raise

    @contextlib.asynccontextmanager
    async def autocommit(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        """Hand out stores of which each statement is a transaction of its own; `by_key` as for `transaction`.

        For paths where waiting for BEGIN and COMMIT costs as much as the statement between them; a store's method
        that relies on locks held from one statement to the next belongs in `transaction`.

        Raises:
            TransactionConflictError: another transaction came in between; that statement wrote nothing.
            DatabaseUnavailableError: the database cannot be reached, or went away.
        """
        if by_key and not self._keeps_sessions:
            async with self.transaction(by_key=True) as stores:
                yield stores
            return
        async with self._connection(by_key=by_key) as held:
            yield self._stores(held)

    async def check_schema(self, migrations: Path | None = None) -> None:
        """Refuse a schema that is not at the head of the migrations.

        Raises:
            SchemaOutdatedError: it is older, newer or was never made; the message names the command to run.
            DatabaseUnavailableError: the database cannot be reached.
        """
        head = head_revisions(migrations or find_migrations())
        async with self._connection() as held:
            driver = held.driver
            is_made = await driver.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
            rows = await driver.fetch("SELECT version_num FROM alembic_version") if is_made else ()
        require_head(frozenset(row["version_num"] for row in rows), head)

    async def ping(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            DatabaseUnavailableError: there is none.
        """
        async with self._connection() as held:
            await held.driver.execute("SELECT 1")

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()
        await self._engine.dispose()

    def _stores(self, held: Held) -> Stores:
        def open_core() -> AsyncConnection:
            return AsyncConnection(self._engine, Connection(self._engine.sync_engine, held.connection))

        return Stores(held.driver, open_core, contact_keys=self._contact_keys, new_id=self._new_id)

    @contextlib.asynccontextmanager
    async def _connection(self, *, by_key: bool = False) -> AsyncIterator[Held]:
        """Take a connection whose session plans as wanted, and tell errors by whether trying again helps.

        The pool's own connection: SQLAlchemy's objects around it cost as much as a short statement.
        """
        wanted = by_key and self._keeps_sessions
        try:
            held = await self._connections.take(by_key=wanted)
        except _CANNOT_CONNECT as error:
            raise DatabaseUnavailableError(f"The database cannot be reached: {type(error).__name__}.") from error
        try:
            if held.by_key is not wanted:
                held.by_key = None
                await held.driver.execute(PLAN_BY_KEY if wanted else PLAN_FREELY)
                held.by_key = wanted
            yield held
        except _FAILED_STATEMENT as error:
            if _is_conflict(error):
                raise TransactionConflictError("Another transaction came in between.") from error
            if isinstance(error, asyncpg.InternalClientError):
                held.driver.terminate()
            if held.driver.is_closed() or _says_goodbye(error):
                raise DatabaseUnavailableError("The database went away.") from error
            raise
        finally:
            self._connections.put_back(held)


def _says_goodbye(error: BaseException) -> bool:
    """Say whether the server, or the connection, told that it is gone; asyncpg may not have closed its end yet."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = str(getattr(origin, "sqlstate", None) or "")
    return sqlstate.startswith("08") or sqlstate in {"57P01", "57P02", "57P03"}


async def _commit(driver: Driver) -> None:
    tag = await driver.execute("COMMIT")
    if tag != "COMMIT":
        # The server answers ROLLBACK when a statement failed before and somebody swallowed its error.
        raise RuntimeError("The transaction had failed before it was to be committed.")


async def _roll_back(driver: Any) -> None:
    if driver.is_closed():
        return
    try:
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await driver.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        driver.terminate()
    except BaseException:
        driver.terminate()
        raise


def _is_conflict(error: Exception) -> bool:
    # A migration came in between a statement's preparation and its use; asyncpg has forgotten the old one by now.
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) in _CONFLICT_STATES


def _set_codecs(connection: Any, record: object) -> None:
    """Have ids read as the standard library's UUID: asyncpg's own looks like it, and orjson disagrees."""
    connection.run_async(
        lambda driver: driver.set_type_codec(
            "uuid", schema="pg_catalog", encoder=attrgetter("bytes"), decoder=_read_uuid, format="binary"
        )
    )


def _read_uuid(octets: bytes) -> UUID:
    return UUID(bytes=octets)


def _refuse_closed(connection: Any, record: object, proxy: object) -> None:
    """Have the pool replace a connection that the server closed while it was idle."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _dump_json(value: object) -> str:
    return orjson.dumps(value).decode()
