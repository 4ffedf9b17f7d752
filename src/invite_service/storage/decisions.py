"""Writing what the rules decided: everything of one ingest call in one statement."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import Order
from invite_service.domain.timeline import TimelineEntry
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import (
    ADD_INVITATION_ORDERS,
    ADD_INVITATION_PRODUCTS,
    ADD_INVITATIONS,
    SAVE_INVITATION_PRODUCTS,
    SAVE_INVITATIONS,
    changed_row,
    invitation_row,
    joined_order_rows,
)
from invite_service.storage.invitations import product_rows as invited_product_rows
from invite_service.storage.orders import (
    ADD_EVENTS,
    ADD_LINES,
    ADD_ORDERS,
    DROP_LINES,
    SAVE_LINES,
    SAVE_ORDERS,
    SAVE_SIBLING_ORDERS,
    OrderEventRecord,
    event_row,
    line_rows,
    order_row,
    sibling_row,
)
from invite_service.storage.products import SAVE_PRODUCTS, product_rows
from invite_service.storage.statements import Share, Writing
from invite_service.storage.timeline import ADD_ENTRIES, entry_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What is to be written: values that are new or changed, and beside them what was read before."""

    posted_ids: Collection[str]
    """Orders that the events are about; another one that changed did so by its place in an invitation."""
    orders: Sequence[Order]
    stored_orders: Mapping[str, Order] = field(default_factory=dict)
    invitations: Sequence[Invitation] = ()
    stored_invitations: Mapping[UUID, Invitation] = field(default_factory=dict)
    events: Sequence[OrderEventRecord] = ()
    timeline: Sequence[TimelineEntry] = ()
    accepted_at: datetime
    """On the merchant's clock."""


class DecisionStore:
    """Writes decisions."""

    def __init__(self, driver: Driver, keys: ContactKeys, *, new_id: Callable[[], UUID]) -> None:
        self._driver = driver
        self._keys = keys
        self._new_id = new_id

    async def record(self, merchant_id: MerchantId, decisions: Decisions) -> None:
        """Write decisions that were made under the locks of `HistoryStore`.

        Raises:
            TransactionConflictError: an order or an invitation is not as it was when it was decided on.
        """
        writing = Writing()
        guarded = self._collect_orders(writing, decisions) | self._collect_invitations(writing, decisions)
        writing.add(ADD_EVENTS, map(event_row, decisions.events))
        writing.add(ADD_ENTRIES, (entry_row(self._new_id(), entry) for entry in decisions.timeline))
        try:
            written = await writing.run(self._driver, merchant_id)
        except asyncpg.UniqueViolationError as error:
            raise TransactionConflictError("Somebody else stored the same order.") from error
        if any(written.get(share, 0) != count for share, count in guarded.items()):
            raise TransactionConflictError("An order or an invitation changed while it was decided on.")

    def _collect_orders(self, writing: Writing, decisions: Decisions) -> dict[Share, int]:
        retold = []
        guarded = {SAVE_ORDERS: 0, SAVE_SIBLING_ORDERS: 0}
        for order in decisions.orders:
            stored = decisions.stored_orders.get(order.order_id)
            if stored is None:
                writing.add(ADD_ORDERS, [order_row(order, self._keys)])
                writing.add(ADD_LINES, line_rows(order))
                retold.append(order)
            elif order.order_id not in decisions.posted_ids:
                writing.add(SAVE_SIBLING_ORDERS, [sibling_row(order)])
                guarded[SAVE_SIBLING_ORDERS] += 1
            else:
                writing.add(SAVE_ORDERS, [order_row(order, self._keys)])
                guarded[SAVE_ORDERS] += 1
                if order.lines != stored.lines:
                    writing.add(SAVE_LINES, line_rows(order))
                    if len(order.lines) < len(stored.lines):
                        writing.add(DROP_LINES, [(order.order_id, len(order.lines))])
                    retold.append(order)
        writing.add(SAVE_PRODUCTS, product_rows(retold, told_at=decisions.accepted_at))
        return guarded

    def _collect_invitations(self, writing: Writing, decisions: Decisions) -> dict[Share, int]:
        guarded = {SAVE_INVITATIONS: 0}
        for invitation in decisions.invitations:
            stored = decisions.stored_invitations.get(invitation.id)
            if stored is None:
                writing.add(ADD_INVITATIONS, [invitation_row(invitation, self._keys)])
                writing.add(ADD_INVITATION_PRODUCTS, invited_product_rows(invitation))
            else:
                writing.add(SAVE_INVITATIONS, [changed_row(invitation, stored, self._keys)])
                writing.add(SAVE_INVITATION_PRODUCTS, invited_product_rows(invitation, stored))
                guarded[SAVE_INVITATIONS] += 1
            writing.add(ADD_INVITATION_ORDERS, joined_order_rows(invitation, stored))
        return guarded
