"""A changed policy and what was planned before it: what would become of it, and doing it (DESIGN.md section 7)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.batch_update import BatchUpdate
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.listing import OrderFilter
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules.batch_updates import UNCHANGED
from invite_service.rules.ledger import Ledger
from invite_service.rules.replanning import Replanning, describe
from invite_service.rules.slots import local_day
from invite_service.services.batch_changes import Worked, replan_each
from invite_service.services.batch_updates import OPEN, BatchUpdateService
from invite_service.services.policy import PolicyService, changed_anything
from invite_service.services.waiting_orders import decide_on
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

SHOWN: Final = 10
"""Invitations, and orders, that a preview shows in full."""

READ_AT_ONCE: Final = 500
"""Invitations, or orders, read in one go."""

MAX_WAITING: Final = 100_000
"""Waiting orders that a preview decides: it holds them with their histories in memory."""


@dataclass(frozen=True, slots=True)
class ReplannedInvitation:
    """An open invitation as it is, and as it would become."""

    before: Invitation
    after: Invitation
    change: Replanning


@dataclass(frozen=True, slots=True)
class DecidedOrder:
    """A waiting order as it would be decided."""

    order: Order
    invitation: Invitation | None


@dataclass(slots=True)
class ReplanPreview:
    """What a changed policy would make of the open invitations, and of the orders that still wait."""

    policy: Policy
    open_invitations: int = 0
    changes: Counter[Replanning] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    load_before: Counter[date] = field(default_factory=Counter)
    """First messages of the open invitations by day of the merchant's zone."""
    load_after: Counter[date] = field(default_factory=Counter)
    """The same, with those of the waiting orders."""
    first_invitations: list[ReplannedInvitation] = field(default_factory=list)
    waiting_orders: int = 0
    outcomes: Counter[OrderOutcome] = field(default_factory=Counter)
    first_orders: list[DecidedOrder] = field(default_factory=list)
    """The first of the waiting orders that would be decided."""


class ReplanningService:
    """Previews and applies a change of the policy together with what it does to what is planned."""

    def __init__(
        self,
        database: Database,
        *,
        policy: PolicyService,
        batches: BatchUpdateService,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._database = database
        self._policy = policy
        self._batches = batches
        self._clock = clock
        self._new_id = new_id
        self._max_waiting = max_waiting

    async def preview(self, merchant: Merchant, changes: Mapping[str, Any], *, replacing: int | None) -> ReplanPreview:
        """Say what applying these changes would do now; saves, changes and locks nothing.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
            PreconditionFailedError: `replacing` is not the current version.
        """
        current, changed = await self._policy.try_change(merchant.id, changes, replacing=replacing)
        is_changed = changed_anything(current, changed)
        now = merchant.now(self._clock())
        preview = ReplanPreview(changed if is_changed else current)
        async with self._database.autocommit() as stores:
            pages = stores.batch_changes.read_chosen(merchant.id, OPEN, size=READ_AT_ONCE)
            async for found in pages:
                opened = [invitation for invitation in found if invitation.is_open]
                worked = Worked(skipped=Counter({UNCHANGED: len(opened)}))
                if is_changed:
                    worked = Worked()
                    await replan_each(stores, merchant, opened, worked, policy=changed, now=now)
                _count_invitations(preview, merchant, opened, worked)
            waiting = await _list_waiting(stores, merchant, at_most=self._max_waiting)
            preview.waiting_orders = len(waiting)
            if is_changed:
                await self._preview_orders(stores, merchant, waiting, preview, now=now)
        return preview

    async def apply(
        self, merchant: Merchant, changes: Mapping[str, Any], *, replacing: int | None, actor: str
    ) -> tuple[Policy, BatchUpdate | None]:
        """Save the changes and, in the same transaction, accept a batch update for what was planned before.

        It plans open invitations again and decides the orders that wait and now trigger. Changes that change nothing
        plan nothing again.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
            PreconditionFailedError: `replacing` is not the current version.
        """
        async with self._database.transaction() as stores:
            locked = await stores.merchants.lock(merchant.id)
            policy = await self._policy.save(stores, locked, changes, replacing=replacing, actor=actor)
            if policy.version == locked.policy_version:
                return policy, None
            now = locked.now(self._clock())
            batch = await self._batches.accept_replanning(stores, locked, policy, now=now, actor=actor)
        return policy, batch

    async def _preview_orders(
        self, stores: Stores, merchant: Merchant, waiting: Sequence[Order], preview: ReplanPreview, *, now: datetime
    ) -> None:
        # One ledger for all of them, as each sees those before it. Deciding needs no plan of what is there already.
        ledger = Ledger(merchant, policy=preview.policy, policies={}, new_id=self._new_id, keeps_record=False)
        for begin in range(0, len(waiting), READ_AT_ONCE):
            part = waiting[begin : begin + READ_AT_ONCE]
            order_ids = [order.order_id for order in part]
            await _load_replanned(stores, merchant, part, ledger, policy=preview.policy, now=now)
            decided = decide_on(ledger, order_ids, policy=preview.policy, now=now)
            for order in decided.orders:
                _count_order(preview, merchant, order, ledger)


async def _load_replanned(
    stores: Stores, merchant: Merchant, orders: Sequence[Order], ledger: Ledger, *, policy: Policy, now: datetime
) -> None:
    """Take in the histories of orders, their open invitations as they would be planned again."""
    order_ids = {order.order_id for order in orders}
    contacts = {contact for order in orders for contact in order.contacts}
    history = await stores.history.read(merchant.id, sorted(order_ids), contacts, lock=False)
    found = [invitation for invitation in history.invitations if invitation.id not in ledger.invitations]
    worked = Worked()
    await replan_each(stores, merchant, found, worked, policy=policy, now=now)
    replanned = {change.invitation.id: change.invitation for change in worked.changes}
    # Those that are to be decided may be known from an earlier history, which holds them without their lines.
    unknown = [order for order in history.orders if order.order_id not in ledger.orders or order.order_id in order_ids]
    ledger.load(unknown, [replanned.get(invitation.id, invitation) for invitation in found], history.suppressions)


def _count_invitations(
    preview: ReplanPreview, merchant: Merchant, opened: Sequence[Invitation], worked: Worked
) -> None:
    preview.open_invitations += len(opened)
    preview.skipped += worked.skipped
    after = {change.invitation.id: change.invitation for change in worked.changes}
    for invitation in opened:
        preview.load_before[local_day(invitation.send_at, merchant.time_zone)] += 1
        become = after.get(invitation.id, invitation)
        if become.status is InvitationStatus.SCHEDULED:
            preview.load_after[local_day(become.send_at, merchant.time_zone)] += 1
    for change in worked.changes:
        described = describe(change.stored, change.invitation)
        preview.changes[described] += 1
        if len(preview.first_invitations) < SHOWN and described is not Replanning.SAME_TIME:
            preview.first_invitations.append(ReplannedInvitation(change.stored, change.invitation, described))


def _count_order(preview: ReplanPreview, merchant: Merchant, order: Order, ledger: Ledger) -> None:
    preview.outcomes[order.outcome] += 1
    invitation = ledger.invitations[order.invitation_id] if order.invitation_id is not None else None
    if invitation is not None and order.outcome is OrderOutcome.INVITED:
        preview.load_after[local_day(invitation.send_at, merchant.time_zone)] += 1
    if len(preview.first_orders) < SHOWN:
        preview.first_orders.append(DecidedOrder(order, invitation))


async def _list_waiting(stores: Stores, merchant: Merchant, *, at_most: int) -> list[Order]:
    """List the orders that wait, in the order in which they would be decided."""
    waiting: list[Order] = []
    beyond: tuple[datetime, UUID | str] | None = None
    while True:
        part = Slice(limit=READ_AT_ONCE, ascending=True, beyond=beyond)
        found = await stores.listing.list_orders(merchant.id, OrderFilter(outcome=OrderOutcome.WAITING), part=part)
        waiting += found
        if len(waiting) > at_most:
            detail = f"More than {at_most} orders wait: too many for a preview. They can be applied without one."
            raise InvalidInputError("The request has faults.", faults=[Fault("?replan", "out_of_range", detail)])
        if len(found) < READ_AT_ONCE:
            return sorted(waiting, key=lambda order: (order.purchased_at, order.order_id))
        beyond = (found[-1].received_at, found[-1].order_id)
