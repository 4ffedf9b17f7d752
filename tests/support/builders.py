"""Builders of domain values: keyword-only, every default valid, so that a test names only what matters to it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order, OrderEvent, OrderLine, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import Suppression, SuppressionReason

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""A Tuesday, some way from a changeover; what tests count from."""

MERCHANT_ID = MerchantId("gift-shop")


def new_id() -> UUID:
    """Make an id as the service does: UUIDv7, growing with time."""
    return uuid7()


def make_merchant(**changes: Any) -> Merchant:
    """Make a real merchant in Oslo."""
    merchant = Merchant(
        id=MERCHANT_ID,
        name="The Gift Shop",
        time_zone="Europe/Oslo",
        homepage_url="https://gifts.example",
        sandbox=False,
        created_at=NOON - timedelta(days=400),
    )
    return replace(merchant, **changes)


def make_policy(**changes: Any) -> Policy:
    """Make version 1 of a policy with the defaults of RULES.md section 2."""
    return replace(Policy(), **changes)


def make_line(*, id: str = "mug", **changes: Any) -> OrderLine:  # noqa: A002 - the field's name
    """Make an order line about one product."""
    line = OrderLine(
        id=id,
        name=f"The {id}",
        url=f"https://gifts.example/p/{id}",
        image_url=f"https://gifts.example/i/{id}.jpg",
        brand="Giftmakers",
        sku=(f"{id}-1",),
        category="kitchen",
        price=Decimal("149.00"),
        currency="NOK",
    )
    return replace(line, **changes)


def make_order_event(
    *,
    order_id: str = "1001",
    email: str | None = "kari@example.com",
    products: Sequence[str] = ("mug",),
    **changes: Any,
) -> OrderEvent:
    """Make an event that triggers: a fulfilled order of a product, by a customer with an e-mail address.

    `products` names the products; `lines` gives them in full instead.
    """
    event = OrderEvent(
        order_id=order_id,
        status="fulfilled",
        purchased_at=NOON - timedelta(days=2),
        email=email,
        name="Kari Nordmann",
        language="nb-NO",
        country="NO",
        lines=tuple(make_line(id=product_id) for product_id in products),
    )
    return replace(event, **changes)


def make_order(*, order_id: str = "1001", **changes: Any) -> Order:
    """Make a stored order that waits for a triggering status."""
    order = Order(
        order_id=order_id,
        status="paid",
        purchased_at=NOON - timedelta(days=2),
        received_at=NOON - timedelta(days=1),
        customer_name="Kari Nordmann",
        email="kari@example.com",
        language="nb-NO",
        country="NO",
        lines=(make_line(),),
        outcome=OrderOutcome.WAITING,
        version=1,
    )
    return replace(order, **changes)


def make_invitation(
    *, order_ids: Sequence[str] = ("1001",), products: Sequence[str] = ("mug",), **changes: Any
) -> Invitation:
    """Make a scheduled product invitation by e-mail, nothing of which has left.

    `products` names the products, all brought by the first order.
    """
    invitation = Invitation(
        id=new_id(),
        kind=Kind.PRODUCT,
        channel=Channel.EMAIL,
        language="nb",
        contact="kari@example.com",
        customer_name="Kari Nordmann",
        status=InvitationStatus.SCHEDULED,
        steps=(Step.PRODUCT_1, Step.PRODUCT_2),
        next_step=Step.PRODUCT_1,
        policy_version=1,
        time_zone="Europe/Oslo",
        spread_order_id=order_ids[0],
        created_at=NOON,
        send_at=NOON + timedelta(days=14),
        next_attempt_at=NOON + timedelta(days=14),
        order_ids=tuple(order_ids),
        products=tuple(InvitedProduct(product_id, (order_ids[0],)) for product_id in products),
    )
    return replace(invitation, **changes)


def make_suppression(
    *, contact: str = "kari@example.com", reason: SuppressionReason = SuppressionReason.UNSUBSCRIBED
) -> Suppression:
    """Make a suppression that closes every channel to the customer."""
    return Suppression(contact, reason, NOON)


def make_branding(**changes: Any) -> Branding:
    """Make a branding that differs from the defaults everywhere it shows."""
    branding = Branding(
        version=1,
        logo_url="https://gifts.example/logo.png",
        primary_color="#7a1fa2",
        sender_name="The Gift Shop",
        support_email="help@gifts.example",
        support_url="https://gifts.example/help",
        sms_sender="GiftShop",
    )
    return replace(branding, **changes)
