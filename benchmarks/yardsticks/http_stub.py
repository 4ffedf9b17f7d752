"""A company's API that takes everything and keeps only counts: `python -m benchmarks.yardsticks.http_stub PORT`.

It answers one message as Resend does, and an array of messages as Postmark.
"""

import asyncio
import re
import sys

import orjson
from benchmarks.yardsticks.counting import CountingServer, CountingSession, run

_ID = b"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"
_ONE = b'{"id":"%s"}' % _ID
_OF_BATCH = b'{"ErrorCode":0,"Message":"OK","MessageID":"%s"}' % _ID
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class _Session(CountingSession):
    """One connection that is kept; bodies have a length."""

    def take(self) -> bool:
        """Take a request."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        found = _LENGTH.search(head + b"\r\n")
        length = int(found[1]) if found else 0
        if len(rest) < length:
            return False
        body, self._buffer = rest[:length], rest[length:]
        if body.startswith(b"["):
            count = len(orjson.loads(body))
            answer = b"[%s]" % b",".join([_OF_BATCH] * count)
        else:
            count, answer = 1, _ONE
        self.count(length, messages=count)
        self._transport.write(_HEAD % len(answer) + answer)
        return True


class Stub(CountingServer):
    """The server."""

    session = _Session


if __name__ == "__main__":
    asyncio.run(run(Stub(), int(sys.argv[1])))
