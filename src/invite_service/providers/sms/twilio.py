"""The `twilio` provider: its Messages resource, the list of what was sent, and its signed callbacks."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses, attempt_of_url
from invite_service.providers.event_reading import (
    address_at,
    at,
    is_same_secret,
    reason_of,
    text_at,
)
from invite_service.providers.http import ApiSettings, write_basic
from invite_service.providers.http_answers import RETRY_AFTER_MOST, Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach
from invite_service.providers.sms.fields import FORM, find_unfit_sms, read_form

NAME = "twilio"
API_URL = "https://api.twilio.com"
LOOK_UP_BEFORE = timedelta(seconds=30)
LOOK_UP_AFTER = timedelta(minutes=5)
"""How far from the attempt a message is looked for; clocks differ, and Twilio queues."""
LOOK_UP_PAGE = 1000

RECEIPTS = Receipts(NAME)

_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_KEY = re.compile(r"(?:SK|AC)[0-9a-f]{32}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")

_NO_MESSAGE = frozenset({21602, 21603, 21604, 21619})
"""What is said to a request without a message by whoever would have taken one."""
_NO_SUCH_PHONE = frozenset({21614, 21635})
_QUOTAS = frozenset({63038})
_ERRORS: Mapping[int, tuple[OutcomeWord, str]] = {
    20003: (OutcomeWord.MISCONFIGURED, "credentials_refused"),
    20005: (OutcomeWord.MISCONFIGURED, "account_suspended"),
    20429: (OutcomeWord.RATE_LIMITED, "rate_limited"),
    14107: (OutcomeWord.RATE_LIMITED, "rate_limited"),
    21611: (OutcomeWord.RATE_LIMITED, "rate_limited"),
    30001: (OutcomeWord.RATE_LIMITED, "rate_limited"),
    63038: (OutcomeWord.RATE_LIMITED, "daily_limit_reached"),
    21211: (OutcomeWord.REJECTED, "recipient_refused"),
    21265: (OutcomeWord.REJECTED, "recipient_refused"),
    21266: (OutcomeWord.REJECTED, "recipient_refused"),
    21408: (OutcomeWord.REJECTED, "country_not_enabled"),
    21610: (OutcomeWord.REJECTED, "recipient_unsubscribed"),
    21612: (OutcomeWord.REJECTED, "no_route"),
    21614: (OutcomeWord.REJECTED, "recipient_not_mobile"),
    21635: (OutcomeWord.REJECTED, "recipient_not_mobile"),
    21617: (OutcomeWord.REJECTED, "message_too_large"),
    21212: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21267: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21603: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21606: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21659: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21660: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21661: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21701: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21703: (OutcomeWord.MISCONFIGURED, "sender_refused"),
    21608: (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    21609: (OutcomeWord.MISCONFIGURED, "callback_refused"),
}
"""By Twilio's number of the error; others by their status."""

_STATUSES: Mapping[str, EventKind] = {
    "accepted": EventKind.SENT,
    "scheduled": EventKind.SENT,
    "queued": EventKind.SENT,
    "sending": EventKind.SENT,
    "sent": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "canceled": EventKind.FAILED,
    "failed": EventKind.FAILED,
    "undelivered": EventKind.BOUNCED_SOFT,
}
_FAILURES: Mapping[str, EventKind] = {
    "21610": EventKind.UNSUBSCRIBED,
    "21614": EventKind.BOUNCED_HARD,
    "21635": EventKind.BOUNCED_HARD,
    "30003": EventKind.BOUNCED_SOFT,
    "30004": EventKind.FAILED,
    "30005": EventKind.BOUNCED_HARD,
    "30006": EventKind.BOUNCED_SOFT,
    "30007": EventKind.FAILED,
    "30008": EventKind.BOUNCED_SOFT,
}
"""`ErrorCode` of what failed or was not delivered; without one of these, its status counts."""

_ALGORITHMS: Mapping[str, str] = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORT = re.compile(r":[0-9]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings(ApiSettings):
    """One Twilio account, or subaccount."""

    api_url: str = API_URL
    account_sid: str
    api_key_sid: str
    api_key_secret: str = field(repr=False)
    messaging_service_sid: str | None = None
    """Chooses the sender in our place."""
    webhook_auth_token: str | None = field(default=None, repr=False)


def parse_twilio(options: Mapping[str, str]) -> TwilioSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    has_service = "messaging_service_sid" in options
    settings = TwilioSettings(
        api_url=reader.api_url(API_URL),
        account_sid=reader.text("account_sid", _ACCOUNT, "must be AC and 32 hexadecimal digits"),
        api_key_sid=reader.text("api_key_sid", _KEY, "must be SK (or the account's AC) and 32 hexadecimal digits"),
        api_key_secret=reader.secret("api_key_secret"),
        messaging_service_sid=reader.text("messaging_service_sid", _SERVICE, "must be MG and 32 hexadecimal digits")
        if has_service
        else None,
        webhook_auth_token=reader.optional_secret("webhook_auth_token"),
    )
    reader.finish()
    return settings


class TwilioSender:
    """Sends one message a call, since Twilio takes no more; docs/providers/twilio.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(
        self,
        settings: TwilioSettings,
        *,
        events: EventAddresses = NO_EVENT_ADDRESSES,
        reach: Reach = EVERYWHERE,
    ) -> None:
        self._service = settings.messaging_service_sid
        self._path = f"/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        self._authorization = {"Authorization": write_basic(settings.api_key_sid, settings.api_key_secret)}
        # Without the token no event can be checked, so that none is asked for.
        self._events = events if settings.webhook_auth_token is not None else NO_EVENT_ADDRESSES
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message over."""
        unfit = find_unfit_sms(message, RECEIPTS, chooses_sender=self._service is not None)
        if unfit is not None:
            return unfit
        sender = {"From": message.from_address} if self._service is None else {"MessagingServiceSid": self._service}
        fields = {
            "To": message.to_address,
            **sender,
            "Body": message.text,
            "StatusCallback": self._events.find(NAME, message),
        }
        return judge(await self._post({name: value for name, value in fields.items() if value is not None}))

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """List what was sent about then, and look in it for the text, whose links no other message has.

        The number is not told: addresses end up in others' logs. Twilio hands nothing else of ours back; a list that
        goes on says nothing.
        """
        query = {
            "DateSent>": _write_instant(attempted_at - LOOK_UP_BEFORE),
            "DateSent<": _write_instant(attempted_at + LOOK_UP_AFTER),
            "PageSize": str(LOOK_UP_PAGE),
        }
        answer = await self._client.call("GET", self._path, headers=self._authorization, query=query)
        if isinstance(answer, Trouble) or not answer.is_success:
            return None
        told = read_json(answer)
        listed = at(told, "messages")
        if not isinstance(listed, list) or at(told, "next_page_uri") is not None:
            return None
        found = [text_at(one, "sid") for one in listed if _is_ours(one, to_address, content_hash)]
        if len(found) != 1 or found[0] is None:
            return None
        return RECEIPTS.make(OutcomeWord.ACCEPTED, "found_later", provider_message_id=found[0])

    async def check(self) -> Receipt:
        """Post no message: whoever may send is told what is missing. Keys that may only send can ask for nothing."""
        answer = await self._post({})
        if isinstance(answer, ApiAnswer) and answer.status == 400 and at(read_json(answer), "code") in _NO_MESSAGE:
            return RECEIPTS.settings_work()
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    async def _post(self, fields: Mapping[str, str]) -> ApiAnswer | Trouble:
        headers = self._authorization | {"Content-Type": FORM}
        return await self._client.call("POST", self._path, headers=headers, content=urlencode(fields).encode())


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        sid = text_at(told, "sid")
        return (
            RECEIPTS.accepted(sid, said=text_at(told, "status") or "") if sid else RECEIPTS.of_status(answer, said=None)
        )
    code, text = at(told, "code"), at(told, "message")
    if not isinstance(code, int) or not isinstance(text, str):
        return RECEIPTS.of_status(answer, said=None)
    said = f"{code} {text}"
    if answer.status // 100 == 5 or code not in _ERRORS:
        return RECEIPTS.of_status(answer, said=said)
    outcome, reason = _ERRORS[code]
    pause = RECEIPTS.of_status(answer, said=None).retry_after if answer.status == 429 else None
    return RECEIPTS.make(
        outcome,
        reason,
        said=said,
        retry_after=RETRY_AFTER_MOST if code in _QUOTAS else pause,
        suppress_address=code in _NO_SUCH_PHONE,
    )


def _write_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_ours(listed: Any, to_address: str, content_hash: str) -> bool:
    text = at(listed, "body")
    return (
        at(listed, "to") == to_address
        and str(at(listed, "direction")).startswith("outbound")
        and isinstance(text, str)
        and sha256(text.encode(errors="replace")).hexdigest() == content_hash
    )


class TwilioEvents:
    """Reads callbacks of messages' statuses and customers' answers; Twilio signs the address and the form's fields.

    The signature holds no time, so that it does not age: what was told before has its event id again.
    """

    name = NAME

    def __init__(self, auth_token: str) -> None:
        self._token = auth_token.encode()

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the signature, then read the one event that a request holds."""
        if not self._is_signed(request):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        form = read_form(request.body)
        sid = text_at(form, "MessageSid") or text_at(form, "SmsSid")
        if sid is None:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        status = text_at(form, "MessageStatus") or text_at(form, "SmsStatus")
        event = (
            _read_answer(form, sid)
            if "Body" in form and status in {None, "received", "receiving"}
            else _read_status(form, sid, status or "", url=request.url)
        )
        return EventReading(verdict=EventVerdict.TRUE, events=(event,))

    async def close(self) -> None:
        """Do nothing: no connection is needed."""

    def _is_signed(self, request: EventRequest) -> bool:
        algorithm = _ALGORITHMS.get(_algorithm_of(request.headers.get("x-twilio-webhooks-signature-settings", "")))
        if algorithm is None:
            return False
        given = request.headers.get("x-twilio-signature", "")
        pairs = parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)
        fields = "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
        expected = [self._sign(f"{url}{fields}", algorithm) for url in _write_both_ways(request.url)]
        return any(is_same_secret(given, one) for one in expected)

    def _sign(self, text: str, algorithm: str) -> str:
        return b64encode(hmac.digest(self._token, text.encode(errors="replace"), algorithm)).decode()


def _algorithm_of(settings: str) -> str:
    """Read which algorithm a shared key signs with, as request_validator.py of twilio-python does."""
    named = dict(part.strip().partition("=")[::2] for part in settings.split(",")[:10])
    return named.get("algorithm", "").strip().upper() or "HMAC_SHA1"


def _write_both_ways(url: str) -> tuple[str, str]:
    """Write an address without its port and with it: Twilio signs now the one, now the other (request_validator.py)."""
    host = urlsplit(url).netloc
    bare, port = _PORT.sub("", host), _PORT.search(host)
    full = f"{bare}{port[0] if port else ':443'}"
    return url.replace(host, bare, 1), url.replace(host, full, 1)


def _read_status(form: Mapping[str, str], sid: str, status: str, *, url: str) -> ProviderEvent:
    code = text_at(form, "ErrorCode") or ""
    kind = _STATUSES.get(status, EventKind.UNKNOWN)
    if kind in {EventKind.FAILED, EventKind.BOUNCED_SOFT}:
        kind = _FAILURES.get(code, kind)
    return ProviderEvent(
        provider=NAME,
        kind=kind,
        raw_kind=f"{status} {code}".strip(),
        event_id=f"{sid}-{status}",
        occurred_at=None,
        attempt_id=attempt_of_url(url),
        provider_message_id=sid,
        address=address_at(form, "To"),
        reason=reason_of(form.get("ErrorMessage"), code),
    )


def _read_answer(form: Mapping[str, str], sid: str) -> ProviderEvent:
    # Twilio knows words that stop as well, and then sends nothing more to the number by itself.
    is_stop = text_at(form, "OptOutType") == "STOP"
    return ProviderEvent(
        provider=NAME,
        kind=EventKind.STOPPED if is_stop else EventKind.REPLIED,
        raw_kind="received STOP" if is_stop else "received",
        event_id=sid,
        occurred_at=None,
        address=address_at(form, "From"),
        text=form["Body"],
    )


def _create_sender(settings: TwilioSettings, given: Surroundings) -> TwilioSender:
    return TwilioSender(settings, events=given.events, reach=given.reach)


def _create_reader(settings: TwilioSettings) -> TwilioEvents | None:
    return TwilioEvents(settings.webhook_auth_token) if settings.webhook_auth_token is not None else None


ADAPTER = Adapter(parse=parse_twilio, create_sender=_create_sender, create_reader=_create_reader)
