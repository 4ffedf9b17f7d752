"""The `brevo` provider: its transactional e-mail API with an idempotency key, and its webhooks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.header import Header
from typing import Any
from uuid import UUID

import orjson

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import find_unfit, write_person
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    has_secret,
    hash_event,
    instant_of_seconds,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "brevo"
API_URL = "https://api.brevo.com/v3"
CUSTOM_HEADER = "X-Mailin-custom"
"""What this header holds comes back with every event."""

RECEIPTS = Receipts(NAME)

_ERRORS: Mapping[str, tuple[OutcomeWord, str]] = {
    "unauthorized": (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    "permission_denied": (OutcomeWord.MISCONFIGURED, "access_denied"),
    "not_enough_credits": (OutcomeWord.MISCONFIGURED, "payment_required"),
    "account_under_validation": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    # The key was used within its half hour, so that the message is there already.
    "duplicate_parameter": (OutcomeWord.ACCEPTED, "accepted_before"),
    "duplicate_request": (OutcomeWord.ACCEPTED, "accepted_before"),
}
_SENDER = re.compile(r"\bsender\b|\breplyTo\b", re.IGNORECASE)
_RECIPIENT = re.compile(r"\bto\b|\brecipient", re.IGNORECASE)
_SPECIALS = re.compile(r"[()<>@,;:\\\".\[\]]")

_KINDS: Mapping[str, EventKind] = {
    "request": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "hard_bounce": EventKind.BOUNCED_HARD,
    "invalid_email": EventKind.BOUNCED_HARD,
    "soft_bounce": EventKind.BOUNCED_SOFT,
    "spam": EventKind.COMPLAINED,
    "complaint": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "blocked": EventKind.FAILED,
    "error": EventKind.FAILED,
    "opened": EventKind.OPENED,
    "unique_opened": EventKind.OPENED,
    "proxy_open": EventKind.OPENED,
    "unique_proxy_open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrevoSettings(ApiSettings):
    """One Brevo account."""

    api_url: str = API_URL
    api_key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


def parse_brevo(options: Mapping[str, str]) -> BrevoSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = BrevoSettings(
        api_url=reader.api_url(API_URL),
        api_key=reader.secret("api_key"),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class BrevoSender:
    """Sends by fields under an idempotency key; docs/providers/brevo.md has the table of outcomes."""

    name = NAME
    key_lifetime = timedelta(minutes=15)
    """The shorter of two figures that Brevo gives, 15 and 30 minutes: https://developers.brevo.com/docs/heterogenous-versions-batch-emails."""

    def __init__(self, settings: BrevoSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._headers = {"api-key": settings.api_key, "Content-Type": "application/json"}
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over under its key."""
        unfit = find_unfit(message, RECEIPTS)
        if unfit is not None:
            return unfit
        if not all(value.isascii() for value in message.headers.values()):
            # Brevo would put the octets into the mail's head as they are, whatever encoding they come in.
            return RECEIPTS.make(OutcomeWord.REJECTED, "malformed_message")
        content = orjson.dumps(_write(message))
        return judge(await self._client.call("POST", "/smtp/email", headers=self._headers, content=content))

    async def check(self) -> Receipt:
        """Ask for the account."""
        answer = await self._client.call("GET", "/account", headers=self._headers)
        if isinstance(answer, ApiAnswer) and answer.is_success and text_at(read_json(answer), "email"):
            return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def _write(message: Message) -> Mapping[str, Any]:
    content = {
        "sender": _write_person(message.from_name, message.from_address),
        "to": [_write_person(message.to_name, message.to_address)],
        "replyTo": {"email": message.reply_to} if message.reply_to else None,
        "subject": message.subject,
        "textContent": message.text,
        "htmlContent": message.html,
        "headers": {
            **message.headers,
            CUSTOM_HEADER: str(message.attempt_id),
            "idempotencyKey": _write_key(message),
        },
    }
    return {name: value for name, value in content.items() if value is not None}


def _write_key(message: Message) -> str:
    """Give the message's key, which must be a UUID, as the attempt's id always is."""
    try:
        return str(UUID(message.idempotency_key))
    except ValueError:
        return str(message.attempt_id)


def _write_person(name: str | None, address: str) -> Mapping[str, str]:
    """Write a name and an address; Brevo loses a name that is not ASCII and has a comma, unless it comes encoded."""
    if name and not name.isascii() and _SPECIALS.search(name):
        name = Header(name, "utf-8", maxlinelen=0).encode()
    return write_person(name, address, name_field="name", address_field="email")


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        message_id = text_at(told, "messageId", limit=320)
        return RECEIPTS.accepted(message_id) if message_id else RECEIPTS.of_status(answer, said=None)
    code, text = text_at(told, "code"), at(told, "message")
    if code is None or not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{code} {text}"
    if answer.status == 429:
        return RECEIPTS.make(OutcomeWord.RATE_LIMITED, "rate_limited", said=said, retry_after=_read_pause(answer))
    if answer.status // 100 != 4:
        return RECEIPTS.of_status(answer, said=said)
    if code in _ERRORS:
        outcome, reason = _ERRORS[code]
        return RECEIPTS.make(outcome, reason, said=said)
    if answer.status == 400 and _SENDER.search(text):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    if answer.status == 400 and "email" in text.lower() and _RECIPIENT.search(text):
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _read_pause(answer: ApiAnswer) -> timedelta | None:
    """Read how long to wait: `Retry-After`, else the seconds that Brevo's own header names."""
    plain = RECEIPTS.of_status(answer, said=None).retry_after
    reset = answer.headers.get("x-sib-ratelimit-reset", "").strip()
    is_number = reset.isascii() and reset.isdigit() and len(reset) <= 9
    return timedelta(seconds=int(reset)) if is_number and "retry-after" not in answer.headers else plain


class BrevoEvents:
    """Reads webhooks, which Brevo signs with nothing but a secret that we made up."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Read the event that a request holds, or the list of them where the webhook is a batched one."""
        if not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        told = read_body(request.body)
        events = told if isinstance(told, list) else [told]
        if not all(text_at(event, "event") for event in events):
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=tuple(_read_event(event) for event in events))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""


def _read_event(event: Mapping[str, Any]) -> ProviderEvent:
    word = text_at(event, "event") or ""
    message_id = text_at(event, "message-id", limit=320)
    milliseconds = at(event, "ts_epoch")
    return ProviderEvent(
        provider=NAME,
        kind=_KINDS.get(word, EventKind.UNKNOWN),
        raw_kind=word,
        event_id=hash_event(event),
        # The other times are in the account's zone, which nobody tells.
        occurred_at=instant_of_seconds(milliseconds / 1000) if isinstance(milliseconds, int | float) else None,
        attempt_id=attempt_at(event, CUSTOM_HEADER),
        provider_message_id=message_id,
        message_id=message_id,
        address=address_at(event, "email"),
        reason=reason_of(event.get("reason")),
    )


def _create_sender(settings: BrevoSettings, given: Surroundings) -> BrevoSender:
    return BrevoSender(settings, reach=given.reach)


def _create_reader(settings: BrevoSettings) -> BrevoEvents | None:
    return BrevoEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_brevo, create_sender=_create_sender, create_reader=_create_reader)
