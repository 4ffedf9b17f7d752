"""Loops end when they are to, whatever stands between them and their cancellation."""

import asyncio

from invite_service.worker.ending import end_tasks


class Deaf:
    """Waits, and swallows some cancellations, as a library on a loop's stack may."""

    def __init__(self, swallowed: int) -> None:
        self._swallowed = swallowed
        self.cancels = 0

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancels += 1
                if self.cancels > self._swallowed:
                    raise


async def started(*loops: Deaf) -> list["asyncio.Task[None]"]:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    await asyncio.sleep(0)
    return tasks


async def test_loop_that_swallows_its_cancellation_is_cancelled_again() -> None:
    loops = Deaf(0), Deaf(3)
    tasks = await started(*loops)
    await end_tasks(tasks, again_after=0.01)
    assert all(task.cancelled() for task in tasks)
    assert [loop.cancels for loop in loops] == [1, 4]


async def test_loop_that_never_ends_is_left_to_the_process() -> None:
    deaf = Deaf(50)
    [task] = await started(deaf)
    await end_tasks([task], again_after=0.001)
    assert (task.done(), deaf.cancels) == (False, 10)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def test_what_has_ended_needs_no_cancelling() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    await end_tasks([task])
    assert not task.cancelled()
