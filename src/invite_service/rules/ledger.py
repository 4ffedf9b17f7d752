"""The ledger: one merchant's orders and invitations, on which order events are decided one after the other.

It holds what a transaction loaded (or nothing, in a simulation), folds each event into it by RULES.md sections 3 to 5,
and tells what changed, and why where a record is kept. It knows no clock and no storage, so the same events on the same
ledger end the same anywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.decision import JsonFigure, Reason
from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import UNSET, Order, OrderEvent, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import Suppression
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.values import replace
from invite_service.rules import membership
from invite_service.rules.decide import (
    NO_HISTORY,
    InvitationPlan,
    awaited_date,
    decide,
    plan_first_step,
    waiting_reason,
)
from invite_service.rules.histories import Histories
from invite_service.rules.orders import fold_event, is_outdated, live_product_ids, name_changes
from invite_service.rules.sending import SendFacts
from invite_service.rules.suppressions import SuppressedContacts

NOTHING_FOLDED: Final[Mapping[str, Order]] = {}
"""Where each ledger folds for itself."""

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


class Ledger:
    """One merchant's orders and invitations, as far as the events at hand can touch them."""

    def __init__(
        self,
        merchant: Merchant,
        *,
        policy: Policy,
        policies: Mapping[int, Policy],
        new_id: Callable[[], UUID],
        keeps_record: bool = True,
    ) -> None:
        self._merchant = merchant
        self._policy = policy
        self._policies = {**policies, policy.version: policy}
        self._new_id = new_id
        self._keeps_record = keeps_record
        self._suppressed = SuppressedContacts()
        self._histories = Histories(zone=merchant.time_zone, block_days=policy.block_days, suppressed=self._suppressed)
        self._orders, self._invitations = self._histories.orders, self._histories.invitations
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
            self._histories.set_order(order)
        for invitation in invitations:
            self._stored_invitations[invitation.id] = invitation
            self._histories.set_invitation(invitation)
        for suppression in suppressions:
            self._suppressed.add(suppression)

    def post_batch(
        self, events: Sequence[OrderEvent], *, accepted_at: datetime, folded: Mapping[str, Order] = NOTHING_FOLDED
    ) -> list[Order]:
        """Decide events accepted at one instant; the result is aligned with them: each order after its event.

        Orders go by purchased_at (of their first event here), then by id, each seeing those before it; several
        events of one order go in their order in the list (RULES.md section 3). What the first event of a new order
        says may have been folded already, for several ledgers at once.
        """
        if len(events) == 1:
            order, is_recorded = self._post(events[0], accepted_at, folded)
            if is_recorded:
                self._recorded.add(0)
            return [order]
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
            results[index], is_recorded = self._post(events[index], accepted_at, folded)
            if is_recorded:
                self._recorded.add(index)
        return [results[index] for index in range(len(events))]

    def post(self, event: OrderEvent, *, accepted_at: datetime) -> Order:
        """Decide one event and give the order after it."""
        return self._post(event, accepted_at, NOTHING_FOLDED)[0]

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
            if (stored := self._stored_invitations.get(invitation_id)) is not invitation and stored != invitation
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

    def decide_again(self, order_id: str, *, now: datetime) -> Order:
        """Decide an order that waits as if a triggering status had come now (RULES.md section 5)."""
        return self._decide(replace(self._orders[order_id], triggered_at=None), now=now)

    def keep(self, invitation: Invitation) -> None:
        """Take in what became of an invitation when its message was due."""
        self._histories.set_invitation(invitation)

    def facts_of(self, invitation: Invitation) -> SendFacts:
        """Gather what may_send looks at, as far as the ledger knows it: it is told of no feedback and of no pause."""
        orders = self._orders
        return SendFacts(
            orders=[orders[order_id] for order_id in invitation.order_ids],
            suppressed=self._suppressed,
            others=self._histories.beside(invitation.id),
        )

    def _purchase_of(self, event: OrderEvent, accepted_at: datetime) -> datetime:
        if isinstance(event.purchased_at, datetime):
            return event.purchased_at
        stored = self._orders.get(event.order_id)
        return stored.purchased_at if stored is not None else accepted_at

    def _post(self, event: OrderEvent, accepted_at: datetime, folded: Mapping[str, Order]) -> tuple[Order, bool]:
        stored = self._orders.get(event.order_id)
        if stored is None:
            first = folded.get(event.order_id) or fold_event(None, event, accepted_at=accepted_at)
            return self._decide(first, now=accepted_at), True
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
            return self._store_only(stored, order, now=now)
        triggers = brings_status and waiting_reason(folded, self._policy) is None
        if (
            (stored.outcome is OrderOutcome.WAITING and triggers)
            or (stored.outcome is OrderOutcome.CANCELLED and triggers and folded is not None)
            or (stored.reason is not None and _has_arrived(stored.reason, order))
        ):
            return self._decide(replace(order, triggered_at=None), now=now)
        order = self._store_only(stored, order, now=now)
        if order.invitation_id is None or order.outcome not in membership.JOINED:
            return order
        invitation_id = order.invitation_id
        if brings_status:
            order = self._hold_or_resume(invitation_id, order, folded, triggers=triggers, now=now)
        if order.contacts != stored.contacts or order.customer_name != stored.customer_name:
            self._address_again(invitation_id)
        self._take_out_returned(invitation_id, order, now=now)
        self._plan_again_by_dates(invitation_id, stored, order, now=now)
        return order

    def _store_only(self, stored: Order, order: Order, *, now: datetime) -> Order:
        self._histories.set_order(order)
        if self._keeps_record:
            data: dict[str, JsonFigure] = {"changed": [*name_changes(stored, order)]}
            self._note(now, TimelineEvent.ORDER_CHANGED, order=order, data=data)
        return order

    def _decide(self, order: Order, *, now: datetime) -> Order:
        """Decide an order now and carry the decision out."""
        decision = decide(
            order,
            policy=self._policy,
            history=self._histories.history_of(order),
            merchant=self._merchant,
            now=now,
            is_traced=self._keeps_record,
        )
        is_triggered = decision.outcome is not OrderOutcome.WAITING
        decided = replace(
            order,
            triggered_at=(order.triggered_at or now) if is_triggered else None,
            on_hold=decision.reason is Reason.ON_HOLD,
            outcome=decision.outcome,
            reason=decision.reason,
            eligible_at=decision.eligible_at,
            invitation_id=self._new_id() if decision.plan is not None else decision.merged_into,
            trace=decision.trace,
        )
        self._histories.set_order(decided)
        if decision.plan is not None:
            self._schedule(decided, decision.plan, now=now)
        elif decision.merged_into is not None:
            self._merge(decided, decision.merged_into, decision.joining_product_ids, now=now)
        else:
            reason = decision.reason or decision.outcome.value
            self._note(now, TimelineEvent.ORDER_DECIDED, order=decided, reason=reason)
        return decided

    def _schedule(self, order: Order, plan: InvitationPlan, *, now: datetime) -> None:
        assert order.invitation_id is not None
        order_ids = (order.order_id,)
        invitation = Invitation(
            id=order.invitation_id,
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
            order_ids=order_ids,
            products=tuple([InvitedProduct(product_id, order_ids) for product_id in plan.product_ids]),
        )
        self._histories.set_invitation(invitation)
        if self._keeps_record:
            data: dict[str, JsonFigure] = {
                "kind": plan.kind.value,
                "channel": plan.channel.value,
                "send_at": plan.send_at.isoformat(),
            }
            self._note(now, TimelineEvent.INVITATION_SCHEDULED, order=order, invitation=invitation, data=data)

    def _merge(self, order: Order, invitation_id: UUID, product_ids: Sequence[str], *, now: datetime) -> None:
        before = self._invitations[invitation_id]
        target = membership.join(before, order.order_id, product_ids)
        self._histories.set_invitation(target)
        added = membership.newly_asked(before, target)
        self._note(now, TimelineEvent.ORDER_JOINED, order=order, invitation=target, data={"products_added": added})

    def _cancel_order(self, stored: Order, order: Order, *, now: datetime) -> Order:
        """Cancel an order: it takes out what only it brought, and passes the place of the invited one on."""
        decision = decide(
            order,
            policy=self._policy,
            history=NO_HISTORY,
            merchant=self._merchant,
            now=now,
            is_traced=self._keeps_record,
        )
        order = replace(
            order,
            on_hold=False,
            outcome=OrderOutcome.CANCELLED,
            reason=None,
            eligible_at=None,
            trace=decision.trace,
        )
        self._histories.set_order(order)
        self._note(now, TimelineEvent.ORDER_DECIDED, order=order, reason=order.outcome.value)
        if stored.invitation_id is not None:
            self._take_out(self._invitations[stored.invitation_id], order, None, now=now)
            if stored.outcome is OrderOutcome.INVITED:
                self._pass_on(stored.invitation_id, now=now)
            self._address_again(stored.invitation_id)
            self._resume_unless_held(stored.invitation_id, order, now=now)
        return order

    def _pass_on(self, invitation_id: UUID, *, now: datetime) -> None:
        """Make the oldest of the orders that remain the `invited` one (RULES.md section 4)."""
        remaining = self._histories.live_orders(invitation_id)
        if not remaining:
            return
        oldest = min(remaining, key=lambda order: (order.purchased_at, order.order_id))
        self._histories.set_order(replace(oldest, outcome=OrderOutcome.INVITED))
        invitation = replace(self._invitations[invitation_id], spread_order_id=oldest.order_id)
        self._histories.set_invitation(invitation)
        self._note(now, TimelineEvent.ORDER_BECAME_INVITED, order=oldest, invitation=invitation)

    def _address_again(self, invitation_id: UUID) -> None:
        """Address it to the `invited` order, or to the first other that has a contact on its channel."""
        live = self._histories.live_orders(invitation_id)
        live.sort(key=lambda order: order.outcome is not OrderOutcome.INVITED)
        self._histories.set_invitation(membership.address_to(self._invitations[invitation_id], live))

    def _take_out(
        self, invitation: Invitation, order: Order, product_ids: Sequence[str] | None, *, now: datetime
    ) -> None:
        """Take an order's products (these, or all) out of an invitation, and end one that asks nothing any more."""
        if not membership.takes_part_in_changes(invitation):
            return
        left = membership.take_out(invitation, order.order_id, product_ids)
        removed = membership.newly_asked(left, invitation)
        if removed:
            reason = membership.ORDER_CANCELLED if product_ids is None else membership.RETURNED
            data: dict[str, JsonFigure] = {"products": removed}
            self._note(now, TimelineEvent.PRODUCTS_REMOVED, order=order, invitation=left, reason=reason, data=data)
        ended = membership.end_if_empty(left, has_live_orders=bool(self._histories.live_orders(invitation.id)))
        self._histories.set_invitation(ended)
        if ended.ended_reason != left.ended_reason:
            reason = membership.ORDER_CANCELLED
            self._note(now, TimelineEvent.INVITATION_CANCELLED, order=order, invitation=ended, reason=reason)

    def _hold_or_resume(
        self, invitation_id: UUID, order: Order, folded: str | None, *, triggers: bool, now: datetime
    ) -> Order:
        """Pause while the order is on hold; only a triggering status ends that (RULES.md sections 2 and 5)."""
        if folded in self._policy.holds and not order.on_hold:
            order = replace(order, on_hold=True)
            self._histories.set_order(order)
            self._note(now, TimelineEvent.ORDER_HELD, order=order)
            self._pause(self._invitations[invitation_id], order, now=now)
        elif triggers and order.on_hold:
            order = replace(order, on_hold=False)
            self._histories.set_order(order)
            self._note(now, TimelineEvent.ORDER_RESUMED, order=order)
            self._resume_unless_held(invitation_id, order, now=now)
        return order

    def _pause(self, invitation: Invitation, order: Order, *, now: datetime) -> None:
        paused = membership.pause(invitation, now=now)
        if paused is not invitation:
            self._histories.set_invitation(paused)
            self._note(now, TimelineEvent.INVITATION_HELD, order=order, invitation=paused, reason="on_hold")

    def _resume_unless_held(self, invitation_id: UUID, order: Order, *, now: datetime) -> None:
        """Resume a paused invitation of which no live order is on hold any more."""
        invitation = self._invitations[invitation_id]
        if invitation.held_at is None or any(one.on_hold for one in self._histories.live_orders(invitation_id)):
            return
        resumed = membership.resume(
            invitation, plan=self._policies[invitation.policy_version], merchant=self._merchant, now=now
        )
        if resumed is not invitation:
            self._histories.set_invitation(resumed)
            data: dict[str, JsonFigure] = {"send_at": resumed.send_at.isoformat()}
            self._note(now, TimelineEvent.INVITATION_RESUMED, order=order, invitation=resumed, data=data)

    def _take_out_returned(self, invitation_id: UUID, order: Order, *, now: datetime) -> None:
        invitation = self._invitations[invitation_id]
        returned = {line.id for line in order.lines if line.returned}.difference(live_product_ids(order))
        mine = [
            product.product_id
            for product in invitation.products
            if product.product_id in returned and order.order_id in product.brought_by
        ]
        if mine:
            self._take_out(invitation, order, mine, now=now)

    def _plan_again_by_dates(self, invitation_id: UUID, stored: Order, order: Order, *, now: datetime) -> None:
        """Plan send_at again, later only, when the date that the delay counts from arrives (RULES.md section 5)."""
        if order.outcome is not OrderOutcome.INVITED:
            return
        invitation = self._invitations[invitation_id]
        plan = self._policies[invitation.policy_version]
        if not invitation.is_open or invitation.moved_by_merchant or invitation.next_step is None:
            return
        date = awaited_date(order, plan)
        if date is None or getattr(order, date) == getattr(stored, date):
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
        self._histories.set_invitation(planned)
        data: dict[str, JsonFigure] = {"from": invitation.send_at.isoformat(), "send_at": send_at.isoformat()}
        self._note(now, TimelineEvent.INVITATION_PLANNED_AGAIN, order=order, invitation=planned, reason=date, data=data)

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
        if not self._keeps_record:
            return
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
