"""Counting again, the slow way, what is kept counted by day and month."""

from typing import Any, Final

from invite_service.storage.database import Database
from tests.support.sending import driver_of

COUNTED: Final = """
SELECT merchant_id, unit, starts_on, sum(sent)::int8, sum(ratings)::int8
FROM response_periods GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

RECOUNTED: Final = """
SELECT h.merchant_id, units.unit, date_trunc(units.unit, h.at AT TIME ZONE m.time_zone)::date, sum(h.sent)::int8,
    sum(h.ratings)::int8
FROM (
    SELECT merchant_id, first_sent_at AS at, 1 AS sent, 0 AS ratings FROM invitations WHERE first_sent_at IS NOT NULL
    UNION ALL
    SELECT merchant_id, created_at, 0, 1 FROM ratings
) AS h
JOIN merchants AS m ON m.id = h.merchant_id
CROSS JOIN (VALUES ('day'), ('month')) AS units (unit)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


async def compare_periods(database: Database) -> tuple[list[Any], list[Any]]:
    """Give periods as they were counted, and as they are when everything is counted again."""
    async with database.transaction() as stores:
        driver = driver_of(stores)
        counted, recounted = [[tuple(row) for row in await driver.fetch(one)] for one in (COUNTED, RECOUNTED)]
    return counted, recounted
