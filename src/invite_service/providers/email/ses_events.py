"""What Amazon SES tells later, through SNS: signed with a certificate that Amazon serves."""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import EventRequest
from invite_service.providers.calls import ApiAnswer
from invite_service.providers.email.fields import ATTEMPT
from invite_service.providers.email.ses import NAME, SesSender, SesSettings, parse_ses
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
from invite_service.providers.http import ApiClient

SIGNATURE_AGE = timedelta(hours=25)
CERTIFICATES_KEPT = 8
"""Amazon has one certificate a region at a time, and a merchant has few regions."""

_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}

_KINDS: Mapping[str, EventKind] = {
    "Send": EventKind.SENT,
    "Delivery": EventKind.DELIVERED,
    "DeliveryDelay": EventKind.DEFERRED,
    "Reject": EventKind.FAILED,
    "Rendering Failure": EventKind.FAILED,
    "Complaint": EventKind.COMPLAINED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
}
_DETAILS: Mapping[str, str] = {
    "Bounce": "bounce",
    "Complaint": "complaint",
    "Delivery": "delivery",
    "DeliveryDelay": "deliveryDelay",
    "Reject": "reject",
    "Rendering Failure": "failure",
    "Open": "open",
    "Click": "click",
    "Subscription": "subscription",
}
_GREETING = "Successfully validated SNS topic for Amazon SES event publishing."
"""The first notification of a new topic, which is a sentence and no event."""
_RECIPIENTS = ("bouncedRecipients", "complainedRecipients", "delayedRecipients")
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList"})


class SesEvents:
    """Reads SNS requests whose address knows our secret and whose signature is Amazon's, and confirms subscriptions."""

    name = NAME

    def __init__(self, secret: str, *, open_client: Callable[[str], ApiClient] = ApiClient) -> None:
        self._secret = secret
        self._open_client = open_client
        self._certificates: dict[str, bytes] = {}

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check the secret, the signature and its age, then read the one event that a request holds."""
        told = read_body(request.body)
        kind = text_at(told, "Type")
        if not has_secret(request, self._secret):
            return EventReading(verdict=EventVerdict.UNSIGNED)
        if kind is None or kind not in _SIGNED:
            return EventReading(verdict=EventVerdict.UNREADABLE)
        verdict = await self._verify(told, kind, now=now)
        if verdict is not EventVerdict.TRUE:
            return EventReading(verdict=verdict)
        if kind == "SubscriptionConfirmation":
            return EventReading(verdict=await self._confirm(told))
        return _read_notification(told) if kind == "Notification" else EventReading(verdict=EventVerdict.TRUE)

    async def close(self) -> None:
        """Do nothing: each connection is closed after its one request."""

    async def _verify(self, told: Mapping[str, Any], kind: str, *, now: datetime) -> EventVerdict:
        url = told.get("SigningCertURL")
        if not isinstance(url, str) or not _is_amazons(url) or not urlsplit(url).path.endswith(".pem"):
            return EventVerdict.UNSIGNED
        certificate = await self._get_certificate(url)
        if certificate is None:
            return EventVerdict.UNCHECKED
        if not _is_signed(told, _SIGNED[kind], certificate, now=now):
            return EventVerdict.UNSIGNED
        sent_at = instant_of_text(told.get("Timestamp"))
        is_fresh = sent_at is not None and abs(now - sent_at) <= SIGNATURE_AGE
        return EventVerdict.TRUE if is_fresh else EventVerdict.STALE

    async def _get_certificate(self, url: str) -> bytes | None:
        kept = self._certificates.get(url)
        if kept is not None:
            return kept
        answer = await self._fetch(url)
        if answer is None or b"BEGIN CERTIFICATE" not in answer.body:
            return None
        while len(self._certificates) >= CERTIFICATES_KEPT:
            self._certificates.pop(next(iter(self._certificates)))
        self._certificates[url] = answer.body
        return answer.body

    async def _confirm(self, told: Mapping[str, Any]) -> EventVerdict:
        """Confirm a subscription by asking for the address that Amazon signed, as its documentation wants it."""
        url = told.get("SubscribeURL")
        if not isinstance(url, str) or not _is_amazons(url):
            return EventVerdict.UNREADABLE
        return EventVerdict.TRUE if await self._fetch(url) is not None else EventVerdict.UNCHECKED

    async def _fetch(self, url: str) -> ApiAnswer | None:
        parts = urlsplit(url)
        client = self._open_client(f"https://{parts.netloc}")
        try:
            answer = await client.call("GET", parts.path, query=dict(parse_qsl(parts.query)))
        finally:
            await client.close()
        return answer if isinstance(answer, ApiAnswer) and answer.is_success else None


def _is_amazons(url: str) -> bool:
    """Say whether an address is SNS's own: nothing else is fetched because a stranger says so."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(_HOST.fullmatch(parts.netloc)) and url.isascii() and url.isprintable()
    except ValueError:
        return False


def _is_signed(told: Mapping[str, Any], names: tuple[str, ...], certificate: bytes, *, now: datetime) -> bool:
    lines = [f"{name}\n{told[name]}\n" for name in names if isinstance(told.get(name), str)]
    algorithm = SHA256() if told.get("SignatureVersion") == "2" else SHA1()  # noqa: S303 - what version 1 is made with
    try:
        loaded = load_pem_x509_certificate(certificate)
        key = loaded.public_key()
        if (
            not isinstance(key, rsa.RSAPublicKey)
            or not loaded.not_valid_before_utc <= now <= loaded.not_valid_after_utc
        ):
            return False
        signature = b64decode(str(told.get("Signature", "")), validate=True)
        key.verify(signature, "".join(lines).encode(errors="replace"), padding.PKCS1v15(), algorithm)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _read_notification(told: Mapping[str, Any]) -> EventReading:
    text = told.get("Message")
    event = read_body(text.encode(errors="replace")) if isinstance(text, str) else None
    word = text_at(event, "eventType") or text_at(event, "notificationType")
    if event is None or word is None:
        return EventReading(verdict=EventVerdict.TRUE if text == _GREETING else EventVerdict.UNREADABLE)
    return EventReading(verdict=EventVerdict.TRUE, events=(_read_event(event, word, told),))


def _read_event(event: Mapping[str, Any], word: str, told: Mapping[str, Any]) -> ProviderEvent:
    detail = event.get(_DETAILS.get(word, ""))
    recipient = next((one for name in _RECIPIENTS if (one := at(detail, name, 0)) is not None), None)
    message_id = _read_message_id(event)
    return ProviderEvent(
        provider=NAME,
        kind=_kind_of(word, detail),
        raw_kind=f"{word} {text_at(detail, 'bounceType') or ''}".strip()[:100],
        event_id=text_at(told, "MessageId") or hash_event(told),
        occurred_at=instant_of_text(at(detail, "timestamp")) or instant_of_text(told.get("Timestamp")),
        attempt_id=attempt_at(event, "mail", "tags", ATTEMPT, 0) or (attempt_of(message_id) if message_id else None),
        provider_message_id=text_at(event, "mail", "messageId"),
        message_id=message_id,
        address=address_at(recipient, "emailAddress") or address_at(event, "mail", "destination", 0),
        reason=reason_of(
            at(detail, "bounceSubType"),
            at(detail, "delayType"),
            at(detail, "complaintFeedbackType"),
            at(detail, "reason"),
            at(detail, "errorMessage"),
            at(recipient, "diagnosticCode"),
            at(detail, "smtpResponse"),
        ),
    )


def _read_message_id(event: Mapping[str, Any]) -> str | None:
    """Find our Message-ID among the headers as we wrote them; Amazon puts one of its own into the mail."""
    headers = at(event, "mail", "headers")
    for header in headers if isinstance(headers, list) else ():
        if (text_at(header, "name") or "").lower() == "message-id":
            return text_at(header, "value", limit=320)
    return None


def _kind_of(word: str, detail: Any) -> EventKind:
    if word == "Bounce":
        if at(detail, "bounceSubType") in _SUPPRESSED:
            return EventKind.FAILED
        return EventKind.BOUNCED_HARD if at(detail, "bounceType") == "Permanent" else EventKind.BOUNCED_SOFT
    if word == "Complaint" and at(detail, "complaintSubType") in _SUPPRESSED:
        return EventKind.FAILED
    if word == "Subscription":
        is_stopped = at(detail, "newTopicPreferences", "unsubscribeAll") is True
        return EventKind.UNSUBSCRIBED if is_stopped else EventKind.UNKNOWN
    return _KINDS.get(word, EventKind.UNKNOWN)


def _create_sender(settings: SesSettings, given: Surroundings) -> SesSender:
    return SesSender(settings, clock=given.clock, reach=given.reach)


def _create_reader(settings: SesSettings) -> SesEvents | None:
    return SesEvents(settings.webhook_secret) if settings.webhook_secret is not None else None


ADAPTER = Adapter(parse=parse_ses, create_sender=_create_sender, create_reader=_create_reader)
