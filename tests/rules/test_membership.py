"""Merging, cancelling and returning (RULES.md section 4): an invitation asks about what its live orders brought."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind
from invite_service.domain.order import OrderEvent, OrderOutcome
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules import actions, membership, states
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    INVITATION_ID,
    PHONE,
    at,
    make_event,
    make_half_sent,
    make_invitation,
    make_lines,
    make_policy,
    make_sent,
    make_service_invitation,
)
from tests.rules.shop import Shop


def shop_of(*orders: tuple[str, ...], **settings: Any) -> Shop:
    """Make a shop of orders A-1, A-2 … of one day with these products."""
    shop = Shop(make_policy(**settings))
    for number, products in enumerate(orders, start=1):
        shop.post(make_event(f"A-{number}", lines=make_lines(*products)), ACCEPTED_AT)
    return shop


def cancel(shop: Shop, order_id: str) -> None:
    shop.post(OrderEvent(order_id=order_id, status="cancelled"), ACCEPTED_AT)


def return_lines(shop: Shop, order_id: str, *product_ids: str, kept: tuple[str, ...] = ()) -> None:
    lines = (*make_lines(*product_ids, returned=True), *make_lines(*kept))
    shop.post(OrderEvent(order_id=order_id, lines=lines), ACCEPTED_AT)


def asked_about(shop: Shop, number: int = 1) -> tuple[str, ...]:
    return shop.invitations[UUID(int=number)].product_ids


def ended(shop: Shop, number: int = 1) -> tuple[str, str | None]:
    invitation = shop.invitations[UUID(int=number)]
    return invitation.status.value, invitation.ended_reason


def outcomes(shop: Shop) -> dict[str, str]:
    return {order_id: order.outcome.value for order_id, order in shop.orders.items()}


# Merging


def test_merged_order_adds_its_products_and_leaves_everything_else() -> None:
    shop = shop_of(("t1", "t2"))
    before = shop.invitations[INVITATION_ID]

    order = shop.post(
        make_event("A-2", lines=make_lines("t2", "t3"), language="nb", name="Ola", email=EMAIL, phone=PHONE),
        ACCEPTED_AT + timedelta(hours=3),
    )

    assert (order.outcome, order.invitation_id) == (OrderOutcome.MERGED, INVITATION_ID)
    assert shop.invitations[INVITATION_ID] == replace(
        before,
        order_ids=("A-1", "A-2"),
        products=(
            InvitedProduct("t1", ("A-1",)),
            InvitedProduct("t2", ("A-1", "A-2")),
            InvitedProduct("t3", ("A-2",)),
        ),
    )


def test_merged_order_with_nothing_new_is_still_merged_and_says_so() -> None:
    shop = shop_of(("t1",), ("t1",), ())
    assert outcomes(shop) == {"A-1": "invited", "A-2": "merged", "A-3": "merged"}
    joined = [entry.data for entry in shop.timeline if entry.event is TimelineEvent.ORDER_JOINED]
    assert joined == [{"products_added": []}, {"products_added": []}]


def test_merged_order_joins_a_service_invitation_without_products() -> None:
    shop = shop_of(("t1",), ("t2",), service_percent=100)
    invitation = shop.invitations[INVITATION_ID]
    assert outcomes(shop) == {"A-1": "invited", "A-2": "merged"}
    assert (invitation.kind, invitation.order_ids, invitation.products) == (Kind.SERVICE, ("A-1", "A-2"), ())


def test_merged_order_brings_neither_excluded_nor_recently_asked_products() -> None:
    shop = shop_of(("t1",), excluded_product_ids=("t3",))
    sent = make_sent(id=UUID(int=77), order_ids=("A-0",), products=(InvitedProduct("t2", ("A-0",), asked=True),))
    shop.post(make_event("A-0", status="processing"), ACCEPTED_AT)
    shop.orders["A-0"] = replace(shop.orders["A-0"], outcome=OrderOutcome.INVITED, invitation_id=sent.id)
    shop.keep(sent)

    shop.post(make_event("A-2", lines=make_lines("t2", "t3", "t4")), ACCEPTED_AT)

    assert asked_about(shop) == ("t1", "t4")


def test_merging_twice_is_merging_once() -> None:
    invitation = make_invitation()
    once = membership.join(invitation, "A-2", ["t2", "t3"])
    assert membership.join(once, "A-2", ["t2", "t3"]) == once


def test_phone_order_merges_into_the_invitation_by_e_mail_of_the_same_person() -> None:
    shop = Shop()
    shop.post(make_event("A-1", phone=PHONE), ACCEPTED_AT)
    shop.post(make_event("A-2", email=None, phone=PHONE, lines=make_lines("t9")), ACCEPTED_AT)
    invitation = shop.invitations[INVITATION_ID]
    assert (invitation.channel, invitation.contact, asked_about(shop)) == (Channel.EMAIL, EMAIL, ("t1", "t2", "t9"))


# Cancelling


def test_cancelled_order_takes_out_what_only_it_brought() -> None:
    shop = shop_of(("t1", "t2"), ("t2", "t3"))
    cancel(shop, "A-2")
    assert (outcomes(shop), asked_about(shop)) == ({"A-1": "invited", "A-2": "cancelled"}, ("t1", "t2"))
    assert ended(shop) == ("scheduled", None)


def test_cancelled_invited_order_passes_its_place_to_the_oldest_that_remains() -> None:
    shop = Shop()
    for order_id, purchased_at in (("A-1", "08:00"), ("A-3", "10:00"), ("A-2", "09:00"), ("A-0", "09:00")):
        event = make_event(order_id, purchased_at=at(f"2026-03-02 {purchased_at}"), lines=make_lines(order_id))
        shop.post(event, ACCEPTED_AT)

    cancel(shop, "A-1")

    assert outcomes(shop) == {"A-1": "cancelled", "A-3": "merged", "A-2": "merged", "A-0": "invited"}
    assert (asked_about(shop), shop.invitations[INVITATION_ID].spread_order_id) == (("A-3", "A-2", "A-0"), "A-0")
    noted = [one.order_id for one in shop.timeline if one.event is TimelineEvent.ORDER_BECAME_INVITED]
    assert noted == ["A-0"]


def test_place_that_is_passed_on_keeps_the_plan_and_takes_the_address() -> None:
    shop = Shop()
    shop.post(make_event("A-1", email="ola@example.no", phone=PHONE, name="Ola"), ACCEPTED_AT)
    shop.post(make_event("A-2", email=EMAIL, phone=PHONE, name="Kari"), ACCEPTED_AT)
    before = shop.invitations[INVITATION_ID]

    cancel(shop, "A-1")

    after = shop.invitations[INVITATION_ID]
    assert (after.contact, after.customer_name) == (EMAIL, "Kari")
    assert (after.send_at, after.channel, after.language) == (before.send_at, before.channel, before.language)


def test_place_passed_to_an_order_without_such_an_address_keeps_another_orders() -> None:
    shop = Shop()
    shop.post(make_event("A-1", phone=PHONE, email="ola@example.no"), ACCEPTED_AT)
    shop.post(make_event("A-2", phone=PHONE, email=None), ACCEPTED_AT)
    shop.post(make_event("A-3", phone=PHONE, email=EMAIL), ACCEPTED_AT)

    cancel(shop, "A-1")

    assert (outcomes(shop)["A-2"], shop.invitations[INVITATION_ID].contact) == ("invited", EMAIL)


def test_cancelled_merged_order_passes_nothing_on() -> None:
    shop = shop_of(("t1",), ("t2",), ("t3",))
    cancel(shop, "A-2")
    assert outcomes(shop) == {"A-1": "invited", "A-2": "cancelled", "A-3": "merged"}


def test_invitation_without_products_left_is_cancelled() -> None:
    shop = shop_of(("t1",))
    cancel(shop, "A-1")
    invitation = shop.invitations[INVITATION_ID]
    assert (ended(shop), invitation.next_attempt_at) == (("cancelled", "order_cancelled"), None)
    assert [entry.event for entry in shop.timeline][-2:] == [
        TimelineEvent.PRODUCTS_REMOVED,
        TimelineEvent.INVITATION_CANCELLED,
    ]


def test_invitation_ends_when_the_orders_that_remain_brought_nothing() -> None:
    shop = shop_of(("t1",), ())
    cancel(shop, "A-1")
    assert (outcomes(shop)["A-2"], ended(shop)) == ("invited", ("cancelled", "order_cancelled"))


def test_service_invitation_lives_as_long_as_one_of_its_orders() -> None:
    shop = shop_of(("t1",), ("t2",), service_percent=100)
    cancel(shop, "A-1")
    after_first = ended(shop)
    cancel(shop, "A-2")
    assert (after_first, ended(shop)) == (("scheduled", None), ("cancelled", "order_cancelled"))


def test_cancelled_order_in_no_invitation_changes_none() -> None:
    shop = shop_of(("t1",), block_days=30)
    shop.post(make_event("A-9", purchased_at=at("2026-02-20 09:00")), ACCEPTED_AT)
    before = shop.invitations[INVITATION_ID]
    cancel(shop, "A-9")
    assert (shop.orders["A-9"].outcome, shop.invitations) == (OrderOutcome.CANCELLED, {INVITATION_ID: before})


# Returned lines


def test_returned_line_takes_out_its_product() -> None:
    shop = shop_of(("t1", "t2"))
    return_lines(shop, "A-1", "t1", kept=("t2",))
    assert (asked_about(shop), outcomes(shop)) == (("t2",), {"A-1": "invited"})


def test_returned_line_leaves_what_another_live_order_brought() -> None:
    shop = shop_of(("t1", "t2"), ("t1",))
    return_lines(shop, "A-1", "t1", "t2")
    assert asked_about(shop) == ("t1",)
    cancel(shop, "A-2")
    assert ended(shop) == ("cancelled", "order_cancelled")


def test_returned_variant_leaves_a_product_of_which_another_was_kept() -> None:
    shop = shop_of(("t1", "t2"))
    return_lines(shop, "A-1", "t1", kept=("t1", "t2"))
    assert asked_about(shop) == ("t1", "t2")


def test_last_product_returned_cancels_the_invitation_and_not_the_order() -> None:
    shop = shop_of(("t1",))
    return_lines(shop, "A-1", "t1")
    assert (outcomes(shop), ended(shop)) == ({"A-1": "invited"}, ("cancelled", "order_cancelled"))


def test_line_returned_after_it_was_no_longer_listed_takes_out_its_product() -> None:
    shop = shop_of(("t1", "t2"))
    shop.post(OrderEvent(order_id="A-1", lines=()), ACCEPTED_AT)
    still_asked = asked_about(shop)
    return_lines(shop, "A-1", "t1")
    assert (still_asked, asked_about(shop)) == (("t1", "t2"), ("t2",))


def test_returned_line_of_a_product_that_the_order_did_not_bring_changes_nothing() -> None:
    shop = shop_of(("t1",), ("t2",))
    return_lines(shop, "A-2", "t1")
    assert asked_about(shop) == ("t1", "t2")


def test_line_that_is_returned_no_more_does_not_bring_its_product_back() -> None:
    shop = shop_of(("t1", "t2"))
    return_lines(shop, "A-1", "t1", kept=("t2",))
    shop.post(OrderEvent(order_id="A-1", lines=make_lines("t1", "t2")), ACCEPTED_AT)
    assert asked_about(shop) == ("t2",)


def test_service_invitation_does_not_mind_returned_lines() -> None:
    shop = shop_of(("t1",), service_percent=100)
    return_lines(shop, "A-1", "t1")
    assert ended(shop) == ("scheduled", None)


# Half sent, ended, in the middle


def test_half_sent_invitation_ends_as_sent_when_its_orders_are_cancelled() -> None:
    shop = shop_of(("t1", "t2"))
    shop.advance(FIRST_SLOT + timedelta(days=1))
    cancel(shop, "A-1")
    invitation = shop.invitations[INVITATION_ID]
    assert (ended(shop), invitation.message_count) == (("sent", "order_cancelled"), 1)
    assert invitation.ever_asked_ids == ("t1", "t2")


def test_half_sent_invitation_goes_on_about_what_was_kept() -> None:
    shop = shop_of(("t1", "t2"))
    shop.advance(FIRST_SLOT + timedelta(days=1))
    return_lines(shop, "A-1", "t1", kept=("t2",))
    shop.advance(FIRST_SLOT + timedelta(days=30))
    assert [(one.step.value, one.product_ids) for one in shop.messages] == [
        ("product_1", ("t1", "t2")),
        ("product_2", ("t2",)),
    ]


def test_sent_invitation_keeps_what_it_asked_about() -> None:
    shop = shop_of(("t1", "t2"))
    shop.advance(FIRST_SLOT + timedelta(days=30))
    cancel(shop, "A-1")
    assert (ended(shop), asked_about(shop)) == (("sent", None), ("t1", "t2"))


def test_invitation_the_merchant_cancelled_is_the_orders_to_end_for_good() -> None:
    shop = shop_of(("t1",))
    shop.keep(actions.cancel(shop.invitations[INVITATION_ID]))
    cancel(shop, "A-1")
    assert ended(shop) == ("cancelled", "order_cancelled")


def test_half_sent_invitation_the_merchant_ended_likewise() -> None:
    shop = shop_of(("t1",))
    shop.advance(FIRST_SLOT)
    shop.keep(actions.cancel(shop.invitations[INVITATION_ID]))
    cancel(shop, "A-1")
    assert ended(shop) == ("sent", "order_cancelled")


def test_invitation_that_ended_for_another_reason_keeps_it() -> None:
    shop = shop_of(("t1",))
    shop.keep(states.record_skipped(shop.invitations[INVITATION_ID], reason="suppressed"))
    cancel(shop, "A-1")
    assert ended(shop) == ("cancelled", "suppressed")


def test_invitation_being_sent_is_left_to_may_send() -> None:
    shop = shop_of(("t1",))
    shop.keep(replace(shop.invitations[INVITATION_ID], status=InvitationStatus.SENDING))
    cancel(shop, "A-1")
    assert (ended(shop), asked_about(shop)) == (("sending", None), ())


EMPTY: dict[str, tuple[Invitation, bool, tuple[str, str | None]]] = {
    "product, nothing left": (make_invitation(products=()), True, ("cancelled", "order_cancelled")),
    "product, something left": (make_invitation(), False, ("scheduled", None)),
    "service, an order left": (make_service_invitation(), True, ("scheduled", None)),
    "service, no order left": (make_service_invitation(), False, ("cancelled", "order_cancelled")),
    "half sent": (make_half_sent(products=()), True, ("sent", "order_cancelled")),
    "in doubt": (make_invitation(products=(), status=InvitationStatus.IN_DOUBT), True, ("in_doubt", None)),
    "failed": (make_invitation(products=(), status=InvitationStatus.FAILED), True, ("failed", None)),
    "ended by its orders already": (
        make_invitation(products=(), status=InvitationStatus.CANCELLED, ended_reason="order_cancelled"),
        True,
        ("cancelled", "order_cancelled"),
    ),
}


@pytest.mark.parametrize(("invitation", "has_live_orders", "expected"), EMPTY.values(), ids=EMPTY)
def test_invitation_that_asks_nothing_any_more_ends(
    invitation: Invitation, expected: tuple[str, str | None], *, has_live_orders: bool
) -> None:
    after = membership.end_if_empty(invitation, has_live_orders=has_live_orders)
    assert (after.status.value, after.ended_reason) == expected


@pytest.mark.parametrize(
    ("status", "ended_reason", "expected"),
    [(status, None, status not in {"sent", "responded", "erased"}) for status in InvitationStatus]
    + [(InvitationStatus.SENT, "cancelled_by_merchant", True)],
)
def test_what_was_sent_and_has_ended_takes_no_part_in_changes(
    status: InvitationStatus, ended_reason: str | None, *, expected: bool
) -> None:
    invitation = make_invitation(status=status, ended_reason=ended_reason)
    assert membership.takes_part_in_changes(invitation) is expected


ADDRESSED: dict[str, Callable[[], tuple[Invitation, str]]] = {
    "scheduled": lambda: (make_invitation(), "ola@example.no"),
    "in doubt": lambda: (make_invitation(status=InvitationStatus.IN_DOUBT), "ola@example.no"),
    "enabled again, maybe": lambda: (actions.cancel(make_invitation()), "ola@example.no"),
    "sent": lambda: (make_sent(), EMAIL),
    "by SMS": lambda: (make_invitation(channel=Channel.SMS, contact=PHONE), "+4798765432"),
}


@pytest.mark.parametrize("case", ADDRESSED.values(), ids=ADDRESSED)
def test_address_follows_the_first_order_that_has_one_while_something_may_be_sent(
    case: Callable[[], tuple[Invitation, str]],
) -> None:
    invitation, contact = case()
    shop = Shop()
    unreachable = shop.post(make_event("A-0", email=None), ACCEPTED_AT)
    reachable = shop.post(make_event("A-1", email="ola@example.no", phone="+4798765432"), ACCEPTED_AT)
    assert membership.address_to(invitation, [unreachable, reachable]).contact == contact


def test_address_stays_where_no_order_has_one() -> None:
    shop = Shop()
    unreachable = shop.post(make_event("A-0", email=None), ACCEPTED_AT)
    assert membership.address_to(make_invitation(), [unreachable]) == make_invitation()
