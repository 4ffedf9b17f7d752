"""Posting single order events, previewing them, and looking at what became of them."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from urllib.parse import quote

import pytest

from tests.api.conftest import Api, MerchantClient, make_order, make_problem

INVITATION = {
    "id": ANY,
    "kind": "product",
    "channel": "email",
    "language": "nb",
    "status": "scheduled",
    "steps": ["product_1", "product_2"],
    "next_step": "product_1",
    "send_at": "2026-03-16T10:40:29Z",
    "products": ["t1"],
    "order_ids": ["A-1001"],
    "created_at": "2026-03-02T12:00:00Z",
    "first_sent_at": None,
    "last_sent_at": None,
    "message_count": 0,
    "ended_reason": None,
    "contact": "kari@example.no",
    "customer_name": "Kari Nordmann",
    "time_zone": "Europe/Oslo",
    "policy_version": 1,
    "held_at": None,
    "send_now": False,
    "rescheduled_to": None,
}

INVITED = {
    "order_id": "A-1001",
    "outcome": "invited",
    "reason": None,
    "eligible_at": None,
    "invitation": INVITATION,
    "trace": ANY,
}


async def test_first_event_of_an_order_is_created_and_decided(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders", make_order())
    assert answer.status_code == 201
    assert answer.json() == INVITED
    last = answer.json()["trace"][-1]
    assert last == {
        "rule": "invite",
        "outcome": "decided",
        "reason": "invited",
        "data": {
            "kind": "product",
            "channel": "email",
            "language": "nb",
            "steps": ["product_1", "product_2"],
            "send_at": "2026-03-16T10:40:29+00:00",
            "time_zone": "Europe/Oslo",
        },
    }


async def test_the_same_event_again_is_known_and_answered_alike(merchant: MerchantClient) -> None:
    first = await merchant.post("/v1/orders", make_order())
    again = await merchant.post("/v1/orders", make_order())
    assert again.status_code == 200
    assert again.json() == first.json()


async def test_a_blocked_order_says_why_and_from_when_on(merchant: MerchantClient) -> None:
    patched = await merchant.request("PATCH", "/v1/policy", json={"block_days": 30}, headers={"If-Match": "*"})
    assert patched.status_code == 200
    await merchant.post_order()
    blocked = await merchant.post_order(order_id="A-1002", purchased_at="2026-02-20T09:00:00Z", products=[{"id": "t2"}])
    assert blocked == {
        "order_id": "A-1002",
        "outcome": "blocked",
        "reason": "repeat_customer_block",
        "eligible_at": "2026-04-01T09:00:00Z",
        "invitation": None,
        "trace": ANY,
    }


async def test_a_faulty_order_is_refused_with_every_fault(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders", {"status": 5, "stat": "shipped"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The body has faults.",
        ("/order_id", "missing", "This field is required."),
        ("/status", "invalid_type", "Must be a string."),
        ("/stat", "unknown_field", "There is no field of this name here."),
        request_id=answer.headers["x-request-id"],
    )


async def test_a_purchase_far_in_the_future_is_a_fault(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders", make_order(purchased_at="2026-03-03T12:00:01Z"))
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The order has faults.",
        ("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future."),
        request_id=ANY,
    )
    assert (await merchant.get("/v1/orders")).json()["items"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"order_id": NaN}', b"[" * 100_000])
async def test_what_is_no_json_is_refused(merchant: MerchantClient, body: bytes) -> None:
    answer = await merchant.request("POST", "/v1/orders", content=body)
    assert answer.status_code == 400
    assert answer.json() == make_problem("malformed_json", 400, "The body is not JSON.", request_id=ANY)


async def test_a_body_larger_than_a_mebibyte_is_refused(merchant: MerchantClient) -> None:
    answer = await merchant.request("POST", "/v1/orders", content=b" " * (1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json() == make_problem(
        "body_too_large", 413, "The body is larger than 1048576 bytes.", request_id=ANY
    )


@pytest.mark.parametrize("order_id", ["A/1#2", "ø å", "?x=1", "100%", "a" * 100, "batch", "preview"])
async def test_an_order_is_found_by_any_printable_id(merchant: MerchantClient, order_id: str) -> None:
    await merchant.post_order(order_id=order_id)
    found = await merchant.get(f"/v1/orders/{quote(order_id, safe='')}")
    assert found.status_code == 200
    assert found.json()["order_id"] == order_id


async def test_an_order_is_shown_with_everything_known_of_it(merchant: MerchantClient) -> None:
    decided = await merchant.post_order(
        customer={"id": "c1", "email": "kari@example.no", "name": "Kari Nordmann", "phone": "22 22 22 22"},
        time_zone="Europe/Oslo",
        consent=True,
        attributes=["gift"],
        discount={"code": "SPRING"},
        shipped_at="2026-03-02T11:00:00+01:00",
    )
    found = await merchant.get("/v1/orders/A-1001")
    assert found.json() == {
        "order_id": "A-1001",
        "status": "shipped",
        "updated_at": None,
        "purchased_at": "2026-03-02T09:00:00Z",
        "shipped_at": "2026-03-02T10:00:00Z",
        "delivered_at": None,
        "received_at": "2026-03-02T12:00:00Z",
        "customer": {
            "id": "c1",
            "email": "kari@example.no",
            "name": "Kari Nordmann",
            "phone": None,
            "email_fault": None,
            "phone_fault": "phone_not_mobile",
        },
        "language": "nb",
        "country": "NO",
        "time_zone": "Europe/Oslo",
        "consent": True,
        "products": [
            {
                "id": "t1",
                "name": "Tent",
                "url": "https://gifts.example/p/t1",
                "image_url": None,
                "brand": None,
                "sku": [],
                "gtin": None,
                "mpn": None,
                "category": None,
                "price": "1990.00",
                "currency": None,
                "variant_id": None,
                "variant_name": None,
                "returned": False,
            }
        ],
        "attributes": ["gift"],
        "discount": {"code": "SPRING", "description": None},
        "on_hold": False,
        "outcome": "invited",
        "reason": None,
        "eligible_at": None,
        "trace": decided["trace"],
        "summary": "Invited: the customer will be asked about the product by e-mail on 16 March 2026 at 11:40.",
        "story": ANY,
        "invitation": INVITATION,
        "timeline": [
            {
                "at": "2026-03-02T12:00:00Z",
                "actor": "rule",
                "event": "invitation_scheduled",
                "order_id": "A-1001",
                "invitation_id": decided["invitation"]["id"],
                "reason": None,
                "data": {"kind": "product", "channel": "email", "send_at": "2026-03-16T10:40:29+00:00"},
            }
        ],
    }


async def test_an_unknown_order_is_not_found(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/orders/A-1001")
    assert answer.status_code == 404
    assert answer.json() == make_problem("order_not_found", 404, "No order of that id was posted.", request_id=ANY)


async def test_a_preview_answers_like_posting_and_stores_nothing(merchant: MerchantClient) -> None:
    preview = await merchant.post("/v1/orders/preview", make_order())
    assert preview.status_code == 200
    assert preview.json() == INVITED
    assert (await merchant.get("/v1/orders")).json()["items"] == []
    assert (await merchant.get("/v1/invitations")).json()["items"] == []


async def test_a_faulty_preview_is_refused(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders/preview", make_order(purchased_at="2026-03-09T00:00:00Z"))
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == ["in_the_future"]


async def post_three(api: Api, merchant: MerchantClient) -> None:
    """Post an invited, a waiting and a blocked order, a minute apart, the last two at the same instant."""
    await merchant.post_order(order_id="B")
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(order_id="A", status="processing")
    await merchant.post_order(order_id="C", customer=None)


async def ids(merchant: MerchantClient, **params: Any) -> list[str]:
    answer = await merchant.get("/v1/orders", **params)
    assert answer.status_code == 200, answer.text
    return [item["order_id"] for item in answer.json()["items"]]


async def test_orders_are_listed_latest_first_with_what_became_of_them(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)
    answer = await merchant.get("/v1/orders", limit=2)
    assert answer.json() == {
        "items": [
            {
                "order_id": "C",
                "status": "shipped",
                "purchased_at": "2026-03-02T09:00:00Z",
                "received_at": "2026-03-02T12:01:00Z",
                "outcome": "blocked",
                "reason": "no_contact",
                "eligible_at": None,
                "on_hold": False,
                "invitation_id": None,
            },
            {
                "order_id": "A",
                "status": "processing",
                "purchased_at": "2026-03-02T09:00:00Z",
                "received_at": "2026-03-02T12:01:00Z",
                "outcome": "waiting",
                "reason": "status_not_triggering",
                "eligible_at": None,
                "on_hold": False,
                "invitation_id": None,
            },
        ],
        "next_cursor": ANY,
        "prev_cursor": None,
    }


async def test_pages_lead_to_the_end_and_back(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)
    first = (await merchant.get("/v1/orders", limit=2)).json()
    second = (await merchant.get("/v1/orders", limit=2, cursor=first["next_cursor"])).json()
    assert [item["order_id"] for item in second["items"]] == ["B"]
    assert second["next_cursor"] is None
    back = (await merchant.get("/v1/orders", limit=2, cursor=second["prev_cursor"])).json()
    assert back["items"] == first["items"]
    assert back["prev_cursor"] is None
    assert (await merchant.get("/v1/orders", limit=2, cursor=back["next_cursor"])).json() == second


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"sort": "received_at"}, ["B", "A", "C"]),
        ({"outcome": "waiting"}, ["A"]),
        ({"reason": "no_contact"}, ["C"]),
        ({"outcome": "invited", "reason": "no_contact"}, []),
        ({"received_from": "2026-03-02T12:01:00Z"}, ["C", "A"]),
        ({"received_to": "2026-03-02T13:01:00+01:00"}, ["B"]),
        ({"received_from": "2026-03-02T12:00:00Z", "received_to": "2026-03-02T12:01:00Z"}, ["B"]),
    ],
)
async def test_orders_are_chosen_by_filters(
    api: Api, merchant: MerchantClient, params: dict[str, str], found: list[str]
) -> None:
    await post_three(api, merchant)
    assert await ids(merchant, **params) == found


async def test_an_offset_that_nobody_escaped_is_read_all_the_same(merchant: MerchantClient) -> None:
    await merchant.post_order()
    answer = await merchant.get("/v1/orders?received_from=2026-03-02T13:00:00+01:00")
    assert len(answer.json()["items"]) == 1


async def test_faulty_parameters_of_a_list_are_named(merchant: MerchantClient) -> None:
    params = {"limit": 201, "outcome": "lost", "received_from": "yesterday", "recieved_to": "x"}
    answer = await merchant.get("/v1/orders", **params)
    assert answer.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("?limit", "out_of_range"),
        ("?outcome", "not_a_choice"),
        ("?received_from", "invalid_format"),
        ("?recieved_to", "unknown_field"),
    }


async def test_a_cursor_of_another_list_is_refused(api: Api, merchant: MerchantClient) -> None:
    await post_three(api, merchant)
    cursor = (await merchant.get("/v1/orders", limit=1)).json()["next_cursor"]
    for path, params in (("/v1/orders", {"outcome": "waiting"}), ("/v1/invitations", {})):
        answer = await merchant.get(path, cursor=cursor, **params)
        assert answer.status_code == 422
        assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
            ("?cursor", "invalid_cursor")
        ]
