"""Laws of simulations: replaying faster, or two policies at once, is replaying."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.merchant import Merchant
from invite_service.domain.order import OrderEvent
from invite_service.domain.policy import Policy
from invite_service.rules.simulation import Fate, MessageTally, SideBySide, Simulation
from tests.rules.bodies import read_body
from tests.rules.builders import make_merchant
from tests.rules.cases import make_policy
from tests.rules.laws.strategies import (
    START,
    HistoryPlan,
    histories,
    law,
    random_fixed_settings,
    random_settings,
)
from tests.rules.shop import Shop


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    chance = random.Random(draw(st.integers(0, 2**64 - 1)))
    return make_policy(random_fixed_settings(chance) | random_settings(chance))


def posts(plan: HistoryPlan) -> Iterator[tuple[Sequence[OrderEvent], datetime]]:
    """Give what a history posts; a simulation knows of nothing else."""
    now = START
    for step in plan.steps:
        now += step.after
        if step.what == "post":
            yield [read_body(body) for body in plan.bodies_of(step, now)], now


class Replayed(NamedTuple):
    """Everything that a simulation tells of one policy."""

    fates: Mapping[str, Fate]
    messages: MessageTally

    def told(self) -> tuple[object, ...]:
        messages = self.messages
        return dict(self.fates), messages.by_step, messages.by_day, messages.by_hour


def replay(merchant: Merchant, policy: Policy, plan: HistoryPlan) -> Replayed:
    """Replay everything on one ledger, in the order of time."""
    messages = MessageTally()
    simulation = Simulation(merchant, policy=policy, messages=messages)
    order_ids: dict[str, None] = {}
    for events, now in posts(plan):
        exhaust(simulation.send_until(now))
        simulation.post(events, accepted_at=now)
        order_ids.update((event.order_id, None) for event in events)
    exhaust(simulation.send_the_rest())
    return Replayed({order_id: simulation.fate_of(order_id) for order_id in order_ids}, messages)


def exhaust(pauses: Iterator[None]) -> None:
    for _ in pauses:
        pass


@law(max_examples=60)
@given(histories(), policies())
def test_sides_replayed_together_circle_by_circle_are_those_replayed_apart(plan: HistoryPlan, changed: Policy) -> None:
    merchant, current = make_merchant(time_zone=plan.zone), make_policy(plan.settings)
    together = SideBySide(merchant, (current, changed))
    for events, now in posts(plan):
        for event in events:
            together.take(event, accepted_at=now)
    order_ids = together.order_ids
    done = list(together.replay())
    assert done[-1:] == [len(order_ids)][: len(done)]
    assert done == sorted(done)
    for side, policy in zip(together.sides, (current, changed), strict=True):
        assert Replayed(side.fates, side.messages).told() == replay(merchant, policy, plan).told()


@law(max_examples=50)
@given(histories())
def test_simulation_ends_as_a_shop_whose_customers_are_silent(plan: HistoryPlan) -> None:
    """A shop keeps traces, loads a ledger for each transaction, and finds its invitations by ids of the usual kind."""
    shop = Shop(make_policy(plan.settings), merchant=make_merchant(time_zone=plan.zone))
    for events, now in posts(plan):
        shop.advance(now)
        shop.post_batch(events, now)
    shop.advance(START + timedelta(days=400))

    simulated = replay(shop.merchant, shop.policy, plan)

    assert {order_id: (fate.outcome, fate.reason) for order_id, fate in simulated.fates.items()} == {
        order_id: (order.outcome, order.reason) for order_id, order in shop.orders.items()
    }
    left = [(message.step, message.at.astimezone(ZoneInfo(plan.zone))) for message in shop.messages]
    assert simulated.messages.by_day == Counter(at.date() for _, at in left)
    assert simulated.messages.by_hour == Counter(at.hour for _, at in left)
    by_step = Counter(step for step, _ in left)
    assert Counter(step for step, _ in simulated.messages.by_step.elements()) == by_step
