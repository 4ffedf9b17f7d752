"""The `sinch` provider: its SMS API (XMS), the list of what was sent, and its callbacks."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
    attempt_of,
    has_secret,
    hash_event,
    instant_of_seconds,
    instant_of_text,
    is_same_secret,
    read_body,
    text_at,
)
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.fields import find_unfit_sms, write_international

NAME = "sinch"
API_URLS: Mapping[str, str] = {
    region: f"https://{region}.sms.api.sinch.com" for region in ("us", "eu", "au", "br", "ca")
}
SIGNATURE_AGE = timedelta(hours=24)
"""A callback is repeated for 22 h 45 min, and nobody says that a repetition is signed anew."""
LOOK_UP_BEFORE = timedelta(minutes=5)
"""How far from the attempt the list begins; clocks differ."""

RECEIPTS = Receipts(NAME)

_PLAN = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ABOUT_SENDER = re.compile(r"['\"\[]from['\"\]]|: from\b|originator", re.IGNORECASE)
_ABOUT_RECIPIENT = re.compile(r"['\"\[]to['\"\]\[]|\bto\[\d|: to\b|msisdn", re.IGNORECASE)

_STATUSES: Mapping[str, EventKind] = {
    "Queued": EventKind.SENT,
    "Dispatched": EventKind.SENT,
    "Delivered": EventKind.DELIVERED,
    "Aborted": EventKind.FAILED,
    "Cancelled": EventKind.FAILED,
    "Rejected": EventKind.FAILED,
    "Deleted": EventKind.BOUNCED_SOFT,
    "Expired": EventKind.BOUNCED_SOFT,
    "Failed": EventKind.BOUNCED_SOFT,
}
"""What is not here (Unknown: no network said what became of it) says nothing."""
_FAILURES: Mapping[str, EventKind] = {
    "1": EventKind.BOUNCED_HARD,
    "402": EventKind.FAILED,
    "403": EventKind.FAILED,
    "405": EventKind.FAILED,
    "408": EventKind.FAILED,
    "410": EventKind.FAILED,
    "411": EventKind.FAILED,
    "412": EventKind.FAILED,
    "413": EventKind.FAILED,
}
"""`code` of what failed or was deleted: 1 is the network's "unknown subscriber", 4xx are Sinch's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinchSettings(ApiSettings):
    """One service plan."""

    api_url: str = API_URLS["eu"]
    service_plan_id: str
    api_token: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


def parse_sinch(options: Mapping[str, str]) -> SinchSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    region = reader.choice("region", API_URLS, default="eu")
    settings = SinchSettings(
        api_url=reader.api_url(API_URLS[region]),
        service_plan_id=reader.text("service_plan_id", _PLAN, "must be letters and digits"),
        api_token=reader.secret("api_token"),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class SinchSender:
    """Sends one message a call: a batch of Sinch's has one text; docs/providers/sinch.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(
        self,
        settings: SinchSettings,
        *,
        events: EventAddresses = NO_EVENT_ADDRESSES,
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._path = f"/xms/v1/{settings.service_plan_id}"
        self._headers = {"Authorization": f"Bearer {settings.api_token}", "Content-Type": "application/json"}
        # Without the secret no event can be checked, so that none is asked for.
        self._events = events if settings.webhook_secret is not None else NO_EVENT_ADDRESSES
        self._report = "none" if settings.webhook_secret is None else "per_recipient"
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit_sms(message, RECEIPTS)
        if unfit is not None:
            return unfit
        fields = {
            "from": message.from_address,
            "to": [message.to_address],
            "body": message.text,
            "delivery_report": self._report,
            "client_reference": str(message.attempt_id),
            "callback_url": self._events.find(NAME, message),
        }
        content = orjson.dumps({name: value for name, value in fields.items() if value is not None})
        return judge(await self._client.call("POST", f"{self._path}/batches", headers=self._headers, content=content))

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """List what was sent with our attempt id; no number is told for it."""
        attempt_id = attempt_of(message_id)
        if attempt_id is None:
            return None
        query = {
            "client_reference": str(attempt_id),
            "start_date": (attempted_at - LOOK_UP_BEFORE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "page_size": "1",
        }
        answer = await self._client.call("GET", f"{self._path}/batches", headers=self._headers, query=query)
        if isinstance(answer, Trouble) or not answer.is_success:
            return None
        told = read_json(answer)
        found = text_at(told, "batches", 0, "id")
        if found is None or attempt_at(told, "batches", 0, "client_reference") != attempt_id:
            return None
        return RECEIPTS.make(OutcomeWord.ACCEPTED, "found_later", provider_message_id=found)

    async def check(self) -> Receipt:
        """Ask for the plan's groups, which hold no messages."""
        answer = await self._client.call("GET", f"{self._path}/groups", headers=self._headers, query={"page_size": "1"})
        if isinstance(answer, ApiAnswer) and answer.is_success and text_at(read_json(answer), "count") is not None:
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
        found = text_at(told, "id")
        return RECEIPTS.accepted(found) if found else RECEIPTS.of_status(answer, said=None)
    code, text = text_at(told, "code"), at(told, "text")
    if code is None or not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{code} {text}"
    if answer.status == 400 and code.startswith("syntax_"):
        if _ABOUT_SENDER.search(text):
            return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
        if _ABOUT_RECIPIENT.search(text):
            return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


class SinchEvents:
    """Reads callbacks: signed, where the account has that, else with a password that we made up."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the signature and its age, or the password, then read the one event that a request holds."""
        signature = request.headers.get("x-sinch-webhook-signature")
        if signature is None and not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        if signature is not None:
            if not is_same_secret(signature, self._sign(request)):
                return EventReading(verdict=EventVerdict.UNSIGNED)
            signed_at = instant_of_seconds(request.headers.get("x-sinch-webhook-signature-timestamp"))
            if signed_at is None or abs(now - signed_at) > SIGNATURE_AGE:
                return EventReading(verdict=EventVerdict.STALE)
        told = read_body(request.body)
        word = text_at(told, "type")
        if word is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=(_read_event(told, word),))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _sign(self, request: EventRequest) -> str:
        nonce = request.headers.get("x-sinch-webhook-signature-nonce", "")
        stamp = request.headers.get("x-sinch-webhook-signature-timestamp", "")
        signed = request.body + f".{nonce}.{stamp}".encode(errors="replace")
        return b64encode(hmac.digest(self._secret.encode(), signed, "sha256")).decode()


def _read_event(told: Mapping[str, Any], word: str) -> ProviderEvent:
    if word.startswith("recipient_delivery_report"):
        return _read_status(told)
    text = told.get("body")
    is_answer = word == "mo_text" and isinstance(text, str)
    return ProviderEvent(
        provider=NAME,
        kind=EventKind.REPLIED if is_answer else EventKind.UNKNOWN,
        raw_kind=word,
        event_id=text_at(told, "id") or hash_event(told),
        occurred_at=instant_of_text(told.get("received_at")),
        address=write_international(text_at(told, "from")),
        text=text if is_answer else None,
    )


def _read_status(told: Mapping[str, Any]) -> ProviderEvent:
    status, code = text_at(told, "status") or "", text_at(told, "code") or ""
    # Sinch's own libraries differ in the case of the word.
    kind = _STATUSES.get(status.capitalize(), EventKind.UNKNOWN)
    if kind is EventKind.BOUNCED_SOFT:
        kind = _FAILURES.get(code, kind)
    batch = text_at(told, "batch_id")
    return ProviderEvent(
        provider=NAME,
        kind=kind,
        raw_kind=f"{status} {code}".strip()[:100],
        event_id=f"{batch}-{status}-{code}" if batch else hash_event(told),
        occurred_at=instant_of_text(told.get("at")),
        attempt_id=attempt_at(told, "client_reference"),
        provider_message_id=batch,
        address=write_international(text_at(told, "recipient")),
    )


def _create_sender(settings: SinchSettings, given: Surroundings) -> SinchSender:
    return SinchSender(settings, events=given.events, reach=given.reach)


def _create_reader(settings: SinchSettings) -> SinchEvents | None:
    return SinchEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_sinch, create_sender=_create_sender, create_reader=_create_reader)
