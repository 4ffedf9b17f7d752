"""The loop that publishes ratings whose hold has ended."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from invite_service.services.approvals import ApprovalService

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""Between two looks: holds last days."""


class PublishingLoop:
    """Publishes what is due, merchant by merchant; one whose ratings cannot be published keeps nobody else's back."""

    def __init__(
        self, approvals: ApprovalService, *, on_failure: Callable[[], None], interval: float = LOOK_SECONDS
    ) -> None:
        """Make a loop that looks every `interval` seconds; `on_failure` is told of looks that failed."""
        self._approvals = approvals
        self._interval = interval
        self._on_failure = on_failure

    async def run(self) -> None:
        """Turn until cancelled; what fails is logged and tried again at the next turn."""
        while True:
            await self._turn()
            await asyncio.sleep(self._interval)

    async def _turn(self) -> None:
        try:
            merchant_ids = await self._approvals.find_due()
        except Exception as error:
            self._on_failure()
            log.warning("Failed to look for ratings to publish", error=type(error).__name__)
            return
        for merchant_id in merchant_ids:
            try:
                published = await self._approvals.publish_due(merchant_id)
            except Exception:
                self._on_failure()
                log.exception("Failed to publish ratings", merchant_id=merchant_id)
            else:
                log.info("Published ratings", merchant_id=merchant_id, ratings=published)
