"""Places for calls, shared by the batches that send through one sender."""

import asyncio
import contextlib

import pytest

from invite_service.services.outlets import CallPlaces, NoPlaceError


async def test_lone_batch_may_hold_every_place() -> None:
    places = CallPlaces(8)
    with places.share("one") as share:
        assert share.room == 8
        share.hold(8)
        assert (places.free, share.room) == (0, 8)
        share.hold(3)
        assert places.free == 5
    assert places.free == 8


async def test_batches_with_more_to_start_share_evenly() -> None:
    places = CallPlaces(8)
    with places.share("large") as large:
        large.hold(8)
        with places.share("small") as small:
            assert (large.room, small.room) == (4, 0)
            large.hold(4)
            assert small.room == 4
            small.hold(2)
            small.is_hungry = False
            assert large.room == 6


async def test_where_there_are_fewer_places_than_batches_they_take_turns() -> None:
    places = CallPlaces(1)
    with places.share("first") as first, places.share("second") as second:
        assert (first.room, second.room) == (0, 0)
        await first.wait()
        assert (first.room, second.room) == (1, 0)
        waiting = asyncio.create_task(second.wait())
        await asyncio.sleep(0)
        first.hold(1)
        assert first.room == 0
        assert not waiting.done()
        first.hold(0)
        await waiting
        assert (first.room, second.room) == (0, 1)


async def test_places_go_to_those_who_wait_in_their_order() -> None:
    places = CallPlaces(1)
    with places.share("holder") as holder, places.share("first") as first, places.share("second") as second:
        await holder.wait()
        order: list[str] = []

        async def wait(name: str) -> None:
            share = {"first": first, "second": second}[name]
            await share.wait()
            order.append(name)
            share.hold(0)

        waiting = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        holder.hold(0)
        await asyncio.gather(*waiting)
        assert order == ["first", "second"]


async def test_batch_that_no_longer_waits_is_passed_over() -> None:
    places = CallPlaces(1)
    with places.share("holder") as holder, places.share("gone") as gone, places.share("patient") as patient:
        await holder.wait()
        leaving = asyncio.create_task(gone.wait())
        waiting = asyncio.create_task(patient.wait())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        holder.hold(0)
        await waiting
        assert (gone.held, patient.held) == (0, 1)


async def test_of_an_owners_batches_the_elder_goes_first() -> None:
    places = CallPlaces(8)
    with places.share("one") as elder, places.share("one") as younger, places.share("other") as other:
        assert (elder.room, younger.room, other.room) == (4, 0, 4)
        elder.hold(4)
        waiting = asyncio.create_task(younger.wait())
        await asyncio.sleep(0)
        elder.hold(2)
        await asyncio.sleep(0)
        assert not waiting.done()
        elder.is_hungry = False
        elder.hold(2)
        await waiting
        assert (elder.held, younger.held, younger.room, other.room) == (2, 1, 4, 4)


async def test_batch_that_lets_its_elder_go_first_keeps_nobody_else_waiting() -> None:
    places = CallPlaces(1)
    with places.share("one") as elder, places.share("one") as younger, places.share("other") as other:
        await elder.wait()
        waiting = [asyncio.create_task(share.wait()) for share in (younger, other)]
        await asyncio.sleep(0)
        elder.hold(0)
        await waiting[1]
        assert (elder.held, younger.held, other.held) == (0, 0, 1)
        assert not waiting[0].done()
        other.is_hungry = elder.is_hungry = False
        other.hold(0)
        await waiting[0]
        assert younger.held == 1


async def test_batch_waits_no_longer_for_an_elder_that_is_gone() -> None:
    places = CallPlaces(2)
    with places.share("one") as elder:
        elder.hold(1)
        younger = contextlib.ExitStack()
        share = younger.enter_context(places.share("one"))
        waiting = asyncio.create_task(share.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    assert (places.free, share.room) == (1, 2)
    younger.close()
    assert places.free == 2


async def test_single_call_waits_for_a_place_no_longer_than_it_may() -> None:
    places = CallPlaces(1)
    async with places.hold_one("one", within=1):
        with pytest.raises(NoPlaceError):
            async with places.hold_one("other", within=0.01):
                pass
        assert places.free == 0
    async with places.hold_one("other", within=1):
        assert places.free == 0
    assert places.free == 1


async def test_call_that_takes_longer_than_the_wait_for_its_place_is_not_cut_short() -> None:
    async with CallPlaces(1).hold_one("one", within=0.01):
        await asyncio.sleep(0.05)
