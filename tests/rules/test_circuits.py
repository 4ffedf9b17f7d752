"""What a circuit lets through."""

from datetime import timedelta

import pytest

from invite_service.domain.channel import Circuit
from invite_service.rules.circuits import OPEN_FOR, Shut, ShutReason, Trial, judge_circuit
from tests.support.builders import NOON

LATER, BEFORE = NOON + timedelta(seconds=1), NOON - timedelta(seconds=1)
OPEN, RESTS = ShutReason.CIRCUIT_OPEN, ShutReason.RATE_LIMITED


@pytest.mark.parametrize(
    ("circuit", "expected"),
    [
        (None, None),
        (Circuit(provider="smtp", openings=1, open_until=LATER), Shut(LATER, OPEN)),
        (Circuit(provider="smtp", openings=1, open_until=NOON), Trial()),
        (Circuit(provider="smtp", openings=1, open_until=BEFORE, trial_until=LATER), Shut(LATER, OPEN)),
        (Circuit(provider="smtp", openings=1, open_until=BEFORE, trial_until=NOON), Trial()),
        (Circuit(provider="smtp", rests_until=LATER), Shut(LATER, RESTS)),
        (Circuit(provider="smtp", rests_until=NOON), None),
        (Circuit(provider="smtp", openings=1, open_until=BEFORE, rests_until=LATER), Shut(LATER, RESTS)),
    ],
)
def test_circuit_shuts_leaves_one_trial_or_lets_all_through(
    circuit: Circuit | None, expected: Shut | Trial | None
) -> None:
    assert judge_circuit(circuit, real_now=NOON) == expected


def test_circuits_stay_open_ever_longer_from_half_a_minute_to_a_quarter_of_an_hour() -> None:
    assert list(OPEN_FOR) == sorted(set(OPEN_FOR))
    assert (OPEN_FOR[0], OPEN_FOR[-1]) == (timedelta(seconds=30), timedelta(minutes=15))
