"""Previews and test messages over HTTP."""

import re
from html import unescape
from io import StringIO
from typing import Any
from unittest.mock import ANY

import pytest

from tests.api.conftest import Api, MerchantClient, make_problem
from tests.api.test_publishing import patch
from tests.api.test_texts import put

PREVIEW = "/v1/texts/preview"
SEND = "/v1/texts/test-send"

ALERT: dict[str, Any] = {
    "subject": "A customer gave 1 star",
    "preheader": "",
    "html": ANY,
    "text": "A customer gave “Blue mug” 1 star. A support case is open.\n\n"
    "The customer wrote:\n\nIt broke in the first week.\n\n"
    "Orders: A-1001\n\nSupport case: 00000000-0000-0000-0000-000000000000",
    "frame": None,
    "sms": None,
    "warnings": [],
}
"""What previews show of the mail to support as long as nothing is set up."""

HELP_OFFERED = """\
Guten Tag, Kari Nordmann!

Es tut uns leid, dass es nicht besser war

Danke, dass Sie uns das ehrlich gesagt haben. Unser Kundenservice hat Ihre Bewertung gesehen und möchte die Sache gern \
in Ordnung bringen, wenn Sie das wünschen. Sie können uns gleich schreiben.

Kontakt zu The Gift Shop:
help@gifts.example

Ihre Bewertung:

Blue mug
1 von 5 Sternen
It broke in the first week.

Bewertung ansehen:
(i)

Ob Sie uns schreiben oder nicht: Ihre Bewertung wird spätestens am 9. März 2026 angezeigt.

----
The Gift Shop
https://gifts.example

Sie erhalten diese E-Mail, weil Sie The Gift Shop Ihre Meinung gesagt haben.

Fragen zu Ihrer Bestellung? So erreichen Sie The Gift Shop:
help@gifts.example

Diese E-Mails abbestellen:
(u)
"""
"""The plain part of the mail that offers help, its links by what they lead to."""


async def preview(merchant: MerchantClient, text: str, language: str = "en", **more: Any) -> dict[str, Any]:
    answer = await merchant.post(PREVIEW, {"text": text, "language": language, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def brand(merchant: MerchantClient, **branding: Any) -> None:
    answer = await merchant.request("PUT", "/v1/branding", json=branding, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def sandbox(api: Api) -> MerchantClient:
    merchant = await api.make_merchant("sandbox-shop", sandbox=True)
    await brand(merchant, reply_to="Me@Gifts.example", support_phone="+47 912 34 567")
    return merchant


async def messages(merchant: MerchantClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await merchant.get("/v1/sandbox/messages")).json()["items"]
    return items


@pytest.mark.parametrize("text", ["product_1", "product_2", "service", "reply_notice", "voucher"])
@pytest.mark.parametrize("language", ["en", "nb"])
async def test_every_mail_can_be_seen(merchant: MerchantClient, text: str, language: str) -> None:
    shown = await preview(merchant, text, language)
    assert shown == {
        "subject": ANY,
        "preheader": ANY,
        "html": ANY,
        "text": ANY,
        "frame": None,
        "sms": None,
        "warnings": [],
    }
    assert all(shown[part] for part in ("subject", "preheader", "html", "text"))
    assert f"<title>{shown['subject']}</title>" in unescape(shown["html"])
    assert "prefers-color-scheme" in shown["html"]
    assert 'style="' in shown["html"]
    assert "The Gift Shop" in shown["text"]


async def test_sms_is_shown_with_its_segments_and_cost(merchant: MerchantClient) -> None:
    shown = await preview(merchant, "product_sms")
    assert shown["sms"] == {
        "text": ANY,
        "encoding": "gsm-7",
        "segments": 2,
        "cost": {"amount": "0.40", "currency": "NOK"},
    }
    assert shown["sms"]["text"].startswith("The Gift Shop: How do you like what you bought? Tell us here: http://")
    assert (shown["subject"], shown["html"], shown["text"], shown["warnings"]) == (None, None, None, [])
    unsaved = await preview(merchant, "product_sms", fields={"text": "Как вам {{ product_name }}? " + "x" * 150})
    assert (unsaved["sms"]["encoding"], unsaved["sms"]["segments"]) == ("ucs-2", 6)
    assert [warning["code"] for warning in unsaved["warnings"]] == ["not_gsm", "many_segments"]
    branding = {"sms_transliterate": True}
    await merchant.request("PUT", "/v1/branding", json=branding, headers={"If-Match": "*"})
    cheaper = await preview(merchant, "product_sms", fields={"text": "Как вам {{ product_name }}? " + "x" * 150})
    assert cheaper["sms"]["text"].startswith("Kak vam ")
    assert (cheaper["sms"]["encoding"], cheaper["sms"]["segments"]) == ("gsm-7", 3)
    assert cheaper["warnings"] == []


@pytest.mark.parametrize(("text", "news"), [("reply_notice", "/i/"), ("voucher", "THANKS10")])
async def test_notice_is_shown_as_it_goes_by_sms(merchant: MerchantClient, text: str, news: str) -> None:
    shown = await preview(merchant, text, "nb", channel="sms")
    assert (shown["html"], shown["subject"], shown["sms"]["encoding"]) == (None, None, "gsm-7")
    first, opt_out = shown["sms"]["text"].split("\n")
    assert news in first
    assert opt_out.startswith("Meld deg av: http")


@pytest.mark.parametrize(("text", "channel"), [("product_2", "sms"), ("product_sms", "email"), ("page", "email")])
async def test_text_is_not_shown_as_what_it_never_is(merchant: MerchantClient, text: str, channel: str) -> None:
    refused = await merchant.post(PREVIEW, {"text": text, "language": "nb", "channel": channel})
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [("/channel", "not_a_choice")]


async def test_text_is_shown_by_the_channel_that_it_has(merchant: MerchantClient) -> None:
    for text, channel in (("product_2", "email"), ("product_sms", "sms"), ("voucher", "email")):
        asked = {"text": text, "language": "nb"}
        named = await merchant.post(PREVIEW, asked | {"channel": channel})
        assert named.status_code == 200, named.text
        assert (named.json()["sms"] is not None) == (channel == "sms")


async def test_messages_about_few_stars_are_shown_as_the_settings_make_them(merchant: MerchantClient) -> None:
    await brand(merchant, support_email="help@gifts.example")
    assert await preview(merchant, "support_alert", "de") == ALERT
    await patch(merchant, {"approval": "support_trigger"})
    changed = {"fallback_language": "nb"}
    assert (await merchant.request("PATCH", "/v1/policy", json=changed, headers={"If-Match": "*"})).status_code == 200
    rows = [
        "En kunde ga «Blue mug» 1 stjerne. Det er opprettet en supportsak.",
        "Kunden skrev:",
        "It broke in the first week.",
        "Den blir publisert 9. mars 2026 kl. 13:00. Kunden kan endre den både før og etter.",
        "Bestillinger: A-1001",
        "Supportsak: 00000000-0000-0000-0000-000000000000",
    ]
    paragraphs = "".join(f"<p>{row}</p>" for row in rows)
    head = '<!doctype html><html lang="nb"><head><meta charset="utf-8"></head>'
    assert await preview(merchant, "support_alert", "de") == ALERT | {
        "subject": "En kunde ga 1 stjerne",
        "html": f"{head}<body>{paragraphs}</body></html>",
        "text": "\n\n".join(rows),
    }
    notice = await preview(merchant, "support_notice", "de", fields={})
    assert notice == {
        "subject": "Das tut uns leid \N{EN DASH} können wir helfen? Nachricht von The Gift Shop",
        "preheader": "Danke für Ihre Offenheit. Unser Kundenservice weiß Bescheid.",
        "html": ANY,
        "text": ANY,
        "frame": None,
        "sms": None,
        "warnings": [{"code": "long_subject", "detail": "Phones show about 60 characters of a subject."}],
    }
    assert re.sub(r"http://\S+/([iu])/\S+", r"(\1)", notice["text"]) == HELP_OFFERED
    assert f"<title>{notice['subject']}</title>" in notice["html"]
    assert 'href="mailto:help@gifts.example" style="' in notice["html"]
    asked = {"text": "support_notice", "language": "de"}
    refused = [
        await merchant.post(PREVIEW, asked | {"channel": "sms"}),
        await merchant.post(PREVIEW, asked | {"fields": {"subject": "Mine"}}),
    ]
    assert [[(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] for answer in refused] == [
        [("/channel", "not_a_choice")],
        [("/fields", "unknown_field")],
    ]


@pytest.mark.parametrize(
    ("view", "sign"),
    [
        ("ask", 'name="received"'),
        ("rate", 'name="stars.1"'),
        ("rate_service", 'name="stars.0"'),
        ("thanks", 'class="mark"'),
    ],
)
async def test_every_page_can_be_seen(merchant: MerchantClient, view: str, sign: str) -> None:
    shown = await preview(merchant, "page", view=view, fields={"back_to_shop": "Home to {{ merchant_name }}"})
    assert sign in shown["html"]
    assert "Home to The Gift Shop" in shown["html"]
    assert (shown["subject"], shown["text"], shown["sms"]) == (None, None, None)
    notice = await preview(merchant, "not_received", fields={"notice": "Sorry, {{ customer_name }}."})
    assert "Sorry, Kari Nordmann." in notice["html"]


@pytest.mark.parametrize(
    ("text", "more", "pointers"),
    [
        ("voucher", {"channel": "sms", "fields": {"subject": "Mine"}}, ["/fields"]),
        (
            "reply_notice",
            {"fields": {"subject": "Mine"}, "asks_for": "stars", "channel": "sms"},
            ["/asks_for", "/fields"],
        ),
        ("voucher", {"channel": "sms", "fields": {}, "asks_for": "delivery"}, ["/asks_for"]),
        ("support_alert", {"fields": {}, "asks_for": "delivery"}, ["/asks_for"]),
        ("product_1", {"asks_for": "stars"}, ["/asks_for"]),
        ("product_sms", {"width": 375, "view": "ask"}, ["/view", "/width"]),
        ("voucher", {"channel": "sms", "width": 375}, ["/width"]),
        ("not_received", {"view": "rate"}, ["/view"]),
    ],
)
async def test_what_would_make_no_difference_to_a_preview_is_refused_by_its_name(
    merchant: MerchantClient, text: str, more: dict[str, Any], pointers: list[str]
) -> None:
    refused = await merchant.post(PREVIEW, {"text": text, "language": "en", **more})
    assert refused.status_code == 422
    faults = sorted((fault["pointer"], fault["code"]) for fault in refused.json()["errors"])
    assert faults == [(pointer, "unknown_field") for pointer in pointers]
    without = {name: value for name, value in more.items() if f"/{name}" not in pointers}
    left = await merchant.post(PREVIEW, {"text": text, "language": "en", **without} | {"asks_for": None})
    assert left.status_code == 200, left.text


async def test_width_frames_the_html_and_runs_nothing_in_it(merchant: MerchantClient) -> None:
    shown = await preview(merchant, "service", width=375)
    assert 'sandbox="" title="Preview" width="375"' in shown["frame"]
    inside = shown["frame"].split('srcdoc="')[1].split('"></iframe>')[0]
    assert unescape(inside) == shown["html"]
    refused = await merchant.post(PREVIEW, {"text": "service", "language": "en", "width": 10})
    assert refused.json()["errors"] == [
        {"pointer": "/width", "code": "out_of_range", "detail": "Must be at least 240."}
    ]


async def test_saved_text_is_shown_and_an_unsaved_one_in_its_place(merchant: MerchantClient) -> None:
    fields = {"subject": "Saved for {{ order_id }}", "heading": "Saved"}
    assert (await put(merchant, {"fields": fields}, address="/v1/texts/product_2/en")).status_code == 200
    assert (await preview(merchant, "product_2"))["subject"] == "Saved for A-1001"
    tried = await preview(merchant, "product_2", fields={"heading": "Tried"})
    assert tried["subject"] == "How do you like what you bought from The Gift Shop?"
    assert "Tried" in tried["text"]
    assert "Saved" not in tried["text"]
    stars = await preview(merchant, "product_1", fields={}, asks_for="stars")
    assert "stars=5" in stars["text"]
    assert (await merchant.get("/v1/texts/product_2/en")).json()["fields"] == fields


async def test_real_order_is_shown_to_keys_that_may_see_orders(merchant: MerchantClient) -> None:
    await merchant.post_order(order_id="Ø/7", customer={"email": "ola@example.no", "name": "Ola <b>"})
    shown = await preview(
        merchant, "product_2", fields={"subject": "{{ customer_name }}: {{ product_name }}"}, order_id="Ø/7"
    )
    assert shown["subject"] == "Ola <b>: Tent"
    assert "ola@example.no" not in str(shown)
    narrow = await merchant.with_scopes("texts:read")
    asked = {"text": "product_2", "language": "en", "order_id": "Ø/7"}
    assert (await narrow.post(PREVIEW, asked)).json()["code"] == "scope_missing"
    assert (await merchant.post(PREVIEW, asked | {"order_id": "gone"})).status_code == 404


async def test_text_that_fails_for_the_order_is_shown_as_it_will_be_sent(merchant: MerchantClient) -> None:
    await merchant.post_order()
    fields = {"subject": "{% if order_id == 'B-1' %}{{ products[7].name }}{% endif %}Mine"}
    await merchant.post_order(order_id="B-1", customer={"email": "b@example.no"})
    shown = await preview(merchant, "product_2", fields=fields, order_id="B-1")
    assert shown["subject"] != "Mine"
    assert [warning["code"] for warning in shown["warnings"]] == ["text_fails"]


async def test_preview_is_refused_with_every_fault(merchant: MerchantClient) -> None:
    answer = await merchant.post(
        PREVIEW, {"text": "service", "language": "en", "fields": {"subject": "{{ x }}", "y": ""}}
    )
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The text has faults.",
        ("/fields/subject", "unknown_variable", "Line 1, column 4: there is no such variable here."),
        ("/fields/y", "unknown_field", "This text has no field of this name."),
        request_id=ANY,
    )
    shape = await merchant.post(PREVIEW, {"text": "invoice", "language": "xx", "view": "inside", "colour": 1})
    assert {fault["pointer"] for fault in shape.json()["errors"]} == {"/text", "/language", "/view", "/colour"}


async def test_test_message_leaves_as_real_ones_do_and_is_marked(
    api: Api, sandbox: MerchantClient, log: StringIO
) -> None:
    sent = await sandbox.post(SEND, {"text": "product_1", "language": "en", "to": "me@gifts.example"})
    assert sent.status_code == 200, sent.text
    assert sent.json() == {
        "id": ANY,
        "outcome": "accepted",
        "reason": "kept",
        "provider": "mailbox",
        "subject": "[Test] Has your order from The Gift Shop arrived?",
        "sent_at": ANY,
    }
    [message] = await messages(sandbox)
    assert (message["id"], message["to"]) == (sent.json()["id"], "me@gifts.example")
    assert message["subject"] == sent.json()["subject"]
    assert message["headers"]["Subject"] == message["subject"]
    assert "me@gifts.example" not in log.getvalue()
    # Its links lead nowhere, and nothing was made.
    page = next(word for word in message["text"].split() if "/i/" in word)
    assert (await api.http.get(page[page.index("/i/") :])).status_code == 404
    assert (await sandbox.get("/v1/invitations")).json()["items"] == []
    async with api.context.database.transaction() as stores:
        rows = await stores._driver.fetch(
            "SELECT actor, reason, data FROM timeline_entries WHERE merchant_id = $1 AND event = 'test_message_sent'",
            "sandbox-shop",
        )
    assert [tuple(row) for row in rows] == [
        (
            "key:first",
            "kept",
            {
                "text": "product_1",
                "language": "en",
                "channel": "email",
                "provider": "mailbox",
                "outcome": "accepted",
                "test_id": sent.json()["id"],
            },
        )
    ]


async def test_test_sms_goes_to_the_supports_phone(sandbox: MerchantClient) -> None:
    sent = await sandbox.post(SEND, {"text": "service_sms", "language": "en", "to": "+4791234567"})
    assert (sent.status_code, sent.json()["subject"]) == (200, None)
    [message] = await messages(sandbox)
    assert message["text"].startswith("[Test] The Gift Shop: How was")


@pytest.mark.parametrize("language", ["en", "nb"])
async def test_mails_about_few_stars_can_be_sent_to_oneself(sandbox: MerchantClient, language: str) -> None:
    changed = {"fallback_language": language}
    assert (await sandbox.request("PATCH", "/v1/policy", json=changed, headers={"If-Match": "*"})).status_code == 200
    for text in ("support_notice", "support_alert"):
        shown = await preview(sandbox, text, language)
        sent = await sandbox.post(SEND, {"text": text, "language": language, "to": "me@gifts.example"})
        assert sent.status_code == 200, sent.text
        assert (sent.json()["outcome"], sent.json()["subject"]) == ("accepted", f"[Test] {shown['subject']}")
        message = (await messages(sandbox))[-1]
        assert (message["step"], message["to"]) == (text, "me@gifts.example")
        assert message["subject"] == message["headers"]["Subject"] == sent.json()["subject"]
        assert len(message["text"]) == len(shown["text"])


async def test_notices_as_they_go_by_sms_can_be_sent_to_oneself(sandbox: MerchantClient) -> None:
    for text in ("reply_notice", "voucher"):
        asked = {"text": text, "language": "en", "channel": "sms", "to": "+4791234567"}
        assert (await sandbox.post(SEND, asked)).status_code == 200
        message = (await messages(sandbox))[-1]
        assert (message["channel"], message["step"], message["to"]) == ("sms", text, "+4791234567")
        assert message["text"].startswith("[Test] ")
        by_mail = await sandbox.post(SEND, asked | {"to": "me@gifts.example"})
        assert [(fault["pointer"], fault["code"]) for fault in by_mail.json()["errors"]] == [("/to", "not_own_address")]


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("product_1", "somebody@example.com"),
        ("product_1", "me@gifts.example\r\nBcc: a@example.com"),
        ("product_1", "+4791234567"),
        ("product_sms", "me@gifts.example"),
        ("product_sms", "+4799999999"),
    ],
)
async def test_nobody_else_is_written_to(sandbox: MerchantClient, text: str, to: str) -> None:
    answer = await sandbox.post(SEND, {"text": text, "language": "en", "to": to})
    assert answer.json() == make_problem(
        "invalid_input",
        422,
        "The address cannot be used.",
        (
            "/to",
            "not_own_address",
            "Must be an address of the branding: of SMS the support's phone, else reply-to, support or sender.",
        ),
        request_id=ANY,
    )
    assert to not in answer.text
    assert await messages(sandbox) == []


async def test_suppressed_address_and_pages_are_refused(sandbox: MerchantClient) -> None:
    listed = await sandbox.post("/v1/suppressions", {"suppressions": [{"contact": "me@gifts.example"}]})
    assert listed.status_code < 300, listed.text
    answer = await sandbox.post(SEND, {"text": "service", "language": "en", "to": "me@gifts.example"})
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [("/to", "suppressed")]
    page = await sandbox.post(SEND, {"text": "page", "language": "en", "to": "me@gifts.example"})
    assert [(fault["pointer"], fault["code"]) for fault in page.json()["errors"]] == [("/text", "not_a_choice")]


async def test_test_messages_are_few(api: Api, sandbox: MerchantClient) -> None:
    asked = {"text": "service", "language": "en", "to": "me@gifts.example"}
    for _ in range(20):
        assert (await sandbox.post(SEND, asked)).status_code == 200
    refused = await sandbox.post(SEND, asked)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3600"
    assert len(await messages(sandbox)) == 20


async def test_same_key_sends_one_test_message(sandbox: MerchantClient) -> None:
    asked = {"text": "service", "language": "en", "to": "me@gifts.example"}
    answers = [await sandbox.post(SEND, asked, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await messages(sandbox)) == 1


async def test_without_a_provider_it_says_so(merchant: MerchantClient) -> None:
    await brand(merchant, reply_to="me@gifts.example")
    answer = await merchant.post(SEND, {"text": "service", "language": "en", "to": "me@gifts.example"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["outcome"], answer.json()["reason"]) == ("misconfigured", "no_provider")


async def test_test_message_keeps_to_the_limit_of_its_channel(merchant: MerchantClient) -> None:
    await brand(merchant, reply_to="me@gifts.example")
    limited = await merchant.request("PUT", "/v1/channels/email", json={"max_per_hour": 1}, headers={"If-Match": "*"})
    assert limited.status_code == 200, limited.text
    asked = {"text": "service", "language": "en", "to": "me@gifts.example"}
    assert (await merchant.post(SEND, asked)).status_code == 200
    refused = await merchant.post(SEND, asked)
    assert refused.status_code == 429
    assert refused.json() == make_problem(
        "quota_exceeded",
        429,
        "As many messages have left as the limit of the channel, or of the installation, lets through.",
        request_id=ANY,
    )
    assert 3590 <= int(refused.headers["retry-after"]) <= 3601


async def test_test_message_that_is_one_too_many_costs_no_token(api: Api, merchant: MerchantClient) -> None:
    await brand(merchant, reply_to="me@gifts.example")
    asked = {"text": "service", "language": "en", "to": "me@gifts.example"}
    for _ in range(20):
        assert (await merchant.post(SEND, asked)).status_code == 200
    limited = await merchant.request("PUT", "/v1/channels/email", json={"max_per_hour": 1}, headers={"If-Match": "*"})
    assert limited.status_code == 200, limited.text
    refused = await merchant.post(SEND, asked)
    assert refused.json()["detail"] == "No more than 20 test messages leave within an hour."
    async with api.context.database.transaction() as stores:
        assert await stores._driver.fetch("SELECT tokens FROM send_paces") == []


async def test_test_message_that_its_limit_refuses_is_none_of_the_twenty(api: Api, merchant: MerchantClient) -> None:
    await brand(merchant, reply_to="me@gifts.example")
    await merchant.request("PUT", "/v1/channels/email", json={"max_per_hour": 1}, headers={"If-Match": "*"})
    asked = {"text": "service", "language": "en", "to": "me@gifts.example"}
    assert [(await merchant.post(SEND, asked)).status_code for _ in range(3)] == [200, 429, 429]
    async with api.context.database.transaction() as stores:
        assert await stores._driver.fetchval("SELECT count(*) FROM test_messages") == 1
