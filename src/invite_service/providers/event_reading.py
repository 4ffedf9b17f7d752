"""What the readers of providers' events share: secrets compared, fields read from whatever came, repetitions told."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from invite_service.domain.provider_event import REASON_LIMIT
from invite_service.providers.base import EventRequest
from invite_service.providers.http_answers import clean

WORD_LIMIT = 100
"""Characters of a provider's word or id that are kept."""
_LATEST = 253_402_300_799
"""The last second that a datetime can hold."""


def has_secret(request: EventRequest, secret: str) -> bool:
    """Say whether the request knows the secret: as the password of HTTP Basic, as a bearer token, or in its address."""
    authorization = request.headers.get("authorization", "")
    given = (request.url_secret or "", _read_password(authorization), _read_bearer(authorization))
    return any(is_same_secret(one, secret) for one in given)


def is_same_secret(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing of how much is the same."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def read_body(body: bytes) -> Any:
    """Read a body; None where it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def hash_event(content: Any) -> str:
    """Make an id of what an event says, for providers that give none; the order of its fields does not count."""
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def at(content: Any, *path: str | int) -> Any:
    """Follow a path into JSON; None where it leads nowhere."""
    for step in path:
        if isinstance(content, Mapping) and isinstance(step, str):
            content = content.get(step)
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            content = content[step]
        else:
            return None
    return content


def text_at(content: Any, *path: str | int, limit: int = WORD_LIMIT) -> str | None:
    """Read a text or a whole number at a path, printable and at most so long; None where there is none."""
    value = at(content, *path)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    return "".join(character for character in value.strip() if character.isprintable())[:limit] or None


def address_at(content: Any, *path: str | int) -> str | None:
    """Read an e-mail address or a number at a path."""
    return text_at(content, *path, limit=320)


def attempt_at(content: Any, *path: str | int) -> UUID | None:
    """Read one of our attempt ids at a path."""
    try:
        return UUID(text_at(content, *path) or "")
    except ValueError:
        return None


def attempt_of(message_id: str) -> UUID | None:
    """Read our attempt id from a Message-ID that we made, with or without its angle brackets."""
    try:
        return UUID(message_id.strip().removeprefix("<").partition("@")[0])
    except ValueError:
        return None


def reason_of(*texts: Any) -> str:
    """Join what a provider explains, without addresses and numbers."""
    told = dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip())
    return clean(" · ".join(told))[:REASON_LIMIT]


def instant_of_text(text: Any) -> datetime | None:
    """Read an ISO 8601 instant; one without a zone is not told when it was."""
    try:
        instant = datetime.fromisoformat(str(text))
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def instant_of_seconds(value: Any) -> datetime | None:
    """Read seconds since 1970, whole or not, as a number or a text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= _LATEST else None


def _read_bearer(authorization: str) -> str:
    kind, _, text = authorization.partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _read_password(authorization: str) -> str:
    kind, _, text = authorization.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return b64decode(text.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
