"""The `smtp` provider: any SMTP server, over a few connections that are opened when needed and used again."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from functools import cache

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.email.smtp_answers import (
    NAME,
    Answer,
    Trouble,
    is_worn_out,
    judge,
    receipt,
)
from invite_service.providers.email.smtp_connection import SmtpConnection
from invite_service.providers.email.smtp_envelope import Envelope, create_envelope
from invite_service.providers.email.smtp_opening import open_connection
from invite_service.providers.email.smtp_settings import Encryption, SmtpSettings, parse_smtp_url
from invite_service.providers.reach import EVERYWHERE, Reach

GOODBYE_TIMEOUT = 1.0
"""Seconds that closing waits for connections to end by themselves."""


class SmtpSender:
    """Sends e-mails' bytes as they are; docs/providers/smtp.md has the table of outcomes.

    SMTP knows no idempotency key, so a message is tried a second time only on a fresh connection, and only when the
    one it was first tried on had died before the server took its MAIL command.
    """

    name = NAME
    key_lifetime = None

    def __init__(self, settings: SmtpSettings, *, tls_context: ssl.SSLContext, reach: Reach = EVERYWHERE) -> None:
        self._settings = settings
        self._tls_context = tls_context
        self._reach = reach
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: deque[SmtpConnection] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def max_in_flight(self) -> int:
        """One message per connection at a time."""
        return self._settings.connections

    async def send(self, message: Message) -> Receipt:
        """Hand the message's bytes to the server within the time limit of the settings."""
        if self._closed:
            return receipt(OutcomeWord.NOT_SENT, "sender_closed")
        envelope = create_envelope(message)
        if isinstance(envelope, Receipt):
            return envelope
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        try:
            if self._slots.locked():
                async with asyncio.timeout_at(deadline):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()
        except TimeoutError:
            return receipt(OutcomeWord.NOT_SENT, "no_free_connection")
        try:
            return await self._send(envelope, deadline=deadline)
        finally:
            self._slots.release()

    async def check(self) -> Receipt:
        """Open a connection of its own, log in, say NOOP and leave."""
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        connection = await self._open(deadline)
        if isinstance(connection, Receipt):
            return connection
        answer = await connection.probe(deadline=deadline)
        connection.quit()
        await _wait_until_closed([connection])
        if answer.is_positive:
            return receipt(OutcomeWord.ACCEPTED, "settings_work")
        return judge(answer)

    async def close(self) -> None:
        """Close the idle connections now and each busy one when its message is done."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        idle, self._idle = self._idle, deque()
        for connection in idle:
            connection.quit()
        await _wait_until_closed(idle)

    async def _send(self, envelope: Envelope, *, deadline: float) -> Receipt:
        connection = await self._reuse(deadline)
        if connection is not None:
            answer = await self._deliver(connection, envelope, deadline=deadline)
            if isinstance(answer, Receipt):
                return answer
            if not is_worn_out(answer):
                return judge(answer)
        fresh = await self._open(deadline)
        if isinstance(fresh, Receipt):
            return fresh
        answer = await self._deliver(fresh, envelope, deadline=deadline)
        return answer if isinstance(answer, Receipt) else judge(answer)

    async def _deliver(self, connection: SmtpConnection, envelope: Envelope, *, deadline: float) -> Answer | Receipt:
        answer = await connection.deliver(envelope, deadline=deadline)
        self._give_back(connection)
        return answer

    async def _open(self, deadline: float) -> SmtpConnection | Receipt:
        return await open_connection(
            self._settings, tls_context=self._tls_context, reach=self._reach, deadline=deadline
        )

    async def _reuse(self, deadline: float) -> SmtpConnection | None:
        """Take the connection used last, once it is known to live; None when there is none."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable:
                continue
            if now - connection.idle_since < self._settings.probe_after:
                return connection
            answer = await connection.probe(deadline=min(deadline, now + self._settings.connect_timeout))
            if answer.is_positive:
                return connection
            if answer.trouble is Trouble.TIMEOUT:
                # What swallowed this one without a word (a firewall, a balancer) has swallowed the older ones too.
                self._drop_idle()
        return None

    def _give_back(self, connection: SmtpConnection) -> None:
        if not connection.usable:
            return
        if self._closed or connection.message_count >= self._settings.messages_per_connection:
            connection.quit()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._settings.idle_time, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long; one timer for the pool costs less than one per connection."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= self._settings.idle_time:
            self._idle.popleft().quit()
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0].idle_since + self._settings.idle_time, self._sweep)

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().abort()


def create_smtp_sender(settings: SmtpSettings, *, reach: Reach = EVERYWHERE) -> SmtpSender:
    """Make the sender; raises ProviderSettingsError where the file of authorities cannot be used."""
    return SmtpSender(settings, tls_context=_context_of(settings), reach=reach)


def _context_of(settings: SmtpSettings) -> ssl.SSLContext:
    if settings.encryption is Encryption.NEVER:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.ca_file is None:
        return _system_context(verify=settings.verify)
    try:
        return _create_context(settings.ca_file, verify=settings.verify)
    except (OSError, ValueError):
        fault = Fault(pointer="/url", code="ca_file_invalid", detail="ca_file cannot be read as a PEM file")
        raise ProviderSettingsError("The SMTP settings have faults.", faults=[fault]) from None


@cache
def _system_context(*, verify: bool) -> ssl.SSLContext:
    """Load the system's authorities once a process: that takes 20 ms, and every merchant has a sender."""
    return _create_context(None, verify=verify)


def _create_context(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _wait_until_closed(connections: deque[SmtpConnection] | list[SmtpConnection]) -> None:
    """Wait a moment for the transports to end, then end them."""
    if connections:
        await asyncio.wait([connection.closed for connection in connections], timeout=GOODBYE_TIMEOUT)
    for connection in connections:
        connection.abort()


def _parse(options: Mapping[str, str]) -> SmtpSettings:
    return parse_smtp_url(options["url"])


def _create_sender(settings: SmtpSettings, given: Surroundings) -> SmtpSender:
    return create_smtp_sender(settings, reach=given.reach)


ADAPTER = Adapter(parse=_parse, create_sender=_create_sender)
