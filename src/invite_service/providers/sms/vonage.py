"""The `vonage` provider: its Messages API, and its webhooks, which carry a signed hash of their body."""

import hmac
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses
from invite_service.providers.event_reading import (
    at,
    attempt_at,
    hash_event,
    instant_of_seconds,
    instant_of_text,
    is_same_secret,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.fields import find_unfit_sms, write_international

NAME = "vonage"
API_URL = "https://api.nexmo.com"
PATH = "/v1/messages"
SIGNATURE_AGE = timedelta(hours=24)
"""How long Vonage repeats a webhook; nobody says that a repetition is signed anew."""

RECEIPTS = Receipts(NAME)

_KEY = re.compile(r"[0-9A-Za-z]{1,64}")
_CODE = re.compile(r"#([a-z0-9-]{1,40})\Z")

_INVALID = frozenset({"1010", "1020", "1110", "1150", "invalid-params"})
_ERRORS: Mapping[str, tuple[OutcomeWord, str]] = {
    "1000": (OutcomeWord.RATE_LIMITED, "rate_limited"),
    "1040": (OutcomeWord.REJECTED, "recipient_refused"),
    "1050": (OutcomeWord.REJECTED, "recipient_blocked"),
    "1060": (OutcomeWord.MISCONFIGURED, "account_suspended"),
    "1070": (OutcomeWord.MISCONFIGURED, "payment_required"),
    "1080": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "1090": (OutcomeWord.REJECTED, "message_too_large"),
    "1100": (OutcomeWord.NOT_SENT, "communication_failed"),
    "1120": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "1140": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "1160": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "1170": (OutcomeWord.REJECTED, "recipient_refused"),
    "low-balance": (OutcomeWord.MISCONFIGURED, "payment_required"),
    "account-suspended": (OutcomeWord.MISCONFIGURED, "account_suspended"),
    "unprovisioned": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
}
"""By what stands behind the # of an error's `type`; others by their status."""
_TITLES: Mapping[str, tuple[OutcomeWord, str]] = {
    "invalid sender": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "unsupported channel": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "invalid recipient": (OutcomeWord.REJECTED, "recipient_refused"),
    "invalid message type": (OutcomeWord.REJECTED, "message_refused"),
    "invalid client reference": (OutcomeWord.REJECTED, "message_refused"),
}
"""By an error's `title`, before its number: the description of the API and the list of errors number these differently,
so that 1060 is the one's client reference and the other's suspended account."""
_INTERNAL = "1030"
_INTERNAL_TITLE = "internal error"

_STATUSES: Mapping[str, EventKind] = {
    "submitted": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "rejected": EventKind.FAILED,
    "undeliverable": EventKind.BOUNCED_SOFT,
}
_FAILURES: Mapping[str, EventKind] = {
    "1050": EventKind.FAILED,
    "1170": EventKind.BOUNCED_HARD,
    "1180": EventKind.BOUNCED_SOFT,
    "1190": EventKind.BOUNCED_HARD,
    "1240": EventKind.UNSUBSCRIBED,
}
"""The error's code of what was rejected or could not be delivered; without one of these, its status counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageSettings(ApiSettings):
    """One Vonage account."""

    api_url: str = API_URL
    api_key: str
    api_secret: str = field(repr=False)
    webhook_signature_secret: str | None = field(default=None, repr=False)


def parse_vonage(options: Mapping[str, str]) -> VonageSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = VonageSettings(
        api_url=reader.api_url(API_URL),
        api_key=reader.text("api_key", _KEY, "must be letters and digits"),
        api_secret=reader.secret("api_secret"),
        webhook_signature_secret=reader.optional_secret("webhook_signature_secret"),
    )
    reader.finish()
    return settings


class VonageSender:
    """Sends one message a call; docs/providers/vonage.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(
        self,
        settings: VonageSettings,
        *,
        events: EventAddresses = NO_EVENT_ADDRESSES,
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._headers = {
            "Authorization": write_basic(settings.api_key, settings.api_secret),
            "Content-Type": "application/json",
        }
        # Without the secret no event can be checked, so that none is asked for.
        self._events = events if settings.webhook_signature_secret is not None else NO_EVENT_ADDRESSES
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit_sms(message, RECEIPTS)
        if unfit is not None:
            return unfit
        fields = {
            "channel": "sms",
            "message_type": "text",
            "to": message.to_address.removeprefix("+"),
            "from": message.from_address.removeprefix("+"),
            "text": message.text,
            "client_ref": str(message.attempt_id),
            "webhook_url": self._events.find(NAME, message),
        }
        content = orjson.dumps({name: value for name, value in fields.items() if value is not None})
        return judge(await self._client.call("POST", PATH, headers=self._headers, content=content))

    async def check(self) -> Receipt:
        """Post no message: whoever may send is told what is missing."""
        answer = await self._client.call("POST", PATH, headers=self._headers, content=b"{}")
        if isinstance(answer, ApiAnswer) and answer.status in {400, 422}:
            told = read_json(answer)
            if _code_of(told) in _INVALID or (_code_of(told) and _title_of(told) in _TITLES):
                return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        found = text_at(told, "message_uuid")
        return RECEIPTS.accepted(found) if found else RECEIPTS.of_status(answer, said=None)
    code, title = _code_of(told), text_at(told, "title")
    if code is None or title is None:
        return RECEIPTS.of_status(answer, said=None)
    said = " ".join(text for text in (code, title, text_at(told, "detail", limit=300)) if text)
    if answer.status // 100 == 5:
        return RECEIPTS.of_status(answer, said=said)
    if code == _INTERNAL or _title_of(told) == _INTERNAL_TITLE:
        return RECEIPTS.make(OutcomeWord.UNKNOWN, "server_error", said=said)
    if code in _INVALID:
        return _judge_fields(answer, told, said=said)
    known = _TITLES.get(_title_of(told)) or _ERRORS.get(code)
    if known is not None:
        outcome, reason = known
        pause = RECEIPTS.of_status(answer, said=None).retry_after if answer.status == 429 else None
        return RECEIPTS.make(outcome, reason, said=said, retry_after=pause)
    return RECEIPTS.of_status(answer, said=said)


def _judge_fields(answer: ApiAnswer, told: Any, *, said: str) -> Receipt:
    """Say what it means that Vonage calls fields wrong, by their names."""
    listed = at(told, "invalid_parameters")
    names = {text_at(one, "name") for one in listed} if isinstance(listed, list) else set()
    if "from" in names:
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    if "webhook_url" in names:
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "callback_refused", said=said)
    if "to" in names:
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _code_of(told: Any) -> str | None:
    found = _CODE.search(text_at(told, "type", limit=300) or "")
    return found[1] if found else None


def _title_of(told: Any) -> str:
    return (text_at(told, "title") or "").lower()


class VonageEvents:
    """Reads webhooks of messages' statuses and customers' answers."""

    name = NAME

    def __init__(self, signature_secret: str) -> None:
        self._secret = signature_secret.encode()

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the token and the hash of the body that it signs, then its age, then read the one event."""
        claims = self._read_claims(request.headers.get("authorization", ""))
        hashed = text_at(claims, "payload_hash")
        if hashed is None or not is_same_secret(hashed, sha256(request.body).hexdigest()):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        signed_at = instant_of_seconds(at(claims, "iat"))
        if signed_at is None or abs(now - signed_at) > SIGNATURE_AGE:
            return EventReading(verdict=EventVerdict.STALE)
        told = read_body(request.body)
        if text_at(told, "message_uuid") is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        event = _read_status(told) if text_at(told, "status") is not None else _read_answer(told)
        return EventReading(verdict=EventVerdict.TRUE, events=(event,))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _read_claims(self, authorization: str) -> Any:
        """Read what a JSON Web Token claims (RFC 7519), where it is signed by HMAC-SHA256 under our secret."""
        kind, _, token = authorization.partition(" ")
        signed, _, given = token.strip().rpartition(".")
        head, _, content = signed.partition(".")
        if kind.lower() != "bearer" or at(read_body(_decode(head)), "alg") != "HS256":
            return None
        digest = hmac.digest(self._secret, signed.encode(errors="replace"), "sha256")
        return read_body(_decode(content)) if hmac.compare_digest(_decode(given), digest) else None


def _decode(text: str) -> bytes:
    """Decode base64url without its padding; what is none is empty."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _read_status(told: Mapping[str, Any]) -> ProviderEvent:
    status = text_at(told, "status") or ""
    # Vonage's own SDKs are tested with an error within the error.
    error = at(told, "error", "error") or at(told, "error")
    uuid, code = text_at(told, "message_uuid"), _number_of(error)
    kind = _STATUSES.get(status, EventKind.UNKNOWN)
    if kind in {EventKind.FAILED, EventKind.BOUNCED_SOFT}:
        kind = _FAILURES.get(code, kind)
    return ProviderEvent(
        provider=NAME,
        kind=kind,
        raw_kind=f"{status} {code}".strip()[:100],
        event_id=f"{uuid}-{status}"[:200],
        occurred_at=instant_of_text(told.get("timestamp")),
        attempt_id=attempt_at(told, "client_ref"),
        provider_message_id=uuid,
        address=write_international(text_at(told, "to")),
        reason=reason_of(at(error, "title"), at(error, "detail")),
    )


def _number_of(error: Any) -> str:
    """Read the number of what became of a message: behind the # or, where a word stands there, the title."""
    code, title = _code_of(error) or "", text_at(error, "title") or ""
    return title if title.isdecimal() and not code.isdecimal() else code


def _read_answer(told: Mapping[str, Any]) -> ProviderEvent:
    text = told.get("text")
    is_answer = text_at(told, "channel") == "sms" and isinstance(text, str)
    return ProviderEvent(
        provider=NAME,
        kind=EventKind.REPLIED if is_answer else EventKind.UNKNOWN,
        raw_kind=f"inbound {text_at(told, 'message_type') or ''}".strip()[:100],
        event_id=text_at(told, "message_uuid") or hash_event(told),
        occurred_at=instant_of_text(told.get("timestamp")),
        address=write_international(text_at(told, "from")),
        text=text if is_answer else None,
    )


def _create_sender(settings: VonageSettings, given: Surroundings) -> VonageSender:
    return VonageSender(settings, events=given.events, reach=given.reach)


def _create_reader(settings: VonageSettings) -> VonageEvents | None:
    return VonageEvents(settings.webhook_signature_secret) if settings.webhook_signature_secret is not None else None


ADAPTER = Adapter(parse=parse_vonage, create_sender=_create_sender, create_reader=_create_reader)
