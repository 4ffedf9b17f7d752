import asyncio

from invite_service.storage.contacts import ContactKeys
from tests.support.ingesting import IngestHouse

KARI, OLA = "kari@example.com", "+4791234567"


def test_key_hides_the_contact_and_depends_on_the_secret() -> None:
    keys = ContactKeys("a secret of at least 32 characters")
    assert keys.key(KARI) == ContactKeys("a secret of at least 32 characters").key(KARI)
    assert len({keys.key(KARI), keys.key(OLA), ContactKeys("another one of 32 characters and more").key(KARI)}) == 3
    assert (len(keys.key(KARI)), keys.find_key(None), keys.find_key(KARI)) == (32, None, keys.key(KARI))


async def test_contacts_are_hidden_in_the_table(shop: IngestHouse) -> None:
    async with shop.database.transaction() as stores:
        await stores.contacts.lock(shop.merchant.id, [KARI])
    [(key,)] = await shop.rows("SELECT contact_key FROM contacts WHERE merchant_id = $1")
    assert KARI.encode() not in key


async def test_second_to_lock_a_contact_nobody_has_seen_waits_for_the_first(shop: IngestHouse) -> None:
    steps: list[str] = []
    first_holds_it = asyncio.Event()

    async def first() -> None:
        async with shop.database.transaction() as stores:
            await stores.contacts.lock(shop.merchant.id, [KARI])
            first_holds_it.set()
            await shop.until_a_lock_is_awaited()
            steps.append("first ends")

    async def second() -> None:
        await first_holds_it.wait()
        async with shop.database.transaction() as stores:
            await stores.contacts.lock(shop.merchant.id, [OLA, KARI])
            steps.append("second holds it")

    await asyncio.gather(first(), second())
    assert steps == ["first ends", "second holds it"]
