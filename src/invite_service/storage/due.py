"""Which merchants have something due, and when: looks that take no lock, most of them across all merchants."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

_IS_DUE: Final = """i.status = 'scheduled'
      AND i.next_attempt_at IS NOT NULL
      AND i.next_attempt_at <= $1::timestamptz + merchants.clock_offset"""
"""By each merchant's own clock; `$1` is real time."""

# One probe of an index for each merchant, however many invitations are scheduled for later.
LIST_DUE_MERCHANTS: Final = f"""
SELECT merchants.id
FROM merchants
WHERE merchants.id <> ALL($2::text[]) AND EXISTS (
    SELECT
    FROM invitations AS i
    WHERE i.merchant_id = merchants.id
      AND {_IS_DUE}
)
"""  # noqa: S608 - built from the constant above

# The same for a distributed database: it can join a reference table, but not correlate a subquery with it.
LIST_DUE_MERCHANTS_BY_JOIN: Final = f"""
SELECT i.merchant_id
FROM merchants
JOIN invitations AS i ON i.merchant_id = merchants.id
WHERE i.merchant_id <> ALL($2::text[])
  AND {_IS_DUE}
GROUP BY i.merchant_id
"""  # noqa: S608 - built from the constant above

# Counted from the index of what is due, merchant by merchant: a planner that expects a third of all invitations to be
# due reads the whole table for a few of them, which took a core while a million were scheduled for later.
COUNT_DUE: Final = f"""
SELECT count(*)
FROM (
    SELECT
    FROM merchants
    CROSS JOIN LATERAL (
        SELECT
        FROM invitations AS i
        WHERE i.merchant_id = merchants.id
          AND {_IS_DUE}
        ORDER BY i.next_attempt_at
        LIMIT $2
    ) AS each
    LIMIT $2
) AS due
"""  # noqa: S608 - built from the constant above

COUNT_DUE_BY_JOIN: Final = f"""
SELECT count(*)
FROM (
    SELECT
    FROM merchants
    JOIN invitations AS i ON i.merchant_id = merchants.id
    WHERE {_IS_DUE}
    LIMIT $2
) AS due
"""  # noqa: S608 - built from the constant above

LIST_MERCHANTS_WITH_EXPIRED_LEASES: Final = """
SELECT i.merchant_id
FROM invitations AS i
WHERE i.merchant_id IS NOT NULL AND i.status = 'sending' AND i.lease_until < $1
GROUP BY i.merchant_id
"""

LIST_CLOCKS: Final = "SELECT id, clock_offset FROM merchants ORDER BY id"

FIND_NEXT_DUE: Final = """
SELECT i.next_attempt_at
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.status = 'scheduled' AND i.next_attempt_at IS NOT NULL
ORDER BY i.next_attempt_at
LIMIT 1
"""


class DueStore:
    """What waits for a worker; instants given are real time, each merchant's by its own clock."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_due_merchants(
        self, *, real_now: datetime, except_for: Collection[MerchantId], by_join: bool = False
    ) -> list[MerchantId]:
        """List merchants with due invitations, each by its own clock, in one look across all of them; locks nothing.

        Those in `except_for` are not looked at: the backlog of a merchant that is sending already is not walked again.
        """
        statement = LIST_DUE_MERCHANTS_BY_JOIN if by_join else LIST_DUE_MERCHANTS
        rows = await self._driver.fetch(statement, real_now, list(except_for))
        return [MerchantId(row[0]) for row in rows]

    async def count_due(self, *, real_now: datetime, at_most: int, by_join: bool = False) -> int:
        """Count due invitations of all merchants, but no further than `at_most`."""
        statement = COUNT_DUE_BY_JOIN if by_join else COUNT_DUE
        count: int = await self._driver.fetchval(statement, real_now, at_most)
        return count

    async def list_clocks(self) -> list[tuple[MerchantId, timedelta]]:
        """List every merchant with what its clock is ahead of real time."""
        return [(MerchantId(row[0]), row[1]) for row in await self._driver.fetch(LIST_CLOCKS)]

    async def list_merchants_with_expired_leases(self, *, real_now: datetime) -> list[MerchantId]:
        """List merchants with invitations whose lease has expired; locks nothing."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_EXPIRED_LEASES, real_now)
        return [MerchantId(row[0]) for row in rows]

    async def find_next_due(self, merchant_id: MerchantId) -> datetime | None:
        """Find when the merchant's next scheduled invitation is due, or was."""
        due_at: datetime | None = await self._driver.fetchval(FIND_NEXT_DUE, merchant_id)
        return due_at
