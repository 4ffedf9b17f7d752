"""Branding."""

from typing import Any
from unittest.mock import ANY

from tests.api.conftest import Api, MerchantClient, make_problem
from tests.support.sending import driver_of

DEFAULTS: dict[str, Any] = {
    "version": 0,
    "logo_url": None,
    "primary_color": "#1f4b3f",
    "text_color": "#1d1d1f",
    "background_color": "#f4f4f2",
    "sender_name": None,
    "sender_email": None,
    "reply_to": None,
    "homepage_url": None,
    "sites": None,
    "support_email": None,
    "support_phone": None,
    "support_url": None,
    "sms_sender": None,
    "sms_transliterate": False,
    "warnings": [],
}

OURS = {
    "logo_url": "https://gifts.example/logo.png",
    "primary_color": "#7A1FA2",
    "text_color": "#222222",
    "background_color": "#ffffff",
    "sender_name": "Gaver & Sånt",
    "sender_email": "hei@gifts.example",
    "reply_to": "svar@gifts.example",
    "homepage_url": "https://gifts.example/no",
    "sites": ["https://gifts.example", "http://127.0.0.1:8080"],
    "support_email": "help@gifts.example",
    "support_phone": "+47 22 00 00 00",
    "support_url": "https://gifts.example/help?from=mail",
    "sms_sender": "GiftShop",
    "sms_transliterate": True,
}


async def put(merchant: MerchantClient, branding: object, *, if_match: str | None = "*") -> Any:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await merchant.request("PUT", "/v1/branding", json=branding, headers=headers)


async def test_branding_works_before_anything_is_set(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/branding")
    assert answer.headers["etag"] == '"0"'
    assert answer.json() == DEFAULTS


async def test_branding_is_replaced_as_a_whole(merchant: MerchantClient) -> None:
    first = await put(merchant, OURS, if_match='"0"')
    assert first.status_code == 200, first.text
    assert first.headers["etag"] == '"1"'
    assert first.json() == OURS | {"version": 1, "warnings": ANY}
    assert [warning["code"] for warning in first.json()["warnings"]] == [
        "sender_takes_no_answers",
        "sender_refused_in_countries",
        "sender_registered_in_countries",
        "sender_replaced_in_countries",
    ]
    assert (await merchant.get("/v1/branding")).json() == first.json()
    second = await put(merchant, {"sender_name": "Gaver", "logo_url": None}, if_match='"1"')
    assert second.json() == DEFAULTS | {"version": 2, "sender_name": "Gaver"}


async def test_sites_are_kept_as_browsers_write_them(merchant: MerchantClient) -> None:
    given = ["HTTPS://Gifts.Example:443/", "https://gifts.example", "https://m.gifts.example:8443"]
    saved = (await put(merchant, {"sites": given})).json()
    assert saved["sites"] == ["https://gifts.example", "https://m.gifts.example:8443"]
    assert (await put(merchant, {"sites": []})).json()["sites"] == []
    wrong = ["gifts.example", "https://gifts.example/shop", "https://a@gifts.example", "ftp://gifts.example", "null"]
    refused = await put(merchant, {"sites": wrong})
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/sites/{number}" for number in range(5)]


async def test_changed_branding_stands_in_the_timeline_without_what_it_says(api: Api, merchant: MerchantClient) -> None:
    await put(merchant, OURS)
    await put(merchant, OURS | {"support_phone": None})
    await put(merchant, {}, if_match='"1"')
    async with api.context.database.autocommit() as stores:
        told = await driver_of(stores).fetch("SELECT actor, event, data FROM timeline_entries ORDER BY id")
    assert [tuple(row) for row in told] == [
        ("key:first", "branding_changed", {"version": 1, "changed": list(OURS)}),
        ("key:first", "branding_changed", {"version": 2, "changed": ["support_phone"]}),
    ]


async def test_branding_is_not_replaced_unseen(merchant: MerchantClient) -> None:
    assert (await put(merchant, OURS, if_match=None)).status_code == 428
    assert (await put(merchant, OURS, if_match='"0"')).status_code == 200
    for stale in ('"0"', '"2"'):
        answer = await put(merchant, {}, if_match=stale)
        assert answer.status_code == 412
        assert answer.json() == make_problem(
            "version_mismatch", 412, "The branding was changed meanwhile; read it again.", request_id=ANY
        )
    assert (await put(merchant, {}, if_match="*")).json()["version"] == 2


async def test_pale_colours_are_saved_with_a_warning(merchant: MerchantClient) -> None:
    answer = await put(merchant, {"primary_color": "#ffff00", "text_color": "#777777"})
    assert answer.status_code == 200
    assert answer.json()["primary_color"] == "#ffff00"
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["low_contrast"] * 3
    assert answer.json()["warnings"][2]["detail"].startswith("primary_color on white has a contrast of 1.1")


async def test_faulty_branding_is_refused_with_every_fault(merchant: MerchantClient) -> None:
    answer = await put(
        merchant,
        {
            "logo_url": "http://gifts.example/logo.png",
            "primary_color": "green",
            "sender_name": "Gifts\r\nBcc: all@example.com",
            "sender_email": "nobody",
            "reply_to": "x" * 321,
            "homepage_url": "javascript:alert(1)",
            "support_phone": "ring us",
            "support_url": "javascript:alert(1)",
            "sms_sender": "TwelveLetters",
            "font": "Comic Sans",
        },
    )
    assert answer.status_code == 422
    assert {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]} == {
        "/logo_url": "invalid_format",
        "/primary_color": "invalid_format",
        "/sender_name": "invalid_format",
        "/sender_email": "invalid_format",
        "/reply_to": "too_long",
        "/homepage_url": "invalid_format",
        "/support_phone": "invalid_format",
        "/support_url": "invalid_format",
        "/sms_sender": "invalid_format",
        "/font": "unknown_field",
    }
