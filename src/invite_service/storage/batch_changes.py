"""What batch updates find and make of invitations: reading and locking those alike, writing plans, keeping what was.

What was changed is one row for each invitation, written by the statement that changes it; it is also the timeline's
entry, because a second row for each of a million invitations would cost as much as the change.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

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
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order
from invite_service.storage.alike import LOCK_ALIKE, READ_ALIKE, group_alike
from invite_service.storage.choosing import Conditions, invitations_chosen
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
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

READ_CHOSEN: Final = f"""
SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products
FROM invitations i
WHERE i.merchant_id = $1{{conditions}}
ORDER BY i.id
LIMIT {{limit}}
"""  # noqa: S608 - built from the constant above

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


class BatchChangeStore:
    """What batch updates change of a merchant's invitations."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

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

    async def lock_alike(
        self, merchant_id: MerchantId, invitation_ids: Collection[UUID], *, change: BatchChange
    ) -> list[Alike]:
        """Lock invitations in the order of their ids until the transaction ends, and read those alike together."""
        return group_alike(await self._driver.fetch(LOCK_ALIKE, merchant_id, list(invitation_ids)), change)

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
                yield group_alike(rows, change)
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
