"""The merchant: the webshop account, the tenant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

MerchantId = NewType("MerchantId", str)
"""A slug the merchant chose, at most 20 characters of a-z, 0-9 and inner hyphens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A merchant's account facts that rules and services need."""

    id: MerchantId
    name: str
    time_zone: str
    """IANA name."""
    homepage_url: str
    sandbox: bool
    clock_offset: timedelta = timedelta(0)
    """What a sandbox's own clock is ahead of (or behind) real time; zero for a real merchant."""
    policy_version: int = 1
    paused_at: datetime | None = None
    """Since when nothing leaves (real time)."""
    paused_reason: str | None = None
    created_at: datetime

    def now(self, real_now: datetime) -> datetime:
        """Tell the merchant's time at a real instant (DESIGN.md section 4)."""
        return real_now + self.clock_offset
