"""Notices: messages that follow a customer's answer, queued with it and sent once, as messages of invitations are.

Each is leased, written, noted as started in a transaction of its own, handed over, and recorded. What a process that
died had started is in doubt, and is not sent again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.channel import Price
from invite_service.domain.errors import InvitationNotFoundError
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.domain.notice import NoticeStatus, QueuedNotice
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.circuits import Shut
from invite_service.rules.notices import decide_notice_retry
from invite_service.rules.suppressions import SuppressedContacts
from invite_service.services.accounts import AccountReader
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.claim import Account, Claim
from invite_service.services.conclusions import WORKER
from invite_service.services.doubts import PROVIDER
from invite_service.services.notice_writing import NoticeWriter, Unwanted, WrittenFor
from invite_service.services.outlets import NoPlaceError, Outlets
from invite_service.services.same_key import send_surely
from invite_service.services.single_calls import PLACE_SECONDS, SingleCalls
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

log = structlog.get_logger()

BATCH_SIZE: Final = 50
"""Notices claimed at once."""

LEASE_SECONDS: Final = 120
"""How long a call may take, and longer than any does."""

AT_ONCE: Final = 4
"""Notices of a merchant that are sent at the same time."""

TURN_SECONDS: Final = 20.0
"""After which a merchant's turn begins no further call; the last may take a call's time more."""

BUSY_WAIT: Final = timedelta(seconds=5)
"""Before a notice that found no place is tried again."""

USUAL_WAIT: Final = timedelta(minutes=5)
"""Before a notice is tried again that nobody says more of."""

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


async def end_notice_doubt(stores: Stores, merchant: Merchant, notice_id: UUID, *, reason: str, now: datetime) -> None:
    """Settle a notice as sent, where it is in doubt, since its provider has it."""
    settled = await stores.notices.end_doubt(merchant.id, notice_id, reason=reason)
    if settled is not None:
        await _tell(stores, merchant.id, [settled], actor=PROVIDER, at=now)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was claimed together."""

    claim: Claim
    waiting: deque[QueuedNotice]
    """Of which no call has begun."""
    refused: set[Channel] = field(default_factory=set)
    """Channels that were paused since the claim, which does not know it."""


class NoticeService:
    """Sends what was queued."""

    def __init__(
        self,
        database: Database,
        *,
        outlets: Outlets,
        writer: NoticeWriter,
        accounts: AccountReader,
        calls: SingleCalls,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._outlets = outlets
        self._writer = writer
        self._accounts = accounts
        self._calls = calls
        self._clock = clock
        self._new_id = new_id
        self._turn_seconds = turn_seconds

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants who have notices to send or to settle now."""
        real_now = self._clock()
        async with self._database.autocommit() as stores:
            due = await stores.notices.find_merchants_with_due(real_now)
            expired = await stores.notices.find_merchants_with_expired(real_now)
        return sorted({*due, *expired})

    async def send_due(self, merchant_id: MerchantId) -> int:
        """Settle what dead processes left, send the merchant's due notices, and tell how many left.

        Some are sent at once. What no call has begun for after `TURN_SECONDS` is left to the next turn.
        """
        await self._settle_expired(merchant_id)
        loop, sent = asyncio.get_running_loop(), 0
        until = loop.time() + self._turn_seconds
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
                account = await self._accounts.read(stores, merchant_id)
            claim = Claim(account, token, database=self._database, clock=self._clock, new_id=self._new_id)
            batch = _Batch(claim, deque(claimed))
            async with asyncio.TaskGroup() as group:
                turns = [
                    group.create_task(self._send_on(batch, until=until)) for _ in range(min(AT_ONCE, len(claimed)))
                ]
            sent += sum(turn.result() for turn in turns)
            if batch.waiting:
                async with self._database.autocommit() as stores:
                    await stores.notices.give_back(merchant_id, [notice.id for notice in batch.waiting], token=token)
            if loop.time() >= until:
                return sent

    async def _send_on(self, batch: _Batch, *, until: float) -> int:
        claim, sent = batch.claim, 0
        while batch.waiting and asyncio.get_running_loop().time() < until:
            notice = batch.waiting.popleft()
            try:
                sent += await self._send(batch, notice)
            except Exception:
                # The calls beside it must not end without an answer; this one is settled when its lease expires.
                log.exception("Failed to send a notice", merchant_id=claim.merchant.id, notice_id=str(notice.id))
        return sent

    async def _settle_expired(self, merchant_id: MerchantId) -> None:
        async with self._database.transaction() as stores:
            real_now = self._clock()
            settled = await stores.notices.expire(merchant_id, real_now=real_now)
            if settled:
                merchant = await stores.merchants.get(merchant_id)
                await _tell(stores, merchant_id, settled, at=merchant.now(real_now))

    async def _send(self, batch: _Batch, notice: QueuedNotice) -> bool:
        """Send one notice; True when a provider took it."""
        claim = batch.claim
        written = await self._write(claim.account, notice)
        if isinstance(written, Unwanted):
            skipped = replace(notice, status=NoticeStatus.SKIPPED, reason=written.reason, next_attempt_at=None)
            await self._finish(claim, skipped)
            return False
        if written.own_text_fault is not None:
            log.warning(
                "Wrote a notice in the catalogue's words",
                merchant_id=claim.merchant.id,
                notice=notice.notice,
                text_version=written.own_text_version,
                fault=written.own_text_fault,
            )
        receipt = await self._hand_over(batch, notice, written)
        if isinstance(receipt, QueuedNotice):
            await self._finish(claim, receipt)
            return False
        if receipt is None:
            return False
        price = claim.account.price_of(written.channel)
        await self._finish(claim, self._conclude(notice, receipt), receipt=receipt, price=price)
        return receipt.outcome is OutcomeWord.ACCEPTED

    async def _hand_over(self, batch: _Batch, notice: QueuedNotice, message: Message) -> Receipt | QueuedNotice | None:
        """Hand a notice to its provider; else give it as it waits, or nothing where others have taken it up."""
        claim, channel = batch.claim, message.channel
        if claim.merchant.paused_at is not None or claim.account.is_paused(channel):
            return self._wait(notice, reason="paused")
        async with contextlib.AsyncExitStack() as held:
            state = claim.account.state_of(channel)
            try:
                outlet = held.enter_context(self._outlets.lend(claim.merchant, channel, state.settings))
                await held.enter_async_context(outlet.places.hold_one(claim.merchant.id, within=PLACE_SECONDS))
            except ProviderUnusableError as error:
                return self._wait(notice, reason=error.reason)
            except NoPlaceError:
                return self._wait(notice, reason="busy", wait=BUSY_WAIT)
            if channel in batch.refused:
                return self._wait(notice, reason="paused")
            admission = await self._calls.admit(claim, outlet, channel)
            if isinstance(admission, Shut):
                return self._wait(notice, reason=admission.reason, wait=admission.until - self._clock())
            if not await self._start(claim, notice, message, provider=outlet.sender.name):
                await admission.give_back()
                return None
            receipt = await send_surely(outlet.sender, message)
            await admission.note(receipt)
            if receipt.outcome is OutcomeWord.MISCONFIGURED:
                batch.refused.add(channel)
                await claim.pause_channel(channel, reason=receipt.reason)
        return receipt

    async def _start(self, claim: Claim, notice: QueuedNotice, message: Message, *, provider: str) -> bool:
        """Note that a call begins; False where the lease is not ours any more."""
        async with self._database.autocommit() as stores:
            real_now = self._clock()
            return await stores.notices.start(
                claim.merchant.id,
                notice.id,
                token=claim.token,
                real_now=real_now,
                until=real_now + timedelta(seconds=LEASE_SECONDS),
                provider=provider,
                content_hash=message.content_hash(),
            )

    async def _write(self, account: Account, notice: QueuedNotice) -> Message | Unwanted:
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
                return self._wait(notice, reason=receipt.reason, wait=receipt.retry_after or USUAL_WAIT)
            case OutcomeWord.MISCONFIGURED:
                return self._wait(notice, reason=receipt.reason)
            case OutcomeWord.NOT_SENT:
                return decide_notice_retry(notice, reason=receipt.reason, now=self._clock())

    def _wait(self, notice: QueuedNotice, *, reason: str, wait: timedelta = USUAL_WAIT) -> QueuedNotice:
        """Try again later, counting no try."""
        at = self._clock() + wait
        return replace(notice, status=NoticeStatus.WAITING, reason=reason, next_attempt_at=at)

    async def _finish(
        self, claim: Claim, notice: QueuedNotice, *, receipt: Receipt | None = None, price: Price | None = None
    ) -> None:
        merchant = claim.merchant
        async with self._database.transaction() as stores:
            real_now = self._clock()
            is_ours = await stores.notices.finish(
                merchant.id, notice, token=claim.token, real_now=real_now, receipt=receipt, price=price
            )
            if is_ours:
                await _tell(stores, merchant.id, [notice], at=merchant.now(real_now))


async def _is_suppressed(stores: Stores, merchant_id: MerchantId, invitation: Invitation) -> bool:
    contacts = [invitation.contact]
    of_contact = await stores.suppressions.list_suppressions(merchant_id, contacts)
    covering = await stores.suppressions.list_covering(merchant_id, contacts)
    return SuppressedContacts([*of_contact, *covering]).closes_address(invitation.contact)


async def _tell(
    stores: Stores, merchant_id: MerchantId, notices: Iterable[QueuedNotice], *, at: datetime, actor: str = WORKER
) -> None:
    """Write into the timeline what became of those that have ended; of those that wait again it says nothing."""
    entries = [
        TimelineEntry(
            at=at,
            actor=actor,
            event=_EVENTS[notice.status],
            invitation_id=notice.invitation_id,
            reason=notice.reason,
            data={"notice": notice.notice.value, "rating_id": str(notice.rating_id)},
        )
        for notice in notices
        if notice.status in _EVENTS
    ]
    await stores.timeline.add(merchant_id, entries)
