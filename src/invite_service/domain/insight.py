"""What figures of an account are split by, and the figures themselves."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Dimension(StrEnum):
    """What figures are split by; days, weeks (their Mondays) and months are those of the merchant's zone."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    STEP = "step"
    CHANNEL = "channel"
    LANGUAGE = "language"
    PRODUCT = "product"


TIMES: Final = frozenset({Dimension.DAY, Dimension.WEEK, Dimension.MONTH})
"""Dimensions whose parts are days of the calendar."""

Part = date | str
"""One part of a dimension: a day, a Monday, the first of a month, or a word or id."""


@dataclass(frozen=True, slots=True)
class ResponseShare:
    """How many answered of how many that were asked."""

    part: Part | None
    """None for the whole."""
    sent: int
    """Invitations whose first message left in the period; by step, messages."""
    ratings: int
    """Ratings first left in the period, whichever invitation they answer."""

    @property
    def rate(self) -> float | None:
        """Ratings received for each invitation sent, above 1 where customers rate several products; None before any."""
        return round(self.ratings / self.sent, 4) if self.sent else None


@dataclass(frozen=True, slots=True)
class Cost:
    """What accepted messages cost."""

    part: Part | None
    """None for the whole."""
    currency: str
    messages: Decimal
    """Messages that had a price; by product, each message is shared among those it asked about."""
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How far the orders received in a period have come by now; each stage is part of the one before."""

    ordered: int
    """Orders."""
    invited: int
    """Orders that are part of an invitation."""
    invitations: int
    """Their invitations, as everything below."""
    sent: int
    delivered: int
    """Those of which a provider said so; providers that tell nothing later bring none."""
    visited: int
    """Those whose page was opened, less those that only machines opened."""
    visited_by_machines: int
    """Those whose page was opened within seconds of the message's leaving, and never later."""
    rated: int
    reviewed: int


@dataclass(frozen=True, slots=True)
class FunnelPart:
    """How far one part of the orders has come."""

    part: Part
    funnel: Funnel
