"""decide(): whether, when, how and in which language an order's customer is asked, and why (RULES.md section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from uuid import UUID

from invite_service.domain.decision import JsonFigure, Reason, TraceEntry, TraceOutcome
from invite_service.domain.invitation import Channel, Invitation, Kind, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps
from invite_service.rules.asked import NOTHING_ASKED, AskedProducts, find_asked_products, find_asked_service
from invite_service.rules.draw import draw_bucket, kind_of
from invite_service.rules.languages import decide_language
from invite_service.rules.orders import live_product_ids
from invite_service.rules.slots import SendPlan, local_day, slot_from
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


def decide(order: Order, *, policy: Policy, history: History, merchant: Merchant, now: datetime) -> Decision:
    """Decide a folded order event: the first rule that applies decides, each one looked at leaves a trace entry.

    `now` is the merchant's time. `order.triggered_at` is the origin `scheduled`, `now` where it is None. What rule 2
    does with an order decided before is the ledger's, which calls this where RULES.md section 5 says "decided".
    """
    return _Deciding(order, policy=policy, history=history, merchant=merchant, now=now).run()


Figure = str | int | bool | None
"""A figure that can be looked up by."""


@lru_cache(maxsize=1024, typed=True)
def _usual_entry(rule: str, **figures: Figure) -> TraceEntry:
    """Give the one entry that all orders share for which a rule passed on the same figures."""
    return TraceEntry(rule, TraceOutcome.PASSED, None, figures)


_NOTHING_EXCLUDED = TraceEntry("exclusions", TraceOutcome.PASSED, None, {"excluded": []})


class _Deciding:
    """One run down the list of rules; the trace grows as they are looked at."""

    __slots__ = ("_history", "_merchant", "_now", "_order", "_policy", "_purchased_at", "_trace")

    def __init__(self, order: Order, *, policy: Policy, history: History, merchant: Merchant, now: datetime) -> None:
        self._order = order
        self._policy = policy
        self._history = history
        self._merchant = merchant
        self._now = now
        self._purchased_at = order.purchased_at.isoformat()
        self._trace: list[TraceEntry] = []

    def run(self) -> Decision:
        ended = self._by_status() or self._by_age() or self._by_contact() or self._by_consent()
        if ended is not None:
            return ended
        channel = self._choose_channel()
        if channel is None:
            return self._block("channel", Reason.SUPPRESSED, {"closed": "every channel"})
        self._pass_as_usual("channel", channel=channel.value)
        ended = self._by_same_day() or self._by_repeat_customer()
        if ended is not None:
            return ended
        if self._choose_kind() is Kind.SERVICE:
            return self._by_service_repeat() or self._invite(Kind.SERVICE, channel, ())
        asked_about = self._choose_products()
        if isinstance(asked_about, Decision):
            return asked_about
        return self._invite(Kind.PRODUCT, channel, asked_about)

    def _pass(self, rule: str, data: dict[str, JsonFigure]) -> None:
        self._trace.append(TraceEntry(rule, TraceOutcome.PASSED, None, data))

    def _pass_as_usual(self, rule: str, **figures: Figure) -> None:
        """Leave an entry whose figures many orders have in common."""
        self._trace.append(_usual_entry(rule, **figures))

    def _end(
        self, rule: str, outcome: OrderOutcome, reason: Reason | None, data: dict[str, JsonFigure]
    ) -> tuple[TraceEntry, ...]:
        return (*self._trace, TraceEntry(rule, TraceOutcome.DECIDED, reason or outcome.value, data))

    def _block(
        self, rule: str, reason: Reason, data: dict[str, JsonFigure], *, eligible_at: datetime | None = None
    ) -> Decision:
        if eligible_at is not None:
            data["eligible_at"] = eligible_at.isoformat()
        trace = self._end(rule, OrderOutcome.BLOCKED, reason, data)
        return Decision(outcome=OrderOutcome.BLOCKED, reason=reason, eligible_at=eligible_at, trace=trace)

    def _by_status(self) -> Decision | None:
        """Rules 1 to 3."""
        status = self._order.status
        folded = status.casefold() if status is not None else None
        if folded in self._policy.cancels:
            trace = self._end("cancel_status", OrderOutcome.CANCELLED, None, {"status": status})
            return Decision(outcome=OrderOutcome.CANCELLED, trace=trace)
        self._pass_as_usual("cancel_status", status=status)
        self._pass_as_usual("decided_before", outcome=self._order.outcome.value if self._order.trace else None)
        reason = waiting_reason(folded, self._policy)
        if reason is not None:
            trace = self._end("trigger_status", OrderOutcome.WAITING, reason, {"status": status})
            return Decision(outcome=OrderOutcome.WAITING, reason=reason, trace=trace)
        self._pass_as_usual("trigger_status", status=status)
        return None

    def _by_age(self) -> Decision | None:
        """Rule 4."""
        limit = self._policy.max_order_age_days
        data: dict[str, JsonFigure] = {
            "purchased_at": self._purchased_at,
            "now": self._now.isoformat(),
            "max_order_age_days": limit,
        }
        if limit and self._now - self._order.purchased_at > timedelta(days=limit):
            return self._block("order_age", Reason.ORDER_TOO_OLD, data)
        self._pass("order_age", data)
        return None

    def _by_contact(self) -> Decision | None:
        """Rule 5; the trace says why a contact that was posted counts as absent."""
        order = self._order
        figures: dict[str, Figure] = {"email": order.email is not None, "phone": order.phone is not None}
        if order.email_fault is not None:
            figures["email_fault"] = order.email_fault
        if order.phone_fault is not None:
            figures["phone_fault"] = order.phone_fault
        if order.email is None and order.phone is None:
            return self._block("contact", Reason.NO_CONTACT, {**figures})
        self._pass_as_usual("contact", **figures)
        return None

    def _by_consent(self) -> Decision | None:
        """Rule 6."""
        consent, required = self._order.consent, self._policy.consent
        if required is ConsentRequirement.REQUIRED and consent is not True:
            return self._block("consent", Reason.NO_CONSENT, {"consent": consent, "required": required.value})
        self._pass_as_usual("consent", consent=consent, required=required.value)
        return None

    def _choose_channel(self) -> Channel | None:
        """Rule 7: the preferred channel, the other one where only its address is closed, none where all are."""
        suppressed = self._history.suppressed
        if suppressed.closes_customer(self._order.contacts):
            return None
        usable = [
            channel
            for channel, contact in ((Channel.EMAIL, self._order.email), (Channel.SMS, self._order.phone))
            if contact is not None and not suppressed.closes_address(contact)
        ]
        if not usable:
            return None
        return self._policy.preferred_channel if self._policy.preferred_channel in usable else usable[0]

    def _by_same_day(self) -> Decision | None:
        """Rule 8."""
        zone = self._merchant.time_zone
        day = local_day(self._order.purchased_at, zone)
        candidates = [
            past.invitation
            for past in self._history.invitations
            if past.invitation.is_open
            and not self._history.suppressed.closes_address(past.invitation.contact)
            and any(local_day(purchase, zone) == day for purchase in past.purchases)
        ]
        if not candidates:
            self._pass("same_day", {"day": day.isoformat()})
            return None
        target = min(candidates, key=lambda invitation: (invitation.created_at, invitation.id))
        joining: tuple[str, ...] = ()
        data: dict[str, JsonFigure] = {"day": day.isoformat(), "invitation_id": str(target.id)}
        if target.kind is Kind.PRODUCT:
            included = self._included(live_product_ids(self._order))
            asked = self._find_asked(included, besides=target)
            joining = tuple(product_id for product_id in included if product_id not in asked.by_id)
            if asked.by_id:
                data["dropped"] = asked.figures()
        trace = self._end("same_day", OrderOutcome.MERGED, None, data)
        return Decision(outcome=OrderOutcome.MERGED, trace=trace, merged_into=target.id, joining_product_ids=joining)

    def _by_repeat_customer(self) -> Decision | None:
        """Rule 9."""
        days = self._policy.block_days
        if not days:
            self._pass_as_usual("repeat_customer", block_days=days)
            return None
        period = timedelta(days=days)
        purchase = self._order.purchased_at
        near = [
            other.purchased_at
            for other in self._history.orders
            if other.is_live and abs(other.purchased_at - purchase) < period
        ]
        if not near:
            self._pass_as_usual("repeat_customer", block_days=days)
            return None
        latest = max(near)
        data: dict[str, JsonFigure] = {
            "block_days": days,
            "purchased_at": self._purchased_at,
            "other_purchased_at": latest.isoformat(),
        }
        return self._block("repeat_customer", Reason.REPEAT_CUSTOMER_BLOCK, data, eligible_at=latest + period)

    def _choose_kind(self) -> Kind:
        """Rule 10."""
        to_come = [past.invitation for past in self._history.invitations if past.invitation.has_messages_to_come]
        if to_come:
            newest = max(to_come, key=lambda invitation: (invitation.created_at, invitation.id))
            self._pass("kind", {"kind": newest.kind.value, "invitation_id": str(newest.id)})
            return newest.kind
        percent = self._policy.service_percent
        bucket = draw_bucket(self._merchant.id, self._order.order_id)
        kind = kind_of(bucket, service_percent=percent)
        self._pass("kind", {"kind": kind.value, "bucket": bucket, "service_percent": percent})
        return kind

    def _by_service_repeat(self) -> Decision | None:
        """Rule 11; it does not turn into a product invitation."""
        days = self._policy.service_repeat_days
        asked = find_asked_service(
            (past.invitation for past in self._history.invitations),
            purchased_at=self._order.purchased_at,
            repeat_days=days,
        )
        data: dict[str, JsonFigure] = {"purchased_at": self._purchased_at, "service_repeat_days": days}
        if not asked:
            self._pass("service_repeat", data)
            return None
        if asked.to_come is not None:
            data["invitation_id"] = str(asked.to_come)
            return self._block("service_repeat", Reason.SERVICE_ASKED_RECENTLY, data)
        return self._block("service_repeat", Reason.SERVICE_ASKED_RECENTLY, data, eligible_at=asked.until)

    def _choose_products(self) -> tuple[str, ...] | Decision:
        """Rules 12 to 14: the products to ask about, or the block."""
        bought = live_product_ids(self._order)
        if not bought:
            return self._block("products", Reason.NO_PRODUCTS, {"lines": len(self._order.lines)})
        self._pass_as_usual("products", products=len(bought))
        included = self._included(bought)
        if not included:
            return self._block("exclusions", Reason.PRODUCTS_EXCLUDED, {"excluded": list(bought)})
        if included is bought:
            self._trace.append(_NOTHING_EXCLUDED)
        else:
            self._pass("exclusions", {"excluded": [product for product in bought if product not in included]})
        asked = self._find_asked(included)
        data: dict[str, JsonFigure] = {
            "purchased_at": self._purchased_at,
            "product_repeat_days": self._policy.product_repeat_days,
            "dropped": asked.figures(),
        }
        remaining = included
        if asked.by_id:
            remaining = tuple(product_id for product_id in included if product_id not in asked.by_id)
        if not remaining:
            if asked.eligible_at is None:
                data["invitation_id"] = str(asked.to_come)
            reason = Reason.PRODUCTS_ASKED_RECENTLY
            return self._block("product_repeat", reason, data, eligible_at=asked.eligible_at)
        self._pass("product_repeat", data)
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
        contact = order.email if channel is Channel.EMAIL else order.phone
        assert contact is not None
        steps = plan_steps(kind, channel, policy)
        zone = decide_zone(
            policy, merchant_zone=self._merchant.time_zone, order_zone=order.time_zone, country=order.country
        )
        plan = InvitationPlan(
            kind=kind,
            channel=channel,
            contact=contact,
            language=decide_language(policy, order.language),
            steps=steps,
            product_ids=product_ids,
            send_at=plan_first_step(
                order, policy, kind=kind, step=steps[0], zone=zone, merchant_id=self._merchant.id, now=self._now
            ),
            time_zone=zone,
        )
        data: dict[str, JsonFigure] = {
            "kind": kind.value,
            "channel": channel.value,
            "language": plan.language,
            "steps": [step.value for step in steps],
            "send_at": plan.send_at.isoformat(),
            "time_zone": zone,
        }
        trace = self._end("invite", OrderOutcome.INVITED, None, data)
        return Decision(outcome=OrderOutcome.INVITED, trace=trace, plan=plan)


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
    if kind is Kind.SERVICE:
        return (Step.SERVICE,)
    if channel is Channel.SMS or policy.product_steps is ProductSteps.FIRST_ONLY:
        return (Step.PRODUCT_1,)
    if policy.product_steps is ProductSteps.SECOND_ONLY:
        return (Step.PRODUCT_2,)
    return (Step.PRODUCT_1, Step.PRODUCT_2)


def awaited_date(order: Order, policy: Policy) -> Literal["delivered_at", "shipped_at"] | None:
    """Name the date of shipping or delivery that the delay counts from, or None while it counts from neither."""
    if policy.delay_origin is DelayOrigin.DELIVERED and order.delivered_at is not None:
        return "delivered_at"
    waits_for_shipping = policy.delay_origin in {DelayOrigin.SHIPPED, DelayOrigin.DELIVERED}
    return "shipped_at" if waits_for_shipping and order.shipped_at is not None else None


def delay_origin_of(order: Order, policy: Policy, *, now: datetime) -> datetime:
    """Tell from when the delay counts; a missing date falls back delivered → shipped → purchased → scheduled."""
    if policy.delay_origin is DelayOrigin.SCHEDULED:
        return order.triggered_at or now
    date = awaited_date(order, policy)
    return getattr(order, date) if date is not None else order.purchased_at


def plan_first_step(
    order: Order, policy: Policy, *, kind: Kind, step: Step, zone: str, merchant_id: str, now: datetime
) -> datetime:
    """Plan when the first message leaves: the slot of the origin's local day plus the delay (RULES.md section 6)."""
    delay = policy.product_delay_days if kind is Kind.PRODUCT else policy.service_delay_days
    day = local_day(delay_origin_of(order, policy, now=now), zone) + timedelta(days=delay)
    send_plan = SendPlan(policy, zone, merchant_id, order.order_id, step)
    return slot_from(send_plan, day, now=now)
