"""The one place where providers' HTTP APIs are called: bounded in time and size, and exact about what may have left."""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from invite_service.providers.reach import EVERYWHERE, REFUSED, AddressRefusedError, Reach

CONNECTIONS = 16
"""Calls in flight and connections of one sender, unless its settings say otherwise."""
CONNECT_TIMEOUT = 5.0
"""Seconds for name look-up, TCP and TLS together."""
TIMEOUT = 20.0
"""Seconds for a whole call, waiting for a free connection and reading the answer included."""
KEEP_ALIVE = 15.0
"""Seconds after which an idle connection is closed, before the companies' balancers do it (60 s and more)."""
ANSWER_LIMIT = 1_000_000
"""Octets of an answer that are read; a batch of 1,000 is answered with less."""


class Trouble(StrEnum):
    """Why a call has no answer to judge; each is a reason on the companies' pages."""

    SENDER_CLOSED = "sender_closed"
    NO_FREE_CONNECTION = "no_free_connection"
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_FAILED = "connect_failed"
    TIMEOUT_AT_CONNECT = "timeout_at_connect"
    TLS_FAILED = "tls_failed"
    ADDRESS_NOT_ALLOWED = REFUSED
    """The host's address is not within reach (reach.py)."""
    CERTIFICATE_INVALID = "certificate_invalid"
    """Not trusted, expired, or for another name."""
    TIMEOUT_AFTER_REQUEST = "timeout_after_request"
    DROPPED_AFTER_REQUEST = "dropped_after_request"
    """The connection ended, or what came is not HTTP."""
    ANSWER_TOO_LARGE = "answer_too_large"
    ANSWER_ENCODED = "answer_encoded"
    """Compressed though not asked for; a few octets of that can fill the memory."""

    @property
    def left_nothing(self) -> bool:
        """True when certainly not one octet of the request was written."""
        return self not in _MAY_HAVE_LEFT


_MAY_HAVE_LEFT = frozenset(
    {
        Trouble.TIMEOUT_AFTER_REQUEST,
        Trouble.DROPPED_AFTER_REQUEST,
        Trouble.ANSWER_TOO_LARGE,
        Trouble.ANSWER_ENCODED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """What an API answered; its body stays out of its repr, and so out of logs."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; of a repeated header, the values joined by commas."""
    body: bytes = field(repr=False)
    """Empty where `trouble` is set."""
    trouble: Trouble | None = None
    """Why the body could not be read to its end."""

    @property
    def is_success(self) -> bool:
        """True for a 2xx that was read to its end."""
        return self.status // 100 == 2 and self.trouble is None


@dataclass(slots=True)
class _Progress:
    """How far one call has come."""

    has_connection: bool = False
    """From here on, octets of the request may be on their way."""


_progress: ContextVar[_Progress] = ContextVar("_progress")


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
        self._answer_limit = answer_limit
        self._slots = asyncio.Semaphore(connections)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        context = tls_context or _system_context()
        self._http = httpx.AsyncClient(
            base_url=base_url,
            transport=AiohttpTransport(
                verify=context,
                trust_env=False,
                client=lambda: _open_session(context, connections=connections, reach=reach),
            ),
            # What the transport calls `pool` covers all of getting a connection; the rest is the whole call's limit.
            timeout=httpx.Timeout(None, pool=connect_timeout),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "invite-service"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
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
                self._http.build_request(method, path, headers=headers, content=content, params=query)
            )
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def close(self) -> None:
        """Take no more calls, let those in flight end, which their time limit sees to, and close the connections."""
        self._closed = True
        await self._idle.wait()
        await self._http.aclose()

    async def _call_in_time(self, request: httpx.Request) -> ApiAnswer | Trouble:
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            return Trouble.NO_FREE_CONNECTION
        progress = _Progress()
        _progress.set(progress)
        try:
            return await self._ask(request, progress, deadline=deadline)
        finally:
            self._slots.release()

    async def _ask(self, request: httpx.Request, progress: _Progress, *, deadline: float) -> ApiAnswer | Trouble:
        response: httpx.Response | None = None
        body, trouble = b"", None
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._http.send(request, stream=True)
                body = await self._read_body(response)
        except TimeoutError:
            trouble = Trouble.TIMEOUT_AFTER_REQUEST if progress.has_connection else Trouble.TIMEOUT_AT_CONNECT
        except _UnreadableError as error:
            trouble = error.trouble
        except (httpx.HTTPError, aiohttp.ClientError, OSError, UnicodeError) as error:
            trouble = Trouble.DROPPED_AFTER_REQUEST if progress.has_connection else _name_failure(error)
        finally:
            if response is not None:
                await response.aclose()
        if response is None:
            return trouble or Trouble.DROPPED_AFTER_REQUEST
        headers = {name.lower(): value for name, value in response.headers.items()}
        return ApiAnswer(status=response.status_code, headers=headers, body=body, trouble=trouble)

    async def _read_body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _UnreadableError(Trouble.ANSWER_ENCODED)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._answer_limit:
                raise _UnreadableError(Trouble.ANSWER_TOO_LARGE)
        return bytes(body)


def write_basic(username: str, password: str) -> str:
    """Write the value of `Authorization` for HTTP Basic."""
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


class _UnreadableError(Exception):
    """The body is not read any further."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


def _open_session(context: ssl.SSLContext, *, connections: int, reach: Reach) -> aiohttp.ClientSession:
    """Open a session that notes in the call's progress when the call gets its connection, new or kept."""

    def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        # The last place before the connection, which also sees addresses that were written as such and never looked up.
        family, kind, protocol, _, target = address
        try:
            reach.check(str(target[0]))
        except ValueError:
            raise AddressRefusedError("No connection may go to what is no address.") from None
        return socket.socket(family, kind, protocol)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note_connection)
    trace.on_connection_reuseconn.append(_note_connection)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=context, limit=connections, keepalive_timeout=KEEP_ALIVE, socket_factory=open_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        trust_env=False,
    )


async def _note_connection(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
    _progress.get().has_connection = True


def _name_failure(error: BaseException) -> Trouble:
    """Say why there is no connection; the reason is somewhere in the chain of errors that led here."""
    chain = tuple(_chain(error))
    return next(
        (trouble for kind, trouble in _FAILURES if any(isinstance(cause, kind) for cause in chain)),
        Trouble.CONNECT_FAILED,
    )


_FAILURES: tuple[tuple[type[BaseException], Trouble], ...] = (
    (AddressRefusedError, Trouble.ADDRESS_NOT_ALLOWED),
    (ssl.SSLCertVerificationError, Trouble.CERTIFICATE_INVALID),
    (ssl.SSLError, Trouble.TLS_FAILED),
    (socket.gaierror, Trouble.DNS_FAILED),
    (UnicodeError, Trouble.DNS_FAILED),
    (TimeoutError, Trouble.TIMEOUT_AT_CONNECT),
    (ConnectionRefusedError, Trouble.CONNECTION_REFUSED),
)
"""In the order of what says most."""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Every error that this one says it comes from; not its context, which may be the caller's own trouble."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, getattr(current, "os_error", None)]


@cache
def _system_context() -> ssl.SSLContext:
    """Load the system's authorities once a process: that takes 20 ms, and every merchant has a sender."""
    return ssl.create_default_context()
