"""Bare httpx that posts ready bytes: `python -m benchmarks.yardsticks.http_source PORT N SIZE IN_FLIGHT`.

As its documentation has it: one client, its own transport and defaults but for the number of connections.
"""

import asyncio
import sys

import httpx


async def post(port: int, count: int, size: int, in_flight: int) -> None:
    """Post `count` bodies of `size` bytes, `in_flight` at once."""
    body = b'"' + b"x" * (size - 2) + b'"'
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}
    turns = iter(range(count))
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits) as client:

        async def post_some() -> None:
            for _ in turns:
                answer = await client.post("/emails", content=body)
                answer.raise_for_status()

        await asyncio.gather(*(post_some() for _ in range(in_flight)))


if __name__ == "__main__":
    asyncio.run(post(*(int(argument) for argument in sys.argv[1:5])))
