"""Mailjet: its request, its errors message by message, its webhooks."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from tests.providers.companies import Mailjet
from tests.providers.played import make_api_message, open_api
from tests.support.vendor_server import Said

ATTEMPT = make_api_message().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    headers = {**make_api_message().headers, "List-Id": "<shop.invitations.example.com>"}
    async with open_api(Mailjet()) as (server, sender):
        receipt = await sender.send(make_api_message(headers=headers))

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="mailjet",
        provider_message_id="1152921504606846977",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/v3.1/send")
    assert asked.json() == {
        "Messages": [
            {
                "From": {"Email": "shop@example.com", "Name": "Gift Shop"},
                "To": [{"Email": "kari@example.net", "Name": "Kari"}],
                "ReplyTo": {"Email": "help@example.com"},
                "Subject": "How was it?",
                "TextPart": "Hello Kari\n",
                "HTMLPart": "<p>Hello Kari</p>\n",
                "Headers": {
                    "List-Unsubscribe": "<https://example.com/u/1>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                    "Auto-Submitted": "auto-generated",
                },
                "CustomID": str(ATTEMPT),
                "TrackOpens": "disabled",
                "TrackClicks": "disabled",
            }
        ]
    }


async def test_message_without_html_says_nothing_of_tracking() -> None:
    async with open_api(Mailjet()) as (server, sender):
        await sender.send(make_api_message(html=None, headers={}))

    [message] = server.requests[0].json()["Messages"]
    assert {"HTMLPart", "TrackOpens", "TrackClicks", "Headers"} & message.keys() == set()


def error_of(code: str, *related: str, status: int = 400, text: str = "No") -> dict[str, Any]:
    return {"ErrorCode": code, "StatusCode": status, "ErrorMessage": text, "ErrorRelatedTo": list(related)}


@pytest.mark.parametrize(
    ("errors", "outcome", "reason"),
    [
        ([error_of("mj-0013", "To[0].Email")], OutcomeWord.REJECTED, "recipient_refused"),
        ([error_of("mj-0013", "From.Email")], OutcomeWord.MISCONFIGURED, "sender_refused"),
        ([error_of("send-0008", "From", status=403)], OutcomeWord.MISCONFIGURED, "sender_refused"),
        ([error_of("send-0006", status=403)], OutcomeWord.MISCONFIGURED, "sender_refused"),
        ([error_of("mj-0001", status=401)], OutcomeWord.MISCONFIGURED, "account_not_approved"),
        ([error_of("mj-0006", "Subject")], OutcomeWord.REJECTED, "message_refused"),
        ([error_of("mj-0011")], OutcomeWord.REJECTED, "message_too_large"),
        ([error_of("send-0011", 'Headers["X"]')], OutcomeWord.REJECTED, "message_refused"),
        ([error_of("x-1", status=403)], OutcomeWord.MISCONFIGURED, "access_denied"),
        ([error_of("x-1", status=429)], OutcomeWord.RATE_LIMITED, "rate_limited"),
        ([error_of("x-1", status=500)], OutcomeWord.UNKNOWN, "server_error"),
        (
            [error_of("mj-0006", "Subject"), error_of("send-0008", "From", status=403)],
            OutcomeWord.MISCONFIGURED,
            "sender_refused",
        ),
        ([], OutcomeWord.UNKNOWN, "answer_unreadable"),
        ("none", OutcomeWord.UNKNOWN, "answer_unreadable"),
        ([{"ErrorCode": "mj-0013"}], OutcomeWord.UNKNOWN, "answer_unreadable"),
        ([7], OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_errors_of_a_message_give_its_outcome(errors: Any, outcome: OutcomeWord, reason: str) -> None:
    said = Said.json({"Messages": [{"Status": "error", "Errors": errors}]}, status=400)
    async with open_api(Mailjet(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, False)


@pytest.mark.parametrize(
    ("status", "code", "outcome", "reason"),
    [
        (400, "mj-0002", OutcomeWord.REJECTED, "message_refused"),
        (401, "mj-0015", OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (401, "mj-0001", OutcomeWord.MISCONFIGURED, "account_not_approved"),
        (500, "mj-0001", OutcomeWord.UNKNOWN, "server_error"),
    ],
)
async def test_error_of_a_whole_call_gives_its_outcome(
    status: int, code: str, outcome: OutcomeWord, reason: str
) -> None:
    said = Said.json({"ErrorCode": code, "StatusCode": status, "ErrorMessage": "No"}, status=status)
    async with open_api(Mailjet(), [said]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason, receipt.raw_answer) == (outcome, reason, receipt.raw_answer)


@pytest.mark.parametrize(
    "item",
    [{"Status": "success"}, {"Status": "success", "To": []}, {"Status": "queued"}, {}, 7, None],
)
async def test_success_without_an_id_is_unknown(item: Any) -> None:
    async with open_api(Mailjet(), [Said.json({"Messages": [item]})]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.UNKNOWN, "answer_unreadable")


async def test_messages_inside_of_a_server_error_are_not_believed() -> None:
    item = {"Status": "error", "Errors": [error_of("mj-0013", "To")]}
    async with open_api(Mailjet(), [Said.json({"Messages": [item]}, status=500)]) as (_, sender):
        receipt = await sender.send(make_api_message())

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.UNKNOWN, "server_error")


# As in Mailjet's guide to webhooks, with our CustomID and addresses of example domains.
BOUNCE = {
    "event": "bounce",
    "time": 1794297600,
    "MessageID": 13792286917004336,
    "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "email": "kari@example.net",
    "mj_campaign_id": 0,
    "CustomID": str(ATTEMPT),
    "Payload": "",
    "blocked": False,
    "hard_bounce": True,
    "error_related_to": "recipient",
    "error": "user unknown",
    "comment": "Host or domain name not found for kari@example.net",
}


async def read(event: Any) -> EventReading:
    played = Mailjet()
    return await played.read_events().read(played.tell(json.dumps(event).encode(), now=NOW), now=NOW)


async def test_event_is_read_whole_alone_and_in_a_group() -> None:
    reading = await read(BOUNCE)

    [event] = reading.events
    assert event == ProviderEvent(
        provider="mailjet",
        kind=EventKind.BOUNCED_HARD,
        raw_kind="bounce",
        event_id=event.event_id,
        occurred_at=datetime.fromtimestamp(1794297600, UTC),
        attempt_id=ATTEMPT,
        provider_message_id="13792286917004336",
        address="kari@example.net",
        reason="recipient · user unknown · Host or domain name not found for [address]",
    )
    assert (await read([BOUNCE])).events == (event,)
    assert await read([]) == EventReading(verdict=EventVerdict.TRUE)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "sent"}, EventKind.DELIVERED),
        ({"event": "bounce", "hard_bounce": False}, EventKind.BOUNCED_SOFT),
        ({"event": "bounce", "hard_bounce": "1"}, EventKind.BOUNCED_HARD),
        ({"event": "bounce"}, EventKind.BOUNCED_SOFT),
        ({"event": "bounce", "error": "greylisted", "hard_bounce": False}, EventKind.DEFERRED),
        ({"event": "blocked", "error": "preblocked"}, EventKind.FAILED),
        ({"event": "spam"}, EventKind.COMPLAINED),
        ({"event": "unsub"}, EventKind.UNSUBSCRIBED),
        ({"event": "open"}, EventKind.OPENED),
        ({"event": "click"}, EventKind.CLICKED),
        ({"event": "novelty"}, EventKind.UNKNOWN),
    ],
)
async def test_event_gives_its_kind(event: dict[str, Any], kind: EventKind) -> None:
    [told] = (await read(event)).events

    assert (told.kind, told.raw_kind) == (kind, event["event"])
