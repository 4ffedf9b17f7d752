"""What a merchant or an operator may do to an invitation (RULES.md section 8); refusals carry their reason."""

from datetime import date, datetime
from typing import Final

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant
from invite_service.domain.policy import Policy
from invite_service.domain.timeline import TimelineEvent
from invite_service.domain.values import replace
from invite_service.rules.decide import plan_steps
from invite_service.rules.membership import (
    CANCELLED_BY_MERCHANT,
    plan_again,
    send_plan,
    was_ended_by_merchant,
)
from invite_service.rules.membership import cancel as end
from invite_service.rules.sending import (
    SendFacts,
    Skip,
    drop_asked_elsewhere,
    has_order_on_hold,
    may_send,
)
from invite_service.rules.slots import rescheduled_slot
from invite_service.rules.states import record_accepted, remaining_step

_REFUSALS = {
    InvitationStatus.SENDING: ("being_sent", "A message is being handed over right now."),
    InvitationStatus.IN_DOUBT: ("in_doubt", "A message may have left; an operator settles that first."),
    InvitationStatus.SENT: ("already_sent", "Every message of it has left, or it has ended."),
    InvitationStatus.RESPONDED: ("already_responded", "The customer has left feedback."),
    InvitationStatus.CANCELLED: ("already_cancelled", "It is cancelled."),
    InvitationStatus.MISSED: ("missed", "Its deadline has passed."),
    InvitationStatus.FAILED: ("failed", "It has failed."),
    InvitationStatus.ERASED: ("erased", "The customer's data was erased."),
    InvitationStatus.SCHEDULED: ("already_scheduled", "It is scheduled."),
}
"""Why an action that needs another state is refused, by the state it is in."""

CHANGING_NOTHING: Final = frozenset(
    {TimelineEvent.PAGE_VIEWED, TimelineEvent.DELIVERY_CONFIRMED, TimelineEvent.DELIVERY_REPORTED}
)
"""What the timeline tells of an invitation that is scheduled, and that left it as it was."""


def _refuse(invitation: Invitation) -> ActionRefusedError:
    return ActionRefusedError(*_REFUSALS[invitation.status])


def cancel(invitation: Invitation) -> Invitation:
    """Cancel a scheduled invitation; one the merchant ended already stays as it is."""
    if was_ended_by_merchant(invitation):
        return invitation
    if invitation.status is not InvitationStatus.SCHEDULED:
        raise _refuse(invitation)
    return end(invitation, CANCELLED_BY_MERCHANT)


def enable(
    invitation: Invitation,
    *,
    facts: SendFacts,
    policy: Policy,
    plan: Policy,
    merchant: Merchant,
    now: datetime,
    last_event: TimelineEvent | None = None,
) -> Invitation:
    """Bring back what the merchant cancelled, or ended before the second step; a past send_at is the next slot.

    `last_event` is the last of the timeline that is not CHANGING_NOTHING, as far as it was read: one that is scheduled
    because it was enabled stays as it is, where one that nobody cancelled is refused.

    Raises:
        ActionRefusedError: `not_cancelled` and its like by state, `cancelled_otherwise` when somebody else ended it,
            `asked_elsewhere` when another invitation asks or asked meanwhile.
    """
    if invitation.status is InvitationStatus.SCHEDULED and last_event is TimelineEvent.INVITATION_ENABLED:
        return invitation
    if not was_ended_by_merchant(invitation):
        if invitation.status is InvitationStatus.CANCELLED:
            detail = f"It was not the merchant who cancelled it: {invitation.ended_reason}."
            raise ActionRefusedError("cancelled_otherwise", detail)
        if invitation.status is InvitationStatus.SCHEDULED:
            raise ActionRefusedError("not_cancelled", "It is scheduled.")
        raise _refuse(invitation)
    remaining = drop_asked_elsewhere(invitation, facts=facts, policy=policy, yields_to_younger=True)
    if remaining is None:
        raise ActionRefusedError("asked_elsewhere", "Another invitation asks the same customer.")
    enabled = replace(
        invitation,
        status=InvitationStatus.SCHEDULED,
        next_step=remaining_step(invitation),
        ended_reason=None,
        held_at=None,
        products=tuple(
            product if product.product_id in remaining else replace(product, brought_by=())
            for product in invitation.products
        ),
    )
    return _held_where_an_order_is(plan_again(enabled, plan=plan, merchant=merchant, now=now), facts, now=now)


def _held_where_an_order_is(invitation: Invitation, facts: SendFacts, *, now: datetime) -> Invitation:
    if has_order_on_hold(invitation, facts):
        return replace(invitation, held_at=now, next_attempt_at=None)
    return invitation


def reschedule(invitation: Invitation, day: date, *, policy: Policy, merchant: Merchant, now: datetime) -> Invitation:
    """Move a scheduled invitation to a day's slot under the current window, whatever send_days say.

    The current policy is stored with it (RULES.md section 7), so its steps count too while nothing has left. A day that
    is asked for again, when its slot has passed, keeps the instant of the first time.

    Raises:
        ActionRefusedError: `past_day`, or by state.
    """
    if invitation.status is not InvitationStatus.SCHEDULED:
        raise _refuse(invitation)
    moved = replace(
        invitation, policy_version=policy.version, moved_by_merchant=True, rescheduled_to=day, send_now=False
    )
    if invitation.last_message_at is None:
        steps = plan_steps(invitation.kind, invitation.channel, policy)
        moved = replace(moved, steps=steps, next_step=steps[0])
    planned = invitation.send_at if invitation.rescheduled_to == day else None
    send_at = rescheduled_slot(send_plan(moved, plan=policy, merchant=merchant), day, now=now, planned=planned)
    if send_at is None:
        raise ActionRefusedError("past_day", "That day, or its send window, has passed.")
    return replace(moved, send_at=send_at, next_attempt_at=None if moved.held_at is not None else send_at)


def send_now(invitation: Invitation, *, now: datetime) -> Invitation:
    """Let the next message go at once: window and days do not apply, all else of RULES.md section 7 does.

    One that is on its way because of this stays as it is.
    """
    if invitation.send_now and invitation.status in {InvitationStatus.SCHEDULED, InvitationStatus.SENDING}:
        return invitation
    if invitation.status is not InvitationStatus.SCHEDULED:
        raise _refuse(invitation)
    return replace(
        invitation,
        send_now=True,
        moved_by_merchant=True,
        send_at=now,
        next_attempt_at=None if invitation.held_at is not None else now,
    )


def retry(
    invitation: Invitation, *, facts: SendFacts, policy: Policy, plan: Policy, merchant: Merchant, now: datetime
) -> Invitation:
    """Try a message again that is in doubt, failed or was missed, when may_send allows (an operator's call).

    Raises:
        ActionRefusedError: by state, or may_send's reason.
    """
    if invitation.status not in {InvitationStatus.IN_DOUBT, InvitationStatus.FAILED, InvitationStatus.MISSED}:
        raise _refuse(invitation)
    scheduled = replace(
        invitation,
        status=InvitationStatus.SCHEDULED,
        next_step=remaining_step(invitation),
        ended_reason=None,
    )
    planned = plan_again(scheduled, plan=plan, merchant=merchant, now=now)
    verdict = may_send(planned, facts=facts, policy=policy, plan=plan, now=now)
    if isinstance(verdict, Skip):
        raise ActionRefusedError(verdict.reason.value, "may_send does not allow the message any more.")
    # What else it may say is to wait, not that it was missed: the plan lies ahead again.
    return _held_where_an_order_is(planned, facts, now=now)


def mark_sent(
    invitation: Invitation, *, plan: Policy, merchant: Merchant, asked_at: datetime, product_ids: tuple[str, ...]
) -> Invitation:
    """Settle an in-doubt message as having left at `asked_at`, its attempt's time (an operator's call)."""
    if invitation.status is not InvitationStatus.IN_DOUBT:
        raise _refuse(invitation)
    return record_accepted(invitation, plan=plan, merchant=merchant, asked_at=asked_at, product_ids=product_ids)
