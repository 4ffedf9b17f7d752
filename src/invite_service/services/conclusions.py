"""What a verdict or a provider's receipt makes of an invitation, and what the timeline says of it: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

from invite_service.domain.channel import Price
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules import states
from invite_service.rules.sending import GiveUp, Later, Missed, Skip, decide_rate_limit, decide_retry
from invite_service.rules.slots import next_window_start
from invite_service.services.send_report import Fate
from invite_service.storage.attempts import ClosedAttempt, Recording

WORKER: Final = "worker"
"""The actor of what happens while sending."""

PROVIDER: Final = "provider"
"""The actor of what a provider says later."""

LEASE_LOST: Final = "lease_lost"
"""Why an attempt's end is not known: whoever made it did not come back."""

_SETTLED: Final = frozenset(
    {InvitationStatus.SENT, InvitationStatus.CANCELLED, InvitationStatus.MISSED, InvitationStatus.FAILED}
)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is to be recorded, and how the report counts it; None: nothing happened, it was only given back."""

    recording: Recording
    fate: Fate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt: of which invitation as it was claimed, and under which rules."""

    attempt_id: UUID
    invitation: Invitation
    step: Step
    plan: Policy
    """The policy version stored with the invitation."""
    merchant: Merchant
    asked_at: datetime
    """The merchant's time."""
    product_ids: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    """Products left out because another invitation asks or asked about them."""
    own_text_version: int | None = None
    """The version of the merchant's own text that the message is, or was to be, written by."""
    own_text_fault: str | None = None
    """Why the catalogue's text took its place."""


def conclude_verdict(invitation: Invitation, verdict: Skip | Missed | Later, *, now: datetime) -> Conclusion:
    """Conclude what may_send said instead of "send"."""
    match verdict:
        case Skip(reason=reason):
            after = states.record_skipped(invitation, reason=reason.value)
            return _told(after, invitation, TimelineEvent.MESSAGE_SKIPPED, Fate.SKIPPED, now=now, reason=reason.value)
        case Missed():
            after = states.record_missed(invitation)
            return _told(after, invitation, TimelineEvent.MESSAGE_MISSED, Fate.MISSED, now=now)
        case Later(until=until, reason=later):
            after = states.record_later(invitation, until=until)
            data = {"until": until.isoformat()}
            event = TimelineEvent.MESSAGE_POSTPONED
            return _told(after, invitation, event, Fate.POSTPONED, now=now, reason=later.value, data=data)
        case _:
            assert_never(verdict)


def conclude_rest(invitation: Invitation, *, plan: Policy, rest: timedelta, reason: str, now: datetime) -> Conclusion:
    """Postpone a message whose provider takes none for a while, before the message's turn came."""
    retry = decide_rate_limit(invitation, plan=plan, retry_after=rest, now=now)
    after = states.record_retry(invitation, at=retry.at, tries=retry.tries)
    data = {"until": retry.at.isoformat()}
    event = TimelineEvent.MESSAGE_POSTPONED
    return _told(after, invitation, event, Fate.POSTPONED, now=now, reason=reason, data=data)


def conclude_failure(
    invitation: Invitation, reason: str, *, plan: Policy, error: Exception, now: datetime
) -> Conclusion:
    """Conclude that a message could not be made ready; of the error only its type is told, never its message."""
    after, fate = _retried(invitation, plan=plan, now=now)
    data = {"error": type(error).__name__} | _next_try(after)
    return _told(after, invitation, TimelineEvent.MESSAGE_NOT_SENT, fate, now=now, reason=reason, data=data)


def give_back(invitation: Invitation) -> Conclusion:
    """Return an invitation that was claimed and not touched."""
    return Conclusion(Recording(invitation=replace(invitation, status=InvitationStatus.SCHEDULED)), None)


def conclude_lost(invitation: Invitation, *, now: datetime) -> Conclusion:
    """Return an invitation whose lease expired before any call began."""
    after = replace(invitation, status=InvitationStatus.SCHEDULED)
    return _told(after, invitation, TimelineEvent.MESSAGE_POSTPONED, Fate.POSTPONED, now=now, reason=LEASE_LOST)


def conclude_unstarted(tried: Tried, receipt: Receipt) -> Conclusion:
    """Return an invitation whose attempt was, or may have been, opened and whose call never began."""
    closed = ClosedAttempt(attempt_id=tried.attempt_id, receipt=receipt)
    after = replace(tried.invitation, status=InvitationStatus.SCHEDULED)
    return Conclusion(Recording(invitation=after, closed=closed), None)


def conclude(tried: Tried, receipt: Receipt, *, price: Price | None, now: datetime) -> Conclusion:
    """Conclude what a provider answered; `now` is the merchant's time."""
    after, event, fate = _after(tried, receipt, now=now)
    is_accepted = receipt.outcome is OutcomeWord.ACCEPTED
    data: dict[str, JsonFigure] = {
        "step": tried.step.value,
        "channel": tried.invitation.channel.value,
        "provider": receipt.provider,
        "attempt_id": str(tried.attempt_id),
        **_next_try(after),
    }
    if tried.dropped:
        data["dropped"] = list(tried.dropped)
    if tried.own_text_version is not None:
        data["text_version"] = tried.own_text_version
    if tried.own_text_fault is not None:
        data["text_fault"] = tried.own_text_fault
    if not is_accepted:
        data["outcome"] = receipt.outcome.value
    return Conclusion(
        Recording(
            invitation=after,
            entry=TimelineEntry(
                at=now,
                actor=WORKER,
                event=event,
                invitation_id=after.id,
                reason=None if is_accepted else receipt.reason,
                data=data,
            ),
            closed=ClosedAttempt(attempt_id=tried.attempt_id, receipt=receipt, price=price if is_accepted else None),
            asked_ids=tried.product_ids if after.products != tried.invitation.products else None,
        ),
        fate,
    )


def settle_late(
    current: Invitation, tried: Tried, receipt: Receipt, *, price: Price | None, now: datetime
) -> Recording | None:
    """Conclude an answer that came after the invitation had been taken out of our hands.

    Its lease was swept, or feedback arrived: what others made of it stands, except that a message which left is
    counted, and that an answer ends the doubt. None: only the attempt is left to be closed.
    """
    if current.message_count != tried.invitation.message_count:
        return None
    if receipt.outcome is OutcomeWord.ACCEPTED:
        if current.status is InvitationStatus.SENDING:
            return None
        concluded = conclude(replace(tried, invitation=current), receipt, price=price, now=now).recording
        if current.status in _SETTLED:
            kept = replace(current, status=InvitationStatus.SENT)
            return replace(concluded, invitation=_with_counters(kept, concluded.invitation))
        return concluded
    if receipt.outcome is OutcomeWord.UNKNOWN:
        is_closed = current.status in {InvitationStatus.RESPONDED, InvitationStatus.ERASED}
        doubt = conclude(replace(tried, invitation=current), receipt, price=None, now=now).recording
        return doubt if is_closed else None
    if current.status is not InvitationStatus.IN_DOUBT:
        return None
    # It has not left after all: what the doubt made of "asked" is taken back.
    cleared = replace(current, last_message_at=tried.invitation.last_message_at)
    return conclude(replace(tried, invitation=cleared), receipt, price=None, now=now).recording


def _with_counters(kept: Invitation, counted: Invitation) -> Invitation:
    return replace(
        kept,
        message_count=counted.message_count,
        first_sent_at=counted.first_sent_at,
        last_sent_at=counted.last_sent_at,
        last_message_at=counted.last_message_at,
    )


def _after(tried: Tried, receipt: Receipt, *, now: datetime) -> tuple[Invitation, TimelineEvent, Fate]:
    invitation, plan = tried.invitation, tried.plan
    match receipt.outcome:
        case OutcomeWord.ACCEPTED:
            accepted = states.record_accepted(
                invitation,
                plan=plan,
                merchant=tried.merchant,
                asked_at=tried.asked_at,
                product_ids=tried.product_ids,
            )
            return accepted, TimelineEvent.MESSAGE_SENT, Fate.SENT
        case OutcomeWord.UNKNOWN:
            doubtful = states.record_in_doubt(invitation, asked_at=tried.asked_at, product_ids=tried.product_ids)
            return doubtful, TimelineEvent.MESSAGE_IN_DOUBT, Fate.IN_DOUBT
        case OutcomeWord.REJECTED:
            failed = states.record_failed(invitation, reason=receipt.reason)
            return failed, TimelineEvent.MESSAGE_REJECTED, Fate.FAILED
        case OutcomeWord.NOT_SENT:
            retried, fate = _retried(invitation, plan=plan, now=now)
            return retried, TimelineEvent.MESSAGE_NOT_SENT, fate
        case OutcomeWord.RATE_LIMITED:
            retry = decide_rate_limit(invitation, plan=plan, retry_after=receipt.retry_after, now=now)
            waiting = states.record_retry(invitation, at=retry.at, tries=retry.tries)
            return waiting, TimelineEvent.MESSAGE_NOT_SENT, Fate.POSTPONED
        case OutcomeWord.MISCONFIGURED:
            until = next_window_start(plan, invitation.time_zone, now=now)
            return states.record_later(invitation, until=until), TimelineEvent.MESSAGE_NOT_SENT, Fate.POSTPONED
        case _:
            assert_never(receipt.outcome)


def _retried(invitation: Invitation, *, plan: Policy, now: datetime) -> tuple[Invitation, Fate]:
    decision = decide_retry(invitation, plan=plan, now=now)
    if isinstance(decision, GiveUp):
        return states.record_failed(invitation, reason=decision.reason), Fate.FAILED
    return states.record_retry(invitation, at=decision.at, tries=decision.tries), Fate.NOT_SENT


def _next_try(after: Invitation) -> dict[str, JsonFigure]:
    if after.status is not InvitationStatus.SCHEDULED or after.next_attempt_at is None:
        return {"status": after.status.value}
    return {"status": after.status.value, "next_attempt_at": after.next_attempt_at.isoformat()}


def _told(
    after: Invitation,
    before: Invitation,
    event: TimelineEvent,
    fate: Fate,
    *,
    now: datetime,
    reason: str | None = None,
    data: Mapping[str, JsonFigure] | None = None,
) -> Conclusion:
    step = {"step": before.next_step.value} if before.next_step is not None else {}
    entry = TimelineEntry(
        at=now, actor=WORKER, event=event, invitation_id=after.id, reason=reason, data={**step, **(data or {})}
    )
    return Conclusion(Recording(invitation=after, entry=entry), fate)
