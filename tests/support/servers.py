"""One PostgreSQL and one Redis for a whole test run, however many pytest workers share it."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from invite_service.embedded.servers import EmbeddedServers
from tests.support.databases import make_template


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where the servers of this run are."""

    database_url: str
    redis_url: str | None
    redis_missing_reason: str | None


@contextlib.contextmanager
def running_servers() -> Iterator[ServerAddresses]:
    """Start the servers over a temporary directory, with a migrated template database, and stop them at the end."""
    # A loop factory keeps the runner from touching the thread's event loop, which belongs to pytest-asyncio.
    with (
        tempfile.TemporaryDirectory(prefix="invite-tests-") as folder,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        servers = runner.run(EmbeddedServers.start(Path(folder), durable=False))
        try:
            runner.run(make_template(servers.database_url))
            yield ServerAddresses(servers.database_url, servers.redis_url, servers.redis_missing_reason)
        finally:
            runner.run(servers.stop())
