"""Channels: what is kept of settings, pauses and checks, and which change wins."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from invite_service.domain.channel import (
    ChannelCheck,
    ChannelPause,
    ChannelSettings,
    ChannelState,
    Price,
    SealedOptions,
)
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores
from tests.support.builders import MERCHANT_ID, NOON, make_merchant
from tests.support.ingesting import add_merchant

OTHER = MerchantId("other")

FIRST = ChannelSettings(
    version=1,
    provider="smtp",
    options=SealedOptions("2026", b"\x00sealed"),
    options_updated_at=NOON,
    from_address="hei@gifts.example",
    from_name="Gaver",
    reply_to="svar@gifts.example",
    sms_price=Price(Decimal("0.0750"), "EUR"),
    updated_at=NOON,
)
CHECK = ChannelCheck(NOON, OutcomeWord.MISCONFIGURED, "auth_failed")


@pytest.fixture
async def stores(database: Database) -> AsyncIterator[Stores]:
    await add_merchant(database, make_merchant())
    await add_merchant(database, make_merchant(id=OTHER))
    async with database.transaction() as stores:
        yield stores


async def test_what_was_saved_is_read_and_nobody_elses(stores: Stores) -> None:
    assert await stores.channels.read(MERCHANT_ID) == {}
    assert await stores.channels.save(MERCHANT_ID, Channel.SMS, FIRST, replacing=0)
    assert await stores.sending.pause_channel(MERCHANT_ID, "email", version=0, real_now=NOON, reason="no_provider")
    assert await stores.channels.read(MERCHANT_ID) == {
        Channel.SMS: ChannelState(settings=FIRST),
        Channel.EMAIL: ChannelState(pause=ChannelPause(NOON, "no_provider")),
    }
    assert await stores.channels.read(OTHER) == {}
    assert await stores.sending.resume_channel(MERCHANT_ID, "email")
    assert set(await stores.channels.read(MERCHANT_ID)) == {Channel.SMS}


async def test_settings_replace_the_version_that_was_read_only(stores: Stores) -> None:
    assert await stores.channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=0)
    unset = ChannelSettings(version=2, updated_at=NOON + timedelta(hours=1))
    assert not await stores.channels.save(MERCHANT_ID, Channel.EMAIL, unset, replacing=0)
    assert await stores.channels.save(MERCHANT_ID, Channel.EMAIL, unset, replacing=1)
    assert not await stores.channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=1)
    assert (await stores.channels.read(MERCHANT_ID))[Channel.EMAIL].settings == unset


async def test_check_is_of_the_settings_that_were_tried_and_goes_with_them(stores: Stores) -> None:
    assert await stores.channels.save_check(MERCHANT_ID, Channel.EMAIL, CHECK, version=0)
    assert (await stores.channels.read(MERCHANT_ID))[Channel.EMAIL] == ChannelState(check=CHECK)
    assert await stores.channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=0)
    assert not await stores.channels.save_check(MERCHANT_ID, Channel.EMAIL, CHECK, version=0)
    assert (await stores.channels.read(MERCHANT_ID))[Channel.EMAIL].check is None
    assert await stores.channels.save_check(MERCHANT_ID, Channel.EMAIL, CHECK, version=1)
    assert (await stores.channels.read(MERCHANT_ID))[Channel.EMAIL].check == CHECK


async def test_old_settings_pause_no_new_ones(stores: Stores) -> None:
    assert await stores.channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=0)
    for version, is_paused in ((0, False), (1, True), (1, False)):
        paused = await stores.sending.pause_channel(
            MERCHANT_ID, "email", version=version, real_now=NOON, reason="auth_failed"
        )
        assert paused is is_paused


async def test_resealing_changes_the_seal_of_what_was_read_and_no_version(stores: Stores) -> None:
    await stores.channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=0)
    assert FIRST.options is not None
    resealed = SealedOptions("2027", b"\x01resealed")
    assert await stores.channels.reseal(MERCHANT_ID, Channel.EMAIL, resealed, replacing=FIRST.options)
    assert not await stores.channels.reseal(MERCHANT_ID, Channel.EMAIL, FIRST.options, replacing=FIRST.options)
    assert (await stores.channels.read(MERCHANT_ID))[Channel.EMAIL].settings == replace(FIRST, options=resealed)


async def test_merchants_are_listed_by_their_providers_and_keys_page_by_page(stores: Stores) -> None:
    channels = stores.channels
    await channels.save(MERCHANT_ID, Channel.EMAIL, FIRST, replacing=0)
    await channels.save(MERCHANT_ID, Channel.SMS, FIRST, replacing=0)
    await channels.save(OTHER, Channel.EMAIL, replace(FIRST, options=SealedOptions("2027", b"x")), replacing=0)
    await channels.save(OTHER, Channel.SMS, ChannelSettings(version=1), replacing=0)
    assert await channels.list_merchants_with_providers(after="", limit=10) == [MERCHANT_ID, OTHER]
    assert await channels.list_merchants_with_providers(after="", limit=1) == [MERCHANT_ID]
    assert await channels.list_merchants_with_providers(after=MERCHANT_ID, limit=1) == [OTHER]
    assert await channels.list_merchants_not_under("2027", after="", limit=10) == [MERCHANT_ID]
    assert await channels.list_merchants_not_under("2026", after="", limit=10) == [OTHER]
    assert await channels.list_merchants_not_under("2026", after=OTHER, limit=10) == []
