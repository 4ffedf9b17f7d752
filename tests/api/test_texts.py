"""Merchants' own texts over HTTP."""

from typing import Any
from unittest.mock import ANY

import pytest

from tests.api.conftest import Api, MerchantClient, make_problem

OURS: dict[str, Any] = {
    "fields": {
        "subject": "{{ customer_name | default: 'Hei' }}, alt i orden?",
        "body": ["Takk fra {{ merchant_name }}.", "Er alt her?"],
    },
    "asks_for": "stars",
}

ADDRESS = "/v1/texts/product_1/nb"


async def put(merchant: MerchantClient, body: object, *, if_match: str | None = "*", address: str = ADDRESS) -> Any:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return await merchant.request("PUT", address, json=body, headers=headers)


async def test_text_begins_as_the_catalogues(merchant: MerchantClient) -> None:
    answer = await merchant.get("/v1/texts/service_sms/en")
    assert answer.headers["etag"] == '"0"'
    assert answer.json() == {
        "text": "service_sms",
        "language": "en",
        "version": 0,
        "fields": {},
        "asks_for": None,
        "defaults": {"text": "{{ merchant_name }}: How was your experience with us? Tell us here:"},
        "variables": [
            "customer_name",
            "homepage_url",
            "merchant_name",
            "order_id",
            "product_count",
            "product_name",
            "product_names",
            "products",
            "support_email",
            "support_phone",
            "support_url",
        ],
        "changed_at": None,
        "changed_by": None,
    }


@pytest.mark.parametrize("language", ["en", "nb"])
async def test_defaults_can_be_saved_as_they_are_shown(merchant: MerchantClient, language: str) -> None:
    for text in ("product_1", "product_2", "service", "product_sms", "page", "not_received", "reply_notice", "voucher"):
        address = f"/v1/texts/{text}/{language}"
        defaults = (await merchant.get(address)).json()["defaults"]
        answer = await put(merchant, {"fields": defaults}, address=address)
        assert answer.status_code == 200, answer.text
        assert answer.json()["fields"] == defaults


async def test_text_is_replaced_as_a_whole_and_deleted(merchant: MerchantClient) -> None:
    saved = await put(merchant, OURS, if_match='"0"')
    assert saved.status_code == 200, saved.text
    assert saved.headers["etag"] == '"1"'
    body = saved.json()
    assert {name: body[name] for name in ("version", "fields", "asks_for", "changed_at", "changed_by")} == {
        "version": 1,
        "fields": OURS["fields"],
        "asks_for": "stars",
        "changed_at": "2026-03-02T12:00:00Z",
        "changed_by": "key:first",
    }
    assert (await merchant.get(ADDRESS)).json() == body
    assert (await merchant.get("/v1/texts")).json() == {
        "items": [
            {
                "text": "product_1",
                "language": "nb",
                "version": 1,
                "fields": ["body", "subject"],
                "changed_at": "2026-03-02T12:00:00Z",
                "changed_by": "key:first",
            }
        ]
    }
    gone = await merchant.request("DELETE", ADDRESS, headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    after = (await merchant.get(ADDRESS)).json()
    assert (after["version"], after["fields"], after["asks_for"]) == (2, {}, "delivery")
    assert (await merchant.get("/v1/texts")).json() == {"items": []}


async def test_text_is_not_changed_unseen(merchant: MerchantClient) -> None:
    assert (await put(merchant, OURS, if_match=None)).status_code == 428
    assert (await merchant.request("DELETE", ADDRESS)).status_code == 428
    assert (await put(merchant, OURS, if_match='"0"')).status_code == 200
    stale = await put(merchant, {"fields": {}}, if_match='"0"')
    assert stale.json() == make_problem(
        "version_mismatch", 412, "The text was changed meanwhile; read it again.", request_id=ANY
    )
    assert (await merchant.request("DELETE", ADDRESS, headers={"If-Match": '"0"'})).status_code == 412


async def test_every_fault_of_every_field_is_named_with_its_place(merchant: MerchantClient) -> None:
    answer = await put(
        merchant,
        {
            "fields": {
                "subject": "{{ secret }}",
                "heading": "ok\n{% if secret %}",
                "body": ["fine", "{{ products.first.name }}", "{% for x in (1..999999999) %}{% endfor %}"],
                "footer": "x" * 1001,
                "color": "red",
            }
        },
    )
    assert answer.status_code == 422
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The text has faults.",
        ("/fields/subject", "unknown_variable", "Line 1, column 4: there is no such variable here."),
        ("/fields/heading", "template_syntax", "Line 2, column 1: this block is never ended."),
        ("/fields/body/2", "template_syntax", "Line 1, column 13: ranges are not taken here."),
        ("/fields/footer", "too_long", "At most 1000 characters."),
        ("/fields/color", "unknown_field", "This text has no field of this name."),
        request_id=ANY,
    )
    assert "secret" not in answer.text
    assert (await merchant.get(ADDRESS)).json()["version"] == 0


async def test_body_of_another_shape_is_refused(merchant: MerchantClient) -> None:
    answer = await put(merchant, {"fields": {"subject": 1, "body": [1]}, "asks_for": "money", "x": 1})
    assert {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]} == {
        "/fields/subject": "invalid_type",
        "/fields/body": "invalid_type",
        "/asks_for": "not_a_choice",
        "/x": "unknown_field",
    }
    assert (await put(merchant, {})).json()["errors"][0]["pointer"] == "/fields"
    nul = await put(merchant, {"fields": {"subject": "a\u0000b"}})
    assert nul.json()["errors"][0]["code"] == "invalid_text"


@pytest.mark.parametrize("address", ["/v1/texts/invoice/nb", "/v1/texts/page/tlh", "/v1/texts/page/NB"])
async def test_other_texts_and_languages_do_not_exist(merchant: MerchantClient, address: str) -> None:
    answer = await merchant.get(address)
    assert answer.json() == make_problem("not_found", 404, "There is nothing at this address.", request_id=ANY)


async def test_texts_are_the_merchants_own(api: Api, merchant: MerchantClient) -> None:
    other = await api.make_merchant("other-shop")
    await put(merchant, OURS)
    assert (await other.get(ADDRESS)).json()["version"] == 0
    assert (await other.get("/v1/texts")).json() == {"items": []}


async def test_message_of_a_sandbox_is_written_by_it(api: Api) -> None:
    merchant = await api.make_merchant("sandbox-shop", sandbox=True)
    assert (await put(merchant, OURS)).status_code == 200
    await merchant.post_order()
    await merchant.post("/v1/sandbox/clock", {"to": "next_due"})
    [message] = (await merchant.get("/v1/sandbox/messages")).json()["items"]
    assert message["subject"] == "Kari Nordmann, alt i orden?"
    assert "Takk fra The Gift Shop." in message["text"]
    assert "stars=5" in message["text"]
    assert "received=" not in message["text"]
