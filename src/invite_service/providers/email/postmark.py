"""The `postmark` provider: its e-mail API, single and in batches, its message search and its webhooks."""

import re
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
from invite_service.providers.email.fields import ATTEMPT, find_unfit, write_headers, write_mailbox
from invite_service.providers.event_reading import (
    address_at,
    at,
    attempt_at,
    attempt_of,
    has_secret,
    hash_event,
    instant_of_text,
    read_body,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "postmark"
API_URL = "https://api.postmarkapp.com"
MAX_BATCH = 500

RECEIPTS = Receipts(NAME)

_STREAM = re.compile(r"[a-z0-9-]{1,30}")

_MAINTENANCE = 100
_ERRORS: Mapping[int, tuple[OutcomeWord, str]] = {
    10: (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    _MAINTENANCE: (OutcomeWord.NOT_SENT, "service_unavailable"),
    400: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    401: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    405: (OutcomeWord.MISCONFIGURED, "payment_required"),
    406: (OutcomeWord.REJECTED, "recipient_inactive"),
    412: (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    413: (OutcomeWord.MISCONFIGURED, "account_not_approved"),
}
"""Numbers of the body's ErrorCode, which look like HTTP statuses and are none."""
_INVALID_REQUEST = 300
_ABOUT_SENDER = re.compile(r"'From'|'Reply-?To'|sender signature", re.IGNORECASE)
_ABOUT_RECIPIENT = re.compile(r"'To'", re.IGNORECASE)

_RECORDS: Mapping[str, EventKind] = {
    "Delivery": EventKind.DELIVERED,
    "SpamComplaint": EventKind.COMPLAINED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
}
_BOUNCES: Mapping[str, EventKind] = {
    "HardBounce": EventKind.BOUNCED_HARD,
    "BadEmailAddress": EventKind.BOUNCED_HARD,
    "SoftBounce": EventKind.BOUNCED_SOFT,
    "Undeliverable": EventKind.BOUNCED_SOFT,
    "Transient": EventKind.DEFERRED,
    "DnsError": EventKind.DEFERRED,
    "SpamComplaint": EventKind.COMPLAINED,
    "Unsubscribe": EventKind.UNSUBSCRIBED,
    "ManualSuppression": EventKind.UNSUBSCRIBED,
    "SpamNotification": EventKind.FAILED,
    "VirusNotification": EventKind.FAILED,
    "Blocked": EventKind.FAILED,
    "DMARCPolicy": EventKind.FAILED,
    "ManuallyDeactivated": EventKind.FAILED,
    "Unconfirmed": EventKind.FAILED,
    "SMTPApiError": EventKind.FAILED,
    "TemplateRenderingFailed": EventKind.FAILED,
}
"""`Type` of a bounce and `SuppressionReason` of a change; what is not here (an absence note) says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmarkSettings(ApiSettings):
    """One Postmark server."""

    api_url: str = API_URL
    server_token: str = field(repr=False)
    message_stream: str = "outbound"
    webhook_secret: str | None = field(default=None, repr=False)


def parse_postmark(options: Mapping[str, str]) -> PostmarkSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    settings = PostmarkSettings(
        api_url=reader.api_url(API_URL),
        server_token=reader.secret("server_token"),
        message_stream=reader.text(
            "message_stream", _STREAM, "must be a stream's id: letters a-z, digits and dashes", default="outbound"
        ),
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class PostmarkSender:
    """Sends by fields, since Postmark takes no MIME; docs/providers/postmark.md has the table of outcomes."""

    name = NAME
    key_lifetime = None
    max_batch = MAX_BATCH

    def __init__(self, settings: PostmarkSettings, *, reach: Reach = EVERYWHERE) -> None:
        self._stream = settings.message_stream
        self._headers = {"X-Postmark-Server-Token": settings.server_token, "Content-Type": "application/json"}
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        written = self._write(message)
        if isinstance(written, Receipt):
            return written
        return judge(await self._client.call("POST", "/email", headers=self._headers, content=written))

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Hand messages over in batches, each answered on its own."""
        return await send_in_batches(messages, write=self._write, send=self._send_batch, max_batch=MAX_BATCH)

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """Search by the attempt id that travelled as metadata; no address is told for it."""
        attempt_id = attempt_of(message_id)
        if attempt_id is None:
            return None
        query = {"count": "1", "offset": "0", f"metadata_{ATTEMPT}": str(attempt_id)}
        answer = await self._client.call("GET", "/messages/outbound", headers=self._headers, query=query)
        if isinstance(answer, Trouble) or not answer.is_success:
            return None
        found = text_at(read_json(answer), "Messages", 0, "MessageID")
        return RECEIPTS.make(OutcomeWord.ACCEPTED, "found_later", provider_message_id=found) if found else None

    async def check(self) -> Receipt:
        """Ask for the server that the token belongs to."""
        answer = await self._client.call("GET", "/server", headers=self._headers)
        if isinstance(answer, ApiAnswer) and answer.is_success and text_at(read_json(answer), "ID"):
            return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    def _write(self, message: Message) -> bytes | Receipt:
        unfit = find_unfit(message, RECEIPTS)
        if unfit is not None:
            return unfit
        # Without X-PM-KeepID, Postmark puts a Message-ID of its own in the place of ours.
        headers = {**write_headers(message), "X-PM-KeepID": "true"}
        content = {
            "From": write_mailbox(message.from_name, message.from_address),
            "To": write_mailbox(message.to_name, message.to_address),
            "ReplyTo": message.reply_to,
            "Subject": message.subject,
            "TextBody": message.text,
            "HtmlBody": message.html,
            "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
            "Metadata": {ATTEMPT: str(message.attempt_id)},
            "MessageStream": self._stream,
            "TrackOpens": False,
            "TrackLinks": "None",
        }
        return orjson.dumps({name: value for name, value in content.items() if value is not None})

    async def _send_batch(self, parts: Sequence[Part]) -> Sequence[Receipt]:
        answer = await self._client.call("POST", "/email/batch", headers=self._headers, content=write_array(parts))
        told = read_json(answer) if isinstance(answer, ApiAnswer) and answer.is_success else None
        if isinstance(answer, ApiAnswer) and isinstance(told, list) and len(told) == len(parts):
            return [_judge_one(item, answer) for item in told]
        # One answer for all of them, or one that cannot be told apart.
        return [judge(answer)] * len(parts)


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer about one message, or about a whole call, means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    return _judge_one(read_json(answer), answer)


def _judge_one(told: Any, answer: ApiAnswer) -> Receipt:
    # "Message accepted, but delivery may be delayed" comes without a number.
    code, text = at(told, "ErrorCode") or 0, at(told, "Message")
    if not isinstance(text, str) or not isinstance(code, int):
        return RECEIPTS.of_status(answer, said=None)
    if answer.is_success and not code:
        message_id = text_at(told, "MessageID")
        return RECEIPTS.accepted(message_id, said=text) if message_id else RECEIPTS.of_status(answer, said=None)
    said = f"{code} {text}"
    if answer.status // 100 == 5 and code != _MAINTENANCE:
        return RECEIPTS.of_status(answer, said=said)
    if code in _ERRORS:
        outcome, reason = _ERRORS[code]
        return RECEIPTS.make(outcome, reason, said=said)
    if code == _INVALID_REQUEST and _ABOUT_SENDER.search(text):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    if code == _INVALID_REQUEST and _ABOUT_RECIPIENT.search(text):
        return RECEIPTS.make(OutcomeWord.REJECTED, "recipient_refused", said=said)
    if answer.is_success:
        return RECEIPTS.make(OutcomeWord.REJECTED, "message_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


class PostmarkEvents:
    """Reads webhooks, which Postmark signs with nothing but a secret that we made up."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Read the one record that a request holds."""
        if not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        record = read_body(request.body)
        word = text_at(record, "RecordType")
        if word is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        return EventReading(verdict=EventVerdict.TRUE, events=(_read_record(record, word),))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""


def _read_record(record: Mapping[str, Any], record_type: str) -> ProviderEvent:
    kind, word = _RECORDS.get(record_type, EventKind.UNKNOWN), record_type
    if record_type == "Bounce":
        detail = text_at(record, "Type") or ""
        kind, word = _BOUNCES.get(detail, EventKind.UNKNOWN), f"Bounce {detail}".strip()
    elif record_type == "SubscriptionChange":
        detail = text_at(record, "SuppressionReason") or ""
        is_stopped = record.get("SuppressSending") is True
        kind = _BOUNCES.get(detail, EventKind.UNKNOWN) if is_stopped else EventKind.UNKNOWN
        word = f"SubscriptionChange {detail}".strip()
    number = text_at(record, "ID")
    times = (record.get(name) for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt"))
    return ProviderEvent(
        provider=NAME,
        kind=kind,
        raw_kind=word,
        event_id=f"{record_type}-{number}" if number else hash_event(record),
        occurred_at=next((instant for time in times if (instant := instant_of_text(time))), None),
        attempt_id=attempt_at(record, "Metadata", ATTEMPT),
        provider_message_id=text_at(record, "MessageID"),
        address=address_at(record, "Email") or address_at(record, "Recipient"),
        reason=reason_of(record.get("Description"), record.get("Details")),
    )


def _create_sender(settings: PostmarkSettings, given: Surroundings) -> PostmarkSender:
    return PostmarkSender(settings, reach=given.reach)


def _create_reader(settings: PostmarkSettings) -> PostmarkEvents | None:
    return PostmarkEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_postmark, create_sender=_create_sender, create_reader=_create_reader)
