"""Pages of orders and invitations: keyset, both ways, with any combination of filters.

A page costs the same wherever it lies: it starts at an index entry, never at an offset.
"""

from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel, InvitationStatus, Step
from invite_service.domain.listing import (
    AttemptRecord,
    InvitationFilter,
    InvitationSorting,
    InvitationSummary,
    OrderFilter,
)
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order
from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord
from invite_service.storage.choosing import Slice, orders_chosen
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.orders import READ_ORDER_COLUMNS, order_from_row
from invite_service.storage.places import count_by_status, find_page

PRODUCTS_ASKED_ABOUT: Final = """ARRAY(
    SELECT p.product_id
    FROM invitation_products p
    WHERE p.merchant_id = $1 AND p.invitation_id = i.id AND p.brought_by <> '{}'
    ORDER BY p.position
)"""

SUMMARY_COLUMNS: Final = ", ".join(
    PRODUCTS_ASKED_ABOUT if name == "products" else f"i.{name}" for name in InvitationSummary._fields
)

# Limits are written out: as a parameter one would leave the planner guessing whether the page is worth its index.
LIST_INVITATIONS: Final = """
SELECT {columns}
FROM ({page}) AS page
CROSS JOIN LATERAL (SELECT i.* FROM invitations i WHERE i.merchant_id = $1 AND i.id = page.id LIMIT 1) AS i
ORDER BY page.at {direction}, page.id {direction}
"""

LIST_ORDERS: Final = """
SELECT {columns}, NULL AS trace, NULL AS lines
FROM orders o
WHERE o.merchant_id = $1{conditions}
ORDER BY o.received_at {direction}, o.order_id {direction}
LIMIT {limit}
"""

ORDERS_OF_INVITATION: Final = f"""
SELECT {READ_ORDER_COLUMNS}, NULL AS trace, NULL AS lines
FROM invitation_orders j
JOIN orders o ON o.merchant_id = $1 AND o.order_id = j.order_id
WHERE j.merchant_id = $1 AND j.invitation_id = $2
ORDER BY j.position
"""  # noqa: S608 - built from the constants above

ATTEMPTS_OF_INVITATION: Final = """
SELECT id, step, channel, language, provider, product_ids, asked_at, started_at, ended_at, outcome, reason,
    message_id, provider_message_id, price, currency, delivery, delivery_at
FROM attempts
WHERE merchant_id = $1 AND invitation_id = $2
ORDER BY id
"""


class ListingStore:
    """A merchant's lists; an item more than the caller shows tells it whether there is a further page."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def list_invitations(
        self, merchant_id: MerchantId, chosen: InvitationFilter, *, sorted_by: InvitationSorting, part: Slice
    ) -> list[InvitationSummary]:
        """List invitations in the slice's order."""
        page = find_page(merchant_id, chosen, self._keys, sorted_by=sorted_by, part=part)
        statement = LIST_INVITATIONS.format(columns=SUMMARY_COLUMNS, page=page.text, direction=_direction(part))
        return list(map(InvitationSummary._make, await self._driver.fetch(statement, *page.parameters)))

    async def count_by_status(self, merchant_id: MerchantId, chosen: InvitationFilter) -> dict[InvitationStatus, int]:
        """Count the invitations chosen in each status, those with none too."""
        query = count_by_status(merchant_id, chosen, self._keys)
        found = {row[0]: row[1] for row in await self._driver.fetch(query.text, *query.parameters)}
        return {status: found.get(status, 0) for status in InvitationStatus}

    async def list_orders(self, merchant_id: MerchantId, chosen: OrderFilter, *, part: Slice) -> list[Order]:
        """List orders by when they were received, in the slice's order, without lines and traces."""
        conditions = orders_chosen(merchant_id, chosen, part)
        statement = LIST_ORDERS.format(
            columns=READ_ORDER_COLUMNS, conditions=conditions, direction=_direction(part), limit=part.limit
        )
        return [order_from_row(row) for row in await self._driver.fetch(statement, *conditions.parameters)]

    async def list_orders_of_invitation(self, merchant_id: MerchantId, invitation_id: UUID) -> list[Order]:
        """List the orders that ever joined an invitation, the first one first, without lines and traces."""
        rows = await self._driver.fetch(ORDERS_OF_INVITATION, merchant_id, invitation_id)
        return [order_from_row(row) for row in rows]

    async def list_attempts(self, merchant_id: MerchantId, invitation_id: UUID) -> list[AttemptRecord]:
        """List the tries to hand an invitation's messages over, oldest first."""
        rows = await self._driver.fetch(ATTEMPTS_OF_INVITATION, merchant_id, invitation_id)
        return [_attempt_from_row(row) for row in rows]


def _attempt_from_row(row: Row) -> AttemptRecord:
    values = dict(row.items())
    return AttemptRecord(
        **values
        | {
            "step": Step(values["step"]),
            "channel": Channel(values["channel"]),
            "product_ids": tuple(values["product_ids"]),
            "outcome": OutcomeWord(values["outcome"]) if values["outcome"] is not None else None,
            "delivery": EventKind(values["delivery"]) if values["delivery"] is not None else None,
        }
    )


def _direction(part: Slice) -> str:
    return "ASC" if part.ascending else "DESC"
