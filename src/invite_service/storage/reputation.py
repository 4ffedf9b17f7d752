"""How many of a merchant's e-mails bounced or were called spam of late, and the pause that follows from it.

Instants are real time. A message counts once however often it bounced, and only news of messages that are ours count:
a provider's account may send other things as well.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.rules.reputation import ENOUGH_MESSAGES, MAX_BOUNCED, REPUTATION_SPAN, Reputation
from invite_service.storage.driver import Driver

# One walk of the index's last day for each merchant. Whoever has too many has at least so many.
LIST_MERCHANTS_AT_RISK: Final = """
SELECT e.merchant_id
FROM merchants
JOIN provider_events AS e ON e.merchant_id = merchants.id
WHERE merchants.paused_at IS NULL
  AND e.kind IN ('bounced_hard', 'bounced_soft', 'complained')
  AND e.received_at >= greatest($1::timestamptz, merchants.resumed_at)
  AND e.invitation_id IS NOT NULL
GROUP BY e.merchant_id
HAVING count(*) FILTER (WHERE e.kind = 'complained') > 0 OR count(*) FILTER (WHERE e.kind <> 'complained') > $2
ORDER BY e.merchant_id
"""

# Ids of attempts grow with time, so that no index has to follow each message only to find those of a day; notices are
# found by when they were queued. Support's alert goes to the merchant itself.
READ_REPUTATION: Final = """
WITH news AS MATERIALIZED (
    SELECT e.kind, e.attempt_id
    FROM provider_events AS e
    WHERE e.merchant_id = $1
      AND e.kind IN ('bounced_hard', 'bounced_soft', 'complained')
      AND e.received_at >= $2
      AND e.invitation_id IS NOT NULL
),
told AS MATERIALIZED (
    SELECT news.kind, a.id AS attempt_id
    FROM attempts AS a
    JOIN news ON news.attempt_id = a.id
    WHERE a.merchant_id = $1 AND a.id = ANY(ARRAY(SELECT attempt_id FROM news))
      AND a.channel = 'email'
      AND ($4::timestamptz IS NULL OR a.started_at >= $4::timestamptz)
    UNION ALL
    SELECT news.kind, n.id
    FROM notices AS n
    JOIN news ON news.attempt_id = n.id
    WHERE n.merchant_id = $1 AND n.id = ANY(ARRAY(SELECT attempt_id FROM news))
      AND n.channel = 'email' AND n.notice <> 'support_alert'
      AND ($4::timestamptz IS NULL OR n.started_at >= $4::timestamptz)
)
SELECT
    (
        SELECT count(*)
        FROM attempts AS a
        WHERE a.merchant_id = $1 AND a.id >= $3 AND a.channel = 'email' AND a.outcome = 'accepted'
          AND a.started_at >= $2
    ) + (
        SELECT count(*)
        FROM notices AS n
        WHERE n.merchant_id = $1 AND n.status = 'sent' AND n.created_at >= $5 AND n.channel = 'email'
          AND n.notice <> 'support_alert' AND n.started_at >= $2
    ) AS messages,
    (SELECT count(DISTINCT told.attempt_id) FROM told WHERE told.kind <> 'complained') AS bounced,
    (SELECT count(DISTINCT told.attempt_id) FROM told WHERE told.kind = 'complained') AS complained
"""

FIND_RESUMED_AT: Final = "SELECT resumed_at FROM merchants WHERE id = $1"

PAUSE_MERCHANT: Final = """
UPDATE merchants SET paused_at = $2, paused_reason = $3 WHERE id = $1 AND paused_at IS NULL RETURNING id
"""

RESUME_MERCHANT: Final = """
UPDATE merchants
SET paused_at = NULL, paused_reason = NULL, resumed_at = $2
WHERE id = $1 AND paused_at IS NOT NULL
RETURNING id
"""

_MADE_BEFORE: Final = timedelta(hours=1)
"""How long before its try began an attempt's id may have been made, clocks of workers that differ included."""

_QUEUED_BEFORE: Final = timedelta(days=7)
"""How long before it left a notice that counts was queued at the most: a pause may have kept it back. On the merchant's
clock, which is never behind."""


class ReputationStore:
    """How merchants' e-mails are received."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_merchants_at_risk(self, *, real_now: datetime) -> list[MerchantId]:
        """List merchants that are not paused and may have more bounces or complaints than are borne; locks nothing."""
        least = int(MAX_BOUNCED * ENOUGH_MESSAGES)
        rows = await self._driver.fetch(LIST_MERCHANTS_AT_RISK, real_now - REPUTATION_SPAN, least)
        return [MerchantId(row[0]) for row in rows]

    async def read(self, merchant_id: MerchantId, *, real_now: datetime) -> Reputation:
        """Read the figures of the last 24 hours."""
        return await self._read(merchant_id, since=real_now - REPUTATION_SPAN, sent_since=None)

    async def read_since_resumed(self, merchant_id: MerchantId, *, real_now: datetime) -> Reputation:
        """Read the same without what was sent before the merchant was last resumed by hand."""
        resumed_at: datetime | None = await self._driver.fetchval(FIND_RESUMED_AT, merchant_id)
        if resumed_at is None:
            return await self.read(merchant_id, real_now=real_now)
        since = max(real_now - REPUTATION_SPAN, resumed_at)
        return await self._read(merchant_id, since=since, sent_since=resumed_at)

    async def _read(self, merchant_id: MerchantId, *, since: datetime, sent_since: datetime | None) -> Reputation:
        row = await self._driver.fetchrow(
            READ_REPUTATION,
            merchant_id,
            since,
            first_id_at(since - _MADE_BEFORE),
            sent_since,
            since - _QUEUED_BEFORE,
        )
        assert row is not None
        return Reputation(messages=row["messages"], bounced=row["bounced"], complained=row["complained"])

    async def pause(self, merchant_id: MerchantId, reason: str, *, real_now: datetime) -> bool:
        """Pause a merchant and say whether it was not paused until now."""
        return await self._driver.fetchval(PAUSE_MERCHANT, merchant_id, real_now, reason) is not None

    async def resume(self, merchant_id: MerchantId, *, real_now: datetime) -> bool:
        """Take a pause off and say whether there was one."""
        return await self._driver.fetchval(RESUME_MERCHANT, merchant_id, real_now) is not None


def first_id_at(instant: datetime) -> UUID:
    """Give the lowest UUIDv7 (RFC 9562) that can have been made at an instant: those made later are above it."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
