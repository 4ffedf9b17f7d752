"""SMTP against Postfix with a queue of its own; skipped where there is none, or nobody may start it."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord
from invite_service.providers.email.smtp import SmtpSender, create_smtp_sender
from invite_service.providers.email.smtp_settings import Encryption
from tests.providers.messages import RAW, make_message, make_settings
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.skipif(  # `make elsewhere` is for any machine: its other peers are libraries and need neither
    shutil.which("postfix") is None or os.geteuid() != 0, reason="needs Postfix, and to be root, who alone may start it"
)

MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
mail_owner = postfix
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.example.net
mynetworks =
mydestination =
default_transport = discard
virtual_mailbox_domains = example.net
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{ {{kari@example.net=kari/}} }}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_cert_file = {root}/127.0.0.1.pem
smtpd_tls_key_file = {root}/127.0.0.1.key
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{
    {{grey@example.net=450 4.2.0 Greylisted, try again in 5 minutes}}
    {{blocked@example.net=554 5.7.1 Blocked by policy}} }}
smtpd_sender_restrictions = check_sender_access inline:{{ {{bad@example.com=550 5.7.1 Not yours}} }}
message_size_limit = 20000
virtual_mailbox_limit = 0
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{slow_port} inet n - n - - smtpd
  -o smtpd_client_message_rate_limit=2
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"""


@dataclass(frozen=True)
class Postfix:
    """Postfix, with a mailbox for kari@example.net."""

    root: Path
    port: int
    slow_port: int
    """Takes two messages a minute."""
    ca_file: str

    def run(self, command: str) -> None:
        subprocess.run(self._command(command), check=True, capture_output=True)

    def restart(self) -> None:
        """Stop and start; it does not start while those that it stopped still write their last files."""
        self.run("stop")
        for _ in range(20):
            if subprocess.run(self._command("start"), check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.5)
        pytest.fail("Postfix did not start again.")

    def _command(self, command: str) -> list[str]:
        return ["postfix", "-c", str(self.root / "conf"), command]

    async def wait_for(self, expected: int) -> list[bytes]:
        """Wait, at most half a minute, until there are so many mails in the mailbox, and read them."""
        folder = self.root / "mail" / "kari" / "new"
        async with asyncio.timeout(30):
            while len(found := sorted(folder.glob("*"))) < expected:  # noqa: ASYNC110 - another process delivers
                await asyncio.sleep(0.1)
        return [path.read_bytes() for path in found]


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    # Not below pytest's own folder, where Postfix' users may not look.
    root = Path(tempfile.mkdtemp(prefix="postfix-"))
    root.chmod(0o755)
    for name in ("conf", "queue", "data", "mail"):
        (root / name).mkdir()
    shutil.chown(root / "data", "postfix")
    shutil.chown(root / "mail", "nobody")
    ca_file, _ = make_certificate(root, host="127.0.0.1")
    port, slow_port = _find_port(), _find_port()
    (root / "conf" / "main.cf").write_text(MAIN.format(root=root))
    (root / "conf" / "master.cf").write_text(MASTER.format(port=port, slow_port=slow_port))
    found = Postfix(root, port, slow_port, str(ca_file))
    found.run("start")
    try:
        yield found
    finally:
        found.run("stop")
        shutil.rmtree(root)


def _find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def open_sender(postfix: Postfix, *, port: int | None = None, **changes: Any) -> AsyncIterator[SmtpSender]:
    values = {"encryption": Encryption.REQUIRED, "ca_file": postfix.ca_file}
    sender = create_smtp_sender(make_settings(port or postfix.port, **values | changes))
    try:
        yield sender
    finally:
        await sender.close()


def ids_in(mails: list[bytes]) -> Counter[str]:
    return Counter(str(message_from_bytes(mail)["Message-ID"]) for mail in mails)


async def test_mail_arrives_encrypted_and_as_it_was_written(postfix: Postfix) -> None:
    body = b"Hei K\xc3\xa5ri\r\n.\r\n..two\r\n" + b"a" * 998 + b"\r\n"
    async with open_sender(postfix) as sender:
        checked = await sender.check()
        receipt = await sender.send(make_message(raw=RAW.replace(b"Hello Kari\r\n", body)))
    [mail] = await postfix.wait_for(1)

    assert (checked.outcome, checked.reason) == (OutcomeWord.ACCEPTED, "settings_work")
    assert (receipt.outcome, receipt.reason) == (OutcomeWord.ACCEPTED, "message_accepted")
    assert mail.partition(b"\n\n")[2] == body.replace(b"\r\n", b"\n")
    assert b"using TLSv1.3" in mail


@pytest.mark.parametrize(
    ("message", "outcome", "reason", "suppressed"),
    [
        (make_message(to_address="nobody@example.net"), OutcomeWord.REJECTED, "recipient_refused", True),
        (make_message(to_address="blocked@example.net"), OutcomeWord.REJECTED, "recipient_refused", False),
        (make_message(to_address="grey@example.net"), OutcomeWord.NOT_SENT, "recipient_deferred", False),
        (make_message(to_address="kari@example.org"), OutcomeWord.MISCONFIGURED, "relay_denied", False),
        (make_message(from_address="bad@example.com"), OutcomeWord.MISCONFIGURED, "sender_refused", False),
        (make_message(raw=RAW + b"more\r\n" * 5000), OutcomeWord.REJECTED, "message_too_large", False),
    ],
    ids=["unknown", "blocked", "greylisted", "relay", "sender", "size"],
)
async def test_refusal_has_its_outcome(
    postfix: Postfix, message: Message, outcome: OutcomeWord, reason: str, *, suppressed: bool
) -> None:
    async with open_sender(postfix) as sender:
        receipt = await sender.send(message)

    assert (receipt.outcome, receipt.reason, receipt.suppress_address) == (outcome, reason, suppressed)


async def test_too_many_messages_a_minute_are_waited_for(postfix: Postfix) -> None:
    async with open_sender(postfix, port=postfix.slow_port) as sender:
        receipts = [await sender.send(make_message(number)) for number in range(1, 5)]

    assert [receipt.outcome for receipt in receipts] == [OutcomeWord.ACCEPTED] * 2 + [OutcomeWord.RATE_LIMITED] * 2
    assert all(receipt.retry_after for receipt in receipts[2:])


async def test_what_was_accepted_is_there_once_though_postfix_restarts(postfix: Postfix) -> None:
    async def restart() -> None:
        for step in (partial(postfix.run, "reload"), postfix.restart, partial(postfix.run, "reload")):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(step)

    sent: dict[str, OutcomeWord] = {}

    async def send(number: int) -> None:
        sent[f"<{number}@example.com>"] = (await sender.send(make_message(number))).outcome

    async def send_until(task: asyncio.Task[None], numbers: Iterator[int]) -> None:
        while not task.done():
            await send(next(numbers))

    async with open_sender(postfix, connections=8) as sender:
        numbers = count(1)
        restarting = asyncio.create_task(restart())
        await asyncio.gather(restarting, *(send_until(restarting, numbers) for _ in range(8)))
        meanwhile = set(sent)
        await asyncio.gather(*(send(next(numbers)) for _ in range(20)))
    taken = {message_id for message_id, outcome in sent.items() if outcome is OutcomeWord.ACCEPTED}
    unclear = {message_id for message_id, outcome in sent.items() if outcome is OutcomeWord.UNKNOWN}
    there = ids_in(await postfix.wait_for(len(taken)))

    assert set(sent.values()) <= {OutcomeWord.ACCEPTED, OutcomeWord.NOT_SENT, OutcomeWord.UNKNOWN}
    assert meanwhile & taken
    assert (sent.keys() - meanwhile) & taken
    assert set(there.values()) == {1}
    assert taken <= there.keys() <= taken | unclear
