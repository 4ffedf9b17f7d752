"""Calls with an Idempotency-Key: done once, answered alike."""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from tests.api.conftest import Api, MerchantClient, make_problem

MERCHANT = {
    "id": "nordic-gear",
    "name": "Nordic Gear AS",
    "time_zone": "Europe/Oslo",
    "homepage_url": "https://nordic-gear.example",
}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def is_replayed(answer: httpx.Response) -> bool:
    return "idempotency-replayed" in answer.headers


async def invite(merchant: MerchantClient) -> str:
    """Post an order and give its invitation's address."""
    return f"/v1/invitations/{(await merchant.post_order())['invitation']['id']}"


async def stored(api: Api) -> list[dict[str, Any]]:
    async with api.context.database.transaction() as stores:
        rows = await stores._driver.fetch("SELECT * FROM idempotency_keys ORDER BY merchant_id, path, created_at")
    return [dict(row.items()) for row in rows]


async def test_a_call_that_is_sent_again_is_answered_and_not_done_again(merchant: MerchantClient) -> None:
    path = await invite(merchant)
    await merchant.post(f"{path}/cancel")
    first = await merchant.post(f"{path}/enable", headers=keyed("order-1"))
    assert (first.status_code, is_replayed(first)) == (200, False)
    for key in ("order-1", '"order-1"'):
        again = await merchant.post(f"{path}/enable", headers=keyed(key))
        assert (again.status_code, is_replayed(again)) == (200, True), key
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["content-type"] == "application/json"
    await merchant.post(f"{path}/cancel")
    late = await merchant.post(f"{path}/enable", headers=keyed("order-1"))
    assert (late.content, is_replayed(late)) == (first.content, True)
    found = (await merchant.get(path)).json()
    events = [entry["event"] for entry in found["timeline"]]
    assert events == ["invitation_scheduled", "invitation_cancelled", "invitation_enabled", "invitation_cancelled"]
    assert found["status"] == "cancelled"


async def test_a_refusal_is_kept_like_any_answer(merchant: MerchantClient) -> None:
    path = await invite(merchant)
    refused = await merchant.post(f"{path}/enable", headers=keyed("k"))
    assert (refused.status_code, refused.json()["code"], is_replayed(refused)) == (409, "not_cancelled", False)
    await merchant.post(f"{path}/cancel")
    again = await merchant.post(f"{path}/enable", headers=keyed("k"))
    assert (again.status_code, is_replayed(again)) == (409, True)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json() == refused.json()
    assert (await merchant.get(path)).json()["status"] == "cancelled"


async def test_the_same_key_with_another_body_is_refused(merchant: MerchantClient) -> None:
    path = f"{await invite(merchant)}/reschedule"
    first = await merchant.post(path, {"date": "2026-03-18"}, headers=keyed("k"))
    assert first.status_code == 200
    other = await merchant.post(path, {"date": "2026-03-19"}, headers=keyed("k"))
    assert other.status_code == 422
    assert other.json() == make_problem(
        "idempotency_key_reused", 422, "The key was used with another body; take a new one.", request_id=ANY
    )
    spaced = await merchant.request("POST", path, content=b'{ "date" : "2026-03-18" }\n', headers=keyed("k"))
    assert (spaced.content, is_replayed(spaced)) == (first.content, True)


async def test_a_body_that_cannot_be_read_uses_up_no_key(api: Api, merchant: MerchantClient) -> None:
    path = f"{await invite(merchant)}/reschedule"
    for body in ({"date": "18 March"}, {"day": "2026-03-18"}):
        assert (await merchant.post(path, body, headers=keyed("k"))).status_code == 422
    assert await stored(api) == []
    assert (await merchant.post(path, {"date": "2026-03-18"}, headers=keyed("k"))).status_code == 200


async def test_a_key_counts_for_one_merchant_and_one_address(api: Api, merchant: MerchantClient) -> None:
    other = await api.make_merchant("other-shop")
    for path in (f"{await invite(merchant)}/cancel", f"{await invite(merchant)}/send-now"):
        assert not is_replayed(await merchant.post(path, headers=keyed("k")))
    of_other = await other.post(f"{await invite(other)}/cancel", headers=keyed("k"))
    assert (of_other.status_code, is_replayed(of_other)) == (200, False)


@pytest.mark.parametrize("key", ["", '""', '"a', "a b", "ø", "a" * 256, '"a";b=1', '"\\a"'])
async def test_a_key_that_cannot_be_read_is_refused(api: Api, merchant: MerchantClient, key: str) -> None:
    path = await invite(merchant)
    answer = await merchant.post(f"{path}/cancel", headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    detail = "Must be one key of 1 to 255 printable ASCII characters, bare or between double quotes."
    assert answer.json() == make_problem(
        "invalid_input", 422, "The request has faults.", ("Idempotency-Key", "invalid_format", detail), request_id=ANY
    )
    assert (await merchant.get(path)).json()["status"] == "scheduled"


async def test_a_merchant_is_made_once_and_its_key_shown_to_who_lost_the_answer(api: Api) -> None:
    first = await api.operate("POST", "/v1/merchants", json=MERCHANT, headers=keyed("k"))
    again = await api.operate("POST", "/v1/merchants", json=MERCHANT, headers=keyed("k"))
    assert (first.status_code, is_replayed(first)) == (201, False)
    assert (again.status_code, is_replayed(again)) == (201, True)
    assert again.json() == first.json()
    api_key = first.json()["api_key"]
    assert (await api.call("GET", "/v1/policy", key=api_key)).status_code == 200
    unkeyed = await api.operate("POST", "/v1/merchants", json=MERCHANT)
    assert unkeyed.json()["code"] == "merchant_exists"
    text = str(await stored(api))
    assert [secret for secret in (api_key, "Nordic Gear", "'k'") if secret in text] == []


async def test_an_api_key_is_made_once_however_many_ask_at_the_same_time(api: Api, merchant: MerchantClient) -> None:
    body = {"merchant_id": merchant.id, "name": "webshop"}
    answers = await asyncio.gather(
        *(api.operate("POST", "/v1/api-keys", json=body, headers=keyed("k")) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sorted(is_replayed(answer) for answer in answers) == [False] + [True] * 7
    listed = (await api.operate("GET", f"/v1/api-keys?merchant_id={merchant.id}")).json()["items"]
    assert sorted(key["name"] for key in listed) == ["first", "webshop"]


async def test_a_clock_is_moved_once(api: Api) -> None:
    sandbox = await api.make_merchant("sandbox", sandbox=True, clock="2025-12-01T09:00:00Z")
    await sandbox.post_order(purchased_at="2025-12-01T07:00:00Z")
    first, *others = await asyncio.gather(
        *(sandbox.post("/v1/sandbox/clock", {"advance": "P15D"}, headers=keyed("k")) for _ in range(3))
    )
    assert first.json() == {
        "now": "2025-12-16T09:00:00Z",
        "sent": 1,
        "skipped": 0,
        "missed": 0,
        "failed": 0,
        "in_doubt": 0,
    }
    assert [other.content for other in others] == [first.content] * 2
    assert sorted(is_replayed(answer) for answer in (first, *others)) == [False, True, True]
    assert (await sandbox.get("/v1/sandbox/clock")).json() == {"now": "2025-12-16T09:00:00Z"}
    for replayed in (False, True):
        sent = await sandbox.post("/v1/sandbox/send-due", headers=keyed("k"))
        assert (sent.json()["sent"], is_replayed(sent)) == (0, replayed)


async def test_a_refused_move_of_a_clock_is_kept(merchant: MerchantClient) -> None:
    for replayed in (False, True):
        refused = await merchant.post("/v1/sandbox/clock", {"advance": "P1D"}, headers=keyed("k"))
        assert (refused.status_code, refused.json()["code"]) == (409, "not_a_sandbox")
        assert is_replayed(refused) is replayed


async def test_after_a_day_a_key_is_forgotten(api: Api, merchant: MerchantClient) -> None:
    path = f"{await invite(merchant)}/cancel"
    await merchant.post(path, headers=keyed("k"))
    await merchant.post(path, headers=keyed("late"))
    api.clock.now += timedelta(hours=24)
    assert not is_replayed(await merchant.post(path, headers=keyed("k")))
    assert is_replayed(await merchant.post(path, headers=keyed("k")))
    idempotency = api.factory.create_idempotency()
    assert await idempotency.clean() == 1
    assert await idempotency.clean() == 0
    assert [row["created_at"] for row in await stored(api)] == [api.clock.now]


async def test_calls_whose_address_says_everything_take_no_fields(merchant: MerchantClient) -> None:
    path = await invite(merchant)
    for action in ("cancel", "enable", "send-now", "retry", "mark-sent"):
        answer = await merchant.post(f"{path}/{action}", {"date": "2026-03-18"})
        assert answer.status_code == 422, action
        assert answer.json() == make_problem(
            "invalid_input",
            422,
            "The body has faults.",
            ("/date", "unknown_field", "There is no field of this name here."),
            request_id=ANY,
        )
    malformed = await merchant.request("POST", f"{path}/cancel", content=b"{")
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed_json")
    for body in (b"", b" \n", b"{}"):
        assert (await merchant.request("POST", f"{path}/cancel", content=body)).status_code == 200
