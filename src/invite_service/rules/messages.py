"""What has become of each message of an invitation, and which are still planned (RULES.md sections 3 and 8)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from invite_service.domain.invitation import Invitation, InvitationStatus, Step


class MessageState(StrEnum):
    """What has become of a message."""

    PLANNED = "planned"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    NOT_SENT = "not_sent"
    """It will not be sent."""


_NEXT: Final = {
    InvitationStatus.SCHEDULED: MessageState.PLANNED,
    InvitationStatus.SENDING: MessageState.SENDING,
    InvitationStatus.IN_DOUBT: MessageState.IN_DOUBT,
}
"""What is said of the message that comes next; under every other status none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """One message of an invitation."""

    step: Step
    state: MessageState
    send_at: datetime | None
    """The plan, known of the next message only: a second one is planned when the first has left."""
    sent_at: datetime | None


def messages_of(invitation: Invitation) -> tuple[PlannedMessage, ...]:
    """Tell what has become of every message of an invitation, in their order."""
    return tuple([_message(invitation, place) for place in range(len(invitation.steps))])


def _message(invitation: Invitation, place: int) -> PlannedMessage:
    step, sent = invitation.steps[place], invitation.message_count
    if place < sent:
        # There are never more than two messages, so that each has left either first or last.
        sent_at = invitation.last_sent_at if place == sent - 1 else invitation.first_sent_at
        return PlannedMessage(step=step, state=MessageState.SENT, send_at=None, sent_at=sent_at)
    if place == sent and invitation.status in _NEXT:
        return PlannedMessage(step=step, state=_NEXT[invitation.status], send_at=invitation.send_at, sent_at=None)
    state = MessageState.PLANNED if invitation.has_messages_to_come else MessageState.NOT_SENT
    return PlannedMessage(step=step, state=state, send_at=None, sent_at=None)
