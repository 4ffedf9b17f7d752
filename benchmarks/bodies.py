"""The orders that are posted: the same number makes the same order for every side of a comparison."""

from datetime import datetime

import orjson

CATALOGUE = 2_000
"""Products of a merchant: the earlier half is in the orders of the prefill, the later half in those posted."""

RETURNING_TENTHS = 3
"""Of ten posted orders, those of customers with a history; their products are new to them, so each is invited."""

INGEST_TABLES = (
    "contacts",
    "orders",
    "order_lines",
    "order_events",
    "invitations",
    "invitation_orders",
    "invitation_products",
    "timeline_entries",
)
"""What an order of a new purchase leaves rows in; its products are known."""


def email_of_customer(number: int) -> str:
    """Name a customer of the prefill."""
    return f"customer{number}@example.org"


def order_body(number: int, *, purchased_at: datetime, customers: int) -> dict[str, object]:
    """Make the order of a number; the merchant has prefilled customers 0 to `customers` - 1."""
    is_returning = number % 10 < RETURNING_TENTHS and number < customers
    return {
        "order_id": f"B-{number}",
        "status": "shipped",
        "purchased_at": purchased_at.isoformat(),
        "customer": {
            "id": f"c-{number}",
            "email": email_of_customer(number) if is_returning else f"new{number}@example.org",
            "name": f"Customer {number}",
        },
        "language": "en",
        "country": "GB",
        "products": [_product(number * 3 + position) for position in range(1 + number % 3)],
    }


def _product(number: int) -> dict[str, object]:
    code = CATALOGUE // 2 + number % (CATALOGUE // 2)
    return {
        "id": f"product-{code}",
        "name": f"Hand-printed tea towel no. {code}",
        "url": f"https://shop.example.org/products/{code}",
        "image_url": f"https://shop.example.org/images/{code}.jpg",
        "category": "kitchen",
        "price": "129.50",
        "currency": "GBP",
    }


def encode(body: object) -> bytes:
    """Write a body as JSON."""
    return orjson.dumps(body)
