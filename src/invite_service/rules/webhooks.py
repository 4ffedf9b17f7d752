"""When a webhook that was not taken is sent again: the waits that Standard Webhooks recommends."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.webhook import DeliveryStatus, WebhookDelivery

WAITS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before the second, third, … try: over three days in all."""


def conclude_delivery(delivery: WebhookDelivery, answer: str, *, taken: bool, now: datetime) -> WebhookDelivery:
    """Say what an answer makes of a delivery; one that was not taken waits for its next try, or has failed."""
    tried = replace(delivery, tries=delivery.tries + 1, last_answer=answer)
    if taken:
        return replace(tried, status=DeliveryStatus.DELIVERED, next_attempt_at=None, ended_at=now)
    if tried.tries > len(WAITS):
        return replace(tried, status=DeliveryStatus.FAILED, next_attempt_at=None, ended_at=now)
    return replace(tried, status=DeliveryStatus.WAITING, next_attempt_at=now + WAITS[tried.tries - 1])
