"""Alembic's environment: one transaction a migration, over asyncpg.

The database is, in this order, the open connection in the configuration's attribute `connection`, the URL in its
attribute `database_url`, or INVITE_DATABASE_URL.
"""

import asyncio
import os
from typing import Final

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from invite_service.storage.tables import metadata

SESSION_SETTINGS: Final = {"lock_timeout": "5s", "statement_timeout": "0"}
# A migration that waits for a lock makes everyone behind it wait too: better that it gives up and is run again. Once it
# has its locks it may take its time.


def _database_url() -> str:
    url = context.config.attributes.get("database_url") or os.environ.get("INVITE_DATABASE_URL")
    if not url:
        raise CommandError("set INVITE_DATABASE_URL to the database to migrate")
    return f"postgresql+asyncpg://{url.partition('://')[2]}"


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect_and_migrate() -> None:
    engine = create_async_engine(
        _database_url(), poolclass=pool.NullPool, connect_args={"server_settings": SESSION_SETTINGS}
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


def _print_sql() -> None:
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print_sql()
elif (open_connection := context.config.attributes.get("connection")) is not None:
    _migrate(open_connection)
else:
    asyncio.run(_connect_and_migrate())
