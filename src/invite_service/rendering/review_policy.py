"""The public review policy in words: the sentences that are true of a merchant, and a page of them with its figures."""

from collections.abc import Mapping, Sequence
from typing import Final

from babel.numbers import format_percent

from invite_service.domain.feedback import PublishState, RatedKind
from invite_service.domain.publishing import Approval, HoldScope, RejectReason
from invite_service.rendering.pages import FigureTable, Page, PageFrame, policy_page
from invite_service.rendering.texts import Texts
from invite_service.rules.averages import CountsByState
from invite_service.rules.feedback import EDITABLE_FOR, HIGHEST_STARS
from invite_service.rules.review_policy import Outcome, ReviewPolicy, outcomes_by_stars

REASON_TEXTS: Final[Mapping[RejectReason, str]] = {
    RejectReason.OFFENSIVE: "reason_offensive",
    RejectReason.PERSONAL_DATA: "reason_personal_details",
    RejectReason.SPAM: "reason_advertising",
    RejectReason.OFF_TOPIC: "reason_off_topic",
    RejectReason.NOT_GENUINE: "reason_not_genuine",
    RejectReason.UNLAWFUL: "reason_unlawful",
    RejectReason.COPYRIGHT: "reason_unlawful",
    RejectReason.CUSTOMER_ASKED: "reason_customer_asked",
}
"""Copying others' works is among what is unlawful."""

_LEAST_SHARE: Final = 0.001
"""The smallest share that is told as more than none: shares have one decimal place of a percent."""

_WAITING: Final = (PublishState.PENDING, PublishState.NEEDS_ATTENTION)


def state_policy(policy: ReviewPolicy, texts: Texts, *, merchant_name: str) -> list[str]:
    """Write the sentences that are true of a merchant, but for the reasons to keep a review back."""
    settings = policy.settings
    sentences = [texts("policy_verified", merchant=merchant_name), texts("policy_everyone")]
    if policy.is_drawn:
        sentences.append(texts("policy_drawn"))
    days = settings.support_hold_working_days
    match settings.approval:
        case Approval.AUTOMATIC:
            sentences.append(texts("policy_automatic"))
        case Approval.MANUAL:
            sentences.append(texts("policy_read_first"))
        case Approval.SUPPORT_TRIGGER if settings.support_hold_scope is HoldScope.ALL_RATINGS:
            sentences.append(texts("policy_all_wait", count=days))
        case Approval.SUPPORT_TRIGGER:
            sentences.append(texts("policy_low_waits", stars=settings.support_max_stars, count=days))
    sentences += [
        texts("policy_media"),
        texts("policy_average"),
        texts("policy_order"),
        texts("policy_changes", count=EDITABLE_FOR.days),
        texts("policy_replies"),
    ]
    if policy.gives_vouchers:
        sentences.append(texts("policy_vouchers"))
    return sentences


def name_reasons(texts: Texts) -> list[str]:
    """Name the reasons for which a merchant may keep a review back."""
    return list(dict.fromkeys(texts(key) for key in REASON_TEXTS.values()))


def show_policy(frame: PageFrame, policy: ReviewPolicy) -> Page:
    """Show the policy on a page, and what became of the stars and of the texts."""
    texts = frame.texts
    tables = [
        _table(counts, key, texts)
        for counts, key in ((policy.stars, "rating_count"), (policy.texts, "review_count"))
        if any(outcome.total for outcome in outcomes_by_stars(counts))
    ]
    sentences = state_policy(policy, texts, merchant_name=frame.brand.name)
    return policy_page(frame, sentences, reasons=name_reasons(texts), tables=tables)


def _table(counts: Mapping[RatedKind, CountsByState], key: str, texts: Texts) -> FigureTable:
    outcomes = outcomes_by_stars(counts)
    rows = [
        (
            stars,
            _cell(outcomes[stars - 1], (PublishState.PUBLISHED,), texts),
            _cell(outcomes[stars - 1], _WAITING, texts),
            _cell(outcomes[stars - 1], (PublishState.REJECTED,), texts),
        )
        for stars in range(HIGHEST_STARS, 0, -1)
    ]
    return FigureTable(texts(key, count=sum(outcome.total for outcome in outcomes)), rows)


def _cell(outcome: Outcome, states: Sequence[PublishState], texts: Texts) -> str:
    count = sum(outcome.counts[state] for state in states)
    if not outcome.total:
        return texts.number(count)
    share = count / outcome.total
    if 0 < share < 1:
        # Neither all nor none, however close.
        share = min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE)
    pattern = texts.locale.percent_formats[None].pattern.replace("0", "0.#", 1)
    return f"{texts.number(count)} ({format_percent(share, format=pattern, locale=texts.locale)})"
