"""Pages of orders and invitations: keyset, both ways, with any combination of filters.

A page costs the same wherever it lies: it starts at an index entry, never at an offset. Filters become conditions with
numbered parameters, so that each combination is one statement text, prepared once per connection.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.listing import AttemptRecord, InvitationFilter, InvitationSorting, OrderFilter, Span
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order
from invite_service.domain.receipt import OutcomeWord
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.invitations import READ_INVITATION_COLUMNS, READ_PRODUCTS, invitation_from_row
from invite_service.storage.orders import READ_ORDER_COLUMNS, order_from_row

# The limit is written out: as a parameter it would leave the planner guessing whether the page is worth its index.
LIST_INVITATIONS: Final = """
SELECT {columns}, {products} AS products
FROM invitations i
WHERE i.merchant_id = $1{conditions}
ORDER BY i.{sorted_by} {direction}, i.id {direction}
LIMIT {limit}
"""

LIST_ORDERS: Final = """
SELECT {columns}, NULL AS trace, NULL AS lines
FROM orders o
WHERE o.merchant_id = $1{conditions}
ORDER BY o.received_at {direction}, o.order_id {direction}
LIMIT {limit}
"""

OF_PRODUCT: Final = """i.id IN (
    SELECT p.invitation_id FROM invitation_products p WHERE p.merchant_id = $1 AND p.product_id = {}
)"""

OF_ORDER: Final = """i.id IN (
    SELECT j.invitation_id FROM invitation_orders j WHERE j.merchant_id = $1 AND j.order_id = {}
)"""

# The address it goes to, and those of every order that joined: a customer asked by SMS is found by e-mail as well.
OF_CONTACT: Final = """i.id IN (
    SELECT a.id FROM invitations a WHERE a.merchant_id = $1 AND a.contact_key = {0}
    UNION ALL
    SELECT j.invitation_id
    FROM orders o
    JOIN invitation_orders j ON j.merchant_id = $1 AND j.order_id = o.order_id
    WHERE o.merchant_id = $1 AND (o.email_key = {0} OR o.phone_key = {0})
)"""


ORDERS_OF_INVITATION: Final = f"""
SELECT {READ_ORDER_COLUMNS}, NULL AS trace, NULL AS lines
FROM invitation_orders j
JOIN orders o ON o.merchant_id = $1 AND o.order_id = j.order_id
WHERE j.merchant_id = $1 AND j.invitation_id = $2
ORDER BY j.position
"""  # noqa: S608 - built from the constants above

ATTEMPTS_OF_INVITATION: Final = """
SELECT id, step, channel, language, provider, product_ids, asked_at, started_at, ended_at, outcome, reason,
    message_id, provider_message_id, price, currency
FROM attempts
WHERE merchant_id = $1 AND invitation_id = $2
ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which part of a list is read: up to `limit` items, beyond a place (an instant and an id) or from an end."""

    limit: int
    ascending: bool
    beyond: tuple[datetime, UUID | str] | None = None


class _Conditions:
    """Conditions with the parameters they are numbered after; `$1` is the merchant."""

    def __init__(self, merchant_id: MerchantId) -> None:
        self.parameters: list[object] = [merchant_id]
        self._conditions: list[str] = []

    def add(self, condition: str, *parameters: object) -> None:
        """Add a condition; its braces stand for its own parameters."""
        first = len(self.parameters) + 1
        self._conditions.append(condition.format(*(f"${first + index}" for index in range(len(parameters)))))
        self.parameters += parameters

    def add_span(self, column: str, span: Span) -> None:
        """Add that an instant lies in a span."""
        if span.start is not None:
            self.add(column + " >= {}", span.start)
        if span.end is not None:
            self.add(column + " < {}", span.end)

    def add_slice(self, columns: str, part: Slice) -> None:
        """Add that a pair of an instant and an id lies beyond the place where the page starts."""
        if part.beyond is not None:
            self.add(f"{columns} {'>' if part.ascending else '<'} ({{}}, {{}})", *part.beyond)

    def __str__(self) -> str:
        return "".join(f" AND {condition}" for condition in self._conditions)


class ListingStore:
    """A merchant's lists; an item more than the caller shows tells it whether there is a further page."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def list_invitations(
        self, merchant_id: MerchantId, chosen: InvitationFilter, *, sorted_by: InvitationSorting, part: Slice
    ) -> list[Invitation]:
        """List invitations in the slice's order."""
        conditions = _Conditions(merchant_id)
        if chosen.statuses:
            conditions.add("i.status = ANY({}::text[])", list(chosen.statuses))
        if chosen.kind is not None:
            conditions.add("i.kind = {}", chosen.kind)
        if chosen.channel is not None:
            conditions.add("i.channel = {}", chosen.channel)
        if chosen.product_id is not None:
            conditions.add(OF_PRODUCT, chosen.product_id)
        if chosen.order_id is not None:
            conditions.add(OF_ORDER, chosen.order_id)
        if chosen.contact is not None:
            conditions.add(OF_CONTACT, self._keys.key(chosen.contact))
        conditions.add_span("i.created_at", chosen.created)
        for span in chosen.sends:
            conditions.add_span("i.send_at", span)
        conditions.add_slice(f"(i.{sorted_by}, i.id)", part)
        statement = LIST_INVITATIONS.format(
            columns=READ_INVITATION_COLUMNS,
            products=READ_PRODUCTS,
            conditions=conditions,
            sorted_by=sorted_by,
            direction=_direction(part),
            limit=part.limit,
        )
        return [invitation_from_row(row) for row in await self._driver.fetch(statement, *conditions.parameters)]

    async def list_orders(self, merchant_id: MerchantId, chosen: OrderFilter, *, part: Slice) -> list[Order]:
        """List orders by when they were received, in the slice's order, without lines and traces."""
        conditions = _Conditions(merchant_id)
        conditions.add_span("o.received_at", chosen.received)
        if chosen.outcome is not None:
            conditions.add("o.outcome = {}", chosen.outcome)
        if chosen.reason is not None:
            conditions.add("o.reason = {}", chosen.reason)
        conditions.add_slice("(o.received_at, o.order_id)", part)
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
        }
    )


def _direction(part: Slice) -> str:
    return "ASC" if part.ascending else "DESC"
