"""How a merchant's reviews are collected and checked, and what became of them: what its public review policy says.

Everything is taken from what is configured and counted; nothing of it is a text that somebody could forget to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from invite_service.domain.feedback import PublishState, RatedKind
from invite_service.domain.publishing import Approval, HoldScope, PublishingSettings, RejectReason
from invite_service.rules.averages import CountsByState, StarCounts, total

_SHARE_PLACES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """What is configured of a merchant's reviews, and what was counted."""

    settings: PublishingSettings
    is_drawn: bool
    """Chance decides who is asked about the products and who about the service."""
    gives_vouchers: bool
    """Some order brought a voucher that followed a review."""
    stars: Mapping[RatedKind, CountsByState]
    texts: Mapping[RatedKind, CountsByState]
    """A text stands as it can be seen: one whose stars are not published as these do."""
    rejected: Mapping[RejectReason, int]
    """Ratings of which stars or text were rejected, by why."""

    @property
    def holds_low_ratings_only(self) -> bool:
        """Whether low ratings are seen later than others."""
        scope = self.settings.support_hold_scope
        return self.settings.approval is Approval.SUPPORT_TRIGGER and scope is HoldScope.LOW_RATINGS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some ratings or texts."""

    counts: Mapping[PublishState, int]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def share(self, state: PublishState) -> float:
        """Tell which part stands so, 0 to 1 to four decimal places; 0 of none."""
        return round(self.counts[state] / self.total, _SHARE_PLACES) if self.total else 0.0


def outcomes_by_stars(counts: Mapping[RatedKind, CountsByState]) -> list[Outcome]:
    """Tell what became of those with one star, two stars, and so on to five, products and service together."""
    by_state = {state: total(of_kind.get(state, StarCounts()) for of_kind in counts.values()) for state in PublishState}
    return [Outcome({state: stars[place] for state, stars in by_state.items()}) for place in range(len(StarCounts()))]
