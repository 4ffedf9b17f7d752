"""An SMTP server that takes everything and keeps only counts: `python -m benchmarks.yardsticks.smtp_sink PORT`.

It measures the size of messages, and stands in for postfix's smtp-sink where that is not installed.
"""

import asyncio
import sys
from typing import Self

_ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"HELO": b"250 sink\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class Sink:
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
    """One connection; commands may come several at a time (RFC 2920)."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.transports.add(transport)
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_message() if self._in_data else self._take_command():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.transports.discard(self._transport)

    def _take_message(self) -> bool:
        message, end, rest = self._buffer.partition(b"\r\n.\r\n")
        if not end:
            return False
        self._sink.message_count += 1
        self._sink.byte_count += len(message) + 2
        self._buffer, self._in_data = rest, False
        self._transport.write(b"250 2.0.0 Ok: queued\r\n")
        return True

    def _take_command(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        self._in_data = verb == b"DATA"
        self._transport.write(_ANSWERS.get(verb, b"500 5.5.2 Unknown\r\n"))
        if verb == b"QUIT":
            self._transport.close()
        return True


async def _run(port: int) -> None:
    await (await Sink().start(port)).serve()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1])))
