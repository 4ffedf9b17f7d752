"""How a suppressed contact is shown: a text of this merchant's that only this installation can read back.

It is the contact's key, encrypted for the merchant by AES-SIV (RFC 5297), which gives the same text for the same key:
two merchants cannot compare their lists, and what another installation wrote, or somebody changed, is refused
(docs/adr/0017).
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import Subject, SubjectKind

_PURPOSE: Final = b"contact hashes that merchants see"


class ContactHashes:
    """Writes and reads merchants' hashes of contacts."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESSIV(hmac.digest(secret.encode(), _PURPOSE, "sha512"))

    def write(self, merchant_id: MerchantId, kind: SubjectKind, key: bytes) -> str:
        """Write the hash of a contact of which the key is known: its kind, and 64 characters."""
        sealed = self._cipher.encrypt(key, [merchant_id.encode(), kind.value.encode()])
        return f"{kind.value}_{urlsafe_b64encode(sealed).decode()}"

    def read(self, merchant_id: MerchantId, text: str) -> Subject | None:
        """Read a hash; None for what was not written for this merchant here."""
        kind, _, sealed = text.partition("_")
        if kind not in set(SubjectKind):
            return None
        try:
            key = self._cipher.decrypt(urlsafe_b64decode(sealed), [merchant_id.encode(), kind.encode()])
        except (Base64Error, ValueError, InvalidTag):
            return None
        return Subject(SubjectKind(kind), None, key)
