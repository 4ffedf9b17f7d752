"""Postmark: its request, its own error numbers, its options, its webhooks."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from invite_service.domain.errors import ProviderSettingsError
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import EventRequest
from invite_service.providers.email.postmark import PostmarkEvents, PostmarkSettings, parse_postmark
from tests.providers.companies import Postmark
from tests.providers.played import SECRET, make_api_message, open_api
from tests.support.vendor_server import Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    async with open_api(Postmark()) as (server, sender):
        receipt = await sender.send(make_api_message(from_name='Gåver "og" mer, AS'))

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="postmark",
        provider_message_id=f"pm-{ATTEMPT}",
        raw_answer="OK",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/email")
    assert asked.headers["content-type"] == "application/json"
    assert asked.json() == {
        "From": '"Gåver \\"og\\" mer, AS" <shop@example.com>',
        "To": '"Kari" <kari@example.net>',
        "ReplyTo": "help@example.com",
        "Subject": "How was it?",
        "TextBody": "Hello Kari\n",
        "HtmlBody": "<p>Hello Kari</p>\n",
        "Headers": [
            {"Name": "List-Unsubscribe", "Value": "<https://example.com/u/1>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            {"Name": "Auto-Submitted", "Value": "auto-generated"},
            {"Name": "Message-ID", "Value": f"<{ATTEMPT}@example.com>"},
            {"Name": "X-PM-KeepID", "Value": "true"},
        ],
        "Metadata": {"attempt_id": str(ATTEMPT)},
        "MessageStream": "outbound",
        "TrackOpens": False,
        "TrackLinks": "None",
    }


@pytest.mark.parametrize(
    ("status", "code", "text", "outcome", "reason"),
    [
        (401, 10, "No Account or Server API tokens", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (503, 100, "Down for maintenance", OutcomeWord.NOT_SENT, "service_unavailable"),
        (422, 300, "Invalid 'From' address", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, 300, "Error parsing 'Reply-To': Illegal", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, 300, "is not a verified sender signature", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, 300, "Error parsing 'To': Illegal email domain", OutcomeWord.REJECTED, "recipient_refused"),
        (422, 300, "Invalid metadata content", OutcomeWord.REJECTED, "message_refused"),
        (422, 400, "Sender signature not found", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, 401, "Sender signature not confirmed", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (422, 405, "Not allowed to send: no credits", OutcomeWord.MISCONFIGURED, "payment_required"),
        (422, 406, "You tried to send to an inactive", OutcomeWord.REJECTED, "recipient_inactive"),
        (422, 411, "Forbidden attachment type", OutcomeWord.REJECTED, "message_refused"),
        (422, 412, "Account is pending approval", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (422, 413, "Account may not send", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (200, 406, "You tried to send to an inactive", OutcomeWord.REJECTED, "recipient_inactive"),
        (200, 411, "Forbidden attachment type", OutcomeWord.REJECTED, "message_refused"),
        (500, 405, "Something else", OutcomeWord.UNKNOWN, "server_error"),
        (422, 406.5, "No number of theirs", OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_number_of_an_error_gives_its_outcome(
    status: int, code: float, text: str, outcome: OutcomeWord, reason: str
) -> None:
    said = Said.json({"ErrorCode": code, "Message": text}, status=status)
    async with open_api(Postmark(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, False)


async def test_delay_that_comes_without_a_number_is_an_acceptance() -> None:
    said = Said.json({"MessageID": "1", "Message": "Message accepted, but delivery may be delayed."})
    async with open_api(Postmark(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.provider_message_id) == (OutcomeWord.ACCEPTED, "1")


async def test_refused_recipient_is_not_repeated() -> None:
    async with open_api(Postmark()) as (_, sender):
        receipt = await sender.send(make_api_message(to_address="inactive@example.net"))

    assert receipt.raw_answer == (
        "406 You tried to send to a recipient marked as inactive. "
        "Found inactive addresses: [address] Inactive recipients are ones that bounced."
    )


def test_options_are_read() -> None:
    options = {"server_token": " 5a1b-token\n", "message_stream": "reviews", "api_url": "https://pm.example.com/"}

    assert parse_postmark(options) == PostmarkSettings(
        server_token="5a1b-token", message_stream="reviews", api_url="https://pm.example.com"
    )
    assert "5a1b" not in repr(parse_postmark({**options, "webhook_secret": "5a1b"}))


def test_options_with_faults_name_each_and_no_value() -> None:
    options = {
        "server_token": "hunter 2",
        "message_stream": "HUNTER2",
        "api_url": "http://hunter2.example.com",
        "webhook_secret": "",
    }
    with pytest.raises(ProviderSettingsError) as caught:
        parse_postmark(options)

    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [
        ("/api_url", "api_url_invalid"),
        ("/server_token", "server_token_invalid"),
        ("/message_stream", "message_stream_invalid"),
        ("/webhook_secret", "webhook_secret_invalid"),
    ]
    assert "hunter" not in repr(caught.value.faults).lower()


# As in Postmark's pages of each webhook, with our metadata and addresses of example domains.
DELIVERY = {
    "RecordType": "Delivery",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Recipient": "kari@example.net",
    "DeliveredAt": "2026-11-10T08:28:10.2735393+01:00",
    "Details": "250 OK for kari@example.net",
    "Metadata": {"attempt_id": str(ATTEMPT)},
}
BOUNCE = {
    "RecordType": "Bounce",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Description": "The server was unable to deliver your message",
    "Details": "550 5.1.1 No such user",
    "Email": "kari@example.net",
    "BouncedAt": "2026-11-10T07:21:41Z",
    "Metadata": {"attempt_id": str(ATTEMPT)},
}


async def read(record: Any) -> EventReading:
    return await PostmarkEvents(SECRET).read(Postmark().tell(json.dumps(record).encode(), now=NOW), now=NOW)


async def test_delivery_is_read_whole() -> None:
    reading = await read(DELIVERY)

    [event] = reading.events
    assert event == ProviderEvent(
        provider="postmark",
        kind=EventKind.DELIVERED,
        raw_kind="Delivery",
        event_id=event.event_id,
        occurred_at=datetime(2026, 11, 10, 7, 28, 10, 273539, tzinfo=UTC),
        attempt_id=ATTEMPT,
        provider_message_id="883953f4-6105-42a2-a16a-77a8eac79483",
        address="kari@example.net",
        reason="250 OK for [address]",
    )
    assert (await read(DELIVERY)).events == (event,)
    assert (await read({**DELIVERY, "Details": "250 Ok"})).events[0].event_id != event.event_id


async def test_bounce_is_read_whole() -> None:
    assert (await read(BOUNCE)).events == (
        ProviderEvent(
            provider="postmark",
            kind=EventKind.BOUNCED_HARD,
            raw_kind="Bounce HardBounce",
            event_id="Bounce-4323372036854775807",
            occurred_at=datetime(2026, 11, 10, 7, 21, 41, tzinfo=UTC),
            attempt_id=ATTEMPT,
            provider_message_id="883953f4-6105-42a2-a16a-77a8eac79483",
            address="kari@example.net",
            reason="The server was unable to deliver your message · 550 5.1.1 No such user",
        ),
    )


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"RecordType": "Bounce", "Type": "SoftBounce"}, EventKind.BOUNCED_SOFT),
        ({"RecordType": "Bounce", "Type": "Transient"}, EventKind.DEFERRED),
        ({"RecordType": "Bounce", "Type": "DnsError"}, EventKind.DEFERRED),
        ({"RecordType": "Bounce", "Type": "BadEmailAddress"}, EventKind.BOUNCED_HARD),
        ({"RecordType": "Bounce", "Type": "Blocked"}, EventKind.FAILED),
        ({"RecordType": "Bounce", "Type": "SpamNotification"}, EventKind.FAILED),
        ({"RecordType": "Bounce", "Type": "AutoResponder"}, EventKind.UNKNOWN),
        ({"RecordType": "Bounce", "Type": "Novelty"}, EventKind.UNKNOWN),
        ({"RecordType": "Bounce"}, EventKind.UNKNOWN),
        ({"RecordType": "SpamComplaint", "Type": "SpamComplaint"}, EventKind.COMPLAINED),
        ({"RecordType": "Open"}, EventKind.OPENED),
        ({"RecordType": "Click"}, EventKind.CLICKED),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
            EventKind.UNSUBSCRIBED,
        ),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"},
            EventKind.BOUNCED_HARD,
        ),
        ({"RecordType": "SubscriptionChange", "SuppressSending": False}, EventKind.UNKNOWN),
        ({"RecordType": "Novelty"}, EventKind.UNKNOWN),
    ],
)
async def test_record_gives_its_kind(record: dict[str, Any], kind: EventKind) -> None:
    [event] = (await read(record)).events

    assert event.kind is kind
    assert event.raw_kind.startswith(record["RecordType"])


async def test_secret_in_the_address_is_as_good_as_a_password() -> None:
    body = json.dumps(DELIVERY).encode()
    readings = [
        await PostmarkEvents(SECRET).read(EventRequest(body=body, headers={}, url_secret=secret), now=NOW)
        for secret in (SECRET, SECRET.upper(), "", None)
    ]

    assert [reading.verdict for reading in readings] == [EventVerdict.TRUE] + [EventVerdict.UNSIGNED] * 3
