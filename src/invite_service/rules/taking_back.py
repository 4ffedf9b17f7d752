"""Taking back what a batch update decided about orders that waited: the undoing of a new policy's decisions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from invite_service.domain.batch_update import OrderEffect
from invite_service.domain.decision import JsonFigure, Reason
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.values import replace
from invite_service.rules import membership
from invite_service.rules.batch_updates import MOVED_SINCE

UNDONE: Final = "undone"
"""Why an invitation ended whose order waits again; nobody may enable it."""


class TakenBack(NamedTuple):
    """An order that waits again, and what became of the invitation that it was part of."""

    order: Order
    invitation: Invitation | None


def take_back(
    order: Order, effect: OrderEffect, *, invitation: Invitation | None, others: Iterable[Order]
) -> TakenBack:
    """Let an order wait again as it did, and take it out of the invitation that it got or joined.

    `others` are the other live orders of that invitation. One that was merged leaves as a cancelled order would
    (RULES.md section 4); one that was invited only together with its invitation, when nobody else relies on it.

    Raises:
        ActionRefusedError: `moved_since`: an event changed the order; or a message left, somebody moved or ended the
            invitation, or another order joined it.
    """
    if order.version != effect.version:
        raise ActionRefusedError(MOVED_SINCE, "Something else happened to the order since.")
    waiting = replace(
        order,
        triggered_at=None,
        on_hold=effect.reason is Reason.ON_HOLD,
        outcome=OrderOutcome.WAITING,
        reason=effect.reason,
        eligible_at=None,
        invitation_id=None,
        trace=effect.trace,
    )
    if invitation is None:
        return TakenBack(waiting, None)
    if not invitation.is_open:
        raise ActionRefusedError(MOVED_SINCE, "Its invitation is not open any more.")
    remaining = sorted(others, key=lambda other: other.outcome is not OrderOutcome.INVITED)
    left = membership.take_out(invitation, order.order_id)
    if order.outcome is OrderOutcome.MERGED:
        addressed = membership.address_to(left, remaining)
        return TakenBack(waiting, membership.end_if_empty(addressed, has_live_orders=bool(remaining)))
    was_moved = invitation.send_at != effect.send_at or invitation.moved_by_merchant or invitation.send_now
    if was_moved or remaining:
        raise ActionRefusedError(MOVED_SINCE, "Its invitation was moved since, or another order joined it.")
    return TakenBack(waiting, membership.cancel(left, UNDONE))


def tell_taken_back(taken: TakenBack, before: Invitation | None, *, actor: str, now: datetime) -> list[TimelineEntry]:
    """Tell it in the timelines of the order and of the invitation, which was `before`."""
    order, invitation = taken
    reason = order.reason.value if order.reason is not None else None
    told: list[tuple[TimelineEvent, str | None, dict[str, JsonFigure]]] = [(TimelineEvent.ORDER_RESTORED, reason, {})]
    if before is not None and invitation is not None:
        removed = membership.newly_asked(invitation, before)
        if invitation.status is not before.status:
            told.append((TimelineEvent.INVITATION_CANCELLED, invitation.ended_reason, {}))
        elif removed:
            told.append((TimelineEvent.PRODUCTS_REMOVED, UNDONE, {"products": removed}))
    return [
        TimelineEntry(
            at=now,
            actor=actor,
            event=event,
            order_id=order.order_id,
            invitation_id=before.id if before is not None else None,
            reason=why,
            data=data,
        )
        for event, why, data in told
    ]
