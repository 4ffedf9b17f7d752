import asyncio
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import func, make_url, select, text

from invite_service.domain.errors import SchemaOutdatedError
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError, TransactionConflictError
from invite_service.storage.metadata.accounts import merchants
from tests.support.builders import NOON, make_merchant, new_id
from tests.support.ingesting import driver_of, make_database

FAIL_WITH = "DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{}'; END $$"


async def count_merchants(database: Database) -> int:
    async with database.transaction() as stores:
        count = (await stores.core.execute(select(func.count()).select_from(merchants))).scalar_one()
    return int(count)


async def test_block_that_ends_is_committed(database: Database) -> None:
    async with database.transaction() as stores:
        await stores.merchants.add(make_merchant())
    assert await count_merchants(database) == 1


async def test_block_that_raises_is_rolled_back(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as stores:
            await stores.merchants.add(make_merchant())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()
    assert await count_merchants(database) == 0


async def test_driver_and_core_are_in_one_transaction(database: Database) -> None:
    async def write_both_ways_and_fail() -> None:
        async with database.transaction() as stores:
            await stores.merchants.add(make_merchant())
            seen = (await stores.core.execute(select(merchants.c.name))).scalar_one()
            assert seen == make_merchant().name
            await stores.core.execute(merchants.update().values(name="Renamed"))
            assert (await stores.merchants.get(make_merchant().id)).name == "Renamed"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_both_ways_and_fail()
    assert await count_merchants(database) == 0


async def test_core_writes_are_committed_as_well(database: Database) -> None:
    async with database.transaction() as stores:
        await stores.merchants.add(make_merchant())
        await stores.core.execute(merchants.update().values(name="Renamed"))
    async with database.transaction() as stores:
        assert (await stores.merchants.get(make_merchant().id)).name == "Renamed"


async def test_autocommit_keeps_each_statement(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.autocommit() as stores:
            await stores.merchants.add(make_merchant())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()
    assert await count_merchants(database) == 1


async def test_swallowed_error_cannot_be_committed(database: Database) -> None:
    async def swallow() -> None:
        async with database.transaction() as stores:
            await stores.merchants.add(make_merchant())
            with pytest.raises(asyncpg.DivisionByZeroError):
                await driver_of(stores).execute("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="had failed before"):
        await swallow()
    assert await count_merchants(database) == 0


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_conflict_of_a_driver_statement_can_be_tried_again(database: Database, state: str) -> None:
    with pytest.raises(TransactionConflictError):
        async with database.transaction() as stores:
            await driver_of(stores).execute(FAIL_WITH.format(state))


async def test_conflict_of_a_core_statement_can_be_tried_again(database: Database) -> None:
    with pytest.raises(TransactionConflictError):
        async with database.transaction() as stores:
            await stores.core.execute(text(FAIL_WITH.format("40001")))


async def test_other_errors_pass_as_they_are(database: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.transaction() as stores:
            await driver_of(stores).execute("SELECT 1 / 0")


async def test_deadlock_ends_one_of_two_with_a_conflict(database: Database) -> None:
    async with database.transaction() as stores:
        for name in ("a", "b"):
            await stores.merchants.add(make_merchant(id=name))
    both_hold_one = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> str:
        try:
            async with database.transaction() as stores:
                await driver_of(stores).execute("SET LOCAL deadlock_timeout = '20ms'")
                await driver_of(stores).execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", first)
                await both_hold_one.wait()
                await driver_of(stores).execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", second)
        except TransactionConflictError:
            return "conflict"
        return "done"

    assert sorted(await asyncio.gather(lock("a", "b"), lock("b", "a"))) == ["conflict", "done"]


async def test_cancelled_transaction_is_rolled_back_and_its_connection_usable(database_url: str) -> None:
    database = make_database(database_url, pool_size=1)
    has_written = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.transaction() as stores:
            await stores.merchants.add(make_merchant())
            has_written.set()
            await driver_of(stores).execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(write_and_wait())
    await has_written.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count_merchants(database) == 0
    await database.close()


async def test_connection_the_server_closed_while_idle_is_replaced(database_url: str, database: Database) -> None:
    other = make_database(database_url, pool_size=1)
    async with other.transaction() as stores:
        pid = await driver_of(stores).fetchval("SELECT pg_backend_pid()")
    async with database.transaction() as stores:
        await driver_of(stores).execute("SELECT pg_terminate_backend($1, 5000)", pid)
    # The end of the connection is seen when the event loop comes round to reading it.
    await asyncio.sleep(0.05)
    assert await count_merchants(other) == 0
    await other.close()


async def test_server_that_goes_away_in_the_middle_is_told_apart(database_url: str, database: Database) -> None:
    other = make_database(database_url, pool_size=1)

    async def lose_the_connection() -> None:
        async with other.transaction() as stores:
            pid = await driver_of(stores).fetchval("SELECT pg_backend_pid()")
            async with database.transaction() as killer:
                await driver_of(killer).execute("SELECT pg_terminate_backend($1, 5000)", pid)
            await driver_of(stores).execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        await lose_the_connection()
    assert await count_merchants(other) == 0
    await other.close()


async def test_server_that_cannot_be_reached_is_told_apart(database_url: str, unused_tcp_port: int) -> None:
    url = make_url(database_url).set(port=unused_tcp_port).render_as_string(hide_password=False)
    database = make_database(url)
    with pytest.raises(DatabaseUnavailableError, match="cannot be reached"):
        await database.ping()
    await database.close()


async def test_server_that_answers_gives_a_sign_of_life(database: Database) -> None:
    await database.ping()


async def test_values_come_back_as_the_types_the_rest_of_the_code_knows(database: Database) -> None:
    identifier = new_id()
    async with database.transaction() as stores:
        row = await driver_of(stores).fetchrow(
            "SELECT $1::uuid AS id, $2::text::jsonb AS data, $3::timestamptz AS at, ARRAY[$1::uuid] AS ids",
            identifier,
            '{"a": [1, "x"]}',
            NOON,
        )
    assert dict(row) == {"id": identifier, "data": {"a": [1, "x"]}, "at": NOON, "ids": [identifier]}
    assert type(row["id"]) is type(identifier)
    assert row["at"].utcoffset() == timedelta(0)


async def test_without_a_statement_cache_everything_works(database_url: str) -> None:
    database = make_database(database_url, pool_size=1, statement_cache=False)
    async with database.transaction() as stores:
        await stores.merchants.add(make_merchant())
    assert await count_merchants(database) == 1
    async with database.transaction() as stores:
        prepared = await driver_of(stores).fetchval("SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql")
    # The statement that counts is itself one while it runs.
    assert prepared <= 1
    await database.close()


@pytest.mark.parametrize("statement_cache", [True, False])
@pytest.mark.parametrize("pool_size", [1, 2])
async def test_plans_are_made_by_key_for_those_who_ask(
    database_url: str, pool_size: int, *, statement_cache: bool
) -> None:
    database = make_database(database_url, pool_size=pool_size, statement_cache=statement_cache)
    seen = []
    for by_key in (True, False, True):
        for opened in (database.transaction(by_key=by_key), database.autocommit(by_key=by_key)):
            async with opened as stores:
                driver = driver_of(stores)
                modes = await driver.fetchval("SHOW plan_cache_mode"), await driver.fetchval("SHOW enable_seqscan")
                seen.append(modes)
    await database.close()
    asked, free = ("force_generic_plan", "off"), ("auto", "on")
    assert seen == [asked, asked, free, free, asked, asked]


async def test_schema_at_head_is_accepted(database: Database) -> None:
    await database.check_schema()


async def test_database_without_tables_names_the_command_that_makes_them(unmigrated_database_url: str) -> None:
    database = Database(unmigrated_database_url, contact_keys=ContactKeys("x" * 32), new_id=new_id)
    with pytest.raises(SchemaOutdatedError, match=r"is at nothing, .* run `invite-service migrate`"):
        await database.check_schema()
    await database.close()


async def test_schema_of_another_revision_names_both_and_the_command(database: Database) -> None:
    async with database.transaction() as stores:
        await driver_of(stores).execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaOutdatedError, match=r"is at 0000, this version needs .*: run `invite-service migrate`"):
        await database.check_schema()
