"""Simulations over HTTP: the result at once, or as a stream that can be ended."""

from typing import Any
from unittest.mock import ANY

import orjson
import pytest

from tests.api.conftest import Api, MerchantClient, make_problem

PERIOD = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
STREAM = {"Accept": "application/x-ndjson"}


@pytest.fixture
async def two_orders(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    await merchant.post_order(order_id="B", status="packed", customer={"email": "ola@example.no"})


def fate(outcome: str, reason: str | None = None, kind: str | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "kind": kind}


@pytest.mark.usefixtures("two_orders")
async def test_result_shows_both_sides_and_the_orders_that_change(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/simulations", {**PERIOD, "policy": {"trigger_statuses": []}})
    body = answer.json()
    assert answer.status_code == 200
    assert body == {
        "orders": 2,
        "before": {
            "outcomes": {"invited": 1, "merged": 0, "blocked": 0, "waiting": 1, "cancelled": 0},
            "reasons": {"status_not_triggering": 1},
            "messages": {"product_1": {"email": 1}, "product_2": {"email": 1}},
            "sms_cost": "0.00",
            "sms_currency": "NOK",
            "load_by_day": {"2026-03-16": 1, "2026-03-21": 1},
            "load_by_hour": ANY,
        },
        "after": {
            "outcomes": {"invited": 2, "merged": 0, "blocked": 0, "waiting": 0, "cancelled": 0},
            "reasons": {},
            "messages": {"product_1": {"email": 2}, "product_2": {"email": 2}},
            "sms_cost": "0.00",
            "sms_currency": "NOK",
            "load_by_day": {"2026-03-16": 2, "2026-03-21": 2},
            "load_by_hour": ANY,
        },
        "changed": 1,
        "changes": [
            {
                "before": fate("waiting", "status_not_triggering"),
                "after": fate("invited", kind="product"),
                "orders": 1,
                "order_ids": ["B"],
            }
        ],
        "unreadable_events": 0,
    }
    assert sum(body["after"]["load_by_hour"].values()) == 4


@pytest.mark.usefixtures("two_orders")
async def test_stream_tells_progress_then_changes_then_the_result(merchant: MerchantClient) -> None:
    asked = {**PERIOD, "policy": {"trigger_statuses": []}}
    answer = await merchant.post("/v1/simulations", asked, headers=STREAM)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [next(iter(line)) for line in lines] == ["progress", "progress", "progress", "changed", "result"]
    assert [line["progress"]["done"] for line in lines[:3]] == [0, 1, 2]
    assert lines[2] == {"progress": {"done": 2, "total": 2}}
    assert lines[3]["changed"] == {
        "order_id": "B",
        "before": fate("waiting", "status_not_triggering"),
        "after": fate("invited", kind="product"),
    }
    assert lines[4]["result"] == (await merchant.post("/v1/simulations", asked)).json()


@pytest.mark.usefixtures("two_orders")
async def test_policy_is_not_changed(merchant: MerchantClient) -> None:
    before = (await merchant.get("/v1/policy")).json()
    await merchant.post("/v1/simulations", {**PERIOD, "policy": {"service_percent": 100}})
    assert (await merchant.get("/v1/policy")).json() == before


async def test_without_changes_nothing_differs(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    body = (await merchant.post("/v1/simulations", PERIOD)).json()
    assert (body["orders"], body["changed"], body["changes"]) == (1, 0, [])
    assert body["before"] == body["after"]


async def test_other_merchants_orders_are_not_replayed(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="A")
    other = await api.make_merchant("other")
    assert (await other.post("/v1/simulations", PERIOD)).json()["orders"] == 0


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"from": PERIOD["to"], "to": PERIOD["from"]},
            [("/to", "out_of_range", "Must be later than from.")],
        ),
        (
            {
                "from": PERIOD["to"],
                "to": PERIOD["from"],
                "policy": {"service_percent": 101, "send_days": [], "colour": "red"},
            },
            [
                ("/to", "out_of_range", "Must be later than from."),
                ("/policy/service_percent", "out_of_range", "Must be at most 100."),
                ("/policy/send_days", "too_short", "Must not be empty."),
                ("/policy/colour", "unknown_field", "There is no field of this name here."),
            ],
        ),
    ],
    ids=["span", "settings"],
)
async def test_faults_are_named(
    merchant: MerchantClient, body: dict[str, Any], errors: list[tuple[str, str, str]]
) -> None:
    answer = await merchant.post("/v1/simulations", body)
    assert answer.json() == make_problem("invalid_input", 422, "The body has faults.", *errors, request_id=ANY)


async def test_window_that_never_opens_is_named_beside_other_faults(merchant: MerchantClient) -> None:
    body = {"from": PERIOD["to"], "to": PERIOD["from"], "policy": {"send_window_start": "13:00", "colour": 1}}
    answer = await merchant.post("/v1/simulations", body)
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        ("/to", "out_of_range"),
        ("/policy/colour", "unknown_field"),
        ("/policy/send_window_end", "not_after_start"),
    ]
    no_object = await merchant.post("/v1/simulations", {**PERIOD, "policy": 3})
    assert [error["pointer"] for error in no_object.json()["errors"]] == ["/policy"]


async def test_window_that_never_opens_is_named_where_it_stands(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/simulations", {**PERIOD, "policy": {"send_window_start": "13:00"}})
    detail = "The policy has settings out of range."
    fault = ("/policy/send_window_end", "not_after_start", "Must be later than send_window_start.")
    assert answer.json() == make_problem("invalid_input", 422, detail, fault, request_id=ANY)
