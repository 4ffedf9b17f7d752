"""Deciding orders that wait, because the policy now triggers on the status they have; and taking that back."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from invite_service.domain.batch_update import BatchUpdate, OrderEffect
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.timeline import TimelineEntry
from invite_service.domain.values import replace
from invite_service.rules.decide import waiting_reason
from invite_service.rules.ledger import Ledger
from invite_service.rules.membership import is_member
from invite_service.rules.taking_back import take_back, tell_taken_back
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.decisions import Decisions
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.history import StoredHistory
from invite_service.storage.stores import Stores

NOT_WAITING = "not_waiting"
"""Why an order counts as skipped that was decided meanwhile."""


@dataclass(slots=True)
class WaitingDecided:
    """What became of orders that waited."""

    ledger: Ledger
    """With everything as it is after the decisions."""
    orders: list[Order] = field(default_factory=list)
    made: list[Invitation] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """By reason: why they still wait, or NOT_WAITING."""


async def decide_waiting(
    stores: Stores,
    merchant: Merchant,
    batch: BatchUpdate,
    order_ids: Sequence[str],
    *,
    policy: Policy,
    policies: PolicyVersions,
    new_id: Callable[[], UUID],
    now: datetime,
) -> WaitingDecided:
    """Lock orders with their histories, decide by purchase those that now trigger, and write what was decided.

    What they were is kept for `batch`, so that it can be undone.

    Raises:
        TransactionConflictError: others changed the history before it was locked; nothing was written.
    """
    history = await _lock_history(stores, merchant.id, order_ids)
    versions = {invitation.policy_version for invitation in history.invitations}
    plans = await policies.get(stores, merchant.id, versions - {policy.version})
    ledger = Ledger(merchant, policy=policy, policies=plans, new_id=new_id)
    ledger.load(history.orders, history.invitations, history.suppressions)
    decided = decide_on(ledger, order_ids, policy=policy, now=now)
    stored_invitations = {invitation.id: invitation for invitation in history.invitations}
    stored_orders = {order.order_id: order for order in history.orders}
    changed, changed_orders = decided.ledger.changed_invitations(), decided.ledger.changed_orders()
    await stores.decisions.record(
        merchant.id,
        Decisions(
            posted_ids=order_ids,
            orders=changed_orders,
            stored_orders=stored_orders,
            invitations=changed,
            stored_invitations=stored_invitations,
            timeline=[_of_batch(entry, batch.id) for entry in decided.ledger.timeline],
            accepted_at=now,
        ),
    )
    decided.made = [invitation for invitation in changed if invitation.id not in stored_invitations]
    made = {invitation.id: invitation for invitation in decided.made}
    was_decided = {order.order_id for order in decided.orders}
    effects = [
        _effect(stored_orders[order.order_id], order, made) for order in changed_orders if order.order_id in was_decided
    ]
    await stores.batch_orders.keep(merchant.id, batch.id, effects)
    return decided


@dataclass(slots=True)
class WaitingAgain:
    """What became of orders whose decision was taken back."""

    orders: list[Order] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


async def take_back_decisions(
    stores: Stores, merchant: Merchant, batch: BatchUpdate, order_ids: Sequence[str], *, now: datetime
) -> WaitingAgain:
    """Lock orders with their histories, and let those wait again that nothing has happened to since.

    `batch` undoes the one that decided them. Those that joined an invitation leave before the one it was made for.

    Raises:
        TransactionConflictError: others changed the history before it was locked; nothing was written.
    """
    assert batch.undo_of is not None, "only an undo takes decisions back"
    history = await _lock_history(stores, merchant.id, order_ids)
    effects = await stores.batch_orders.read(merchant.id, batch.undo_of, order_ids)
    orders = {order.order_id: order for order in history.orders}
    invitations = {invitation.id: invitation for invitation in history.invitations}
    again, timeline = WaitingAgain(), []
    decided = [orders[order_id] for order_id in order_ids if order_id in orders]
    for order in sorted(decided, key=lambda order: (order.purchased_at, order.order_id), reverse=True):
        invitation = invitations.get(order.invitation_id) if order.invitation_id is not None else None
        others = [
            other
            for other in orders.values()
            if invitation is not None and other is not order and is_member(other, invitation.id)
        ]
        try:
            taken = take_back(order, effects[order.order_id], invitation=invitation, others=others)
        except ActionRefusedError as error:
            again.skipped[error.reason] += 1
            continue
        orders[order.order_id] = taken.order
        again.orders.append(replace(taken.order, version=order.version + 1))
        if taken.invitation is not None:
            invitations[taken.invitation.id] = taken.invitation
        told = tell_taken_back(taken, invitation, actor=batch.created_by, now=now)
        timeline += [_of_batch(entry, batch.id) for entry in told]
    await stores.decisions.record(
        merchant.id,
        Decisions(
            posted_ids=order_ids,
            orders=again.orders,
            stored_orders={order.order_id: order for order in history.orders},
            invitations=[invitations[one.id] for one in history.invitations if invitations[one.id] is not one],
            stored_invitations={one.id: one for one in history.invitations},
            timeline=timeline,
            accepted_at=now,
        ),
    )
    return again


async def _lock_history(stores: Stores, merchant_id: MerchantId, order_ids: Sequence[str]) -> StoredHistory:
    locked = await stores.history.lock(merchant_id, order_ids, ())
    if locked is None:
        raise TransactionConflictError("The merchant is gone.")
    history = await stores.history.read(merchant_id, order_ids, locked.contacts, lock=True)
    if history.is_stale or history.reaches_further:
        history = await stores.history.read(merchant_id, order_ids, locked.contacts, lock=True)
    if history.is_stale:
        raise TransactionConflictError("The history changed while it was read.")
    return history


def _effect(stored: Order, order: Order, made: Mapping[UUID, Invitation]) -> OrderEffect:
    assert stored.reason is not None, "an order that waits has its reason"
    invitation = made.get(order.invitation_id) if order.invitation_id is not None else None
    return OrderEffect(
        order_id=order.order_id,
        reason=stored.reason,
        trace=stored.trace,
        version=order.version,
        invitation_id=order.invitation_id,
        send_at=invitation.send_at if invitation is not None else None,
    )


def _of_batch(entry: TimelineEntry, batch_id: UUID) -> TimelineEntry:
    return dataclasses.replace(entry, data={**entry.data, "batch_update_id": str(batch_id)})


def decide_on(ledger: Ledger, order_ids: Sequence[str], *, policy: Policy, now: datetime) -> WaitingDecided:
    """Decide, on a ledger that holds their histories, the orders that now trigger; writes nothing."""
    decided = WaitingDecided(ledger)
    orders = [ledger.orders[order_id] for order_id in order_ids if order_id in ledger.orders]
    for order in sorted(orders, key=lambda order: (order.purchased_at, order.order_id)):
        if order.outcome is not OrderOutcome.WAITING:
            decided.skipped[NOT_WAITING] += 1
            continue
        reason = waiting_reason(order.status.casefold() if order.status is not None else None, policy)
        if reason is not None:
            decided.skipped[reason.value] += 1
        else:
            decided.orders.append(ledger.decide_again(order.order_id, now=now))
    return decided
