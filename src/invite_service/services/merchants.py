"""Merchants: making one, with its first policy and key, and finding them again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.rules.zones import is_known_zone
from invite_service.services.access import add_api_key
from invite_service.storage.database import Database

MAX_NAME_LENGTH: Final = 200
MAX_URL_LENGTH: Final = 2000

FIRST_KEY_NAME: Final = "first"
"""The name of the key a merchant is made with; it carries every scope."""

OPERATOR: Final = "operator"
"""Who saved the first policy."""

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMerchant:
    """What a merchant is made from."""

    id: str
    """A slug of at most 20 characters: a-z, 0-9 and inner hyphens."""
    name: str
    time_zone: str
    """IANA name."""
    homepage_url: str
    sandbox: bool = False
    clock: datetime | None = None
    """Where a sandbox's clock starts, aware; None starts it now."""


@dataclass(frozen=True, slots=True)
class CreatedMerchant:
    """A merchant that was made just now, and its first key, which is shown this once."""

    merchant: Merchant
    api_key: str


class MerchantService:
    """The merchants of this installation."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock

    async def create(self, new: NewMerchant) -> CreatedMerchant:
        """Make a merchant with the default policy and a key that may do everything.

        Raises:
            InvalidInputError: something cannot be used; all of it is named.
            MerchantExistsError: the id is taken.
        """
        faults = list(_faults(new))
        if faults:
            raise InvalidInputError("The merchant cannot be made.", faults=faults)
        now = self._clock()
        policy = Policy()
        merchant = Merchant(
            id=MerchantId(new.id),
            name=new.name,
            time_zone=new.time_zone,
            homepage_url=new.homepage_url,
            sandbox=new.sandbox,
            clock_offset=new.clock - now if new.clock is not None else timedelta(0),
            policy_version=policy.version,
            created_at=now,
        )
        async with self._database.transaction() as stores:
            await stores.merchants.add(merchant)
            await stores.policies.add(merchant.id, policy, created_at=merchant.now(now), created_by=OPERATOR)
            key = await add_api_key(stores, merchant, FIRST_KEY_NAME, created_at=now)
        return CreatedMerchant(merchant, key.text)

    async def get(self, merchant_id: MerchantId) -> Merchant:
        """Get a merchant.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        async with self._database.autocommit() as stores:
            return await stores.merchants.get(merchant_id)

    async def list_(self, *, after: str = "", limit: int) -> list[Merchant]:
        """List merchants by id, at most `limit` of those that come after `after`."""
        async with self._database.autocommit() as stores:
            return await stores.merchants.list_(after=after, limit=limit)


def _faults(new: NewMerchant) -> Iterator[Fault]:
    if _SLUG.fullmatch(new.id) is None:
        yield Fault("/id", "bad_slug", "Must be 1 to 20 characters of a-z, 0-9 and inner hyphens.")
    if not 0 < len(new.name) <= MAX_NAME_LENGTH or not new.name.isprintable() or not new.name.strip():
        yield Fault("/name", "bad_name", f"Must be 1 to {MAX_NAME_LENGTH} printable characters.")
    if not is_known_zone(new.time_zone):
        yield Fault("/time_zone", "unknown_time_zone", "Must be an IANA time zone such as Europe/Oslo.")
    if len(new.homepage_url) > MAX_URL_LENGTH or not is_web_address(new.homepage_url):
        yield Fault("/homepage_url", "bad_url", "Must be an http:// or https:// address.")
    if new.clock is not None and not new.sandbox:
        yield Fault("/clock", "not_a_sandbox", "Only a sandbox has a clock of its own.")
    if new.clock is not None and new.clock.tzinfo is None:
        yield Fault("/clock", "offset_missing", "Must be an instant with an offset.")


def is_web_address(url: str) -> bool:
    """Say whether an address can stand in a link: http or https, with a host, printable."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
