"""decide(): whether, when, how and in which language an order's customer is asked, and why (RULES.md section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Literal, NamedTuple
from uuid import UUID

from invite_service.domain.decision import Reason, TraceEntry
from invite_service.domain.invitation import Channel, Invitation, Kind, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps
from invite_service.rules import trace
from invite_service.rules.asked import NOTHING_ASKED, AskedProducts, find_asked_products, find_asked_service
from invite_service.rules.draw import draw_kind
from invite_service.rules.languages import decide_language
from invite_service.rules.orders import live_product_ids
from invite_service.rules.slots import local_day, new_send_plan, slot_from, whole_days
from invite_service.rules.suppressions import NOTHING_SUPPRESSED, SuppressedContacts
from invite_service.rules.zones import decide_zone


@dataclass(frozen=True, slots=True)
class PastInvitation:
    """An invitation of the history, with the purchases of its live orders; those of an open one are enough."""

    invitation: Invitation
    purchases: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class History:
    """Everything of the merchant that shares the order's e-mail address or phone number, without the order itself."""

    orders: Sequence[Order] = ()
    invitations: Sequence[PastInvitation] = ()
    suppressed: SuppressedContacts = NOTHING_SUPPRESSED


NO_HISTORY = History()
"""For a customer who was never seen."""


class InvitationPlan(NamedTuple):
    """What an `invited` order's invitation will be."""

    kind: Kind
    channel: Channel
    contact: str
    language: str
    steps: tuple[Step, ...]
    product_ids: tuple[str, ...]
    send_at: datetime
    time_zone: str


class Decision(NamedTuple):
    """What was decided about an order, and the trace that tells why."""

    outcome: OrderOutcome
    trace: tuple[TraceEntry, ...]
    reason: Reason | None = None
    eligible_at: datetime | None = None
    plan: InvitationPlan | None = None
    merged_into: UUID | None = None
    joining_product_ids: tuple[str, ...] = ()
    """Merged: the products this order brings, those already asked about in that invitation included."""


# An enum looks its members up by a method of its class: a dozen for every order, a tenth of what it takes to decide.
_REQUIRED: Final = ConsentRequirement.REQUIRED
_EMAIL: Final = Channel.EMAIL
_SMS: Final = Channel.SMS
_PRODUCT: Final = Kind.PRODUCT
_SERVICE: Final = Kind.SERVICE
_INVITED: Final = OrderOutcome.INVITED
_FIRST_ONLY: Final = ProductSteps.FIRST_ONLY
_SECOND_ONLY: Final = ProductSteps.SECOND_ONLY
_SCHEDULED: Final = DelayOrigin.SCHEDULED
_PURCHASED: Final = DelayOrigin.PURCHASED
_BOTH_STEPS: Final = (Step.PRODUCT_1, Step.PRODUCT_2)

# Most orders are invited, and the constructors of named tuples are functions of Python: they cost as much as a rule.
_new_plan: Final = partial(tuple.__new__, InvitationPlan)
_new_decision: Final = partial(tuple.__new__, Decision)


def decide(
    order: Order, *, policy: Policy, history: History, merchant: Merchant, now: datetime, is_traced: bool = True
) -> Decision:
    """Decide a folded order event: the first rule that applies decides, each one looked at leaves a trace entry.

    `now` is the merchant's time. `order.triggered_at` is the origin `scheduled`, `now` where it is None. What rule 2
    does with an order decided before is the ledger's, which calls this where RULES.md section 5 says "decided".
    Without `is_traced` the trace stays empty, for simulations; nothing else differs.
    """
    deciding = _Deciding(order, policy=policy, history=history, merchant=merchant, now=now, is_traced=is_traced)
    return deciding.run()


_BY_PREFERENCE: Final = {Channel.EMAIL: (Channel.EMAIL, Channel.SMS), Channel.SMS: (Channel.SMS, Channel.EMAIL)}
"""The channels by the preferred one, which goes first."""


class _Deciding:
    """One run down the list of rules, noting what is looked at."""

    __slots__ = ("_history", "_is_traced", "_merchant", "_note", "_now", "_order", "_passed", "_policy")

    def __init__(
        self, order: Order, *, policy: Policy, history: History, merchant: Merchant, now: datetime, is_traced: bool
    ) -> None:
        self._order = order
        self._policy = policy
        self._history = history
        self._merchant = merchant
        self._now = now
        self._is_traced = is_traced
        self._passed: list[trace.Note] = []
        self._note = self._passed.append

    def run(self) -> Decision:
        ended = self._by_status() or self._by_age() or self._by_contact() or self._by_consent()
        if ended is not None:
            return ended
        channel = self._choose_channel()
        if channel is None:
            return self._block(Reason.SUPPRESSED, (trace.NO_CHANNEL, ("every channel",)))
        self._note((trace.CHANNEL, (channel,)))
        ended = self._by_same_day() or self._by_repeat_customer()
        if ended is not None:
            return ended
        if self._choose_kind() is _SERVICE:
            return self._by_service_repeat() or self._invite(_SERVICE, channel, ())
        asked_about = self._choose_products()
        if isinstance(asked_about, Decision):
            return asked_about
        return self._invite(_PRODUCT, channel, asked_about)

    def _trace(self, ended: trace.Note, reason: str) -> tuple[TraceEntry, ...]:
        return trace.write_trace(self._passed, ended, reason) if self._is_traced else ()

    def _block(self, reason: Reason, ended: trace.Note, *, eligible_at: datetime | None = None) -> Decision:
        return Decision(OrderOutcome.BLOCKED, self._trace(ended, reason), reason, eligible_at)

    def _by_status(self) -> Decision | None:
        """Rules 1 to 3."""
        status = self._order.status
        folded = status.casefold() if status is not None else None
        if folded in self._policy.cancels:
            ended = trace.CANCEL_STATUS, (status,)
            return Decision(OrderOutcome.CANCELLED, self._trace(ended, OrderOutcome.CANCELLED.value))
        self._note((trace.CANCEL_STATUS, (status,)))
        self._note((trace.DECIDED_BEFORE, (self._order.outcome if self._order.trace else None,)))
        reason = waiting_reason(folded, self._policy)
        if reason is not None:
            return Decision(OrderOutcome.WAITING, self._trace((trace.TRIGGER_STATUS, (status,)), reason), reason)
        self._note((trace.TRIGGER_STATUS, (status,)))
        return None

    def _by_age(self) -> Decision | None:
        """Rule 4."""
        purchased_at, limit = self._order.purchased_at, self._policy.max_order_age_days
        note = trace.ORDER_AGE, (purchased_at, self._now, limit)
        if limit and self._now - purchased_at > whole_days(limit):
            return self._block(Reason.ORDER_TOO_OLD, note)
        self._note(note)
        return None

    def _by_contact(self) -> Decision | None:
        """Rule 5; the trace says why a contact that was posted counts as absent."""
        order = self._order
        has_email, has_phone = order.email is not None, order.phone is not None
        note = trace.CONTACT, (has_email, has_phone, order.email_fault, order.phone_fault)
        if not has_email and not has_phone:
            return self._block(Reason.NO_CONTACT, note)
        self._note(note)
        return None

    def _by_consent(self) -> Decision | None:
        """Rule 6."""
        consent, required = self._order.consent, self._policy.consent
        note = trace.CONSENT, (consent, required)
        if required is _REQUIRED and consent is not True:
            return self._block(Reason.NO_CONSENT, note)
        self._note(note)
        return None

    def _choose_channel(self) -> Channel | None:
        """Rule 7: the preferred channel, the other one where only its address is closed, none where all are."""
        order, suppressed = self._order, self._history.suppressed
        if suppressed.closes_customer(order.contacts):
            return None
        for channel in _BY_PREFERENCE[self._policy.preferred_channel]:
            contact = order.email if channel is _EMAIL else order.phone
            if contact is not None and not suppressed.closes_address(contact):
                return channel
        return None

    def _by_same_day(self) -> Decision | None:
        """Rule 8."""
        zone, purchased_at = self._merchant.time_zone, self._order.purchased_at
        if not self._history.invitations:
            self._note((trace.SAME_DAY, (purchased_at, zone)))
            return None
        is_open = [past for past in self._history.invitations if past.invitation.is_open]
        day = local_day(purchased_at, zone) if is_open else None
        candidates = [
            past.invitation
            for past in is_open
            if not self._history.suppressed.closes_address(past.invitation.contact)
            and any(local_day(purchase, zone) == day for purchase in past.purchases)
        ]
        if not candidates:
            self._note((trace.SAME_DAY, (purchased_at, zone)))
            return None
        target = min(candidates, key=lambda invitation: (invitation.created_at, invitation.id))
        joining: tuple[str, ...] = ()
        asked = NOTHING_ASKED
        if target.kind is _PRODUCT:
            included = self._included(live_product_ids(self._order))
            asked = self._find_asked(included, besides=target)
            joining = tuple(product_id for product_id in included if product_id not in asked.by_id)
        written = self._trace((trace.MERGED, (day, target.id, asked)), OrderOutcome.MERGED.value)
        return Decision(OrderOutcome.MERGED, written, merged_into=target.id, joining_product_ids=joining)

    def _by_repeat_customer(self) -> Decision | None:
        """Rule 9."""
        days = self._policy.block_days
        if not days:
            self._note((trace.REPEAT_CUSTOMER, (days,)))
            return None
        period = whole_days(days)
        purchase = self._order.purchased_at
        near = [
            other.purchased_at
            for other in self._history.orders
            if other.is_live and abs(other.purchased_at - purchase) < period
        ]
        if not near:
            self._note((trace.REPEAT_CUSTOMER, (days,)))
            return None
        latest = max(near)
        eligible_at = latest + period
        note = trace.REPEAT_BLOCK, (days, purchase, latest, eligible_at)
        return self._block(Reason.REPEAT_CUSTOMER_BLOCK, note, eligible_at=eligible_at)

    def _choose_kind(self) -> Kind:
        """Rule 10."""
        to_come = [past.invitation for past in self._history.invitations if past.invitation.has_messages_to_come]
        if to_come:
            newest = max(to_come, key=lambda invitation: (invitation.created_at, invitation.id))
            self._note((trace.KIND_TO_COME, (newest.kind, newest.id)))
            return newest.kind
        percent = self._policy.service_percent
        kind = draw_kind(self._merchant.id, self._order.order_id, service_percent=percent)
        self._note((trace.KIND, (kind, self._merchant.id, self._order.order_id, percent)))
        return kind

    def _by_service_repeat(self) -> Decision | None:
        """Rule 11; it does not turn into a product invitation."""
        purchased_at, days = self._order.purchased_at, self._policy.service_repeat_days
        asked = find_asked_service(
            (past.invitation for past in self._history.invitations), purchased_at=purchased_at, repeat_days=days
        )
        if not asked:
            self._note((trace.SERVICE_REPEAT, (purchased_at, days)))
            return None
        # While messages are to come it is not known from when on the service is asked about again.
        eligible_at = asked.until if asked.to_come is None else None
        note = trace.SERVICE_ASKED, (purchased_at, days, asked)
        return self._block(Reason.SERVICE_ASKED_RECENTLY, note, eligible_at=eligible_at)

    def _choose_products(self) -> tuple[str, ...] | Decision:
        """Rules 12 to 14: the products to ask about, or the block."""
        bought = live_product_ids(self._order)
        if not bought:
            return self._block(Reason.NO_PRODUCTS, (trace.NO_PRODUCTS, (len(self._order.lines),)))
        self._note((trace.PRODUCTS, (len(bought),)))
        included = self._included(bought)
        if not included:
            return self._block(Reason.PRODUCTS_EXCLUDED, (trace.EXCLUSIONS, (bought,)))
        if included is bought:
            self._note((trace.NOTHING_EXCLUDED, ()))
        else:
            self._note((trace.EXCLUSIONS, ([product for product in bought if product not in included],)))
        asked = self._find_asked(included)
        purchased_at, days = self._order.purchased_at, self._policy.product_repeat_days
        remaining = included
        if asked.by_id:
            remaining = tuple(product_id for product_id in included if product_id not in asked.by_id)
        if not remaining:
            note = trace.PRODUCTS_ASKED, (purchased_at, days, asked)
            return self._block(Reason.PRODUCTS_ASKED_RECENTLY, note, eligible_at=asked.eligible_at)
        self._note((trace.PRODUCT_REPEAT, (purchased_at, days, asked)))
        return remaining

    def _included(self, bought: tuple[str, ...]) -> tuple[str, ...]:
        """Name the bought products that the policy does not exclude by id or category."""
        policy = self._policy
        if not policy.excluded_ids and not policy.excluded_category_names:
            return bought
        excluded_by_category = {
            line.id for line in self._order.lines if line.category in policy.excluded_category_names
        }
        return tuple(
            product_id
            for product_id in bought
            if product_id not in policy.excluded_ids and product_id not in excluded_by_category
        )

    def _find_asked(self, product_ids: Sequence[str], *, besides: Invitation | None = None) -> AskedProducts:
        if not self._history.invitations:
            return NOTHING_ASKED
        return find_asked_products(
            product_ids,
            (past.invitation for past in self._history.invitations if past.invitation is not besides),
            purchased_at=self._order.purchased_at,
            repeat_days=self._policy.product_repeat_days,
        )

    def _invite(self, kind: Kind, channel: Channel, product_ids: tuple[str, ...]) -> Decision:
        """Rule 15."""
        order, policy = self._order, self._policy
        contact = order.email if channel is _EMAIL else order.phone
        assert contact is not None
        steps = plan_steps(kind, channel, policy)
        zone = decide_zone(
            policy, merchant_zone=self._merchant.time_zone, order_zone=order.time_zone, country=order.country
        )
        language = decide_language(policy, order.language)
        send_at = plan_first_step(
            order, policy, kind=kind, step=steps[0], zone=zone, merchant_id=self._merchant.id, now=self._now
        )
        plan = _new_plan((kind, channel, contact, language, steps, product_ids, send_at, zone))
        written = self._trace((trace.INVITE, (plan,)), _INVITED)
        return _new_decision((_INVITED, written, None, None, plan, None, ()))


def waiting_reason(folded_status: str | None, policy: Policy) -> Reason | None:
    """Say why an order of this case-folded status waits (rule 3), or None when it triggers; no status triggers."""
    if folded_status is None:
        return None
    if folded_status in policy.holds:
        return Reason.ON_HOLD
    if policy.triggers and folded_status not in policy.triggers:
        return Reason.STATUS_NOT_TRIGGERING
    return None


def plan_steps(kind: Kind, channel: Channel, policy: Policy) -> tuple[Step, ...]:
    """Plan the messages: never more than two to one invitation (RULES.md section 3, "Steps")."""
    if kind is _SERVICE:
        return (Step.SERVICE,)
    if channel is _SMS or policy.product_steps is _FIRST_ONLY:
        return (Step.PRODUCT_1,)
    if policy.product_steps is _SECOND_ONLY:
        return (Step.PRODUCT_2,)
    return _BOTH_STEPS


def awaited_date(order: Order, policy: Policy) -> Literal["delivered_at", "shipped_at"] | None:
    """Name the date of shipping or delivery that the delay counts from, or None while it counts from neither."""
    if policy.delay_origin is DelayOrigin.DELIVERED and order.delivered_at is not None:
        return "delivered_at"
    waits_for_shipping = policy.delay_origin in {DelayOrigin.SHIPPED, DelayOrigin.DELIVERED}
    return "shipped_at" if waits_for_shipping and order.shipped_at is not None else None


def delay_origin_of(order: Order, policy: Policy, *, now: datetime) -> datetime:
    """Tell from when the delay counts; a missing date falls back delivered → shipped → purchased → scheduled."""
    if policy.delay_origin is _SCHEDULED:
        return order.triggered_at or now
    if policy.delay_origin is _PURCHASED:
        return order.purchased_at
    date = awaited_date(order, policy)
    return getattr(order, date) if date is not None else order.purchased_at


def plan_first_step(
    order: Order, policy: Policy, *, kind: Kind, step: Step, zone: str, merchant_id: str, now: datetime
) -> datetime:
    """Plan when the first message leaves: the slot of the origin's local day plus the delay (RULES.md section 6)."""
    delay = policy.product_delay_days if kind is _PRODUCT else policy.service_delay_days
    day = local_day(delay_origin_of(order, policy, now=now), zone) + whole_days(delay)
    return slot_from(new_send_plan((policy, zone, merchant_id, order.order_id, step)), day, now=now)
