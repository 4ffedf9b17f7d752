"""Resend: its request, its keys, its error names, its signed webhooks."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.resend import ResendEvents
from tests.providers.companies import Resend
from tests.providers.played import make_api_message, open_api
from tests.support.vendor_server import Act, Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    async with open_api(Resend()) as (server, sender):
        receipt = await sender.send(make_api_message())

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="resend",
        provider_message_id=f"re-{ATTEMPT}",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/emails")
    assert asked.headers["idempotency-key"] == str(ATTEMPT)
    assert asked.json() == {
        "from": "Gift Shop <shop@example.com>",
        "to": ["Kari <kari@example.net>"],
        "reply_to": "help@example.com",
        "subject": "How was it?",
        "text": "Hello Kari\n",
        "html": "<p>Hello Kari</p>\n",
        "headers": {
            "List-Unsubscribe": "<https://example.com/u/1>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
            "Message-ID": f"<{ATTEMPT}@example.com>",
        },
        "tags": [{"name": "attempt_id", "value": str(ATTEMPT)}],
    }


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Gift Shop, Inc.", "Gift Shop Inc. <shop@example.com>"),
        ('Ærlig "Kaffe" <Oslo>: (alt)', "Ærlig Kaffe Oslo alt <shop@example.com>"),
        (",;", "shop@example.com"),
        (None, "shop@example.com"),
    ],
)
async def test_names_stand_bare_since_quoted_ones_are_refused(name: str | None, written: str) -> None:
    async with open_api(Resend()) as (server, sender):
        await sender.send(replace(make_api_message(), from_name=name))
    assert server.requests[0].json()["from"] == written


async def test_message_whose_answer_was_lost_is_sent_again_under_its_key_and_taken_once() -> None:
    played = Resend()
    async with open_api(played, [Act.TAKE_AND_RESET]) as (_, sender):
        receipts = [await sender.send(make_api_message()) for _ in range(2)]

    assert [receipt.outcome for receipt in receipts] == [OutcomeWord.UNKNOWN, OutcomeWord.ACCEPTED]
    assert receipts[1].provider_message_id == f"re-{ATTEMPT}"
    assert played.taken == [str(ATTEMPT)]
    assert sender.key_lifetime == timedelta(hours=24)


@pytest.mark.parametrize(
    ("status", "name", "text", "outcome", "reason"),
    [
        (400, "validation_error", "API key is invalid", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (401, "missing_api_key", "Missing API Key", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (403, "invalid_api_key", "API key is invalid", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (403, "validation_error", "The domain is not verified", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (403, "validation_error", "You can only send testing emails", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, "invalid_from_address", "Invalid from field", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, "validation_error", "Invalid `from` field", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, "validation_error", "Invalid `to` field", OutcomeWord.REJECTED, "recipient_refused"),
        (422, "missing_required_field", "Missing `subject` field", OutcomeWord.REJECTED, "message_refused"),
        (400, "invalid_idempotency_key", "Must have 1 to 256", OutcomeWord.REJECTED, "message_refused"),
        (409, "concurrent_idempotent_requests", "In progress", OutcomeWord.UNKNOWN, "same_key_in_flight"),
        (409, "invalid_idempotent_request", "Other payload", OutcomeWord.UNKNOWN, "same_key_other_content"),
        (409, "something_else", "Conflict", OutcomeWord.UNKNOWN, "status_unexpected"),
        (429, "rate_limit_exceeded", "Too many requests", OutcomeWord.RATE_LIMITED, "rate_limited"),
        (429, "daily_quota_exceeded", "Daily quota", OutcomeWord.RATE_LIMITED, "daily_quota"),
        (429, "monthly_quota_exceeded", "Monthly quota", OutcomeWord.MISCONFIGURED, "payment_required"),
        (451, "security_error", "We may have found", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (500, "application_error", "Unexpected", OutcomeWord.UNKNOWN, "server_error"),
        (500, "invalid_api_key", "A mix-up of theirs", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
async def test_name_of_an_error_gives_its_outcome(
    status: int, name: str, text: str, outcome: OutcomeWord, reason: str
) -> None:
    said = Said.json({"statusCode": status, "name": name, "message": text}, status=status)
    async with open_api(Resend(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason, receipt.raw_answer[-len(text) :]) == (outcome, reason, text)
    if reason == "daily_quota":
        assert receipt.retry_after == timedelta(hours=1)


async def test_key_that_may_only_send_passes_the_check_and_a_wrong_one_does_not() -> None:
    restricted = {"statusCode": 401, "name": "restricted_api_key", "message": "Only sends"}
    wrong = {"statusCode": 401, "name": "validation_error", "message": "API key is invalid"}
    async with open_api(Resend(), [Said.json(restricted, status=401), Said.json(wrong, status=401)]) as (_, sender):
        receipts = [await sender.check(), await sender.check()]

    assert [receipt.reason for receipt in receipts] == ["settings_work", "credentials_refused"]


# As in Resend's pages of each webhook, with our tag and addresses of example domains.
BOUNCED = {
    "type": "email.bounced",
    "created_at": "2026-11-10T07:41:11.894Z",
    "data": {
        "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
        "message_id": f"<{ATTEMPT}@example.com>",
        "from": "Gift Shop <shop@example.com>",
        "to": ["Kari <kari@example.net>"],
        "subject": "How was it?",
        "bounce": {"message": "kari@example.net: 550 no such user", "subType": "General", "type": "Permanent"},
        "tags": {"attempt_id": str(ATTEMPT)},
    },
}


async def read(event: Any, *, now: datetime = NOW) -> EventReading:
    played = Resend()
    return await played.read_events().read(played.tell(json.dumps(event).encode(), now=NOW), now=now)


async def test_event_is_read_whole() -> None:
    assert await read(BOUNCED) == EventReading(
        verdict=EventVerdict.TRUE,
        events=(
            ProviderEvent(
                provider="resend",
                kind=EventKind.BOUNCED_HARD,
                raw_kind="email.bounced",
                event_id="msg_1",
                occurred_at=datetime(2026, 11, 10, 7, 41, 11, 894000, tzinfo=UTC),
                attempt_id=ATTEMPT,
                provider_message_id="56761188-7520-42d8-8898-ff6fc54ce618",
                message_id=f"<{ATTEMPT}@example.com>",
                address="kari@example.net",
                reason="Permanent · General · [address]: 550 no such user",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "email.sent"}, EventKind.SENT),
        ({"type": "email.delivered"}, EventKind.DELIVERED),
        ({"type": "email.delivery_delayed"}, EventKind.DEFERRED),
        ({"type": "email.complained"}, EventKind.COMPLAINED),
        ({"type": "email.bounced"}, EventKind.BOUNCED_SOFT),
        ({"type": "email.bounced", "data": {"bounce": {"type": "Transient"}}}, EventKind.BOUNCED_SOFT),
        ({"type": "email.bounced", "data": {"bounce": {"type": "Undetermined"}}}, EventKind.BOUNCED_SOFT),
        (
            {"type": "email.bounced", "data": {"bounce": {"type": "Permanent", "subType": "Suppressed"}}},
            EventKind.FAILED,
        ),
        ({"type": "email.failed"}, EventKind.FAILED),
        ({"type": "email.suppressed"}, EventKind.FAILED),
        ({"type": "email.opened"}, EventKind.OPENED),
        ({"type": "email.clicked"}, EventKind.CLICKED),
        ({"type": "contact.created"}, EventKind.UNKNOWN),
    ],
)
async def test_type_gives_its_kind(event: dict[str, Any], kind: EventKind) -> None:
    [read_event] = (await read(event)).events

    assert (read_event.kind, read_event.raw_kind) == (kind, event["type"])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"type": "email.failed", "data": {"failed": {"reason": "reached_daily_quota"}}}, "reached_daily_quota"),
        (
            {
                "type": "email.suppressed",
                "data": {
                    "suppressed": {"reason": "previous_bounce", "message": "It bounced before.", "type": "Suppressed"}
                },
            },
            "previous_bounce · It bounced before.",
        ),
    ],
)
async def test_message_that_never_left_says_why(event: dict[str, Any], reason: str) -> None:
    [read_event] = (await read(event)).events
    assert (read_event.kind, read_event.reason) == (EventKind.FAILED, reason)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_signature_of_another_time_is_stale(minutes: int) -> None:
    assert await read(BOUNCED, now=NOW + timedelta(minutes=minutes)) == EventReading(verdict=EventVerdict.STALE)


async def test_what_is_signed_is_the_body_the_time_and_the_id() -> None:
    played = Resend()
    true = played.tell(json.dumps(BOUNCED).encode(), now=NOW)
    changed = [
        replace(true, body=true.body + b" "),
        replace(true, headers={**true.headers, "svix-id": "msg_2"}),
        replace(true, headers={**true.headers, "svix-timestamp": "1"}),
        replace(true, headers={**true.headers, "svix-signature": "v1,"}),
        replace(true, headers={**true.headers, "svix-signature": "v1,é" + "\udcff"}),
    ]
    readings = [await played.read_events().read(request, now=NOW) for request in changed]
    other = ResendEvents("whsec_" + b64encode(b"other").decode())

    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * 5
    assert (await other.read(true, now=NOW)).verdict is EventVerdict.UNSIGNED
