"""Brevo: its request, its key, its codes, its webhooks."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from tests.providers.companies import Brevo
from tests.providers.played import make_api_message, open_api
from tests.support.vendor_server import Act, Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    async with open_api(Brevo()) as (server, sender):
        receipt = await sender.send(make_api_message())

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="brevo",
        provider_message_id=f"<{ATTEMPT}@smtp-relay.example.org>",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/v3/smtp/email")
    assert asked.json() == {
        "sender": {"email": "shop@example.com", "name": "Gift Shop"},
        "to": [{"email": "kari@example.net", "name": "Kari"}],
        "replyTo": {"email": "help@example.com"},
        "subject": "How was it?",
        "textContent": "Hello Kari\n",
        "htmlContent": "<p>Hello Kari</p>\n",
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
            "X-Mailin-custom": str(ATTEMPT),
            "idempotencyKey": str(ATTEMPT),
        },
    }


async def test_message_whose_answer_was_lost_is_sent_again_under_its_key_and_taken_once() -> None:
    played = Brevo()
    async with open_api(played, [Act.TAKE_AND_RESET]) as (_, sender):
        receipts = [await sender.send(make_api_message()) for _ in range(2)]

    assert [(receipt.outcome, receipt.reason) for receipt in receipts] == [
        (OutcomeWord.UNKNOWN, "dropped_after_request"),
        (OutcomeWord.ACCEPTED, "accepted_before"),
    ]
    assert played.taken == [str(ATTEMPT)]
    assert sender.key_lifetime == timedelta(minutes=15)


async def test_key_is_a_uuid_whatever_the_messages_is() -> None:
    async with open_api(Brevo()) as (server, sender):
        await sender.send(make_api_message(idempotency_key="key-1"))

    assert UUID(server.requests[0].json()["headers"]["idempotencyKey"]) == ATTEMPT


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Gåver AS", "Gåver AS"),
        ("Gifts, Inc.", "Gifts, Inc."),
        ("Gåver, AS", "=?utf-8?q?G=C3=A5ver=2C_AS?="),
    ],
)
async def test_name_that_would_be_lost_is_encoded(name: str, written: str) -> None:
    async with open_api(Brevo()) as (server, sender):
        await sender.send(make_api_message(from_name=name))

    assert server.requests[0].json()["sender"]["name"] == written


async def test_header_that_is_not_ascii_is_not_sent() -> None:
    async with open_api(Brevo()) as (server, sender):
        receipt = await sender.send(make_api_message(headers={"X-Shop": "Gåver"}))

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.REJECTED, "malformed_message")
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "code", "text", "outcome", "reason"),
    [
        (400, "invalid_parameter", "sender is not valid", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "invalid_parameter", "email is not valid in to", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "invalid_parameter", "htmlContent is missing", OutcomeWord.REJECTED, "message_refused"),
        (400, "duplicate_parameter", "Used before", OutcomeWord.ACCEPTED, "accepted_before"),
        (401, "unauthorized", "Key not found", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (402, "not_enough_credits", "No credits", OutcomeWord.MISCONFIGURED, "payment_required"),
        (400, "not_enough_credits", "No credits", OutcomeWord.MISCONFIGURED, "payment_required"),
        (403, "permission_denied", "Not you", OutcomeWord.MISCONFIGURED, "access_denied"),
        (403, "account_under_validation", "Wait", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (406, "not_acceptable", "No", OutcomeWord.UNKNOWN, "status_unexpected"),
        (500, "duplicate_parameter", "A mix-up of theirs", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
async def test_code_of_an_error_gives_its_outcome(
    status: int, code: str, text: str, outcome: OutcomeWord, reason: str
) -> None:
    said = Said.json({"code": code, "message": text}, status=status)
    async with open_api(Brevo(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason, receipt.raw_answer) == (
        outcome,
        reason,
        receipt.raw_answer[: -len(text)] + text,
    )


async def test_limit_that_says_when_it_ends_is_waited_for() -> None:
    said = Said.json({"code": "x", "message": "y"}, status=429, headers={"x-sib-ratelimit-reset": "25"})
    async with open_api(Brevo(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert receipt.retry_after == timedelta(seconds=25)


# As in Brevo's page of transactional webhooks, with our header and addresses of example domains.
DELIVERED = {
    "event": "delivered",
    "email": "kari@example.net",
    "id": 26224,
    "date": "2026-11-10 09:00:00",
    "ts": 1794297600,
    "message-id": "<202611100800.1@smtp-relay.example.org>",
    "ts_event": 1794297600,
    "ts_epoch": 1794297600123,
    "subject": "How was it?",
    "X-Mailin-custom": str(ATTEMPT),
    "reason": "sent to kari@example.net",
}


async def read(event: Any) -> EventReading:
    played = Brevo()
    return await played.read_events().read(played.tell(json.dumps(event).encode(), now=NOW), now=NOW)


async def test_event_is_read_whole() -> None:
    reading = await read(DELIVERED)

    [event] = reading.events
    assert event == ProviderEvent(
        provider="brevo",
        kind=EventKind.DELIVERED,
        raw_kind="delivered",
        event_id=event.event_id,
        occurred_at=datetime.fromtimestamp(1794297600.123, UTC),
        attempt_id=ATTEMPT,
        provider_message_id="<202611100800.1@smtp-relay.example.org>",
        message_id="<202611100800.1@smtp-relay.example.org>",
        address="kari@example.net",
        reason="sent to [address]",
    )
    assert (await read([DELIVERED, DELIVERED])).events == (event, event)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("request", EventKind.SENT),
        ("deferred", EventKind.DEFERRED),
        ("hard_bounce", EventKind.BOUNCED_HARD),
        ("invalid_email", EventKind.BOUNCED_HARD),
        ("soft_bounce", EventKind.BOUNCED_SOFT),
        ("spam", EventKind.COMPLAINED),
        ("complaint", EventKind.COMPLAINED),
        ("blocked", EventKind.FAILED),
        ("error", EventKind.FAILED),
        ("unsubscribed", EventKind.UNSUBSCRIBED),
        ("unique_opened", EventKind.OPENED),
        ("click", EventKind.CLICKED),
        ("list_addition", EventKind.UNKNOWN),
    ],
)
async def test_word_gives_its_kind(word: str, kind: EventKind) -> None:
    [event] = (await read({"event": word})).events

    assert (event.kind, event.raw_kind, event.occurred_at) == (kind, word, None)


async def test_list_with_something_else_in_it_is_unreadable() -> None:
    assert await read([DELIVERED, {}]) == EventReading(verdict=EventVerdict.UNREADABLE)
