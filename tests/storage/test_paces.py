"""Buckets: however many workers take of one at whatever times, no more comes out than burst + pace * time."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invite_service.domain.channel import Bucket
from invite_service.domain.invitation import Channel
from invite_service.rules.paces import Pace
from invite_service.storage.database import Database
from invite_service.storage.sending import Lease
from tests.support.builders import MERCHANT_ID, NOON, new_id
from tests.support.databases import DatabaseMaker
from tests.support.sending import SendingHouse, driver_of, make_database

DUE_COUNT = 60
WORKERS = 3

Step = tuple[float, list[int]]
"""Seconds until all workers ask, and what each wants."""


class Moment(NamedTuple):
    """What came out of the buckets at an instant."""

    at: datetime
    own: int
    shared: int


class Buckets:
    """Due messages of one merchant, and workers that take of its bucket and of the installation's at once."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        self._runner = runner
        self._database = database

    def run(self, pace: Pace, steps: Sequence[Step]) -> list[Moment]:
        """Play the steps on fresh buckets; give when how much came out of the merchant's and of the shared one."""
        return self._runner.run(self._run(pace, steps))

    async def _run(self, pace: Pace, steps: Sequence[Step]) -> list[Moment]:
        async with self._database.transaction() as stores:
            for statement in (
                "DELETE FROM send_paces",
                "DELETE FROM provider_paces",
                "UPDATE invitations SET status = 'scheduled', lease_token = NULL, lease_until = NULL",
            ):
                await driver_of(stores).execute(statement)
        now = NOON
        came_out: list[Moment] = []
        for seconds, wanted in steps:
            now += timedelta(seconds=seconds)
            claimed = await asyncio.gather(*(self._claim(pace, now, count) for count in wanted))
            shared = await asyncio.gather(*(self._take(pace, now, count) for count in wanted))
            came_out.append(Moment(now, sum(claimed), sum(shared)))
        return came_out

    async def _claim(self, pace: Pace, now: datetime, wanted: int) -> int:
        lease = Lease(new_id(), now + timedelta(minutes=1))
        async with self._database.autocommit() as stores:
            claimed = await stores.paces.claim_due(
                MERCHANT_ID,
                Channel.EMAIL,
                pace=pace,
                now=NOON + timedelta(days=100),
                real_now=now,
                limit=wanted,
                lease=lease,
            )
        return len(claimed.ids)

    async def _take(self, pace: Pace, now: datetime, wanted: int) -> int:
        """Take, and give back the odd one of what was taken, as a worker does that finds less due."""
        async with self._database.autocommit() as stores:
            await stores.paces.add_shared(Channel.EMAIL, pace=pace, real_now=now)
            count = min(wanted, pace.portion)
            if await stores.paces.take_shared(Channel.EMAIL, count, pace=pace, real_now=now) is None:
                return 0
            if count % 2 and count > 1:
                await stores.paces.give_back_shared(Channel.EMAIL, 1, real_now=now)
                return count - 1
        return count


async def fill(database: Database) -> None:
    house = await SendingHouse.build(database)
    await house.invite_many(DUE_COUNT)


@pytest.fixture(scope="module")
def buckets(database_maker: DatabaseMaker) -> Iterator[Buckets]:
    with database_maker.database() as url, asyncio.Runner() as runner:
        database = make_database(url, pool_size=WORKERS)
        runner.run(fill(database))
        yield Buckets(runner, database)
        runner.run(database.close())


STEPS = st.lists(
    st.tuples(
        st.floats(min_value=-0.2, max_value=3, allow_nan=False),
        st.lists(st.integers(min_value=1, max_value=20), min_size=1, max_size=WORKERS),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(per_second=st.floats(min_value=0.1, max_value=30), steps=STEPS)
def test_never_more_than_burst_and_pace_times_time_in_any_interval(
    buckets: Buckets, per_second: float, steps: list[Step]
) -> None:
    pace = Pace(per_second)
    came_out = buckets.run(pace, steps)
    for bucket in ("own", "shared"):
        for first in range(len(came_out)):
            for last in range(first, len(came_out)):
                span = came_out[first : last + 1]
                seconds = (max(moment.at for moment in span) - span[0].at).total_seconds()
                assert sum(getattr(moment, bucket) for moment in span) <= pace.burst + pace.per_second * seconds + 1e-6


def test_worker_that_comes_often_enough_gets_the_whole_pace(buckets: Buckets) -> None:
    came_out = buckets.run(Pace(8), [(0.25, [20])] * 20)
    assert [moment.own for moment in came_out] == [4] + [2] * 19
    assert [moment.shared for moment in came_out] == [2] * 20


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database)


async def test_wait_empties_the_bucket_and_gives_nothing_out_before_its_end(house: SendingHouse) -> None:
    pace, until = Pace(8), NOON + timedelta(seconds=90)
    async with house.database.transaction() as stores:
        await stores.paces.add_shared(Channel.SMS, pace=pace, real_now=NOON)
        assert await stores.paces.take_shared(Channel.SMS, 3, pace=pace, real_now=NOON) == Bucket(1, NOON)
        await stores.paces.rest_shared(Channel.SMS, until=until)
        await stores.paces.rest_shared(Channel.SMS, until=NOON)
        await stores.paces.give_back_shared(Channel.SMS, 1, real_now=NOON)
        for seconds in (0, 89, 90, 90.24):
            at = NOON + timedelta(seconds=seconds)
            assert await stores.paces.take_shared(Channel.SMS, 2, pace=pace, real_now=at) is None
        states = await stores.channels.read(MERCHANT_ID)
        assert states[Channel.SMS].shared_bucket == Bucket(0, until)
        at = until + timedelta(seconds=0.25)
        assert await stores.paces.take_shared(Channel.SMS, 2, pace=pace, real_now=at) == Bucket(0, at)
