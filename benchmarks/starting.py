"""Row of the embedded servers: from the command, over an empty directory, to PostgreSQL and Redis answering.

`python -m benchmarks.starting FOLDER` starts them, says so, and stops them.
"""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import ROOT, temporary_folder
from benchmarks.table import Result

from invite_service.embedded.servers import EmbeddedServers

_READY = "ready"


async def measure_ready(rounds: int) -> Result:
    """Start the servers several times, each time over an empty directory."""
    figures = [await _time_start() for _ in range(rounds)]
    return Result(
        row="ready",
        ours=f"{median(figures):.3g} s",
        yardstick="",
        figure=median(figures),
        spread=(min(figures), max(figures)),
        note="a new process, an empty directory, durable settings; initdb is part of it",
    )


async def _time_start() -> float:
    with temporary_folder() as folder:
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.starting", str(folder / "servers")]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        line = await process.stdout.readline()
        seconds = time.perf_counter() - started
        if line.decode().strip() != _READY or await process.wait() != 0:
            raise RuntimeError("the embedded servers did not start")
        return seconds


async def _start_and_stop(folder: Path) -> None:
    async with await EmbeddedServers.start(folder) as servers:
        assert servers.redis_url is not None, servers.redis_missing_reason
        print(_READY, flush=True)


if __name__ == "__main__":
    asyncio.run(_start_and_stop(Path(sys.argv[1])))
