"""Rows of ingest: single orders and batches, against the bare statement and against the usual way."""

import asyncio
import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.lab import BATCH, SINGLE, USUAL, YARDSTICK_DATABASE, CpuUse, Lab
from benchmarks.load import Job, Seen
from benchmarks.machine import Process, answers_http, free_port
from benchmarks.table import Result, compare
from benchmarks.yardsticks.unnest import read_batches, write_batches

BATCH_SIZE = 500
CONNECTIONS = 2
"""Clients that post batches, and connections of the yardstick."""


class Yardstick:
    """A yardstick's web server, run by uvicorn as the service is."""

    def __init__(self, lab: Lab, app: str, merchant_id: str) -> None:
        self._lab = lab
        self._app = app
        self._merchant_id = merchant_id
        self._port = free_port()

    async def start(self, url: str) -> Process:
        """Start it over the yardstick database."""
        options = ["--port", str(self._port), "--no-access-log", "--log-level", "warning"]
        env = {
            "BENCH_DATABASE_URL": url,
            "BENCH_MERCHANT": self._merchant_id,
            "BENCH_SECRET": self._lab.secret,
        }
        command = [sys.executable, "-m", "uvicorn", f"benchmarks.yardsticks.{self._app}:app", *options]
        process = self._lab.start(command, self._app, env)
        return await process.wait_until(lambda: answers_http(self._port, "/readyz"))

    async def post(self, path: str, *, clients: int, count: int, first_number: int, batch: int = 0) -> Seen:
        """Post orders to it."""
        return await self._lab.post(
            Job(
                port=self._port,
                path=path,
                clients=clients,
                count=count,
                first_number=first_number,
                purchased_at=self._lab.purchased_at.isoformat(),
                customers=self._lab.customers,
                batch=batch,
            )
        )


async def measure_singles(lab: Lab, row: str, *, clients: int) -> Result:
    """Post the same single orders to the service and to `/bare`, in turns."""
    bare = Yardstick(lab, "bare", SINGLE)
    process = await bare.start(lab.plain_url(YARDSTICK_DATABASE))
    # Twice as many rounds of half the length: what else the machine does seldom stays the same for a whole one.
    rounds, count = (
        (lab.scale.rounds, lab.scale.singles) if clients == 1 else (2 * lab.scale.rounds, 2 * lab.scale.singles)
    )
    api = await lab.start_api()
    ours, theirs, our_cpu, their_cpu = [], [], [], []
    for _ in range(rounds + 1):
        first = lab.numbers.take(count)
        with lab.watch_cpu(api, count) as used:
            ours.append(await lab.post_ours(SINGLE, clients=clients, count=count, first_number=first))
        our_cpu.append(used)
        with lab.watch_cpu(process, count) as used:
            theirs.append(await bare.post("/bare", clients=clients, count=count, first_number=first))
        their_cpu.append(used)
    await process.stop()
    await lab.check_same_rows(SINGLE)
    tails = (
        f"p99 {median(seen.p99 for seen in ours[1:]):.3g} ms, /bare {median(seen.p99 for seen in theirs[1:]):.3g} ms;"
        f" CPU an order {describe_cpu(our_cpu[1:])}, /bare {describe_cpu(their_cpu[1:])}"
    )
    if clients == 1:
        figures = [seen.p50 for seen in ours[1:]], [seen.p50 for seen in theirs[1:]]
        return compare(row, *figures, unit="ms", against="/bare", note=tails)
    rates = [count / seen.seconds for seen in ours[1:]], [count / seen.seconds for seen in theirs[1:]]
    return compare(row, *rates, unit="orders/s", against="/bare", note=tails)


def describe_cpu(rounds: Sequence[CpuUse]) -> str:
    """Say how much processor time one order took in the web server and in PostgreSQL."""
    server, postgres = median(used.server for used in rounds), median(used.postgres for used in rounds)
    return f"{server * 1e6:.0f} + {postgres * 1e6:.0f} µs"


async def measure_batches(lab: Lab) -> Result:
    """Post batches to the service, then write the rows it made of them by INSERT … SELECT unnest, in turns."""
    service = await lab.connect()
    connections = [await lab.connect(YARDSTICK_DATABASE) for _ in range(CONNECTIONS)]
    api = await lab.start_api()
    ours, theirs, our_cpu = [], [], []
    for _ in range(lab.scale.rounds + 1):
        order_count = lab.scale.batches * BATCH_SIZE
        first = lab.numbers.take(order_count)
        with lab.watch_cpu(api, order_count) as used:
            seen = await lab.post_ours(
                BATCH, clients=CONNECTIONS, count=lab.scale.batches, first_number=first, batch=BATCH_SIZE
            )
        our_cpu.append(used)
        ours.append(order_count / seen.seconds)
        ids = [f"B-{number}" for number in range(first, first + order_count)]
        groups = [ids[start : start + BATCH_SIZE] for start in range(0, order_count, BATCH_SIZE)]
        resolved = await read_batches(service, connections[0], BATCH, groups)
        shares = (resolved[lane::CONNECTIONS] for lane in range(CONNECTIONS))
        writes = (write_batches(connection, share) for connection, share in zip(connections, shares, strict=True))
        theirs.append(order_count / max(await asyncio.gather(*writes)))
    for connection in (service, *connections):
        await connection.close()
    await lab.check_same_rows(BATCH)
    note = f"CPU an order {describe_cpu(our_cpu[1:])}"
    return compare("batch", ours[1:], theirs[1:], unit="orders/s", against="unnest on 2 connections", note=note)


async def measure_usual_way(lab: Lab, row: str, *, batch: int) -> Result:
    """Post the same orders to the service and to the endpoint written with the ORM, in turns."""
    usual = Yardstick(lab, "orm", USUAL)
    process = await usual.start(lab.url(YARDSTICK_DATABASE))
    clients = CONNECTIONS if batch else 16
    count = CONNECTIONS if batch else lab.scale.singles
    path = "/orders/batch" if batch else "/orders"
    ours, theirs = [], []
    for _ in range(max(lab.scale.rounds - 2, 2) + 1):
        first = lab.numbers.take(count * (batch or 1))
        order_count = count * (batch or 1)
        seen = await lab.post_ours(USUAL, clients=clients, count=count, first_number=first, batch=batch)
        ours.append(order_count / seen.seconds)
        seen = await usual.post(path, clients=clients, count=count, first_number=first, batch=batch)
        theirs.append(order_count / seen.seconds)
    await process.stop()
    await lab.check_same_rows(USUAL)
    return compare(row, ours[1:], theirs[1:], unit="orders/s", against="SQLAlchemy ORM")
