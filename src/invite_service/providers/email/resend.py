"""The `resend` provider: its e-mail API with idempotency keys, and its signed webhooks."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

import orjson

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import ATTEMPT, find_unfit, write_headers
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    instant_of_seconds,
    instant_of_text,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import RETRY_AFTER_MOST, Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "resend"
API_URL = "https://api.resend.com"
SIGNATURE_AGE = timedelta(minutes=5)
"""A repetition is signed anew, so that only a recording is older."""

RECEIPTS = Receipts(NAME)

_ERRORS: Mapping[str, tuple[OutcomeWord, str]] = {
    "missing_api_key": (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    "invalid_api_key": (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    "restricted_api_key": (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    "invalid_from_address": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "monthly_quota_exceeded": (OutcomeWord.MISCONFIGURED, "payment_required"),
    "security_error": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "concurrent_idempotent_requests": (OutcomeWord.UNKNOWN, "same_key_in_flight"),
    "invalid_idempotent_request": (OutcomeWord.UNKNOWN, "same_key_other_content"),
}
_RESTRICTED = "restricted_api_key"
"""A key that may do nothing but send, which is all that we need."""

_KINDS: Mapping[str, EventKind] = {
    "email.sent": EventKind.SENT,
    "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DEFERRED,
    "email.complained": EventKind.COMPLAINED,
    "email.failed": EventKind.FAILED,
    "email.suppressed": EventKind.FAILED,
    "email.opened": EventKind.OPENED,
    "email.clicked": EventKind.CLICKED,
}
_BOUNCED = "email.bounced"
_MEANINGFUL = re.compile(r'[()<>\[\]:;@\\,"]')
"""What RFC 5322 lets stand in quotes only; but for the full stop, which every "Shop Inc." has."""
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendSettings(ApiSettings):
    """One Resend account."""

    api_url: str = API_URL
    api_key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


def parse_resend(options: Mapping[str, str]) -> ResendSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = ResendSettings(
        api_url=reader.api_url(API_URL),
        api_key=reader.secret("api_key"),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    if settings.webhook_secret and _read_secret(settings.webhook_secret) is None:
        reader.fault("webhook_secret", "must be the signing secret of the webhook, which begins with whsec_")
    reader.finish()
    return settings


class ResendSender:
    """Sends by fields under an idempotency key; docs/providers/resend.md has the table of outcomes."""

    name = NAME
    key_lifetime = timedelta(hours=24)
    """For the same content: https://resend.com/docs/dashboard/emails/idempotency-keys."""

    def __init__(self, settings: ResendSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._headers = {"Authorization": f"Bearer {settings.api_key}", "Content-Type": "application/json"}
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over under its key."""
        written = _write(message)
        if isinstance(written, Receipt):
            return written
        headers = self._headers | {"Idempotency-Key": message.idempotency_key}
        return judge(await self._client.call("POST", "/emails", headers=headers, content=written))

    async def check(self) -> Receipt:
        """Ask for the domains; a key that may do nothing but send is told from a wrong one by its error."""
        answer = await self._client.call("GET", "/domains", headers=self._headers)
        if isinstance(answer, ApiAnswer):
            told = read_json(answer)
            if (answer.is_success and isinstance(at(told, "data"), list)) or text_at(told, "name") == _RESTRICTED:
                return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def _write(message: Message) -> bytes | Receipt:
    unfit = find_unfit(message, RECEIPTS)
    if unfit is not None:
        return unfit
    content = {
        "from": _write_mailbox(message.from_name, message.from_address),
        "to": [_write_mailbox(message.to_name, message.to_address)],
        "reply_to": message.reply_to,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "headers": write_headers(message),
        "tags": [{"name": ATTEMPT, "value": str(message.attempt_id)}],
    }
    return orjson.dumps({name: value for name, value in content.items() if value is not None})


def _write_mailbox(name: str | None, address: str) -> str:
    """Write a name and an address as Resend reads them, which is not as mail does.

    It refuses names in quotes, and in `from` encoded ones and some that would need quotes, with what pauses a channel
    (django-anymail, anymail/backends/resend.py). So a name stands bare, and loses the signs that mean something there.
    """
    bare = " ".join(_MEANINGFUL.sub(" ", name or "").split())
    return f"{bare} <{address}>" if bare else address


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer about one message, or about a whole call, means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        message_id = text_at(told, "id")
        return RECEIPTS.accepted(message_id) if message_id else RECEIPTS.of_status(answer, said=None)
    error, text = text_at(told, "name"), at(told, "message")
    if error is None or not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{error} {text}"
    if answer.status // 100 == 5:
        return RECEIPTS.of_status(answer, said=said)
    if error == "daily_quota_exceeded":
        return RECEIPTS.make(OutcomeWord.RATE_LIMITED, "daily_quota", said=said, retry_after=RETRY_AFTER_MOST)
    if error in _ERRORS:
        outcome, reason = _ERRORS[error]
        return RECEIPTS.make(outcome, reason, said=said)
    return _judge_refusal(answer, text, said=said)


def _judge_refusal(answer: ApiAnswer, text: str, *, said: str) -> Receipt:
    """Judge what is named `validation_error` and the like, whose text names the field."""
    lowered = text.lower()
    if "api key" in lowered:
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "credentials_refused", said=said)
    if answer.status == 403 or "`from`" in lowered or "domain is not verified" in lowered:
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    if "`to`" in lowered and answer.status in {400, 422}:
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


class ResendEvents:
    """Reads webhooks, which are signed as Svix does it: HMAC-SHA256 over id, time and body."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._key = _read_secret(secret) or b""

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the signature, then its age, then read the one event that a request holds."""
        event_id = request.headers.get("svix-id", "")
        sent = request.headers.get("svix-timestamp", "")
        if not self._key or not self._is_signed(request, f"{event_id}.{sent}."):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        sent_at = instant_of_seconds(sent)
        if sent_at is None or abs(now - sent_at) > SIGNATURE_AGE:
            return EventReading(verdict=EventVerdict.STALE)
        told = read_body(request.body)
        word = text_at(told, "type")
        if word is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=(_read_event(told, word, event_id=event_id[:100]),))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _is_signed(self, request: EventRequest, prefix: str) -> bool:
        digest = hmac.digest(self._key, prefix.encode(errors="replace") + request.body, "sha256")
        expected = f"v1,{b64encode(digest).decode()}".encode()
        # While a secret is being replaced there is a signature for each.
        given = request.headers.get("svix-signature", "").split(" ")[:10]
        return any(hmac.compare_digest(one.encode(errors="replace"), expected) for one in given)


def _read_event(told: Mapping[str, Any], word: str, *, event_id: str) -> ProviderEvent:
    bounce = at(told, "data", "bounce")
    to = address_at(told, "data", "to", 0) or address_at(told, "data", "to")
    return ProviderEvent(
        provider=NAME,
        kind=_kind_of_bounce(bounce) if word == _BOUNCED else _KINDS.get(word, EventKind.UNKNOWN),
        raw_kind=word,
        event_id=event_id,
        occurred_at=instant_of_text(told.get("created_at")),
        attempt_id=attempt_at(told, "data", "tags", ATTEMPT),
        provider_message_id=text_at(told, "data", "email_id"),
        message_id=text_at(told, "data", "message_id", limit=320),
        address=parseaddr(to)[1] or None if to else None,
        reason=reason_of(
            at(bounce, "type"),
            at(bounce, "subType"),
            at(bounce, "message"),
            at(told, "data", "failed", "reason"),
            at(told, "data", "suppressed", "reason"),
            at(told, "data", "suppressed", "message"),
        ),
    )


def _kind_of_bounce(bounce: Any) -> EventKind:
    if at(bounce, "subType") in _SUPPRESSED:
        return EventKind.FAILED
    return EventKind.BOUNCED_HARD if at(bounce, "type") == "Permanent" else EventKind.BOUNCED_SOFT


def _read_secret(text: str) -> bytes | None:
    try:
        return b64decode(text.removeprefix("whsec_"), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _create_sender(settings: ResendSettings, given: Surroundings) -> ResendSender:
    return ResendSender(settings, reach=given.reach)


def _create_reader(settings: ResendSettings) -> ResendEvents | None:
    return ResendEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_resend, create_sender=_create_sender, create_reader=_create_reader)
