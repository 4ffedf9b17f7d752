"""Webhooks: endpoints, and the outbox of what each is to be told."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.channel import SealedOptions
from invite_service.domain.merchant import MerchantId
from invite_service.domain.webhook import (
    DeliveryStatus,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKind,
)
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import json_text

_ENDPOINT: Final = "id, url, kinds, key_id, sealed_secret, description, created_at"

ADD_ENDPOINT: Final = """
INSERT INTO webhook_endpoints (merchant_id, id, url, kinds, key_id, sealed_secret, description, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

LIST_ENDPOINTS: Final = f"""
SELECT {_ENDPOINT} FROM webhook_endpoints WHERE merchant_id = $1 AND deleted_at IS NULL ORDER BY id
"""  # noqa: S608 - built from the constant above

LOCK_MERCHANTS_ENDPOINTS: Final = f"""
SELECT {_ENDPOINT} FROM webhook_endpoints WHERE merchant_id = $1 AND deleted_at IS NULL ORDER BY id
FOR NO KEY UPDATE
"""  # noqa: S608 - built from the constant above

FIND_ENDPOINT: Final = f"""
SELECT {_ENDPOINT} FROM webhook_endpoints WHERE merchant_id = $1 AND id = $2 AND deleted_at IS NULL
"""  # noqa: S608 - built from the constant above

SAVE_SEALED: Final = """
UPDATE webhook_endpoints SET key_id = $3, sealed_secret = $4 WHERE merchant_id = $1 AND id = $2
"""

# What was told stays told; what waits is not sent any more.
DELETE_ENDPOINT: Final = """
WITH deleted AS (
    UPDATE webhook_endpoints SET deleted_at = $3
    WHERE merchant_id = $1 AND id = $2 AND deleted_at IS NULL
    RETURNING id
),
stopped AS (
    UPDATE webhook_deliveries AS d
    SET status = 'failed', next_attempt_at = NULL, last_answer = 'endpoint_deleted', ended_at = $3
    WHERE d.merchant_id = $1 AND d.endpoint_id = ANY(ARRAY(SELECT id FROM deleted)) AND d.status = 'waiting'
)
SELECT count(*) FROM deleted
"""

# Nothing is kept for a merchant that nobody listens to.
ANNOUNCE: Final = """
WITH wanted AS (
    SELECT e.id
    FROM webhook_endpoints AS e
    WHERE e.merchant_id = $1 AND e.deleted_at IS NULL AND (e.kinds = '{}' OR $3 = ANY(e.kinds))
),
event AS (
    INSERT INTO webhook_events (merchant_id, id, kind, at, data, created_at)
    SELECT $1, $2, $3, $4, $5::text::jsonb, $6
    WHERE EXISTS (SELECT FROM wanted)
    RETURNING id
)
INSERT INTO webhook_deliveries (merchant_id, event_id, endpoint_id, status, tries, next_attempt_at)
SELECT $1, event.id, wanted.id, 'waiting', 0, $6
FROM event
CROSS JOIN wanted
"""

LIST_MERCHANTS_WITH_DUE: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT FROM webhook_deliveries AS d
    WHERE d.merchant_id = merchants.id AND d.next_attempt_at <= $1
)
"""

# A lease that ran out is due again: what a listener is told twice has the same id.
CLAIM_DUE: Final = """
WITH due AS (
    SELECT d.event_id, d.endpoint_id
    FROM webhook_deliveries AS d
    WHERE d.merchant_id = $1 AND d.next_attempt_at <= $2
    ORDER BY d.next_attempt_at, d.event_id, d.endpoint_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries AS d
SET status = 'sending', next_attempt_at = $4
FROM due
JOIN webhook_events AS e ON e.merchant_id = $1 AND e.id = due.event_id
WHERE d.merchant_id = $1 AND d.event_id = due.event_id AND d.endpoint_id = due.endpoint_id
RETURNING e.id, e.kind, e.at, e.data, d.endpoint_id, d.status, d.tries, d.next_attempt_at, d.last_answer, d.ended_at
"""

FINISH: Final = """
UPDATE webhook_deliveries
SET status = $4, tries = $5, next_attempt_at = $6, last_answer = $7, ended_at = $8
WHERE merchant_id = $1 AND event_id = $2 AND endpoint_id = $3 AND status = 'sending' AND next_attempt_at = $9
"""

REDELIVER: Final = """
UPDATE webhook_deliveries
SET status = 'waiting', tries = 0, next_attempt_at = $4, ended_at = NULL
WHERE merchant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND status IN ('delivered', 'failed')
RETURNING event_id
"""

LIST_DELIVERIES: Final = """
SELECT e.id, e.kind, e.at, e.data, d.endpoint_id, d.status, d.tries, d.next_attempt_at, d.last_answer, d.ended_at
FROM webhook_deliveries AS d
JOIN webhook_events AS e ON e.merchant_id = $1 AND e.id = d.event_id
WHERE d.merchant_id = $1 AND d.endpoint_id = $3{conditions}
ORDER BY d.event_id {direction}
LIMIT $2
"""


class WebhookStore:
    """A merchant's webhooks."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add_endpoint(self, merchant_id: MerchantId, endpoint: WebhookEndpoint) -> None:
        """Add an endpoint."""
        await self._driver.execute(
            ADD_ENDPOINT,
            merchant_id,
            endpoint.id,
            endpoint.url,
            sorted(endpoint.kinds),
            endpoint.secret.key_id,
            endpoint.secret.sealed,
            endpoint.description,
            endpoint.created_at,
        )

    async def list_endpoints(self, merchant_id: MerchantId, *, lock: bool = False) -> list[WebhookEndpoint]:
        """List a merchant's endpoints; locked, nobody adds to those that are there at the same time."""
        rows = await self._driver.fetch(LOCK_MERCHANTS_ENDPOINTS if lock else LIST_ENDPOINTS, merchant_id)
        return [_endpoint(row) for row in rows]

    async def find_endpoint(self, merchant_id: MerchantId, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Find an endpoint; None where there is none of that id."""
        row = await self._driver.fetchrow(FIND_ENDPOINT, merchant_id, endpoint_id)
        return None if row is None else _endpoint(row)

    async def save_secret(self, merchant_id: MerchantId, endpoint_id: UUID, secret: SealedOptions) -> None:
        """Put another secret in the place of an endpoint's."""
        await self._driver.execute(SAVE_SEALED, merchant_id, endpoint_id, secret.key_id, secret.sealed)

    async def delete_endpoint(self, merchant_id: MerchantId, endpoint_id: UUID, *, real_now: datetime) -> bool:
        """Delete an endpoint, and give up what waits for it; False where there is none."""
        return bool(await self._driver.fetchval(DELETE_ENDPOINT, merchant_id, endpoint_id, real_now))

    async def announce(self, merchant_id: MerchantId, event: WebhookEvent, *, real_now: datetime) -> None:
        """Queue an event for every endpoint that wants it, in the transaction of what happened."""
        await self._driver.execute(
            ANNOUNCE, merchant_id, event.id, event.kind, event.at, json_text(dict(event.data)), real_now
        )

    async def find_merchants_with_due(self, real_now: datetime) -> list[MerchantId]:
        """Find the merchants whose systems are to be told something by now; locks nothing."""
        return [MerchantId(row["id"]) for row in await self._driver.fetch(LIST_MERCHANTS_WITH_DUE, real_now)]

    async def claim_due(
        self, merchant_id: MerchantId, *, real_now: datetime, limit: int, until: datetime
    ) -> list[WebhookDelivery]:
        """Lease the first deliveries that are due, but for those others are at."""
        rows = await self._driver.fetch(CLAIM_DUE, merchant_id, real_now, limit, until)
        return sorted((_delivery(row) for row in rows), key=lambda delivery: delivery.event.id)

    async def finish(self, merchant_id: MerchantId, delivery: WebhookDelivery, *, until: datetime) -> None:
        """Write what became of a delivery, unless its lease, which lasted until an instant, went to somebody else."""
        await self._driver.execute(
            FINISH,
            merchant_id,
            delivery.event.id,
            delivery.endpoint_id,
            delivery.status,
            delivery.tries,
            delivery.next_attempt_at,
            delivery.last_answer,
            delivery.ended_at,
            until,
        )

    async def redeliver(
        self, merchant_id: MerchantId, endpoint_id: UUID, event_id: UUID, *, real_now: datetime
    ) -> bool:
        """Queue a delivery that has ended once more; False where there is none that has."""
        found = await self._driver.fetchval(REDELIVER, merchant_id, endpoint_id, event_id, real_now)
        return found is not None

    async def list_deliveries(
        self, merchant_id: MerchantId, endpoint_id: UUID, *, statuses: Collection[DeliveryStatus], part: Slice
    ) -> list[WebhookDelivery]:
        """List what an endpoint was or is to be told, by event."""
        conditions = Conditions(merchant_id, [part.limit, endpoint_id])
        if part.beyond is not None:
            conditions.add(f"d.event_id {'>' if part.ascending else '<'} {{}}", part.beyond[1])
        if statuses:
            conditions.add("d.status = ANY({}::text[])", list(statuses))
        statement = LIST_DELIVERIES.format(conditions=conditions, direction="ASC" if part.ascending else "DESC")
        return [_delivery(row) for row in await self._driver.fetch(statement, *conditions.parameters)]


def _endpoint(row: Row) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row["id"],
        url=row["url"],
        kinds=frozenset(map(WebhookKind, row["kinds"])),
        secret=SealedOptions(row["key_id"], row["sealed_secret"]),
        description=row["description"],
        created_at=row["created_at"],
    )


def _delivery(row: Row) -> WebhookDelivery:
    event_id, kind, at, data, endpoint_id, status, tries, next_attempt_at, last_answer, ended_at = row
    return WebhookDelivery(
        event=WebhookEvent(id=event_id, kind=WebhookKind(kind), at=at, data=data),
        endpoint_id=endpoint_id,
        status=DeliveryStatus(status),
        tries=tries,
        next_attempt_at=next_attempt_at,
        last_answer=last_answer,
        ended_at=ended_at,
    )
