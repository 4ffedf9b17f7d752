"""Tokens for messages that leave one at a time."""

from datetime import timedelta

from invite_service.domain.channel import UNSET_CHANNEL, ChannelSettings, ChannelState
from invite_service.domain.invitation import Channel
from invite_service.rules.paces import MARGIN, Pace
from tests.support.builders import make_merchant
from tests.support.sending import SendingHouse

EMAIL = Channel.EMAIL
SHARED = {EMAIL: Pace(0.5)}


async def state_of(house: SendingHouse) -> ChannelState:
    async with house.database.autocommit() as stores:
        return (await stores.channels.read(house.merchant.id)).get(EMAIL, UNSET_CHANNEL)


async def tokens(house: SendingHouse, table: str) -> list[float]:
    return [row["tokens"] for row in await house.rows(f"SELECT tokens FROM {table}")]


async def test_without_limits_nothing_is_taken_or_asked(house: SendingHouse) -> None:
    pacing = house.pacing({Channel.SMS: Pace(0.5)})
    assert [await pacing.take(house.merchant, EMAIL, UNSET_CHANNEL) for _ in range(3)] == [None] * 3
    assert await tokens(house, "send_paces") + await tokens(house, "provider_paces") == []


async def test_merchants_bucket_gives_a_token_and_tells_when_the_next_is_there(house: SendingHouse) -> None:
    limited = ChannelState(settings=ChannelSettings(max_per_hour=60))
    pacing, began_at = house.pacing(), house.clock.now
    assert await pacing.take(house.merchant, EMAIL, limited) is None
    house.clock.advance(timedelta(seconds=15))
    assert await pacing.take(house.merchant, EMAIL, limited) == began_at + timedelta(seconds=60) + MARGIN
    house.clock.advance(timedelta(seconds=46))
    assert await pacing.take(house.merchant, EMAIL, limited) is None


async def test_installations_bucket_is_of_all_merchants_without_a_provider_of_their_own(house: SendingHouse) -> None:
    pacing = house.pacing(SHARED)
    assert await pacing.take(house.merchant, EMAIL, await state_of(house)) is None
    assert (
        await pacing.take(house.merchant, EMAIL, await state_of(house))
        == house.clock.now + timedelta(seconds=2) + MARGIN
    )
    own = ChannelState(settings=ChannelSettings(provider="postmark"))
    assert await pacing.take(house.merchant, EMAIL, own) is None


async def test_what_the_merchants_bucket_refuses_is_given_back_to_all(house: SendingHouse) -> None:
    limited = ChannelState(settings=ChannelSettings(max_per_hour=1))
    pacing = house.pacing(SHARED)
    assert await pacing.take(house.merchant, EMAIL, limited) is None
    house.clock.advance(timedelta(seconds=3))
    assert await pacing.take(house.merchant, EMAIL, limited) is not None
    assert await tokens(house, "provider_paces") == [1]


async def test_wait_that_the_installations_provider_asked_for_holds(house: SendingHouse) -> None:
    until = house.clock.now + timedelta(minutes=3)
    async with house.database.autocommit() as stores:
        await stores.paces.rest_shared(EMAIL, until=until)
    assert await house.pacing().take(house.merchant, EMAIL, await state_of(house)) == until


async def test_sandbox_has_no_limit(house: SendingHouse) -> None:
    limited = ChannelState(settings=ChannelSettings(max_per_hour=1))
    sandbox = make_merchant(sandbox=True)
    assert [await house.pacing(SHARED).take(sandbox, EMAIL, limited) for _ in range(3)] == [None] * 3
