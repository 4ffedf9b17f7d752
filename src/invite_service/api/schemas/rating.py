"""What ratings add up to, on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from invite_service.api.schemas.fields import Answer
from invite_service.rules.averages import StarCounts
from invite_service.services.ratings import RatingSummary, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsResponse(Answer):
    """Stars, counted."""

    count: int
    average: float | None
    """Rounded to two decimal places; null where there is no rating."""
    distribution: Mapping[str, int]
    """Ratings by number of stars, "1" to "5"."""

    @classmethod
    def of(cls, counts: StarCounts) -> Self:
        """Shape counts of the domain."""
        distribution = {str(stars): count for stars, count in enumerate(counts, start=1)}
        return cls(count=counts.rating_count, average=counts.average, distribution=distribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingResponse(Answer):
    """Stars by how they stand; rejected ones are in neither."""

    published: StarsResponse
    pending: StarsResponse
    """Pending, and those that need attention."""

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Shape what the service counted."""
        return cls(published=StarsResponse.of(standing.published), pending=StarsResponse.of(standing.pending))


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingSummaryResponse(Answer):
    """The stars of products, and of the service."""

    product: StandingResponse
    service: StandingResponse

    @classmethod
    def of(cls, summary: RatingSummary) -> Self:
        """Shape what the service counted."""
        return cls(product=StandingResponse.of(summary.product), service=StandingResponse.of(summary.service))
