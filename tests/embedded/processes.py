"""What the tests ask of the system about a process."""

import asyncio
import time
from pathlib import Path

import asyncpg
from sqlalchemy import make_url


def process_exists(pid: int) -> bool:
    """Whether the process is there; one that ended and waits for its parent is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def command_line_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


async def all_end(pids: list[int], *, seconds: float = 15) -> bool:
    """Wait until none of the processes is there."""
    deadline = time.monotonic() + seconds
    while any(process_exists(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def ask(url: str, question: str) -> object:
    """Run one statement and return its first value."""
    connection = await asyncpg.connect(libpq_url(url))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def libpq_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
