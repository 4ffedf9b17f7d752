"""`invite-service dev` as its user runs it: start, order, Ctrl-C, start again, crash, start again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

START_SECONDS = 60.0
END_SECONDS = 40.0

SETTINGS = {
    "INVITE_RATE_LIMIT": "many",
    "INVITE_SMTP_URL": "smtp://127.0.0.1:1",
    "INVITE_PICTURE_S3_URL": "https://s3.example.com/pictures",
}
"""Of an installation, and faulty: nothing that `dev` starts has any of them."""

ORDER = {
    "order_id": "A-1001",
    "status": "shipped",
    "customer": {"email": "kari@example.com"},
    "products": [{"id": "t1", "name": "Tent"}],
}


class Service:
    """A running `invite-service dev`."""

    def __init__(self, process: "subprocess.Popen[str]", facts: dict[str, Any]) -> None:
        self.process = process
        self.facts = facts

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.facts['api_key']}"}
        answer = httpx.request(method, self.facts["base_url"] + path, headers=headers, timeout=30, **request)
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def interrupt(self) -> str:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=END_SECONDS)
        assert self.left_behind() == [], "all have ended when the shell's prompt is back"
        return self.process.communicate(timeout=END_SECONDS)[0]

    def left_behind(self) -> list[str]:
        """Name what still runs of it: what it told of, and what else is in its session."""
        pids = {*self.facts["pids"].values(), *_pids_of_session(self.process.pid)}
        return [_command_line_of(pid) for pid in pids if _is_running(pid)]


@contextmanager
def running(data_dir: Path) -> Iterator[Service]:
    command = [sys.executable, "-m", "invite_service.cli.main", "dev", "--data-dir", str(data_dir), "--port", "0"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Service(process, _wait_for(process, data_dir / "dev.json"))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=END_SECONDS)


def _wait_for(process: "subprocess.Popen[str]", facts_file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        if facts_file.exists():
            facts: dict[str, Any] = json.loads(facts_file.read_text())
            if facts["pids"]["dev"] == process.pid:
                return facts
        time.sleep(0.05)
    raise AssertionError("dev.json did not appear")


def _pids_of_session(session: int) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]
    return [pid for pid in pids if _session_of(pid) == session]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _command_line_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "ended meanwhile"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


def _all_end(pids: dict[str, int]) -> bool:
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        if not any(_is_running(pid) for pid in pids.values()):
            return True
        time.sleep(0.1)
    return False


def test_dev_serves_ends_and_keeps_its_data_over_a_restart_and_a_crash(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        ordered = service.call("POST", "/v1/orders", json=ORDER)
        assert (ordered["outcome"], ordered["invitation"]["steps"]) == ("invited", ["product_1", "product_2"])
        first = service.facts
        assert set(first) == {
            "base_url", "merchant_id", "api_key", "operator_key", "database_url", "redis_url", "pids",
        }  # fmt: skip
        assert first["merchant_id"] == "sandbox"
        said = service.interrupt()
        assert "curl -s " + first["base_url"] in said
        assert first["api_key"] in said
        assert said.index("Starting") < said.index(first["base_url"])
        assert service.process.returncode == 0
    assert not (tmp_path / "dev.json").exists()

    with running(tmp_path) as service:
        assert service.facts["api_key"] == first["api_key"]
        assert service.call("GET", "/v1/orders/A-1001")["outcome"] == "invited"
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.communicate(timeout=END_SECONDS)
        assert _all_end({name: pid for name, pid in service.facts["pids"].items() if name in {"api", "worker"}})

    with running(tmp_path) as service:
        moved = service.call("POST", "/v1/sandbox/clock", json={"advance": "P15D"})
        assert moved["sent"] == 1
        [message] = service.call("GET", "/v1/sandbox/messages")["items"]
        assert (message["step"], message["to"]) == ("product_1", "kari@example.com")
        asyncio.run(_name_revision(service.facts["database_url"], "9999"))

    refused = subprocess.run(
        [sys.executable, "-m", "invite_service.cli.main", "dev", "--data-dir", str(tmp_path), "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert refused.returncode == 1
    assert "9999" in refused.stderr
    assert "Traceback" not in refused.stderr


async def _name_revision(database_url: str, revision: str) -> None:
    """Leave the schema as a newer version of the program would, one that this one knows nothing of."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE alembic_version SET version_num = $1", revision)
    finally:
        await connection.close()


def test_two_dev_run_side_by_side(tmp_path: Path) -> None:
    with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        one.call("POST", "/v1/orders", json=ORDER)
        assert two.call("GET", "/v1/orders")["items"] == []
        refused = subprocess.run(
            [sys.executable, "-m", "invite_service.cli.main", "dev", "--data-dir", str(tmp_path / "one")],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        assert refused.returncode == 1
        assert f"is in use by process {one.process.pid}" in refused.stderr
