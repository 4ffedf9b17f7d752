"""Invitations: rows of invitations, invitation_orders and invitation_products, and the values they stand for."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from invite_service.domain.errors import InvitationNotFoundError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.merchant import MerchantId
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.driver import Driver, Row
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.statements import WITH_GIVEN, Given, Share, Writing, assignments, instant, text, texts

_COLUMNS: Final = (
    Given("id", "uuid"),
    instant("created_at"),
    text("kind"),
    text("channel"),
    text("language"),
    text("contact"),
    text("customer_name"),
    text("time_zone"),
    text("spread_order_id"),
    text("status"),
    texts("steps"),
    text("next_step"),
    Given("policy_version", "int4"),
    instant("send_at"),
    instant("next_attempt_at"),
    texts("order_ids"),
    instant("held_at"),
    Given("moved_by_merchant", "bool"),
    Given("send_now", "bool"),
    Given("rescheduled_to", "date"),
    Given("message_count", "int2"),
    instant("first_sent_at"),
    instant("last_sent_at"),
    instant("last_message_at"),
    Given("not_received_on", "date"),
    Given("tries", "int2"),
    text("ended_reason"),
)
"""The invitation's columns in the order of `_values`; the first two never change."""

READ_INVITATION_COLUMNS: Final = ", ".join(f"i.{column.name}" for column in _COLUMNS)
"""What a select takes of `invitations AS i`, to be followed by READ_PRODUCTS; see `invitation_from_row`."""

READ_PRODUCTS: Final = """(
    SELECT json_agg(json_build_array(p.product_id, p.brought_by, p.asked) ORDER BY p.position)
    FROM invitation_products p
    WHERE p.merchant_id = $1 AND p.invitation_id = i.id
)"""

ADD_INVITATIONS: Final = Share(
    "added_invitations",
    (*_COLUMNS, Given("contact_key", "bytea")),
    "INSERT INTO invitations (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

# The guard is the row's lock, which whoever saves an invitation took when reading it; the status is the second look.
# The key of an erased contact stays, so that the history is still found by it.
SAVE_INVITATIONS: Final = Share(
    "saved_invitations",
    (*_COLUMNS, Given("contact_key", "bytea"), text("decided_status")),
    f"""
    {WITH_GIVEN}
    UPDATE invitations AS stored
    SET {assignments((column.name for column in _COLUMNS[2:]), source="given")},
        contact_key = COALESCE(given.contact_key, stored.contact_key)
    FROM given
    WHERE stored.merchant_id = $1 AND stored.id = ANY(ARRAY(SELECT id FROM given))
        AND stored.id = given.id AND stored.status = given.decided_status
    RETURNING 1
    """,  # noqa: S608 - built from the constants above
)

ADD_INVITATION_ORDERS: Final = Share(
    "added_invitation_orders",
    (Given("invitation_id", "uuid"), text("order_id"), Given("position", "int2")),
    "INSERT INTO invitation_orders (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

_PRODUCT_COLUMNS: Final = (
    Given("invitation_id", "uuid"),
    text("product_id"),
    Given("position", "int2"),
    texts("brought_by"),
    Given("asked", "bool"),
    instant("created_at"),
)

ADD_INVITATION_PRODUCTS: Final = Share(
    "added_invitation_products",
    _PRODUCT_COLUMNS,
    "INSERT INTO invitation_products (merchant_id, {names}) SELECT $1, {values} FROM {rows} RETURNING 1",
)

SAVE_INVITATION_PRODUCTS: Final = Share(
    "saved_invitation_products",
    _PRODUCT_COLUMNS,
    f"""
    INSERT INTO invitation_products (merchant_id, {{names}})
    SELECT $1, {{values}} FROM {{rows}}
    ON CONFLICT (merchant_id, invitation_id, product_id) DO UPDATE
    SET {assignments(("brought_by", "asked"), source="EXCLUDED")}
    RETURNING 1
    """,  # noqa: S608 - built from the constants above
)

FIND_INVITATION: Final = f"""
SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products
FROM invitations i
WHERE i.merchant_id = $1 AND i.id = $2
"""  # noqa: S608 - built from the constants above

# The lock comes first and in a statement of its own, so that the read sees what its former holder committed.
LOCK_INVITATIONS: Final = """
SELECT id FROM invitations
WHERE merchant_id = $1 AND id = ANY($2::uuid[])
ORDER BY id
FOR NO KEY UPDATE
"""

LIST_INVITATIONS: Final = f"""
SELECT {READ_INVITATION_COLUMNS}, {READ_PRODUCTS} AS products
FROM invitations i
WHERE i.merchant_id = $1 AND i.id = ANY($2::uuid[])
ORDER BY i.id
"""  # noqa: S608 - built from the constants above

# An enumeration that is called with a value takes ten times as long as a dictionary to find its member.
_KINDS: Final = {kind.value: kind for kind in Kind}
_CHANNELS: Final = {channel.value: channel for channel in Channel}
_STATUSES: Final = {status.value: status for status in InvitationStatus}
_STEPS: Final = {step.value: step for step in Step}


@dataclass(frozen=True, slots=True)
class InvitationChange:
    """An invitation as it is to be, and as it was read under its lock."""

    invitation: Invitation
    stored: Invitation


class InvitationStore:
    """A merchant's invitations."""

    def __init__(self, driver: Driver, keys: ContactKeys) -> None:
        self._driver = driver
        self._keys = keys

    async def get(self, merchant_id: MerchantId, invitation_id: UUID) -> Invitation:
        """Get an invitation without locking it.

        Raises:
            InvitationNotFoundError: the merchant has none of that id.
        """
        row = await self._driver.fetchrow(FIND_INVITATION, merchant_id, invitation_id)
        if row is None:
            raise InvitationNotFoundError("No invitation of that id exists.")
        return invitation_from_row(row)

    async def lock(self, merchant_id: MerchantId, invitation_ids: Collection[UUID]) -> list[Invitation]:
        """Lock invitations until the transaction ends, and read them; sorted by id, unknown ids are left out.

        Locks on orders and on contacts are taken before (DESIGN.md section 4).
        """
        ids = list(invitation_ids)
        await self._driver.fetch(LOCK_INVITATIONS, merchant_id, ids)
        return [invitation_from_row(row) for row in await self._driver.fetch(LIST_INVITATIONS, merchant_id, ids)]

    async def save(self, merchant_id: MerchantId, changes: Sequence[InvitationChange]) -> None:
        """Write changed invitations, which this transaction has locked, with their products; orders never change here.

        Raises:
            TransactionConflictError: one was not locked, and somebody else changed it.
        """
        if not changes:
            return
        writing = Writing()
        writing.add(SAVE_INVITATIONS, (changed_row(change.invitation, change.stored, self._keys) for change in changes))
        for change in changes:
            writing.add(SAVE_INVITATION_PRODUCTS, product_rows(change.invitation, change.stored))
        counts = await writing.run(self._driver, merchant_id)
        if counts[SAVE_INVITATIONS] != len(changes):
            raise TransactionConflictError("An invitation changed while it was decided on.")


def invitation_row(invitation: Invitation, keys: ContactKeys) -> tuple[object, ...]:
    """Write a new invitation as the values of ADD_INVITATIONS."""
    return (*_values(invitation), keys.key(invitation.contact))


def changed_row(invitation: Invitation, stored: Invitation, keys: ContactKeys) -> tuple[object, ...]:
    """Write a changed invitation as the values of SAVE_INVITATIONS; `stored` is how it was read under its lock."""
    contact_key = keys.key(invitation.contact) if invitation.contact != stored.contact else None
    return (*_values(invitation), contact_key, stored.status)


def _values(invitation: Invitation) -> tuple[object, ...]:
    return (
        invitation.id,
        invitation.created_at,
        invitation.kind,
        invitation.channel,
        invitation.language,
        invitation.contact or None,
        invitation.customer_name,
        invitation.time_zone,
        invitation.spread_order_id,
        invitation.status,
        invitation.steps,
        invitation.next_step,
        invitation.policy_version,
        invitation.send_at,
        invitation.next_attempt_at,
        invitation.order_ids,
        invitation.held_at,
        invitation.moved_by_merchant,
        invitation.send_now,
        invitation.rescheduled_to,
        invitation.message_count,
        invitation.first_sent_at,
        invitation.last_sent_at,
        invitation.last_message_at,
        invitation.not_received_on,
        invitation.tries,
        invitation.ended_reason,
    )


def joined_order_rows(invitation: Invitation, stored: Invitation | None = None) -> Iterable[tuple[object, ...]]:
    """Write the orders that joined since `stored` as the values of ADD_INVITATION_ORDERS."""
    first = len(stored.order_ids) if stored is not None else 0
    for position in range(first, len(invitation.order_ids)):
        yield (invitation.id, invitation.order_ids[position], position)


def product_rows(invitation: Invitation, stored: Invitation | None = None) -> Iterable[tuple[object, ...]]:
    """Write the products that are new or changed since `stored` as the values of SAVE_INVITATION_PRODUCTS."""
    known = stored.products if stored is not None else ()
    for position, product in enumerate(invitation.products):
        if position >= len(known) or known[position] != product:
            yield (
                invitation.id,
                product.product_id,
                position,
                product.brought_by,
                product.asked,
                invitation.created_at,
            )


def invitation_from_row(row: Row) -> Invitation:
    """Make an invitation of READ_INVITATION_COLUMNS and READ_PRODUCTS; an erased one has an empty contact."""
    (
        invitation_id,
        created_at,
        kind,
        channel,
        language,
        contact,
        customer_name,
        time_zone,
        spread_order_id,
        status,
        steps,
        next_step,
        policy_version,
        send_at,
        next_attempt_at,
        order_ids,
        held_at,
        moved_by_merchant,
        send_now,
        rescheduled_to,
        message_count,
        first_sent_at,
        last_sent_at,
        last_message_at,
        not_received_on,
        tries,
        ended_reason,
        products,
    ) = row
    return Invitation(
        id=invitation_id,
        kind=_KINDS[kind],
        channel=_CHANNELS[channel],
        language=language,
        contact=contact or "",
        customer_name=customer_name,
        time_zone=time_zone,
        created_at=created_at,
        spread_order_id=spread_order_id,
        status=_STATUSES[status],
        steps=tuple([_STEPS[step] for step in steps]),
        next_step=_STEPS[next_step] if next_step is not None else None,
        policy_version=policy_version,
        send_at=send_at,
        next_attempt_at=next_attempt_at,
        order_ids=tuple(order_ids),
        held_at=held_at,
        moved_by_merchant=moved_by_merchant,
        send_now=send_now,
        rescheduled_to=rescheduled_to,
        message_count=message_count,
        first_sent_at=first_sent_at,
        last_sent_at=last_sent_at,
        last_message_at=last_message_at,
        not_received_on=not_received_on,
        tries=tries,
        ended_reason=ended_reason,
        products=products_from_json(products) if products else (),
    )


def products_from_json(products: Iterable[Sequence[Any]]) -> tuple[InvitedProduct, ...]:
    """Make invited products of what READ_PRODUCTS returns."""
    return tuple([InvitedProduct(product_id, tuple(brought_by), asked) for product_id, brought_by, asked in products])
