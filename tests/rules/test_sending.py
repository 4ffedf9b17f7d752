"""may_send (RULES.md section 7): the first line of the page that applies decides."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct
from invite_service.domain.order import Order, OrderOutcome
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import SuppressionReason
from invite_service.rules.sending import (
    Later,
    LaterReason,
    Missed,
    Send,
    SendFacts,
    SendVerdict,
    Skip,
    SkipReason,
    drop_asked_elsewhere,
    may_send,
)
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    ORDER_ID,
    PHONE,
    PURCHASED_AT,
    SECOND_SLOT,
    at,
    make_half_sent,
    make_invitation,
    make_order,
    make_policy,
    make_products,
    make_sent,
    make_service_invitation,
    make_suppression,
)

OTHER_ID = UUID(int=2)
DAY = timedelta(days=1)
OLDER, YOUNGER = ACCEPTED_AT - DAY, ACCEPTED_AT + DAY


def make_facts(*others: Invitation, **changes: Any) -> SendFacts:
    return replace(SendFacts(orders=[make_order()], others=others), **changes)


def closed(*contacts: str, reason: SuppressionReason = SuppressionReason.HARD_BOUNCE) -> SuppressedContacts:
    return SuppressedContacts(make_suppression(contact, reason) for contact in contacts)


def judge(
    invitation: Invitation,
    facts: SendFacts | None = None,
    *,
    now: datetime = FIRST_SLOT,
    policy: Policy | None = None,
    plan: Policy | None = None,
) -> SendVerdict:
    return may_send(invitation, facts=facts or make_facts(), policy=policy or Policy(), plan=plan or Policy(), now=now)


SENDING = make_invitation(status=InvitationStatus.SENDING)
SEND_ALL = Send(("t1", "t2"))
NEXT_START = at("2026-03-17 09:00")


def test_message_is_sent_in_its_slot_about_everything() -> None:
    assert judge(SENDING) == SEND_ALL


@pytest.mark.parametrize("status", [InvitationStatus.SCHEDULED, InvitationStatus.SENDING])
def test_second_message_and_service_message_are_judged_alike(status: InvitationStatus) -> None:
    assert judge(make_half_sent(status=status), now=SECOND_SLOT) == SEND_ALL
    assert judge(make_service_invitation(status=status)) == Send(())


# One row of the page after the other; each has everything against it that comes later in the page.

EVERYTHING: dict[str, Any] = {
    "orders": [make_order(outcome=OrderOutcome.CANCELLED)],
    "suppressed": closed(EMAIL),
    "has_feedback": True,
    "others": [make_service_invitation(id=OTHER_ID, created_at=OLDER)],
    "is_paused": True,
}
LONG_AFTER = FIRST_SLOT + timedelta(days=100)
ON_HOLD = make_order(on_hold=True)

ROWS: dict[str, tuple[Invitation, dict[str, Any], SendVerdict]] = {
    "erased": (replace(SENDING, status=InvitationStatus.ERASED), EVERYTHING, Skip(SkipReason.ERASED)),
    "cancelled": (replace(SENDING, status=InvitationStatus.CANCELLED), EVERYTHING, Skip(SkipReason.CANCELLED)),
    "order_cancelled": (SENDING, EVERYTHING, Skip(SkipReason.ORDER_CANCELLED)),
    "feedback_left": (SENDING, EVERYTHING | {"orders": [ON_HOLD]}, Skip(SkipReason.FEEDBACK_LEFT)),
    "suppressed": (
        SENDING, EVERYTHING | {"orders": [ON_HOLD], "has_feedback": False}, Skip(SkipReason.SUPPRESSED),
    ),
    "asked_elsewhere": (
        SENDING,
        {"others": EVERYTHING["others"], "is_paused": True, "orders": [ON_HOLD]},
        Skip(SkipReason.ASKED_ELSEWHERE),
    ),
    "missed": (SENDING, {"is_paused": True}, Missed()),
}  # fmt: skip


@pytest.mark.parametrize(("invitation", "facts", "expected"), ROWS.values(), ids=ROWS)
def test_first_row_that_applies_decides(invitation: Invitation, facts: dict[str, Any], expected: SendVerdict) -> None:
    assert judge(invitation, make_facts(**facts), now=LONG_AFTER) == expected


def test_order_of_the_reasons_is_that_of_the_page() -> None:
    assert [reason.value for reason in SkipReason] == [
        "erased", "cancelled", "order_cancelled", "feedback_left", "suppressed", "asked_elsewhere",
    ]  # fmt: skip


# order_cancelled


def test_product_invitation_with_nothing_left_to_ask_is_the_orders_end() -> None:
    invitation = replace(SENDING, products=(InvitedProduct("t1", ()),))
    assert judge(invitation) == Skip(SkipReason.ORDER_CANCELLED)


def test_one_live_order_is_enough() -> None:
    orders = [make_order(outcome=OrderOutcome.CANCELLED), make_order("A-2", outcome=OrderOutcome.MERGED)]
    invitation = make_service_invitation(order_ids=(ORDER_ID, "A-2"))
    assert judge(invitation, make_facts(orders=orders)) == Send(())


def test_order_that_was_decided_anew_elsewhere_is_no_live_order_of_this_one() -> None:
    elsewhere = make_order(invitation_id=OTHER_ID, on_hold=True)
    here = make_order("A-2", outcome=OrderOutcome.MERGED)
    invitation = make_service_invitation(order_ids=(ORDER_ID, "A-2"))

    assert judge(invitation, make_facts(orders=[elsewhere])) == Skip(SkipReason.ORDER_CANCELLED)
    assert judge(invitation, make_facts(orders=[elsewhere, here])) == Send(())


# feedback_left


def test_feedback_without_a_rating_of_its_own_is_known_by_the_state() -> None:
    assert judge(replace(SENDING, status=InvitationStatus.RESPONDED)) == Skip(SkipReason.FEEDBACK_LEFT)


# suppressed

BY_SMS = replace(SENDING, channel=Channel.SMS, contact=PHONE)
BOTH = make_order(phone=PHONE)

SUPPRESSED: dict[str, tuple[Invitation, Sequence[Order], SuppressedContacts, SendVerdict]] = {
    "its address": (SENDING, [BOTH], closed(EMAIL), Skip(SkipReason.SUPPRESSED)),
    "its number": (
        BY_SMS, [BOTH], closed(PHONE, reason=SuppressionReason.SMS_UNDELIVERABLE), Skip(SkipReason.SUPPRESSED),
    ),
    "the other channel's address alone": (SENDING, [BOTH], closed(PHONE), SEND_ALL),
    "a wide reason on the other channel": (
        SENDING, [BOTH], closed(PHONE, reason=SuppressionReason.UNSUBSCRIBED), Skip(SkipReason.SUPPRESSED),
    ),
    "a wide reason on a merged order's contact": (
        SENDING,
        [make_order(), make_order("A-2", email="ola@example.no")],
        closed("ola@example.no", reason=SuppressionReason.COMPLAINED),
        Skip(SkipReason.SUPPRESSED),
    ),
    "a wide reason on a cancelled order's contact": (
        SENDING,
        [make_order(), make_order("A-2", email="ola@example.no", outcome=OrderOutcome.CANCELLED)],
        closed("ola@example.no", reason=SuppressionReason.COMPLAINED),
        SEND_ALL,
    ),
    "an address that no live order has any more": (
        SENDING, [make_order(email=None, phone=PHONE)], closed(), Skip(SkipReason.SUPPRESSED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("invitation", "orders", "suppressed", "expected"), SUPPRESSED.values(), ids=SUPPRESSED)
def test_suppression_closes_this_channel_and_no_other_is_taken(
    invitation: Invitation, orders: Sequence[Order], suppressed: SuppressedContacts, expected: SendVerdict
) -> None:
    assert judge(invitation, make_facts(orders=orders, suppressed=suppressed)) == expected


# asked_elsewhere

SKIPPED = Skip(SkipReason.ASKED_ELSEWHERE)
ASKED_T1 = {"products": make_products("t1", asked=True)}
SENT_T1 = make_sent(id=OTHER_ID, created_at=YOUNGER, **ASKED_T1)

ELSEWHERE: dict[str, tuple[Invitation, SendVerdict]] = {
    "older, to come, some products": (
        make_invitation(id=OTHER_ID, created_at=OLDER, products=make_products("t1")), Send(("t2",), ("t1",)),
    ),
    "older, to come, all products": (make_invitation(id=OTHER_ID, created_at=OLDER), SKIPPED),
    "older, to come, other products": (
        make_invitation(id=OTHER_ID, created_at=OLDER, products=make_products("t9")), SEND_ALL,
    ),
    "older, to come, product taken out": (
        make_invitation(id=OTHER_ID, created_at=OLDER, products=make_products("t1", brought_by=())), SEND_ALL,
    ),
    "as old, lower id": (make_invitation(id=UUID(int=0)), SKIPPED),
    "as old, higher id": (make_invitation(id=OTHER_ID), SEND_ALL),
    "younger, to come": (make_invitation(id=OTHER_ID, created_at=YOUNGER), SEND_ALL),
    "younger, half sent": (make_half_sent(id=OTHER_ID, created_at=YOUNGER), SEND_ALL),
    "younger, in doubt": (
        make_half_sent(id=OTHER_ID, created_at=YOUNGER, status=InvitationStatus.IN_DOUBT, **ASKED_T1),
        Send(("t2",), ("t1",)),
    ),
    "younger, sent": (SENT_T1, Send(("t2",), ("t1",))),
    "younger, responded": (replace(SENT_T1, status=InvitationStatus.RESPONDED), Send(("t2",), ("t1",))),
    "sent long ago": (replace(SENT_T1, last_message_at=PURCHASED_AT - timedelta(days=90)), SEND_ALL),
    "sent not so long ago": (
        replace(SENT_T1, last_message_at=PURCHASED_AT - timedelta(days=89, hours=23)), Send(("t2",), ("t1",)),
    ),
    "older, cancelled": (
        make_invitation(id=OTHER_ID, created_at=OLDER, status=InvitationStatus.CANCELLED), SEND_ALL,
    ),
    "older, asked before and now taken out": (
        make_half_sent(
            id=OTHER_ID, created_at=YOUNGER, products=(InvitedProduct("t1", (), asked=True), *make_products("t9"))
        ),
        Send(("t2",), ("t1",)),
    ),
    "older service, to come": (make_service_invitation(id=OTHER_ID, created_at=OLDER), SKIPPED),
    "younger service, to come": (make_service_invitation(id=OTHER_ID, created_at=YOUNGER), SEND_ALL),
    "younger service, in doubt": (
        make_service_invitation(id=OTHER_ID, created_at=YOUNGER, status=InvitationStatus.IN_DOUBT), SKIPPED,
    ),
    "service, sent": (
        make_service_invitation(
            id=OTHER_ID, created_at=OLDER, status=InvitationStatus.SENT, last_message_at=FIRST_SLOT - DAY
        ),
        SEND_ALL,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("other", "expected"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_product_invitation_drops_what_another_asks_or_asked(other: Invitation, expected: SendVerdict) -> None:
    assert judge(SENDING, make_facts(other)) == expected


SERVICE_SENT = make_service_invitation(
    id=OTHER_ID, created_at=OLDER, status=InvitationStatus.SENT, next_step=None, last_message_at=FIRST_SLOT - DAY
)

SERVICE_ELSEWHERE: dict[str, tuple[Invitation, SendVerdict]] = {
    "older service, to come": (make_service_invitation(id=OTHER_ID, created_at=OLDER), SKIPPED),
    "younger service, to come": (make_service_invitation(id=OTHER_ID, created_at=YOUNGER), Send(())),
    "younger service, in doubt": (
        make_service_invitation(
            id=OTHER_ID, created_at=YOUNGER, status=InvitationStatus.IN_DOUBT, last_message_at=FIRST_SLOT - DAY
        ),
        SKIPPED,
    ),
    "service, sent": (SERVICE_SENT, SKIPPED),
    "service, sent before the period": (
        replace(SERVICE_SENT, last_message_at=PURCHASED_AT - timedelta(days=14)), Send(()),
    ),
    "older product, to come": (make_invitation(id=OTHER_ID, created_at=OLDER), SKIPPED),
    "older product, half sent": (make_half_sent(id=OTHER_ID, created_at=OLDER), SKIPPED),
    "older product, sent": (make_sent(id=OTHER_ID, created_at=OLDER), Send(())),
    "younger product, to come": (make_invitation(id=OTHER_ID, created_at=YOUNGER), Send(())),
}  # fmt: skip


@pytest.mark.parametrize(("other", "expected"), SERVICE_ELSEWHERE.values(), ids=SERVICE_ELSEWHERE)
def test_service_invitation_likewise(other: Invitation, expected: SendVerdict) -> None:
    assert judge(make_service_invitation(), make_facts(other)) == expected


@pytest.mark.parametrize(
    ("make", "sends"), [(make_invitation, SEND_ALL), (make_service_invitation, Send(())), (make_half_sent, SEND_ALL)]
)
def test_of_two_that_would_drop_each_other_the_older_keeps(make: Any, sends: Send) -> None:
    older, younger = make(created_at=OLDER), make(id=OTHER_ID, created_at=YOUNGER)
    verdicts = [
        judge(one, make_facts(other, orders=[make_order(invitation_id=one.id)]))
        for one, other in ((older, younger), (younger, older))
    ]
    assert verdicts == [sends, SKIPPED]


def test_period_is_that_of_the_current_policy() -> None:
    other = replace(SENT_T1, last_message_at=PURCHASED_AT - timedelta(days=5))
    shorter = make_policy(product_repeat_days=5)
    assert judge(SENDING, make_facts(other), policy=shorter, plan=Policy()) == SEND_ALL
    assert judge(SENDING, make_facts(other), policy=Policy(), plan=shorter) == Send(("t2",), ("t1",))


def test_earliest_purchase_that_brought_a_product_counts() -> None:
    orders = [make_order(), make_order("A-2", purchased_at=PURCHASED_AT + timedelta(hours=10))]
    between = PURCHASED_AT + timedelta(hours=5) - timedelta(days=90)
    other = replace(SENT_T1, products=make_products("t1", "t2", asked=True), last_message_at=between)
    invitation = replace(SENDING, products=(InvitedProduct("t1", (ORDER_ID, "A-2")), InvitedProduct("t2", ("A-2",))))
    assert judge(invitation, make_facts(other, orders=orders)) == Send(("t2",), ("t1",))


def test_enabled_invitation_yields_to_a_younger_one() -> None:
    facts = make_facts(make_invitation(id=OTHER_ID, created_at=YOUNGER, products=make_products("t2")))
    keeps = drop_asked_elsewhere(make_invitation(), facts=facts, policy=Policy())
    yields = drop_asked_elsewhere(make_invitation(), facts=facts, policy=Policy(), yields_to_younger=True)
    assert (keeps, yields) == (("t1", "t2"), ("t1",))


# missed


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (timedelta(days=14), Later(at("2026-03-31 08:00"), LaterReason.WINDOW_CLOSED)),
        (timedelta(days=14, seconds=1), Missed()),
    ],
)
def test_message_is_missed_later_than_its_deadline(late: timedelta, expected: SendVerdict) -> None:
    # On 30 March, in summer time, 10:10:57 UTC is 12:10:57 in Oslo.
    assert judge(SENDING, now=FIRST_SLOT + late) == expected


def test_deadline_is_that_of_the_current_policy_and_counts_from_the_plan() -> None:
    now = FIRST_SLOT + DAY
    tomorrow = replace(SENDING, next_attempt_at=now, send_at=FIRST_SLOT)
    assert judge(tomorrow, now=now, policy=make_policy(send_deadline_days=1)) == SEND_ALL
    assert judge(tomorrow, now=now + timedelta(seconds=1), policy=make_policy(send_deadline_days=1)) == Missed()


@pytest.mark.parametrize(
    ("invitation", "orders"),
    [(replace(SENDING, held_at=FIRST_SLOT), [make_order()]), (SENDING, [ON_HOLD])],
    ids=["as the invitation knows", "as an order knows"],
)
def test_nothing_is_missed_on_hold(invitation: Invitation, orders: Sequence[Order]) -> None:
    verdict = judge(invitation, make_facts(orders=orders), now=at("2026-09-01 08:30"))
    assert verdict == Later(at("2026-09-02 08:00"), LaterReason.ON_HOLD)


def test_send_now_is_missed_like_any_other() -> None:
    assert judge(replace(SENDING, send_now=True), now=LONG_AFTER) == Missed()


# later

LATER: dict[str, tuple[Invitation, dict[str, Any], str, SendVerdict]] = {
    "on hold, inside the window": (
        SENDING, {"orders": [ON_HOLD]}, "2026-03-16 10:10:57", Later(NEXT_START, LaterReason.ON_HOLD),
    ),
    "on hold goes before paused": (
        SENDING, {"orders": [ON_HOLD], "is_paused": True}, "2026-03-16 10:10:57",
        Later(NEXT_START, LaterReason.ON_HOLD),
    ),
    "cancelled order on hold": (
        SENDING, {"orders": [make_order(), make_order("A-2", on_hold=True, outcome=OrderOutcome.CANCELLED)]},
        "2026-03-16 10:10:57", SEND_ALL,
    ),
    "paused, inside the window": (
        SENDING, {"is_paused": True}, "2026-03-16 10:10:57", Later(NEXT_START, LaterReason.PAUSED),
    ),
    "paused, send now": (
        replace(SENDING, send_now=True), {"is_paused": True}, "2026-03-16 10:10:57",
        Later(NEXT_START, LaterReason.PAUSED),
    ),
    "window over": (SENDING, {}, "2026-03-16 11:00", Later(NEXT_START, LaterReason.WINDOW_CLOSED)),
    "window to come": (
        SENDING, {}, "2026-03-17 08:59:59", Later(NEXT_START, LaterReason.WINDOW_CLOSED),
    ),
    "last second of the window": (SENDING, {}, "2026-03-16 10:59:59", SEND_ALL),
    "send now": (replace(SENDING, send_now=True), {}, "2026-03-16 23:00", SEND_ALL),
    "rescheduled to today": (
        replace(SENDING, rescheduled_to=date(2026, 3, 16)), {}, "2026-03-16 20:00", SEND_ALL,
    ),
    "rescheduled to today, in the send zone": (
        replace(SENDING, rescheduled_to=date(2026, 3, 16)), {}, "2026-03-16 23:30",
        Later(NEXT_START, LaterReason.WINDOW_CLOSED),
    ),
    "rescheduled to another day": (
        replace(SENDING, rescheduled_to=date(2026, 3, 17)), {}, "2026-03-16 20:00",
        Later(NEXT_START, LaterReason.WINDOW_CLOSED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("invitation", "facts", "now", "expected"), LATER.values(), ids=LATER)
def test_message_waits_for_the_next_window(
    invitation: Invitation, facts: dict[str, Any], now: str, expected: SendVerdict
) -> None:
    assert judge(invitation, make_facts(**facts), now=at(now)) == expected


def test_window_and_days_are_those_of_the_stored_policy() -> None:
    night = make_policy(send_window_start=time(22), send_window_end=time(23), send_days=("fri",))
    friday = datetime(2026, 3, 20, 21, 0, tzinfo=UTC)
    assert judge(SENDING, policy=night) == SEND_ALL
    assert judge(SENDING, plan=night) == Later(friday, LaterReason.WINDOW_CLOSED)


def test_window_is_read_on_the_wall_clock_of_the_invitation() -> None:
    tokyo = replace(SENDING, time_zone="Asia/Tokyo")
    assert judge(tokyo) == Later(at("2026-03-17 01:00"), LaterReason.WINDOW_CLOSED)
    assert judge(tokyo, now=at("2026-03-17 01:00")) == SEND_ALL
