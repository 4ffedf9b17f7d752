"""The worker's own small HTTP endpoint: `/livez` for container health checks, `/metrics` for Prometheus.

It answers GET requests of one line and nothing else, so that the worker needs no web framework.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

log = structlog.get_logger()

REQUEST_SECONDS: Final = 5.0
"""For a client to send its request."""

STALLED_AFTER: Final = 10.0
"""Seconds without a turn of the poll loop after which the worker counts as stalled; a failing database is no reason."""


class Heartbeat:
    """When the poll loop last turned, on a clock that only runs forward, such as the event loop's (seconds)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._beat_at = clock()

    def beat(self) -> None:
        """Note that the loop turned."""
        self._beat_at = self._clock()

    @property
    def is_live(self) -> bool:
        """Whether the loop turned within the last ten seconds."""
        return self._clock() - self._beat_at < STALLED_AFTER


class WorkerEndpoint:
    """Serves `/livez` and `/metrics` on one address."""

    def __init__(self, heartbeat: Heartbeat, *, render_metrics: Callable[[], bytes], metrics_type: str) -> None:
        self._heartbeat = heartbeat
        self._render_metrics = render_metrics
        self._metrics_type = metrics_type

    @contextlib.asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen while the block runs and give the port; 0 takes a free one."""
        server = await asyncio.start_server(self._answer, host, port)
        async with server:
            taken: int = server.sockets[0].getsockname()[1]
            log.info("Listening", host=host, port=taken)
            yield taken

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, rest = head.partition(b" ")
                path = rest.partition(b" ")[0].partition(b"?")[0]
                writer.write(self._response(method, path))
                await writer.drain()
        writer.close()

    def _response(self, method: bytes, path: bytes) -> bytes:
        if method not in {b"GET", b"HEAD"}:
            status, kind, body = "405 Method Not Allowed", "text/plain", b""
        elif path == b"/livez":
            live = self._heartbeat.is_live
            status, kind, body = ("200 OK", "text/plain", b"ok\n") if live else _STALLED
        elif path == b"/metrics":
            status, kind, body = "200 OK", self._metrics_type, self._render_metrics()
        else:
            status, kind, body = "404 Not Found", "text/plain", b""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + (body if method == b"GET" else b"")


_STALLED = ("503 Service Unavailable", "text/plain", b"stalled\n")
