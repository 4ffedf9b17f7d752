"""The `46elks` provider: its SMS API, and the forms it posts to addresses that hold a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses, attempt_of_url
from invite_service.providers.event_reading import address_at, has_secret, instant_of_text, text_at
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.fields import FORM, find_unfit_sms, read_form

NAME = "46elks"
API_URL = "https://api.46elks.com"
MAX_ERROR_LENGTH = 300
"""Octets of an error that 46elks wrote; a page that somebody on the way made is longer."""

RECEIPTS = Receipts(NAME)

_ABOUT_CREDIT = re.compile(r"credit|balance", re.IGNORECASE)
_ABOUT_SENDER = re.compile(r"\bfrom\b|sender", re.IGNORECASE)
_ABOUT_RECIPIENT = re.compile(r"\bto\b number|'to'|\"to\"|key to\b|for to\b|recipient|phone number", re.IGNORECASE)

_STATUSES: Mapping[str, EventKind] = {
    "created": EventKind.SENT,
    "sent": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.BOUNCED_SOFT,
}
"""46elks never says why something failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElksSettings(ApiSettings):
    """One 46elks account, or subaccount."""

    api_url: str = API_URL
    api_username: str
    api_password: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


def parse_elks(options: Mapping[str, str]) -> ElksSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = ElksSettings(
        api_url=reader.api_url(API_URL),
        api_username=reader.text("api_username", re.compile(r"[0-9A-Za-z]{1,100}"), "must be letters and digits"),
        api_password=reader.secret("api_password"),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class ElksSender:
    """Sends one message a call, since 46elks takes no more; docs/providers/46elks.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(
        self,
        settings: ElksSettings,
        *,
        events: EventAddresses = NO_EVENT_ADDRESSES,
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._authorization = {"Authorization": write_basic(settings.api_username, settings.api_password)}
        # Without the secret no event can be checked, so that none is asked for.
        self._secret = settings.webhook_secret
        self._events = events if self._secret is not None else NO_EVENT_ADDRESSES
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit_sms(message, RECEIPTS)
        if unfit is not None:
            return unfit
        fields = {
            "from": message.from_address,
            "to": message.to_address,
            "message": message.text,
            "whendelivered": self._events.find(NAME, message, secret=self._secret),
        }
        content = urlencode({name: value for name, value in fields.items() if value is not None}).encode()
        headers = self._authorization | {"Content-Type": FORM}
        return judge(await self._client.call("POST", "/a1/sms", headers=headers, content=content))

    async def check(self) -> Receipt:
        """Ask for the account."""
        answer = await self._client.call("GET", "/a1/me", headers=self._authorization)
        if isinstance(answer, ApiAnswer) and answer.is_success and text_at(read_json(answer), "id"):
            return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means; 46elks has no codes, so that texts have to do."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        found, status = text_at(told, "id"), text_at(told, "status")
        if found is None or status not in {"created", "sent", "delivered"}:
            return RECEIPTS.of_status(answer, said=None)
        return RECEIPTS.accepted(found, said=status or "")
    said = _read_error(answer, told)
    if said is None:
        return RECEIPTS.of_status(answer, said=None)
    if answer.status in {402, 403} and _ABOUT_CREDIT.search(said):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "payment_required", said=said)
    if answer.status == 400 and _ABOUT_SENDER.search(said):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    if answer.status == 400 and _ABOUT_RECIPIENT.search(said):
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _read_error(answer: ApiAnswer, told: Any) -> str | None:
    """Read an error in either of the forms it comes in: one plain line, or a JSON object that holds it."""
    in_object = text_at(told, "error", limit=MAX_ERROR_LENGTH) or text_at(told, "message", limit=MAX_ERROR_LENGTH)
    if in_object is not None:
        return in_object
    if not answer.headers.get("content-type", "").startswith("text/plain") or len(answer.body) > MAX_ERROR_LENGTH:
        return None
    text = answer.body.decode(errors="replace").strip()
    return text if text.isprintable() and "<" not in text and text else None


class ElksEvents:
    """Reads forms about messages' delivery and customers' answers; 46elks signs nothing."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Read the one event that a request holds."""
        if not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        form = read_form(request.body)
        number = text_at(form, "id")
        if number is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        is_answer = text_at(form, "direction") == "incoming" and "message" in form
        event = _read_answer(form, number) if is_answer else _read_status(form, number, url=request.url)
        return EventReading(verdict=EventVerdict.TRUE, events=(event,))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""


def _read_status(form: Mapping[str, str], number: str, *, url: str) -> ProviderEvent:
    status = text_at(form, "status") or ""
    return ProviderEvent(
        provider=NAME,
        kind=_STATUSES.get(status, EventKind.UNKNOWN),
        raw_kind=status,
        event_id=f"{number}-{status}",
        occurred_at=_read_instant(form.get("delivered")),
        attempt_id=attempt_of_url(url),
        provider_message_id=number,
        address=address_at(form, "to"),
    )


def _read_answer(form: Mapping[str, str], number: str) -> ProviderEvent:
    return ProviderEvent(
        provider=NAME,
        kind=EventKind.REPLIED,
        raw_kind="incoming",
        event_id=number,
        occurred_at=_read_instant(form.get("created")),
        address=address_at(form, "from"),
        text=form["message"],
    )


def _read_instant(text: str | None) -> datetime | None:
    """Read an instant that is in UTC and does not say so."""
    read = instant_of_text(f"{text}+00:00") if text else None
    return read.astimezone(UTC) if read else None


def _create_sender(settings: ElksSettings, given: Surroundings) -> ElksSender:
    return ElksSender(settings, events=given.events, reach=given.reach)


def _create_reader(settings: ElksSettings) -> ElksEvents | None:
    return ElksEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_elks, create_sender=_create_sender, create_reader=_create_reader)
