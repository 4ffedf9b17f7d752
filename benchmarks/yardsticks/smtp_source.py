"""A client that sends ready bytes as fast as one process can.

`python -m benchmarks.yardsticks.smtp_source PORT N SIZE` sends N messages of SIZE bytes. It stands in for postfix's
`smtp-source -d -s 8` where that is not installed: eight sessions that stay open, and the commands of a message sent
together (RFC 2920).
"""

import asyncio
import sys
from collections.abc import Iterator

SESSIONS = 8

_ENVELOPE = b"MAIL FROM:<source@example.org>\r\nRCPT TO:<sink@example.org>\r\nDATA\r\n"
_LINE = b"X" * 70 + b"\r\n"


async def send(port: int, count: int, size: int) -> None:
    """Send `count` messages of `size` bytes."""
    body = b"Subject: source\r\n\r\n" + _LINE * (size // len(_LINE)) + b".\r\n"
    turns = iter(range(count))
    await asyncio.gather(*(_run_session(port, body, turns) for _ in range(SESSIONS)))


async def _run_session(port: int, body: bytes, turns: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO source\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    for _ in turns:
        writer.write(_ENVELOPE)
        for _ in range(3):
            await _accepted(reader)
        writer.write(body)
        await _accepted(reader)
    writer.close()


async def _accepted(reader: asyncio.StreamReader) -> None:
    line = await reader.readline()
    if line[:1] not in b"23":
        raise RuntimeError(f"the sink said {line!r}")


if __name__ == "__main__":
    asyncio.run(send(*(int(argument) for argument in sys.argv[1:4])))
