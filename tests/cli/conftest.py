"""Commands over a real database, and a shop whose orders were posted to it."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import dedent
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from invite_service.api.simulations import read_recorded
from invite_service.bootstrap import Factory
from invite_service.cli.main import app
from invite_service.cli.running import run_with_services
from invite_service.domain.merchant import MerchantId
from invite_service.services.ingest import IngestedOrder, IngestItem
from tests.support.documented import kept_document

SECRET = "a secret of tests, long enough to be one"

Command = Callable[..., Result]

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SOON_AFTER_ONE = re.compile(r"2026-03-02 13:0\d")


@pytest.fixture(autouse=True)
def _keep_logging() -> Iterator[None]:
    """Commands send logs to the stderr of the moment, which is gone after a test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Command:
    """Run `invite-service` with the settings of a migrated database of the test's own."""
    return _runner(monkeypatch, database_url)


@pytest.fixture
def run_unmigrated(monkeypatch: pytest.MonkeyPatch, unmigrated_database_url: str) -> Command:
    """Run `invite-service` with the settings of a database without any table."""
    return _runner(monkeypatch, unmigrated_database_url)


def _runner(monkeypatch: pytest.MonkeyPatch, url: str) -> Command:
    monkeypatch.setenv("INVITE_DATABASE_URL", url)
    monkeypatch.setenv("INVITE_SECRET_KEY", SECRET)
    monkeypatch.setenv("INVITE_DATABASE_POOL_SIZE", "2")
    return lambda *arguments, answer=None: CliRunner().invoke(app, arguments, input=answer)


def fields_of(schema: str) -> set[str]:
    """Name the fields of an answer of the HTTP API."""
    return set(kept_document()["components"]["schemas"][schema]["properties"])


def make_order(number: int, **changes: Any) -> dict[str, Any]:
    """Make an order as a shop posts it: it triggers, and each is of another customer."""
    order = {
        "order_id": f"A-{number}",
        "status": "shipped",
        "purchased_at": "2026-03-02T09:00:00Z",
        "language": "en",
        "customer": {"email": f"kari{number}@example.com", "name": f"Kari {number}"},
        "products": [{"id": "t1", "name": "Tent"}],
    }
    return order | changes


class Shop:
    """A sandbox merchant in Oslo, whose clock was started at one o'clock in the afternoon of 2 March 2026."""

    def __init__(self, run: Command) -> None:
        self._run = run
        made = run(
            *("merchants", "create", "--id", "gifts", "--name", "Gifts", "--time-zone", "Europe/Oslo"),
            *("--homepage-url", "https://gifts.example", "--sandbox", "--clock", "2026-03-02T12:00:00+0000"),
        )
        assert made.exit_code == 0, made.output

    def run(self, *arguments: object, answer: str | None = None) -> Result:
        """Run a command for this merchant."""
        return self._run(*[str(argument) for argument in arguments], "--merchant", "gifts", answer=answer)

    def post(self, *orders: dict[str, Any]) -> list[str | None]:
        """Post orders, and give their invitations' ids."""

        async def ingest(services: Factory) -> Sequence[object]:
            items = [IngestItem(read_recorded(order), order) for order in orders]
            return await services.create_ingest().ingest(MerchantId("gifts"), items)

        results = run_with_services(ingest)
        assert all(isinstance(result, IngestedOrder) for result in results)
        ids = [result.order.invitation_id for result in results if isinstance(result, IngestedOrder)]
        return [str(invitation_id) if invitation_id is not None else None for invitation_id in ids]


@pytest.fixture
def shop(run: Command) -> Shop:
    return Shop(run)


@contextmanager
def working() -> Iterator[None]:
    """Run a worker over the settings of `run` while the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "invite_service.cli.main", "worker"],
        env={**os.environ, "INVITE_POLL_INTERVAL": "0.2"},
        stderr=subprocess.PIPE,
    )
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def assert_told(output: str, expected: str) -> None:
    """Compare an output with what is expected of it, which may be indented."""
    assert told(output) == dedent(expected).strip("\n").splitlines()


def told(output: str) -> list[str]:
    """Give the lines of an output; ids are numbered, and columns set two spaces apart."""
    ids = list(dict.fromkeys(_ID.findall(output)))
    for number, one in enumerate(ids, start=1):
        output = output.replace(one, f"<id {number}>")
    output = _SOON_AFTER_ONE.sub("<now>", output)
    return [re.sub(r" {2,}", "  ", line).strip() for line in output.splitlines()]
