"""What joins and leaves an invitation: merging, cancelling, returning, pausing (RULES.md sections 4 and 5)."""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.values import replace
from invite_service.rules.slots import SendPlan, next_slot

ORDER_CANCELLED = "order_cancelled"
"""Why an invitation ends of which no product, or no live order, is left."""

RETURNED = "returned"
"""Why a product was taken out of an invitation whose order is live."""

JOINED = frozenset({OrderOutcome.INVITED, OrderOutcome.MERGED})
"""Outcomes of an order that is in an invitation; those that are, are its live orders."""


def is_member(order: Order, invitation_id: UUID) -> bool:
    """Say whether an order is a live one of the invitation."""
    # Most often it is the same object, and UUIDs compare slowly.
    known = order.invitation_id
    return (known is invitation_id or known == invitation_id) and order.outcome in JOINED


_PAUSABLE = frozenset({InvitationStatus.SCHEDULED, InvitationStatus.SENDING, InvitationStatus.IN_DOUBT})


def join(invitation: Invitation, order_id: str, product_ids: Iterable[str]) -> Invitation:
    """Attach an order and what it brings; kind, channel, language, steps and send_at stay. Joining twice is once."""
    products = list(invitation.products)
    positions = {product.product_id: index for index, product in enumerate(products)}
    for product_id in product_ids:
        if product_id not in positions:
            positions[product_id] = len(products)
            products.append(InvitedProduct(product_id, (order_id,)))
            continue
        known = products[positions[product_id]]
        if order_id not in known.brought_by:
            products[positions[product_id]] = replace(known, brought_by=(*known.brought_by, order_id))
    order_ids = invitation.order_ids
    if order_id not in order_ids:
        order_ids = (*order_ids, order_id)
    return replace(invitation, products=tuple(products), order_ids=order_ids)


def take_out(invitation: Invitation, order_id: str, product_ids: Collection[str] | None = None) -> Invitation:
    """Take out what one order brought: these products, or all where None; what another order brought stays."""
    products = tuple(
        replace(product, brought_by=tuple(other for other in product.brought_by if other != order_id))
        if order_id in product.brought_by and (product_ids is None or product.product_id in product_ids)
        else product
        for product in invitation.products
    )
    return replace(invitation, products=products)


def newly_asked(before: Invitation, after: Invitation) -> list[str]:
    """Name the products that `after` asks about and `before`, the same invitation, does not."""
    return [
        product.product_id
        for known, product in zip_longest(before.products, after.products)
        if product is not known and product.brought_by and not (known is not None and known.brought_by)
    ]


def takes_part_in_changes(invitation: Invitation) -> bool:
    """Say whether cancelled orders and returned lines still matter to it: what was sent and ended stays as it was."""
    return was_ended_by_merchant(invitation) or invitation.status not in {
        InvitationStatus.SENT,
        InvitationStatus.RESPONDED,
        InvitationStatus.ERASED,
    }


def address_to(invitation: Invitation, orders: Iterable[Order]) -> Invitation:
    """Address it to the first of the orders that has a contact on its channel; where none has, it stays as it is.

    The `invited` order goes first: a mistyped address that the shop corrects must not get the message.
    """
    if not invitation.has_messages_to_come and not was_ended_by_merchant(invitation):
        return invitation
    for order in orders:
        contact = order.email if invitation.channel is Channel.EMAIL else order.phone
        if contact is not None:
            return replace(invitation, contact=contact, customer_name=order.customer_name)
    return invitation


def end_if_empty(invitation: Invitation, *, has_live_orders: bool) -> Invitation:
    """End an invitation that asks about nothing any more (RULES.md section 4).

    One that is being sent, or in doubt, is left to may_send, which sees the same and skips it.
    """
    is_empty = not has_live_orders if invitation.kind is Kind.SERVICE else not invitation.product_ids
    if not is_empty or invitation.ended_reason == ORDER_CANCELLED:
        return invitation
    if invitation.status is InvitationStatus.SCHEDULED:
        return cancel(invitation, ORDER_CANCELLED)
    if was_ended_by_merchant(invitation):
        return replace(invitation, ended_reason=ORDER_CANCELLED)
    return invitation


CANCELLED_BY_MERCHANT = "cancelled_by_merchant"
"""Why an invitation ended that the merchant may enable again."""


def was_ended_by_merchant(invitation: Invitation) -> bool:
    """Say whether the merchant cancelled it, or ended it before its second step, so that enable is possible."""
    return invitation.ended_reason == CANCELLED_BY_MERCHANT and invitation.status in {
        InvitationStatus.CANCELLED,
        InvitationStatus.SENT,
    }


def cancel(invitation: Invitation, reason: str) -> Invitation:
    """Cancel what is still to come: cancelled, or sent with `reason` when a message has left (RULES.md section 8)."""
    ended = InvitationStatus.CANCELLED if invitation.message_count == 0 else InvitationStatus.SENT
    return replace(
        invitation, status=ended, ended_reason=reason, next_attempt_at=None, held_at=None, send_now=False, tries=0
    )


def pause(invitation: Invitation, *, now: datetime) -> Invitation:
    """Pause an open or half-sent invitation: the deadline stands still, nothing is attempted."""
    if invitation.held_at is not None or invitation.status not in _PAUSABLE:
        return invitation
    return replace(invitation, held_at=now, next_attempt_at=None)


def resume(invitation: Invitation, *, plan: Policy, merchant: Merchant, now: datetime) -> Invitation:
    """Resume a paused invitation: a send_at that has passed becomes the next slot, tries start again."""
    if invitation.held_at is None:
        return invitation
    return plan_again(replace(invitation, held_at=None), plan=plan, merchant=merchant, now=now)


def plan_again(invitation: Invitation, *, plan: Policy, merchant: Merchant, now: datetime) -> Invitation:
    """Give a scheduled invitation the next slot where its send_at has passed, and let tries start again."""
    if invitation.status is not InvitationStatus.SCHEDULED or invitation.next_step is None:
        return invitation
    if invitation.send_at > now:
        return replace(invitation, next_attempt_at=invitation.send_at, tries=0)
    send_at = next_slot(send_plan(invitation, plan=plan, merchant=merchant), now=now)
    return replace(invitation, send_at=send_at, next_attempt_at=send_at, tries=0, send_now=False)


def send_plan(invitation: Invitation, *, plan: Policy, merchant: Merchant) -> SendPlan:
    """Place the invitation's next step within a day: its zone, its drawn second, and the window of `plan`."""
    assert invitation.next_step is not None
    return SendPlan(plan, invitation.time_zone, merchant.id, invitation.spread_order_id, invitation.next_step)
