"""Simulations: recorded orders replayed under the current policy and under a changed one, side by side.

Nothing is stored or sent. Both sides go through the same pure rules that decide for real, so that the same policy on
both sides gives no difference.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from sys import intern
from typing import Any, Final

from invite_service.domain.channel import UNSET_CHANNEL, Price
from invite_service.domain.decision import Reason
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import UNSET, OrderEvent, OrderLine, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.values import replace
from invite_service.rules.simulation import Fate, MessageTally, SideBySide
from invite_service.storage.database import Database
from invite_service.storage.recorded_events import RecordedOrders

MAX_ORDERS: Final = 200_000
"""Orders of one simulation: it holds them in memory."""

READ_AT_ONCE: Final = 500
"""Orders read from the record in one go."""

WORK_SECONDS: Final = 0.005
"""How long a simulation computes before it lets the process answer others."""

TOLD_AT_ONCE: Final = 500
"""Orders replayed from one progress to the next."""

ReadEvent = Callable[[Mapping[str, Any]], OrderEvent]
"""Reads a recorded body as it was read when it was posted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come, in orders: one that was read and not yet replayed counts half."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChangedFate:
    """An order that would have become something else."""

    order_id: str
    before: Fate
    after: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSummary:
    """What one policy makes of the orders. Days and hours are those of the merchant's zone."""

    outcomes: Mapping[OrderOutcome, int]
    reasons: Mapping[Reason, int]
    messages: Mapping[tuple[str, Channel], int]
    """Messages that leave, by step and channel."""
    sms_cost: Price
    """Of all SMS together, at what one costs the merchant now."""
    load_by_day: Mapping[date, int]
    load_by_hour: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """Both sides, and how many orders change from what into what."""

    orders: int
    before: SideSummary
    after: SideSummary
    changes: Mapping[tuple[Fate, Fate], int]
    unreadable: int = 0
    """Recorded events that cannot be read any more, and were left out on both sides."""


@dataclass(slots=True)
class _Sides:
    both: SideBySide
    unreadable: int = 0


@dataclass(slots=True)
class _Pace:
    """Lets others have their turn after every few milliseconds of work."""

    until: float = field(default_factory=lambda: asyncio.get_running_loop().time() + WORK_SECONDS)

    async def keep(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() > self.until:
            await asyncio.sleep(0)
            self.until = loop.time() + WORK_SECONDS


SimulationNews = Progress | ChangedFate | SimulationResult
"""What a simulation tells: progress on the way, then each order that changes, then the result."""


class SimulationService:
    """Replays recorded orders."""

    def __init__(self, database: Database, *, max_orders: int = MAX_ORDERS) -> None:
        self._database = database
        self._max_orders = max_orders

    async def count(self, merchant: Merchant, *, start: datetime, end: datetime) -> int:
        """Count the orders first accepted in a half-open span (merchant's clock).

        Raises:
            InvalidInputError: they are more than one simulation takes.
        """
        async with self._database.autocommit() as stores:
            total = await stores.recorded_events.count_orders(
                merchant.id, start=start, end=end, at_most=self._max_orders + 1
            )
        if total > self._max_orders:
            detail = f"The period holds more than {self._max_orders} orders; choose a shorter one."
            raise InvalidInputError("The body has faults.", faults=[Fault("/to", "out_of_range", detail)])
        return total

    async def run(
        self,
        merchant: Merchant,
        *,
        current: Policy,
        changed: Policy,
        start: datetime,
        end: datetime,
        total: int,
        read_event: ReadEvent,
    ) -> AsyncIterator[SimulationNews]:
        """Replay the orders first accepted in a half-open span, with all their events, under both policies.

        Ends when it is closed or cancelled; nothing is left behind. The history before the span is not part of it.
        """
        sides = _Sides(SideBySide(merchant, (current, changed)))
        sms_price = await self._read_sms_price(merchant)
        pace = _Pace()
        yield Progress(0, total)
        read = 0
        async for read in self._read_orders(merchant, sides, pace, start=start, end=end, read_event=read_event):
            yield Progress(read // 2, total)
        told = 0
        for replayed in sides.both.replay():
            await pace.keep()
            if told + TOLD_AT_ONCE <= replayed < read:
                told = replayed
                yield Progress((read + replayed) // 2, total)
        yield Progress(read, total)
        before_side, after_side = sides.both.sides
        changes: Counter[tuple[Fate, Fate]] = Counter()
        fates: tuple[Counter[Fate], Counter[Fate]] = (Counter(), Counter())
        for order_id in sides.both.order_ids:
            before, after = before_side.fates[order_id], after_side.fates[order_id]
            fates[0][before] += 1
            fates[1][after] += 1
            if before != after:
                changes[before, after] += 1
                yield ChangedFate(order_id, before, after)
            await pace.keep()
        yield SimulationResult(
            orders=fates[0].total(),
            before=_summarize(fates[0], before_side.messages, sms_price=sms_price),
            after=_summarize(fates[1], after_side.messages, sms_price=sms_price),
            changes=changes,
            unreadable=sides.unreadable,
        )

    async def _read_orders(
        self,
        merchant: Merchant,
        sides: _Sides,
        pace: _Pace,
        *,
        start: datetime,
        end: datetime,
        read_event: ReadEvent,
    ) -> AsyncIterator[int]:
        """Read the orders of a span with all their events, and tell how many have been read."""
        read = 0
        beyond = (start, "")
        while page := await self._read(merchant, beyond=beyond, end=end):
            beyond = page.last
            for recorded in sorted(page.events):
                try:
                    event = _without_texts(read_event(recorded.body))
                except InvalidInputError:
                    sides.unreadable += 1
                else:
                    sides.both.take(event, accepted_at=recorded.accepted_at)
                await pace.keep()
            read += page.order_count
            yield read

    async def _read_sms_price(self, merchant: Merchant) -> Price:
        async with self._database.autocommit() as stores:
            channels = await stores.channels.read(merchant.id)
        return channels.get(Channel.SMS, UNSET_CHANNEL).settings.price_of_sms

    async def _read(self, merchant: Merchant, *, beyond: tuple[datetime, str], end: datetime) -> RecordedOrders | None:
        async with self._database.autocommit() as stores:
            return await stores.recorded_events.read(merchant.id, beyond=beyond, end=end, size=READ_AT_ONCE)


def _without_texts(event: OrderEvent) -> OrderEvent:
    """Leave of the products what rules look at; the rest would be a fifth of a simulation's memory."""
    if event.lines is UNSET:
        return event
    lines = [
        # The ids and categories of a shop are few, and each is kept once.
        OrderLine(
            id=intern(line.id),
            category=intern(line.category) if line.category is not None else None,
            returned=line.returned,
        )
        for line in event.lines
    ]
    return replace(event, lines=tuple(lines))


def _summarize(fates: Mapping[Fate, int], messages: MessageTally, *, sms_price: Price) -> SideSummary:
    outcomes = Counter(dict.fromkeys(OrderOutcome, 0))
    reasons: Counter[Reason] = Counter()
    for fate, count in fates.items():
        outcomes[fate.outcome] += count
        if fate.reason is not None:
            reasons[fate.reason] += count
    by_step = {(step.value, channel): count for (step, channel), count in sorted(messages.by_step.items())}
    sms = sum(count for (_, channel), count in by_step.items() if channel is Channel.SMS)
    return SideSummary(
        outcomes=dict(outcomes),
        reasons=dict(sorted(reasons.items())),
        messages=by_step,
        sms_cost=Price(sms * sms_price.amount, sms_price.currency),
        load_by_day=dict(sorted(messages.by_day.items())),
        load_by_hour=dict(sorted(messages.by_hour.items())),
    )
