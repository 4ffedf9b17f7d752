"""Requests by way of httpx over aiohttp: 10 MiB of packages, imported with the first client (http.py)."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from invite_service.providers.calls import ApiAnswer, ApiRequest, Trouble
from invite_service.providers.reach import AddressRefusedError, Reach

KEEP_ALIVE = 15.0
"""Seconds after which an idle connection is closed, before the companies' balancers do it (60 s and more)."""


@dataclass(slots=True)
class _Progress:
    """How far one call has come."""

    has_connection: bool = False
    """From here on, octets of the request may be on their way."""


_progress: ContextVar[_Progress] = ContextVar("_progress")


class HttpTransport:
    """Makes one client's requests and says exactly what may have left."""

    def __init__(
        self,
        base_url: str,
        *,
        connections: int,
        connect_timeout: float,
        answer_limit: int,
        reach: Reach,
        tls_context: ssl.SSLContext,
    ) -> None:
        self._answer_limit = answer_limit
        self._http = httpx.AsyncClient(
            base_url=base_url,
            transport=AiohttpTransport(
                verify=tls_context,
                trust_env=False,
                client=lambda: _open_session(tls_context, connections=connections, reach=reach),
            ),
            # What the transport calls `pool` covers all of getting a connection; the rest is the whole call's limit.
            timeout=httpx.Timeout(None, pool=connect_timeout),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "invite-service"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def ask(self, request: ApiRequest, *, deadline: float) -> ApiAnswer | Trouble:
        """Make one request until a time of the event loop; cancelling closes the connection that was in use."""
        progress = _Progress()
        _progress.set(progress)
        built = self._http.build_request(
            request.method, request.path, headers=request.headers, content=request.content, params=request.query
        )
        response: httpx.Response | None = None
        body, trouble = b"", None
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._http.send(built, stream=True)
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

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _read_body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _UnreadableError(Trouble.ANSWER_ENCODED)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._answer_limit:
                raise _UnreadableError(Trouble.ANSWER_TOO_LARGE)
        return bytes(body)


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
