"""What the embedded PostgreSQL and Redis have in common: a child process on a free port, and its log."""

import abc
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from invite_service.embedded.launching import EmbeddedServerError, Launcher

START_SECONDS: Final = 60
"""How long a server may take until it answers; recovery after a crash is part of it."""

START_TRIES: Final = 5
"""The port that was free may be taken by now, or processes of a killed server still be ending."""

RETRY_SECONDS: Final = 0.2
"""Pause between two tries."""

POLL_SECONDS: Final = 0.01
"""Pause between two looks at a process that is starting or stopping."""

LOG_LINES: Final = 10
"""How much of a log an error quotes."""


class ChildServer(abc.ABC):
    """A server of ours below a data directory, which holds `<name>/` and `<name>.log`."""

    name: str
    """Name of its directory; the path is on the server's command line, which is how an orphan is known."""

    stop_steps: Sequence[tuple[signal.Signals, float]]
    """The signals that end it, ever more firmly, each with the seconds it is given; the first is sent when we die."""

    def __init__(self, data_dir: Path, *, program: Path, launcher: Launcher) -> None:
        self._data_dir = data_dir.absolute()
        self._directory = self._data_dir / self.name
        self._log = self._data_dir / f"{self.name}.log"
        self._program = program
        self._launcher = launcher
        self._password = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The address to connect to, with the password in it."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Clear away what a crash left, start the server and return when it answers.

        Raises:
            EmbeddedServerError: it does not start; the message ends with its log.
        """

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.poll() is None

    async def stop(self) -> None:
        """End the server; does nothing when it has ended already.

        Raises:
            EmbeddedServerError: it is still there after the last signal.
        """
        if self._process is not None:
            await _end(self._process.pid, lambda: self.is_running, self.stop_steps)

    def failure(self, what: str) -> EmbeddedServerError:
        """Make the error that says what became of the server, with the end of its log."""
        unreachable = self._launcher.explain_unreachable(self._program, self._directory)
        ending = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
        return EmbeddedServerError(unreachable or f"{self.name} {what}; {self._log} ends with:\n{ending}")

    @abc.abstractmethod
    def _prepare(self) -> list[str]:
        """Write what the server reads at its start and return its command, for the port of this try."""

    @abc.abstractmethod
    async def _answers(self) -> bool:
        """Say whether the server lets us in with our password."""

    def _launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        death_signal, _ = self.stop_steps[0]
        return self._launcher.start(command, log=self._log, death_signal=death_signal)

    async def _run_until_ready(self) -> None:
        for _ in range(START_TRIES):
            self._port = _free_port()
            self._process = self._launch(self._prepare())
            deadline = time.monotonic() + START_SECONDS
            while self.is_running:
                if await self._answers():
                    return
                if time.monotonic() > deadline:
                    raise self.failure(f"did not answer within {START_SECONDS} s")
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)
        raise self.failure("ended while it was starting")

    async def _end_orphan(self, pid_file: Path) -> None:
        """End the server that a killed parent left behind, when its command line proves it to be ours."""
        pid = _read_pid(pid_file)
        if pid is not None:
            await _end(pid, lambda: self._is_ours(_command_line(pid)), self.stop_steps)

    def _is_ours(self, command_line: str) -> bool:
        return self._program.name in command_line and str(self._directory) in command_line


async def comes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Look again and again until the condition holds; False when it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def _read_pid(pid_file: Path) -> int | None:
    """Return the number on the first line of a pid file, None when there is no such file or number."""
    try:
        first_line, *_ = pid_file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return None
    return int(first_line) if first_line.strip().isdecimal() else None


def _command_line(pid: int) -> str:
    """Return a process's command line, empty when it is gone, a zombie, or hidden from us."""
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        except OSError:
            return ""
    listing = ("/bin/ps", "-ww", "-o", "command=", "-p", str(pid))
    return subprocess.run(listing, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _end(pid: int, is_running: Callable[[], bool], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    for step, seconds in steps:
        if not is_running():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, step)
        await comes_true(lambda: not is_running(), seconds=seconds)
    if is_running():
        raise EmbeddedServerError(f"process {pid} does not end, not even on {steps[-1][0].name}")
