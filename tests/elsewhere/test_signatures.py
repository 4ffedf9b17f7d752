"""Signatures of events beside those of the companies' own libraries, which make them or check them."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import pytest
import resend
import standardwebhooks
from mailgun.security import SecurityGuard
from sendgrid.helpers.eventwebhook import EventWebhook
from sinch.domains.authentication.sinch_events.v1.authentication_validation import (
    validate_sinch_event_signature_with_nonce,
)
from twilio.request_validator import RequestValidator
from vonage_jwt import verify_signature

from invite_service.domain.provider_event import EventKind, EventVerdict
from invite_service.providers.base import EventRequest
from invite_service.services.webhooks import sign
from tests.providers.companies import Mailgun, Resend, SendGrid
from tests.providers.played import SECRET, PlayedCompany, make_sms
from tests.providers.sms_companies import Sinch, Twilio, Vonage

ATTEMPT = make_sms().attempt_id
NOW = datetime.now(UTC)
"""The libraries read the clock themselves."""

Takes = Callable[[EventRequest], bool]
"""Says whether the company's own library takes a request for the company's."""


def _mailgun_takes(request: EventRequest) -> bool:
    signature = json.loads(request.body)["signature"]
    return bool(SecurityGuard.verify_webhook(SECRET, **signature))


def _resend_takes(request: EventRequest) -> bool:
    headers = {name: request.headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    options = {"payload": request.body.decode(), "headers": headers, "webhook_secret": Resend.signing_secret}
    try:
        resend.Webhooks.verify(options)
    except ValueError:
        return False
    return True


def _sendgrid_takes(request: EventRequest) -> bool:
    header = "x-twilio-email-event-webhook-{}".format
    return bool(
        EventWebhook(SendGrid.public_key).verify_signature(
            request.body.decode(), request.headers[header("signature")], request.headers[header("timestamp")]
        )
    )


def _sinch_takes(request: EventRequest) -> bool:
    return bool(validate_sinch_event_signature_with_nonce(SECRET, dict(request.headers), request.body.decode()))


def _twilio_takes(request: EventRequest) -> bool:
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return bool(RequestValidator(SECRET).validate(request.url, form, request.headers["x-twilio-signature"]))


def _vonage_takes(request: EventRequest) -> bool:
    return bool(verify_signature(request.headers["authorization"].removeprefix("Bearer "), SECRET))


MAILGUN = {"event-data": {"event": "delivered", "user-variables": {"attempt_id": str(ATTEMPT)}}}
RESEND = {"type": "email.delivered", "data": {"tags": {"attempt_id": str(ATTEMPT)}}}
SENDGRID = [{"event": "delivered", "sg_event_id": "1", "attempt_id": str(ATTEMPT), "reason": "på norsk"}]
SINCH = {"type": "recipient_delivery_report_sms", "status": "Delivered", "client_reference": str(ATTEMPT)}
TWILIO = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+4791234567", "ErrorMessage": "", "Ømse": "på=&"}
VONAGE = {"message_uuid": "1", "status": "delivered", "client_ref": str(ATTEMPT)}

SIGNED: list[tuple[PlayedCompany, bytes, Takes]] = [
    (Mailgun(), json.dumps(MAILGUN).encode(), _mailgun_takes),
    (Resend(), json.dumps(RESEND).encode(), _resend_takes),
    (SendGrid(), json.dumps(SENDGRID, ensure_ascii=False).encode(), _sendgrid_takes),
    (Sinch(), json.dumps(SINCH).encode(), _sinch_takes),
    (Twilio(), urlencode(TWILIO).encode(), _twilio_takes),
    (Vonage(), json.dumps(VONAGE).encode(), _vonage_takes),
]

every_company = pytest.mark.parametrize(
    ("played", "body", "takes"), SIGNED, ids=[played.name for played, _, _ in SIGNED]
)


@every_company
async def test_companys_library_takes_what_is_signed_as_we_read_it(
    played: PlayedCompany, body: bytes, takes: Takes
) -> None:
    request = played.tell(body, now=NOW)
    reading = await played.read_events().read(request, now=NOW)

    assert takes(request)
    assert reading.verdict is EventVerdict.TRUE
    assert [(event.kind, event.attempt_id) for event in reading.events] == [(EventKind.DELIVERED, ATTEMPT)]


@every_company
async def test_companys_library_refuses_other_signatures_as_we_do(
    played: PlayedCompany, body: bytes, takes: Takes
) -> None:
    request = _change(played, body)

    assert not takes(request)
    assert (await played.read_events().read(request, now=NOW)).verdict is EventVerdict.UNSIGNED


def _change(played: PlayedCompany, body: bytes) -> EventRequest:
    """Change one octet of what is signed: of Mailgun's token, of Vonage's signature, else of the body."""
    request = played.tell(body, now=NOW)
    match played.name:
        case "mailgun":
            return replace(request, body=request.body.replace(b'"token": "', b'"token": "0'))
        case "vonage":
            token = request.headers["authorization"]
            claims, dot, signature = token.rpartition(".")
            swapped = ("B" if signature[0] == "A" else "A") + signature[1:]
            return replace(request, headers={"authorization": claims + dot + swapped})
        case _:
            return replace(request, body=request.body.replace(b"elivered", b"eliveree", 1))


@pytest.mark.parametrize("url", ["https://reviews.example.com:443/e?a=1", "https://reviews.example.com/e?a=1"])
@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
async def test_twilios_library_signs_what_we_read(url: str, algorithm: str) -> None:
    form = {**TWILIO, "Empty": ""}
    headers = {
        "x-twilio-signature": RequestValidator(SECRET).compute_signature(url, form, algorithm),
        "x-twilio-webhooks-signature-settings": f"key=webhooks_sharedkey_1,algorithm={algorithm}",
    }
    request = EventRequest(body=urlencode(form).encode(), headers=headers, url="https://reviews.example.com/e?a=1")

    assert (await Twilio().read_events().read(request, now=NOW)).verdict is EventVerdict.TRUE


async def test_standard_webhooks_sign_what_we_read_from_resend() -> None:
    stamp, body = str(int(NOW.timestamp())), json.dumps(RESEND)
    signature = standardwebhooks.Webhook(Resend.signing_secret).sign(msg_id="msg_1", timestamp=NOW, data=body)
    headers = {"svix-id": "msg_1", "svix-timestamp": stamp, "svix-signature": signature}
    reading = await Resend().read_events().read(EventRequest(body=body.encode(), headers=headers), now=NOW)

    assert reading.verdict is EventVerdict.TRUE


def test_listeners_with_the_library_of_standard_webhooks_take_what_we_tell() -> None:
    keys = ["whsec_" + b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3)]
    body = b'{"type": "rating.created", "data": {"text": "p\xc3\xa5"}}'
    headers = sign(UUID(int=1), body, keys=keys[:2], at=NOW)

    for key in keys[:2]:
        assert standardwebhooks.Webhook(key).verify(body, headers)["type"] == "rating.created"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(keys[2]).verify(body, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(keys[0]).verify(body.replace(b"created", b"deleted"), headers)
