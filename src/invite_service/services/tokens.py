"""Tokens: the opaque secrets in the links of messages (DESIGN.md section 7, "Tokens").

A token is base64url without padding over

    key id (1 byte) | expiry, days since 1970 (2) | invitation id (16) | merchant id (1 to 20) | MAC (12)
    | purpose and step (1)

The MAC is HMAC-SHA256, cut to 96 bits, over everything but itself. Nothing is stored: whoever holds the key can read
merchant and invitation out of the token and trust them. The purpose comes last because its byte keeps the last
character alphanumeric: programs that turn text into links leave out a final `-`.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from invite_service.domain.errors import TokenNotFoundError
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId

MAX_TOKEN_LENGTH = 80
MAC_BYTES = 12

PAGE_LIFETIME = timedelta(days=2 * 365)
"""How long a link to the page works, from the day its message was written."""

UNSUBSCRIBE_LIFETIME = timedelta(days=10 * 365)
"""Longer than any mailbox rule asks for: whoever finds an old mail can still opt out."""

_EPOCH = date(1970, 1, 1)
_FIXED_BYTES = 1 + 2 + 16 + MAC_BYTES + 1
_MAX_MERCHANT_BYTES = 20


class TokenPurpose(StrEnum):
    """What a token gives the right to."""

    PAGE = "page"
    """Open the invitation's page and leave feedback."""
    UNSUBSCRIBE = "unsubscribe"


_KINDS: tuple[tuple[TokenPurpose, Step], ...] = (
    (TokenPurpose.PAGE, Step.PRODUCT_1),
    (TokenPurpose.PAGE, Step.PRODUCT_2),
    (TokenPurpose.PAGE, Step.SERVICE),
    (TokenPurpose.UNSUBSCRIBE, Step.PRODUCT_1),
    (TokenPurpose.UNSUBSCRIBE, Step.PRODUCT_2),
    (TokenPurpose.UNSUBSCRIBE, Step.SERVICE),
)
"""A token's last byte is an index into this. Append only: tokens live for years."""

_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a token says, once its MAC was found right."""

    merchant_id: MerchantId
    invitation_id: UUID
    purpose: TokenPurpose
    step: Step
    expires_on: date
    """The last day, in UTC on the merchant's clock, on which it is good."""

    def check_expiry(self, now: datetime) -> None:
        """Raise `TokenNotFoundError` when the merchant's time `now` is past the token's last day."""
        if now.astimezone(UTC).date() > self.expires_on:
            raise _refused()


class TokenSigner:
    """Makes and reads tokens under rotating keys.

    `secrets` maps key ids (0 to 255) to the installation's secrets, of which `current` signs; older ones stay for as
    long as their tokens are good. Keys are derived from secrets, so that no other use of a secret meets this one.
    """

    def __init__(self, secrets: Mapping[int, bytes], *, current: int) -> None:
        if current not in secrets:
            raise ValueError("the current key id has no secret")
        self._keyed = {
            key_id: _KeyedHash(hmac.digest(secret, b"invite_service token signing", "sha256"))
            for key_id, secret in secrets.items()
        }
        self._current = current

    def make(
        self, merchant_id: MerchantId, invitation_id: UUID, *, purpose: TokenPurpose, step: Step, at: datetime
    ) -> str:
        """Make the token of one message's link, good from the merchant's time `at` for its purpose's lifetime."""
        lifetime = PAGE_LIFETIME if purpose is TokenPurpose.PAGE else UNSUBSCRIBE_LIFETIME
        expires_on = at.astimezone(UTC).date() + lifetime
        merchant = merchant_id.encode("ascii")
        if not 1 <= len(merchant) <= _MAX_MERCHANT_BYTES:
            raise ValueError("a merchant id has 1 to 20 characters")
        head = bytes((self._current,)) + (expires_on - _EPOCH).days.to_bytes(2) + invitation_id.bytes + merchant
        kind = bytes((_KIND_NUMBERS[purpose, step],))
        return urlsafe_b64encode(head + self._mac(self._current, head, kind) + kind).rstrip(b"=").decode("ascii")

    def read(self, token: str, purpose: TokenPurpose) -> TokenClaims:
        """Read a token made for the purpose; raises `TokenNotFoundError`, the same for whatever is wrong with it."""
        packed = _unpack(token)
        head, mac, kind = packed[: -MAC_BYTES - 1], packed[-MAC_BYTES - 1 : -1], packed[-1:]
        if head[0] not in self._keyed or not hmac.compare_digest(mac, self._mac(head[0], head, kind)):
            raise _refused()
        if kind[0] >= len(_KINDS) or _KINDS[kind[0]][0] is not purpose:
            raise _refused()
        return TokenClaims(
            merchant_id=MerchantId(head[19:].decode("ascii")),
            invitation_id=UUID(bytes=head[3:19]),
            purpose=purpose,
            step=_KINDS[kind[0]][1],
            expires_on=_EPOCH + timedelta(days=int.from_bytes(head[1:3])),
        )

    def _mac(self, key_id: int, head: bytes, kind: bytes) -> bytes:
        return self._keyed[key_id].digest(head + kind)[:MAC_BYTES]


class _KeyedHash:
    """HMAC-SHA256 (RFC 2104) with a key that is taken in once: two thirds of its time go into that."""

    _BLOCK = 64

    def __init__(self, key: bytes) -> None:
        """Make it for a key of at most 64 bytes."""
        block = key.ljust(self._BLOCK, b"\0")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _unpack(token: str) -> bytes:
    """Undo base64url; only the one spelling that `make` writes is read, so that no bit of a token is free."""
    if not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        raise _refused()
    try:
        packed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except Base64Error:
        raise _refused() from None
    if urlsafe_b64encode(packed).rstrip(b"=").decode("ascii") != token:
        raise _refused()
    if not _FIXED_BYTES < len(packed) <= _FIXED_BYTES + _MAX_MERCHANT_BYTES:
        raise _refused()
    return packed


def _refused() -> TokenNotFoundError:
    return TokenNotFoundError("This link is not known, or no longer.")
