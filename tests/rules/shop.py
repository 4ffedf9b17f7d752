"""A shop whose whole life happens in memory: orders through the ledger, messages through may_send and the states.

It keeps what storage keeps and reads of it what storage reads (DESIGN.md sections 5 and 6); everything that is
decided, the rules decide. The provider is a function, so that a test says what becomes of each hand-over.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderEvent
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord
from invite_service.domain.suppression import Suppression, SuppressionReason
from invite_service.domain.timeline import TimelineEntry
from invite_service.rules import membership, states
from invite_service.rules.ledger import Ledger
from invite_service.rules.orders import contacts_of
from invite_service.rules.sending import (
    GiveUp,
    Later,
    Missed,
    Send,
    SendFacts,
    SendVerdict,
    Skip,
    decide_rate_limit,
    decide_retry,
    may_send,
)
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import make_merchant

Provider = Callable[[Invitation, datetime], OutcomeWord]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A message that a provider was given."""

    invitation_id: UUID
    step: Step
    at: datetime
    address: str
    product_ids: tuple[str, ...]
    outcome: OutcomeWord


@dataclass(frozen=True, slots=True)
class Judged:
    """What may_send said of a message that was due."""

    invitation_id: UUID
    step: Step
    verdict: SendVerdict


def accept_everything(invitation: Invitation, at: datetime) -> OutcomeWord:
    return OutcomeWord.ACCEPTED


class Shop:
    """One merchant, in memory."""

    def __init__(
        self, policy: Policy | None = None, *, merchant: Merchant | None = None, provider: Provider = accept_everything
    ) -> None:
        self.merchant = merchant or make_merchant()
        self.policy = policy or Policy()
        self.policies = {self.policy.version: self.policy}
        self.orders: dict[str, Order] = {}
        self.invitations: dict[UUID, Invitation] = {}
        self.suppressions: list[Suppression] = []
        self.timeline: list[TimelineEntry] = []
        self.messages: list[HandedOver] = []
        self.verdicts: list[Judged] = []
        self.provider = provider
        self._numbers = count(1)
        self._order_ids_by_contact: dict[str, set[str]] = defaultdict(set)
        self._invitation_ids_by_order: dict[str, set[UUID]] = defaultdict(set)

    def save_policy(self, **changes: Any) -> None:
        """Save a new version; invitations keep the one stored with them."""
        self.policy = replace(self.policy, version=self.policy.version + 1, **changes)
        self.policies[self.policy.version] = self.policy

    def post(self, event: OrderEvent, accepted_at: datetime) -> Order:
        return self.post_batch([event], accepted_at)[0]

    def post_batch(self, events: Sequence[OrderEvent], accepted_at: datetime) -> list[Order]:
        """Decide events on a ledger of their own, as each transaction does, and keep what changed."""
        ledger = Ledger(
            self.merchant,
            policy=self.policy,
            policies=self.policies,
            new_id=self.new_id,
        )
        contacts = {contact for event in events for contact in contacts_of(event, self.orders.get(event.order_id))}
        related = {event.order_id for event in events if event.order_id in self.orders}
        related.update(order.order_id for order in self._orders_with(contacts))
        joined = {one for order_id in related for one in self._invitation_ids_by_order[order_id]}
        related.update(order_id for one in joined for order_id in self.invitations[one].order_ids)
        ledger.load(
            [self.orders[order_id] for order_id in sorted(related)],
            [self.invitations[one] for one in sorted(joined)],
            self.suppressions,
        )
        decided = ledger.post_batch(events, accepted_at=accepted_at)
        for order in ledger.changed_orders():
            self.orders[order.order_id] = order
            self._remember_contacts(order)
        for invitation in ledger.changed_invitations():
            self.keep(invitation)
        self.timeline.extend(ledger.timeline)
        return [self.orders[order.order_id] for order in decided]

    def new_id(self) -> UUID:
        """Give the next id; ids grow."""
        return UUID(int=next(self._numbers))

    def take_over(self, other: "Shop") -> None:
        """Take over everything that another shop keeps, without touching it."""
        self.policy, self.policies = other.policy, dict(other.policies)
        self.orders = dict(other.orders)
        self.suppressions = list(other.suppressions)
        for order in self.orders.values():
            self._remember_contacts(order)
        for invitation in other.invitations.values():
            self.keep(invitation)
        self._numbers = count(len(self.invitations) + 1)

    def keep(self, invitation: Invitation) -> None:
        """Keep an invitation as it is now."""
        self.invitations[invitation.id] = invitation
        for order_id in invitation.order_ids:
            self._invitation_ids_by_order[order_id].add(invitation.id)

    def _remember_contacts(self, order: Order) -> None:
        for contact in order.contacts:
            self._order_ids_by_contact[contact].add(order.order_id)

    def suppress(self, contacts: Iterable[str], reason: SuppressionReason) -> None:
        self.suppressions.extend(Suppression(contact, reason) for contact in contacts)

    def unsubscribe(self, invitation_id: UUID) -> None:
        """Take an unsubscription: every contact of the orders behind the invitation, on every channel."""
        invitation = self.invitations[invitation_id]
        contacts = [contact for order_id in invitation.order_ids for contact in self.orders[order_id].contacts]
        self.suppress(contacts, SuppressionReason.UNSUBSCRIBED)
        if invitation.status is InvitationStatus.SCHEDULED:
            self.keep(membership.cancel(invitation, "unsubscribed"))

    def plan_of(self, invitation: Invitation) -> Policy:
        """The policy version stored with the invitation."""
        return self.policies[invitation.policy_version]

    def facts_of(self, invitation: Invitation) -> SendFacts:
        """Read what may_send looks at."""
        return SendFacts(
            orders=[self.orders[order_id] for order_id in invitation.order_ids],
            suppressed=SuppressedContacts(self.suppressions),
            has_feedback=False,
            others=self._others_of(invitation),
        )

    def advance(self, until: datetime) -> None:
        """Pass every due instant on the way and send each message at its own time."""
        while instants := [one.next_attempt_at for one in self._waiting() if one.next_attempt_at <= until]:
            self.send_due(min(instants))

    def send_due(self, now: datetime) -> None:
        due = [one for one in self._waiting() if one.next_attempt_at <= now]
        for invitation in sorted(due, key=lambda one: (one.next_attempt_at, one.id)):
            self._send(invitation.id, now)

    def _waiting(self) -> list[Any]:
        return [
            one
            for one in self.invitations.values()
            if one.status is InvitationStatus.SCHEDULED and one.next_attempt_at is not None
        ]

    def _send(self, invitation_id: UUID, now: datetime) -> None:
        sending = replace(self.invitations[invitation_id], status=InvitationStatus.SENDING)
        assert sending.next_step is not None
        facts = self.facts_of(sending)
        verdict = may_send(sending, facts=facts, policy=self.policy, plan=self.plan_of(sending), now=now)
        self.verdicts.append(Judged(sending.id, sending.next_step, verdict))
        match verdict:
            case Skip(reason=reason):
                self.keep(states.record_skipped(sending, reason=reason.value))
            case Missed():
                self.keep(states.record_missed(sending))
            case Later(until=until):
                self.keep(states.record_later(sending, until=until))
            case Send(product_ids=product_ids):
                self.keep(self._hand_over(sending, product_ids, now))

    def _hand_over(self, sending: Invitation, product_ids: tuple[str, ...], now: datetime) -> Invitation:
        assert sending.next_step is not None
        outcome = self.provider(sending, now)
        self.messages.append(HandedOver(sending.id, sending.next_step, now, sending.contact, product_ids, outcome))
        plan = self.plan_of(sending)
        match outcome:
            case OutcomeWord.ACCEPTED:
                return states.record_accepted(
                    sending, plan=plan, merchant=self.merchant, asked_at=now, product_ids=product_ids
                )
            case OutcomeWord.UNKNOWN:
                return states.record_in_doubt(sending, asked_at=now, product_ids=product_ids)
            case OutcomeWord.REJECTED:
                return states.record_failed(sending, reason="rejected")
            case OutcomeWord.RATE_LIMITED:
                retry = decide_rate_limit(sending, plan=plan, retry_after=None, now=now)
                return states.record_retry(sending, at=retry.at, tries=retry.tries)
            case _:
                decided = decide_retry(sending, plan=plan, now=now)
                if isinstance(decided, GiveUp):
                    return states.record_failed(sending, reason=decided.reason)
                return states.record_retry(sending, at=decided.at, tries=decided.tries)

    def live_orders(self, invitation: Invitation) -> list[Order]:
        members = (self.orders[order_id] for order_id in invitation.order_ids)
        return [order for order in members if order.is_live and order.invitation_id == invitation.id]

    def _others_of(self, invitation: Invitation) -> list[Invitation]:
        contacts = {contact for order in self.live_orders(invitation) for contact in order.contacts}
        found = set()
        for order in self._orders_with(contacts):
            for other_id in self._invitation_ids_by_order[order.order_id]:
                if order in (live := self.live_orders(self.invitations[other_id])) or not live:
                    found.add(other_id)
        return [self.invitations[other_id] for other_id in sorted(found - {invitation.id})]

    def _orders_with(self, contacts: Iterable[str]) -> list[Order]:
        wanted = set(contacts)
        found = {order_id for contact in wanted for order_id in self._order_ids_by_contact[contact]}
        return [
            self.orders[order_id] for order_id in sorted(found) if wanted.intersection(self.orders[order_id].contacts)
        ]
