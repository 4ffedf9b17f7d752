"""Rows of sending: the worker against a bare source, against what a user would pick, and the cost of its queue."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import median

from benchmarks.environment import yardstick_python
from benchmarks.lab import COMMAND, MAIL, Lab
from benchmarks.machine import cpu_seconds, run_to_end
from benchmarks.mailing import SAMPLE, Mailing
from benchmarks.roads import HttpRoad
from benchmarks.table import Result, compare

from invite_service.bell import ArqBell
from invite_service.domain.merchant import MerchantId

SENDERS = {"post_office": "django_sender.py", "procrastinate": "procrastinate_sender.py"}
"""What a user would pick, by row."""

_NAMES = {"post_office": "django-post_office", "procrastinate": "procrastinate, aiosmtplib"}

SOURCE_SHARE = 4
"""The source is so much faster that it sends this many times as many messages, to be timed as long."""

SENDER_SHARES = {"post_office": 3, "procrastinate": 10}
"""These are slower, and send one of so many messages."""

IDLE_SECONDS = 4.0
RINGS_A_SECOND = 50


async def measure_sending(lab: Lab, mailing: Mailing, rows: Collection[str]) -> list[Result]:
    """Send rounds of messages by all senders in turns, the first for nothing; gives those of the rows asked for."""
    senders = {row: await _UsualSender.make(lab, mailing, row) for row in SENDERS if row in rows}
    count = lab.scale.mails_per_round
    ours: list[float] = []
    source: list[float] = []
    theirs: dict[str, list[float]] = {row: [] for row in senders}
    for _ in range(lab.scale.rounds + 1):
        ours.append(await mailing.send(count))
        if "smtp" in rows:
            source.append(await mailing.send_by_source(count * SOURCE_SHARE))
        for row, sender in senders.items():
            theirs[row].append(await sender.send(count // SENDER_SHARES[row]))
    results = []
    if source:
        results.append(_compare_with_source("smtp", mailing, ours, source))
    results += [
        compare(
            row,
            ours[1:],
            rates[1:],
            unit="mails/s",
            against=_NAMES[row],
            note="its messages are rendered beforehand",
        )
        for row, rates in theirs.items()
    ]
    return results


async def measure_http(lab: Lab, road: HttpRoad, *, first: int) -> tuple[Result, int]:
    """Send rounds through an HTTP provider, and post as many ready bytes by bare httpx, in turns.

    Gives the number of messages that are sent, too.
    """
    mailing = await Mailing.open(lab, road, first=first)
    count = lab.scale.mails_per_round // 3
    ours: list[float] = []
    source: list[float] = []
    for _ in range(lab.scale.rounds + 1):
        ours.append(await mailing.send(count))
        source.append(await mailing.send_by_source(count))
    await mailing.close()
    return _compare_with_source(road.name, mailing, ours, source), mailing.sent


def _compare_with_source(row: str, mailing: Mailing, ours: Sequence[float], source: Sequence[float]) -> Result:
    note = f"{mailing.message_size:,} bytes each; worker CPU {mailing.mean_cpu * 1e6:.0f} µs a message"
    return compare(row, ours[1:], source[1:], unit="mails/s", against=mailing.road.source_name, note=note)


class _UsualSender:
    """Another queue that sends mail, over a database of its own and the same sink."""

    def __init__(self, command: list[str | Path], env: dict[str, str], message_size: int) -> None:
        self._command = command
        self._env = env
        self._message_size = message_size

    @classmethod
    async def make(cls, lab: Lab, mailing: Mailing, row: str) -> "_UsualSender":
        python = await yardstick_python()
        admin = await lab.connect("postgres")
        await admin.execute(f"CREATE DATABASE {row}")
        await admin.close()
        script = Path(__file__).parent / "yardsticks" / SENDERS[row]
        env = {"BENCH_DATABASE_URL": lab.plain_url(row), "BENCH_SMTP_PORT": str(mailing.port)}
        return cls([python, script], env, mailing.message_size)

    async def send(self, count: int) -> float:
        """Queue messages, untimed, and send them; return messages a second."""
        await run_to_end([*self._command, "fill", str(count), str(self._message_size)], env=self._env)
        seconds = await run_to_end([*self._command, "send"], env=self._env)
        return count / float(seconds)


async def measure_queue(lab: Lab, mailing: Mailing) -> Result:
    """Compare what listening to a busy bell costs a worker with what sending costs it.

    Two idle workers are watched: one without Redis, one whose bell is rung many times a second. What the second uses
    more, and what Redis uses, is the queue's; the same time of sending is the whole.
    """
    redis_url = lab.servers.redis_url
    if redis_url is None or not mailing.cpu_per_message:
        raise RuntimeError("needs Redis and a round of sending")
    plain = await _idle_cpu(lab, {"INVITE_REDIS_URL": ""}, redis_url=None)
    rung = await _idle_cpu(lab, {}, redis_url=redis_url)
    queue = max(rung - plain, 0.0)
    whole = mailing.mean_cpu * median(mailing.rates)
    return Result(
        row="queue",
        ours=f"{queue * 1000:.3g} ms CPU a second",
        yardstick=f"{whole * 1000:.3g} ms, the whole of sending",
        figure=100 * queue / whole,
        note=f"{RINGS_A_SECOND} rings a second by an API, arq and Redis against a worker without",
    )


async def _idle_cpu(lab: Lab, settings: dict[str, str], *, redis_url: str | None) -> float:
    """Tell what a worker with nothing to send, and Redis if it is rung, use in a second."""
    worker = lab.start([COMMAND, "worker"], "idle-worker", lab.environment(INVITE_WORKER_NAME="idle", **settings))
    await asyncio.sleep(2.0)
    pids = [worker.pid]
    bell = None
    if redis_url is not None:
        assert lab.servers.redis is not None
        pids.append(lab.servers.redis.pid)
        bell = ArqBell.connect(redis_url, on_dropped=lambda: None)
    before = sum(cpu_seconds(pid) for pid in pids)
    for _ in range(int(IDLE_SECONDS * RINGS_A_SECOND)):
        if bell is not None:
            bell.ring(MerchantId(MAIL))
        await asyncio.sleep(1 / RINGS_A_SECOND)
    used = sum(cpu_seconds(pid) for pid in pids) - before
    if bell is not None:
        await bell.close()
    await worker.stop()
    return used / IDLE_SECONDS


async def send_the_rest(lab: Lab, mailing: Mailing) -> None:
    """Send everything that was prefilled, so that the worker's size can be looked at."""
    left = lab.scale.mails - mailing.sent
    step = lab.scale.mails_per_round
    while left >= SAMPLE:
        await mailing.send(min(step, left))
        left = lab.scale.mails - mailing.sent
