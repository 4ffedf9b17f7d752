"""Laws of deciding orders: whatever the history, these hold."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.invitation import Kind
from invite_service.domain.order import OrderOutcome
from invite_service.rules import membership
from invite_service.rules.decide import Decision, History, PastInvitation, decide
from invite_service.rules.draw import draw_bucket, kind_of
from invite_service.rules.ledger import Ledger
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.bodies import read_body
from tests.rules.builders import make_merchant
from tests.rules.laws.player import Player, play
from tests.rules.laws.strategies import START, HistoryPlan, batches, histories, law, orders
from tests.rules.shop import Shop

_JOINED = {OrderOutcome.INVITED, OrderOutcome.MERGED}


def play_on(player: Player, plan: HistoryPlan) -> Shop:
    play(plan, player, check=lambda: None)
    return player.shop


def new_player(plan: HistoryPlan) -> Player:
    return Player(make_merchant(time_zone=plan.zone), plan.settings)


@law(max_examples=40)
@given(histories())
def test_same_input_same_decision(plan: HistoryPlan) -> None:
    first, second = (play_on(new_player(plan), plan) for _ in range(2))
    assert (first.orders, first.invitations) == (second.orders, second.invitations)
    assert (first.messages, first.verdicts, first.timeline) == (second.messages, second.verdicts, second.timeline)


@law(max_examples=60)
@given(histories(), orders(), st.randoms(use_true_random=False))
def test_order_in_which_a_history_is_read_does_not_matter(
    plan: HistoryPlan, body: dict[str, Any], chance: random.Random
) -> None:
    shop = play_on(new_player(plan), plan)
    event = read_body(plan.body_at({**body, "order_id": "new", "status": "shipped"}, START))
    order = Shop(shop.policy, merchant=shop.merchant).post(event, START)
    past_orders = list(shop.orders.values())
    past = [
        PastInvitation(one, [live.purchased_at for live in shop.live_orders(one)]) for one in shop.invitations.values()
    ]
    suppressed = SuppressedContacts(shop.suppressions)

    def decided(history: History) -> Decision:
        return decide(order, policy=shop.policy, history=history, merchant=shop.merchant, now=START)

    as_read = decided(History(past_orders, past, suppressed))
    shuffled = History(chance.sample(past_orders, len(past_orders)), chance.sample(past, len(past)), suppressed)

    assert decided(shuffled) == as_read


@law(max_examples=60)
@given(histories())
def test_outcomes_partition_the_orders_received(plan: HistoryPlan) -> None:
    player = new_player(plan)
    received: set[str] = set()
    for step in plan.steps:
        if step.what == "post":
            received.update(body["order_id"] for body in step.given)

    def check() -> None:
        counts = Counter(order.outcome for order in player.shop.orders.values())
        assert counts.keys() <= set(OrderOutcome)
        assert counts.total() == len(player.shop.orders)
        for order in player.shop.orders.values():
            assert (order.reason is not None) is (order.outcome in {OrderOutcome.BLOCKED, OrderOutcome.WAITING})
            assert order.outcome not in _JOINED or order.invitation_id in player.shop.invitations
            assert order.trace

    play(plan, player, check=check)
    assert player.shop.orders.keys() == received


@law(max_examples=60)
@given(histories())
def test_every_invitation_with_a_live_order_has_exactly_one_that_is_invited(plan: HistoryPlan) -> None:
    player = new_player(plan)

    def check() -> None:
        for invitation in player.shop.invitations.values():
            live = player.shop.live_orders(invitation)
            outcomes = Counter(order.outcome for order in live)
            assert outcomes.keys() <= _JOINED
            assert outcomes[OrderOutcome.INVITED] == min(len(live), 1)

    play(plan, player, check=check)


@law(max_examples=60)
@given(histories())
def test_scheduled_invitation_asks_only_what_its_live_orders_brought(plan: HistoryPlan) -> None:
    player = new_player(plan)

    def check() -> None:
        for one in player.shop.invitations.values():
            live_ids = {order.order_id for order in player.shop.live_orders(one)}
            if one.has_messages_to_come:
                assert live_ids
                assert {order_id for product in one.products for order_id in product.brought_by} <= live_ids
                assert one.product_ids or one.kind is Kind.SERVICE

    play(plan, player, check=check)


@law(max_examples=300)
@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 100), st.integers(0, 100))
def test_raising_the_percentage_never_moves_a_draw_to_product(
    merchant_id: str, order_id: str, one: int, other: int
) -> None:
    bucket = draw_bucket(merchant_id, order_id)
    lower, higher = (kind_of(bucket, service_percent=percent) for percent in sorted((one, other)))
    assert (lower, higher) != (Kind.SERVICE, Kind.PRODUCT)


@law(max_examples=60)
@given(histories(), orders(), st.integers(0, 100), st.integers(0, 100))
def test_raising_the_percentage_never_moves_an_order_to_product(
    plan: HistoryPlan, body: dict[str, Any], one: int, other: int
) -> None:
    """With the same history: everything before the order was decided under the same policy."""
    shop = play_on(new_player(plan), plan)
    now = START + timedelta(days=400)
    event = read_body(plan.body_at({**body, "order_id": "new", "status": "shipped"}, now))
    kinds = []
    for percent in sorted((one, other)):
        before = dict(shop.orders), dict(shop.invitations)
        copy = Shop(shop.policy, merchant=shop.merchant)
        copy.take_over(shop)
        copy.save_policy(service_percent=percent)
        order = copy.post(event, now)
        kinds += [entry.data["kind"] for entry in order.trace if entry.rule == "kind"]
        assert (shop.orders, shop.invitations) == before
    assert kinds in (["product", "product"], ["product", "service"], ["service", "service"], [])


@law(max_examples=60)
@given(batches(max_size=6), st.randoms(use_true_random=False), histories(max_steps=6))
def test_order_of_a_batch_does_not_matter(
    bodies: list[dict[str, Any]], chance: random.Random, plan: HistoryPlan
) -> None:
    """Where the ids are distinct and the purchases differ."""
    now = START + timedelta(days=30)
    events = []
    for hours, body in enumerate(bodies):
        event = read_body(plan.body_at(body, now))
        events.append(replace(event, order_id=f"new-{event.order_id}", purchased_at=now - timedelta(hours=hours)))
    in_order, shuffled = (play_on(new_player(plan), plan) for _ in range(2))
    permutation = chance.sample(events, len(events))

    results = dict(zip((e.order_id for e in events), in_order.post_batch(events, now), strict=True))
    others = dict(zip((e.order_id for e in permutation), shuffled.post_batch(permutation, now), strict=True))

    assert results == others
    assert in_order.invitations == shuffled.invitations


@law(max_examples=60)
@given(histories())
def test_event_posted_again_changes_nothing(plan: HistoryPlan) -> None:
    """Merging among the rest: who joined does not join again."""
    player = new_player(plan)
    now = START
    for step in plan.steps:
        now += step.after
        player.advance(now)
        if step.what == "post":
            bodies = plan.bodies_of(step, now)
            player.post(bodies, now)
            before = dict(player.shop.orders), dict(player.shop.invitations)
            player.post([bodies[-1]], now)
            assert (player.shop.orders, player.shop.invitations) == before


@law(max_examples=100)
@given(histories(), st.lists(st.sampled_from(("p1", "p2", "p3", "p9"))), st.sampled_from(("O-1", "O-9")))
def test_merging_is_idempotent(plan: HistoryPlan, product_ids: list[str], order_id: str) -> None:
    shop = play_on(new_player(plan), plan)
    for invitation in shop.invitations.values():
        once = membership.join(invitation, order_id, product_ids)
        assert membership.join(once, order_id, product_ids) == once
        assert set(once.product_ids) == set(invitation.product_ids) | set(product_ids)


@law(max_examples=60)
@given(histories())
def test_ledger_kept_decides_as_ledgers_loaded_anew(plan: HistoryPlan) -> None:
    """A simulation keeps one ledger for everything; ingest loads one for each transaction."""
    shop = Player(make_merchant(time_zone=plan.zone), plan.settings).shop
    twin = Player(make_merchant(time_zone=plan.zone), plan.settings).shop
    kept = Ledger(twin.merchant, policy=twin.policy, policies=twin.policies, new_id=twin.new_id)
    now = START
    for step in plan.steps:
        now += timedelta(hours=7)
        if step.what != "post":
            continue
        events = [read_body(body) for body in plan.bodies_of(step, now)]
        shop.post_batch(events, now)
        kept.post_batch(events, accepted_at=now)

    assert {key: replace(order, version=0) for key, order in shop.orders.items()} == dict(kept.orders)
    assert shop.invitations == dict(kept.invitations)
    assert shop.timeline == kept.timeline
