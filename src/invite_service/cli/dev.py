"""`dev`: the whole service on one machine, on embedded servers, until Ctrl-C.

Everything lies under one data directory and is there again the next time. `dev.json` in it says where everything is;
it appears when the service answers, and goes when it ends.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console

from invite_service.cli.dev_children import Children, PreparationFailedError, ending
from invite_service.cli.dev_facts import DevFacts, ToPrepare
from invite_service.cli.private_files import write_private
from invite_service.embedded.launching import EmbeddedServerError
from invite_service.embedded.servers import EmbeddedServers

HOST: Final = "127.0.0.1"

USUAL_PORT: Final = 8000
"""Taken when it is free and no other was asked for."""

READY_SECONDS: Final = 30.0
"""How long API and worker may take to answer."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at whether all still run."""


class DevError(Exception):
    """It cannot start, or something it started ended; the message says what."""


def dev(
    data_dir: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = Path(".dev"),
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = None,
) -> None:
    """Run PostgreSQL, Redis, API and worker on this machine, with a sandbox merchant to try."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        asyncio.run(_run(data_dir.resolve(), port=_choose_port(port), console=console))
    except PreparationFailedError as error:
        raise typer.Exit(error.status) from None
    except (DevError, EmbeddedServerError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(error), style="red")
        raise typer.Exit(1) from None


async def _run(data_dir: Path, *, port: int, console: Console) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    console.print(f"Starting PostgreSQL, Redis, API and worker in {data_dir}", markup=False)
    with Children(data_dir) as children:
        async with await EmbeddedServers.start(data_dir) as servers, ending(children):
            await _serve(servers, children, data_dir, port=port, stop=stop, console=console)


async def _serve(
    servers: EmbeddedServers, children: Children, data_dir: Path, *, port: int, stop: asyncio.Event, console: Console
) -> None:
    facts_file = data_dir / "dev.json"
    facts_file.unlink(missing_ok=True)
    asked = ToPrepare(
        database_url=servers.database_url, redis_url=servers.redis_url, data_dir=data_dir, host=HOST, port=port
    )
    prepared = await asyncio.to_thread(children.prepare, asked)
    await asyncio.to_thread(children.begin, prepared.environment)
    base_url = f"http://{HOST}:{port}"
    await _wait_until_ready(base_url, children, servers, stop)
    if stop.is_set():
        return
    facts = DevFacts(
        base_url=base_url,
        merchant_id=prepared.merchant_id,
        api_key=prepared.keys.api_key,
        operator_key=prepared.keys.operator_key,
        database_url=f"postgresql://{servers.database_url.partition('://')[2]}",
        redis_url=servers.redis_url,
        pids={"dev": os.getpid(), **servers.pids, **children.pids},
    )
    write_private(facts_file, json.dumps(asdict(facts), indent=2) + "\n")
    _welcome(console, facts, servers.redis_missing_reason, data_dir)
    try:
        while not stop.is_set():
            _refuse_losses(children, servers)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
    finally:
        facts_file.unlink(missing_ok=True)
        console.print("Stopping.")


def _choose_port(port: int | None) -> int:
    """Choose the port: the one asked for, else the usual one when it is free, else any.

    Raises:
        DevError: the one asked for is taken.
    """
    for candidate in (USUAL_PORT, 0) if port is None else (port,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, candidate))
            chosen: int = probe.getsockname()[1]
            return chosen
    raise DevError(f"Port {port} is taken: choose another one, or leave --port out.")


async def _wait_until_ready(base_url: str, children: Children, servers: EmbeddedServers, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as client:
        while not stop.is_set():
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).is_success:
                    return
            _refuse_losses(children, servers)
            if loop.time() > deadline:
                raise DevError(
                    f"The API did not answer within {READY_SECONDS:.0f} seconds; see {children.log_of('api')}."
                )
            await asyncio.sleep(0.05)


def _refuse_losses(children: Children, servers: EmbeddedServers) -> None:
    """Raise when something that was started has ended by itself."""
    lost = [*servers.failures(), *children.failures()]
    if lost:
        raise DevError("\n".join(lost))


def _welcome(console: Console, facts: DevFacts, redis_missing_reason: str | None, data_dir: Path) -> None:
    order = {
        "order_id": "A-1001",
        "status": "shipped",
        "language": "en",
        "customer": {"name": "Kari Nordmann", "email": "kari@example.com"},
        "products": [{"id": "t1", "name": "Tent", "url": "https://shop.example/tent"}],
    }
    headers = f'-H "Authorization: Bearer {facts.api_key}"'
    body = shlex.quote(json.dumps(order))
    console.print(f"\n[bold]invite_service[/bold] answers at {facts.base_url}\n")
    console.print(f"  merchant       {facts.merchant_id}, a sandbox with a clock of its own")
    console.print(f"  key            {facts.api_key}")
    console.print(f"  operator key   {facts.operator_key}")
    console.print(f"  the API        {facts.base_url}/docs")
    console.print(f"  data and logs  {data_dir}")
    if redis_missing_reason is not None:
        console.print(f"  no Redis       {redis_missing_reason}")
    console.print("\nPost an order:\n", style="bold")
    console.print(
        f"  curl -s {facts.base_url}/v1/orders {headers} -H 'Content-Type: application/json' -d {body}", markup=False
    )
    console.print("\nLet fifteen days pass:\n", style="bold")
    clock = shlex.quote(json.dumps({"advance": "P15D"}))
    console.print(
        f"  curl -s {facts.base_url}/v1/sandbox/clock {headers} -H 'Content-Type: application/json' -d {clock}",
        markup=False,
    )
    console.print("\nRead the mailbox; the link in the message's text leads to the page that asks:\n", style="bold")
    console.print(f"  curl -s {facts.base_url}/v1/sandbox/messages {headers}", markup=False)
    console.print("\nCtrl-C stops everything; the data stays.")
