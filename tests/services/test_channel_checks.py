"""Checks of providers: what is kept when something goes another way than it should."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from invite_service.bell import RecordingBell
from invite_service.domain.channel import ChannelCheck
from invite_service.domain.errors import PreconditionFailedError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.doubles import RecordingSender
from invite_service.services.channel_checks import ChannelCheckService
from invite_service.services.channel_providers import StoredProviders
from invite_service.services.channels import ChannelService, NewSettings
from invite_service.services.credentials import CredentialService, RotatedMerchant
from invite_service.services.sealing import CredentialSeal
from invite_service.storage.database import Database
from tests.support.builders import NOON, make_merchant
from tests.support.ingesting import add_merchant
from tests.support.workers import comes_true

SECRET = "a secret of tests, long enough to be one"
MERCHANT = make_merchant()


class Asked(RecordingSender):
    """Waits until it may answer, and counts who else is asked at the same time."""

    asked = 0
    most = 0

    def __init__(self, may_answer: asyncio.Event, error: Exception | None = None) -> None:
        super().__init__()
        self._may_answer = may_answer
        self._error = error

    async def check(self) -> Receipt:
        Asked.asked += 1
        Asked.most = max(Asked.most, Asked.asked)
        try:
            await self._may_answer.wait()
        finally:
            Asked.asked -= 1
        if self._error is not None:
            raise self._error
        return await super().check()


@dataclass(frozen=True)
class AskedProvider:
    login: str
    providers: "AskedProviders" = field(compare=False)
    name: str = "recording"

    async def check_reach(self) -> None:
        return

    def create_sender(self) -> Asked:
        sender = Asked(self.providers.may_answer, self.providers.error)
        self.providers.senders.append(sender)
        return sender

    def create_event_reader(self) -> None:
        return None


@dataclass
class AskedProviders:
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    senders: list[Asked] = field(default_factory=list)

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> AskedProvider:
        return AskedProvider(options["login"], self)


class Desk:
    """The services over providers that answer when they are told to."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.providers = AskedProviders()
        self.bell = RecordingBell()
        self.stored = StoredProviders(self.providers, CredentialSeal.create(SECRET, {}))
        self.channels = ChannelService(database, providers=self.stored, bell=self.bell, clock=lambda: NOON)

    def checks(self, *, seconds: float = 5.0) -> ChannelCheckService:
        return ChannelCheckService(
            self.database,
            providers=self.stored,
            defaults={},
            mailbox=RecordingSender(),
            bell=self.bell,
            clock=lambda: NOON,
            check_seconds=seconds,
        )

    async def put(self, login: str, *, merchant: Merchant = MERCHANT) -> None:
        settings = NewSettings(provider="recording", options={"login": login}, from_address="hei@gifts.example")
        await self.channels.replace(merchant, Channel.EMAIL, settings, replacing=None, actor="test")

    async def last_check(self) -> ChannelCheck | None:
        return (await self.channels.get(MERCHANT, Channel.EMAIL)).check


@pytest.fixture
async def desk(database: Database) -> Desk:
    await add_merchant(database, MERCHANT)
    return Desk(database)


async def test_provider_that_does_not_answer_in_time_is_told_as_unknown(desk: Desk) -> None:
    await desk.put("shop")
    state = await desk.checks(seconds=0.05).check(MERCHANT, Channel.EMAIL, actor="test")
    assert state.check == ChannelCheck(NOON, OutcomeWord.UNKNOWN, "check_timed_out")
    assert [sender.closed for sender in desk.providers.senders] == [True]


async def test_sender_that_raises_is_told_as_unknown(desk: Desk) -> None:
    await desk.put("shop")
    desk.providers.error = RuntimeError("boom")
    desk.providers.may_answer.set()
    state = await desk.checks().check(MERCHANT, Channel.EMAIL, actor="test")
    assert state.check == ChannelCheck(NOON, OutcomeWord.UNKNOWN, "sender_raised")


async def test_check_of_settings_that_were_replaced_meanwhile_says_nothing_of_the_new_ones(desk: Desk) -> None:
    await desk.put("old")
    async with desk.database.transaction() as stores:
        await stores.sending.pause_channel(MERCHANT.id, "email", version=1, real_now=NOON, reason="auth_failed")
    checking = asyncio.create_task(desk.checks().check(MERCHANT, Channel.EMAIL, actor="test"))
    await comes_true(lambda: len(desk.providers.senders) == 1)
    await desk.put("new")
    desk.providers.may_answer.set()
    state = await checking
    assert (state.settings.version, state.check) == (2, None)
    assert state.pause is not None
    assert desk.bell.rung == []


async def test_success_opens_the_channel_and_rings(desk: Desk) -> None:
    await desk.put("shop")
    async with desk.database.transaction() as stores:
        await stores.sending.pause_channel(MERCHANT.id, "email", version=1, real_now=NOON, reason="auth_failed")
    desk.providers.may_answer.set()
    state = await desk.checks().check(MERCHANT, Channel.EMAIL, actor="test")
    assert (state.pause, desk.bell.rung) == (None, [MERCHANT.id])


async def test_everybodys_are_tried_eight_at_a_time(desk: Desk) -> None:
    for number in range(20):
        merchant = make_merchant(id=f"shop-{number}")
        await add_merchant(desk.database, merchant)
        await desk.put("shop", merchant=merchant)
    Asked.most = 0
    running = asyncio.create_task(_all(desk.checks()))
    await comes_true(lambda: Asked.asked == 8)
    desk.providers.may_answer.set()
    assert len(await running) == 20
    assert Asked.most == 8


async def _all(checks: ChannelCheckService) -> set[str]:
    return {str(one.merchant_id) async for one in checks.check_all(merchant=None, actor="test") if one.works}


async def test_two_changes_at_once_are_made_one_after_the_other_or_refused(desk: Desk) -> None:
    outcomes = await asyncio.gather(*(desk.put(f"login-{number}") for number in range(4)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(outcome, PreconditionFailedError) for outcome in refused)
    state = await desk.channels.get(MERCHANT, Channel.EMAIL)
    assert state.settings.version == 4 - len(refused)


async def test_rotation_beside_changes_loses_none_of_them(desk: Desk) -> None:
    await desk.put("old")
    keys = {"2026": b"k" * 32}
    rotating = StoredProviders(desk.providers, CredentialSeal.create(SECRET, keys))
    rotation = CredentialService(desk.database, providers=rotating)

    async def rotate() -> list[RotatedMerchant]:
        return [rotated async for rotated in rotation.rotate([MERCHANT.id])]

    for number in range(10):
        await asyncio.gather(desk.put(f"new-{number}"), rotate())
        settings = (await desk.channels.get(MERCHANT, Channel.EMAIL)).settings
        assert rotating.open(MERCHANT.id, Channel.EMAIL, settings) == AskedProvider(f"new-{number}", desk.providers)
    await rotate()
    settings = (await desk.channels.get(MERCHANT, Channel.EMAIL)).settings
    assert settings.options is not None
    assert (settings.options.key_id, await rotation.list_merchants()) == ("2026", [])
