from datetime import date, datetime

import pytest

from .orders import KARI, PHONE, at, invite, make_order, make_reading

FIRST = at("2026-03-16 10:10:57")
SECOND = at("2026-03-21 09:34:25")
"""Five local days later, 10:34:25 in Oslo."""


def test_second_step_follows_the_local_day_on_which_the_first_left() -> None:
    reading = make_reading()
    invitation = invite(reading)

    reading.advance(FIRST)
    half_sent = (invitation.status, invitation.next_step, invitation.send_at)
    reading.advance(SECOND)

    assert half_sent == ("scheduled", "product_2", SECOND)
    assert [(m.step, m.left_at, m.products, m.address) for m in invitation.messages] == [
        ("product_1", FIRST, ["t1", "t2"], KARI),
        ("product_2", SECOND, ["t1", "t2"], KARI),
    ]
    assert (invitation.status, invitation.next_step) == ("sent", None)


def test_not_received_moves_the_second_step_later_only() -> None:
    reading = make_reading()
    invitation = invite(reading)
    too_early = reading.not_received(invitation, at("2026-03-10 09:00"))
    reading.advance(FIRST)

    moved = reading.not_received(invitation, at("2026-03-17 18:00"))
    same_day = reading.not_received(invitation, at("2026-03-17 21:00"))

    # 31 March is summer time: 10:34:25 in Oslo is 08:34:25 UTC.
    assert (too_early, moved, same_day, invitation.send_at) == (False, True, False, at("2026-03-31 08:34:25"))


def test_feedback_ends_the_invitation() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.advance(FIRST)

    reading.feedback(invitation, at("2026-03-17 18:00"))

    assert (reading.advance(at("2026-05-01 00:00")), invitation.status) == ([], "responded")


def test_outside_the_window_it_waits_for_the_next_opening_and_the_plan_stays() -> None:
    reading = make_reading(send_days=["mon", "wed"])
    invitation = invite(reading)

    [(_, _, judgement)] = reading.send_due(at("2026-03-16 11:00"))

    assert (judgement.word, judgement.until) == ("later", at("2026-03-18 09:00"))
    assert (invitation.send_at, invitation.next_attempt_at) == (FIRST, at("2026-03-18 09:00"))


def test_later_than_the_deadline_is_missed_and_exactly_then_is_not() -> None:
    reading = make_reading(send_deadline_days=2)
    invitation = invite(reading)

    at_the_limit = reading.may_send(invitation, at("2026-03-18 10:10:57"))
    reading.send_due(at("2026-03-18 10:10:58"))

    assert (at_the_limit.word, invitation.status, invitation.ended_reason) == ("send", "missed", "missed")


def test_half_sent_invitation_never_ends_as_missed() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.advance(FIRST)

    reading.send_due(at("2026-05-01 09:00"))

    assert (invitation.status, invitation.ended_reason, len(invitation.messages)) == ("sent", "missed", 1)


def test_bounced_address_is_skipped_without_changing_channel() -> None:
    reading = make_reading()
    invitation = invite(reading, phone=PHONE)
    reading.suppress(KARI.upper(), "hard_bounce")

    reading.advance(FIRST)

    assert (invitation.status, invitation.ended_reason, invitation.messages) == ("cancelled", "suppressed", [])


def test_unsubscribing_closes_every_contact_of_the_orders_behind() -> None:
    reading = make_reading()
    invitation = invite(reading, phone=PHONE)

    reading.unsubscribe(invitation)
    other = reading.post(make_order("B", email="other@example.no", phone=PHONE), at("2026-03-05 09:00"))

    assert (invitation.status, invitation.ended_reason) == ("cancelled", "unsubscribed")
    assert (other.outcome, other.reason) == ("blocked", "suppressed")


def test_of_two_that_would_drop_each_other_the_older_keeps() -> None:
    # Two customers turn out to be one: the second order later gets the first one's phone number.
    reading = make_reading()
    older = invite(reading, phone=PHONE)
    reading.post(make_order("B", email="b@example.no", products=("t2", "t3")), at("2026-03-02 14:00"))
    younger = reading.invitations[2]
    reading.post({"order_id": "B", "customer": {"phone": PHONE}}, at("2026-03-03 09:00"))

    reading.advance(at("2026-05-01 00:00"))

    assert [m.products for m in older.messages] == [["t1", "t2"], ["t1", "t2"]]
    assert [m.products for m in younger.messages] == [["t3"], ["t3"]]


def test_other_kind_to_come_skips_the_younger() -> None:
    reading = make_reading()
    older = invite(reading, phone=PHONE)
    reading.change_policy(service_percent=100)
    reading.post(make_order("B", email="b@example.no"), at("2026-03-02 14:00"))
    younger = reading.invitations[2]
    reading.post({"order_id": "B", "customer": {"phone": PHONE}}, at("2026-03-03 09:00"))

    reading.advance(at("2026-05-01 00:00"))

    assert (younger.kind, younger.status, younger.ended_reason) == ("service", "cancelled", "asked_elsewhere")
    assert (older.status, len(older.messages)) == ("sent", 2)


def test_enabled_invitation_takes_the_next_slot() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.cancel(invitation, at("2026-03-10 09:00"))

    answer = reading.enable(invitation, at("2026-03-20 10:10:57"))

    assert (answer, invitation.send_at) == ("done", at("2026-03-21 10:10:57"))


def test_enable_is_refused_while_another_invitation_asks() -> None:
    reading = make_reading()
    invitation = invite(reading, products=("t1",))
    reading.cancel(invitation, at("2026-03-03 09:00"))
    reading.post(make_order("B", "2026-03-03 09:00"), at("2026-03-03 10:00"))

    assert reading.enable(invitation, at("2026-03-03 11:00")) == "asked_elsewhere"
    assert invitation.status == "cancelled"


def test_ended_before_the_second_step_can_be_enabled() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.advance(FIRST)
    reading.cancel(invitation, at("2026-03-17 09:00"))
    ended = (invitation.status, invitation.ended_reason)

    reading.enable(invitation, at("2026-03-18 09:00"))

    assert ended == ("sent", "merchant")
    assert (invitation.status, invitation.next_step, invitation.send_at) == ("scheduled", "product_2", SECOND)


def test_reschedule_takes_any_day_and_today_until_the_window_ends() -> None:
    reading = make_reading(send_days=["mon"])
    invitation = invite(reading)
    sunday, monday = date(2026, 3, 8), date(2026, 3, 9)

    on_sunday = (reading.reschedule(invitation, at("2026-03-02 14:00"), sunday), invitation.send_at)
    slot_passed = (reading.reschedule(invitation, at("2026-03-08 10:30"), sunday), invitation.send_at)
    too_late = reading.reschedule(invitation, at("2026-03-09 11:00"), monday)
    reading.send_due(at("2026-03-08 10:30"))

    assert on_sunday == ("done", at("2026-03-08 10:10:57"))
    assert slot_passed == ("done", at("2026-03-08 10:30"))
    assert too_late == "past_day"
    assert [m.left_at for m in invitation.messages] == [at("2026-03-08 10:30")]


def test_reschedule_stores_the_current_policy() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.change_policy(product_steps="first_only", send_window_start="08:00", send_window_end="10:00")

    reading.reschedule(invitation, at("2026-03-02 14:00"), date(2026, 3, 16))
    reading.advance(at("2026-05-01 00:00"))

    # The spread of 4257 s from 08:00 in Oslo on.
    assert [m.left_at for m in invitation.messages] == [at("2026-03-16 08:10:57")]


def test_send_now_ignores_the_window_but_not_a_hold() -> None:
    reading = make_reading()
    invitation = invite(reading)
    reading.post({"order_id": "A-1001", "status": "on_hold"}, at("2026-03-03 02:00"))
    reading.send_now(invitation, at("2026-03-03 03:00"))
    held = reading.send_due(at("2026-03-03 03:00"))
    reading.post({"order_id": "A-1001", "status": "shipped"}, at("2026-03-03 04:00"))
    resumed_at = invitation.send_at

    reading.send_now(invitation, at("2026-03-03 05:00"))
    reading.send_due(at("2026-03-03 05:00"))

    assert (held, resumed_at) == ([], at("2026-03-03 10:10:57"))
    assert [m.left_at for m in invitation.messages] == [at("2026-03-03 05:00")]
    assert reading.reschedule(invitation, at("2026-03-03 06:00"), date(2026, 3, 3)) == "done"


def test_actions_on_a_finished_invitation_answer_with_their_reason() -> None:
    reading = make_reading(product_steps="first_only")
    invitation = invite(reading)
    reading.advance(FIRST)

    answers = {
        reading.cancel(invitation, FIRST),
        reading.send_now(invitation, FIRST),
        reading.reschedule(invitation, FIRST, date(2026, 4, 1)),
    }

    assert (answers, reading.enable(invitation, FIRST)) == ({"already_sent"}, "not_cancelled")


@pytest.mark.parametrize(("country", "send_at"), [("us", at("2026-03-16 15:10:57")), ("XX", FIRST)])
def test_recipient_zone_falls_back_to_the_country_then_the_merchant(country: str, send_at: datetime) -> None:
    # New York has summer time by 16 March: 11:10:57 there is 15:10:57 UTC.
    reading = make_reading(send_zone="recipient")

    verdict = reading.post(make_order(time_zone="Nowhere/Land", country=country), at("2026-03-02 13:30"))

    assert verdict.send_at == send_at
