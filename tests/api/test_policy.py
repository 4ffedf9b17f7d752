"""Reading and changing the policy: ranges, versions, and nobody overwriting what they have not seen."""

from typing import Any
from unittest.mock import ANY

import pytest

from invite_service.domain.policy import SUPPORTED_LANGUAGES, WEEKDAYS
from tests.api.conftest import Api, MerchantClient, make_problem
from tests.support.documented import kept_document

DEFAULTS = {
    "version": 1,
    "product_delay_days": 14,
    "product_second_delay_days": 5,
    "service_delay_days": 7,
    "delay_origin": "scheduled",
    "service_percent": 0,
    "product_steps": "both",
    "product_repeat_days": 90,
    "service_repeat_days": 14,
    "block_days": 0,
    "preferred_channel": "email",
    "language": "automatic",
    "fallback_language": "en",
    "hosted_landing_page": True,
    "send_window_start": "10:00",
    "send_window_end": "12:00",
    "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_zone": "merchant",
    "trigger_statuses": ["processed", "sent", "shipped", "fulfilled", "complete", "completed", "delivered"],
    "hold_statuses": ["on_hold", "return_requested"],
    "cancel_statuses": [
        "cancelled",
        "canceled",
        "refunded",
        "returned",
        "voided",
        "failed",
        "expired",
        "unavailable",
    ],
    "excluded_product_ids": [],
    "excluded_categories": [],
    "consent": "not_required",
    "max_order_age_days": 180,
    "send_deadline_days": 14,
    "not_received_wait_days": 14,
}


async def patch(merchant: MerchantClient, changes: object, *, if_match: str | None = "*") -> Any:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await merchant.request("PATCH", "/v1/policy", json=changes, headers=headers)


async def test_a_new_merchant_has_the_defaults(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/policy")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == DEFAULTS


async def test_a_change_of_every_setting_makes_a_version_that_holds(merchant: MerchantClient) -> None:
    changes = {
        "product_delay_days": 0,
        "product_second_delay_days": 90,
        "service_delay_days": 365,
        "delay_origin": "delivered",
        "service_percent": 100,
        "product_steps": "second_only",
        "product_repeat_days": 3650,
        "service_repeat_days": 0,
        "block_days": 1,
        "preferred_channel": "sms",
        "language": "pt-BR",
        "fallback_language": "nb",
        "hosted_landing_page": False,
        "send_window_start": "00:00",
        "send_window_end": "23:59",
        "send_days": ["sun", "mon"],
        "send_zone": "recipient",
        "trigger_statuses": [],
        "hold_statuses": ["paused"],
        "cancel_statuses": ["gone"],
        "excluded_product_ids": ["gift-card"],
        "excluded_categories": ["services"],
        "consent": "required",
        "max_order_age_days": 0,
        "send_deadline_days": 1,
        "not_received_wait_days": 90,
    }
    answer = await patch(merchant, changes, if_match='"1"')
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == changes | {"version": 2}
    assert changes.keys() == DEFAULTS.keys() - {"version"}
    assert (await merchant.get("/v1/policy")).json() == answer.json()


async def test_fields_that_are_left_out_stay_and_no_change_makes_no_version(merchant: MerchantClient) -> None:
    assert (await patch(merchant, {"block_days": 5})).json() == DEFAULTS | {"version": 2, "block_days": 5}
    assert (await patch(merchant, {"block_days": 5})).json()["version"] == 2
    assert (await patch(merchant, {})).json()["version"] == 2


async def test_a_change_needs_the_version_that_was_seen(merchant: MerchantClient) -> None:
    missing = await patch(merchant, {"block_days": 5}, if_match=None)
    assert missing.status_code == 428
    assert missing.json() == make_problem(
        "if_match_required",
        428,
        "Send If-Match with the ETag that was read, or with * for any version.",
        request_id=ANY,
    )
    assert (await patch(merchant, {"block_days": 5}, if_match='"1"')).status_code == 200
    stale = await patch(merchant, {"block_days": 6}, if_match='"1"')
    assert stale.status_code == 412
    assert stale.json() == make_problem(
        "version_mismatch", 412, "The policy was changed meanwhile; read it again.", request_id=ANY
    )
    for etag in ("1", 'W/"2"', '"2", "3"', "two"):
        assert (await patch(merchant, {"block_days": 6}, if_match=etag)).status_code == 412
    assert (await merchant.get("/v1/policy")).json()["block_days"] == 5


async def test_every_setting_out_of_range_is_named_at_once(merchant: MerchantClient) -> None:
    answer = await patch(
        merchant,
        {
            "product_delay_days": 366,
            "product_second_delay_days": 0,
            "service_percent": 101,
            "block_days": -1,
            "max_order_age_days": 1.5,
            "send_deadline_days": None,
            "delay_origin": "paid",
            "language": "xx",
            "fallback_language": "automatic",
            "hosted_landing_page": "yes",
            "send_window_start": "24:00",
            "send_days": ["mon", "someday"],
            "trigger_statuses": ["", "x" * 256],
            "excluded_product_ids": ["p"] * 10_001,
            "sms_price": 1,
        },
    )
    assert answer.status_code == 422
    assert {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]} == {
        "/product_delay_days": "out_of_range",
        "/product_second_delay_days": "out_of_range",
        "/service_percent": "out_of_range",
        "/block_days": "out_of_range",
        "/max_order_age_days": "invalid_type",
        "/send_deadline_days": "invalid_type",
        "/delay_origin": "not_a_choice",
        "/language": "not_a_choice",
        "/fallback_language": "not_a_choice",
        "/hosted_landing_page": "invalid_type",
        "/send_window_start": "invalid_format",
        "/send_days/1": "not_a_choice",
        "/trigger_statuses/0": "too_short",
        "/trigger_statuses/1": "too_long",
        "/excluded_product_ids": "too_long",
        "/sms_price": "unknown_field",
    }
    assert (await merchant.get("/v1/policy")).json() == DEFAULTS


@pytest.mark.parametrize(
    "changes",
    [{"send_window_start": "12:00"}, {"send_window_end": "10:00"}, {"send_days": []}],
)
async def test_a_window_that_is_never_open_is_refused(merchant: MerchantClient, changes: dict[str, Any]) -> None:
    answer = await patch(merchant, changes)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 1


@pytest.mark.parametrize(
    "window",
    [{"send_window_start": "12:00"}, {"send_window_end": "10:00"}, {"send_window_start": "9:59", "block_days": -1}],
)
async def test_a_window_that_is_never_open_is_named_beside_other_faults(
    merchant: MerchantClient, window: dict[str, Any]
) -> None:
    answer = await patch(merchant, {"service_percent": 101} | window)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == len(window) + 1
    assert answer.json()["errors"][0]["pointer"] == "/service_percent"


async def test_versions_are_listed_with_who_saved_them(api: Api, merchant: MerchantClient) -> None:
    for days in (1, 2):
        await patch(merchant, {"block_days": days})
    first = (await merchant.get("/v1/policy/versions", limit=2)).json()
    assert first == {
        "items": [
            {
                "created_at": "2026-03-02T12:00:00Z",
                "created_by": "key:first",
                "policy": DEFAULTS | {"version": days + 1, "block_days": days},
            }
            for days in (2, 1)
        ],
        "next_cursor": ANY,
    }
    second = (await merchant.get("/v1/policy/versions", limit=2, cursor=first["next_cursor"])).json()
    assert second == {
        "items": [{"created_at": "2026-03-02T12:00:00Z", "created_by": "operator", "policy": DEFAULTS}],
        "next_cursor": None,
    }
    wrong = await merchant.get("/v1/policy/versions", cursor="abc")
    assert [fault["pointer"] for fault in wrong.json()["errors"]] == ["?cursor"]


def test_the_wire_knows_the_languages_and_days_that_the_rules_know() -> None:
    fields = kept_document()["components"]["schemas"]["PolicyPatch"]["properties"]
    assert fields["language"]["enum"] == ["automatic", *SUPPORTED_LANGUAGES]
    assert fields["fallback_language"]["enum"] == list(SUPPORTED_LANGUAGES)
    assert fields["send_days"]["items"]["enum"] == list(WEEKDAYS)
