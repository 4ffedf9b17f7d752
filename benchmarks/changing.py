"""Rows of batch updates: many invitations changed by a worker, against one INSERT … SELECT of the same rows."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles
from typing import Any

import asyncpg
import httpx
from benchmarks.bodies import order_body
from benchmarks.crowd import without_indexes
from benchmarks.listing import COMMAND, ListingLab, ListingScale
from benchmarks.machine import Process, answers_http, free_port
from benchmarks.table import Result, compare

CHANGING_ROWS = ("batch_update", "batch_update_1m", "ingest_beside")

FINISH_SECONDS = 900.0
"""After which a batch update counts as stuck."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangingScale:
    """How many invitations one batch update changes, and how often it is done."""

    small: int
    large: int
    rounds: int
    idle_orders: int


FULL_CHANGES = ChangingScale(small=100_000, large=1_000_000, rounds=3, idle_orders=2_000)
QUICK_CHANGES = ChangingScale(small=20_000, large=50_000, rounds=2, idle_orders=400)

_FILL = """
INSERT INTO invitations (
    merchant_id, id, kind, channel, language, contact, contact_key, customer_name, status, steps, next_step,
    policy_version, time_zone, spread_order_id, created_at, send_at, next_attempt_at, order_ids, moved_by_merchant,
    send_now, message_count, tries
)
SELECT $1, uuidv7(), 'product', 'email', 'en', 'many' || n || '@example.org',
    decode(md5(n::text) || md5((n + 1)::text), 'hex'), 'Customer ' || n, 'scheduled', ARRAY['product_1', 'product_2'],
    'product_1', 1, 'Europe/London', 'M-' || n, $2::timestamptz - make_interval(secs => n / 10.0), send_at, send_at,
    ARRAY['M-' || n], FALSE, FALSE, 0, 0
FROM (
    SELECT n, $2::timestamptz + interval '30 days' + make_interval(secs => (n::int8 * 7919) % 864000) AS send_at
    FROM generate_series(1, $3) AS n
) AS planned
"""


async def measure_changes(rows: Collection[str], scale: ChangingScale) -> list[Result]:
    """Measure the rows asked for."""
    results = []
    listing = ListingScale(rows=2_000, merchants=2, rounds=1, requests=1)
    async with await ListingLab.open(listing) as lab:
        port = free_port()
        worker = Process([COMMAND, "worker"], log=lab.folder / "worker.log", env=_worker_settings(lab, port))
        lab.resources.push_async_callback(worker.stop)
        await worker.wait_until(lambda: answers_http(port, "/livez"))
        if "batch_update" in rows:
            results.append(await _measure_size(lab, "batch_update", scale.small, scale.rounds))
        if "batch_update_1m" in rows:
            results.append(await _measure_size(lab, "batch_update_1m", scale.large, max(scale.rounds - 1, 1)))
        if "ingest_beside" in rows:
            results.append(await _measure_ingest_beside(lab, scale))
    return results


def _worker_settings(lab: ListingLab, port: int) -> dict[str, str]:
    return lab.environment(INVITE_WORKER_PORT=str(port), INVITE_POLL_INTERVAL="0.2")


async def _refill(lab: ListingLab, count: int) -> asyncpg.Connection:
    """Give the merchant so many scheduled invitations and no others, and a table like theirs for the yardstick."""
    database = await asyncpg.connect(lab.plain_url)
    await database.execute("DROP TABLE IF EXISTS yardstick_invitations")
    await database.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    await database.execute("SET maintenance_work_mem = '512MB'")
    async with database.transaction(), without_indexes(database, ["invitations"]):
        await database.execute("DELETE FROM invitations WHERE merchant_id = $1", lab.crowd.first)
        await database.execute(_FILL, lab.crowd.first, lab.now, count)
    await database.execute("RESET session_replication_role; RESET synchronous_commit")
    await database.execute("CREATE TABLE yardstick_invitations (LIKE invitations INCLUDING ALL)")
    return database


async def _settle(database: asyncpg.Connection) -> None:
    await database.execute("VACUUM ANALYZE invitations")
    await database.execute("CHECKPOINT")


async def _measure_size(lab: ListingLab, row: str, count: int, rounds: int) -> Result:
    """Reschedule all of a merchant's invitations, each time to another day, and insert the same rows, in turns."""
    database = await _refill(lab, count)
    ours, theirs = [], []
    async with _client(lab) as client:
        for number in range(rounds + 1):
            await _settle(database)
            started = time.perf_counter()
            finished = await _finish(client, await _accept(client, lab.now, days=40 + number))
            ours.append(count / (time.perf_counter() - started))
            if finished["changed"] != count:
                raise RuntimeError(f"a batch update of {count} changed {finished['changed']}: {finished['skipped']}")
            await database.execute("TRUNCATE yardstick_invitations")
            await database.execute("CHECKPOINT")
            started = time.perf_counter()
            await database.execute(
                "INSERT INTO yardstick_invitations SELECT * FROM invitations WHERE merchant_id = $1", lab.crowd.first
            )
            theirs.append(count / (time.perf_counter() - started))
    await database.close()
    note = f"{count:,} invitations rescheduled, from the POST until the worker has finished, commits included"
    return compare(row, ours[1:], theirs[1:], unit="rows/s", against="INSERT … SELECT", note=note)


async def _measure_ingest_beside(lab: ListingLab, scale: ChangingScale) -> Result:
    """Post orders one after the other while nothing else happens, and while a batch update runs."""
    database = await _refill(lab, scale.large)
    await _settle(database)
    async with _client(lab) as client:
        idle = [await _post_order(client, lab, number) for number in range(scale.idle_orders + 100)][100:]
        running = asyncio.create_task(_finish(client, await _accept(client, lab.now, days=50)))
        beside: list[float] = []
        while not running.done():
            beside.append(await _post_order(client, lab, scale.idle_orders + 100 + len(beside)))
        await running
    await database.close()
    calm, busy = (quantiles(seen, n=100)[98] * 1000 for seen in (idle, beside))
    note = (
        f"{len(beside):,} orders beside {scale.large:,} invitations; p50 {median(beside) * 1000:.3g} ms,"
        f" idle {median(idle) * 1000:.3g} ms"
    )
    return Result(
        row="ingest_beside",
        ours=f"{busy:.3g} ms",
        yardstick=f"{calm:.3g} ms, idle",
        figure=busy / calm,
        note=note,
    )


@contextlib.asynccontextmanager
async def _client(lab: ListingLab) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {lab.key}"}
    base_url = f"http://127.0.0.1:{lab.api_port}"
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=120, trust_env=False) as client:
        yield client


async def _accept(client: httpx.AsyncClient, now: datetime, *, days: int) -> str:
    day = (now + timedelta(days=days)).date().isoformat()
    body = {"filter": {"status": "scheduled"}, "action": "reschedule", "date": day}
    answer = await client.post("/v1/batch-updates", json=body)
    answer.raise_for_status()
    address: str = answer.headers["location"]
    return address


async def _finish(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    async with asyncio.timeout(FINISH_SECONDS):
        while True:
            found: dict[str, Any] = (await client.get(address)).raise_for_status().json()
            if found["finished_at"] is not None:
                return found
            await asyncio.sleep(LOOK_SECONDS)


async def _post_order(client: httpx.AsyncClient, lab: ListingLab, number: int) -> float:
    """Post an order of a new customer, and tell how many seconds its answer took."""
    body = order_body(number, purchased_at=lab.now - timedelta(days=1), customers=0)
    started = time.perf_counter()
    (await client.post("/v1/orders", json=body)).raise_for_status()
    return time.perf_counter() - started
