"""Watching how merchants' e-mails are received: who sends what does harm is paused until somebody resumes it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from invite_service.bell import Bell
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.webhook import WebhookKind
from invite_service.rules.reputation import decide_pause
from invite_service.services.conclusions import WORKER
from invite_service.services.webhooks import announce
from invite_service.storage.database import Database

log = structlog.get_logger()


class ReputationService:
    """Pauses merchants above 5 % bounces or 0.1 % complaints of 24 hours, and resumes them by hand."""

    def __init__(
        self, database: Database, *, bell: Bell, clock: Callable[[], datetime], new_id: Callable[[], UUID]
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._bell = bell
        self._clock = clock
        self._new_id = new_id

    async def find_due(self) -> list[MerchantId]:
        """Find merchants that are to be paused."""
        real_now = self._clock()
        async with self._database.autocommit(by_key=True) as stores:
            at_risk = await stores.reputation.list_merchants_at_risk(real_now=real_now)
            return [
                merchant_id
                for merchant_id in at_risk
                if decide_pause(await stores.reputation.read_since_resumed(merchant_id, real_now=real_now)) is not None
            ]

    async def watch(self, merchant_id: MerchantId) -> int:
        """Pause a merchant where too much of its mail bounced or brought complaints; 1 where that was done, else 0."""
        real_now = self._clock()
        async with self._database.transaction(by_key=True) as stores:
            merchant = await stores.merchants.lock(merchant_id)
            if merchant.paused_at is not None:
                return 0
            reputation = await stores.reputation.read_since_resumed(merchant_id, real_now=real_now)
            reason = decide_pause(reputation)
            if reason is None:
                return 0
            await stores.reputation.pause(merchant_id, reason, real_now=real_now)
            figures: dict[str, JsonFigure] = {
                "messages": reputation.messages,
                "bounced": reputation.bounced,
                "complained": reputation.complained,
            }
            entry = TimelineEntry(
                at=merchant.now(real_now),
                actor=WORKER,
                event=TimelineEvent.MERCHANT_PAUSED,
                reason=reason.value,
                data=figures,
            )
            await stores.timeline.add(merchant_id, [entry])
            told = {"reason": reason.value, **figures}
            await announce(
                stores, merchant, WebhookKind.MERCHANT_PAUSED, told, event_id=self._new_id(), real_now=real_now
            )
        log.warning("Paused a merchant", merchant_id=merchant_id, reason=reason)
        return 1

    async def resume(self, merchant_id: MerchantId, *, actor: str) -> Merchant:
        """Resume a paused merchant by hand; one that is not paused stays as it is.

        What waited is due at once; may_send says whether its window is open or its deadline has passed. What was sent
        before counts against the merchant no more.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        real_now = self._clock()
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.lock(merchant_id)
            is_resumed = await stores.reputation.resume(merchant_id, real_now=real_now)
            if is_resumed:
                now = merchant.now(real_now)
                for channel in Channel:
                    await stores.sending.hasten(merchant_id, channel, now=now)
                entry = TimelineEntry(
                    at=now, actor=actor, event=TimelineEvent.MERCHANT_RESUMED, reason=merchant.paused_reason
                )
                await stores.timeline.add(merchant_id, [entry])
            resumed = await stores.merchants.get(merchant_id)
        if is_resumed:
            self._bell.ring(merchant_id)
        return resumed
