"""The processes of `dev`. One of its own imports the service; what prepares, answers and sends are forks of that one.

To import it takes longer than all the rest of a start, and three processes would do it at the same time.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import typer

from invite_service.cli.dev_facts import Prepared, ToPrepare

_IMPORTED: Final = [f"{__package__}.{name}" for name in ("dev_preparing", "serving", "working")]

NAMES: Final = ("api", "worker")

END_SECONDS: Final = 35.0
"""How long each may take to end what it is doing; a worker waits for calls in flight."""


class PreparationFailedError(Exception):
    """What prepares has failed and said why; `status` is what it ended with."""

    def __init__(self, status: int) -> None:
        super().__init__("The preparation has failed.")
        self.status = status


class Children:
    """API and worker, each with a log of its own in a folder; nothing that was started for them outlives the block."""

    def __init__(self, logs: Path) -> None:
        """Have the service imported, beside whatever happens here."""
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_IMPORTED)
        # First by itself: it would take the block away again.
        resource_tracker.ensure_running()
        with _unmoved_by_ctrl_c():
            forkserver.ensure_running()
        self._running: dict[str, ForkServerProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # By themselves both end once we have ended, and to take down the whole service takes one of them seconds.
        # Only multiprocessing's own tests have had to wait for them: there is no public call.
        server: Any = forkserver._forkserver  # noqa: SLF001
        tracker: Any = resource_tracker._resource_tracker  # noqa: SLF001
        for process, pid in ((server, server._forkserver_pid), (tracker, tracker._pid)):  # noqa: SLF001
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                process._stop()  # noqa: SLF001

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by name."""
        return {name: process.pid for name, process in self._running.items() if process.pid is not None}

    def prepare(self, asked: ToPrepare) -> Prepared:
        """Bring the database to where API and worker can begin.

        Raises:
            PreparationFailedError: it cannot be brought there; why stands on stderr.
        """
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_prepare, args=(sending, asked))
        process.start()
        sending.close()
        try:
            prepared = receiving.recv()
        except EOFError:
            prepared = None
        process.join()
        if not isinstance(prepared, Prepared):
            raise PreparationFailedError(process.exitcode or 1)
        return prepared

    def begin(self, environment: Mapping[str, str]) -> None:
        """Begin to answer and to send, with these settings."""
        for name in NAMES:
            process = self._context.Process(target=_run, args=(name, dict(environment), self.log_of(name)), name=name)
            process.start()
            self._running[name] = process

    def log_of(self, name: str) -> Path:
        """Give the log of one of them."""
        return self._logs / f"{name}.log"

    def failures(self) -> Iterator[str]:
        """Say of each that ended by itself where to look."""
        for name, process in self._running.items():
            if process.exitcode is not None:
                yield f"The {name} ended by itself with status {process.exitcode}; see {self.log_of(name)}."

    def end(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.join(END_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()


@contextlib.asynccontextmanager
async def ending(children: Children) -> AsyncIterator[None]:
    """End API and worker when the block ends; they end with us, too, however we end."""
    try:
        yield
    finally:
        await asyncio.to_thread(children.end)


@contextlib.contextmanager
def _unmoved_by_ctrl_c() -> Iterator[None]:
    """Have what is started in the block not hear Ctrl-C: it is for us, who end the others in order."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(sending: Connection, asked: ToPrepare) -> None:
    # Only here: `dev` itself imports this module, and nothing of the service.
    from invite_service.cli.dev_preparing import prepare  # noqa: PLC0415

    _belong_to_parent()
    _set_variables({})
    try:
        sending.send(prepare(asked))
    except typer.Exit as ended:
        sys.exit(ended.exit_code)


def _run(name: str, environment: Mapping[str, str], log: Path) -> None:
    # Only here: this runs in a process that has imported the command already.
    from invite_service.cli.main import app  # noqa: PLC0415

    _belong_to_parent()
    _set_variables(environment)
    with log.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    app([name])


def _set_variables(settings: Mapping[str, str]) -> None:
    """Have these settings alone: an installation's providers have no place here, and its faults stop nobody."""
    for variable in [variable for variable in os.environ if variable.startswith("INVITE_")]:
        del os.environ[variable]
    os.environ.update(settings)


def _belong_to_parent() -> None:
    """Leave the terminal's session, and end when `dev` does, even if it is killed."""
    os.setsid()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_parent, name="end with dev", daemon=True).start()
