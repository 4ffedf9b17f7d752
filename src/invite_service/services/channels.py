"""The channels of a merchant: its own provider, sender and price, and opening one that sending had to pause."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from invite_service.bell import Bell
from invite_service.domain.channel import (
    UNSET_CHANNEL,
    ChannelSettings,
    ChannelState,
    Price,
    SealedOptions,
)
from invite_service.domain.errors import Fault, PreconditionFailedError, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.channel_providers import StoredProviders
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

LOOK_UP_SECONDS: Final = 3.0
"""How long saving waits for a server's name to be looked up; who answers later is looked at when it is connected to."""

FAULTY_SETTINGS: Final = "The settings of the channel have faults."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSettings:
    """What a merchant wants for a channel; without a provider its messages leave through the installation's."""

    provider: str | None = None
    options: Mapping[str, str] | None = field(default=None, repr=False)
    """None keeps those that are stored for the same provider."""
    from_address: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    sms_price: Price | None = None
    records_engagement: bool = False
    max_per_second: float | None = None
    max_per_hour: int | None = None


class ChannelService:
    """Shows, replaces and opens channels."""

    def __init__(
        self, database: Database, *, providers: StoredProviders, bell: Bell, clock: Callable[[], datetime]
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._providers = providers
        self._bell = bell
        self._clock = clock

    async def get(self, merchant: Merchant, channel: Channel) -> ChannelState:
        """Get a channel as it is; version 0 where nothing was ever set."""
        async with self._database.autocommit() as stores:
            return await _read(stores, merchant, channel)

    def find_faults(self, channel: Channel, new: NewSettings) -> list[Fault]:
        """Name what can be told of new settings without a look at those that are stored."""
        faults = []
        if new.provider is None and new.options is not None:
            faults.append(
                Fault("/credentials", "provider_missing", "Credentials are those of a provider; name it as well.")
            )
        if new.provider is not None and channel is Channel.EMAIL and new.from_address is None:
            faults.append(Fault("/from", "missing", "An e-mail provider of one's own needs an address to send from."))
        if new.provider is not None:
            try:
                self._providers.read(new.provider, new.options or {}, channel=channel)
            except ProviderSettingsError as error:
                found = _under_credentials(error)
                # Options that are left out may be stored.
                faults += [fault for fault in found if new.options is not None or fault.pointer == "/provider"]
        return faults

    async def replace(
        self, merchant: Merchant, channel: Channel, new: NewSettings, *, replacing: int | None, actor: str
    ) -> ChannelState:
        """Replace the settings; `replacing` is the version that the caller has seen, None to replace any.

        A pause stays until the new settings are checked with success, or the channel is resumed by hand.

        Raises:
            ProviderSettingsError: there are faults; all of them are named, none of their values.
            PreconditionFailedError: somebody else replaced them meanwhile.
        """
        faults = self.find_faults(channel, new)
        if faults:
            raise ProviderSettingsError(FAULTY_SETTINGS, faults=faults)
        before = (await self.get(merchant, channel)).settings
        _require_version(before, replacing)
        now = self._clock()
        options, updated_at = await self._options(merchant, channel, new, before=before, now=now)
        after = ChannelSettings(
            version=before.version + 1,
            provider=new.provider,
            options=options,
            options_updated_at=updated_at,
            from_address=new.from_address,
            from_name=new.from_name,
            reply_to=new.reply_to,
            sms_price=new.sms_price,
            records_engagement=new.records_engagement,
            max_per_second=new.max_per_second,
            max_per_hour=new.max_per_hour,
            updated_at=now,
        )
        return await self._save(merchant, channel, after, before=before, actor=actor)

    async def reset(self, merchant: Merchant, channel: Channel, *, replacing: int | None, actor: str) -> ChannelState:
        """Take the settings away, credentials included; messages leave through the installation's provider again.

        Raises PreconditionFailedError when somebody else replaced them meanwhile.
        """
        state = await self.get(merchant, channel)
        before = state.settings
        _require_version(before, replacing)
        after = ChannelSettings(version=before.version + 1, updated_at=self._clock())
        if replace(before, version=after.version, updated_at=after.updated_at) == after:
            return state
        return await self._save(merchant, channel, after, before=before, actor=actor)

    async def resume(self, merchant: Merchant, channel: Channel, *, actor: str) -> bool:
        """Open a paused channel by hand; False when it was open.

        What waited for it is due at once; may_send says whether its window is open or its deadline has passed.
        """
        async with self._database.transaction() as stores:
            is_resumed = await resume(stores, merchant, channel, actor=actor, real_now=self._clock())
        if is_resumed:
            self._bell.ring(merchant.id)
        return is_resumed

    async def _options(
        self, merchant: Merchant, channel: Channel, new: NewSettings, *, before: ChannelSettings, now: datetime
    ) -> tuple[SealedOptions | None, datetime | None]:
        """Seal the new options, or keep those that are there, and tell since when they are set."""
        if new.provider is None:
            return None, None
        if new.options is None and new.provider == before.provider:
            return before.options, before.options_updated_at
        options = new.options or {}
        try:
            provider = self._providers.read(new.provider, options, channel=channel)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    await provider.check_reach()
        except ProviderSettingsError as error:
            raise ProviderSettingsError(FAULTY_SETTINGS, faults=_under_credentials(error)) from None
        return self._providers.seal(merchant.id, channel, new.provider, options), now

    async def _save(
        self, merchant: Merchant, channel: Channel, after: ChannelSettings, *, before: ChannelSettings, actor: str
    ) -> ChannelState:
        assert after.updated_at is not None
        entry = TimelineEntry(
            at=merchant.now(after.updated_at),
            actor=actor,
            event=_event(after),
            data={
                "channel": channel.value,
                "version": after.version,
                "provider": after.provider,
                "changed": _changed(before, after),
            },
        )
        async with self._database.transaction() as stores:
            if not await stores.channels.save(merchant.id, channel, after, replacing=before.version):
                raise _changed_meanwhile()
            await stores.timeline.add(merchant.id, [entry])
            return await _read(stores, merchant, channel)


async def resume(
    stores: Stores, merchant: Merchant, channel: Channel, *, actor: str, real_now: datetime, reason: str | None = None
) -> bool:
    """Open a channel that is paused, or whose circuit is open, within a transaction; False when it was open.

    Whoever commits it rings the bell.
    """
    now = merchant.now(real_now)
    entries = []
    closed = await stores.circuits.discard(merchant.id, channel)
    if closed is not None:
        data = {"channel": channel.value, "provider": closed}
        entries.append(TimelineEntry(at=now, actor=actor, event=TimelineEvent.CIRCUIT_CLOSED, data=data))
    if await stores.sending.resume_channel(merchant.id, channel):
        data = {"channel": channel.value}
        resumed = TimelineEvent.CHANNEL_RESUMED
        entries.append(TimelineEntry(at=now, actor=actor, event=resumed, reason=reason, data=data))
    if not entries:
        return False
    await stores.sending.hasten(merchant.id, channel, now=now)
    await stores.timeline.add(merchant.id, entries)
    return True


async def _read(stores: Stores, merchant: Merchant, channel: Channel) -> ChannelState:
    return (await stores.channels.read(merchant.id)).get(channel, UNSET_CHANNEL)


def _require_version(current: ChannelSettings, replacing: int | None) -> None:
    if replacing is not None and replacing != current.version:
        raise _changed_meanwhile()


def _changed_meanwhile() -> PreconditionFailedError:
    return PreconditionFailedError("The channel was changed meanwhile; read it again.")


def _event(after: ChannelSettings) -> TimelineEvent:
    unset = ChannelSettings(version=after.version, updated_at=after.updated_at)
    return TimelineEvent.CHANNEL_RESET if after == unset else TimelineEvent.CHANNEL_CHANGED


def _changed(before: ChannelSettings, after: ChannelSettings) -> list[str]:
    """Name the fields on the wire that were changed, by their names alone."""
    changes = {
        "provider": before.provider != after.provider,
        "credentials": before.options != after.options,
        "from": (before.from_address, before.from_name) != (after.from_address, after.from_name),
        "reply_to": before.reply_to != after.reply_to,
        "price": before.sms_price != after.sms_price,
        "record_opens": before.records_engagement != after.records_engagement,
        "max_per_second": before.max_per_second != after.max_per_second,
        "max_per_hour": before.max_per_hour != after.max_per_hour,
    }
    return [name for name, is_changed in changes.items() if is_changed]


def _under_credentials(error: ProviderSettingsError) -> list[Fault]:
    """Point at credentials, as the options are called on the wire."""
    return [
        replace(fault, pointer=fault.pointer.replace("/options", "/credentials", 1))
        if fault.pointer.startswith("/options")
        else fault
        for fault in error.faults
    ]
