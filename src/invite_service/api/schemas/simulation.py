"""Simulations on the wire: the period and the changed policy, progress, orders that change, and the result."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer, Instant, Money
from invite_service.api.schemas.policy import PolicyPatch
from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Kind
from invite_service.domain.order import OrderOutcome
from invite_service.rules.simulation import Fate
from invite_service.services.simulations import (
    ChangedFate,
    Progress,
    SideSummary,
    SimulationNews,
    SimulationResult,
)

MAX_NAMED: Final = 100
"""Orders that a result names of each change; the stream names all of them."""


class SimulationRequest(BaseModel):
    """Which recorded orders are replayed, and which settings are changed for it."""

    model_config = ConfigDict(**STRICT, populate_by_name=False)

    start: Instant = Field(alias="from")
    """First acceptance of the orders, on the merchant's clock."""
    end: Instant = Field(alias="to")
    """Not included."""
    policy: PolicyPatch = Field(default_factory=PolicyPatch)
    """The settings that differ from the current policy."""

    @field_validator("end")
    @classmethod
    def _ends_after_start(cls, end: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start is not None and start >= end:
            raise PydanticCustomError("out_of_range", "Must be later than from.")
        return end


SIMULATION: Final = TypeAdapter(SimulationRequest)
"""Validates a simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FateResponse(Answer):
    """What becomes of an order."""

    outcome: OrderOutcome
    reason: Reason | None
    kind: Kind | None
    """Of its invitation."""

    @classmethod
    def of(cls, fate: Fate) -> Self:
        """Shape a fate."""
        return cls(outcome=fate.outcome, reason=fate.reason, kind=fate.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideResponse(Answer):
    """What one policy makes of the orders; days and hours are those of the merchant's zone."""

    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    messages: Mapping[str, Mapping[str, int]]
    """Messages that would leave, by step and channel."""
    sms_cost: Money
    sms_currency: str
    load_by_day: Mapping[str, int]
    load_by_hour: Mapping[str, int]

    @classmethod
    def of(cls, side: SideSummary) -> Self:
        """Shape a side."""
        messages: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (step, channel), count in side.messages.items():
            messages[step][channel.value] = count
        return cls(
            outcomes={outcome.value: count for outcome, count in side.outcomes.items()},
            reasons={reason.value: count for reason, count in side.reasons.items()},
            messages=dict(messages),
            sms_cost=side.sms_cost.amount,
            sms_currency=side.sms_cost.currency,
            load_by_day={day.isoformat(): count for day, count in side.load_by_day.items()},
            load_by_hour={str(hour): count for hour, count in side.load_by_hour.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResponse(Answer):
    """Orders that become something else in the same way."""

    before: FateResponse
    after: FateResponse
    orders: int
    order_ids: Sequence[str]
    """The first hundred of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResponse(Answer):
    """Both sides of a simulation."""

    orders: int
    before: SideResponse
    """Under the current policy."""
    after: SideResponse
    """Under the changed one."""
    changed: int
    """Orders whose outcome, reason or kind differs."""
    changes: Sequence[ChangeResponse]
    unreadable_events: int
    """Recorded events that cannot be read any more; left out on both sides."""


@dataclass(slots=True)
class NamedChanges:
    """The first orders of each change, collected while a simulation tells them."""

    by_change: dict[tuple[Fate, Fate], list[str]] = field(default_factory=dict)

    def take(self, change: ChangedFate) -> None:
        """Remember an order, unless enough like it are remembered."""
        named = self.by_change.setdefault((change.before, change.after), [])
        if len(named) < MAX_NAMED:
            named.append(change.order_id)

    def result(self, result: SimulationResult) -> SimulationResponse:
        """Shape the result with them; the most frequent change comes first."""
        return SimulationResponse(
            orders=result.orders,
            before=SideResponse.of(result.before),
            after=SideResponse.of(result.after),
            changed=sum(result.changes.values()),
            changes=list(self._changes(result.changes)),
            unreadable_events=result.unreadable,
        )

    def _changes(self, counts: Mapping[tuple[Fate, Fate], int]) -> Iterable[ChangeResponse]:
        for (before, after), count in sorted(counts.items(), key=lambda item: -item[1]):
            yield ChangeResponse(
                before=FateResponse.of(before),
                after=FateResponse.of(after),
                orders=count,
                order_ids=self.by_change.get((before, after), ()),
            )


def line_of(news: SimulationNews, named: NamedChanges) -> dict[str, Any]:
    """Shape one line of the stream: `progress`, `changed` or `result`."""
    match news:
        case Progress(done=done, total=total):
            return {"progress": {"done": done, "total": total}}
        case ChangedFate(order_id=order_id, before=before, after=after):
            return {
                "changed": {"order_id": order_id, "before": FateResponse.of(before), "after": FateResponse.of(after)}
            }
        case _:
            return {"result": named.result(news)}
