"""Cursors of lists: opaque to clients, and good only for the list, sorting and filters they were made for."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

import orjson

from invite_service.api.answers import to_json
from invite_service.domain.errors import Fault, InvalidInputError

MAX_CURSOR_LENGTH: Final = 600
"""Longer than any cursor we make: an order's id of 100 characters may take four bytes each."""

MAX_RANK: Final = 2**31 - 1
"""The highest count that a list is sorted by: PostgreSQL's integer."""

NOT_OURS: Final = "Is not a cursor of this service."

_FINGERPRINT_BYTES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a list: beside which item, and which way the page goes from there."""

    at: datetime
    """The item's instant that the list is sorted by."""
    id: str
    """The item's id, which decides between equal instants."""
    backwards: bool
    """True for the page before the item."""
    rank: int = 0
    """What the list is sorted by before the instant, where it is."""


def write_cursor(cursor: Cursor, *, listing: object) -> str:
    """Write a cursor for a list; `listing` is anything JSON can hold that says which list, sorting and filters."""
    parts: list[object] = [cursor.at, cursor.id, cursor.backwards, _fingerprint(listing)]
    if cursor.rank:
        parts.append(cursor.rank)
    return urlsafe_b64encode(to_json(parts)).rstrip(b"=").decode()


def read_cursor(text: str | None, *, listing: object) -> Cursor | None:
    """Read a cursor that `write_cursor` made for the same listing; no text is the start of the list.

    Raises InvalidInputError for anything else.
    """
    if text is None:
        return None
    read = _parse(text)
    if read is None:
        _refuse(NOT_OURS)
    cursor, fingerprint = read
    if fingerprint != _fingerprint(listing):
        _refuse("Belongs to a list with another sorting or other filters.")
    return cursor


def is_cursor(text: str) -> bool:
    """Say whether `write_cursor` may have made a text, for whatever list."""
    return _parse(text) is not None


def _parse(text: str) -> tuple[Cursor, object] | None:
    try:
        at, place, backwards, fingerprint, *rest = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        instant = datetime.fromisoformat(at)
        (rank,) = rest or (0,)
    except (Base64Error, ValueError, TypeError):
        return None
    if not isinstance(place, str) or "\0" in place or not isinstance(backwards, bool) or instant.tzinfo is None:
        return None
    if type(rank) is not int or not 0 <= rank <= MAX_RANK:
        return None
    return Cursor(at=instant, id=place, backwards=backwards, rank=rank), fingerprint


def _fingerprint(listing: object) -> str:
    return hashlib.blake2b(to_json(listing), digest_size=_FINGERPRINT_BYTES).hexdigest()


def _refuse(detail: str) -> NoReturn:
    raise InvalidInputError("The request has faults.", faults=[Fault("?cursor", "invalid_cursor", detail)])
