import asyncio
import os
import signal
import stat
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from sqlalchemy import make_url

from invite_service.embedded.launching import EmbeddedServerError
from invite_service.embedded.servers import NO_REDIS, EmbeddedServers
from tests.embedded.processes import all_end, ask, command_line_of, process_exists


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def no_redis() -> Path | None:
    return None


async def test_first_start_gives_servers_that_only_their_password_opens(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path / "new" / "data") as servers:
        assert await ask(servers.database_url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert await ask(servers.database_url, "SELECT current_setting('fsync')") == "on"
        assert await ask(servers.database_url, "SELECT lower('ÅÆØ')") == "åæø"
        other_password = make_url(servers.database_url).set(password="guessed")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(other_password.render_as_string(hide_password=False), "SELECT 1")

        pids = list(servers.pids.values())
        passwords = [make_url(url).password for url in (servers.database_url, servers.redis_url) if url]
        for pid in pids:
            assert os.getsid(pid) == pid
            assert not any(password in command_line_of(pid) for password in passwords if password)
    assert await all_end(pids, seconds=0)


async def test_unix_socket_takes_connections_while_the_server_runs(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, locate_redis=no_redis) as servers:
        url = make_url(servers.database_url)
        socket_dir = servers.postgres.socket_dir
        connection = await asyncpg.connect(
            host=str(socket_dir), port=url.port, user=url.username, password=url.password, database=url.database
        )
        assert await connection.fetchval("SELECT inet_client_addr() IS NULL")
        await connection.close()
    assert not socket_dir.exists()


async def test_redis_answers_with_its_password_only(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        if servers.redis_url is None:
            pytest.skip(f"needs Redis: {servers.redis_missing_reason}")
        async with Redis.from_url(servers.redis_url) as redis:
            assert await redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert await redis.config_get("save") == {"save": ""}
        async with Redis.from_url(make_url(servers.redis_url).set(password=None).render_as_string()) as redis:
            with pytest.raises(AuthenticationError):
                await redis.get("key")


async def test_restart_finds_the_data_and_leaves_secrets_private(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        await ask(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        assert await ask(servers.database_url, "SELECT answer FROM kept") == 42
        assert await ask(servers.database_url, "SELECT current_setting('fsync')") == "off"
        assert mode_of(tmp_path / "postgres.password") == 0o600
        assert mode_of(tmp_path / "postgres") == 0o700
        assert servers.redis is None or mode_of(tmp_path / "redis" / "redis.conf") == 0o600


async def test_second_start_over_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False, locate_redis=no_redis) as servers:
        with pytest.raises(EmbeddedServerError) as refusal:
            await EmbeddedServers.start(tmp_path)
        assert str(refusal.value) == (
            f"{tmp_path} is in use by process {os.getpid()}: stop that one, or choose another data directory"
        )
        assert servers.failures() == []


async def test_two_directories_run_side_by_side_also_with_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    long_dir = tmp_path / ("d" * 120)
    first, second = await asyncio.gather(
        EmbeddedServers.start(tmp_path / "short", durable=False, locate_redis=no_redis),
        EmbeddedServers.start(long_dir, durable=False, locate_redis=no_redis),
    )
    async with first, second:
        assert await ask(first.database_url, "SELECT 1") == await ask(second.database_url, "SELECT 1")
        socket_dir = second.postgres.socket_dir
        assert socket_dir.is_dir()
        assert not socket_dir.is_relative_to(long_dir)
    assert not socket_dir.exists()
    assert not (long_dir / "postgres.socket").is_symlink()


async def test_missing_redis_is_told_and_not_an_error(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False, locate_redis=no_redis) as servers:
        assert (servers.redis_url, servers.redis_missing_reason) == (None, NO_REDIS)
        assert list(servers.pids) == ["postgres"]


async def test_redis_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho no room for me\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    async with await EmbeddedServers.start(tmp_path, durable=False, locate_redis=lambda: program) as servers:
        assert servers.redis_url is None
        assert servers.redis_missing_reason == (
            f"redis ended while it was starting; {tmp_path / 'redis.log'} ends with:\nno room for me"
        )


async def test_server_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False, locate_redis=no_redis) as servers:
        os.kill(servers.pids["postgres"], signal.SIGKILL)
        assert await all_end([servers.pids["postgres"]])
        (failure,) = servers.failures()
        assert failure.startswith(f"postgres ended by itself; {tmp_path / 'postgres.log'} ends with:\n")


async def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=r"cannot use .*/file as data directory: File exists"):
        await EmbeddedServers.start(tmp_path / "file")


async def test_failed_start_frees_the_directory(tmp_path: Path) -> None:
    def broken() -> Path | None:
        raise RuntimeError("locating failed")

    with pytest.raises(RuntimeError, match="locating failed"):
        await EmbeddedServers.start(tmp_path, durable=False, locate_redis=broken)
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    assert not pid_file.exists()
    async with await EmbeddedServers.start(tmp_path, durable=False, locate_redis=no_redis) as servers:
        assert process_exists(servers.pids["postgres"])
