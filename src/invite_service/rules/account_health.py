"""The account's self-check: figures judged as ok, warn or fail, each with its reason in words.

What the checks look at and 4.5 as a good average follow what merchants know from their dashboards; the limits of
bounces and complaints are those at which sending pauses by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from invite_service.domain.decision import JsonFigure
from invite_service.rules.reputation import ENOUGH_MESSAGES, MAX_BOUNCED, MAX_COMPLAINED

GOOD_AVERAGE: Final = 4.5
LOW_RESPONSE: Final = 0.05
"""Ratings for each invitation sent, below which something keeps customers from answering."""
ENOUGH_SENT: Final = 50
"""Invitations before which a response rate says nothing."""
STEEP_FALL: Final = 0.75
"""A response rate below this part of the one before has fallen steeply."""
REPLIED_SHARE: Final = 0.5
"""Of reviews with few stars."""
FOLLOW_UP_WITHIN: Final = timedelta(days=2)
LATE_AFTER: Final = timedelta(hours=1)
"""A message still waiting so long after it was due is late."""


class HealthStatus(StrEnum):
    """How a check ends."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One check: its figures, what they mean, and the call that shows more."""

    id: str
    status: HealthStatus
    figures: Mapping[str, JsonFigure]
    detail: str
    see: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFigures:
    """What the checks look at; "recent" is the last 7 days, "month" the last 30, on the merchant's clock."""

    recent_from: str
    """The instant from which orders are recent, as a call takes it."""
    month_from: str
    orders: Mapping[str, int]
    """Recent orders by outcome."""
    received: int
    """Recent orders, counted apart from their outcomes."""
    top_reason: str | None
    """Why most recent orders were blocked or wait."""
    scheduled: int
    late: int
    sent: int
    """Invitations first sent recently."""
    failed: int
    missed: int
    paused: Mapping[str, str]
    """Channels from which nothing leaves, or `merchant`, with why."""
    published: tuple[int, int]
    """Published ratings and their stars, of products and service."""
    pending: tuple[int, int]
    month_sent: int
    month_ratings: int
    earlier_sent: int
    earlier_ratings: int
    low_reviews: int
    """Of the month, with three stars or fewer."""
    low_replied: int
    open_cases: int
    waiting_cases: int
    """Open ones that nobody has followed up."""
    overdue_cases: int
    """Those of them that are older than FOLLOW_UP_WITHIN."""
    day_messages: int
    """E-mails accepted in the last 24 hours."""
    day_bounced: int
    day_complained: int
    in_doubt: int
    notices_in_doubt: int
    has_branding: bool
    has_logo: bool
    has_support_contact: bool
    own_texts: int


def judge_account(figures: HealthFigures) -> tuple[HealthCheck, ...]:
    """Judge an account; the checks always come in the same order."""
    return tuple(_checks(figures))


def _checks(figures: HealthFigures) -> Iterator[HealthCheck]:
    yield _orders(figures)
    yield _going_out(figures)
    yield _average(figures)
    yield _response_rate(figures)
    yield _replies(figures)
    yield _unhappy(figures)
    yield _bounces(figures)
    yield _in_doubt(figures)
    yield _appearance(figures)


def _orders(figures: HealthFigures) -> HealthCheck:
    unexplained = figures.received - sum(figures.orders.values())
    asked = figures.orders.get("invited", 0) + figures.orders.get("merged", 0)
    if unexplained:
        status, detail = HealthStatus.FAIL, f"{unexplained} orders have no outcome; please report this."
    elif not figures.received:
        status, detail = HealthStatus.WARN, "No order arrived in the last seven days."
    elif not asked:
        reason = figures.top_reason or "other reasons"
        status, detail = HealthStatus.WARN, f"No order of the last seven days led to an invitation, mostly: {reason}."
    else:
        detail = f"{asked} of {figures.received} orders of the last seven days are asked about; the rest is explained."
        status = HealthStatus.OK
    return HealthCheck(
        "orders",
        status,
        {"received": figures.received, **figures.orders, "unexplained": unexplained},
        detail,
        f"/v1/insights/reconciliation?from={figures.recent_from}",
    )


def _going_out(figures: HealthFigures) -> HealthCheck:
    if figures.paused:
        paused = ", ".join(f"{name} paused ({reason})" for name, reason in figures.paused.items())
        status, detail = HealthStatus.FAIL, f"Nothing leaves: {paused}."
        channel = next((name for name in figures.paused if name != "merchant"), "email")
        see = f"/v1/channels/{channel}"
    elif figures.late:
        status, detail = HealthStatus.FAIL, f"{figures.late} messages are more than an hour late."
        see = "/v1/invitations?status=scheduled&sort=send_at"
    elif figures.failed or figures.missed:
        status = HealthStatus.WARN
        detail = f"{figures.failed} invitations failed and {figures.missed} were missed in the last seven days."
        see = "/v1/invitations?status=failed&status=missed"
    else:
        status, detail = HealthStatus.OK, f"{figures.sent} invitations left in the last seven days; none is late."
        see = "/v1/invitations?period=last_7_days"
    counts: dict[str, JsonFigure] = {
        "scheduled": figures.scheduled,
        "late": figures.late,
        "sent": figures.sent,
        "failed": figures.failed,
        "missed": figures.missed,
        "paused": list(figures.paused),
        "paused_reasons": figures.paused,
    }
    return HealthCheck("invitations_going_out", status, counts, detail, see)


def _average(figures: HealthFigures) -> HealthCheck:
    count, stars = (sum(pair) for pair in zip(figures.published, figures.pending, strict=True))
    average = round(stars / count, 2) if count else None
    if average is None:
        status, detail = HealthStatus.OK, "Nobody has rated yet."
    elif average >= GOOD_AVERAGE:
        status, detail = HealthStatus.OK, f"Published and pending ratings average {average}, {GOOD_AVERAGE} or above."
    else:
        status, detail = HealthStatus.WARN, f"Published and pending ratings average {average}, below {GOOD_AVERAGE}."
    counts: dict[str, JsonFigure] = {
        "published": figures.published[0],
        "published_average": _mean(figures.published),
        "pending": figures.pending[0],
        "pending_average": _mean(figures.pending),
        "average": average,
    }
    return HealthCheck("average", status, counts, detail, "/v1/ratings/summary")


def _mean(counted: tuple[int, int]) -> float | None:
    return round(counted[1] / counted[0], 2) if counted[0] else None


def _response_rate(figures: HealthFigures) -> HealthCheck:
    rate = _rate(figures.month_ratings, figures.month_sent)
    earlier = _rate(figures.earlier_ratings, figures.earlier_sent)
    if rate is None or figures.month_sent < ENOUGH_SENT:
        status, detail = HealthStatus.OK, "Too few invitations left in the last 30 days to tell."
    elif rate < LOW_RESPONSE:
        status = HealthStatus.WARN
        detail = f"{rate:.1%} ratings for each invitation of the last 30 days; expect at least {LOW_RESPONSE:.0%}."
    elif earlier is not None and figures.earlier_sent >= ENOUGH_SENT and rate < STEEP_FALL * earlier:
        status = HealthStatus.WARN
        detail = f"The response rate fell from {earlier:.1%} to {rate:.1%} within 30 days."
    else:
        status, detail = HealthStatus.OK, f"{rate:.1%} ratings for each invitation of the last 30 days."
    counts: dict[str, JsonFigure] = {
        "sent": figures.month_sent,
        "ratings": figures.month_ratings,
        "rate": rate,
        "earlier_rate": earlier,
    }
    return HealthCheck(
        "response_rate", status, counts, detail, f"/v1/insights/response-rate?from={figures.month_from}&by=day"
    )


def _rate(ratings: int, sent: int) -> float | None:
    return round(ratings / sent, 4) if sent else None


def _replies(figures: HealthFigures) -> HealthCheck:
    share = _rate(figures.low_replied, figures.low_reviews)
    if share is None:
        status, detail = HealthStatus.OK, "No review of the last 30 days has three stars or fewer."
    else:
        status = HealthStatus.OK if share >= REPLIED_SHARE else HealthStatus.WARN
        replied, reviews = figures.low_replied, figures.low_reviews
        detail = f"{replied} of {reviews} reviews with three stars or fewer in the last 30 days have a reply."
    counts: dict[str, JsonFigure] = {
        "reviews": figures.low_reviews,
        "replied": figures.low_replied,
        "share": share,
    }
    return HealthCheck("replies", status, counts, detail, "/v1/ratings?stars=1&stars=2&stars=3&has_review=true")


def _unhappy(figures: HealthFigures) -> HealthCheck:
    if figures.overdue_cases:
        status = HealthStatus.WARN
        detail = f"{figures.overdue_cases} unhappy customers have waited for more than two days."
    else:
        status, detail = HealthStatus.OK, "No unhappy customer has waited for more than two days."
    counts = {
        "open": figures.open_cases,
        "not_followed_up": figures.waiting_cases,
        "overdue": figures.overdue_cases,
    }
    return HealthCheck("unhappy_customers", status, counts, detail, "/v1/support-cases?state=open&sort=opened_at")


def _bounces(figures: HealthFigures) -> HealthCheck:
    bounced = _rate(figures.day_bounced, figures.day_messages)
    complained = _rate(figures.day_complained, figures.day_messages)
    worst = max((bounced or 0.0) / MAX_BOUNCED, (complained or 0.0) / MAX_COMPLAINED)
    if figures.day_messages < ENOUGH_MESSAGES:
        status, detail = HealthStatus.OK, "Too few messages left in the last 24 hours to tell."
    elif worst > 1:
        status = HealthStatus.FAIL
        detail = f"{bounced:.1%} bounced and {complained:.2%} complained; 5 % and 0.1 % are the most that is borne."
    else:
        status = HealthStatus.WARN if worst > 0.5 else HealthStatus.OK
        detail = f"{bounced:.1%} of the messages of the last 24 hours bounced, {complained:.2%} brought a complaint."
    counts: dict[str, JsonFigure] = {
        "messages": figures.day_messages,
        "bounced": figures.day_bounced,
        "complained": figures.day_complained,
    }
    return HealthCheck("bounces_and_complaints", status, counts, detail, "/v1/suppressions")


def _in_doubt(figures: HealthFigures) -> HealthCheck:
    count = figures.in_doubt + figures.notices_in_doubt
    status = HealthStatus.WARN if count else HealthStatus.OK
    detail = (
        f"Messages of which nobody knows whether they left: {count}. None is sent again unless that sends nothing "
        "twice, or somebody says so."
        if count
        else "Of every message it is known whether it left."
    )
    counts = {"invitations": figures.in_doubt, "notices": figures.notices_in_doubt}
    kind = "notices" if figures.notices_in_doubt and not figures.in_doubt else "invitations"
    return HealthCheck("in_doubt", status, counts, detail, f"/v1/{kind}?status=in_doubt")


def _appearance(figures: HealthFigures) -> HealthCheck:
    missing = [
        name
        for name, is_there in (
            ("branding", figures.has_branding),
            ("a logo", figures.has_logo),
            ("a support contact", figures.has_support_contact),
        )
        if not is_there
    ]
    status = HealthStatus.WARN if missing else HealthStatus.OK
    detail = f"Still missing: {', '.join(missing)}." if missing else "Messages look like the shop they come from."
    counts: dict[str, JsonFigure] = {
        "branding": figures.has_branding,
        "logo": figures.has_logo,
        "support_contact": figures.has_support_contact,
        "own_texts": figures.own_texts,
    }
    return HealthCheck("texts_and_branding", status, counts, detail, "/v1/branding")
