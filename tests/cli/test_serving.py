"""`invite-service api` as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

SECRET = "a secret of tests, long enough to be one"

START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_api(database_url: str, port: int, **further: str) -> Iterator["subprocess.Popen[str]"]:
    """Start the API and kill it at the end, if it still runs."""
    environment = {
        **os.environ,
        "INVITE_DATABASE_URL": database_url,
        "INVITE_SECRET_KEY": SECRET,
        "INVITE_DATABASE_POOL_SIZE": "2",
        "INVITE_PORT": str(port),
        **further,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "invite_service.cli.main", "api"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process: "subprocess.Popen[str]", base_url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            if httpx.get(f"{base_url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the API did not become ready")


def test_the_api_serves_until_it_is_asked_to_end(database_url: str) -> None:
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    with running_api(database_url, port) as process:
        wait_until_ready(process, base_url)
        answer = httpx.get(f"{base_url}/v1/orders?email=kari@example.no", trust_env=False)
        assert answer.status_code == 401
        assert "server" not in answer.headers
        metrics = httpx.get(f"{base_url}/metrics", trust_env=False)
        assert 'route="/v1/orders",status="401"} 1.0' in metrics.text
        oversized = httpx.post(f"{base_url}/v1/orders", content=b"x" * 2_000_000, trust_env=False)
        assert oversized.status_code == 413
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert output == ""
    entries = [json.loads(line) for line in log.splitlines()]
    assert any(entry["event"] == "Answered a request" and entry.get("route") == "/v1/orders" for entry in entries)
    assert "kari" not in log


def test_the_api_refuses_a_database_without_a_schema(unmigrated_database_url: str) -> None:
    with running_api(unmigrated_database_url, free_port()) as process:
        output, log = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, output) == (1, "")
    assert log.splitlines()[-1].endswith("run `invite-service migrate`.")
    assert "Traceback" not in log


def test_a_proxy_is_believed_where_the_settings_trust_it(database_url: str) -> None:
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    told = {"X-Forwarded-For": "198.51.100.7"}
    for trusted, status in (("127.0.0.0/8", 401), ("10.3.0.0/16", 200)):
        with running_api(database_url, port, INVITE_TRUSTED_PROXIES=trusted) as process:
            wait_until_ready(process, base_url)
            # Answered without a key to the machine itself only.
            assert httpx.get(f"{base_url}/metrics", headers=told, trust_env=False).status_code == status
