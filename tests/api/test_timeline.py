"""The merchant's own timeline over HTTP: who changed what of the settings."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

from invite_service.domain.timeline import EVENTS_OF, TimelineSubject
from tests.api.conftest import NOON, Clock, MerchantClient


async def change_everything(merchant: MerchantClient, clock: Clock) -> None:
    """Change some settings, an hour apart, among what happens to orders."""
    await merchant.post_order()
    await merchant.request("PATCH", "/v1/policy", json={"block_days": 3}, headers={"If-Match": "*"})
    clock.now = NOON + timedelta(hours=1)
    await merchant.request("PATCH", "/v1/publishing", json={"approval": "manual"}, headers={"If-Match": "*"})
    clock.now = NOON + timedelta(hours=2)
    await merchant.post("/v1/suppressions", {"contact": "ola@example.com"})
    await merchant.post("/v1/customers/erase", {"contact": "kari@example.com"})


async def read(merchant: MerchantClient, **params: Any) -> list[tuple[str, str]]:
    answer = await merchant.get("/v1/timeline", **params)
    assert answer.status_code == 200, answer.text
    return [(item["at"], item["event"]) for item in answer.json()["items"]]


async def test_settings_tell_who_changed_them_latest_first(merchant: MerchantClient, clock: Clock) -> None:
    await change_everything(merchant, clock)
    answer = await merchant.get("/v1/timeline")
    assert answer.json() == {
        "items": [
            {
                "id": ANY,
                "at": "2026-03-02T14:00:00Z",
                "actor": "key:first",
                "event": "customer_erased",
                "reason": None,
                "data": ANY,
            },
            {
                "id": ANY,
                "at": "2026-03-02T14:00:00Z",
                "actor": "key:first",
                "event": "contacts_suppressed",
                "reason": None,
                "data": {"source": "merchant", "added": 1, "suppression_ids": [ANY]},
            },
            {
                "id": ANY,
                "at": "2026-03-02T13:00:00Z",
                "actor": "key:first",
                "event": "publishing_changed",
                "reason": None,
                "data": {"version": 1, "changed": ["approval"]},
            },
            {
                "id": ANY,
                "at": "2026-03-02T12:00:00Z",
                "actor": "key:first",
                "event": "policy_changed",
                "reason": None,
                "data": {"version": 2, "changed": ["block_days"]},
            },
        ],
        "next_cursor": None,
        "prev_cursor": None,
    }
    assert "kari@example.com" not in answer.text


async def test_list_goes_by_subject_period_and_cursor(merchant: MerchantClient, clock: Clock) -> None:
    await change_everything(merchant, clock)
    assert await read(merchant, subject="policy") == [("2026-03-02T12:00:00Z", "policy_changed")]
    assert await read(merchant, subject="channels") == []
    between = {"at_from": "2026-03-02T12:30:00Z", "at_to": "2026-03-02T14:00:00Z"}
    assert await read(merchant, **between) == [("2026-03-02T13:00:00Z", "publishing_changed")]
    first = (await merchant.get("/v1/timeline", sort="at", limit=3)).json()
    assert [item["event"] for item in first["items"]] == ["policy_changed", "publishing_changed", "contacts_suppressed"]
    rest = (await merchant.get("/v1/timeline", sort="at", limit=3, cursor=first["next_cursor"])).json()
    assert ([item["event"] for item in rest["items"]], rest["next_cursor"]) == (["customer_erased"], None)
    back = (await merchant.get("/v1/timeline", sort="at", limit=3, cursor=rest["prev_cursor"])).json()
    assert back["items"] == first["items"]


async def test_period_that_ends_before_it_begins_is_refused(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/timeline", at_from="2026-03-03T00:00:00Z", at_to="2026-03-02T00:00:00Z")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?at_to"]


def test_every_subject_has_events_of_its_own() -> None:
    assert EVENTS_OF.keys() == set(TimelineSubject)
    assert all(EVENTS_OF.values())
    told = [event for events in EVENTS_OF.values() for event in events]
    assert len(told) == len(set(told))
