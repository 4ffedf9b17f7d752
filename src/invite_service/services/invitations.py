"""Invitations as a merchant sees them, and what the merchant may do to them (RULES.md section 8)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from invite_service.bell import Bell
from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import ActionRefusedError, InvitationNotFoundError
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.listing import AttemptRecord, InvitationFilter, InvitationSorting, InvitationSummary
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order
from invite_service.domain.policy import FollowedPolicies, Policy
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules import actions
from invite_service.rules.membership import was_ended_by_merchant
from invite_service.rules.sending import SendFacts
from invite_service.services.conflicts import try_again
from invite_service.services.paging import Page, PageRequest, all_of, page_of
from invite_service.services.periods import Period, within
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.stores import Stores


class Action(StrEnum):
    """What may be done to an invitation."""

    CANCEL = "cancel"
    ENABLE = "enable"
    SEND_NOW = "send_now"
    RESCHEDULE = "reschedule"
    RETRY = "retry"
    """An operator's."""
    MARK_SENT = "mark_sent"
    """An operator's."""


_BY_STATUS: Final = {
    InvitationStatus.SCHEDULED: (Action.CANCEL, Action.SEND_NOW, Action.RESCHEDULE),
    InvitationStatus.IN_DOUBT: (Action.RETRY, Action.MARK_SENT),
    InvitationStatus.FAILED: (Action.RETRY,),
    InvitationStatus.MISSED: (Action.RETRY,),
}


def allowed_actions(invitation: Invitation) -> tuple[Action, ...]:
    """Name the actions that the invitation's state allows; what else they look at may still refuse them."""
    if was_ended_by_merchant(invitation):
        return (Action.ENABLE,)
    return _BY_STATUS.get(invitation.status, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationDetail:
    """An invitation with everything that belongs to it."""

    invitation: Invitation
    orders: Sequence[Order]
    """Every order that joined, the first one first, without lines and traces."""
    attempts: Sequence[AttemptRecord]
    timeline: Sequence[TimelineEntry]
    allowed_actions: Sequence[Action]
    product_names: Mapping[str, str]
    """By id, of those that have one."""
    policies: FollowedPolicies


@dataclass(frozen=True, slots=True, kw_only=True)
class _Situation:
    """What an action is decided on: the invitation under its locks, and both policies."""

    stores: Stores
    merchant: Merchant
    invitation: Invitation
    policy: Policy
    plan: Policy
    """The version stored with the invitation."""
    now: datetime
    """On the merchant's clock."""

    async def read_facts(self) -> SendFacts:
        """Read what may_send looks at."""
        merchant_id = self.merchant.id
        content, *_ = await self.stores.sending.read_contents(merchant_id, [self.invitation.id])
        return SendFacts(
            orders=content.orders,
            suppressed=content.suppressed,
            has_feedback=content.has_feedback,
            others=await self.stores.sending.read_invitations(merchant_id, content.other_ids),
            is_paused=self.merchant.paused_at is not None,
        )


_Decide = Callable[[_Situation], Awaitable[Invitation]]


class InvitationService:
    """Lists invitations, and does to one what the merchant wants done.

    Each action locks the customer's history, is written to the timeline under its `actor`, rings the bell after its
    commit, and raises ActionRefusedError with the reason where the state does not allow it. Doing what has been done
    already changes nothing.
    """

    def __init__(self, database: Database, *, bell: Bell, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._bell = bell
        self._clock = clock

    async def list_(
        self,
        merchant: Merchant,
        chosen: InvitationFilter,
        *,
        period: Period | None = None,
        sorted_by: InvitationSorting = InvitationSorting.CREATED_AT,
        page: PageRequest,
    ) -> Page[InvitationSummary]:
        """List invitations; `period` is one of send_at, besides what is chosen.

        Raises:
            InvalidInputError: the period lies outside the span of send_at that is chosen.
        """
        chosen = self._within(merchant, chosen, period)
        async with self._database.autocommit(by_key=True) as stores:
            found = await stores.listing.list_invitations(
                merchant.id, chosen, sorted_by=sorted_by, part=page.to_slice()
            )
        return page_of(found, page)

    async def count(
        self, merchant: Merchant, chosen: InvitationFilter, *, period: Period | None = None
    ) -> Mapping[InvitationStatus, int]:
        """Count the invitations that `list_` goes through, in each status."""
        chosen = self._within(merchant, chosen, period)
        async with self._database.autocommit() as stores:
            return await stores.listing.count_by_status(merchant.id, chosen)

    async def export(
        self,
        merchant: Merchant,
        chosen: InvitationFilter,
        *,
        period: Period | None = None,
        sorted_by: InvitationSorting = InvitationSorting.CREATED_AT,
        ascending: bool = True,
    ) -> AsyncIterator[Sequence[InvitationSummary]]:
        """Go through all the invitations that `list_` pages through, some at a time.

        No connection is held between them, so whoever takes the next ones late keeps nobody waiting. Sorted by send_at,
        an invitation that moves meanwhile may be missed or come twice.
        """
        chosen = self._within(merchant, chosen, period)

        async def read(part: Slice) -> Sequence[InvitationSummary]:
            async with self._database.autocommit() as stores:
                return await stores.listing.list_invitations(merchant.id, chosen, sorted_by=sorted_by, part=part)

        def place_of(item: InvitationSummary) -> tuple[datetime, UUID]:
            return item.send_at if sorted_by is InvitationSorting.SEND_AT else item.created_at, item.id

        async for items in all_of(read, place_of, ascending=ascending):
            yield items

    def _within(self, merchant: Merchant, chosen: InvitationFilter, period: Period | None) -> InvitationFilter:
        return within(chosen, period, zone=merchant.time_zone, now=merchant.now(self._clock()))

    async def get(self, merchant: Merchant, invitation_id: UUID) -> InvitationDetail:
        """Get an invitation.

        Raises:
            InvitationNotFoundError: the merchant has none of that id.
        """
        async with self._database.autocommit() as stores:
            invitation = await stores.invitations.get(merchant.id, invitation_id)
            at = await self._look_at(stores, merchant, invitation)
            return InvitationDetail(
                invitation=invitation,
                orders=await stores.listing.list_orders_of_invitation(merchant.id, invitation_id),
                attempts=await stores.listing.list_attempts(merchant.id, invitation_id),
                timeline=await stores.timeline.list_of_invitation(merchant.id, invitation_id),
                allowed_actions=await _allowed_now(at),
                product_names=await stores.explanations.find_product_names(
                    merchant.id, [product.product_id for product in invitation.products]
                ),
                policies=await stores.explanations.get_policies(merchant.id, invitation),
            )

    async def cancel(self, merchant: Merchant, invitation_id: UUID, *, actor: str) -> Invitation:
        """Cancel what is still to come."""

        async def decide(at: _Situation) -> Invitation:
            return actions.cancel(at.invitation)

        return await self._change(
            merchant, invitation_id, decide, event=TimelineEvent.INVITATION_CANCELLED, actor=actor
        )

    async def enable(self, merchant: Merchant, invitation_id: UUID, *, actor: str) -> Invitation:
        """Bring back what the merchant cancelled."""

        async def decide(at: _Situation) -> Invitation:
            last_events = await at.stores.timeline.find_last_events(
                merchant.id, [invitation_id], except_for=actions.CHANGING_NOTHING
            )
            return actions.enable(
                at.invitation,
                facts=await at.read_facts(),
                policy=at.policy,
                plan=at.plan,
                merchant=at.merchant,
                now=at.now,
                last_event=last_events.get(invitation_id),
            )

        return await self._change(merchant, invitation_id, decide, event=TimelineEvent.INVITATION_ENABLED, actor=actor)

    async def reschedule(self, merchant: Merchant, invitation_id: UUID, day: date, *, actor: str) -> Invitation:
        """Move the next message to a day in the invitation's zone."""

        async def decide(at: _Situation) -> Invitation:
            return actions.reschedule(at.invitation, day, policy=at.policy, merchant=at.merchant, now=at.now)

        return await self._change(
            merchant, invitation_id, decide, event=TimelineEvent.INVITATION_RESCHEDULED, actor=actor
        )

    async def send_now(self, merchant: Merchant, invitation_id: UUID, *, actor: str) -> Invitation:
        """Let the next message go at once."""

        async def decide(at: _Situation) -> Invitation:
            return actions.send_now(at.invitation, now=at.now)

        return await self._change(merchant, invitation_id, decide, event=TimelineEvent.INVITATION_SEND_NOW, actor=actor)

    async def retry(self, merchant: Merchant, invitation_id: UUID, *, actor: str) -> Invitation:
        """Try a message again that is in doubt, has failed or was missed."""

        async def decide(at: _Situation) -> Invitation:
            facts = await at.read_facts()
            return actions.retry(
                at.invitation, facts=facts, policy=at.policy, plan=at.plan, merchant=at.merchant, now=at.now
            )

        return await self._change(merchant, invitation_id, decide, event=TimelineEvent.INVITATION_RETRIED, actor=actor)

    async def mark_sent(self, merchant: Merchant, invitation_id: UUID, *, actor: str) -> Invitation:
        """Settle a message in doubt as having left when its attempt began."""

        async def decide(at: _Situation) -> Invitation:
            attempt = await at.stores.attempts.find_last(at.merchant.id, at.invitation.id)
            return actions.mark_sent(
                at.invitation,
                plan=at.plan,
                merchant=at.merchant,
                asked_at=attempt.asked_at if attempt is not None else at.now,
                product_ids=attempt.product_ids if attempt is not None else at.invitation.product_ids,
            )

        return await self._change(merchant, invitation_id, decide, event=TimelineEvent.MESSAGE_SETTLED, actor=actor)

    async def _change(
        self, merchant: Merchant, invitation_id: UUID, decide: _Decide, *, event: TimelineEvent, actor: str
    ) -> Invitation:
        return await try_again(lambda: self._change_once(merchant, invitation_id, decide, event=event, actor=actor))

    async def _change_once(
        self, merchant: Merchant, invitation_id: UUID, decide: _Decide, *, event: TimelineEvent, actor: str
    ) -> Invitation:
        async with self._database.transaction() as stores:
            at = await self._lock(stores, merchant, invitation_id)
            changed = await decide(at)
            if changed == at.invitation:
                return changed
            await stores.invitations.save(merchant.id, [InvitationChange(changed, at.invitation)])
            await stores.response_periods.count_sent(merchant, changed, stored=at.invitation)
            await stores.timeline.add(merchant.id, [_entry(at, changed, event=event, actor=actor)])
        self._bell.ring(merchant.id)
        return changed

    async def _lock(self, stores: Stores, merchant: Merchant, invitation_id: UUID) -> _Situation:
        """Lock orders, contacts and the invitation, in this order (DESIGN.md section 4)."""
        seen = await stores.invitations.get(merchant.id, invitation_id)
        history = await stores.history.lock(merchant.id, seen.order_ids, [seen.contact] if seen.contact else [])
        locked = await stores.invitations.lock(merchant.id, [invitation_id])
        if history is None or not locked:
            raise InvitationNotFoundError("No invitation of that id exists.")
        invitation = locked[0]
        if (invitation.order_ids, invitation.contact) != (seen.order_ids, seen.contact):
            raise TransactionConflictError("An order joined before the locks were held.")
        return await self._look_at(stores, history.merchant, invitation)

    async def _look_at(self, stores: Stores, merchant: Merchant, invitation: Invitation) -> _Situation:
        versions = {merchant.policy_version, invitation.policy_version}
        policies = await stores.policies.find_versions(merchant.id, versions)
        return _Situation(
            stores=stores,
            merchant=merchant,
            invitation=invitation,
            policy=policies[merchant.policy_version],
            plan=policies[invitation.policy_version],
            now=merchant.now(self._clock()),
        )


_LOOKING: Final = ((Action.ENABLE, actions.enable), (Action.RETRY, actions.retry))
"""Actions that look at more than the state; no state allows both."""


async def _allowed_now(at: _Situation) -> tuple[Action, ...]:
    """Name the actions that the state allows, less an enable or a retry that would be refused for what it looks at."""
    allowed = allowed_actions(at.invitation)
    decide = next((decide for action, decide in _LOOKING if action in allowed), None)
    if decide is None:
        return allowed
    try:
        decide(
            at.invitation,
            facts=await at.read_facts(),
            policy=at.policy,
            plan=at.plan,
            merchant=at.merchant,
            now=at.now,
        )
    except ActionRefusedError:
        return tuple([action for action in allowed if action not in {Action.ENABLE, Action.RETRY}])
    return allowed


def _entry(at: _Situation, changed: Invitation, *, event: TimelineEvent, actor: str) -> TimelineEntry:
    data: dict[str, JsonFigure] = {"status": changed.status.value}
    if changed.send_at != at.invitation.send_at:
        data["send_at"] = changed.send_at.isoformat()
    return TimelineEntry(
        at=at.now,
        actor=actor,
        event=event,
        invitation_id=changed.id,
        reason=changed.ended_reason if event is TimelineEvent.INVITATION_CANCELLED else None,
        data=data,
    )
