"""The outlets of an installation: a sandbox's mailbox, each merchant's own provider, and one for all others."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from invite_service.domain.channel import ChannelSettings, SealedOptions
from invite_service.domain.errors import ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.providers.base import Sender
from invite_service.services.channel_providers import (
    NO_PROVIDER,
    UNUSABLE,
    ProviderUnusableError,
    ReadProvider,
    StoredProviders,
)
from invite_service.services.outlets import Outlet

log = structlog.get_logger()

MAX_OPEN: Final = 100
"""Merchants' senders that a process keeps; one more closes the one that was used longest ago and is not in use."""

Place = tuple[MerchantId, Channel]


@dataclass(slots=True)
class _Open:
    """A sender of merchants, with whoever sends through it."""

    provider: ReadProvider
    outlet: Outlet
    users: set[Place] = field(default_factory=set)
    """Channels whose settings, as last seen, lead here."""
    borrowers: int = 0
    """Batches that send through it right now."""
    is_retired: bool = False


class MerchantOutlets:
    """Keeps a sender for each of the settings in use; equal settings share one.

    Settings come with each batch, so that a change holds from the next batch on. A sender whose settings nobody has any
    more, or that is one too many, is closed when the last batch that sends through it has ended.
    """

    def __init__(
        self,
        *,
        mailbox: Sender,
        defaults: Mapping[Channel, Sender],
        providers: StoredProviders,
        max_open: int = MAX_OPEN,
    ) -> None:
        """Take charge of the mailbox and of the installation's own senders, which are closed with all others."""
        self._mailbox = Outlet(mailbox)
        self._defaults = {channel: Outlet(sender) for channel, sender in defaults.items()}
        self._providers = providers
        self._max_open = max_open
        self._open: OrderedDict[ReadProvider, _Open] = OrderedDict()
        self._seen: dict[Place, tuple[str | None, SealedOptions | None, _Open]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def lend(self, merchant: Merchant, channel: Channel, settings: ChannelSettings) -> Iterator[Outlet]:
        """Give the outlet of a merchant's channel for the time of one batch; it stays open that long.

        Raises ProviderUnusableError where there is none; the message then must not leave another way.
        """
        if merchant.sandbox:
            yield self._mailbox
            return
        if settings.provider is None:
            self._leave((merchant.id, channel))
            if channel not in self._defaults:
                raise ProviderUnusableError(NO_PROVIDER)
            yield self._defaults[channel]
            return
        lent = self._find((merchant.id, channel), settings)
        lent.borrowers += 1
        try:
            yield lent.outlet
        finally:
            lent.borrowers -= 1
            self._tidy(lent)

    async def close(self) -> None:
        """Close every sender; nothing may be lent afterwards."""
        outlets = [self._mailbox, *self._defaults.values(), *(one.outlet for one in self._open.values())]
        self._open.clear()
        self._seen.clear()
        await asyncio.gather(*(outlet.sender.close() for outlet in outlets), *self._closing)

    def _find(self, place: Place, settings: ChannelSettings) -> _Open:
        seen = self._seen.get(place)
        if seen is not None and seen[:2] == (settings.provider, settings.options):
            found = seen[2]
        else:
            found = self._settle(place, settings)
        self._open.move_to_end(found.provider)
        return found

    def _settle(self, place: Place, settings: ChannelSettings) -> _Open:
        """Note that a channel has other settings than before."""
        try:
            provider = self._providers.open(*place, settings)
            found = self._open.get(provider) or self._create(provider)
        except ProviderUnusableError:
            self._leave(place)
            raise
        if self._seen.get(place, (None, None, None))[2] is not found:
            self._leave(place)
            found.users.add(place)
        self._seen[place] = (settings.provider, settings.options, found)
        return found

    def _create(self, provider: ReadProvider) -> _Open:
        try:
            sender = provider.create_sender()
        except ProviderSettingsError:
            raise ProviderUnusableError(UNUSABLE) from None
        created = self._open[provider] = _Open(provider, Outlet(sender))
        return created

    def _leave(self, place: Place) -> None:
        """Forget what a channel's settings were; a sender that was of nobody else is not needed any more."""
        _, _, left = self._seen.pop(place, (None, None, None))
        if left is not None:
            left.users.discard(place)
            if not left.users:
                self._retire(left)

    def _tidy(self, given_back: _Open) -> None:
        if given_back.is_retired and not given_back.borrowers:
            self._close(given_back)
        idle = [one for one in self._open.values() if not one.borrowers] if len(self._open) > self._max_open else []
        for one in idle[: len(self._open) - self._max_open]:
            self._retire(one)

    def _retire(self, one: _Open) -> None:
        del self._open[one.provider]
        for place in one.users:
            self._seen.pop(place, None)
        one.is_retired = True
        if not one.borrowers:
            self._close(one)

    def _close(self, one: _Open) -> None:
        task = asyncio.get_running_loop().create_task(_close(one.outlet.sender), name="close sender")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(sender: Sender) -> None:
    try:
        await sender.close()
    except Exception:
        log.exception("Failed to close a sender", provider=sender.name)
