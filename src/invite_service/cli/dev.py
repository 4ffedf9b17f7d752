"""`dev`: the whole service on one machine, on embedded servers, until Ctrl-C.

Everything lies under one data directory and is there again the next time. `dev.json` in it says where everything is;
it appears when the service answers, and goes when it ends.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console

from invite_service.bootstrap import Factory, ProcessContext
from invite_service.cli.running import explained
from invite_service.cli.schema import migrate_to_head
from invite_service.config import Settings
from invite_service.domain.errors import ApiKeyInvalidError, MerchantExistsError
from invite_service.domain.merchant import MerchantId
from invite_service.embedded.launching import EmbeddedServerError, tie_to_parent
from invite_service.embedded.servers import EmbeddedServers
from invite_service.services.merchants import NewMerchant

HOST: Final = "127.0.0.1"

USUAL_PORT: Final = 8000
"""Taken when it is free and no other was asked for."""

MERCHANT_ID: Final = "sandbox"

READY_SECONDS: Final = 30.0
"""How long API and worker may take to answer."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at whether all still run."""

END_SECONDS: Final = 35.0
"""How long API and worker may take to end what they are doing; a worker waits for calls in flight."""


class DevError(Exception):
    """It cannot start, or something it started ended; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevFacts:
    """What `dev.json` says."""

    base_url: str
    merchant_id: str
    api_key: str
    operator_key: str
    database_url: str
    redis_url: str | None
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys made on the first start."""

    api_key: str
    operator_key: str


def dev(
    data_dir: Annotated[Path, typer.Option(help="Where the servers keep their data.")] = Path(".dev"),
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = None,
) -> None:
    """Run PostgreSQL, Redis, API and worker on this machine, with a sandbox merchant to try."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        with explained():
            asyncio.run(_run(data_dir.resolve(), port=port, console=console))
    except (DevError, EmbeddedServerError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(error), style="red")
        raise typer.Exit(1) from None


async def _run(data_dir: Path, *, port: int | None, console: Console) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    base_url = f"http://{HOST}:{_choose_port(port)}"
    console.print(f"Starting PostgreSQL, Redis, API and worker in {data_dir}", markup=False)
    async with await EmbeddedServers.start(data_dir) as servers:
        facts_file = data_dir / "dev.json"
        facts_file.unlink(missing_ok=True)
        await migrate_to_head(servers.database_url)
        secret_key = _secret(data_dir / "secret.key")
        settings = _settings(servers, data_dir, base_url, secret_key)
        keys_file = data_dir / "keys.json"
        keys = await _make_keys(settings, _known_keys(keys_file))
        _write_private(keys_file, json.dumps(asdict(keys)))
        async with _children(data_dir, _environment(settings)) as children:
            await _wait_until_ready(base_url, children, servers, data_dir, stop)
            if stop.is_set():
                return
            facts = DevFacts(
                base_url=base_url,
                merchant_id=MERCHANT_ID,
                api_key=keys.api_key,
                operator_key=keys.operator_key,
                database_url=f"postgresql://{servers.database_url.partition('://')[2]}",
                redis_url=servers.redis_url,
                pids={"dev": os.getpid(), **servers.pids, **{name: child.pid for name, child in children.items()}},
            )
            _write_private(facts_file, json.dumps(asdict(facts), indent=2) + "\n")
            _welcome(console, facts, servers.redis_missing_reason, data_dir)
            try:
                while not stop.is_set():
                    _refuse_losses(children, servers, data_dir)
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


def _secret(file: Path) -> str:
    """Read the secret key, made once: links and contact keys of the data directory depend on it."""
    if not file.exists():
        _write_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    draft.replace(file)


def _settings(servers: EmbeddedServers, data_dir: Path, base_url: str, secret_key: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": servers.database_url,
            "redis_url": servers.redis_url,
            "secret_key": secret_key,
            "public_base_url": base_url,
            "host": HOST,
            "port": int(base_url.rpartition(":")[2]),
            # An installation's own provider has no place here: a sandbox merchant's messages stay in its mailbox.
            "smtp_url": None,
            "email_url": None,
            "sms_url": None,
            "sender_email": None,
            "picture_dir": data_dir / "pictures",
            "picture_s3_url": None,
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Give the children's environment: ours without any INVITE_ variable but those of these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("INVITE_")}
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url is not None else ""
    return inherited | {
        "INVITE_DATABASE_URL": settings.database_url.get_secret_value(),
        "INVITE_REDIS_URL": redis_url,
        "INVITE_SECRET_KEY": settings.secret_key.get_secret_value(),
        "INVITE_PUBLIC_BASE_URL": settings.public_base_url,
        "INVITE_HOST": settings.host,
        "INVITE_PORT": str(settings.port),
        "INVITE_PICTURE_DIR": str(settings.picture_dir or ""),
    }


def _known_keys(file: Path) -> Keys | None:
    return Keys(**json.loads(file.read_text())) if file.exists() else None


async def _make_keys(settings: Settings, known: Keys | None) -> Keys:
    """Make the sandbox merchant, its key and an operator key, where those of the last time are not there any more."""
    context = await ProcessContext.create(settings, name="invite-service dev")
    try:
        factory = Factory(context)
        if known is not None:
            with contextlib.suppress(ApiKeyInvalidError):
                await factory.access.authenticate(known.api_key)
                await factory.access.authenticate_operator(known.operator_key)
                return known
        operator = await factory.access.create_operator_key("dev")
        return Keys(await _make_api_key(factory), operator.text)
    finally:
        await context.close()


async def _make_api_key(factory: Factory) -> str:
    sandbox = NewMerchant(
        id=MERCHANT_ID,
        name="Sandbox",
        time_zone="Europe/Oslo",
        homepage_url="https://shop.example",
        sandbox=True,
    )
    try:
        return (await factory.create_merchants().create(sandbox)).api_key
    except MerchantExistsError:
        return (await factory.access.create_api_key(MerchantId(MERCHANT_ID), "dev")).text


@contextlib.asynccontextmanager
async def _children(
    data_dir: Path, environment: Mapping[str, str]
) -> AsyncIterator[Mapping[str, "subprocess.Popen[bytes]"]]:
    """Run API and worker, each with a log of its own; they end with us, however we end."""
    children = {}
    try:
        for name in ("api", "worker"):
            children[name] = _start(name, data_dir / f"{name}.log", environment)
        yield children
    finally:
        await asyncio.to_thread(_end, children)


def _start(name: str, log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    command = tie_to_parent([sys.executable, "-m", "invite_service.cli.main", name], death_signal=signal.SIGTERM)
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C reaches us alone and we end the children in order.
        return subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end(children: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    for child in children.values():
        child.terminate()
    for child in children.values():
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def _wait_until_ready(
    base_url: str,
    children: Mapping[str, "subprocess.Popen[bytes]"],
    servers: EmbeddedServers,
    data_dir: Path,
    stop: asyncio.Event,
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as client:
        while not stop.is_set():
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).is_success:
                    return
            _refuse_losses(children, servers, data_dir)
            if loop.time() > deadline:
                raise DevError(
                    f"The API did not answer within {READY_SECONDS:.0f} seconds; see {data_dir / 'api.log'}."
                )
            await asyncio.sleep(0.05)


def _refuse_losses(children: Mapping[str, "subprocess.Popen[bytes]"], servers: EmbeddedServers, data_dir: Path) -> None:
    """Raise when something that was started has ended by itself."""
    lost = [*servers.failures(), *_ended(children, data_dir)]
    if lost:
        raise DevError("\n".join(lost))


def _ended(children: Mapping[str, "subprocess.Popen[bytes]"], data_dir: Path) -> Iterator[str]:
    for name, child in children.items():
        if child.poll() is not None:
            yield f"The {name} ended by itself with status {child.returncode}; see {data_dir / name}.log."


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
