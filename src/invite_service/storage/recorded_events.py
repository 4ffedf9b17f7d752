"""The record of order events, read again: what simulations replay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

COUNT_RECORDED_ORDERS: Final = """
SELECT count(*) FROM (
    SELECT FROM orders AS o
    WHERE o.merchant_id = $1 AND o.received_at >= $2 AND o.received_at < $3
    LIMIT $4
) AS found
"""

LIST_RECORDED_ORDERS: Final = """
SELECT o.received_at, o.order_id
FROM orders AS o
WHERE o.merchant_id = $1 AND o.received_at < $2 AND (o.received_at, o.order_id) > ($3, $4)
ORDER BY o.received_at, o.order_id
LIMIT $5
"""

READ_RECORDED_EVENTS: Final = """
SELECT e.accepted_at, e.id, e.body
FROM order_events AS e
WHERE e.merchant_id = $1 AND e.order_id = ANY($2::text[])
"""


@dataclass(frozen=True, slots=True, order=True)
class RecordedEvent:
    """An event as it was posted and when it was accepted, on the merchant's clock; sorts as it was accepted."""

    accepted_at: datetime
    id: UUID
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedOrders:
    """Some orders, by when they were received, and every event of theirs."""

    order_count: int
    events: Sequence[RecordedEvent]
    last: tuple[datetime, str]
    """When the last of them was received, and its id."""


class RecordedEventStore:
    """A merchant's recorded order events."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count_orders(self, merchant_id: MerchantId, *, start: datetime, end: datetime, at_most: int) -> int:
        """Count the orders first accepted in a half-open span, but no further than `at_most`."""
        count: int = await self._driver.fetchval(COUNT_RECORDED_ORDERS, merchant_id, start, end, at_most)
        return count

    async def read(
        self, merchant_id: MerchantId, *, beyond: tuple[datetime, str], end: datetime, size: int
    ) -> RecordedOrders | None:
        """Read the next `size` orders after a place, up to before `end`, with all their events; None when all are read.

        A place is when an order was received and its id; an empty id is before every order of that instant.
        """
        rows = await self._driver.fetch(LIST_RECORDED_ORDERS, merchant_id, end, *beyond, size)
        if not rows:
            return None
        events = await self._driver.fetch(READ_RECORDED_EVENTS, merchant_id, [row[1] for row in rows])
        received_at, order_id = rows[-1]
        return RecordedOrders(len(rows), [RecordedEvent(*event) for event in events], (received_at, order_id))
