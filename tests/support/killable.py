"""Worker processes that die at a chosen moment of a call: `python -m tests.support.killable`.

Reads one errand a line and forks for each, so that a death costs no import. Prints the child's id, then how it ended.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import orjson

from invite_service.domain.message import Message
from invite_service.domain.receipt import Receipt
from invite_service.providers.base import Sender
from invite_service.providers.email.resend import ResendSender, parse_resend
from invite_service.providers.email.smtp import create_smtp_sender
from invite_service.providers.email.smtp_settings import parse_smtp_url
from invite_service.services.claim import WholeTurn
from invite_service.services.notice_writing import Draft, NoticeWriter, Unwanted
from invite_service.services.writing import MessageWriter
from tests.support.builders import make_merchant
from tests.support.sending import ManualClock, SendingHouse, make_database, make_notice_writer, make_writer


class Moment(StrEnum):
    """Seven moments around a provider's call."""

    CLAIMED = "claimed"
    """The batch is claimed; no attempt is written."""
    OPENED = "opened"
    """The attempt is committed; the call has not begun."""
    HALF_SENT = "half_sent"
    """A part of the message is with the provider."""
    TAKEN = "taken"
    """The provider has taken it; its answer is on the way."""
    ANSWERED = "answered"
    """The answer is here; nothing is recorded."""
    RECORDING = "recording"
    """The outcome is on its way into the database, which commits it after our end."""
    RECORDED = "recorded"
    """The outcome is committed, and with it the attempt of the next message, whose call has not begun."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What a child is to send through what, and when it dies."""

    database_url: str
    now: str
    moment: Moment
    provider: str
    port: int
    has_notices: bool
    """Whether notices are due instead of invitations' messages."""

    @classmethod
    def read(cls, line: str) -> Self:
        given = orjson.loads(line)
        return cls(**{**given, "moment": Moment(given["moment"])})

    def write(self) -> bytes:
        return orjson.dumps(asdict(self)) + b"\n"


def make_sender(provider: str, port: int) -> Sender:
    """Make the adapter as an installation has it, pointed at a port of loopback."""
    if provider == "smtp":
        return create_smtp_sender(parse_smtp_url(f"smtp://127.0.0.1:{port}?starttls=never"))
    return ResendSender(parse_resend({"api_key": "re_test", "api_url": f"http://127.0.0.1:{port}"}))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingSender:
    """Sends through another, one message at a time, until its moment comes."""

    max_in_flight = 1

    def __init__(self, inner: Sender, moment: Moment) -> None:
        self._inner = inner
        self._moment = moment
        self._calls = 0
        self.name = inner.name
        self.key_lifetime = inner.key_lifetime

    async def send(self, message: Message) -> Receipt:
        self._calls += 1
        if self._moment is Moment.OPENED or (self._moment is Moment.RECORDED and self._calls == 2):
            die()
        receipt = await self._inner.send(message)
        if self._moment is Moment.ANSWERED:
            die()
        return receipt

    async def check(self) -> Receipt:
        return await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()


class DyingWriter:
    """Dies instead of writing."""

    def write(self, *_: Any, **__: Any) -> Message:
        die()
        raise AssertionError


class DyingNoticeWriter(NoticeWriter):
    """Dies instead of writing."""

    async def draft(self, *_: Any, **__: Any) -> Draft | Unwanted:
        die()
        raise AssertionError


class Worker:
    """What a child does: one batch of the merchant's due messages, or of its notices."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand

    async def send(self) -> None:
        errand = self._errand
        database = make_database(errand.database_url, pool_size=2)
        house = SendingHouse(database, make_merchant(), ManualClock(datetime.fromisoformat(errand.now)))
        sender = DyingSender(make_sender(errand.provider, errand.port), errand.moment)
        if errand.has_notices:
            writing = DyingNoticeWriter if errand.moment is Moment.CLAIMED else NoticeWriter
            await house.notices(sender, writer=make_notice_writer(writing)).send_due(house.merchant.id)
            return
        writer: MessageWriter | DyingWriter = DyingWriter() if errand.moment is Moment.CLAIMED else make_writer()
        await house.sending(sender, writer=writer).send_due(house.merchant.id, turn=WholeTurn())


def serve(lines: Iterable[str]) -> None:
    for line in lines:
        pid = os.fork()
        if pid == 0:
            with contextlib.redirect_stdout(sys.stderr):
                asyncio.run(Worker(Errand.read(line)).send())
            os._exit(0)
        print(pid, flush=True)  # noqa: T201 - what the test reads
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve(sys.stdin)
