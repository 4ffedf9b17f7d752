"""Many messages in few calls: which go together, and every receipt in the place of its message."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from invite_service.domain.message import Message
from invite_service.domain.receipt import Receipt

OCTETS_PER_CALL = 1_000_000
"""Octets of one call: far below every company's limit, and what the HTTP library writes at once."""


class Part(NamedTuple):
    """One message of a batch, in the company's form."""

    message: Message
    content: bytes


async def send_in_batches(
    messages: Sequence[Message],
    *,
    write: Callable[[Message], bytes | Receipt],
    send: Callable[[Sequence[Part]], Awaitable[Sequence[Receipt]]],
    max_batch: int,
) -> list[Receipt]:
    """Write each message, hand those that could be written to `send` in batches, and answer in the messages' order.

    What `write` answers with a receipt is not sent. `send` answers with as many receipts as it got parts.
    """
    written = [write(message) for message in messages]
    parts = [Part(message, made) for message, made in zip(messages, written, strict=True) if isinstance(made, bytes)]
    batches = tuple(_divide(parts, max_batch=max_batch))
    answered = await asyncio.gather(*(send(batch) for batch in batches))
    receipts = iter([receipt for batch, told in zip(batches, answered, strict=True) for receipt in _match(batch, told)])
    return [next(receipts) if isinstance(made, bytes) else made for made in written]


def write_array(parts: Sequence[Part]) -> bytes:
    """Write the parts as one JSON array."""
    return b"[" + b",".join(part.content for part in parts) + b"]"


def _match(batch: Sequence[Part], told: Sequence[Receipt]) -> Sequence[Receipt]:
    if len(batch) != len(told):
        raise ValueError("A batch was not answered message by message.")
    return told


def _divide(parts: Sequence[Part], *, max_batch: int) -> Iterator[Sequence[Part]]:
    batch: list[Part] = []
    size = 0
    for part in parts:
        if batch and (len(batch) == max_batch or size + len(part.content) > OCTETS_PER_CALL):
            yield batch
            batch, size = [], 0
        batch.append(part)
        size += len(part.content)
    if batch:
        yield batch
