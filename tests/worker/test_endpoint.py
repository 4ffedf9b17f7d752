"""The worker's own `/livez` and `/metrics`."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from invite_service.worker.endpoint import Heartbeat, WorkerEndpoint


class StoppedClock:
    """An event loop's clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def port(clock: StoppedClock) -> AsyncIterator[int]:
    endpoint = WorkerEndpoint(
        Heartbeat(clock), render_metrics=lambda: b"invite_messages_total 1.0\n", metrics_type="text/plain; version=1"
    )
    async with endpoint.serve("127.0.0.1", 0) as port:
        yield port


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_livez_is_green_while_the_loop_turns(port: int) -> None:
    answer = await ask(port, b"GET /livez HTTP/1.1\r\nHost: worker\r\n\r\n")
    assert answer == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
    )


async def test_livez_is_red_ten_seconds_after_the_last_turn(port: int, clock: StoppedClock) -> None:
    clock.now = 9.9
    assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    clock.now = 10.0
    assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


async def test_metrics_come_in_their_own_type(port: int) -> None:
    answer = await ask(port, b"GET /metrics?x=1 HTTP/1.1\r\n\r\n")
    assert answer == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=1\r\nContent-Length: 26\r\n"
        b"Connection: close\r\n\r\ninvite_messages_total 1.0\n"
    )


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b"GET /other HTTP/1.1", b"HTTP/1.1 404 Not Found\r\n"),
        (b"POST /livez HTTP/1.1", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"nonsense", b"HTTP/1.1 405 Method Not Allowed\r\n"),
    ],
)
async def test_anything_else_is_refused(port: int, request_line: bytes, answer: bytes) -> None:
    assert (await ask(port, request_line + b"\r\n\r\n")).startswith(answer)


async def test_head_has_no_body(port: int) -> None:
    answer = await ask(port, b"HEAD /livez HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\n")


async def test_client_that_hangs_up_harms_nobody(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /li")
    writer.close()
    await writer.wait_closed()
    assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_endless_request_is_not_read_for_ever(port: int) -> None:
    try:
        answer = await ask(port, b"x" * 200_000)
    except ConnectionResetError:
        answer = b""
    assert answer == b""
    assert (await ask(port, b"GET /livez HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
