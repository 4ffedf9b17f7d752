"""A rendered message, complete and ready to be handed to a provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from invite_service.domain.invitation import Channel, Step


class Notice(StrEnum):
    """A message that follows a customer's answer; it is no step of the invitation and asks for nothing."""

    REPLY_NOTICE = "reply_notice"
    """The merchant replied to a review."""
    VOUCHER = "voucher"
    """A voucher code after a review, whatever its stars."""
    SUPPORT_NOTICE = "support_notice"
    """Support was told of few stars and offers help."""
    SUPPORT_ALERT = "support_alert"
    """Few stars, told to the merchant's own support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of one attempt; what could identify the customer stays out of its repr, and so out of logs."""

    attempt_id: UUID
    merchant_id: str
    invitation_id: UUID
    step: Step | Notice
    channel: Channel
    to_address: str = field(repr=False)
    """An e-mail address or an E.164 number, normalised; it is also where an e-mail's envelope goes."""
    to_name: str | None = field(default=None, repr=False)
    from_address: str
    """The merchant's sender address; of an SMS, its sender id or number."""
    from_name: str | None = None
    reply_to: str | None = None
    subject: str = field(repr=False)
    """Empty for an SMS."""
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """Further e-mail headers by name, such as List-Unsubscribe; providers that build the mail themselves need them."""
    message_id: str
    """RFC 5322 Message-ID with its angle brackets, the same for every try with the same bytes."""
    idempotency_key: str
    raw: bytes | None = field(default=None, repr=False)
    """The complete RFC 5322 bytes of an e-mail, every line ended by CR LF; None for an SMS."""

    own_text_version: int | None = None
    """The version of the merchant's own text that it was to be written by; None for the catalogue's."""
    own_text_fault: str | None = None
    """Why the catalogue's text took that one's place: its field and a code; None where it did not."""

    def content_hash(self) -> str:
        """SHA-256, in hexadecimal, of what leaves: an e-mail's bytes, or an SMS's text in UTF-8."""
        return sha256(self.text.encode() if self.raw is None else self.raw).hexdigest()
