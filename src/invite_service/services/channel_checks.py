"""Trying the settings of channels without sending anything, one merchant's or everybody's."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from invite_service.bell import Bell
from invite_service.domain.channel import UNSET_CHANNEL, ChannelCheck, ChannelSettings, ChannelState
from invite_service.domain.errors import ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.providers.base import Sender
from invite_service.services.channel_providers import (
    NO_PROVIDER,
    UNUSABLE,
    ProviderUnusableError,
    StoredProviders,
)
from invite_service.services.channels import resume
from invite_service.storage.database import Database

log = structlog.get_logger()

CHECK_SECONDS: Final = 15.0
"""How long a provider may take to say whether its settings work."""

AT_ONCE: Final = 8
"""Checks that run at the same time when everybody's settings are tried."""

PAGE: Final = 200
"""Merchants read at once."""

TIMED_OUT: Final = "check_timed_out"
RAISED: Final = "sender_raised"
"""A fault of ours: a sender answers, whatever the provider does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProvider:
    """What one check said; without a merchant it is about the installation's own provider."""

    merchant_id: MerchantId | None
    channel: Channel
    provider: str | None
    """None where there is none to try."""
    outcome: OutcomeWord
    reason: str
    seconds: float

    @property
    def works(self) -> bool:
        """Whether messages would be taken."""
        return self.outcome is OutcomeWord.ACCEPTED


@dataclass(frozen=True, slots=True)
class _Word:
    provider: str | None
    outcome: OutcomeWord
    reason: str


class ChannelCheckService:
    """Tries settings, remembers what was said, and opens a channel whose settings turn out to work."""

    def __init__(
        self,
        database: Database,
        *,
        providers: StoredProviders,
        defaults: Mapping[Channel, Sender],
        mailbox: Sender,
        bell: Bell,
        clock: Callable[[], datetime],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """Make a service; `defaults` are the installation's own senders, `clock` tells real time."""
        self._database = database
        self._providers = providers
        self._defaults = defaults
        self._mailbox = mailbox
        self._bell = bell
        self._clock = clock
        self._check_seconds = check_seconds

    async def check(self, merchant: Merchant, channel: Channel, *, actor: str) -> ChannelState:
        """Try the settings of a channel, the installation's where the merchant has none, and give it as it is then.

        A success opens a paused channel (RULES.md section 7). What was said is kept unless the settings were changed
        meanwhile.
        """
        async with self._database.autocommit() as stores:
            state = (await stores.channels.read(merchant.id)).get(channel, UNSET_CHANNEL)
        word = await self._try(merchant, channel, state.settings)
        return await self._keep(merchant, channel, state.settings, word, actor=actor)

    async def check_all(self, *, merchant: Merchant | None, actor: str) -> AsyncIterator[CheckedProvider]:
        """Try the installation's providers and every merchant's own, and tell of each when it is done.

        Of one merchant, those that its messages leave through.
        """
        waiting: set[asyncio.Task[CheckedProvider]] = set()
        try:
            async with aclosing(self._list(merchant)) as listed:
                async for one, channel in listed:
                    waiting.add(asyncio.create_task(self._check_one(one, channel, actor=actor)))
                    if len(waiting) >= AT_ONCE:
                        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                        for task in done:
                            yield task.result()
            for ended in asyncio.as_completed(waiting):
                yield await ended
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _list(self, merchant: Merchant | None) -> AsyncGenerator[tuple[Merchant | None, Channel]]:
        if merchant is not None:
            async with self._database.autocommit() as stores:
                states = await stores.channels.read(merchant.id)
            for channel in Channel:
                has_own = states.get(channel, UNSET_CHANNEL).settings.provider is not None
                if has_own or merchant.sandbox or channel in self._defaults:
                    yield merchant, channel
            return
        for channel in self._defaults:
            yield None, channel
        after = ""
        while True:
            async with self._database.autocommit() as stores:
                ids = await stores.channels.list_merchants_with_providers(after=after, limit=PAGE)
            for merchant_id in ids:
                async with self._database.autocommit() as stores:
                    found = await stores.merchants.get(merchant_id)
                    states = await stores.channels.read(merchant_id)
                for channel, state in sorted(states.items()):
                    if state.settings.provider is not None:
                        yield found, channel
            if len(ids) < PAGE:
                return
            after = ids[-1]

    async def _check_one(self, merchant: Merchant | None, channel: Channel, *, actor: str) -> CheckedProvider:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        if merchant is None:
            word = await self._ask(self._defaults[channel])
        else:
            async with self._database.autocommit() as stores:
                settings = (await stores.channels.read(merchant.id)).get(channel, UNSET_CHANNEL).settings
            word = await self._try(merchant, channel, settings)
        seconds = loop.time() - began_at
        if merchant is not None:
            await self._keep(merchant, channel, settings, word, actor=actor)
        return CheckedProvider(
            merchant_id=merchant.id if merchant is not None else None,
            channel=channel,
            provider=word.provider,
            outcome=word.outcome,
            reason=word.reason,
            seconds=seconds,
        )

    async def _try(self, merchant: Merchant, channel: Channel, settings: ChannelSettings) -> _Word:
        if settings.provider is None:
            default = self._mailbox if merchant.sandbox else self._defaults.get(channel)
            if default is None:
                return _Word(None, OutcomeWord.MISCONFIGURED, NO_PROVIDER)
            return await self._ask(default)
        try:
            sender = self._providers.open(merchant.id, channel, settings).create_sender()
        except ProviderUnusableError as error:
            return _Word(settings.provider, OutcomeWord.MISCONFIGURED, error.reason)
        except ProviderSettingsError:
            return _Word(settings.provider, OutcomeWord.MISCONFIGURED, UNUSABLE)
        try:
            return await self._ask(sender)
        finally:
            await sender.close()

    async def _ask(self, sender: Sender) -> _Word:
        try:
            async with asyncio.timeout(self._check_seconds):
                receipt = await sender.check()
        except TimeoutError:
            return _Word(sender.name, OutcomeWord.UNKNOWN, TIMED_OUT)
        except Exception:
            log.exception("A sender raised", provider=sender.name)
            return _Word(sender.name, OutcomeWord.UNKNOWN, RAISED)
        return _Word(sender.name, receipt.outcome, receipt.reason)

    async def _keep(
        self, merchant: Merchant, channel: Channel, settings: ChannelSettings, word: _Word, *, actor: str
    ) -> ChannelState:
        now = self._clock()
        entry = TimelineEntry(
            at=merchant.now(now),
            actor=actor,
            event=TimelineEvent.CHANNEL_CHECKED,
            reason=word.reason,
            data={
                "channel": channel.value,
                "version": settings.version,
                "provider": word.provider,
                "outcome": word.outcome.value,
            },
        )
        is_resumed = False
        async with self._database.transaction() as stores:
            check = ChannelCheck(now, word.outcome, word.reason)
            if await stores.channels.save_check(merchant.id, channel, check, version=settings.version):
                await stores.timeline.add(merchant.id, [entry])
                if word.outcome is OutcomeWord.ACCEPTED:
                    is_resumed = await resume(stores, merchant, channel, actor=actor, real_now=now, reason=word.reason)
            state = (await stores.channels.read(merchant.id)).get(channel, UNSET_CHANNEL)
        if is_resumed:
            self._bell.ring(merchant.id)
        log.info(
            "Checked a channel", merchant_id=merchant.id, channel=channel, outcome=word.outcome, reason=word.reason
        )
        return state
