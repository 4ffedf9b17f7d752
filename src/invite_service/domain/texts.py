"""Merchants' own texts: which messages and pages can have them, and one as it was saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

FieldValue = str | tuple[str, ...]
"""The Liquid template of a field, or of each paragraph of a body."""


class TextName(StrEnum):
    """The texts a merchant may write (DESIGN.md section 7)."""

    PRODUCT_1 = "product_1"
    PRODUCT_2 = "product_2"
    SERVICE = "service"
    PRODUCT_SMS = "product_sms"
    SERVICE_SMS = "service_sms"
    PAGE = "page"
    NOT_RECEIVED = "not_received"
    REPLY_NOTICE = "reply_notice"
    VOUCHER = "voucher"


class FixedText(StrEnum):
    """Messages in the catalogue's words alone: previews show them, nobody writes them anew."""

    SUPPORT_NOTICE = "support_notice"
    SUPPORT_ALERT = "support_alert"


class AsksFor(StrEnum):
    """What the first e-mail about products asks for."""

    DELIVERY = "delivery"
    """Whether the order has arrived."""
    STARS = "stars"


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantText:
    """One text in one language; what it has no field of is written as the catalogue does."""

    name: TextName
    language: str
    version: int = 0
    """0: never set. Versions count all changes of the merchant's texts, so that a later one is higher."""
    fields: Mapping[str, FieldValue] = field(default_factory=dict, repr=False)
    asks_for: AsksFor = AsksFor.DELIVERY
    """Of product_1; the others have nothing to choose."""
    changed_at: datetime | None = None
    """On the merchant's clock."""
    changed_by: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything differs from the catalogue; a deleted text is one where nothing does."""
        return bool(self.fields) or self.asks_for is not AsksFor.DELIVERY
