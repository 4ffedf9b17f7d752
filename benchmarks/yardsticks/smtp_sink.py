"""An SMTP server that takes everything and keeps only counts: `python -m benchmarks.yardsticks.smtp_sink PORT`.

It measures the size of messages, and stands in for postfix's smtp-sink where that is not installed.
"""

import asyncio
import sys

from benchmarks.yardsticks.counting import CountingServer, CountingSession, run

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


class _Session(CountingSession):
    """One connection; commands may come several at a time (RFC 2920)."""

    _in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport.write(b"220 sink ESMTP\r\n")

    def take(self) -> bool:
        """Take a message where one is on its way, else a command."""
        return self._take_message() if self._in_data else self._take_command()

    def _take_message(self) -> bool:
        message, end, rest = self._buffer.partition(b"\r\n.\r\n")
        if not end:
            return False
        self.count(len(message) + 2)
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


class Sink(CountingServer):
    """The server."""

    session = _Session


if __name__ == "__main__":
    asyncio.run(run(Sink(), int(sys.argv[1])))
