"""Counting stars: distributions and averages (RULES.md section 9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from invite_service.domain.feedback import PublishState


class StarCounts(NamedTuple):
    """How many ratings have one star, two stars, and so on to five."""

    one: int = 0
    two: int = 0
    three: int = 0
    four: int = 0
    five: int = 0

    @property
    def rating_count(self) -> int:
        """How many ratings there are."""
        return sum(self)

    @property
    def average(self) -> float | None:
        """The average, rounded half up to two decimal places; None where there is no rating."""
        if self.rating_count == 0:
            return None
        stars = sum(stars * times for stars, times in enumerate(self, start=1))
        return (200 * stars + self.rating_count) // (2 * self.rating_count) / 100


CountsByState = Mapping[PublishState, StarCounts]
"""Stars by how they, or the texts that go with them, stand."""


def total(counts: Iterable[StarCounts]) -> StarCounts:
    """Add distributions up."""
    columns = zip(*counts, strict=True)
    return StarCounts(*(sum(column) for column in columns))


@dataclass(frozen=True, slots=True)
class PublicStanding:
    """What the public sees of a product, or of the service, on the whole."""

    version: int
    """Grows with every change of what may be seen of it; 0 before the first."""
    stars: StarCounts
    """Of the published ratings."""
    texts: StarCounts
    """Of the published texts, by the stars that go with them."""
