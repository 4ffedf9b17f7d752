"""Sinch: its request, its codes, its callbacks, signed or with a password."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import EventRequest, LookUp
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.sms.sinch import SinchEvents
from tests.providers.played import SECRET, basic, make_sms, open_api
from tests.providers.sms_companies import Sinch
from tests.support.vendor_server import Said

ATTEMPT = make_sms().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    events = EventAddresses("https://reviews.example.com")
    message = make_sms()
    async with open_api(Sinch(), events=events, webhook_secret=SECRET) as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="sinch",
        provider_message_id=f"si-{ATTEMPT}",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/xms/v1/shop-plan/batches")
    assert asked.json() == {
        "from": "GiftShop",
        "to": ["+4791234567"],
        "body": message.text,
        "delivery_report": "per_recipient",
        "client_reference": str(ATTEMPT),
        "callback_url": f"https://reviews.example.com/provider-events/sinch/gift-shop?attempt_id={ATTEMPT}",
    }


async def test_no_report_is_asked_for_that_could_not_be_checked() -> None:
    async with open_api(Sinch(), events=EventAddresses("https://reviews.example.com")) as (server, sender):
        await sender.send(make_sms())

    sent = server.requests[0].json()
    assert (sent["delivery_report"], "callback_url" in sent) == ("none", False)


@pytest.mark.parametrize(
    ("status", "code", "text", "outcome", "reason"),
    [
        (400, "syntax_invalid_parameter_format", "Invalid: to", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "syntax_constraint_violation", "The 'to' field", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "syntax_constraint_violation", "to[0] is no MSISDN", OutcomeWord.REJECTED, "recipient_refused"),
        (400, "syntax_constraint_violation", "The 'from' field", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "syntax_invalid_parameter_format", "No originator", OutcomeWord.MISCONFIGURED, "sender_refused"),
        (400, "syntax_constraint_violation", "body is too long to send", OutcomeWord.REJECTED, "message_refused"),
        (400, "other", "the 'from' field", OutcomeWord.REJECTED, "message_refused"),
        (403, "missing_callback_url", "No callback", OutcomeWord.MISCONFIGURED, "access_denied"),
        (404, "not_found", "No such plan", OutcomeWord.MISCONFIGURED, "api_not_found"),
        (500, "syntax_constraint_violation", "The 'to' field", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
async def test_code_of_an_error_gives_its_outcome(
    status: int, code: str, text: str, outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(Sinch(), [Said.json({"code": code, "text": text}, status=status)]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, False)


async def test_message_with_another_reference_is_not_found() -> None:
    message = make_sms()
    said = Said.json({"count": 1, "batches": [{"id": "1", "client_reference": str(make_sms(2).attempt_id)}]})
    async with open_api(Sinch(), [said]) as (server, sender):
        assert isinstance(sender, LookUp)
        found = [
            await sender.look_up(
                message_id, to_address=message.to_address, attempted_at=NOW, content_hash=message.content_hash()
            )
            for message_id in (message.message_id, "<somebody@else.example>")
        ]

    assert found == [None, None]
    [asked] = server.requests
    assert asked.query == {
        "client_reference": str(ATTEMPT),
        "start_date": "2026-11-10T07:55:00.000Z",
        "page_size": "1",
    }


# As in Sinch's reference of callbacks, with numbers and references of the tests.
REPORT = {
    "type": "recipient_delivery_report_sms",
    "batch_id": "01FC66621ABCDE119Z8PMV1QPQ",
    "recipient": "4791234567",
    "code": 1,
    "status": "Failed",
    "at": "2026-11-10T08:16:08.930Z",
    "operator_status_at": "2026-11-10T08:16:08Z",
    "client_reference": str(ATTEMPT),
}
ANSWER = {
    "type": "mo_text",
    "id": "01FC66621ABCDE119Z8PMV1QPU",
    "from": "4791234567",
    "to": "4790000001",
    "body": "Stop",
    "operator_id": "24201",
    "received_at": "2026-11-10T09:00:00Z",
}


async def read(told: Any, *, now: datetime = NOW) -> EventReading:
    played = Sinch()
    return await played.read_events().read(played.tell(json.dumps(told).encode(), now=NOW), now=now)


async def test_report_is_read_whole() -> None:
    assert (await read(REPORT)).events == (
        ProviderEvent(
            provider="sinch",
            kind=EventKind.BOUNCED_HARD,
            raw_kind="Failed 1",
            event_id="01FC66621ABCDE119Z8PMV1QPQ-Failed-1",
            occurred_at=datetime(2026, 11, 10, 8, 16, 8, 930000, tzinfo=UTC),
            attempt_id=ATTEMPT,
            provider_message_id="01FC66621ABCDE119Z8PMV1QPQ",
            address="+4791234567",
        ),
    )


async def test_answer_is_read_whole() -> None:
    assert (await read(ANSWER)).events == (
        ProviderEvent(
            provider="sinch",
            kind=EventKind.REPLIED,
            raw_kind="mo_text",
            event_id="01FC66621ABCDE119Z8PMV1QPU",
            occurred_at=datetime(2026, 11, 10, 9, tzinfo=UTC),
            address="+4791234567",
            text="Stop",
        ),
    )
    [binary] = (await read({**ANSWER, "type": "mo_binary"})).events
    assert (binary.kind, binary.text) == (EventKind.UNKNOWN, None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("Queued", 400, EventKind.SENT),
        ("Dispatched", 401, EventKind.SENT),
        ("Delivered", 0, EventKind.DELIVERED),
        ("Aborted", 412, EventKind.FAILED),
        ("Cancelled", 407, EventKind.FAILED),
        ("Rejected", 402, EventKind.FAILED),
        ("Deleted", 0, EventKind.BOUNCED_SOFT),
        ("Expired", 406, EventKind.BOUNCED_SOFT),
        ("Failed", 404, EventKind.BOUNCED_SOFT),
        ("Failed", 1, EventKind.BOUNCED_HARD),
        ("Failed", 27, EventKind.BOUNCED_SOFT),
        *(("Failed", code, EventKind.FAILED) for code in (402, 403, 405, 408, 410, 411, 412, 413)),
        ("Unknown", 0, EventKind.UNKNOWN),
        ("Novelty", 1, EventKind.UNKNOWN),
        # So are they written in Sinch's library for Python (2.3), and as above in the one for Node.js.
        ("DISPATCHED", 401, EventKind.SENT),
        ("DELIVERED", 0, EventKind.DELIVERED),
        ("FAILED", 1, EventKind.BOUNCED_HARD),
        ("UNKNOWN", 0, EventKind.UNKNOWN),
    ],
)
async def test_status_gives_its_kind(status: str, code: int, kind: EventKind) -> None:
    [event] = (await read({**REPORT, "status": status, "code": code})).events

    assert event.kind is kind


async def test_signature_is_over_body_nonce_and_time_and_ages() -> None:
    played = Sinch()
    true = played.tell(json.dumps(REPORT).encode(), now=NOW)
    name = "x-sinch-webhook-signature"
    forged = [
        replace(true, body=true.body + b" "),
        replace(true, headers={**true.headers, f"{name}-nonce": "nonce-2"}),
        replace(true, headers={**true.headers, f"{name}-timestamp": "1"}),
        replace(true, headers={**true.headers, name: "é"}),
        replace(true, headers={**true.headers, name: ""}, url_secret=SECRET),
    ]
    readings = [await played.read_events().read(one, now=NOW) for one in forged]

    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * 5
    assert (await SinchEvents("other").read(true, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await read(REPORT, now=NOW + timedelta(hours=25))).verdict is EventVerdict.STALE
    assert (await read({"batch_id": "1"})).verdict is EventVerdict.UNREADABLE


async def test_password_is_as_good_as_a_signature_that_is_not_there() -> None:
    body = json.dumps(REPORT).encode()
    readings = [
        await SinchEvents(SECRET).read(EventRequest(body=body, headers=basic("anybody", password)), now=NOW)
        for password in (SECRET, "wrong")
    ]

    assert [reading.verdict for reading in readings] == [EventVerdict.TRUE, EventVerdict.UNSIGNED]
