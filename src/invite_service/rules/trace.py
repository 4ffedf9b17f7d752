"""The trace: what the rules looked at, noted as it is while they run and written in JSON terms where it is kept.

Writing costs as much as deciding. Simulations, of which nobody asks why, leave it out, and no rule knows of that.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from invite_service.domain.decision import JsonFigure, TraceEntry, TraceOutcome
from invite_service.rules.draw import draw_bucket
from invite_service.rules.slots import local_day

Figures = dict[str, JsonFigure]


class Line(NamedTuple):
    """What a rule leaves in the trace: its name, and how the figures that it compared are written."""

    rule: str
    write: Callable[..., Figures]
    is_usual: bool = False
    """Whether many orders have the figures in common; they share an entry."""


Note = tuple[Line, tuple[Any, ...]]
"""A line and the figures that it writes, as the rule compared them."""


def write_trace(passed: Iterable[Note], ended: Note, reason: str) -> tuple[TraceEntry, ...]:
    """Write what was noted of the rules that passed, and of the one that decided."""
    entries = [
        _usual_entry(line, figures)
        if line.is_usual
        else _new_entry((line.rule, TraceOutcome.PASSED, None, line.write(*figures)))
        for line, figures in passed
    ]
    line, figures = ended
    return (*entries, _new_entry((line.rule, TraceOutcome.DECIDED, reason, line.write(*figures))))


_new_entry = partial(tuple.__new__, TraceEntry)
"""Makes an entry of its four parts; the constructor of a named tuple is a function of Python, and half of the cost."""


@lru_cache(maxsize=1024)
def _usual_entry(line: Line, figures: tuple[Any, ...]) -> TraceEntry:
    return TraceEntry(line.rule, TraceOutcome.PASSED, None, line.write(*figures))


def _usual(rule: str, *names: str) -> Line:
    """Make a line whose figures, plain ones under these names, many orders have in common."""

    def write(*figures: JsonFigure | Enum) -> Figures:
        plain = (figure.value if isinstance(figure, Enum) else figure for figure in figures)
        return dict(zip(names, plain, strict=True))

    return Line(rule, write, is_usual=True)


def _told(**figures: JsonFigure) -> Figures:
    """Leave out the figures that are not there to be told."""
    return {name: figure for name, figure in figures.items() if figure is not None}


CANCEL_STATUS: Final = _usual("cancel_status", "status")
DECIDED_BEFORE: Final = _usual("decided_before", "outcome")
TRIGGER_STATUS: Final = _usual("trigger_status", "status")
ORDER_AGE: Final = Line(
    "order_age",
    lambda purchased_at, now, days: {
        "purchased_at": purchased_at.isoformat(),
        "now": now.isoformat(),
        "max_order_age_days": days,
    },
)
CONTACT: Final = Line(
    "contact",
    lambda email, phone, email_fault, phone_fault: {
        "email": email,
        "phone": phone,
        **_told(email_fault=email_fault, phone_fault=phone_fault),
    },
    is_usual=True,
)
CONSENT: Final = _usual("consent", "consent", "required")
CHANNEL: Final = _usual("channel", "channel")
NO_CHANNEL: Final = _usual("channel", "closed")
SAME_DAY: Final = Line("same_day", lambda purchased_at, zone: {"day": local_day(purchased_at, zone).isoformat()})
MERGED: Final = Line(
    "same_day",
    lambda day, invitation_id, asked: {
        "day": day.isoformat(),
        "invitation_id": str(invitation_id),
        **_told(dropped=asked.figures() or None),
    },
)
REPEAT_CUSTOMER: Final = _usual("repeat_customer", "block_days")
REPEAT_BLOCK: Final = Line(
    "repeat_customer",
    lambda days, purchased_at, other_purchased_at, eligible_at: {
        "block_days": days,
        "purchased_at": purchased_at.isoformat(),
        "other_purchased_at": other_purchased_at.isoformat(),
        "eligible_at": eligible_at.isoformat(),
    },
)
KIND: Final = Line(
    "kind",
    lambda kind, merchant_id, order_id, percent: {
        "kind": kind.value,
        "bucket": draw_bucket(merchant_id, order_id),
        "service_percent": percent,
    },
)
KIND_TO_COME: Final = Line(
    "kind", lambda kind, invitation_id: {"kind": kind.value, "invitation_id": str(invitation_id)}
)
SERVICE_REPEAT: Final = Line(
    "service_repeat",
    lambda purchased_at, days: {"purchased_at": purchased_at.isoformat(), "service_repeat_days": days},
)
SERVICE_ASKED: Final = Line(
    "service_repeat",
    lambda purchased_at, days, asked: {
        **SERVICE_REPEAT.write(purchased_at, days),
        **(
            {"invitation_id": str(asked.to_come)}
            if asked.to_come is not None
            else {"eligible_at": asked.until.isoformat()}
        ),
    },
)
PRODUCTS: Final = _usual("products", "products")
NO_PRODUCTS: Final = _usual("products", "lines")
NOTHING_EXCLUDED: Final = Line("exclusions", lambda: {"excluded": []}, is_usual=True)
EXCLUSIONS: Final = Line("exclusions", lambda excluded: {"excluded": list(excluded)})
PRODUCT_REPEAT: Final = Line(
    "product_repeat",
    lambda purchased_at, days, asked: {
        "purchased_at": purchased_at.isoformat(),
        "product_repeat_days": days,
        "dropped": asked.figures(),
    },
)
PRODUCTS_ASKED: Final = Line(
    "product_repeat",
    lambda purchased_at, days, asked: {
        **PRODUCT_REPEAT.write(purchased_at, days, asked),
        **(
            {"invitation_id": str(asked.to_come)}
            if asked.eligible_at is None
            else {"eligible_at": asked.eligible_at.isoformat()}
        ),
    },
)
INVITE: Final = Line(
    "invite",
    lambda plan: {
        "kind": plan.kind.value,
        "channel": plan.channel.value,
        "language": plan.language,
        "steps": [step.value for step in plan.steps],
        "send_at": plan.send_at.isoformat(),
        "time_zone": plan.time_zone,
    },
)
