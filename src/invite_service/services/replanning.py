"""A changed policy and what was planned before it: what would become of it, and doing it (DESIGN.md section 7)."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.batch_update import BatchUpdate
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.listing import OrderFilter
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules.replanning import Replanning, describe
from invite_service.rules.slots import local_day
from invite_service.services.batch_changes import Worked, replan_each
from invite_service.services.batch_updates import OPEN, BatchUpdateService
from invite_service.services.policy import PolicyService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.waiting_orders import decide_on
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

SHOWN: Final = 10
"""Invitations, and orders, that a preview shows in full."""

READ_AT_ONCE: Final = 500
"""Invitations, or orders, read in one go."""


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
        policies: PolicyVersions,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._database = database
        self._policy = policy
        self._batches = batches
        self._policies = policies
        self._clock = clock
        self._new_id = new_id

    async def preview(self, merchant: Merchant, changes: Mapping[str, Any]) -> ReplanPreview:
        """Say what applying these changes would do now; saves, changes and locks nothing.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
        """
        _, changed = await self._policy.try_change(merchant.id, changes)
        now = merchant.now(self._clock())
        preview = ReplanPreview(changed)
        async with self._database.autocommit() as stores:
            pages = stores.batch_changes.read_chosen(merchant.id, OPEN, size=READ_AT_ONCE)
            async for found in pages:
                await _preview_invitations(stores, merchant, found, preview, now=now)
            async for waiting in _waiting_orders(stores, merchant):
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
        preview.waiting_orders += len(waiting)
        order_ids = [order.order_id for order in waiting]
        contacts = {contact for order in waiting for contact in order.contacts}
        history = await stores.history.read(merchant.id, order_ids, contacts, lock=False)
        decided = await decide_on(
            stores,
            merchant,
            order_ids,
            history,
            policy=preview.policy,
            policies=self._policies,
            new_id=self._new_id,
            now=now,
        )
        for order in decided.orders:
            preview.outcomes[order.outcome] += 1
            invitation = decided.ledger.invitations[order.invitation_id] if order.invitation_id is not None else None
            if invitation is not None and order.outcome is OrderOutcome.INVITED:
                preview.load_after[local_day(invitation.send_at, merchant.time_zone)] += 1
            if len(preview.first_orders) < SHOWN:
                preview.first_orders.append(DecidedOrder(order, invitation))


async def _preview_invitations(
    stores: Stores, merchant: Merchant, found: Sequence[Invitation], preview: ReplanPreview, *, now: datetime
) -> None:
    worked = Worked()
    await replan_each(stores, merchant, found, worked, policy=preview.policy, now=now)
    preview.open_invitations += sum(invitation.is_open for invitation in found)
    worked.skipped.pop("not_open", None)
    preview.skipped += worked.skipped
    for invitation in found:
        if invitation.is_open:
            preview.load_before[local_day(invitation.send_at, merchant.time_zone)] += 1
    after = {change.invitation.id: change.invitation for change in worked.changes}
    for invitation in found:
        become = after.get(invitation.id, invitation)
        if invitation.is_open and become.status is InvitationStatus.SCHEDULED:
            preview.load_after[local_day(become.send_at, merchant.time_zone)] += 1
    for change in worked.changes:
        described = describe(change.stored, change.invitation)
        preview.changes[described] += 1
        if len(preview.first_invitations) < SHOWN and described is not Replanning.SAME_TIME:
            preview.first_invitations.append(ReplannedInvitation(change.stored, change.invitation, described))


async def _waiting_orders(stores: Stores, merchant: Merchant) -> AsyncIterator[list[Order]]:
    beyond: tuple[datetime, UUID | str] | None = None
    while True:
        part = Slice(limit=READ_AT_ONCE, ascending=True, beyond=beyond)
        found = await stores.listing.list_orders(merchant.id, OrderFilter(outcome=OrderOutcome.WAITING), part=part)
        if found:
            yield found
        if len(found) < READ_AT_ONCE:
            return
        beyond = (found[-1].received_at, found[-1].order_id)
