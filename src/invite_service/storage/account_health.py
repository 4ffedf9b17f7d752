"""What the account's self-check looks at, read in a few statements."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.rules.account_health import FOLLOW_UP_WITHIN, LATE_AFTER, HealthFigures
from invite_service.storage.driver import Driver, Row
from invite_service.storage.reputation import ReputationStore

RECENT: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)

COUNT_RECENT_ORDERS: Final = """
SELECT outcome, reason, count(*) FROM orders WHERE merchant_id = $1 AND received_at >= $2 GROUP BY outcome, reason
"""

# Apart from the outcomes, so that an order with an unknown one is seen.
COUNT_RECEIVED: Final = """
SELECT count(*) FROM orders WHERE merchant_id = $1 AND received_at >= $2
"""

READ_INVITATIONS: Final = """
SELECT
    count(*) FILTER (WHERE status = 'scheduled') AS scheduled,
    count(*) FILTER (WHERE status = 'scheduled' AND next_attempt_at < $2) AS late,
    count(*) FILTER (WHERE status = 'in_doubt') AS in_doubt,
    count(*) FILTER (WHERE status = 'failed' AND send_at >= $3) AS failed,
    count(*) FILTER (WHERE status = 'missed' AND send_at >= $3) AS missed
FROM invitations
WHERE merchant_id = $1 AND status IN ('scheduled', 'in_doubt', 'failed', 'missed')
"""

READ_SENT: Final = """
SELECT
    count(*) FILTER (WHERE first_sent_at >= $2) AS recent,
    count(*) FILTER (WHERE first_sent_at >= $3) AS month,
    count(*) FILTER (WHERE first_sent_at < $3) AS earlier
FROM invitations
WHERE merchant_id = $1 AND first_sent_at >= $4
"""

READ_RATINGS: Final = """
SELECT
    count(*) FILTER (WHERE r.created_at >= $2) AS month,
    count(*) FILTER (WHERE r.created_at < $2) AS earlier,
    count(*) FILTER (WHERE r.created_at >= $2 AND r.stars <= 3 AND w.rating_id IS NOT NULL) AS low_reviews,
    count(*) FILTER (WHERE r.created_at >= $2 AND r.stars <= 3 AND p.rating_id IS NOT NULL) AS low_replied
FROM ratings AS r
LEFT JOIN reviews AS w ON w.merchant_id = $1 AND w.rating_id = r.id
LEFT JOIN replies AS p ON p.merchant_id = $1 AND p.rating_id = r.id
WHERE r.merchant_id = $1 AND r.created_at >= $3
"""

# The service and the sum over all products; rejected ones count nowhere.
READ_TOTALS: Final = """
SELECT state = 'published' AS is_published, sum(stars_1 + stars_2 + stars_3 + stars_4 + stars_5)::int8,
    sum(stars_1 + 2 * stars_2 + 3 * stars_3 + 4 * stars_4 + 5 * stars_5)::int8
FROM rating_totals
WHERE merchant_id = $1 AND product_id IN ('', '*') AND state <> 'rejected'
GROUP BY 1
"""

READ_CASES: Final = """
SELECT count(*) AS open, count(*) FILTER (WHERE followed_up_at IS NULL) AS waiting,
    count(*) FILTER (WHERE followed_up_at IS NULL AND opened_at < $2) AS overdue
FROM support_cases
WHERE merchant_id = $1 AND closed_at IS NULL
"""

COUNT_NOTICES_IN_DOUBT: Final = """
SELECT count(*) FROM notices AS n WHERE n.merchant_id = $1 AND n.status = 'in_doubt'
"""

READ_APPEARANCE: Final = """
SELECT m.paused_at IS NOT NULL AS is_paused, m.paused_reason,
    ARRAY(
        SELECT ARRAY[c.channel, c.paused_reason]
        FROM channels AS c
        WHERE c.merchant_id = $1 AND c.paused_at IS NOT NULL
        ORDER BY 1
    ) AS paused,
    b.settings,
    (
        SELECT count(*)
        FROM (
            SELECT DISTINCT ON (t.text, t.language) t.fields
            FROM texts AS t
            WHERE t.merchant_id = $1
            ORDER BY t.text, t.language, t.version DESC
        ) AS current
        WHERE current.fields <> '{}'::jsonb
    ) AS own_texts
FROM merchants AS m
LEFT JOIN branding AS b ON b.merchant_id = $1
WHERE m.id = $1
"""


class AccountHealthStore:
    """What an account's self-check looks at."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, merchant_id: MerchantId, *, now: datetime, real_now: datetime) -> HealthFigures:
        """Read the figures at an instant of the merchant's clock, and of real time for what goes by that."""
        driver, recent, month = self._driver, now - RECENT, now - MONTH
        orders = await driver.fetch(COUNT_RECENT_ORDERS, merchant_id, recent)
        totals = {row[0]: (row[1], row[2]) for row in await driver.fetch(READ_TOTALS, merchant_id)}
        [invitations] = await driver.fetch(READ_INVITATIONS, merchant_id, now - LATE_AFTER, recent)
        [sent] = await driver.fetch(READ_SENT, merchant_id, recent, month, month - MONTH)
        [ratings] = await driver.fetch(READ_RATINGS, merchant_id, month, month - MONTH)
        [cases] = await driver.fetch(READ_CASES, merchant_id, now - FOLLOW_UP_WITHIN)
        day = await ReputationStore(driver).read(merchant_id, real_now=real_now)
        [appearance] = await driver.fetch(READ_APPEARANCE, merchant_id)
        outcomes: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for outcome, reason, count in orders:
            outcomes[outcome] += count
            if reason is not None:
                reasons[reason] += count
        branding = appearance["settings"] or {}
        return HealthFigures(
            recent_from=_written(recent),
            month_from=_written(month),
            orders={name: outcomes[name] for name in ("invited", "merged", "blocked", "waiting", "cancelled")},
            received=await driver.fetchval(COUNT_RECEIVED, merchant_id, recent),
            top_reason=reasons.most_common(1)[0][0] if reasons else None,
            scheduled=invitations["scheduled"],
            late=invitations["late"],
            sent=sent["recent"],
            failed=invitations["failed"],
            missed=invitations["missed"],
            paused=_paused(appearance),
            published=totals.get(True, (0, 0)),
            pending=totals.get(False, (0, 0)),
            month_sent=sent["month"],
            month_ratings=ratings["month"],
            earlier_sent=sent["earlier"],
            earlier_ratings=ratings["earlier"],
            low_reviews=ratings["low_reviews"],
            low_replied=ratings["low_replied"],
            open_cases=cases["open"],
            waiting_cases=cases["waiting"],
            overdue_cases=cases["overdue"],
            day_messages=day.messages,
            day_bounced=day.bounced,
            day_complained=day.complained,
            in_doubt=invitations["in_doubt"],
            notices_in_doubt=await driver.fetchval(COUNT_NOTICES_IN_DOUBT, merchant_id),
            has_branding=appearance["settings"] is not None,
            has_logo=bool(branding.get("logo_url")),
            has_support_contact=bool(branding.get("support_email") or branding.get("support_url")),
            own_texts=appearance["own_texts"],
        )


def _paused(appearance: Row) -> dict[str, str]:
    paused = {"merchant": appearance["paused_reason"] or "by_hand"} if appearance["is_paused"] else {}
    return paused | dict(appearance["paused"])


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
