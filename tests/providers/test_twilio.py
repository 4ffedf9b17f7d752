"""Twilio: its form, its error numbers, finding by text, its signed callbacks."""

import hmac
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import EventRequest, LookUp
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.sms.twilio import TwilioEvents
from tests.providers.played import SECRET, make_sms, open_api
from tests.providers.sms_companies import Twilio, form_of
from tests.support.vendor_server import Said

ATTEMPT = make_sms().attempt_id
NOW = datetime(2026, 11, 10, 8, tzinfo=UTC)
ADDRESSES = EventAddresses("https://reviews.example.com")


async def test_request_is_whole() -> None:
    message = make_sms()
    async with open_api(Twilio(), events=ADDRESSES, webhook_auth_token=SECRET) as (server, sender):
        receipt = await sender.send(message)

    assert receipt == Receipt(
        outcome=OutcomeWord.ACCEPTED,
        reason="message_accepted",
        provider="twilio",
        provider_message_id=f"SM{ATTEMPT.hex}",
        raw_answer="queued",
    )
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", f"/2010-04-01/Accounts/{Twilio.account}/Messages.json")
    assert form_of(asked) == {
        "To": "+4791234567",
        "From": "GiftShop",
        "Body": message.text,
        "StatusCallback": Twilio.url,
    }


async def test_service_chooses_the_sender_in_our_place() -> None:
    service = "MG" + "3" * 32
    async with open_api(Twilio(), messaging_service_sid=service) as (server, sender):
        receipt = await sender.send(make_sms(from_address="not told", to_address="+12015550123"))

    assert receipt.outcome is OutcomeWord.ACCEPTED
    form = form_of(server.requests[0])
    assert form.keys() == {"To", "MessagingServiceSid", "Body"}
    assert form["MessagingServiceSid"] == service


@pytest.mark.parametrize(
    ("events", "token"),
    [(ADDRESSES, None), (EventAddresses("http://127.0.0.1:8000"), SECRET), (EventAddresses(), SECRET)],
)
async def test_nothing_is_asked_for_that_could_not_be_told_or_checked(
    events: EventAddresses, token: str | None
) -> None:
    async with open_api(Twilio(), events=events, webhook_auth_token=token) as (server, sender):
        await sender.send(make_sms())

    assert "StatusCallback" not in form_of(server.requests[0])


@pytest.mark.parametrize(
    ("status", "code", "outcome", "reason", "suppress"),
    [
        (401, 20003, OutcomeWord.MISCONFIGURED, "credentials_refused", False),
        (403, 20005, OutcomeWord.MISCONFIGURED, "account_suspended", False),
        (404, 20404, OutcomeWord.MISCONFIGURED, "api_not_found", False),
        (429, 20429, OutcomeWord.RATE_LIMITED, "rate_limited", False),
        (429, 14107, OutcomeWord.RATE_LIMITED, "rate_limited", False),
        (400, 21611, OutcomeWord.RATE_LIMITED, "rate_limited", False),
        (400, 30001, OutcomeWord.RATE_LIMITED, "rate_limited", False),
        (400, 21211, OutcomeWord.REJECTED, "recipient_refused", False),
        (400, 21265, OutcomeWord.REJECTED, "recipient_refused", False),
        (400, 21266, OutcomeWord.REJECTED, "recipient_refused", False),
        (400, 21408, OutcomeWord.REJECTED, "country_not_enabled", False),
        (400, 21610, OutcomeWord.REJECTED, "recipient_unsubscribed", False),
        (400, 21612, OutcomeWord.REJECTED, "no_route", False),
        (400, 21614, OutcomeWord.REJECTED, "recipient_not_mobile", True),
        (400, 21635, OutcomeWord.REJECTED, "recipient_not_mobile", True),
        (400, 21617, OutcomeWord.REJECTED, "message_too_large", False),
        *((400, code, OutcomeWord.MISCONFIGURED, "sender_refused", False) for code in (21212, 21267, 21603, 21606)),
        *((400, code, OutcomeWord.MISCONFIGURED, "sender_refused", False) for code in (21659, 21660, 21661)),
        *((400, code, OutcomeWord.MISCONFIGURED, "sender_refused", False) for code in (21701, 21703)),
        (400, 21608, OutcomeWord.MISCONFIGURED, "account_not_approved", False),
        (400, 21609, OutcomeWord.MISCONFIGURED, "callback_refused", False),
        (400, 99999, OutcomeWord.REJECTED, "message_refused", False),
        (500, 20500, OutcomeWord.UNKNOWN, "server_error", False),
        (500, 21614, OutcomeWord.UNKNOWN, "server_error", False),
    ],
)
async def test_number_of_an_error_gives_its_outcome(
    status: int, code: int, outcome: OutcomeWord, reason: str, suppress: bool
) -> None:
    said = Said.json({"code": code, "message": "Some text", "status": status}, status=status)
    async with open_api(Twilio(), [said]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, suppress)


async def test_limit_of_a_day_is_waited_for_by_the_hour() -> None:
    said = Said.json({"code": 63038, "message": "Account exceeded the daily messages limit"}, status=429)
    async with open_api(Twilio(), [said]) as (_, sender):
        receipt = await sender.send(make_sms())

    assert (receipt.outcome, receipt.reason) == (OutcomeWord.RATE_LIMITED, "daily_limit_reached")
    assert receipt.retry_after == timedelta(hours=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "+4791234568"},
        {"direction": "inbound"},
        {"body": "How was it? https://example.com/i/1\nNo more: https://example.com/u/2"},
        {"body": None},
        {"sid": None},
    ],
)
async def test_message_is_found_by_its_whole_text_and_number_alone(changes: dict[str, Any]) -> None:
    played, message = Twilio(), make_sms()
    async with open_api(played) as (server, sender):
        await sender.send(message)
        assert isinstance(sender, LookUp)
        mine = played.listed[0]
        found = []
        for listed in ([mine], [mine | changes], [mine, mine], []):
            played.listed = listed
            found.append(
                await sender.look_up(
                    message.message_id,
                    to_address=message.to_address,
                    attempted_at=NOW,
                    content_hash=message.content_hash(),
                )
            )
        server.play(Said.json({"messages": [mine], "next_page_uri": "/2010-04-01/more"}))
        unclear = await sender.look_up(
            message.message_id, to_address=message.to_address, attempted_at=NOW, content_hash=message.content_hash()
        )

    assert [one.provider_message_id if one else None for one in found] == [mine["sid"], None, None, None]
    assert unclear is None
    assert server.requests[1].query == {
        "DateSent>": "2026-11-10T07:59:30Z",
        "DateSent<": "2026-11-10T08:05:00Z",
        "PageSize": "1000",
    }


# As in Twilio's guides of status callbacks and incoming messages, with numbers of the tests.
DELIVERED = {
    "SmsSid": f"SM{ATTEMPT.hex}",
    "SmsStatus": "delivered",
    "MessageStatus": "delivered",
    "To": "+4791234567",
    "MessageSid": f"SM{ATTEMPT.hex}",
    "AccountSid": Twilio.account,
    "From": "GiftShop",
    "ApiVersion": "2010-04-01",
}
ANSWER = {
    "ToCountry": "NO",
    "SmsMessageSid": "SM7",
    "NumMedia": "0",
    "SmsSid": "SM7",
    "SmsStatus": "received",
    "Body": "Stopp!",
    "To": "+4790000001",
    "MessageSid": "SM7",
    "AccountSid": Twilio.account,
    "From": "+4791234567",
    "ApiVersion": "2010-04-01",
}


async def read(form: dict[str, str]) -> EventReading:
    played = Twilio()
    return await played.read_events().read(played.tell(urlencode(form).encode(), now=NOW), now=NOW)


async def test_status_is_read_whole() -> None:
    assert (await read(DELIVERED)).events == (
        ProviderEvent(
            provider="twilio",
            kind=EventKind.DELIVERED,
            raw_kind="delivered",
            event_id=f"SM{ATTEMPT.hex}-delivered",
            occurred_at=None,
            attempt_id=ATTEMPT,
            provider_message_id=f"SM{ATTEMPT.hex}",
            address="+4791234567",
        ),
    )


async def test_answer_is_read_whole() -> None:
    assert (await read(ANSWER)).events == (
        ProviderEvent(
            provider="twilio",
            kind=EventKind.REPLIED,
            raw_kind="received",
            event_id="SM7",
            occurred_at=None,
            address="+4791234567",
            text="Stopp!",
        ),
    )
    [stopped] = (await read({**ANSWER, "OptOutType": "STOP"})).events
    [helped] = (await read({**ANSWER, "OptOutType": "HELP"})).events
    assert (stopped.kind, helped.kind) == (EventKind.STOPPED, EventKind.REPLIED)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("accepted", "", EventKind.SENT),
        ("scheduled", "", EventKind.SENT),
        ("queued", "", EventKind.SENT),
        ("sending", "", EventKind.SENT),
        ("sent", "", EventKind.SENT),
        ("read", "", EventKind.DELIVERED),
        ("canceled", "", EventKind.FAILED),
        ("failed", "", EventKind.FAILED),
        ("failed", "30004", EventKind.FAILED),
        ("failed", "21610", EventKind.UNSUBSCRIBED),
        ("failed", "21614", EventKind.BOUNCED_HARD),
        ("failed", "21635", EventKind.BOUNCED_HARD),
        ("undelivered", "", EventKind.BOUNCED_SOFT),
        ("undelivered", "30003", EventKind.BOUNCED_SOFT),
        ("undelivered", "30005", EventKind.BOUNCED_HARD),
        ("undelivered", "30006", EventKind.BOUNCED_SOFT),
        ("undelivered", "30007", EventKind.FAILED),
        ("undelivered", "30008", EventKind.BOUNCED_SOFT),
        ("novelty", "30005", EventKind.UNKNOWN),
    ],
)
async def test_status_gives_its_kind(status: str, code: str, kind: EventKind) -> None:
    [event] = (await read({**DELIVERED, "MessageStatus": status, "ErrorCode": code})).events

    assert (event.kind, event.raw_kind) == (kind, f"{status} {code}".strip())


def sign(url: str, body: bytes, *, algorithm: str = "sha1") -> str:
    """Sign as request_validator.py of twilio-python does."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(parse_qsl(body.decode(), keep_blank_values=True)))
    return b64encode(hmac.digest(SECRET.encode(), text.encode(), algorithm)).decode()


@pytest.mark.parametrize(
    ("called", "signed"),
    [
        ("https://reviews.example.com/e?a=1", "https://reviews.example.com:443/e?a=1"),
        ("https://reviews.example.com:443/e?a=1", "https://reviews.example.com/e?a=1"),
        ("https://reviews.example.com:8443/e?a=1", "https://reviews.example.com/e?a=1"),
    ],
)
async def test_port_of_the_address_is_signed_or_not(called: str, signed: str) -> None:
    body = urlencode(DELIVERED).encode()
    request = EventRequest(body=body, headers={"x-twilio-signature": sign(signed, body)}, url=called)
    other = replace(request, headers={"x-twilio-signature": sign(signed.replace("reviews", "news"), body)})
    port = replace(request, headers={"x-twilio-signature": sign("https://reviews.example.com:444/e?a=1", body)})
    reader = Twilio().read_events()

    assert (await reader.read(request, now=NOW)).verdict is EventVerdict.TRUE
    assert (await reader.read(other, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await reader.read(port, now=NOW)).verdict is EventVerdict.UNSIGNED


@pytest.mark.parametrize(
    ("settings", "algorithm", "verdict"),
    [
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", "sha256", EventVerdict.TRUE),
        ("key=webhooks_sharedkey_1, algorithm=hmac_sha256", "sha256", EventVerdict.TRUE),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256", "sha1", EventVerdict.UNSIGNED),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1", "sha1", EventVerdict.TRUE),
        ("key=webhooks_sharedkey_1", "sha1", EventVerdict.TRUE),
        ("algorithm=", "sha1", EventVerdict.TRUE),
        ("algorithm=HMAC_MD5", "md5", EventVerdict.UNSIGNED),
        ("algorithm=none", "sha1", EventVerdict.UNSIGNED),
    ],
)
async def test_signature_is_of_the_algorithm_that_a_shared_key_names(
    settings: str, algorithm: str, verdict: EventVerdict
) -> None:
    body = urlencode(DELIVERED).encode()
    headers = {
        "x-twilio-signature": sign(Twilio.url, body, algorithm=algorithm),
        "x-twilio-webhooks-signature-settings": settings,
    }
    reading = await Twilio().read_events().read(EventRequest(body=body, headers=headers, url=Twilio.url), now=NOW)

    assert reading.verdict is verdict


async def test_signature_is_over_the_address_and_every_field() -> None:
    # The example of Twilio's page on webhook security, its token and its result.
    url = "https://example.com/myapp.php?foo=1&bar=2"
    fields = {
        "Digits": "1234",
        "To": "+18005551212",
        "From": "+14158675310",
        "Caller": "+14158675310",
        "CallSid": "CA1234567890ABCDE",
    }
    played = Twilio()
    true = played.tell(urlencode(fields).encode(), now=NOW)
    known = replace(true, url=url, headers={"x-twilio-signature": "L/OH5YylLD5NRKLltdqwSvS0BnU="})
    good = played.tell(urlencode(DELIVERED).encode(), now=NOW)
    forged = [
        replace(good, url=good.url.replace("000001", "000002")),
        replace(good, body=good.body.replace(b"delivered", b"failed")),
        replace(good, body=good.body + b"&ErrorCode=30005"),
        replace(good, headers={"x-twilio-signature": "é"}),
        replace(good, headers={}),
    ]
    readings = [await played.read_events().read(one, now=NOW) for one in forged]

    assert (await TwilioEvents("12345").read(known, now=NOW)).verdict is EventVerdict.UNREADABLE
    assert [reading.verdict for reading in readings] == [EventVerdict.UNSIGNED] * 5
    assert (await TwilioEvents("other").read(good, now=NOW)).verdict is EventVerdict.UNSIGNED
    assert (await read({"Body": "x"})).verdict is EventVerdict.UNREADABLE
