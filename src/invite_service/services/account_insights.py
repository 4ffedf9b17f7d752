"""How an account does: response rate, funnel and costs, whole and by part."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from invite_service.domain.insight import TIMES, Cost, Dimension, Funnel, Part, ResponseShare
from invite_service.domain.listing import Span
from invite_service.domain.merchant import Merchant
from invite_service.storage.database import Database


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
        async with self._database.autocommit() as stores:
            insights, zone = stores.account_insights, merchant.time_zone
            sent = await insights.count_sent(merchant.id, span, by, zone=zone)
            ratings = await insights.count_ratings(merchant.id, span, by, zone=zone)
            # Products and steps are counted several times for one invitation: the whole is not their sum.
            of_channels = (
                sent
                if by is Dimension.CHANNEL
                else await insights.count_sent(merchant.id, span, Dimension.CHANNEL, zone=zone)
            )
            rated = (
                ratings
                if by is Dimension.CHANNEL
                else await insights.count_ratings(merchant.id, span, Dimension.CHANNEL, zone=zone)
            )
        counts: defaultdict[Part, list[int]] = defaultdict(lambda: [0, 0])
        for place, found in enumerate((sent, ratings)):
            for count in found:
                counts[count.part][place] += count.count
        parts = [ResponseShare(part, *both) for part, both in counts.items()]
        if by in TIMES:
            parts.sort(key=lambda share: str(share.part))
        whole = ResponseShare(None, sum(count.count for count in of_channels), sum(count.count for count in rated))
        return ResponseRate(whole, parts)

    async def funnel(self, merchant: Merchant, span: Span) -> Funnel:
        """Follow the orders first accepted in a period to where they are now."""
        async with self._database.autocommit() as stores:
            return await stores.account_insights.read_funnel(merchant.id, span)

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
