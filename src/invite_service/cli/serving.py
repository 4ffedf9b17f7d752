"""`api`: the process that answers."""

import asyncio

import typer
import uvicorn

from invite_service.bootstrap import ProcessContext
from invite_service.cli.collecting import collect_seldom
from invite_service.cli.returning import return_memory
from invite_service.cli.running import FAILED, explained
from invite_service.config import Settings, load_settings
from invite_service.main import create_app
from invite_service.telemetry import configure_logging

GRACEFUL_SECONDS = 25
"""How long requests under way may take to end after SIGTERM; less than what orchestrators wait before they kill."""

KEEP_ALIVE_SECONDS = 65
"""Longer than load balancers usually keep an idle connection, so that it is they who close it."""


def api() -> None:
    """Serve the API and the hosted pages until SIGTERM or SIGINT."""
    return_memory()
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
    collect_seldom()
    server.run()
    if not server.started:
        raise typer.Exit(FAILED)


async def _check(settings: Settings) -> None:
    context = await ProcessContext.create(settings, name="invite-service check")
    await context.close()
