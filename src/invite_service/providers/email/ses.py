"""The `ses` provider: Amazon SES v2, which takes our own MIME; ses_events.py reads what it tells later."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.aws_signature import AwsKey, sign
from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.email.fields import ATTEMPT, find_unfit_raw
from invite_service.providers.event_reading import at, text_at
from invite_service.providers.http import ApiSettings
from invite_service.providers.http_answers import RETRY_AFTER_MOST, Receipts, read_json
from invite_service.providers.options import OptionReader
from invite_service.providers.reach import EVERYWHERE, Reach

NAME = "ses"

RECEIPTS = Receipts(NAME)

_SEND_PATH = "/v2/email/outbound-emails"
_ACCOUNT_PATH = "/v2/email/account"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]")
_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{0,64}")

_ERRORS: Mapping[str, tuple[OutcomeWord, str]] = {
    "AccessDeniedException": (OutcomeWord.MISCONFIGURED, "access_denied"),
    "AccountSuspendedException": (OutcomeWord.MISCONFIGURED, "account_not_approved"),
    "SendingPausedException": (OutcomeWord.MISCONFIGURED, "sending_paused"),
    "MailFromDomainNotVerifiedException": (OutcomeWord.MISCONFIGURED, "sender_refused"),
    "NotFoundException": (OutcomeWord.MISCONFIGURED, "configuration_not_found"),
}
_CREDENTIALS = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_PACE = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"})
_DAILY = re.compile(r"\bdaily\b|24.hour", re.IGNORECASE)
_RATE = re.compile(r"sending rate", re.IGNORECASE)
_RATE_PAUSE = timedelta(seconds=1)
"""The account's rate counts by the second."""
_NOT_VERIFIED = re.compile(r"not verified|authority to send", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SesSettings(ApiSettings):
    """One region of an AWS account."""

    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    configuration_set: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)


def parse_ses(options: Mapping[str, str]) -> SesSettings:
    """Read the options; raises ProviderSettingsError with every fault at once."""
    reader = OptionReader(NAME, options)
    region = reader.text("region", _REGION, "must be an AWS region, such as eu-north-1")
    settings = SesSettings(
        api_url=reader.api_url(_api_url(region if _REGION.fullmatch(region) else "eu-north-1")),
        region=region,
        access_key_id=reader.secret("access_key_id"),
        secret_access_key=reader.secret("secret_access_key"),
        configuration_set=reader.text("configuration_set", _CONFIGURATION_SET, "must be a configuration set's name")
        or None,
        webhook_secret=reader.optional_secret("webhook_secret"),
    )
    reader.finish()
    return settings


def _api_url(region: str) -> str:
    return f"https://email.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


class SesSender:
    """Sends e-mails' bytes as they are; docs/providers/ses.md has the table of outcomes."""

    name = NAME
    key_lifetime = None

    def __init__(self, settings: SesSettings, *, clock: Callable[[], datetime], reach: Reach = EVERYWHERE) -> None:
        self._clock = clock
        self._key = AwsKey(
            key_id=settings.access_key_id, secret=settings.secret_access_key, region=settings.region, service="ses"
        )
        parts = urlsplit(settings.api_url)
        self._host, self._prefix = parts.netloc, parts.path
        self._configuration_set = settings.configuration_set
        self._client = settings.open_client(reach=reach)
        self.max_in_flight = settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand one message's bytes over."""
        unfit = find_unfit_raw(message, RECEIPTS)
        if unfit is not None:
            return unfit
        content = {
            "FromEmailAddress": message.from_address,
            "Destination": {"ToAddresses": [message.to_address]},
            "Content": {"Raw": {"Data": b64encode(message.raw or b"").decode()}},
            "EmailTags": [{"Name": ATTEMPT, "Value": str(message.attempt_id)}],
        }
        if self._configuration_set:
            content["ConfigurationSetName"] = self._configuration_set
        return judge(await self._call("POST", _SEND_PATH, content=orjson.dumps(content)))

    async def check(self) -> Receipt:
        """Ask for the account; a key that may send and not ask is told from a wrong one by its error."""
        answer = await self._call("GET", _ACCOUNT_PATH)
        if isinstance(answer, ApiAnswer):
            if _error_of(answer, read_json(answer)) == "AccessDeniedException":
                return RECEIPTS.settings_work()
            if answer.is_success and isinstance(is_enabled := at(read_json(answer), "SendingEnabled"), bool):
                paused = RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sending_paused")
                return RECEIPTS.settings_work() if is_enabled else paused
        return judge(answer)

    async def close(self) -> None:
        """Close the connections once the calls in flight have ended."""
        await self._client.close()

    async def _call(self, method: str, path: str, *, content: bytes = b"") -> ApiAnswer | Trouble:
        headers = {"host": self._host, "content-type": "application/json"}
        signed = sign(self._key, method, self._prefix + path, headers=headers, content=content, now=self._clock())
        return await self._client.call(method, path, headers=signed, content=content)


def judge(answer: ApiAnswer | Trouble) -> Receipt:
    """Say what an answer means, by the name of its error."""
    if isinstance(answer, Trouble):
        return RECEIPTS.of_trouble(answer)
    told = read_json(answer)
    if answer.is_success:
        message_id = text_at(told, "MessageId")
        return RECEIPTS.accepted(message_id) if message_id else RECEIPTS.of_status(answer, said=None)
    error = _error_of(answer, told)
    if error is None:
        return RECEIPTS.of_status(answer, said=None)
    text = text_at(told, "message", limit=500) or text_at(told, "Message", limit=500) or ""
    said = f"{error} {text}"
    if answer.status // 100 != 4:
        return RECEIPTS.of_status(answer, said=said)
    if error in _PACE:
        is_daily = bool(_DAILY.search(text)) or error == "LimitExceededException"
        pause = RETRY_AFTER_MOST if is_daily else _RATE_PAUSE if _RATE.search(text) else None
        plain = RECEIPTS.of_status(answer, said=None).retry_after
        return RECEIPTS.make(OutcomeWord.RATE_LIMITED, "rate_limited", said=said, retry_after=pause or plain)
    if error in _CREDENTIALS:
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "credentials_refused", said=said)
    if error in _ERRORS:
        outcome, reason = _ERRORS[error]
        return RECEIPTS.make(outcome, reason, said=said)
    if error == "MessageRejected" and _NOT_VERIFIED.search(text):
        return RECEIPTS.make(OutcomeWord.MISCONFIGURED, "sender_refused", said=said)
    return RECEIPTS.of_status(answer, said=said)


def _error_of(answer: ApiAnswer, told: Any) -> str | None:
    """Read an error's name: Amazon puts it into a header, some of its relatives into the body, with a URL around it."""
    text = answer.headers.get("x-amzn-errortype") or text_at(told, "__type", limit=200) or text_at(told, "code")
    name = (text or "").partition(":")[0].rpartition("#")[2].strip()
    return name[:100] or None
