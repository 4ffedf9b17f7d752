"""Orders in batch updates: those that wait and are to be decided; and what was decided, so that it can be undone."""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from invite_service.domain.batch_update import OrderEffect
from invite_service.domain.decision import Reason
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver
from invite_service.storage.orders import trace_from_json, trace_json
from invite_service.storage.statements import Given, Share, Writing, instant, text

FIRST_OF_ORDERS: Final = 1_000_000_000
"""The number of the first chunk of orders to be decided: far beyond the last of invitations."""

FIRST_TAKEN_BACK: Final = -FIRST_OF_ORDERS
"""The number of the first chunk of orders whose decision is taken back: far before the first of invitations."""

# Numbered after every chunk of invitations, so that these are planned again before an order joins one.
ADD_WAITING_ORDERS: Final = """
WITH frozen AS (
    INSERT INTO batch_update_chunks (merchant_id, batch_update_id, number, invitation_ids, order_ids, changed, skipped)
    SELECT $1, $2, $4 + waiting.place / $3, '{}', array_agg(waiting.order_id ORDER BY waiting.place), 0, '{}'
    FROM (
        SELECT o.order_id, (row_number() OVER (ORDER BY o.purchased_at, o.order_id) - 1)::int4 AS place
        FROM orders AS o
        WHERE o.merchant_id = $1 AND o.outcome = 'waiting'
    ) AS waiting
    GROUP BY waiting.place / $3
    RETURNING cardinality(order_ids) AS size
)
UPDATE batch_updates AS b
SET matched = b.matched + (SELECT COALESCE(sum(size), 0) FROM frozen)
WHERE b.merchant_id = $1 AND b.id = $2
RETURNING matched
"""

# Orders of one invitation are in one chunk: those that joined it leave before the one that it was made for. Numbered
# before every chunk of invitations: what was made for these orders must not keep back what is put back.
ADD_DECIDED_ORDERS: Final = """
WITH frozen AS (
    INSERT INTO batch_update_chunks (merchant_id, batch_update_id, number, invitation_ids, order_ids, changed, skipped)
    SELECT $1, $2, $4 + decided.place / $3, '{}', array_agg(decided.order_id ORDER BY decided.order_id), 0, '{}'
    FROM (
        SELECT o.order_id,
            (dense_rank() OVER (ORDER BY COALESCE(o.invitation_id::text, o.order_id)) - 1)::int4 AS place
        FROM batch_update_orders AS o
        WHERE o.merchant_id = $1 AND o.batch_update_id = $5
    ) AS decided
    GROUP BY decided.place / $3
    RETURNING cardinality(order_ids) AS size
)
UPDATE batch_updates AS b
SET matched = b.matched + (SELECT COALESCE(sum(size), 0) FROM frozen)
WHERE b.merchant_id = $1 AND b.id = $2
RETURNING matched
"""

_ADD_EFFECTS: Final = Share(
    "kept_orders",
    (
        Given("batch_update_id", "uuid"),
        text("order_id"),
        text("before_reason"),
        Given("before_trace", "json"),
        Given("version", "int4"),
        Given("invitation_id", "uuid"),
        instant("send_at"),
    ),
    "INSERT INTO batch_update_orders (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

READ_ORDER_EFFECTS: Final = """
SELECT o.order_id, o.before_reason, o.before_trace, o.version, o.invitation_id, o.send_at
FROM batch_update_orders AS o
WHERE o.merchant_id = $1 AND o.batch_update_id = $2 AND o.order_id = ANY($3::text[])
"""


class BatchOrderStore:
    """The orders that a merchant's batch updates decide."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add_waiting(self, merchant_id: MerchantId, batch_id: UUID, *, chunk_size: int) -> int:
        """Freeze the orders that wait, to be decided by purchase; gives how much the batch update is about by now."""
        matched: int = await self._driver.fetchval(
            ADD_WAITING_ORDERS, merchant_id, batch_id, chunk_size, FIRST_OF_ORDERS
        )
        return matched

    async def add_decided(self, merchant_id: MerchantId, batch_id: UUID, *, undo_of: UUID, chunk_size: int) -> int:
        """Freeze the orders that another one decided; gives how much the batch update is about by now."""
        matched: int = await self._driver.fetchval(
            ADD_DECIDED_ORDERS, merchant_id, batch_id, chunk_size, FIRST_TAKEN_BACK, undo_of
        )
        return matched

    async def keep(self, merchant_id: MerchantId, batch_id: UUID, effects: Sequence[OrderEffect]) -> None:
        """Keep what orders were that a batch update has decided."""
        writing = Writing()
        writing.add(
            _ADD_EFFECTS,
            (
                (
                    batch_id,
                    effect.order_id,
                    effect.reason,
                    trace_json(effect.trace),
                    effect.version,
                    effect.invitation_id,
                    effect.send_at,
                )
                for effect in effects
            ),
        )
        await writing.run(self._driver, merchant_id)

    async def read(self, merchant_id: MerchantId, batch_id: UUID, order_ids: Collection[str]) -> dict[str, OrderEffect]:
        """Read what a batch update did to some orders, by order."""
        rows = await self._driver.fetch(READ_ORDER_EFFECTS, merchant_id, batch_id, list(order_ids))
        return {
            order_id: OrderEffect(
                order_id=order_id,
                reason=Reason(reason),
                trace=trace_from_json(trace),
                version=version,
                invitation_id=invitation_id,
                send_at=send_at,
            )
            for order_id, reason, trace, version, invitation_id, send_at in rows
        }
