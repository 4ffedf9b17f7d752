"""Counting stars."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.rules.averages import StarCounts, total

COUNTS = st.builds(StarCounts, *[st.integers(0, 10**9)] * 5)


@pytest.mark.parametrize(
    ("counts", "average"),
    [
        (StarCounts(), None),
        (StarCounts(five=1), 5.0),
        (StarCounts(one=1, five=2), 3.67),
        (StarCounts(four=1, five=7), 4.88),
        (StarCounts(four=7, five=1), 4.13),
    ],
)
def test_average_is_rounded_half_up(counts: StarCounts, average: float | None) -> None:
    assert counts.average == average


@given(COUNTS)
def test_average_is_that_of_exact_arithmetic(counts: StarCounts) -> None:
    if counts.rating_count:
        stars = sum(stars * count for stars, count in enumerate(counts, start=1))
        exact = Decimal(stars) / Decimal(counts.rating_count)
        assert Decimal(str(counts.average)) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP).normalize()


@given(st.lists(COUNTS, max_size=5))
def test_sum_of_a_distribution_is_the_count(several: list[StarCounts]) -> None:
    assert total(several).rating_count == sum(counts.rating_count for counts in several)
