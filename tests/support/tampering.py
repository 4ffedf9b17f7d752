"""A connection in between: passes octets on until it is told not to."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Watch = Callable[[bytes], Awaitable[bytes]]
"""Is given what one side said, and gives what the other is told; may end a process meanwhile."""


async def pass_on(octets: bytes) -> bytes:
    return octets


class TamperingProxy:
    """Listens on 127.0.0.1 and connects on to `port`; `async with` starts and stops it.

    A connection is watched as was said when it came.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.on_question: Watch = pass_on
        self.on_answer: Watch = pass_on

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        with contextlib.suppress(OSError):
            await asyncio.gather(
                _carry(reader, back, self.on_question),
                _carry(there, writer, self.on_answer),
            )


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch) -> None:
    try:
        while octets := await reader.read(65536):
            writer.write(await watch(octets))
            await writer.drain()
    finally:
        writer.close()
