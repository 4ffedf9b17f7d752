"""A server of loopback that keeps only counts, whatever it speaks."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self


class CountingServer:
    """The server; `message_count` and `byte_count` tell what it took."""

    session: Callable[["CountingServer"], "CountingSession"]
    """Makes what speaks with one client; set where the protocol is."""

    def __init__(self) -> None:
        self.message_count = 0
        self.byte_count = 0
        self.transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> Self:
        """Listen on a port of loopback."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: type(self).session(self), "127.0.0.1", port)
        return self

    async def serve(self) -> None:
        """Serve until cancelled."""
        assert self._server is not None
        await self._server.serve_forever()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        assert self._server is not None
        self._server.close()
        for transport in list(self.transports):
            transport.abort()


class CountingSession(asyncio.Protocol, ABC):
    """One connection: octets are collected until they are something whole, and taken from the front."""

    def __init__(self, server: CountingServer) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self.take():
            pass

    @abstractmethod
    def take(self) -> bool:
        """Take one whole thing from the buffer and answer it; False where there is none."""

    def count(self, size: int, *, messages: int = 1) -> None:
        """Count messages of so many bytes together."""
        self._server.message_count += messages
        self._server.byte_count += size


async def run(server: CountingServer, port: int) -> None:
    """Serve until cancelled."""
    await (await server.start(port)).serve()
