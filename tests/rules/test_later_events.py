"""A later event of a decided order (RULES.md section 5), row by row."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.order import Order, OrderEvent, OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules import actions
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    INVITATION_ID,
    ORDER_ID,
    PHONE,
    PURCHASED_AT,
    at,
    make_event,
    make_lines,
    make_policy,
)
from tests.rules.shop import Shop

NEXT_DAY = ACCEPTED_AT + timedelta(days=1)
SLOT_FROM_NEXT_DAY = FIRST_SLOT + timedelta(days=1)


def change(**fields: Any) -> OrderEvent:
    return replace(OrderEvent(order_id=ORDER_ID), **fields)


def what(order: Order) -> tuple[str, str | None]:
    return order.outcome.value, order.reason.value if order.reason else None


def invited(**settings: Any) -> Shop:
    shop = Shop(make_policy(**settings))
    shop.post(make_event(), ACCEPTED_AT)
    return shop


def consent_for(fields: dict[str, Any]) -> ConsentRequirement:
    return ConsentRequirement.REQUIRED if "consent" in fields else ConsentRequirement.NOT_REQUIRED


# A triggering status, and the order is waiting


@pytest.mark.parametrize("waits_with", ["processing", "on_hold"])
@pytest.mark.parametrize("status", ["shipped", "COMPLETED"])
def test_waiting_order_is_decided_when_it_triggers_and_the_delay_counts_from_then(waits_with: str, status: str) -> None:
    shop = Shop()
    shop.post(make_event(status=waits_with), ACCEPTED_AT)

    order = shop.post(change(status=status), NEXT_DAY)

    assert (what(order), order.triggered_at, order.on_hold) == (("invited", None), NEXT_DAY, False)
    assert shop.invitations[INVITATION_ID].send_at == SLOT_FROM_NEXT_DAY


def test_order_that_triggers_later_still_counts_its_age_from_the_purchase() -> None:
    shop = Shop(make_policy(max_order_age_days=3))
    shop.post(make_event(status="processing"), ACCEPTED_AT)
    assert what(shop.post(change(status="shipped"), at("2026-03-05 09:00:01"))) == ("blocked", "order_too_old")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [("processing", "on_hold", "status_not_triggering"), ("on_hold", "processing", "on_hold")],
)
def test_waiting_order_keeps_its_reason_while_nothing_triggers(first: str, second: str, reason: str) -> None:
    shop = Shop()
    shop.post(make_event(status=first), ACCEPTED_AT)
    order = shop.post(change(status=second), NEXT_DAY)
    assert (what(order), order.status) == (("waiting", reason), second)


def test_waiting_order_goes_on_waiting_when_something_else_is_told() -> None:
    shop = Shop()
    shop.post(make_event(status="processing"), ACCEPTED_AT)
    order = shop.post(change(email="ola@example.no"), NEXT_DAY)
    assert (what(order), order.email) == (("waiting", "status_not_triggering"), "ola@example.no")


def test_status_that_is_cleared_triggers_as_no_status_does() -> None:
    shop = Shop()
    shop.post(make_event(status="processing"), ACCEPTED_AT)
    assert what(shop.post(change(status=None), NEXT_DAY)) == ("invited", None)


def test_waiting_order_that_triggers_meets_the_history_of_then() -> None:
    shop = Shop()
    shop.post(make_event(status="processing"), ACCEPTED_AT)
    shop.post(make_event("A-2", lines=make_lines("t9")), ACCEPTED_AT)
    order = shop.post(change(status="shipped"), NEXT_DAY)
    assert (what(order), shop.invitations[INVITATION_ID].product_ids) == (("merged", None), ("t9", "t1", "t2"))


# The fact that was missing

ARRIVING: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "e-mail address": ({"email": None}, {"email": EMAIL}, "no_contact"),
    "phone": ({"email": None}, {"phone": PHONE}, "no_contact"),
    "consent": ({"consent": False}, {"consent": True}, "no_consent"),
    "products": ({"lines": ()}, {"lines": make_lines("t1")}, "no_products"),
    "products that came back to stay": (
        {"lines": make_lines("t1", returned=True)},
        {"lines": make_lines("t1")},
        "no_products",
    ),
}


@pytest.mark.parametrize(("first", "second", "reason"), ARRIVING.values(), ids=ARRIVING)
def test_blocked_order_is_decided_when_what_was_missing_arrives(
    first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    shop = Shop(make_policy(consent=consent_for(first)))
    before = shop.post(replace(make_event(), **first), ACCEPTED_AT)

    after = shop.post(change(**second), NEXT_DAY)

    assert (what(before), what(after)) == (("blocked", reason), ("invited", None))
    assert (after.triggered_at, shop.invitations[INVITATION_ID].send_at) == (NEXT_DAY, SLOT_FROM_NEXT_DAY)


NOT_ARRIVING: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another thing than what was missing": ({"email": None}, {"consent": True}, "no_contact"),
    "a contact that cannot be read": ({"email": None}, {"email": "kari@"}, "no_contact"),
    "a triggering status alone": ({"email": None}, {"status": "delivered"}, "no_contact"),
    "products that were all returned": ({"lines": ()}, {"lines": make_lines("t1", returned=True)}, "no_products"),
    "consent that is refused": ({"consent": None}, {"consent": False}, "no_consent"),
}


@pytest.mark.parametrize(("first", "second", "reason"), NOT_ARRIVING.values(), ids=NOT_ARRIVING)
def test_blocked_order_stays_blocked_when_it_does_not(
    first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    shop = Shop(make_policy(consent=consent_for(first)))
    shop.post(replace(make_event(), **first), ACCEPTED_AT)
    assert what(shop.post(change(**second), NEXT_DAY)) == ("blocked", reason)


OTHER_BLOCKS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "too old": ({"max_order_age_days": 1}, {"purchased_at": at("2026-02-01 09:00")}, {"purchased_at": PURCHASED_AT},
                "order_too_old"),
    "excluded": ({"excluded_product_ids": ("t1", "t2")}, {}, {"lines": make_lines("t3")}, "products_excluded"),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "first", "second", "reason"), OTHER_BLOCKS.values(), ids=OTHER_BLOCKS)
def test_other_blocks_stand_whatever_arrives(
    settings: dict[str, Any], first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    shop = Shop(make_policy(**settings))
    shop.post(replace(make_event(), **first), ACCEPTED_AT)
    assert what(shop.post(change(status="delivered", **second), NEXT_DAY)) == ("blocked", reason)


def test_fact_that_arrives_together_with_a_status_that_does_not_trigger_makes_it_wait() -> None:
    shop = Shop()
    shop.post(make_event(email=None), ACCEPTED_AT)
    assert what(shop.post(change(email=EMAIL, status="on_hold"), NEXT_DAY)) == ("waiting", "on_hold")


def test_fact_that_arrives_may_show_that_the_next_one_is_missing() -> None:
    shop = Shop()
    shop.post(make_event(email=None, lines=()), ACCEPTED_AT)
    assert what(shop.post(change(email=EMAIL), NEXT_DAY)) == ("blocked", "no_products")
    assert what(shop.post(change(lines=make_lines("t1")), NEXT_DAY)) == ("invited", None)


# A triggering status, and the order is cancelled


def test_cancelled_order_is_decided_anew_with_an_invitation_of_its_own() -> None:
    shop = invited()
    shop.post(change(status="cancelled"), ACCEPTED_AT)

    order = shop.post(change(status="shipped"), NEXT_DAY)

    assert (what(order), order.invitation_id, order.triggered_at) == (("invited", None), UUID(int=2), NEXT_DAY)
    assert shop.invitations[INVITATION_ID].ended_reason == "order_cancelled"
    assert shop.invitations[UUID(int=2)].send_at == SLOT_FROM_NEXT_DAY


def test_order_cancelled_from_the_start_is_decided_when_it_triggers() -> None:
    shop = Shop()
    shop.post(make_event(status="voided"), ACCEPTED_AT)
    order = shop.post(change(status="shipped"), NEXT_DAY)
    assert (what(order), order.triggered_at) == (("invited", None), NEXT_DAY)


@pytest.mark.parametrize(
    "fields", [{"status": "processing"}, {"status": "on_hold"}, {"status": None}, {"phone": PHONE}]
)
def test_cancelled_order_is_not_revived_by_anything_else(fields: dict[str, Any]) -> None:
    shop = invited()
    shop.post(change(status="cancelled"), ACCEPTED_AT)
    assert what(shop.post(change(**fields), NEXT_DAY)) == ("cancelled", None)


def test_cancelled_order_with_another_cancel_status_stays_as_it_is() -> None:
    shop = invited()
    shop.post(change(status="cancelled"), ACCEPTED_AT)
    order = shop.post(change(status="refunded"), NEXT_DAY)
    assert (what(order), order.status) == (("cancelled", None), "refunded")


def test_revived_order_joins_its_invitation_again_where_others_kept_it_open() -> None:
    shop = invited()
    shop.post(make_event("A-2", lines=make_lines("t9")), ACCEPTED_AT)
    shop.post(change(status="cancelled"), ACCEPTED_AT)

    order = shop.post(change(status="shipped"), NEXT_DAY)

    invitation = shop.invitations[INVITATION_ID]
    assert (what(order), order.invitation_id) == (("merged", None), INVITATION_ID)
    assert (invitation.order_ids, set(invitation.product_ids)) == ((ORDER_ID, "A-2"), {"t1", "t2", "t9"})


def test_revived_order_is_not_asked_again_about_what_a_message_asked() -> None:
    shop = invited()
    shop.advance(FIRST_SLOT)
    shop.post(change(status="cancelled"), FIRST_SLOT)
    order = shop.post(change(status="shipped"), FIRST_SLOT + timedelta(hours=1))
    assert what(order) == ("blocked", "products_asked_recently")


def test_revived_order_that_is_decided_elsewhere_counts_no_more_in_its_old_invitation() -> None:
    """Its hold pauses its own invitation only, and the old one ends with the last of its own orders."""
    shop = Shop(make_policy(service_percent=100, service_repeat_days=0))
    shop.post(make_event(), ACCEPTED_AT)
    shop.post(make_event("A-2"), ACCEPTED_AT)
    shop.post(change(status="cancelled"), ACCEPTED_AT)
    moved = make_event(email="ola@example.no", status="shipped")
    assert shop.post(moved, NEXT_DAY).invitation_id == UUID(int=2)

    shop.post(change(status="on_hold"), NEXT_DAY)
    held = [shop.invitations[UUID(int=number)].held_at for number in (1, 2)]
    shop.post(OrderEvent(order_id="A-2", status="refunded"), NEXT_DAY)

    assert held == [None, NEXT_DAY]
    assert shop.invitations[INVITATION_ID].status is InvitationStatus.CANCELLED
    assert shop.orders[ORDER_ID].outcome is OrderOutcome.INVITED


# shipped_at or delivered_at that delay_origin asks for

DATES: dict[str, tuple[DelayOrigin, dict[str, Any], str]] = {
    "shipped arrives": (DelayOrigin.SHIPPED, {"shipped_at": at("2026-03-04 09:00")}, "2026-03-18 10:10:57"),
    "delivered arrives": (DelayOrigin.DELIVERED, {"delivered_at": at("2026-03-06 09:00")}, "2026-03-20 10:10:57"),
    "shipped arrives for delivered": (DelayOrigin.DELIVERED, {"shipped_at": at("2026-03-04 09:00")},
                                      "2026-03-18 10:10:57"),
    "both arrive": (
        DelayOrigin.DELIVERED,
        {"shipped_at": at("2026-03-04 09:00"), "delivered_at": at("2026-03-05 09:00")},
        "2026-03-19 10:10:57",
    ),
    "earlier than planned": (DelayOrigin.SHIPPED, {"shipped_at": at("2026-02-20 09:00")}, "2026-03-16 10:10:57"),
    "delivered is not asked for": (DelayOrigin.SHIPPED, {"delivered_at": at("2026-03-06 09:00")},
                                   "2026-03-16 10:10:57"),
    "no date is asked for": (DelayOrigin.SCHEDULED, {"shipped_at": at("2026-03-06 09:00")}, "2026-03-16 10:10:57"),
    "purchase is asked for": (DelayOrigin.PURCHASED, {"delivered_at": at("2026-03-06 09:00")}, "2026-03-16 10:10:57"),
    "a changed purchase moves nothing": (DelayOrigin.PURCHASED, {"purchased_at": at("2026-03-02 23:30")},
                                         "2026-03-16 10:10:57"),
    "nor where a missing date falls back to it": (
        DelayOrigin.SHIPPED, {"purchased_at": at("2026-03-02 23:30")}, "2026-03-16 10:10:57",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("origin", "fields", "send_at"), DATES.values(), ids=DATES)
def test_date_that_the_delay_waits_for_plans_again_later_only(
    origin: DelayOrigin, fields: dict[str, Any], send_at: str
) -> None:
    shop = invited(delay_origin=origin)
    shop.post(change(**fields), NEXT_DAY)
    invitation = shop.invitations[INVITATION_ID]
    assert (invitation.send_at, invitation.next_attempt_at) == (at(send_at), at(send_at))


def test_date_that_changes_again_is_followed_later_only() -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED)
    plans = []
    for day in (4, 8, 6):
        shop.post(change(shipped_at=at(f"2026-03-0{day} 09:00")), NEXT_DAY)
        plans.append(shop.invitations[INVITATION_ID].send_at.day)
    assert plans == [18, 22, 22]


def test_plan_made_again_is_noted_with_both_instants() -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED)
    shop.post(change(shipped_at=at("2026-03-04 09:00")), NEXT_DAY)
    [noted] = [one for one in shop.timeline if one.event is TimelineEvent.INVITATION_PLANNED_AGAIN]
    assert noted.data == {"from": "2026-03-16T10:10:57+00:00", "send_at": "2026-03-18T10:10:57+00:00"}


def test_plan_that_would_lie_in_the_past_is_now_or_the_next_slot() -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED, product_delay_days=0)
    # Planned for 3 March; on hold it is not sent, and the date arrives long after.
    shop.post(change(status="on_hold"), ACCEPTED_AT)
    shop.post(change(shipped_at=at("2026-03-10 09:00")), at("2026-03-20 15:00"))
    invitation = shop.invitations[INVITATION_ID]
    assert (invitation.send_at, invitation.next_attempt_at) == (at("2026-03-21 10:10:57"), None)


def _after_a_message(shop: Shop) -> datetime:
    shop.advance(FIRST_SLOT)
    return FIRST_SLOT


def _moved(shop: Shop) -> datetime:
    moved = actions.reschedule(
        shop.invitations[INVITATION_ID], FIRST_SLOT.date(), policy=shop.policy, merchant=shop.merchant, now=NEXT_DAY
    )
    shop.keep(moved)
    return NEXT_DAY


def _sent_now(shop: Shop) -> datetime:
    shop.keep(actions.send_now(shop.invitations[INVITATION_ID], now=NEXT_DAY))
    return NEXT_DAY


@pytest.mark.parametrize("happens", [_after_a_message, _moved, _sent_now])
def test_date_moves_nothing_that_has_left_or_was_moved(happens: Any) -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED)
    now = happens(shop)
    before = shop.invitations[INVITATION_ID]
    shop.post(change(shipped_at=at("2026-03-15 09:00")), now)
    assert shop.invitations[INVITATION_ID] == before


def test_date_of_a_merged_order_moves_nothing() -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED)
    shop.post(make_event("A-2"), ACCEPTED_AT)
    shop.post(OrderEvent(order_id="A-2", shipped_at=at("2026-03-10 09:00")), NEXT_DAY)
    assert shop.invitations[INVITATION_ID].send_at == FIRST_SLOT


def test_date_counts_by_the_policy_stored_with_the_invitation() -> None:
    shop = invited(delay_origin=DelayOrigin.SHIPPED)
    shop.save_policy(delay_origin=DelayOrigin.SCHEDULED, product_delay_days=40)
    shop.post(change(shipped_at=at("2026-03-04 09:00")), NEXT_DAY)
    assert shop.invitations[INVITATION_ID].send_at == at("2026-03-18 10:10:57")


# Anything else

ELSE: dict[str, dict[str, Any]] = {
    "language": {"language": "de"},
    "consent withdrawn": {"consent": False},
    "purchase": {"purchased_at": at("2026-01-01 09:00")},
    "a status that says nothing": {"status": "invoiced"},
    "another triggering status": {"status": "delivered"},
    "status cleared": {"status": None},
    "a line more": {"lines": make_lines("t1", "t2", "t3")},
    "a line less": {"lines": make_lines("t1")},
    "lines cleared": {"lines": ()},
    "zone": {"time_zone": "Asia/Tokyo", "country": "JP"},
}


@pytest.mark.parametrize("fields", ELSE.values(), ids=ELSE)
def test_anything_else_is_stored_and_the_decision_stands(fields: dict[str, Any]) -> None:
    shop = invited(consent=ConsentRequirement.NOT_REQUIRED)
    decided, invitation = shop.orders[ORDER_ID], shop.invitations[INVITATION_ID]

    order = shop.post(change(**fields), NEXT_DAY)

    assert order == replace(decided, version=decided.version + 1, **fields)
    assert shop.invitations[INVITATION_ID] == invitation


def test_corrected_address_of_the_invited_order_is_where_the_message_goes() -> None:
    shop = invited()
    shop.post(change(email="Kari.Nordmann@Example.no", name="Kari"), NEXT_DAY)
    invitation = shop.invitations[INVITATION_ID]
    assert (invitation.contact, invitation.customer_name) == ("kari.nordmann@example.no", "Kari")


def test_corrected_address_of_a_merged_order_is_not() -> None:
    shop = invited()
    shop.post(make_event("A-2"), ACCEPTED_AT)
    shop.post(OrderEvent(order_id="A-2", email="ola@example.no"), NEXT_DAY)
    assert shop.invitations[INVITATION_ID].contact == EMAIL


def test_address_taken_back_gives_way_to_that_of_another_order() -> None:
    shop = invited()
    shop.post(make_event("A-2", phone=PHONE), ACCEPTED_AT)
    shop.post(OrderEvent(order_id="A-2", email="ola@example.no", name="Ola"), NEXT_DAY)
    shop.post(change(email=None), NEXT_DAY)
    invitation = shop.invitations[INVITATION_ID]
    assert (invitation.contact, invitation.customer_name) == ("ola@example.no", "Ola")


def test_address_taken_back_from_all_takes_no_merge_and_gets_no_message() -> None:
    shop = Shop()
    shop.post(make_event(phone=PHONE), ACCEPTED_AT)
    shop.post(change(email=None), ACCEPTED_AT)

    second = shop.post(make_event("A-2", email=None, phone=PHONE, lines=make_lines("t9")), ACCEPTED_AT)
    shop.advance(FIRST_SLOT)

    first = shop.invitations[INVITATION_ID]
    assert (what(second), second.invitation_id) == (("invited", None), UUID(int=2))
    assert (first.status, first.ended_reason) == (InvitationStatus.CANCELLED, "suppressed")
