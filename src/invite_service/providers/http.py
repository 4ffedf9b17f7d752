"""The one place where providers' HTTP APIs are called: bounded in time and size, and exact about what may have left."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from invite_service.providers.calls import ApiAnswer, ApiRequest, Trouble
from invite_service.providers.reach import EVERYWHERE, Reach

CONNECTIONS = 16
"""Calls in flight and connections of one sender, unless its settings say otherwise."""
CONNECT_TIMEOUT = 5.0
"""Seconds for name look-up, TCP and TLS together."""
TIMEOUT = 20.0
"""Seconds for a whole call, waiting for a free connection and reading the answer included."""
ANSWER_LIMIT = 1_000_000
"""Octets of an answer that are read; a batch of 1,000 is answered with less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the settings of every company's API have; times in seconds."""

    api_url: str
    """Where the API is, without a slash at its end; https, or http for a server of a test."""
    connections: int = CONNECTIONS
    connect_timeout: float = CONNECT_TIMEOUT
    timeout: float = TIMEOUT

    def open_client(self, *, reach: Reach = EVERYWHERE) -> "ApiClient":
        """Make the client; nothing is connected to before the first call."""
        return ApiClient(
            self.api_url,
            connections=self.connections,
            connect_timeout=self.connect_timeout,
            timeout=self.timeout,
            reach=reach,
        )


class ApiClient:
    """Calls one company's API over a few kept connections; safe to use from many tasks of one event loop.

    Follows no redirects, asks no proxy, keeps no cookies, repeats no POST; nothing that the network does is raised.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connections: int = CONNECTIONS,
        connect_timeout: float = CONNECT_TIMEOUT,
        timeout: float = TIMEOUT,
        answer_limit: int = ANSWER_LIMIT,
        reach: Reach = EVERYWHERE,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._slots = asyncio.Semaphore(connections)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        # Only here: httpx and aiohttp, 10 MiB that a process whose messages leave by SMTP never needs.
        from invite_service.providers.http_transport import HttpTransport  # noqa: PLC0415

        self._transport = HttpTransport(
            base_url,
            connections=connections,
            connect_timeout=connect_timeout,
            answer_limit=answer_limit,
            reach=reach,
            tls_context=tls_context or _system_context(),
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        query: Mapping[str, str] | None = None,
    ) -> ApiAnswer | Trouble:
        """Make one request; `query` never holds anything personal, since addresses end up in others' logs.

        Cancelling closes the connection that was in use.
        """
        if self._closed:
            return Trouble.SENDER_CLOSED
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._call_in_time(
                ApiRequest(method=method, path=path, headers=headers, content=content, query=query)
            )
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def close(self) -> None:
        """Take no more calls, let those in flight end, which their time limit sees to, and close the connections."""
        self._closed = True
        await self._idle.wait()
        await self._transport.close()

    async def _call_in_time(self, request: ApiRequest) -> ApiAnswer | Trouble:
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            return Trouble.NO_FREE_CONNECTION
        try:
            return await self._transport.ask(request, deadline=deadline)
        finally:
            self._slots.release()


def write_basic(username: str, password: str) -> str:
    """Write the value of `Authorization` for HTTP Basic."""
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


@cache
def _system_context() -> ssl.SSLContext:
    """Load the system's authorities once a process: that takes 20 ms, and every merchant has a sender."""
    return ssl.create_default_context()
