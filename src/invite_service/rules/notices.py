"""What follows a try to send a notice, and what an operator may do about one that has ended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.notice import NoticeAction, NoticeStatus, QueuedNotice
from invite_service.rules.sending import MAX_TRIES, RETRY_DELAYS, GiveUp

RETRIED: Final = "retried"
MARKED_SENT: Final = "marked_sent"
"""The reasons that what an operator says leaves behind."""

ALLOWED: Final[Mapping[NoticeStatus, tuple[NoticeAction, ...]]] = {
    NoticeStatus.IN_DOUBT: (NoticeAction.RETRY, NoticeAction.MARK_SENT),
    NoticeStatus.FAILED: (NoticeAction.RETRY,),
}
"""What each state allows; a retry is refused for what there is to write as well."""

_REFUSALS: Final[Mapping[NoticeStatus, tuple[str, str]]] = {
    NoticeStatus.WAITING: ("already_waiting", "It waits to be sent."),
    NoticeStatus.SENDING: ("being_sent", "It is being handed over right now."),
    NoticeStatus.SENT: ("already_sent", "It has left."),
    NoticeStatus.SKIPPED: ("skipped", "It was not to be sent any more."),
    NoticeStatus.FAILED: ("failed", "It has failed."),
}
"""Why an action that needs another state is refused, by the state it is in."""


def decide_notice_retry(notice: QueuedNotice, *, reason: str, now: datetime) -> QueuedNotice:
    """Try again after 1, 5, 15, 60 minutes, then hourly; at most 12 times, then it has failed. `now` is real time.

    A notice answers what the customer has just done, so that it waits for no window of a day.
    """
    tries = notice.tries + 1
    if tries >= MAX_TRIES:
        return replace(notice, status=NoticeStatus.FAILED, tries=tries, reason=GiveUp().reason, next_attempt_at=None)
    delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]
    return replace(notice, status=NoticeStatus.WAITING, tries=tries, reason=reason, next_attempt_at=now + delay)


def retry_notice(notice: QueuedNotice, *, now: datetime) -> QueuedNotice:
    """Let a notice be tried again that is in doubt or has failed, `now` being real time; again, it stays as it is.

    Raises:
        ActionRefusedError: by state.
    """
    if notice.status is NoticeStatus.WAITING and notice.reason == RETRIED:
        return notice
    if NoticeAction.RETRY not in ALLOWED.get(notice.status, ()):
        raise ActionRefusedError(*_REFUSALS[notice.status])
    return replace(notice, status=NoticeStatus.WAITING, reason=RETRIED, tries=0, next_attempt_at=now)


def mark_notice_sent(notice: QueuedNotice) -> QueuedNotice:
    """Settle a notice in doubt as having left; again, it stays as it is.

    Raises:
        ActionRefusedError: by state.
    """
    if notice.status is NoticeStatus.SENT and notice.reason == MARKED_SENT:
        return notice
    if NoticeAction.MARK_SENT not in ALLOWED.get(notice.status, ()):
        raise ActionRefusedError(*_REFUSALS[notice.status])
    return replace(notice, status=NoticeStatus.SENT, reason=MARKED_SENT)
