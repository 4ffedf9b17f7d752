"""may_send(): asked again right before every message, and what a failed try means (RULES.md section 7)."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from invite_service.domain.invitation import Invitation, InvitationStatus, Kind
from invite_service.domain.order import Order
from invite_service.domain.policy import Policy
from invite_service.domain.values import quick
from invite_service.rules.asked import find_asked_products, find_asked_service
from invite_service.rules.membership import is_member
from invite_service.rules.slots import is_inside_window, is_window_open, local_day, next_window_start, whole_days
from invite_service.rules.suppressions import NOTHING_SUPPRESSED, SuppressedContacts

MAX_TRIES = 12
"""Tries of one message after which it fails as `provider_unavailable`."""

RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""Waits after the first tries; hourly from there on."""

MIN_RATE_LIMIT_WAIT = timedelta(seconds=1)
"""The least a rate limit makes us wait."""


class SkipReason(StrEnum):
    """Why a message is never sent; the order of RULES.md section 7."""

    ERASED = "erased"
    CANCELLED = "cancelled"
    ORDER_CANCELLED = "order_cancelled"
    FEEDBACK_LEFT = "feedback_left"
    SUPPRESSED = "suppressed"
    ASKED_ELSEWHERE = "asked_elsewhere"


class LaterReason(StrEnum):
    """Why a message waits for another day."""

    ON_HOLD = "on_hold"
    PAUSED = "paused"
    """The merchant, or the merchant's channel, is paused."""
    WINDOW_CLOSED = "window_closed"


@quick
@dataclass(frozen=True, slots=True)
class Send:
    """Send it, about these products; `dropped` are those that another invitation asks or asked meanwhile."""

    product_ids: tuple[str, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Never send it."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Missed:
    """Its deadline has passed: a message is missed, never sent late."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; look again at `until`."""

    until: datetime
    reason: LaterReason


SendVerdict = Send | Skip | Missed | Later
"""What may_send answers."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SendFacts:
    """What may_send looks at besides the invitation, read fresh."""

    orders: Sequence[Order]
    """Every order that ever joined; its outcome and `invitation_id` tell which are live in it."""
    suppressed: SuppressedContacts = NOTHING_SUPPRESSED
    """Of the invitation's own address and its orders' contacts."""
    has_feedback: bool = False
    others: Sequence[Invitation] = ()
    """The other invitations of the history of its live orders."""
    is_paused: bool = False
    """The merchant or the channel is paused."""


def may_send(invitation: Invitation, *, facts: SendFacts, policy: Policy, plan: Policy, now: datetime) -> SendVerdict:
    """Say whether the next message goes out now; the first line of RULES.md section 7 that applies decides.

    `policy` is the current one, `plan` the version stored with the invitation, `now` the merchant's time.
    """
    live, product_ids = _live_orders(invitation, facts), invitation.product_ids
    reason = _skip_reason(invitation, facts, live, product_ids)
    if reason is not None:
        return Skip(reason)
    remaining = drop_asked_elsewhere(invitation, facts=facts, policy=policy) if facts.others else product_ids
    if remaining is None:
        return Skip(SkipReason.ASKED_ELSEWHERE)
    is_held = invitation.held_at is not None or _is_any_on_hold(live)
    if not is_held and now > invitation.send_at + whole_days(policy.send_deadline_days):
        return Missed()
    later = _later_reason(invitation, facts, plan, is_held=is_held, now=now)
    if later is not None:
        return Later(next_window_start(plan, invitation.time_zone, now=now), later)
    if len(remaining) == len(product_ids):
        return Send(remaining)
    return Send(remaining, tuple([product_id for product_id in product_ids if product_id not in remaining]))


def _skip_reason(
    invitation: Invitation, facts: SendFacts, live: Sequence[Order], product_ids: Sequence[str]
) -> SkipReason | None:
    if invitation.status is InvitationStatus.ERASED:
        return SkipReason.ERASED
    if invitation.status is InvitationStatus.CANCELLED:
        return SkipReason.CANCELLED
    if not live or (invitation.kind is Kind.PRODUCT and not product_ids):
        return SkipReason.ORDER_CANCELLED
    if facts.has_feedback or invitation.status is InvitationStatus.RESPONDED:
        return SkipReason.FEEDBACK_LEFT
    contacts = [contact for order in live for contact in order.contacts]
    # An address that the shop took back from all of the orders is as closed as one that bounced.
    is_closed = invitation.contact not in contacts or facts.suppressed.closes(invitation.contact, contacts)
    return SkipReason.SUPPRESSED if is_closed else None


def _live_orders(invitation: Invitation, facts: SendFacts) -> list[Order]:
    """Give the orders it asks for: one that was cancelled and decided anew belongs elsewhere, or nowhere."""
    return [order for order in facts.orders if is_member(order, invitation.id)]


def has_order_on_hold(invitation: Invitation, facts: SendFacts) -> bool:
    """Say whether one of its live orders is on hold."""
    return _is_any_on_hold(_live_orders(invitation, facts))


def _is_any_on_hold(orders: Iterable[Order]) -> bool:
    return True in [order.on_hold for order in orders]


def _later_reason(
    invitation: Invitation, facts: SendFacts, plan: Policy, *, is_held: bool, now: datetime
) -> LaterReason | None:
    if is_held:
        return LaterReason.ON_HOLD
    if facts.is_paused:
        return LaterReason.PAUSED
    if is_window_open(plan, invitation.time_zone, now) or is_free_of_window(invitation, now=now):
        return None
    return LaterReason.WINDOW_CLOSED


def is_free_of_window(invitation: Invitation, *, now: datetime) -> bool:
    """Say whether window and days do not apply now: a "send now", or rescheduled to this very day."""
    chosen = invitation.rescheduled_to
    return invitation.send_now or (chosen is not None and chosen == local_day(now, invitation.time_zone))


def drop_asked_elsewhere(
    invitation: Invitation, *, facts: SendFacts, policy: Policy, yields_to_younger: bool = False
) -> tuple[str, ...] | None:
    """Give the products that no other invitation asks or asked within the period; None when it must not go out.

    Of two with messages to come that would drop each other the older, then the lower id, keeps; with
    `yields_to_younger` this one always yields (an invitation that was ended and would come back).
    """
    if not facts.others:
        return () if invitation.kind is Kind.SERVICE else invitation.product_ids or None
    # A weaker one that would be dropped for this one does not drop this one.
    weaker_ids = {
        other.id
        for other in facts.others
        if other.has_messages_to_come and not yields_to_younger and not _keeps_against(other, invitation)
    }
    asking = [other for other in facts.others if other.id not in weaker_ids] if weaker_ids else facts.others
    if any(other.has_messages_to_come and other.kind is not invitation.kind for other in asking):
        return None
    if invitation.kind is Kind.SERVICE:
        return None if _is_service_asked(invitation, facts, policy, asking) else ()
    dropped = _asked_product_ids(invitation, facts, policy, weaker_ids)
    product_ids = invitation.product_ids
    if dropped:
        product_ids = tuple([product_id for product_id in product_ids if product_id not in dropped])
    return product_ids or None


def _keeps_against(other: Invitation, invitation: Invitation) -> bool:
    """Say whether the other keeps where each would drop the other; one in doubt is not judged again, so it keeps."""
    is_older = (other.created_at, other.id) < (invitation.created_at, invitation.id)
    return is_older or other.status is InvitationStatus.IN_DOUBT


def _is_service_asked(invitation: Invitation, facts: SendFacts, policy: Policy, asking: Sequence[Invitation]) -> bool:
    # The earliest purchase counts: it is the one a message that left may already have asked about.
    purchased_at = min(order.purchased_at for order in _live_orders(invitation, facts))
    return bool(find_asked_service(asking, purchased_at=purchased_at, repeat_days=policy.service_repeat_days))


def _asked_product_ids(
    invitation: Invitation, facts: SendFacts, policy: Policy, weaker_ids: AbstractSet[UUID]
) -> set[str]:
    brought_by = {product.product_id: product.brought_by for product in invitation.products if product.brought_by}
    asking: dict[str, list[Invitation]] = {}
    for other in facts.others:
        for product in other.products:
            if product.product_id in brought_by and not (product.brought_by and other.id in weaker_ids):
                asking.setdefault(product.product_id, []).append(other)
    if not asking:
        return set()
    purchases: Mapping[str, datetime] = {order.order_id: order.purchased_at for order in facts.orders}
    return {
        product_id
        for product_id, others in asking.items()
        if find_asked_products(
            (product_id,),
            others,
            purchased_at=min(purchases[order_id] for order_id in brought_by[product_id]),
            repeat_days=policy.product_repeat_days,
        ).by_id
    }


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `at`; `tries` is what to store."""

    at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tries are used up."""

    reason: str = "provider_unavailable"


def decide_retry(invitation: Invitation, *, plan: Policy, now: datetime) -> RetryAt | GiveUp:
    """Decide what follows a try that provably did not leave (`not_sent`): after 1, 5, 15, 60 minutes, then hourly."""
    tries = invitation.tries + 1
    if tries >= MAX_TRIES:
        return GiveUp()
    delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]
    return RetryAt(_inside_window(invitation, plan, now + delay), tries)


def decide_rate_limit(invitation: Invitation, *, plan: Policy, retry_after: timedelta | None, now: datetime) -> RetryAt:
    """Decide when a rate-limited message is tried again: when the provider says, counting no try."""
    wait = max(retry_after or MIN_RATE_LIMIT_WAIT, MIN_RATE_LIMIT_WAIT)
    return RetryAt(_inside_window(invitation, plan, now + wait), invitation.tries)


def _inside_window(invitation: Invitation, plan: Policy, at: datetime) -> datetime:
    """Move a try into the next window; a day the merchant chose is allowed whatever it is, and has its window too."""
    day = local_day(at, invitation.time_zone)
    is_chosen_day = invitation.rescheduled_to == day and is_inside_window(plan, invitation.time_zone, day, at)
    if invitation.send_now or is_chosen_day or is_window_open(plan, invitation.time_zone, at):
        return at
    return next_window_start(plan, invitation.time_zone, now=at)
