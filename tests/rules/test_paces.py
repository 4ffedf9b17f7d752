"""Paces, and when to come back for what they keep back."""

from datetime import timedelta

import pytest

from invite_service.domain.channel import Bucket
from invite_service.rules.circuits import Shut, ShutReason
from invite_service.rules.paces import MARGIN, Pace, compute_pace, judge_rest
from tests.support.builders import NOON

LATER = NOON + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("max_per_second", "max_per_hour", "pace"),
    [
        (None, None, None),
        (10, None, Pace(10)),
        (None, 1800, Pace(0.5)),
        (1, 1800, Pace(0.5)),
        (0.25, 1800, Pace(0.25)),
    ],
)
def test_slower_of_two_limits_holds(max_per_second: float | None, max_per_hour: int | None, pace: Pace | None) -> None:
    assert compute_pace(max_per_second=max_per_second, max_per_hour=max_per_hour) == pace


@pytest.mark.parametrize(("per_second", "burst", "portion"), [(0.01, 1, 1), (1, 1, 1), (9, 4.5, 2), (100, 50, 25)])
def test_half_a_second_is_saved_and_half_of_that_taken_at_once(per_second: float, burst: float, portion: int) -> None:
    assert (Pace(per_second).burst, Pace(per_second).portion) == (burst, portion)


@pytest.mark.parametrize(
    ("pace", "tokens", "seconds"), [(Pace(0.5), 0.5, 1), (Pace(0.5), 3, 0), (Pace(100), 0, 0.25), (Pace(100), 5, 0.2)]
)
def test_wait_is_for_a_portion(pace: Pace, tokens: float, seconds: float) -> None:
    assert pace.wait(tokens) == timedelta(seconds=seconds) + MARGIN


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        (None, None),
        (Bucket(0, LATER), Shut(LATER, ShutReason.RATE_LIMITED)),
        (Bucket(0, NOON), None),
        (Bucket(3, LATER), None),
    ],
)
def test_empty_bucket_that_fills_later_is_a_wait_that_was_asked_for(
    bucket: Bucket | None, expected: Shut | None
) -> None:
    assert judge_rest(bucket, real_now=NOON) == expected
