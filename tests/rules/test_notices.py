"""What an operator may do to a notice, by its state."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Channel
from invite_service.domain.message import Notice
from invite_service.domain.notice import NoticeStatus, QueuedNotice
from invite_service.rules.notices import ALLOWED, mark_notice_sent, retry_notice
from tests.support.builders import NOON

ID = UUID(int=1)


def make_notice(status: NoticeStatus, *, reason: str | None = "timeout") -> QueuedNotice:
    return QueuedNotice(
        id=ID,
        notice=Notice.VOUCHER,
        channel=Channel.SMS,
        invitation_id=ID,
        rating_id=ID,
        created_at=NOON,
        status=status,
        tries=11,
        reason=reason,
    )


REFUSED = {
    NoticeStatus.WAITING: "already_waiting",
    NoticeStatus.SENDING: "being_sent",
    NoticeStatus.SENT: "already_sent",
    NoticeStatus.SKIPPED: "skipped",
    NoticeStatus.FAILED: "failed",
}


@pytest.mark.parametrize("status", [NoticeStatus.IN_DOUBT, NoticeStatus.FAILED])
def test_what_is_in_doubt_or_has_failed_is_tried_again_from_the_beginning(status: NoticeStatus) -> None:
    now = NOON + timedelta(hours=1)
    notice = make_notice(status)
    retried = retry_notice(notice, now=now)
    assert retried == replace(notice, status=NoticeStatus.WAITING, tries=0, reason="retried", next_attempt_at=now)
    assert retry_notice(retried, now=now + timedelta(hours=1)) == retried


def test_what_is_in_doubt_is_settled_as_sent() -> None:
    notice = make_notice(NoticeStatus.IN_DOUBT)
    marked = mark_notice_sent(notice)
    assert marked == replace(notice, status=NoticeStatus.SENT, reason="marked_sent")
    assert mark_notice_sent(marked) == marked


@pytest.mark.parametrize("status", sorted(NoticeStatus))
def test_every_other_state_refuses_with_its_reason(status: NoticeStatus) -> None:
    allowed = ALLOWED.get(status, ())
    if "retry" not in allowed:
        with pytest.raises(ActionRefusedError) as refused:
            retry_notice(make_notice(status), now=NOON)
        assert refused.value.reason == REFUSED[status]
    if "mark_sent" not in allowed:
        with pytest.raises(ActionRefusedError) as refused:
            mark_notice_sent(make_notice(status))
        assert refused.value.reason == REFUSED[status]
