"""A real HTTP server on loopback that plays a company, misbehaves on demand and remembers what it was asked."""

import asyncio
import json
import socket
import ssl
import struct
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Asked:
    """One request, whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    def json(self) -> Any:
        return json.loads(self.body)

    def basic(self) -> tuple[str, str] | None:
        """User name and password, where the request has them."""
        kind, _, text = self.headers.get("authorization", "").partition(" ")
        if kind != "Basic":
            return None
        username, _, password = b64decode(text).decode().partition(":")
        return username, password


@dataclass(frozen=True)
class Said:
    """One answer; `length` lies about the body's length."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None

    @classmethod
    def json(cls, content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"} | dict(headers or {}))


class Act(Enum):
    """What the server can do instead of saying something."""

    NORMAL = auto()
    HANG = auto()
    """Once the request has come: nothing, for ever."""
    RESET = auto()
    """Once the request has come: the connection is reset."""
    TAKE_AND_RESET = auto()
    """The company does its work, and the connection is reset before it can say so."""
    TAKE_AND_HANG = auto()
    TAKE_AND_DRIP = auto()
    """The company does its work and says so, one octet every twentieth of a second, without an end."""
    TAKE_AND_HALVE = auto()
    """The company does its work; its answer ends in the middle."""
    RESET_AT_FIRST_OCTET = auto()
    """The connection is reset as soon as anything of a request comes."""
    CLOSE_WHEN_IDLE = auto()
    """A good answer, after which the connection is closed without having said so."""


Behaviour = Said | Act
Company = Callable[[Asked], Said]
"""Does what the company does with a request that is in order, and refuses any other as the company would."""


class VendorServer:
    """Speaks HTTP/1.1 on 127.0.0.1; `async with` starts and stops it, always on the same port."""

    def __init__(
        self, company: Company, script: Iterable[Behaviour] = (), *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._company = company
        self._script = list(script)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.requests: list[Asked] = []
        self.connection_count = 0
        self.open_connection_count = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def play(self, *behaviours: Behaviour) -> None:
        """Answer the next requests like this, one each; after that the server is normal again."""
        self._script = list(behaviours)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connection_count += 1
        self.open_connection_count += 1
        number = self.connection_count
        try:
            while True:
                start = await reader.readexactly(1)
                if self._script[:1] == [Act.RESET_AT_FIRST_OCTET]:
                    self._script.pop(0)
                    _reset(writer)
                    return
                asked = await _read(start, reader, connection=number)
                self.requests.append(asked)
                behaviour = self._script.pop(0) if self._script else Act.NORMAL
                if not await self._answer(asked, behaviour, writer):
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.open_connection_count -= 1
            self._tasks.discard(task)

    async def _answer(self, asked: Asked, behaviour: Behaviour, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; True when the connection may be used again."""
        if behaviour is Act.HANG:
            await asyncio.Event().wait()
        if behaviour is Act.RESET:
            _reset(writer)
            return False
        said = behaviour if isinstance(behaviour, Said) else self._company(asked)
        match behaviour:
            case Act.TAKE_AND_HANG:
                await asyncio.Event().wait()
            case Act.TAKE_AND_RESET:
                _reset(writer)
                return False
            case Act.TAKE_AND_DRIP:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case Act.TAKE_AND_HALVE:
                said = Said(said.status, said.body[: len(said.body) // 2], said.headers, length=max(len(said.body), 10))
        writer.write(_write(said))
        await writer.drain()
        if said.length is not None or behaviour is Act.CLOSE_WHEN_IDLE:
            writer.close()
            return False
        return True


async def _read(start: bytes, reader: asyncio.StreamReader, *, connection: int) -> Asked:
    lines = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    assert version == "HTTP/1.1"
    fields = [line.partition(":") for line in lines[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    assert len(headers) == len(fields), "a header was sent twice"
    assert "transfer-encoding" not in headers
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body, connection)


def _write(said: Said) -> bytes:
    length = len(said.body) if said.length is None else said.length
    headers = {"Content-Length": str(length), **said.headers}
    lines = [f"HTTP/1.1 {said.status} {REASONS.get(said.status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + said.body


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset instead of a goodbye."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
