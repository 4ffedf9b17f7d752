"""Places for calls, shared by the batches that send through one sender."""

import asyncio

from invite_service.services.outlets import CallPlaces


async def test_lone_batch_may_hold_every_place() -> None:
    places = CallPlaces(8)
    with places.share() as share:
        assert share.room == 8
        share.hold(8)
        assert (places.free, share.room) == (0, 8)
        share.hold(3)
        assert places.free == 5
    assert places.free == 8


async def test_batches_with_more_to_start_share_evenly() -> None:
    places = CallPlaces(8)
    with places.share() as large:
        large.hold(8)
        with places.share() as small:
            assert (large.room, small.room) == (4, 0)
            large.hold(4)
            assert small.room == 4
            small.hold(2)
            small.is_hungry = False
            assert large.room == 6


async def test_every_batch_may_hold_one_place_however_many_there_are() -> None:
    places = CallPlaces(1)
    with places.share() as first, places.share() as second:
        assert (first.room, second.room) == (1, 1)
        first.hold(1)
        assert second.room == 0


async def test_batch_waits_until_a_place_is_free() -> None:
    places = CallPlaces(1)
    with places.share() as first, places.share() as second:
        first.hold(1)
        waiting = asyncio.create_task(second.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        first.hold(0)
        await waiting
        assert second.room == 1
        await second.wait()
