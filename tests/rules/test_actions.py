"""What a merchant or an operator may do (RULES.md section 8), and why it is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Step
from invite_service.domain.order import OrderOutcome
from invite_service.domain.policy import Policy, ProductSteps
from invite_service.rules import actions
from invite_service.rules.membership import CANCELLED_BY_MERCHANT
from invite_service.rules.sending import SendFacts
from invite_service.rules.states import record_failed, record_in_doubt, record_missed
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import (
    ACCEPTED_AT,
    EMAIL,
    FIRST_SLOT,
    ORDER_ID,
    SECOND_SLOT,
    at,
    make_half_sent,
    make_invitation,
    make_merchant,
    make_order,
    make_policy,
    make_products,
    make_sent,
    make_service_invitation,
    make_suppression,
)

OTHER_ID = UUID(int=2)
NOW = at("2026-03-10 15:00")
DAY = timedelta(days=1)
FACTS = SendFacts(orders=[make_order()])
CANCELLED = make_invitation(status=InvitationStatus.CANCELLED, ended_reason=CANCELLED_BY_MERCHANT, next_attempt_at=None)
ENDED_HALFWAY = make_half_sent(status=InvitationStatus.SENT, ended_reason=CANCELLED_BY_MERCHANT, next_attempt_at=None)


def enable(invitation: Invitation, facts: SendFacts = FACTS, now: datetime = NOW) -> Invitation:
    return actions.enable(invitation, facts=facts, policy=Policy(), plan=Policy(), merchant=make_merchant(), now=now)


def reschedule(invitation: Invitation, day: str, now: datetime = NOW, **policy: Any) -> Invitation:
    return actions.reschedule(
        invitation, date.fromisoformat(day), policy=make_policy(**policy), merchant=make_merchant(), now=now
    )


def send_now(invitation: Invitation) -> Invitation:
    return actions.send_now(invitation, now=NOW)


def retry(invitation: Invitation, facts: SendFacts = FACTS, now: datetime = NOW, **policy: Any) -> Invitation:
    return actions.retry(
        invitation, facts=facts, policy=make_policy(**policy), plan=Policy(), merchant=make_merchant(), now=now
    )


def mark_sent(invitation: Invitation) -> Invitation:
    return actions.mark_sent(
        invitation, plan=Policy(), merchant=make_merchant(), asked_at=FIRST_SLOT, product_ids=("t1", "t2")
    )


def refusal(act: Callable[[Invitation], Invitation], invitation: Invitation) -> str:
    with pytest.raises(ActionRefusedError) as refused:
        act(invitation)
    assert refused.value.detail.endswith(".")
    return refused.value.reason


# Refusals by state

BY_STATE = {
    InvitationStatus.SCHEDULED: "already_scheduled",
    InvitationStatus.SENDING: "being_sent",
    InvitationStatus.IN_DOUBT: "in_doubt",
    InvitationStatus.SENT: "already_sent",
    InvitationStatus.RESPONDED: "already_responded",
    InvitationStatus.CANCELLED: "already_cancelled",
    InvitationStatus.MISSED: "missed",
    InvitationStatus.FAILED: "failed",
    InvitationStatus.ERASED: "erased",
}

ALLOWED: dict[str, tuple[Callable[[Invitation], Invitation], set[InvitationStatus]]] = {
    "cancel": (actions.cancel, {InvitationStatus.SCHEDULED}),
    "reschedule": (lambda one: reschedule(one, "2026-03-20"), {InvitationStatus.SCHEDULED}),
    "send now": (send_now, {InvitationStatus.SCHEDULED}),
    "retry": (retry, {InvitationStatus.IN_DOUBT, InvitationStatus.FAILED, InvitationStatus.MISSED}),
    "mark sent": (mark_sent, {InvitationStatus.IN_DOUBT}),
}


@pytest.mark.parametrize("action", ALLOWED)
def test_action_is_refused_in_every_other_state_with_its_reason(action: str) -> None:
    act, allowed = ALLOWED[action]
    others = [status for status in InvitationStatus if status not in allowed]
    refused = {status: refusal(act, make_invitation(status=status, ended_reason="suppressed")) for status in others}
    assert refused == {status: BY_STATE[status] for status in others}


def test_enable_is_refused_of_all_that_the_merchant_did_not_cancel() -> None:
    reasons = {status: refusal(enable, make_invitation(status=status)) for status in InvitationStatus}
    assert reasons == BY_STATE | {
        InvitationStatus.SCHEDULED: "not_cancelled",
        InvitationStatus.CANCELLED: "cancelled_otherwise",
    }


@pytest.mark.parametrize("reason", ["order_cancelled", "suppressed", "asked_elsewhere", "unsubscribed"])
def test_enable_is_refused_of_what_somebody_else_ended(reason: str) -> None:
    assert refusal(enable, replace(CANCELLED, ended_reason=reason)) == "cancelled_otherwise"
    assert refusal(enable, replace(ENDED_HALFWAY, ended_reason=reason)) == "already_sent"


# cancel


def test_cancelled_invitation_has_the_merchants_name_on_it() -> None:
    assert actions.cancel(make_invitation(tries=3, send_now=True)) == CANCELLED


def test_invitation_cancelled_after_its_first_message_is_sent() -> None:
    assert actions.cancel(make_half_sent()) == ENDED_HALFWAY


@pytest.mark.parametrize("ended", [CANCELLED, ENDED_HALFWAY])
def test_cancelling_twice_is_cancelling_once(ended: Invitation) -> None:
    assert actions.cancel(ended) == ended


# enable


def test_enabled_invitation_is_planned_as_before() -> None:
    assert enable(CANCELLED) == make_invitation()


def test_enabled_invitation_that_has_passed_takes_the_next_slot() -> None:
    slot = at("2026-03-20 10:10:57")
    assert enable(CANCELLED, now=at("2026-03-19 10:30")) == make_invitation(send_at=slot, next_attempt_at=slot)


def test_second_message_can_be_enabled_again() -> None:
    assert enable(ENDED_HALFWAY) == make_half_sent()


def test_enabled_service_invitation_is_planned_as_before() -> None:
    service = make_service_invitation()
    assert enable(actions.cancel(service)) == service


def test_enabled_invitation_of_an_order_on_hold_is_held() -> None:
    held = enable(CANCELLED, SendFacts(orders=[make_order(on_hold=True)]))
    assert held == make_invitation(held_at=NOW, next_attempt_at=None)


@pytest.mark.parametrize(
    "other",
    [
        make_invitation(id=OTHER_ID, created_at=ACCEPTED_AT + DAY),
        make_service_invitation(id=OTHER_ID, created_at=ACCEPTED_AT + DAY),
        make_sent(id=OTHER_ID, created_at=ACCEPTED_AT + DAY),
    ],
    ids=["product to come", "service to come", "product sent"],
)
def test_enable_is_refused_where_another_invitation_asks_or_asked(other: Invitation) -> None:
    facts = SendFacts(orders=[make_order()], others=[other])
    assert refusal(lambda one: enable(one, facts), CANCELLED) == "asked_elsewhere"


def test_enable_is_refused_of_a_service_that_another_asks() -> None:
    facts = SendFacts(orders=[make_order()], others=[make_service_invitation(id=OTHER_ID)])
    cancelled = actions.cancel(make_service_invitation())
    assert refusal(lambda one: enable(one, facts), cancelled) == "asked_elsewhere"


def test_enabled_invitation_asks_no_more_about_what_another_asks() -> None:
    other = make_invitation(id=OTHER_ID, created_at=ACCEPTED_AT + DAY, products=make_products("t1"))
    enabled = enable(CANCELLED, SendFacts(orders=[make_order()], others=[other]))
    assert enabled == make_invitation(products=(InvitedProduct("t1", ()), InvitedProduct("t2", (ORDER_ID,))))


# reschedule


def test_rescheduled_invitation_goes_in_the_slot_of_the_day() -> None:
    slot = at("2026-03-20 10:10:57")
    assert reschedule(make_invitation(send_now=True), "2026-03-20") == make_invitation(
        send_at=slot, next_attempt_at=slot, rescheduled_to=date(2026, 3, 20), moved_by_merchant=True
    )


def test_window_days_and_steps_of_the_current_policy_count_from_then_on() -> None:
    moved = reschedule(
        make_invitation(),
        "2026-03-21",
        version=7,
        send_window_start=time(20),
        send_window_end=time(22),
        send_days=("mon",),
        product_steps=ProductSteps.FIRST_ONLY,
    )
    assert (moved.send_at, moved.policy_version, moved.steps, moved.next_step) == (
        at("2026-03-21 20:10:57"),
        7,
        (Step.PRODUCT_1,),
        Step.PRODUCT_1,
    )


def test_second_message_is_moved_without_changing_the_steps() -> None:
    moved = reschedule(make_half_sent(), "2026-03-25", product_steps=ProductSteps.FIRST_ONLY)
    assert (moved.send_at, moved.steps, moved.next_step) == (
        at("2026-03-25 09:34:25"),
        (Step.PRODUCT_1, Step.PRODUCT_2),
        Step.PRODUCT_2,
    )


def test_sms_has_one_step_whatever_the_policy() -> None:
    by_sms = make_invitation(channel=Channel.SMS, steps=(Step.PRODUCT_1,))
    assert reschedule(by_sms, "2026-03-20").steps == (Step.PRODUCT_1,)


@pytest.mark.parametrize(
    ("day", "now", "send_at"),
    [
        ("2026-03-10", "2026-03-10 08:00", "2026-03-10 10:10:57"),
        ("2026-03-10", "2026-03-10 10:59", "2026-03-10 10:59"),
        ("2026-03-11", "2026-03-10 23:30", "2026-03-11 10:10:57"),
    ],
)
def test_today_counts_until_the_windows_end(day: str, now: str, send_at: str) -> None:
    assert reschedule(make_invitation(), day, at(now)).send_at == at(send_at)


@pytest.mark.parametrize(
    ("day", "now"),
    [("2026-03-09", "2026-03-10 08:00"), ("2026-03-10", "2026-03-10 11:00"), ("2026-03-10", "2026-03-10 23:30")],
)
def test_day_that_has_passed_is_refused(day: str, now: str) -> None:
    assert refusal(lambda one: reschedule(one, day, at(now)), make_invitation()) == "past_day"


def test_rescheduling_twice_is_rescheduling_once() -> None:
    once = reschedule(make_invitation(), "2026-03-20")
    assert reschedule(once, "2026-03-20") == once


def test_rescheduling_twice_to_a_slot_that_has_passed_keeps_the_first_instant() -> None:
    once = reschedule(make_invitation(), "2026-03-10", at("2026-03-10 10:30"))
    assert reschedule(once, "2026-03-10", at("2026-03-10 10:45")) == once


def test_day_chosen_for_another_reason_before_takes_now_for_a_slot_that_has_passed() -> None:
    hurried = actions.send_now(make_invitation(), now=at("2026-03-10 10:30"))
    assert reschedule(hurried, "2026-03-10", at("2026-03-10 10:45")).send_at == at("2026-03-10 10:45")


def test_rescheduled_invitation_on_hold_is_not_attempted() -> None:
    moved = reschedule(make_invitation(held_at=NOW, next_attempt_at=None), "2026-03-20")
    assert (moved.send_at, moved.next_attempt_at) == (at("2026-03-20 10:10:57"), None)


# send now


def test_send_now_is_due_at_once() -> None:
    assert send_now(make_invitation()) == make_invitation(
        send_now=True, moved_by_merchant=True, send_at=NOW, next_attempt_at=NOW
    )


def test_sending_now_twice_is_sending_now_once() -> None:
    once = send_now(make_invitation())
    assert actions.send_now(once, now=NOW + DAY) == once
    sending = replace(once, status=InvitationStatus.SENDING)
    assert actions.send_now(sending, now=NOW + DAY) == sending


def test_send_now_of_one_on_hold_is_not_attempted() -> None:
    hurried = send_now(make_invitation(held_at=NOW, next_attempt_at=None))
    assert (hurried.send_at, hurried.next_attempt_at, hurried.send_now) == (NOW, None, True)


# retry

RETRIED_AT = at("2026-03-20 15:00")
NEXT_SLOT = at("2026-03-21 10:10:57")
FAILED = record_failed(make_invitation(tries=11), reason="provider_unavailable")
MISSED = record_missed(make_invitation())
IN_DOUBT = record_in_doubt(make_invitation(), asked_at=FIRST_SLOT, product_ids=("t1", "t2"))


@pytest.mark.parametrize("ended", [FAILED, MISSED])
def test_retried_message_takes_the_next_slot_and_tries_start_again(ended: Invitation) -> None:
    assert retry(ended, now=RETRIED_AT) == make_invitation(send_at=NEXT_SLOT, next_attempt_at=NEXT_SLOT)


def test_retried_message_in_doubt_goes_on_counting_as_asked() -> None:
    retried = retry(IN_DOUBT, now=RETRIED_AT)
    assert retried == replace(IN_DOUBT, status=InvitationStatus.SCHEDULED, send_at=NEXT_SLOT, next_attempt_at=NEXT_SLOT)
    assert not retried.is_open


def test_message_retried_before_its_plan_keeps_it() -> None:
    assert retry(FAILED, now=FIRST_SLOT - DAY) == make_invitation()


def test_retried_second_message_is_the_second() -> None:
    in_doubt = record_in_doubt(make_half_sent(), asked_at=SECOND_SLOT, product_ids=("t1", "t2"))
    assert retry(in_doubt, now=RETRIED_AT).next_step is Step.PRODUCT_2


def test_retried_message_of_an_order_on_hold_is_held() -> None:
    held = retry(MISSED, SendFacts(orders=[make_order(on_hold=True)]), RETRIED_AT)
    assert held == make_invitation(send_at=NEXT_SLOT, next_attempt_at=None, held_at=RETRIED_AT)


REFUSED: dict[str, tuple[SendFacts, str]] = {
    "order_cancelled": (SendFacts(orders=[make_order(outcome=OrderOutcome.CANCELLED)]), "order_cancelled"),
    "feedback_left": (replace(FACTS, has_feedback=True), "feedback_left"),
    "suppressed": (replace(FACTS, suppressed=SuppressedContacts([make_suppression(EMAIL)])), "suppressed"),
    "asked_elsewhere": (
        replace(FACTS, others=[make_invitation(id=OTHER_ID, created_at=ACCEPTED_AT - DAY)]), "asked_elsewhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), REFUSED.values(), ids=REFUSED)
def test_retry_is_refused_where_may_send_would_skip(facts: SendFacts, reason: str) -> None:
    assert refusal(lambda one: retry(one, facts, RETRIED_AT), MISSED) == reason


# mark sent


def test_message_marked_as_sent_goes_on_as_accepted_when_it_was_tried() -> None:
    assert mark_sent(IN_DOUBT) == make_half_sent()
