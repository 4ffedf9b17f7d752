"""The timeline: append-only rows that tell who did what to an order, an invitation or the settings, and why."""

from collections.abc import Callable, Collection, Sequence
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.timeline import EVENTS_OF, ListedEntry, TimelineEntry, TimelineEvent, TimelineFilter
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import Given, Share, Writing, instant, text

ADD_ENTRIES: Final = Share(
    "added_entries",
    (
        Given("id", "uuid"),
        text("order_id"),
        Given("invitation_id", "uuid"),
        instant("at"),
        text("actor"),
        text("event"),
        text("reason"),
        Given("data", "jsonb"),
    ),
    "INSERT INTO timeline_entries (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

# What a batch update did is kept once, with what it needs to be undone (batch_updates.py).
_TOLD_BY_BATCH_UPDATES: Final = """
SELECT c.at, c.actor,
    CASE c.action
        WHEN 'cancel' THEN 'invitation_cancelled'
        WHEN 'enable' THEN 'invitation_enabled'
        WHEN 'reschedule' THEN 'invitation_rescheduled'
        WHEN 'send_now' THEN 'invitation_send_now'
        WHEN 'replan' THEN 'invitation_replanned'
        ELSE 'invitation_restored'
    END AS event,
    NULL AS order_id, c.invitation_id, CASE WHEN c.status <> 'scheduled' THEN 'cancelled_by_merchant' END AS reason,
    jsonb_strip_nulls(
        jsonb_build_object(
            'status', c.status, 'send_at', c.send_at, 'batch_update_id', c.batch_update_id, 'products_removed',
            (SELECT jsonb_agg(product.value -> 0) FROM json_array_elements(c.before_products) AS product)
        )
    ) AS data,
    c.batch_update_id AS id
FROM batch_update_changes AS c
WHERE c.merchant_id = $1
"""

# Of an invitation that the order is or was part of, what became of it from the order's first entry about it on; what
# it says of its other orders stands in theirs. Arrays, so that the rows are found by their key whatever the planner
# knows of the tables.
LIST_OF_ORDER: Final = f"""
WITH own AS (
    SELECT at, actor, event, order_id, invitation_id, reason, data, id
    FROM timeline_entries
    WHERE merchant_id = $1 AND order_id = $2
),
joined AS (
    SELECT invitation_id, min(at) AS at FROM own WHERE invitation_id IS NOT NULL GROUP BY invitation_id
)
SELECT at, actor, event, order_id, invitation_id, reason, data
FROM (
    SELECT * FROM own
    UNION ALL
    SELECT t.at, t.actor, t.event, t.order_id, t.invitation_id, t.reason, t.data, t.id
    FROM timeline_entries AS t
    JOIN joined ON joined.invitation_id = t.invitation_id AND joined.at <= t.at
    WHERE t.merchant_id = $1 AND t.invitation_id = ANY(ARRAY(SELECT invitation_id FROM joined)) AND t.order_id IS NULL
    UNION ALL
    SELECT told.*
    FROM ({_TOLD_BY_BATCH_UPDATES} AND c.invitation_id = ANY(ARRAY(SELECT invitation_id FROM joined))) AS told
    JOIN joined ON joined.invitation_id = told.invitation_id AND joined.at <= told.at
) AS told
ORDER BY at, id
"""  # noqa: S608 - built from the constant above

LIST_OF_INVITATION: Final = f"""
SELECT at, actor, event, order_id, invitation_id, reason, data
FROM (
    SELECT at, actor, event, order_id, invitation_id, reason, data, id
    FROM timeline_entries
    WHERE merchant_id = $1 AND invitation_id = $2
    UNION ALL
    {_TOLD_BY_BATCH_UPDATES} AND c.invitation_id = $2
) AS told
ORDER BY at, id
"""  # noqa: S608 - built from the constant above

# As the list has them, the last first.
FIND_LAST_EVENTS: Final = f"""
SELECT DISTINCT ON (invitation_id) invitation_id, event
FROM (
    SELECT invitation_id, event, at, id
    FROM timeline_entries
    WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]) AND event <> ALL($3::text[])
    UNION ALL
    SELECT told.invitation_id, told.event, told.at, told.id
    FROM ({_TOLD_BY_BATCH_UPDATES} AND c.invitation_id = ANY($2::uuid[])) AS told
) AS told
ORDER BY invitation_id, at DESC, id DESC
"""  # noqa: S608 - built from the constant above

# Of no order and no invitation, as the index of these has it.
LIST_OF_MERCHANT: Final = """
SELECT at, actor, event, order_id, invitation_id, reason, data, id
FROM timeline_entries
WHERE merchant_id = $1 AND order_id IS NULL AND invitation_id IS NULL{conditions}
ORDER BY at {direction}, id {direction}
LIMIT $2
"""

_LEAST_ID: Final = UUID(int=0)


class TimelineStore:
    """A merchant's timeline; ids grow with time, so entries of one transaction keep their order."""

    def __init__(self, driver: Driver, *, new_id: Callable[[], UUID]) -> None:
        self._driver = driver
        self._new_id = new_id

    async def add(self, merchant_id: MerchantId, entries: Sequence[TimelineEntry]) -> None:
        """Append entries."""
        if entries:
            writing = Writing()
            writing.add(ADD_ENTRIES, (entry_row(self._new_id(), entry) for entry in entries))
            await writing.run(self._driver, merchant_id)

    async def list_of_order(self, merchant_id: MerchantId, order_id: str) -> list[TimelineEntry]:
        """List what happened to an order and, once it is part of an invitation, to that; oldest first."""
        return [entry_from_row(row) for row in await self._driver.fetch(LIST_OF_ORDER, merchant_id, order_id)]

    async def list_of_invitation(self, merchant_id: MerchantId, invitation_id: UUID) -> list[TimelineEntry]:
        """List what happened to an invitation, oldest first."""
        return [entry_from_row(row) for row in await self._driver.fetch(LIST_OF_INVITATION, merchant_id, invitation_id)]

    async def find_last_events(
        self, merchant_id: MerchantId, invitation_ids: Collection[UUID], *, except_for: Collection[TimelineEvent]
    ) -> dict[UUID, TimelineEvent]:
        """Find what happened last to invitations, but for some events; those to which nothing else has are left out."""
        rows = await self._driver.fetch(FIND_LAST_EVENTS, merchant_id, list(invitation_ids), list(except_for))
        return {invitation_id: TimelineEvent(event) for invitation_id, event in rows}

    async def list_of_merchant(
        self, merchant_id: MerchantId, chosen: TimelineFilter, *, part: Slice
    ) -> list[ListedEntry]:
        """List what happened to the merchant's settings, channels and suppressions, by when it did."""
        conditions = Conditions(merchant_id, [part.limit])
        conditions.add_part("(at, id)", [chosen.at], part, least_id=_LEAST_ID)
        if chosen.subject is not None:
            conditions.add("event = ANY({}::text[])", sorted(EVENTS_OF[chosen.subject]))
        statement = LIST_OF_MERCHANT.format(conditions=conditions, direction="ASC" if part.ascending else "DESC")
        rows = await self._driver.fetch(statement, *conditions.parameters)
        return [ListedEntry(row["id"], entry_from_row(row)) for row in rows]


def entry_row(entry_id: UUID, entry: TimelineEntry) -> tuple[object, ...]:
    """Write an entry as the values of ADD_ENTRIES."""
    return (
        entry_id,
        entry.order_id,
        entry.invitation_id,
        entry.at,
        entry.actor,
        entry.event,
        entry.reason,
        entry.data,
    )


def entry_from_row(row: Row) -> TimelineEntry:
    """Make an entry of a row."""
    return TimelineEntry(
        at=row["at"],
        actor=row["actor"],
        event=TimelineEvent(row["event"]),
        order_id=row["order_id"],
        invitation_id=row["invitation_id"],
        reason=row["reason"],
        data=row["data"],
    )
