"""Sealing what is kept for a while, so that whoever reads the table can read neither keys nor addresses.

A message key is derived for each answer from the installation's secret, what the answer belongs to and a nonce; the
text is XORed with that key's SHAKE-256 stream and authenticated by HMAC-SHA256 (encrypt, then MAC).
"""

import hashlib
import hmac
import secrets
from typing import Final

_NONCE_BYTES: Final = 16
_TAG_BYTES: Final = 16


class AnswerSeal:
    """Seals answers under the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._root = _mac(secret.encode(), b"answers kept by idempotency key")

    def hash(self, text: str) -> bytes:
        """Hash a client's key, so that it can be found and not read."""
        return _mac(self._root, b"key", text.encode())

    def seal(self, answer: bytes, *, owner: str) -> bytes:
        """Seal an answer; only who names the same owner can open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key = self._key(nonce, owner)
        hidden = _xor(answer, key)
        return nonce + _mac(key, hidden)[:_TAG_BYTES] + hidden

    def open(self, sealed: bytes, *, owner: str) -> bytes:
        """Open a sealed answer.

        Raises:
            ValueError: it was changed, or is somebody else's.
        """
        nonce, tag, hidden = _parts(sealed)
        key = self._key(nonce, owner)
        if not hmac.compare_digest(_mac(key, hidden)[:_TAG_BYTES], tag):
            raise ValueError("the seal is broken")
        return _xor(hidden, key)

    def _key(self, nonce: bytes, owner: str) -> bytes:
        return _mac(self._root, b"seal", nonce, owner.encode())


def _parts(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    body = _NONCE_BYTES + _TAG_BYTES
    return sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:body], sealed[body:]


def _xor(text: bytes, key: bytes) -> bytes:
    stream = hashlib.shake_256(key).digest(len(text))
    return (int.from_bytes(text) ^ int.from_bytes(stream)).to_bytes(len(text))


def _mac(key: bytes, *parts: bytes) -> bytes:
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        # Each part's length first: two lists of parts never read the same.
        mac.update(len(part).to_bytes(4) + part)
    return mac.digest()
