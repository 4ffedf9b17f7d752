"""Where everything is measured: embedded servers, prefilled databases, and the real processes of the service."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import httpx
import orjson
from benchmarks.bodies import INGEST_TABLES
from benchmarks.load import Job, Seen
from benchmarks.machine import (
    Process,
    answers_http,
    cpu_seconds,
    cpu_seconds_with_children,
    free_port,
    run_to_end,
    temporary_folder,
)
from benchmarks.prefill import Business, fill, settle

from invite_service.embedded.servers import EmbeddedServers
from invite_service.storage.contacts import ContactKeys

COMMAND = Path(sys.executable).with_name("invite-service")
"""The command as `make install` leaves it."""

SINGLE, BATCH, USUAL, MAIL = "bench-single", "bench-batch", "bench-usual", "bench-mail"
"""Merchants, one for each kind of load, so that no row changes what another one reads."""

YARDSTICK_DATABASE = "yardstick"

_COUNT = "SELECT count(*) FROM {table} WHERE merchant_id = $1"

_SENDER = "reviews@shop.example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured; `orders` and `mails` are what the prefill makes."""

    rounds: int
    orders: int
    """Of each merchant that takes orders."""
    mails: int
    """Messages that can be sent."""
    singles: int
    """Requests of a round at one client; sixteen and more clients share twice as many, in twice as many rounds."""
    batches: int
    """Batches of a round."""
    mails_per_round: int
    operations: int
    """After so many orders, sizes are looked at."""


FULL = Scale(rounds=5, orders=60_000, mails=40_000, singles=500, batches=6, mails_per_round=3_000, operations=100_000)
QUICK = Scale(rounds=2, orders=15_000, mails=8_000, singles=200, batches=2, mails_per_round=1_500, operations=10_000)


@dataclass(slots=True)
class CpuUse:
    """Processor time one order took, in seconds: of the web server, and of PostgreSQL."""

    server: float = 0.0
    postgres: float = 0.0


@dataclass(slots=True)
class Numbers:
    """Gives out order numbers, each once, so that every posted order is a new one."""

    next_number: int = 0

    def take(self, count: int) -> int:
        """Reserve `count` numbers and return the first."""
        first = self.next_number
        self.next_number += count
        return first


@dataclass(slots=True)
class Lab:
    """The servers of a run; everything ends when it is left."""

    scale: Scale
    folder: Path
    servers: EmbeddedServers
    now: datetime
    secret: str
    resources: contextlib.AsyncExitStack
    numbers: Numbers = field(default_factory=Numbers)
    keys: dict[str, str] = field(default_factory=dict)
    api: Process | None = None
    api_port: int = 0
    posted: int = 0
    """Orders that went through the API process that runs now."""

    @classmethod
    async def open(cls, scale: Scale) -> Self:
        """Start the servers on durable disks, make the merchants, fill and copy the database."""
        async with contextlib.AsyncExitStack() as resources:
            folder = resources.enter_context(temporary_folder())
            servers = await EmbeddedServers.start(folder / "servers", durable=True)
            resources.push_async_callback(servers.stop)
            now = datetime.now(UTC).replace(microsecond=0)
            lab = cls(scale, folder, servers, now, secrets.token_hex(32), resources)
            await lab._fill_databases()
            lab.resources = resources.pop_all()
            return lab

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.resources.aclose()

    @property
    def purchased_at(self) -> datetime:
        """When posted orders were bought: later than all of the prefill, and not today."""
        return self.now - timedelta(days=1)

    @property
    def customers(self) -> int:
        """Customers a merchant has before anything is posted."""
        return Business(merchant_id=SINGLE, orders=self.scale.orders).customers

    def url(self, database: str | None = None) -> str:
        """Give the SQLAlchemy URL of a database, the service's unless another is named."""
        url = self.servers.database_url
        return url if database is None else f"{url.rpartition('/')[0]}/{database}"

    def plain_url(self, database: str | None = None) -> str:
        """Give the URL of a database as PostgreSQL's own clients take it."""
        return self.url(database).replace("+asyncpg", "")

    async def connect(self, database: str | None = None) -> asyncpg.Connection:
        """Connect to a database; the connection is the caller's to close."""
        return await asyncpg.connect(self.plain_url(database))

    def environment(self, **further: str) -> dict[str, str]:
        """Give the settings of the service's processes."""
        settings = {
            "INVITE_DATABASE_URL": self.url(),
            "INVITE_SECRET_KEY": self.secret,
            "INVITE_SENDER_EMAIL": _SENDER,
            **further,
        }
        if self.servers.redis_url is not None:
            settings["INVITE_REDIS_URL"] = self.servers.redis_url
        return settings

    async def start_api(self) -> Process:
        """Start the API unless it runs."""
        if self.api is None:
            self.api_port, self.posted = free_port(), 0
            process = self.start([COMMAND, "api"], "api", self.environment(INVITE_PORT=str(self.api_port)))
            self.api = await process.wait_until(lambda: answers_http(self.api_port, "/readyz"))
        return self.api

    async def stop_api(self) -> None:
        """End the API if it runs."""
        if self.api is not None:
            await self.api.stop()
            self.api = None

    def start(self, command: Sequence[str | Path], name: str, env: Mapping[str, str]) -> Process:
        """Start a process that ends with the lab at the latest."""
        process = Process(command, log=self.folder / f"{name}.log", env=env)
        self.resources.push_async_callback(process.stop)
        return process

    async def post_ours(self, merchant_id: str, *, clients: int, count: int, first_number: int, batch: int = 0) -> Seen:
        """Post orders to the service and have all of them accepted."""
        await self.start_api()
        path = "/v1/orders/batch" if batch else "/v1/orders"
        seen = await self.post(
            Job(
                port=self.api_port,
                path=path,
                clients=clients,
                count=count,
                first_number=first_number,
                purchased_at=self.purchased_at.isoformat(),
                customers=self.customers,
                batch=batch,
                key=self.keys[merchant_id],
            )
        )
        self.posted += count * (batch or 1)
        return seen

    async def post(self, job: Job) -> Seen:
        """Have the client post a job; an answer that is not a success fails the row."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        output, _ = await process.communicate(orjson.dumps(asdict(job)))
        if process.returncode != 0:
            raise RuntimeError(f"the client failed on {job.path}")
        seen = Seen(**orjson.loads(output))
        if any(not status.startswith("2") for status in seen.statuses):
            raise RuntimeError(f"{job.path} answered {seen.statuses}, such as: {seen.sample[:2000]}")
        return seen

    @contextlib.contextmanager
    def watch_cpu(self, server: Process, count: int) -> Iterator[CpuUse]:
        """Find out how much processor time each of `count` orders took while the block ran."""
        postgres = self.servers.postgres.pid
        used, before = CpuUse(), (cpu_seconds(server.pid), cpu_seconds_with_children(postgres))
        yield used
        used.server = (cpu_seconds(server.pid) - before[0]) / count
        used.postgres = (cpu_seconds_with_children(postgres) - before[1]) / count

    async def checkpoint(self) -> None:
        """Write out what is dirty, so that no row pays for the one before."""
        database = await self.connect()
        await database.execute("CHECKPOINT")
        await database.close()

    async def check_same_rows(self, merchant_id: str) -> None:
        """Make sure that the service and its yardstick left the same number of rows in every table of ingest."""
        counts = []
        for name in (None, YARDSTICK_DATABASE):
            database = await self.connect(name)
            counts.append([await database.fetchval(_COUNT.format(table=table), merchant_id) for table in INGEST_TABLES])
            await database.close()
        ours, theirs = counts
        if ours != theirs:
            raise RuntimeError(f"rows of {', '.join(INGEST_TABLES)}: the service has {ours}, its yardstick {theirs}")

    async def _fill_databases(self) -> None:
        await run_to_end([sys.executable, "-m", "alembic", "upgrade", "head"], env=self.environment())
        await self._make_merchants()
        database = await self.connect()
        keys = ContactKeys(self.secret)
        for merchant_id in (SINGLE, BATCH, USUAL):
            await fill(database, Business(merchant_id=merchant_id, orders=self.scale.orders), keys=keys, now=self.now)
        mail = Business(merchant_id=MAIL, orders=self.scale.mails, to_send=True)
        await fill(database, mail, keys=keys, now=self.now)
        await settle(database)
        name = self.url().rpartition("/")[2]
        await database.close()
        admin = await self.connect("postgres")
        await admin.execute(f"CREATE DATABASE {YARDSTICK_DATABASE} TEMPLATE {name} STRATEGY file_copy")
        await admin.close()

    async def _make_merchants(self) -> None:
        """Make the merchants as an operator does."""
        await self.start_api()
        operator_key = (await run_to_end([COMMAND, "operator-key"], env=self.environment())).split()[-1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.api_port}", timeout=30) as client:
            for merchant_id in (SINGLE, BATCH, USUAL, MAIL):
                body: dict[str, Any] = {
                    "id": merchant_id,
                    "name": "Tea Towels",
                    "time_zone": _zone_at_noon(self.now) if merchant_id == MAIL else "Europe/London",
                    "homepage_url": "https://shop.example.org",
                    "sandbox": False,
                }
                self.keys[merchant_id] = (await _call(client, "POST", "/v1/merchants", operator_key, body))["api_key"]
            # Everything that is due may leave at any hour at which somebody runs this.
            all_day = {"send_window_start": "00:00", "send_window_end": "23:59"}
            await _call(client, "PATCH", "/v1/policy", self.keys[MAIL], all_day)
        await self.stop_api()


async def _call(client: httpx.AsyncClient, method: str, path: str, key: str, body: Mapping[str, Any]) -> Any:
    answer = await client.request(
        method, path, json=dict(body), headers={"Authorization": f"Bearer {key}", "If-Match": "*"}
    )
    if answer.is_error:
        raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text}")
    return answer.json()


def _zone_at_noon(now: datetime) -> str:
    """Name a zone in which the middle of the day is, so that no midnight falls into the run."""
    hours = 12 - now.hour
    # POSIX signs: Etc/GMT-3 is three hours ahead.
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
