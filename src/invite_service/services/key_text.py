"""The text of API keys and operator keys.

    rk_live_4Xk2mPq9sLd7_<43 random characters><6 of checksum>

The prefix says what the key opens, so that people and secret scanners know it when they see it. The id stands readable,
to look the key up by. The checksum tells a mistyped or invented key without asking the database.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 43
"""Base62 digits that hold 256 bits."""
_CHECKSUM_LENGTH: Final = 6
"""Base62 digits that hold the 32 bits of a CRC."""


class KeyPrefix(StrEnum):
    """What a key opens."""

    LIVE = "rk_live"
    """A real merchant."""
    TEST = "rk_test"
    """A sandbox merchant."""
    OPERATOR = "op"
    """The installation."""


_KEY: Final = re.compile(
    rf"(?P<prefix>{'|'.join(KeyPrefix)})_(?P<id>[0-9A-Za-z]{{{_ID_LENGTH}}})"
    rf"_[0-9A-Za-z]{{{_SECRET_LENGTH}}}(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key that was made or read: what it opens, the id it is looked up by, and what is stored of it."""

    prefix: KeyPrefix
    id: str
    secret_hash: bytes
    """SHA-256 of the whole text; it is random enough for a fast hash."""


def make_key(prefix: KeyPrefix) -> tuple[str, KeyText]:
    """Make a new key: its text, which is shown once, and the rest of it."""
    key_id = _random(_ID_LENGTH)
    body = f"{prefix}_{key_id}_{_random(_SECRET_LENGTH)}"
    text = body + _checksum(body)
    return text, KeyText(prefix, key_id, hash_key(text))


def read_key(text: str) -> KeyText | None:
    """Read a key's text; None when it is no key, or mistyped."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != match["checksum"]:
        return None
    return KeyText(KeyPrefix(match["prefix"]), match["id"], hash_key(text))


def hash_key(text: str) -> bytes:
    """Return what is stored of a key's text, whether or not it is one."""
    return hashlib.sha256(text.encode(errors="replace")).digest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
