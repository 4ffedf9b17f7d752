"""Rows of the list of invitations: a page of each filter against PostgreSQL's own JSON of it, and a deep page."""

import asyncio
import contextlib
import re
import secrets
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import httpx
import orjson
from benchmarks.crowd import KNOWN_EMAIL, OLD_PRODUCT, RARE_PRODUCT, TOP_PRODUCT, Crowd, fill_crowd, sample_order
from benchmarks.machine import Process, answers_http, free_port, run_to_end, temporary_folder
from benchmarks.table import Result, compare

from invite_service.api.cursors import Cursor, write_cursor
from invite_service.api.schemas.listing import InvitationListParameters
from invite_service.domain.merchant import MerchantId
from invite_service.embedded.servers import EmbeddedServers
from invite_service.services.paging import PageRequest
from invite_service.services.periods import span_of
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.places import find_page

COMMAND = Path(sys.executable).with_name("invite-service")

LISTING_ROWS = ("pages", "deep_page")

PAGE = 50
ZONE = "Europe/London"
DEEP_PAGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingScale:
    """How many invitations of how many merchants there are, and how often each page is asked for in a round."""

    rows: int
    merchants: int
    rounds: int
    requests: int


FULL_LISTS = ListingScale(rows=5_000_000, merchants=200, rounds=5, requests=30)
QUICK_LISTS = ListingScale(rows=100_000, merchants=20, rounds=2, requests=20)

Parameters = Mapping[str, str]


def filters_at(now: datetime, crowd: Crowd) -> dict[str, Parameters]:
    """Name every filter of the list by itself, in the sorting that its index is not made for where there is one."""

    def day(offset: float) -> str:
        return (now + timedelta(days=offset)).isoformat()

    return {
        "none": {},
        "none, by send_at": {"sort": "send_at"},
        "status": {"status": "sent"},
        "rare status": {"status": "in_doubt", "sort": "-send_at"},
        "kind": {"kind": "service"},
        "channel": {"channel": "sms", "sort": "send_at"},
        "product": {"product_id": RARE_PRODUCT},
        "product in every tenth": {"product_id": TOP_PRODUCT, "sort": "-send_at"},
        "product of long ago": {"product_id": OLD_PRODUCT, "sort": "created_at"},
        "email": {"email": KNOWN_EMAIL},
        "order_id": {"order_id": sample_order(crowd)},
        "created_from/_to": {"created_from": day(-200), "created_to": day(-170), "sort": "-send_at"},
        "send_from/_to": {"send_from": day(-200), "send_to": day(-170)},
        "period": {"period": "last_30_days"},
    }


# What the wire shows, written by PostgreSQL.
_AGGREGATE = """
SELECT json_build_object('items', COALESCE(json_agg(json_build_object(
    'id', i.id, 'kind', i.kind, 'channel', i.channel, 'language', i.language, 'status', i.status, 'steps', i.steps,
    'next_step', i.next_step, 'send_at', i.send_at,
    'products', ARRAY(
        SELECT p.product_id FROM invitation_products p
        WHERE p.merchant_id = {merchant} AND p.invitation_id = i.id AND p.brought_by <> '{{}}' ORDER BY p.position
    ),
    'order_ids', i.order_ids, 'created_at', i.created_at, 'first_sent_at', i.first_sent_at,
    'last_sent_at', i.last_sent_at, 'message_count', i.message_count, 'ended_reason', i.ended_reason,
    'contact', i.contact, 'customer_name', i.customer_name, 'time_zone', i.time_zone,
    'policy_version', i.policy_version, 'held_at', i.held_at, 'send_now', i.send_now,
    'rescheduled_to', i.rescheduled_to
) ORDER BY page.at {direction}, page.id {direction}), '[]'))::text
FROM ({page}) AS page JOIN invitations i ON i.merchant_id = {merchant} AND i.id = page.id
"""


class Getter:
    """One kept-alive connection that asks for a page again and again."""

    def __init__(self, port: int, key: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: 127.0.0.1\r\n{f'Authorization: Bearer {key}' if key else 'Accept: */*'}\r\n\r\n"

    def get(self, path: str) -> bytes:
        """Get a page's body."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{self._head}".encode())
        received = self._socket.recv(1 << 18)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._socket.recv(1 << 18)
        head = received[:end].lower()
        length = int(head[head.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        parts, missing = [received[end + 4 :]], length - len(received) + end + 4
        while missing > 0:
            parts.append(self._socket.recv(1 << 18))
            missing -= len(parts[-1])
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{path} answered {received[:2000]!r}")
        return b"".join(parts)

    def p50(self, path: str, requests: int) -> float:
        """Get a page so many times, and tell the median in milliseconds."""
        seconds = []
        for _ in range(requests):
            started = time.perf_counter()
            self.get(path)
            seconds.append(time.perf_counter() - started)
        return median(seconds) * 1000


@dataclass(slots=True)
class ListingLab:
    """The service and its yardstick over one database of many invitations; everything ends when it is left."""

    scale: ListingScale
    folder: Path
    database_url: str
    secret: str
    now: datetime
    resources: contextlib.AsyncExitStack
    key: str = ""
    api_port: int = 0

    @classmethod
    async def open(cls, scale: ListingScale) -> Self:
        """Start the servers on durable disks and fill the tables."""
        async with contextlib.AsyncExitStack() as resources:
            folder = resources.enter_context(temporary_folder())
            servers = await EmbeddedServers.start(folder / "servers", durable=True)
            resources.push_async_callback(servers.stop)
            now = datetime.now(UTC).replace(microsecond=0)
            lab = cls(scale, folder, servers.database_url, secrets.token_hex(32), now, resources)
            await run_to_end([sys.executable, "-m", "alembic", "upgrade", "head"], env=lab.environment())
            await lab.start_api()
            await lab.fill()
            lab.resources = resources.pop_all()
            return lab

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.resources.aclose()

    @property
    def crowd(self) -> Crowd:
        """Who has how many invitations."""
        return Crowd(rows=self.scale.rows, merchants=self.scale.merchants)

    @property
    def plain_url(self) -> str:
        """The URL of the database as PostgreSQL's own clients take it."""
        return self.database_url.replace("+asyncpg", "")

    def environment(self, **further: str) -> dict[str, str]:
        """Give the settings of the service's processes; nobody counts the requests of a benchmark."""
        settings = {
            "INVITE_DATABASE_URL": self.database_url,
            "INVITE_SECRET_KEY": self.secret,
            "INVITE_RATE_LIMIT": "0",
        }
        return settings | further

    async def start_api(self) -> None:
        """Start the API and make the first merchant as an operator does."""
        self.api_port = free_port()
        await self._start([COMMAND, "api"], "api", self.api_port, self.environment(INVITE_PORT=str(self.api_port)))
        operator_key = (await run_to_end([COMMAND, "operator-key"], env=self.environment())).split()[-1]
        body = {
            "id": self.crowd.first,
            "name": "Tea Towels",
            "time_zone": ZONE,
            "homepage_url": "https://shop.example.org",
            "sandbox": False,
        }
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.api_port}", timeout=30) as client:
            answer = await client.post("/v1/merchants", json=body, headers={"Authorization": f"Bearer {operator_key}"})
        answer.raise_for_status()
        self.key = answer.json()["api_key"]

    async def fill(self) -> None:
        """Make the other merchants like the first, and everybody's invitations."""
        database = await asyncpg.connect(self.plain_url)
        await database.execute(_OTHER_MERCHANTS, self.crowd.first, list(self.crowd.merchant_ids[1:]))
        contact_key = ContactKeys(self.secret).key(KNOWN_EMAIL)
        await fill_crowd(database, self.crowd, contact_key=contact_key, now=self.now)
        await database.execute("CHECKPOINT")
        await database.close()

    async def start_yardstick(self, statements: Mapping[str, str]) -> int:
        """Start the yardstick's web server, run by uvicorn as the service is, and return its port."""
        pages, port = self.folder / "pages.json", free_port()
        pages.write_bytes(orjson.dumps(dict(statements)))
        options = ["--port", str(port), "--no-access-log", "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", "benchmarks.yardsticks.aggregate:app", *options]
        env = {"BENCH_DATABASE_URL": self.plain_url, "BENCH_PAGES": str(pages)}
        await self._start(command, "aggregate", port, env)
        return port

    async def _start(self, command: Sequence[str | Path], name: str, port: int, env: Mapping[str, str]) -> None:
        process = Process(command, log=self.folder / f"{name}.log", env=env)
        self.resources.push_async_callback(process.stop)
        await process.wait_until(lambda: answers_http(port, "/readyz"))


_OTHER_MERCHANTS = """
WITH made AS (
    INSERT INTO merchants (
        id, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at
    )
    SELECT other, name, time_zone, homepage_url, sandbox, clock_offset, policy_version, created_at
    FROM merchants, unnest($2::text[]) AS other WHERE id = $1
)
INSERT INTO policies (merchant_id, version, settings, created_at, created_by)
SELECT other, version, settings, created_at, created_by
FROM policies, unnest($2::text[]) AS other WHERE merchant_id = $1
"""


def statement_of(lab: ListingLab, parameters: Parameters) -> str:
    """Write the yardstick's statement of a page, values and all: it is planned once and never again."""
    lists = {"status": [parameters["status"]]} if "status" in parameters else {}
    asked = InvitationListParameters.model_validate({**parameters, **lists})
    chosen = asked.to_filter()
    if asked.period is not None:
        chosen = replace(chosen, sends=(*chosen.sends, span_of(asked.period, zone=ZONE, now=lab.now)))
    part = PageRequest(limit=PAGE - 1, ascending=asked.is_ascending).to_slice()
    found = find_page(
        MerchantId(lab.crowd.first), chosen, ContactKeys(lab.secret), sorted_by=asked.sorted_by, part=part
    )
    page = re.sub(r"\$(\d+)", lambda number: _literal(found.parameters[int(number[1]) - 1]), found.text)
    merchant, direction = _literal(lab.crowd.first), "ASC" if asked.is_ascending else "DESC"
    return _AGGREGATE.format(page=page, merchant=merchant, direction=direction)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, list):
        return f"ARRAY[{', '.join(_literal(str(one)) for one in value)}]"
    return f"'{value.isoformat() if isinstance(value, datetime) else value}'"


async def measure_lists(rows: Collection[str], scale: ListingScale) -> list[Result]:
    """Measure the rows asked for."""
    async with await ListingLab.open(scale) as lab:
        results = []
        if "pages" in rows:
            results.append(await measure_pages(lab))
        if "deep_page" in rows:
            results.append(await measure_deep_page(lab))
        return results


async def measure_pages(lab: ListingLab) -> Result:
    """Get a page of each filter from the service and from its yardstick, in turns; the worst filter is the row."""
    filters = {name: {"limit": str(PAGE), **parameters} for name, parameters in filters_at(lab.now, lab.crowd).items()}
    names = {name: f"f{number}" for number, name in enumerate(filters)}
    port = await lab.start_yardstick({names[name]: statement_of(lab, asked) for name, asked in filters.items()})
    service, yardstick = Getter(lab.api_port, lab.key), Getter(port)
    ours: dict[str, list[float]] = {name: [] for name in filters}
    theirs: dict[str, list[float]] = {name: [] for name in filters}
    for _ in range(lab.scale.rounds + 1):
        for name, asked in filters.items():
            our_path, their_path = f"/v1/invitations?{urlencode(asked)}", f"/page/{names[name]}"
            _check_same(name, service.get(our_path), yardstick.get(their_path))
            ours[name].append(await asyncio.to_thread(service.p50, our_path, lab.scale.requests))
            theirs[name].append(await asyncio.to_thread(yardstick.p50, their_path, lab.scale.requests))
    ratios = {name: median(theirs[name][1:]) / median(ours[name][1:]) for name in filters}
    worst = min(ratios, key=lambda name: ratios[name])
    each = ", ".join(f"{name} {ratios[name]:.2f} ({median(ours[name][1:]):.1f} ms)" for name in filters)
    return compare(
        "pages",
        [1000 / one for one in ours[worst][1:]],
        [1000 / one for one in theirs[worst][1:]],
        unit="pages/s",
        against="json_agg",
        note=f"of {lab.crowd.rows:,}, the worst filter is {worst}; each with its p50: {each}",
    )


def _check_same(name: str, ours: bytes, theirs: bytes) -> None:
    found, expected = ([item["id"] for item in orjson.loads(body)["items"]] for body in (ours, theirs))
    if found != expected or not found:
        raise RuntimeError(f"the page of {name} has {len(found)} invitations, the yardstick's {len(expected)} others")


async def measure_deep_page(lab: ListingLab) -> Result:
    """Get a page far down a list, and its second page, in turns."""
    database = await asyncpg.connect(lab.plain_url)
    count = await database.fetchval("SELECT count(*) FROM invitations WHERE merchant_id = $1", lab.crowd.first)
    pages = min(DEEP_PAGE, count // PAGE)
    paths = []
    for page in (2, pages):
        at, last_id = await database.fetchrow(
            "SELECT created_at, id FROM invitations WHERE merchant_id = $1 ORDER BY created_at DESC, id DESC"
            " OFFSET $2 LIMIT 1",
            lab.crowd.first,
            (page - 1) * PAGE - 1,
        )
        cursor = Cursor(at=at, id=str(UUID(str(last_id))), backwards=False)
        listing = InvitationListParameters(limit=PAGE).listing()
        paths.append(f"/v1/invitations?{urlencode({'limit': PAGE, 'cursor': write_cursor(cursor, listing=listing)})}")
    await database.close()
    service = Getter(lab.api_port, lab.key)
    shallow, deep = [], []
    for _ in range(lab.scale.rounds + 1):
        shallow.append(await asyncio.to_thread(service.p50, paths[0], lab.scale.requests * 4))
        deep.append(await asyncio.to_thread(service.p50, paths[1], lab.scale.requests * 4))
    note = f"page {pages:,} of {PAGE}, of a list of {count:,}"
    return compare("deep_page", deep[1:], shallow[1:], unit="ms", against="page 2", note=note)
