"""Merchants' credentials: bringing what is sealed under an older key under the current one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.services.channel_providers import StoredProviders
from invite_service.services.sealing import SealBrokenError
from invite_service.storage.database import Database

PAGE: Final = 500
"""Merchants looked for at once."""


@dataclass(frozen=True, slots=True)
class StuckCredential:
    """A credential that no key of this process opens; it stays as it is until its key is back."""

    merchant_id: MerchantId
    channel: Channel
    key_id: str


@dataclass(frozen=True, slots=True)
class RotatedMerchant:
    """What became of one merchant's credentials."""

    resealed: int
    stuck: tuple[StuckCredential, ...]


class CredentialService:
    """Seals credentials anew, beside running processes and as often as one likes."""

    def __init__(self, database: Database, *, providers: StoredProviders) -> None:
        self._database = database
        self._providers = providers

    @property
    def current_key_id(self) -> str:
        """The key under which everything will be."""
        return self._providers.current_key_id

    async def list_merchants(self) -> list[MerchantId]:
        """List the merchants with credentials that are not under the current key."""
        found: list[MerchantId] = []
        async with self._database.autocommit() as stores:
            while page := await stores.channels.list_merchants_not_under(
                self.current_key_id, after=found[-1] if found else "", limit=PAGE
            ):
                found += page
        return found

    async def rotate(self, merchant_ids: list[MerchantId]) -> AsyncIterator[RotatedMerchant]:
        """Bring the credentials of merchants under the current key, one merchant after the other.

        What a merchant saves meanwhile stands: it is under the key of whoever saved it.
        """
        for merchant_id in merchant_ids:
            yield await self._rotate_one(merchant_id)

    async def _rotate_one(self, merchant_id: MerchantId) -> RotatedMerchant:
        resealed, stuck = 0, []
        async with self._database.autocommit() as stores:
            states = await stores.channels.read(merchant_id)
            for channel, state in sorted(states.items()):
                stored = state.settings.options
                if stored is None:
                    continue
                try:
                    options = self._providers.reseal(merchant_id, channel, state.settings)
                except SealBrokenError:
                    stuck.append(StuckCredential(merchant_id, channel, stored.key_id))
                    continue
                if options is not None:
                    resealed += await stores.channels.reseal(merchant_id, channel, options, replacing=stored)
        return RotatedMerchant(resealed, tuple(stuck))
