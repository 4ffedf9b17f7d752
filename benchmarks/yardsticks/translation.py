"""Between ORM rows and the values the rules decide on."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from benchmarks.yardsticks.models import Invitation as InvitationRow
from benchmarks.yardsticks.models import Order as OrderRow
from benchmarks.yardsticks.models import columns_of

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.order import Order, OrderLine, OrderOutcome
from invite_service.storage.contacts import ContactKeys

_ORDER_FIELDS = [field.name for field in fields(Order) if field.name not in {"lines", "trace", "contacts"}]
_LINE_FIELDS = [field.name for field in fields(OrderLine) if field.name != "id"]
_INVITATION_FIELDS = [field.name for field in fields(Invitation) if field.name != "products"]


def order_value(row: OrderRow) -> Order:
    """Make the value of a row and its lines; the trace is not read back."""
    columns = {name: value for name, value in columns_of(row).items() if name in _ORDER_FIELDS}
    columns |= {
        "attributes": tuple(columns["attributes"]),
        "outcome": OrderOutcome(columns["outcome"]),
        "reason": Reason(columns["reason"]) if columns["reason"] else None,
    }
    lines = [columns_of(line) for line in row.lines]
    return Order(
        **columns,
        lines=tuple(
            OrderLine(
                id=line["product_id"], **{name: line[name] for name in _LINE_FIELDS} | {"sku": tuple(line["sku"])}
            )
            for line in lines
        ),
    )


def order_columns(order: Order, keys: ContactKeys) -> dict[str, Any]:
    """Give the columns of an order, but for its trace."""
    return {
        **{name: getattr(order, name) for name in _ORDER_FIELDS},
        "attributes": list(order.attributes),
        "email_key": keys.find_key(order.email),
        "phone_key": keys.find_key(order.phone),
    }


def line_columns(order: Order) -> Iterable[dict[str, Any]]:
    """Give the columns of an order's lines."""
    for position, line in enumerate(order.lines):
        columns = {name: getattr(line, name) for name in _LINE_FIELDS}
        yield {**columns, "product_id": line.id, "position": position, "sku": list(line.sku)}


def invitation_value(row: InvitationRow) -> Invitation:
    """Make the value of a row and its products."""
    columns = {name: value for name, value in columns_of(row).items() if name in _INVITATION_FIELDS}
    columns |= {
        "kind": Kind(columns["kind"]),
        "channel": Channel(columns["channel"]),
        "status": InvitationStatus(columns["status"]),
        "steps": tuple(Step(step) for step in columns["steps"]),
        "next_step": Step(columns["next_step"]) if columns["next_step"] else None,
        "order_ids": tuple(columns["order_ids"]),
    }
    products = [columns_of(product) for product in row.products]
    return Invitation(
        **columns,
        products=tuple(
            InvitedProduct(product["product_id"], tuple(product["brought_by"]), product["asked"])
            for product in products
        ),
    )


def invitation_columns(invitation: Invitation) -> dict[str, Any]:
    """Give the columns of an invitation, but for its contact's key."""
    return {
        **{name: getattr(invitation, name) for name in _INVITATION_FIELDS},
        "steps": list(invitation.steps),
        "order_ids": list(invitation.order_ids),
    }
