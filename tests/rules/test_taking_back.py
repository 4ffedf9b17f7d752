"""Taking back what a batch update decided about orders that waited: all of it, or none where something moved since."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from invite_service.domain.batch_update import OrderEffect
from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rules.taking_back import take_back
from tests.rules.builders import (
    ACCEPTED_AT,
    FIRST_SLOT,
    INVITATION_ID,
    ORDER_ID,
    make_invitation,
    make_order,
    make_products,
)

TRACE = (TraceEntry("trigger_status", TraceOutcome.DECIDED, "on_hold", {"status": "on_hold"}),)
LATER = "A-1002"


def make_effect(order: Order, *, send_at: Any = FIRST_SLOT) -> OrderEffect:
    return OrderEffect(
        order_id=order.order_id,
        reason=Reason.ON_HOLD,
        trace=TRACE,
        version=order.version,
        invitation_id=order.invitation_id,
        send_at=send_at,
    )


def waiting(order: Order) -> Order:
    return replace(
        order,
        triggered_at=None,
        on_hold=True,
        outcome=OrderOutcome.WAITING,
        reason=Reason.ON_HOLD,
        eligible_at=None,
        invitation_id=None,
        trace=TRACE,
    )


def test_order_that_was_blocked_waits_again_as_it_did() -> None:
    order = make_order(outcome=OrderOutcome.BLOCKED, reason=Reason.NO_CONSENT, invitation_id=None)
    assert take_back(order, make_effect(order, send_at=None), invitation=None, others=()) == (waiting(order), None)


def test_invitation_ends_with_the_order_that_it_was_made_for() -> None:
    order, invitation = make_order(), make_invitation()
    taken = take_back(order, make_effect(order), invitation=invitation, others=())
    assert taken.order == waiting(order)
    assert taken.invitation == replace(
        invitation,
        status=InvitationStatus.CANCELLED,
        ended_reason="undone",
        next_attempt_at=None,
        products=make_products("t1", "t2", brought_by=()),
    )


def test_order_that_joined_leaves_with_what_only_it_brought() -> None:
    joined = make_order(LATER, outcome=OrderOutcome.MERGED)
    shared = make_products("t1", brought_by=(ORDER_ID, LATER))
    invitation = make_invitation(
        order_ids=(ORDER_ID, LATER), products=(*shared, *make_products("t3", brought_by=(LATER,)))
    )
    taken = take_back(joined, make_effect(joined, send_at=None), invitation=invitation, others=[make_order()])
    assert taken.order == waiting(joined)
    assert taken.invitation == replace(invitation, products=(*make_products("t1"), *make_products("t3", brought_by=())))


@pytest.mark.parametrize(
    ("invitation", "others"),
    [
        (make_invitation(status=InvitationStatus.SENDING), []),
        (make_invitation(last_message_at=ACCEPTED_AT, message_count=1), []),
        (make_invitation(status=InvitationStatus.CANCELLED), []),
        (make_invitation(send_at=FIRST_SLOT + timedelta(days=1)), []),
        (make_invitation(moved_by_merchant=True), []),
        (make_invitation(send_now=True), []),
        (make_invitation(), [make_order(LATER, outcome=OrderOutcome.MERGED, invitation_id=INVITATION_ID)]),
    ],
    ids=["being sent", "half sent", "cancelled", "planned otherwise", "moved", "sent now", "joined by another"],
)
def test_order_stays_where_its_invitation_has_moved_since(invitation: Invitation, others: list[Order]) -> None:
    order = make_order()
    with pytest.raises(ActionRefusedError) as refused:
        take_back(order, make_effect(order), invitation=invitation, others=others)
    assert refused.value.reason == "moved_since"


def test_order_that_an_event_has_changed_stays() -> None:
    order = make_order()
    with pytest.raises(ActionRefusedError) as refused:
        take_back(replace(order, version=2), make_effect(order), invitation=make_invitation(), others=())
    assert refused.value.reason == "moved_since"
