"""Sending by the real worker, round by round, and the sink and the source it is measured against."""

import asyncio
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from statistics import mean
from typing import Self

import asyncpg
from benchmarks.lab import COMMAND, MAIL, Lab
from benchmarks.machine import Process, cpu_seconds, free_port, listens, resident_mib, run_to_end
from benchmarks.yardsticks.smtp_sink import Sink

POLL_INTERVAL = 1.0
"""Seconds between two looks of the worker, by default: one that was stopped for longer looks as soon as it goes on."""

SESSIONS = 8
"""Connections of every sender."""

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


def has_postfix() -> bool:
    """Say whether postfix's own source and sink are installed."""
    return shutil.which("smtp-source") is not None and shutil.which("smtp-sink") is not None


@dataclass(slots=True)
class Mailing:
    """A worker, the sink it sends to, and how far it has got."""

    lab: Lab
    worker: Process
    sink: Process
    database: asyncpg.Connection
    port: int
    message_size: int
    """Bytes of a message on the wire, on average."""
    size_at_start: float
    """Resident MiB of the worker after its first messages."""
    sent: int = SAMPLE
    stopped_at: float = 0.0
    rates: list[float] = field(default_factory=list)
    cpu_per_message: list[float] = field(default_factory=list)

    @classmethod
    async def open(cls, lab: Lab) -> Self:
        """Start the worker, measure the size of its messages, and put the sink in place."""
        port = free_port()
        sample = await Sink().start(port)
        settings = {
            "INVITE_SMTP_URL": f"smtp://127.0.0.1:{port}?starttls=never",
            "INVITE_POLL_INTERVAL": str(POLL_INTERVAL),
        }
        worker = lab.start([COMMAND, "worker"], "worker", lab.environment(**settings))
        database = await lab.connect()
        started_at = await _make_due(database, first=0, count=SAMPLE)
        await _wait_until_sent(database, worker, started_at, count=SAMPLE)
        sample.close()
        message_size = sample.byte_count // sample.message_count
        if has_postfix():
            # Started by root it wants to be somebody else.
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            command = ["smtp-sink", *user, f"127.0.0.1:{port}", "256"]
        else:
            command = [sys.executable, "-m", "benchmarks.yardsticks.smtp_sink", str(port)]
        sink = await _start_sink(lab, command, port)
        return cls(lab, worker, sink, database, port, message_size, resident_mib(worker.pid))

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
        """Send messages of the same size by smtp-source, or by ours; return messages a second."""
        if has_postfix():
            options = ["-d", "-s", SESSIONS, "-m", count, "-l", self.message_size]
            envelope = ["-f", "source@example.org", "-t", "sink@example.org"]
            command = ["smtp-source", *map(str, options), *envelope, f"127.0.0.1:{self.port}"]
        else:
            arguments = [str(self.port), str(count), str(self.message_size)]
            command = [sys.executable, "-m", "benchmarks.yardsticks.smtp_source", *arguments]
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
