"""Figures of a merchant's account that add up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import OrderOutcome
from invite_service.storage.database import Database
from invite_service.storage.insights import AnswerCount, MessageCount, OrderCount


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Orders by what became of them: the outcomes add up to the orders received."""

    received: int
    outcomes: Mapping[OrderOutcome, int]
    """Every outcome, also those that no order has."""
    reasons: Mapping[Reason, int]
    """Of the orders that were blocked or are waiting: each has one."""


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What an account has done so far."""

    orders: Reconciliation
    messages: Mapping[Step, Mapping[str, int]]
    """Messages that providers accepted, by step and language."""
    sent_invitations: int
    """Invitations of which a message has left."""
    answered_invitations: int
    """Those of them that got a rating or a review."""

    @property
    def response_rate(self) -> float | None:
        """The share of sent invitations that were answered, 0 to 1; None before anything was sent."""
        return self.answered_invitations / self.sent_invitations if self.sent_invitations else None


class InsightService:
    """Counts what became of orders and invitations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reconcile(
        self, merchant: Merchant, *, start: datetime | None = None, end: datetime | None = None
    ) -> Reconciliation:
        """Count the orders first accepted from `start` to before `end` (merchant's clock), all of one instant."""
        async with self._database.autocommit() as stores:
            counts = await stores.insights.count_orders(merchant.id, start=start, end=end)
        return _reconciliation(counts)

    async def account_figures(self, merchant: Merchant) -> AccountFigures:
        """Count everything the account has done so far."""
        async with self._database.autocommit() as stores:
            counts = await stores.insights.count_orders(merchant.id, start=None, end=None)
            messages = await stores.insights.count_messages(merchant.id)
            answers = await stores.insights.count_answered(merchant.id)
        return _account_figures(counts, messages, answers)


def _reconciliation(counts: Iterable[OrderCount]) -> Reconciliation:
    outcomes = Counter(dict.fromkeys(OrderOutcome, 0))
    reasons: Counter[Reason] = Counter()
    for count in counts:
        outcomes[count.outcome] += count.orders
        if count.reason is not None:
            reasons[count.reason] += count.orders
    return Reconciliation(outcomes.total(), dict(outcomes), dict(sorted(reasons.items())))


def _account_figures(
    counts: Iterable[OrderCount], messages: Iterable[MessageCount], answers: AnswerCount
) -> AccountFigures:
    by_step: dict[Step, dict[str, int]] = {step: {} for step in Step}
    for count in sorted(messages, key=lambda count: count.language):
        by_step[count.step][count.language] = count.messages
    return AccountFigures(_reconciliation(counts), by_step, answers.sent, answers.answered)
