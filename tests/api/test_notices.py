"""Notices over HTTP, and what operators do about them."""

from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest

from tests.api.conftest import Api, MerchantClient, make_problem
from tests.api.test_publishing import rate

MUG = {"product_id": "mug", "stars": 2, "review": {"text": "Broke.", "consent": True}}


async def set_status(api: Api, status: str) -> None:
    """Leave every notice as a provider's answer would."""
    async with api.context.database.transaction() as stores:
        await stores._driver.execute(
            "UPDATE notices SET status = $1, reason = 'timeout', tries = 3, next_attempt_at = NULL, started_at = $2,"
            " ended_at = $2, provider = 'postmark', message_id = '<' || id || '@gifts.example>'",
            status,
            api.clock.now,
        )


async def reply(api: Api, merchant: MerchantClient, order_id: str = "A-1001") -> str:
    """Have a customer hear of a reply, and give the notice's id."""
    [rating_id] = await rate(api, merchant, MUG, order_id=order_id)
    answer = await merchant.post(f"/v1/ratings/{rating_id}/reply", {"text": "Sorry!"})
    assert answer.status_code == 200, answer.text
    [newest] = (await merchant.get("/v1/notices", limit="1")).json()["items"]
    return str(newest["id"])


def make_notice(notice_id: str, **changes: Any) -> dict[str, Any]:
    """Make the body of a notice in doubt."""
    notice = {
        "id": notice_id,
        "notice": "reply_notice",
        "channel": "email",
        "invitation_id": ANY,
        "rating_id": ANY,
        "status": "in_doubt",
        "reason": "timeout",
        "tries": 3,
        "created_at": "2026-03-02T12:00:00Z",
        "next_attempt_at": None,
        "started_at": "2026-03-02T12:00:00Z",
        "ended_at": "2026-03-02T12:00:00Z",
        "provider": "postmark",
        "message_id": f"<{notice_id}@gifts.example>",
        "provider_message_id": None,
        "price": None,
        "currency": None,
        "allowed_actions": ["retry", "mark_sent"],
    }
    return notice | changes


async def timeline(merchant: MerchantClient, notice: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    invitation = (await merchant.get(f"/v1/invitations/{notice['invitation_id']}")).json()
    return [
        (entry["actor"], entry["event"], entry["reason"])
        for entry in invitation["timeline"]
        if entry["event"].startswith("notice_")
    ]


async def test_notices_in_doubt_are_listed_and_shown(api: Api, merchant: MerchantClient) -> None:
    notice_id = await reply(api, merchant)
    assert (await merchant.get("/v1/notices", status="in_doubt")).json() == {
        "items": [],
        "next_cursor": None,
        "prev_cursor": None,
    }
    await set_status(api, "in_doubt")
    listed = (await merchant.get("/v1/notices", status="in_doubt")).json()
    assert listed == {"items": [make_notice(notice_id)], "next_cursor": None, "prev_cursor": None}
    assert (await merchant.get(f"/v1/notices/{notice_id}")).json() == make_notice(notice_id)
    health = (await merchant.get("/v1/insights/health")).json()["checks"]
    assert [check["see"] for check in health if check["id"] == "in_doubt"] == ["/v1/notices?status=in_doubt"]


async def test_list_is_read_in_pages_in_either_direction(api: Api, merchant: MerchantClient) -> None:
    ids = [await reply(api, merchant, order_id=f"A-{number}") for number in range(3)]
    first = (await merchant.get("/v1/notices", limit="2", sort="created_at")).json()
    assert [item["id"] for item in first["items"]] == ids[:2]
    second = (await merchant.get("/v1/notices", limit="2", sort="created_at", cursor=first["next_cursor"])).json()
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == (ids[2:], None)
    back = (await merchant.get("/v1/notices", limit="2", sort="created_at", cursor=second["prev_cursor"])).json()
    assert back["items"] == first["items"]
    latest = (await merchant.get("/v1/notices", limit="200")).json()
    assert [item["id"] for item in latest["items"]] == ids[::-1]


async def test_faulty_filters_are_all_named(merchant: MerchantClient) -> None:
    refused = await merchant.get("/v1/notices", status="lost", limit="201", cursor="x", kind="voucher")
    assert refused.status_code == 422
    pointers = {error["pointer"] for error in refused.json()["errors"]}
    assert pointers == {"?status", "?limit", "?cursor", "?kind"}


async def test_notice_is_tried_again_once_for_a_key(api: Api, merchant: MerchantClient) -> None:
    notice_id = await reply(api, merchant)
    await set_status(api, "failed")
    for _ in range(2):
        retried = await merchant.post(f"/v1/notices/{notice_id}/retry", headers={"Idempotency-Key": "k1"})
        assert retried.status_code == 200, retried.text
        assert retried.json() == make_notice(
            notice_id,
            status="waiting",
            reason="retried",
            tries=0,
            next_attempt_at="2026-03-02T12:00:00Z",
            started_at=None,
            ended_at=None,
            allowed_actions=[],
        )
    assert await timeline(merchant, retried.json()) == [("key:first", "notice_retried", "timeout")]


async def test_notice_in_doubt_is_settled_as_sent(api: Api, merchant: MerchantClient) -> None:
    notice_id = await reply(api, merchant)
    await set_status(api, "in_doubt")
    sent = make_notice(notice_id, status="sent", reason="marked_sent", allowed_actions=[])
    for _ in range(2):
        assert (await merchant.post(f"/v1/notices/{notice_id}/mark-sent")).json() == sent
    assert await timeline(merchant, sent | (await merchant.get(f"/v1/notices/{notice_id}")).json()) == [
        ("key:first", "notice_sent", "marked_sent")
    ]
    refused = await merchant.post(f"/v1/notices/{notice_id}/retry")
    assert refused.json() == make_problem("already_sent", 409, "It has left.", request_id=ANY)


async def test_retry_is_refused_where_nothing_is_to_be_sent_any_more(api: Api, merchant: MerchantClient) -> None:
    notice_id = await reply(api, merchant)
    await set_status(api, "in_doubt")
    suppressed = await merchant.post("/v1/suppressions", {"suppressions": [{"contact": "a-1001@example.no"}]})
    assert suppressed.status_code < 300, suppressed.text
    refused = await merchant.post(f"/v1/notices/{notice_id}/retry")
    assert refused.json() == make_problem("suppressed", 409, "It is not to be sent any more.", request_id=ANY)
    assert (await merchant.get(f"/v1/notices/{notice_id}")).json() == make_notice(notice_id)


@pytest.mark.parametrize("action", ["retry", "mark-sent"])
async def test_nobody_elses_notices_are_there(api: Api, merchant: MerchantClient, action: str) -> None:
    notice_id = await reply(api, merchant)
    other = await api.make_merchant("other-shop")
    for one in (notice_id, str(uuid4()), "nonsense"):
        for answer in (await other.post(f"/v1/notices/{one}/{action}"), await other.get(f"/v1/notices/{one}")):
            assert answer.json() == make_problem(
                "notice_not_found", 404, "No notice of that id exists.", request_id=ANY
            )
    assert (await other.get("/v1/notices")).json()["items"] == []
