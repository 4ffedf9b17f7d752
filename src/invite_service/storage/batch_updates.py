"""Batch updates: what was chosen, in chunks; how far each is; and what was changed, so that it can be put back.

A chunk is the unit of work: its row is locked while its invitations are changed, in the same transaction that marks it
done. Workers take different chunks, a killed one lets go of its own when its connection ends, and no invitation is
changed twice. What was changed is one row for each invitation, written by the statement that changes it; it is also
the timeline's entry, because a second row for each of a million invitations would cost as much as the change.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from invite_service.domain.batch_update import (
    Alike,
    AlikeChange,
    BatchAction,
    BatchChange,
    BatchEffect,
    BatchUpdate,
    Chosen,
    PlanBefore,
)
from invite_service.domain.errors import BatchUpdateNotFoundError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order
from invite_service.rules.slots import local_day
from invite_service.storage.choosing import Conditions, invitations_chosen
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import (
    READ_INVITATION_COLUMNS,
    READ_PRODUCTS,
    SAVE_INVITATION_PRODUCTS,
    InvitationChange,
    invitation_from_row,
    product_rows,
    products_from_json,
)
from invite_service.storage.orders import READ_ORDER_COLUMNS, order_from_row
from invite_service.storage.statements import Writing, json_text

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

READ_CHOSEN: Final = f"""
SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products
FROM invitations i
WHERE i.merchant_id = $1{{conditions}}
ORDER BY i.id
LIMIT {{limit}}
"""  # noqa: S608 - built from the constant above

# Without the progress: what a worker reads before every chunk must not count all of them.
FIND_ASKED: Final = """
SELECT b.id, b.action, b.day, b.shift_days, b.policy_version, b.chosen_by, b.undo_of, b.matched, b.created_at,
    b.created_by, b.finished_at, FALSE AS is_started, 0 AS changed, NULL AS skipped
FROM batch_updates AS b
WHERE b.merchant_id = $1 AND b.id = $2
"""

FIND_BATCH_UPDATE: Final = """
SELECT b.id, b.action, b.day, b.shift_days, b.policy_version, b.chosen_by, b.undo_of, b.matched, b.created_at,
    b.created_by, b.finished_at,
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
     ) AS by_reason) AS skipped
FROM batch_updates AS b
WHERE b.merchant_id = $1 AND {condition}
"""

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

TAKE_CHUNK: Final = """
SELECT c.number, c.invitation_ids, c.order_ids
FROM batch_update_chunks AS c
WHERE c.merchant_id = $1 AND c.batch_update_id = $2 AND c.done_at IS NULL
ORDER BY c.number
LIMIT 1
FOR UPDATE SKIP LOCKED
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

_OWN_COLUMNS: Final = "i.id, i.spread_order_id, i.send_at"
_COMMON_COLUMNS: Final = """i.kind, i.channel, i.language, i.status, array_to_string(i.steps, ' '), i.next_step,
    i.policy_version, i.time_zone, i.next_attempt_at IS NOT NULL, i.held_at IS NOT NULL, i.moved_by_merchant,
    i.send_now, i.rescheduled_to, i.message_count, i.last_message_at IS NOT NULL, i.tries, i.ended_reason"""

READ_ALIKE: Final = f"""
SELECT {_OWN_COLUMNS}, {_COMMON_COLUMNS}
FROM invitations AS i
WHERE i.merchant_id = $1{{conditions}}
ORDER BY i.id
LIMIT {{limit}}
"""  # noqa: S608 - built from the constants above

# Locks and reads in one statement: a row that was changed meanwhile is read as it is once it is locked.
LOCK_ALIKE: Final = f"""
SELECT {_OWN_COLUMNS}, {_COMMON_COLUMNS}
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = ANY($2::uuid[])
ORDER BY i.id
FOR NO KEY UPDATE
"""  # noqa: S608 - built from the constants above

_PLAN: Final = (
    ("status", "text"),
    ("steps", "text"),
    ("next_step", "text"),
    ("policy_version", "int4"),
    ("send_at", "timestamptz"),
    ("next_attempt_at", "timestamptz"),
    ("held_at", "timestamptz"),
    ("moved_by_merchant", "bool"),
    ("send_now", "bool"),
    ("rescheduled_to", "date"),
    ("tries", "int2"),
    ("ended_reason", "text"),
)
"""What a batch update changes; steps travel as one text, because arrays in an array have to be equally long."""

_BEFORE: Final = (
    "status",
    "steps",
    "next_step",
    "policy_version",
    "send_at",
    "moved_by_merchant",
    "send_now",
    "rescheduled_to",
)

_STEPS: Final = "string_to_array(given.steps, ' ')"

# Both parts see the invitations as they were before the statement: so the change that is kept tells what was found.
SAVE_PLANS: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($5::uuid[], {", ".join(f"${6 + n}::{kind}[]" for n, (_, kind) in enumerate(_PLAN))},
            ${7 + len(_PLAN)}::text[])
        AS given (id, {", ".join(name for name, _ in _PLAN)}, taken_out)
), kept AS (
    INSERT INTO batch_update_changes (
        merchant_id, batch_update_id, invitation_id, action, actor, at,
        {", ".join(f"before_{name}" for name in _BEFORE)}, before_products, status, send_at, next_attempt_at
    )
    SELECT $1, $2, i.id, $3, $4, ${6 + len(_PLAN)}, {", ".join(f"i.{name}" for name in _BEFORE)},
        given.taken_out::json, given.status, given.send_at, given.next_attempt_at
    FROM given
    JOIN invitations AS i ON i.merchant_id = $1 AND i.id = given.id
    WHERE i.merchant_id = $1 AND i.id = ANY($5::uuid[])
)
UPDATE invitations AS stored
SET {", ".join(f"{name} = {_STEPS if name == 'steps' else f'given.{name}'}" for name, _ in _PLAN)}
FROM given
WHERE stored.merchant_id = $1 AND stored.id = ANY($5::uuid[]) AND stored.id = given.id
"""  # noqa: S608 - built from the constants above

KEEP_MADE: Final = f"""
INSERT INTO batch_update_changes (
    merchant_id, batch_update_id, invitation_id, action, actor, at,
    {", ".join(f"before_{name}" for name in _BEFORE)}, status, send_at, next_attempt_at
)
SELECT $1, $2, i.id, $3, $4, $5, {", ".join("'cancelled'" if name == "status" else f"i.{name}" for name in _BEFORE)},
    i.status, i.send_at, i.next_attempt_at
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = ANY($6::uuid[])
"""  # noqa: S608 - built from the constants above

# What they have in common comes once; both parts see the invitations as they were, as above.
SAVE_ALIKE: Final = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($5::uuid[], $6::timestamptz[]) AS given (id, send_at)
), kept AS (
    INSERT INTO batch_update_changes (
        merchant_id, batch_update_id, invitation_id, action, actor, at,
        {", ".join(f"before_{name}" for name in _BEFORE)}, status, send_at, next_attempt_at
    )
    SELECT $1, $2, i.id, $3, $4, $7, {", ".join(f"i.{name}" for name in _BEFORE)},
        $8, given.send_at, CASE WHEN $9::bool THEN given.send_at END
    FROM given
    JOIN invitations AS i ON i.merchant_id = $1 AND i.id = given.id
    WHERE i.merchant_id = $1 AND i.id = ANY($5::uuid[])
)
UPDATE invitations AS stored
SET status = $8, send_at = given.send_at, next_attempt_at = CASE WHEN $9 THEN given.send_at END,
    held_at = CASE WHEN $10::bool THEN stored.held_at END, steps = $11, next_step = $12, policy_version = $13,
    moved_by_merchant = $14, send_now = $15, rescheduled_to = $16, tries = $17, ended_reason = $18
FROM given
WHERE stored.merchant_id = $1 AND stored.id = ANY($5::uuid[]) AND stored.id = given.id
"""  # noqa: S608 - built from the constants above

READ_CHANGES: Final = f"""
SELECT c.invitation_id, c.action, {", ".join(f"c.before_{name}" for name in _BEFORE)},
    c.before_products, c.status, c.send_at, c.next_attempt_at
FROM batch_update_changes AS c
WHERE c.merchant_id = $1 AND c.batch_update_id = $2 AND c.invitation_id = ANY($3::uuid[])
"""  # noqa: S608 - built from the constant above


# The `invited` order of each, which an invitation has one of as long as any of its orders is live.
READ_INVITED_ORDERS: Final = f"""
SELECT {READ_ORDER_COLUMNS}, NULL AS trace, NULL AS lines
FROM orders AS o
WHERE o.merchant_id = $1 AND o.order_id = ANY($2::text[]) AND o.outcome = 'invited'
    AND o.invitation_id = ANY($3::uuid[])
"""  # noqa: S608 - built from the constant above

READ_CATEGORIES: Final = """
SELECT p.product_id, p.category FROM products AS p WHERE p.merchant_id = $1 AND p.product_id = ANY($2::text[])
"""


FIRST_OF_ORDERS: Final = 1_000_000_000
"""The number of the first chunk of orders: far beyond the last of invitations."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a batch update, locked until the transaction ends."""

    number: int
    invitation_ids: Sequence[UUID]
    order_ids: Sequence[str] = ()
    """Orders that wait and are to be decided."""


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

    async def add_waiting_orders(self, merchant_id: MerchantId, batch_id: UUID, *, chunk_size: int) -> int:
        """Freeze the orders that wait, to be decided by purchase; gives how much the batch update is about by now."""
        matched: int = await self._driver.fetchval(
            ADD_WAITING_ORDERS, merchant_id, batch_id, chunk_size, FIRST_OF_ORDERS
        )
        return matched

    async def keep_made(
        self, merchant_id: MerchantId, batch: BatchUpdate, invitation_ids: Collection[UUID], *, at: datetime
    ) -> None:
        """Keep which invitations a batch update has made, as if each had been cancelled before: so an undo ends it."""
        await self._driver.execute(
            KEEP_MADE, merchant_id, batch.id, batch.change.action, batch.created_by, at, list(invitation_ids)
        )

    async def get(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get a batch update and how far it is.

        Raises:
            BatchUpdateNotFoundError: the merchant has none of that id.
        """
        row = await self._driver.fetchrow(FIND_BATCH_UPDATE.format(condition="b.id = $2"), merchant_id, batch_id)
        if row is None:
            raise BatchUpdateNotFoundError("No batch update of that id exists.")
        return _batch_from_row(row)

    async def get_asked(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate:
        """Get what a batch update was asked to do, without how far it is; it exists, as one of its chunks is held."""
        return _batch_from_row(await self._driver.fetchrow(FIND_ASKED, merchant_id, batch_id))

    async def find_undo(self, merchant_id: MerchantId, batch_id: UUID) -> BatchUpdate | None:
        """Find the batch update that undoes another one, when there is one already."""
        row = await self._driver.fetchrow(FIND_BATCH_UPDATE.format(condition="b.undo_of = $2"), merchant_id, batch_id)
        return _batch_from_row(row) if row is not None else None

    async def read_chosen(
        self, merchant_id: MerchantId, chosen: Chosen, *, size: int
    ) -> AsyncIterator[list[Invitation]]:
        """Read what would be chosen with its products, some at a time, sorted by id; locks nothing."""
        beyond: UUID | None = None
        while True:
            conditions = self._chosen_beyond(merchant_id, chosen, beyond)
            statement = READ_CHOSEN.format(conditions=conditions, limit=size)
            rows = await self._driver.fetch(statement, *conditions.parameters)
            if rows:
                yield [invitation_from_row(row) for row in rows]
            if len(rows) < size:
                return
            beyond = rows[-1][0]

    def _chosen_beyond(self, merchant_id: MerchantId, chosen: Chosen, beyond: UUID | None) -> Conditions:
        if isinstance(chosen, InvitationFilter):
            conditions = invitations_chosen(merchant_id, chosen, self._keys)
        else:
            conditions = invitations_chosen(merchant_id, InvitationFilter(), self._keys)
            conditions.add("i.id = ANY({}::uuid[])", list(chosen))
        if beyond is not None:
            conditions.add("i.id > {}", beyond)
        return conditions

    async def list_merchants_with_unfinished(self) -> list[MerchantId]:
        """List merchants with a batch update that has something left to do; locks nothing."""
        return [MerchantId(row[0]) for row in await self._driver.fetch(LIST_MERCHANTS_WITH_UNFINISHED)]

    async def list_unfinished(self, merchant_id: MerchantId) -> list[UUID]:
        """List a merchant's batch updates with something left to do, the oldest first; locks nothing."""
        return [row[0] for row in await self._driver.fetch(LIST_UNFINISHED, merchant_id)]

    async def take_chunk(self, merchant_id: MerchantId, batch_id: UUID) -> Chunk | None:
        """Lock the first chunk that is neither done nor being done; None when there is none."""
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

    async def lock_alike(
        self, merchant_id: MerchantId, invitation_ids: Collection[UUID], *, change: BatchChange
    ) -> list[Alike]:
        """Lock invitations in the order of their ids until the transaction ends, and read those alike together."""
        return _alike(await self._driver.fetch(LOCK_ALIKE, merchant_id, list(invitation_ids)), change)

    async def read_alike(
        self, merchant_id: MerchantId, chosen: Chosen, *, change: BatchChange, size: int
    ) -> AsyncIterator[list[Alike]]:
        """Read what would be chosen, some at a time, those alike together; locks nothing."""
        beyond: UUID | None = None
        while True:
            conditions = self._chosen_beyond(merchant_id, chosen, beyond)
            statement = READ_ALIKE.format(conditions=conditions, limit=size)
            rows = await self._driver.fetch(statement, *conditions.parameters)
            if rows:
                yield _alike(rows, change)
            if len(rows) < size:
                return
            beyond = rows[-1][0]

    async def save_alike(
        self, merchant_id: MerchantId, batch: BatchUpdate, changes: AlikeChange, *, at: datetime
    ) -> None:
        """Write what became of invitations that are alike and locked, and keep what they were."""
        if not changes.ids:
            return
        after = changes.after
        await self._driver.execute(
            SAVE_ALIKE,
            merchant_id,
            batch.id,
            batch.change.action,
            batch.created_by,
            changes.ids,
            changes.send_ats,
            at,
            after.status,
            after.next_attempt_at is not None,
            after.held_at is not None,
            after.steps,
            after.next_step,
            after.policy_version,
            after.moved_by_merchant,
            after.send_now,
            after.rescheduled_to,
            after.tries,
            after.ended_reason,
        )

    async def read_invited_orders(self, merchant_id: MerchantId, found: Collection[Invitation]) -> dict[UUID, Order]:
        """Read the order that each invitation was made for, without lines and trace; by invitation."""
        order_ids = [order_id for invitation in found for order_id in invitation.order_ids]
        ids = [invitation.id for invitation in found]
        rows = await self._driver.fetch(READ_INVITED_ORDERS, merchant_id, order_ids, ids)
        orders = [order_from_row(row) for row in rows]
        return {order.invitation_id: order for order in orders if order.invitation_id is not None}

    async def read_categories(self, merchant_id: MerchantId, product_ids: Collection[str]) -> dict[str, str | None]:
        """Read the categories of products, as the newest order told them."""
        return dict(await self._driver.fetch(READ_CATEGORIES, merchant_id, list(product_ids)))

    async def save_plans(
        self, merchant_id: MerchantId, batch: BatchUpdate, changes: Sequence[InvitationChange], *, at: datetime
    ) -> None:
        """Write the plans of invitations that this transaction has locked, and keep what they were."""
        if not changes:
            return
        changed = [change.invitation for change in changes]
        columns: list[list[Any]] = [[getattr(invitation, name) for invitation in changed] for name, _ in _PLAN]
        columns[1] = [" ".join(steps) for steps in columns[1]]
        await self._driver.execute(
            SAVE_PLANS,
            merchant_id,
            batch.id,
            batch.change.action,
            batch.created_by,
            [invitation.id for invitation in changed],
            *columns,
            at,
            [_taken_out(change) for change in changes],
        )
        writing = Writing()
        for change in changes:
            writing.add(SAVE_INVITATION_PRODUCTS, product_rows(change.invitation, change.stored))
        await writing.run(self._driver, merchant_id)

    async def read_effects(
        self, merchant_id: MerchantId, batch_id: UUID, invitation_ids: Collection[UUID]
    ) -> dict[UUID, BatchEffect]:
        """Read what a batch update did to some invitations, by invitation."""
        rows = await self._driver.fetch(READ_CHANGES, merchant_id, batch_id, list(invitation_ids))
        return {row[0]: _effect_from_row(row) for row in rows}


def _alike(rows: Sequence[Row], change: BatchChange) -> list[Alike]:
    """Put together what is decided together; a shift makes the day of send_at a part of that."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((_day_of(row) if change.shift_days is not None else None, *row[3:]), []).append(row)
    return [
        Alike(
            _example(members[0]),
            [row[0] for row in members],
            [row[1] for row in members],
            [row[2] for row in members],
        )
        for members in groups.values()
    ]


def _day_of(row: Row) -> date:
    return local_day(row["send_at"], row["time_zone"])


def _example(row: Row) -> Invitation:
    (
        invitation_id,
        spread_order_id,
        send_at,
        kind,
        channel,
        language,
        status,
        steps,
        next_step,
        policy_version,
        time_zone,
        is_attempted,
        is_held,
        moved_by_merchant,
        send_now,
        rescheduled_to,
        message_count,
        has_left,
        tries,
        ended_reason,
    ) = row
    return Invitation(
        id=invitation_id,
        kind=Kind(kind),
        channel=Channel(channel),
        language=language,
        contact="",
        customer_name=None,
        status=InvitationStatus(status),
        steps=tuple(Step(step) for step in steps.split()),
        next_step=Step(next_step) if next_step is not None else None,
        policy_version=policy_version,
        time_zone=time_zone,
        spread_order_id=spread_order_id,
        created_at=send_at,
        send_at=send_at,
        next_attempt_at=send_at if is_attempted else None,
        order_ids=(),
        held_at=send_at if is_held else None,
        moved_by_merchant=moved_by_merchant,
        send_now=send_now,
        rescheduled_to=rescheduled_to,
        message_count=message_count,
        last_message_at=send_at if has_left else None,
        tries=tries,
        ended_reason=ended_reason,
    )


def _taken_out(change: InvitationChange) -> str | None:
    """Write the products that a change took out, as they were; most changes take out none."""
    if change.invitation.products is change.stored.products:
        return None
    taken_out = [
        [before.product_id, before.brought_by, before.asked]
        for before, after in zip(change.stored.products, change.invitation.products, strict=True)
        if before.brought_by and not after.brought_by
    ]
    return json_text(taken_out) if taken_out else None


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


def _effect_from_row(row: Row) -> BatchEffect:
    (
        invitation_id,
        action,
        before_status,
        steps,
        next_step,
        policy_version,
        before_send_at,
        moved_by_merchant,
        send_now,
        rescheduled_to,
        products,
        status,
        send_at,
        next_attempt_at,
    ) = row
    day: date | None = rescheduled_to
    return BatchEffect(
        invitation_id=invitation_id,
        action=BatchAction(action),
        before=PlanBefore(
            status=InvitationStatus(before_status),
            steps=tuple(Step(step) for step in steps),
            next_step=Step(next_step) if next_step is not None else None,
            policy_version=policy_version,
            send_at=before_send_at,
            moved_by_merchant=moved_by_merchant,
            send_now=send_now,
            rescheduled_to=day,
            products=products_from_json(products or ()),
        ),
        status=InvitationStatus(status),
        send_at=send_at,
        next_attempt_at=next_attempt_at,
    )
