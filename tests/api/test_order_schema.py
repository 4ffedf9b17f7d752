"""The order event on the wire: what is taken, what is refused and where, and what absent and null mean."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from invite_service.api.bodies import read_document, validate_part
from invite_service.api.schemas.order import MAX_PRODUCTS, ORDER
from invite_service.domain.errors import InvalidInputError
from invite_service.domain.order import UNSET, OrderEvent, OrderLine


def read(document: object) -> OrderEvent:
    return validate_part(document, ORDER, check_text=True).to_event()


def faults(document: object) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        read(document)
    return {fault.pointer: fault.code for fault in caught.value.faults}


def line_faults(**product: Any) -> dict[str, str]:
    return faults({"order_id": "A-1", "products": [{"id": "t1"} | product]})


def test_only_the_order_id_is_required() -> None:
    assert read({"order_id": "A-1"}) == OrderEvent(order_id="A-1")


def test_a_full_event_is_translated_field_by_field() -> None:
    event = read(
        {
            "order_id": "A/1#ø",
            "status": "shipped",
            "updated_at": "2026-03-02T14:30:00+01:00",
            "purchased_at": "2026-03-02t09:00:00z",
            "shipped_at": "2026-03-02T09:00:00.25-03:00",
            "delivered_at": None,
            "customer": {"id": "c1", "email": "Kari@Example.no", "name": "Kari", "phone": "912 34 567"},
            "language": "nb-NO",
            "country": "no",
            "time_zone": "Europe/Oslo",
            "consent": False,
            "products": [
                {
                    "id": "t1",
                    "name": "Tent",
                    "url": "https://shop.example/t1",
                    "image_url": "http://shop.example/t1.png",
                    "brand": "Fjell",
                    "sku": ["s1", "s2"],
                    "gtin": "7038010009457",
                    "mpn": "M1",
                    "category": "tents",
                    "price": "1990.00",
                    "currency": "nok",
                    "variant_id": "v1",
                    "variant_name": "Green",
                    "returned": True,
                }
            ],
            "attributes": ["a", "b"],
            "discount": {"code": "SPRING", "description": "10 % off"},
        }
    )
    assert event == OrderEvent(
        order_id="A/1#ø",
        status="shipped",
        updated_at=datetime(2026, 3, 2, 13, 30, tzinfo=UTC),
        purchased_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
        shipped_at=datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC),
        delivered_at=None,
        customer_id="c1",
        email="Kari@Example.no",
        name="Kari",
        phone="912 34 567",
        language="nb-NO",
        country="NO",
        time_zone="Europe/Oslo",
        consent=False,
        lines=(
            OrderLine(
                id="t1",
                name="Tent",
                url="https://shop.example/t1",
                image_url="http://shop.example/t1.png",
                brand="Fjell",
                sku=("s1", "s2"),
                gtin="7038010009457",
                mpn="M1",
                category="tents",
                price=Decimal("1990.00"),
                currency="NOK",
                variant_id="v1",
                variant_name="Green",
                returned=True,
            ),
        ),
        attributes=("a", "b"),
        discount_code="SPRING",
        discount_description="10 % off",
    )


def test_explicit_nulls_clear_and_absent_fields_stay_unset() -> None:
    event = read({"order_id": "A-1", "customer": {"email": None}, "products": None, "attributes": [], "discount": None})
    assert event == OrderEvent(
        order_id="A-1", email=None, lines=(), attributes=(), discount_code=None, discount_description=None
    )
    assert event.name is UNSET


def test_a_customer_that_is_null_clears_all_of_its_fields() -> None:
    event = read({"order_id": "A-1", "customer": None})
    assert event == OrderEvent(order_id="A-1", customer_id=None, email=None, name=None, phone=None)


def test_unreadable_contacts_are_no_fault() -> None:
    assert read({"order_id": "A-1", "customer": {"email": "not an address", "phone": "+0"}}) == OrderEvent(
        order_id="A-1", email="not an address", phone="+0"
    )


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("39.90", "39.90"),
        ("0", "0"),
        (39.99, "39.99"),
        (5, "5"),
        (0.1 + 0.2, "0.3"),
        (1e2, "100.0"),
        (1e-7, "0"),
    ],
)
def test_prices_are_read_without_float_error(given: object, read_as: str) -> None:
    document = read_document(json.dumps({"order_id": "A-1", "products": [{"id": "t1", "price": given}]}).encode())
    event = read(document)
    assert event.lines is not UNSET
    assert str(event.lines[0].price) == read_as


def test_every_fault_is_named_at_once() -> None:
    assert faults(
        {
            "status": 5,
            "purchased_at": "2026-03-02T09:00:00",
            "customer": {"email": "x" * 321, "mail": "kari@example.no"},
            "country": "Norway",
            "time_zone": "Europe/Atlantis",
            "consent": "yes",
            "products": [{"name": "no id"}, {"id": "t2", "price": "1,50"}],
            "attributes": ["1", "2", "3", "4", "5", "6"],
            "discount": {"kode": "x"},
            "a/b~c": 1,
        }
    ) == {
        "/order_id": "missing",
        "/status": "invalid_type",
        "/purchased_at": "invalid_format",
        "/customer/email": "too_long",
        "/customer/mail": "unknown_field",
        "/country": "too_long",
        "/time_zone": "not_a_choice",
        "/consent": "invalid_type",
        "/products/0/id": "missing",
        "/products/1/price": "invalid_format",
        "/attributes": "too_long",
        "/discount/kode": "unknown_field",
        "/a~1b~0c": "unknown_field",
    }


@pytest.mark.parametrize(
    ("order_id", "code"),
    [
        ("", "too_short"),
        ("x" * 101, "too_long"),
        ("   ", "invalid_format"),
        ("A\n1", "invalid_format"),
        ("A\u200b1", "invalid_format"),
        ("A\x001", "invalid_text"),
        ("A\ud8001", "invalid_text"),
        (1001, "invalid_type"),
        (None, "invalid_type"),
    ],
)
def test_an_order_id_that_is_not_printable_text_is_refused(order_id: object, code: str) -> None:
    assert faults({"order_id": order_id}) == {"/order_id": code}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (1767225600, "invalid_type"),
        ("1767225600", "invalid_format"),
        ("2026-03-02", "invalid_format"),
        ("2026-03-02 09:00:00Z", "invalid_format"),
        ("2026-02-30T09:00:00Z", "invalid_format"),
        ("2026-03-02T09:00:00+99:00", "invalid_format"),
        ("1969-12-31T23:59:59Z", "out_of_range"),
        ("2100-01-01T00:00:00Z", "out_of_range"),
        ("0001-01-01T00:00:00+14:00", "invalid_format"),
        ("٢026-03-02T09:00:00Z", "invalid_format"),
    ],
)
def test_instants_are_rfc_3339_with_an_offset_in_sane_years(text: object, code: str) -> None:
    assert faults({"order_id": "A-1", "updated_at": text}) == {"/updated_at": code}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("url", "javascript:alert(1)", "invalid_format"),
        ("url", "//shop.example/t1", "invalid_format"),
        ("image_url", "https://shop.example/a b", "invalid_format"),
        ("url", "https://shop.example/" + "x" * 2000, "too_long"),
        ("currency", "KRONER", "too_long"),
        ("currency", "XYZ", "not_a_choice"),
        ("price", "-1", "invalid_format"),
        ("price", "1e3", "invalid_format"),
        ("price", -1, "out_of_range"),
        ("price", 1e15, "out_of_range"),
        ("price", True, "invalid_type"),
        ("returned", 1, "invalid_type"),
        ("sku", "s1", "invalid_type"),
        ("colour", "red", "unknown_field"),
        ("name", "x" * 501, "too_long"),
    ],
)
def test_a_faulty_line_field_is_refused(field: str, value: object, code: str) -> None:
    assert line_faults(**{field: value}) == {f"/products/0/{field}": code}


def test_more_products_than_allowed_are_refused() -> None:
    products = [{"id": str(number)} for number in range(MAX_PRODUCTS + 1)]
    assert read({"order_id": "A-1", "products": products[:-1]}).lines is not UNSET
    assert faults({"order_id": "A-1", "products": products}) == {"/products": "too_long"}


@pytest.mark.parametrize("document", [None, [], "A-1", 5, [{"order_id": "A-1"}]])
def test_what_is_no_object_is_refused_as_a_whole(document: object) -> None:
    assert faults(document) == {"": "invalid_type"}


def test_text_the_database_cannot_hold_is_pointed_at_wherever_it_stands() -> None:
    document = {"order_id": "A-1", "customer": {"name": "K\x00"}, "products": [{"id": "t1", "sku": ["ok", "\udfff"]}]}
    assert faults(document) == {"/customer/name": "invalid_text", "/products/0/sku/1": "invalid_text"}


def test_an_unpaired_surrogate_leaves_the_rest_of_the_document_readable() -> None:
    document = read_document(b'[{"order_id": "A\\ud800"}, {"order_id": "B"}, {"order_id": "\\ud83d\\ude00"}]')
    assert document == [{"order_id": "A\ud800"}, {"order_id": "B"}, {"order_id": "\N{GRINNING FACE}"}]


def test_faults_never_repeat_the_value() -> None:
    canary = "canary-4711"
    document = {
        "order_id": canary + "\n",
        "country": canary,
        "products": [{"id": "t1", "url": canary, "price": canary}],
        "consent": canary,
        "purchased_at": canary,
    }
    with pytest.raises(InvalidInputError) as caught:
        read(document)
    assert len(caught.value.faults) == 6
    assert canary not in str(caught.value.faults)
