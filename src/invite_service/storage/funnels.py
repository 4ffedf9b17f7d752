"""From orders to reviews, whole and by part: the orders received in a period, and how far they have come by now.

By time an invitation belongs to the day on which the first of its orders was received. Channel and language are those
of the invitation; orders without one are of the part that has no name. By step each message is followed for itself, by
product each product: there an order, or an invitation, is counted once for each, and the whole is not their sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from invite_service.domain.insight import TIMES, Dimension, Funnel, FunnelPart
from invite_service.domain.listing import Span
from invite_service.domain.merchant import MerchantId
from invite_service.storage.account_insights import IN_SPAN, LAST_STEP, MAX_PARTS, PART_OF_TIME
from invite_service.storage.driver import Driver

MACHINE_SECONDS: Final = 10
"""A page opened this soon after its message left was opened by a scanner: people read first."""

_STAGES: Final = tuple(field.name for field in fields(Funnel))

# How far an invitation, `asked`, has come; what stands in braces narrows it down to a part.
_REACHED: Final = f"""
        EXISTS (
            SELECT FROM attempts AS a
            WHERE a.merchant_id = $1 AND a.invitation_id = asked.id AND a.delivery = 'delivered' {{of_attempt}}
        ) AS is_delivered,
        EXISTS (
            SELECT FROM timeline_entries AS t
            WHERE t.merchant_id = $1 AND t.invitation_id = asked.id AND t.event = 'page_viewed' {{of_view}}
        ) AS is_visited,
        EXISTS (
            SELECT FROM timeline_entries AS t
            WHERE t.merchant_id = $1 AND t.invitation_id = asked.id AND t.event = 'page_viewed' {{of_view}}
                AND NOT EXISTS (
                    SELECT FROM attempts AS a
                    WHERE a.merchant_id = $1 AND a.invitation_id = asked.id
                        AND t.at BETWEEN a.asked_at AND a.asked_at + make_interval(secs => {MACHINE_SECONDS})
                )
        ) AS is_visited_by_people,
        EXISTS (
            SELECT FROM ratings AS r WHERE r.merchant_id = $1 AND r.invitation_id = asked.id {{of_rating}}
        ) AS is_rated,
        EXISTS (
            SELECT FROM ratings AS r
            JOIN reviews AS w ON w.merchant_id = $1 AND w.rating_id = r.id
            WHERE r.merchant_id = $1 AND r.invitation_id = asked.id {{of_rating}}
        ) AS is_reviewed
"""  # noqa: S608 - built from the constant above

# Of invitations that have come so far.
_COUNTED: Final = """
        count(*) AS invitations, count(*) FILTER (WHERE is_sent) AS sent,
        count(*) FILTER (WHERE is_delivered) AS delivered,
        count(*) FILTER (WHERE is_visited_by_people OR is_rated) AS visited,
        count(*) FILTER (WHERE is_visited AND NOT is_visited_by_people AND NOT is_rated) AS visited_by_machines,
        count(*) FILTER (WHERE is_rated) AS rated, count(*) FILTER (WHERE is_reviewed) AS reviewed
"""

FUNNEL: Final = f"""
WITH cohort AS (
    SELECT o.order_id, o.outcome IN ('invited', 'merged') AS is_invited
    FROM orders AS o
    WHERE o.merchant_id = $1 AND {IN_SPAN.format("o.received_at")}
),
joined AS (
    SELECT DISTINCT j.invitation_id AS id
    FROM invitation_orders AS j
    WHERE j.merchant_id = $1 AND j.order_id = ANY(ARRAY(SELECT order_id FROM cohort WHERE is_invited))
),
asked AS (
    SELECT i.id, i.message_count > 0 AS is_sent
    FROM invitations AS i
    WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT id FROM joined))
),
stages AS (
    SELECT asked.is_sent, {_REACHED.format(of_attempt="", of_view="", of_rating="")}
    FROM asked
)
SELECT
    (SELECT count(*) FROM cohort) AS ordered,
    (SELECT count(*) FROM cohort WHERE is_invited) AS invited, {_COUNTED}
FROM stages
"""  # noqa: S608 - built from the constants above

_FUNNEL_BY_PART: Final = """
WITH cohort AS MATERIALIZED (
    SELECT o.order_id, o.received_at, o.invitation_id, o.outcome IN ('invited', 'merged') AS is_invited
    FROM orders AS o
    WHERE o.merchant_id = $1 AND {in_span} AND $4::text IS NOT NULL
),
joined AS MATERIALIZED (
    SELECT j.invitation_id, min(c.received_at) AS received_at
    FROM invitation_orders AS j
    JOIN cohort AS c ON c.order_id = j.order_id
    WHERE j.merchant_id = $1 AND j.order_id = ANY(ARRAY(SELECT order_id FROM cohort WHERE is_invited))
    GROUP BY 1
),
of_orders AS (
    SELECT {order_part} AS part, count(*) AS ordered, count(*) FILTER (WHERE c.is_invited) AS invited
    FROM cohort AS c {order_rows}
    GROUP BY 1
),
asked AS (
    SELECT i.id, {part} AS part, {is_sent} AS is_sent
    FROM joined AS c
    JOIN invitations AS i ON i.merchant_id = $1 AND i.id = c.invitation_id {rows}
),
stages AS (
    SELECT asked.part, asked.is_sent, {reached}
    FROM asked
),
of_invitations AS (
    SELECT part, {counted}
    FROM stages
    GROUP BY 1
)
SELECT part, COALESCE(ordered, 0), COALESCE(invited, 0), COALESCE(invitations, 0), COALESCE(sent, 0),
    COALESCE(delivered, 0), COALESCE(visited, 0), COALESCE(visited_by_machines, 0), COALESCE(rated, 0),
    COALESCE(reviewed, 0)
FROM of_orders FULL JOIN of_invitations USING (part)
ORDER BY {order} LIMIT $5
"""

_WITH_INVITATION: Final = "LEFT JOIN invitations AS i ON i.merchant_id = $1 AND i.id = c.invitation_id"


def _write(
    *,
    order_part: str,
    part: str,
    order_rows: str = "",
    rows: str = "",
    is_sent: str = "i.message_count > 0",
    of_attempt: str = "",
    of_view: str = "",
    of_rating: str = "",
    order: str = "2 DESC, 1",
) -> str:
    return _FUNNEL_BY_PART.format(
        in_span=IN_SPAN.format("o.received_at"),
        counted=_COUNTED,
        reached=_REACHED.format(of_attempt=of_attempt, of_view=of_view, of_rating=of_rating),
        order_part=order_part,
        order_rows=order_rows,
        part=part,
        rows=rows,
        is_sent=is_sent,
        order=order,
    )


def _by_time(by: Dimension) -> str:
    day = PART_OF_TIME[by].format("c.received_at")
    return _write(order_part=day, part=day, order="1")


FUNNEL_BY_CHANNEL: Final = _write(order_part="COALESCE(i.channel, '')", order_rows=_WITH_INVITATION, part="i.channel")

FUNNEL_BY_LANGUAGE: Final = _write(
    order_part="COALESCE(i.language, '')", order_rows=_WITH_INVITATION, part="i.language"
)

FUNNEL_BY_STEP: Final = _write(
    order_part="COALESCE(steps.step, '')",
    order_rows=f"{_WITH_INVITATION} LEFT JOIN LATERAL unnest(i.steps) AS steps (step) ON TRUE",
    part="steps.step",
    rows="CROSS JOIN LATERAL unnest(i.steps) AS steps (step)",
    is_sent="""EXISTS (
        SELECT FROM attempts AS a
        WHERE a.merchant_id = $1 AND a.invitation_id = i.id AND a.step = steps.step AND a.outcome = 'accepted'
    )""",
    of_attempt="AND a.step = asked.part",
    of_view="AND t.data ->> 'step' = asked.part",
    of_rating=f"AND {LAST_STEP} = asked.part",
)

FUNNEL_BY_PRODUCT: Final = _write(
    order_part="COALESCE(l.product_id, '')",
    order_rows="""LEFT JOIN LATERAL (
        SELECT DISTINCT lines.product_id
        FROM order_lines AS lines
        WHERE lines.merchant_id = $1 AND lines.order_id = c.order_id
    ) AS l ON TRUE""",
    part="p.product_id",
    rows="JOIN invitation_products AS p ON p.merchant_id = $1 AND p.invitation_id = i.id",
    is_sent="p.asked",
    of_rating="AND COALESCE(r.moved_from, r.product_id) = asked.part",
)

FUNNELS: Final[Mapping[Dimension, str]] = {
    **{by: _by_time(by) for by in TIMES},
    Dimension.STEP: FUNNEL_BY_STEP,
    Dimension.CHANNEL: FUNNEL_BY_CHANNEL,
    Dimension.LANGUAGE: FUNNEL_BY_LANGUAGE,
    Dimension.PRODUCT: FUNNEL_BY_PRODUCT,
}


class FunnelStore:
    """A merchant's funnels, whole and by part."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, merchant_id: MerchantId, span: Span) -> Funnel:
        """Follow the orders first accepted in a span to where they are now."""
        row = await self._driver.fetchrow(FUNNEL, merchant_id, span.start, span.end)
        assert row is not None
        return Funnel(**dict(row))

    async def list_parts(
        self, merchant_id: MerchantId, span: Span, by: Dimension, *, zone: str
    ) -> Sequence[FunnelPart]:
        """Follow the orders first accepted in a span, by part: by time in order, else those with the most first."""
        rows = await self._driver.fetch(FUNNELS[by], merchant_id, span.start, span.end, zone, MAX_PARTS)
        return [FunnelPart(part, Funnel(**dict(zip(_STAGES, figures, strict=True)))) for part, *figures in rows]
