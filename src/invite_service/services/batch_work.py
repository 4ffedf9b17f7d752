"""Doing batch updates: chunk by chunk, each in a transaction of its own.

So others wait for a fraction of a second at most, and a killed worker leaves nothing half done.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from invite_service.bell import Bell
from invite_service.domain.batch_update import BatchUpdate
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.rules.batch_updates import needs_facts
from invite_service.services.batch_changes import (
    Worked,
    WorkedAlike,
    current_policy,
    enable_each,
    lock_histories,
    replan_each,
    undo_each,
)
from invite_service.services.conflicts import try_again
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.waiting_orders import decide_waiting, take_back_decisions
from invite_service.storage.batch_updates import Chunk
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores


class BatchWorkService:
    """Does batch updates that were accepted; any number of workers do chunks of the same one side by side."""

    def __init__(
        self,
        database: Database,
        *,
        bell: Bell,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        policies: PolicyVersions,
    ) -> None:
        self._database = database
        self._bell = bell
        self._clock = clock
        self._new_id = new_id
        self._policies = policies

    async def find_merchants(self) -> list[MerchantId]:
        """Find merchants with a batch update that has something left to do."""
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.list_merchants_with_unfinished()

    async def list_unfinished(self, merchant_id: MerchantId) -> list[UUID]:
        """List a merchant's batch updates with something left to do, the oldest first."""
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.list_unfinished(merchant_id)

    async def work(self, merchant_id: MerchantId, batch_id: UUID) -> bool:
        """Change one chunk of a batch update; False when there is none left that does not wait for somebody else."""
        return await try_again(lambda: self._work_once(merchant_id, batch_id))

    async def _work_once(self, merchant_id: MerchantId, batch_id: UUID) -> bool:
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.get(merchant_id)
            now = merchant.now(self._clock())
            chunk = await stores.batch_updates.take_chunk(merchant_id, batch_id)
            if chunk is None:
                await stores.batch_updates.finish(merchant_id, batch_id, at=now)
                return False
            batch = await stores.batch_updates.get_asked(merchant_id, batch_id)
            done = await self._do(stores, merchant, batch, chunk, now=now)
            await stores.batch_updates.close_chunk(
                merchant_id, batch_id, chunk.number, changed=done.changed, skipped=done.skipped, at=now
            )
        if done.is_due:
            self._bell.ring(merchant_id)
        return True

    async def _do(
        self, stores: Stores, merchant: Merchant, batch: BatchUpdate, chunk: Chunk, *, now: datetime
    ) -> "_Done":
        if chunk.order_ids and batch.undo_of is not None:
            again = await take_back_decisions(stores, merchant, batch, chunk.order_ids, now=now)
            return _Done(len(again.orders), again.skipped, is_due=False)
        if chunk.order_ids:
            return await self._decide_chunk(stores, merchant, batch, chunk, now=now)
        if not needs_facts(batch.change.action):
            return await self._change_alike(stores, merchant, batch, chunk, now=now)
        worked = await self._change_chunk(stores, merchant, batch, chunk, now=now)
        await stores.batch_changes.save_plans(merchant.id, batch, worked.changes, at=now)
        changed = [change.invitation for change in worked.changes]
        return _Done(len(changed), worked.skipped, _is_any_due(changed, now=now))

    async def _decide_chunk(
        self, stores: Stores, merchant: Merchant, batch: BatchUpdate, chunk: Chunk, *, now: datetime
    ) -> "_Done":
        assert batch.change.policy_version is not None, "only a new policy decides orders that wait"
        version = batch.change.policy_version
        policy = (await self._policies.get(stores, merchant.id, {version}))[version]
        decided = await decide_waiting(
            stores,
            merchant,
            batch,
            chunk.order_ids,
            policy=policy,
            policies=self._policies,
            new_id=self._new_id,
            now=now,
        )
        return _Done(len(decided.orders), decided.skipped, _is_any_due(decided.made, now=now))

    async def _change_alike(
        self, stores: Stores, merchant: Merchant, batch: BatchUpdate, chunk: Chunk, *, now: datetime
    ) -> "_Done":
        policy = await current_policy(stores, merchant, self._policies)
        worked = WorkedAlike()
        alike = await stores.batch_changes.lock_alike(merchant.id, chunk.invitation_ids, change=batch.change)
        worked.take_all(alike, batch.change, policy=policy, merchant=merchant, now=now)
        for change in worked.changes:
            await stores.batch_changes.save_alike(merchant.id, batch, change, at=now)
        changed = sum(len(change.ids) for change in worked.changes)
        is_due = any(
            change.after.next_attempt_at is not None and min(change.send_ats, default=now) <= now
            for change in worked.changes
            if change.ids
        )
        return _Done(changed, worked.skipped, is_due)

    async def _change_chunk(
        self, stores: Stores, merchant: Merchant, batch: BatchUpdate, chunk: Chunk, *, now: datetime
    ) -> Worked:
        worked = Worked()
        found = await lock_histories(stores, merchant.id, chunk.invitation_ids)
        if batch.change.policy_version is not None:
            version = batch.change.policy_version
            policies = await self._policies.get(stores, merchant.id, {version})
            await replan_each(stores, merchant, found, worked, policy=policies[version], now=now)
        elif batch.undo_of is None:
            await enable_each(stores, merchant, found, worked, policies=self._policies, now=now)
        else:
            await undo_each(stores, merchant, batch.undo_of, found, worked, policies=self._policies, now=now)
        return worked


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done of a chunk."""

    changed: int
    skipped: Mapping[str, int]
    is_due: bool


def _is_any_due(invitations: Iterable[Invitation], *, now: datetime) -> bool:
    due = (invitation.next_attempt_at for invitation in invitations)
    return any(next_attempt_at is not None and next_attempt_at <= now for next_attempt_at in due)
