"""The `link_mobility` provider: LINK Mobility's "Common" SMS gateway, single and in batches, and what it reports."""

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
from invite_service.providers.batches import Part, send_in_batches
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.event_reading import (
    at,
    attempt_at,
    has_secret,
    hash_event,
    instant_of_text,
    read_body,
    text_at,
)
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.fields import find_unfit_sms, write_international
from invite_service.rules.sms_senders import SenderKind, kind_of_sender

NAME = "link_mobility"
API_URLS: Mapping[str, str] = {
    "wsx": "https://wsx.sp247.net",
    "n-eu": "https://n-eu.linkmobility.io",
    "c-eu": "https://c-eu.linkmobility.io",
    "s-eu": "https://s-eu.linkmobility.io",
    "no": "https://no.linkmobility.io",
    "deb": "https://deb.linkmobility.io",
}
"""By the node that LINK assigned to the account."""
MAX_BATCH = 200
"""LINK takes 1,000; an unclear answer leaves a whole batch in doubt."""

RECEIPTS = Receipts(NAME)

_ID = re.compile(r"[!-~]{1,100}")

_SENDER_KINDS: Mapping[SenderKind, str] = {
    SenderKind.NUMBER: "MSISDN",
    SenderKind.SHORT_CODE: "SHORTNUMBER",
    SenderKind.NAME: "ALPHANUMERIC",
}

_TAKEN = frozenset({1000, 1001, 1005})
_NO_SUCH_PHONE = frozenset({2104, 2106})
_RESULTS: Mapping[int, tuple[OutcomeWord, str]] = {
    0: (OutcomeWord.UNKNOWN, "result_unknown"),
    1: (OutcomeWord.NOT_SENT, "no_route"),
    2: (OutcomeWord.REJECTED, "no_route"),
    3: (OutcomeWord.RATE_LIMITED, "rate_limited"),
    4: (OutcomeWord.UNKNOWN, "result_unknown"),
    5: (OutcomeWord.UNKNOWN, "result_unknown"),
    6: (OutcomeWord.NOT_SENT, "operator_error"),
    104: (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    105: (OutcomeWord.NOT_SENT, "internal_error"),
    2000: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    2001: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    2002: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    2003: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    2100: (OutcomeWord.REJECTED, "recipient_refused"),
    2101: (OutcomeWord.REJECTED, "recipient_refused"),
    2102: (OutcomeWord.REJECTED, "recipient_refused"),
    2103: (OutcomeWord.REJECTED, "recipient_refused"),
    2104: (OutcomeWord.REJECTED, "recipient_unknown"),
    2105: (OutcomeWord.REJECTED, "recipient_blocked"),
    2106: (OutcomeWord.REJECTED, "recipient_unknown"),
    2107: (OutcomeWord.NOT_SENT, "recipient_blocked_for_now"),
    3000: (OutcomeWord.REJECTED, "message_refused"),
    3001: (OutcomeWord.REJECTED, "message_refused"),
    4001: (OutcomeWord.REJECTED, "message_refused"),
    4003: (OutcomeWord.REJECTED, "message_refused"),
    4005: (OutcomeWord.REJECTED, "message_refused"),
    4007: (OutcomeWord.REJECTED, "message_refused"),
    106000: (OutcomeWord.UNKNOWN, "result_unknown"),
    106100: (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    106101: (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    106200: (OutcomeWord.MISCONFIGURED, "platform_refused"),
    106201: (OutcomeWord.MISCONFIGURED, "platform_refused"),
    106300: (OutcomeWord.MISCONFIGURED, "gate_refused"),
    106301: (OutcomeWord.MISCONFIGURED, "gate_refused"),
}
"""Result codes of messages, and from 106000 on those of whole requests."""

_REPORTS: Mapping[int, EventKind] = {
    1000: EventKind.SENT,
    1005: EventKind.SENT,
    1008: EventKind.SENT,
    1011: EventKind.SENT,
    1012: EventKind.SENT,
    1013: EventKind.SENT,
    1001: EventKind.DELIVERED,
    1007: EventKind.DELIVERED,
    1002: EventKind.BOUNCED_SOFT,
    1004: EventKind.BOUNCED_SOFT,
    1006: EventKind.BOUNCED_SOFT,
    1009: EventKind.BOUNCED_SOFT,
    2107: EventKind.BOUNCED_SOFT,
    2104: EventKind.BOUNCED_HARD,
    2106: EventKind.BOUNCED_HARD,
    4: EventKind.UNKNOWN,
    5: EventKind.UNKNOWN,
    1010: EventKind.UNKNOWN,
}
"""What is in neither this table nor LINK's list of codes says nothing; of the list, the rest is `failed`."""
_FAILED = frozenset({0, 1, 2, 3, 6, 104, 105, 1003}) | frozenset(range(2000, 2208)) | frozenset(range(3000, 4008))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMobilitySettings(ApiSettings):
    """One account of a partner on a platform, as LINK's support hands it out."""

    api_url: str = API_URLS["wsx"]
    username: str
    password: str = field(repr=False)
    platform_id: str
    platform_partner_id: str
    gate_id: str | None = None
    """Where LINK sends delivery reports; without one there are none."""
    webhook_secret: str | None = field(default=None, repr=False)


def parse_link_mobility(options: Mapping[str, str]) -> LinkMobilitySettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    node = reader.choice("node", API_URLS, default="wsx")
    expected = "must be as LINK's support handed it out"
    settings = LinkMobilitySettings(
        api_url=reader.api_url(API_URLS[node]),
        username=reader.text("username", _ID, expected),
        password=reader.secret("password"),
        platform_id=reader.text("platform_id", _ID, expected),
        platform_partner_id=reader.text("platform_partner_id", _ID, expected),
        gate_id=reader.text("gate_id", _ID, expected) if "gate_id" in options else None,
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


class LinkMobilitySender:
    """Sends texts, which LINK cuts and encodes; docs/providers/link_mobility.md has the table of outcomes."""

    name = NAME
    key_lifetime = None
    max_batch = MAX_BATCH

    def __init__(self, settings: LinkMobilitySettings, *, reach: Reach = EVERYWHERE) -> None:
        self._headers = {
            "Authorization": write_basic(settings.username, settings.password),
            "Content-Type": "application/json",
        }
        self._account = {
            "platformId": settings.platform_id,
            "platformPartnerId": settings.platform_partner_id,
            "useDeliveryReport": settings.gate_id is not None,
            # LINK says nothing of a message unless it is asked to.
            "ignoreResponse": False,
        }
        if settings.gate_id is not None:
            self._account["deliveryReportGates"] = [settings.gate_id]
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit_sms(message, RECEIPTS)
        if unfit is not None:
            return unfit
        content = orjson.dumps(self._account | _write_fields(message))
        return judge(await self._client.call("POST", "/sms/send", headers=self._headers, content=content))

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Hand messages over in batches, each answered on its own."""
        return await send_in_batches(messages, write=_write, send=self._send_batch, max_batch=MAX_BATCH)

    async def check(self) -> Receipt:
        """Post no message: whoever may send is told that it is none."""
        content = orjson.dumps(self._account)
        answer = await self._client.call("POST", "/sms/send", headers=self._headers, content=content)
        if isinstance(answer, ApiAnswer) and answer.status == 400:
            outcome, _ = _RESULTS.get(_code_of(read_json(answer)) or -1, (OutcomeWord.MISCONFIGURED, ""))
            if outcome is not OutcomeWord.MISCONFIGURED:
                return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    async def _send_batch(self, parts: Sequence[Part]) -> Sequence[Receipt]:
        head = orjson.dumps(self._account).removesuffix(b"}")
        content = head + b',"sendRequestMessages":[' + b",".join(part.content for part in parts) + b"]}"
        answer = await self._client.call("POST", "/sms/sendbatch", headers=self._headers, content=content)
        told = read_json(answer) if isinstance(answer, ApiAnswer) and answer.is_success else None
        if isinstance(answer, ApiAnswer) and isinstance(told, list) and _are_told_apart(parts, told):
            return [_judge_result(item, answer) for item in told]
        # One answer for all of them, or one that cannot be told apart.
        return [judge(answer)] * len(parts)


def _write(message: Message) -> bytes | Receipt:
    return find_unfit_sms(message, RECEIPTS) or orjson.dumps(_write_fields(message))


def _write_fields(message: Message) -> dict[str, Any]:
    kind = kind_of_sender(message.from_address)
    return {
        "source": message.from_address,
        "sourceTON": _SENDER_KINDS[kind] if kind is not None else None,
        "destination": message.to_address,
        "userData": message.text,
        "refId": str(message.attempt_id),
    }


def _are_told_apart(parts: Sequence[Part], told: Sequence[Any]) -> bool:
    """Say whether each result is that of the message in its place, as far as our reference comes back."""
    references = [attempt_at(item, "refId") for item in told]
    return len(told) == len(parts) and all(
        reference in {None, part.message.attempt_id} for reference, part in zip(references, parts, strict=True)
    )


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer about one message, or about a whole call, means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    if answer.status == 204 and answer.trouble is None:
        return RECEIPTS.accepted(None)
    return _judge_result(read_json(answer), answer)


def _judge_result(told: Any, answer: ApiAnswer) -> Receipt:
    code = _code_of(told)
    text = text_at(told, "description", limit=300) or text_at(told, "message", limit=300)
    if code is None:
        return RECEIPTS.of_status(answer, said=None if answer.is_success else text)
    said = f"{code} {text or ''}".strip()
    if answer.status // 100 == 5:
        return RECEIPTS.of_status(answer, said=said)
    if answer.is_success and code in _TAKEN:
        found = text_at(told, "messageId")
        return RECEIPTS.accepted(found, said=said) if found else RECEIPTS.of_status(answer, said=None)
    if code in _RESULTS:
        outcome, reason = _RESULTS[code]
        return RECEIPTS.make(outcome, reason, said=said, suppress_address=code in _NO_SUCH_PHONE)
    if answer.is_success:
        return RECEIPTS.make(OutcomeWord.UNKNOWN, "result_unknown", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _code_of(told: Any) -> int | None:
    """Read a message's result, or the error of a request, whichever there is."""
    for name in ("resultCode", "status", "errorCode"):
        code = at(told, name)
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    return None


class LinkMobilityEvents:
    """Reads delivery reports and customers' answers, which LINK signs with nothing but a secret in the address."""

    name = NAME

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Read the one event that a request holds."""
        if not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        told = read_body(request.body)
        if at(told, "resultCode") is not None:
            return EventReading(verdict=EventVerdict.TRUE, events=(_read_report(told),))
        if text_at(told, "source") is not None:
            return EventReading(verdict=EventVerdict.TRUE, events=(_read_answer(told),))
        return EventReading(verdict=EventVerdict.UNREADABLE)

    async def close(self) -> None:
        """Do nothing: no connection is needed."""


def _read_report(told: Mapping[str, Any]) -> ProviderEvent:
    number, code = text_at(told, "id"), _code_of(told)
    kind = EventKind.UNKNOWN
    if code is not None:
        kind = _REPORTS.get(code, EventKind.FAILED if code in _FAILED else EventKind.UNKNOWN)
    return ProviderEvent(
        provider=NAME,
        kind=kind,
        raw_kind=text_at(told, "resultCode") or "",
        # Each part of a long message is reported on its own, as id$0, id$1.
        event_id=f"{number}-{code}" if number else hash_event(told),
        occurred_at=instant_of_text(told.get("timestamp")),
        attempt_id=attempt_at(told, "refId"),
        provider_message_id=number.partition("$")[0] if number else None,
    )


def _read_answer(told: Mapping[str, Any]) -> ProviderEvent:
    text = at(told, "content", "userData")
    is_answer = isinstance(text, str)
    return ProviderEvent(
        provider=NAME,
        kind=EventKind.REPLIED if is_answer else EventKind.UNKNOWN,
        raw_kind="MO",
        # Of an answer, LINK's examples show the id "0".
        event_id=hash_event(told),
        occurred_at=instant_of_text(told.get("timestamp")),
        address=write_international(text_at(told, "source")),
        text=_drop_keyword(text, text_at(told, "route", "keyword")) if is_answer else None,
    )


def _drop_keyword(text: str, keyword: str | None) -> str:
    """Leave out the word by which a shared short number knows whose answer it is."""
    first, _, rest = text.strip().partition(" ")
    return rest if keyword is not None and rest.strip() and first.casefold() == keyword.casefold() else text


def _create_sender(settings: LinkMobilitySettings, given: Surroundings) -> LinkMobilitySender:
    return LinkMobilitySender(settings, reach=given.reach)


def _create_reader(settings: LinkMobilitySettings) -> LinkMobilityEvents | None:
    return LinkMobilityEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_link_mobility, create_sender=_create_sender, create_reader=_create_reader)
