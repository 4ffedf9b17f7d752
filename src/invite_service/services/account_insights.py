"""How an account does: response rate, funnel and costs, whole and by part."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from invite_service.domain.insight import TIMES, Cost, Dimension, Funnel, FunnelPart, Part, ResponseShare
from invite_service.domain.listing import Span
from invite_service.domain.merchant import Merchant
from invite_service.rules.zones import load_zone
from invite_service.storage.account_insights import MAX_PARTS
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores


@dataclass(frozen=True, slots=True)
class ResponseRate:
    """The response rate of a period, whole and by part."""

    whole: ResponseShare
    parts: Sequence[ResponseShare]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a period cost, by currency, whole and by part."""

    whole: Sequence[Cost]
    parts: Sequence[Cost]


class AccountInsightService:
    """Reads how an account does. Periods are half-open spans on the merchant's clock, either end of which may lack."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def response_rate(self, merchant: Merchant, span: Span, *, by: Dimension) -> ResponseRate:
        """Tell ratings received for each invitation sent in a period, first and second message as one."""
        days = _days_of(span, merchant.time_zone)
        if days is None:
            async with self._database.autocommit() as stores:
                return await _count_each(stores, merchant, span, by)
        unit = by if by in TIMES else Dimension.MONTH
        # Planned once: planning for each period anew takes as long as reading what was counted.
        async with self._database.autocommit(by_key=True) as stores:
            *parts, whole = await stores.response_periods.read(merchant.id, *days, unit=unit, limit=MAX_PARTS)
        if by in TIMES:
            return ResponseRate(ResponseShare(*whole), [ResponseShare(*part) for part in parts])
        async with self._database.autocommit() as stores:
            shares = await _parts(stores, merchant, span, by)
        return ResponseRate(ResponseShare(*whole), shares)

    async def funnel(self, merchant: Merchant, span: Span) -> Funnel:
        """Follow the orders first accepted in a period to where they are now."""
        async with self._database.autocommit() as stores:
            return await stores.funnels.read(merchant.id, span)

    async def funnel_parts(self, merchant: Merchant, span: Span, *, by: Dimension) -> Sequence[FunnelPart]:
        """Follow the same orders part by part."""
        async with self._database.autocommit() as stores:
            return await stores.funnels.list_parts(merchant.id, span, by, zone=merchant.time_zone)

    async def costs(self, merchant: Merchant, span: Span, *, by: Dimension) -> Costs:
        """Add up what messages cost that providers accepted in a period."""
        async with self._database.autocommit() as stores:
            insights, zone = stores.account_insights, merchant.time_zone
            parts = await insights.list_costs(merchant.id, span, by, zone=zone)
            of_channels = await insights.list_costs(merchant.id, span, Dimension.CHANNEL, zone=zone)
        whole: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for cost in of_channels:
            whole[cost.currency][0] += cost.messages
            whole[cost.currency][1] += cost.amount
        return Costs([Cost(None, currency, *sums) for currency, sums in sorted(whole.items())], parts)


def _days_of(span: Span, zone: str) -> tuple[date | None, date | None] | None:
    """Tell the first day of a span and the first after it, None for an end that lacks; None where it cuts a day."""
    instants = [
        instant.astimezone(load_zone(zone)) if instant is not None else None for instant in (span.start, span.end)
    ]
    # A midnight that comes twice, when clocks go back to it, begins the day at the first alone.
    if any(instant is not None and (instant.time() != time.min or instant.fold) for instant in instants):
        return None
    start, end = (instant.date() if instant is not None else None for instant in instants)
    return start, end


async def _count_each(stores: Stores, merchant: Merchant, span: Span, by: Dimension) -> ResponseRate:
    """Count invitations and ratings one by one."""
    shares = await _parts(stores, merchant, span, by)
    # Products and steps are counted several times for one invitation: the whole is not their sum.
    every = shares if by is Dimension.CHANNEL else await _parts(stores, merchant, span, Dimension.CHANNEL)
    whole = ResponseShare(None, sum(share.sent for share in every), sum(share.ratings for share in every))
    return ResponseRate(whole, shares)


async def _parts(stores: Stores, merchant: Merchant, span: Span, by: Dimension) -> Sequence[ResponseShare]:
    insights, zone = stores.account_insights, merchant.time_zone
    sent = await insights.count_sent(merchant.id, span, by, zone=zone)
    ratings = await insights.count_ratings(merchant.id, span, by, zone=zone)
    counts: defaultdict[Part, list[int]] = defaultdict(lambda: [0, 0])
    for place, found in enumerate((sent, ratings)):
        for count in found:
            counts[count.part][place] += count.count
    shares = [ResponseShare(part, *both) for part, both in counts.items()]
    if by in TIMES:
        shares.sort(key=lambda share: str(share.part))
    return shares
