"""Orders: rows of orders, order_lines and order_events, and the values they stand for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.errors import OrderNotFoundError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order, OrderLine, OrderOutcome
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import WITH_GIVEN, Given, Share, assignments, instant, text, texts

ORDER_COLUMNS: Final = (
    text("order_id"),
    Given("version", "int4"),
    text("status"),
    instant("updated_at"),
    instant("purchased_at"),
    instant("shipped_at"),
    instant("delivered_at"),
    text("customer_id"),
    text("customer_name"),
    text("email"),
    text("phone"),
    text("email_fault"),
    text("phone_fault"),
    text("language"),
    text("country"),
    text("time_zone"),
    Given("consent", "bool"),
    texts("attributes"),
    text("discount_code"),
    text("discount_description"),
    instant("received_at"),
    instant("triggered_at"),
    Given("on_hold", "bool"),
    text("outcome"),
    text("reason"),
    instant("eligible_at"),
    Given("invitation_id", "uuid"),
    Given("trace", "json"),
    Given("email_key", "bytea"),
    Given("phone_key", "bytea"),
)
"""The order's columns in the order of `order_row`; the contact keys come last, as no value holds them."""

READ_ORDER_COLUMNS: Final = ", ".join(f"o.{column.name}" for column in ORDER_COLUMNS[:-3])
"""What a select takes of `orders AS o`, to be followed by the trace and the lines; see `order_from_row`."""

LINE_COLUMNS: Final = (
    text("order_id"),
    Given("position", "int2"),
    text("product_id"),
    text("name"),
    text("url"),
    text("image_url"),
    text("brand"),
    texts("sku"),
    text("gtin"),
    text("mpn"),
    text("category"),
    Given("price", "numeric"),
    text("currency"),
    text("variant_id"),
    text("variant_name"),
    Given("returned", "bool"),
)

EVENT_COLUMNS: Final = (text("order_id"), Given("id", "uuid"), Given("body", "json"), instant("accepted_at"))

# A line's price travels as text: a JSON number would pass through a float.
READ_LINES: Final = """(
    SELECT json_agg(json_build_array(
        l.product_id, l.name, l.url, l.image_url, l.brand, l.sku, l.gtin, l.mpn, l.category, l.price::text, l.currency,
        l.variant_id, l.variant_name, l.returned
    ) ORDER BY l.position)
    FROM order_lines l
    WHERE l.merchant_id = $1 AND l.order_id = o.order_id
)"""

# A new order must not exist: where somebody else stored it meanwhile, its key is taken.
ADD_ORDERS: Final = Share(
    "added_orders",
    ORDER_COLUMNS,
    "INSERT INTO orders (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

# A known order must be at the version that was decided on.
SAVE_ORDERS: Final = Share(
    "saved_orders",
    ORDER_COLUMNS,
    f"""
    {WITH_GIVEN}
    UPDATE orders AS stored
    SET {assignments((column.name for column in ORDER_COLUMNS[1:]), source="given")}
    FROM given
    WHERE stored.merchant_id = $1 AND stored.order_id = ANY(ARRAY(SELECT order_id FROM given))
        AND stored.order_id = given.order_id AND stored.version = given.version - 1
    RETURNING 1
    """,  # noqa: S608 - built from the constants above
)

# Orders of the same invitation whose place in it changed; they carry neither trace nor lines here.
SAVE_SIBLING_ORDERS: Final = Share(
    "saved_siblings",
    (text("order_id"), Given("version", "int4"), text("outcome")),
    f"""
    {WITH_GIVEN}
    UPDATE orders AS stored SET version = given.version, outcome = given.outcome
    FROM given
    WHERE stored.merchant_id = $1 AND stored.order_id = ANY(ARRAY(SELECT order_id FROM given))
        AND stored.order_id = given.order_id AND stored.version = given.version - 1
    RETURNING 1
    """,  # noqa: S608 - built from the constant above
)

ADD_LINES: Final = Share(
    "added_lines",
    LINE_COLUMNS,
    "INSERT INTO order_lines (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

SAVE_LINES: Final = Share(
    "saved_lines",
    LINE_COLUMNS,
    f"""
    INSERT INTO order_lines (merchant_id, {{names}})
    SELECT $1, {{values}} FROM {{rows}}
    ON CONFLICT (merchant_id, order_id, position) DO UPDATE
    SET {assignments((column.name for column in LINE_COLUMNS[2:]), source="EXCLUDED")}
    RETURNING 1
    """,  # noqa: S608 - built from the constants above
)

DROP_LINES: Final = Share(
    "dropped_lines",
    (text("order_id"), Given("line_count", "int2")),
    f"""
    {WITH_GIVEN}
    DELETE FROM order_lines AS stored USING given
    WHERE stored.merchant_id = $1 AND stored.order_id = ANY(ARRAY(SELECT order_id FROM given))
        AND stored.order_id = given.order_id AND stored.position >= given.line_count
    RETURNING 1
    """,  # noqa: S608 - built from the constant above
)

ADD_EVENTS: Final = Share(
    "added_events",
    EVENT_COLUMNS,
    "INSERT INTO order_events (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

FIND_ORDER: Final = f"""
SELECT {READ_ORDER_COLUMNS}, o.trace, {READ_LINES} AS lines
FROM orders o
WHERE o.merchant_id = $1 AND o.order_id = $2
"""  # noqa: S608 - built from the constants above


@dataclass(frozen=True, slots=True)
class OrderEventRecord:
    """What was posted, kept for the record, and when it was accepted (merchant's clock)."""

    id: UUID
    order_id: str
    body: Mapping[str, Any]
    accepted_at: datetime


class OrderStore:
    """A merchant's orders."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, merchant_id: MerchantId, order_id: str) -> Order | None:
        """Find an order with its lines and trace."""
        row = await self._driver.fetchrow(FIND_ORDER, merchant_id, order_id)
        return None if row is None else order_from_row(row)

    async def get(self, merchant_id: MerchantId, order_id: str) -> Order:
        """Get an order with its lines and trace.

        Raises:
            OrderNotFoundError: the merchant has none of that id.
        """
        order = await self.find(merchant_id, order_id)
        if order is None:
            raise OrderNotFoundError("No order of that id was posted.")
        return order


def order_row(order: Order, keys: ContactKeys) -> tuple[object, ...]:
    """Write an order as the values of ORDER_COLUMNS."""
    return (
        order.order_id,
        order.version,
        order.status,
        order.updated_at,
        order.purchased_at,
        order.shipped_at,
        order.delivered_at,
        order.customer_id,
        order.customer_name,
        order.email,
        order.phone,
        order.email_fault,
        order.phone_fault,
        order.language,
        order.country,
        order.time_zone,
        order.consent,
        order.attributes,
        order.discount_code,
        order.discount_description,
        order.received_at,
        order.triggered_at,
        order.on_hold,
        order.outcome,
        order.reason,
        order.eligible_at,
        order.invitation_id,
        trace_json(order.trace),
        keys.find_key(order.email),
        keys.find_key(order.phone),
    )


def sibling_row(order: Order) -> tuple[object, ...]:
    """Write the changed place of an order in its invitation as the values of SAVE_SIBLING_ORDERS."""
    return (order.order_id, order.version, order.outcome)


def order_from_row(row: Row) -> Order:
    """Make an order of READ_ORDER_COLUMNS, trace and lines; both of these may be NULL where they were not read."""
    (
        order_id,
        version,
        status,
        updated_at,
        purchased_at,
        shipped_at,
        delivered_at,
        customer_id,
        customer_name,
        email,
        phone,
        email_fault,
        phone_fault,
        language,
        country,
        time_zone,
        consent,
        attributes,
        discount_code,
        discount_description,
        received_at,
        triggered_at,
        on_hold,
        outcome,
        reason,
        eligible_at,
        invitation_id,
        trace,
        lines,
    ) = row
    return Order(
        order_id=order_id,
        version=version,
        status=status,
        updated_at=updated_at,
        purchased_at=purchased_at,
        shipped_at=shipped_at,
        delivered_at=delivered_at,
        customer_id=customer_id,
        customer_name=customer_name,
        email=email,
        phone=phone,
        email_fault=email_fault,
        phone_fault=phone_fault,
        language=language,
        country=country,
        time_zone=time_zone,
        consent=consent,
        attributes=tuple(attributes),
        discount_code=discount_code,
        discount_description=discount_description,
        received_at=received_at,
        triggered_at=triggered_at,
        on_hold=on_hold,
        outcome=OrderOutcome(outcome),
        reason=Reason(reason) if reason is not None else None,
        eligible_at=eligible_at,
        invitation_id=invitation_id,
        trace=trace_from_json(trace) if trace else (),
        lines=tuple(_line_from_json(line) for line in lines) if lines else (),
    )


def line_rows(order: Order) -> Iterable[tuple[object, ...]]:
    """Write an order's lines as the values of LINE_COLUMNS."""
    for position, line in enumerate(order.lines):
        yield (
            order.order_id,
            position,
            line.id,
            line.name,
            line.url,
            line.image_url,
            line.brand,
            line.sku,
            line.gtin,
            line.mpn,
            line.category,
            line.price,
            line.currency,
            line.variant_id,
            line.variant_name,
            line.returned,
        )


def _line_from_json(values: Sequence[Any]) -> OrderLine:
    product_id, name, url, image_url, brand, sku, gtin, mpn, category, price, currency, *variant = values
    variant_id, variant_name, returned = variant
    return OrderLine(
        id=product_id,
        name=name,
        url=url,
        image_url=image_url,
        brand=brand,
        sku=tuple(sku),
        gtin=gtin,
        mpn=mpn,
        category=category,
        price=Decimal(price) if price is not None else None,
        currency=currency,
        variant_id=variant_id,
        variant_name=variant_name,
        returned=returned,
    )


_PASSED_LENGTH: Final = 2


def trace_json(trace: Iterable[TraceEntry]) -> list[tuple[object, ...]]:
    """Write a trace, as short as it can be read back: [rule, data], of a rule that decided [rule, data, reason]."""
    return [
        (rule, data) if outcome is TraceOutcome.PASSED else (rule, data, reason)
        for rule, outcome, reason, data in trace
    ]


def trace_from_json(entries: Iterable[Sequence[Any]]) -> tuple[TraceEntry, ...]:
    """Read a trace back."""
    return tuple(
        TraceEntry(entry[0], TraceOutcome.PASSED, None, entry[1])
        if len(entry) == _PASSED_LENGTH
        else TraceEntry(entry[0], TraceOutcome.DECIDED, entry[2], entry[1])
        for entry in entries
    )


def event_row(record: OrderEventRecord) -> tuple[object, ...]:
    """Write a posted event as the values of EVENT_COLUMNS."""
    return (record.order_id, record.id, record.body, record.accepted_at)
