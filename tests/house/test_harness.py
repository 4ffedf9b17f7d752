"""What every other test relies on: a database and a Redis that nobody used before."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from invite_service.storage.database import Database
from tests.support.databases import USES, DatabaseMaker
from tests.support.ingesting import driver_of
from tests.support.kept import DatabaseKeeper
from tests.support.servers import ServerAddresses

ADD_MERCHANT = (
    "INSERT INTO merchants (id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at)"
    " VALUES ('shop', 'Shop', 'Europe/Oslo', '', false, '0 s', 1, '2026-01-01T00:00:00Z')"
)


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_database_has_the_tables_and_no_row_of_another_test(database_url: str, turn: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM merchants"))).scalar_one() == 0
        await connection.execute(text(ADD_MERCHANT))
    await engine.dispose()


@pytest.fixture
def maker(servers: ServerAddresses) -> Iterator[DatabaseMaker]:
    """A maker that has no database yet: those of the run's have been used a number of times."""
    with DatabaseMaker(servers.database_url) as maker:
        yield maker


def leave(maker: DatabaseMaker, *statements: str) -> tuple[str, str]:
    """Run statements in a database and leave without a word; give its address, and the one that is given out next."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        with maker.database() as url:
            connection = runner.run(connect(url))
            for statement in statements:
                runner.run(connection.execute(statement))
        with contextlib.suppress(asyncpg.PostgresError):
            runner.run(connection.close())
    with maker.database() as following:
        return url, following


def test_database_is_given_out_again_without_its_rows_and_sessions(maker: DatabaseMaker) -> None:
    locked = (ADD_MERCHANT, "BEGIN", "LOCK TABLE merchants", ADD_MERCHANT.replace("'shop'", "'other'"))
    before, after = leave(maker, *locked)
    assert before == after
    assert leave(maker, ADD_MERCHANT) == (after, after)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE merchants RENAME TO away",
        "ALTER TABLE merchants ADD COLUMN mood text",
        "ALTER TABLE merchants ADD CHECK (name <> '')",
        "CREATE TABLE more ()",
        "CREATE INDEX more ON merchants (name)",
        "DROP TABLE ratings CASCADE",
        "ANALYZE merchants",
        "UPDATE alembic_version SET version_num = '0000'",
        "DELETE FROM alembic_version",
    ],
)
def test_database_whose_schema_changed_is_not_given_out_again(maker: DatabaseMaker, change: str) -> None:
    before, after = leave(maker, ADD_MERCHANT, change)
    assert before != after


def test_database_is_not_given_out_for_ever(maker: DatabaseMaker) -> None:
    given_out = set()
    for _ in range(USES + 1):
        with maker.database() as url:
            given_out.add(url)
    assert len(given_out) == 2


SESSION = """
    SELECT (SELECT json_agg(s ORDER BY name)::text FROM pg_settings s WHERE source = 'session'),
        (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
        (SELECT count(*) FROM pg_cursors WHERE is_holdable),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM merchants)
"""

TOUCH = (
    "SET search_path = ''",
    "SET enable_indexscan = off",
    "CREATE TEMP TABLE more ()",
    "SELECT pg_advisory_lock(1)",
    "DECLARE more CURSOR WITH HOLD FOR SELECT 1",
    "LISTEN more",
)


class Lending:
    """A database that is lent to one test after the other, and emptied after each."""

    def __init__(self, maker: DatabaseMaker, runner: asyncio.Runner) -> None:
        self._maker = maker
        self._runner = runner
        self._keeper = DatabaseKeeper()

    @classmethod
    @contextlib.contextmanager
    def open(cls, maker: DatabaseMaker) -> Iterator["Lending"]:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            lending = cls(maker, runner)
            yield lending
            runner.run(lending._keeper.close())

    def run(self, test: Callable[[Database], Awaitable[list[object]]]) -> list[object]:
        async def lend(url: str) -> list[object]:
            async with self._keeper.lend(url) as database:
                return await test(database)

        with self._maker.database() as url:
            return self._runner.run(lend(url))

    def do(self, *statements: str, by_key: bool = False) -> list[object]:
        """Run statements on one connection; give its backend's number, and what the last one finds."""

        async def ask(database: Database) -> list[object]:
            async with database.autocommit(by_key=by_key) as stores:
                driver = driver_of(stores)
                *before, last = statements
                for statement in before:
                    await driver.execute(statement)
                return [driver.get_server_pid(), *(tuple(row) for row in await driver.fetch(last))]

        return self.run(ask)


@pytest.mark.parametrize("by_key", [False, True])
def test_kept_connection_is_as_it_was_for_the_next_test(maker: DatabaseMaker, *, by_key: bool) -> None:
    with Lending.open(maker) as lending:
        before = lending.do(SESSION, by_key=by_key)
        touched = lending.do(ADD_MERCHANT, *TOUCH, "SELECT 1", by_key=by_key)
        assert touched[0] == before[0]
        assert lending.do(SESSION, by_key=by_key) == before


def test_kept_connection_in_a_transaction_is_not_given_out_again(maker: DatabaseMaker) -> None:
    with Lending.open(maker) as lending:
        left = lending.do("BEGIN", "LOCK TABLE merchants", "SELECT 1")
        assert lending.do("SELECT count(*) FROM merchants")[1:] == [(0,)]
        assert lending.do("SELECT 1")[0] != left[0]


def test_what_a_test_leaves_running_has_ended_before_the_next(maker: DatabaseMaker) -> None:
    left: list[asyncio.Task[None]] = []

    async def wait(database: Database) -> None:
        async with database.transaction() as stores:
            await driver_of(stores).execute(ADD_MERCHANT)
            await asyncio.sleep(3600)

    async def leave(database: Database) -> list[object]:
        left.append(asyncio.create_task(wait(database)))
        await asyncio.sleep(0.05)
        return []

    with Lending.open(maker) as lending:
        lending.run(leave)
        assert left[0].cancelled()
        assert lending.do("SELECT count(*) FROM merchants")[1:] == [(0,)]


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_redis_has_no_key_of_another_test(redis_url: str, turn: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert await redis.dbsize() == 0
        await redis.set("key", turn)
