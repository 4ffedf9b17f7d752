"""Webhooks over HTTP: endpoints, and what happens that they are told of."""

from typing import Any
from unittest.mock import ANY

from tests.api.conftest import Api, MerchantClient, make_problem
from tests.api.test_publishing import ANY_ID, MUG, patch, rate

URL = "https://hooks.gifts.example/reviews"


async def add(merchant: MerchantClient, **changes: Any) -> dict[str, Any]:
    answer = await merchant.post("/v1/webhook-endpoints", {"url": URL, **changes})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def events(merchant: MerchantClient, endpoint_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = await merchant.get(f"/v1/webhook-endpoints/{endpoint_id}/events", **params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_endpoint_is_added_listed_rotated_and_deleted(merchant: MerchantClient) -> None:
    added = await add(merchant, events=["rating.created"], description="CRM")
    shown = {
        "id": ANY,
        "url": URL,
        "events": ["rating.created"],
        "description": "CRM",
        "created_at": "2026-03-02T12:00:00Z",
    }
    assert added == shown | {"secret": ANY}
    assert added["secret"].startswith("whsec_")
    assert (await merchant.get("/v1/webhook-endpoints")).json() == {"items": [shown], "next_cursor": None}
    path = f"/v1/webhook-endpoints/{added['id']}"
    rotated = (await merchant.post(f"{path}/rotate")).json()
    assert rotated == shown | {"secret": ANY}
    assert rotated["secret"] != added["secret"]
    assert (await merchant.request("DELETE", path)).status_code == 204
    assert (await merchant.get("/v1/webhook-endpoints")).json()["items"] == []
    assert (await merchant.request("DELETE", path)).json() == make_problem(
        "webhook_endpoint_not_found", 404, "No webhook endpoint of that id exists.", request_id=ANY
    )


async def test_faulty_endpoint_is_refused_with_every_fault(merchant: MerchantClient) -> None:
    answer = await merchant.post("/v1/webhook-endpoints", {"url": "http://hooks.example", "events": ["rating.eaten"]})
    assert answer.status_code == 422
    assert sorted((error["pointer"], error["code"]) for error in answer.json()["errors"]) == [
        ("/events/0", "not_a_choice"),
        ("/url", "invalid_format"),
    ]


async def test_what_customers_and_the_merchant_do_is_queued(api: Api, merchant: MerchantClient) -> None:
    await patch(merchant, {"approval": "support_trigger"})
    endpoint = await add(merchant)
    [rating_id] = await rate(api, merchant, MUG)
    await merchant.post(f"/v1/ratings/{rating_id}/reject", {"reason": "spam"})
    told = await events(merchant, endpoint["id"], limit=10)
    assert [(event["type"], event["status"], event["tries"]) for event in told] == [
        ("rating.rejected", "waiting", 0),
        ("support_case.opened", "waiting", 0),
        ("rating.created", "waiting", 0),
    ]
    assert told[-1]["data"] == {
        "invitation_id": ANY,
        "order_ids": ["A-1001"],
        "rating_id": rating_id,
        "product_id": "mug",
        "stars": 2,
        "state": "pending",
        "review_state": "pending",
    }
    assert await events(merchant, endpoint["id"], status="failed") == []
    path = f"/v1/webhook-endpoints/{endpoint['id']}/events/{ANY_ID}/redeliver"
    assert (await merchant.post(path)).json()["code"] == "webhook_event_not_found"
    other = await api.make_merchant("other-shop")
    assert (await other.get(f"/v1/webhook-endpoints/{endpoint['id']}/events")).status_code == 404


async def test_report_and_unsubscribing_are_queued(api: Api) -> None:
    sandbox = await api.make_merchant("toy-shop", sandbox=True)
    endpoint = await add(sandbox, events=["invitation.not_received", "customer.unsubscribed"])
    await sandbox.post_order()
    await sandbox.post("/v1/sandbox/clock", {"to": "next_due"})
    [message] = (await sandbox.get("/v1/sandbox/messages")).json()["items"]
    words = message["text"].replace("<", " ").replace(">", " ").split()
    page = next(word for word in words if "/i/" in word).partition("/i/")[2].partition("?")[0]
    stop = next(word for word in words if "/u/" in word).partition("/u/")[2]
    assert (await api.http.post(f"/public/v1/invitations/{page}/not-received")).status_code == 200
    for _ in range(2):
        assert (await api.http.post(f"/u/{stop}")).status_code == 200
    told = await events(sandbox, endpoint["id"])
    assert [event["type"] for event in told] == ["customer.unsubscribed", "invitation.not_received"]
    assert told[1]["data"]["order_ids"] == ["A-1001"]
