"""Batch updates: what was chosen, in chunks; how far each is; and what was changed, so that it can be put back.

A chunk is the unit of work: its row is locked while its invitations are changed, in the same transaction that marks it
done. Workers take different chunks, a killed one lets go of its own when its connection ends, and no invitation is
changed twice. What becomes of the invitations is in `batch_changes.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from invite_service.domain.batch_update import (
    BatchAction,
    BatchChange,
    BatchStatus,
    BatchUpdate,
    Chosen,
)
from invite_service.domain.errors import BatchUpdateNotFoundError
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import MerchantId
from invite_service.storage.choosing import Conditions, Slice, invitations_chosen
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.statements import json_text

# The chunks hold ids only, in the order in which everybody locks invitations.
ADD_BATCH_UPDATE: Final = """
WITH frozen AS (
    INSERT INTO batch_update_chunks (merchant_id, batch_update_id, number, invitation_ids, order_ids, changed, skipped)
    SELECT $1, $2, chosen.place / $3, array_agg(chosen.id ORDER BY chosen.id), '{{}}', 0, '{{}}'
    FROM (
        SELECT i.id, (row_number() OVER (ORDER BY i.id) - 1)::int4 AS place
        FROM ({chosen}) AS i
    ) AS chosen
    GROUP BY chosen.place / $3
    RETURNING cardinality(invitation_ids) AS size
)
INSERT INTO batch_updates (
    merchant_id, id, action, day, shift_days, chosen_by, undo_of, created_at, created_by, policy_version, matched
)
SELECT $1, $2, $4, $5, $6, $7::text::json, $8, $9, $10, $11, (SELECT COALESCE(sum(size), 0) FROM frozen)
RETURNING matched
"""

_BY_FILTER: Final = "SELECT i.id FROM invitations AS i WHERE i.merchant_id = $1{conditions}"

_BY_IDS: Final = "SELECT i.id FROM invitations AS i WHERE i.merchant_id = $1 AND i.id = ANY($12::uuid[])"

_CHANGED_BY: Final = """
SELECT c.invitation_id AS id FROM batch_update_changes AS c WHERE c.merchant_id = $1 AND c.batch_update_id = $8
"""

# Without the progress: what a worker reads before every chunk must not count all of them.
FIND_ASKED: Final = """
SELECT b.id, b.action, b.day, b.shift_days, b.policy_version, b.chosen_by, b.undo_of, b.matched, b.created_at,
    b.created_by, b.finished_at, FALSE AS is_started, 0 AS changed, NULL AS skipped
FROM batch_updates AS b
WHERE b.merchant_id = $1 AND b.id = $2
"""

_PROGRESS_COLUMNS: Final = """b.id, b.action, b.day, b.shift_days, b.policy_version, b.chosen_by, b.undo_of,
    b.matched, b.created_at, b.created_by, b.finished_at,
    (SELECT count(c.done_at) > 0 FROM batch_update_chunks AS c
     WHERE c.merchant_id = $1 AND c.batch_update_id = b.id) AS is_started,
    (SELECT COALESCE(sum(c.changed), 0)::int8 FROM batch_update_chunks AS c
     WHERE c.merchant_id = $1 AND c.batch_update_id = b.id) AS changed,
    (SELECT json_object_agg(by_reason.reason, by_reason.count)
     FROM (
         SELECT reasons.key AS reason, sum(reasons.value::int8)::int8 AS count
         FROM batch_update_chunks AS c, json_each_text(c.skipped) AS reasons
         WHERE c.merchant_id = $1 AND c.batch_update_id = b.id
         GROUP BY reasons.key
     ) AS by_reason) AS skipped"""

FIND_BATCH_UPDATE: Final = f"""
SELECT {_PROGRESS_COLUMNS}
FROM batch_updates AS b
WHERE b.merchant_id = $1 AND {{condition}}
"""  # noqa: S608 - built from the constant above

LIST_BATCH_UPDATES: Final = f"""
SELECT {_PROGRESS_COLUMNS}
FROM batch_updates AS b
WHERE b.merchant_id = $1{{conditions}}
ORDER BY b.created_at {{direction}}, b.id {{direction}}
LIMIT $2
"""  # noqa: S608 - built from the constant above

_IS_STARTED: Final = """EXISTS (
    SELECT FROM batch_update_chunks AS c
    WHERE c.merchant_id = $1 AND c.batch_update_id = b.id AND c.done_at IS NOT NULL
)"""

CONDITIONS_OF_STATUS: Final = {
    BatchStatus.ACCEPTED: f"b.finished_at IS NULL AND NOT {_IS_STARTED}",
    BatchStatus.RUNNING: f"b.finished_at IS NULL AND {_IS_STARTED}",
    BatchStatus.FINISHED: "b.finished_at IS NOT NULL",
}

LIST_MERCHANTS_WITH_UNFINISHED: Final = """
SELECT b.merchant_id
FROM batch_updates AS b
WHERE b.merchant_id IS NOT NULL AND b.finished_at IS NULL
GROUP BY b.merchant_id
"""

LIST_UNFINISHED: Final = """
SELECT b.id
FROM batch_updates AS b
WHERE b.merchant_id = $1 AND b.finished_at IS NULL
ORDER BY b.id
LIMIT 100
"""

# Orders are decided on what those before them became and on what invitations were planned again as, so that no chunk
# of them goes side by side with another chunk.
TAKE_CHUNK: Final = """
WITH first AS MATERIALIZED (
    SELECT c.number, cardinality(c.order_ids) > 0 AS is_of_orders
    FROM batch_update_chunks AS c
    WHERE c.merchant_id = $1 AND c.batch_update_id = $2 AND c.done_at IS NULL
    ORDER BY c.number
    LIMIT 1
)
SELECT c.number, c.invitation_ids, c.order_ids
FROM batch_update_chunks AS c
WHERE c.merchant_id = $1 AND c.batch_update_id = $2 AND c.done_at IS NULL AND (
    c.number = (SELECT number FROM first)
    OR (cardinality(c.order_ids) = 0 AND NOT (SELECT is_of_orders FROM first))
)
ORDER BY c.number
LIMIT 1
FOR UPDATE OF c SKIP LOCKED
"""

CLOSE_CHUNK: Final = """
UPDATE batch_update_chunks
SET done_at = $4, changed = $5, skipped = $6::text::json
WHERE merchant_id = $1 AND batch_update_id = $2 AND number = $3
"""

FINISH: Final = """
UPDATE batch_updates
SET finished_at = $3
WHERE merchant_id = $1 AND id = $2 AND finished_at IS NULL AND NOT EXISTS (
    SELECT FROM batch_update_chunks AS c
    WHERE c.merchant_id = $1 AND c.batch_update_id = $2 AND c.done_at IS NULL
)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a batch update, locked until the transaction ends."""

    number: int
    invitation_ids: Sequence[UUID]
    order_ids: Sequence[str] = ()
    """Orders that wait and are to be decided, or were decided and are to wait again."""


class BatchUpdateStore:
    """A merchant's batch updates."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def add(self, merchant_id: MerchantId, batch: BatchUpdate, *, chosen: Chosen | None, chunk_size: int) -> int:
        """Store a batch update and freeze what it is about; gives how many invitations that are.

        With `chosen` None it is about what the batch update that it undoes has changed.

        Raises:
            TransactionConflictError: somebody else undoes the same one.
        """
        given = [
            batch.id,
            chunk_size,
            batch.change.action,
            batch.change.day,
            batch.change.shift_days,
            json_text(batch.chosen_by),
            batch.undo_of,
            batch.created_at,
            batch.created_by,
            batch.change.policy_version,
        ]
        if chosen is None:
            statement, parameters = _CHANGED_BY, [merchant_id, *given]
        elif isinstance(chosen, InvitationFilter):
            conditions = invitations_chosen(merchant_id, chosen, self._keys, taken=given)
            statement, parameters = _BY_FILTER.format(conditions=conditions), conditions.parameters
        else:
            statement, parameters = _BY_IDS, [merchant_id, *given, list(chosen)]
        try:
            matched: int = await self._driver.fetchval(ADD_BATCH_UPDATE.format(chosen=statement), *parameters)
        except asyncpg.UniqueViolationError as error:
            raise TransactionConflictError("Somebody else undoes the same batch update.") from error
        return matched

    async def get(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get a batch update and how far it is.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
        """
        row = await self._driver.fetchrow(FIND_BATCH_UPDATE.format(condition="b.id = $2"), merchant_id, batch_id)
        if row is None:
            raise BatchUpdateNotFoundError("No batch update of that id exists.")
        return _batch_from_row(row)

    async def list_(self, merchant_id: MerchantId, *, status: BatchStatus | None, part: Slice) -> list[BatchUpdate]:
        """List batch updates by when they were accepted; only those of a status where that is asked for."""
        conditions = Conditions(merchant_id, [part.limit])
        if status is not None:
            conditions.add(CONDITIONS_OF_STATUS[status])
        conditions.add_part("(b.created_at, b.id)", [], part, least_id=UUID(int=0))
        direction = "ASC" if part.ascending else "DESC"
        statement = LIST_BATCH_UPDATES.format(conditions=conditions, direction=direction)
        return [_batch_from_row(row) for row in await self._driver.fetch(statement, *conditions.parameters)]

    async def get_asked(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get what a batch update was asked to do, without how far it is; it exists, as one of its chunks is held."""
        return _batch_from_row(await self._driver.fetchrow(FIND_ASKED, merchant_id, batch_id))

    async def find_undo(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate | None:
        """Find the batch update that undoes another one, when there is one already."""
        row = await self._driver.fetchrow(FIND_BATCH_UPDATE.format(condition="b.undo_of = $2"), merchant_id, batch_id)
        return _batch_from_row(row) if row is not None else None

    async def list_merchants_with_unfinished(self) -> list[MerchantId]:
        """List merchants with a batch update that has something left to do; locks nothing."""
        return [MerchantId(row[0]) for row in await self._driver.fetch(LIST_MERCHANTS_WITH_UNFINISHED)]

    async def list_unfinished(self, merchant_id: MerchantId) -> list[UUID]:
        """List a merchant's batch updates with something left to do, the oldest first; locks nothing."""
        return [row[0] for row in await self._driver.fetch(LIST_UNFINISHED, merchant_id)]

    async def take_chunk(self, merchant_id: MerchantId, batch_id: UUID) -> Chunk | None:
        """Lock the first chunk that is neither done nor being done, nor waits for one; None when there is none."""
        row = await self._driver.fetchrow(TAKE_CHUNK, merchant_id, batch_id)
        return Chunk(*row) if row is not None else None

    async def close_chunk(
        self,
        merchant_id: MerchantId,
        batch_id: UUID,
        number: int,
        *,
        changed: int,
        skipped: Mapping[str, int],
        at: datetime,
    ) -> None:
        """Mark a chunk as done that this transaction has locked."""
        await self._driver.execute(CLOSE_CHUNK, merchant_id, batch_id, number, at, changed, json_text(skipped))

    async def finish(self, merchant_id: MerchantId, batch_id: UUID, *, at: datetime) -> bool:
        """Mark a batch update as finished when all of its chunks are; says whether this call did."""
        return await self._driver.fetchval(FINISH, merchant_id, batch_id, at) is not None


def _batch_from_row(row: Row) -> BatchUpdate:
    return BatchUpdate(
        id=row["id"],
        change=BatchChange(
            action=BatchAction(row["action"]),
            day=row["day"],
            shift_days=row["shift_days"],
            policy_version=row["policy_version"],
        ),
        chosen_by=row["chosen_by"],
        undo_of=row["undo_of"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        matched=row["matched"],
        changed=row["changed"],
        skipped=row["skipped"] or {},
        is_started=row["is_started"],
        finished_at=row["finished_at"],
    )
