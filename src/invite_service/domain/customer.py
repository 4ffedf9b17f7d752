"""Customers as they may ask about themselves: what was erased of one, and who that was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What an erasure found and took away; of the customer it tells nothing."""

    id: UUID
    erased_at: datetime
    """On the merchant's clock."""
    erased_by: str
    keeps_reviews: bool
    """Whether texts stay to be read, without a name."""
    contacts: int
    """Addresses and numbers that are never written to again."""
    orders: int
    invitations: int
    ratings: int
    """Ratings that were found; their stars stay counted."""
    reviews: int
    """Texts taken away."""
    pictures: int

    @property
    def found_nothing(self) -> bool:
        """Whether nothing was left to be erased."""
        return not (self.orders or self.invitations or self.reviews or self.pictures)


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """Everything that is kept of a customer, by what it is: rows as they are stored, without what is ours alone."""

    exported_at: datetime
    """On the merchant's clock."""
    parts: Mapping[str, Sequence[Mapping[str, Any]]] = field(repr=False)
