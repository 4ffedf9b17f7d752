"""A running worker and merchants' own providers: whose server a message goes to, and when a change holds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from invite_service.bootstrap import Factory, ProcessContext
from invite_service.config import Settings
from invite_service.domain.channel import ChannelPause, Price
from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.services.channels import NewSettings
from invite_service.storage.database import Database
from invite_service.worker.dispatcher import PLACES
from invite_service.worker.main import working
from tests.providers.sms_companies import Elks, form_of
from tests.support.sending import SECRET, SendingHouse
from tests.support.smtp_server import ScriptedSmtpServer
from tests.support.vendor_server import Asked, Said, VendorServer
from tests.support.workers import build_ready_house, comes_to_be, comes_true, smtp_settings


def make_settings(database_url: str, **settings: object) -> Settings:
    values = {"provider_networks": "127.0.0.0/8", "poll_interval": 0.1, **settings}
    return Settings.model_validate({"database_url": database_url, "secret_key": SECRET, **values})


def own(server: ScriptedSmtpServer, address: str, *, password: str = "hunter2") -> NewSettings:
    url = f"smtp://shop:{password}@127.0.0.1:{server.port}?starttls=never"
    return NewSettings(provider="smtp", options={"url": url}, from_address=address, from_name="Own")


async def find_pause(services: Factory, house: SendingHouse) -> ChannelPause | None:
    return (await services.create_channels().get(house.merchant, Channel.EMAIL)).pause


async def find_accepted(house: SendingHouse, count: int) -> list[Any] | None:
    found = await house.rows("SELECT price FROM attempts WHERE outcome = 'accepted'")
    return found if len(found) == count else None


async def find_waiting(house: SendingHouse, merchants: int) -> list[Any] | None:
    """Find the merchants with calls that wait for an answer, once they are so many."""
    found = await house.rows("SELECT DISTINCT merchant_id FROM attempts WHERE ended_at IS NULL")
    return found if len(found) >= merchants else None


class SilentServer:
    """Takes connections and says nothing until it hangs up."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def listening(cls) -> AsyncIterator["SilentServer"]:
        """Listen while the block runs."""
        silent = cls()
        async with await asyncio.start_server(silent._take, "127.0.0.1", 0) as server:
            silent.port = server.sockets[0].getsockname()[1]
            yield silent
            silent.hang_up()

    async def _take(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def services(database_url: str) -> AsyncIterator[Factory]:
    """The services of an API process beside the worker."""
    context = await ProcessContext.create(make_settings(database_url))
    yield Factory(context)
    await context.close()


@pytest.fixture
async def houses(database: Database) -> tuple[SendingHouse, SendingHouse, SendingHouse]:
    gifts, toys, books = [
        await build_ready_house(database, MerchantId(name)) for name in ("gift-shop", "toy-shop", "book-shop")
    ]
    return gifts, toys, books


async def test_each_merchants_messages_leave_through_its_own_server(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    login = ("shop", "hunter2")
    async with (
        ScriptedSmtpServer(credentials=login) as first,
        ScriptedSmtpServer(credentials=login) as second,
        ScriptedSmtpServer() as default,
    ):
        gifts, toys, _ = houses
        for house, server in ((gifts, first), (toys, second)):
            settings = own(server, f"hei@{house.merchant.id}.example")
            await services.create_channels().replace(house.merchant, Channel.EMAIL, settings, replacing=0, actor="test")
        async with working(make_settings(database_url, **smtp_settings(default.port))):
            for house in houses:
                await house.invite_many(2)
            await comes_true(lambda: all(len(server.messages) == 2 for server in (first, second, default)))
        for server, sender in (
            (first, "hei@gift-shop.example"),
            (second, "hei@toy-shop.example"),
            (default, "invitations@reviews.example"),
        ):
            assert all(f"<{sender}>" in message.mail_from for message in server.messages)
            assert all(f" <{sender}>\r\n".encode() in message.data for message in server.messages)
    assert {attempt["provider"] for house in houses for attempt in await house.attempts()} == {"smtp"}


async def test_change_holds_from_the_next_batch_of_a_running_worker_on(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts, channels = houses[0], services.create_channels()
    login = ("shop", "hunter2")
    async with ScriptedSmtpServer(credentials=login) as old, ScriptedSmtpServer(credentials=login) as new:
        await channels.replace(gifts.merchant, Channel.EMAIL, own(old, "a@gifts.example"), replacing=0, actor="test")
        async with working(make_settings(database_url)):
            await gifts.invite_many(1)
            await comes_true(lambda: len(old.messages) == 1)
            await channels.replace(
                gifts.merchant, Channel.EMAIL, own(new, "b@gifts.example"), replacing=1, actor="test"
            )
            await gifts.invite_many(1, prefix="B")
            await comes_true(lambda: len(new.messages) == 1)
            await comes_true(lambda: old.open_connection_count == 0)
        assert len(old.messages) == 1


async def test_wrong_password_pauses_one_merchant_and_a_check_of_the_right_one_sends_what_waited(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts, toys, _ = houses
    channels, login = services.create_channels(), ("shop", "hunter2")
    async with ScriptedSmtpServer(credentials=login) as server:
        for house, password in ((gifts, "wrong"), (toys, "hunter2")):
            settings = own(server, "hei@gifts.example", password=password)
            await channels.replace(house.merchant, Channel.EMAIL, settings, replacing=0, actor="test")
        async with working(make_settings(database_url)) as _port:
            [waiting] = await gifts.invite_many(1)
            await toys.invite_many(1)
            await comes_true(lambda: len(server.messages) == 1)
            await comes_to_be(lambda: find_pause(services, gifts))
            await channels.replace(
                gifts.merchant, Channel.EMAIL, own(server, "hei@gifts.example"), replacing=1, actor="test"
            )
            state = await services.create_channel_checks().check(gifts.merchant, Channel.EMAIL, actor="test")
            assert state.check is not None
            assert (state.check.outcome, state.pause) == (OutcomeWord.ACCEPTED, None)
            await comes_true(lambda: len(server.messages) == 2)
    assert (await gifts.invitation(waiting.id)).status is InvitationStatus.SENT


async def test_server_that_moved_into_the_installations_network_gets_nothing(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts = houses[0]
    async with ScriptedSmtpServer() as server:
        settings = NewSettings(
            provider="smtp",
            options={"url": f"smtp://127.0.0.1:{server.port}?starttls=never"},
            from_address="hei@gifts.example",
        )
        # Saved where the network is allowed and sent where it is not, as if the server's name had changed its address.
        await services.create_channels().replace(gifts.merchant, Channel.EMAIL, settings, replacing=0, actor="test")
        async with working(make_settings(database_url, provider_networks=())):
            await gifts.invite_many(1)
            pause = await comes_to_be(lambda: find_pause(services, gifts))
        assert pause.reason == "address_not_allowed"
        assert server.connection_count == 0


async def test_price_of_an_sms_is_recorded_as_the_merchant_set_it(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts, toys, _ = houses
    await services.create_channels().replace(
        gifts.merchant,
        Channel.SMS,
        NewSettings(from_address="GiftShop", sms_price=Price(Decimal("0.075"), "EUR")),
        replacing=0,
        actor="test",
    )
    async with working(make_settings(database_url, sms_url="mailbox:")):
        for house in (gifts, toys):
            await house.invite(email=None, phone="+4790000001", purchased_at=house.clock.now)
        await comes_to_be(lambda: find_accepted(gifts, 2))
    priced = [(row["price"], row["currency"]) for house in (gifts, toys) for row in await house.attempts()]
    assert priced == [(Decimal("0.075"), "EUR"), (Decimal("0.40"), "NOK")]


async def test_sms_leave_through_the_installations_provider_and_say_where_to_tell_of_them(
    houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts, _, _ = houses
    async with VendorServer(InboxOfElks()) as server:
        username, password = InboxOfElks.login
        options = {"api_username": username, "api_password": password, "api_url": server.url, "webhook_secret": "s"}
        settings = make_settings(
            database_url,
            sms_url=f"46elks:?{urlencode(options)}",
            sms_sender="2333",
            public_base_url="https://reviews.example.com",
        )
        async with working(settings):
            await gifts.invite(email=None, phone="+4790000001", purchased_at=gifts.clock.now)
            await comes_to_be(lambda: find_accepted(gifts, 1))
    [attempt] = await gifts.attempts()
    form = form_of(server.requests[0])
    assert (form["from"], form["to"]) == ("2333", "+4790000001")
    assert form["whendelivered"] == (
        f"https://reviews.example.com/provider-events/46elks/gift-shop?secret=s&attempt_id={attempt['id']}"
    )
    assert (attempt["provider"], attempt["provider_message_id"]) == ("46elks", "s1")
    assert (attempt["price"], attempt["currency"]) == (Decimal("0.40"), "NOK")


class InboxOfElks(Elks):
    """46elks, for texts that are not the provider tests' own."""

    def __call__(self, asked: Asked) -> Said:
        assert asked.basic() == self.login
        return Said.json({"status": "created", "id": "s1"})


async def test_merchants_whose_servers_hang_keep_nobody_elses_messages_back(
    services: Factory, houses: tuple[SendingHouse, SendingHouse, SendingHouse], database_url: str
) -> None:
    gifts = houses[0]
    # With two turns each they would have every place that a worker has.
    hanging = [await build_ready_house(gifts.database, MerchantId(f"hanging-{number}")) for number in range(PLACES)]
    async with ScriptedSmtpServer() as default, SilentServer.listening() as server:
        for house in hanging:
            url = f"smtp://{house.merchant.id}:hunter2@127.0.0.1:{server.port}?starttls=never"
            settings = NewSettings(provider="smtp", options={"url": url}, from_address="hei@hanging.example")
            await services.create_channels().replace(house.merchant, Channel.EMAIL, settings, replacing=0, actor="test")
        async with working(make_settings(database_url, **smtp_settings(default.port))):
            for house in hanging:
                await house.invite_many(9)
            await comes_to_be(lambda: find_waiting(gifts, PLACES))
            began_at = asyncio.get_running_loop().time()
            await gifts.invite_many(10)
            await comes_true(lambda: len(default.messages) == 10)
            assert asyncio.get_running_loop().time() - began_at < 5
            assert await find_waiting(gifts, PLACES)
            server.hang_up()
