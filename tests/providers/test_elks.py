"""46elks: its form, its texts, the forms it posts."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.event_addresses import EventAddresses
from tests.providers.played import SECRET, basic, make_sms, open_api
from tests.providers.sms_companies import Elks, form_of
from tests.support.vendor_server import Said

ATTEMPT = make_sms().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


async def test_request_is_whole() -> None:
    events = EventAddresses("https://reviews.example.com")
    message = make_sms()
    async with open_api(Elks(), events=events, webhook_secret="a&b") as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="46elks",
        provider_message_id=f"s{ATTEMPT}",
        raw_answer="created",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/a1/sms")
    address = "https://reviews.example.com/provider-events/46elks/gift-shop"
    assert form_of(asked) == {
        "from": "GiftShop",
        "to": "+4791234567",
        "message": message.text,
        "whendelivered": f"{address}?secret=a%26b&attempt_id={ATTEMPT}",
    }


async def test_nothing_is_asked_for_that_could_not_be_checked() -> None:
    async with open_api(Elks(), events=EventAddresses("https://reviews.example.com")) as (server, sender):
        await sender.send(make_sms())

    assert "whendelivered" not in form_of(server.requests[0])


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        (Said(401, b"Invalid API credentials", TEXT), OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (Said(403, b"Not enough credits", TEXT), OutcomeWord.MISCONFIGURED, "payment_required"),
        (Said.json({"error": "Not enough credits"}, status=403), OutcomeWord.MISCONFIGURED, "payment_required"),
        (Said(402, b"Balance too low", TEXT), OutcomeWord.MISCONFIGURED, "payment_required"),
        (Said(403, b"Account disabled", TEXT), OutcomeWord.MISCONFIGURED, "access_denied"),
        (Said(400, b"Invalid from number", TEXT), OutcomeWord.MISCONFIGURED, "sender_refused"),
        (Said.json({"message": "Bad sender"}, status=400), OutcomeWord.MISCONFIGURED, "sender_refused"),
        (Said(400, b"Invalid to number", TEXT), OutcomeWord.REJECTED, "recipient_refused"),
        (Said(400, b"Not a valid phone number", TEXT), OutcomeWord.REJECTED, "recipient_refused"),
        (Said(400, b"Message is too long", TEXT), OutcomeWord.REJECTED, "message_refused"),
        (Said(400, b"Invalid to number"), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said(400, b"<p>Invalid to number</p>", TEXT), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said(400, b"to\nnumber", TEXT), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said(400, b"to number" * 100, TEXT), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said(500, b"Invalid to number", TEXT), OutcomeWord.UNKNOWN, "server_error"),
        (Said.json({"id": "s1", "status": "failed"}), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said.json({"status": "created", "estimated_cost": 1}), OutcomeWord.UNKNOWN, "answer_unreadable"),
        (Said.json({"id": "s1", "status": "sent"}), OutcomeWord.ACCEPTED, "message_accepted"),
    ],
)
async def test_text_of_an_answer_gives_its_outcome(said: Said, outcome: OutcomeWord, reason: str) -> None:
    async with open_api(Elks(), [said]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, False)


# As on 46elks' pages of delivery reports and of receiving SMS, with numbers of the tests.
DELIVERED = {
    "id": "s70df59406a1b4643b96f3f91e0bfb7b0",
    "status": "delivered",
    "delivered": "2026-11-10T08:28:10.123000",
}
ANSWER = {
    "direction": "incoming",
    "id": "sf8425555e5d8db61dda7a7b3f1b91bdb",
    "from": "+4791234567",
    "to": "+4790000001",
    "created": "2026-11-10T09:00:00.741000",
    "message": "STOPP",
}


async def read(form: dict[str, str]) -> EventReading:
    played = Elks()
    return await played.read_events().read(played.tell(urlencode(form).encode(), now=NOW), now=NOW)


async def test_report_is_read_whole() -> None:
    assert (await read(DELIVERED)).events == (
        ProviderEvent(
            provider="46elks",
            kind=EventKind.DELIVERED,
            raw_kind="delivered",
            event_id="s70df59406a1b4643b96f3f91e0bfb7b0-delivered",
            occurred_at=datetime(2026, 11, 10, 8, 28, 10, 123000, tzinfo=UTC),
            attempt_id=ATTEMPT,
            provider_message_id="s70df59406a1b4643b96f3f91e0bfb7b0",
        ),
    )


async def test_answer_is_read_whole() -> None:
    assert (await read(ANSWER)).events == (
        ProviderEvent(
            provider="46elks",
            kind=EventKind.REPLIED,
            raw_kind="incoming",
            event_id="sf8425555e5d8db61dda7a7b3f1b91bdb",
            occurred_at=datetime(2026, 11, 10, 9, 0, 0, 741000, tzinfo=UTC),
            address="+4791234567",
            text="STOPP",
        ),
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("created", EventKind.SENT),
        ("sent", EventKind.SENT),
        ("delivered", EventKind.DELIVERED),
        ("failed", EventKind.BOUNCED_SOFT),
        ("novelty", EventKind.UNKNOWN),
    ],
)
async def test_status_gives_its_kind(status: str, kind: EventKind) -> None:
    [event] = (await read({"id": "s1", "status": status})).events

    assert (event.kind, event.raw_kind, event.occurred_at) == (kind, status, None)


async def test_secret_is_in_the_address_or_a_password() -> None:
    played = Elks()
    true = played.tell(urlencode(DELIVERED).encode(), now=NOW)
    requests = [
        replace(true, url_secret=None, headers=basic("anybody", SECRET)),
        replace(true, url_secret=SECRET.upper()),
        replace(true, url_secret=None),
        replace(true, body=b"\xff\xfe"),
    ]
    readings = [await played.read_events().read(request, now=NOW) for request in requests]

    assert [reading.verdict for reading in readings] == [
        EventVerdict.TRUE,
        EventVerdict.UNSIGNED,
        EventVerdict.UNSIGNED,
        EventVerdict.UNREADABLE,
    ]
