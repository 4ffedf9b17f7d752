import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from .orders import KARI, PHONE, at, invite, make_order, make_reading
from .reading import Reading
from .records import OrderError

CASES = json.loads((Path(__file__).parents[1] / "data" / "decide.json").read_text())
NOW = at("2026-03-02 13:30")


def as_posted(order: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in order.items() if name not in {"email", "phone"}}
    return {**rest, "customer": {"email": order["email"], "phone": order["phone"]}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case_is_decided_as_expected(case: dict[str, Any]) -> None:
    reading = Reading.from_case(case)

    verdict = reading.post(as_posted(case["order"]), datetime.fromisoformat(case["now"]))

    expected = dict(case["expect"])
    if "send_at" in expected:
        expected["send_at"] = datetime.fromisoformat(expected["send_at"])
    if "into" in expected:
        expected["into"] = int(expected["into"].removeprefix("inv-"))
    assert {name: getattr(verdict, name) for name in expected} == expected


# Section 3


def test_block_names_the_latest_purchase_within_the_period() -> None:
    reading = make_reading(block_days=10)
    reading.post(make_order("B", "2026-02-25 09:00", status="processing"), NOW)
    reading.post(make_order("C", "2026-03-01 22:00", status="processing"), NOW)
    reading.post(make_order("D", "2026-02-20 08:59", status="processing"), NOW)

    verdict = reading.post(make_order(), NOW)

    assert (verdict.reason, verdict.eligible_at) == ("repeat_customer_block", at("2026-03-11 22:00"))


def test_products_asked_at_different_times_name_the_earliest_date() -> None:
    reading = make_reading(delay_origin="purchased")
    reading.post(make_order("B", "2026-01-01 09:00", products=("t1",)), at("2026-01-01 10:00"))
    reading.post(make_order("C", "2026-02-01 09:00", products=("t2",)), at("2026-02-01 10:00"))
    reading.advance(at("2026-03-02 13:00"))
    last_about_t1 = reading.invitations[1].messages[-1].left_at

    verdict = reading.post(make_order(), NOW)

    assert (verdict.reason, len(reading.invitations[1].messages)) == ("products_asked_recently", 2)
    assert verdict.eligible_at == last_about_t1 + reading.repeat_period("product")


def test_product_with_messages_to_come_names_no_date() -> None:
    reading = make_reading()
    invite(reading)

    verdict = reading.post(make_order("B", "2026-03-03 09:00"), at("2026-03-03 10:00"))

    assert (verdict.reason, verdict.eligible_at) == ("products_asked_recently", None)


def test_purchase_before_the_last_message_stays_asked_without_a_period() -> None:
    reading = make_reading(product_repeat_days=0)
    invite(reading)
    reading.advance(at("2026-04-01 00:00"))
    last = "2026-03-21 09:34:25"

    before = reading.post(make_order("B", "2026-03-21 09:34:24"), at("2026-04-01 00:00"))
    after = reading.post(make_order("C", last), at("2026-04-01 00:00"))

    assert (before.reason, before.eligible_at) == ("products_asked_recently", at(last))
    assert (after.outcome, after.products) == ("invited", ["t1", "t2"])


def test_blocked_service_does_not_turn_into_product() -> None:
    reading = make_reading(service_percent=100)
    invite(reading)
    reading.advance(at("2026-03-09 10:38:58"))

    verdict = reading.post(make_order("B", "2026-03-23 10:38:57"), at("2026-03-23 11:00"))
    free = reading.post(make_order("C", "2026-03-23 10:38:58"), at("2026-03-23 11:00"))

    assert (verdict.kind, verdict.reason) == ("service", "service_asked_recently")
    assert verdict.eligible_at == at("2026-03-23 10:38:58")
    assert (free.outcome, free.kind) == ("invited", "service")


def test_product_on_two_lines_is_returned_only_with_both() -> None:
    lines = [{"id": "t1", "returned": True}, {"id": "t1"}, {"id": "t2", "category": "x"}, {"id": "t2"}]
    reading = make_reading(excluded_categories=["x"])

    verdict = reading.post({**make_order(), "products": lines}, NOW)

    assert verdict.products == ["t1"]


def test_purchase_far_in_the_future_is_an_error_and_leaves_no_trace() -> None:
    reading = make_reading()

    with pytest.raises(OrderError):
        reading.post(make_order(purchased_at="2026-03-03 13:30:01"), NOW)
    stored = dict(reading.orders)

    at_the_limit = reading.post(make_order(purchased_at="2026-03-03 13:30"), NOW)

    assert (stored, at_the_limit.outcome) == ({}, "invited")


def test_batch_is_decided_by_purchase_then_id_and_answers_in_its_own_order() -> None:
    reading = make_reading()
    batch = [
        make_order("C", "2026-03-02 10:00", products=("t3",)),
        make_order("B", "2026-03-02 09:00", products=("t2",)),
        make_order("bad", "2026-04-02 09:00"),
        make_order("A", "2026-03-02 09:00", products=("t1",)),
        make_order("B", status="cancelled"),
    ]

    answers = reading.post_batch(batch, NOW)

    # A first, B merges and is cancelled, then C.
    words = [answer if isinstance(answer, OrderError) else answer.outcome for answer in answers]
    assert words[:2] + words[3:] == ["merged", "merged", "invited", "cancelled"]
    assert isinstance(words[2], OrderError)
    assert reading.invitations[1].products == ["t1", "t3"]
    assert reading.counts() == {"outcomes": {"cancelled": 1, "invited": 1, "merged": 1}, "reasons": {}}


# Section 4


def test_cancelled_order_takes_out_only_what_nobody_else_brought() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.post(make_order("B", "2026-03-02 08:00", products=("t2", "t3")), NOW)

    reading.post(make_order(status="cancelled"), at("2026-03-03 09:00"))

    assert (invitation.products, invitation.status) == (["t2", "t3"], "scheduled")
    assert (invitation.invited_order, reading.orders["B"].outcome) == ("B", "invited")
    assert invitation.send_at == at("2026-03-16 10:10:57")


def test_last_product_returned_cancels_for_good() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.cancel(invitation, at("2026-03-03 09:00"))
    lines = [{"id": "t1", "returned": True}, {"id": "t2", "returned": True}]

    reading.post({"order_id": "A-1001", "products": lines}, at("2026-03-04 09:00"))

    assert (invitation.status, invitation.ended_reason) == ("cancelled", "order_cancelled")
    assert reading.enable(invitation, at("2026-03-05 09:00")) == "not_cancelled"


def test_half_sent_invitation_of_a_cancelled_order_ends_as_sent_and_still_counts() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.advance(at("2026-03-17 00:00"))

    reading.post(make_order(status="refunded"), at("2026-03-18 09:00"))
    again = reading.post(make_order(status="shipped"), at("2026-03-19 09:00"))

    assert (invitation.status, invitation.ended_reason) == ("sent", "order_cancelled")
    assert (again.outcome, again.reason) == ("blocked", "products_asked_recently")


def test_cancelled_order_that_triggers_again_is_decided_anew() -> None:
    reading = make_reading()
    invite(reading)
    reading.post(make_order(status="cancelled"), at("2026-03-03 09:00"))

    waiting = reading.post(make_order(status="processing"), at("2026-03-04 09:00"))
    again = reading.post(make_order(status="shipped"), at("2026-03-05 13:30"))

    assert waiting.outcome == "cancelled"
    assert (again.outcome, again.invitation, again.send_at) == ("invited", 2, at("2026-03-19 10:10:57"))


# Section 5


def test_older_event_changes_nothing() -> None:
    reading = make_reading()
    reading.post(make_order(updated_at="2026-03-02T12:00:00Z"), NOW)

    older = reading.post(make_order(status="cancelled", updated_at="2026-03-02T11:59:59Z"), NOW)
    same_age = reading.post(make_order(status="cancelled", updated_at="2026-03-02T12:00:00Z"), NOW)

    assert (older.outcome, same_age.outcome) == ("invited", "cancelled")


def test_equal_event_gets_the_same_answer() -> None:
    reading = make_reading()
    first = reading.post(make_order(), NOW)

    again = reading.post(make_order(), at("2026-03-10 09:00"))

    assert (again, len(reading.invitations)) == (first, 1)


def test_absent_field_is_kept_and_null_clears() -> None:
    reading = make_reading()
    reading.post(make_order(status="processing", phone=PHONE), NOW)

    reading.post({"order_id": "A-1001", "customer": {"email": None}}, NOW)

    assert (reading.orders["A-1001"].contacts, reading.orders["A-1001"].product_ids) == ([PHONE], ["t1", "t2"])


def test_missing_contact_arrives_and_the_order_is_decided_from_then() -> None:
    reading = make_reading()
    blocked = reading.post(make_order(email=None, phone="+4722334455"), NOW)

    decided = reading.post({"order_id": "A-1001", "customer": {"email": KARI}}, at("2026-03-05 13:30"))

    assert blocked.reason == "no_contact"
    assert (decided.outcome, decided.send_at) == ("invited", at("2026-03-19 10:10:57"))


def test_waiting_order_keeps_its_reason_until_it_triggers() -> None:
    reading = make_reading()
    reading.post(make_order(status="processing"), NOW)

    held = reading.post(make_order(status="on_hold"), NOW)
    triggered = reading.post(make_order(status=None), NOW)

    assert (held.outcome, held.reason) == ("waiting", "status_not_triggering")
    assert triggered.outcome == "invited"


def test_delivery_plans_again_later_only() -> None:
    reading = make_reading(delay_origin="delivered", product_delay_days=3)
    invitation = invite(reading)
    planned = [invitation.send_at]
    for event in (
        {"shipped_at": "2026-03-04T09:00:00Z"},
        {"delivered_at": "2026-03-06T09:00:00Z"},
        {"shipped_at": "2026-03-20T09:00:00Z"},
        {"delivered_at": "2026-03-05T09:00:00Z"},
    ):
        reading.post({"order_id": "A-1001", **event}, at("2026-03-02 14:00"))
        planned.append(invitation.send_at)

    days = ["2026-03-05", "2026-03-07", "2026-03-09", "2026-03-09", "2026-03-09"]
    assert planned == [at(f"{day} 10:10:57") for day in days]


def test_rescheduled_invitation_is_not_planned_again() -> None:
    reading = make_reading(delay_origin="delivered")
    invitation = invite(reading)
    reading.reschedule(invitation, NOW, at("2026-03-20 00:00").date())

    reading.post({"order_id": "A-1001", "delivered_at": "2026-03-15T09:00:00Z"}, NOW)

    assert invitation.send_at == at("2026-03-20 10:10:57")


def test_hold_pauses_past_the_deadline_and_resumes_in_the_next_slot() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.post(make_order("B", products=("t3",)), NOW)
    reading.post({"order_id": "B", "status": "ON_HOLD"}, at("2026-03-10 09:00"))
    reading.advance(at("2026-05-01 09:00"))
    judged = reading.may_send(invitation, at("2026-05-01 09:00"))

    reading.post({"order_id": "B", "status": "processing"}, at("2026-05-01 09:00"))
    still_held = reading.is_on_hold(invitation)
    reading.post({"order_id": "B", "status": "shipped"}, at("2026-05-01 09:00"))

    assert (judged.word, judged.until, still_held) == ("later", None, True)
    # Summer time: 11:10:57 in Oslo is 09:10:57 UTC.
    assert (invitation.send_at, invitation.status) == (at("2026-05-01 09:10:57"), "scheduled")
