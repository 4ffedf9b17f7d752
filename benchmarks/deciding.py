"""Rows of the rules: one decision with its trace, and a simulation, both on one core."""

import gc
import gzip
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from types import BuiltinFunctionType

import orjson
from benchmarks.bodies import RETURNING_TENTHS, order_body
from benchmarks.ledgers import make_ledger, make_merchant, read_event
from benchmarks.machine import ROOT
from benchmarks.table import Result

from invite_service.cli.collecting import collect_seldom
from invite_service.domain.order import Order, OrderEvent
from invite_service.domain.policy import Policy
from invite_service.rules.decide import History, PastInvitation, decide
from invite_service.rules.ledger import Ledger
from invite_service.rules.orders import fold_event
from invite_service.rules.simulation import SideBySide

_REAL_ORDERS = ROOT / "examples" / "gift-shop-500.jsonl.gz"

ORDERS = 10_000
"""Orders of the simulation, of which three in ten are of customers with an earlier one among them."""

DECISIONS = 1_000
"""Of these orders, the last ones, each decided with the history it has by then."""

CHANGED = Policy(product_delay_days=7, product_repeat_days=30)
"""The policy that a simulation tries against the default one."""

POLICIES = (Policy(), CHANGED)
"""The sides of a simulation."""

COPIES = 20
"""The real orders are few: each is replayed for so many different customers."""

RULES = "compiled" if isinstance(decide, BuiltinFunctionType) else "interpreted"
"""Those of the image are compiled (docs/adr/0029), and so are those that `make bench` measures."""

Accepted = tuple[OrderEvent, datetime]
"""An event and the instant it is accepted at."""


@dataclass(frozen=True, slots=True)
class Case:
    """What decide() is given."""

    order: Order
    history: History
    now: datetime


def measure_decide(rounds: int) -> Result:
    """Time decide() on orders with the history they have; the note tells it of customers who buy all the time."""
    figures, heavy = _time_decisions(_made_orders(), DECISIONS, rounds), _time_decisions(_real_orders(), 500, rounds)
    return Result(
        row="decide",
        ours=f"{median(figures):.3g} µs",
        yardstick="",
        figure=median(figures),
        spread=(min(figures), max(figures)),
        note=(
            f"rules {RULES}; the orders of the other rows, three in ten with a history; real orders of a gift shop"
            f" whose customers have ten earlier ones: {median(heavy):.3g} µs"
        ),
    )


def measure_simulation(rounds: int) -> Result:
    """Time a simulation: orders one after the other, from nothing, with the messages that leave, under two policies."""
    figures, heavy = _time_simulations(_made_orders(), rounds), _time_simulations(_copied_real_orders(), rounds)
    sides = len(POLICIES)
    return Result(
        row="simulation",
        ours=f"{median(figures) * sides:,.0f} orders/s",
        yardstick="",
        figure=median(figures) * sides,
        spread=(min(figures) * sides, max(figures) * sides),
        note=(
            f"rules {RULES}; {ORDERS:,} orders decided with all their messages, counted once for each policy: through a"
            f" whole simulation, which has {sides}, go {median(figures):,.0f} orders/s, of the gift shop"
            f" {median(heavy):,.0f}; events parsed beforehand"
        ),
    )


def _time_decisions(orders: Sequence[Accepted], count: int, rounds: int) -> list[float]:
    """Give the microseconds of processor time of one decision, by round."""
    cases = _collect_cases(orders)[-count:]
    policy, merchant = Policy(), make_merchant(orders[0][1])

    def run() -> None:
        for case in cases:
            decide(case.order, policy=policy, history=case.history, merchant=merchant, now=case.now)

    with _collecting_as_served():
        return [_cpu_of(run) / len(cases) * 1e6 for _ in range(rounds + 1)][1:]


def _time_simulations(orders: Sequence[Accepted], rounds: int) -> list[float]:
    """Give the orders a second of processor time, by round."""

    def run() -> None:
        both = SideBySide(make_merchant(orders[0][1]), POLICIES)
        for event, accepted_at in orders:
            both.take(event, accepted_at=accepted_at)
        for _ in both.replay():
            pass
        before, after = both.sides
        Counter((before.fates[order_id], after.fates[order_id]) for order_id in both.order_ids)

    with _collecting_as_served():
        return [len(orders) / _cpu_of(run) for _ in range(rounds)]


@contextmanager
def _collecting_as_served() -> Iterator[None]:
    """Let the cycle collector run as in the API, which decides and simulates."""
    usual = gc.get_threshold()
    collect_seldom()
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


def _made_orders() -> list[Accepted]:
    bought = datetime(2026, 3, 2, 10, tzinfo=UTC)
    bodies = (order_body(number, purchased_at=bought, customers=0) for number in range(ORDERS))
    events = [read_event(body) for body in bodies]
    for number in range(ORDERS // 10, ORDERS):
        if number % 10 < RETURNING_TENTHS:
            # The customer who bought a thousand orders and some days ago.
            earlier = events[number - ORDERS // 10]
            events[number] = replace(events[number], email=earlier.email, purchased_at=bought + timedelta(days=7))
    return [(event, bought + timedelta(days=8)) for event in events]


def _real_orders() -> list[Accepted]:
    with gzip.open(_REAL_ORDERS) as lines:
        events = [read_event(orjson.loads(line)) for line in lines]
    return [(event, event.purchased_at) for event in events if isinstance(event.purchased_at, datetime)]


def _copied_real_orders() -> list[Accepted]:
    return [
        (replace(event, order_id=f"{copy}-{event.order_id}", email=f"{copy}-{event.email}"), accepted_at)
        for event, accepted_at in _real_orders()
        for copy in range(COPIES)
    ]


def _collect_cases(orders: Sequence[Accepted]) -> list[Case]:
    """Replay orders and keep what each one's decision saw."""
    ledger = make_ledger(orders[0][1])
    by_contact: dict[str, list[str]] = defaultdict(list)
    cases = []
    for event, now in orders:
        order = fold_event(None, event, accepted_at=now)
        earlier = [ledger.orders[order_id] for contact in order.contacts for order_id in by_contact[contact]]
        cases.append(Case(order, _history(ledger, earlier), now))
        ledger.post(event, accepted_at=now)
        for contact in order.contacts:
            by_contact[contact].append(order.order_id)
    return cases


def _history(ledger: Ledger, orders: Sequence[Order]) -> History:
    """Make the history of orders that share one contact."""
    ids = dict.fromkeys(order.invitation_id for order in orders if order.invitation_id is not None)
    return History(
        orders=orders,
        invitations=[
            PastInvitation(
                ledger.invitations[invitation_id],
                [order.purchased_at for order in orders if order.invitation_id == invitation_id],
            )
            for invitation_id in ids
        ],
    )


def _cpu_of(run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
