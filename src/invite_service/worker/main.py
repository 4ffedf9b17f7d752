"""The worker process: sends what is due, woken by its own poll loop and, sooner, by the bell."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Final

import structlog
import uvloop

from invite_service.bootstrap import Factory, ProcessContext, new_id
from invite_service.config import Settings
from invite_service.domain.merchant import MerchantId
from invite_service.services.send_report import SendReport
from invite_service.telemetry import configure_logging, correlated
from invite_service.worker.batch_update_loop import BatchUpdateLoop
from invite_service.worker.bell_listener import BellListener
from invite_service.worker.dispatcher import Dispatcher, Turn
from invite_service.worker.ending import end_tasks
from invite_service.worker.endpoint import Heartbeat, WorkerEndpoint
from invite_service.worker.merchant_loop import MerchantLoop
from invite_service.worker.poll_loop import PollLoop

log = structlog.get_logger()

SHUTDOWN_SECONDS: Final = 25.0
"""How long calls in flight may take to end after SIGTERM; less than what orchestrators wait before they kill."""

PUBLISH_SECONDS: Final = 5.0
"""Between two looks for ratings to publish: holds last days."""

DOUBT_SECONDS: Final = 30.0
"""Between two looks for messages in doubt; each is asked about less and less often."""

ASKED_AT_ONCE: Final = 8
"""Merchants whose providers or systems are called at the same time, but for batches: one that hangs keeps its own."""

REPUTATION_SECONDS: Final = 60.0
"""Between two looks at merchants whose e-mails bounce; what providers tell is looked at when it comes, too."""

_Find = Callable[[], Awaitable[Sequence[MerchantId]]]
_Work = Callable[[MerchantId], Awaitable[int]]


def run(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; calls in flight end first, what was only claimed is given back.

    Raises:
        SchemaOutdatedError: the database schema is not at head; the message names the command to run.
        DatabaseUnavailableError: the database cannot be reached.
        ProviderSettingsError: the installation's provider settings have faults.
    """
    configure_logging(settings.log_level)
    uvloop.run(_run_until_signal(settings))


async def _run_until_signal(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stopping.set)
    async with working(settings) as port:
        log.info("Started a worker", worker=settings.worker_name, port=port)
        await stopping.wait()
        log.info("Stopping the worker", worker=settings.worker_name)
    log.info("Stopped the worker", worker=settings.worker_name)


@contextlib.asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[int]:
    """Work while the block runs, and give the port of the worker's `/livez` and `/metrics`."""
    context = await ProcessContext.create(settings, name=f"invite-service worker {settings.worker_name}")
    try:
        factory = Factory(context)
        sending = factory.create_sending()

        async def take_turn(merchant_id: MerchantId, turn: Turn) -> SendReport:
            with correlated(str(new_id())):
                return await sending.send_due(merchant_id, turn=turn)

        dispatcher = Dispatcher(take_turn)
        heartbeat = Heartbeat(asyncio.get_running_loop().time)
        poll_loop = PollLoop(
            sending=sending,
            leases=factory.create_leases(),
            dispatcher=dispatcher,
            heartbeat=heartbeat,
            interval=settings.poll_interval,
            on_failure=context.metrics.poll_failures.inc,
            on_backlog=context.metrics.due_backlog.set,
            on_circuits=context.metrics.set_open_circuits,
        )
        endpoint = WorkerEndpoint(
            heartbeat, render_metrics=context.metrics.render, metrics_type=context.metrics.content_type
        )
        batch_updates = BatchUpdateLoop(
            factory.create_batch_work(),
            interval=settings.poll_interval,
            on_failure=context.metrics.poll_failures.inc,
        )
        turns = _merchant_loops(factory, settings, on_failure=context.metrics.poll_failures.inc)
        loops = [poll_loop.run(), batch_updates.run(), *(loop.run() for loop in turns)]
        if settings.redis_url is not None:
            loops.append(BellListener(settings.redis_url.get_secret_value(), wake=dispatcher.wake).run())
        async with endpoint.serve(settings.host, settings.worker_port) as port, _running(loops):
            try:
                yield port
            finally:
                await _stop(dispatcher)
    finally:
        await context.close()


def _merchant_loops(factory: Factory, settings: Settings, *, on_failure: Callable[[], None]) -> list[MerchantLoop]:
    """Make the loops for what merchants have to do now and then: each looks for itself who has."""
    approvals, notices = factory.create_approvals(), factory.create_notices()
    events, doubts = factory.create_provider_events(), factory.create_doubts()
    webhooks, reputation = factory.create_webhooks(), factory.create_reputation()
    turns: tuple[tuple[str, _Find, _Work, float, int], ...] = (
        ("publish", approvals.find_due, approvals.publish_due, PUBLISH_SECONDS, 1),
        ("send_notices", notices.find_due, notices.send_due, settings.poll_interval, ASKED_AT_ONCE),
        ("provider_events", events.find_merchants, events.work, settings.poll_interval, 1),
        ("tell_webhooks", webhooks.find_due, webhooks.tell, settings.poll_interval, ASKED_AT_ONCE),
        ("look_up_doubts", doubts.find_due, doubts.look_up, DOUBT_SECONDS, ASKED_AT_ONCE),
        ("watch_reputation", reputation.find_due, reputation.watch, REPUTATION_SECONDS, 1),
    )
    return [
        MerchantLoop(kind, find_due=find_due, work=work, interval=interval, on_failure=on_failure, at_once=at_once)
        for kind, find_due, work, interval, at_once in turns
    ]


@contextlib.asynccontextmanager
async def _running(loops: Iterable[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run loops beside the block. They bear every failure; one that ended all the same would turn `/livez` red."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        await end_tasks(tasks)


async def _stop(dispatcher: Dispatcher) -> None:
    try:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await dispatcher.stop()
    except TimeoutError:
        log.warning("Stopped with calls in flight; what became of them is settled when their leases expire")
