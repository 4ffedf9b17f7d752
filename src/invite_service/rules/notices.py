"""What follows a try to send a notice that provably did not leave: the delays of RULES.md section 7, no window."""

from dataclasses import replace
from datetime import datetime

from invite_service.domain.notice import NoticeStatus, QueuedNotice
from invite_service.rules.sending import MAX_TRIES, RETRY_DELAYS, GiveUp


def decide_notice_retry(notice: QueuedNotice, *, reason: str, now: datetime) -> QueuedNotice:
    """Try again after 1, 5, 15, 60 minutes, then hourly; at most 12 times, then it has failed. `now` is real time.

    A notice answers what the customer has just done, so that it waits for no window of a day.
    """
    tries = notice.tries + 1
    if tries >= MAX_TRIES:
        return replace(notice, status=NoticeStatus.FAILED, tries=tries, reason=GiveUp().reason, next_attempt_at=None)
    delay = RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]
    return replace(notice, status=NoticeStatus.WAITING, tries=tries, reason=reason, next_attempt_at=now + delay)
