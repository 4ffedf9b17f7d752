"""Figures of an account by time, step, channel, language or product; each question is one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from invite_service.domain.insight import TIMES, Cost, Dimension, Part
from invite_service.domain.listing import Span
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

MAX_PARTS: Final = 400
"""Parts of a dimension that are told: more than the days of a year; of products those with the most."""

IN_SPAN: Final = """{0} >= COALESCE($2::timestamptz, '-infinity') AND {0} < COALESCE($3::timestamptz, 'infinity')"""
"""Whether an instant is in a span, either end of which may lack."""

PART_OF_TIME: Final[Mapping[Dimension, str]] = {
    Dimension.DAY: "({0} AT TIME ZONE $4)::date",
    Dimension.WEEK: "date_trunc('week', {0} AT TIME ZONE $4)::date",
    Dimension.MONTH: "date_trunc('month', {0} AT TIME ZONE $4)::date",
}
"""The first day, in the merchant's zone, of the part that an instant is of."""

_OF_INVITATION: Final[Mapping[Dimension, str]] = {
    Dimension.CHANNEL: "i.channel",
    Dimension.LANGUAGE: "i.language",
}

_SENT: Final = """
SELECT {part} AS part, count(*)
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.first_sent_at IS NOT NULL AND {span} AND $4::text IS NOT NULL
GROUP BY 1 ORDER BY {order} LIMIT $5
"""

_SENT_BY_PRODUCT: Final = """
SELECT p.product_id AS part, count(*)
FROM invitations AS i
JOIN invitation_products AS p ON p.merchant_id = $1 AND p.invitation_id = i.id
WHERE i.merchant_id = $1 AND i.first_sent_at IS NOT NULL AND {span} AND $4::text IS NOT NULL
GROUP BY 1 ORDER BY {order} LIMIT $5
"""

_SENT_BY_STEP: Final = """
SELECT a.step AS part, count(*)
FROM attempts AS a
WHERE a.merchant_id = $1 AND a.outcome = 'accepted' AND {span} AND $4::text IS NOT NULL
GROUP BY 1 ORDER BY {order} LIMIT $5
"""

_RATINGS: Final = """
SELECT {part} AS part, count(*)
FROM ratings AS r
JOIN invitations AS i ON i.merchant_id = $1 AND i.id = r.invitation_id
WHERE r.merchant_id = $1 AND {span} AND $4::text IS NOT NULL
GROUP BY 1 ORDER BY {order} LIMIT $5
"""

# The message that the customer had seen last when the stars were left.
LAST_STEP: Final = """(
    SELECT a.step FROM attempts AS a
    WHERE a.merchant_id = $1 AND a.invitation_id = r.invitation_id AND a.outcome = 'accepted'
        AND a.asked_at <= r.created_at
    ORDER BY a.asked_at DESC, a.id DESC
    LIMIT 1
)"""

# Of an SMS sent after an answer the text knows no step of an invitation.
_COSTS: Final = """
SELECT paid.part, paid.currency, sum(paid.share), sum(paid.amount)
FROM (
    SELECT {of_attempt} AS part, a.currency, {share} AS share, a.price * {share} AS amount
    FROM attempts AS a {products}
    WHERE a.merchant_id = $1 AND a.outcome = 'accepted' AND a.price IS NOT NULL AND {span_of_attempts}
    UNION ALL
    SELECT {of_notice} AS part, n.currency, 1 AS share, n.price AS amount
    FROM notices AS n
    JOIN invitations AS i ON i.merchant_id = $1 AND i.id = n.invitation_id
    WHERE n.merchant_id = $1 AND n.status = 'sent' AND n.price IS NOT NULL AND {span_of_notices}
) AS paid
WHERE $4::text IS NOT NULL
GROUP BY 1, 2 ORDER BY {order} LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class PartCount:
    """How many there are of one part of a dimension."""

    part: Part
    count: int


class AccountInsightStore:
    """A merchant's figures by part."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count_sent(self, merchant_id: MerchantId, span: Span, by: Dimension, *, zone: str) -> Sequence[PartCount]:
        """Count the invitations whose first message left in a span, or by step the messages that did."""
        if by is Dimension.STEP:
            statement, column = _SENT_BY_STEP, "a.asked_at"
        else:
            statement, column = (_SENT_BY_PRODUCT if by is Dimension.PRODUCT else _SENT), "i.first_sent_at"
        return await self._count(merchant_id, statement, span, by, zone=zone, column=column)

    async def count_ratings(
        self, merchant_id: MerchantId, span: Span, by: Dimension, *, zone: str
    ) -> Sequence[PartCount]:
        """Count the ratings first left in a span, by step by the last message before them."""
        return await self._count(merchant_id, _RATINGS, span, by, zone=zone, column="r.created_at")

    async def list_costs(self, merchant_id: MerchantId, span: Span, by: Dimension, *, zone: str) -> Sequence[Cost]:
        """Add up what accepted messages of a span cost."""
        of_attempt = {
            Dimension.STEP: "a.step",
            Dimension.CHANNEL: "a.channel",
            Dimension.LANGUAGE: "a.language",
            Dimension.PRODUCT: "asked.product_id",
        }
        of_notice = {
            Dimension.STEP: "n.notice",
            Dimension.CHANNEL: "i.channel",
            Dimension.LANGUAGE: "i.language",
            Dimension.PRODUCT: "''",
        }
        by_product = by is Dimension.PRODUCT
        statement = _COSTS.format(
            of_attempt=PART_OF_TIME[by].format("a.asked_at") if by in TIMES else of_attempt[by],
            of_notice=PART_OF_TIME[by].format("n.created_at") if by in TIMES else of_notice[by],
            share="1.0 / cardinality(a.product_ids)" if by_product else "1",
            products="CROSS JOIN LATERAL unnest(a.product_ids) AS asked (product_id)" if by_product else "",
            span_of_attempts=IN_SPAN.format("a.asked_at"),
            span_of_notices=IN_SPAN.format("n.created_at"),
            order="1, 2" if by in TIMES else "4 DESC, 1, 2",
        )
        rows = await self._driver.fetch(statement, merchant_id, span.start, span.end, zone, MAX_PARTS)
        return [Cost(part, currency, Decimal(messages), amount) for part, currency, messages, amount in rows]

    async def _count(
        self, merchant_id: MerchantId, statement: str, span: Span, by: Dimension, *, zone: str, column: str
    ) -> Sequence[PartCount]:
        parts = {**_OF_INVITATION, Dimension.PRODUCT: "r.product_id", Dimension.STEP: LAST_STEP}
        written = statement.format(
            part=PART_OF_TIME[by].format(column) if by in TIMES else parts[by],
            span=IN_SPAN.format(column),
            order="1" if by in TIMES else "2 DESC, 1",
        )
        rows = await self._driver.fetch(written, merchant_id, span.start, span.end, zone, MAX_PARTS)
        return [PartCount(part, count) for part, count in rows if part is not None]
