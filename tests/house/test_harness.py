"""What every other test relies on: a database and a Redis that nobody used before."""

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_database_has_the_tables_and_no_row_of_another_test(database_url: str, turn: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM merchants"))).scalar_one() == 0
        await connection.execute(
            text(
                "INSERT INTO merchants"
                " (id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at)"
                " VALUES ('shop', 'Shop', 'Europe/Oslo', '', false, '0 s', 1, '2026-01-01T00:00:00Z')"
            )
        )
    await engine.dispose()


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_redis_has_no_key_of_another_test(redis_url: str, turn: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        assert await redis.dbsize() == 0
        await redis.set("key", turn)
