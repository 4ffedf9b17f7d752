"""What an invitation becomes when something happened to its message (RULES.md section 8): pure transitions."""

from collections.abc import Collection
from datetime import datetime

from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.policy import Policy
from invite_service.domain.values import replace
from invite_service.rules.membership import cancel, send_plan
from invite_service.rules.slots import SendPlan, local_day, new_send_plan, slot_from, whole_days

_CLOSED = frozenset({InvitationStatus.RESPONDED, InvitationStatus.ERASED})
"""What nothing that becomes of a message opens again."""


def remaining_step(invitation: Invitation) -> Step | None:
    """Tell which message comes next by how many have left, or None when all have."""
    return _step_after(invitation, invitation.message_count)


def _step_after(invitation: Invitation, message_count: int) -> Step | None:
    return invitation.steps[message_count] if message_count < len(invitation.steps) else None


def record_accepted(
    invitation: Invitation, *, plan: Policy, merchant: Merchant, asked_at: datetime, product_ids: Collection[str]
) -> Invitation:
    """Record that the message left at `asked_at` (merchant's time) and plan the second step, if one is to come.

    Feedback or an erasure that arrived meanwhile stands: such an invitation stays as it is and plans nothing.
    """
    message_count = invitation.message_count + 1
    first_sent_at = invitation.first_sent_at or asked_at
    status, step, send_at, held_at = invitation.status, invitation.next_step, invitation.send_at, invitation.held_at
    next_attempt_at = None
    if status not in _CLOSED:
        step = _step_after(invitation, message_count)
        if step is None:
            status, held_at = InvitationStatus.SENT, None
        else:
            status = InvitationStatus.SCHEDULED
            to_come = new_send_plan((plan, invitation.time_zone, merchant.id, invitation.spread_order_id, step))
            send_at = plan_second_step(to_come, first_sent_at=first_sent_at, now=asked_at)
            next_attempt_at = send_at if held_at is None else None
    return replace(
        invitation,
        products=_asked_about(invitation, product_ids),
        last_message_at=asked_at,
        message_count=message_count,
        first_sent_at=first_sent_at,
        last_sent_at=asked_at,
        status=status,
        next_step=step,
        send_at=send_at,
        held_at=held_at,
        next_attempt_at=next_attempt_at,
        tries=0,
        send_now=False,
        rescheduled_to=None,
    )


def plan_second_step(to_come: SendPlan, *, first_sent_at: datetime, now: datetime) -> datetime:
    """Plan when the second message leaves: the slot of the day the first one left plus the delay (RULES.md section 6).

    `now` is when the message before it left (merchant's time).
    """
    day = local_day(first_sent_at, to_come.zone) + whole_days(to_come.policy.product_second_delay_days)
    return slot_from(to_come, day, now=now)


def _asked_about(invitation: Invitation, product_ids: Collection[str]) -> tuple[InvitedProduct, ...]:
    """Mark what the message asked about; what another invitation asks meanwhile was dropped and is not asked here."""
    asked = frozenset(product_ids)
    return tuple([_asked_in(product, is_asked=product.product_id in asked) for product in invitation.products])


def _asked_in(product: InvitedProduct, *, is_asked: bool) -> InvitedProduct:
    if is_asked:
        return product if product.asked else InvitedProduct(product.product_id, product.brought_by, asked=True)
    return InvitedProduct(product.product_id, (), product.asked) if product.brought_by else product


def record_in_doubt(invitation: Invitation, *, asked_at: datetime, product_ids: Collection[str]) -> Invitation:
    """Record that nobody knows whether the message left: it counts as asked and is never retried blindly."""
    return replace(
        invitation,
        products=_asked_about(invitation, product_ids),
        last_message_at=asked_at,
        next_attempt_at=None,
        status=invitation.status if invitation.status in _CLOSED else InvitationStatus.IN_DOUBT,
    )


def record_retry(invitation: Invitation, *, at: datetime, tries: int) -> Invitation:
    """Record that the message did not leave and is tried again at `at`."""
    return _back_to_scheduled(invitation, at, tries=tries)


def record_later(invitation: Invitation, *, until: datetime) -> Invitation:
    """Record that the message waits until `until`; the plan and its deadline stay."""
    return _back_to_scheduled(invitation, until, tries=invitation.tries)


def _back_to_scheduled(invitation: Invitation, at: datetime, *, tries: int) -> Invitation:
    if not invitation.has_messages_to_come:
        return invitation
    return replace(
        invitation,
        status=InvitationStatus.SCHEDULED,
        next_attempt_at=at if invitation.held_at is None else None,
        tries=tries,
    )


def record_skipped(invitation: Invitation, *, reason: str) -> Invitation:
    """Record that the message is never sent: cancelled, or sent with `reason` when one has left."""
    return cancel(invitation, reason) if invitation.has_messages_to_come else invitation


def record_missed(invitation: Invitation) -> Invitation:
    """Record that the deadline passed: missed, or sent with `missed` as the reason when a message has left."""
    return _ended(invitation, InvitationStatus.MISSED, "missed")


def record_failed(invitation: Invitation, *, reason: str) -> Invitation:
    """Record that the provider rejected it or tries are used up: failed, or sent with `reason`."""
    return _ended(invitation, InvitationStatus.FAILED, reason)


def _ended(invitation: Invitation, status: InvitationStatus, reason: str) -> Invitation:
    if not invitation.has_messages_to_come:
        return invitation
    return replace(
        invitation,
        status=status if invitation.message_count == 0 else InvitationStatus.SENT,
        next_step=None,
        next_attempt_at=None,
        held_at=None,
        send_now=False,
        ended_reason=reason,
    )


def record_feedback(invitation: Invitation) -> Invitation:
    """Record that a rating or review was left: nothing more is sent. Erased invitations take none."""
    if invitation.status is InvitationStatus.ERASED:
        return invitation
    return replace(invitation, status=InvitationStatus.RESPONDED, next_step=None, next_attempt_at=None, held_at=None)


def report_not_received(
    invitation: Invitation, *, policy: Policy, plan: Policy, merchant: Merchant, now: datetime
) -> Invitation:
    """Take a "not received" report: a pending second step moves, later only; again on the same day does nothing.

    RULES.md section 6. The wait is that of the current policy, the slot that of `plan`, the version stored with it.
    """
    today = local_day(now, invitation.time_zone)
    if invitation.not_received_on == today:
        return invitation
    reported = replace(invitation, not_received_on=today)
    is_pending = invitation.status is InvitationStatus.SCHEDULED and invitation.next_step is Step.PRODUCT_2
    if not is_pending or invitation.message_count == 0:
        return reported
    day = today + whole_days(policy.not_received_wait_days)
    send_at = slot_from(send_plan(invitation, plan=plan, merchant=merchant), day, now=now)
    if send_at <= invitation.send_at:
        return reported
    return replace(
        reported, send_at=send_at, next_attempt_at=send_at if invitation.held_at is None else None, send_now=False
    )
