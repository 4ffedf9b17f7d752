"""Exporting and erasing customers over HTTP."""

from unittest.mock import ANY

import pytest

from tests.api.conftest import MerchantClient, make_problem

KARI = "kari@example.no"


async def test_customer_is_exported_and_erased(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A-1", customer={"email": KARI, "phone": "+4791234567", "name": "Kari"})
    exported = await merchant.post("/v1/customers/export", {"contact": "+47 912 34 567"})
    assert exported.status_code == 200
    [order] = exported.json()["orders"]
    assert (order["order_id"], order["customer_name"], order["email"]) == ("A-1", "Kari", KARI)
    assert [event["body"]["customer"]["email"] for event in exported.json()["order_events"]] == [KARI]
    answer = await merchant.post("/v1/customers/erase", {"contact": " Kari@Example.no "})
    erased = {
        "id": ANY,
        "erased_at": "2026-03-02T12:00:00Z",
        "keep_reviews": False,
        "contacts": 2,
        "orders": 1,
        "invitations": 1,
        "ratings": 0,
        "reviews": 0,
        "pictures": 0,
    }
    assert (answer.status_code, answer.json()) == (200, erased)
    assert (await merchant.post("/v1/customers/erase", {"contact": KARI})).json() == answer.json()
    shown = (await merchant.get("/v1/orders/A-1")).json()
    assert KARI not in str(shown)
    assert shown["invitation"]["status"] == "erased"
    again = await merchant.post_order(order_id="A-2", customer={"email": KARI})
    assert (again["outcome"], again["reason"]) == ("blocked", "suppressed")


async def test_answers_to_calls_about_erased_invitations_are_not_given_again(merchant: MerchantClient) -> None:
    posted = await merchant.post_order(order_id="A-1", customer={"email": KARI})
    path = f"/v1/invitations/{posted['invitation']['id']}/cancel"
    headers = {"Idempotency-Key": "once"}
    assert KARI in (await merchant.post(path, headers=headers)).text
    await merchant.post("/v1/customers/erase", {"contact": KARI})
    again = await merchant.post(path, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_lost")
    assert KARI not in again.text


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"contact": "nobody"}, ("phone_unreadable", "Must be an e-mail address, a phone number or a wildcard.")),
        ({"contact": "*@example.com"}, ("not_a_contact", "Must be one address or number, and no wildcard.")),
        ({}, ("missing", "This field is required.")),
    ],
)
@pytest.mark.parametrize("action", ["export", "erase"])
async def test_what_is_no_contact_is_refused_and_not_repeated(
    merchant: MerchantClient, action: str, body: dict[str, str], fault: tuple[str, str]
) -> None:
    answer = await merchant.post(f"/v1/customers/{action}", body)
    assert answer.json() == make_problem(
        "invalid_input", 422, "The body has faults.", ("/contact", *fault), request_id=ANY
    )
