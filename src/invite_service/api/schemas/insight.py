"""Figures on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Self
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from invite_service.api.schemas.fields import PARAMETERS, Answer, QueryInstant
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.listing import Span
from invite_service.services.insights import Reconciliation


class SpanParameters(BaseModel):
    """A half-open span of the instants at which orders were first accepted; either end may be left out."""

    model_config = PARAMETERS

    start: Annotated[QueryInstant | None, Field(alias="from")] = None
    """Included."""
    end: Annotated[QueryInstant | None, Field(alias="to")] = None
    """Not included, and later than the start."""

    def to_span(self) -> Span:
        """Translate to the domain; raises InvalidInputError for a span without an instant."""
        if self.start is not None and self.end is not None and self.start >= self.end:
            fault = Fault("?to", "out_of_range", "Must be later than from.")
            raise InvalidInputError("The request has faults.", faults=[fault])
        return Span(start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationLinks(Answer):
    """The calls that list the orders behind each number, as relative references; each pages by cursor."""

    received: str
    outcomes: Mapping[str, str]
    reasons: Mapping[str, str]

    @classmethod
    def of(cls, reconciliation: Reconciliation, span: Span) -> Self:
        """Write the calls for the numbers of a span."""
        return cls(
            received=_orders(span),
            outcomes={outcome.value: _orders(span, outcome=outcome) for outcome in reconciliation.outcomes},
            reasons={reason.value: _orders(span, reason=reason) for reason in reconciliation.reasons},
        )


def _orders(span: Span, **chosen: str) -> str:
    if span.start is not None:
        chosen["received_from"] = _written(span.start)
    if span.end is not None:
        chosen["received_to"] = _written(span.end)
    return f"/v1/orders?{urlencode(chosen, safe=':')}" if chosen else "/v1/orders"


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationResponse(Answer):
    """Orders by what became of them; the outcomes add up to the orders received."""

    received: int
    outcomes: Mapping[str, int]
    """invited, merged, blocked, waiting and cancelled, each always there."""
    reasons: Mapping[str, int]
    """Orders that are blocked or waiting, by reason."""
    links: ReconciliationLinks

    @classmethod
    def of(cls, reconciliation: Reconciliation, span: Span) -> Self:
        """Shape figures of the service about a span."""
        return cls(
            received=reconciliation.received,
            outcomes={outcome.value: count for outcome, count in reconciliation.outcomes.items()},
            reasons={reason.value: count for reason, count in reconciliation.reasons.items()},
            links=ReconciliationLinks.of(reconciliation, span),
        )
