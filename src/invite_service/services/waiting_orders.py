"""Deciding orders that wait, because the policy now triggers on the status they have."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules.decide import waiting_reason
from invite_service.rules.ledger import Ledger
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
    order_ids: Sequence[str],
    *,
    policy: Policy,
    policies: PolicyVersions,
    new_id: Callable[[], UUID],
    now: datetime,
) -> WaitingDecided:
    """Lock orders with their histories, decide by purchase those that now trigger, and write what was decided.

    Raises:
        TransactionConflictError: others changed the history before it was locked; nothing was written.
    """
    locked = await stores.history.lock(merchant.id, order_ids, ())
    if locked is None:
        raise TransactionConflictError("The merchant is gone.")
    history = await stores.history.read(merchant.id, order_ids, locked.contacts, lock=True)
    if history.is_stale or history.reaches_further:
        history = await stores.history.read(merchant.id, order_ids, locked.contacts, lock=True)
    if history.is_stale:
        raise TransactionConflictError("The history changed while it was read.")
    decided = await decide_on(
        stores, merchant, order_ids, history, policy=policy, policies=policies, new_id=new_id, now=now
    )
    stored_invitations = {invitation.id: invitation for invitation in history.invitations}
    changed = decided.ledger.changed_invitations()
    await stores.decisions.record(
        merchant.id,
        Decisions(
            posted_ids=order_ids,
            orders=decided.ledger.changed_orders(),
            stored_orders={order.order_id: order for order in history.orders},
            invitations=changed,
            stored_invitations=stored_invitations,
            timeline=decided.ledger.timeline,
            accepted_at=now,
        ),
    )
    decided.made = [invitation for invitation in changed if invitation.id not in stored_invitations]
    return decided


async def decide_on(
    stores: Stores,
    merchant: Merchant,
    order_ids: Sequence[str],
    history: StoredHistory,
    *,
    policy: Policy,
    policies: PolicyVersions,
    new_id: Callable[[], UUID],
    now: datetime,
) -> WaitingDecided:
    """Decide, on a history that was read, the orders that now trigger; writes nothing."""
    versions = {invitation.policy_version for invitation in history.invitations}
    plans = await policies.get(stores, merchant.id, versions - {policy.version})
    ledger = Ledger(merchant, policy=policy, policies=plans, new_id=new_id)
    ledger.load(history.orders, history.invitations, history.suppressions)
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
