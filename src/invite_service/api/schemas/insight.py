"""Figures on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, Field

from invite_service.api.schemas.fields import PARAMETERS, Answer, QueryInstant
from invite_service.services.insights import Reconciliation


class SpanParameters(BaseModel):
    """A half-open span of the instants at which orders were first accepted; either end may be left out."""

    model_config = PARAMETERS

    start: Annotated[QueryInstant | None, Field(alias="from")] = None
    """Included."""
    end: Annotated[QueryInstant | None, Field(alias="to")] = None
    """Not included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationResponse(Answer):
    """Orders by what became of them; the outcomes add up to the orders received."""

    received: int
    outcomes: Mapping[str, int]
    """invited, merged, blocked, waiting and cancelled, each always there."""
    reasons: Mapping[str, int]
    """Orders that are blocked or waiting, by reason."""

    @classmethod
    def of(cls, reconciliation: Reconciliation) -> Self:
        """Shape figures of the service."""
        return cls(
            received=reconciliation.received,
            outcomes={outcome.value: count for outcome, count in reconciliation.outcomes.items()},
            reasons={reason.value: count for reason, count in reconciliation.reasons.items()},
        )
