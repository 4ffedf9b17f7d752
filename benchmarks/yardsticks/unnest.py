"""The floor of a batch: rows that are resolved already, by INSERT … SELECT unnest, with nothing left to decide."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from benchmarks.bodies import INGEST_TABLES
from sqlalchemy import ARRAY
from sqlalchemy.dialects import postgresql

from invite_service.storage.tables import metadata

_KNOWN_CONTACTS = "SELECT contact_key FROM contacts WHERE merchant_id = $1 AND contact_key = ANY($2)"

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class ResolvedBatch:
    """The rows of some orders, column by column, as the one statement takes them."""

    columns: tuple[list[Any], ...]
    order_count: int


def statement() -> str:
    """Write the statement: an INSERT … SELECT unnest of each table, all of them in one."""
    number, inserts = 1, []
    for table in INGEST_TABLES:
        columns = list(metadata.tables[table].columns)
        given = []
        for column in columns:
            # unnest() takes nested arrays apart: they travel as text.
            is_array = isinstance(column.type, ARRAY)
            given.append(f"${number}::{'text' if is_array else column.type.compile(_DIALECT)}[]")
            number += 1
        names = ", ".join(column.name for column in columns)
        values = ", ".join(f"{c.name}::text[]" if isinstance(c.type, ARRAY) else c.name for c in columns)
        inserts.append(f"INSERT INTO {table} ({names}) SELECT {values} FROM unnest({', '.join(given)}) AS t ({names})")
    *first, last = inserts
    shares = ", ".join(f"share_{index} AS ({insert})" for index, insert in enumerate(first))
    return f"WITH {shares} {last}"


async def read_batches(
    service: asyncpg.Connection, yardstick: asyncpg.Connection, merchant_id: str, batches: Sequence[Sequence[str]]
) -> list[ResolvedBatch]:
    """Read what the service stored of the orders, by batch; contacts that the yardstick knows are left out."""
    return [await _read_batch(service, yardstick, merchant_id, order_ids) for order_ids in batches]


async def _read_batch(
    service: asyncpg.Connection, yardstick: asyncpg.Connection, merchant_id: str, order_ids: Sequence[str]
) -> ResolvedBatch:
    ids = list(order_ids)
    columns: list[list[Any]] = []
    for table in INGEST_TABLES:
        names = ", ".join(
            f"{column.name}::text" if isinstance(column.type, ARRAY) else column.name
            for column in metadata.tables[table].columns
        )
        rows = await service.fetch(f"SELECT {names} FROM {table} WHERE {_belongs(table)}", merchant_id, ids)
        if table == "contacts":
            keys = [row["contact_key"] for row in rows]
            known = await yardstick.fetch(_KNOWN_CONTACTS, merchant_id, keys)
            known_keys = {row[0] for row in known}
            rows = [row for row in rows if row["contact_key"] not in known_keys]
        columns.extend([row[position] for row in rows] for position in range(len(metadata.tables[table].columns)))
    return ResolvedBatch(tuple(columns), len(ids))


def _belongs(table: str) -> str:
    mine = "merchant_id = $1 AND "
    if table == "contacts":
        return f"{mine} contact_key IN (SELECT email_key FROM orders WHERE {mine} order_id = ANY($2))"
    if table == "invitations":
        return f"{mine} id IN (SELECT invitation_id FROM invitation_orders WHERE {mine} order_id = ANY($2))"
    if table == "invitation_products":
        return f"{mine} invitation_id IN (SELECT invitation_id FROM invitation_orders WHERE {mine} order_id = ANY($2))"
    return f"{mine} order_id = ANY($2)"


async def write_batches(connection: asyncpg.Connection, batches: Sequence[ResolvedBatch]) -> float:
    """Write batches one after the other on a connection, each a transaction of its own; return the seconds."""
    insert = await connection.prepare(statement())
    started = time.perf_counter()
    for batch in batches:
        await insert.fetch(*batch.columns)
    return time.perf_counter() - started
