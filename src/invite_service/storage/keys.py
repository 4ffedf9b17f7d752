"""API keys and operator keys: their rows; what is stored of a key is its SHA-256."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver, Row

API_KEY_COLUMNS: Final = "id, merchant_id, name, secret_hash, scopes, created_at, expires_at, revoked_at"

ADD_API_KEY: Final = f"INSERT INTO api_keys ({API_KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608

FIND_API_KEY: Final = f"SELECT {API_KEY_COLUMNS} FROM api_keys WHERE id = $1"  # noqa: S608 - built from the constant

LIST_API_KEYS: Final = f"""
SELECT {API_KEY_COLUMNS} FROM api_keys WHERE merchant_id = $1 ORDER BY created_at, id
"""  # noqa: S608 - likewise

REVOKE_API_KEY: Final = """
UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE merchant_id = $1 AND id = $2 RETURNING id
"""

ADD_OPERATOR_KEY: Final = """
INSERT INTO operator_keys (id, name, secret_hash, created_at, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

FIND_OPERATOR_KEY: Final = """
SELECT id, name, secret_hash, created_at, expires_at, revoked_at FROM operator_keys WHERE id = $1
"""

REVOKE_OPERATOR_KEY: Final = """
UPDATE operator_keys SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1 RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What is stored of an operator's key. Instants are real time."""

    id: str
    name: str
    secret_hash: bytes
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Say whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApiKey(StoredKey):
    """What is stored of a merchant's key."""

    merchant_id: MerchantId
    scopes: frozenset[str]


class ApiKeyStore:
    """The API keys of all merchants, looked up by their id, which stands readable in the key."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, key: StoredApiKey) -> None:
        """Add a key."""
        await self._driver.execute(
            ADD_API_KEY,
            key.id,
            key.merchant_id,
            key.name,
            key.secret_hash,
            sorted(key.scopes),
            key.created_at,
            key.expires_at,
            key.revoked_at,
        )

    async def find(self, key_id: str) -> StoredApiKey | None:
        """Find a key, also one that is revoked or expired."""
        row = await self._driver.fetchrow(FIND_API_KEY, key_id)
        return None if row is None else _api_key_from_row(row)

    async def list_(self, merchant_id: MerchantId) -> list[StoredApiKey]:
        """List a merchant's keys, the oldest first."""
        return [_api_key_from_row(row) for row in await self._driver.fetch(LIST_API_KEYS, merchant_id)]

    async def revoke(self, merchant_id: MerchantId, key_id: str, *, at: datetime) -> bool:
        """Revoke a merchant's key; False when the merchant has none of that id. Revoking twice keeps the first time."""
        return await self._driver.fetchval(REVOKE_API_KEY, merchant_id, key_id, at) is not None


class OperatorKeyStore:
    """The keys of those who run the installation."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, key: StoredKey) -> None:
        """Add a key."""
        await self._driver.execute(
            ADD_OPERATOR_KEY, key.id, key.name, key.secret_hash, key.created_at, key.expires_at, key.revoked_at
        )

    async def find(self, key_id: str) -> StoredKey | None:
        """Find a key, also one that is revoked or expired."""
        row = await self._driver.fetchrow(FIND_OPERATOR_KEY, key_id)
        return None if row is None else StoredKey(**dict(row.items()))

    async def revoke(self, key_id: str, *, at: datetime) -> bool:
        """Revoke a key; False when there is none of that id. Revoking twice keeps the first time."""
        return await self._driver.fetchval(REVOKE_OPERATOR_KEY, key_id, at) is not None


def _api_key_from_row(row: Row) -> StoredApiKey:
    values = dict(row.items())
    return StoredApiKey(**values | {"scopes": frozenset(values["scopes"])})
