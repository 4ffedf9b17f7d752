"""Invitations sent and ratings received by day and month of the merchant's zone: what response rates are read from.

Counted in the statements that record both (docs/adr/0025). A day has a few rows, so that workers that record messages
of one merchant at the same time do not wait for each other's commit; readers add them up.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.rules.slots import local_day
from invite_service.storage.driver import Driver
from invite_service.storage.statements import Given, Share, Writing

SHARDS: Final = 4
"""Rows of a day or month at most."""

DAY: Final = "day"
MONTH: Final = "month"


def _counting(column: str, other: str) -> Share:
    return Share(
        f"counted_{column}",
        (Given("day", "date"), Given("shard", "int2"), Given("count", "int8")),
        f"""
        INSERT INTO response_periods AS stored (merchant_id, unit, starts_on, shard, {column}, {other})
        SELECT $1, units.unit, date_trunc(units.unit, given.day::timestamp)::date, given.shard, sum(given.count), 0
        FROM {{rows}}
        CROSS JOIN (VALUES ('day'), ('month')) AS units (unit)
        GROUP BY 2, 3, 4
        ORDER BY 2, 3, 4
        ON CONFLICT (merchant_id, unit, starts_on, shard) DO UPDATE SET {column} = stored.{column} + EXCLUDED.{column}
        RETURNING 1
        """,  # noqa: S608 - names of columns
    )


# In the order of the periods, so that two who count meet in the same order.
COUNT_SENT: Final = _counting("sent", "ratings")
COUNT_RATED: Final = _counting("ratings", "sent")

# The last row, of no part, is the whole: it counts what lies beyond the limit as well.
READ_RESPONSES: Final = """
WITH parts AS MATERIALIZED (
    SELECT date_trunc($5, p.starts_on::timestamp)::date AS part, sum(p.sent)::int8 AS sent,
        sum(p.ratings)::int8 AS ratings
    FROM response_periods AS p
    WHERE p.merchant_id = $1 AND p.unit = $4 AND p.starts_on >= COALESCE($2::date, '-infinity')
        AND p.starts_on < COALESCE($3::date, 'infinity')
    GROUP BY 1
)
(SELECT parts.part, parts.sent, parts.ratings FROM parts ORDER BY parts.part LIMIT $6)
UNION ALL
SELECT NULL, COALESCE(sum(parts.sent), 0)::int8, COALESCE(sum(parts.ratings), 0)::int8 FROM parts
"""


class Responses(NamedTuple):
    """What was counted of one part of a period, or for None of the whole."""

    part: date | None
    sent: int
    ratings: int


class ResponsePeriodStore:
    """A merchant's invitations sent and ratings received, by day and by month."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count_sent(self, merchant: Merchant, changed: Invitation, *, stored: Invitation) -> None:
        """Count an invitation of which the first message left by this change; the caller holds its lock."""
        if stored.first_sent_at is not None or changed.first_sent_at is None:
            return
        counting = Writing()
        counting.add(COUNT_SENT, [(local_day(changed.first_sent_at, merchant.time_zone), shard_of(changed.id), 1)])
        await counting.run(self._driver, merchant.id)

    async def read(
        self, merchant_id: MerchantId, start: date | None, end: date | None, *, unit: str, limit: int
    ) -> Sequence[Responses]:
        """Read the days from `start` to before `end`, by `unit` (day, week or month), the whole as the last."""
        are_months = unit == MONTH and all(day is None or day.day == 1 for day in (start, end))
        read = MONTH if are_months else DAY
        rows = await self._driver.fetch(READ_RESPONSES, merchant_id, start, end, read, unit, limit)
        return [Responses(*row) for row in rows]


def shard_of(one_id: UUID) -> int:
    """Choose the row that is counted in, by an id whose last bits are chance."""
    return one_id.int % SHARDS


def rated_rows(instants: Iterable[datetime], zone: str, *, shard: int) -> list[tuple[object, ...]]:
    """Write new ratings as the values of COUNT_RATED, a row for each day."""
    days = Counter(local_day(instant, zone) for instant in instants)
    return [(day, shard, count) for day, count in days.items()]
