from datetime import timedelta

import pytest

from invite_service.domain.errors import (
    ApiKeyInvalidError,
    InvalidInputError,
    MerchantNotFoundError,
    ScopeMissingError,
)
from invite_service.domain.merchant import MerchantId
from invite_service.services.access import (
    ALL_SCOPES,
    REMEMBERED_FOR,
    AccessService,
    ApiKey,
    ApiKeyNotFoundError,
    Caller,
    Scope,
)
from invite_service.services.key_text import KeyPrefix, make_key, read_key
from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError
from tests.support.builders import MERCHANT_ID, NOON, make_merchant
from tests.support.ingesting import IngestHouse, add_merchant, driver_of

SANDBOX = make_merchant(id=MerchantId("sandbox"), sandbox=True)


@pytest.fixture
async def shop(database: Database) -> IngestHouse:
    return await IngestHouse.build(database)


@pytest.fixture
def access(shop: IngestHouse) -> AccessService:
    return AccessService(shop.database, clock=lambda: shop.now)


def test_key_that_was_made_reads_back() -> None:
    for prefix in KeyPrefix:
        text, made = make_key(prefix)
        assert read_key(text) == made
        assert (made.prefix, text.startswith(f"{prefix}_{made.id}_"), len(made.secret_hash)) == (prefix, True, 32)


def test_keys_are_different_every_time() -> None:
    texts = {make_key(KeyPrefix.LIVE)[0] for _ in range(100)}
    assert len(texts) == 100


@pytest.mark.parametrize("place", [10, 25, -7, -1])
def test_mistyped_key_is_no_key(place: int) -> None:
    text, _ = make_key(KeyPrefix.LIVE)
    wrong = "A" if text[place] != "A" else "B"
    assert read_key(text[:place] + wrong + text[len(text) + place + 1 if place < 0 else place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "rk_live_", "Bearer x", "rk_live_\x00", "ø" * 70, "op_a_b"])
def test_what_is_no_key_is_no_key(text: str) -> None:
    assert read_key(text) is None


async def test_key_tells_its_merchant_and_what_it_may_do(shop: IngestHouse, access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "Back office", scopes=[Scope.ORDERS_WRITE])
    caller = await access.authenticate(made.text)
    assert caller == Caller(shop.merchant, made.id, "Back office", frozenset({"orders:write"}))
    assert caller.actor == "key:Back office"
    caller.require(Scope.ORDERS_WRITE)
    with pytest.raises(ScopeMissingError):
        caller.require(Scope.ORDERS_READ)


async def test_keys_say_whether_they_open_a_sandbox(shop: IngestHouse, access: AccessService) -> None:
    await add_merchant(shop.database, SANDBOX)
    live = await access.create_api_key(MERCHANT_ID, "a")
    test = await access.create_api_key(SANDBOX.id, "a")
    assert (live.text.startswith("rk_live_"), test.text.startswith("rk_test_")) == (True, True)
    assert (await access.authenticate(test.text)).scopes == ALL_SCOPES


async def test_text_of_a_key_is_stored_nowhere(shop: IngestHouse, access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a")
    [(row,)] = await shop.rows("SELECT row_to_json(api_keys)::text FROM api_keys WHERE merchant_id = $1")
    assert made.text not in row
    assert made.text.rpartition("_")[2] not in row


async def test_unknown_and_mistaken_keys_get_one_answer(access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a")
    unknown, _ = make_key(KeyPrefix.LIVE)
    another, _ = make_key(KeyPrefix.LIVE)
    for text in ("", unknown, made.text[:-1] + "~", another):
        with pytest.raises(ApiKeyInvalidError, match="missing, unknown, revoked or expired"):
            await access.authenticate(text)


async def test_right_id_with_another_secret_is_refused(shop: IngestHouse, access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a")
    await access.authenticate(made.text)
    await shop.rows("UPDATE api_keys SET secret_hash = $2 WHERE merchant_id = $1", b"\x00" * 32)
    fresh = AccessService(shop.database, clock=lambda: shop.now)
    with pytest.raises(ApiKeyInvalidError):
        await fresh.authenticate(made.text)


async def test_expired_key_is_refused_from_that_instant_on_also_where_it_is_remembered(
    shop: IngestHouse, access: AccessService
) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a", expires_at=NOON + timedelta(seconds=5))
    await access.authenticate(made.text)
    shop.now = NOON + timedelta(seconds=5)
    with pytest.raises(ApiKeyInvalidError):
        await access.authenticate(made.text)


async def test_revoked_key_is_refused_here_at_once_and_elsewhere_in_time(
    shop: IngestHouse, access: AccessService
) -> None:
    elsewhere = AccessService(shop.database, clock=lambda: shop.now)
    made = await access.create_api_key(MERCHANT_ID, "a")
    for process in (access, elsewhere):
        await process.authenticate(made.text)
    await access.revoke_api_key(MERCHANT_ID, made.id)
    with pytest.raises(ApiKeyInvalidError):
        await access.authenticate(made.text)
    shop.now = NOON + REMEMBERED_FOR
    with pytest.raises(ApiKeyInvalidError):
        await elsewhere.authenticate(made.text)


async def test_key_is_remembered_without_asking_again(shop: IngestHouse, access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a")
    first = await access.authenticate(made.text)
    await shop.rows("UPDATE merchants SET name = 'Renamed' WHERE id = $1")
    assert await access.authenticate(made.text) == first
    shop.now = NOON + REMEMBERED_FOR
    assert (await access.authenticate(made.text)).merchant.name == "Renamed"


async def test_sandbox_is_always_read_fresh_so_that_its_clock_counts(shop: IngestHouse, access: AccessService) -> None:
    await add_merchant(shop.database, SANDBOX)
    made = await access.create_api_key(SANDBOX.id, "a")
    await access.authenticate(made.text)
    async with shop.database.transaction() as stores:
        await stores.merchants.move_clock(SANDBOX.id, timedelta(days=15))
    assert (await access.authenticate(made.text)).merchant.clock_offset == timedelta(days=15)


async def test_who_calls_is_not_waited_for_where_the_database_hangs(shop: IngestHouse, access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a")
    impatient = AccessService(shop.database, clock=lambda: shop.now, find_seconds=0.2)
    async with shop.database.transaction() as stores:
        await driver_of(stores).execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailableError):
            await impatient.authenticate(made.text)
    assert (await impatient.authenticate(made.text)).merchant.id == MERCHANT_ID


async def test_keys_of_a_merchant_are_listed_without_their_text(access: AccessService) -> None:
    made = await access.create_api_key(MERCHANT_ID, "a", scopes=["sandbox"])
    await access.revoke_api_key(MERCHANT_ID, made.id)
    assert await access.list_api_keys(MERCHANT_ID) == [
        ApiKey(
            id=made.id,
            name="a",
            scopes=frozenset({"sandbox"}),
            created_at=NOON,
            expires_at=None,
            revoked_at=NOON,
        )
    ]
    with pytest.raises(ApiKeyNotFoundError):
        await access.revoke_api_key(MERCHANT_ID, "unknown")


@pytest.mark.parametrize(
    ("name", "scopes", "pointers"),
    [
        ("", ["sandbox"], ["/name"]),
        (" a", ["sandbox"], ["/name"]),
        ("a\n", ["sandbox"], ["/name"]),
        ("a" * 101, [], ["/name", "/scopes"]),
        ("a", ["sandbox", "everything"], ["/scopes/1"]),
    ],
)
async def test_key_that_cannot_be_made_names_every_fault(
    access: AccessService, name: str, scopes: list[str], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await access.create_api_key(MERCHANT_ID, name, scopes=scopes)
    assert [fault.pointer for fault in caught.value.faults] == pointers
    assert all(fault.detail for fault in caught.value.faults)


async def test_key_for_nobody_is_refused(access: AccessService) -> None:
    with pytest.raises(MerchantNotFoundError):
        await access.create_api_key(MerchantId("nobody"), "a")


async def test_operator_key_opens_the_installation_and_nothing_else(access: AccessService) -> None:
    operator = await access.create_operator_key("ops")
    merchant = await access.create_api_key(MERCHANT_ID, "a")
    assert operator.text.startswith("op_")
    assert await access.authenticate_operator(operator.text) == "ops"
    with pytest.raises(ApiKeyInvalidError):
        await access.authenticate(operator.text)
    unknown, _ = make_key(KeyPrefix.OPERATOR)
    for text in (merchant.text, unknown):
        with pytest.raises(ApiKeyInvalidError):
            await access.authenticate_operator(text)


async def test_expired_operator_key_is_refused(shop: IngestHouse, access: AccessService) -> None:
    operator = await access.create_operator_key("ops", expires_at=NOON + timedelta(days=1))
    shop.now = NOON + timedelta(days=1)
    with pytest.raises(ApiKeyInvalidError):
        await access.authenticate_operator(operator.text)
    with pytest.raises(InvalidInputError):
        await access.create_operator_key("")


async def test_memory_of_keys_is_bounded(shop: IngestHouse) -> None:
    access = AccessService(shop.database, clock=lambda: shop.now, max_remembered=1)
    first = await access.create_api_key(MERCHANT_ID, "a")
    second = await access.create_api_key(MERCHANT_ID, "b")
    await access.authenticate(first.text)
    await access.authenticate(second.text)
    await shop.rows("UPDATE merchants SET name = 'Renamed' WHERE id = $1")
    assert (await access.authenticate(second.text)).merchant.name == "The Gift Shop"
    assert (await access.authenticate(first.text)).merchant.name == "Renamed"
