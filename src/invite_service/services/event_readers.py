"""Finding who reads what a merchant's provider tells: under the merchant's own secrets, else the installation's."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from invite_service.domain.channel import UNSET_CHANNEL, ChannelSettings
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.providers.base import EventReader
from invite_service.services.channel_providers import ProviderUnusableError, ReadProvider, StoredProviders
from invite_service.services.provider_events import EventSource
from invite_service.storage.database import Database

MAX_KEPT: Final = 1000
"""Merchants' readers that a process keeps: some fetch what they check signatures with, and remember it."""


class StoredEventReaders:
    """Makes readers of stored settings, and keeps them while the settings stay the same."""

    def __init__(
        self, database: Database, *, providers: StoredProviders, defaults: Mapping[Channel, EventReader]
    ) -> None:
        """Take charge of the installation's own readers, which are closed with all others."""
        self._database = database
        self._providers = providers
        self._defaults = defaults
        self._kept: OrderedDict[ReadProvider, EventReader] = OrderedDict()

    async def find(self, merchant: Merchant, provider: str) -> EventSource | None:
        """Find the source that a merchant's provider is; None where it is not set up to tell anything."""
        if merchant.sandbox:
            return None
        async with self._database.autocommit() as stores:
            states = await stores.channels.read(merchant.id)
        for channel in Channel:
            settings = states.get(channel, UNSET_CHANNEL).settings
            reader = await self._find_reader(merchant, channel, settings, provider)
            if reader is not None:
                return EventSource(reader, records_engagement=settings.records_engagement)
        return None

    async def close(self) -> None:
        """Close every reader."""
        for reader in (*self._kept.values(), *self._defaults.values()):
            await reader.close()
        self._kept.clear()

    async def _find_reader(
        self, merchant: Merchant, channel: Channel, settings: ChannelSettings, provider: str
    ) -> EventReader | None:
        if settings.provider is None:
            default = self._defaults.get(channel)
            return default if default is not None and default.name == provider else None
        if settings.provider != provider:
            return None
        try:
            return await self._keep(self._providers.open(merchant.id, channel, settings))
        except ProviderUnusableError:
            return None

    async def _keep(self, provider: ReadProvider) -> EventReader | None:
        kept = self._kept.get(provider)
        if kept is None:
            kept = provider.create_event_reader()
            if kept is None:
                return None
            self._kept[provider] = kept
            if len(self._kept) > MAX_KEPT:
                _, oldest = self._kept.popitem(last=False)
                await oldest.close()
        self._kept.move_to_end(provider)
        return kept
