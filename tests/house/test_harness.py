"""What every other test relies on: a database and a Redis that nobody used before."""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.databases import USES, DatabaseMaker
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


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_redis_has_no_key_of_another_test(redis_url: str, turn: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert await redis.dbsize() == 0
        await redis.set("key", turn)
