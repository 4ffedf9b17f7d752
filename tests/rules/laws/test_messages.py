"""Laws of sending: however long a shop goes on and whatever its provider answers, these hold."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.invitation import Invitation, InvitationStatus, Kind
from invite_service.domain.receipt import OutcomeWord
from invite_service.rules.slots import day_window, local_day
from tests.rules.builders import make_merchant
from tests.rules.laws.player import Player, play, play_smallest
from tests.rules.laws.strategies import EMAILS, PHONES, HistoryPlan, histories, law
from tests.rules.shop import HandedOver

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
    {"email": EMAILS[1], "phone": PHONES[1]},
    {"email": None, "phone": PHONES[1]},
)
"""Two people, each by two ways that share a contact, so that who they are is known from the first order on."""

answers = st.lists(st.sampled_from(ANSWERS), max_size=12)
"""What the provider says at first; later on it takes everything."""


def of_people(plan: HistoryPlan) -> HistoryPlan:
    """Let every order be bought by one person for good, by one of the ways that person is known by."""

    def bought(body: dict[str, Any]) -> dict[str, Any]:
        number = int(body["order_id"].removeprefix("O-"))
        return {**body, "customer": PEOPLE[number % len(PEOPLE)]}

    steps = [
        replace(step, given=[bought(body) for body in step.given]) if step.what == "post" else step
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))


def run_all(
    plan: HistoryPlan,
    said: list[OutcomeWord],
    *,
    after_each: Callable[[Player], None] = lambda _: None,
    at_the_end: Callable[[Player], None] = lambda _: None,
    before_each_message: Callable[[Player, Invitation, datetime], None] = lambda *_: None,
) -> None:
    """Play a history with a provider that answers as `said`, and make every check on the way."""

    def run(plan: HistoryPlan) -> None:
        player = Player(make_merchant(time_zone=plan.zone), plan.settings)
        remaining = iter(said)

        def provide(invitation: Invitation, at: datetime) -> OutcomeWord:
            before_each_message(player, invitation, at)
            return next(remaining, OutcomeWord.ACCEPTED)

        player.shop.provider = provide
        play(plan, player, check=lambda: after_each(player))
        at_the_end(player)

    play_smallest(plan, run)


def left_by_invitation(player: Player) -> dict[UUID, list[HandedOver]]:
    left = defaultdict(list)
    for message in player.shop.messages:
        if message.outcome in LEFT:
            left[message.invitation_id].append(message)
    return left


@law(max_examples=100)
@given(histories(), answers)
def test_never_three_messages_and_no_step_twice(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        for invitation_id, messages in left_by_invitation(player).items():
            steps = [message.step for message in messages]
            assert len(steps) <= 2
            assert steps == list(player.shop.invitations[invitation_id].steps)[: len(steps)]

    run_all(plan, said, at_the_end=check)


def to_come_by_contact(player: Player) -> Iterator[tuple[str, Invitation]]:
    """Name every invitation with messages to come under each contact of its live orders."""
    for one in player.shop.invitations.values():
        if one.has_messages_to_come:
            contacts = {contact for order in player.shop.live_orders(one) for contact in order.contacts}
            yield from ((contact, one) for contact in contacts)


@law(max_examples=100)
@given(histories().map(of_people), answers)
def test_never_both_kinds_at_once_to_one_contact(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        kinds: dict[str, set[Kind]] = defaultdict(set)
        for contact, one in to_come_by_contact(player):
            kinds[contact].add(one.kind)
        assert all(len(found) == 1 for found in kinds.values())

    run_all(plan, said, after_each=check)


@law(max_examples=100)
@given(histories(), answers)
def test_both_kinds_never_leave_to_linked_customers_while_the_other_is_half_sent(
    plan: HistoryPlan, said: list[OutcomeWord]
) -> None:
    """However histories were linked since: the older of the two goes on, so none that is younger does."""

    def look(player: Player, sending: Invitation, at: datetime) -> None:
        for other in player.shop.facts_of(sending).others:
            is_older = (other.created_at, other.id) < (sending.created_at, sending.id)
            assert not (other.kind is not sending.kind and other.has_messages_to_come and is_older)

    run_all(plan, said, before_each_message=look)


@law(max_examples=100)
@given(histories().map(of_people), answers)
def test_no_product_is_asked_by_two_invitations_at_once(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        asking = Counter(
            (contact, product_id) for contact, one in to_come_by_contact(player) for product_id in one.product_ids
        )
        assert all(number == 1 for number in asking.values())

    run_all(plan, said, after_each=check)


@law(max_examples=100)
@given(histories(), answers)
def test_message_leaves_inside_the_window_of_an_allowed_day_unless_the_merchant_wanted_it(
    plan: HistoryPlan, said: list[OutcomeWord]
) -> None:
    def look(player: Player, sending: Invitation, at: datetime) -> None:
        policy = player.shop.plan_of(sending)
        day = local_day(at, sending.time_zone)
        window = day_window(policy, sending.time_zone, day)
        is_wanted = sending.send_now or sending.rescheduled_to == day
        assert is_wanted or (window.start <= at < window.end and day.weekday() in policy.send_weekdays)

    run_all(plan, said, before_each_message=look)


@law(max_examples=100)
@given(histories(), answers)
def test_message_never_leaves_before_its_plan_or_after_its_deadline(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def look(player: Player, sending: Invitation, at: datetime) -> None:
        deadline = timedelta(days=player.shop.policy.send_deadline_days)
        assert sending.send_at <= at <= sending.send_at + deadline

    run_all(plan, said, before_each_message=look)


@law(max_examples=100)
@given(histories(), answers)
def test_nobody_is_written_to_after_unsubscribing(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def look(player: Player, sending: Invitation, at: datetime) -> None:
        assert sending.contact not in {suppression.contact for suppression in player.shop.suppressions}

    run_all(plan, said, before_each_message=look)


@law(max_examples=100)
@given(histories(), answers)
def test_message_goes_to_an_address_that_a_live_order_has_about_what_live_orders_brought(
    plan: HistoryPlan, said: list[OutcomeWord]
) -> None:
    def look(player: Player, sending: Invitation, at: datetime) -> None:
        live = player.shop.live_orders(sending)
        assert sending.contact in {contact for order in live for contact in order.contacts}
        brought = {order_id for product in sending.products for order_id in product.brought_by}
        assert brought <= {order.order_id for order in live}
        assert not any(order.on_hold for order in live)

    run_all(plan, said, before_each_message=look)


@law(max_examples=100)
@given(histories(), answers)
def test_next_attempt_and_hold_go_with_the_state(plan: HistoryPlan, said: list[OutcomeWord]) -> None:
    def check(player: Player) -> None:
        for one in player.shop.invitations.values():
            is_scheduled = one.status is InvitationStatus.SCHEDULED
            assert (one.next_attempt_at is not None) is (is_scheduled and one.held_at is None)
            assert not is_scheduled or one.next_step is not None
            if one.has_messages_to_come:
                is_on_hold = any(order.on_hold for order in player.shop.live_orders(one))
                assert (one.held_at is not None) is is_on_hold
            else:
                assert one.held_at is None
            assert (one.message_count > 0) is (one.first_sent_at is not None)

    run_all(plan, said, after_each=check)
