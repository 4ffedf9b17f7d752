"""Vonage: its request, its own codes, its signed webhooks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.sms.vonage import VonageEvents
from tests.providers.played import SECRET, make_sms, open_api
from tests.providers.sms_companies import Vonage, sign_token
from tests.support.vendor_server import Said

ATTEMPT = make_sms().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    events = EventAddresses("https://reviews.example.com")
    message = make_sms(from_address="+4790000001")
    async with open_api(Vonage(), events=events, webhook_signature_secret=SECRET) as (server, sender):
        receipt = await sender.send(message)
        await sender.send(make_sms(2))

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="vonage",
        provider_message_id=f"vo-{ATTEMPT}",
    )
    assert (server.requests[0].method, server.requests[0].target) == ("POST", "/v1/messages")
    assert server.requests[0].json() == {
        "channel": "sms",
        "message_type": "text",
        "to": "4791234567",
        "from": "4790000001",
        "text": message.text,
        "client_ref": str(ATTEMPT),
        "webhook_url": f"https://reviews.example.com/provider-events/vonage/gift-shop?attempt_id={ATTEMPT}",
    }
    assert server.requests[1].json()["from"] == "GiftShop"


def error(code: str, *, host: str = "developer.vonage.com", **further: Any) -> dict[str, Any]:
    return {"type": f"https://{host}/api-errors/messages#{code}", "title": "Some title", "detail": "d", **further}


def described(code: str, title: str, **further: Any) -> dict[str, Any]:
    """An error as in the examples of Vonage's description of the Messages API 1.1, which numbers some its own way."""
    return {"type": f"https://developer.nexmo.com/api-errors/messages-olympus#{code}", "title": title, **further}


@pytest.mark.parametrize(
    ("status", "told", "outcome", "reason"),
    [
        (401, error("unauthorized", host="developer.nexmo.com"), OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (402, error("low-balance"), OutcomeWord.MISCONFIGURED, "payment_required"),
        (402, error("1070"), OutcomeWord.MISCONFIGURED, "payment_required"),
        (403, error("account-suspended"), OutcomeWord.MISCONFIGURED, "account_suspended"),
        (403, error("1060"), OutcomeWord.MISCONFIGURED, "account_suspended"),
        (403, error("unprovisioned"), OutcomeWord.MISCONFIGURED, "account_not_approved"),
        *((422, error(code), OutcomeWord.MISCONFIGURED, "account_not_approved") for code in ("1080", "1140", "1160")),
        (429, error("1000"), OutcomeWord.RATE_LIMITED, "rate_limited"),
        (422, error("1000"), OutcomeWord.RATE_LIMITED, "rate_limited"),
        (422, error("1040"), OutcomeWord.REJECTED, "recipient_refused"),
        (422, error("1050"), OutcomeWord.REJECTED, "recipient_blocked"),
        (422, error("1170"), OutcomeWord.REJECTED, "recipient_refused"),
        (422, error("1090"), OutcomeWord.REJECTED, "message_too_large"),
        (422, error("1120"), OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, error("1100"), OutcomeWord.NOT_SENT, "communication_failed"),
        (422, error("1030"), OutcomeWord.UNKNOWN, "server_error"),
        (422, error("1020", invalid_parameters=[{"name": "from"}]), OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, error("1020", invalid_parameters=[{"name": "to"}]), OutcomeWord.REJECTED, "recipient_refused"),
        (422, error("1010", invalid_parameters=[{"name": "text"}]), OutcomeWord.REJECTED, "message_refused"),
        (
            422,
            error("invalid-params", invalid_parameters=[{"name": "webhook_url"}]),
            OutcomeWord.MISCONFIGURED,
            "callback_refused",
        ),
        (422, error("1020", invalid_parameters="from"), OutcomeWord.REJECTED, "message_refused"),
        (422, error("9999"), OutcomeWord.REJECTED, "message_refused"),
        (422, described("1100", "Unsupported channel"), OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (422, described("1120", "Invalid sender"), OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, described("110", "Invalid recipient"), OutcomeWord.REJECTED, "recipient_refused"),
        (422, described("1140", "Invalid message type"), OutcomeWord.REJECTED, "message_refused"),
        (422, described("1060", "Invalid client reference"), OutcomeWord.REJECTED, "message_refused"),
        (422, described("1110", "Invalid channel parameters"), OutcomeWord.REJECTED, "message_refused"),
        (
            422,
            described("1150", "Invalid params", invalid_parameters=[{"name": "from"}]),
            OutcomeWord.MISCONFIGURED,
            "sender_refused",
        ),
        (422, described("1000", "Internal error"), OutcomeWord.UNKNOWN, "server_error"),
        (429, described("1010", "Rate Limit Hit"), OutcomeWord.RATE_LIMITED, "rate_limited"),
        (500, error("1120"), OutcomeWord.UNKNOWN, "server_error"),
        (422, {"type": "about:blank", "title": "Whatever"}, OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_code_of_an_error_gives_its_outcome(
    status: int, told: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(Vonage(), [Said.json(told, status=status)]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, False)


@pytest.mark.parametrize(
    ("told", "outcome", "reason"),
    [
        (error("1010"), OutcomeWord.ACCEPTED, "settings_work"),
        (described("1150", "Invalid params"), OutcomeWord.ACCEPTED, "settings_work"),
        (described("1100", "Unsupported channel"), OutcomeWord.ACCEPTED, "settings_work"),
        (described("1140", "Invalid message type"), OutcomeWord.ACCEPTED, "settings_work"),
        (error("1060"), OutcomeWord.MISCONFIGURED, "account_suspended"),
        (error("1070"), OutcomeWord.MISCONFIGURED, "payment_required"),
        ({"title": "Invalid params"}, OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_whoever_is_told_what_an_empty_message_lacks_may_send(
    told: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(Vonage(), [Said.json(told, status=422)]) as (server, sender):
        receipt = await sender.check()

    assert (receipt.outcome, receipt.reason) == (outcome, reason)
    assert [(asked.method, asked.path, asked.body) for asked in server.requests] == [("POST", "/v1/messages", b"{}")]


# As in Vonage's reference of the Messages API's webhooks, with numbers and references of the tests.
DELIVERED = {
    "message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
    "to": "4791234567",
    "from": "GiftShop",
    "timestamp": "2026-11-10T08:28:10.270Z",
    "status": "delivered",
    "client_ref": str(ATTEMPT),
    "usage": {"currency": "EUR", "price": "0.0333"},
    "channel": "sms",
}
ANSWER = {
    "message_uuid": "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab",
    "to": "4790000001",
    "from": "4791234567",
    "timestamp": "2026-11-10T09:00:00Z",
    "channel": "sms",
    "message_type": "text",
    "text": "STOPP",
}


async def read(told: Any, *, now: datetime = NOW) -> EventReading:
    played = Vonage()
    return await played.read_events().read(played.tell(json.dumps(told).encode(), now=NOW), now=now)


async def test_status_is_read_whole() -> None:
    failed = {
        **DELIVERED,
        "status": "undeliverable",
        "error": {**error("1190"), "title": "Absent Subscriber - Permanent", "detail": "of +47 912 34 567"},
    }

    assert (await read(failed)).events == (
        ProviderEvent(
            provider="vonage",
            kind=EventKind.BOUNCED_HARD,
            raw_kind="undeliverable 1190",
            event_id="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab-undeliverable",
            occurred_at=datetime(2026, 11, 10, 8, 28, 10, 270000, tzinfo=UTC),
            attempt_id=ATTEMPT,
            provider_message_id="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
            address="+4791234567",
            reason="Absent Subscriber - Permanent · of [number]",
        ),
    )


async def test_answer_is_read_whole() -> None:
    assert (await read(ANSWER)).events == (
        ProviderEvent(
            provider="vonage",
            kind=EventKind.REPLIED,
            raw_kind="inbound text",
            event_id="bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab",
            occurred_at=datetime(2026, 11, 10, 9, tzinfo=UTC),
            address="+4791234567",
            text="STOPP",
        ),
    )
    [picture] = (await read({**ANSWER, "message_type": "image", "text": None})).events
    assert (picture.kind, picture.text) == (EventKind.UNKNOWN, None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("submitted", "", EventKind.SENT),
        ("delivered", "", EventKind.DELIVERED),
        ("read", "", EventKind.DELIVERED),
        ("rejected", "", EventKind.FAILED),
        ("rejected", "1120", EventKind.FAILED),
        ("rejected", "1050", EventKind.FAILED),
        ("rejected", "1170", EventKind.BOUNCED_HARD),
        ("rejected", "1240", EventKind.UNSUBSCRIBED),
        ("undeliverable", "", EventKind.BOUNCED_SOFT),
        ("undeliverable", "1180", EventKind.BOUNCED_SOFT),
        ("undeliverable", "1190", EventKind.BOUNCED_HARD),
        ("novelty", "1190", EventKind.UNKNOWN),
    ],
)
async def test_status_gives_its_kind(status: str, code: str, kind: EventKind) -> None:
    told = {**DELIVERED, "status": status} | ({"error": error(code)} if code else {})
    [event] = (await read(told)).events

    assert (event.kind, event.raw_kind) == (kind, f"{status} {code}".strip())


@pytest.mark.parametrize(
    "told",
    [
        {**error("1190"), "title": 1190},
        {**error("undeliverable"), "title": "1190"},
        {"error": {**error("1190"), "title": 1190}},
    ],
    ids=["number as title", "number as title alone", "error in an error"],
)
async def test_number_of_an_error_is_found_in_each_of_its_places(told: dict[str, Any]) -> None:
    [event] = (await read({**DELIVERED, "status": "undeliverable", "error": told})).events

    assert (event.kind, event.raw_kind) == (EventKind.BOUNCED_HARD, "undeliverable 1190")
    assert event.reason.endswith("d")


async def test_token_is_signed_holds_the_bodys_hash_and_ages() -> None:
    played, body = Vonage(), json.dumps(DELIVERED).encode()
    true = played.tell(body, now=NOW)
    claims = {"iat": int(NOW.timestamp()), "payload_hash": sha256(body).hexdigest()}
    tokens = [
        sign_token({"alg": "HS256"}, claims, secret="other"),
        sign_token({"alg": "none"}, claims),
        sign_token({"alg": "HS256"}, claims).rpartition(".")[0] + ".",
        sign_token({"alg": "HS256"}, claims | {"payload_hash": "0" * 64}),
        sign_token({"alg": "HS256"}, {"iat": 1}),
        "e30.e30.e30",
        "…",
        "",
    ]
    forged = [replace(true, headers={"authorization": f"Bearer {token}"}) for token in tokens]
    forged += [replace(true, body=body + b" "), replace(true, headers={})]
    readings = [await played.read_events().read(one, now=NOW) for one in forged]
    undated = sign_token({"alg": "HS256"}, {"payload_hash": claims["payload_hash"]})
    timeless = replace(true, headers={"authorization": f"Bearer {undated}"})

    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * len(forged)
    assert (await VonageEvents("other").read(true, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await read(DELIVERED, now=NOW + timedelta(hours=25))).verdict is EventVerdict.STALE
    assert (await played.read_events().read(timeless, now=NOW)).verdict is EventVerdict.STALE
    assert (await read({"status": "delivered"})).verdict is EventVerdict.UNREADABLE
