"""Read bodies of `POST /v1/orders`, as files of orders hold them, as order events of the domain."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from invite_service.domain.order import OrderEvent, OrderLine

_INSTANTS = ("updated_at", "purchased_at", "shipped_at", "delivered_at")
_CUSTOMER = {"id": "customer_id", "email": "email", "name": "name", "phone": "phone"}
_LINE = ("id", "name", "url", "category", "currency", "variant_id", "variant_name", "returned")


def read_body(body: dict[str, Any]) -> OrderEvent:
    """Read one body; keys that begin with `_` are notes of the file."""
    given = {name: value for name, value in body.items() if not name.startswith("_")}
    for name in _INSTANTS:
        if given.get(name) is not None:
            given[name] = datetime.fromisoformat(given[name])
    if "customer" in given:
        customer = given.pop("customer")
        customer = dict.fromkeys(_CUSTOMER) if customer is None else customer
        given |= {_CUSTOMER[name]: value for name, value in customer.items()}
    if "products" in given:
        given["lines"] = tuple(_read_line(line) for line in given.pop("products") or ())
    return OrderEvent(**given)


def _read_line(line: dict[str, Any]) -> OrderLine:
    price = None if line.get("price") is None else Decimal(line["price"])
    return OrderLine(price=price, **{name: line[name] for name in _LINE if name in line})
