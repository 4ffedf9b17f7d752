"""Random shops: policies, and histories of everything that can happen to one.

A history is a list of steps, each some hours after the one before; a step is the name of a function of
`player.Played` with what it is given. It stays where RULES.md speaks, or where ADR 0010 and the second reading agree.
They differ, so a history does not go there, in: a contact that cannot be read after one that could, a status that is
cleared, orders of one customer from several zones, and a policy that changes its hold statuses or its steps.

Hypothesis draws the seed of a history and no more: drawing each part of it takes twenty times as long as playing it.
What a seed cannot do, making a failing history smaller, `player.play_smallest` does.
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st

START = datetime(2026, 3, 25, 6, 0, tzinfo=UTC)
"""Four days before clocks go forward in Europe."""

EMAILS = ("kari@example.no", "ola@example.no", "berit@example.no")
PHONES = ("+4791234567", "+4798765432")
ORDER_IDS = tuple(f"O-{number}" for number in range(1, 7))
PRODUCTS = (("p1", "tents"), ("p2", "tents"), ("p3", "stoves"), ("p4", None))
TRIGGERING = ("shipped", "Delivered", "completed")
OTHER_STATUSES = ("processing", "on_hold", "return_requested", "cancelled", "refunded")
MERCHANT_ZONES = ("Europe/Oslo", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Tokyo")
WINDOWS = (("10:00", "12:00"), ("00:00", "23:59"), ("02:10", "02:50"), ("23:15", "23:45"))
ALL_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ACTS = (
    "cancel", "cancel", "enable", "enable", "enable", "send_now", "leave_feedback", "report_not_received",
    "unsubscribe", "bounce",
)  # fmt: skip
STEPS = (
    "post", "post", "post", "change", "change", "change", "wait", "outage", "act", "act", "act", "reschedule",
    "save_policy",
)  # fmt: skip

_T = TypeVar("_T")


def law(*, max_examples: int) -> settings:
    """Give the settings of a law: the same examples in every run, on a slow machine as on a fast one.

    `make laws` takes twenty times as many.
    """
    examples = max_examples * int(os.environ.get("INVITE_TEST_EXAMPLES", "1"))
    phases = [Phase.explicit, Phase.generate]
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, phases=phases)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `after` the step before."""

    after: timedelta
    what: str
    given: Any = None


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """A shop's settings and everything that happens to it."""

    zone: str
    settings: dict[str, Any]
    place: dict[str, str | None]
    """Country and time zone of every order."""
    steps: tuple[Step, ...]

    def bodies_of(self, step: Step, now: datetime) -> list[dict[str, Any]]:
        """Give what a step posts."""
        return [self.body_at(body, now) for body in step.given]

    def body_at(self, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Give a body with its hours before `now` as instants."""
        hours = body.get("_hours", {})
        instants = {name: (now - timedelta(hours=ago)).isoformat() for name, ago in hours.items()}
        return {name: value for name, value in body.items() if name != "_hours"} | instants | self.place


def histories(*, max_steps: int = 16) -> st.SearchStrategy[HistoryPlan]:
    """Draw a shop and what happens to it."""
    return _seeds.map(lambda seed: random_history(random.Random(seed), max_steps=max_steps))


def orders() -> st.SearchStrategy[dict[str, Any]]:
    """Draw a complete body of `POST /v1/orders`."""
    return _seeds.map(lambda seed: random_order(random.Random(seed)))


def batches(*, max_size: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draw a few complete bodies of distinct orders."""
    return _seeds.map(lambda seed: _random_batch(random.Random(seed), max_size=max_size))


_seeds = st.integers(0, 2**64 - 1)


def random_history(chance: random.Random, *, max_steps: int) -> HistoryPlan:
    """Make up a shop and what happens to it."""
    return HistoryPlan(
        zone=chance.choice(MERCHANT_ZONES),
        settings=random_fixed_settings(chance) | random_settings(chance),
        place={
            "country": chance.choice(("NO", "BR", None)),
            "time_zone": chance.choice(("America/New_York", None)),
        },
        steps=tuple(_random_step(chance) for _ in range(chance.randint(max_steps // 2, max_steps))),
    )


def random_settings(chance: random.Random) -> dict[str, Any]:
    """Make up some of the settings that a shop changes while things go on."""
    start, end = chance.choice(WINDOWS)
    drawn: dict[str, Any] = {
        "product_delay_days": chance.choice((0, 1, 3, 14)),
        "product_second_delay_days": chance.choice((1, 5)),
        "service_delay_days": chance.choice((0, 2, 7)),
        "service_percent": chance.choice((0, 30, 60, 100)),
        "product_repeat_days": chance.choice((0, 2, 10, 90)),
        "service_repeat_days": chance.choice((0, 3, 14)),
        "block_days": chance.choice((0, 0, 2, 30)),
        "preferred_channel": chance.choice(("email", "sms")),
        "send_window": {"send_window_start": start, "send_window_end": end},
        "send_days": list(chance.choice((ALL_DAYS, ("tue", "sun")))),
        "send_deadline_days": chance.choice((1, 14)),
        "not_received_wait_days": chance.choice((2, 14)),
    }
    chosen = _some(chance, drawn)
    window: dict[str, Any] = chosen.pop("send_window", {})
    return window | chosen


def random_fixed_settings(chance: random.Random) -> dict[str, Any]:
    """Make up some of the settings that a history keeps."""
    return _some(
        chance,
        {
            "delay_origin": chance.choice(("scheduled", "purchased", "shipped", "delivered")),
            "product_steps": chance.choice(("both", "both", "first_only", "second_only")),
            "send_zone": chance.choice(("merchant", "recipient")),
            "consent": chance.choice(("not_required", "not_required", "required")),
            "trigger_statuses": chance.choice((["shipped", "delivered", "completed"], [])),
            "excluded_product_ids": chance.choice(([], ["p1"])),
            "excluded_categories": chance.choice(([], ["tents"])),
            "max_order_age_days": chance.choice((0, 2, 180)),
            "language": chance.choice(("automatic", "de")),
        },
    )


def random_order(chance: random.Random) -> dict[str, Any]:
    """Make up a complete body, most often one that triggers, of one of few customers."""
    return {
        "order_id": chance.choice(ORDER_IDS),
        "status": _mostly(chance, TRIGGERING, OTHER_STATUSES),
        "consent": _mostly(chance, (True,), (False, None)),
        "language": chance.choice(("nb", "sv-SE", "xx", None)),
        "products": [_random_line(chance) for _ in range(chance.choice((0, 1, 1, 2, 2, 3)))],
        "customer": _random_customer(chance),
        "_hours": _random_hours(chance),
    }


def _random_batch(chance: random.Random, *, max_size: int) -> list[dict[str, Any]]:
    ids = chance.sample(ORDER_IDS, chance.randint(2, max_size))
    return [{**random_order(chance), "order_id": order_id} for order_id in ids]


def _random_change(chance: random.Random) -> dict[str, Any]:
    """Make up a body that tells little of an order, as later events do."""
    told = chance.choice((("status",), ("status",), ("products",), ("customer",), ("_hours",), ("consent", "_hours")))
    body = {**random_order(chance), "status": chance.choice((*TRIGGERING, *OTHER_STATUSES))}
    return {name: body[name] for name in ("order_id", *told)}


def _random_line(chance: random.Random) -> dict[str, Any]:
    product_id, category = chance.choice(PRODUCTS)
    return {"id": product_id, "category": category, "returned": chance.random() < 0.12}


def _random_customer(chance: random.Random) -> dict[str, Any]:
    """Make up a customer; often the same one, now and then one whose contacts link two others."""
    customer: dict[str, Any] = {"email": _mostly(chance, (EMAILS[0], EMAILS[0], EMAILS[1]), (EMAILS[2], None))}
    if chance.random() < 0.5:
        customer["phone"] = _mostly(chance, PHONES, (None,))
    return customer


def _random_hours(chance: random.Random) -> dict[str, int]:
    most = {"purchased_at": 30, "shipped_at": 60, "delivered_at": 40, "updated_at": 100}
    return {name: chance.randint(0, hours) for name, hours in most.items() if chance.random() < 0.4}


def _random_step(chance: random.Random) -> Step:
    after = timedelta(hours=chance.randint(0, 30), minutes=7)
    number = chance.choice((1, 1, 2, 3, 4))
    match chance.choice(STEPS):
        case "post":
            return Step(after, "post", [random_order(chance) for _ in range(chance.randint(1, 3))])
        case "change":
            return Step(after, "post", [_random_change(chance) for _ in range(chance.randint(1, 2))])
        case "wait":
            return Step(timedelta(days=chance.randint(1, 20)), "wait")
        case "outage":
            return Step(timedelta(days=chance.randint(0, 16), hours=chance.randint(0, 23)), "outage")
        case "act":
            return Step(after, chance.choice(ACTS), number)
        case "reschedule":
            return Step(after, "reschedule", (number, chance.randint(-1, 20)))
        case what:
            return Step(after, what, random_settings(chance))


def _mostly(chance: random.Random, usual: Sequence[_T], others: Sequence[_T]) -> _T:
    return chance.choice(usual if chance.random() < 0.88 else others)


def _some(chance: random.Random, drawn: dict[str, Any]) -> dict[str, Any]:
    share = chance.random()
    return {name: value for name, value in drawn.items() if chance.random() < share}
