"""The runner: prefills, measures row by row in interleaved rounds, and prints one table."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from benchmarks.averaging import AVERAGING_ROWS, RESPONSE_ROWS, measure_averages, measure_response_rate
from benchmarks.changing import CHANGING_ROWS, FULL_CHANGES, QUICK_CHANGES, measure_changes
from benchmarks.deciding import measure_decide, measure_simulation
from benchmarks.ingesting import BATCH_SIZE, CONNECTIONS, measure_batches, measure_singles, measure_usual_way
from benchmarks.lab import BATCH, FULL, QUICK, Lab, Scale
from benchmarks.listing import FULL_LISTS, LISTING_ROWS, QUICK_LISTS, measure_lists
from benchmarks.machine import CORES, resident_mib, share_two_cores
from benchmarks.mailing import Mailing
from benchmarks.roads import HttpRoad, SmtpRoad
from benchmarks.sending import SENDERS, measure_http, measure_queue, measure_sending, send_the_rest
from benchmarks.showing import FULL_REVIEWS, QUICK_REVIEWS, SHOWING_ROWS, measure_showing
from benchmarks.starting import measure_ready
from benchmarks.table import Result, render
from benchmarks.targets import TARGETS

INGEST_ROWS: dict[str, Callable[[Lab], Awaitable[Result]]] = {
    "order_p50": lambda lab: measure_singles(lab, "order_p50", clients=1),
    "orders_16": lambda lab: measure_singles(lab, "orders_16", clients=16),
    "orders_64": lambda lab: measure_singles(lab, "orders_64", clients=64),
    "batch": measure_batches,
    "orm_batch": lambda lab: measure_usual_way(lab, "orm_batch", batch=BATCH_SIZE),
    "orm_orders": lambda lab: measure_usual_way(lab, "orm_orders", batch=0),
}
SENDING_ROWS = ("smtp", *SENDERS, "http_provider", "http_single", "queue", "worker_size")
LAB_ROWS = (*INGEST_ROWS, "api_size", *SENDING_ROWS)
"""Rows that need servers and prefilled tables."""


async def measure(rows: Collection[str], scale: Scale) -> list[Result]:
    """Measure the rows asked for."""
    results = []
    if "decide" in rows:
        results.append(_told(measure_decide(scale.rounds)))
    if "simulation" in rows:
        results.append(_told(measure_simulation(scale.rounds)))
    if "ready" in rows:
        results.append(_told(await measure_ready(min(scale.rounds, 3))))
    for row in AVERAGING_ROWS:
        if row in rows:
            _tell("starting servers, filling ratings")
            results.append(_told(await measure_averages(row, scale.rounds)))
    for row in RESPONSE_ROWS:
        if row in rows:
            _tell("starting servers, filling invitations and ratings")
            results.append(_told(await measure_response_rate(row, scale.rounds)))
    if any(row in rows for row in LISTING_ROWS):
        _tell("starting servers, filling the lists")
        results += [_told(one) for one in await measure_lists(rows, QUICK_LISTS if scale is QUICK else FULL_LISTS)]
    if any(row in rows for row in SHOWING_ROWS):
        _tell("starting servers, filling reviews")
        results += [
            _told(one) for one in await measure_showing(rows, QUICK_REVIEWS if scale is QUICK else FULL_REVIEWS)
        ]
    if any(row in rows for row in CHANGING_ROWS):
        _tell("starting servers, filling what batch updates change")
        results += [
            _told(one) for one in await measure_changes(rows, QUICK_CHANGES if scale is QUICK else FULL_CHANGES)
        ]
    if any(row in rows for row in LAB_ROWS):
        _tell("starting servers, filling the tables")
        async with await Lab.open(scale) as lab:
            results += await _measure_ingest(lab, rows)
            await lab.stop_api()
            results += await _measure_sending(lab, rows)
    return results


async def _measure_ingest(lab: Lab, rows: Collection[str]) -> list[Result]:
    results = []
    for row, measure_row in INGEST_ROWS.items():
        if row in rows:
            await lab.checkpoint()
            results.append(_told(await measure_row(lab)))
    if "api_size" in rows:
        results.append(_told(await _measure_api_size(lab)))
    return results


async def _measure_api_size(lab: Lab) -> Result:
    """Look at the API's size after everything it took, and after batches that make up the number wanted."""
    api = await lab.start_api()
    before = resident_mib(api.pid)
    while lab.posted < lab.scale.operations:
        count = min(lab.scale.batches, -(-(lab.scale.operations - lab.posted) // BATCH_SIZE))
        first = lab.numbers.take(count * BATCH_SIZE)
        await lab.post_ours(BATCH, clients=CONNECTIONS, count=count, first_number=first, batch=BATCH_SIZE)
    size = resident_mib(api.pid)
    return Result(
        row="api_size",
        ours=f"{size:.0f} MiB",
        yardstick="",
        figure=size,
        note=f"after {lab.posted:,} orders; {before:.0f} MiB before the last batches",
    )


async def _measure_sending(lab: Lab, rows: Collection[str]) -> list[Result]:
    if not any(row in rows for row in SENDING_ROWS):
        return []
    await lab.checkpoint()
    results, first = [], 0
    roads = (HttpRoad(has_batches=True), HttpRoad(has_batches=False))
    for road in (road for road in roads if road.name in rows):
        result, first = await measure_http(lab, road, first=first)
        results.append(_told(result))
    if set(rows).isdisjoint({*SENDING_ROWS} - {road.name for road in roads}):
        return results
    mailing = await Mailing.open(lab, SmtpRoad(), first=first)
    results += [_told(result) for result in await measure_sending(lab, mailing, rows)]
    if "worker_size" in rows:
        await send_the_rest(lab, mailing)
        size, sent = resident_mib(mailing.worker.pid), mailing.sent - first
        results.append(
            _told(
                Result(
                    row="worker_size",
                    ours=f"{size:.0f} MiB",
                    yardstick="",
                    figure=size,
                    note=f"after {sent:,} messages; {mailing.size_at_start:.0f} MiB after the first hundred",
                )
            )
        )
    await mailing.close()
    if "queue" in rows:
        results.append(_told(await measure_queue(lab, mailing)))
    return results


def _told(result: Result) -> Result:
    _tell(f"{result.row}: {result.ours}; {result.yardstick or 'no yardstick'}; {result.figure:.3g}")
    return result


def _tell(text: str) -> None:
    print(f"[{time.process_time():.0f} s CPU] {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and print its table."""
    parser = argparse.ArgumentParser(description="Measure the service against its yardsticks, side by side.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds on smaller tables, some minutes")
    parser.add_argument("--only", action="append", choices=list(TARGETS), metavar="ROW", help=", ".join(TARGETS))
    options = parser.parse_args(arguments)
    share_two_cores()
    started = time.perf_counter()
    rows = options.only or list(TARGETS)
    results = asyncio.run(measure(rows, QUICK if options.quick else FULL))
    print(render(results))
    print(f"\n{time.perf_counter() - started:.0f} s on {CORES} cores, everything on loopback, PostgreSQL durable.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
