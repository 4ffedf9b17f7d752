"""Rows of averages and response rates, read from counters, against the aggregates that they spare."""

import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median
from typing import Any, Final

import asyncpg
from benchmarks.machine import run_to_end, temporary_folder
from benchmarks.table import Result
from uuid_utils.compat import uuid7

from invite_service.domain.insight import Dimension
from invite_service.domain.listing import ALWAYS
from invite_service.domain.merchant import MerchantId
from invite_service.embedded.servers import EmbeddedServers
from invite_service.services.account_insights import AccountInsightService
from invite_service.services.ratings import RatingService
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database

AVERAGING_ROWS: Final = {"averages": 50_000, "averages_1m": 1_000_000}
"""Ratings of one merchant, by row."""

RESPONSE_ROWS: Final = {"response_rate": 50_000, "response_rate_1m": 1_000_000}
"""Ratings, and as many invitations, of one merchant, by row."""

READS: Final = 200
"""Summaries of a round; the aggregate is asked for as often as fits into a second or two."""

_MERCHANT: Final = MerchantId("bench-averages")

# Foreign keys rest while ratings of no invitation are made; the plans do not depend on them.
_FILL: Final = """
SET session_replication_role = replica;
INSERT INTO merchants (id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at)
VALUES ('bench-averages', 'Bench', 'Europe/Oslo', 'https://shop.example', false, interval '0', 1, '2026-01-01Z');
INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)
SELECT 'bench-averages', gen_random_uuid(), gen_random_uuid(),
    CASE WHEN n % 10 = 0 THEN '' ELSE 'p' || n % 500 END, 1 + (n * 7 + n / 3) % 5,
    CASE WHEN n % 20 = 0 THEN 'pending' ELSE 'published' END,
    timestamptz '2026-01-01Z' + n * interval '1 second', timestamptz '2026-01-01Z' + n * interval '1 second'
FROM generate_series(1, {ratings}) AS n;
INSERT INTO rating_totals (merchant_id, product_id, state, stars_1, stars_2, stars_3, stars_4, stars_5)
SELECT merchant_id, keys.key, state, count(*) FILTER (WHERE stars = 1), count(*) FILTER (WHERE stars = 2),
    count(*) FILTER (WHERE stars = 3), count(*) FILTER (WHERE stars = 4), count(*) FILTER (WHERE stars = 5)
FROM ratings
CROSS JOIN LATERAL unnest(CASE WHEN product_id = '' THEN ARRAY[''] ELSE ARRAY[product_id, '*'] END) AS keys (key)
GROUP BY 1, 2, 3;
"""

_AGGREGATE: Final = """
SELECT product_id = '' AS of_service, state, count(*), avg(stars)
FROM ratings
WHERE merchant_id = $1
GROUP BY 1, 2
"""


# Sent and answered evenly over two years, each period's counts over all of its rows.
_FILL_RESPONSES: Final = """
SET session_replication_role = replica;
INSERT INTO merchants (id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at)
VALUES ('bench-averages', 'Bench', 'Europe/Oslo', 'https://shop.example', false, interval '0', 1, '2026-01-01Z');
INSERT INTO invitations (
    merchant_id, id, kind, channel, language, contact_key, status, steps, policy_version, time_zone, spread_order_id,
    created_at, send_at, order_ids, moved_by_merchant, send_now, message_count, tries, first_sent_at
)
SELECT 'bench-averages', lpad(to_hex(n), 32, '0')::uuid, 'product', 'email', 'nb', '', 'sent', '{{product_1}}', 1,
    'UTC', '', '2026-01-01Z', '2026-01-01Z', '{{}}', FALSE, FALSE, 1, 0,
    timestamptz '2026-01-01Z' + n * (interval '730 days' / {ratings})
FROM generate_series(1, {ratings}) AS n;
INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)
SELECT 'bench-averages', lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, 'p' || n % 500, 5, 'published',
    timestamptz '2026-01-01Z' + n * (interval '730 days' / {ratings}), '2026-01-01Z'
FROM generate_series(1, {ratings}) AS n;
INSERT INTO response_periods (merchant_id, unit, starts_on, shard, sent, ratings)
SELECT 'bench-averages', unit, date_trunc(unit, first_sent_at AT TIME ZONE 'Europe/Oslo')::date,
    ascii(right(id::text, 1)) % 4, count(*), count(*)
FROM invitations, unnest(ARRAY['day', 'month']) AS unit GROUP BY 2, 3, 4;
"""

_COUNT: Final = """
SELECT (SELECT count(*) FROM invitations WHERE merchant_id = $1 AND first_sent_at IS NOT NULL),
    (SELECT count(*) FROM ratings WHERE merchant_id = $1)
"""


async def measure_averages(row: str, rounds: int) -> Result:
    """Ask for the account's averages by turns: ours through the service, the yardstick as one prepared aggregate."""
    count = AVERAGING_ROWS[row]
    async with _filled(_FILL.format(ratings=count)) as (connection, database):
        service = RatingService(database)
        return await _compare(
            row,
            rounds,
            ours=lambda: service.summary(_MERCHANT),
            aggregate=await connection.prepare(_AGGREGATE),
            count=count,
            note=f"{count:,} ratings of 500 products and the service, on one connection each",
        )


async def measure_response_rate(row: str, rounds: int) -> Result:
    """Ask for the account's response rate by turns: ours by month, the yardstick as two counts and no more."""
    count = RESPONSE_ROWS[row]
    async with _filled(_FILL_RESPONSES.format(ratings=count)) as (connection, database):
        async with database.autocommit() as stores:
            merchant = await stores.merchants.get(_MERCHANT)
        service = AccountInsightService(database)
        found = (await service.response_rate(merchant, ALWAYS, by=Dimension.MONTH)).whole
        if (found.sent, found.ratings) != (count, count):
            raise RuntimeError("the counted periods do not add up to what is there")
        return await _compare(
            row,
            rounds,
            ours=lambda: service.response_rate(merchant, ALWAYS, by=Dimension.MONTH),
            aggregate=await connection.prepare(_COUNT),
            count=count,
            note=f"{count:,} invitations and ratings of two years, on one connection each",
        )


@contextlib.asynccontextmanager
async def _filled(script: str) -> AsyncIterator[tuple[Any, Database]]:
    """Start servers of their own, fill them, and give a connection for the yardstick and the service's database."""
    with temporary_folder() as folder:
        async with await EmbeddedServers.start(folder / "servers") as servers:
            environment = {**os.environ, "INVITE_DATABASE_URL": servers.database_url}
            await run_to_end([sys.executable, "-m", "alembic", "upgrade", "head"], env=environment)
            connection = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
            database = Database(
                servers.database_url, contact_keys=ContactKeys("benchmark"), new_id=uuid7, pool_size=2, name="bench"
            )
            try:
                await connection.execute(script)
                await connection.execute("VACUUM ANALYZE")
                yield connection, database
            finally:
                await connection.close()
                await database.close()


async def _compare(
    row: str, rounds: int, *, ours: Callable[[], Awaitable[object]], aggregate: Any, count: int, note: str
) -> Result:
    read, counted = [], []
    for number in range(rounds + 1):
        one = await _time(ours, times=READS)
        other = await _time(lambda: aggregate.fetch(_MERCHANT), times=max(3, READS * 5_000 // count))
        if number:
            read.append(one)
            counted.append(other)
    ratios = [other / one for one, other in zip(read, counted, strict=True)]
    return Result(
        row=row,
        ours=f"{1000 * median(read):.3g} ms",
        yardstick=f"{1000 * median(counted):.3g} ms, raw aggregate",
        figure=median(counted) / median(read),
        spread=(min(ratios), max(ratios)),
        note=note,
    )


async def _time(read: Callable[[], Awaitable[object]], *, times: int) -> float:
    """Give the median seconds of one read."""
    taken = []
    for _ in range(times):
        began_at = time.perf_counter()
        await read()
        taken.append(time.perf_counter() - began_at)
    return median(taken)
