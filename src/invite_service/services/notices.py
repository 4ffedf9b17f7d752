"""Notices: messages that follow a customer's answer, queued with it and sent once, as messages of invitations are.

Each is leased, written, noted as started in a transaction of its own, handed over, and recorded. What a process that
died had started is in doubt, and is not sent again.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.branding import Branding
from invite_service.domain.channel import UNSET_CHANNEL, ChannelState, Price, signed_by
from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import InvitationNotFoundError
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.domain.notice import NoticeStatus, QueuedNotice
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rules.notices import decide_notice_retry
from invite_service.rules.suppressions import SuppressedContacts
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.notice_writing import NoticeWriter, Unwanted, WrittenFor
from invite_service.services.outlets import Outlet, Outlets
from invite_service.services.same_key import send_surely
from invite_service.services.text_versions import TextVersions
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

log = structlog.get_logger()

BATCH_SIZE: Final = 50
"""Notices claimed at once."""

LEASE_SECONDS: Final = 120
"""How long a call may take, and longer than any does."""

WORKER: Final = "worker"

_EVENTS: Final[Mapping[NoticeStatus, TimelineEvent]] = {
    NoticeStatus.SENT: TimelineEvent.NOTICE_SENT,
    NoticeStatus.SKIPPED: TimelineEvent.NOTICE_SKIPPED,
    NoticeStatus.FAILED: TimelineEvent.NOTICE_FAILED,
    NoticeStatus.IN_DOUBT: TimelineEvent.NOTICE_IN_DOUBT,
}
"""What the timeline says of a notice that has ended."""


async def queue_notice(
    stores: Stores,
    merchant: Merchant,
    notice: Notice,
    rating: Rating,
    *,
    notice_id: UUID,
    real_now: datetime,
) -> bool:
    """Queue a notice in the transaction of what it follows; False for an invitation's second voucher."""
    return await stores.notices.add(
        merchant.id,
        QueuedNotice(
            id=notice_id,
            notice=notice,
            invitation_id=rating.invitation_id,
            rating_id=rating.id,
            created_at=merchant.now(real_now),
            next_attempt_at=real_now,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Account:
    """What a merchant's notices leave by."""

    merchant: Merchant
    branding: Branding
    own_texts: OwnTexts
    channels: Mapping[Channel, ChannelState]

    def state_of(self, channel: Channel) -> ChannelState:
        return self.channels.get(channel, UNSET_CHANNEL)

    @property
    def is_paused(self) -> bool:
        return self.merchant.paused_at is not None


class NoticeService:
    """Sends what was queued."""

    def __init__(
        self,
        database: Database,
        *,
        outlets: Outlets,
        writer: NoticeWriter,
        texts: TextVersions,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._outlets = outlets
        self._writer = writer
        self._texts = texts
        self._clock = clock
        self._new_id = new_id

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants who have notices to send or to settle now."""
        real_now = self._clock()
        async with self._database.autocommit() as stores:
            due = await stores.notices.find_merchants_with_due(real_now)
            expired = await stores.notices.find_merchants_with_expired(real_now)
        return sorted({*due, *expired})

    async def send_due(self, merchant_id: MerchantId) -> int:
        """Settle what dead processes left, send the merchant's due notices, and tell how many left."""
        await self._settle_expired(merchant_id)
        sent = 0
        while True:
            token = self._new_id()
            async with self._database.transaction() as stores:
                real_now = self._clock()
                claimed = await stores.notices.claim_due(
                    merchant_id,
                    real_now=real_now,
                    limit=BATCH_SIZE,
                    token=token,
                    until=real_now + timedelta(seconds=LEASE_SECONDS),
                )
                if not claimed:
                    return sent
                account = await self._read_account(stores, merchant_id)
            for notice in claimed:
                sent += await self._send(account, notice, token=token)

    async def _settle_expired(self, merchant_id: MerchantId) -> None:
        async with self._database.transaction() as stores:
            real_now = self._clock()
            settled = await stores.notices.expire(merchant_id, real_now=real_now)
            if settled:
                merchant = await stores.merchants.get(merchant_id)
                entries = [_entry(merchant, notice, at=merchant.now(real_now)) for notice in settled]
                await stores.timeline.add(merchant_id, [entry for entry in entries if entry is not None])

    async def _send(self, account: _Account, notice: QueuedNotice, *, token: UUID) -> bool:
        """Send one notice; True when a provider took it."""
        written = await self._write(account, notice)
        if isinstance(written, Unwanted):
            skipped = replace(notice, status=NoticeStatus.SKIPPED, reason=written.reason, next_attempt_at=None)
            await self._finish(account, skipped, token=token)
            return False
        if written.own_text_fault is not None:
            log.warning(
                "Wrote a notice in the catalogue's words",
                merchant_id=account.merchant.id,
                notice=notice.notice,
                text_version=written.own_text_version,
                fault=written.own_text_fault,
            )
        with contextlib.ExitStack() as borrowed:
            channel = written.channel
            state = account.state_of(channel)
            if account.is_paused or state.pause is not None:
                await self._finish(account, self._wait(notice, reason="paused"), token=token)
                return False
            try:
                outlet = borrowed.enter_context(self._outlets.lend(account.merchant, channel, state.settings))
            except ProviderUnusableError as error:
                await self._finish(account, self._wait(notice, reason=error.reason), token=token)
                return False
            async with self._database.autocommit() as stores:
                real_now = self._clock()
                if not await stores.notices.start(
                    account.merchant.id,
                    notice.id,
                    token=token,
                    real_now=real_now,
                    until=real_now + timedelta(seconds=LEASE_SECONDS),
                    provider=outlet.sender.name,
                    content_hash=written.content_hash(),
                ):
                    return False
            receipt = await _call(outlet, written)
        price = state.settings.price_of(channel)
        await self._finish(account, self._conclude(notice, receipt), token=token, receipt=receipt, price=price)
        return receipt.outcome is OutcomeWord.ACCEPTED

    async def _read_account(self, stores: Stores, merchant_id: MerchantId) -> _Account:
        channels = await stores.channels.read(merchant_id)
        look = await stores.branding.get_look(merchant_id)
        branding = signed_by(
            look.branding,
            email=channels.get(Channel.EMAIL, UNSET_CHANNEL).settings,
            sms=channels.get(Channel.SMS, UNSET_CHANNEL).settings,
        )
        own_texts = await self._texts.get(stores, merchant_id, look.texts_version)
        return _Account(await stores.merchants.get(merchant_id), branding, own_texts, channels)

    async def _write(self, account: _Account, notice: QueuedNotice) -> Message | Unwanted:
        merchant_id = account.merchant.id
        async with self._database.autocommit() as stores:
            try:
                invitation = await stores.invitations.get(merchant_id, notice.invitation_id)
            except InvitationNotFoundError:
                return Unwanted("erased")
            if invitation.status is InvitationStatus.ERASED:
                return Unwanted("erased")
            if notice.notice is not Notice.SUPPORT_ALERT and await _is_suppressed(stores, merchant_id, invitation):
                return Unwanted("suppressed")
            about = WrittenFor(
                merchant=account.merchant,
                branding=account.branding,
                own_texts=account.own_texts,
                notice=notice,
                invitation=invitation,
                real_now=self._clock(),
            )
            return await self._writer.write(stores, about)

    def _conclude(self, notice: QueuedNotice, receipt: Receipt) -> QueuedNotice:
        """Say what a provider's answer makes of a notice."""
        match receipt.outcome:
            case OutcomeWord.ACCEPTED:
                return replace(notice, status=NoticeStatus.SENT, reason=receipt.reason, next_attempt_at=None)
            case OutcomeWord.REJECTED:
                return replace(notice, status=NoticeStatus.FAILED, reason=receipt.reason, next_attempt_at=None)
            case OutcomeWord.UNKNOWN:
                return replace(notice, status=NoticeStatus.IN_DOUBT, reason=receipt.reason, next_attempt_at=None)
            case OutcomeWord.RATE_LIMITED:
                return self._wait(notice, reason=receipt.reason, wait=receipt.retry_after)
            case OutcomeWord.MISCONFIGURED | OutcomeWord.NOT_SENT:
                return decide_notice_retry(notice, reason=receipt.reason, now=self._clock())

    def _wait(self, notice: QueuedNotice, *, reason: str, wait: timedelta | None = None) -> QueuedNotice:
        """Try again later, counting no try."""
        at = self._clock() + (wait or timedelta(minutes=5))
        return replace(notice, status=NoticeStatus.WAITING, reason=reason, next_attempt_at=at)

    async def _finish(
        self,
        account: _Account,
        notice: QueuedNotice,
        *,
        token: UUID,
        receipt: Receipt | None = None,
        price: Price | None = None,
    ) -> None:
        async with self._database.transaction() as stores:
            real_now = self._clock()
            is_ours = await stores.notices.finish(
                account.merchant.id, notice, token=token, real_now=real_now, receipt=receipt, price=price
            )
            entry = _entry(account.merchant, notice, at=account.merchant.now(real_now))
            if is_ours and entry is not None:
                await stores.timeline.add(account.merchant.id, [entry])


async def _is_suppressed(stores: Stores, merchant_id: MerchantId, invitation: Invitation) -> bool:
    contacts = [invitation.contact]
    of_contact = await stores.suppressions.list_suppressions(merchant_id, contacts)
    covering = await stores.suppressions.list_covering(merchant_id, contacts)
    return SuppressedContacts([*of_contact, *covering]).closes_address(invitation.contact)


async def _call(outlet: Outlet, message: Message) -> Receipt:
    """Hand a message over; once more with the same key where the provider sends nothing twice for it."""
    with outlet.places.share(message.merchant_id) as share:
        await share.wait()
        return await send_surely(outlet.sender, message)


def _entry(merchant: Merchant, notice: QueuedNotice, *, at: datetime) -> TimelineEntry | None:
    event = _EVENTS.get(notice.status)
    if event is None:
        return None
    data: dict[str, JsonFigure] = {"notice": notice.notice.value, "rating_id": str(notice.rating_id)}
    return TimelineEntry(
        at=at, actor=WORKER, event=event, invitation_id=notice.invitation_id, reason=notice.reason, data=data
    )
