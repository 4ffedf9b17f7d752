"""Opens SMTP connections: name look-up, TCP, TLS, greeting, EHLO, STARTTLS and AUTH, each failure with its stage."""

import asyncio
import socket
import ssl
from typing import cast

import aiosmtplib

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.smtp_answers import Answer, Reply, Stage, judge, judge_error, receipt
from invite_service.providers.email.smtp_connection import SmtpConnection
from invite_service.providers.email.smtp_settings import Encryption, SmtpSettings
from invite_service.providers.reach import Reach, resolve

_BAD_CREDENTIALS = 535


async def open_connection(
    settings: SmtpSettings, *, tls_context: ssl.SSLContext, reach: Reach, deadline: float
) -> SmtpConnection | Receipt:
    """Open a connection that is ready for MAIL before the deadline (on the loop's clock), or say why there is none."""
    opening = _Opening(settings, tls_context, reach)
    try:
        async with asyncio.timeout_at(deadline):
            return await opening.run()
    except aiosmtplib.SMTPResponseException as refusal:
        return judge(Answer(opening.stage, Reply(refusal.code, refusal.message)))
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        return judge_error(opening.stage, error)
    finally:
        opening.close_unless_opened()


class _Opening:
    """One connection on its way; `stage` is where it stands.

    aiosmtplib does the dangerous parts (STARTTLS without injected replies, AUTH); SmtpConnection takes over after them.
    """

    def __init__(self, settings: SmtpSettings, tls_context: ssl.SSLContext, reach: Reach) -> None:
        self.stage = Stage.CONNECT
        self._settings = settings
        self._tls_context = tls_context
        self._reach = reach
        self._client: aiosmtplib.SMTP | None = None

    async def run(self) -> SmtpConnection | Receipt:
        """Go through every stage; errors of the network and of aiosmtplib are the caller's to judge."""
        settings = self._settings
        is_encrypted = settings.encryption is Encryption.IMPLICIT
        client = await self._connect()
        await self._say_hello(client)
        if settings.encryption in {Encryption.REQUIRED, Encryption.OPPORTUNISTIC}:
            refusal = await self._start_tls(client)
            is_encrypted = refusal is None
            if refusal is not None and settings.encryption is Encryption.REQUIRED:
                return refusal
        if settings.username is not None:
            if not is_encrypted and settings.encryption is not Encryption.NEVER:
                return receipt(OutcomeWord.MISCONFIGURED, "auth_needs_tls")
            failure = await self._log_in(client, settings.username, is_encrypted=is_encrypted)
            if failure is not None:
                return failure
        if not client.is_connected or client.transport is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        transport = cast("asyncio.Transport", client.transport)
        self._client = None
        return SmtpConnection(transport, extensions=client.esmtp_extensions)

    def close_unless_opened(self) -> None:
        """Drop a connection that did not get to its end; one that did belongs to SmtpConnection."""
        if self._client is not None and self._client.transport is not None:
            cast("asyncio.Transport", self._client.transport).abort()

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        sock = await _open_socket(settings.host, settings.port, reach=self._reach, limit=settings.connect_timeout)
        self.stage = Stage.GREETING
        self._client = client = aiosmtplib.SMTP(
            hostname=settings.host,
            sock=sock,
            local_hostname=settings.ehlo_name or _own_name(sock),
            timeout=None,
            use_tls=settings.encryption is Encryption.IMPLICIT,
            start_tls=False,
            tls_context=self._tls_context,
        )
        await client.connect()
        return client

    async def _say_hello(self, client: aiosmtplib.SMTP) -> None:
        self.stage = Stage.EHLO
        await client.ehlo()

    async def _start_tls(self, client: aiosmtplib.SMTP) -> Receipt | None:
        """Encrypt the connection; None means that it is."""
        self.stage = Stage.STARTTLS
        if not client.supports_extension("starttls"):
            return receipt(OutcomeWord.MISCONFIGURED, "starttls_unsupported")
        try:
            await client.starttls()
        except aiosmtplib.SMTPResponseException as refusal:
            return judge(Answer(Stage.STARTTLS, Reply(refusal.code, refusal.message)))
        await self._say_hello(client)
        return None

    async def _log_in(self, client: aiosmtplib.SMTP, username: str, *, is_encrypted: bool) -> Receipt | None:
        """Log in by the first mechanism that the server does not refuse as such; None means that it worked."""
        self.stage = Stage.AUTH
        methods = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        # Servers that store hashes cannot do CRAM-MD5 and may count the failure as an attack; in the clear it is
        # still the best there is.
        names = ("plain", "login", "cram-md5") if is_encrypted else ("cram-md5", "plain", "login")
        failure: Receipt | None = receipt(OutcomeWord.MISCONFIGURED, "auth_unsupported")
        for name in (name for name in names if name in client.server_auth_methods):
            try:
                await methods[name](username, self._settings.password)
            except aiosmtplib.SMTPAuthenticationError as refusal:
                failure = judge(Answer(Stage.AUTH, Reply(refusal.code, refusal.message)))
                if refusal.code == _BAD_CREDENTIALS or refusal.code // 100 != 5:
                    return failure
            else:
                return None
        return failure


async def _open_socket(host: str, port: int, *, reach: Reach, limit: float) -> socket.socket:
    """Connect to the first address of the host that answers; each gets its share of the limit, in seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    async with asyncio.timeout_at(deadline):
        addresses = await resolve(host, port, reach=reach)
    for position, (family, kind, protocol, _, address) in enumerate(addresses, start=1):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        now = loop.time()
        try:
            async with asyncio.timeout_at(now + (deadline - now) / (len(addresses) - position + 1)):
                await loop.sock_connect(sock, address)
        except BaseException as error:
            sock.close()
            if position == len(addresses) or not isinstance(error, OSError):
                raise
        else:
            return sock
    raise socket.gaierror(socket.EAI_NONAME, "No address")


def _own_name(sock: socket.socket) -> str:
    """This host's name where it is a full one, else the address literal of the connection (RFC 5321 4.1.3)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if sock.family == socket.AF_INET6 else f"[{address}]"
