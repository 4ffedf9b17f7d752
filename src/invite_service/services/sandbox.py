"""A sandbox merchant's own time and mailbox (DESIGN.md section 8).

Its clock runs on with real time and can be moved forward. On its way it passes every due instant: what is due then is
judged and sent at its own time, second steps that this plans included, and a rating whose hold ends is published.
Workers may be sending the same meanwhile, so what is reported is read from the timeline: everything that happened since
the call began, by whoever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from invite_service.domain.errors import (
    ClockMoveUnfinishedError,
    Fault,
    InvalidInputError,
    NotASandboxError,
)
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.services.approvals import ApprovalService
from invite_service.services.claim import WholeTurn
from invite_service.services.leases import LeaseService
from invite_service.services.notices import NoticeService
from invite_service.services.paging import Page, PageRequest, page_of
from invite_service.services.send_report import SendReport
from invite_service.services.sending import SendingService
from invite_service.storage.database import Database
from invite_service.storage.mailbox import KeptMessage

MAX_ROUNDS: Final = 5_000
"""Batches of one call. A message on hold comes up once on each day of the way."""

CLOCK_LEASE_SECONDS: Final = 60
"""How long a call that died keeps others from moving the clock."""

CLOCK_WAIT_SECONDS: Final = 30.0
"""How long a call waits for another that is moving the same clock."""

LOOK_AGAIN_SECONDS: Final = 0.03
"""Between two looks at what others are doing; all rounds together outlast a dead worker's lease."""

END_OF_TIME: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""No clock is moved past it: orders may tell of no later instants, and the calendar itself ends before long."""

SPAN: Final = timedelta(hours=12)
"""What lies closer together than this is sent in one batch, each message at its own time. A second message follows
the first on a later day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReport:
    """Where the clock stands, and what happened to messages since the call began."""

    now: datetime
    report: SendReport


class SandboxService:
    """Moves a sandbox merchant's clock and shows its mailbox.

    Every call raises NotASandboxError for a real merchant, and ClockMoveUnfinishedError when it could not finish: what
    was sent stands, the clock stays where it came to, and the same call again goes on from there.
    """

    def __init__(
        self,
        database: Database,
        *,
        sending: SendingService,
        approvals: ApprovalService,
        notices: NoticeService,
        leases: LeaseService,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        max_rounds: int = MAX_ROUNDS,
    ) -> None:
        self._database = database
        self._sending = sending
        self._approvals = approvals
        self._notices = notices
        self._leases = leases
        self._clock = clock
        self._new_id = new_id
        self._max_rounds = max_rounds

    async def now(self, merchant_id: MerchantId) -> datetime:
        """Tell the merchant's time."""
        return (await self._sandbox(merchant_id)).now(self._clock())

    async def advance(self, merchant_id: MerchantId, by: timedelta) -> ClockReport:
        """Move the clock forward by a duration; InvalidInputError for a negative one."""
        return await self._move(merchant_id, lambda now: now + by, pointer="/advance")

    async def move_to(self, merchant_id: MerchantId, to: datetime) -> ClockReport:
        """Move the clock forward to an instant; InvalidInputError for one that has passed."""
        return await self._move(merchant_id, lambda _: to, pointer="/to")

    async def move_to_next_due(self, merchant_id: MerchantId) -> ClockReport:
        """Move the clock to when the next message is due, and send it; where none is, only what is due now is sent."""
        await self._sandbox(merchant_id)
        floor = self._new_id()
        async with self._hold_clock(merchant_id) as merchant:
            now = merchant.now(self._clock())
            due_at = await self._find_next_due(merchant_id)
            to = max(now, due_at) if due_at is not None else now
            await self._pass_due_instants(merchant, to=to)
            await self._set_clock(merchant, to)
        return await self._report(merchant_id, floor)

    async def send_due(self, merchant_id: MerchantId) -> ClockReport:
        """Send everything that is due now, and return when it is done, by us or by a worker."""
        merchant = await self._sandbox(merchant_id)
        floor = self._new_id()
        await self._pass_due_instants(merchant, to=merchant.now(self._clock()), moves_clock=False)
        return await self._report(merchant_id, floor)

    async def list_messages(self, merchant_id: MerchantId, page: PageRequest) -> Page[KeptMessage]:
        """List what the mailbox kept, by the time it was sent."""
        await self._sandbox(merchant_id)
        async with self._database.autocommit() as stores:
            return page_of(await stores.mailbox.list_(merchant_id, part=page.to_slice()), page)

    async def _move(
        self, merchant_id: MerchantId, target: Callable[[datetime], datetime], *, pointer: str
    ) -> ClockReport:
        await self._sandbox(merchant_id)
        floor = self._new_id()
        async with self._hold_clock(merchant_id) as merchant:
            now = merchant.now(self._clock())
            to = target(now)
            if to < now:
                fault = Fault(pointer=pointer, code="clock_backwards", detail="a sandbox's clock moves forward only")
                raise InvalidInputError("The clock cannot be moved back.", faults=[fault])
            if to > END_OF_TIME:
                fault = Fault(pointer, "out_of_range", f"Must not lead past {END_OF_TIME.isoformat()}.")
                raise InvalidInputError("The clock cannot be moved that far.", faults=[fault])
            await self._pass_due_instants(merchant, to=to)
            await self._set_clock(merchant, to)
        return await self._report(merchant_id, floor)

    async def _pass_due_instants(self, merchant: Merchant, *, to: datetime, moves_clock: bool = True) -> None:
        """Send what is due up to an instant, each message at its own time, but none before the call began."""
        began_at = merchant.now(self._clock())

        def time_of(invitation: Invitation) -> datetime:
            return max(began_at, invitation.next_attempt_at or began_at)

        for _ in range(self._max_rounds):
            due_at = await self._find_next_due(merchant.id)
            if due_at is None or due_at > to:
                if not await self._is_anything_being_sent(merchant.id, due_by=to):
                    await self._approvals.publish_due(merchant.id, due_by=to)
                    await self._notices.send_due(merchant.id)
                    return
                await self._leases.sweep_merchant(merchant.id)
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                continue
            reach = min(to, max(due_at, began_at) + SPAN)
            if moves_clock:
                await self._set_clock(merchant, max(due_at, began_at))
            report = await self._sending.send_due(merchant.id, turn=WholeTurn(), due_by=reach, time_of=time_of)
            if report == SendReport():
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise ClockMoveUnfinishedError(
            f"After {self._max_rounds} batches of messages the clock stands at"
            f" {(await self.now(merchant.id)).isoformat()}; call again to go on."
        )

    async def _find_next_due(self, merchant_id: MerchantId) -> datetime | None:
        async with self._database.autocommit() as stores:
            return await stores.due.find_next_due(merchant_id)

    async def _is_anything_being_sent(self, merchant_id: MerchantId, *, due_by: datetime) -> bool:
        async with self._database.autocommit() as stores:
            return await stores.sending.count_sending(merchant_id, due_by=due_by) > 0

    async def _set_clock(self, merchant: Merchant, to: datetime) -> None:
        """Set the clock to an instant, unless it has run past it by itself meanwhile."""
        async with self._database.autocommit() as stores:
            await stores.merchants.move_clock(merchant.id, to - self._clock())

    @asynccontextmanager
    async def _hold_clock(self, merchant_id: MerchantId) -> AsyncIterator[Merchant]:
        """Keep others from moving the clock, and read the merchant once nobody else does."""
        token = self._new_id()
        waits_until = asyncio.get_running_loop().time() + CLOCK_WAIT_SECONDS
        while not await self._take_clock(merchant_id, token):
            if asyncio.get_running_loop().time() > waits_until:
                raise ClockMoveUnfinishedError("Another call is moving this clock; try again when it is done.")
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        renewal = asyncio.create_task(self._keep_clock(merchant_id, token))
        try:
            yield await self._sandbox(merchant_id)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            async with self._database.autocommit() as stores:
                await stores.clocks.release(merchant_id, token=token)

    async def _take_clock(self, merchant_id: MerchantId, token: UUID) -> bool:
        real_now = self._clock()
        until = real_now + timedelta(seconds=CLOCK_LEASE_SECONDS)
        async with self._database.autocommit() as stores:
            return await stores.clocks.take(merchant_id, token=token, until=until, real_now=real_now)

    async def _keep_clock(self, merchant_id: MerchantId, token: UUID) -> None:
        while True:
            await asyncio.sleep(CLOCK_LEASE_SECONDS / 3)
            await self._take_clock(merchant_id, token)

    async def _sandbox(self, merchant_id: MerchantId) -> Merchant:
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
        if not merchant.sandbox:
            raise NotASandboxError("Only a sandbox merchant has a clock and a mailbox of its own.")
        return merchant

    async def _report(self, merchant_id: MerchantId, floor: UUID) -> ClockReport:
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
            counts = await stores.sending.count_fates(merchant_id, since=floor)
        return ClockReport(now=merchant.now(self._clock()), report=SendReport(**counts))
