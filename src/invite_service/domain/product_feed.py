"""Reviews as Google's product-review feed tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BoughtCodes:
    """The codes of what a customer bought of a product: one order line."""

    gtin: str | None
    mpn: str | None
    skus: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReview:
    """A published review of a product, with what the product can be recognised by."""

    id: UUID
    invitation_id: UUID
    product_id: str
    stars: int
    created_at: datetime
    """When the customer left the stars, on the merchant's clock."""
    text: str
    displayed_name: str
    """"" for none."""
    language: str
    picture_ids: Sequence[UUID]
    has_voucher: bool
    """An order that it is about carried a voucher for whoever writes a review."""
    product_name: str | None
    product_url: str | None
    brand: str | None
    codes: Sequence[BoughtCodes]
