"""Calls to an API, against a real server: what may have left and what certainly has not."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from invite_service.providers.calls import ApiAnswer, Trouble
from invite_service.providers.http import ApiClient
from invite_service.providers.reach import Reach
from tests.providers.conftest import Certificate
from tests.providers.messages import wait_until
from tests.support.vendor_server import Act, Asked, Behaviour, Said, VendorServer


def company(asked: Asked) -> Said:
    return Said(200, b'{"id":"1"}', {"X-Request-Id": "7"})


@asynccontextmanager
async def open_client(url: str, **changes: Any) -> AsyncIterator[ApiClient]:
    client = ApiClient(url, **({"timeout": 5.0, "connect_timeout": 2.0} | changes))
    try:
        yield client
    finally:
        await client.close()


async def post(client: ApiClient) -> ApiAnswer | Trouble:
    return await client.call("POST", "/send", content=b'{"to":"kari@example.net"}', headers={"Authorization": "x y"})


async def test_request_and_answer_are_whole() -> None:
    async with VendorServer(company) as server, open_client(f"{server.url}/v1") as client:
        answer = await client.call(
            "POST", "/send", content=b"{}", headers={"Authorization": "x y"}, query={"a": "b c", "d": "é"}
        )

    assert isinstance(answer, ApiAnswer)
    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (200, b'{"id":"1"}', "7")
    assert answer.is_success
    [asked] = server.requests
    assert (asked.method, asked.path, asked.query, asked.body) == ("POST", "/v1/send", {"a": "b c", "d": "é"}, b"{}")
    assert asked.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "invite-service",
        "authorization": "x y",
        "content-length": "2",
        "content-type": "application/octet-stream",
    }


async def test_connections_are_reused_and_no_more_than_allowed() -> None:
    async with VendorServer(company) as server, open_client(server.url, connections=3) as client:
        for _ in range(3):
            await asyncio.gather(*(post(client) for _ in range(9)))
        assert server.connection_count <= 3

        await client.close()
        await wait_until(lambda: server.open_connection_count == 0)

    assert len(server.requests) == 27


async def test_cookies_are_not_kept_and_redirects_not_followed() -> None:
    moved = Said(307, b"", {"Set-Cookie": "a=b; Path=/", "Location": "/elsewhere"})
    async with VendorServer(company, [moved]) as server, open_client(server.url) as client:
        first = await post(client)
        await post(client)

    assert isinstance(first, ApiAnswer)
    assert first.status == 307
    assert [asked.path for asked in server.requests] == ["/send", "/send"]
    assert all("cookie" not in asked.headers for asked in server.requests)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with VendorServer(company) as server, open_client(server.url) as client:
        answer = await post(client)

    assert isinstance(answer, ApiAnswer)


async def test_host_name_that_cannot_be_looked_up_leaves_nothing() -> None:
    # A label longer than DNS allows fails without asking any name server.
    async with open_client(f"https://{'a' * 70}.example") as client:
        trouble = await post(client)

    assert trouble is Trouble.DNS_FAILED
    assert trouble.left_nothing


async def test_port_that_nobody_listens_on_leaves_nothing() -> None:
    server = VendorServer(company)
    await server.start()
    await server.stop()
    async with open_client(server.url) as client:
        trouble = await post(client)

    assert trouble is Trouble.CONNECTION_REFUSED
    assert trouble.left_nothing


@pytest.mark.parametrize("limits", [{"connect_timeout": 0.3}, {"timeout": 0.3}])
async def test_host_that_swallows_connections_leaves_nothing(limits: dict[str, float]) -> None:
    with socket.socket() as full:
        # A listener whose queue is full answers no further SYN.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            async with open_client(f"http://127.0.0.1:{port}", **limits) as client:
                trouble = await post(client)

    assert trouble is Trouble.TIMEOUT_AT_CONNECT
    assert trouble.left_nothing


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433"])
async def test_address_out_of_reach_is_not_connected_to(host: str) -> None:
    async with (
        VendorServer(company) as server,
        open_client(f"http://{host}:{server.port}", reach=Reach()) as client,
    ):
        trouble = await post(client)

    # The last two are addresses to some and to others neither that nor a name.
    short = host in {"127.1", "2130706433"}
    assert trouble is (Trouble.CONNECT_FAILED if short else Trouble.ADDRESS_NOT_ALLOWED)
    assert trouble.left_nothing
    assert server.connection_count == 0


async def test_server_that_never_shakes_hands_leaves_nothing() -> None:
    # The server waits for the end of a request of which the handshake looks like a noisy beginning.
    async with (
        VendorServer(company) as server,
        open_client(f"https://127.0.0.1:{server.port}", connect_timeout=0.3) as client,
    ):
        trouble = await post(client)

    assert trouble is Trouble.TIMEOUT_AT_CONNECT
    assert trouble.left_nothing
    assert server.requests == []


async def test_port_without_tls_leaves_nothing() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server, open_client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        trouble = await post(client)

    assert trouble is Trouble.TLS_FAILED
    assert trouble.left_nothing


async def test_certificate_that_is_not_trusted_gets_no_request(certificate: Certificate) -> None:
    async with VendorServer(company, tls=certificate.server_context) as server, open_client(server.url) as client:
        trouble = await post(client)

    assert trouble is Trouble.CERTIFICATE_INVALID
    assert trouble.left_nothing
    assert server.requests == []


async def test_certificate_for_another_name_gets_no_request(foreign_certificate: Certificate) -> None:
    context = ssl.create_default_context(cafile=foreign_certificate.ca_file)
    async with (
        VendorServer(company, tls=foreign_certificate.server_context) as server,
        open_client(server.url, tls_context=context) as client,
    ):
        trouble = await post(client)

    assert trouble is Trouble.CERTIFICATE_INVALID
    assert server.requests == []


async def test_certificate_that_is_trusted_is_good_enough(certificate: Certificate) -> None:
    context = ssl.create_default_context(cafile=certificate.ca_file)
    async with (
        VendorServer(company, tls=certificate.server_context) as server,
        open_client(server.url, tls_context=context) as client,
    ):
        answer = await post(client)

    assert isinstance(answer, ApiAnswer)


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [
        (Act.HANG, Trouble.TIMEOUT_AFTER_REQUEST),
        (Act.RESET, Trouble.DROPPED_AFTER_REQUEST),
        (Act.TAKE_AND_RESET, Trouble.DROPPED_AFTER_REQUEST),
        (Act.RESET_AT_FIRST_OCTET, Trouble.DROPPED_AFTER_REQUEST),
    ],
)
async def test_request_that_got_no_answer_may_have_left(behaviour: Behaviour, trouble: Trouble) -> None:
    async with VendorServer(company, [behaviour]) as server, open_client(server.url, timeout=0.5) as client:
        fresh = await post(client)
        await post(client)
        server.play(behaviour)
        reused = await post(client)

    assert (fresh, reused) == (trouble, trouble)
    assert not trouble.left_nothing


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [
        (Act.TAKE_AND_DRIP, Trouble.TIMEOUT_AFTER_REQUEST),
        (Act.TAKE_AND_HALVE, Trouble.DROPPED_AFTER_REQUEST),
        (Said(200, b"x" * 300), Trouble.ANSWER_TOO_LARGE),
        (Said(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}), Trouble.ANSWER_ENCODED),
    ],
)
async def test_answer_that_cannot_be_read_to_its_end_keeps_its_status(behaviour: Behaviour, trouble: Trouble) -> None:
    async with (
        VendorServer(company, [behaviour]) as server,
        open_client(server.url, timeout=0.5, answer_limit=200) as client,
    ):
        answer = await post(client)
        after = await post(client)

    assert isinstance(answer, ApiAnswer)
    assert (answer.status, answer.body, answer.trouble, answer.is_success) == (200, b"", trouble, False)
    assert isinstance(after, ApiAnswer)
    assert after.is_success


@pytest.mark.parametrize(
    "head",
    [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 \xff\xfe\r\n\r\n"],
)
async def test_answer_that_is_not_http_leaves_the_outcome_open(head: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server, open_client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        trouble = await client.call("POST", "/send")

    assert trouble is Trouble.DROPPED_AFTER_REQUEST


async def test_connection_that_was_closed_while_idle_is_replaced() -> None:
    async with VendorServer(company, [Act.CLOSE_WHEN_IDLE]) as server, open_client(server.url) as client:
        await post(client)
        await wait_until(lambda: server.open_connection_count == 0)
        # Until the goodbye has been read, a request could still be written into the closed connection.
        await asyncio.sleep(0.1)
        answer = await post(client)

    assert isinstance(answer, ApiAnswer)
    assert [asked.connection for asked in server.requests] == [1, 2]


async def test_post_is_never_repeated_by_the_client() -> None:
    async with VendorServer(company) as server, open_client(server.url) as client:
        await post(client)
        server.play(Act.TAKE_AND_RESET)
        await post(client)

    assert len(server.requests) == 2


async def test_call_that_finds_no_free_connection_leaves_nothing() -> None:
    async with (
        VendorServer(company, [Act.HANG]) as server,
        open_client(server.url, connections=1, timeout=1.0) as client,
    ):
        first = asyncio.create_task(post(client))
        await wait_until(lambda: len(server.requests) == 1)
        # The same limit from the same moment on: the second call's time is up before the first one's place is free.
        second = ApiClient.call(client, "POST", "/second")
        client._timeout = 0.2
        trouble = await second
        await first

    assert trouble is Trouble.NO_FREE_CONNECTION
    assert trouble.left_nothing
    assert [asked.path for asked in server.requests] == ["/send"]


async def test_cancelled_call_takes_its_connection_with_it() -> None:
    async with VendorServer(company, [Act.HANG]) as server, open_client(server.url) as client:
        call = asyncio.create_task(post(client))
        await wait_until(lambda: len(server.requests) == 1)
        call.cancel()
        [outcome] = await asyncio.gather(call, return_exceptions=True)
        answer = await post(client)

    assert isinstance(outcome, asyncio.CancelledError)
    assert isinstance(answer, ApiAnswer)
    assert [asked.connection for asked in server.requests] == [1, 2]


async def test_closed_client_lets_calls_end_and_takes_no_more() -> None:
    async with VendorServer(company, [Act.HANG]) as server, open_client(server.url, timeout=0.5) as client:
        call = asyncio.create_task(post(client))
        await wait_until(lambda: len(server.requests) == 1)
        await client.close()

        assert call.done()
        assert await post(client) is Trouble.SENDER_CLOSED


def test_answer_does_not_show_what_was_said() -> None:
    answer = ApiAnswer(status=400, headers={"x": "kari"}, body=b"kari@example.net")

    assert "kari" not in repr(answer)
