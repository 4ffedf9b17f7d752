"""The account's self-check."""

from collections.abc import Callable, Sequence
from datetime import datetime

from invite_service.domain.merchant import Merchant
from invite_service.rules.account_health import HealthCheck, judge_account
from invite_service.storage.database import Database


class AccountHealthService:
    """Checks a merchant's account."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock

    async def check(self, merchant: Merchant) -> Sequence[HealthCheck]:
        """Check the account as it is now; every check is always there, in the same order."""
        real_now = self._clock()
        async with self._database.autocommit() as stores:
            figures = await stores.account_health.read(merchant.id, now=merchant.now(real_now), real_now=real_now)
        return judge_account(figures)
