"""One invitation's part in a batch update (RULES.md section 8, "What a merchant may do"), and its undoing."""

from datetime import datetime, timedelta

from invite_service.domain.batch_update import Alike, AlikeChange, BatchAction, BatchChange, BatchEffect
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.merchant import Merchant
from invite_service.domain.policy import Policy
from invite_service.domain.values import replace
from invite_service.rules import actions
from invite_service.rules.membership import plan_again, send_plan
from invite_service.rules.sending import SendFacts, drop_asked_elsewhere, has_order_on_hold
from invite_service.rules.slots import local_day, rescheduled_slot

UNCHANGED = "unchanged"
"""Why an invitation counts as skipped that is already as it was to become."""

MOVED_SINCE = "moved_since"
"""Why an undo leaves an invitation alone: something else happened to it after the batch update."""


def needs_facts(action: BatchAction) -> bool:
    """Say whether what others ask the same customer decides; then the customers' histories are locked and read."""
    return action in {BatchAction.ENABLE, BatchAction.REPLAN, BatchAction.UNDO}


def change_one(
    invitation: Invitation, change: BatchChange, *, policy: Policy, merchant: Merchant, now: datetime
) -> Invitation:
    """Do to one invitation what a batch update without facts asks for; `policy` is the current version.

    Raises:
        ActionRefusedError: with the reason, as the same action on that invitation alone would.
    """
    if change.action is BatchAction.CANCEL:
        return actions.cancel(invitation)
    if change.action is BatchAction.SEND_NOW:
        return actions.send_now(invitation, now=now)
    day = change.day
    if day is None:
        day = local_day(invitation.send_at, invitation.time_zone) + timedelta(days=change.shift_days or 0)
    return actions.reschedule(invitation, day, policy=policy, merchant=merchant, now=now)


def change_alike(
    alike: Alike, change: BatchChange, *, policy: Policy, merchant: Merchant, now: datetime
) -> tuple[AlikeChange, int]:
    """Do to invitations that are alike what `change_one` does to each; tells also how many stay as they are.

    Deciding one by one took longer than writing them. Only the second of the day is each one's own.

    Raises:
        ActionRefusedError: with the reason, for all of them.
    """
    example = alike.example
    after = change_one(example, change, policy=policy, merchant=merchant, now=now)
    if after == example and change.action is not BatchAction.RESCHEDULE:
        return AlikeChange(after, (), ()), len(alike.ids)
    if after.status is not InvitationStatus.SCHEDULED:
        return AlikeChange(after, alike.ids, alike.send_ats), 0
    if change.action is not BatchAction.RESCHEDULE:
        return AlikeChange(after, alike.ids, [after.send_at] * len(alike.ids)), 0
    day = after.rescheduled_to
    place = send_plan(after, plan=policy, merchant=merchant)
    assert day is not None, "a rescheduled invitation has its day"
    was_there = example.rescheduled_to == day
    slots = [
        rescheduled_slot(place._replace(order_id=order_id), day, now=now, planned=planned if was_there else None)
        or after.send_at
        for order_id, planned in zip(alike.spread_order_ids, alike.send_ats, strict=True)
    ]
    if replace(after, send_at=example.send_at, next_attempt_at=example.next_attempt_at) != example:
        return AlikeChange(after, alike.ids, slots), 0
    moved = [index for index, slot in enumerate(slots) if slot != alike.send_ats[index]]
    kept = AlikeChange(after, [alike.ids[index] for index in moved], [slots[index] for index in moved])
    return kept, len(slots) - len(moved)


def undo_one(
    invitation: Invitation,
    effect: BatchEffect,
    *,
    facts: SendFacts,
    policy: Policy,
    plan: Policy,
    merchant: Merchant,
    now: datetime,
) -> Invitation:
    """Put back what a batch update changed of one invitation; a send_at that has passed becomes the next slot.

    `policy` is the current version, `plan` the one that the invitation had before the batch update.

    Raises:
        ActionRefusedError: `moved_since`, or as enable and cancel are refused.
    """
    found = (invitation.status, invitation.send_at, invitation.next_attempt_at)
    if found != (effect.status, effect.send_at, effect.next_attempt_at):
        raise ActionRefusedError(MOVED_SINCE, "Something else happened to it since.")
    was_brought_about = effect.before.status is InvitationStatus.CANCELLED or effect.action is BatchAction.ENABLE
    if was_brought_about:
        return actions.cancel(invitation)
    if effect.action is BatchAction.CANCEL:
        restored = actions.enable(invitation, facts=facts, policy=policy, plan=plan, merchant=merchant, now=now)
        return actions.send_now(restored, now=now) if effect.before.send_now else restored
    before = effect.before
    restored = replace(
        invitation,
        status=before.status,
        ended_reason=None,
        products=_put_back(invitation.products, before.products),
        steps=before.steps,
        next_step=before.next_step,
        policy_version=before.policy_version,
        send_at=before.send_at,
        moved_by_merchant=before.moved_by_merchant,
        send_now=before.send_now,
        rescheduled_to=before.rescheduled_to,
    )
    if invitation.status is not InvitationStatus.SCHEDULED:
        remaining = drop_asked_elsewhere(restored, facts=facts, policy=policy, yields_to_younger=True)
        if remaining is None:
            raise ActionRefusedError("asked_elsewhere", "Another invitation asks the same customer.")
        restored = replace(restored, held_at=now if has_order_on_hold(restored, facts) else None)
    planned = plan_again(restored, plan=plan, merchant=merchant, now=now)
    return replace(planned, next_attempt_at=None) if planned.held_at is not None else planned


def _put_back(
    products: tuple[InvitedProduct, ...], taken_out: tuple[InvitedProduct, ...]
) -> tuple[InvitedProduct, ...]:
    before = {product.product_id: product for product in taken_out}
    return tuple(
        before[product.product_id] if product.product_id in before and not product.brought_by else product
        for product in products
    )
