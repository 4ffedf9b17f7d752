"""Accepting order events: the one path of single posts, batches and previews (DESIGN.md section 5)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from invite_service.bell import Bell
from invite_service.domain.errors import Fault, MerchantNotFoundError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import UNSET, Order, OrderEvent, OrderOutcome
from invite_service.rules.ledger import Ledger
from invite_service.rules.orders import check_event, contacts_of
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from invite_service.storage.decisions import Decisions
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.history import NO_STORED_HISTORY, Locked, StoredHistory
from invite_service.storage.orders import OrderEventRecord
from invite_service.storage.stores import Stores

MAX_DECISIONS: Final = 5
"""How often a call decides because others came in between, before it gives up."""


@dataclass(frozen=True, slots=True)
class IngestItem:
    """One order event: checked and typed, and the body it was posted as, which goes into the record."""

    event: OrderEvent
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IngestedOrder:
    """What became of an accepted event."""

    order: Order
    """The order after the event."""
    invitation: Invitation | None
    """The invitation it belongs to, after everything that was accepted with it."""
    is_new: bool
    """Whether the event is the first of its order."""


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An event that was not accepted, with everything that is wrong with it; nothing of it is stored."""

    order_id: str
    faults: tuple[Fault, ...]


IngestResult = IngestedOrder | RefusedOrder
"""What became of an event."""


def tell_nobody(outcomes: Mapping[OrderOutcome, int]) -> None:
    """Take the counts of a call and do nothing with them."""


class OrderIngestService:
    """Decides order events and stores what was decided."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        bell: Bell,
        policy_versions: PolicyVersions,
        on_accepted: Callable[[Mapping[OrderOutcome, int]], None] = tell_nobody,
    ) -> None:
        """Make a service; `on_accepted` is told after each commit how many events ended in which outcome."""
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._bell = bell
        self._policy_versions = policy_versions
        self._on_accepted = on_accepted

    async def ingest(self, merchant_id: MerchantId, items: Sequence[IngestItem]) -> list[IngestResult]:
        """Accept order events in one transaction; the result is aligned with them.

        An event that is wrong in itself is refused alone. Once this returns, everything else is committed.

        Raises:
            MerchantNotFoundError: there is no such merchant.
            TransactionConflictError: others came in between again and again; nothing was stored.
        """
        tries = 0
        while True:
            try:
                decided = await self._decide_and_commit(merchant_id, items)
            except TransactionConflictError:
                tries += 1
                if tries == MAX_DECISIONS:
                    raise
            else:
                break
        results = decided.results()
        self._on_accepted(Counter(result.order.outcome for result in results if isinstance(result, IngestedOrder)))
        if decided.is_due_at_once():
            self._bell.ring(merchant_id)
        return results

    async def preview(self, merchant_id: MerchantId, events: Sequence[OrderEvent]) -> list[IngestResult]:
        """Decide order events as `ingest` would now; locks and stores nothing.

        Raises:
            MerchantNotFoundError: there is no such merchant.
        """
        async with self._database.transaction(by_key=True) as stores:
            found = await stores.history.find(merchant_id, _order_ids(events), _posted_contacts(events))
            decided = await self._decide(stores, merchant_id, events, found, lock=False)
        return decided.results()

    async def _decide_and_commit(self, merchant_id: MerchantId, items: Sequence[IngestItem]) -> "_Decided":
        events = [item.event for item in items]
        async with self._database.transaction(by_key=True) as stores:
            locked = await stores.history.lock(merchant_id, _order_ids(events), _posted_contacts(events))
            decided = await self._decide(stores, merchant_id, events, locked, lock=True)
            await stores.decisions.record(merchant_id, decided.decisions(items, new_id=self._new_id))
        return decided

    async def _decide(
        self, stores: Stores, merchant_id: MerchantId, events: Sequence[OrderEvent], found: Locked | None, *, lock: bool
    ) -> "_Decided":
        if found is None:
            raise MerchantNotFoundError("No merchant of that id exists.")
        merchant = found.merchant
        history = await _read_history(stores, merchant_id, events, found, lock=lock)
        versions = {merchant.policy_version, *(invitation.policy_version for invitation in history.invitations)}
        policies = await self._policy_versions.get(stores, merchant_id, versions)
        ledger = Ledger(merchant, policy=policies[merchant.policy_version], policies=policies, new_id=self._new_id)
        ledger.load(history.orders, history.invitations, history.suppressions)
        return _Decided(ledger, events, history=history, now=merchant.now(self._clock()))


async def _read_history(
    stores: Stores, merchant_id: MerchantId, events: Sequence[OrderEvent], found: Locked, *, lock: bool
) -> StoredHistory:
    """Read the history of every contact the orders have or will have.

    What was read while others, who held a lock on it, committed may be older than our lock; then it is read once more,
    with all locks held.
    """
    contacts = _all_contacts(events, found)
    if lock:
        await stores.contacts.lock(merchant_id, contacts - found.contacts)
    seen = contacts - found.new_contacts
    if not seen and not found.known_orders:
        if not found.has_wildcards:
            return NO_STORED_HISTORY
        return StoredHistory(suppressions=await stores.suppressions.list_covering(merchant_id, contacts))
    order_ids = _order_ids(events)
    history = await stores.history.read(merchant_id, order_ids, seen, lock=lock)
    if lock and (history.is_stale or history.reaches_further):
        history = await stores.history.read(merchant_id, order_ids, seen, lock=lock)
    if lock and (history.is_stale or _has_appeared(history, order_ids - found.known_orders.keys())):
        raise TransactionConflictError("The history changed while it was read.")
    return history


def _has_appeared(history: StoredHistory, unknown_ids: AbstractSet[str]) -> bool:
    """Say whether an order was stored by others after we looked for it: its contacts are not locked then."""
    return bool(unknown_ids) and any(order.order_id in unknown_ids for order in history.orders)


def _order_ids(events: Iterable[OrderEvent]) -> set[str]:
    return {event.order_id for event in events}


def _posted_contacts(events: Iterable[OrderEvent]) -> set[str]:
    """Name the contacts that the events tell by themselves."""
    return set().union(*(contacts_of(event, None) for event in events))


def _all_contacts(events: Sequence[OrderEvent], found: Locked) -> set[str]:
    """Name the contacts that the orders have or will have, and perhaps a few more.

    A national phone number is read with a country that the order had before or gets by another event of the call;
    which one will count is not known before they are folded, so it is read with each.
    """
    if not found.known_orders and len(_order_ids(events)) == len(events):
        return set(found.contacts)
    countries: dict[str, set[str | None]] = defaultdict(set)
    for event in events:
        if event.country is not UNSET:
            countries[event.order_id].add(event.country)
    contacts = set(found.contacts)
    for event in events:
        stored = found.known_orders.get(event.order_id)
        contacts |= contacts_of(event, stored)
        if event.country is UNSET and event.phone is not UNSET:
            for country in countries.get(event.order_id, ()):
                contacts |= contacts_of(replace(event, country=country), stored)
    return contacts


class _Decided:
    """The events of a call, decided on a ledger."""

    def __init__(self, ledger: Ledger, events: Sequence[OrderEvent], *, history: StoredHistory, now: datetime) -> None:
        self._events = events
        self._ledger = ledger
        self._now = now
        self._stored_orders = {order.order_id: order for order in history.orders}
        self._stored_invitations = {invitation.id: invitation for invitation in history.invitations}
        self._faults = [check_event(event, now=now) for event in events]
        self._accepted = [index for index, faults in enumerate(self._faults) if not faults]
        self._orders = ledger.post_batch([events[index] for index in self._accepted], accepted_at=now)
        self._changed_invitations = ledger.changed_invitations()

    def decisions(self, items: Sequence[IngestItem], *, new_id: Callable[[], UUID]) -> Decisions:
        """Say what is to be written."""
        return Decisions(
            posted_ids=_order_ids(self._events),
            orders=self._ledger.changed_orders(),
            stored_orders=self._stored_orders,
            invitations=self._changed_invitations,
            stored_invitations=self._stored_invitations,
            events=[
                OrderEventRecord(new_id(), items[index].event.order_id, items[index].body, self._now)
                for position, index in enumerate(self._accepted)
                if self._ledger.is_recorded(position)
            ],
            timeline=self._ledger.timeline,
            accepted_at=self._now,
        )

    def results(self) -> list[IngestResult]:
        """Tell what became of each event."""
        results: list[IngestResult] = [
            RefusedOrder(event.order_id, tuple(faults))
            for event, faults in zip(self._events, self._faults, strict=True)
        ]
        known = set(self._stored_orders)
        for index, order in zip(self._accepted, self._orders, strict=True):
            invitation = self._ledger.invitations[order.invitation_id] if order.invitation_id is not None else None
            results[index] = IngestedOrder(order, invitation, is_new=order.order_id not in known)
            known.add(order.order_id)
        return results

    def is_due_at_once(self) -> bool:
        """Say whether something that was written is due already."""
        return any(
            invitation.status is InvitationStatus.SCHEDULED
            and invitation.next_attempt_at is not None
            and invitation.next_attempt_at <= self._now
            for invitation in self._changed_invitations
        )
