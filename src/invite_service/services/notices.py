"""Notices: messages that follow a customer's answer, queued with it and sent once, as messages of invitations are.

Each is leased, written, noted as started in a transaction of its own, handed over, and recorded. What a process that
died had started is in doubt, and is not sent again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.channel import Price
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.domain.notice import NewNotice, NoticeStatus, QueuedNotice
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.rules.circuits import Shut
from invite_service.rules.notices import decide_notice_retry
from invite_service.services.accounts import AccountReader
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.claim import Account, Claim, Observer
from invite_service.services.notice_ends import ENDS, ended, record_end, tell
from invite_service.services.notice_writing import NoticeWriter, Unwanted
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

LONGEST_SHUT: Final = timedelta(seconds=30)
"""How long a channel is left alone, at most, through which nothing may leave for longer: a limit can be raised
meanwhile, a circuit closed by hand, and a pause ended."""

USUAL_WAIT: Final = timedelta(minutes=5)
"""Before a notice is tried again that nobody says more of."""


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
        NewNotice(
            id=notice_id,
            notice=notice,
            invitation_id=rating.invitation_id,
            rating_id=rating.id,
            created_at=merchant.now(real_now),
            next_attempt_at=real_now,
        ),
    )


@dataclass(slots=True)
class _Batch:
    """What was claimed together, of one channel."""

    claim: Claim
    channel: Channel
    waiting: deque[QueuedNotice]
    """Of which no call has begun."""
    shut_until: datetime | None = None
    """Until when no call may be made, as is known by now; nothing further is tried."""

    def put_back(self, notice: QueuedNotice, *, until: datetime) -> None:
        """Let a notice, and all that are left, stay as they were claimed."""
        self.shut_until = until
        self.waiting.append(notice)


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
        observe: Observer,
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
        self._observe = observe
        self._turn_seconds = turn_seconds
        self._shut: dict[tuple[MerchantId, Channel], datetime] = {}

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants who have notices to send or to settle now."""
        real_now = self._clock()
        self._shut = {place: until for place, until in self._shut.items() if until > real_now}
        async with self._database.autocommit() as stores:
            due = await stores.notices.find_merchants_with_expired(real_now)
            for channel in Channel:
                shut = [merchant_id for merchant_id, shut_channel in self._shut if shut_channel is channel]
                due += await stores.notices.find_merchants_with_due(channel, real_now=real_now, except_for=shut)
        return sorted(set(due))

    async def send_due(self, merchant_id: MerchantId) -> int:
        """Settle what dead processes left, send the merchant's due notices, and tell how many left.

        The channels have their turns side by side, and some notices of each are sent at once. What no call has begun
        for after `TURN_SECONDS`, or when nothing may leave any more, stays due for a later turn.
        """
        await self._settle_expired(merchant_id)
        until, real_now = asyncio.get_running_loop().time() + self._turn_seconds, self._clock()
        async with asyncio.TaskGroup() as group:
            turns = [
                group.create_task(self._send_by(channel, merchant_id, until=until))
                for channel in Channel
                if self._shut.get((merchant_id, channel), real_now) <= real_now
            ]
        return sum(turn.result() for turn in turns)

    async def _send_by(self, channel: Channel, merchant_id: MerchantId, *, until: float) -> int:
        """Send what is due by a channel; its first notices tell whether more than these may leave."""
        loop, sent, limit = asyncio.get_running_loop(), 0, AT_ONCE
        while True:
            batch = await self._claim(channel, merchant_id, limit=limit)
            if batch is None:
                return sent
            async with asyncio.TaskGroup() as group:
                turns = [
                    group.create_task(self._send_on(batch, until=until))
                    for _ in range(min(AT_ONCE, len(batch.waiting)))
                ]
            sent += sum(turn.result() for turn in turns)
            if batch.waiting:
                async with self._database.autocommit() as stores:
                    left = [notice.id for notice in batch.waiting]
                    await stores.notices.give_back(merchant_id, left, token=batch.claim.token)
            if batch.shut_until is not None:
                self._shut[merchant_id, channel] = min(batch.shut_until, self._clock() + LONGEST_SHUT)
                return sent
            if loop.time() >= until:
                return sent
            limit = BATCH_SIZE

    async def _claim(self, channel: Channel, merchant_id: MerchantId, *, limit: int) -> _Batch | None:
        token = self._new_id()
        async with self._database.transaction() as stores:
            real_now = self._clock()
            claimed = await stores.notices.claim_due(
                merchant_id,
                channel,
                real_now=real_now,
                limit=limit,
                token=token,
                until=real_now + timedelta(seconds=LEASE_SECONDS),
            )
            if not claimed:
                return None
            account = await self._accounts.read(stores, merchant_id)
        claim = Claim(account, token, database=self._database, clock=self._clock, new_id=self._new_id)
        is_paused = account.merchant.paused_at is not None or account.is_paused(channel)
        return _Batch(claim, channel, deque(claimed), shut_until=real_now + LONGEST_SHUT if is_paused else None)

    async def _send_on(self, batch: _Batch, *, until: float) -> int:
        claim, sent = batch.claim, 0
        while batch.waiting and batch.shut_until is None and asyncio.get_running_loop().time() < until:
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
                await tell(stores, merchant_id, settled, at=merchant.now(real_now))

    async def _send(self, batch: _Batch, notice: QueuedNotice) -> bool:
        """Send one notice; True when a provider took it."""
        claim = batch.claim
        written = await self._write(claim.account, notice)
        if isinstance(written, Unwanted):
            await self._finish(claim, ended(notice, NoticeStatus.SKIPPED, reason=written.reason))
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
        return receipt is not None and receipt.outcome is OutcomeWord.ACCEPTED

    async def _hand_over(self, batch: _Batch, notice: QueuedNotice, message: Message) -> Receipt | QueuedNotice | None:
        """Hand a notice to its provider, and record the answer before another call may begin in its place.

        Else give it as it waits, or nothing where it stays as it was claimed.
        """
        claim, channel = batch.claim, batch.channel
        async with contextlib.AsyncExitStack() as held:
            state = claim.account.state_of(channel)
            try:
                outlet = held.enter_context(self._outlets.lend(claim.merchant, channel, state.settings))
                await held.enter_async_context(outlet.places.hold_one(claim.merchant.id, within=PLACE_SECONDS))
            except ProviderUnusableError as error:
                return self._wait(notice, reason=error.reason)
            except NoPlaceError:
                return self._wait(notice, reason="busy", wait=BUSY_WAIT)
            if batch.shut_until is not None:
                batch.put_back(notice, until=batch.shut_until)
                return None
            admission = await self._calls.admit(claim, outlet, channel)
            if isinstance(admission, Shut):
                batch.put_back(notice, until=admission.until)
                return None
            if not await self._start(claim, notice, message, provider=outlet.sender.name):
                await admission.give_back()
                return None
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            receipt = await send_surely(outlet.sender, message)
            self._observe(receipt, channel, seconds=loop.time() - began_at)
            if receipt.outcome is OutcomeWord.MISCONFIGURED:
                batch.shut_until = self._clock() + LONGEST_SHUT
            price = claim.account.price_of(channel)
            await self._finish(claim, self._conclude(notice, receipt), receipt=receipt, price=price)
            await admission.note(receipt)
            if receipt.outcome is OutcomeWord.MISCONFIGURED:
                await claim.pause_channel(channel, reason=receipt.reason)
            if receipt.suppress_address and notice.notice is not Notice.SUPPORT_ALERT:
                await claim.suppress(message.to_address, channel, at=claim.merchant.now(self._clock()))
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
                message=message,
            )

    async def _write(self, account: Account, notice: QueuedNotice) -> Message | Unwanted:
        real_now = self._clock()
        async with self._database.autocommit() as stores:
            draft = await self._writer.draft(stores, account, notice, real_now=real_now)
        return draft if isinstance(draft, Unwanted) else draft(real_now)

    def _conclude(self, notice: QueuedNotice, receipt: Receipt) -> QueuedNotice:
        """Say what a provider's answer makes of a notice."""
        if receipt.outcome in ENDS:
            return ended(notice, ENDS[receipt.outcome], reason=receipt.reason)
        match receipt.outcome:
            case OutcomeWord.NOT_SENT:
                return decide_notice_retry(notice, reason=receipt.reason, now=self._clock())
            case OutcomeWord.RATE_LIMITED:
                return self._wait(notice, reason=receipt.reason, wait=receipt.retry_after or USUAL_WAIT)
            case _:
                return self._wait(notice, reason=receipt.reason)

    def _wait(self, notice: QueuedNotice, *, reason: str, wait: timedelta = USUAL_WAIT) -> QueuedNotice:
        """Try again later, counting no try."""
        at = self._clock() + wait
        return replace(notice, status=NoticeStatus.WAITING, reason=reason, next_attempt_at=at)

    async def _finish(
        self, claim: Claim, notice: QueuedNotice, *, receipt: Receipt | None = None, price: Price | None = None
    ) -> None:
        async with self._database.transaction() as stores:
            await record_end(
                stores,
                claim.merchant,
                notice,
                token=claim.token,
                real_now=self._clock(),
                receipt=receipt,
                price=price,
            )
