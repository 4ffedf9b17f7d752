"""What holds for every sender that calls an API: each thing a server can do, and our word for it."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import pytest

from invite_service.domain.invitation import Channel
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import BatchSender, LookUp, Sender
from tests.providers.companies import COMPANIES, EMAIL_COMPANIES
from tests.providers.conftest import Certificate
from tests.providers.messages import wait_until
from tests.providers.played import REFUSED, PlayedCompany, make_api_message, message_for, open_api
from tests.support.vendor_server import Act, Behaviour, Said, VendorServer

every_company = pytest.mark.parametrize("company", COMPANIES, ids=lambda made: made.__name__)
every_email_company = pytest.mark.parametrize("company", EMAIL_COMPANIES, ids=lambda made: made.__name__)


def every_company_that_is(kind: type) -> pytest.MarkDecorator:
    """Take the companies whose senders can what not all can."""
    able = [made for made in COMPANIES if isinstance(made().open("https://api.example.com"), kind)]
    return pytest.mark.parametrize("company", able, ids=lambda made: made.__name__)


every_batcher = every_company_that_is(BatchSender)
every_askable = every_company_that_is(LookUp)
Made = Callable[[], PlayedCompany]

TAKING_MIME = {"mailgun", "ses"}

HTML = b"<html><body>Welcome to the router of the internal network</body></html>"
SOON = {"Retry-After": "30"}
DATED = {"Retry-After": "Tue, 10 Nov 2026 08:05:00 GMT", "Date": "Tue, 10 Nov 2026 08:00:00 GMT"}

STATUSES: list[tuple[int, dict[str, str], OutcomeWord, timedelta | None]] = [
    (401, {}, OutcomeWord.MISCONFIGURED, None),
    (403, {}, OutcomeWord.MISCONFIGURED, None),
    (429, {}, OutcomeWord.RATE_LIMITED, timedelta(minutes=1)),
    (429, SOON, OutcomeWord.RATE_LIMITED, timedelta(seconds=30)),
    (429, DATED, OutcomeWord.RATE_LIMITED, timedelta(minutes=5)),
    (500, {}, OutcomeWord.UNKNOWN, None),
    (502, SOON, OutcomeWord.UNKNOWN, None),
    (503, {}, OutcomeWord.UNKNOWN, None),
    (503, SOON, OutcomeWord.NOT_SENT, None),
    (504, {}, OutcomeWord.UNKNOWN, None),
]

TROUBLES: list[tuple[Behaviour, set[str]]] = [
    (Act.HANG, {"timeout_after_request"}),
    (Act.TAKE_AND_HANG, {"timeout_after_request"}),
    (Act.RESET, {"dropped_after_request"}),
    (Act.TAKE_AND_RESET, {"dropped_after_request"}),
    (Act.RESET_AT_FIRST_OCTET, {"dropped_after_request"}),
    (Act.TAKE_AND_DRIP, {"timeout_after_request"}),
    (Act.TAKE_AND_HALVE, {"dropped_after_request"}),
    (Said(200, b'{"id": "1", "Messa', {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, b"\xff\xfe\x00", {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, b"[[[[[[", {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, b"[]", {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, b"null", {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, b'{"surprise": {"id": 7}}', {"Content-Type": "application/json"}), {"answer_unreadable"}),
    (Said(200, HTML, {"Content-Type": "text/html"}), {"answer_unreadable"}),
    (Said(200, b""), {"answer_unreadable"}),
    (Said(200, b"x" * 1_100_000), {"answer_too_large"}),
    (Said(400, HTML, {"Content-Type": "text/html"}), {"answer_unreadable"}),
    (Said(422, HTML, {"Content-Type": "text/html"}), {"answer_unreadable"}),
    (Said(302, HTML, {"Location": "/elsewhere"}), {"redirected"}),
    (Said(418, HTML), {"status_unexpected"}),
]


@every_company
async def test_message_is_taken_once_and_its_receipt_has_an_id(company: Made) -> None:
    played = company()
    async with open_api(played) as (_, sender):
        receipt = await sender.send(message_for(played))

    assert (receipt.outcome, receipt.reason, receipt.provider) == (
        OutcomeWord.ACCEPTED,
        "message_accepted",
        sender.name,
    )
    assert receipt.provider_message_id
    assert played.taken == [str(message_for(played).attempt_id)]


@every_company
@pytest.mark.parametrize(("status", "headers", "outcome", "pause"), STATUSES)
@pytest.mark.parametrize("form", ["own", "html"])
async def test_status_gives_its_outcome(
    company: Made, status: int, headers: dict[str, str], outcome: OutcomeWord, pause: timedelta | None, form: str
) -> None:
    played = company()
    said = played.refuse(status, headers) if form == "own" else Said(status, HTML, headers)
    async with open_api(played, [said]) as (_, sender):
        receipt = await sender.send(message_for(played))

    assert (receipt.outcome, receipt.retry_after, receipt.suppress_address) == (outcome, pause, False)
    assert "router" not in receipt.raw_answer
    assert "@" not in receipt.raw_answer


@every_company
@pytest.mark.parametrize(("behaviour", "reasons"), TROUBLES)
async def test_message_that_may_have_left_is_unknown(company: Made, behaviour: Behaviour, reasons: set[str]) -> None:
    played = company()
    async with open_api(played, [behaviour], timeout=0.4) as (server, sender):
        receipt = await sender.send(message_for(played))

    assert (receipt.outcome, receipt.provider, receipt.retry_after) == (OutcomeWord.UNKNOWN, sender.name, None)
    assert receipt.reason in reasons
    assert "router" not in receipt.raw_answer
    assert len(server.requests) <= 1


@every_company
async def test_server_that_is_not_there_gets_nothing(company: Made) -> None:
    played = company()
    server = VendorServer(played)
    await server.start()
    await server.stop()
    async with closing(played.open(server.url)) as sender:
        receipt = await sender.send(message_for(played))

    assert receipt == Receipt(outcome=OutcomeWord.NOT_SENT, reason="connection_refused", provider=sender.name)


@every_company
async def test_certificate_that_is_not_trusted_gets_nothing(company: Made, certificate: Certificate) -> None:
    played = company()
    async with (
        VendorServer(played, tls=certificate.server_context) as server,
        closing(played.open(server.url)) as sender,
    ):
        receipt = await sender.send(message_for(played))

    assert receipt == Receipt(outcome=OutcomeWord.MISCONFIGURED, reason="certificate_invalid", provider=sender.name)
    assert server.requests == []


@every_company
async def test_handshake_that_fails_gets_nothing(company: Made) -> None:
    played = company()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with VendorServer(played, tls=context) as server, closing(played.open(server.url)) as sender:
        receipt = await sender.send(message_for(played))

    assert receipt.outcome is OutcomeWord.NOT_SENT
    assert receipt.reason in {"tls_failed", "connect_failed"}
    assert server.requests == []


@every_company
async def test_wrong_credentials_are_said_by_send_and_by_check(company: Made) -> None:
    played = company()
    refusal = played.refuse(401, {})
    async with open_api(played, [refusal, refusal]) as (_, sender):
        receipts = [await sender.send(message_for(played)), await sender.check()]

    assert [receipt.outcome for receipt in receipts] == [OutcomeWord.MISCONFIGURED] * 2
    assert played.taken == []


@every_email_company
@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"to_address": "kari@example.net\r\nBcc: ola@example.net"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "kari"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "Kari <kari@example.net>"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"to_address": "k" * 250 + "@example.net"}, OutcomeWord.REJECTED, "invalid_address"),
        ({"from_address": "shop@example.com\0"}, OutcomeWord.MISCONFIGURED, "invalid_sender_address"),
    ],
)
async def test_address_that_is_none_never_reaches_the_wire(
    company: Made, changes: dict[str, Any], outcome: OutcomeWord, reason: str
) -> None:
    async with open_api(company()) as (server, sender):
        receipt = await sender.send(make_api_message(**changes))

    assert receipt == Receipt(outcome=outcome, reason=reason, provider=sender.name)
    assert server.connection_count == 0


@every_email_company
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": "How was it?\r\nBcc: ola@example.net"}, "malformed_message"),
        ({"to_name": "Kari\nBcc: ola@example.net"}, "malformed_message"),
        ({"from_name": "Shop\0"}, "invalid_sender_address"),
        ({"reply_to": "help@example.com, ola@example.net"}, "invalid_sender_address"),
        ({"headers": {"X-A": "a\r\nBcc: ola@example.net"}}, "malformed_message"),
        ({"headers": {"X-A: b\r\nBcc": "ola@example.net"}}, "malformed_message"),
    ],
)
async def test_field_with_control_characters_never_reaches_the_wire(
    company: Made, changes: dict[str, Any], reason: str
) -> None:
    message = make_api_message(**changes)
    async with open_api(company()) as (server, sender):
        receipt = await sender.send(message)

    if sender.name in TAKING_MIME:
        # What is in the fields is not used: the bytes are what leaves.
        assert receipt.outcome is OutcomeWord.ACCEPTED
        assert b"ola@example.net" not in server.requests[0].body
    else:
        assert receipt.reason == reason
        assert server.connection_count == 0


@every_company
async def test_same_message_is_written_the_same(company: Made) -> None:
    played = company()
    async with open_api(played) as (server, sender):
        for _ in range(2):
            await sender.send(message_for(played))

    first, second = server.requests
    timeless = {name: value for name, value in first.headers.items() if name not in {"x-amz-date", "authorization"}}
    assert first.body == second.body
    assert timeless.items() <= second.headers.items()


@every_company
async def test_nothing_is_taken_twice_by_a_server_that_fails_at_random(company: Made) -> None:
    played = company()
    chance = random.Random(7)
    refusals: list[Behaviour] = [played.refuse(429, SOON), played.refuse(503, SOON), played.refuse(500, {})]
    acts: list[Behaviour] = [Act.NORMAL, Act.NORMAL, Act.RESET, Act.TAKE_AND_RESET, Act.TAKE_AND_HALVE, *refusals]
    messages = [message_for(played, number) for number in range(60)]
    async with open_api(played, [chance.choice(acts) for _ in messages]) as (_, sender):
        receipts = await asyncio.gather(*(sender.send(message) for message in messages))

    taken = {str(message.attempt_id): played.taken.count(str(message.attempt_id)) for message in messages}
    by_outcome: dict[OutcomeWord, set[int]] = {}
    for message, receipt in zip(messages, receipts, strict=True):
        by_outcome.setdefault(receipt.outcome, set()).add(taken[str(message.attempt_id)])
    assert by_outcome.pop(OutcomeWord.ACCEPTED) == {1}
    assert by_outcome.pop(OutcomeWord.UNKNOWN) <= {0, 1}
    assert by_outcome == {OutcomeWord.RATE_LIMITED: {0}, OutcomeWord.NOT_SENT: {0}}


@every_company
async def test_call_that_is_cancelled_leaves_no_connection_behind(company: Made) -> None:
    played = company()
    async with open_api(played, [Act.TAKE_AND_HANG]) as (server, sender):
        call = asyncio.create_task(sender.send(message_for(played, 1)))
        await wait_until(lambda: len(server.requests) == 1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        receipt = await sender.send(message_for(played, 2))

    assert call.cancelled()
    assert receipt.outcome is OutcomeWord.ACCEPTED
    assert [asked.connection for asked in server.requests] == [1, 2]


@every_company
async def test_check_goes_as_far_as_it_can_without_sending(company: Made) -> None:
    played = company()
    async with open_api(played) as (server, sender):
        receipt = await sender.check()
        await sender.close()
        closed = await sender.check()

    assert receipt == Receipt(outcome=OutcomeWord.ACCEPTED, reason="settings_work", provider=sender.name)
    assert closed == Receipt(outcome=OutcomeWord.NOT_SENT, reason="sender_closed", provider=sender.name)
    assert played.taken == []
    assert len(server.requests) == 1


@every_company
@pytest.mark.parametrize(
    "behaviour", [Act.RESET, Said(200, HTML), Said(500, b""), Said(404, b"{}"), Said(200, b"[]"), Said(200, b"{}")]
)
async def test_check_that_learns_nothing_is_no_success(company: Made, behaviour: Behaviour) -> None:
    # Twice, since a GET that met a reset is repeated once.
    async with open_api(company(), [behaviour, behaviour]) as (_, sender):
        receipt = await sender.check()

    assert receipt.outcome is not OutcomeWord.ACCEPTED


@every_askable
async def test_what_a_company_is_asked_later_tells_no_address(company: Made) -> None:
    played = company()
    message, other = message_for(played, 1), message_for(played, 2)
    async with open_api(played) as (server, sender):
        assert isinstance(sender, LookUp)
        await sender.send(message)
        asked_before = len(server.requests)
        found, not_found = [await look_up(sender, asked) for asked in (message, other)]
        server.play(Said(500, b""), Act.RESET, Act.RESET, Said(200, HTML), Said(200, b"{}"))
        unclear = [await look_up(sender, message) for _ in range(4)]

    assert found is not None
    assert (found.outcome, found.reason, found.provider) == (OutcomeWord.ACCEPTED, "found_later", sender.name)
    assert not_found is None
    assert unclear == [None] * 4
    for asked in server.requests[asked_before:]:
        told = unquote_plus(asked.target.lower()) + asked.body.decode().lower()
        assert message.to_address not in told
        assert message.to_address.strip("+") not in told


@every_batcher
async def test_batch_is_answered_message_by_message_in_order(company: Made) -> None:
    played = company()
    messages = [message_for(played, number) for number in range(5)]
    messages[1] = message_for(played, 1, to_address=REFUSED[played.channel])
    messages[3] = message_for(played, 3, to_address="nobody")
    async with open_api(played) as (server, sender):
        receipts = await send_many(sender, messages)

    assert [receipt.outcome for receipt in receipts] == [
        OutcomeWord.ACCEPTED,
        OutcomeWord.REJECTED,
        OutcomeWord.ACCEPTED,
        OutcomeWord.REJECTED,
        OutcomeWord.ACCEPTED,
    ]
    assert (receipts[1].reason, receipts[3].reason) == (receipts[1].reason, "invalid_address")
    assert len({receipts[place].provider_message_id for place in (0, 2, 4)}) == 3
    assert played.taken == [str(messages[place].attempt_id) for place in (0, 2, 4)]
    assert len(server.requests) == 1


@every_batcher
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (Act.TAKE_AND_RESET, OutcomeWord.UNKNOWN),
        (Act.TAKE_AND_HALVE, OutcomeWord.UNKNOWN),
        (Said(500, HTML), OutcomeWord.UNKNOWN),
        (Said(200, HTML), OutcomeWord.UNKNOWN),
        (Said(200, b"[]"), OutcomeWord.UNKNOWN),
        (Said(200, b"{}"), OutcomeWord.UNKNOWN),
        (Said(200, b"[1,2,3]"), OutcomeWord.UNKNOWN),
        (Said(200, b'{"data":[{"id":"1"}]}'), OutcomeWord.UNKNOWN),
        (Said(200, b'{"Messages":[{"Status":"success"}]}'), OutcomeWord.UNKNOWN),
        (Said(429, b"", SOON), OutcomeWord.RATE_LIMITED),
        (Said(503, b"", SOON), OutcomeWord.NOT_SENT),
        (Said(401, b""), OutcomeWord.MISCONFIGURED),
    ],
)
async def test_batch_that_fails_as_a_whole_fails_for_each(
    company: Made, behaviour: Behaviour, outcome: OutcomeWord
) -> None:
    played = company()
    messages = [message_for(played, number) for number in range(3)]
    async with open_api(played, [behaviour]) as (server, sender):
        receipts = await send_many(sender, messages)

    assert [receipt.outcome for receipt in receipts] == [outcome] * 3
    assert len(server.requests) == 1


@every_batcher
async def test_more_than_a_batch_is_divided(company: Made) -> None:
    played = company()
    async with open_api(played) as (server, sender):
        assert isinstance(sender, BatchSender)
        messages = [message_for(played, number) for number in range(sender.max_batch + 1)]
        receipts = await sender.send_many(messages)
        nothing = await sender.send_many([])

    assert {receipt.outcome for receipt in receipts} == {OutcomeWord.ACCEPTED}
    assert sorted(played.taken) == sorted(str(message.attempt_id) for message in messages)
    assert len(server.requests) == 2
    assert list(nothing) == []


@every_batcher
async def test_batch_of_large_messages_is_divided_by_size(company: Made) -> None:
    played = company()
    async with open_api(played) as (server, sender):
        large = {"text" if played.channel is Channel.SMS else "html": "x" * 400_000}
        messages = [message_for(played, number, **large) for number in range(5)]
        receipts = await send_many(sender, messages)

    assert {receipt.outcome for receipt in receipts} == {OutcomeWord.ACCEPTED}
    assert sorted(played.taken) == sorted(str(message.attempt_id) for message in messages)
    assert len(server.requests) == 3


async def send_many(sender: Sender, messages: list[Message]) -> list[Receipt]:
    assert isinstance(sender, BatchSender)
    return list(await sender.send_many(messages))


async def look_up(sender: LookUp, message: Message) -> Receipt | None:
    at = datetime(2026, 11, 10, 8, tzinfo=UTC)
    return await sender.look_up(
        message.message_id, to_address=message.to_address, attempted_at=at, content_hash=message.content_hash()
    )


@asynccontextmanager
async def closing(sender: Sender) -> AsyncIterator[Sender]:
    try:
        yield sender
    finally:
        await sender.close()
