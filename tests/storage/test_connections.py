"""Connections between transactions, seen through the database that keeps them."""

import asyncio

import pytest
from sqlalchemy import make_url

from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError
from tests.support.ingesting import driver_of, make_database


async def backend(database: Database) -> int:
    async with database.autocommit() as stores:
        return int(await driver_of(stores).fetchval("SELECT pg_backend_pid()"))


async def test_connection_used_last_is_used_next(database: Database) -> None:
    async with database.transaction() as stores:
        first = await driver_of(stores).fetchval("SELECT pg_backend_pid()")
        second = await backend(database)
    assert second != first
    assert [await backend(database) for _ in range(3)] == [first] * 3


async def test_connection_goes_to_those_who_plan_alike(database: Database) -> None:
    async with database.autocommit(by_key=True) as stores:
        planning_by_key = await driver_of(stores).fetchval("SELECT pg_backend_pid()")
    assert await backend(database) != planning_by_key
    async with database.transaction(by_key=True) as stores:
        assert await driver_of(stores).fetchval("SELECT pg_backend_pid()") == planning_by_key


async def test_connections_that_plan_otherwise_make_room(database_url: str) -> None:
    database = make_database(database_url, pool_size=4)

    async def ask(*, by_key: bool) -> None:
        async with database.autocommit(by_key=by_key) as stores:
            await driver_of(stores).fetchval("SELECT 1")

    for by_key in (False, True):
        await asyncio.gather(*(ask(by_key=by_key) for _ in range(3)))
    await asyncio.gather(*(ask(by_key=number % 2 == 0) for number in range(20)))
    await database.close()


async def test_transaction_waits_for_a_free_connection(database_url: str) -> None:
    database = make_database(database_url, pool_size=1)
    async with database.transaction():
        waiting = asyncio.create_task(backend(database))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    await database.close()


async def test_failure_to_connect_takes_nobodys_place(database_url: str, unused_tcp_port: int) -> None:
    url = make_url(database_url).set(port=unused_tcp_port).render_as_string(hide_password=False)
    database = make_database(url, pool_size=1)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError):
            await database.ping()
    await database.close()


async def test_connections_in_hand_are_closed_with_the_database(database_url: str, database: Database) -> None:
    other = make_database(database_url)
    pid = await backend(other)
    await other.close()
    # The server ends its side when it comes round to it.
    await asyncio.sleep(0.2)
    async with database.autocommit() as stores:
        is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
        assert not await driver_of(stores).fetchval(is_there, pid)
