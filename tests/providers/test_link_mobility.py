"""LINK Mobility: its request, its result codes, its batches, its reports and what customers answer."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import BatchSender
from invite_service.providers.sms.link_mobility import LinkMobilityEvents
from tests.providers.played import SECRET, make_sms, open_api
from tests.providers.sms_companies import LinkMobility
from tests.support.vendor_server import Said

ATTEMPT = make_sms().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)


async def test_request_is_whole() -> None:
    message = make_sms()
    async with open_api(LinkMobility(), gate_id="BVldZyQt") as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="link_mobility",
        provider_message_id=f"lm-{ATTEMPT}",
        raw_answer="1005 Queued",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/sms/send")
    assert asked.json() == {
        "platformId": "10",
        "platformPartnerId": "20",
        "useDeliveryReport": True,
        "deliveryReportGates": ["BVldZyQt"],
        "ignoreResponse": False,
        "source": "GiftShop",
        "sourceTON": "ALPHANUMERIC",
        "destination": "+4791234567",
        "userData": message.text,
        "refId": str(ATTEMPT),
    }


@pytest.mark.parametrize(("sender_address", "kind"), [("+4790000001", "MSISDN"), ("2333", "SHORTNUMBER")])
async def test_sender_is_told_with_its_kind(sender_address: str, kind: str) -> None:
    async with open_api(LinkMobility()) as (server, sender):
        await sender.send(make_sms(from_address=sender_address))

    sent = server.requests[0].json()
    assert (sent["source"], sent["sourceTON"], sent["useDeliveryReport"]) == (sender_address, kind, False)
    assert "deliveryReportGates" not in sent


RESULTS: list[tuple[int, OutcomeWord, str, bool]] = [
    (0, OutcomeWord.UNKNOWN, "result_unknown", False),
    (1, OutcomeWord.NOT_SENT, "no_route", False),
    (2, OutcomeWord.REJECTED, "no_route", False),
    (3, OutcomeWord.RATE_LIMITED, "rate_limited", False),
    (4, OutcomeWord.UNKNOWN, "result_unknown", False),
    (5, OutcomeWord.UNKNOWN, "result_unknown", False),
    (6, OutcomeWord.NOT_SENT, "operator_error", False),
    (104, OutcomeWord.MISCONFIGURED, "account_not_approved", False),
    (105, OutcomeWord.NOT_SENT, "internal_error", False),
    (1000, OutcomeWord.ACCEPTED, "message_accepted", False),
    (1001, OutcomeWord.ACCEPTED, "message_accepted", False),
    *((code, OutcomeWord.MISCONFIGURED, "sender_refused", False) for code in (2000, 2001, 2002, 2003)),
    *((code, OutcomeWord.REJECTED, "recipient_refused", False) for code in (2100, 2101, 2102, 2103)),
    (2104, OutcomeWord.REJECTED, "recipient_unknown", True),
    (2105, OutcomeWord.REJECTED, "recipient_blocked", False),
    (2106, OutcomeWord.REJECTED, "recipient_unknown", True),
    (2107, OutcomeWord.NOT_SENT, "recipient_blocked_for_now", False),
    *((code, OutcomeWord.REJECTED, "message_refused", False) for code in (3000, 3001, 4001, 4003, 4005, 4007)),
    (7777, OutcomeWord.UNKNOWN, "result_unknown", False),
]


@pytest.mark.parametrize(("code", "outcome", "reason", "suppress"), RESULTS)
async def test_result_gives_the_outcome_alone_and_in_a_batch(
    code: int, outcome: OutcomeWord, reason: str, suppress: bool
) -> None:
    result = {"messageId": "1", "resultCode": code, "description": "Some text"}
    async with open_api(LinkMobility(), [Said.json(result), Said.json([result])]) as (_, sender):
        assert isinstance(sender, BatchSender)
        receipts = [await sender.send(make_sms()), *await sender.send_many([make_sms()])]

    assert [(receipt.outcome, receipt.reason, receipt.suppress_address) for receipt in receipts] == [
        (outcome, reason, suppress)
    ] * 2


@pytest.mark.parametrize(
    ("status", "told", "outcome", "reason"),
    [
        (400, {"status": 106000, "description": "Unknown Error"}, OutcomeWord.UNKNOWN, "result_unknown"),
        (401, {"status": 106100, "description": "Invalid"}, OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (403, {"status": 106101, "description": "Denied"}, OutcomeWord.MISCONFIGURED, "credentials_refused"),
        (400, {"status": 106200, "description": "Platform"}, OutcomeWord.MISCONFIGURED, "platform_refused"),
        (400, {"status": 106201, "description": "Partner"}, OutcomeWord.MISCONFIGURED, "platform_refused"),
        (400, {"status": 106300, "description": "No gates"}, OutcomeWord.MISCONFIGURED, "gate_refused"),
        (400, {"errorCode": 106301, "description": "Gate"}, OutcomeWord.MISCONFIGURED, "gate_refused"),
        (400, {"status": 106999, "description": "New"}, OutcomeWord.REJECTED, "message_refused"),
        (400, {"description": "Bad request"}, OutcomeWord.REJECTED, "message_refused"),
        (400, {"anything": 1}, OutcomeWord.UNKNOWN, "answer_unreadable"),
        (500, {"status": 106100, "description": "Invalid"}, OutcomeWord.UNKNOWN, "server_error"),
        (200, {"resultCode": 1005, "description": "Queued"}, OutcomeWord.UNKNOWN, "answer_unreadable"),
        (200, {"messageId": "1"}, OutcomeWord.UNKNOWN, "answer_unreadable"),
    ],
)
async def test_error_of_a_request_gives_its_outcome(
    status: int, told: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(LinkMobility(), [Said.json(told, status=status)]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason) == (outcome, reason)


async def test_answer_without_content_says_that_it_was_sent() -> None:
    async with open_api(LinkMobility(), [Said(204)]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.provider_message_id) == (OutcomeWord.ACCEPTED, None)


@pytest.mark.parametrize("code", [106200, 106300, None])
async def test_check_learns_what_is_wrong_with_the_account(code: int | None) -> None:
    said = Said.json({"status": code, "description": "Some text"} if code else {}, status=400)
    async with open_api(LinkMobility(), [said]) as (_, sender):
        receipt = await sender.check()

    assert receipt.outcome is not OutcomeWord.ACCEPTED


async def test_batch_is_one_request_of_messages() -> None:
    messages = [make_sms(1), make_sms(2)]
    async with open_api(LinkMobility()) as (server, sender):
        assert isinstance(sender, BatchSender)
        await sender.send_many(messages)

    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", "/sms/sendbatch")
    assert asked.json() == {
        "platformId": "10",
        "platformPartnerId": "20",
        "useDeliveryReport": False,
        "ignoreResponse": False,
        "sendRequestMessages": [
            {
                "source": "GiftShop",
                "sourceTON": "ALPHANUMERIC",
                "destination": "+4791234567",
                "userData": message.text,
                "refId": str(message.attempt_id),
            }
            for message in messages
        ],
    }


async def test_batch_answered_in_another_order_leaves_all_of_it_in_doubt() -> None:
    messages = [make_sms(1), make_sms(2)]
    results = [
        {"messageId": "1", "resultCode": 1005, "refId": str(message.attempt_id)} for message in reversed(messages)
    ]
    async with open_api(LinkMobility(), [Said.json(results)]) as (_, sender):
        assert isinstance(sender, BatchSender)
        receipts = await sender.send_many(messages)

    assert [receipt.outcome for receipt in receipts] == [OutcomeWord.UNKNOWN] * 2


# As in LINK's "SMS REST API - MT and Delivery Reports" 1.18 and "- MO" 1.7, with numbers of the tests.
REPORT = {
    "refId": str(ATTEMPT),
    "id": "Dcshuhod0PMAAAFQ+/PbnR3x$0",
    "operator": "no.telenor",
    "sentTimestamp": "2026-11-10T08:37:35Z",
    "timestamp": "2026-11-10T08:37:00Z",
    "resultCode": 1001,
    "operatorResultCode": "2",
    "segments": 2,
    "gateCustomParameters": {},
    "customParameters": {"received": "2026-11-10 09:37:36"},
}
ANSWER = {
    "destination": "NO-2333",
    "subNumber": None,
    "source": "+4791234567",
    "content": {"type": "SMS", "userData": "Bclt stopp", "encoding": "TEXT"},
    "operator": "no.telenor",
    "timestamp": "2026-11-10T09:00:00Z",
    "messageId": "0",
    "route": {"type": "KEYWORD_ROUTE", "number": "NO-2333", "keyword": "BCLT", "keywordType": "FIRST_WORD"},
}


async def read(told: Any) -> EventReading:
    played = LinkMobility()
    return await played.read_events().read(played.tell(json.dumps(told).encode(), now=NOW), now=NOW)


async def test_report_is_read_whole() -> None:
    assert (await read(REPORT)).events == (
        ProviderEvent(
            provider="link_mobility",
            kind=EventKind.DELIVERED,
            raw_kind="1001",
            event_id="Dcshuhod0PMAAAFQ+/PbnR3x$0-1001",
            occurred_at=datetime(2026, 11, 10, 8, 37, tzinfo=UTC),
            attempt_id=ATTEMPT,
            provider_message_id="Dcshuhod0PMAAAFQ+/PbnR3x",
        ),
    )


async def test_answer_is_read_whole_and_without_the_keyword() -> None:
    [event] = (await read(ANSWER)).events

    assert event == ProviderEvent(
        provider="link_mobility",
        kind=EventKind.REPLIED,
        raw_kind="MO",
        event_id=event.event_id,
        occurred_at=datetime(2026, 11, 10, 9, tzinfo=UTC),
        address="+4791234567",
        text="stopp",
    )
    assert (await read({**ANSWER, "timestamp": "2026-11-10T09:00:01Z"})).events[0].event_id != event.event_id


@pytest.mark.parametrize(
    ("text", "keyword", "read_as"),
    [
        ("STOPP", "STOPP", "STOPP"),
        ("stopp", None, "stopp"),
        ("bclt", "BCLT", "bclt"),
        ("bcltstopp", "BCLT", "bcltstopp"),
    ],
)
async def test_keyword_that_is_all_there_is_stays(text: str, keyword: str | None, read_as: str) -> None:
    told = {**ANSWER, "content": {"userData": text}, "route": {"keyword": keyword}}
    [event] = (await read(told)).events

    assert event.text == read_as


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, EventKind.SENT) for code in (1000, 1005, 1008, 1011, 1012, 1013)),
        *((code, EventKind.DELIVERED) for code in (1001, 1007)),
        *((code, EventKind.BOUNCED_SOFT) for code in (1002, 1004, 1006, 1009, 2107)),
        *((code, EventKind.BOUNCED_HARD) for code in (2104, 2106)),
        *((code, EventKind.FAILED) for code in (0, 1, 2, 3, 6, 104, 105, 1003, 2000, 2105, 2205, 3001, 4007)),
        *((code, EventKind.UNKNOWN) for code in (4, 5, 1010, 7777)),
    ],
)
async def test_result_of_a_report_gives_its_kind(code: int, kind: EventKind) -> None:
    [event] = (await read({**REPORT, "resultCode": code})).events

    assert (event.kind, event.raw_kind) == (kind, str(code))


async def test_request_without_report_or_answer_is_unreadable() -> None:
    assert (await read({"refId": "1"})).verdict is EventVerdict.UNREADABLE
    request = LinkMobility().tell(json.dumps(REPORT).encode(), now=NOW)
    assert (await LinkMobilityEvents(SECRET.upper()).read(request, now=NOW)).verdict is EventVerdict.UNSIGNED
