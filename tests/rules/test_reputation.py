"""When sending pauses by itself."""

import pytest

from invite_service.rules.reputation import PauseReason, Reputation, decide_pause

BOUNCES, COMPLAINTS = PauseReason


@pytest.mark.parametrize(
    ("messages", "bounced", "complained", "expected"),
    [
        (200, 10, 0, None),
        (200, 11, 0, BOUNCES),
        (199, 199, 199, None),
        (1000, 50, 1, None),
        (1000, 51, 1, BOUNCES),
        (1000, 0, 2, COMPLAINTS),
        (999, 0, 1, COMPLAINTS),
        (1000, 51, 2, COMPLAINTS),
        (0, 0, 0, None),
    ],
)
def test_above_5_percent_bounces_or_a_thousandth_complaints_of_200_sending_pauses(
    messages: int, bounced: int, complained: int, expected: PauseReason | None
) -> None:
    assert decide_pause(Reputation(messages=messages, bounced=bounced, complained=complained)) is expected
