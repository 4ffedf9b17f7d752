"""A process that holds the servers of a directory until its input ends: `python -m tests.embedded.holder DIR`."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from invite_service.embedded.servers import EmbeddedServers

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Holder:
    """The process, and what it told of its servers."""

    process: subprocess.Popen[str]
    database_url: str
    pids: dict[str, int]


@contextlib.contextmanager
def holding(data_dir: Path, *, prefix: Sequence[str] = ()) -> Iterator[Holder]:
    """Run such a process, started by the words of `prefix`; its input ends with the block."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.embedded.holder", str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    with process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Holder(process, database_url=told["database_url"], pids=told["pids"])


async def _hold(data_dir: Path) -> None:
    async with await EmbeddedServers.start(data_dir, durable=False) as servers:
        told = {"database_url": servers.database_url, "pids": dict(servers.pids)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_hold(Path(sys.argv[1])))
