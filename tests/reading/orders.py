"""Order events and instants for the tests of the reading.

Spreads of order A-1001 of merchant nordic-gear in the default window (seconds after 10:00), as the
expected figures of tests/data/decide.json show: product_1 4257, product_2 2065, service 5938.
"""

from datetime import datetime
from typing import Any

from .reading import Reading
from .records import Invitation

KARI = "kari@example.no"
PHONE = "+4791234567"


def at(text: str) -> datetime:
    """Return an instant of UTC: '2026-03-02 09:00'."""
    return datetime.fromisoformat(f"{text}+00:00")


def make_reading(**policy: Any) -> Reading:
    """Return an empty reading of the merchant of the cases."""
    return Reading("nordic-gear", "Europe/Oslo", policy)


def make_order(
    order_id: str = "A-1001",
    purchased_at: str | None = "2026-03-02 09:00",
    *,
    email: str | None = KARI,
    phone: str | None = None,
    products: tuple[str, ...] = ("t1", "t2"),
    **fields: Any,
) -> dict[str, Any]:
    """Return a shipped order event; a purchased_at of None is left out."""
    bought = {} if purchased_at is None else {"purchased_at": at(purchased_at).isoformat()}
    return {
        "order_id": order_id,
        "status": "shipped",
        "customer": {"email": email, "phone": phone},
        "products": [{"id": product} for product in products],
        **bought,
        **fields,
    }


def invite(reading: Reading, **fields: Any) -> Invitation:
    """Post the first order of A-1001 on 2 March; its message is planned on 16 March, 10:10:57 UTC."""
    verdict = reading.post(make_order(**fields), at("2026-03-02 13:30"))
    assert verdict.invitation is not None
    return reading.invitations[verdict.invitation]
