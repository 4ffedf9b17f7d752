"""Circles: orders that share contacts, directly or through others.

No rule looks beyond the orders that share a contact with the one at hand (RULES.md section 1, "history"), so that what
becomes of a circle's orders depends on nothing outside it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from invite_service.domain.order import Order, OrderEvent
from invite_service.rules.orders import fold_event, is_outdated


class Accepted(NamedTuple):
    """An event of an order, and when it was accepted."""

    at: datetime
    event: OrderEvent
    first: Order | None
    """What the event tells of, where it is the order's first."""


_new_accepted: Final = partial(tuple.__new__, Accepted)
"""Makes one of its three parts, as the constructor does that is a function of Python."""


class _Circle:
    """Events of orders that are known to share contacts."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.within: _Circle | None = None
        """What it has become part of."""

    def whole(self) -> "_Circle":
        """Give the circle that it is in by now."""
        circle = self
        while circle.within is not None:
            circle = circle.within
        return circle

    def join(self, other: "_Circle") -> "_Circle":
        """Make one of two, and give it: the smaller goes into the larger, so that the way to the whole stays short."""
        large, small = self.whole(), other.whole()
        if large is small:
            return large
        if len(large.accepted) < len(small.accepted):
            large, small = small, large
        large.accepted += small.accepted
        small.accepted = []
        small.within = large
        return large


class Circles:
    """Events of orders, put together by the contacts that the orders have or once had."""

    def __init__(self) -> None:
        self._by_order: dict[str, tuple[Order, _Circle]] = {}
        self._by_contact: dict[str, _Circle] = {}

    @property
    def order_ids(self) -> Sequence[str]:
        """The orders, as they first came."""
        return list(self._by_order)

    def take(self, event: OrderEvent, *, accepted_at: datetime) -> None:
        """Take in an event; those of one order as they were accepted."""
        known = self._by_order.get(event.order_id)
        if known is None:
            order, circle = fold_event(None, event, accepted_at=accepted_at), _Circle()
            circle.accepted.append(_new_accepted((accepted_at, event, order)))
        else:
            order, circle = known[0], known[1].whole()
            circle.accepted.append(_new_accepted((accepted_at, event, None)))
            if not is_outdated(order, event):
                order = fold_event(order, event, accepted_at=accepted_at)
        for contact in order.contacts:
            circle = self._by_contact.setdefault(contact, circle).join(circle)
        self._by_order[event.order_id] = order, circle

    def hand_out(self) -> Iterator[list[Accepted]]:
        """Give the events circle by circle, each as they were accepted, and keep none of them."""
        for _, circle in self._by_order.values():
            whole = circle.whole()
            if whole.accepted:
                accepted, whole.accepted = whole.accepted, []
                accepted.sort(key=_when)
                yield accepted


def _when(accepted: Accepted) -> datetime:
    return accepted.at
