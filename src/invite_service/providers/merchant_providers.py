"""The providers that merchants choose for themselves: what they may enter, and what it leads to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from invite_service.domain.errors import Fault, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.providers.base import EventReader, Mailbox, Sender
from invite_service.providers.email.smtp_settings import SmtpSettings
from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses
from invite_service.providers.http import ApiSettings
from invite_service.providers.mailbox import NAME as MAILBOX
from invite_service.providers.mailbox import MailboxSettings
from invite_service.providers.reach import REFUSED, AddressRefusedError, Reach, resolve
from invite_service.providers.registry import (
    SenderSettings,
    create_event_reader,
    create_sender,
    parse_settings,
    unknown_provider,
)

HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class MerchantProvider:
    """A provider with the options that a merchant gave it; equal to another one whose sender would do the same."""

    settings: SenderSettings
    chosen_from: "MerchantProviders" = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.settings.provider

    async def check_reach(self) -> None:
        """Look whether a server that the merchant names may be connected to.

        Raises ProviderSettingsError where it may not; a name that cannot be looked up is no fault.
        """
        reach = self.chosen_from.reach
        match self.settings.options:
            case SmtpSettings(host=host, port=port):
                await _check_host(host, port, reach=reach, option="url")
            case ApiSettings(api_url=api_url):
                parts = urlsplit(api_url)
                await _check_host(parts.hostname or "", parts.port or HTTPS_PORT, reach=reach, option="api_url")
            case MailboxSettings():
                return

    def create_sender(self) -> Sender:
        """Make the sender, as `create_sender` does."""
        made_with = self.chosen_from
        return create_sender(
            self.settings,
            mailbox=made_with.mailbox,
            clock=made_with.clock,
            reach=made_with.reach,
            events=made_with.events,
        )

    def create_event_reader(self) -> EventReader | None:
        """Make the reader of what it tells later, as `create_event_reader` does."""
        return create_event_reader(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantProviders:
    """The providers that merchants may choose from, connected to within reach."""

    mailbox: Mailbox
    clock: Callable[[], datetime]
    reach: Reach
    events: EventAddresses = NO_EVENT_ADDRESSES

    def read(self, provider: str, options: Mapping[str, str], *, channel: Channel) -> MerchantProvider:
        """Read a merchant's choice for a channel.

        Raises ProviderSettingsError as `parse_settings` does; also for the mailbox, from which nothing would ever
        reach a customer, and for options that name a file of this machine.
        """
        if provider == MAILBOX:
            raise unknown_provider(channel)
        settings = parse_settings(provider, options, channel=channel)
        if isinstance(settings.options, SmtpSettings) and settings.options.ca_file is not None:
            fault = Fault("/options/url", "ca_file_not_allowed", "ca_file is for the installation's own server")
            raise ProviderSettingsError(f"The settings of {provider} have faults.", faults=[fault])
        return MerchantProvider(settings, self)


async def _check_host(host: str, port: int, *, reach: Reach, option: str) -> None:
    try:
        await resolve(host, port, reach=reach)
    except AddressRefusedError:
        fault = Fault(f"/options/{option}", REFUSED, "the server must be on the public internet")
        raise ProviderSettingsError("The provider's server cannot be used.", faults=[fault]) from None
    except (OSError, UnicodeError):
        return
