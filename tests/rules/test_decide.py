"""The trace of decide(): every rule looked at leaves an entry with the figures it compared (RULES.md section 3)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.invitation import Channel, InvitationStatus, Kind, Step
from invite_service.domain.order import OrderEvent, OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps, SendZone
from invite_service.domain.suppression import SuppressionReason
from invite_service.rules.decide import (
    NO_HISTORY,
    Decision,
    History,
    InvitationPlan,
    PastInvitation,
    awaited_date,
    decide,
    delay_origin_of,
    plan_steps,
)
from invite_service.rules.orders import fold_event
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    INVITATION_ID,
    PHONE,
    PURCHASED_AT,
    at,
    make_event,
    make_invitation,
    make_lines,
    make_merchant,
    make_order,
    make_policy,
    make_products,
    make_sent,
    make_service_invitation,
    make_suppression,
)

OTHER_ID = UUID(int=2)


def run(event: OrderEvent, history: History = NO_HISTORY, policy: Policy | None = None) -> Decision:
    order = fold_event(None, event, accepted_at=ACCEPTED_AT)
    return decide(order, policy=policy or Policy(), history=history, merchant=make_merchant(), now=ACCEPTED_AT)


def passed(rule: str, **data: Any) -> TraceEntry:
    return TraceEntry(rule, TraceOutcome.PASSED, None, data)


def decided(rule: str, reason: str, **data: Any) -> TraceEntry:
    return TraceEntry(rule, TraceOutcome.DECIDED, reason, data)


CANCEL_STATUS = passed("cancel_status", status="shipped")
DECIDED_BEFORE = passed("decided_before", outcome=None)
TRIGGER_STATUS = passed("trigger_status", status="shipped")
AGE_FIGURES = {
    "purchased_at": "2026-03-02T09:00:00+00:00",
    "now": "2026-03-02T13:30:00+00:00",
    "max_order_age_days": 180,
}
AGE = passed("order_age", **AGE_FIGURES)
CONTACT = passed("contact", email=True, phone=False)
CONSENT = passed("consent", consent=None, required="not_required")
CHANNEL = passed("channel", channel="email")
SAME_DAY = passed("same_day", day="2026-03-02")
REPEAT_CUSTOMER = passed("repeat_customer", block_days=0)
KIND = passed("kind", kind="product", bucket=1818, service_percent=0)
PRODUCTS = passed("products", products=2)
EXCLUSIONS = passed("exclusions", excluded=[])
PERIOD = {"purchased_at": "2026-03-02T09:00:00+00:00", "product_repeat_days": 90}

UP_TO_STATUS = (CANCEL_STATUS, DECIDED_BEFORE, TRIGGER_STATUS)
UP_TO_CONSENT = (*UP_TO_STATUS, AGE, CONTACT, CONSENT)
UP_TO_CHANNEL = (*UP_TO_CONSENT, CHANNEL)
UP_TO_BLOCK = (*UP_TO_CHANNEL, SAME_DAY, REPEAT_CUSTOMER)


def test_invited_order_leaves_an_entry_of_every_rule() -> None:
    assert run(make_event()) == Decision(
        outcome=OrderOutcome.INVITED,
        plan=InvitationPlan(
            kind=Kind.PRODUCT,
            channel=Channel.EMAIL,
            contact=EMAIL,
            language="en",
            steps=(Step.PRODUCT_1, Step.PRODUCT_2),
            product_ids=("t1", "t2"),
            send_at=FIRST_SLOT,
            time_zone="Europe/Oslo",
        ),
        trace=(
            *UP_TO_BLOCK,
            KIND,
            PRODUCTS,
            EXCLUSIONS,
            passed("product_repeat", **PERIOD, dropped={}),
            decided(
                "invite",
                "invited",
                kind="product",
                channel="email",
                language="en",
                steps=["product_1", "product_2"],
                send_at="2026-03-16T10:10:57+00:00",
                time_zone="Europe/Oslo",
            ),
        ),
    )


def test_service_invitation_leaves_an_entry_of_its_own_period_and_none_of_products() -> None:
    decision = run(make_event(lines=()), policy=make_policy(service_percent=100))

    assert decision.trace == (
        *UP_TO_BLOCK,
        passed("kind", kind="service", bucket=1818, service_percent=100),
        passed("service_repeat", purchased_at="2026-03-02T09:00:00+00:00", service_repeat_days=14),
        decided(
            "invite",
            "invited",
            kind="service",
            channel="email",
            language="en",
            steps=["service"],
            send_at="2026-03-09T10:38:58+00:00",
            time_zone="Europe/Oslo",
        ),
    )


def test_cancelled_order_ends_at_the_first_rule() -> None:
    assert run(make_event(status="Refunded")) == Decision(
        outcome=OrderOutcome.CANCELLED, trace=(decided("cancel_status", "cancelled", status="Refunded"),)
    )


@pytest.mark.parametrize(
    ("status", "reason"), [("processing", Reason.STATUS_NOT_TRIGGERING), ("ON_HOLD", Reason.ON_HOLD)]
)
def test_waiting_order_ends_at_the_third(status: str, reason: Reason) -> None:
    assert run(make_event(status=status)) == Decision(
        outcome=OrderOutcome.WAITING,
        reason=reason,
        trace=(
            passed("cancel_status", status=status),
            DECIDED_BEFORE,
            decided("trigger_status", reason.value, status=status),
        ),
    )


def test_order_decided_before_says_as_what() -> None:
    before = make_order(outcome=OrderOutcome.CANCELLED, trace=(CANCEL_STATUS,))
    decision = decide(before, policy=Policy(), history=NO_HISTORY, merchant=make_merchant(), now=ACCEPTED_AT)
    assert decision.trace[:2] == (CANCEL_STATUS, passed("decided_before", outcome="cancelled"))


def test_too_old_order_names_its_age() -> None:
    decision = run(make_event(purchased_at=at("2025-09-03 13:29:59")))
    figures = AGE_FIGURES | {"purchased_at": "2025-09-03T13:29:59+00:00"}
    assert decision == Decision(
        outcome=OrderOutcome.BLOCKED,
        reason=Reason.ORDER_TOO_OLD,
        trace=(*UP_TO_STATUS, decided("order_age", "order_too_old", **figures)),
    )


def test_no_contact_says_why_what_was_posted_counts_as_absent() -> None:
    decision = run(make_event(email="kari@", phone="22225555", country="NO"))
    fault = decided(
        "contact",
        "no_contact",
        email=False,
        phone=False,
        email_fault="email_unreadable",
        phone_fault="phone_not_mobile",
    )
    assert decision == Decision(
        outcome=OrderOutcome.BLOCKED, reason=Reason.NO_CONTACT, trace=(*UP_TO_STATUS, AGE, fault)
    )


@pytest.mark.parametrize("consent", [None, False])
def test_missing_consent_is_shown(consent: bool | None) -> None:
    decision = run(make_event(consent=consent), policy=make_policy(consent=ConsentRequirement.REQUIRED))
    assert decision.trace == (
        *UP_TO_STATUS,
        AGE,
        CONTACT,
        decided("consent", "no_consent", consent=consent, required="required"),
    )


def test_closed_channels_are_shown() -> None:
    history = History(suppressed=SuppressedContacts([make_suppression(EMAIL)]))
    decision = run(make_event(), history)
    assert decision == Decision(
        outcome=OrderOutcome.BLOCKED,
        reason=Reason.SUPPRESSED,
        trace=(*UP_TO_CONSENT, decided("channel", "suppressed", closed="every channel")),
    )


def test_merge_names_the_invitation_and_each_product_it_drops() -> None:
    target = make_invitation(products=make_products("t1"))
    other = make_sent(id=OTHER_ID, products=make_products("t2", asked=True))
    history = History(invitations=[PastInvitation(target, [PURCHASED_AT]), PastInvitation(other, [])])
    decision = run(make_event("A-1002", lines=make_lines("t1", "t2", "t3")), history)

    asked = "asked; purchases are asked about again from 2026-06-19T09:34:25+00:00"
    assert decision == Decision(
        outcome=OrderOutcome.MERGED,
        merged_into=INVITATION_ID,
        joining_product_ids=("t1", "t3"),
        trace=(
            *UP_TO_CHANNEL,
            decided("same_day", "merged", day="2026-03-02", invitation_id=str(INVITATION_ID), dropped={"t2": asked}),
        ),
    )


def test_repeat_customer_block_names_both_purchases_and_its_end() -> None:
    history = History(orders=[make_order("A-1", purchased_at=at("2026-02-20 09:00"))])
    decision = run(make_event(), history, make_policy(block_days=30))

    assert decision == Decision(
        outcome=OrderOutcome.BLOCKED,
        reason=Reason.REPEAT_CUSTOMER_BLOCK,
        eligible_at=at("2026-03-22 09:00"),
        trace=(
            *UP_TO_CHANNEL,
            SAME_DAY,
            decided(
                "repeat_customer",
                "repeat_customer_block",
                block_days=30,
                purchased_at="2026-03-02T09:00:00+00:00",
                other_purchased_at="2026-02-20T09:00:00+00:00",
                eligible_at="2026-03-22T09:00:00+00:00",
            ),
        ),
    )


def test_kind_taken_from_an_invitation_names_it_and_its_block_names_it_instead_of_an_end() -> None:
    history = History(invitations=[PastInvitation(make_service_invitation(), [])])
    decision = run(make_event(), history)

    assert (decision.outcome, decision.reason, decision.eligible_at) == (
        OrderOutcome.BLOCKED,
        Reason.SERVICE_ASKED_RECENTLY,
        None,
    )
    assert decision.trace == (
        *UP_TO_BLOCK,
        passed("kind", kind="service", invitation_id=str(INVITATION_ID)),
        decided(
            "service_repeat",
            "service_asked_recently",
            purchased_at="2026-03-02T09:00:00+00:00",
            service_repeat_days=14,
            invitation_id=str(INVITATION_ID),
        ),
    )


def test_service_asked_before_names_when_that_ends() -> None:
    sent = make_service_invitation(status=InvitationStatus.SENT, last_message_at=at("2026-02-20 10:00"))
    history = History(invitations=[PastInvitation(sent, [])])
    decision = run(make_event(), history, make_policy(service_percent=100))

    assert decision.eligible_at == at("2026-03-06 10:00")
    assert decision.trace[-1] == decided(
        "service_repeat",
        "service_asked_recently",
        purchased_at="2026-03-02T09:00:00+00:00",
        service_repeat_days=14,
        eligible_at="2026-03-06T10:00:00+00:00",
    )


@pytest.mark.parametrize(("returned", "lines"), [(False, 0), (True, 2)])
def test_order_without_products_is_counted(*, returned: bool, lines: int) -> None:
    decision = run(make_event(lines=make_lines("t1", "t2", returned=True) if returned else ()))
    assert decision.trace == (*UP_TO_BLOCK, KIND, decided("products", "no_products", lines=lines))


def test_exclusions_name_what_they_take_out() -> None:
    lines = (*make_lines("t1"), *make_lines("t2", category="gift cards"), *make_lines("t3"))
    some = make_policy(excluded_product_ids=("t3",), excluded_categories=("gift cards",))
    every = make_policy(excluded_product_ids=("t1", "t2", "t3"))

    taken_out = run(make_event(lines=lines), policy=some)
    left_none = run(make_event(lines=lines), policy=every)

    assert taken_out.plan is not None
    assert taken_out.plan.product_ids == ("t1",)
    assert passed("exclusions", excluded=["t2", "t3"]) in taken_out.trace
    assert left_none.trace[-1] == decided("exclusions", "products_excluded", excluded=["t1", "t2", "t3"])


def test_product_with_one_line_in_an_excluded_category_is_excluded() -> None:
    lines = (*make_lines("t1", category="tents"), *make_lines("t1", "t2", category="outlet"))
    decision = run(make_event(lines=(*lines, *make_lines("t3"))), policy=make_policy(excluded_categories=("outlet",)))
    assert decision.plan is not None
    assert decision.plan.product_ids == ("t3",)


def test_product_block_by_messages_to_come_names_the_invitation_and_no_end() -> None:
    history = History(invitations=[PastInvitation(make_invitation(), [])])
    decision = run(make_event("A-1002", purchased_at=at("2026-03-01 09:00")), history)

    asked = f"messages to come in invitation {INVITATION_ID}"
    assert decision.eligible_at is None
    assert decision.trace[-1] == decided(
        "product_repeat",
        "products_asked_recently",
        purchased_at="2026-03-01T09:00:00+00:00",
        product_repeat_days=90,
        dropped={"t1": asked, "t2": asked},
        invitation_id=str(INVITATION_ID),
    )


def test_product_block_names_the_earliest_end() -> None:
    first = make_sent(products=make_products("t1", asked=True), last_message_at=at("2026-02-01 10:00"))
    second = make_sent(id=OTHER_ID, products=make_products("t2", asked=True), last_message_at=at("2026-02-10 10:00"))
    history = History(invitations=[PastInvitation(first, []), PastInvitation(second, [])])
    decision = run(make_event(), history)

    assert decision.eligible_at == at("2026-05-02 10:00")
    assert decision.trace[-1] == decided(
        "product_repeat",
        "products_asked_recently",
        **PERIOD,
        dropped={
            "t1": "asked; purchases are asked about again from 2026-05-02T10:00:00+00:00",
            "t2": "asked; purchases are asked about again from 2026-05-11T10:00:00+00:00",
        },
        eligible_at="2026-05-02T10:00:00+00:00",
    )


def test_product_dropped_from_an_invitation_is_named() -> None:
    sent = make_sent(products=make_products("t1", asked=True), last_message_at=at("2026-02-01 10:00"))
    decision = run(make_event(), History(invitations=[PastInvitation(sent, [])]))

    asked = "asked; purchases are asked about again from 2026-05-02T10:00:00+00:00"
    assert decision.plan is not None
    assert decision.plan.product_ids == ("t2",)
    assert passed("product_repeat", **PERIOD, dropped={"t1": asked}) in decision.trace


CHANNELS: dict[str, tuple[str, dict[str, SuppressionReason], Channel | None]] = {
    "both, e-mail preferred": ("email", {}, Channel.EMAIL),
    "both, SMS preferred": ("sms", {}, Channel.SMS),
    "preferred e-mail bounced": ("email", {EMAIL: SuppressionReason.HARD_BOUNCE}, Channel.SMS),
    "preferred phone undeliverable": ("sms", {PHONE: SuppressionReason.SMS_UNDELIVERABLE}, Channel.EMAIL),
    "other one bounced": ("sms", {EMAIL: SuppressionReason.HARD_BOUNCE}, Channel.SMS),
    "both addresses closed": (
        "email",
        {EMAIL: SuppressionReason.HARD_BOUNCE, PHONE: SuppressionReason.SMS_UNDELIVERABLE},
        None,
    ),
    "wide reason on the other one": ("email", {PHONE: SuppressionReason.COMPLAINED}, None),
    "wide reason by hand": ("email", {EMAIL: SuppressionReason.MANUAL}, None),
}


@pytest.mark.parametrize(("preferred", "reasons", "channel"), CHANNELS.values(), ids=CHANNELS)
def test_channel_is_the_preferred_one_unless_its_address_is_closed(
    preferred: str, reasons: dict[str, SuppressionReason], channel: Channel | None
) -> None:
    suppressed = SuppressedContacts(make_suppression(contact, reason) for contact, reason in reasons.items())
    policy = make_policy(preferred_channel=Channel(preferred))
    decision = run(make_event(phone=PHONE), History(suppressed=suppressed), policy)
    assert (decision.plan.channel if decision.plan else None) is channel
    assert (decision.plan.contact if decision.plan else None) == {
        Channel.EMAIL: EMAIL,
        Channel.SMS: PHONE,
        None: None,
    }[channel]


def test_merge_goes_to_the_oldest_open_invitation_then_to_the_lowest_id() -> None:
    younger = make_invitation(id=UUID(int=1), created_at=ACCEPTED_AT + timedelta(seconds=1))
    old_high, old_low = make_invitation(id=UUID(int=9)), make_invitation(id=UUID(int=3))
    history = History(invitations=[PastInvitation(one, [PURCHASED_AT]) for one in (younger, old_high, old_low)])
    assert run(make_event("A-1002"), history).merged_into == UUID(int=3)


NOT_MERGED = {
    "another local day": (make_invitation(), [PURCHASED_AT + timedelta(days=1)]),
    "no live order any more": (make_invitation(), []),
    "half sent": (make_sent(status=InvitationStatus.SCHEDULED), [PURCHASED_AT]),
    "being sent": (make_invitation(status=InvitationStatus.SENDING), [PURCHASED_AT]),
    "in doubt": (make_invitation(status=InvitationStatus.IN_DOUBT, last_message_at=FIRST_SLOT), [PURCHASED_AT]),
    "cancelled": (make_invitation(status=InvitationStatus.CANCELLED), [PURCHASED_AT]),
    "address bounced": (make_invitation(contact="gone@example.no"), [PURCHASED_AT]),
}


@pytest.mark.parametrize(("invitation", "purchases"), NOT_MERGED.values(), ids=NOT_MERGED)
def test_nothing_merges_into_what_is_not_open_of_that_day_and_reachable(
    invitation: Any, purchases: list[datetime]
) -> None:
    suppressed = SuppressedContacts([make_suppression("gone@example.no", SuppressionReason.HARD_BOUNCE)])
    history = History(invitations=[PastInvitation(invitation, purchases)], suppressed=suppressed)
    assert run(make_event("A-1002"), history).outcome is not OrderOutcome.MERGED


def test_same_day_is_that_of_the_merchants_zone() -> None:
    # Both sides of midnight in Oslo, one day in UTC; and one day in Oslo, both sides of midnight in UTC.
    invitation = make_invitation()
    before, after = at("2026-03-02 22:59"), at("2026-03-02 23:01")
    history = History(invitations=[PastInvitation(invitation, [before])])

    in_utc = run(make_event("A-1002", purchased_at=after), history)
    in_oslo = run(
        make_event("A-1002", purchased_at=at("2026-03-01 23:30")),
        History(invitations=[PastInvitation(invitation, [PURCHASED_AT])]),
    )

    assert (in_utc.outcome, in_oslo.outcome) == (OrderOutcome.BLOCKED, OrderOutcome.MERGED)


def test_newest_invitation_to_come_gives_the_kind_then_the_highest_id() -> None:
    product = make_invitation(id=UUID(int=5), products=make_products("x"))
    service = make_service_invitation(id=UUID(int=6))
    older = make_service_invitation(id=UUID(int=9), created_at=ACCEPTED_AT - timedelta(days=1))
    history = History(invitations=[PastInvitation(one, []) for one in (product, service, older)])
    [kind] = [entry for entry in run(make_event("A-2"), history).trace if entry.rule == "kind"]
    assert kind == passed("kind", kind="service", invitation_id=str(UUID(int=6)))


@pytest.mark.parametrize(("hours", "is_blocked"), [(-720, False), (-719, True), (0, True), (719, True), (720, False)])
def test_block_reaches_as_many_whole_days_before_and_after(hours: int, *, is_blocked: bool) -> None:
    history = History(orders=[make_order("A-1", purchased_at=PURCHASED_AT + timedelta(hours=hours))])
    decision = run(make_event(), history, make_policy(block_days=30))
    assert (decision.reason is Reason.REPEAT_CUSTOMER_BLOCK) is is_blocked


@pytest.mark.parametrize(
    ("outcome", "is_blocked"), [(outcome, outcome is not OrderOutcome.CANCELLED) for outcome in OrderOutcome]
)
def test_every_order_but_a_cancelled_one_blocks(outcome: OrderOutcome, *, is_blocked: bool) -> None:
    history = History(orders=[make_order("A-1", outcome=outcome)])
    decision = run(make_event(), history, make_policy(block_days=1))
    assert (decision.reason is Reason.REPEAT_CUSTOMER_BLOCK) is is_blocked


def test_block_ends_after_the_latest_purchase_within_the_period() -> None:
    purchases = [PURCHASED_AT + timedelta(days=days) for days in (-29, 5, 40)]
    history = History(orders=[make_order(f"A-{day}", purchased_at=day) for day in purchases])
    decision = run(make_event(), history, make_policy(block_days=30))
    assert decision.eligible_at == PURCHASED_AT + timedelta(days=35)


@pytest.mark.parametrize(
    ("kind", "channel", "steps", "expected"),
    [
        (Kind.SERVICE, Channel.EMAIL, ProductSteps.BOTH, (Step.SERVICE,)),
        (Kind.SERVICE, Channel.SMS, ProductSteps.SECOND_ONLY, (Step.SERVICE,)),
        (Kind.PRODUCT, Channel.SMS, ProductSteps.BOTH, (Step.PRODUCT_1,)),
        (Kind.PRODUCT, Channel.SMS, ProductSteps.SECOND_ONLY, (Step.PRODUCT_1,)),
        (Kind.PRODUCT, Channel.EMAIL, ProductSteps.BOTH, (Step.PRODUCT_1, Step.PRODUCT_2)),
        (Kind.PRODUCT, Channel.EMAIL, ProductSteps.FIRST_ONLY, (Step.PRODUCT_1,)),
        (Kind.PRODUCT, Channel.EMAIL, ProductSteps.SECOND_ONLY, (Step.PRODUCT_2,)),
    ],
)
def test_steps_by_kind_channel_and_policy(
    kind: Kind, channel: Channel, steps: ProductSteps, expected: tuple[Step, ...]
) -> None:
    assert plan_steps(kind, channel, make_policy(product_steps=steps)) == expected


SHIPPED, DELIVERED, TRIGGERED = at("2026-03-04 09:00"), at("2026-03-06 09:00"), at("2026-03-03 09:00")

ORIGINS = {
    "scheduled": (DelayOrigin.SCHEDULED, True, True, TRIGGERED, None),
    "purchased": (DelayOrigin.PURCHASED, True, True, PURCHASED_AT, None),
    "shipped": (DelayOrigin.SHIPPED, True, True, SHIPPED, "shipped_at"),
    "shipped, missing": (DelayOrigin.SHIPPED, False, True, PURCHASED_AT, None),
    "delivered": (DelayOrigin.DELIVERED, True, True, DELIVERED, "delivered_at"),
    "delivered, missing": (DelayOrigin.DELIVERED, True, False, SHIPPED, "shipped_at"),
    "delivered, both missing": (DelayOrigin.DELIVERED, False, False, PURCHASED_AT, None),
}


@pytest.mark.parametrize(("origin", "shipped", "delivered", "expected", "date"), ORIGINS.values(), ids=ORIGINS)
def test_delay_counts_from_its_origin_or_what_that_falls_back_to(
    origin: DelayOrigin, *, shipped: bool, delivered: bool, expected: datetime, date: str | None
) -> None:
    order = make_order(
        triggered_at=TRIGGERED, shipped_at=SHIPPED if shipped else None, delivered_at=DELIVERED if delivered else None
    )
    policy = make_policy(delay_origin=origin)
    assert (delay_origin_of(order, policy, now=ACCEPTED_AT), awaited_date(order, policy)) == (expected, date)


def test_order_triggered_by_this_event_counts_from_now() -> None:
    assert delay_origin_of(make_order(triggered_at=None), Policy(), now=ACCEPTED_AT) == ACCEPTED_AT


def test_slot_is_of_the_recipients_local_day() -> None:
    # 13:30 UTC on 2 March is the 3rd in Kiritimati already; two weeks later at 10:00 + 4257 s local time.
    policy = make_policy(send_zone=SendZone.RECIPIENT)
    decision = run(make_event(time_zone="Pacific/Kiritimati"), policy=policy)
    assert decision.plan is not None
    assert decision.plan.time_zone == "Pacific/Kiritimati"
    assert decision.plan.send_at == datetime(2026, 3, 16, 21, 10, 57, tzinfo=UTC)
