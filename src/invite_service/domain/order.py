"""Orders: what a shop posts (an event) and what is known after folding the events (the order)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, Literal
from uuid import UUID

from invite_service.domain.decision import Reason, TraceEntry
from invite_service.domain.values import quick


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""A field the event did not carry: it keeps its stored value (RULES.md section 5)."""

UnsetType = Literal[Unset.UNSET]
"""For annotations."""


class OrderOutcome(StrEnum):
    """What became of an order; each order has exactly one at any time (RULES.md section 3)."""

    INVITED = "invited"
    MERGED = "merged"
    BLOCKED = "blocked"
    WAITING = "waiting"
    CANCELLED = "cancelled"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """A bought product. `id` is the merchant's own, shared by all variants."""

    id: str
    name: str | None = None
    url: str | None = None
    image_url: str | None = None
    brand: str | None = None
    sku: tuple[str, ...] = ()
    gtin: str | None = None
    mpn: str | None = None
    category: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    variant_id: str | None = None
    variant_name: str | None = None
    returned: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """What a shop posted, checked and typed; fields it did not carry are UNSET, cleared ones None or ()."""

    order_id: str
    status: str | UnsetType | None = UNSET
    updated_at: datetime | UnsetType | None = UNSET
    purchased_at: datetime | UnsetType | None = UNSET
    shipped_at: datetime | UnsetType | None = UNSET
    delivered_at: datetime | UnsetType | None = UNSET
    customer_id: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    """As posted, not yet read as a contact."""
    name: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    """As posted, not yet read as a contact."""
    language: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    time_zone: str | UnsetType | None = UNSET
    consent: bool | UnsetType | None = UNSET
    lines: tuple[OrderLine, ...] | UnsetType = UNSET
    attributes: tuple[str, ...] | UnsetType = UNSET
    discount_code: str | UnsetType | None = UNSET
    discount_description: str | UnsetType | None = UNSET


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as folded from its events, with what was decided. Instants are aware, on the merchant's clock."""

    order_id: str
    status: str | None = None
    updated_at: datetime | None = None
    purchased_at: datetime
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    email: str | None = None
    """Normalised contact, or None when absent or unreadable."""
    phone: str | None = None
    """E.164 number that can take SMS, or None."""
    email_fault: str | None = None
    """Why a posted e-mail address counts as absent."""
    phone_fault: str | None = None
    """Why a posted phone number counts as absent."""
    language: str | None = None
    country: str | None = None
    time_zone: str | None = None
    consent: bool | None = None
    lines: tuple[OrderLine, ...] = ()
    attributes: tuple[str, ...] = ()
    discount_code: str | None = None
    discount_description: str | None = None
    received_at: datetime
    """When its first event was accepted."""
    triggered_at: datetime | None = None
    """When the triggering event was accepted: the origin `scheduled`."""
    on_hold: bool = False
    outcome: OrderOutcome = OrderOutcome.WAITING
    reason: Reason | None = None
    eligible_at: datetime | None = None
    """From when on a purchase would be allowed again; this order stays blocked."""
    invitation_id: UUID | None = None
    trace: tuple[TraceEntry, ...] = ()
    version: int = 0
    """0 before the order was ever stored; counts up with every stored change."""

    @property
    def is_live(self) -> bool:
        """Whether it is not cancelled."""
        return self.outcome is not OrderOutcome.CANCELLED

    @property
    def contacts(self) -> tuple[str, ...]:
        """Its normalised contacts, e-mail first."""
        if self.phone is None:
            return () if self.email is None else (self.email,)
        return (self.phone,) if self.email is None else (self.email, self.phone)
