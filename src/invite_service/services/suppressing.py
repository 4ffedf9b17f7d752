"""Whether an address is suppressed; closing every channel to a customer who has had enough."""

from datetime import datetime

from invite_service.domain.errors import MerchantNotFoundError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.membership import cancel
from invite_service.rules.suppressions import SuppressedContacts
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.stores import Stores


async def is_suppressed(stores: Stores, merchant_id: MerchantId, contact: str) -> bool:
    """Say whether nothing may go to an address, on its own account or because a wildcard covers it."""
    own = await stores.suppressions.list_suppressions(merchant_id, [contact])
    covering = await stores.suppressions.list_covering(merchant_id, [contact])
    return SuppressedContacts([*own, *covering]).closes_address(contact)


async def close_customer(
    stores: Stores,
    merchant_id: MerchantId,
    invitation: Invitation,
    reason: SuppressionReason,
    *,
    source: SuppressionSource,
    told: TimelineEntry,
) -> bool:
    """Suppress every contact of the orders behind an invitation, on every channel, and end what is scheduled for them.

    RULES.md sections 3 ("Channel") and 8. What is being sent right now is asked again by may_send. False where nothing
    was left to do; `told` says in the timeline what the customer did, by whose doing and at which of the merchant's
    times the rest happens.

    Raises:
        TransactionConflictError: others changed the history before it was locked; begin again.
        MerchantNotFoundError: there is no such merchant.
    """
    locked = await stores.history.lock(merchant_id, invitation.order_ids, [invitation.contact])
    if locked is None:
        raise MerchantNotFoundError("No merchant of that id exists.")
    known = await stores.suppressions.list_suppressions(merchant_id, locked.contacts)
    closed = {entry.contact for entry in known if entry.reason is reason and entry.channel is None}
    changes = await _end_scheduled(stores, merchant_id, invitation, locked.contacts, reason=reason.value)
    # Also where the merchant had entered the same: that could be lifted, the customer's own word cannot.
    await stores.suppressions.add(merchant_id, locked.contacts, reason, source=source, at=told.at)
    if not changes and locked.contacts <= closed:
        return False
    await stores.invitations.save(merchant_id, changes)
    ended = [_ended(change.invitation, reason.value, actor=told.actor, at=told.at) for change in changes]
    await stores.timeline.add(merchant_id, [told, *ended])
    return True


async def _end_scheduled(
    stores: Stores, merchant_id: MerchantId, invitation: Invitation, contacts: frozenset[str], *, reason: str
) -> list[InvitationChange]:
    """End every scheduled invitation to a customer with one of these contacts, which are locked.

    May_send would skip them for the same reason; this way the merchant sees it at once.
    """
    history = await stores.history.read(merchant_id, invitation.order_ids, contacts, lock=True)
    has_order_joined = any(
        found.id == invitation.id and found.order_ids != invitation.order_ids for found in history.invitations
    )
    if history.is_stale or has_order_joined:
        raise TransactionConflictError("The history changed before it was locked.")
    live = {order.order_id: order for order in history.orders if order.is_live}
    changes = []
    for found in history.invitations:
        reached = {found.contact}.union(*(live[order_id].contacts for order_id in found.order_ids if order_id in live))
        if found.status is InvitationStatus.SCHEDULED and not contacts.isdisjoint(reached):
            changes.append(InvitationChange(cancel(found, reason), found))
    return changes


def _ended(invitation: Invitation, reason: str, *, actor: str, at: datetime) -> TimelineEntry:
    return TimelineEntry(
        at=at,
        actor=actor,
        event=TimelineEvent.INVITATION_CANCELLED,
        invitation_id=invitation.id,
        reason=reason,
        data={"status": invitation.status.value},
    )
