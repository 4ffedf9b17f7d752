"""The story of an order, for the merchant: what became of it, and a sentence for every rule that was looked at.

The sentences are of the figures in the trace and of nothing else, so that an old decision is told by what was compared
then. A trace of another version of the service, with a rule or a figure that is unknown here, is told by its codes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from invite_service.domain.decision import Reason, TraceEntry, TraceOutcome
from invite_service.domain.invitation import Invitation, InvitationStatus, Kind
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rendering.texts import story_texts_of
from invite_service.rendering.words import Words
from invite_service.rules.draw import BUCKETS

Figures = Mapping[str, Any]
"""What a rule compared, by name."""

_FAULTS: Final = frozenset({"email_unreadable", "phone_unreadable", "phone_needs_country", "phone_not_mobile"})
_ENDED: Final = frozenset(
    {
        "cancelled_by_merchant",
        "order_cancelled",
        "feedback_left",
        "suppressed",
        "unsubscribed",
        "asked_elsewhere",
        "erased",
        "missed",
        "provider_unavailable",
    }
)

_BOTH: Final = 2
_TO_COME: Final = re.compile(r"messages to come in invitation (?P<invitation_id>\S+)")
_ASKED: Final = re.compile(r"asked; purchases are asked about again from (?P<until>\S+)")
"""How the trace says why a product is asked already (rules/asked.py)."""


@dataclass(frozen=True, slots=True)
class Story:
    """An order's story in one language."""

    language: str
    summary: str
    """One sentence: what became of the order, and why."""
    sentences: tuple[str, ...]
    """One for each entry of the trace, in its order."""


def tell_story(order: Order, invitation: Invitation | None, *, language: str, zone: str) -> Story:
    """Tell an order's story in one of the story languages; `zone` is the merchant's, whose clock the dates are of."""
    words = Words(story_texts_of(language), zone=zone)
    names = {line.id: line.name for line in reversed(order.lines) if line.name}
    sentences = tuple([_tell(entry, words, names) for entry in order.trace])
    return Story(language, _sum_up(order, invitation, words), sentences)


def _tell(entry: TraceEntry, words: Words, names: Mapping[str, str]) -> str:
    is_passed = entry.outcome is TraceOutcome.PASSED
    told = _Entry(entry.rule, f"{entry.rule}_{entry.reason or entry.outcome.value}", entry.data, is_passed=is_passed)
    try:
        return _TELLERS[entry.rule](told, words, names)
    except KeyError:
        key = "untold_passed" if is_passed else "untold_decided"
        return words.texts(key, rule=entry.rule, reason=entry.reason or "")


@dataclass(frozen=True, slots=True)
class _Entry:
    rule: str
    key: str
    """Of the text that tells it, where there is but one."""
    data: Figures
    is_passed: bool = field(kw_only=True)


def _by_status(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    status = entry.data["status"]
    if status is None:
        return words.texts(f"{entry.rule}_unnamed")
    return words.texts(entry.key, status=words.quoted(status))


def _by_earlier_decision(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    outcome = entry.data["outcome"]
    if outcome is None:
        return words.texts("decided_before_never")
    return words.texts(entry.key, outcome=words.texts(f"outcome_{outcome}"))


def _by_age(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    limit = entry.data["max_order_age_days"]
    return words.texts(
        entry.key if limit else "order_age_unlimited",
        purchased_at=_instant(entry.data, "purchased_at", words),
        now=_instant(entry.data, "now", words),
        limit=words.days(limit),
    )


def _by_contact(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    found = {(True, True): "both", (True, False): "email", (False, True): "phone", (False, False): "no_contact"}
    sentences = [words.texts(f"contact_{found[entry.data['email'], entry.data['phone']]}")]
    for name in ("email_fault", "phone_fault"):
        fault = entry.data.get(name)
        if fault is not None:
            sentences.append(words.texts(f"fault_{fault if fault in _FAULTS else 'other'}", fault=str(fault)))
    return " ".join(sentences)


def _by_consent(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    given = {True: "given", False: "refused", None: "unknown"}[entry.data["consent"]]
    return words.texts(f"consent_{entry.data['required']}_{given}")


def _by_channel(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    if not entry.is_passed:
        return words.texts(entry.key)
    return words.texts(entry.key, channel=words.texts(f"channel_{entry.data['channel']}"))


def _by_same_day(entry: _Entry, words: Words, names: Mapping[str, str]) -> str:
    day = words.date(date.fromisoformat(entry.data["day"]))
    if entry.is_passed:
        return words.texts(entry.key, day=day)
    merged = words.texts(entry.key, day=day, invitation_id=entry.data["invitation_id"])
    if not entry.data.get("dropped"):
        return merged
    return f"{merged} {words.texts('same_day_dropped', dropped=_dropped(entry.data, words, names))}"


def _by_repeat_customer(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    days = words.days(entry.data["block_days"])
    if entry.is_passed:
        return words.texts(entry.key if entry.data["block_days"] else "repeat_customer_off", days=days)
    instants = ("purchased_at", "other_purchased_at", "eligible_at")
    return words.texts(entry.key, days=days, **{name: _instant(entry.data, name, words) for name in instants})


def _by_kind(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    data = entry.data
    if "invitation_id" in data:
        return words.texts(f"kind_followed_{data['kind']}", invitation_id=data["invitation_id"])
    return words.texts(
        f"kind_drawn_{data['kind']}",
        bucket=words.number(data["bucket"]),
        all=words.number(BUCKETS),
        percent=words.percent(data["service_percent"]),
    )


def _by_service_repeat(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    data = entry.data
    figures = {
        "purchased_at": _instant(data, "purchased_at", words),
        "days": words.days(data["service_repeat_days"]),
    }
    if entry.is_passed:
        return words.texts(entry.key, **figures)
    if "invitation_id" in data:
        return words.texts("service_repeat_to_come", invitation_id=data["invitation_id"], **figures)
    figures["eligible_at"] = _instant(data, "eligible_at", words)
    return words.texts(entry.key, asked_on=words.day(_asked_at(data, "service_repeat_days")), **figures)


def _by_products(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    if entry.is_passed:
        return words.count(entry.key, entry.data["products"])
    lines = entry.data["lines"]
    return words.count(entry.key, lines) if lines else words.texts("products_none")


def _by_exclusions(entry: _Entry, words: Words, names: Mapping[str, str]) -> str:
    excluded = entry.data["excluded"]
    if not excluded:
        return words.texts("exclusions_none")
    return words.texts(entry.key, products=words.listed([_named(one, words, names) for one in excluded]))


def _by_product_repeat(entry: _Entry, words: Words, names: Mapping[str, str]) -> str:
    data = entry.data
    figures = {
        "purchased_at": _instant(data, "purchased_at", words),
        "days": words.days(data["product_repeat_days"]),
    }
    if not data["dropped"]:
        return words.texts(entry.key, **figures)
    figures["dropped"] = _dropped(data, words, names)
    if entry.is_passed:
        return words.texts("product_repeat_dropped", **figures)
    if "invitation_id" in data:
        return words.texts("product_repeat_to_come", invitation_id=data["invitation_id"], **figures)
    return words.texts(entry.key, eligible_at=_instant(data, "eligible_at", words), **figures)


def _by_invite(entry: _Entry, words: Words, _: Mapping[str, str]) -> str:
    data = entry.data
    invited = words.texts(
        f"invite_{data['kind']}",
        channel=words.texts(f"channel_{data['channel']}"),
        language=words.language(data["language"]),
        send_at=_instant(data, "send_at", words),
        zone=data["time_zone"],
    )
    return f"{invited} {words.texts('steps_' + '_'.join(data['steps']))}"


_TELLERS: Final[Mapping[str, Callable[[_Entry, Words, Mapping[str, str]], str]]] = {
    "cancel_status": _by_status,
    "decided_before": _by_earlier_decision,
    "trigger_status": _by_status,
    "order_age": _by_age,
    "contact": _by_contact,
    "consent": _by_consent,
    "channel": _by_channel,
    "same_day": _by_same_day,
    "repeat_customer": _by_repeat_customer,
    "kind": _by_kind,
    "service_repeat": _by_service_repeat,
    "products": _by_products,
    "exclusions": _by_exclusions,
    "product_repeat": _by_product_repeat,
    "invite": _by_invite,
}
"""How each rule of RULES.md section 3 is told."""


def _instant(data: Figures, name: str, words: Words) -> str:
    return words.instant(datetime.fromisoformat(data[name]))


def _asked_at(data: Figures, period: str) -> datetime:
    """Tell when the last message left, from which on the period counts."""
    return datetime.fromisoformat(data["eligible_at"]) - timedelta(days=data[period])


def _named(product_id: str, words: Words, names: Mapping[str, str]) -> str:
    name = names.get(product_id)
    return words.quoted(product_id) if name is None else f"{words.quoted(name)} ({product_id})"


def _dropped(data: Figures, words: Words, names: Mapping[str, str]) -> str:
    """Name products with why each is asked already, unless that is what the sentence ends with for all of them."""
    figures = data["dropped"]
    if all(_is_told_for_all(figure, data) for figure in figures.values()):
        return words.listed([_named(product_id, words, names) for product_id in figures])
    dropped = []
    for product_id, figure in figures.items():
        product = _named(product_id, words, names)
        if to_come := _TO_COME.fullmatch(figure):
            dropped.append(words.texts("dropped_to_come", product=product, **to_come.groupdict()))
        elif asked := _ASKED.fullmatch(figure):
            until = words.instant(datetime.fromisoformat(asked["until"]))
            dropped.append(words.texts("dropped_asked", product=product, until=until))
        else:
            dropped.append(f"{product} ({figure})")
    return words.listed(dropped)


def _is_told_for_all(figure: str, data: Figures) -> bool:
    if to_come := _TO_COME.fullmatch(figure):
        return to_come["invitation_id"] == data.get("invitation_id")
    asked = _ASKED.fullmatch(figure)
    return asked is not None and asked["until"] == data.get("eligible_at")


def _sum_up(order: Order, invitation: Invitation | None, words: Words) -> str:
    try:
        why = _why(order, invitation, words)
    except KeyError:
        why = words.texts("summary_untold", reason=words.quoted(order.reason or order.outcome))
    merged_into = invitation.order_ids[0] if invitation is not None else ""
    return words.texts(f"summary_{order.outcome.value}", why=why, order_id=words.quoted(merged_into))


def _why(order: Order, invitation: Invitation | None, words: Words) -> str:
    if order.outcome in {OrderOutcome.INVITED, OrderOutcome.MERGED} and invitation is not None:
        return _state(invitation, words)
    data: Figures = order.trace[-1].data if order.trace else {}
    if order.outcome is OrderOutcome.CANCELLED:
        status = words.quoted(data["status"])
        if invitation is None or invitation.first_sent_at is None:
            return words.texts("why_cancelled", status=status)
        return words.texts("why_cancelled_after", status=status, sent_at=words.instant(invitation.first_sent_at))
    match order.reason:
        case Reason.ORDER_TOO_OLD:
            limit = words.days(data["max_order_age_days"])
            return words.texts("why_order_too_old", purchased_at=_instant(data, "purchased_at", words), limit=limit)
        case Reason.REPEAT_CUSTOMER_BLOCK:
            figures = {name: _instant(data, name, words) for name in ("other_purchased_at", "eligible_at")}
            return words.texts("why_repeat_customer_block", **figures)
        case Reason.SERVICE_ASKED_RECENTLY:
            return _why_asked(data, words, about=words.texts("about_service"), period="service_repeat_days")
        case Reason.PRODUCTS_ASKED_RECENTLY:
            return _why_asked(data, words, about=_products(len(data["dropped"]), words), period="product_repeat_days")
        case Reason.ON_HOLD | Reason.STATUS_NOT_TRIGGERING:
            return words.texts(f"why_{order.reason}", status=words.quoted(data["status"]))
        case Reason.NO_PRODUCTS:
            return words.texts("why_no_products" if data["lines"] else "why_never_products")
        case None:
            raise KeyError(order.outcome)
    return words.texts(f"why_{order.reason}")


def _why_asked(data: Figures, words: Words, *, about: str, period: str) -> str:
    if "eligible_at" not in data:
        return words.texts("why_to_come", about=about)
    eligible_at = _instant(data, "eligible_at", words)
    if len(set(data.get("dropped", {}).values())) > 1:
        return words.texts("why_asked", about=about, eligible_at=eligible_at)
    return words.texts(
        "why_asked_on", about=about, asked_on=words.day(_asked_at(data, period)), eligible_at=eligible_at
    )


def _state(invitation: Invitation, words: Words) -> str:
    """Tell how an invitation stands, as a clause."""
    status = invitation.status
    return words.texts(
        f"state_{status.value}{_further(invitation)}",
        about=_about(invitation, words),
        channel=words.texts(f"channel_{invitation.channel}"),
        send_at=words.instant(invitation.send_at),
        sent_at=words.instant(invitation.last_sent_at or invitation.send_at),
        held_at=words.instant(invitation.held_at or invitation.send_at),
        ended=_ended(invitation, words),
    )


def _further(invitation: Invitation) -> str:
    if invitation.status is InvitationStatus.SCHEDULED:
        half_sent = "_half_sent" if invitation.message_count else ""
        return half_sent + ("_held" if invitation.held_at is not None else "")
    is_ended = invitation.status is InvitationStatus.SENT and invitation.ended_reason is not None
    return "_ended" if is_ended else ""


def _about(invitation: Invitation, words: Words) -> str:
    if invitation.kind is Kind.SERVICE:
        return words.texts("about_service")
    asked = [product for product in invitation.products if product.asked] or invitation.product_ids
    return _products(len(asked), words)


def _products(count: int, words: Words) -> str:
    return words.texts("about_both") if count == _BOTH else words.count("about_products", count)


def _ended(invitation: Invitation, words: Words) -> str:
    reason = invitation.ended_reason or invitation.status.value
    return words.texts(f"ended_{reason if reason in _ENDED else 'other'}", reason=words.quoted(reason))
