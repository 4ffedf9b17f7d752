"""The `mailgun` provider: our own MIME through its messages API, its event log and its signed webhooks."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import ATTEMPT, find_unfit_raw
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    attempt_of,
    hash_event,
    instant_of_seconds,
    is_same_secret,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import Receipts, read_date, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "mailgun"
API_URLS: Mapping[str, str] = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}
SIGNATURE_AGE = timedelta(hours=12)
"""An event is repeated for 8 hours, and nobody says that a repetition is signed anew."""

RECEIPTS = Receipts(NAME)

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_MAGNIFICENT = b"Mailgun Magnificent API"
"""What every path that does not exist answers, with HTTP 200."""
_NO_MESSAGE = re.compile(r"parameter is missing|at least one of|is not a file|multipart", re.IGNORECASE)
"""What is said to a request without a message by whoever would have taken one."""
_NOT_ALLOWED = re.compile(r"not allowed to send|can't be used to send", re.IGNORECASE)
_SENDER = re.compile(r"^'?from'? parameter", re.IGNORECASE)
_RECIPIENT = re.compile(r"^'?to'? parameter", re.IGNORECASE)
_AGAIN = re.compile(r"try again after (?:([0-9]{1,6}) seconds|(.{1,40} (?:UTC|GMT)))")

_KINDS: Mapping[str, EventKind] = {
    "accepted": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "rejected": EventKind.FAILED,
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailgunSettings(ApiSettings):
    """One sending domain of a Mailgun account."""

    api_url: str = API_URLS["us"]
    api_key: str = field(repr=False)
    domain: str
    webhook_signing_key: str | None = field(default=None, repr=False)


def parse_mailgun(options: Mapping[str, str]) -> MailgunSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    region = reader.choice("region", API_URLS, default="us")
    settings = MailgunSettings(
        api_url=reader.api_url(API_URLS[region]),
        api_key=reader.secret("api_key"),
        domain=reader.text("domain", _DOMAIN, "must be the sending domain, in lower case, such as mg.example.com"),
        webhook_signing_key=reader.optional_secret("webhook_signing_key"),
    )
    reader.finish()
    return settings


class MailgunSender:
    """Sends e-mails' bytes as they are; docs/providers/mailgun.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(self, settings: MailgunSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._path = f"/v3/{settings.domain}"
        self._headers = {"Authorization": write_basic("api", settings.api_key)}
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message's bytes over."""
        unfit = find_unfit_raw(message, RECEIPTS)
        if unfit is not None:
            return unfit
        kind, content = _write(message, message.raw or b"")
        headers = self._headers | {"Content-Type": kind}
        return judge(await self._client.call("POST", f"{self._path}/messages.mime", headers=headers, content=content))

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """Look for events of our Message-ID; no address is told for it."""
        query = {"message-id": message_id.strip("<>"), "limit": "1"}
        answer = await self._client.call("GET", f"{self._path}/events", headers=self._headers, query=query)
        if isinstance(answer, Trouble) or not answer.is_success:
            return None
        found = text_at(read_json(answer), "items", 0, "message", "headers", "message-id", limit=320)
        if found is None or found.strip("<>") != message_id.strip("<>"):
            return None
        return RECEIPTS.make(OutcomeWord.ACCEPTED, "found_later", provider_message_id=message_id)

    async def check(self) -> Receipt:
        """Post no message: whoever may send for the domain is told what is missing, others that they may not.

        Keys that may do nothing but send can ask for nothing else.
        """
        headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._client.call("POST", f"{self._path}/messages", headers=headers)
        if isinstance(answer, ApiAnswer) and answer.status == 400:
            text = at(read_json(answer), "message")
            if isinstance(text, str) and _NO_MESSAGE.search(text):
                return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()


def _write(message: Message, raw: bytes) -> tuple[str, bytes]:
    """Write the form; its boundary comes from the attempt, so that the same message makes the same octets."""
    boundary = f"attempt-{message.attempt_id.hex}"
    while boundary.encode() in raw:
        boundary += "-"
    fields = {
        "to": message.to_address,
        f"v:{ATTEMPT}": str(message.attempt_id),
        "o:tracking": "no",
        "o:tracking-clicks": "no",
        "o:tracking-opens": "no",
    }
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}' for name in fields]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="message"; filename="message.eml"\r\n'
    head += "Content-Type: message/rfc822\r\n\r\n"
    content = "\r\n".join([*parts, head]).encode() + raw + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", content


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means; Mailgun has no codes, so that texts have to do."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    text, message_id = at(told, "message"), text_at(told, "id", limit=320)
    if answer.is_success:
        if isinstance(text, str) and text.startswith("Queued") and message_id:
            return RECEIPTS.accepted(message_id, said=text)
        if _MAGNIFICENT in answer.body:
            return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "api_not_found", said=_MAGNIFICENT.decode())
        return RECEIPTS.of_status(answer, said=None)
    if not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    if answer.status == 429:
        return RECEIPTS.make(OutcomeWord.RATE_LIMITED, "rate_limited", said=text, retry_after=_read_pause(answer, text))
    if answer.status in {400, 403} and _NOT_ALLOWED.search(text):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "account_not_approved", said=text)
    if answer.status == 400 and _SENDER.search(text):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=text)
    if answer.status == 400 and _RECIPIENT.search(text):
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=text)
    return RECEIPTS.of_status(answer, said=text)


def _read_pause(answer: ApiAnswer, text: str) -> timedelta | None:
    """Read when to try again: `Retry-After`, else the seconds or the instant in the text.

    An instant counts from the answer's Date.
    """
    plain = RECEIPTS.of_status(answer, said=None).retry_after
    named = _AGAIN.search(text)
    if named is None or "retry-after" in answer.headers:
        return plain
    if named[1]:
        return timedelta(seconds=int(named[1]))
    until, since = read_date(named[2].replace("UTC", "GMT")), read_date(answer.headers.get("date", ""))
    return until - since if until and since else plain


class MailgunEvents:
    """Reads webhooks; the signature covers a time and a token alone, so that a token must count only once."""

    name = NAME

    def __init__(self, signing_key: str) -> None:
        self._key = signing_key.encode()

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the signature, then its age, then read the one event that a request holds."""
        told = read_body(request.body)
        token, sent = text_at(told, "signature", "token"), text_at(told, "signature", "timestamp")
        given = text_at(told, "signature", "signature")
        if not (token and sent and given) or not is_same_secret(given, self._sign(f"{sent}{token}")):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        sent_at = instant_of_seconds(sent)
        if sent_at is None or abs(now - sent_at) > SIGNATURE_AGE:
            return EventReading(verdict=EventVerdict.STALE)
        event = at(told, "event-data")
        if text_at(event, "event") is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=(_read_event(event, token=token),))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(errors="replace"), "sha256").hexdigest()


def _read_event(event: Mapping[str, Any], *, token: str) -> ProviderEvent:
    word, severity = text_at(event, "event") or "", text_at(event, "severity") or ""
    message_id = text_at(event, "message", "headers", "message-id", limit=300)
    bracketed = f"<{message_id.strip('<>')}>" if message_id else None
    status = at(event, "delivery-status")
    return ProviderEvent(
        provider=NAME,
        kind=_kind_of_failure(event) if word == "failed" else _KINDS.get(word, EventKind.UNKNOWN),
        raw_kind=f"{word} {severity}".strip()[:100],
        event_id=token or hash_event(event),
        occurred_at=instant_of_seconds(event.get("timestamp")),
        attempt_id=attempt_at(event, "user-variables", ATTEMPT) or (attempt_of(bracketed) if bracketed else None),
        provider_message_id=bracketed,
        message_id=bracketed,
        address=address_at(event, "recipient"),
        reason=reason_of(
            event.get("reason"), at(status, "description"), at(status, "message"), at(event, "reject", "reason")
        ),
    )


def _kind_of_failure(event: Mapping[str, Any]) -> EventKind:
    reason = text_at(event, "reason") or ""
    if text_at(event, "severity") == "temporary":
        return EventKind.DEFERRED
    if reason.startswith("suppress-"):
        return EventKind.UNSUBSCRIBED if reason == "suppress-unsubscribe" else EventKind.FAILED
    match text_at(event, "delivery-status", "bounce-type"):
        case "hard":
            return EventKind.BOUNCED_HARD
        case "soft":
            return EventKind.BOUNCED_SOFT
        case _:
            return EventKind.BOUNCED_HARD if reason == "bounce" else EventKind.BOUNCED_SOFT


def _create_sender(settings: MailgunSettings, given: Surroundings) -> MailgunSender:
    return MailgunSender(settings, reach=given.reach)


def _create_reader(settings: MailgunSettings) -> MailgunEvents | None:
    return MailgunEvents(settings.webhook_signing_key) if settings.webhook_signing_key is not None else None


ADAPTER = Adapter(parse=parse_mailgun, create_sender=_create_sender, create_reader=_create_reader)
