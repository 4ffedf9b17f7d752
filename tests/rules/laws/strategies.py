"""Random shops: policies, and histories of everything that can happen to one.

A history is a list of steps, each some hours after the one before; a step is the name of a function of
`player.Played` with what it is given. It stays where RULES.md speaks, or where ADR 0010 and the second reading agree.
They differ, so a history does not go there, in: a contact that cannot be read after one that could, a status that is
cleared, orders of one customer from several zones, and a policy that changes its hold statuses or its steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def law(*, max_examples: int) -> settings:
    """Give the settings of a law: the same examples in every run, on a slow machine as on a fast one."""
    return settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


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


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `after` the step before."""

    after: timedelta
    what: str
    given: Any


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """A shop's settings and everything that happens to it."""

    zone: str
    settings: dict[str, Any]
    place: dict[str, str | None]
    """Country and time zone of every order."""
    steps: list[Step]

    def bodies_of(self, step: Step, now: datetime) -> list[dict[str, Any]]:
        """Give what a step posts."""
        return [self.body_at(body, now) for body in step.given]

    def body_at(self, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Give a body with its hours before `now` as instants."""
        hours = body.get("_hours", {})
        instants = {name: (now - timedelta(hours=ago)).isoformat() for name, ago in hours.items()}
        return {name: value for name, value in body.items() if name != "_hours"} | instants | self.place


@st.composite
def changeable_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the settings that a shop changes while things go on."""
    start, end = draw(st.sampled_from(WINDOWS))
    drawn: dict[str, Any] = {
        "product_delay_days": draw(st.sampled_from((0, 1, 3, 14))),
        "product_second_delay_days": draw(st.sampled_from((1, 5))),
        "service_delay_days": draw(st.sampled_from((0, 2, 7))),
        "service_percent": draw(st.sampled_from((0, 30, 60, 100))),
        "product_repeat_days": draw(st.sampled_from((0, 2, 10, 90))),
        "service_repeat_days": draw(st.sampled_from((0, 3, 14))),
        "block_days": draw(st.sampled_from((0, 0, 2, 30))),
        "preferred_channel": draw(st.sampled_from(("email", "sms"))),
        "send_window_start": start,
        "send_window_end": end,
        "send_days": list(draw(st.sampled_from((("mon", "tue", "wed", "thu", "fri", "sat", "sun"), ("tue", "sun"))))),
        "send_deadline_days": draw(st.sampled_from((1, 14))),
        "not_received_wait_days": draw(st.sampled_from((2, 14))),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(drawn))))
    if chosen.intersection({"send_window_start", "send_window_end"}):
        chosen |= {"send_window_start", "send_window_end"}
    return {name: value for name, value in drawn.items() if name in chosen}


@st.composite
def fixed_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the settings that a history keeps."""
    drawn: dict[str, Any] = {
        "delay_origin": draw(st.sampled_from(("scheduled", "purchased", "shipped", "delivered"))),
        "product_steps": draw(st.sampled_from(("both", "both", "first_only", "second_only"))),
        "send_zone": draw(st.sampled_from(("merchant", "recipient"))),
        "consent": draw(st.sampled_from(("not_required", "not_required", "required"))),
        "trigger_statuses": draw(st.sampled_from((["shipped", "delivered", "completed"], []))),
        "excluded_product_ids": draw(st.sampled_from(([], ["p1"]))),
        "excluded_categories": draw(st.sampled_from(([], ["tents"]))),
        "max_order_age_days": draw(st.sampled_from((0, 2, 180))),
        "language": draw(st.sampled_from(("automatic", "de"))),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(drawn))))
    return {name: value for name, value in drawn.items() if name in chosen}


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a complete body of `POST /v1/orders`, most often one that triggers, of one of few customers."""
    lines = st.builds(_line, st.sampled_from(PRODUCTS), returned=_one_in(8))
    return {
        "order_id": draw(st.sampled_from(ORDER_IDS)),
        "status": draw(_mostly(TRIGGERING, OTHER_STATUSES)),
        "consent": draw(_mostly((True,), (False, None))),
        "language": draw(st.sampled_from(("nb", "sv-SE", "xx", None))),
        "products": draw(st.lists(lines, min_size=draw(_mostly((1,), (0,))), max_size=3)),
        "customer": draw(customers()),
        "_hours": draw(_hours()),
    }


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a body that tells little of an order, as later events do."""
    body = draw(orders())
    status = draw(st.sampled_from((*TRIGGERING, *OTHER_STATUSES)))
    told = draw(
        st.sampled_from((("status",), ("status",), ("products",), ("customer",), ("_hours",), ("consent", "_hours")))
    )
    return {name: body[name] for name in ("order_id", *told)} | ({"status": status} if "status" in told else {})


def _line(product: tuple[str, str | None], *, returned: bool) -> dict[str, Any]:
    return {"id": product[0], "category": product[1], "returned": returned}


def _mostly(usual: Sequence[Any], others: Sequence[Any]) -> st.SearchStrategy[Any]:
    repeats = 8 * len(others) // len(usual) + 1
    return st.sampled_from((*list(usual) * repeats, *others))


def _one_in(many: int) -> st.SearchStrategy[bool]:
    return st.integers(1, many).map(lambda drawn: drawn == many)


def _hours() -> st.SearchStrategy[dict[str, int]]:
    most = {"purchased_at": 30, "shipped_at": 60, "delivered_at": 40, "updated_at": 100}
    return st.fixed_dictionaries({}, optional={name: st.integers(0, hours) for name, hours in most.items()})


@st.composite
def customers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a customer; often the same one, now and then one whose contacts link two others."""
    optional = {
        "email": _mostly((EMAILS[0], EMAILS[0], EMAILS[1]), (EMAILS[2], None)),
        "phone": _mostly(PHONES, (None,)),
    }
    customer: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=optional))
    return {"email": EMAILS[0]} | customer


ACTS = ("leave_feedback", "report_not_received", "cancel", "enable", "send_now", "unsubscribe", "bounce")
_NUMBER = st.integers(1, 4)
_DAYS = st.integers(-1, 20)


def steps() -> st.SearchStrategy[Step]:
    """Draw one step."""
    after = st.integers(0, 30).map(lambda hours: timedelta(hours=hours, minutes=7))
    post = st.builds(Step, after, st.just("post"), st.lists(orders(), min_size=1, max_size=3))
    change = st.builds(Step, after, st.just("post"), st.lists(changes(), min_size=1, max_size=2))
    wait = st.builds(Step, st.integers(1, 20).map(lambda days: timedelta(days=days)), st.just("wait"), st.none())
    act = st.builds(Step, after, st.sampled_from(ACTS), _NUMBER)
    reschedule = st.builds(Step, after, st.just("reschedule"), st.tuples(_NUMBER, _DAYS))
    policy = st.builds(Step, after, st.just("save_policy"), changeable_settings())
    kinds = (post, post, post, change, change, change, wait, act, act, reschedule, policy)
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


@st.composite
def histories(draw: st.DrawFn, *, max_steps: int = 16) -> HistoryPlan:
    """Draw a shop and what happens to it."""
    return HistoryPlan(
        zone=draw(st.sampled_from(MERCHANT_ZONES)),
        settings=draw(fixed_settings()) | draw(changeable_settings()),
        place={
            "country": draw(st.sampled_from(("NO", "BR", None))),
            "time_zone": draw(st.sampled_from(("America/New_York", None))),
        },
        steps=draw(st.lists(steps(), min_size=max_steps // 2, max_size=max_steps)),
    )
