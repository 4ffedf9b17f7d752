"""What messages leave through, at the other end: a sink, its settings for the worker, and a source of ready bytes."""

import os
import shutil
import sys
from typing import Protocol

from benchmarks.yardsticks.http_stub import Stub
from benchmarks.yardsticks.smtp_sink import Sink

SESSIONS = 8
"""Connections of every sender of SMTP."""

IN_FLIGHT = 16
"""Calls that every sender of HTTP has open: as many as an adapter has."""


class Sample(Protocol):
    """A sink in this process, which measures what the first messages are."""

    message_count: int
    byte_count: int

    def close(self) -> None:
        """Stop listening."""


class Road(Protocol):
    """One way out."""

    name: str

    @property
    def source_name(self) -> str:
        """What sends the ready bytes."""

    def settings(self, port: int) -> dict[str, str]:
        """Give the settings with which a worker sends to a port of loopback."""

    async def sample(self, port: int) -> Sample:
        """Listen for the first messages."""

    def sink(self, port: int) -> list[str]:
        """Give the command of the sink."""

    def source(self, port: int, *, count: int, size: int) -> list[str]:
        """Give the command that sends so many messages of so many bytes."""


def has_postfix() -> bool:
    """Say whether postfix's own source and sink are installed."""
    return shutil.which("smtp-source") is not None and shutil.which("smtp-sink") is not None


class SmtpRoad:
    """An SMTP server."""

    name = "smtp"

    @property
    def source_name(self) -> str:
        """What sends the ready bytes."""
        return "smtp-source -d -s 8, smtp-sink" if has_postfix() else "our own source and sink, no postfix here"

    def settings(self, port: int) -> dict[str, str]:
        """Give the settings with which a worker sends to a port of loopback."""
        return {"INVITE_SMTP_URL": f"smtp://127.0.0.1:{port}?starttls=never"}

    async def sample(self, port: int) -> Sample:
        """Listen for the first messages."""
        return await Sink().start(port)

    def sink(self, port: int) -> list[str]:
        """Give the command of the sink."""
        if not has_postfix():
            return [sys.executable, "-m", "benchmarks.yardsticks.smtp_sink", str(port)]
        # Started by root it wants to be somebody else.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return ["smtp-sink", *user, f"127.0.0.1:{port}", "256"]

    def source(self, port: int, *, count: int, size: int) -> list[str]:
        """Give the command that sends so many messages of so many bytes."""
        if not has_postfix():
            return [sys.executable, "-m", "benchmarks.yardsticks.smtp_source", str(port), str(count), str(size)]
        envelope = ["-f", "source@example.org", "-t", "sink@example.org"]
        sizes = ["-s", str(SESSIONS), "-m", str(count), "-l", str(size)]
        return ["smtp-source", "-d", *sizes, *envelope, f"127.0.0.1:{port}"]


class HttpRoad:
    """The API of an e-mail company: with batches Postmark's, which takes many messages in a call, else Resend's."""

    source_name = "bare httpx, 16 in flight"

    def __init__(self, *, has_batches: bool) -> None:
        self.name = "http_provider" if has_batches else "http_single"
        self._options = "postmark:?server_token=bench" if has_batches else "resend:?api_key=re_bench"

    def settings(self, port: int) -> dict[str, str]:
        """Give the settings with which a worker sends to a port of loopback."""
        return {"INVITE_EMAIL_URL": f"{self._options}&api_url=http%3A%2F%2F127.0.0.1%3A{port}"}

    async def sample(self, port: int) -> Sample:
        """Listen for the first messages."""
        return await Stub().start(port)

    def sink(self, port: int) -> list[str]:
        """Give the command of the stub."""
        return [sys.executable, "-m", "benchmarks.yardsticks.http_stub", str(port)]

    def source(self, port: int, *, count: int, size: int) -> list[str]:
        """Give the command that posts so many bodies of so many bytes."""
        arguments = [str(port), str(count), str(size), str(IN_FLIGHT)]
        return [sys.executable, "-m", "benchmarks.yardsticks.http_source", *arguments]
