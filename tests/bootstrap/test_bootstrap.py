from datetime import UTC

import pytest
from pydantic import SecretStr

from invite_service.bootstrap import Factory, ProcessContext, new_id, utc_now
from invite_service.config import Settings
from invite_service.domain.channel import ChannelSettings
from invite_service.domain.errors import SchemaOutdatedError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.ingest import IngestedOrder
from invite_service.services.merchants import NewMerchant
from invite_service.storage.database import Database
from tests.support.builders import make_merchant, make_order_event
from tests.support.ingesting import driver_of, make_item

SECRET = SecretStr("a secret of tests, long enough to be one")


def make_settings(database_url: str, **changes: object) -> Settings:
    return Settings.model_validate({"database_url": database_url, "secret_key": SECRET, **changes})


def test_clock_is_aware_and_ids_grow() -> None:
    assert utc_now().tzinfo is UTC
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {identifier.version for identifier in ids} == {7}


async def test_process_without_redis_ingests_an_order_and_counts_it(database_url: str) -> None:
    context = await ProcessContext.create(make_settings(database_url), name="test")
    factory = Factory(context)
    created = await factory.create_merchants().create(
        NewMerchant(id="shop", name="Shop", time_zone="Europe/Oslo", homepage_url="https://shop.example", sandbox=True)
    )
    caller = await factory.access.authenticate(created.api_key)
    item = make_item(make_order_event(purchased_at=utc_now()))
    [batched] = await factory.create_ingest().ingest(caller.merchant.id, [item])
    queued = await factory.ingest_queue.ingest(caller.merchant.id, item)
    assert isinstance(batched, IngestedOrder)
    assert isinstance(queued, IngestedOrder)
    assert (batched.is_new, queued.is_new, batched.order.outcome) == (True, False, "invited")
    shown = await factory.create_orders().get(caller.merchant, "1001")
    assert shown.invitation == batched.invitation
    metrics = context.metrics.render().decode()
    assert 'invite_orders_ingested_total{outcome="invited"} 2.0' in metrics
    assert "invite_ingest_seconds_count 1.0" in metrics
    await context.close()


async def test_process_refuses_to_start_on_a_schema_that_is_not_at_head(unmigrated_database_url: str) -> None:
    with pytest.raises(SchemaOutdatedError, match="invite-service migrate"):
        await ProcessContext.create(make_settings(unmigrated_database_url))


async def test_sandboxes_keep_their_messages_and_others_send_through_the_installation(
    database_url: str, redis_url: str, unused_tcp_port: int
) -> None:
    smtp = {"smtp_url": f"smtp://127.0.0.1:{unused_tcp_port}?starttls=never", "sender_email": "shop@reviews.example"}
    with_smtp = await ProcessContext.create(make_settings(database_url, redis_url=redis_url, **smtp))
    without = await ProcessContext.create(make_settings(database_url))
    sandbox, real = make_merchant(sandbox=True), make_merchant()

    def sender_of(context: ProcessContext, merchant: Merchant, channel: Channel) -> str:
        try:
            with context.outlets.lend(merchant, channel, ChannelSettings()) as outlet:
                return outlet.sender.name
        except ProviderUnusableError as error:
            return error.reason

    names = [
        sender_of(context, merchant, channel)
        for context in (with_smtp, without)
        for merchant in (sandbox, real)
        for channel in (Channel.EMAIL, Channel.SMS)
    ]
    no = "no_provider"
    assert names == ["mailbox", "mailbox", "smtp", no, "mailbox", "mailbox", no, no]
    with_smtp.bell.ring(real.id)
    await with_smtp.close()
    await without.close()


async def test_database_that_is_passed_in_is_used_and_left_open(database: Database, database_url: str) -> None:
    async def backend() -> int:
        async with database.autocommit() as stores:
            return int(await driver_of(stores).fetchval("SELECT pg_backend_pid()"))

    context = await ProcessContext.create(make_settings(database_url), database=database)
    assert context.database is database
    before = await backend()
    await context.close()
    assert await backend() == before


async def test_factory_makes_every_service(database_url: str) -> None:
    context = await ProcessContext.create(make_settings(database_url))
    factory = Factory(context)
    made = [getattr(factory, name)() for name in dir(factory) if name.startswith("create_")]
    assert all(type(service).__name__.endswith("Service") for service in made)
    await context.close()
