"""Settling what a worker left behind that did not come back (DESIGN.md section 6)."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.services.conclusions import LEASE_LOST, Conclusion, Tried, conclude, conclude_lost
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.send_report import SendReport
from invite_service.storage.attempts import Attempt
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

log = structlog.get_logger()

SWEEP_SIZE: Final = 500
"""Expired leases settled in one transaction."""


class LeaseService:
    """Ends expired leases: what no call had begun for is due again, of the rest nobody knows whether it left."""

    def __init__(self, database: Database, *, policies: PolicyVersions, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._policies = policies
        self._clock = clock

    async def sweep(self) -> SendReport:
        """Settle the expired leases of all merchants; a merchant that fails stops no other."""
        try:
            async with self._database.autocommit() as stores:
                merchant_ids = await stores.due.list_merchants_with_expired_leases(real_now=self._clock())
        except Exception as error:
            log.warning("Failed to look for expired leases across merchants", error=type(error).__name__)
            async with self._database.autocommit() as stores:
                merchant_ids = [merchant_id for merchant_id, _ in await stores.due.list_clocks()]
        report = SendReport()
        for merchant_id in merchant_ids:
            try:
                report += await self.sweep_merchant(merchant_id)
            except Exception:
                log.exception("Failed to settle expired leases", merchant_id=merchant_id)
        return report

    async def sweep_merchant(self, merchant_id: MerchantId) -> SendReport:
        """Settle up to 500 expired leases of one merchant."""
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.get(merchant_id)
            expired = await stores.sending.lock_expired(merchant_id, real_now=self._clock(), limit=SWEEP_SIZE)
            if not expired:
                return SendReport()
            conclusions = await self._conclude(stores, merchant, expired)
            recordings = [conclusion.recording for conclusion in conclusions]
            await stores.attempts.record(
                merchant_id, recordings, token=None, real_now=self._clock(), zone=merchant.time_zone
            )
        report = SendReport.of(conclusion.fate for conclusion in conclusions if conclusion.fate is not None)
        log.warning("Settled expired leases", merchant_id=merchant_id, **report.counts())
        return report

    async def _conclude(self, stores: Stores, merchant: Merchant, expired: list[Invitation]) -> list[Conclusion]:
        now = merchant.now(self._clock())
        plans = await self._policies.get(stores, merchant.id, {invitation.policy_version for invitation in expired})
        attempts = await stores.attempts.list_open(merchant.id, [invitation.id for invitation in expired])
        open_attempts = {attempt.invitation_id: attempt for attempt in attempts}
        return [
            _conclude_open(invitation, open_attempts[invitation.id], plans[invitation.policy_version], merchant, now)
            if invitation.id in open_attempts
            else conclude_lost(invitation, now=now)
            for invitation in expired
        ]


def _conclude_open(
    invitation: Invitation, attempt: Attempt, plan: Policy, merchant: Merchant, now: datetime
) -> Conclusion:
    tried = Tried(
        attempt_id=attempt.id,
        invitation=invitation,
        step=attempt.step,
        plan=plan,
        merchant=merchant,
        asked_at=attempt.asked_at,
        product_ids=attempt.product_ids,
    )
    receipt = Receipt(outcome=OutcomeWord.UNKNOWN, reason=LEASE_LOST, provider=attempt.provider)
    return conclude(tried, receipt, price=None, now=now)
