"""How an account does, on the wire."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from invite_service.api.schemas.fields import Answer, Money
from invite_service.api.schemas.insight import SpanParameters
from invite_service.domain.decision import JsonFigure
from invite_service.domain.insight import Cost, Dimension, Funnel, FunnelPart, Part, ResponseShare
from invite_service.rules.account_health import HealthCheck, HealthStatus
from invite_service.services.account_insights import Costs, ResponseRate


class PartParameters(SpanParameters):
    """Which period, and what it is split by."""

    by: Dimension = Dimension.DAY
    """Days, weeks (their Mondays) and months are those of the merchant's zone."""


class FunnelParameters(SpanParameters):
    """Which period, and what it is split by."""

    by: Dimension | None = None
    """Left out: the whole alone. Days are those on which orders were received."""


def written_part(part: Part | None) -> str:
    """Write a part as JSON and CSV have it; that of the whole is empty, that of the service as well."""
    return "" if part is None else str(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseShareResponse(Answer):
    """How many answered of how many that were asked."""

    part: str
    sent: int
    """Invitations whose first message left in the period, first and second message as one; by step, messages."""
    ratings: int
    """Ratings first left in the period, whichever invitation they answer."""
    rate: float | None
    """ratings / sent: above 1 where customers rate several products; null before any was sent."""

    @classmethod
    def of(cls, share: ResponseShare) -> Self:
        """Shape a share of the domain."""
        return cls(part=written_part(share.part), sent=share.sent, ratings=share.ratings, rate=share.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRateResponse(Answer):
    """The response rate of a period."""

    by: Dimension
    sent: int
    ratings: int
    rate: float | None
    items: Sequence[ResponseShareResponse]
    """By time in order; else those with the most first, at most 400."""

    @classmethod
    def of(cls, rate: ResponseRate, by: Dimension) -> Self:
        """Shape what the service counted."""
        return cls(
            by=by,
            sent=rate.whole.sent,
            ratings=rate.whole.ratings,
            rate=rate.whole.rate,
            items=[ResponseShareResponse.of(share) for share in rate.parts],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelResponse(Answer):
    """How far the orders received in a period have come by now."""

    ordered: int
    """Orders."""
    invited: int
    """Orders that are part of an invitation."""
    invitations: int
    """Their invitations, as everything below."""
    sent: int
    delivered: int
    """Those of which a provider said so; not every provider tells."""
    visited: int
    """Those whose page people opened, or who rated."""
    visited_by_machines: int
    """Those whose page was opened within ten seconds of the message's leaving, and never later."""
    rated: int
    reviewed: int

    @classmethod
    def of(cls, funnel: Funnel) -> Self:
        """Shape what the service counted."""
        return cls(**_stages(funnel))


def _stages(funnel: Funnel) -> dict[str, int]:
    return {name: getattr(funnel, name) for name in FunnelResponse.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResponse(Answer):
    """One stage of the funnel, as CSV has it."""

    stage: str
    count: int

    @classmethod
    def all_of(cls, funnel: FunnelResponse) -> list[Self]:
        """List the stages from the first to the last."""
        return [cls(stage=name, count=getattr(funnel, name)) for name in FunnelResponse.__dataclass_fields__]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelPartResponse(FunnelResponse):
    """How far one part of the orders has come."""

    part: str
    """By time the day on which the order, or the first of an invitation's orders, was received. Empty: orders without
    an invitation, by product those without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelByPartResponse(FunnelResponse):
    """How far the orders received in a period have come by now, whole and by part."""

    by: Dimension
    items: Sequence[FunnelPartResponse]
    """By time in order; else those with the most orders first, at most 400. By step and product an order is counted
    once for each, so that they do not add up to the whole."""

    @classmethod
    def of_parts(cls, funnel: Funnel, parts: Sequence[FunnelPart], by: Dimension) -> Self:
        """Shape the whole and its parts."""
        items = [FunnelPartResponse(part=written_part(found.part), **_stages(found.funnel)) for found in parts]
        return cls(by=by, items=items, **_stages(funnel))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostResponse(Answer):
    """What accepted messages cost in one currency."""

    part: str
    currency: str
    messages: Money
    """Messages that had a price; by product each is shared among those it asked about."""
    amount: Money

    @classmethod
    def of(cls, cost: Cost) -> Self:
        """Shape a cost of the domain."""
        return cls(
            part=written_part(cost.part),
            currency=cost.currency,
            messages=round(cost.messages, 2).normalize() + 0,
            amount=round(cost.amount, 4).normalize() + 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostsResponse(Answer):
    """What messages cost that providers accepted in a period."""

    by: Dimension
    totals: Sequence[CostResponse]
    """By currency."""
    items: Sequence[CostResponse]
    """By time in order; else the most costly first, at most 400."""

    @classmethod
    def of(cls, costs: Costs, by: Dimension) -> Self:
        """Shape what the service added up."""
        return cls(by=by, totals=_costs(costs.whole), items=_costs(costs.parts))


def _costs(costs: Iterable[Cost]) -> list[CostResponse]:
    return [CostResponse.of(cost) for cost in costs]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckResponse(Answer):
    """One check of the account."""

    id: str
    status: HealthStatus
    figures: Mapping[str, JsonFigure]
    detail: str
    """The reason, in words."""
    see: str
    """The call that shows more, as a relative reference."""

    @classmethod
    def of(cls, check: HealthCheck) -> Self:
        """Shape a check of the domain."""
        return cls(id=check.id, status=check.status, figures=check.figures, detail=check.detail, see=check.see)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealthResponse(Answer):
    """The account's self-check."""

    checks: Sequence[HealthCheckResponse]
    """Always the same ones, in the same order."""

    @classmethod
    def of(cls, checks: Iterable[HealthCheck]) -> Self:
        """Shape the checks."""
        return cls(checks=[HealthCheckResponse.of(check) for check in checks])
