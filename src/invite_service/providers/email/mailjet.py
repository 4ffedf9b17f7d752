"""The `mailjet` provider: its send API v3.1, which answers message by message, its search and its webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.batches import Part, send_in_batches, write_array
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import find_unfit, write_person
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    attempt_of,
    has_secret,
    hash_event,
    instant_of_seconds,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "mailjet"
API_URL = "https://api.mailjet.com"
MAX_BATCH = 50

RECEIPTS = Receipts(NAME)

FORBIDDEN_HEADERS = frozenset({"message-id", "date", "list-id", "x-mailer", "user-agent", "reply-to"})
"""Mailjet refuses the whole message (send-0011) where one of these is among its further headers."""

_ERRORS: Mapping[str, tuple[OutcomeWord, str]] = {
    "mj-0001": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "mj-0015": (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    "send-0006": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "send-0007": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "send-0008": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "mj-0011": (OutcomeWord.REJECTED, "message_too_large"),
}
_INVALID_ADDRESS = "mj-0013"
_SENDER_REFUSED = (OutcomeWord.MISCONFIGURED, "sender_refused")
_RECIPIENT_REFUSED = (OutcomeWord.REJECTED, "recipient_refused")

_KINDS: Mapping[str, EventKind] = {
    "sent": EventKind.DELIVERED,
    "blocked": EventKind.FAILED,
    "spam": EventKind.COMPLAINED,
    "unsub": EventKind.UNSUBSCRIBED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailjetSettings(ApiSettings):
    """One Mailjet API key with its secret."""

    api_url: str = API_URL
    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


def parse_mailjet(options: Mapping[str, str]) -> MailjetSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = MailjetSettings(
        api_url=reader.api_url(API_URL),
        api_key=reader.secret("api_key"),
        secret_key=reader.secret("secret_key"),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class MailjetSender:
    """Sends by fields, one message as a batch of one; docs/providers/mailjet.md has the table of outcomes."""

    name = NAME
    key_lifetime = None
    max_batch = MAX_BATCH

    def __init__(self, settings: MailjetSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._headers = {
            "Authorization": write_basic(settings.api_key, settings.secret_key),
            "Content-Type": "application/json",
        }
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        [receipt] = await self.send_many([message])
        return receipt

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Hand messages over in batches, each message answered on its own."""
        return await send_in_batches(messages, write=_write, send=self._send_batch, max_batch=MAX_BATCH)

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """Search by the attempt id that travelled as CustomID; no address is told for it."""
        attempt_id = attempt_of(message_id)
        if attempt_id is None:
            return None
        query = {"CustomID": str(attempt_id), "Limit": "1"}
        answer = await self._client.call("GET", "/v3/REST/message", headers=self._headers, query=query)
        if isinstance(answer, Trouble) or not answer.is_success:
            return None
        found = text_at(read_json(answer), "Data", 0, "ID")
        return RECEIPTS.make(OutcomeWord.ACCEPTED, "found_later", provider_message_id=found) if found else None

    async def check(self) -> Receipt:
        """Ask for a sender address of the account."""
        answer = await self._client.call("GET", "/v3/REST/sender", headers=self._headers, query={"Limit": "1"})
        if isinstance(answer, Trouble):
            return RECEIPTS.of_trouble(answer)
        told = read_json(answer)
        if answer.is_success and isinstance(at(told, "Data"), list):
            return RECEIPTS.settings_work()
        return _judge_whole(answer, told)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    async def _send_batch(self, parts: Sequence[Part]) -> Sequence[Receipt]:
        content = b'{"Messages":' + write_array(parts) + b"}"
        answer = await self._client.call("POST", "/v3.1/send", headers=self._headers, content=content)
        if isinstance(answer, Trouble):
            return [RECEIPTS.of_trouble(answer)] * len(parts)
        told = read_json(answer)
        items = at(told, "Messages")
        # A 4xx may be a partial failure: what it says message by message counts, and not its status.
        if answer.status // 100 in {2, 4} and isinstance(items, list) and len(items) == len(parts):
            return [_judge_one(item, answer) for item in items]
        return [_judge_whole(answer, told)] * len(parts)


def _write(message: Message) -> bytes | Receipt:
    unfit = find_unfit(message, RECEIPTS)
    if unfit is not None:
        return unfit
    headers = {name: value for name, value in message.headers.items() if name.lower() not in FORBIDDEN_HEADERS}
    # Without an HTML part there is nothing to track, and the message is refused where tracking is mentioned.
    tracking = "disabled" if message.html is not None else None
    content = {
        "From": write_person(message.from_name, message.from_address, name_field="Name", address_field="Email"),
        "To": [write_person(message.to_name, message.to_address, name_field="Name", address_field="Email")],
        "ReplyTo": {"Email": message.reply_to} if message.reply_to else None,
        "Subject": message.subject,
        "TextPart": message.text,
        "HTMLPart": message.html,
        "Headers": headers or None,
        "CustomID": str(message.attempt_id),
        "TrackOpens": tracking,
        "TrackClicks": tracking,
    }
    return orjson.dumps({name: value for name, value in content.items() if value is not None})


def _judge_whole(answer: ApiAnswer, told: Any) -> Receipt:
    """Judge an answer about the whole call, which has an error of its own, or none that can be read."""
    code, text = text_at(told, "ErrorCode") or "", at(told, "ErrorMessage")
    if not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{code} {text}".strip()
    if answer.status // 100 == 4 and answer.status != 429 and code in _ERRORS:
        outcome, reason = _ERRORS[code]
        return RECEIPTS.make(outcome, reason, said=said)
    return RECEIPTS.of_status(answer, said=said)


def _judge_one(item: Any, answer: ApiAnswer) -> Receipt:
    """Judge one message's part of an answer; of several errors, one about the settings counts most."""
    match at(item, "Status"):
        case "success":
            message_id = text_at(item, "To", 0, "MessageID")
            return RECEIPTS.accepted(message_id) if message_id else RECEIPTS.of_status(answer, said=None)
        case "error":
            errors = at(item, "Errors")
            judged = [_judge_error(error) for error in errors] if isinstance(errors, list) else []
            return next((one for one in judged if one.outcome is OutcomeWord.MISCONFIGURED), None) or (
                judged[0] if judged else RECEIPTS.make(OutcomeWord.UNKNOWN, "answer_unreadable")
            )
        case _:
            return RECEIPTS.make(OutcomeWord.UNKNOWN, "answer_unreadable")


def _judge_error(error: Any) -> Receipt:
    code, text, status = text_at(error, "ErrorCode"), at(error, "ErrorMessage"), at(error, "StatusCode")
    if code is None or not isinstance(text, str) or not isinstance(status, int):
        return RECEIPTS.make(OutcomeWord.UNKNOWN, "answer_unreadable")
    related = at(error, "ErrorRelatedTo")
    fields = [one for one in related if isinstance(one, str)] if isinstance(related, list) else []
    said = f"{code} {text} {' '.join(fields)}".strip()
    if code in _ERRORS:
        outcome, reason = _ERRORS[code]
        return RECEIPTS.make(outcome, reason, said=said)
    if code == _INVALID_ADDRESS:
        is_ours = any(one.startswith(("From", "ReplyTo", "Sender")) for one in fields)
        outcome, reason = _SENDER_REFUSED if is_ours else _RECIPIENT_REFUSED
        return RECEIPTS.make(outcome, reason, said=said)
    return RECEIPTS.of_status(ApiAnswer(status=status, headers={}, body=b""), said=said)


class MailjetEvents:
    """Reads webhooks, which Mailjet signs with nothing but a secret that we made up."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Read one event, or the array of them that Mailjet sends where events are grouped."""
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
    return ProviderEvent(
        provider=NAME,
        kind=_kind_of(word, event),
        raw_kind=word,
        event_id=hash_event(event),
        occurred_at=instant_of_seconds(event.get("time")),
        attempt_id=attempt_at(event, "CustomID"),
        provider_message_id=text_at(event, "MessageID"),
        address=address_at(event, "email"),
        reason=reason_of(*(event.get(name) for name in ("error_related_to", "error", "comment", "smtp_reply"))),
    )


def _kind_of(word: str, event: Mapping[str, Any]) -> EventKind:
    is_hard = event.get("hard_bounce") is True or text_at(event, "hard_bounce") in {"1", "true"}
    if word in {"bounce", "blocked"} and event.get("error") == "greylisted" and not is_hard:
        return EventKind.DEFERRED
    if word == "bounce":
        return EventKind.BOUNCED_HARD if is_hard else EventKind.BOUNCED_SOFT
    return _KINDS.get(word, EventKind.UNKNOWN)


def _create_sender(settings: MailjetSettings, given: Surroundings) -> MailjetSender:
    return MailjetSender(settings, reach=given.reach)


def _create_reader(settings: MailjetSettings) -> MailjetEvents | None:
    return MailjetEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_mailjet, create_sender=_create_sender, create_reader=_create_reader)
