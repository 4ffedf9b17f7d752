"""Mailgun: our bytes unchanged in its form, its texts, its signed webhooks."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.mailgun import MailgunEvents
from tests.providers.companies import Mailgun, read_form
from tests.providers.played import make_api_message, open_api
from tests.support.vendor_server import Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)
DATE = "Tue, 10 Nov 2026 08:00:00 GMT"


async def test_request_is_whole_and_our_bytes_unchanged() -> None:
    message = make_api_message()
    async with open_api(Mailgun()) as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="mailgun",
        provider_message_id=f"<{ATTEMPT}@example.com>",
        raw_answer="Queued. Thank you.",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/v3/mg.example.com/messages.mime")
    assert read_form(asked) == {
        "to": b"kari@example.net",
        "v:attempt_id": str(ATTEMPT).encode(),
        "o:tracking": b"no",
        "o:tracking-clicks": b"no",
        "o:tracking-opens": b"no",
        "message": message.raw,
    }


async def test_bytes_that_hold_the_boundary_do_not_end_the_form() -> None:
    message = make_api_message()
    assert message.raw is not None
    raw = message.raw + f"--attempt-{ATTEMPT.hex}--\r\n".encode()
    async with open_api(Mailgun()) as (server, sender):
        await sender.send(replace(message, raw=raw))

    assert read_form(server.requests[0])["message"] == raw


@pytest.mark.parametrize("raw", [None, b"", b"Subject: x\n\ny\n", b"Subject: x\r\n\r\ny\rz\r\n", b"Subject: x"])
async def test_message_without_proper_bytes_is_not_sent(raw: bytes | None) -> None:
    async with open_api(Mailgun()) as (server, sender):
        receipt = await sender.send(make_api_message(raw=raw))

    assert receipt == Receipt(outcome=OutcomeWord.REJECTED, reason="malformed_message", provider="mailgun")
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "text", "outcome", "reason"),
    [
        (400, "to parameter is not a valid address.", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "'to' parameter is not a valid address.", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "from parameter is not a valid address.", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "Domain a.b is not allowed to send: unverified", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (403, "Domain a.b is not allowed to send large", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (400, "Header name must be pure ASCII", OutcomeWord.REJECTED, "message_refused"),
        (401, "Forbidden", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (402, "Pay", OutcomeWord.MISCONFIGURED, "payment_required"),
        (404, "Domain not found: mg.example.com", OutcomeWord.MISCONFIGURED, "api_not_found"),
        (413, "request size exceeds 52.4MiB limit", OutcomeWord.REJECTED, "message_too_large"),
        (500, "Domain a.b is not allowed to send", OutcomeWord.UNKNOWN, "server_error"),
        (200, "Something new", OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_text_of_an_answer_gives_its_outcome(status: int, text: str, outcome: OutcomeWord, reason: str) -> None:
    said = Said.json({"id": "1", "message": text}, status=status)
    async with open_api(Mailgun(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


async def test_wrong_address_of_the_api_answers_that_it_is_magnificent() -> None:
    said = Said(200, b"<h1>Mailgun Magnificent API</h1>", {"Content-Type": "text/html"})
    async with open_api(Mailgun(), [said, said]) as (_, sender):
        receipts = [await sender.send(make_api_message()), await sender.check()]

    assert {(receipt.outcome, receipt.reason) for receipt in receipts} == {(OutcomeWord.MISCONFIGURED, "api_not_found")}


async def test_limit_that_ends_after_seconds_is_waited_for() -> None:
    # The example of Mailgun's own description of its API.
    text = (
        "Domain example.com is not allowed to send: account-requests-per-sec limit exceeded, "
        "try again after 120 seconds"
    )
    async with open_api(Mailgun(), [Said.json({"message": text}, status=429)]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.retry_after) == (OutcomeWord.RATE_LIMITED, timedelta(seconds=120))


async def test_limit_that_ends_at_an_instant_is_waited_for() -> None:
    text = "Domain a.b is not allowed to send: request limit exceeded, try again after Tue, 10 Nov 2026 08:02:21 UTC"
    said = Said.json({"message": text}, status=429, headers={"Date": DATE})
    async with open_api(Mailgun(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.retry_after) == (OutcomeWord.RATE_LIMITED, timedelta(seconds=141))


# As in Mailgun's reference of events, with our variable and addresses of example domains.
FAILED = {
    "event": "failed",
    "id": "G9Bn5sl1TC6nu79C8C0bwg",
    "timestamp": 1794297600.123,
    "severity": "permanent",
    "reason": "bounce",
    "recipient": "kari@example.net",
    "delivery-status": {
        "attempt-no": 1,
        "message": "5.1.1 kari@example.net: no such user",
        "code": 550,
        "description": "",
        "bounce-type": "hard",
    },
    "message": {"headers": {"to": "kari@example.net", "message-id": f"{ATTEMPT}@example.com"}, "size": 111},
    "user-variables": {"attempt_id": str(ATTEMPT)},
}


async def read(event: Any, *, now: datetime = NOW) -> EventReading:
    played = Mailgun()
    body = json.dumps({"event-data": event}).encode()
    return await played.read_events().read(played.tell(body, now=NOW), now=now)


async def test_event_is_read_whole() -> None:
    assert (await read(FAILED)).events == (
        ProviderEvent(
            provider="mailgun",
            kind=EventKind.BOUNCED_HARD,
            raw_kind="failed permanent",
            event_id="token-1",
            occurred_at=datetime.fromtimestamp(1794297600.123, UTC),
            attempt_id=ATTEMPT,
            provider_message_id=f"<{ATTEMPT}@example.com>",
            message_id=f"<{ATTEMPT}@example.com>",
            address="kari@example.net",
            reason="bounce · 5.1.1 [address]: no such user",
        ),
    )


async def test_attempt_is_read_from_the_message_id_where_the_variable_is_missing() -> None:
    [event] = (await read({**FAILED, "user-variables": {}})).events

    assert event.attempt_id == ATTEMPT


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "accepted"}, EventKind.SENT),
        ({"event": "delivered"}, EventKind.DELIVERED),
        ({"event": "failed", "severity": "temporary", "reason": "generic"}, EventKind.DEFERRED),
        ({"event": "failed", "severity": "permanent", "reason": "bounce"}, EventKind.BOUNCED_HARD),
        ({"event": "failed", "severity": "permanent", "reason": "generic"}, EventKind.BOUNCED_SOFT),
        (
            {"event": "failed", "severity": "permanent", "delivery-status": {"bounce-type": "soft"}},
            EventKind.BOUNCED_SOFT,
        ),
        ({"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}, EventKind.FAILED),
        ({"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"}, EventKind.UNSUBSCRIBED),
        ({"event": "rejected", "reject": {"reason": "Sandbox"}}, EventKind.FAILED),
        ({"event": "complained"}, EventKind.COMPLAINED),
        ({"event": "unsubscribed"}, EventKind.UNSUBSCRIBED),
        ({"event": "opened"}, EventKind.OPENED),
        ({"event": "clicked"}, EventKind.CLICKED),
        ({"event": "stored"}, EventKind.UNKNOWN),
    ],
)
async def test_event_gives_its_kind(event: dict[str, Any], kind: EventKind) -> None:
    [told] = (await read(event)).events

    assert told.kind is kind
    assert told.raw_kind.startswith(event["event"])


async def test_signature_is_over_token_and_time_and_ages() -> None:
    played = Mailgun()
    true = played.tell(json.dumps({"event-data": FAILED}).encode(), now=NOW)
    told = json.loads(true.body)
    forged = [
        {**told["signature"], **change} for change in ({"token": "token-2"}, {"timestamp": "1"}, {"signature": "é"})
    ]
    readings = [
        await played.read_events().read(replace(true, body=json.dumps({**told, "signature": one}).encode()), now=NOW)
        for one in forged
    ]

    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * 3
    assert (await read(FAILED, now=NOW + timedelta(hours=13))).verdict is EventVerdict.STALE
    assert (await MailgunEvents("other").read(true, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await read({})).verdict is EventVerdict.UNREADABLE
