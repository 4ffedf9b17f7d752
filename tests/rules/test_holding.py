"""On hold and back again (RULES.md sections 2 and 5): the deadline stands still, and it resumes in its next slot."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.order import OrderEvent
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules import membership
from tests.rules.builders import (
    ACCEPTED_AT,
    FIRST_SLOT,
    INVITATION_ID,
    SECOND_SLOT,
    at,
    make_event,
    make_invitation,
    make_merchant,
    make_policy,
    make_sent,
)
from tests.rules.shop import Shop

NEXT_DAY = ACCEPTED_AT + timedelta(days=1)


def shop_of(*order_ids: str, **settings: Any) -> Shop:
    shop = Shop(make_policy(**settings))
    for order_id in order_ids:
        shop.post(make_event(order_id), ACCEPTED_AT)
    return shop


def tell(shop: Shop, order_id: str, status: str | None, now: datetime = NEXT_DAY) -> None:
    shop.post(OrderEvent(order_id=order_id, status=status), now)


def plan(shop: Shop) -> tuple[str, datetime, datetime | None, datetime | None]:
    one = shop.invitations[INVITATION_ID]
    return one.status.value, one.send_at, one.next_attempt_at, one.held_at


RUNNING = ("scheduled", FIRST_SLOT, FIRST_SLOT, None)
HELD = ("scheduled", FIRST_SLOT, None, NEXT_DAY)


@pytest.mark.parametrize("status", ["on_hold", "RETURN_REQUESTED"])
def test_order_on_hold_pauses_its_invitation(status: str) -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", status)
    assert (plan(shop), shop.orders["A-1001"].on_hold) == (HELD, True)


def test_order_that_triggers_again_resumes_it_where_it_was_planned() -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", "on_hold")
    tell(shop, "A-1001", "shipped", NEXT_DAY + timedelta(days=2))
    assert (plan(shop), shop.orders["A-1001"].on_hold) == (RUNNING, False)
    assert [entry.event for entry in shop.timeline if entry.event.value.endswith(("held", "resumed"))] == [
        TimelineEvent.ORDER_HELD,
        TimelineEvent.INVITATION_HELD,
        TimelineEvent.ORDER_RESUMED,
        TimelineEvent.INVITATION_RESUMED,
    ]


@pytest.mark.parametrize(
    ("now", "send_at"),
    [
        ("2026-03-16 10:10:56", "2026-03-16 10:10:57"),
        ("2026-03-16 10:10:57", "2026-03-17 10:10:57"),
        ("2026-03-16 10:30", "2026-03-17 10:10:57"),
        ("2026-07-01 08:00", "2026-07-01 09:10:57"),
    ],
)
def test_plan_that_has_passed_becomes_the_next_slot(now: str, send_at: str) -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", "on_hold")
    tell(shop, "A-1001", "shipped", at(now))
    assert plan(shop) == ("scheduled", at(send_at), at(send_at), None)


def test_message_is_sent_however_long_it_was_on_hold() -> None:
    shop = shop_of("A-1001", send_deadline_days=1)
    tell(shop, "A-1001", "on_hold")
    shop.advance(at("2026-09-01 12:00"))
    nothing = list(shop.messages)
    tell(shop, "A-1001", "shipped", at("2026-09-01 15:00"))
    shop.advance(at("2026-09-03 00:00"))
    assert (nothing, [one.at for one in shop.messages]) == ([], [at("2026-09-02 09:10:57")])


def test_status_in_between_does_not_resume() -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", "on_hold")
    tell(shop, "A-1001", "processing")
    assert (plan(shop), shop.orders["A-1001"].on_hold) == (HELD, True)


def test_hold_that_is_told_again_changes_nothing() -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", "on_hold")
    tell(shop, "A-1001", "return_requested", NEXT_DAY + timedelta(days=1))
    assert plan(shop) == HELD


def test_half_sent_invitation_pauses_and_goes_on() -> None:
    shop = shop_of("A-1001")
    shop.advance(FIRST_SLOT)
    tell(shop, "A-1001", "on_hold", FIRST_SLOT + timedelta(hours=1))
    held = plan(shop)
    tell(shop, "A-1001", "delivered", SECOND_SLOT + timedelta(days=2, hours=5))
    next_slot = SECOND_SLOT + timedelta(days=3)
    assert (held, plan(shop)) == (
        ("scheduled", SECOND_SLOT, None, FIRST_SLOT + timedelta(hours=1)),
        ("scheduled", next_slot, next_slot, None),
    )


def test_one_order_on_hold_is_enough_and_all_must_trigger_again() -> None:
    shop = shop_of("A-1001", "A-1002")
    tell(shop, "A-1002", "on_hold")
    tell(shop, "A-1001", "on_hold")
    after_both = plan(shop)
    tell(shop, "A-1002", "shipped")
    after_one = plan(shop)
    tell(shop, "A-1001", "shipped")
    assert (after_both, after_one, plan(shop)) == (HELD, HELD, RUNNING)


def test_order_on_hold_that_is_cancelled_holds_no_longer() -> None:
    shop = shop_of("A-1001", "A-1002")
    tell(shop, "A-1002", "on_hold")
    tell(shop, "A-1002", "cancelled")
    assert (plan(shop), shop.orders["A-1002"].on_hold) == (RUNNING, False)


def test_invited_order_cancelled_on_hold_resumes_in_the_slot_of_the_one_that_takes_its_place() -> None:
    shop = shop_of("A-1001", "A-1002")
    tell(shop, "A-1001", "on_hold")
    tell(shop, "A-1001", "cancelled", at("2026-03-20 15:00"))

    alone = shop_of("A-1002")
    tell(alone, "A-1002", "on_hold")
    tell(alone, "A-1002", "shipped", at("2026-03-20 15:00"))

    assert plan(shop) == plan(alone)


def test_order_that_waits_on_hold_pauses_no_invitation_of_the_same_customer() -> None:
    shop = shop_of("A-1001")
    shop.post(make_event("A-1002", status="on_hold"), NEXT_DAY)
    assert plan(shop) == RUNNING


def test_order_on_hold_takes_merges() -> None:
    shop = shop_of("A-1001")
    tell(shop, "A-1001", "on_hold")
    shop.post(make_event("A-1002"), NEXT_DAY)
    assert (shop.orders["A-1002"].invitation_id, plan(shop)) == (INVITATION_ID, HELD)


def test_resuming_lets_tries_start_again_and_ends_a_send_now() -> None:
    merchant, policy = make_merchant(), make_policy()
    held = make_invitation(held_at=NEXT_DAY, next_attempt_at=None, tries=4, send_now=True)
    now = at("2026-03-20 15:00")

    resumed = membership.resume(held, plan=policy, merchant=merchant, now=now)

    slot = at("2026-03-21 10:10:57")
    assert resumed == replace(held, held_at=None, send_at=slot, next_attempt_at=slot, tries=0, send_now=False)


def test_send_now_that_was_not_due_yet_stays_one() -> None:
    held = make_invitation(held_at=NEXT_DAY, next_attempt_at=None, send_now=True)
    resumed = membership.resume(held, plan=make_policy(), merchant=make_merchant(), now=NEXT_DAY)
    assert resumed == make_invitation(send_now=True)


@pytest.mark.parametrize("status", [InvitationStatus.SENDING, InvitationStatus.IN_DOUBT])
def test_message_on_its_way_is_paused_for_what_comes_after_it(status: InvitationStatus) -> None:
    paused = membership.pause(make_invitation(status=status), now=NEXT_DAY)
    resumed = membership.resume(paused, plan=make_policy(), merchant=make_merchant(), now=NEXT_DAY)
    assert (paused.held_at, paused.next_attempt_at) == (NEXT_DAY, None)
    assert (resumed.held_at, resumed.status) == (None, status)


def test_what_is_sent_cannot_be_paused() -> None:
    assert membership.pause(make_sent(), now=NEXT_DAY) == make_sent()


def test_what_is_not_paused_cannot_be_resumed() -> None:
    invitation = make_invitation()
    assert membership.resume(invitation, plan=make_policy(), merchant=make_merchant(), now=SECOND_SLOT) == invitation
