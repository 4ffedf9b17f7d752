"""kill -9 at seven moments around a provider's call: nothing lost, nothing twice, nothing silent.

INVITE_TEST_KILLS says how often each; `make kills` takes a hundred.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.policy import ProductSteps
from invite_service.providers.base import Sender
from invite_service.services.notices import LEASE_SECONDS
from invite_service.storage.database import Database
from tests.services.test_notices import NoticeHouse, ask_many
from tests.support.builders import make_policy
from tests.support.killable import Errand, Moment, make_sender
from tests.support.sending import SendingHouse, driver_of
from tests.support.smtp_server import ScriptedSmtpServer
from tests.support.tampering import TamperingProxy, pass_on
from tests.support.vendor_server import Asked, Said, VendorServer
from tests.support.workers import comes_to_be

KILLS = int(os.environ.get("INVITE_TEST_KILLS", "1"))

LEASE = timedelta(seconds=61)
NOTICE_LEASE = timedelta(seconds=LEASE_SECONDS + 1)


class Company(Protocol):
    """A provider that is played, and what its customers' mailboxes hold."""

    @property
    def name(self) -> str:
        """The provider's name."""

    @property
    def port(self) -> int:
        """Where it listens."""

    def inbox(self) -> Counter[str]:
        """Count the messages by address."""

    def is_middle(self, said_before: bytes) -> bool:
        """Say whether a question is the middle of a message, by what the company said before."""

    def is_verdict(self, asked_before: bytes) -> bool:
        """Say whether an answer is about a message, by what it was asked before."""


@dataclass
class KeyedCompany:
    """Resend: the same key again is answered as before, and sends nothing."""

    name: str = "resend"
    port: int = 0
    answers: dict[str, tuple[str, Said]] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Said:
        [address] = asked.json()["to"]
        answer = (address.rpartition("<")[2].rstrip(">"), Said.json({"id": str(uuid4())}))
        return self.answers.setdefault(asked.headers["idempotency-key"], answer)[1]

    def inbox(self) -> Counter[str]:
        return Counter(address for address, _ in self.answers.values())

    def is_middle(self, said_before: bytes) -> bool:
        return True

    def is_verdict(self, asked_before: bytes) -> bool:
        return True


@dataclass
class PlainServer:
    """An SMTP server, which knows of no keys."""

    server: ScriptedSmtpServer
    name: str = "smtp"

    @property
    def port(self) -> int:
        return self.server.port

    def inbox(self) -> Counter[str]:
        return Counter(message.rcpt_to[0].partition("<")[2].partition(">")[0] for message in self.server.messages)

    def is_middle(self, said_before: bytes) -> bool:
        return b"354" in said_before

    def is_verdict(self, asked_before: bytes) -> bool:
        return asked_before.endswith(b"\r\n.\r\n")


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database, policy=make_policy(product_steps=ProductSteps.FIRST_ONLY))


@pytest.fixture(params=["resend", "smtp"])
async def company(request: pytest.FixtureRequest) -> AsyncIterator[Company]:
    if request.param == "smtp":
        async with ScriptedSmtpServer() as server:
            yield PlainServer(server)
    else:
        keyed = KeyedCompany()
        async with VendorServer(keyed) as vendor:
            keyed.port = vendor.port
            yield keyed


@pytest.fixture(scope="module")
def mortals() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.support.killable"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


class Death:
    """Lets one child come to its moment, and end there."""

    def __init__(
        self, house: SendingHouse, company: Company, proxy: TamperingProxy, mortals: subprocess.Popen[bytes]
    ) -> None:
        self._house = house
        self._company = company
        self._proxy = proxy
        self._mortals = mortals
        self._pid: asyncio.Future[int]
        self._asked = self._said = b""
        self._holding: list[asyncio.Task[None]] = []
        self._is_halving = False
        self._recorded = ""

    async def come(self, database_url: str, moment: Moment, *, has_notices: bool = False) -> None:
        assert self._mortals.stdin is not None
        assert self._mortals.stdout is not None
        self._pid = asyncio.get_running_loop().create_future()
        self._asked = self._said = b""
        self._holding = []
        watched = {Moment.HALF_SENT, Moment.TAKEN, Moment.RECORDING}
        self._proxy.on_question = self._hear_question if moment in watched else pass_on
        self._proxy.on_answer = {
            Moment.HALF_SENT: self._hear_answer,
            Moment.TAKEN: self._keep_answer,
            Moment.RECORDING: self._lock_and_answer,
        }.get(moment, pass_on)
        self._is_halving = moment is Moment.HALF_SENT
        self._recorded = "notices" if has_notices else "invitations"
        errand = Errand(
            database_url=database_url,
            now=self._house.clock.now.isoformat(),
            moment=moment,
            provider=self._company.name,
            port=self._proxy.port,
            has_notices=has_notices,
        )
        self._mortals.stdin.write(errand.write())
        self._pid.set_result(int(await asyncio.to_thread(self._mortals.stdout.readline)))
        assert int(await asyncio.to_thread(self._mortals.stdout.readline)) == -signal.SIGKILL
        await asyncio.gather(*self._holding)
        assert len(self._holding) == int(moment is Moment.RECORDING)

    async def _kill(self) -> None:
        os.kill(await self._pid, signal.SIGKILL)

    async def _hear_question(self, octets: bytes) -> bytes:
        if self._is_halving and self._company.is_middle(self._said):
            await self._kill()
            return octets[: len(octets) // 2]
        self._asked = octets
        return octets

    async def _hear_answer(self, octets: bytes) -> bytes:
        self._said = octets
        return octets

    async def _keep_answer(self, octets: bytes) -> bytes:
        if not self._company.is_verdict(self._asked):
            return octets
        await self._kill()
        return b""

    async def _lock_and_answer(self, octets: bytes) -> bytes:
        if self._company.is_verdict(self._asked) and not self._holding:
            is_locked = asyncio.Event()
            self._holding.append(asyncio.create_task(self._hold_rows(is_locked)))
            await is_locked.wait()
        return octets

    async def _hold_rows(self, is_locked: asyncio.Event) -> None:
        """Let the recording wait for a lock, and let go of it when nobody is there any more to hear of its commit."""
        async with self._house.database.transaction() as stores:
            driver = driver_of(stores)
            await driver.fetch(f"SELECT FROM {self._recorded} FOR UPDATE")
            is_locked.set()

            async def is_waiting() -> bool | None:
                waiting = await driver.fetch(
                    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                return True if waiting else None

            await comes_to_be(is_waiting)
            await self._kill()


async def bring_forward(house: SendingHouse) -> None:
    """Let what is due leave early in the day's window, so that the minutes of a round do not meet its end."""
    house.clock.now = house.clock.now.replace(hour=9, minute=15)
    await house.rows(
        "UPDATE invitations SET send_at = $1, next_attempt_at = $1 WHERE status = 'scheduled'", house.clock.now
    )


async def settle(house: SendingHouse, sender: Sender, *, has_notices: bool = False) -> None:
    """Do what other workers do in the minutes after: wait for the lease, send what is due, ask about doubts."""

    async def is_quiet() -> bool | None:
        others = await house.rows(
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        return None if others else True

    await comes_to_be(is_quiet)
    if has_notices:
        house.clock.advance(NOTICE_LEASE)
        await house.notices(sender).send_due(house.merchant.id)
    house.clock.advance(LEASE)
    await house.leases.sweep()
    while (await house.send(sender)).sent:
        pass
    house.clock.advance(timedelta(minutes=1))
    await house.doubts(sender).look_up(house.merchant.id)


async def check(house: SendingHouse, company: Company, invitations: list[Invitation], *, may_doubt: bool) -> None:
    """Compare what is stored with what the mailboxes hold."""
    inbox = company.inbox()
    stored = await house.invitations([invitation.id for invitation in invitations])
    doubtful = [invitation for invitation in stored if invitation.status is InvitationStatus.IN_DOUBT]
    assert len(doubtful) <= int(may_doubt)
    for invitation in stored:
        assert inbox[invitation.contact] <= 1
        if invitation not in doubtful:
            assert (invitation.status, inbox[invitation.contact]) == (InvitationStatus.SENT, 1)


@pytest.mark.parametrize("moment", list(Moment))
async def test_killed_worker_loses_and_repeats_nothing(
    house: SendingHouse,
    company: Company,
    mortals: subprocess.Popen[bytes],
    database_url: str,
    moment: Moment,
) -> None:
    async with TamperingProxy(company.port) as proxy:
        death = Death(house, company, proxy, mortals)
        sender = make_sender(company.name, company.port)
        has_keys = sender.key_lifetime is not None
        try:
            for number in range(KILLS):
                invitations = await house.invite_many(2, prefix=f"k{number}-")
                await bring_forward(house)
                await death.come(database_url, moment)
                await settle(house, sender)
                await check(house, company, invitations, may_doubt=not has_keys and moment is not Moment.CLAIMED)
        finally:
            await sender.close()


async def check_notices(house: SendingHouse, company: Company, prefix: str, *, may_doubt: bool) -> None:
    """The same of what customers were told after they answered."""
    inbox = company.inbox()
    rows = await house.rows(
        "SELECT i.contact, n.status FROM notices AS n JOIN invitations AS i ON i.id = n.invitation_id"
        " WHERE i.contact LIKE $1",
        f"{prefix}%",
    )
    assert len(rows) == 2
    told = sorted((status, inbox[contact]) for contact, status in rows)
    if ("in_doubt", 0) in told or ("in_doubt", 1) in told:
        assert may_doubt
        told = told[1:]
    assert set(told) == {("sent", 1)}


@pytest.mark.parametrize("moment", list(Moment))
async def test_killed_worker_loses_and_repeats_no_notice(
    house: SendingHouse,
    company: Company,
    mortals: subprocess.Popen[bytes],
    database_url: str,
    moment: Moment,
) -> None:
    shop = NoticeHouse(house)
    async with TamperingProxy(company.port) as proxy:
        death = Death(house, company, proxy, mortals)
        sender = make_sender(company.name, company.port)
        has_keys = sender.key_lifetime is not None
        try:
            for number in range(KILLS):
                await ask_many(shop, 2, prefix=f"n{number}-")
                await death.come(database_url, moment, has_notices=True)
                await settle(house, sender, has_notices=True)
                may_doubt = not has_keys and moment is not Moment.CLAIMED
                await check_notices(house, company, f"n{number}-", may_doubt=may_doubt)
        finally:
            await sender.close()
