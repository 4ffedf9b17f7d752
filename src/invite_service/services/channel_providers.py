"""From a merchant's stored settings of a channel to a provider that can be sent through."""

from collections.abc import Hashable, Mapping
from typing import ClassVar, Final, Protocol

import structlog

from invite_service.domain.channel import ChannelSettings, SealedOptions
from invite_service.domain.errors import DomainError, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.providers.base import EventReader, Sender
from invite_service.services.sealing import CredentialSeal, SealBrokenError, SealKeyMissingError

log = structlog.get_logger()

NO_PROVIDER: Final = "no_provider"
"""Why a channel is paused for which nobody set up a provider."""

UNREADABLE: Final = "credentials_unreadable"
"""Why a channel is paused whose options no key of this process opens."""

UNUSABLE: Final = "settings_invalid"
"""Why a channel is paused whose options were good when they were saved and are not any more."""


class ReadProvider(Hashable, Protocol):
    """A merchant's provider, its options read and found good; equal where everything about it is."""

    @property
    def name(self) -> str:
        """The provider's name."""

    async def check_reach(self) -> None:
        """Look whether its server, where the merchant names one, may be connected to.

        Raises ProviderSettingsError where it may not; a name that cannot be looked up is no fault.
        """

    def create_sender(self) -> Sender:
        """Make a sender, which whoever asked for it closes; raises ProviderSettingsError."""

    def create_event_reader(self) -> EventReader | None:
        """Make the reader of what it tells later, which whoever asked for it closes; None where it tells nothing."""


class Providers(Protocol):
    """The providers that merchants may choose from; bootstrap knows them."""

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> ReadProvider:
        """Read a merchant's choice for a channel.

        Raises ProviderSettingsError with every fault; pointers lead into {"provider": …, "options": {…}}.
        """


class ProviderUnusableError(DomainError):
    """The stored settings of a channel lead to no provider; `reason` says why, in a word."""

    code: ClassVar[str] = "provider_unusable"

    def __init__(self, reason: str) -> None:
        super().__init__("The settings of this channel cannot be used.")
        self.reason = reason


class StoredProviders:
    """Opens what merchants stored, and seals what they store."""

    def __init__(self, providers: Providers, seal: CredentialSeal) -> None:
        self._providers = providers
        self._seal = seal

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> ReadProvider:
        """Read what a merchant chose just now, as `Providers.read` does."""
        return self._providers.read(provider, options, channel=channel)

    def seal(
        self, merchant_id: MerchantId, channel: Channel, provider: str, options: Mapping[str, str]
    ) -> SealedOptions:
        """Seal the options for this merchant's channel and provider alone."""
        return self._seal.seal(options, place=(merchant_id, channel.value, provider))

    def open(self, merchant_id: MerchantId, channel: Channel, settings: ChannelSettings) -> ReadProvider:
        """Open the merchant's own provider; raises ProviderUnusableError, and names a missing key in the log."""
        assert settings.provider is not None
        assert settings.options is not None
        about = {"merchant_id": merchant_id, "channel": channel.value, "key_id": settings.options.key_id}
        try:
            options = self._seal.open(settings.options, place=(merchant_id, channel.value, settings.provider))
        except SealBrokenError as error:
            log.warning("Failed to open credentials", **about, key_is_missing=isinstance(error, SealKeyMissingError))
            raise ProviderUnusableError(UNREADABLE) from None
        try:
            return self._providers.read(settings.provider, options, channel=channel)
        except ProviderSettingsError as error:
            log.warning("Found stored settings invalid", **about, codes=[fault.code for fault in error.faults])
            raise ProviderUnusableError(UNUSABLE) from None

    def reseal(self, merchant_id: MerchantId, channel: Channel, settings: ChannelSettings) -> SealedOptions | None:
        """Seal the same options under the current key; None where they are already; raises SealBrokenError."""
        assert settings.provider is not None
        assert settings.options is not None
        if settings.options.key_id == self._seal.current:
            return None
        place = (merchant_id, channel.value, settings.provider)
        return self._seal.seal(self._seal.open(settings.options, place=place), place=place)

    @property
    def current_key_id(self) -> str:
        """The key that seals."""
        return self._seal.current
