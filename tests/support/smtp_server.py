"""A real SMTP server on loopback that misbehaves at any stage on demand and remembers what it took."""

import asyncio
import base64
import hmac
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from types import TracebackType
from typing import Self

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000", "ENHANCEDSTATUSCODES")
CHALLENGE = b"<1896.697170952@localhost>"


class At(StrEnum):
    """The moments at which a script can step in."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    NOOP = "noop"
    RSET = "rset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    MID_BODY = "mid_body"
    """When the first line of the message has come."""
    FINAL_DOT = "final_dot"


class Act(Enum):
    """What a script can do besides saying something."""

    NORMAL = auto()
    HANG = auto()
    DROP = auto()
    TAKE_AND_DROP = auto()
    """At the final dot: take the message and end the connection without saying so."""


Behaviour = str | Act
"""Lines to say, without the last line end; a 421 closes the connection after it, or hangs where the server lingers."""

Script = Mapping[At, Behaviour | Sequence[Behaviour]]
"""A single behaviour holds for ever; a list is used up one by one, after which the server is normal again."""


@dataclass(frozen=True)
class Received:
    """One message that the server took."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    connection: int


@dataclass
class _Session:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    encrypted: bool
    logged_in: bool = False
    mail_from: str | None = None
    rcpt_to: list[str] = field(default_factory=list)


class _EndedError(Exception):
    """The session is over."""


class ScriptedSmtpServer:
    """Speaks SMTP on 127.0.0.1; `async with` starts and stops it, always on the same port."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        extensions: Sequence[str] = EXTENSIONS,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
        auth_methods: Sequence[str] = ("PLAIN", "LOGIN", "CRAM-MD5"),
        messages_per_connection: int | None = None,
        hold: asyncio.Event | None = None,
        lingers: bool = False,
    ) -> None:
        self._script: dict[At, Behaviour | list[Behaviour]] = {}
        self.play(script or {})
        self._extensions = extensions
        self._starttls = starttls
        self._implicit_tls = implicit_tls
        self._credentials = credentials
        self._auth_methods = auth_methods
        self._messages_per_connection = messages_per_connection
        self._hold = hold
        self._lingers = lingers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.messages: list[Received] = []
        self.bodies: list[bytes] = []
        """Every message that came to its final dot, whatever was said to it."""
        self.commands: list[str] = []
        self.connection_count = 0
        self.open_connection_count = 0
        self.waiting_at_final_dot = 0
        self.peak_at_final_dot = 0

    def play(self, script: Script) -> None:
        """Replace what happens at the stages named."""
        for stage, behaviour in script.items():
            self._script[stage] = behaviour if isinstance(behaviour, str | Act) else list(behaviour)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._implicit_tls)
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
        session = _Session(reader, writer, self.connection_count, encrypted=self._implicit_tls is not None)
        try:
            await self._converse(session)
        except (_EndedError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            session.writer.transport.abort()
            self.open_connection_count -= 1
            self._tasks.discard(task)

    async def _converse(self, session: _Session) -> None:
        await self._answer(session, At.GREETING, "220 test ESMTP")
        while True:
            line = (await self._read_line(session)).decode()
            self.commands.append(line)
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    await self._answer(session, At.EHLO, self._hello(session))
                case "STARTTLS":
                    await self._start_tls(session)
                case "AUTH":
                    await self._authenticate(session, rest)
                case "NOOP":
                    await self._answer(session, At.NOOP, "250 2.0.0 Ok")
                case "RSET":
                    session.mail_from, session.rcpt_to = None, []
                    await self._answer(session, At.RSET, "250 2.0.0 Ok")
                case "MAIL":
                    await self._mail(session, rest)
                case "RCPT":
                    await self._rcpt(session, rest)
                case "DATA":
                    await self._data(session)
                case "QUIT":
                    await self._say(session, "221 2.0.0 Bye")
                    raise _EndedError
                case _:
                    await self._say(session, "500 5.5.2 Unknown command")

    def _hello(self, session: _Session) -> str:
        lines = ["test", *self._extensions]
        if self._starttls is not None and not session.encrypted:
            lines.append("STARTTLS")
        if self._credentials is not None:
            lines.append(f"AUTH {' '.join(self._auth_methods)}")
        return "\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)

    async def _start_tls(self, session: _Session) -> None:
        if self._starttls is None:
            await self._say(session, "502 5.5.1 Not here")
            return
        if await self._answer(session, At.STARTTLS, "220 2.0.0 Go ahead"):
            await session.writer.start_tls(self._starttls)
            session.encrypted = True

    async def _authenticate(self, session: _Session, rest: str) -> None:
        method, _, initial = rest.partition(" ")
        if method.upper() == "PLAIN":
            _, username, password = base64.b64decode(initial).decode().split("\0")
            is_right = (username, password) == self._credentials
        elif method.upper() == "LOGIN":
            await self._say(session, "334 UGFzc3dvcmQ6")
            password = base64.b64decode(await self._read_line(session)).decode()
            is_right = (base64.b64decode(initial).decode(), password) == self._credentials
        else:
            await self._say(session, f"334 {base64.b64encode(CHALLENGE).decode()}")
            digest = base64.b64decode(await self._read_line(session)).decode()
            username, password = self._credentials or ("", "")
            is_right = digest == f"{username} {hmac.new(password.encode(), CHALLENGE, 'md5').hexdigest()}"
        session.logged_in = await self._answer(
            session, At.AUTH, "235 2.7.0 Welcome" if is_right else "535 5.7.8 Bad credentials"
        )

    async def _mail(self, session: _Session, rest: str) -> None:
        if self._credentials is not None and not session.logged_in:
            await self._say(session, "530 5.7.0 Authentication required")
        elif session.mail_from is not None:
            await self._say(session, "503 5.5.1 Nested MAIL")
        elif self._messages_per_connection is not None and self._count(session) >= self._messages_per_connection:
            await self._say(session, "421 4.7.0 Enough from this connection")
        elif await self._answer(session, At.MAIL, "250 2.1.0 Ok"):
            session.mail_from = rest

    async def _rcpt(self, session: _Session, rest: str) -> None:
        if session.mail_from is None:
            await self._say(session, "503 5.5.1 MAIL first")
        elif await self._answer(session, At.RCPT, "250 2.1.5 Ok"):
            session.rcpt_to.append(rest)

    async def _data(self, session: _Session) -> None:
        if not session.rcpt_to and At.DATA not in self._script:
            await self._say(session, "554 5.5.1 No valid recipients")
            return
        if not await self._answer(session, At.DATA, "354 Go on"):
            return
        lines = [await self._read_line(session)]
        says = await self._behave(session, At.MID_BODY)
        if says is not None:
            await self._say(session, says)
        while lines[-1] != b".":
            lines.append(await self._read_line(session))
        body = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-1])
        self.bodies.append(body)
        mail_from, rcpt_to = session.mail_from or "", tuple(session.rcpt_to)
        session.mail_from, session.rcpt_to = None, []
        if says is None:
            await self._wait_if_held()
            received = Received(mail_from, rcpt_to, body, session.number)
            says = await self._behave(session, At.FINAL_DOT, received) or "250 2.0.0 Ok: queued as 4711"
            if says.startswith("2"):
                self.messages.append(received)
            await self._say(session, says)

    async def _wait_if_held(self) -> None:
        if self._hold is not None:
            self.waiting_at_final_dot += 1
            self.peak_at_final_dot = max(self.peak_at_final_dot, self.waiting_at_final_dot)
            await self._hold.wait()
            self.waiting_at_final_dot -= 1

    def _count(self, session: _Session) -> int:
        return sum(1 for message in self.messages if message.connection == session.number)

    async def _answer(self, session: _Session, stage: At, normal: str) -> bool:
        """Do what the script says at this stage, else what is normal; True when that was a yes."""
        says = await self._behave(session, stage) or normal
        await self._say(session, says)
        return says[0] == normal[0]

    async def _behave(self, session: _Session, stage: At, received: Received | None = None) -> str | None:
        behaviour = self._script.get(stage, Act.NORMAL)
        if isinstance(behaviour, list):
            behaviour = behaviour.pop(0) if behaviour else Act.NORMAL
        if behaviour is Act.HANG:
            await asyncio.Event().wait()
        if behaviour is Act.TAKE_AND_DROP and received is not None:
            self.messages.append(received)
            raise _EndedError
        if behaviour is Act.DROP:
            raise _EndedError
        return behaviour if isinstance(behaviour, str) else None

    async def _say(self, session: _Session, text: str) -> None:
        session.writer.write(text.encode() + b"\r\n")
        await session.writer.drain()
        if text.startswith("421"):
            if self._lingers:
                await asyncio.Event().wait()
            raise _EndedError

    async def _read_line(self, session: _Session) -> bytes:
        line = await session.reader.readuntil(b"\n")
        assert line.endswith(b"\r\n"), "a line that does not end with CR LF"
        return line[:-2]
