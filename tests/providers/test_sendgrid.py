"""SendGrid: its request, its texts, its event webhook."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from invite_service.domain.errors import ProviderSettingsError
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import EventRequest
from invite_service.providers.email.sendgrid import SendGridEvents, parse_sendgrid
from tests.providers.companies import SendGrid
from tests.providers.played import make_api_message, open_api
from tests.support.vendor_server import Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    async with open_api(SendGrid()) as (server, sender):
        receipt = await sender.send(make_api_message())

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="sendgrid",
        provider_message_id=f"sg-{ATTEMPT}",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/v3/mail/send")
    assert asked.json() == {
        "personalizations": [
            {"to": [{"email": "kari@example.net", "name": "Kari"}], "custom_args": {"attempt_id": str(ATTEMPT)}}
        ],
        "from": {"email": "shop@example.com", "name": "Gift Shop"},
        "reply_to": {"email": "help@example.com"},
        "subject": "How was it?",
        "content": [
            {"type": "text/plain", "value": "Hello Kari\n"},
            {"type": "text/html", "value": "<p>Hello Kari</p>\n"},
        ],
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
            "Message-ID": f"<{ATTEMPT}@example.com>",
        },
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }


async def test_message_without_names_html_and_reply_address_is_written_without() -> None:
    message = make_api_message(to_name=None, from_name=None, html=None, reply_to=None)
    async with open_api(SendGrid()) as (server, sender):
        await sender.send(message)

    content = server.requests[0].json()
    assert content["personalizations"][0]["to"] == [{"email": "kari@example.net"}]
    assert content["from"] == {"email": "shop@example.com"}
    assert content["content"] == [{"type": "text/plain", "value": "Hello Kari\n"}]
    assert "reply_to" not in content


@pytest.mark.parametrize(
    ("status", "field", "text", "outcome", "reason"),
    [
        (400, "personalizations.0.to.0.email", "Not a valid address.", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "from.email", "Does not contain a valid address.", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "reply_to.email", "Does not contain a valid address.", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "content.0.value", "The content value must be a string", OutcomeWord.REJECTED, "message_refused"),
        (400, None, "Bad Request", OutcomeWord.REJECTED, "message_refused"),
        (401, None, "Maximum credits exceeded", OutcomeWord.MISCONFIGURED, "payment_required"),
        (401, None, "The provided authorization grant", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (403, "from", "Not a verified Sender Identity", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (403, None, "access forbidden", OutcomeWord.MISCONFIGURED, "access_denied"),
        (413, None, "Payload too large", OutcomeWord.REJECTED, "message_too_large"),
        (451, None, "Unavailable due to data residency", OutcomeWord.MISCONFIGURED, "access_denied"),
        (500, None, "Internal", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
async def test_text_of_an_error_gives_its_outcome(
    status: int, field: str | None, text: str, outcome: OutcomeWord, reason: str
) -> None:
    said = Said.json({"errors": [{"message": text, "field": field, "help": None}]}, status=status)
    async with open_api(SendGrid(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


async def test_limit_that_starts_anew_at_an_instant_is_waited_for() -> None:
    at = {"X-RateLimit-Reset": "1794297640", "Date": "Tue, 10 Nov 2026 08:00:00 GMT"}
    since = datetime(2026, 11, 10, 8, tzinfo=UTC).timestamp()
    said = Said.json({"errors": [{"message": "too many requests", "field": None}]}, status=429, headers=at)
    async with open_api(SendGrid(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert receipt.retry_after == timedelta(seconds=1794297640 - since)


@pytest.mark.parametrize("said", [Said(200, b""), Said(200, b"{}"), Said(204, b"")])
async def test_success_that_is_not_the_one_of_sending_is_unknown(said: Said) -> None:
    async with open_api(SendGrid(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.UNKNOWN, "answer_unreadable")


async def test_key_that_may_not_send_fails_the_check() -> None:
    async with open_api(SendGrid(), [Said.json({"scopes": ["alerts.read"]})]) as (_, sender):
        receipt = await sender.check()

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.MISCONFIGURED, "access_denied")


def test_key_of_another_kind_is_a_fault() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    text = b64encode(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    with pytest.raises(ProviderSettingsError) as caught:
        parse_sendgrid({"api_key": "x", "webhook_public_key": text})

    assert [fault.code for fault in caught.value.faults] == ["webhook_public_key_invalid"]


# As in SendGrid's reference of the event webhook, with our argument and addresses of example domains.
BOUNCE = {
    "email": "kari@example.net",
    "timestamp": 1794297600,
    "smtp-id": f"<{ATTEMPT}@example.com>",
    "bounce_classification": "Invalid Address",
    "event": "bounce",
    "sg_event_id": "6g4ZI7SA-xmRDv57GoPIPw==",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "reason": "550 5.1.1 kari@example.net unknown",
    "status": "5.1.1",
    "type": "bounce",
    "attempt_id": str(ATTEMPT),
}


async def read(events: Any, *, now: datetime = NOW) -> EventReading:
    played = SendGrid()
    return await played.read_events().read(played.tell(json.dumps(events).encode(), now=NOW), now=now)


async def test_events_are_read_whole() -> None:
    reading = await read([BOUNCE, {"event": "delivered", "sg_event_id": "2"}])

    assert reading.verdict is EventVerdict.TRUE
    assert reading.events[0] == ProviderEvent(
        provider="sendgrid",
        kind=EventKind.BOUNCED_HARD,
        raw_kind="bounce bounce",
        event_id="6g4ZI7SA-xmRDv57GoPIPw==",
        occurred_at=datetime.fromtimestamp(1794297600, UTC),
        attempt_id=ATTEMPT,
        provider_message_id="14c5d75ce93",
        message_id=f"<{ATTEMPT}@example.com>",
        address="kari@example.net",
        reason="Invalid Address · 550 5.1.1 [address] unknown",
    )
    assert [event.event_id for event in reading.events] == ["6g4ZI7SA-xmRDv57GoPIPw==", "2"]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "processed"}, EventKind.SENT),
        ({"event": "deferred"}, EventKind.DEFERRED),
        ({"event": "delivered"}, EventKind.DELIVERED),
        ({"event": "bounce"}, EventKind.BOUNCED_HARD),
        ({"event": "bounce", "type": "blocked"}, EventKind.BOUNCED_SOFT),
        ({"event": "bounce", "bounce_classification": "Mailbox Unavailable"}, EventKind.BOUNCED_SOFT),
        ({"event": "bounce", "bounce_classification": "Reputation"}, EventKind.BOUNCED_SOFT),
        ({"event": "dropped", "reason": "Bounced Address"}, EventKind.FAILED),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, EventKind.UNSUBSCRIBED),
        ({"event": "spamreport"}, EventKind.COMPLAINED),
        ({"event": "unsubscribe"}, EventKind.UNSUBSCRIBED),
        ({"event": "group_unsubscribe"}, EventKind.UNSUBSCRIBED),
        ({"event": "group_resubscribe"}, EventKind.UNKNOWN),
        ({"event": "open"}, EventKind.OPENED),
        ({"event": "click"}, EventKind.CLICKED),
        ({"event": "novelty"}, EventKind.UNKNOWN),
    ],
)
async def test_event_gives_its_kind(event: dict[str, Any], kind: EventKind) -> None:
    [told] = (await read([event])).events

    assert told.kind is kind
    assert told.raw_kind.startswith(event["event"])


async def test_signature_counts_for_a_day_and_over_body_and_time() -> None:
    played = SendGrid()
    true = played.tell(json.dumps([BOUNCE]).encode(), now=NOW)
    stamp = "x-twilio-email-event-webhook-timestamp"
    changed = [replace(true, body=true.body + b" "), replace(true, headers={**true.headers, stamp: "1"})]
    readings = [await played.read_events().read(request, now=NOW) for request in changed]
    ages = [await read([BOUNCE], now=NOW + timedelta(hours=hours)) for hours in (24, 26)]
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    others = SendGridEvents(b64encode(other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode())

    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * 2
    assert [reading.verdict for reading in ages] == [EventVerdict.TRUE, EventVerdict.STALE]
    assert (await others.read(true, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await SendGridEvents("no key").read(true, now=NOW)).verdict is EventVerdict.UNSIGNED


async def test_sendgrids_own_example_of_a_signed_request_is_true() -> None:
    # From the tests of SendGrid's own event webhook libraries; the line end is part of what is signed.
    body = (
        b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaIN"
        "XvVpiglSI8eNEc6wEA3F+g=="
    )
    signature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    headers = {
        "x-twilio-email-event-webhook-timestamp": "1600112502",
        "x-twilio-email-event-webhook-signature": signature,
    }
    now = datetime.fromtimestamp(1600112502, UTC)
    readings = [
        await SendGridEvents(key).read(EventRequest(body=sent, headers=headers), now=now) for sent in (body, body[:-2])
    ]

    assert [reading.verdict for reading in readings] == [EventVerdict.TRUE, EventVerdict.UNSIGNED]
    assert [(event.kind, event.provider_message_id) for event in readings[0].events] == [
        (EventKind.FAILED, "LRzXl_NHStOGhQ4kofSm_A")
    ]
