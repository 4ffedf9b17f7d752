"""Merchants' senders: which are shared, which are closed, and that none is taken from who sends through it."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest

from invite_service.domain.channel import ChannelSettings
from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.providers.doubles import RecordingSender
from invite_service.services.channel_providers import ProviderUnusableError, StoredProviders
from invite_service.services.merchant_outlets import MerchantOutlets
from invite_service.services.sealing import CredentialSeal
from tests.support.builders import make_merchant

SECRET = "a secret of tests, long enough to be one"

GIFTS = make_merchant(id=MerchantId("gifts"))
TOYS = make_merchant(id=MerchantId("toys"))


@dataclass
class Made:
    """What senders were made of, in their order."""

    senders: dict[str, list[RecordingSender]] = field(default_factory=dict)

    def __getitem__(self, login: str) -> RecordingSender:
        [sender] = self.senders[login]
        return sender


@dataclass(frozen=True)
class Recorded:
    """A provider that makes senders which remember."""

    login: str
    made: Made = field(compare=False)
    name: str = "recording"

    async def check_reach(self) -> None:
        return

    def create_sender(self) -> RecordingSender:
        if self.login == "unmakeable":
            raise ProviderSettingsError("It cannot be made.")
        sender = RecordingSender()
        self.made.senders.setdefault(self.login, []).append(sender)
        return sender

    def create_event_reader(self) -> None:
        return None


@dataclass(frozen=True)
class RecordedProviders:
    made: Made

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> Recorded:
        if options["login"] == "outdated":
            raise ProviderSettingsError("It is not known any more.", faults=[Fault("/options/login", "bad", "bad")])
        return Recorded(options["login"], self.made)


class Shelf:
    """Outlets over recording senders, and merchants' settings for them."""

    def __init__(self, *, max_open: int = 10) -> None:
        self.made = Made()
        self.mailbox = RecordingSender()
        self.default = RecordingSender()
        self.providers = StoredProviders(RecordedProviders(self.made), CredentialSeal.create(SECRET, {}))
        self.outlets = MerchantOutlets(
            mailbox=self.mailbox,
            defaults={Channel.EMAIL: self.default},
            providers=self.providers,
            max_open=max_open,
        )

    def settings(self, merchant: Merchant, login: str) -> ChannelSettings:
        options = self.providers.seal(merchant.id, Channel.EMAIL, "recording", {"login": login})
        return ChannelSettings(version=1, provider="recording", options=options)

    def use(self, merchant: Merchant, settings: ChannelSettings) -> RecordingSender:
        """Send a batch, and tell through which sender."""
        with self.outlets.lend(merchant, Channel.EMAIL, settings) as outlet:
            assert isinstance(outlet.sender, RecordingSender)
            return outlet.sender


async def turn() -> None:
    """Let what was begun come to its end."""
    await asyncio.sleep(0.01)


async def is_closed(sender: RecordingSender) -> bool:
    await turn()
    return sender.closed


async def test_each_merchant_sends_through_its_own_and_the_others_through_the_installations() -> None:
    shelf = Shelf()
    assert shelf.use(GIFTS, shelf.settings(GIFTS, "gifts")) is shelf.made["gifts"]
    assert shelf.use(TOYS, shelf.settings(TOYS, "toys")) is shelf.made["toys"]
    assert shelf.use(make_merchant(), ChannelSettings()) is shelf.default
    sandbox = make_merchant(id=MerchantId("sandbox"), sandbox=True)
    assert shelf.use(sandbox, shelf.settings(sandbox, "sandbox")) is shelf.mailbox
    assert "sandbox" not in shelf.made.senders


async def test_settings_that_stay_keep_their_sender() -> None:
    shelf = Shelf()
    settings = shelf.settings(GIFTS, "gifts")
    first = shelf.use(GIFTS, settings)
    assert shelf.use(GIFTS, replace(settings, version=2, from_address="post@gifts.example")) is first
    resealed = shelf.settings(GIFTS, "gifts")
    assert resealed.options != settings.options
    assert shelf.use(GIFTS, resealed) is first
    assert not first.closed


async def test_equal_settings_share_a_sender_until_the_last_one_changes() -> None:
    shelf = Shelf()
    shared = shelf.use(GIFTS, shelf.settings(GIFTS, "shared"))
    assert shelf.use(TOYS, shelf.settings(TOYS, "shared")) is shared
    shelf.use(GIFTS, shelf.settings(GIFTS, "own"))
    assert not await is_closed(shared)
    shelf.use(TOYS, ChannelSettings())
    assert await is_closed(shared)
    assert not shelf.made["own"].closed


async def test_sender_of_old_settings_is_closed_when_the_last_batch_through_it_has_ended() -> None:
    shelf = Shelf()
    old, new = shelf.settings(GIFTS, "old"), shelf.settings(GIFTS, "new")
    with ExitStack() as first:
        with shelf.outlets.lend(GIFTS, Channel.EMAIL, old) as outlet:
            first.enter_context(shelf.outlets.lend(GIFTS, Channel.EMAIL, old))
            shelf.use(GIFTS, new)
            assert not await is_closed(shelf.made["old"])
        assert not await is_closed(shelf.made["old"])
        assert outlet.sender is shelf.made["old"]
    assert await is_closed(shelf.made["old"])
    assert not shelf.made["new"].closed


async def test_settings_that_come_back_while_their_sender_is_leaving_get_another_one() -> None:
    shelf = Shelf()
    old, new = shelf.settings(GIFTS, "old"), shelf.settings(GIFTS, "new")
    with shelf.outlets.lend(GIFTS, Channel.EMAIL, old):
        shelf.use(GIFTS, new)
        shelf.use(GIFTS, old)
    await turn()
    assert [sender.closed for sender in shelf.made.senders["old"]] == [True, False]


async def test_only_so_many_senders_are_kept_and_the_one_used_longest_ago_goes_first() -> None:
    shelf = Shelf(max_open=2)
    merchants = [make_merchant(id=MerchantId(f"m{number}")) for number in range(3)]
    settings = [shelf.settings(merchant, merchant.id) for merchant in merchants]
    for number in (0, 1, 0, 2):
        shelf.use(merchants[number], settings[number])
    await turn()
    assert [shelf.made[merchant.id].closed for merchant in merchants] == [False, True, False]
    assert shelf.use(merchants[1], settings[1]) is shelf.made.senders["m1"][1]


async def test_sender_in_use_is_not_the_one_that_goes() -> None:
    shelf = Shelf(max_open=1)
    settings = {merchant.id: shelf.settings(merchant, merchant.id) for merchant in (GIFTS, TOYS)}
    with shelf.outlets.lend(GIFTS, Channel.EMAIL, settings[GIFTS.id]):
        shelf.use(TOYS, settings[TOYS.id])
        await turn()
        assert (shelf.made["gifts"].closed, shelf.made["toys"].closed) == (False, True)


@pytest.mark.parametrize(("login", "reason"), [("outdated", "settings_invalid"), ("unmakeable", "settings_invalid")])
async def test_settings_that_lead_nowhere_lead_to_no_other_provider(login: str, reason: str) -> None:
    shelf = Shelf()
    before = shelf.use(GIFTS, shelf.settings(GIFTS, "before"))
    with pytest.raises(ProviderUnusableError) as refusal:
        shelf.use(GIFTS, shelf.settings(GIFTS, login))
    assert refusal.value.reason == reason
    await turn()
    assert (before.closed, shelf.default.messages) == (True, [])


async def test_credentials_of_another_merchant_or_under_a_missing_key_open_nothing() -> None:
    shelf = Shelf()
    elsewhere = StoredProviders(RecordedProviders(shelf.made), CredentialSeal.create(SECRET, {"2026": b"k" * 32}))
    options = elsewhere.seal(GIFTS.id, Channel.EMAIL, "recording", {"login": "gifts"})
    for settings in (
        shelf.settings(TOYS, "toys"),
        ChannelSettings(version=1, provider="recording", options=options),
    ):
        with pytest.raises(ProviderUnusableError) as refusal:
            shelf.use(GIFTS, settings)
        assert refusal.value.reason == "credentials_unreadable"
    assert shelf.made.senders == {}


async def test_everything_is_closed_at_the_end() -> None:
    shelf = Shelf()
    shelf.use(GIFTS, shelf.settings(GIFTS, "gifts"))
    await shelf.outlets.close()
    assert [sender.closed for sender in (shelf.mailbox, shelf.default, shelf.made["gifts"])] == [True] * 3
