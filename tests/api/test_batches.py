"""Posting batches: each event for itself."""

import json
from typing import Any
from unittest.mock import ANY

from tests.api.conftest import MerchantClient, make_order, make_problem

NO_COUNTS = {"invited": 0, "merged": 0, "blocked": 0, "waiting": 0, "cancelled": 0, "refused": 0}


def result(index: int, order_id: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "index": index,
        "order_id": order_id,
        "outcome": None,
        "reason": None,
        "invitation_id": None,
        "problem": None,
    } | changes


async def test_a_faulty_event_is_refused_and_the_others_go_through(merchant: MerchantClient) -> None:
    orders = [
        make_order(order_id="A"),
        make_order(order_id="B", country="Norway"),
        5,
        make_order(order_id="C", customer=None),
        make_order(order_id="D", purchased_at="2026-03-04T00:00:00Z"),
        {"status": "shipped", "colour": "red"},
    ]
    answer = await merchant.post("/v1/orders/batch", {"orders": orders})
    assert answer.status_code == 200
    request_id = answer.headers["x-request-id"]

    def refused(detail: str, *errors: tuple[str, str, str]) -> dict[str, Any]:
        return make_problem("invalid_input", 422, detail, *errors, request_id=request_id)

    assert answer.json() == {
        "results": [
            result(0, "A", outcome="invited", invitation_id=ANY),
            result(
                1,
                "B",
                problem=refused("The body has faults.", ("/country", "too_long", "At most 2 characters.")),
            ),
            result(2, None, problem=refused("The body has faults.", ("", "invalid_type", "Must be an object."))),
            result(3, "C", outcome="blocked", reason="no_contact"),
            result(
                4,
                "D",
                problem=refused(
                    "The order has faults.",
                    ("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future."),
                ),
            ),
            result(
                5,
                None,
                problem=refused(
                    "The body has faults.",
                    ("/order_id", "missing", "This field is required."),
                    ("/colour", "unknown_field", "There is no field of this name here."),
                ),
            ),
        ],
        "counts": NO_COUNTS | {"invited": 1, "blocked": 1, "refused": 4},
    }


async def test_several_events_of_one_order_are_taken_in_their_order(merchant: MerchantClient) -> None:
    orders = [make_order(status="processing"), make_order(), make_order(status="cancelled")]
    answer = await merchant.post("/v1/orders/batch", {"orders": orders})
    assert [item["outcome"] for item in answer.json()["results"]] == ["waiting", "invited", "cancelled"]
    assert (await merchant.get("/v1/orders/A-1001")).json()["outcome"] == "cancelled"


async def test_text_that_cannot_be_stored_refuses_its_own_event_only(merchant: MerchantClient) -> None:
    body = json.dumps({"orders": [make_order(order_id="A\x00"), make_order(order_id="B"), make_order(order_id="C")]})
    body = body.replace('"C"', '"C\\ud800"')
    answer = await merchant.request("POST", "/v1/orders/batch", content=body.encode())
    results = answer.json()["results"]
    assert [(item["order_id"], item["outcome"]) for item in results] == [
        (None, None),
        ("B", "invited"),
        (None, None),
    ]
    for refused in (results[0], results[2]):
        assert [(fault["pointer"], fault["code"]) for fault in refused["problem"]["errors"]] == [
            ("/order_id", "invalid_text")
        ]


async def test_an_empty_batch_is_taken(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders/batch", {"orders": []})
    assert answer.status_code == 200
    assert answer.json() == {"results": [], "counts": NO_COUNTS}


async def test_a_batch_of_a_thousand_is_taken_and_a_larger_one_refused(merchant: MerchantClient) -> None:
    orders = [make_order(order_id=str(number), customer={"email": f"c{number}@example.no"}) for number in range(1001)]
    refused = await merchant.post("/v1/orders/batch", {"orders": orders})
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [("/orders", "too_long")]
    taken = await merchant.post("/v1/orders/batch", {"orders": orders[:1000]})
    assert taken.json()["counts"] == NO_COUNTS | {"invited": 1000}


async def test_a_body_that_is_no_batch_is_refused_as_a_whole(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/orders/batch", {"order": [], "orders": "all"})
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The body has faults.",
        ("/orders", "invalid_type", "Must be a list."),
        ("/order", "unknown_field", "There is no field of this name here."),
        request_id=ANY,
    )


async def test_a_batch_may_be_larger_than_a_mebibyte_but_not_than_eight(merchant: MerchantClient) -> None:
    body = json.dumps({"orders": [make_order()]}).encode()
    taken = await merchant.request("POST", "/v1/orders/batch", content=body + b" " * (2 * 1024 * 1024))
    assert taken.status_code == 200
    refused = await merchant.request("POST", "/v1/orders/batch", content=b" " * (8 * 1024 * 1024 + 1))
    assert refused.status_code == 413


async def test_malformed_json_is_refused(merchant: MerchantClient) -> None:
    answer = await merchant.request("POST", "/v1/orders/batch", content=b'{"orders": [')
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_json"
