"""Playing a history on a shop: what each step of `strategies.HistoryPlan` does to it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from hypothesis import note

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.suppression import SuppressionReason
from invite_service.rules import actions, states
from tests.rules.bodies import read_body
from tests.rules.cases import make_policy
from tests.rules.laws.strategies import START, HistoryPlan
from tests.rules.shop import Provider, Shop, accept_everything


class Played(Protocol):
    """What a history can be played on; `number` is an invitation's, in the order in which they were made."""

    def knows(self, number: int) -> bool: ...
    def post(self, bodies: Sequence[dict[str, Any]], now: datetime) -> None: ...
    def advance(self, until: datetime) -> None: ...
    def send_due(self, now: datetime) -> None: ...
    def save_policy(self, settings: dict[str, Any]) -> None: ...
    def bounce(self, number: int, now: datetime) -> None: ...
    def unsubscribe(self, number: int, now: datetime) -> None: ...
    def leave_feedback(self, number: int, now: datetime) -> None: ...
    def report_not_received(self, number: int, now: datetime) -> None: ...
    def cancel(self, number: int, now: datetime) -> bool: ...
    def enable(self, number: int, now: datetime) -> bool: ...
    def send_now(self, number: int, now: datetime) -> bool: ...
    def reschedule(self, number: int, now: datetime, day: date) -> bool: ...


def play(plan: HistoryPlan, played: Played, *, check: Callable[[], None]) -> None:
    """Play a history, sending what is due on the way and long after its end; `check` is called after every step."""
    now = START
    for step in plan.steps:
        now += step.after
        if step.what != "outage":
            played.advance(now)
        match step.what:
            case "wait":
                pass
            case "outage":
                played.send_due(now)
            case "post":
                played.post(plan.bodies_of(step, now), now)
            case "save_policy":
                played.save_policy(step.given)
            case "reschedule":
                number, days = step.given
                if played.knows(number):
                    played.reschedule(number, now, now.date() + timedelta(days=days))
            case act:
                if played.knows(step.given):
                    getattr(played, act)(step.given, now)
        check()
    played.advance(now + timedelta(days=200))
    check()


def play_smallest(plan: HistoryPlan, run: Callable[[HistoryPlan], None]) -> None:
    """Run a law on a history; when it fails, fail with the smallest history made of its steps that fails too."""
    try:
        run(plan)
    except AssertionError:
        smallest = plan
        while (smaller := _next_smaller(smallest, run)) is not None:
            smallest = smaller
        note(f"The smallest history that fails: {smallest}")
        run(smallest)
        raise


def _next_smaller(plan: HistoryPlan, run: Callable[[HistoryPlan], None]) -> HistoryPlan | None:
    for number in range(len(plan.steps)):
        smaller = replace(plan, steps=plan.steps[:number] + plan.steps[number + 1 :])
        try:
            run(smaller)
        except AssertionError:
            return smaller
    return None


class Player:
    """A shop that a history is played on."""

    def __init__(self, merchant: Merchant, settings: dict[str, Any], *, provider: Provider = accept_everything) -> None:
        self.shop = Shop(make_policy(settings), merchant=merchant, provider=provider)

    def knows(self, number: int) -> bool:
        return UUID(int=number) in self.shop.invitations

    def post(self, bodies: Sequence[dict[str, Any]], now: datetime) -> None:
        self.shop.post_batch([read_body(body) for body in bodies], now)

    def advance(self, until: datetime) -> None:
        self.shop.advance(until)

    def send_due(self, now: datetime) -> None:
        """Send what became due while nobody was sending."""
        self.shop.send_due(now)

    def save_policy(self, settings: dict[str, Any]) -> None:
        changes = make_policy(settings)
        self.shop.save_policy(**{name: getattr(changes, name) for name in settings})

    def bounce(self, number: int, now: datetime) -> None:
        """Let the address of an invitation bounce."""
        self.shop.suppress([self._get(number).contact], SuppressionReason.HARD_BOUNCE)

    def unsubscribe(self, number: int, now: datetime) -> None:
        self.shop.unsubscribe(UUID(int=number))

    def leave_feedback(self, number: int, now: datetime) -> None:
        self.shop.keep(states.record_feedback(self._get(number)))

    def report_not_received(self, number: int, now: datetime) -> None:
        shop, one = self.shop, self._get(number)
        shop.keep(
            states.report_not_received(one, policy=shop.policy, plan=shop.plan_of(one), merchant=shop.merchant, now=now)
        )

    def cancel(self, number: int, now: datetime) -> bool:
        return self._act(lambda: actions.cancel(self._get(number)))

    def enable(self, number: int, now: datetime) -> bool:
        shop, one = self.shop, self._get(number)
        return self._act(
            lambda: actions.enable(
                one,
                facts=shop.facts_of(one),
                policy=shop.policy,
                plan=shop.plan_of(one),
                merchant=shop.merchant,
                now=now,
            )
        )

    def send_now(self, number: int, now: datetime) -> bool:
        return self._act(lambda: actions.send_now(self._get(number), now=now))

    def reschedule(self, number: int, now: datetime, day: date) -> bool:
        shop, one = self.shop, self._get(number)
        return self._act(lambda: actions.reschedule(one, day, policy=shop.policy, merchant=shop.merchant, now=now))

    def _get(self, number: int) -> Invitation:
        return self.shop.invitations[UUID(int=number)]

    def _act(self, act: Callable[[], Invitation]) -> bool:
        with contextlib.suppress(ActionRefusedError):
            self.shop.keep(act())
            return True
        return False
