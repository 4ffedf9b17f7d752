"""Sending by the real worker, round by round, and the sink and the source it is measured against."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime
from statistics import mean
from typing import Self

import asyncpg
from benchmarks.lab import COMMAND, MAIL, Lab
from benchmarks.machine import Process, cpu_seconds, free_port, listens, resident_mib, run_to_end
from benchmarks.roads import Road

POLL_INTERVAL = 1.0
"""Seconds between two looks of the worker, by default: one that was stopped for longer looks as soon as it goes on."""

SAMPLE = 100
"""Messages sent first, to warm up and to learn their size."""

_MAKE_DUE = """
UPDATE invitations SET send_at = $2, next_attempt_at = $2
WHERE merchant_id = $1 AND spread_order_id = ANY($3::text[])
"""

# One row is enough of an answer: counting them all, twenty times a second, would be measured as well.
_HAS_OPEN = """
SELECT EXISTS (SELECT FROM invitations WHERE merchant_id = $1 AND status = 'scheduled' AND next_attempt_at <= $2)
    OR EXISTS (SELECT FROM invitations WHERE merchant_id = $1 AND status = 'sending')
"""

_COUNT_ACCEPTED = """
SELECT count(*) FROM attempts WHERE merchant_id = $1 AND started_at >= $2 AND outcome = 'accepted'
"""

_ROUND_SECONDS = 120.0


@dataclass(slots=True)
class Mailing:
    """A worker, the sink it sends to, and how far it has got."""

    lab: Lab
    road: Road
    worker: Process
    sink: Process
    database: asyncpg.Connection
    port: int
    message_size: int
    """Bytes of a message on the wire, on average."""
    size_at_start: float
    """Resident MiB of the worker after its first messages."""
    sent: int
    """Messages that were prefilled and are sent."""
    stopped_at: float = 0.0
    rates: list[float] = field(default_factory=list)
    cpu_per_message: list[float] = field(default_factory=list)

    @classmethod
    async def open(cls, lab: Lab, road: Road, *, first: int = 0) -> Self:
        """Start the worker, measure the size of its messages, and put the sink in place.

        What was prefilled is sent from the message of number `first` on.
        """
        port = free_port()
        sample = await road.sample(port)
        settings = {**road.settings(port), "INVITE_POLL_INTERVAL": str(POLL_INTERVAL)}
        worker = lab.start([COMMAND, "worker"], f"{road.name}-worker", lab.environment(**settings))
        database = await lab.connect()
        started_at = await _make_due(database, first=first, count=SAMPLE)
        await _wait_until_sent(database, worker, started_at, count=SAMPLE)
        sample.close()
        message_size = sample.byte_count // sample.message_count
        sink = await _start_sink(lab, road.sink(port), port)
        sent = first + SAMPLE
        return cls(lab, road, worker, sink, database, port, message_size, resident_mib(worker.pid), sent)

    async def close(self) -> None:
        """End worker and sink."""
        await self.worker.stop()
        await self.sink.stop()
        await self.database.close()

    async def send(self, count: int) -> float:
        """Make so many invitations due and wait until each is accepted; return messages a second."""
        started_at = await _make_due(self.database, first=self.sent, count=count)
        await asyncio.sleep(self.stopped_at + POLL_INTERVAL - time.perf_counter())
        used = cpu_seconds(self.worker.pid)
        started = time.perf_counter()
        os.kill(self.worker.pid, signal.SIGCONT)
        seconds = await _wait_until_sent(self.database, self.worker, started_at, count=count) - started
        self.cpu_per_message.append((cpu_seconds(self.worker.pid) - used) / count)
        self.sent += count
        self.rates.append(count / seconds)
        # While others are measured it does not even look for work.
        os.kill(self.worker.pid, signal.SIGSTOP)
        self.stopped_at = time.perf_counter()
        return count / seconds

    async def send_by_source(self, count: int) -> float:
        """Send messages of the same size as ready bytes; return messages a second."""
        command = self.road.source(self.port, count=count, size=self.message_size)
        started = time.perf_counter()
        await run_to_end(command)
        return count / (time.perf_counter() - started)

    @property
    def mean_cpu(self) -> float:
        """Seconds of processor time of the worker per message."""
        return mean(self.cpu_per_message)


async def _start_sink(lab: Lab, command: list[str], port: int) -> Process:
    process = lab.start(command, "sink", {})
    return await process.wait_until(lambda: listens(port))


async def _make_due(database: asyncpg.Connection, *, first: int, count: int) -> datetime:
    """Make invitations due, and give the instant by which they are."""
    order_ids = [f"P-{number}" for number in range(first, first + count)]
    started_at: datetime = await database.fetchval("SELECT clock_timestamp()")
    await database.execute(_MAKE_DUE, MAIL, started_at, order_ids)
    return started_at


async def _wait_until_sent(database: asyncpg.Connection, worker: Process, started_at: datetime, *, count: int) -> float:
    """Wait until nothing is left to send, and give the time of that on the clock of `time.perf_counter`."""
    deadline = time.perf_counter() + _ROUND_SECONDS
    while await database.fetchval(_HAS_OPEN, MAIL, started_at):
        if time.perf_counter() > deadline:
            raise RuntimeError(f"the worker did not send {count} messages:\n{worker.log_end()}")
        await asyncio.sleep(0.05)
    ended_at = time.perf_counter()
    accepted = await database.fetchval(_COUNT_ACCEPTED, MAIL, started_at)
    if accepted != count:
        raise RuntimeError(f"of {count} messages {accepted} were accepted:\n{worker.log_end()}")
    return ended_at
