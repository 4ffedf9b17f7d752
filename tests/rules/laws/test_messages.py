"""Laws of sending: however long a shop goes on and whatever its provider answers, these hold."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.invitation import Invitation, Kind
from invite_service.domain.receipt import OutcomeWord
from invite_service.rules.slots import day_window, local_day
from tests.rules.builders import make_merchant
from tests.rules.laws.player import Player, play
from tests.rules.laws.strategies import EMAILS, PHONES, HistoryPlan, histories, law
from tests.rules.shop import HandedOver, Provider

LEFT = frozenset({OutcomeWord.ACCEPTED, OutcomeWord.UNKNOWN})
"""Answers after which the message has left, or may have."""

ANSWERS = (
    OutcomeWord.ACCEPTED,
    OutcomeWord.ACCEPTED,
    OutcomeWord.ACCEPTED,
    OutcomeWord.NOT_SENT,
    OutcomeWord.RATE_LIMITED,
    OutcomeWord.REJECTED,
    OutcomeWord.UNKNOWN,
)

PEOPLE = (
    {"email": EMAILS[0], "phone": PHONES[0]},
    {"email": EMAILS[0], "phone": None},
    {"email": None, "phone": PHONES[0]},
    {"email": EMAILS[1], "phone": PHONES[1]},
)
"""Who may have bought: one person by three ways, and another."""


def answering(answers: list[OutcomeWord]) -> Provider:
    """Make a provider that gives these answers in turn, and then takes everything."""
    remaining = iter(answers)

    def answer(invitation: Invitation, at: datetime) -> OutcomeWord:
        return next(remaining, OutcomeWord.ACCEPTED)

    return answer


def of_people(plan: HistoryPlan) -> HistoryPlan:
    """Let every order be bought by one person for good, by one of the ways that person is known by."""
    for step in plan.steps:
        if step.what == "post":
            for body in step.given:
                number = int(body["order_id"].removeprefix("O-"))
                body["customer"] = PEOPLE[number % len(PEOPLE)]
    return plan


def player_of(plan: HistoryPlan, answers: list[OutcomeWord]) -> Player:
    return Player(make_merchant(time_zone=plan.zone), plan.settings, provider=answering(answers))


def play_all(plan: HistoryPlan, answers: list[OutcomeWord], check: Callable[[Player], None]) -> Player:
    player = player_of(plan, answers)
    play(plan, player, check=lambda: check(player))
    return player


def no_check(player: Player) -> None:
    pass


def left_by_invitation(player: Player) -> dict[UUID, list[HandedOver]]:
    left = defaultdict(list)
    for message in player.shop.messages:
        if message.outcome in LEFT:
            left[message.invitation_id].append(message)
    return left


answers = st.lists(st.sampled_from(ANSWERS), max_size=12)


@law(max_examples=60)
@given(histories(), answers)
def test_never_three_messages_and_no_step_twice(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    player = play_all(plan, answers, no_check)
    for invitation_id, messages in left_by_invitation(player).items():
        invitation = player.shop.invitations[invitation_id]
        steps = [message.step for message in messages]
        assert len(steps) <= 2
        assert Counter(steps).most_common(1)[0][1] == 1
        assert steps == list(invitation.steps)[: len(steps)]


@law(max_examples=60)
@given(histories().map(of_people), answers)
def test_never_both_kinds_at_once_to_one_contact(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        kinds: dict[str, set[Kind]] = defaultdict(set)
        for one in player.shop.invitations.values():
            if one.has_messages_to_come:
                for contact in {contact for live in player.shop.live_orders(one) for contact in live.contacts}:
                    kinds[contact].add(one.kind)
        assert all(len(both) == 1 for both in kinds.values())

    play_all(plan, answers, check)


@law(max_examples=60)
@given(histories().map(of_people), answers)
def test_no_product_is_asked_by_two_invitations_at_once(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        asking = Counter(
            (contact, product_id)
            for one in player.shop.invitations.values()
            if one.has_messages_to_come
            for product_id in one.product_ids
            for contact in {contact for live in player.shop.live_orders(one) for contact in live.contacts}
        )
        assert all(number == 1 for number in asking.values())

    play_all(plan, answers, check)


@law(max_examples=60)
@given(histories(), answers)
def test_message_leaves_inside_the_window_of_an_allowed_day_unless_the_merchant_wanted_it(
    plan: HistoryPlan, answers: list[OutcomeWord]
) -> None:
    player = player_of(plan, [])
    inner = answering(answers)
    broken: list[Any] = []

    def look(invitation: Invitation, at: datetime) -> OutcomeWord:
        policy = player.shop.plan_of(invitation)
        day = local_day(at, invitation.time_zone)
        window = day_window(day, start=policy.send_window_start, end=policy.send_window_end, zone=invitation.time_zone)
        is_wanted = invitation.send_now or invitation.rescheduled_to == day
        is_open = window.start <= at < window.end and day.weekday() in policy.send_weekdays
        if not is_wanted and not is_open:
            broken.append((invitation, at))
        return inner(invitation, at)

    player.shop.provider = look
    play(plan, player, check=lambda: None)
    assert broken == []


@law(max_examples=60)
@given(histories(), answers)
def test_message_never_leaves_later_than_its_deadline(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    player = player_of(plan, [])
    inner = answering(answers)
    late: list[timedelta] = []

    def look(invitation: Invitation, at: datetime) -> OutcomeWord:
        late.append(at - invitation.send_at - timedelta(days=player.shop.policy.send_deadline_days))
        return inner(invitation, at)

    player.shop.provider = look
    play(plan, player, check=lambda: None)
    assert all(beyond <= timedelta(0) for beyond in late)


@law(max_examples=60)
@given(histories(), answers)
def test_nobody_is_written_to_after_unsubscribing(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    player = player_of(plan, [])
    inner = answering(answers)
    reached: list[str] = []

    def look(invitation: Invitation, at: datetime) -> OutcomeWord:
        closed = {suppression.contact for suppression in player.shop.suppressions}
        if invitation.contact in closed:
            reached.append(invitation.contact)
        return inner(invitation, at)

    player.shop.provider = look
    play(plan, player, check=lambda: None)
    assert reached == []


@law(max_examples=60)
@given(histories(), answers)
def test_plan_and_next_attempt_go_with_the_state(plan: HistoryPlan, answers: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        for one in player.shop.invitations.values():
            is_scheduled = one.status == "scheduled"
            assert (one.next_attempt_at is not None) is (is_scheduled and one.held_at is None)
            assert not is_scheduled or one.next_step is not None
            assert one.held_at is None or one.has_messages_to_come
            assert one.held_at is None or any(live.on_hold for live in player.shop.live_orders(one))
            assert (one.message_count > 0) is (one.first_sent_at is not None)

    play_all(plan, answers, check)
