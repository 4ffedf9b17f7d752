"""Who may do what: API keys of merchants with their scopes, and keys of those who run the installation."""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from invite_service.domain.errors import ApiKeyInvalidError, DomainError, Fault, InvalidInputError, ScopeMissingError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.key_text import KeyPrefix, KeyText, hash_key, make_key, read_key
from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError
from invite_service.storage.keys import StoredApiKey, StoredKey
from invite_service.storage.stores import Stores

REMEMBERED_FOR: Final = timedelta(seconds=10)
"""How long a process takes a key for valid without asking again: a revoked one may work for that long elsewhere."""

FIND_SECONDS: Final = 10.0
"""How long a key is looked for in a database that hangs: a shop's checkout never waits for us."""

MAX_REMEMBERED: Final = 10_000
"""Keys a process remembers at once."""

MAX_NAME_LENGTH: Final = 100
"""Characters of a key's name, which the timeline shows as the actor."""


class Scope(StrEnum):
    """What an API key may be allowed to do."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    INVITATIONS_READ = "invitations:read"
    INVITATIONS_WRITE = "invitations:write"
    INVITATIONS_OPERATE = "invitations:operate"
    """Settle what is in doubt, and try again what failed or was missed."""
    POLICY_READ = "policy:read"
    POLICY_WRITE = "policy:write"
    CHANNELS_WRITE = "channels:write"
    """Replace and try the providers that messages leave through, with their credentials."""
    BRANDING_READ = "branding:read"
    BRANDING_WRITE = "branding:write"
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    CUSTOMERS_READ = "customers:read"
    """Hand out everything that is kept of a customer."""
    CUSTOMERS_WRITE = "customers:write"
    """Erase customers."""
    PUBLISHING_READ = "publishing:read"
    PUBLISHING_WRITE = "publishing:write"
    TEXTS_READ = "texts:read"
    TEXTS_WRITE = "texts:write"
    RATINGS_READ = "ratings:read"
    RATINGS_WRITE = "ratings:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    TIMELINE_READ = "timeline:read"
    INSIGHTS_READ = "insights:read"
    SANDBOX = "sandbox"
    """Move a sandbox's clock and read its mailbox."""


ALL_SCOPES: Final = frozenset(Scope)


class ApiKeyNotFoundError(DomainError):
    """The merchant has no key of that id."""

    code: ClassVar[str] = "api_key_not_found"


@dataclass(frozen=True, slots=True)
class Caller:
    """A merchant's request: for which merchant, with which key."""

    merchant: Merchant
    """As it was at most REMEMBERED_FOR ago; a sandbox, whose clock is moved by hand, is always fresh."""
    key_id: str
    key_name: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """How the timeline names who did it."""
        return f"key:{self.key_name}"

    def require(self, scope: Scope) -> None:
        """Refuse a call that the key may not make.

        Raises:
            ScopeMissingError: the key does not carry the scope.
        """
        if scope not in self.scopes:
            raise ScopeMissingError(f"The key needs the scope {scope}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What may be shown of a key again. Instants are real time."""

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made just now; the text is stored nowhere and shown this once."""

    id: str
    text: str


class AccessService:
    """Makes keys, and tells who is calling with one."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        max_remembered: int = MAX_REMEMBERED,
        find_seconds: float = FIND_SECONDS,
    ) -> None:
        """Make a service; `clock` tells real time, by which keys expire."""
        self._database = database
        self._clock = clock
        self._max_remembered = max_remembered
        self._find_seconds = find_seconds
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    async def authenticate(self, text: str) -> Caller:
        """Tell who calls with this key.

        Raises:
            ApiKeyInvalidError: it is no key, unknown, revoked or expired; the answer is the same for all of them.
            DatabaseUnavailableError: the database is away, or hangs.
        """
        now = self._clock()
        remembered = self._remembered.get(hash_key(text))
        if remembered is None or remembered.until <= now:
            remembered = await self._find_in_time(_read(text, KeyPrefix.LIVE, KeyPrefix.TEST), now)
        if not remembered.key.is_valid(now):
            raise _invalid()
        return remembered.caller

    async def authenticate_operator(self, text: str) -> str:
        """Tell the name of the operator's key that this is.

        Raises:
            ApiKeyInvalidError: as for `authenticate`.
        """
        key = _read(text, KeyPrefix.OPERATOR)
        async with self._database.autocommit() as stores:
            stored = await stores.operator_keys.find(key.id)
        if stored is None:
            raise _invalid()
        _require_valid(stored, key, self._clock())
        return stored.name

    async def create_api_key(
        self,
        merchant_id: MerchantId,
        name: str,
        *,
        scopes: Collection[str] = ALL_SCOPES,
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Make a key for a merchant.

        Raises:
            MerchantNotFoundError: there is no such merchant.
            InvalidInputError: the name or a scope cannot be used.
        """
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.get(merchant_id)
            return await add_api_key(
                stores, merchant, name, scopes=scopes, expires_at=expires_at, created_at=self._clock()
            )

    async def list_api_keys(self, merchant_id: MerchantId) -> list[ApiKey]:
        """List a merchant's keys, the oldest first."""
        async with self._database.autocommit() as stores:
            return [_shown(stored) for stored in await stores.api_keys.list_(merchant_id)]

    async def revoke_api_key(self, merchant_id: MerchantId, key_id: str) -> None:
        """Revoke a key; other processes may take it for another REMEMBERED_FOR. Revoking twice is once.

        Raises:
            ApiKeyNotFoundError: the merchant has no key of that id.
        """
        async with self._database.transaction() as stores:
            if not await stores.api_keys.revoke(merchant_id, key_id, at=self._clock()):
                raise ApiKeyNotFoundError("No key of that id exists.")
        self._forget(key_id)

    async def create_operator_key(self, name: str, *, expires_at: datetime | None = None) -> NewKey:
        """Make a key for somebody who runs the installation.

        Raises:
            InvalidInputError: the name cannot be used.
        """
        _require_no_faults(_name_faults(name))
        text, key = make_key(KeyPrefix.OPERATOR)
        stored = StoredKey(
            id=key.id, name=name, secret_hash=key.secret_hash, created_at=self._clock(), expires_at=expires_at
        )
        async with self._database.transaction() as stores:
            await stores.operator_keys.add(stored)
        return NewKey(key.id, text)

    async def _find_in_time(self, key: KeyText, now: datetime) -> "_Remembered":
        try:
            async with asyncio.timeout(self._find_seconds):
                return await self._find(key, now)
        except TimeoutError:
            raise DatabaseUnavailableError("The database does not answer.") from None

    async def _find(self, key: KeyText, now: datetime) -> "_Remembered":
        async with self._database.autocommit() as stores:
            stored = await stores.api_keys.find(key.id)
            if stored is None:
                raise _invalid()
            _require_valid(stored, key, now)
            merchant = await stores.merchants.get(stored.merchant_id)
        found = _Remembered(now + REMEMBERED_FOR, stored, Caller(merchant, stored.id, stored.name, stored.scopes))
        if not merchant.sandbox:
            self._remembered[key.secret_hash] = found
            self._remembered.move_to_end(key.secret_hash)
            if len(self._remembered) > self._max_remembered:
                self._remembered.popitem(last=False)
        return found

    def _forget(self, key_id: str) -> None:
        for secret_hash in [found for found, remembered in self._remembered.items() if remembered.key.id == key_id]:
            del self._remembered[secret_hash]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A key that was valid when it was looked up, by the hash of its text."""

    until: datetime
    key: StoredApiKey
    caller: Caller


async def add_api_key(
    stores: Stores,
    merchant: Merchant,
    name: str,
    *,
    scopes: Collection[str] = ALL_SCOPES,
    expires_at: datetime | None = None,
    created_at: datetime,
) -> NewKey:
    """Make a key within a transaction; see `AccessService.create_api_key`."""
    _require_no_faults(_name_faults(name) + _scope_faults(scopes))
    text, key = make_key(KeyPrefix.TEST if merchant.sandbox else KeyPrefix.LIVE)
    await stores.api_keys.add(
        StoredApiKey(
            id=key.id,
            name=name,
            secret_hash=key.secret_hash,
            created_at=created_at,
            expires_at=expires_at,
            merchant_id=merchant.id,
            scopes=frozenset(scopes),
        )
    )
    return NewKey(key.id, text)


def _read(text: str, *prefixes: KeyPrefix) -> KeyText:
    key = read_key(text)
    if key is None or key.prefix not in prefixes:
        raise _invalid()
    return key


def _require_valid(stored: StoredKey, key: KeyText, now: datetime) -> None:
    if not hmac.compare_digest(stored.secret_hash, key.secret_hash) or not stored.is_valid(now):
        raise _invalid()


def _invalid() -> ApiKeyInvalidError:
    return ApiKeyInvalidError("The key is missing, unknown, revoked or expired.")


def _name_faults(name: str) -> list[Fault]:
    if 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and name == name.strip():
        return []
    return [Fault("/name", "bad_name", f"Must be 1 to {MAX_NAME_LENGTH} printable characters, spaces inside only.")]


def _scope_faults(scopes: Collection[str]) -> list[Fault]:
    if not scopes:
        return [Fault("/scopes", "empty", "At least one scope is needed.")]
    unknown = [index for index, scope in enumerate(scopes) if scope not in ALL_SCOPES]
    return [Fault(f"/scopes/{index}", "unknown_scope", f"Must be of {', '.join(Scope)}.") for index in unknown]


def _require_no_faults(faults: list[Fault]) -> None:
    if faults:
        raise InvalidInputError("The key cannot be made.", faults=faults)


def _shown(stored: StoredApiKey) -> ApiKey:
    return ApiKey(
        id=stored.id,
        name=stored.name,
        scopes=stored.scopes,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
        revoked_at=stored.revoked_at,
    )
