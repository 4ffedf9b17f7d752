"""This machine: the two cores everything runs on, free ports, and the processes that are measured."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
"""The checkout; every process is started here."""

CORES = 2
STOP_SECONDS = 15.0
READY_SECONDS = 60.0


def share_two_cores() -> None:
    """Put this process, and all it starts, on two cores, as client, service and PostgreSQL share them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that servers under another user's id can pass through."""
    with tempfile.TemporaryDirectory(prefix="invite-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def resident_mib(pid: int) -> float:
    """Tell a process' resident size in MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """Tell how much processor time a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_with_children(pid: int) -> float:
    """Tell how much processor time a process and those it started, which still run, have used, in seconds."""
    used = cpu_seconds(pid)
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                used += cpu_seconds(int(child))
    return used


class Process:
    """A process of the benchmark, ended by its id; what it prints goes to a log."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = log
        self._command = [str(part) for part in command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def wait_until(self, is_ready: Callable[[], Awaitable[bool]]) -> Self:
        """Return when the condition holds; a process that ends before raises, with the end of its log."""
        deadline = time.monotonic() + READY_SECONDS
        while not await is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"process {self._command} did not get ready:\n{self.log_end()}")
            await asyncio.sleep(0.02)
        return self

    def log_end(self) -> str:
        """Read the last lines it printed."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])

    async def stop(self) -> None:
        """Ask it to end, and make it when it does not."""
        if self._process.poll() is None:
            # One that was stopped in the meantime would not hear it.
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def run_to_end(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed; one that fails raises, with what it said."""
    process = await asyncio.create_subprocess_exec(
        *(str(part) for part in command),
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{output.decode()}{errors.decode()}")
    return output.decode()


async def answers_http(port: int, path: str) -> bool:
    """Say whether a server on loopback answers 200 there."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def listens(port: int) -> bool:
    """Say whether something on loopback accepts connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
