"""A long history costs no more to decide on than a short one: what is counted is orders and invitations looked at."""

from dataclasses import fields, replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct, Kind
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.rules.decide import decide
from invite_service.rules.histories import Histories
from invite_service.rules.ledger import Ledger
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import (
    ACCEPTED_AT,
    PHONE,
    PURCHASED_AT,
    make_event,
    make_invitation,
    make_lines,
    make_merchant,
    make_order,
    make_policy,
    make_products,
)

DAY = timedelta(days=1)

_looked_at: set[int] = set()


class WatchedOrder(Order):
    """An order that tells when anything of it is read."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _looked_at.add(id(self))
        return super().__getattribute__(name)


class WatchedInvitation(Invitation):
    """An invitation that tells when anything of it is read."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _looked_at.add(id(self))
        return super().__getattribute__(name)


def watched_order(order: Order) -> Order:
    return WatchedOrder(**{field.name: getattr(order, field.name) for field in fields(order)})


def watched_invitation(invitation: Invitation) -> Invitation:
    return WatchedInvitation(**{field.name: getattr(invitation, field.name) for field in fields(invitation)})


def make_id(number: int) -> UUID:
    return UUID(int=number)


def make_past(number: int, **changes: Any) -> tuple[Order, Invitation]:
    """Make an order of some days ago, invited about two products of which many others asked too."""
    order_id, bought = f"H-{number}", PURCHASED_AT - number * DAY
    products = make_products(f"t{number % 7}", f"u{number}", brought_by=(order_id,), asked="last_message_at" in changes)
    order = make_order(order_id, purchased_at=bought, invitation_id=make_id(number))
    common = {"id": make_id(number), "order_ids": (order_id,), "products": products, "created_at": bought}
    return order, make_invitation(**(common | changes))


def make_ledger(length: int, policy: Policy, **changes: Any) -> Ledger:
    numbers = count(100_000)
    ledger = Ledger(make_merchant(), policy=policy, policies={}, new_id=lambda: make_id(next(numbers)))
    past = [make_past(number, **changes) for number in range(1, length + 1)]
    ledger.load([watched_order(order) for order, _ in past], [watched_invitation(invitation) for _, invitation in past])
    return ledger


def looked_at(ledger: Ledger, **changes: Any) -> int:
    """Count what is looked at to decide one more order, once the history was looked up before."""
    ledger.post(make_event("warm-up", purchased_at=PURCHASED_AT + DAY, lines=make_lines("t0")), accepted_at=ACCEPTED_AT)
    _looked_at.clear()
    order = ledger.post(make_event("new", **changes), accepted_at=ACCEPTED_AT)
    seen = len(_looked_at)
    assert order.outcome in {OrderOutcome.INVITED, OrderOutcome.BLOCKED, OrderOutcome.MERGED}
    return seen


SENT = {
    "status": InvitationStatus.SENT,
    "next_step": None,
    "next_attempt_at": None,
    "message_count": 2,
    "last_message_at": PURCHASED_AT,
}

HISTORIES: dict[str, tuple[Policy, dict[str, Any]]] = {
    "all of it to come": (Policy(), {}),
    "all of it sent": (Policy(), SENT),
    "nothing stays asked": (make_policy(product_repeat_days=0), SENT),
    "all of it service": (make_policy(service_percent=100), SENT | {"kind": Kind.SERVICE}),
    "with a block": (make_policy(block_days=30), {}),
}


@pytest.mark.parametrize(("policy", "changes"), HISTORIES.values(), ids=HISTORIES)
def test_long_history_is_not_walked_through(policy: Policy, changes: dict[str, Any]) -> None:
    counts = [looked_at(make_ledger(length, policy, **changes), lines=make_lines("t0", "x")) for length in (40, 400)]
    assert counts[0] == counts[1] <= 8


def test_order_that_joins_hundreds_of_its_day_looks_at_none_of_them() -> None:
    ledger = make_ledger(0, Policy())
    for number in range(300):
        ledger.post(make_event(f"A-{number}"), accepted_at=ACCEPTED_AT)
    kept = {order_id: watched_order(order) for order_id, order in ledger.orders.items()}
    fresh = make_ledger(0, Policy())
    fresh.load(kept.values(), [watched_invitation(one) for one in ledger.invitations.values()])

    assert looked_at(fresh) <= 3


LATER = PURCHASED_AT + DAY
OPEN_1 = make_invitation(order_ids=("A-1",), products=make_products("t1", brought_by=("A-1",)))
OPEN_2 = replace(OPEN_1, id=make_id(2), order_ids=("A-2",), products=make_products("t1", brought_by=("A-2",)))
OPEN_3 = replace(OPEN_1, id=make_id(3), order_ids=("A-3",), products=make_products("t3", brought_by=("A-3",)))
ORDER_1, ORDER_2, ORDER_3 = (make_order(f"A-{number}", invitation_id=make_id(number)) for number in (1, 2, 3))
SENT_1, SENT_2 = (
    replace(one, status=InvitationStatus.SENT, last_message_at=left_at, products=make_products("t1", asked=True))
    for one, left_at in ((OPEN_1, LATER + DAY), (OPEN_2, LATER))
)
NEW = make_order("new", outcome=OrderOutcome.WAITING, invitation_id=None, lines=make_lines("t1"))
CANCELLED_1 = replace(ORDER_1, outcome=OrderOutcome.CANCELLED)

SITUATIONS: dict[str, tuple[list[Order], list[Invitation], Order, Policy, str]] = {
    "the one that is joined and another ask": (
        [ORDER_1, ORDER_2, ORDER_3], [OPEN_1, OPEN_2, OPEN_3], NEW, Policy(), "merged",
    ),
    "the last message counts": ([ORDER_1, ORDER_2], [SENT_1, SENT_2], NEW, Policy(), "blocked"),
    "a product taken out is not asked": (
        [replace(ORDER_1, purchased_at=LATER)],
        [replace(OPEN_1, products=(InvitedProduct("t1", ()), InvitedProduct("t2", ("A-1",))))],
        NEW, Policy(), "invited",
    ),
    "nothing joins one whose address was taken back": (
        [replace(ORDER_1, email=None, phone=PHONE)], [OPEN_1], replace(NEW, phone=PHONE, lines=make_lines("t9")),
        Policy(), "invited",
    ),
    "an order meets what was sent for it before": (
        [CANCELLED_1], [SENT_1], replace(CANCELLED_1, email="ola@example.no", lines=make_lines("t1")), Policy(),
        "blocked",
    ),
    "an order is not blocked by itself": ([NEW], [], NEW, make_policy(block_days=30), "invited"),
    "nor by one that was cancelled": ([CANCELLED_1], [], NEW, make_policy(block_days=30), "invited"),
    "but by the latest in reach": (
        [ORDER_1, replace(ORDER_2, purchased_at=LATER + 40 * DAY)], [], NEW, make_policy(block_days=30), "blocked",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("orders", "invitations", "order", "policy", "outcome"), SITUATIONS.values(), ids=SITUATIONS)
def test_look_up_decides_like_looking_through(
    orders: list[Order], invitations: list[Invitation], order: Order, policy: Policy, outcome: str
) -> None:
    decisions = []
    for few in (-1, 1000):
        histories = Histories(
            zone="Europe/Oslo", block_days=policy.block_days, suppressed=SuppressedContacts(), few=few
        )
        for one in orders:
            histories.set_order(one)
        for invitation in invitations:
            histories.set_invitation(invitation)
        history = histories.history_of(order)
        decisions.append(decide(order, policy=policy, history=history, merchant=make_merchant(), now=ACCEPTED_AT))

    assert decisions[0] == decisions[1]
    assert decisions[0].outcome.value == outcome
