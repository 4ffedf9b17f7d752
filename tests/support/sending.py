"""A merchant whose orders are ingested and sent for real, over a clock that a test moves by hand."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from invite_service.bell import RecordingBell
from invite_service.domain.channel import ChannelSettings
from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import OrderEvent
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import Receipt
from invite_service.domain.timeline import TimelineEntry
from invite_service.providers.base import Sender
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.preparing import EmailSender
from invite_service.rules.paces import Pace
from invite_service.services.accounts import AccountReader
from invite_service.services.channel_providers import (
    NO_PROVIDER,
    ProviderUnusableError,
    ReadProvider,
    StoredProviders,
)
from invite_service.services.channels import ChannelService
from invite_service.services.claim import Turn, WholeTurn
from invite_service.services.doubts import LOOK_SECONDS, DoubtService
from invite_service.services.hand_over import Patience
from invite_service.services.ingest import IngestedOrder, IngestItem, OrderIngestService
from invite_service.services.leases import LeaseService
from invite_service.services.lines import Lines
from invite_service.services.notice_writing import NoticeWriter
from invite_service.services.notices import TURN_SECONDS, NoticeService
from invite_service.services.outlets import Outlet
from invite_service.services.pacing import Pacing
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.same_key import SameKeyService
from invite_service.services.sealing import CredentialSeal
from invite_service.services.send_report import SendReport
from invite_service.services.sending import SendingService
from invite_service.services.single_calls import SingleCalls
from invite_service.services.text_versions import TextVersions
from invite_service.services.tokens import TokenSigner
from invite_service.services.writing import MessageWriter, Writer
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores
from tests.support.builders import NOON, make_merchant, make_order_event, make_policy, new_id

HURRIED = Patience(database=(0.01, 0.02), same_key=0.01)
"""So that tests do not wait for what is away to come back."""

SECRET = "a secret of tests, long enough to be one"


class ManualClock:
    """Real time as a test sets it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FixedOutlets:
    """The outlets of every merchant alike, by channel."""

    by_channel: Mapping[Channel, Outlet]

    @contextlib.contextmanager
    def lend(self, merchant: Merchant, channel: Channel, settings: ChannelSettings) -> Iterator[Outlet]:
        if channel not in self.by_channel:
            raise ProviderUnusableError(NO_PROVIDER)
        yield self.by_channel[channel]


def make_outlets(email: Sender | None, sms: Sender | None) -> FixedOutlets:
    """Make the outlets of these senders."""
    given = {Channel.EMAIL: email, Channel.SMS: sms}
    return FixedOutlets({channel: Outlet(sender) for channel, sender in given.items() if sender is not None})


class NoProviders:
    """Merchants may choose from none."""

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> ReadProvider:
        fault = Fault("/provider", "provider_unknown", "there is none")
        raise ProviderSettingsError("There is no such provider.", faults=[fault])


class OpenTurn:
    """A turn that never ends; what it is told it forgets."""

    @property
    def must_end(self) -> bool:
        return False

    def announce_more(self, *, after: float = 0.0) -> None:
        return


@dataclass
class CountedAnswers:
    """An observer that remembers what it was told."""

    outcomes: list[str]

    def __call__(self, receipt: Receipt, channel: Channel, *, seconds: float) -> None:
        self.outcomes.append(f"{channel}:{receipt.outcome}")


def make_database(url: str, *, pool_size: int = 5) -> Database:
    return Database(url, contact_keys=ContactKeys(SECRET), new_id=new_id, pool_size=pool_size)


BASE_URL = "https://reviews.example"

SENDERS = SenderDefaults(email=EmailSender(address="invitations@reviews.example"), sms_sender="Reviews")


def make_writer() -> MessageWriter:
    return MessageWriter(TokenSigner({0: SECRET.encode()}, current=0), public_base_url=BASE_URL, sender=SENDERS)


def make_notice_writer(kind: type[NoticeWriter] = NoticeWriter) -> NoticeWriter:
    return kind(TokenSigner({0: SECRET.encode()}, current=0), public_base_url=BASE_URL, sender=SENDERS)


class SendingHouse:
    """One merchant, its services over one database, and a clock."""

    def __init__(self, database: Database, merchant: Merchant, clock: ManualClock) -> None:
        self.database = database
        self.merchant = merchant
        self.clock = clock
        self.policies = PolicyVersions()
        self.texts = TextVersions()
        self.bell = RecordingBell()
        self.answers = CountedAnswers([])
        self.leases = LeaseService(database, policies=self.policies, clock=clock)
        self._ingest = OrderIngestService(
            database, clock=clock, new_id=new_id, bell=self.bell, policy_versions=self.policies
        )

    @classmethod
    async def build(
        cls, database: Database, *, policy: Policy | None = None, merchant: Merchant | None = None
    ) -> "SendingHouse":
        """Add the merchant with its policy."""
        merchant = merchant or make_merchant()
        async with database.transaction() as stores:
            await stores.merchants.add(merchant)
            await stores.policies.add(
                merchant.id, policy or make_policy(), created_at=merchant.created_at, created_by="test"
            )
        return cls(database, merchant, ManualClock())

    def sending(
        self,
        email: Sender | None = None,
        *,
        sms: Sender | None = None,
        batch_size: int = 200,
        patience: Patience = HURRIED,
        database: Database | None = None,
        paces: Mapping[Channel, Pace] | None = None,
        writer: Writer | None = None,
    ) -> SendingService:
        """Make a service that sends through these."""
        return SendingService(
            database or self.database,
            outlets=make_outlets(email, sms),
            writer=writer or make_writer(),
            policies=self.policies,
            texts=self.texts,
            clock=self.clock,
            new_id=new_id,
            observe=self.answers,
            batch_size=batch_size,
            patience=patience,
            lines=Lines(paces or {}),
        )

    def pacing(self, paces: Mapping[Channel, Pace] | None = None) -> Pacing:
        """Make what gives single messages their tokens, at these paces of the installation's providers."""
        return Pacing(self.database, shared=paces or {}, clock=self.clock)

    def single_calls(self, paces: Mapping[Channel, Pace] | None = None) -> SingleCalls:
        """Make what admits calls one at a time."""
        return SingleCalls(self.database, pacing=self.pacing(paces), clock=self.clock)

    def notices(
        self,
        email: Sender | None = None,
        *,
        sms: Sender | None = None,
        paces: Mapping[Channel, Pace] | None = None,
        turn_seconds: float = TURN_SECONDS,
        writer: NoticeWriter | None = None,
    ) -> NoticeService:
        """Make the service that sends what follows an answer through these."""
        return NoticeService(
            self.database,
            outlets=make_outlets(email, sms),
            writer=writer or make_notice_writer(),
            accounts=AccountReader(policies=self.policies, texts=self.texts),
            calls=self.single_calls(paces),
            clock=self.clock,
            new_id=new_id,
            observe=self.answers,
            turn_seconds=turn_seconds,
        )

    def doubts(
        self, email: Sender | None, *, sms: Sender | None = None, look_seconds: float = LOOK_SECONDS
    ) -> DoubtService:
        """Make the service that asks these providers about messages in doubt."""
        same_key = SameKeyService(
            self.database,
            writer=make_writer(),
            notice_writer=make_notice_writer(),
            policies=self.policies,
            texts=self.texts,
            calls=self.single_calls(),
            clock=self.clock,
            new_id=new_id,
        )
        return DoubtService(
            self.database,
            outlets=make_outlets(email, sms),
            same_key=same_key,
            bell=self.bell,
            clock=self.clock,
            look_seconds=look_seconds,
        )

    def channels(self) -> ChannelService:
        """Make the service that opens paused channels; merchants choose among no providers here."""
        providers = StoredProviders(NoProviders(), CredentialSeal.create(SECRET, {}))
        return ChannelService(self.database, providers=providers, bell=self.bell, clock=self.clock)

    async def send(
        self, email: Sender | None = None, *, sms: Sender | None = None, turn: Turn | None = None
    ) -> SendReport:
        """Send one batch of what is due now."""
        return await self.sending(email, sms=sms).send_due(self.merchant.id, turn=turn or WholeTurn())

    async def post(self, *events: OrderEvent) -> list[IngestedOrder]:
        """Ingest order events now."""
        results = await self._ingest.ingest(self.merchant.id, [IngestItem(event, {}) for event in events])
        ingested = [result for result in results if isinstance(result, IngestedOrder)]
        assert len(ingested) == len(events), results
        return ingested

    async def invite(self, **changes: Any) -> Invitation:
        """Ingest an order that is invited, and move the clock to when its message is due."""
        [ingested] = await self.post(make_order_event(**changes))
        assert ingested.invitation is not None, ingested.order
        self.clock.now = max(self.clock.now, ingested.invitation.send_at - self.merchant.clock_offset)
        return ingested.invitation

    async def invite_many(self, count: int, *, prefix: str = "A") -> list[Invitation]:
        """Ingest orders of as many customers, and move the clock to when all their messages are due."""
        events = [
            make_order_event(
                order_id=f"{prefix}{number}",
                email=f"{prefix.lower()}{number}@example.com",
                purchased_at=self.clock.now,
            )
            for number in range(count)
        ]
        invitations: list[Invitation] = []
        for start in range(0, count, 500):
            for ingested in await self.post(*events[start : start + 500]):
                assert ingested.invitation is not None
                invitations.append(ingested.invitation)
        due_at = max(invitation.send_at for invitation in invitations)
        self.clock.now = max(self.clock.now, due_at - self.merchant.clock_offset)
        return invitations

    async def invitation(self, invitation_id: UUID) -> Invitation:
        async with self.database.transaction() as stores:
            return await stores.invitations.get(self.merchant.id, invitation_id)

    async def invitations(self, ids: Sequence[UUID]) -> list[Invitation]:
        async with self.database.transaction() as stores:
            return await stores.sending.read_invitations(self.merchant.id, ids)

    async def told(self, invitation_id: UUID) -> list[TimelineEntry]:
        """What the timeline says the worker did to an invitation."""
        async with self.database.transaction() as stores:
            entries = await stores.timeline.list_of_invitation(self.merchant.id, invitation_id)
        return [entry for entry in entries if entry.actor == "worker"]

    async def rows(self, query: str, *args: object) -> list[Any]:
        """Look into the database."""
        async with self.database.transaction() as stores:
            return list(await driver_of(stores).fetch(query, *args))

    async def attempts(self) -> list[Any]:
        return await self.rows("SELECT * FROM attempts WHERE merchant_id = $1 ORDER BY id", self.merchant.id)

    async def change_merchant(self, **changes: Any) -> None:
        """Change columns of the merchant's row."""
        for name, value in changes.items():
            await self.rows(f"UPDATE merchants SET {name} = $2 WHERE id = $1", self.merchant.id, value)
        self.merchant = replace(self.merchant, **{k: v for k, v in changes.items() if hasattr(self.merchant, k)})


def driver_of(stores: Stores) -> Any:
    return stores._driver
