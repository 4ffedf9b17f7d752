"""A merchant's life replayed in memory under several policies: orders as they came, messages as they would have left.

What the world would have done is not known, so every provider accepts, and nobody answers, unsubscribes or reports.
The same events under the same policy end the same, down to every message.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import count, groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderEvent, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules import states
from invite_service.rules.circles import Accepted, Circles
from invite_service.rules.decide import NO_HISTORY, decide
from invite_service.rules.ledger import NOTHING_FOLDED, Ledger
from invite_service.rules.own_ids import OwnId
from invite_service.rules.sending import Later, Missed, Send, Skip, may_send
from invite_service.rules.slots import local_hour, new_send_plan
from invite_service.rules.states import plan_second_step

T = TypeVar("T")

AFTERMATH: Final = timedelta(days=500)
"""How long after its last order a simulation still sends: longer than any delay with its second message."""


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


@lru_cache(maxsize=1024)
def _fate(outcome: OrderOutcome, reason: Reason | None, kind: Kind | None) -> Fate:
    """Make a fate, of which there are few."""
    return Fate(outcome, reason, kind)


class Simulation:
    """Orders under one policy: a ledger that begins empty, and the messages that are due on the way."""

    def __init__(self, merchant: Merchant, *, policy: Policy, messages: MessageTally) -> None:
        self._merchant = merchant
        self._policy = policy
        self._messages = messages
        numbers = count(1)
        self._ledger = Ledger(
            merchant, policy=policy, policies={}, new_id=lambda: OwnId(int=next(numbers)), keeps_record=False
        )
        self._due: list[tuple[datetime, int, UUID]] = []

    def post(
        self, events: Sequence[OrderEvent], *, accepted_at: datetime, folded: Mapping[str, Order] = NOTHING_FOLDED
    ) -> None:
        """Replay events that were accepted at one instant; what is due before it has to be sent by then."""
        orders = self._ledger.orders
        known = [orders[event.order_id] for event in events if event.order_id in orders]
        posted = self._ledger.post_batch(events, accepted_at=accepted_at, folded=folded)
        for order in (*posted, *known):
            if order.invitation_id is not None:
                self._plan(self._ledger.invitations[order.invitation_id])

    def send_until(self, until: datetime) -> Iterator[None]:
        """Send everything that is due before an instant, each message at its own time, and pause after each."""
        while self._due and self._due[0][0] < until:
            due_at, _, invitation_id = heapq.heappop(self._due)
            invitation = self._ledger.invitations[invitation_id]
            # It may have been cancelled meanwhile, or moved.
            if invitation.status is InvitationStatus.SCHEDULED and invitation.next_attempt_at == due_at:
                self._send(invitation, due_at)
                yield

    def send_the_rest(self) -> Iterator[None]:
        """Send everything that can still be sent when no more orders come."""
        if self._due:
            yield from self.send_until(self._due[0][0] + AFTERMATH)

    def fate_of(self, order_id: str) -> Fate:
        """Tell what became of an order."""
        order = self._ledger.orders[order_id]
        return _fate(order.outcome, order.reason, self._kind_of(order))

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
                self._messages.count(step, invitation.channel, local_hour(now, self._merchant.time_zone))
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


class Side:
    """What one policy makes of the orders."""

    def __init__(self, merchant: Merchant, policy: Policy) -> None:
        self._merchant = merchant
        self._policy = policy
        self.fates: dict[str, Fate] = {}
        self.messages = MessageTally()

    def replay_alone(self, order: Order) -> None:
        """Replay an order that nothing bears on: it is decided once, and its messages leave when they are planned."""
        policy, merchant = self._policy, self._merchant
        decision = decide(
            order, policy=policy, history=NO_HISTORY, merchant=merchant, now=order.received_at, is_traced=False
        )
        plan = decision.plan
        if plan is None:
            self.fates[order.order_id] = _fate(decision.outcome, decision.reason, None)
            return
        self.fates[order.order_id] = _fate(decision.outcome, decision.reason, plan.kind)
        first_sent_at = sent_at = plan.send_at
        for place, step in enumerate(plan.steps):
            if place:
                to_come = new_send_plan((policy, plan.time_zone, merchant.id, order.order_id, step))
                sent_at = plan_second_step(to_come, first_sent_at=first_sent_at, now=sent_at)
            self.messages.count(step, plan.channel, local_hour(sent_at, merchant.time_zone))

    def replay_circle(self, accepted: Sequence[Accepted]) -> Iterator[None]:
        """Replay the orders of a circle, a little at a time."""
        simulation = Simulation(self._merchant, policy=self._policy, messages=self.messages)
        folded = {event.order_id: first for _, event, first in accepted if first is not None}
        for at, events in groupby(accepted, key=attrgetter("at")):
            yield from simulation.send_until(at)
            simulation.post([event for _, event, _ in events], accepted_at=at, folded=folded)
            yield
        yield from simulation.send_the_rest()
        self.fates.update((order_id, simulation.fate_of(order_id)) for order_id in folded)


class SideBySide:
    """The same events replayed under several policies: what no policy bears on is done once for all of them.

    Each circle of orders is replayed for itself: that of an order with contacts of its own, most often, without a
    ledger.
    """

    def __init__(self, merchant: Merchant, policies: Iterable[Policy]) -> None:
        self.sides = tuple(Side(merchant, policy) for policy in policies)
        self._circles = Circles()

    @property
    def order_ids(self) -> Sequence[str]:
        """The orders that were taken in, as they first came."""
        return self._circles.order_ids

    def take(self, event: OrderEvent, *, accepted_at: datetime) -> None:
        """Take in an event; those of one order as they were accepted."""
        self._circles.take(event, accepted_at=accepted_at)

    def replay(self) -> Iterator[int]:
        """Replay everything that was taken in, and tell after every few orders how many are done."""
        done = 0
        for accepted in self._circles.hand_out():
            first = accepted[0].first
            if first is not None and len(accepted) == 1:
                for side in self.sides:
                    side.replay_alone(first)
            else:
                for side in self.sides:
                    for _ in side.replay_circle(accepted):
                        yield done
            done += sum(one.first is not None for one in accepted)
            yield done
