"""The ledger's own part: who goes first, what is recorded, what changed, and what the timeline says of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import InvitationStatus, InvitedProduct
from invite_service.domain.order import OrderEvent, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import SuppressionReason
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.ledger import Ledger
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    ORDER_ID,
    PURCHASED_AT,
    at,
    make_event,
    make_invitation,
    make_lines,
    make_merchant,
    make_order,
    make_policy,
    make_products,
    make_suppression,
)

HOUR = timedelta(hours=1)


def make_ledger(policy: Policy | None = None, **changes: Any) -> Ledger:
    numbers = count(1)
    policy = policy or Policy()
    return Ledger(make_merchant(), policy=policy, policies={}, new_id=lambda: UUID(int=next(numbers)), **changes)


def outcomes(ledger: Ledger) -> dict[str, tuple[str, str | None]]:
    return {
        order_id: (order.outcome.value, order.reason.value if order.reason else None)
        for order_id, order in ledger.orders.items()
    }


def post(ledger: Ledger, *events: OrderEvent) -> list[tuple[str, str]]:
    orders = ledger.post_batch(events, accepted_at=ACCEPTED_AT)
    return [(order.order_id, order.outcome.value) for order in orders]


def test_first_event_schedules_an_invitation() -> None:
    ledger = make_ledger()

    order = ledger.post(make_event(name="Kari"), accepted_at=ACCEPTED_AT)

    [invitation] = ledger.changed_invitations()
    assert replace(order, trace=()) == make_order(customer_name="Kari", version=0)
    assert invitation == make_invitation(customer_name="Kari")
    assert ledger.is_new_invitation(invitation.id)
    assert ledger.timeline == [
        TimelineEntry(
            at=ACCEPTED_AT,
            actor="rule",
            event=TimelineEvent.INVITATION_SCHEDULED,
            order_id=ORDER_ID,
            invitation_id=UUID(int=1),
            data={"kind": "product", "channel": "email", "send_at": "2026-03-16T10:10:57+00:00"},
        )
    ]


def test_batch_is_decided_by_purchase_and_answered_in_its_own_order() -> None:
    late, early = make_event("A-1"), make_event("A-2", purchased_at=PURCHASED_AT - HOUR)
    ledger = make_ledger()

    assert post(ledger, late, early) == [("A-1", "merged"), ("A-2", "invited")]


def test_orders_bought_at_once_are_decided_by_id() -> None:
    assert post(make_ledger(), make_event("b"), make_event("B"), make_event("a")) == [
        ("b", "merged"),
        ("B", "invited"),
        ("a", "merged"),
    ]


def test_events_of_one_order_go_in_their_order_at_the_place_of_the_first() -> None:
    first = make_event("A-1", status="processing", purchased_at=PURCHASED_AT + HOUR)
    second = make_event("A-1", status="shipped", purchased_at=PURCHASED_AT - HOUR)
    between = make_event("A-2")
    ledger = make_ledger()

    assert post(ledger, second, between, first) == [("A-1", "invited"), ("A-2", "merged"), ("A-1", "invited")]
    assert post(make_ledger(), first, between, second) == [("A-1", "waiting"), ("A-2", "invited"), ("A-1", "merged")]


def test_order_without_a_purchase_goes_by_the_stored_one_or_by_when_it_was_accepted() -> None:
    known = make_order("A-9", outcome=OrderOutcome.WAITING, invitation_id=None, status="processing")
    ledger = make_ledger()
    ledger.load([replace(known, purchased_at=PURCHASED_AT - HOUR)])
    unknown = OrderEvent(order_id="A-0", status="shipped", email=EMAIL, lines=make_lines("t9"))
    revived = OrderEvent(order_id="A-9", status="shipped", purchased_at=None)

    assert post(ledger, unknown, make_event("A-5"), revived) == [
        ("A-0", "merged"),
        ("A-5", "merged"),
        ("A-9", "invited"),
    ]


def test_event_equal_to_the_stored_state_is_answered_alike_and_not_recorded() -> None:
    ledger = make_ledger()
    first, again = ledger.post_batch([make_event(), make_event()], accepted_at=ACCEPTED_AT)

    assert first == again
    assert [ledger.is_recorded(index) for index in (0, 1)] == [True, False]
    assert len(ledger.timeline) == 1


def test_event_that_changes_something_is_recorded_with_the_decision_standing() -> None:
    ledger = make_ledger()
    _, after = ledger.post_batch([make_event(), make_event(language="nb")], accepted_at=ACCEPTED_AT)

    assert (after.outcome, after.language) == (OrderOutcome.INVITED, "nb")
    assert [ledger.is_recorded(index) for index in (0, 1)] == [True, True]
    assert [(entry.event, entry.data.get("changed")) for entry in ledger.timeline] == [
        (TimelineEvent.INVITATION_SCHEDULED, None),
        (TimelineEvent.ORDER_CHANGED, ["language"]),
    ]


def test_outdated_event_is_recorded_and_changes_nothing() -> None:
    ledger = make_ledger()
    newer = make_event(updated_at=at("2026-03-02 12:00"))
    older = make_event(status="cancelled", updated_at=at("2026-03-02 11:59"))

    first, second = ledger.post_batch([newer, older], accepted_at=ACCEPTED_AT)

    assert first == second
    assert ledger.is_recorded(1)
    assert ledger.timeline[-1].event is TimelineEvent.ORDER_EVENT_OUTDATED


def test_stored_orders_and_invitations_that_did_not_change_are_not_given() -> None:
    ledger = make_ledger()
    ledger.load([make_order()], [make_invitation()], [make_suppression("other@example.no")])

    ledger.post_batch([make_event("A-2", email="ola@example.no")], accepted_at=ACCEPTED_AT)

    [order] = ledger.changed_orders()
    [invitation] = ledger.changed_invitations()
    assert (order.order_id, order.version) == ("A-2", 1)
    assert invitation.order_ids == ("A-2",)


def test_version_counts_up_once_whatever_happened_to_a_stored_order() -> None:
    ledger = make_ledger()
    ledger.load([make_order(version=4)], [make_invitation()])
    events = [OrderEvent(order_id=ORDER_ID, status=status) for status in ("on_hold", "shipped", "cancelled")]

    ledger.post_batch(events, accepted_at=ACCEPTED_AT)

    assert [order.version for order in ledger.changed_orders()] == [5]
    assert not ledger.is_new_invitation(make_invitation().id)


def test_invitation_changed_back_to_what_is_stored_is_not_given() -> None:
    ledger = make_ledger()
    ledger.load([make_order()], [make_invitation()])
    hold = OrderEvent(order_id=ORDER_ID, status="on_hold")

    ledger.post_batch([hold, OrderEvent(order_id=ORDER_ID, status="shipped")], accepted_at=ACCEPTED_AT)

    assert ledger.changed_invitations() == []


def test_suppressions_that_are_loaded_count() -> None:
    ledger = make_ledger()
    ledger.load(suppressions=[make_suppression(EMAIL, SuppressionReason.HARD_BOUNCE)])
    assert post(ledger, make_event()) == [(ORDER_ID, "blocked")]
    assert ledger.orders[ORDER_ID].reason is Reason.SUPPRESSED


@pytest.mark.parametrize(
    ("contacts", "outcome"),
    [
        ({"email": EMAIL}, "merged"),
        ({"email": None, "phone": "+4791234567"}, "merged"),
        ({"email": "ola@example.no", "phone": "+4791234567"}, "merged"),
        ({"email": "ola@example.no"}, "invited"),
        ({"email": "kari+x@example.no"}, "invited"),
    ],
)
def test_history_is_shared_by_either_contact(contacts: dict[str, Any], outcome: str) -> None:
    ledger = make_ledger()
    post(ledger, make_event("A-1", phone="+4791234567"))
    assert post(ledger, replace(make_event("A-2", lines=make_lines("t9")), **contacts)) == [("A-2", outcome)]


def test_history_goes_by_the_present_contacts_of_an_order() -> None:
    ledger = make_ledger()
    post(ledger, make_event("A-1"))
    post(ledger, OrderEvent(order_id="A-1", email="ola@example.no"))

    assert post(ledger, make_event("A-2"), make_event("A-3", email="ola@example.no")) == [
        ("A-2", "invited"),
        ("A-3", "merged"),
    ]


def test_products_of_a_refunded_order_stay_asked_when_a_message_left() -> None:
    """ADR 0010, point 2: an invitation without any live order belongs to a history through all it had."""
    cancelled = make_order("A-1", outcome=OrderOutcome.CANCELLED)
    left = make_invitation(
        status=InvitationStatus.SENT,
        order_ids=("A-1",),
        products=(InvitedProduct("t1", (), asked=True),),
        last_message_at=PURCHASED_AT,
    )
    ledger = make_ledger()
    ledger.load([cancelled], [left])

    post(ledger, make_event("A-2", lines=make_lines("t1")))

    assert outcomes(ledger)["A-2"] == ("blocked", "products_asked_recently")


def test_cancelled_order_does_not_bring_in_what_others_of_its_invitation_asked() -> None:
    """RULES.md section 1: an invitation belongs to a history through the contacts of any of its live orders."""
    cancelled = make_order("A-1", outcome=OrderOutcome.CANCELLED)
    other = make_order("A-2", outcome=OrderOutcome.INVITED, email="ola@example.no")
    shared = make_invitation(
        order_ids=("A-1", "A-2"), contact="ola@example.no", products=make_products("t2", brought_by=("A-2",))
    )
    ledger = make_ledger()
    ledger.load([cancelled, other], [shared])

    assert post(ledger, make_event("A-3", lines=make_lines("t2"))) == [("A-3", "invited")]


def test_order_does_not_meet_itself() -> None:
    ledger = make_ledger(make_policy(block_days=30))
    post(ledger, make_event(status="processing"))
    assert post(ledger, make_event()) == [(ORDER_ID, "invited")]


def test_counts_by_outcome_add_up_to_the_orders_received() -> None:
    ledger = make_ledger(make_policy(block_days=5))
    batch: Sequence[OrderEvent] = [
        make_event("A-1"),
        make_event("A-2"),
        make_event("A-3", status="processing"),
        make_event("A-4", status="cancelled"),
        make_event("A-5", purchased_at=PURCHASED_AT - timedelta(days=2)),
        make_event("A-6", email=None),
        make_event("A-1", language="nb"),
    ]
    post(ledger, *batch)
    assert outcomes(ledger) == {
        "A-5": ("invited", None),
        "A-1": ("blocked", "repeat_customer_block"),
        "A-2": ("blocked", "repeat_customer_block"),
        "A-3": ("waiting", "status_not_triggering"),
        "A-4": ("cancelled", None),
        "A-6": ("blocked", "no_contact"),
    }


def test_first_slot_of_the_shared_cases_is_that_of_the_ledger() -> None:
    ledger = make_ledger()
    post(ledger, make_event())
    [invitation] = ledger.invitations.values()
    assert (invitation.send_at, invitation.next_attempt_at) == (FIRST_SLOT, FIRST_SLOT)


def test_without_a_record_the_same_is_decided_and_no_reason_told() -> None:
    telling, silent = make_ledger(), make_ledger(keeps_record=False)
    events = [make_event("A-1"), make_event("A-2"), make_event("A-3", email=None), make_event("A-1", status="refunded")]
    for event in events:
        told = telling.post(event, accepted_at=ACCEPTED_AT)
        assert silent.post(event, accepted_at=ACCEPTED_AT) == replace(told, trace=())
        assert told.trace
    assert silent.invitations == telling.invitations
    assert (silent.timeline, len(telling.timeline) > 0) == ([], True)
