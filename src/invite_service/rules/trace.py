"""The trace: what the rules looked at, noted as it is while they run and written in JSON terms where it is kept.

Writing costs as much as deciding. Simulations, of which nobody asks why, leave it out, and no rule knows of that.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any, Final

from invite_service.domain.decision import JsonFigure, TraceEntry, TraceOutcome
from invite_service.rules.draw import draw_bucket
from invite_service.rules.slots import local_day

Figures = dict[str, JsonFigure]

Line = Callable[..., TraceEntry]
"""Writes what a rule that passed leaves in the trace, from the figures that it compared."""

Note = tuple[Line, tuple[Any, ...]]
"""A line and the figures that it writes, as the rule compared them."""

_new_entry = partial(tuple.__new__, TraceEntry)
"""Makes an entry of its four parts; the constructor of a named tuple is a function of Python, and half of the cost."""

_ENTRIES: Final = 1024
"""Entries of a line that are kept, where many orders have the figures in common."""


def write_trace(passed: Iterable[Note], ended: Note, reason: str) -> tuple[TraceEntry, ...]:
    """Write what was noted of the rules that passed, and of the one that decided."""
    entries = [line(*figures) for line, figures in passed]
    line, figures = ended
    last = line(*figures)
    return (*entries, _new_entry((last.rule, TraceOutcome.DECIDED, reason, last.data)))


def _line(rule: str, write: Callable[..., Figures]) -> Line:
    """Make a line whose figures are each order's own."""

    def write_entry(*figures: Any) -> TraceEntry:
        return _new_entry((rule, TraceOutcome.PASSED, None, write(*figures)))

    return write_entry


def _shared(rule: str, write: Callable[..., Figures]) -> Line:
    """Make a line whose figures many orders have in common; they share an entry."""
    return lru_cache(maxsize=_ENTRIES)(_line(rule, write))


def _usual(rule: str, *names: str) -> Line:
    """Make a shared line of plain figures under these names."""

    def write(*figures: JsonFigure) -> Figures:
        # The words of the domain are strings of their own types; a figure is a plain one.
        plain = (str(figure) if isinstance(figure, str) else figure for figure in figures)
        return dict(zip(names, plain, strict=True))

    return _shared(rule, write)


def _text(instant: datetime) -> str:
    return _text_of_utc(instant) if instant.tzinfo is UTC else instant.isoformat()


@lru_cache(maxsize=_ENTRIES)
def _text_of_utc(instant: datetime) -> str:
    """Write an instant: several rules compare the same one, and the orders of a batch are accepted at one."""
    return instant.isoformat()


@lru_cache(maxsize=_ENTRIES)
def _text_of_day(day: date) -> str:
    return day.isoformat()


def _told(**figures: JsonFigure) -> Figures:
    """Leave out the figures that are not there to be told."""
    return {name: figure for name, figure in figures.items() if figure is not None}


CANCEL_STATUS: Final = _usual("cancel_status", "status")
DECIDED_BEFORE: Final = _usual("decided_before", "outcome")
TRIGGER_STATUS: Final = _usual("trigger_status", "status")
ORDER_AGE: Final = _line(
    "order_age",
    lambda purchased_at, now, days: {
        "purchased_at": _text(purchased_at),
        "now": _text(now),
        "max_order_age_days": days,
    },
)
CONTACT: Final = _shared(
    "contact",
    lambda email, phone, email_fault, phone_fault: {
        "email": email,
        "phone": phone,
        **_told(email_fault=email_fault, phone_fault=phone_fault),
    },
)
CONSENT: Final = _usual("consent", "consent", "required")
CHANNEL: Final = _usual("channel", "channel")
NO_CHANNEL: Final = _usual("channel", "closed")
SAME_DAY: Final = _line("same_day", lambda purchased_at, zone: {"day": _text_of_day(local_day(purchased_at, zone))})
MERGED: Final = _line(
    "same_day",
    lambda day, invitation_id, asked: {
        "day": _text_of_day(day),
        "invitation_id": str(invitation_id),
        **_told(dropped=asked.figures() or None),
    },
)
REPEAT_CUSTOMER: Final = _usual("repeat_customer", "block_days")
REPEAT_BLOCK: Final = _line(
    "repeat_customer",
    lambda days, purchased_at, other_purchased_at, eligible_at: {
        "block_days": days,
        "purchased_at": _text(purchased_at),
        "other_purchased_at": _text(other_purchased_at),
        "eligible_at": _text(eligible_at),
    },
)
KIND: Final = _line(
    "kind",
    lambda kind, merchant_id, order_id, percent: {
        "kind": str(kind),
        "bucket": draw_bucket(merchant_id, order_id),
        "service_percent": percent,
    },
)
KIND_TO_COME: Final = _line(
    "kind", lambda kind, invitation_id: {"kind": str(kind), "invitation_id": str(invitation_id)}
)
SERVICE_REPEAT: Final = _line(
    "service_repeat",
    lambda purchased_at, days: {"purchased_at": _text(purchased_at), "service_repeat_days": days},
)
SERVICE_ASKED: Final = _line(
    "service_repeat",
    lambda purchased_at, days, asked: {
        **SERVICE_REPEAT(purchased_at, days).data,
        **({"invitation_id": str(asked.to_come)} if asked.to_come is not None else {"eligible_at": _text(asked.until)}),
    },
)
PRODUCTS: Final = _usual("products", "products")
NO_PRODUCTS: Final = _usual("products", "lines")
NOTHING_EXCLUDED: Final = _shared("exclusions", lambda: {"excluded": []})
EXCLUSIONS: Final = _line("exclusions", lambda excluded: {"excluded": list(excluded)})
PRODUCT_REPEAT: Final = _line(
    "product_repeat",
    lambda purchased_at, days, asked: {
        "purchased_at": _text(purchased_at),
        "product_repeat_days": days,
        "dropped": asked.figures(),
    },
)
PRODUCTS_ASKED: Final = _line(
    "product_repeat",
    lambda purchased_at, days, asked: {
        **PRODUCT_REPEAT(purchased_at, days, asked).data,
        **(
            {"invitation_id": str(asked.to_come)}
            if asked.eligible_at is None
            else {"eligible_at": _text(asked.eligible_at)}
        ),
    },
)
INVITE: Final = _line(
    "invite",
    lambda plan: {
        "kind": str(plan.kind),
        "channel": str(plan.channel),
        "language": plan.language,
        "steps": list(map(str, plan.steps)),
        "send_at": plan.send_at.isoformat(),
        "time_zone": plan.time_zone,
    },
)
