"""Figures of one merchant; each question is one statement, so that its figures are of one instant and add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import OrderOutcome
from invite_service.storage.driver import Driver

# Naming every outcome lets an index that begins with them answer for a span too, by itself.
COUNT_ORDERS: Final = f"""
SELECT outcome, reason, count(*)
FROM orders
WHERE merchant_id = $1
  AND outcome IN ({", ".join(f"'{outcome}'" for outcome in OrderOutcome)})
  AND received_at >= COALESCE($2::timestamptz, '-infinity')
  AND received_at < COALESCE($3::timestamptz, 'infinity')
GROUP BY outcome, reason
"""  # noqa: S608 - built from our own words

# An attempt in doubt that was settled as sent counts for its invitation, not here: nobody knows which text arrived.
COUNT_MESSAGES: Final = """
SELECT step, language, count(*)
FROM attempts
WHERE merchant_id = $1 AND outcome = 'accepted'
GROUP BY step, language
"""

COUNT_ANSWERED: Final = """
SELECT count(*) FILTER (WHERE i.message_count > 0) AS sent,
       count(*) FILTER (WHERE i.message_count > 0 AND EXISTS (
           SELECT FROM ratings r WHERE r.merchant_id = $1 AND r.invitation_id = i.id
       )) AS answered
FROM invitations i
WHERE i.merchant_id = $1
"""


@dataclass(frozen=True, slots=True)
class OrderCount:
    """Orders of one outcome and reason."""

    outcome: OrderOutcome
    reason: Reason | None
    orders: int


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Messages that left, of one step in one language."""

    step: Step
    language: str
    messages: int


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """Invitations of which a message has left, and how many of them got feedback."""

    sent: int
    answered: int


class InsightStore:
    """A merchant's figures."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count_orders(
        self, merchant_id: MerchantId, *, start: datetime | None, end: datetime | None
    ) -> Sequence[OrderCount]:
        """Count the orders first accepted in a half-open span (merchant's clock), by what became of them."""
        rows = await self._driver.fetch(COUNT_ORDERS, merchant_id, start, end)
        return [
            OrderCount(OrderOutcome(outcome), Reason(reason) if reason is not None else None, orders)
            for outcome, reason, orders in rows
        ]

    async def count_messages(self, merchant_id: MerchantId) -> Sequence[MessageCount]:
        """Count the messages that providers accepted, by step and language."""
        rows = await self._driver.fetch(COUNT_MESSAGES, merchant_id)
        return [MessageCount(Step(step), language, messages) for step, language, messages in rows]

    async def count_answered(self, merchant_id: MerchantId) -> AnswerCount:
        """Count the invitations that were sent, and those of them that were answered."""
        row = await self._driver.fetchrow(COUNT_ANSWERED, merchant_id)
        assert row is not None
        return AnswerCount(row["sent"], row["answered"])
