"""Merchants and their keys, by operator's key."""

from typing import Any
from unittest.mock import ANY

import pytest

from invite_service.domain.merchant import MerchantId
from invite_service.services.access import ALL_SCOPES
from tests.api.conftest import Api, MerchantClient, make_problem

BODY = {
    "id": "nordic-gear",
    "name": "Nordic Gear AS",
    "time_zone": "Europe/Oslo",
    "homepage_url": "https://nordic-gear.example",
}

MERCHANT = BODY | {"sandbox": False, "created_at": "2026-03-02T12:00:00Z", "paused_at": None, "paused_reason": None}


async def test_a_merchant_is_made_with_a_key_that_works(api: Api) -> None:
    answer = await api.operate("POST", "/v1/merchants", json=BODY)
    assert answer.status_code == 201
    assert answer.json() == MERCHANT | {"api_key": ANY}
    key = answer.json()["api_key"]
    assert key.startswith("rk_live_")
    assert (await api.call("GET", "/v1/policy", key=key)).status_code == 200
    found = await api.operate("GET", "/v1/merchants/nordic-gear")
    assert found.json() == MERCHANT


async def test_a_paused_merchant_is_shown_and_resumed(api: Api) -> None:
    shop = await api.make_merchant("nordic-gear", **{name: BODY[name] for name in ("name", "homepage_url")})
    async with api.context.database.transaction() as stores:
        await stores.reputation.pause(MerchantId("nordic-gear"), "too_many_complaints", real_now=api.clock.now)
    paused = MERCHANT | {"paused_at": "2026-03-02T12:00:00Z", "paused_reason": "too_many_complaints"}
    assert (await api.operate("GET", "/v1/merchants/nordic-gear")).json() == paused
    checks = (await shop.get("/v1/insights/health")).json()["checks"]
    [going_out] = [check for check in checks if check["id"] == "invitations_going_out"]
    assert (going_out["status"], going_out["detail"]) == (
        "fail",
        "Nothing leaves: merchant paused (too_many_complaints).",
    )

    for _ in range(2):
        resumed = await api.operate("POST", "/v1/merchants/nordic-gear/resume")
        assert (resumed.status_code, resumed.json()) == (200, MERCHANT)
    assert (await api.operate("POST", "/v1/merchants/nobody/resume")).status_code == 404
    assert (await shop.post("/v1/merchants/nordic-gear/resume")).status_code == 401


async def test_a_taken_id_is_refused(api: Api) -> None:
    await api.operate("POST", "/v1/merchants", json=BODY)
    again = await api.operate("POST", "/v1/merchants", json=BODY | {"name": "Other"})
    assert again.status_code == 409
    assert again.json() == make_problem("merchant_exists", 409, "A merchant of that id exists already.", request_id=ANY)


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"id": "Nordic"}, "/id", "invalid_format"),
        ({"id": "-nordic"}, "/id", "invalid_format"),
        ({"id": "n" * 21}, "/id", "invalid_format"),
        ({"id": "nordic\n"}, "/id", "invalid_format"),
        ({"id": "invitations"}, "/id", "reserved"),
        ({"name": "  "}, "/name", "invalid_format"),
        ({"name": "x" * 201}, "/name", "too_long"),
        ({"time_zone": "Oslo"}, "/time_zone", "not_a_choice"),
        ({"homepage_url": "nordic-gear.example"}, "/homepage_url", "invalid_format"),
        ({"homepage_url": "https://[x"}, "/homepage_url", "invalid_format"),
        ({"homepage_url": "https://:80/"}, "/homepage_url", "invalid_format"),
        ({"sandbox": "no"}, "/sandbox", "invalid_type"),
        ({"clock": "2026-03-02T12:00:00Z"}, "/clock", "not_a_sandbox"),
        ({"plan": "gold"}, "/plan", "unknown_field"),
    ],
)
async def test_a_faulty_merchant_is_refused(api: Api, changes: dict[str, Any], pointer: str, code: str) -> None:
    answer = await api.operate("POST", "/v1/merchants", json=BODY | changes)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


async def test_every_fault_of_a_merchant_is_named_at_once(api: Api) -> None:
    faulty = BODY | {"id": "No", "homepage_url": "https://[x", "clock": "2026-03-02T12:00:00Z", "plan": "gold"}
    answer = await api.operate("POST", "/v1/merchants", json=faulty)
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The body has faults.",
        ("/id", "invalid_format", "Must match ^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$."),
        ("/homepage_url", "invalid_format", "Must be an absolute http or https address."),
        ("/clock", "not_a_sandbox", "Only a sandbox has a clock of its own."),
        ("/plan", "unknown_field", "There is no field of this name here."),
        request_id=ANY,
    )


async def test_merchants_are_listed_by_id(api: Api) -> None:
    for merchant_id in ("b", "c", "a"):
        await api.make_merchant(merchant_id)
    first = (await api.operate("GET", "/v1/merchants", params={"limit": 2})).json()
    assert [item["id"] for item in first["items"]] == ["a", "b"]
    cursor = first["next_cursor"]
    second = (await api.operate("GET", "/v1/merchants", params={"limit": 2, "cursor": cursor})).json()
    assert [item["id"] for item in second["items"]] == ["c"]
    assert second["next_cursor"] is None


async def test_keys_are_made_listed_and_revoked(api: Api, merchant: MerchantClient) -> None:
    made = await api.operate(
        "POST",
        "/v1/api-keys",
        json={
            "merchant_id": merchant.id,
            "name": "webshop",
            "scopes": ["orders:write"],
            "expires_at": "2027-01-01T00:00:00Z",
        },
    )
    assert made.status_code == 201
    assert made.json() == {"id": ANY, "api_key": ANY}
    path = f"/v1/api-keys?merchant_id={merchant.id}"
    key = {
        "id": made.json()["id"],
        "name": "webshop",
        "scopes": ["orders:write"],
        "created_at": "2026-03-02T12:00:00Z",
        "expires_at": "2027-01-01T00:00:00Z",
        "revoked_at": None,
    }
    first = {
        "id": ANY,
        "name": "first",
        "scopes": sorted(ALL_SCOPES),
        "created_at": "2026-03-02T12:00:00Z",
        "expires_at": None,
        "revoked_at": None,
    }
    listed = (await api.operate("GET", path)).json()
    assert listed["next_cursor"] is None
    assert sorted(listed["items"], key=lambda item: str(item["name"])) == [first, key]
    revoke = f"/v1/api-keys/{key['id']}?merchant_id={merchant.id}"
    for _ in range(2):
        assert (await api.operate("DELETE", revoke)).status_code == 204
    listed = (await api.operate("GET", path)).json()
    revoked = [item for item in listed["items"] if item["name"] == "webshop"]
    assert revoked == [key | {"revoked_at": "2026-03-02T12:00:00Z"}]


async def test_faulty_keys_are_refused(api: Api, merchant: MerchantClient) -> None:
    answer = await api.operate("POST", "/v1/api-keys", json={"merchant_id": merchant.id, "scopes": []})
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("/name", "missing"),
        ("/scopes", "too_short"),
    }
    body = {"merchant_id": "No", "name": "x ", "scopes": ["orders:write", "orders:delete", 5]}
    answer = await api.operate("POST", "/v1/api-keys", json=body)
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
        ("/merchant_id", "invalid_format"),
        ("/name", "invalid_format"),
        ("/scopes/1", "unknown_scope"),
        ("/scopes/2", "invalid_type"),
    ]


async def test_what_is_of_no_merchant_is_not_found(api: Api, merchant: MerchantClient) -> None:
    for answer, code in (
        (await api.operate("GET", "/v1/merchants/nobody"), "merchant_not_found"),
        (await api.operate("GET", "/v1/api-keys?merchant_id=nobody"), "merchant_not_found"),
        (
            await api.operate("POST", "/v1/api-keys", json={"merchant_id": "nobody", "name": "x"}),
            "merchant_not_found",
        ),
        (await api.operate("DELETE", "/v1/api-keys/nokey?merchant_id=gift-shop"), "api_key_not_found"),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == code
