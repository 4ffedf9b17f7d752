"""What an open invitation becomes when the policy that decided it is replaced by another (DESIGN.md section 7).

As when an order joins, kind, channel and language stay: the customer was promised nothing, but the order was decided.
Steps, window, zone and delay are those of the new policy, and what it excludes is not asked about any more.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitedProduct, Kind
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order
from invite_service.domain.policy import Policy
from invite_service.domain.values import replace
from invite_service.rules.decide import plan_first_step, plan_steps
from invite_service.rules.membership import CANCELLED_BY_MERCHANT, cancel


def replan(
    invitation: Invitation,
    invited: Order | None,
    *,
    policy: Policy,
    categories: Mapping[str, str | None],
    merchant: Merchant,
    now: datetime,
) -> Invitation:
    """Plan an open invitation again under a policy, earlier or later; `invited` is the order it was made for.

    `categories` are those of its products. One that asks about nothing any more is cancelled as by the merchant, who
    may enable it again. The zone stays, as every other fact of the decision does.

    Raises:
        ActionRefusedError: `not_open` once a message has left or nothing is to come, `moved_by_merchant` where the
            merchant chose the day, `no_order` where no live order is left to count from.
    """
    if not invitation.is_open:
        raise ActionRefusedError("not_open", "A message has left, or nothing is to come.")
    if invitation.moved_by_merchant:
        raise ActionRefusedError("moved_by_merchant", "The merchant chose its day.")
    if invited is None:
        raise ActionRefusedError("no_order", "No order is left to count from.")
    steps = plan_steps(invitation.kind, invitation.channel, policy)
    send_at = plan_first_step(
        replace(invited, order_id=invitation.spread_order_id),
        policy,
        kind=invitation.kind,
        step=steps[0],
        zone=invitation.time_zone,
        merchant_id=merchant.id,
        now=now,
    )
    planned = replace(
        invitation,
        policy_version=policy.version,
        steps=steps,
        next_step=steps[0],
        products=tuple(_without_excluded(product, policy, categories) for product in invitation.products),
        send_at=send_at,
        next_attempt_at=None if invitation.held_at is not None else send_at,
        tries=0,
    )
    if invitation.kind is Kind.PRODUCT and not planned.product_ids:
        return cancel(planned, CANCELLED_BY_MERCHANT)
    return planned


class Replanning(StrEnum):
    """How an invitation differs after it was planned again."""

    CANCELLED = "cancelled"
    """It would ask about nothing any more."""
    EARLIER = "earlier"
    LATER = "later"
    SAME_TIME = "same_time"
    """Only its steps, its products or what holds for its second message may differ."""


def describe(before: Invitation, after: Invitation) -> Replanning:
    """Say how an invitation differs after it was planned again."""
    if after.status is not before.status:
        return Replanning.CANCELLED
    if after.send_at == before.send_at:
        return Replanning.SAME_TIME
    return Replanning.EARLIER if after.send_at < before.send_at else Replanning.LATER


def _without_excluded(product: InvitedProduct, policy: Policy, categories: Mapping[str, str | None]) -> InvitedProduct:
    is_excluded = (
        product.product_id in policy.excluded_ids
        or categories.get(product.product_id) in policy.excluded_category_names
    )
    return replace(product, brought_by=()) if is_excluded and product.brought_by else product
