"""One open, logged-in SMTP connection, driven message by message with as few writes as the server allows."""

import asyncio
from collections import deque
from collections.abc import Collection

from invite_service.domain.receipt import Receipt
from invite_service.providers.email.smtp_answers import Answer, Reply, Stage, Trouble
from invite_service.providers.email.smtp_envelope import Envelope

MAX_REPLY_BYTES = 32 * 1024
"""A server that answers more than this at once is not speaking SMTP."""

SERVICE_CLOSING = 421
START_INPUT = 354


_MARKS = (b" ", b"-", b"")
"""What may follow a reply's code: the last of its lines, one of several, the last without a text."""


class _LostError(Exception):
    """There will be no further reply; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class SmtpConnection(asyncio.Protocol):
    """Takes over the transport of a connection that has been greeted, encrypted and logged in.

    aiosmtplib reads one reply per write and wakes twice for each; here MAIL, RCPT and DATA leave in one write where
    the server announces PIPELINING (RFC 2920). Replies are matched to commands by their order. A reply that nothing
    asked for makes all later ones doubtful, so it ends the connection.
    """

    def __init__(self, transport: asyncio.Transport, *, extensions: Collection[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._extensions = frozenset(extensions)
        self._rest = b""
        """A line that has not ended yet."""
        self._text: list[bytes] = []
        self._text_size = 0
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._trouble: Trouble | None = None
        self._needs_reset = False
        self.closed = self._loop.create_future()
        """Done when the transport is gone."""
        self.message_count = 0
        self.idle_since = self._loop.time()
        """On the loop's clock; kept by the pool."""
        transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """True while the connection can take another message, as far as anybody knows."""
        return self._trouble is None and not self._transport.is_closing()

    async def deliver(self, envelope: Envelope, *, deadline: float) -> Answer | Receipt:
        """Hand over one message before the deadline (on the loop's clock) and say where and how that ended.

        A receipt comes back where the server lacks an extension that the message needs; then nothing was written.
        Cancelling ends the connection.
        """
        commands = envelope.commands(self._extensions)
        if isinstance(commands, Receipt):
            return commands
        self.message_count += 1
        if self._needs_reset:
            self._needs_reset = False
            commands = ((Stage.RSET, b"RSET\r\n"), *commands)
        timer = self._loop.call_at(deadline, self._lose, Trouble.TIMEOUT)
        try:
            refusal = await self._announce(commands)
            return refusal or await self._write_message(envelope.data())
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            timer.cancel()

    async def probe(self, *, deadline: float) -> Answer:
        """Ask for a sign of life by NOOP; a connection that gives none is lost."""
        timer = self._loop.call_at(deadline, self._lose, Trouble.TIMEOUT)
        try:
            self._write(b"NOOP\r\n", replies=1)
            reply = await self._reply()
        except _LostError as lost:
            return Answer(Stage.NOOP, trouble=lost.trouble)
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            timer.cancel()
        answer = Answer(Stage.NOOP, reply)
        if not answer.is_positive:
            self.abort()
        return answer

    def quit(self) -> None:
        """Say goodbye and close once that has left, without waiting for the server's own goodbye."""
        if self.usable:
            self._transport.write(b"QUIT\r\n")
        self._trouble = self._trouble or Trouble.DROPPED
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection with everything unwritten: what is left in a buffer could still arrive later."""
        self._lose(Trouble.DROPPED)

    def data_received(self, data: bytes) -> None:
        """Cut what the server says into replies (asyncio.Protocol)."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self._owed or not self._take_line(line.rstrip(b"\r")):
                self._lose(Trouble.UNREADABLE)
                return
        if len(self._rest) > (MAX_REPLY_BYTES if self._owed else 0):
            self._lose(Trouble.UNREADABLE)
            return
        if self._replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for a reply (asyncio.Protocol)."""
        self._lose(Trouble.DROPPED)
        if not self.closed.done():
            self.closed.set_result(None)

    async def _announce(self, commands: tuple[tuple[Stage, bytes], ...]) -> Answer | None:
        """Write the commands up to DATA; None means that the server now waits for the message."""
        pipelining = "pipelining" in self._extensions
        refusal: Answer | None = None
        stage = commands[0][0]
        try:
            if pipelining:
                self._write(b"".join(command for _, command in commands), replies=len(commands))
            for stage, command in commands:
                if not pipelining:
                    self._write(command, replies=1)
                reply = await self._reply()
                passed = reply.code == START_INPUT if stage is Stage.DATA else reply.code // 100 == 2
                if passed and stage is Stage.DATA and refusal is not None:
                    # The server waits for a message that has no sender or no recipient: leave it waiting.
                    self.abort()
                if passed or refusal is not None:
                    continue
                refusal = Answer(stage, reply)
                if not pipelining or reply.code == SERVICE_CLOSING:
                    break
        except _LostError as lost:
            return refusal or Answer(stage, trouble=lost.trouble)
        if refusal is not None:
            self._end_refused(refusal)
        return refusal

    def _end_refused(self, refusal: Answer) -> None:
        self._needs_reset = True
        if refusal.reply is None or not _leaves_usable(refusal.reply):
            self.abort()

    async def _write_message(self, data: bytes) -> Answer:
        try:
            self._write(data, replies=1)
        except _LostError as lost:
            return Answer(Stage.DATA, trouble=lost.trouble)
        try:
            reply = await self._reply()
        except _LostError as lost:
            return Answer(Stage.MESSAGE, trouble=lost.trouble)
        if self._transport.get_write_buffer_size():
            # Answered before all of it had left: a refusal holds, an acceptance is of something else.
            self.abort()
            if reply.code // 100 == 2:
                return Answer(Stage.MESSAGE, trouble=Trouble.UNREADABLE)
        if not _leaves_usable(reply):
            self.abort()
        return Answer(Stage.MESSAGE, reply)

    def _write(self, data: bytes, *, replies: int) -> None:
        if self._trouble is not None:
            raise _LostError(self._trouble)
        if self._transport.is_closing():
            raise _LostError(Trouble.DROPPED)
        self._owed += replies
        self._transport.write(data)

    async def _reply(self) -> Reply:
        while not self._replies:
            if self._trouble is not None:
                raise _LostError(self._trouble)
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._replies.popleft()

    def _take_line(self, line: bytes) -> bool:
        """Add one line to the reply under way; False when it is none of SMTP."""
        code, mark = line[:3], line[3:4]
        if len(code) < 3 or not code.isdigit() or mark not in _MARKS:
            return False
        self._text.append(line[4:])
        self._text_size += len(line)
        if self._text_size > MAX_REPLY_BYTES:
            return False
        if mark != b"-":
            self._replies.append(Reply(int(code), b"\n".join(self._text).decode("utf-8", "replace")))
            self._text = []
            self._text_size = 0
            self._owed -= 1
        return True

    def _lose(self, trouble: Trouble) -> None:
        self._trouble = self._trouble or trouble
        self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _leaves_usable(reply: Reply) -> bool:
    return reply.code // 100 in {2, 4, 5} and reply.code != SERVICE_CLOSING
