"""What becomes of an invitation (RULES.md section 8), row by row."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus, InvitedProduct, Step
from invite_service.domain.policy import Policy
from invite_service.rules.membership import cancel
from invite_service.rules.states import (
    record_accepted,
    record_failed,
    record_feedback,
    record_in_doubt,
    record_later,
    record_missed,
    record_retry,
    record_skipped,
    remaining_step,
    report_not_received,
)
from tests.rules.builders import (
    FIRST_SLOT,
    SECOND_SLOT,
    at,
    make_half_sent,
    make_invitation,
    make_merchant,
    make_policy,
    make_products,
    make_sent,
    make_service_invitation,
)

SENDING = make_invitation(status=InvitationStatus.SENDING)
SENDING_SECOND = make_half_sent(status=InvitationStatus.SENDING)
ALL = ("t1", "t2")


def accept(
    invitation: Invitation, *, product_ids: tuple[str, ...] = ALL, asked_at: Any = FIRST_SLOT, **plan: Any
) -> Invitation:
    return record_accepted(
        invitation, plan=make_policy(**plan), merchant=make_merchant(), asked_at=asked_at, product_ids=product_ids
    )


# accepted


def test_first_message_accepted_schedules_the_second() -> None:
    assert accept(SENDING) == make_half_sent()


def test_second_message_accepted_is_the_end() -> None:
    assert accept(SENDING_SECOND, asked_at=SECOND_SLOT) == make_sent()


def test_only_message_accepted_is_the_end() -> None:
    service = make_service_invitation(status=InvitationStatus.SENDING)
    assert accept(service, product_ids=()) == replace(
        service,
        status=InvitationStatus.SENT,
        next_step=None,
        next_attempt_at=None,
        message_count=1,
        first_sent_at=FIRST_SLOT,
        last_sent_at=FIRST_SLOT,
        last_message_at=FIRST_SLOT,
    )


@pytest.mark.parametrize(
    ("asked_at", "delay", "send_at"),
    [
        ("2026-03-16 10:10:57", 1, "2026-03-17 09:34:25"),
        # Half past midnight in Oslo is the next local day.
        ("2026-03-16 23:30", 1, "2026-03-18 09:34:25"),
        ("2026-03-24 10:10:57", 5, "2026-03-29 08:34:25"),
    ],
)
def test_second_message_is_planned_from_the_local_day_on_which_the_first_left(
    asked_at: str, delay: int, send_at: str
) -> None:
    accepted = accept(SENDING, asked_at=at(asked_at), product_second_delay_days=delay)
    assert (accepted.send_at, accepted.next_attempt_at) == (at(send_at), at(send_at))


def test_accepted_message_takes_back_what_was_only_for_it() -> None:
    hurried = replace(SENDING, send_now=True, rescheduled_to=date(2026, 3, 16), tries=3, moved_by_merchant=True)
    assert accept(hurried) == make_half_sent(moved_by_merchant=True)


def test_second_message_of_one_on_hold_is_planned_and_not_attempted() -> None:
    held = replace(SENDING, held_at=FIRST_SLOT)
    assert accept(held) == make_half_sent(held_at=FIRST_SLOT, next_attempt_at=None)


def test_last_message_of_one_on_hold_is_the_end_of_it() -> None:
    assert accept(replace(SENDING_SECOND, held_at=FIRST_SLOT), asked_at=SECOND_SLOT) == make_sent()


def test_product_that_was_dropped_is_asked_about_no_more() -> None:
    accepted = accept(SENDING, product_ids=("t2",))
    assert accepted.products == (InvitedProduct("t1", ()), InvitedProduct("t2", ("A-1001",), asked=True))
    assert (accepted.product_ids, accepted.ever_asked_ids) == (("t2",), ("t2",))


def test_product_dropped_before_the_second_message_stays_asked_by_the_first() -> None:
    accepted = accept(SENDING_SECOND, product_ids=("t2",), asked_at=SECOND_SLOT)
    assert (accepted.product_ids, accepted.ever_asked_ids) == (("t2",), ("t1", "t2"))


@pytest.mark.parametrize("status", [InvitationStatus.RESPONDED, InvitationStatus.ERASED])
def test_feedback_or_erasure_before_the_answer_came_stands(status: InvitationStatus) -> None:
    closed = make_invitation(status=status, next_step=None, next_attempt_at=None)
    accepted = accept(closed)
    assert accepted == replace(
        closed,
        products=make_products("t1", "t2", asked=True),
        message_count=1,
        first_sent_at=FIRST_SLOT,
        last_sent_at=FIRST_SLOT,
        last_message_at=FIRST_SLOT,
    )


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        ((Step.PRODUCT_1, Step.PRODUCT_2), 0, Step.PRODUCT_1),
        ((Step.PRODUCT_1, Step.PRODUCT_2), 1, Step.PRODUCT_2),
        ((Step.PRODUCT_1, Step.PRODUCT_2), 2, None),
        ((Step.PRODUCT_2,), 0, Step.PRODUCT_2),
        ((Step.SERVICE,), 1, None),
    ],
)
def test_what_remains_is_told_by_what_has_left(steps: tuple[Step, ...], count: int, expected: Step | None) -> None:
    assert remaining_step(make_invitation(steps=steps, message_count=count)) is expected


# unknown


def test_message_that_may_have_left_is_in_doubt_and_counts_as_asked() -> None:
    assert record_in_doubt(SENDING, asked_at=FIRST_SLOT, product_ids=ALL) == make_invitation(
        status=InvitationStatus.IN_DOUBT,
        next_attempt_at=None,
        products=make_products("t1", "t2", asked=True),
        last_message_at=FIRST_SLOT,
    )


def test_message_in_doubt_that_was_sent_goes_on_as_accepted() -> None:
    in_doubt = record_in_doubt(SENDING, asked_at=FIRST_SLOT, product_ids=ALL)
    assert accept(in_doubt) == make_half_sent()


@pytest.mark.parametrize("status", [InvitationStatus.RESPONDED, InvitationStatus.ERASED])
def test_doubt_does_not_undo_feedback_or_erasure(status: InvitationStatus) -> None:
    closed = make_invitation(status=status)
    in_doubt = record_in_doubt(closed, asked_at=FIRST_SLOT, product_ids=ALL)
    assert (in_doubt.status, in_doubt.last_message_at) == (status, FIRST_SLOT)


# later, not_sent, rate_limited

RETRY_AT = FIRST_SLOT + timedelta(minutes=5)


def test_message_that_waits_keeps_its_plan_and_its_tries() -> None:
    assert record_later(replace(SENDING, tries=2), until=RETRY_AT) == make_invitation(next_attempt_at=RETRY_AT, tries=2)


def test_message_that_is_tried_again_keeps_its_plan() -> None:
    assert record_retry(SENDING, at=RETRY_AT, tries=2) == make_invitation(next_attempt_at=RETRY_AT, tries=2)


def test_message_of_one_on_hold_is_not_attempted() -> None:
    held = replace(SENDING, held_at=FIRST_SLOT, next_attempt_at=None)
    expected = make_invitation(held_at=FIRST_SLOT, next_attempt_at=None)
    assert record_later(held, until=RETRY_AT) == expected
    assert record_retry(held, at=RETRY_AT, tries=1) == replace(expected, tries=1)


# rejected, tries used up, skip, missed

ENDS: dict[str, tuple[Invitation, Invitation]] = {
    "rejected": (record_failed(SENDING, reason="rejected"), make_invitation(status=InvitationStatus.FAILED)),
    "rejected, in doubt before": (
        record_failed(make_invitation(status=InvitationStatus.IN_DOUBT), reason="rejected"),
        make_invitation(status=InvitationStatus.FAILED),
    ),
    "rejected, second message": (record_failed(SENDING_SECOND, reason="rejected"), make_half_sent(
        status=InvitationStatus.SENT)),
    "missed": (record_missed(SENDING), make_invitation(status=InvitationStatus.MISSED)),
    "missed, second message": (record_missed(SENDING_SECOND), make_half_sent(status=InvitationStatus.SENT)),
    "skipped": (record_skipped(SENDING, reason="suppressed"), make_invitation(status=InvitationStatus.CANCELLED)),
    "skipped, second message": (
        record_skipped(SENDING_SECOND, reason="suppressed"), make_half_sent(status=InvitationStatus.SENT),
    ),
    "skipped before it was claimed": (
        record_skipped(make_invitation(), reason="suppressed"), make_invitation(status=InvitationStatus.CANCELLED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ended", "like"), ENDS.values(), ids=ENDS)
def test_message_that_is_never_sent_ends_the_invitation_as_sent_where_one_has_left(
    ended: Invitation, like: Invitation
) -> None:
    assert ended.ended_reason in {"rejected", "missed", "suppressed"}
    assert replace(ended, ended_reason=None, next_step=like.next_step) == replace(like, next_attempt_at=None)


def test_end_takes_back_hold_and_send_now() -> None:
    held = replace(SENDING, held_at=FIRST_SLOT, send_now=True)
    for ended in (record_failed(held, reason="rejected"), record_missed(held), record_skipped(held, reason="erased")):
        assert (ended.held_at, ended.send_now, ended.next_attempt_at) == (None, False, None)


OUTCOMES: dict[str, Any] = {
    "later": lambda one: record_later(one, until=RETRY_AT),
    "retry": lambda one: record_retry(one, at=RETRY_AT, tries=1),
    "skipped": lambda one: record_skipped(one, reason="feedback_left"),
    "missed": record_missed,
    "failed": lambda one: record_failed(one, reason="rejected"),
}


@pytest.mark.parametrize("record", OUTCOMES.values(), ids=OUTCOMES)
@pytest.mark.parametrize(
    "status",
    [
        InvitationStatus.SENT,
        InvitationStatus.RESPONDED,
        InvitationStatus.CANCELLED,
        InvitationStatus.MISSED,
        InvitationStatus.FAILED,
        InvitationStatus.ERASED,
    ],
)
def test_what_has_ended_stays_as_it_is(record: Any, status: InvitationStatus) -> None:
    ended = make_half_sent(status=status, ended_reason="cancelled_by_merchant")
    assert record(ended) == ended


# cancel, feedback


@pytest.mark.parametrize(
    ("invitation", "status"),
    [(make_invitation(), InvitationStatus.CANCELLED), (make_half_sent(), InvitationStatus.SENT)],
)
def test_cancelled_invitation_of_which_a_message_has_left_is_sent(
    invitation: Invitation, status: InvitationStatus
) -> None:
    busy = replace(invitation, held_at=FIRST_SLOT, send_now=True, tries=3)
    assert cancel(busy, "unsubscribed") == replace(
        invitation, status=status, ended_reason="unsubscribed", next_attempt_at=None
    )


@pytest.mark.parametrize("status", [status for status in InvitationStatus if status is not InvitationStatus.ERASED])
def test_feedback_makes_any_invitation_responded(status: InvitationStatus) -> None:
    before = make_half_sent(status=status, held_at=FIRST_SLOT, ended_reason="missed")
    assert record_feedback(before) == replace(
        before, status=InvitationStatus.RESPONDED, next_step=None, next_attempt_at=None, held_at=None
    )


def test_erased_invitation_takes_no_feedback() -> None:
    erased = make_sent(status=InvitationStatus.ERASED)
    assert record_feedback(erased) == erased


# not received


def report(invitation: Invitation, now: str, policy: Policy | None = None, plan: Policy | None = None) -> Invitation:
    return report_not_received(
        invitation, policy=policy or Policy(), plan=plan or Policy(), merchant=make_merchant(), now=at(now)
    )


def test_report_moves_the_second_message() -> None:
    send_at = at("2026-03-31 08:34:25")
    assert report(make_half_sent(send_now=True), "2026-03-17 18:00") == make_half_sent(
        send_at=send_at, next_attempt_at=send_at, not_received_on=date(2026, 3, 17)
    )


def test_report_counts_from_its_local_day_by_the_current_policy() -> None:
    current, stored = make_policy(not_received_wait_days=6), make_policy(not_received_wait_days=30)
    reported = report(make_half_sent(), "2026-03-17 23:30", policy=current, plan=stored)
    assert (reported.not_received_on, reported.send_at) == (date(2026, 3, 18), at("2026-03-24 09:34:25"))


def test_report_never_moves_it_earlier() -> None:
    reported = report(make_half_sent(), "2026-03-17 18:00", policy=make_policy(not_received_wait_days=1))
    assert reported == make_half_sent(not_received_on=date(2026, 3, 17))


def test_report_repeated_on_the_same_day_does_nothing() -> None:
    once = report(make_half_sent(), "2026-03-17 08:00")
    assert report(once, "2026-03-17 22:59") == once


def test_report_of_another_day_moves_it_on() -> None:
    twice = report(report(make_half_sent(), "2026-03-17 08:00"), "2026-03-18 08:00")
    assert (twice.not_received_on, twice.send_at) == (date(2026, 3, 18), at("2026-04-01 08:34:25"))


def test_report_of_one_on_hold_moves_the_plan_alone() -> None:
    reported = report(make_half_sent(held_at=FIRST_SLOT, next_attempt_at=None), "2026-03-17 18:00")
    assert (reported.send_at, reported.next_attempt_at) == (at("2026-03-31 08:34:25"), None)


@pytest.mark.parametrize(
    "invitation",
    [
        make_invitation(),
        make_invitation(steps=(Step.PRODUCT_2,), next_step=Step.PRODUCT_2),
        SENDING_SECOND,
        make_sent(),
        make_half_sent(status=InvitationStatus.RESPONDED, next_step=None),
    ],
    ids=["nothing has left", "first message is the second step", "being sent", "sent", "responded"],
)
def test_report_without_a_second_message_to_come_is_only_noted(invitation: Invitation) -> None:
    assert report(invitation, "2026-03-17 18:00") == replace(invitation, not_received_on=date(2026, 3, 17))
