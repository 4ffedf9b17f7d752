"""Laws of histories: what is looked up of a long one decides like the whole of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.order import Order
from invite_service.rules.decide import Decision, decide
from invite_service.rules.histories import Histories
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.bodies import read_body
from tests.rules.builders import make_merchant
from tests.rules.laws.player import Player, play
from tests.rules.laws.strategies import START, HistoryPlan, histories, law, orders
from tests.rules.shop import Shop


@law(max_examples=25)
@given(histories(max_steps=30), st.lists(orders(), min_size=1, max_size=4))
def test_what_is_looked_up_decides_like_the_whole_history(plan: HistoryPlan, bodies: list[dict[str, Any]]) -> None:
    player = Player(make_merchant(time_zone=plan.zone), plan.settings)
    shop = player.shop
    suppressed = SuppressedContacts()
    long, short = (
        Histories(zone=plan.zone, block_days=shop.policy.block_days, suppressed=suppressed, few=few)
        for few in (-1, 1_000_000)
    )

    def check() -> None:
        for suppression in shop.suppressions:
            suppressed.add(suppression)
        for kept in (long, short):
            for order in shop.orders.values():
                if kept.orders.get(order.order_id) is not order:
                    kept.set_order(order)
            for invitation in shop.invitations.values():
                if kept.invitations.get(invitation.id) is not invitation:
                    kept.set_invitation(invitation)
        for number, body in enumerate(bodies):
            now = START + timedelta(days=7 * number)
            event = read_body(plan.body_at({**body, "order_id": f"new-{number}", "status": "shipped"}, now))
            order = Shop(shop.policy, merchant=shop.merchant).post(event, now)
            decisions = [_decide(shop, kept, order, now) for kept in (long, short)]
            assert decisions[0] == decisions[1]

    play(replace(plan, steps=tuple(step for step in plan.steps if step.what != "save_policy")), player, check=check)


def _decide(shop: Shop, kept: Histories, order: Order, now: datetime) -> Decision:
    return decide(order, policy=shop.policy, history=kept.history_of(order), merchant=shop.merchant, now=now)
