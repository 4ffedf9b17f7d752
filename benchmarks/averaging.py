"""Rows of averages: the account's summary, read from counters, against the aggregate that they spare."""

import os
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, Final

import asyncpg
from benchmarks.machine import run_to_end, temporary_folder
from benchmarks.table import Result
from uuid_utils.compat import uuid7

from invite_service.domain.merchant import MerchantId
from invite_service.embedded.servers import EmbeddedServers
from invite_service.services.ratings import RatingService
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database

AVERAGING_ROWS: Final = {"averages": 50_000, "averages_1m": 1_000_000}
"""Ratings of one merchant, by row."""

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


async def measure_averages(row: str, rounds: int) -> Result:
    """Ask for the account's averages by turns: ours through the service, the yardstick as one prepared aggregate."""
    with temporary_folder() as folder:
        async with await EmbeddedServers.start(folder / "servers") as servers:
            environment = {**os.environ, "INVITE_DATABASE_URL": servers.database_url}
            await run_to_end([sys.executable, "-m", "alembic", "upgrade", "head"], env=environment)
            connection = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
            database = Database(
                servers.database_url, contact_keys=ContactKeys("benchmark"), new_id=uuid7, pool_size=2, name="bench"
            )
            try:
                await connection.execute(_FILL.format(ratings=AVERAGING_ROWS[row]))
                await connection.execute("VACUUM ANALYZE ratings, rating_totals")
                return await _compare(row, rounds, connection, RatingService(database))
            finally:
                await connection.close()
                await database.close()


async def _compare(row: str, rounds: int, connection: Any, service: RatingService) -> Result:
    aggregate = await connection.prepare(_AGGREGATE)
    ours, theirs = [], []
    for number in range(rounds + 1):
        read = await _time(lambda: service.summary(_MERCHANT), times=READS)
        counted = await _time(lambda: aggregate.fetch(_MERCHANT), times=max(3, READS * 5_000 // AVERAGING_ROWS[row]))
        if number:
            ours.append(read)
            theirs.append(counted)
    ratios = [other / one for one, other in zip(ours, theirs, strict=True)]
    return Result(
        row=row,
        ours=f"{1000 * median(ours):.3g} ms",
        yardstick=f"{1000 * median(theirs):.3g} ms, raw aggregate",
        figure=median(theirs) / median(ours),
        spread=(min(ratios), max(ratios)),
        note=f"{AVERAGING_ROWS[row]:,} ratings of 500 products and the service, on one connection each",
    )


async def _time(read: Callable[[], Awaitable[object]], *, times: int) -> float:
    """Give the median seconds of one read."""
    taken = []
    for _ in range(times):
        began_at = time.perf_counter()
        await read()
        taken.append(time.perf_counter() - began_at)
    return median(taken)
