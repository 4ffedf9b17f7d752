"""Folding events into orders (RULES.md sections 1, 3 and 5)."""

from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from invite_service.domain.errors import Fault
from invite_service.domain.order import Order, OrderEvent, OrderLine, OrderOutcome
from invite_service.rules.orders import (
    check_event,
    contacts_of,
    fold_event,
    is_outdated,
    live_product_ids,
    name_changes,
)
from tests.rules.builders import ACCEPTED_AT, EMAIL, PHONE, PURCHASED_AT, at, make_event, make_lines, make_order

LATER = ACCEPTED_AT + timedelta(days=1)


def test_first_event_makes_an_order_that_nothing_is_decided_about() -> None:
    event = OrderEvent(
        order_id="a/1#2",
        status=" shipped ",
        updated_at=at("2026-03-02 10:00"),
        purchased_at=PURCHASED_AT,
        shipped_at=at("2026-03-02 11:00"),
        delivered_at=at("2026-03-02 12:00"),
        customer_id="C-7",
        email=" Kari@Example.no",
        name="Kari Nordmann",
        phone="912 34 567",
        language="nb_NO",
        country="NO",
        time_zone="Europe/Oslo",
        consent=True,
        lines=(OrderLine(id="t1", price=Decimal("40.00"), currency="NOK"),),
        attributes=("vip",),
        discount_code="SPRING",
        discount_description="Ten per cent",
    )

    assert fold_event(None, event, accepted_at=ACCEPTED_AT) == Order(
        order_id="a/1#2",
        status="shipped",
        updated_at=at("2026-03-02 10:00"),
        purchased_at=PURCHASED_AT,
        shipped_at=at("2026-03-02 11:00"),
        delivered_at=at("2026-03-02 12:00"),
        customer_id="C-7",
        customer_name="Kari Nordmann",
        email=EMAIL,
        phone=PHONE,
        language="nb_NO",
        country="NO",
        time_zone="Europe/Oslo",
        consent=True,
        lines=(OrderLine(id="t1", price=Decimal("40.00"), currency="NOK"),),
        attributes=("vip",),
        discount_code="SPRING",
        discount_description="Ten per cent",
        received_at=ACCEPTED_AT,
    )


def test_event_of_nothing_but_the_id_is_an_order_bought_when_it_was_accepted() -> None:
    assert fold_event(None, OrderEvent(order_id="x"), accepted_at=ACCEPTED_AT) == Order(
        order_id="x", purchased_at=ACCEPTED_AT, received_at=ACCEPTED_AT
    )


COMPLETE = make_order(
    updated_at=ACCEPTED_AT,
    shipped_at=ACCEPTED_AT,
    delivered_at=ACCEPTED_AT,
    customer_id="C-7",
    customer_name="Kari",
    phone=PHONE,
    language="nb",
    country="NO",
    time_zone="Europe/Oslo",
    consent=True,
    attributes=("vip",),
    discount_code="SPRING",
    discount_description="Ten per cent",
)


def test_absent_fields_keep_their_stored_value() -> None:
    assert fold_event(COMPLETE, OrderEvent(order_id=COMPLETE.order_id), accepted_at=LATER) == COMPLETE


CLEARED: dict[str, Any] = {
    "status": None,
    "updated_at": None,
    "shipped_at": None,
    "delivered_at": None,
    "customer_id": None,
    "email": None,
    "phone": None,
    "language": None,
    "country": None,
    "time_zone": None,
    "consent": None,
    "lines": (),
    "attributes": (),
    "discount_code": None,
    "discount_description": None,
}


@pytest.mark.parametrize("field", CLEARED)
def test_explicit_null_or_empty_list_clears_one_field_and_no_other(field: str) -> None:
    event = replace(OrderEvent(order_id=COMPLETE.order_id), **{field: CLEARED[field]})
    assert fold_event(COMPLETE, event, accepted_at=LATER) == replace(COMPLETE, **{field: CLEARED[field]})


def test_name_is_cleared_as_the_customers_name() -> None:
    event = OrderEvent(order_id=COMPLETE.order_id, name=None)
    assert fold_event(COMPLETE, event, accepted_at=LATER) == replace(COMPLETE, customer_name=None)


def test_every_field_of_an_event_but_the_purchase_can_be_cleared() -> None:
    names = {field.name for field in fields(OrderEvent)}
    assert names - CLEARED.keys() == {"order_id", "name", "purchased_at"}


def test_purchase_without_a_date_keeps_the_stored_one() -> None:
    event = OrderEvent(order_id=COMPLETE.order_id, purchased_at=None)
    assert fold_event(COMPLETE, event, accepted_at=LATER) == COMPLETE


@pytest.mark.parametrize("status", ["", "   "])
def test_empty_status_is_none(status: str) -> None:
    folded = fold_event(COMPLETE, OrderEvent(order_id=COMPLETE.order_id, status=status), accepted_at=LATER)
    assert folded == replace(COMPLETE, status=None)


def test_contact_that_cannot_be_read_leaves_the_stored_one_and_says_why() -> None:
    event = OrderEvent(order_id=COMPLETE.order_id, email="kari@", phone="22 22 55 55")
    assert fold_event(COMPLETE, event, accepted_at=LATER) == replace(
        COMPLETE, email_fault="email_unreadable", phone_fault="phone_not_mobile"
    )


def test_readable_contact_takes_the_fault_away() -> None:
    faulty = replace(COMPLETE, email=None, email_fault="email_unreadable")
    event = OrderEvent(order_id=COMPLETE.order_id, email="ola@example.no")
    assert fold_event(faulty, event, accepted_at=LATER) == replace(COMPLETE, email="ola@example.no")


def test_empty_contact_takes_the_fault_away() -> None:
    faulty = replace(COMPLETE, email=None, email_fault="email_unreadable")
    assert fold_event(faulty, OrderEvent(order_id=COMPLETE.order_id, email=""), accepted_at=LATER) == replace(
        COMPLETE, email=None
    )


def test_national_phone_is_read_with_the_country_that_is_stored() -> None:
    without_phone = replace(COMPLETE, phone=None)
    event = OrderEvent(order_id=COMPLETE.order_id, phone="912 34 567")
    assert fold_event(without_phone, event, accepted_at=LATER) == COMPLETE


def test_what_was_decided_is_left_as_it_was() -> None:
    decided = replace(COMPLETE, outcome=OrderOutcome.MERGED, triggered_at=ACCEPTED_AT, on_hold=True, version=7)
    folded = fold_event(decided, make_event(status="complete"), accepted_at=LATER)
    assert folded == replace(decided, status="complete")


@pytest.mark.parametrize(
    ("updated_at", "expected"),
    [
        (at("2026-03-02 13:29:59"), True),
        (at("2026-03-02 13:30"), False),
        (at("2026-03-03 00:00"), False),
        (None, False),
    ],
)
def test_event_is_outdated_when_older_than_the_stored_state(updated_at: Any, *, expected: bool) -> None:
    stored = make_order(updated_at=at("2026-03-02 13:30"))
    assert is_outdated(stored, make_event(updated_at=updated_at)) is expected


def test_event_that_does_not_say_when_is_never_outdated() -> None:
    assert not is_outdated(make_order(updated_at=LATER), make_event())


def test_stored_state_that_does_not_say_when_is_never_newer() -> None:
    assert not is_outdated(make_order(updated_at=None), make_event(updated_at=at("2001-01-01 00:00")))


IN_THE_FUTURE = Fault("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future.")


@pytest.mark.parametrize(
    ("ahead", "faults"),
    [
        (timedelta(days=-400), []),
        (timedelta(hours=24), []),
        (timedelta(hours=24, seconds=1), [IN_THE_FUTURE]),
    ],
)
def test_purchase_may_lie_24_hours_ahead_and_no_more(ahead: timedelta, faults: list[Fault]) -> None:
    assert check_event(make_event(purchased_at=ACCEPTED_AT + ahead), now=ACCEPTED_AT) == faults


@pytest.mark.parametrize("event", [OrderEvent(order_id="x"), OrderEvent(order_id="x", purchased_at=None)])
def test_missing_purchase_is_no_fault(event: OrderEvent) -> None:
    assert check_event(event, now=ACCEPTED_AT) == []


CONTACTS = {
    "posted ones, normalised": (make_event(email="Kari@Example.no", phone="+47 912 34 567"), None, {EMAIL, PHONE}),
    "unreadable ones are none": (make_event(email="kari@", phone="112"), None, set()),
    "stored ones, when none is posted": (OrderEvent(order_id="A-1001"), make_order(phone=PHONE), {EMAIL, PHONE}),
    "old and new": (make_event(email="ola@example.no"), make_order(), {EMAIL, "ola@example.no"}),
    "national phone with the stored country": (
        OrderEvent(order_id="A-1001", phone="91234567"),
        make_order(country="NO"),
        {EMAIL, PHONE},
    ),
    "national phone with the posted country": (make_event(email=None, phone="91234567", country="NO"), None, {PHONE}),
}


@pytest.mark.parametrize(("event", "stored", "contacts"), CONTACTS.values(), ids=CONTACTS)
def test_contacts_to_lock_are_all_that_the_order_has_or_will_have(
    event: OrderEvent, stored: Order | None, contacts: set[str]
) -> None:
    assert contacts_of(event, stored) == contacts


def test_products_are_named_once_and_kept_by_any_variant_that_is() -> None:
    returned = make_lines("t1", "t3", returned=True)
    order = make_order(lines=(*make_lines("t2"), *returned, *make_lines("t1", "t2")))
    assert live_product_ids(order) == ("t2", "t1")


def test_state_more_than_a_day_ahead_is_a_fault_beside_the_purchase() -> None:
    ahead = ACCEPTED_AT + timedelta(hours=24, seconds=1)
    faults = check_event(make_event(purchased_at=ahead, updated_at=ahead), now=ACCEPTED_AT)
    assert [(fault.pointer, fault.code) for fault in faults] == [
        ("/purchased_at", "in_the_future"),
        ("/updated_at", "in_the_future"),
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"status": "delivered"}, ["status"]),
        ({"updated_at": at("2026-03-03 10:00")}, ["updated_at"]),
        ({"purchased_at": at("2026-03-01 10:00")}, ["purchased_at"]),
        ({"shipped_at": at("2026-03-03 10:00")}, ["shipped_at"]),
        ({"delivered_at": at("2026-03-03 10:00")}, ["delivered_at"]),
        ({"customer_id": "C-8"}, ["customer.id"]),
        ({"email": "ola@example.no"}, ["customer.email"]),
        ({"email": "nobody"}, ["customer.email"]),
        ({"name": "Ola"}, ["customer.name"]),
        ({"phone": "+4791234568"}, ["customer.phone"]),
        ({"phone": "1"}, ["customer.phone"]),
        ({"language": "sv"}, ["language"]),
        ({"country": "SE"}, ["country"]),
        ({"time_zone": "Europe/Stockholm"}, ["time_zone"]),
        ({"consent": False}, ["consent"]),
        ({"lines": ()}, ["products"]),
        ({"attributes": ("new",)}, ["attributes"]),
        ({"discount_code": "SUMMER"}, ["discount.code"]),
        ({"discount_description": "A tenth"}, ["discount.description"]),
        ({"discount_code": "SUMMER", "status": "delivered"}, ["status", "discount.code"]),
        ({"status": " shipped "}, []),
    ],
)
def test_what_a_later_event_changes_is_named_as_it_is_posted(changes: dict[str, Any], named: list[str]) -> None:
    stored = fold_event(None, make_event(status="shipped", lines=make_lines("t1")), accepted_at=ACCEPTED_AT)
    event = OrderEvent(order_id=stored.order_id, **changes)
    assert name_changes(stored, fold_event(stored, event, accepted_at=LATER)) == named
