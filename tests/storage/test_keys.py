from datetime import timedelta

from invite_service.storage.database import Database
from invite_service.storage.keys import StoredApiKey, StoredKey
from tests.support.builders import MERCHANT_ID, NOON, make_merchant
from tests.support.ingesting import add_merchant

API_KEY = StoredApiKey(
    id="k1",
    merchant_id=MERCHANT_ID,
    name="backend",
    secret_hash=b"\x00\xff" * 16,
    scopes=frozenset({"orders:write", "orders:read"}),
    created_at=NOON,
    expires_at=NOON + timedelta(days=1),
)
OPERATOR_KEY = StoredKey(id="o1", name="ops", secret_hash=b"\x01" * 32, created_at=NOON)


async def test_api_keys_are_found_listed_and_revoked_once(database: Database) -> None:
    await add_merchant(database, make_merchant())
    second = StoredApiKey(
        id="k2", merchant_id=MERCHANT_ID, name="b", secret_hash=b"x", scopes=frozenset({"sandbox"}), created_at=NOON
    )
    async with database.transaction() as stores:
        await stores.api_keys.add(second)
        await stores.api_keys.add(API_KEY)
        assert await stores.api_keys.find("k1") == API_KEY
        assert await stores.api_keys.find("k3") is None
        assert await stores.api_keys.list_(MERCHANT_ID) == [API_KEY, second]
        assert await stores.api_keys.revoke(MERCHANT_ID, "k1", at=NOON)
        assert await stores.api_keys.revoke(MERCHANT_ID, "k1", at=NOON + timedelta(hours=1))
        assert not await stores.api_keys.revoke(type(MERCHANT_ID)("other"), "k2", at=NOON)
        revoked = await stores.api_keys.find("k1")
    assert revoked is not None
    assert revoked.revoked_at == NOON


async def test_operator_keys_are_found_and_revoked(database: Database) -> None:
    async with database.transaction() as stores:
        await stores.operator_keys.add(OPERATOR_KEY)
        assert await stores.operator_keys.find("o1") == OPERATOR_KEY
        assert await stores.operator_keys.find("o2") is None
        assert await stores.operator_keys.revoke("o1", at=NOON)
        assert not await stores.operator_keys.revoke("o2", at=NOON)


def test_key_is_valid_until_it_expires_or_is_revoked() -> None:
    assert OPERATOR_KEY.is_valid(NOON + timedelta(days=9999))
    assert API_KEY.is_valid(NOON + timedelta(days=1) - timedelta(microseconds=1))
    assert not API_KEY.is_valid(NOON + timedelta(days=1))
    assert not StoredKey(id="o", name="o", secret_hash=b"", created_at=NOON, revoked_at=NOON).is_valid(NOON)
