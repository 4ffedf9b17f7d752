"""Values of the domain for tests: every default is valid, so that a test names only what matters."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order, OrderEvent, OrderLine, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import Suppression, SuppressionReason

EMAIL = "kari@example.no"
PHONE = "+4791234567"
ORDER_ID = "A-1001"
INVITATION_ID = UUID(int=1)

# The seconds after 10:00 that order A-1001 of nordic-gear draws in the default window: 4257 for product_1,
# 2065 for product_2 and 5938 for service (RULES.md section 6; tests/data/decide.json shows the same).
PURCHASED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACCEPTED_AT = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
FIRST_SLOT = datetime(2026, 3, 16, 10, 10, 57, tzinfo=UTC)
SECOND_SLOT = datetime(2026, 3, 21, 9, 34, 25, tzinfo=UTC)


def at(text: str) -> datetime:
    """Read an instant of UTC: `2026-03-02 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def make_merchant(**changes: Any) -> Merchant:
    merchant = Merchant(
        id=MerchantId("nordic-gear"),
        name="Nordic Gear",
        time_zone="Europe/Oslo",
        homepage_url="https://shop.example",
        sandbox=False,
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return replace(merchant, **changes)


def make_policy(**changes: Any) -> Policy:
    return replace(Policy(), **changes)


def make_lines(*product_ids: str, **changes: Any) -> tuple[OrderLine, ...]:
    return tuple(replace(OrderLine(id=product_id), **changes) for product_id in product_ids)


def make_event(order_id: str = ORDER_ID, **changes: Any) -> OrderEvent:
    """Make the event of a shipped order of t1 and t2 by Kari's e-mail address."""
    event = OrderEvent(
        order_id=order_id, status="shipped", purchased_at=PURCHASED_AT, email=EMAIL, lines=make_lines("t1", "t2")
    )
    return replace(event, **changes)


def make_order(order_id: str = ORDER_ID, **changes: Any) -> Order:
    """Make the folded order of the same event: shipped, invited, in the invitation of `make_invitation`."""
    order = Order(
        order_id=order_id,
        status="shipped",
        purchased_at=PURCHASED_AT,
        received_at=ACCEPTED_AT,
        triggered_at=ACCEPTED_AT,
        email=EMAIL,
        lines=make_lines("t1", "t2"),
        outcome=OrderOutcome.INVITED,
        invitation_id=INVITATION_ID,
        version=1,
    )
    return replace(order, **changes)


def make_invitation(**changes: Any) -> Invitation:
    """Make a scheduled product invitation of order A-1001 by e-mail, with both steps to come."""
    invitation = Invitation(
        id=INVITATION_ID,
        kind=Kind.PRODUCT,
        channel=Channel.EMAIL,
        language="en",
        contact=EMAIL,
        customer_name=None,
        status=InvitationStatus.SCHEDULED,
        steps=(Step.PRODUCT_1, Step.PRODUCT_2),
        next_step=Step.PRODUCT_1,
        policy_version=1,
        time_zone="Europe/Oslo",
        spread_order_id=ORDER_ID,
        created_at=ACCEPTED_AT,
        send_at=FIRST_SLOT,
        next_attempt_at=FIRST_SLOT,
        order_ids=(ORDER_ID,),
        products=make_products("t1", "t2"),
    )
    return replace(invitation, **changes)


def make_service_invitation(**changes: Any) -> Invitation:
    """Make the same as a service invitation."""
    service = {"kind": Kind.SERVICE, "steps": (Step.SERVICE,), "next_step": Step.SERVICE, "products": ()}
    return make_invitation(**(service | changes))


def make_half_sent(**changes: Any) -> Invitation:
    """Make one of which the first message left at its slot, and the second is to come."""
    half_sent = {
        "next_step": Step.PRODUCT_2,
        "send_at": SECOND_SLOT,
        "next_attempt_at": SECOND_SLOT,
        "products": make_products("t1", "t2", asked=True),
        "message_count": 1,
        "first_sent_at": FIRST_SLOT,
        "last_sent_at": FIRST_SLOT,
        "last_message_at": FIRST_SLOT,
    }
    return make_invitation(**(half_sent | changes))


def make_sent(**changes: Any) -> Invitation:
    """Make one of which everything has left."""
    sent = {
        "status": InvitationStatus.SENT,
        "next_step": None,
        "next_attempt_at": None,
        "message_count": 2,
        "last_sent_at": SECOND_SLOT,
        "last_message_at": SECOND_SLOT,
    }
    return make_half_sent(**(sent | changes))


def make_products(
    *product_ids: str, brought_by: tuple[str, ...] = (ORDER_ID,), asked: bool = False
) -> tuple[InvitedProduct, ...]:
    return tuple(InvitedProduct(product_id, brought_by, asked) for product_id in product_ids)


def make_suppression(contact: str = EMAIL, reason: SuppressionReason = SuppressionReason.UNSUBSCRIBED) -> Suppression:
    return Suppression(contact, reason)
