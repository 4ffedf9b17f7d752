"""One PostgreSQL and one Redis for a whole test run, however many pytest workers share it."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invite_service.embedded.servers import EmbeddedServers
from tests.support.databases import make_template


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where the servers of this run are."""

    database_url: str
    redis_url: str | None
    redis_missing_reason: str | None


MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it has a name that nobody guesses
MEMORY_NEEDED: Final = 4 * 2**30
"""Bytes; a run takes less than one of four."""


def _folder_in_memory() -> Path | None:
    """Name a folder in memory where there is one with room: copying a database takes a tenth of the time there."""
    is_there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK)
    return MEMORY if is_there and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED else None


@contextlib.contextmanager
def running_servers() -> Iterator[ServerAddresses]:
    """Start the servers over a temporary directory, with a migrated template database, and stop them at the end."""
    # A loop factory keeps the runner from touching the thread's event loop, which belongs to pytest-asyncio.
    with (
        tempfile.TemporaryDirectory(prefix="invite-tests-", dir=_folder_in_memory()) as folder,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        servers = runner.run(EmbeddedServers.start(Path(folder), durable=False))
        try:
            runner.run(make_template(servers.database_url))
            yield ServerAddresses(servers.database_url, servers.redis_url, servers.redis_missing_reason)
        finally:
            runner.run(servers.stop())
