"""Batch updates: many invitations changed at once (DESIGN.md section 7).

Accepting one freezes which invitations it is about; workers then change them chunk by chunk, each in a transaction of
its own, so that others wait for a fraction of a second at most and a killed worker leaves nothing half done.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from invite_service.bell import Bell
from invite_service.domain.batch_update import Alike, AlikeChange, BatchAction, BatchChange, BatchUpdate, Chosen
from invite_service.domain.errors import ActionRefusedError, UndoRefusedError, UnexpectedCountError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.rules import actions
from invite_service.rules.batch_updates import UNCHANGED, change_alike, needs_facts, undo_one
from invite_service.rules.replanning import replan
from invite_service.rules.sending import SendFacts
from invite_service.rules.slots import local_day
from invite_service.services.invitations import Period, within
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.waiting_orders import decide_waiting
from invite_service.storage.batch_updates import Chunk
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.sending import SendContent
from invite_service.storage.stores import Stores

CHUNK: Final = 2_000
"""Invitations changed in one transaction: what an order of one of these customers may have to wait for."""

CHUNK_WITH_FACTS: Final = 250
"""The same where each customer's history is locked and read."""

OPEN: Final = InvitationFilter(statuses=(InvitationStatus.SCHEDULED,))
"""What may be planned again; of these the rules leave out what is not open."""

UNDO_WITHIN: Final = timedelta(days=30)
"""How long a batch update can be undone."""

MAX_CONFLICTS: Final = 5
"""How often a chunk is begun again because somebody else changed the same customers' histories."""


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


@dataclass(slots=True)
class Worked:
    """What became of the invitations of a chunk."""

    changes: list[InvitationChange] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def take(self, invitation: Invitation, change: Callable[[], Invitation]) -> None:
        """Change one, or count why not."""
        try:
            changed = change()
        except ActionRefusedError as error:
            self.skipped[error.reason] += 1
            return
        if changed == invitation:
            self.skipped[UNCHANGED] += 1
        else:
            self.changes.append(InvitationChange(changed, invitation))


@dataclass(slots=True)
class WorkedAlike:
    """What became of invitations that are alike, group by group."""

    changes: list[AlikeChange] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def take_all(
        self, groups: Iterable[Alike], change: BatchChange, *, policy: Policy, merchant: Merchant, now: datetime
    ) -> None:
        """Change each group, or count why not."""
        for alike in groups:
            try:
                changed, unchanged = change_alike(alike, change, policy=policy, merchant=merchant, now=now)
            except ActionRefusedError as error:
                self.skipped[error.reason] += len(alike.ids)
                continue
            self.changes.append(changed)
            if unchanged:
                self.skipped[UNCHANGED] += unchanged


class BatchUpdateService:
    """Accepts batch updates, forecasts them, and does them chunk by chunk."""

    def __init__(
        self,
        database: Database,
        *,
        bell: Bell,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        policies: PolicyVersions,
        chunk_size: int = CHUNK,
    ) -> None:
        self._database = database
        self._bell = bell
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
            policy = await self._current_policy(stores, merchant)
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
                await self._enable_each(stores, merchant, found, enabled, policy=policy, now=now)
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
        matched = await stores.batch_updates.add_waiting_orders(merchant.id, batch.id, chunk_size=CHUNK_WITH_FACTS)
        return replace(batch, matched=matched)

    async def undo(self, merchant: Merchant, batch_id: UUID, *, actor: str) -> BatchUpdate:
        """Accept a batch update that puts back what another one changed; asked again, it gives the same one.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
            UndoRefusedError: it is itself an undo, is not finished yet, or is more than thirty days old.
        """
        for conflicts in range(MAX_CONFLICTS):
            try:
                return await self._undo_once(merchant, batch_id, actor=actor)
            except TransactionConflictError:
                if conflicts == MAX_CONFLICTS - 1:
                    raise
        raise AssertionError("the last conflict is raised")

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

    async def get(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get a batch update and how far it is.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
        """
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.get(merchant_id, batch_id)

    async def find_merchants(self) -> list[MerchantId]:
        """Find merchants with a batch update that has something left to do."""
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.list_merchants_with_unfinished()

    async def list_unfinished(self, merchant_id: MerchantId) -> list[UUID]:
        """List a merchant's batch updates with something left to do, the oldest first."""
        async with self._database.autocommit() as stores:
            return await stores.batch_updates.list_unfinished(merchant_id)

    async def work(self, merchant_id: MerchantId, batch_id: UUID) -> bool:
        """Change one chunk of a batch update; False when there is none left that nobody else is changing."""
        for conflicts in range(MAX_CONFLICTS):
            try:
                return await self._work_once(merchant_id, batch_id)
            except TransactionConflictError:
                if conflicts == MAX_CONFLICTS - 1:
                    raise
                await asyncio.sleep(0)
        raise AssertionError("the last conflict is raised")

    async def _add(
        self, merchant_id: MerchantId, batch: BatchUpdate, chosen: Chosen | None, *, expected_count: int | None
    ) -> BatchUpdate:
        async with self._database.transaction() as stores:
            added = await self._freeze(stores, merchant_id, batch, chosen)
            if expected_count is not None and added.matched != expected_count:
                detail = f"It is about {added.matched} invitations, and {expected_count} were expected."
                raise UnexpectedCountError(detail, matched=added.matched)
        return added

    async def _freeze(
        self, stores: Stores, merchant_id: MerchantId, batch: BatchUpdate, chosen: Chosen | None
    ) -> BatchUpdate:
        chunk_size = self._size_for(batch.change.action)
        matched = await stores.batch_updates.add(merchant_id, batch, chosen=chosen, chunk_size=chunk_size)
        return replace(batch, matched=matched)

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
            chunk.order_ids,
            policy=policy,
            policies=self._policies,
            new_id=self._new_id,
            now=now,
        )
        made = [invitation.id for invitation in decided.made]
        await stores.batch_changes.keep_made(merchant.id, batch, made, at=now)
        return _Done(len(decided.orders), decided.skipped, _is_any_due(decided.made, now=now))

    async def _change_alike(
        self, stores: Stores, merchant: Merchant, batch: BatchUpdate, chunk: Chunk, *, now: datetime
    ) -> "_Done":
        policy = await self._current_policy(stores, merchant)
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
        policy = await self._current_policy(stores, merchant)
        worked = Worked()
        found = await self._lock_histories(stores, merchant.id, chunk.invitation_ids)
        if batch.change.policy_version is not None:
            version = batch.change.policy_version
            policies = await self._policies.get(stores, merchant.id, {version})
            await replan_each(stores, merchant, found, worked, policy=policies[version], now=now)
        elif batch.undo_of is None:
            await self._enable_each(stores, merchant, found, worked, policy=policy, now=now)
        else:
            await self._undo_each(stores, merchant, batch.undo_of, found, worked, policy=policy, now=now)
        return worked

    async def _lock_histories(
        self, stores: Stores, merchant_id: MerchantId, invitation_ids: Sequence[UUID]
    ) -> list[Invitation]:
        """Lock orders, contacts and invitations, in this order (DESIGN.md section 4)."""
        seen = await stores.sending.read_invitations(merchant_id, invitation_ids)
        order_ids = {order_id for invitation in seen for order_id in invitation.order_ids}
        await stores.history.lock(
            merchant_id, order_ids, {invitation.contact for invitation in seen if invitation.contact}
        )
        locked = await stores.invitations.lock(merchant_id, invitation_ids)
        known = {invitation.id: (invitation.order_ids, invitation.contact) for invitation in seen}
        if any((invitation.order_ids, invitation.contact) != known[invitation.id] for invitation in locked):
            raise TransactionConflictError("An order joined before the locks were held.")
        return locked

    async def _enable_each(
        self,
        stores: Stores,
        merchant: Merchant,
        found: Sequence[Invitation],
        worked: Worked,
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        plans = await self._policies.get(stores, merchant.id, {invitation.policy_version for invitation in found})
        facts = await _read_facts(stores, merchant, found)
        for invitation in found:
            worked.take(
                invitation,
                lambda invitation=invitation: actions.enable(  # type: ignore[misc]
                    invitation,
                    facts=facts.of(invitation),
                    policy=policy,
                    plan=plans[invitation.policy_version],
                    merchant=merchant,
                    now=now,
                ),
            )
            facts.become(worked.changes[-1:])

    async def _undo_each(
        self,
        stores: Stores,
        merchant: Merchant,
        undo_of: UUID,
        found: Sequence[Invitation],
        worked: Worked,
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        effects = await stores.batch_changes.read_effects(merchant.id, undo_of, [invitation.id for invitation in found])
        versions = {effect.before.policy_version for effect in effects.values()}
        plans = await self._policies.get(stores, merchant.id, versions)
        facts = await _read_facts(stores, merchant, found)
        for invitation in found:
            effect = effects[invitation.id]
            worked.take(
                invitation,
                lambda invitation=invitation, effect=effect: undo_one(  # type: ignore[misc]
                    invitation,
                    effect,
                    facts=facts.of(invitation),
                    policy=policy,
                    plan=plans[effect.before.policy_version],
                    merchant=merchant,
                    now=now,
                ),
            )
            facts.become(worked.changes[-1:])

    async def _current_policy(self, stores: Stores, merchant: Merchant) -> Policy:
        policies = await self._policies.get(stores, merchant.id, {merchant.policy_version})
        return policies[merchant.policy_version]

    def _size_for(self, action: BatchAction) -> int:
        return min(self._chunk_size, CHUNK_WITH_FACTS) if needs_facts(action) else self._chunk_size


async def replan_each(
    stores: Stores, merchant: Merchant, found: Sequence[Invitation], worked: Worked, *, policy: Policy, now: datetime
) -> None:
    """Plan invitations again under a policy, with the orders they were made for and their products' categories."""
    invited = await stores.batch_changes.read_invited_orders(merchant.id, found)
    categories: Mapping[str, str | None] = {}
    if policy.excluded_categories:
        product_ids = {product_id for invitation in found for product_id in invitation.product_ids}
        categories = await stores.batch_changes.read_categories(merchant.id, product_ids)
    for invitation in found:
        worked.take(
            invitation,
            lambda invitation=invitation: replan(  # type: ignore[misc]
                invitation,
                invited.get(invitation.id),
                policy=policy,
                categories=categories,
                merchant=merchant,
                now=now,
            ),
        )


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done of a chunk."""

    changed: int
    skipped: Mapping[str, int]
    is_due: bool


def _is_any_due(invitations: Iterable[Invitation], *, now: datetime) -> bool:
    due = (invitation.next_attempt_at for invitation in invitations)
    return any(next_attempt_at is not None and next_attempt_at <= now for next_attempt_at in due)


class _Facts:
    """What others ask the customers of some invitations, kept up with what becomes of these."""

    def __init__(
        self, contents: Sequence[SendContent], invitations: Mapping[UUID, Invitation], *, paused: bool
    ) -> None:
        self._contents = {content.invitation.id: content for content in contents}
        self._invitations = dict(invitations)
        self._paused = paused

    def of(self, invitation: Invitation) -> SendFacts:
        content = self._contents[invitation.id]
        return SendFacts(
            orders=content.orders,
            suppressed=content.suppressed,
            has_feedback=content.has_feedback,
            others=[self._invitations[other] for other in content.other_ids if other in self._invitations],
            is_paused=self._paused,
        )

    def become(self, changes: Sequence[InvitationChange]) -> None:
        self._invitations |= {change.invitation.id: change.invitation for change in changes}


async def _read_facts(stores: Stores, merchant: Merchant, found: Sequence[Invitation]) -> _Facts:
    contents = await stores.sending.read_contents(merchant.id, [invitation.id for invitation in found])
    others = {other for content in contents for other in content.other_ids}
    invitations = {
        invitation.id: invitation for invitation in await stores.sending.read_invitations(merchant.id, others)
    }
    invitations |= {invitation.id: invitation for invitation in found}
    return _Facts(contents, invitations, paused=merchant.paused_at is not None)
