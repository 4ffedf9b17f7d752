"""What has become of each message of an invitation."""

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.rules.messages import MessageState, PlannedMessage, messages_of
from tests.rules.builders import (
    FIRST_SLOT,
    SECOND_SLOT,
    make_half_sent,
    make_invitation,
    make_sent,
    make_service_invitation,
)


def first(state: MessageState, **instants: object) -> PlannedMessage:
    return _message(Step.PRODUCT_1, state, instants)


def second(state: MessageState, **instants: object) -> PlannedMessage:
    return _message(Step.PRODUCT_2, state, instants)


def _message(step: Step, state: MessageState, instants: dict[str, object]) -> PlannedMessage:
    return PlannedMessage(step=step, state=state, **({"send_at": None, "sent_at": None} | instants))  # type: ignore[arg-type]


SENT = first(MessageState.SENT, sent_at=FIRST_SLOT)


@pytest.mark.parametrize(
    ("invitation", "messages"),
    [
        (make_invitation(), (first(MessageState.PLANNED, send_at=FIRST_SLOT), second(MessageState.PLANNED))),
        (
            make_invitation(status=InvitationStatus.SENDING),
            (first(MessageState.SENDING, send_at=FIRST_SLOT), second(MessageState.PLANNED)),
        ),
        (
            make_invitation(status=InvitationStatus.IN_DOUBT),
            (first(MessageState.IN_DOUBT, send_at=FIRST_SLOT), second(MessageState.PLANNED)),
        ),
        (
            make_invitation(status=InvitationStatus.CANCELLED),
            (first(MessageState.NOT_SENT), second(MessageState.NOT_SENT)),
        ),
        (make_half_sent(), (SENT, second(MessageState.PLANNED, send_at=SECOND_SLOT))),
        (make_half_sent(status=InvitationStatus.RESPONDED), (SENT, second(MessageState.NOT_SENT))),
        (make_sent(), (SENT, second(MessageState.SENT, sent_at=SECOND_SLOT))),
    ],
    ids=["scheduled", "sending", "in doubt", "cancelled", "half-sent", "answered after the first", "sent"],
)
def test_each_message_of_an_invitation_has_its_state(
    invitation: Invitation, messages: tuple[PlannedMessage, ...]
) -> None:
    assert messages_of(invitation) == messages


def test_a_service_invitation_has_one_message() -> None:
    [message] = messages_of(make_service_invitation())
    assert (message.step, message.state, message.send_at) == (Step.SERVICE, MessageState.PLANNED, FIRST_SLOT)
