"""The `sendgrid` provider: its v3 mail API and its event webhook, signed with an elliptic curve."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import ATTEMPT, find_unfit, write_headers, write_person
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    hash_event,
    instant_of_seconds,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import Receipts, read_date, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "sendgrid"
API_URLS: Mapping[str, str] = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
SIGNATURE_AGE = timedelta(hours=25)
"""An event is repeated for 24 hours, and nobody says that a repetition is signed anew."""

RECEIPTS = Receipts(NAME)

_MISCONFIGURED = OutcomeWord.MISCONFIGURED
_ACCEPTED = 202
_SEND = "mail.send"
"""The scope that a key needs."""
_CREDITS = re.compile(r"credits exceeded", re.IGNORECASE)
_SENDER = re.compile(r"sender identity|from (?:address|email)", re.IGNORECASE)

_KINDS: Mapping[str, EventKind] = {
    "processed": EventKind.SENT,
    "deferred": EventKind.DEFERRED,
    "delivered": EventKind.DELIVERED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}
_DEAD = frozenset({"", "invalid address", "unclassified"})
"""Classes of a bounce that leave it a hard one; the others (content, reputation, a full mailbox) may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGridSettings(ApiSettings):
    """One SendGrid account or subuser."""

    api_url: str = API_URLS["global"]
    api_key: str = field(repr=False)
    webhook_public_key: str | None = None


def parse_sendgrid(options: Mapping[str, str]) -> SendGridSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    region = reader.choice("region", API_URLS, default="global")
    settings = SendGridSettings(
        api_url=reader.api_url(API_URLS[region]),
        api_key=reader.secret("api_key"),
        webhook_public_key=reader.optional_secret("webhook_public_key"),
    )
    if settings.webhook_public_key and _read_key(settings.webhook_public_key) is None:
        reader.fault("webhook_public_key", "must be the verification key of the signed event webhook, in base64")
    reader.finish()
    return settings


class SendGridSender:
    """Sends by fields; docs/providers/sendgrid.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(self, settings: SendGridSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._headers = {"Authorization": f"Bearer {settings.api_key}", "Content-Type": "application/json"}
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit(message, RECEIPTS)
        if unfit is not None:
            return unfit
        content = orjson.dumps(_write(message))
        return judge(await self._client.call("POST", "/v3/mail/send", headers=self._headers, content=content))

    async def check(self) -> Receipt:
        """Ask what the key may do, which must be to send."""
        answer = await self._client.call("GET", "/v3/scopes", headers=self._headers)
        if isinstance(answer, ApiAnswer) and answer.is_success:
            scopes = at(read_json(answer), "scopes")
            if isinstance(scopes, list):
                is_enough = _SEND in scopes
                return RECEIPTS.settings_work() if is_enough else RECEIPTS.make(_MISCONFIGURED, "access_denied")
            return RECEIPTS.of_status(answer, said=None)
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def _write(message: Message) -> Mapping[str, Any]:
    to = write_person(message.to_name, message.to_address, name_field="name", address_field="email")
    bodies = [("text/plain", message.text), ("text/html", message.html)]
    off = {"enable": False}
    content = {
        "personalizations": [{"to": [to], "custom_args": {ATTEMPT: str(message.attempt_id)}}],
        "from": write_person(message.from_name, message.from_address, name_field="name", address_field="email"),
        "reply_to": {"email": message.reply_to} if message.reply_to else None,
        "subject": message.subject,
        "content": [{"type": kind, "value": body} for kind, body in bodies if body],
        "headers": write_headers(message),
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": off,
            "subscription_tracking": off,
        },
    }
    return {name: value for name, value in content.items() if value is not None}


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means; SendGrid has no codes, so that texts and field names have to do."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    if answer.is_success:
        if answer.status != _ACCEPTED:
            return RECEIPTS.of_status(answer, said=None)
        return RECEIPTS.accepted(answer.headers.get("x-message-id", "")[:100] or None)
    told = read_json(answer)
    text, name = at(told, "errors", 0, "message"), text_at(told, "errors", 0, "field") or ""
    if not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{name} {text}".strip()
    if answer.status == 429:
        return RECEIPTS.make(OutcomeWord.RATE_LIMITED, "rate_limited", said=said, retry_after=_read_pause(answer))
    if answer.status in {401, 403} and _CREDITS.search(text):
        return RECEIPTS.make(_MISCONFIGURED, "payment_required", said=said)
    if answer.status == 403 and _SENDER.search(text):
        return RECEIPTS.make(_MISCONFIGURED, "sender_refused", said=said)
    if answer.status == 451:
        return RECEIPTS.make(_MISCONFIGURED, "access_denied", said=said)
    if answer.status == 400 and name.startswith(("from", "reply_to")):
        return RECEIPTS.make(_MISCONFIGURED, "sender_refused", said=said)
    if answer.status == 400 and ".to." in f"{name}.":
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _read_pause(answer: ApiAnswer) -> timedelta | None:
    """Read when the limit starts anew: `Retry-After`, else an instant, counted from the answer's Date."""
    plain = RECEIPTS.of_status(answer, said=None).retry_after
    until, since = (
        instant_of_seconds(answer.headers.get("x-ratelimit-reset")),
        read_date(answer.headers.get("date", "")),
    )
    return until - since if until and since and "retry-after" not in answer.headers else plain


class SendGridEvents:
    """Reads the event webhook, whose signature covers a time and the body."""

    name = NAME

    def __init__(self, public_key: str) -> None:
        self._key = _read_key(public_key)

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the signature, then its age, then read the array of events."""
        sent = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        if not self._is_signed(request, sent):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        sent_at = instant_of_seconds(sent)
        if sent_at is None or abs(now - sent_at) > SIGNATURE_AGE:
            return EventReading(verdict=EventVerdict.STALE)
        told = read_body(request.body)
        if not isinstance(told, list) or not all(text_at(event, "event") for event in told):
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=tuple(_read_event(event) for event in told))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _is_signed(self, request: EventRequest, sent: str) -> bool:
        if self._key is None:
            return False
        try:
            signature = b64decode(request.headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
            self._key.verify(signature, sent.encode(errors="replace") + request.body, ec.ECDSA(SHA256()))
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


def _read_event(event: Mapping[str, Any]) -> ProviderEvent:
    word = text_at(event, "event") or ""
    detail = text_at(event, "type") or ""
    message_id = text_at(event, "sg_message_id", limit=320)
    return ProviderEvent(
        provider=NAME,
        kind=_kind_of(word, event),
        raw_kind=f"{word} {detail}".strip()[:100],
        event_id=text_at(event, "sg_event_id") or hash_event(event),
        occurred_at=instant_of_seconds(event.get("timestamp")),
        attempt_id=attempt_at(event, ATTEMPT),
        # What follows the first dot names the machine that handled the message.
        provider_message_id=message_id.partition(".")[0] if message_id else None,
        message_id=text_at(event, "smtp-id", limit=320),
        address=address_at(event, "email"),
        reason=reason_of(event.get("bounce_classification"), event.get("reason"), event.get("response")),
    )


def _kind_of(word: str, event: Mapping[str, Any]) -> EventKind:
    if word == "bounce":
        # "blocked" is a refusal that SendGrid does not hold against the address.
        is_dead = text_at(event, "type") != "blocked" and _lowered(event, "bounce_classification") in _DEAD
        return EventKind.BOUNCED_HARD if is_dead else EventKind.BOUNCED_SOFT
    if word == "dropped":
        return EventKind.UNSUBSCRIBED if "unsubscribed" in _lowered(event, "reason") else EventKind.FAILED
    return _KINDS.get(word, EventKind.UNKNOWN)


def _lowered(event: Mapping[str, Any], name: str) -> str:
    return (text_at(event, name) or "").lower()


def _read_key(text: str) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def _create_sender(settings: SendGridSettings, given: Surroundings) -> SendGridSender:
    return SendGridSender(settings, reach=given.reach)


def _create_reader(settings: SendGridSettings) -> SendGridEvents | None:
    return SendGridEvents(settings.webhook_public_key) if settings.webhook_public_key is not None else None


ADAPTER = Adapter(parse=parse_sendgrid, create_sender=_create_sender, create_reader=_create_reader)
