"""Sealing what the database keeps, so that whoever reads a table can read neither keys, nor addresses, nor passwords.

AES-256-GCM of the `cryptography` package, under keys that HKDF (RFC 5869) derives for each purpose from the secrets of
the installation, with a nonce of its own for each thing that is sealed (docs/adr/0016).
"""

import hashlib
import hmac
import json
import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from invite_service.domain.channel import SealedOptions

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16

DERIVED_PREFIX: Final = "secret-"
"""How the id of the key derived from the installation's secret begins; the rest tells one secret from another."""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)


class SealBrokenError(ValueError):
    """What was sealed cannot be opened: changed, somebody else's, or sealed under another secret."""


class SealKeyMissingError(SealBrokenError):
    """What was sealed is under a key that this process was not given; `key_id` names it."""

    def __init__(self, key_id: str) -> None:
        super().__init__("The key of this seal is not there.")
        self.key_id = key_id


class AnswerSeal:
    """Seals answers under the installation's secret and what they belong to."""

    def __init__(self, secret: str) -> None:
        self._hash_root = _mac(secret.encode(), b"answers kept by idempotency key")
        self._root = _derive(secret.encode(), b"invite_service idempotency answers")

    def hash(self, text: str) -> bytes:
        """Hash a client's key, so that it can be found and not read."""
        return _mac(self._hash_root, b"key", text.encode())

    def seal(self, answer: bytes, *, owner: str) -> bytes:
        """Seal an answer; only who names the same owner can open it."""
        return _seal(self._key(owner), answer, belongs_to=owner.encode())

    def open(self, sealed: bytes, *, owner: str) -> bytes:
        """Open a sealed answer; raises SealBrokenError."""
        return _open(self._key(owner), sealed, belongs_to=owner.encode())

    def _key(self, owner: str) -> bytes:
        return _derive(self._root, owner.encode())


class CredentialSeal:
    """Seals what a merchant's provider asks for, under the first of several keys; the others still open.

    `place` names whose it is and what it is for; nothing opens at another place.
    """

    def __init__(self, keys: Mapping[str, bytes], *, current: str) -> None:
        self._keys = {key_id: _derive(key, b"invite_service channel credentials") for key_id, key in keys.items()}
        self.current = current
        """The id of the key that seals."""

    @classmethod
    def create(cls, secret: str, keys: Mapping[str, bytes]) -> Self:
        """Make a seal of the installation's secret and the keys it was given besides, the first of which seals.

        What was sealed before there were any stays readable, under the key derived from the secret.
        """
        derived_id = f"{DERIVED_PREFIX}{_derive(secret.encode(), b'invite_service key id')[:4].hex()}"
        return cls({**keys, derived_id: secret.encode()}, current=next(iter(keys), derived_id))

    def seal(self, options: Mapping[str, str], *, place: tuple[str, ...]) -> SealedOptions:
        """Seal options under the current key."""
        text = json.dumps(dict(sorted(options.items())), ensure_ascii=False).encode()
        return SealedOptions(self.current, _seal(self._keys[self.current], text, belongs_to=_packed(place)))

    def open(self, stored: SealedOptions, *, place: tuple[str, ...]) -> dict[str, str]:
        """Open options.

        Raises SealKeyMissingError where this process does not have their key, and SealBrokenError for the rest.
        """
        key = self._keys.get(stored.key_id)
        if key is None:
            raise SealKeyMissingError(stored.key_id)
        options: dict[str, str] = json.loads(_open(key, stored.sealed, belongs_to=_packed(place)))
        return options


def read_keys(text: str) -> dict[str, bytes]:
    """Read keys, in their order, from `id:base64,id:base64`; raises ValueError, which repeats nothing of them."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, _, encoded = part.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id) or key_id.startswith(DERIVED_PREFIX):
            raise ValueError(
                "ids must be 1 to 32 letters, digits and . _ - before a colon, and not begin with " + DERIVED_PREFIX
            )
        if key_id in keys:
            raise ValueError("ids must differ")
        try:
            keys[key_id] = b64decode(encoded, validate=True)
        except Base64Error:
            keys[key_id] = b""
        if len(keys[key_id]) != KEY_BYTES:
            raise ValueError(f"each key must be {KEY_BYTES} random bytes in base64")
    return keys


def _seal(key: bytes, text: bytes, *, belongs_to: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, belongs_to)


def _open(key: bytes, sealed: bytes, *, belongs_to: bytes) -> bytes:
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise SealBrokenError("The seal is broken.")
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], belongs_to)
    except InvalidTag:
        raise SealBrokenError("The seal is broken.") from None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def _packed(parts: tuple[str, ...]) -> bytes:
    """Join parts with the length of each first, so that two lists of parts never read the same."""
    return b"".join(len(part).to_bytes(4) + part for part in (text.encode() for text in parts))


def _mac(key: bytes, *parts: bytes) -> bytes:
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(4) + part)
    return mac.digest()
