"""The ledger: one merchant's orders and invitations, on which order events are decided one after the other.

It holds what a transaction loaded (or nothing, in a simulation), folds each event into it by RULES.md sections 3 to 5,
and tells what changed. It knows no clock and no storage, so the same events on the same ledger end the same anywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from invite_service.domain.decision import JsonFigure, Reason
from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import UNSET, Order, OrderEvent, OrderOutcome
from invite_service.domain.policy import DelayOrigin, Policy
from invite_service.domain.suppression import Suppression
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules import membership
from invite_service.rules.decide import (
    NO_HISTORY,
    Decision,
    History,
    PastInvitation,
    decide,
    delay_origin_of,
    plan_first_step,
    waiting_reason,
)
from invite_service.rules.orders import fold_event, is_outdated, live_product_ids
from invite_service.rules.suppressions import SuppressedContacts

RULE = "rule"
"""The actor of what the rules decide."""

_MISSING_FACTS: Mapping[Reason, Callable[[Order], bool]] = {
    Reason.NO_CONTACT: lambda order: bool(order.contacts),
    Reason.NO_CONSENT: lambda order: order.consent is True,
    Reason.NO_PRODUCTS: lambda order: bool(live_product_ids(order)),
}
"""Blocks that end when the fact that was missing arrives, and how to see it (RULES.md section 5)."""


def _has_arrived(reason: Reason, order: Order) -> bool:
    is_there = _MISSING_FACTS.get(reason)
    return is_there is not None and is_there(order)


_JOINED = frozenset({OrderOutcome.INVITED, OrderOutcome.MERGED})


class Ledger:
    """One merchant's orders and invitations, as far as the events at hand can touch them."""

    def __init__(
        self,
        merchant: Merchant,
        *,
        policy: Policy,
        policies: Mapping[int, Policy],
        new_id: Callable[[], UUID],
    ) -> None:
        self._merchant = merchant
        self._policy = policy
        self._policies = {**policies, policy.version: policy}
        self._new_id = new_id
        self._orders: dict[str, Order] = {}
        self._invitations: dict[UUID, Invitation] = {}
        self._suppressed = SuppressedContacts()
        self._orders_by_contact: dict[str, dict[str, None]] = {}
        self._invitations_by_order: dict[str, list[UUID]] = {}
        self._stored_orders: dict[str, Order] = {}
        self._stored_invitations: dict[UUID, Invitation] = {}
        self._recorded: set[int] = set()
        self.timeline: list[TimelineEntry] = []

    def load(
        self,
        orders: Iterable[Order] = (),
        invitations: Iterable[Invitation] = (),
        suppressions: Iterable[Suppression] = (),
    ) -> None:
        """Take in what is stored; every policy version that a loaded invitation names must have been given."""
        for order in orders:
            self._stored_orders[order.order_id] = order
            self._set_order(order)
        for invitation in invitations:
            self._stored_invitations[invitation.id] = invitation
            self._set_invitation(invitation)
        for suppression in suppressions:
            self._suppressed.add(suppression)

    def post_batch(self, events: Sequence[OrderEvent], *, accepted_at: datetime) -> list[Order]:
        """Decide events accepted at one instant; the result is aligned with them: each order after its event.

        Orders go by purchased_at (of their first event here), then by id, each seeing those before it; several
        events of one order go in their order in the list (RULES.md section 3).
        """
        first_purchases: dict[str, datetime] = {}
        for event in events:
            if event.order_id not in first_purchases:
                first_purchases[event.order_id] = self._purchase_of(event, accepted_at)
        sequence = sorted(
            range(len(events)),
            key=lambda index: (first_purchases[events[index].order_id], events[index].order_id, index),
        )
        results: dict[int, Order] = {}
        for index in sequence:
            results[index], is_recorded = self._post(events[index], accepted_at)
            if is_recorded:
                self._recorded.add(index)
        return [results[index] for index in range(len(events))]

    def post(self, event: OrderEvent, *, accepted_at: datetime) -> Order:
        """Decide one event and give the order after it."""
        return self._post(event, accepted_at)[0]

    def is_recorded(self, index: int) -> bool:
        """Say whether the event at `index` of the batch belongs in the record: one equal to what is stored does not."""
        return index in self._recorded

    def changed_orders(self) -> list[Order]:
        """Give the orders that are new or changed, their version counted up once; a new one has version 1."""
        return [
            replace(order, version=order.version + 1)
            for order_id, order in self._orders.items()
            if self._stored_orders.get(order_id) is not order
        ]

    def changed_invitations(self) -> list[Invitation]:
        """Give the invitations that are new or changed."""
        return [
            invitation
            for invitation_id, invitation in self._invitations.items()
            if self._stored_invitations.get(invitation_id) != invitation
        ]

    def is_new_invitation(self, invitation_id: UUID) -> bool:
        """Say whether the invitation was made here."""
        return invitation_id not in self._stored_invitations

    @property
    def orders(self) -> Mapping[str, Order]:
        """Every order it holds, by id."""
        return self._orders

    @property
    def invitations(self) -> Mapping[UUID, Invitation]:
        """Every invitation it holds, by id."""
        return self._invitations

    def _purchase_of(self, event: OrderEvent, accepted_at: datetime) -> datetime:
        if isinstance(event.purchased_at, datetime):
            return event.purchased_at
        stored = self._orders.get(event.order_id)
        return stored.purchased_at if stored is not None else accepted_at

    def _set_order(self, order: Order) -> None:
        previous = self._orders.get(order.order_id)
        if previous is not None and previous.contacts != order.contacts:
            for contact in previous.contacts:
                self._orders_by_contact[contact].pop(order.order_id, None)
        self._orders[order.order_id] = order
        for contact in order.contacts:
            self._orders_by_contact.setdefault(contact, {})[order.order_id] = None

    def _set_invitation(self, invitation: Invitation) -> None:
        self._invitations[invitation.id] = invitation
        for order_id in invitation.order_ids:
            joined = self._invitations_by_order.setdefault(order_id, [])
            if invitation.id not in joined:
                joined.append(invitation.id)

    def _post(self, event: OrderEvent, accepted_at: datetime) -> tuple[Order, bool]:
        stored = self._orders.get(event.order_id)
        if stored is None:
            return self._decide(fold_event(None, event, accepted_at=accepted_at), now=accepted_at), True
        if is_outdated(stored, event):
            self._note(accepted_at, TimelineEvent.ORDER_EVENT_OUTDATED, order=stored)
            return stored, True
        order = fold_event(stored, event, accepted_at=accepted_at)
        if order == stored:
            return stored, False
        return self._take_later_event(stored, order, event, now=accepted_at), True

    def _take_later_event(self, stored: Order, order: Order, event: OrderEvent, *, now: datetime) -> Order:
        """Do what RULES.md section 5 says of a later event that changes what is stored."""
        brings_status = event.status is not UNSET
        folded = order.status.casefold() if order.status is not None else None
        if brings_status and folded in self._policy.cancels:
            if stored.is_live:
                return self._cancel_order(stored, order, now=now)
            return self._store_only(order, now=now)
        triggers = brings_status and waiting_reason(folded, self._policy) is None
        if stored.outcome is OrderOutcome.WAITING and brings_status:
            return self._decide(replace(order, triggered_at=None), now=now)
        if stored.outcome is OrderOutcome.CANCELLED and triggers and folded is not None:
            return self._decide(replace(order, triggered_at=None), now=now)
        if stored.reason is not None and _has_arrived(stored.reason, order):
            return self._decide(order, now=now)
        order = self._store_only(order, now=now)
        if order.outcome in _JOINED:
            if brings_status:
                order = self._hold_or_resume(order, folded, triggers=triggers, now=now)
            self._take_out_returned(stored, order, now=now)
            self._plan_again_by_dates(stored, order, now=now)
        return order

    def _store_only(self, order: Order, *, now: datetime) -> Order:
        self._set_order(order)
        self._note(now, TimelineEvent.ORDER_CHANGED, order=order)
        return order

    def _decide(self, order: Order, *, now: datetime) -> Order:
        """Decide an order now and carry the decision out."""
        decision = decide(order, policy=self._policy, history=self._history_of(order), merchant=self._merchant, now=now)
        is_triggered = decision.outcome is not OrderOutcome.WAITING
        order = replace(
            order,
            triggered_at=(order.triggered_at or now) if is_triggered else None,
            on_hold=decision.reason is Reason.ON_HOLD,
            outcome=decision.outcome,
            reason=decision.reason,
            eligible_at=decision.eligible_at,
            invitation_id=None,
            trace=decision.trace,
        )
        if decision.plan is not None:
            return self._schedule(order, decision, now=now)
        if decision.merged_into is not None:
            return self._merge(order, decision, now=now)
        self._set_order(order)
        self._note(now, TimelineEvent.ORDER_DECIDED, order=order, reason=decision.reason or decision.outcome.value)
        return order

    def _schedule(self, order: Order, decision: Decision, *, now: datetime) -> Order:
        plan = decision.plan
        assert plan is not None
        invitation = Invitation(
            id=self._new_id(),
            kind=plan.kind,
            channel=plan.channel,
            language=plan.language,
            contact=plan.contact,
            customer_name=order.customer_name,
            status=InvitationStatus.SCHEDULED,
            steps=plan.steps,
            next_step=plan.steps[0],
            policy_version=self._policy.version,
            time_zone=plan.time_zone,
            spread_order_id=order.order_id,
            created_at=now,
            send_at=plan.send_at,
            next_attempt_at=plan.send_at,
            order_ids=(order.order_id,),
            products=tuple(InvitedProduct(product_id, (order.order_id,)) for product_id in plan.product_ids),
        )
        order = replace(order, invitation_id=invitation.id)
        self._set_order(order)
        self._set_invitation(invitation)
        data: dict[str, JsonFigure] = {
            "kind": plan.kind.value,
            "channel": plan.channel.value,
            "send_at": plan.send_at.isoformat(),
        }
        self._note(now, TimelineEvent.INVITATION_SCHEDULED, order=order, invitation=invitation, data=data)
        return order

    def _merge(self, order: Order, decision: Decision, *, now: datetime) -> Order:
        assert decision.merged_into is not None
        target = self._invitations[decision.merged_into]
        before = target.product_ids
        target = membership.join(target, order.order_id, decision.joining_product_ids)
        order = replace(order, invitation_id=target.id)
        self._set_order(order)
        self._set_invitation(target)
        added = [product_id for product_id in target.product_ids if product_id not in before]
        self._note(now, TimelineEvent.ORDER_JOINED, order=order, invitation=target, data={"products_added": added})
        return order

    def _cancel_order(self, stored: Order, order: Order, *, now: datetime) -> Order:
        """Cancel an order: it takes out what only it brought, and passes the place of the invited one on."""
        decision = decide(order, policy=self._policy, history=NO_HISTORY, merchant=self._merchant, now=now)
        order = replace(
            order,
            on_hold=False,
            outcome=OrderOutcome.CANCELLED,
            reason=None,
            eligible_at=None,
            trace=decision.trace,
        )
        self._set_order(order)
        self._note(now, TimelineEvent.ORDER_DECIDED, order=order, reason=order.outcome.value)
        for invitation_id in self._invitations_by_order.get(order.order_id, ()):
            self._leave(self._invitations[invitation_id], order, None, now=now)
        if stored.outcome is OrderOutcome.INVITED and stored.invitation_id is not None:
            self._pass_on(stored.invitation_id, now=now)
        return order

    def _pass_on(self, invitation_id: UUID, *, now: datetime) -> None:
        """Make the oldest of the orders that remain the `invited` one (RULES.md section 4)."""
        remaining = [order for order in self._live_orders(invitation_id) if order.invitation_id == invitation_id]
        if not remaining:
            return
        oldest = min(remaining, key=lambda order: (order.purchased_at, order.order_id))
        self._set_order(replace(oldest, outcome=OrderOutcome.INVITED))
        self._note(now, TimelineEvent.ORDER_BECAME_INVITED, order=oldest, invitation=self._invitations[invitation_id])

    def _leave(self, invitation: Invitation, order: Order, product_ids: Sequence[str] | None, *, now: datetime) -> None:
        """Take an order's products (these, or all) out of an invitation, and end, or resume, what that leaves."""
        left = membership.take_out(invitation, order.order_id, product_ids)
        removed = [product_id for product_id in invitation.product_ids if product_id not in left.product_ids]
        if removed:
            self._note(now, TimelineEvent.PRODUCTS_REMOVED, order=order, invitation=left, data={"products": removed})
        live = self._live_orders(invitation.id)
        ended = membership.end_if_empty(left, has_live_orders=bool(live))
        self._set_invitation(ended)
        if ended.ended_reason != left.ended_reason:
            self._note(
                now,
                TimelineEvent.INVITATION_CANCELLED,
                order=order,
                invitation=ended,
                reason=membership.ORDER_CANCELLED,
            )
        elif not any(other.on_hold for other in live):
            self._resume(ended, order, now=now)

    def _hold_or_resume(self, order: Order, folded: str | None, *, triggers: bool, now: datetime) -> Order:
        """Pause while the order is on hold; only a triggering status ends that (RULES.md sections 2 and 5)."""
        if folded in self._policy.holds and not order.on_hold:
            order = replace(order, on_hold=True)
            self._set_order(order)
            self._note(now, TimelineEvent.ORDER_HELD, order=order)
            for invitation_id in self._invitations_by_order.get(order.order_id, ()):
                self._pause(self._invitations[invitation_id], order, now=now)
        elif triggers and order.on_hold:
            order = replace(order, on_hold=False)
            self._set_order(order)
            self._note(now, TimelineEvent.ORDER_RESUMED, order=order)
            for invitation_id in self._invitations_by_order.get(order.order_id, ()):
                if not any(other.on_hold for other in self._live_orders(invitation_id)):
                    self._resume(self._invitations[invitation_id], order, now=now)
        return order

    def _pause(self, invitation: Invitation, order: Order, *, now: datetime) -> None:
        paused = membership.pause(invitation, now=now)
        if paused is not invitation:
            self._set_invitation(paused)
            self._note(now, TimelineEvent.INVITATION_HELD, order=order, invitation=paused, reason="on_hold")

    def _resume(self, invitation: Invitation, order: Order, *, now: datetime) -> None:
        resumed = membership.resume(
            invitation, plan=self._policies[invitation.policy_version], merchant=self._merchant, now=now
        )
        if resumed is not invitation:
            self._set_invitation(resumed)
            data: dict[str, JsonFigure] = {"send_at": resumed.send_at.isoformat()}
            self._note(now, TimelineEvent.INVITATION_RESUMED, order=order, invitation=resumed, data=data)

    def _take_out_returned(self, stored: Order, order: Order, *, now: datetime) -> None:
        kept = set(live_product_ids(order))
        returned = {line.id for line in order.lines if line.returned} - kept
        newly_returned = sorted(returned.intersection(live_product_ids(stored)))
        if not newly_returned:
            return
        for invitation_id in self._invitations_by_order.get(order.order_id, ()):
            self._leave(self._invitations[invitation_id], order, newly_returned, now=now)

    def _plan_again_by_dates(self, stored: Order, order: Order, *, now: datetime) -> None:
        """Plan send_at again, later only, when the date that the delay counts from arrives (RULES.md section 5)."""
        if order.outcome is not OrderOutcome.INVITED or order.invitation_id is None:
            return
        invitation = self._invitations[order.invitation_id]
        plan = self._policies[invitation.policy_version]
        if not invitation.is_open or invitation.moved_by_merchant or invitation.next_step is None:
            return
        if plan.delay_origin not in {DelayOrigin.SHIPPED, DelayOrigin.DELIVERED}:
            return
        if delay_origin_of(order, plan, now=now) == delay_origin_of(stored, plan, now=now):
            return
        send_at = plan_first_step(
            replace(order, order_id=invitation.spread_order_id),
            plan,
            kind=invitation.kind,
            step=invitation.next_step,
            zone=invitation.time_zone,
            merchant_id=self._merchant.id,
            now=now,
        )
        if send_at <= invitation.send_at:
            return
        planned = replace(
            invitation, send_at=send_at, next_attempt_at=None if invitation.held_at is not None else send_at
        )
        self._set_invitation(planned)
        data: dict[str, JsonFigure] = {"from": invitation.send_at.isoformat(), "send_at": send_at.isoformat()}
        self._note(now, TimelineEvent.INVITATION_PLANNED_AGAIN, order=order, invitation=planned, data=data)

    def _live_orders(self, invitation_id: UUID) -> list[Order]:
        return [
            order
            for order_id in self._invitations[invitation_id].order_ids
            if (order := self._orders[order_id]).is_live
        ]

    def _history_of(self, order: Order) -> History:
        """Gather what shares a contact with the order; an order never meets itself, its old invitations it does."""
        related: dict[str, None] = {}
        for contact in order.contacts:
            related.update(self._orders_by_contact.get(contact, ()))
        related.pop(order.order_id, None)
        if not related and order.order_id not in self._invitations_by_order:
            return History(suppressed=self._suppressed)
        orders = [self._orders[order_id] for order_id in related]
        invitation_ids: dict[UUID, None] = dict.fromkeys(self._invitations_by_order.get(order.order_id, ()))
        for other in orders:
            if other.is_live:
                invitation_ids.update(dict.fromkeys(self._invitations_by_order.get(other.order_id, ())))
        invitations = [
            PastInvitation(self._invitations[invitation_id], self._purchases_of(invitation_id))
            for invitation_id in invitation_ids
        ]
        return History(orders, invitations, self._suppressed)

    def _purchases_of(self, invitation_id: UUID) -> list[datetime]:
        """Tell when the live orders were purchased; only of an open invitation, as no rule asks it of another."""
        if not self._invitations[invitation_id].is_open:
            return []
        return [live.purchased_at for live in self._live_orders(invitation_id)]

    def _note(
        self,
        at: datetime,
        event: TimelineEvent,
        *,
        order: Order,
        invitation: Invitation | None = None,
        reason: str | None = None,
        data: Mapping[str, JsonFigure] | None = None,
    ) -> None:
        self.timeline.append(
            TimelineEntry(
                at=at,
                actor=RULE,
                event=event,
                order_id=order.order_id,
                invitation_id=invitation.id if invitation is not None else None,
                reason=reason,
                data=data or {},
            )
        )
