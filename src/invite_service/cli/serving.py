"""`api` and `worker`: the processes of an installation."""

import asyncio
import gc
from typing import Final

import typer
import uvicorn

from invite_service.bootstrap import ProcessContext
from invite_service.cli.running import FAILED, explained
from invite_service.config import Settings, load_settings
from invite_service.main import create_app
from invite_service.telemetry import configure_logging
from invite_service.worker import main as worker_main

GRACEFUL_SECONDS = 25
"""How long requests under way may take to end after SIGTERM; less than what orchestrators wait before they kill."""

KEEP_ALIVE_SECONDS = 65
"""Longer than load balancers usually keep an idle connection, so that it is they who close it."""

COLLECT_AFTER: Final = 50_000
"""New objects after which the cycle collector looks at the young ones; Python's own choice is 700."""


def api() -> None:
    """Serve the API and the hosted pages until SIGTERM or SIGINT."""
    with explained():
        settings = load_settings()
        configure_logging(settings.log_level)
        # Once before the server starts: it would bury the reason for a refusal in a traceback.
        asyncio.run(_check(settings))
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_config=None,
            # Nothing here speaks WebSocket, and the package for it would stay in memory.
            ws="none",
            access_log=False,
            server_header=False,
            forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    _collect_seldom()
    server.run()
    if not server.started:
        raise typer.Exit(FAILED)


def worker() -> None:
    """Send what is due until SIGTERM or SIGINT; any number of workers may run."""
    with explained():
        settings = load_settings()
        _collect_seldom()
        worker_main.run(settings)


def _collect_seldom() -> None:
    """Have the cycle collector leave alone what was imported, and look seldom at what comes.

    A batch of orders is a hundred thousand objects that live until it is answered and form no cycles: looking at them
    again and again took a third of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _check(settings: Settings) -> None:
    context = await ProcessContext.create(settings, name="invite-service check")
    await context.close()
