"""A merchant's life replayed in memory under one policy: orders as they came, messages as they would have left.

What the world would have done is not known, so every provider accepts, and nobody answers, unsubscribes or reports.
The same events under the same policy end the same, down to every message.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import count
from typing import NamedTuple, TypeVar
from uuid import UUID

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderEvent, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules import states
from invite_service.rules.ledger import NOTHING_FOLDED, Ledger
from invite_service.rules.orders import fold_event
from invite_service.rules.sending import Later, Missed, Send, Skip, may_send
from invite_service.rules.slots import local_hour

T = TypeVar("T")


class MessageTally:
    """Messages that left, counted three ways; days and hours are those of the merchant's zone."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[tuple[Step, Channel], tuple[date, int]]] = Counter()

    def count(self, step: Step, channel: Channel, local: tuple[date, int]) -> None:
        """Count a message that left in an hour of a local day."""
        self._counts[(step, channel), local] += 1

    @property
    def by_step(self) -> Counter[tuple[Step, Channel]]:
        """How many left of each step, by channel."""
        return _add_up((step, number) for (step, _), number in self._counts.items())

    @property
    def by_day(self) -> Counter[date]:
        """How many left on each day."""
        return _add_up((day, number) for (_, (day, _)), number in self._counts.items())

    @property
    def by_hour(self) -> Counter[int]:
        """How many left in each hour of the day."""
        return _add_up((hour, number) for (_, (_, hour)), number in self._counts.items())


def _add_up(counts: Iterable[tuple[T, int]]) -> Counter[T]:
    sums: Counter[T] = Counter()
    for key, number in counts:
        sums[key] += number
    return sums


class Fate(NamedTuple):
    """What became of an order in the end."""

    outcome: OrderOutcome
    reason: Reason | None
    kind: Kind | None
    """Of the invitation it is in."""


class _OwnId(UUID):
    """An id that nobody outside hears of: each is made once and handed on, so that being the same is being equal.

    Finding things by UUIDs is a quarter of what replaying them costs: theirs are compared in Python.
    """

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Simulation:
    """One side of a comparison: a ledger that begins empty, and the messages that are due on the way."""

    def __init__(self, merchant: Merchant, *, policy: Policy) -> None:
        self._merchant = merchant
        self._policy = policy
        numbers = count(1)
        self._ledger = Ledger(
            merchant, policy=policy, policies={}, new_id=lambda: _OwnId(int=next(numbers)), keeps_record=False
        )
        self._due: list[tuple[datetime, int, UUID]] = []
        self.messages = MessageTally()

    def post(
        self, events: Sequence[OrderEvent], *, accepted_at: datetime, folded: Mapping[str, Order] = NOTHING_FOLDED
    ) -> None:
        """Replay events that were accepted at one instant, after everything that was due before it."""
        self.advance(accepted_at)
        orders = self._ledger.orders
        known = [orders[event.order_id] for event in events if event.order_id in orders]
        posted = self._ledger.post_batch(events, accepted_at=accepted_at, folded=folded)
        for order in (*posted, *known):
            if order.invitation_id is not None:
                self._plan(self._ledger.invitations[order.invitation_id])

    def advance(self, until: datetime) -> None:
        """Send everything that is due before an instant, each message at its own time."""
        while self._due and self._due[0][0] < until:
            due_at, _, invitation_id = heapq.heappop(self._due)
            invitation = self._ledger.invitations[invitation_id]
            if invitation.status is InvitationStatus.SCHEDULED and invitation.next_attempt_at == due_at:
                self._send(invitation, due_at)

    @property
    def next_due(self) -> datetime | None:
        """When the next message is due; it may have been cancelled meanwhile."""
        return self._due[0][0] if self._due else None

    @property
    def order_ids(self) -> Sequence[str]:
        """The orders that were replayed, in the order in which they first came."""
        return list(self._ledger.orders)

    def knows(self, order_id: str) -> bool:
        """Say whether an event of the order was replayed."""
        return order_id in self._ledger.orders

    def fate_of(self, order_id: str) -> Fate:
        """Tell what became of an order."""
        order = self._ledger.orders[order_id]
        return Fate(order.outcome, order.reason, self._kind_of(order))

    def _kind_of(self, order: Order) -> Kind | None:
        if order.invitation_id is None or order.outcome not in {OrderOutcome.INVITED, OrderOutcome.MERGED}:
            return None
        return self._ledger.invitations[order.invitation_id].kind

    def _plan(self, invitation: Invitation) -> None:
        if invitation.next_attempt_at is not None:
            heapq.heappush(self._due, (invitation.next_attempt_at, invitation.id.int, invitation.id))

    def _send(self, invitation: Invitation, now: datetime) -> None:
        step = invitation.next_step
        assert step is not None, "what is scheduled has a next step"
        facts = self._ledger.facts_of(invitation)
        # One policy all along: it is both the current one and the one stored with every invitation.
        match may_send(invitation, facts=facts, policy=self._policy, plan=self._policy, now=now):
            case Send(product_ids=product_ids):
                self.messages.count(step, invitation.channel, local_hour(now, self._merchant.time_zone))
                after = states.record_accepted(
                    invitation, plan=self._policy, merchant=self._merchant, asked_at=now, product_ids=product_ids
                )
            case Skip(reason=reason):
                after = states.record_skipped(invitation, reason=reason.value)
            case Missed():
                after = states.record_missed(invitation)
            case Later(until=until):
                after = states.record_later(invitation, until=until)
        self._ledger.keep(after)
        self._plan(after)


class SideBySide:
    """The same events replayed under several policies: what no policy bears on is done once for all of them."""

    def __init__(self, merchant: Merchant, policies: Iterable[Policy]) -> None:
        self.sides = tuple(Simulation(merchant, policy=policy) for policy in policies)

    def post(self, events: Sequence[OrderEvent], *, accepted_at: datetime) -> None:
        """Replay events that were accepted at one instant, after everything that was due before it."""
        folded: dict[str, Order] = {}
        for event in events:
            if event.order_id not in folded and not self.sides[0].knows(event.order_id):
                folded[event.order_id] = fold_event(None, event, accepted_at=accepted_at)
        for side in self.sides:
            side.post(events, accepted_at=accepted_at, folded=folded)
