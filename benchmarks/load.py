"""The client, in a process of its own: posts prebuilt requests over kept-alive connections and times the answers.

`python -m benchmarks.load` reads its job as JSON from standard input and prints what it saw as JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import quantiles

from benchmarks.bodies import encode, order_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be posted: `count` requests of `batch` orders each (0: single orders), by `clients` at once."""

    port: int
    path: str
    clients: int
    count: int
    first_number: int
    purchased_at: str
    customers: int
    batch: int = 0
    key: str = ""

    @property
    def order_count(self) -> int:
        """How many order numbers the job uses up."""
        return self.count * (self.batch or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came back: whole seconds from the first request to the last answer, latencies in milliseconds."""

    seconds: float
    p50: float
    p99: float
    statuses: dict[str, int]
    sample: str


@dataclass(slots=True)
class _Round:
    requests: Iterator[bytes]
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    sample: bytes = b""


class _Client(asyncio.Protocol):
    """One connection: sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, current: _Round, done: asyncio.Future[None]) -> None:
        self._round = current
        self._done = done
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._round.latencies.append(time.perf_counter() - self._sent_at)
        self._round.statuses[head[9:12].decode()] += 1
        if not self._round.sample:
            self._round.sample = body
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        request = next(self._round.requests, None)
        if request is None:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[start:].split(b"\r\n", 1)[0])


def _requests(job: Job) -> list[bytes]:
    purchased_at = datetime.fromisoformat(job.purchased_at)
    authorization = f"Authorization: Bearer {job.key}\r\n" if job.key else ""
    head = (
        f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n{authorization}"
        "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: "
    )
    bodies = (
        order_body(job.first_number + index, purchased_at=purchased_at, customers=job.customers)
        for index in range(job.order_count)
    )
    if job.batch:
        payloads = [encode({"orders": [next(bodies) for _ in range(job.batch)]}) for _ in range(job.count)]
    else:
        payloads = [encode(body) for body in bodies]
    return [f"{head}{len(payload)}\r\n\r\n".encode() + payload for payload in payloads]


async def post_all(job: Job) -> Seen:
    """Send the job's requests and time them."""
    loop = asyncio.get_running_loop()
    current = _Round(iter(_requests(job)))
    done = [loop.create_future() for _ in range(job.clients)]
    started = time.perf_counter()
    for future in done:
        await loop.create_connection(lambda future=future: _Client(current, future), "127.0.0.1", job.port)  # type: ignore[misc]
    await asyncio.gather(*done)
    seconds = time.perf_counter() - started
    hundredths = quantiles(current.latencies, n=100) if len(current.latencies) > 1 else current.latencies * 99
    return Seen(
        seconds=seconds,
        p50=hundredths[49] * 1000,
        p99=hundredths[98] * 1000,
        statuses=dict(current.statuses),
        sample=current.sample.decode(),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(post_all(Job(**json.load(sys.stdin)))))))
