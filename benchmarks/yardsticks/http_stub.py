"""A company's API that takes everything and keeps only counts: `python -m benchmarks.yardsticks.http_stub PORT`."""

import asyncio
import re
import sys
from typing import Self

_BODY = b'{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Stub:
    """The server; `message_count` and `byte_count` tell what it took."""

    def __init__(self) -> None:
        self.message_count = 0
        self.byte_count = 0
        self.transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> Self:
        """Listen on a port of loopback."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", port)
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


class _Session(asyncio.Protocol):
    """One connection that is kept; bodies have a length."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stub.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_request():
            pass

    def _take_request(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        found = _LENGTH.search(head + b"\r\n")
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return False
        self._buffer = rest[length:]
        self._stub.message_count += 1
        self._stub.byte_count += length
        self._transport.write(_ANSWER)
        return True


async def _run(port: int) -> None:
    await (await Stub().start(port)).serve()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1])))
