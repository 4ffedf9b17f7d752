"""Batch updates: many invitations changed at once (DESIGN.md section 7).

Accepting one freezes which invitations it is about; workers then change them (`batch_work.py`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from invite_service.domain.batch_update import AlikeChange, BatchAction, BatchChange, BatchStatus, BatchUpdate, Chosen
from invite_service.domain.errors import UndoRefusedError, UnexpectedCountError
from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.rules.batch_updates import needs_facts
from invite_service.rules.slots import local_day
from invite_service.services.batch_changes import Worked, WorkedAlike, current_policy, enable_each
from invite_service.services.conflicts import try_again
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.services.periods import Period, within
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

CHUNK: Final = 2_000
"""Invitations changed in one transaction: what an order of one of these customers may have to wait for."""

CHUNK_WITH_FACTS: Final = 250
"""The same where each customer's history is locked and read."""

OPEN: Final = InvitationFilter(statuses=(InvitationStatus.SCHEDULED,))
"""What may be planned again; of these the rules leave out what is not open."""

UNDO_WITHIN: Final = timedelta(days=30)
"""How long a batch update can be undone."""


@dataclass(slots=True)
class BatchForecast:
    """What a batch update would do."""

    matched: int = 0
    would_change: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first_send_at: datetime | None = None
    """The earliest send_at of what would change, as it would be then; None where nothing would be sent."""
    last_send_at: datetime | None = None
    load: Counter[date] = field(default_factory=Counter)
    """How many of them would leave on which day, in the merchant's zone."""

    def add(self, matched: int, changes: Iterable[AlikeChange], skipped: Counter[str], zone: str) -> None:
        """Count invitations that match, and those of them that would change as they would become."""
        self.matched += matched
        self.skipped += skipped
        for change in changes:
            self.would_change += len(change.ids)
            if change.after.status is not InvitationStatus.SCHEDULED or not change.ids:
                continue
            first, last = min(change.send_ats), max(change.send_ats)
            self.first_send_at = min(self.first_send_at or first, first)
            self.last_send_at = max(self.last_send_at or last, last)
            self.load.update(local_day(send_at, zone) for send_at in change.send_ats)


def refuse_other_count(matched: int, *, expected: int | None) -> None:
    """Refuse what is about more or fewer invitations than its caller expects; None expects nothing.

    Raises:
        UnexpectedCountError: it is.
    """
    if expected is not None and matched != expected:
        detail = f"It is about {matched} invitations, and {expected} were expected."
        raise UnexpectedCountError(detail, matched=matched)


class BatchUpdateService:
    """Accepts batch updates and their undoing, and forecasts them."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        policies: PolicyVersions,
        chunk_size: int = CHUNK,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._policies = policies
        self._chunk_size = chunk_size

    def within(self, merchant: Merchant, chosen: InvitationFilter, period: Period | None) -> InvitationFilter:
        """Add to a filter that send_at lies in a period, seen from now; None adds nothing.

        Raises:
            InvalidInputError: the period lies outside of the span of send_at that is chosen.
        """
        now = merchant.now(self._clock())
        return within(chosen, period, zone=merchant.time_zone, now=now, pointer="/filter/period")

    async def forecast(self, merchant: Merchant, chosen: Chosen, change: BatchChange) -> BatchForecast:
        """Say what a batch update would do now; changes and locks nothing."""
        now = merchant.now(self._clock())
        zone = merchant.time_zone
        forecast = BatchForecast()
        async with self._database.autocommit() as stores:
            policy = await current_policy(stores, merchant, self._policies)
            if not needs_facts(change.action):
                alikes = stores.batch_changes.read_alike(merchant.id, chosen, change=change, size=self._chunk_size)
                async for alike in alikes:
                    worked = WorkedAlike()
                    worked.take_all(alike, change, policy=policy, merchant=merchant, now=now)
                    forecast.add(sum(len(one.ids) for one in alike), worked.changes, worked.skipped, zone)
                    await asyncio.sleep(0)
                return forecast
            async for found in stores.batch_changes.read_chosen(merchant.id, chosen, size=CHUNK_WITH_FACTS):
                enabled = Worked()
                await enable_each(stores, merchant, found, enabled, policies=self._policies, now=now)
                changes = [
                    AlikeChange(one.invitation, [one.invitation.id], [one.invitation.send_at])
                    for one in enabled.changes
                ]
                forecast.add(len(found), changes, enabled.skipped, zone)
        return forecast

    async def accept(
        self,
        merchant: Merchant,
        chosen: Chosen,
        change: BatchChange,
        *,
        chosen_by: Mapping[str, Any],
        expected_count: int | None = None,
        actor: str,
    ) -> BatchUpdate:
        """Freeze what a batch update is about and leave it to a worker; `chosen_by` is what was asked for, as posted.

        Raises:
            UnexpectedCountError: it is about another number of invitations than `expected_count`.
        """
        batch = BatchUpdate(
            id=self._new_id(),
            change=change,
            chosen_by=chosen_by,
            created_at=merchant.now(self._clock()),
            created_by=actor,
            matched=0,
        )
        return await self._add(merchant.id, batch, chosen, expected_count=expected_count)

    async def accept_replanning(
        self, stores: Stores, merchant: Merchant, policy: Policy, *, now: datetime, actor: str
    ) -> BatchUpdate:
        """Freeze the open invitations to be planned again, and the orders that wait to be decided.

        The caller's transaction saves the policy that both go by.
        """
        batch = BatchUpdate(
            id=self._new_id(),
            change=BatchChange(action=BatchAction.REPLAN, policy_version=policy.version),
            chosen_by={"policy_version": policy.version},
            created_at=now,
            created_by=actor,
            matched=0,
        )
        await self._freeze(stores, merchant.id, batch, OPEN)
        matched = await stores.batch_orders.add_waiting(merchant.id, batch.id, chunk_size=CHUNK_WITH_FACTS)
        return replace(batch, matched=matched)

    async def undo(self, merchant: Merchant, batch_id: UUID, *, actor: str) -> BatchUpdate:
        """Accept a batch update that puts back what another one changed; asked again, it gives the same one.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
            UndoRefusedError: it is itself an undo, is not finished yet, or is more than thirty days old.
        """
        return await try_again(lambda: self._undo_once(merchant, batch_id, actor=actor))

    async def _undo_once(self, merchant: Merchant, batch_id: UUID, *, actor: str) -> BatchUpdate:
        now = merchant.now(self._clock())
        async with self._database.autocommit() as stores:
            undone = await stores.batch_updates.get(merchant.id, batch_id)
            known = await stores.batch_updates.find_undo(merchant.id, batch_id)
        if known is not None:
            return known
        if undone.change.action is BatchAction.UNDO:
            raise UndoRefusedError("What was undone cannot be done again; ask for a new batch update.")
        if undone.finished_at is None:
            raise UndoRefusedError("It is still running; undo it once it has finished.")
        if now - undone.created_at > UNDO_WITHIN:
            raise UndoRefusedError(f"It is more than {UNDO_WITHIN.days} days old.")
        batch = BatchUpdate(
            id=self._new_id(),
            change=BatchChange(action=BatchAction.UNDO),
            undo_of=batch_id,
            created_at=now,
            created_by=actor,
            matched=0,
        )
        return await self._add(merchant.id, batch, None, expected_count=None)

    async def list_(self, merchant: Merchant, *, status: BatchStatus | None, page: PageRequest) -> Page[BatchUpdate]:
        """List batch updates by when they were accepted; only those of a status where that is asked for."""
        async with self._database.autocommit() as stores:
            found = await stores.batch_updates.list_(merchant.id, status=status, part=page.to_slice())
        return page_of(found, page)

    async def get(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get a batch update and how far it is.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
        """
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.get(merchant_id, batch_id)

    async def _add(
        self, merchant_id: MerchantId, batch: BatchUpdate, chosen: Chosen | None, *, expected_count: int | None
    ) -> BatchUpdate:
        async with self._database.transaction() as stores:
            added = await self._freeze(stores, merchant_id, batch, chosen)
            refuse_other_count(added.matched, expected=expected_count)
        return added

    async def _freeze(
        self, stores: Stores, merchant_id: MerchantId, batch: BatchUpdate, chosen: Chosen | None
    ) -> BatchUpdate:
        chunk_size = self._size_for(batch.change.action)
        matched = await stores.batch_updates.add(merchant_id, batch, chosen=chosen, chunk_size=chunk_size)
        if batch.undo_of is not None:
            matched = await stores.batch_orders.add_decided(
                merchant_id, batch.id, undo_of=batch.undo_of, chunk_size=chunk_size
            )
        return replace(batch, matched=matched)

    def _size_for(self, action: BatchAction) -> int:
        return min(self._chunk_size, CHUNK_WITH_FACTS) if needs_facts(action) else self._chunk_size
