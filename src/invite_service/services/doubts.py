"""Messages in doubt: ending a doubt, and asking providers that can tell later whether they have a message.

DESIGN.md section 6: by the same key again where the provider honours keys, else by a look-up, and all that before a
provider's event or an operator. Asking again and again costs a call, so that each message is asked about less and less
often, and not for ever.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog

from invite_service.bell import Bell
from invite_service.domain.channel import UNSET_CHANNEL, ChannelState
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.providers.base import LookUp
from invite_service.rules import actions
from invite_service.rules.circuits import OPEN_FOR, Shut, judge_circuit
from invite_service.services.asking import Asked, ask_each
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.conclusions import PROVIDER
from invite_service.services.notice_ends import end_notice_doubt
from invite_service.services.outlets import NoPlaceError, Outlet, Outlets
from invite_service.services.same_key import SETTLING, SameKeyService, Withheld
from invite_service.services.single_calls import PLACE_SECONDS
from invite_service.storage.database import Database
from invite_service.storage.doubts import AttemptDoubt, NoticeDoubt
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.stores import Stores

log = structlog.get_logger()

WAITS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""Before the first, second, … look after the attempt began; then every six hours."""

WITHHELD_WAIT: Final = timedelta(minutes=5)
"""Before a message is looked at again that may only be sent later: a key that lasts a day ends the day after at noon,
and none of its hours may be lost once the window is open."""

KEPT_FOR: Final = timedelta(days=3)
"""How long a provider is asked; afterwards an event or an operator ends the doubt."""

BATCH_SIZE: Final = 200
"""Messages of a merchant that are asked about in one turn."""

MAX_LISTED: Final = 5_000
"""Messages of a merchant that are looked through for those whose turn it is, the oldest first."""

AT_ONCE: Final = 4
"""Calls about a merchant's messages at the same time, once a first one was answered."""

LOOK_SECONDS: Final = 4.5
"""How long a provider may take to be found or to answer: less than the five seconds after which a connection is given
up, so that a provider that cannot be reached is known from one that says it has no such message."""

TURN_SECONDS: Final = 20.0
"""After which no further call is begun in a merchant's turn; the last may take a call's time more."""

MAX_REMEMBERED: Final = 10_000
"""Messages of which a process remembers when it asked last; forgetting costs a call."""

_Doubt = AttemptDoubt | NoticeDoubt

_Begun = tuple[UUID, datetime]
"""A call that left a doubt: a notice that an operator has tried again has the same id as before."""

_Ask = Callable[[_Doubt], Awaitable[Asked]]


class DoubtfulAttempt(Protocol):
    """What ending a doubt needs to know of the attempt."""

    @property
    def id(self) -> UUID:
        """The attempt's."""

    @property
    def invitation_id(self) -> UUID:
        """Whose message it was."""

    @property
    def asked_at(self) -> datetime:
        """On the merchant's clock: when the customer may have been written to."""

    @property
    def product_ids(self) -> tuple[str, ...]:
        """What the message asked about."""


async def end_doubt(
    stores: Stores, merchant: Merchant, attempt: DoubtfulAttempt, *, reason: str, now: datetime
) -> bool:
    """Settle a message in doubt as accepted, since its provider has it (RULES.md section 8); False where it is not."""
    for invitation in await stores.invitations.lock(merchant.id, [attempt.invitation_id]):
        last = await stores.attempts.find_last(merchant.id, invitation.id)
        if invitation.status is not InvitationStatus.IN_DOUBT or last is None or last.id != attempt.id:
            continue
        plans = await stores.policies.find_versions(merchant.id, {invitation.policy_version})
        settled = actions.mark_sent(
            invitation,
            plan=plans[invitation.policy_version],
            merchant=merchant,
            asked_at=attempt.asked_at,
            product_ids=attempt.product_ids,
        )
        await stores.invitations.save(merchant.id, [InvitationChange(settled, invitation)])
        await stores.response_periods.count_sent(merchant, settled, stored=invitation)
        data: dict[str, JsonFigure] = {"status": settled.status.value, "attempt_id": str(attempt.id)}
        entry = TimelineEntry(
            at=now,
            actor=PROVIDER,
            event=TimelineEvent.MESSAGE_SETTLED,
            invitation_id=invitation.id,
            reason=reason,
            data=data,
        )
        await stores.timeline.add(merchant.id, [entry])
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Hang:
    """How often in a row a provider took too long, and until when (real time) it is left alone for that."""

    count: int
    rests_until: datetime


class DoubtService:
    """Asks the providers that can be asked."""

    def __init__(
        self,
        database: Database,
        *,
        outlets: Outlets,
        same_key: SameKeyService,
        bell: Bell,
        clock: Callable[[], datetime],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Make a service that remembers its looks; `clock` tells real time."""
        self._same_key = same_key
        self._database = database
        self._outlets = outlets
        self._bell = bell
        self._clock = clock
        self._look_seconds = look_seconds
        self._looks: dict[_Begun, int] = {}
        self._not_before: dict[_Begun, datetime] = {}
        self._hangs: WeakKeyDictionary[Outlet, _Hang] = WeakKeyDictionary()

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants who have messages in doubt."""
        async with self._database.autocommit() as stores:
            return await stores.doubts.find_merchants()

    async def look_up(self, merchant_id: MerchantId) -> int:
        """Ask about the merchant's messages whose turn it is, and tell how many are in doubt no more.

        The channels are asked side by side, and none is asked any further once `TURN_SECONDS` are over.
        """
        until, real_now = asyncio.get_running_loop().time() + TURN_SECONDS, self._clock()
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
            channels = await stores.channels.read(merchant_id)
            doubts = await stores.doubts.list_(merchant_id, since=real_now - KEPT_FOR, limit=MAX_LISTED)
        due = [doubt for doubt in doubts if self._is_due(doubt, real_now=real_now)][:BATCH_SIZE]
        async with asyncio.TaskGroup() as group:
            turns = [
                group.create_task(self._settle(merchant, channels.get(channel, UNSET_CHANNEL), of_channel, until=until))
                for channel in Channel
                if (of_channel := [doubt for doubt in due if doubt.channel is channel])
            ]
        return sum(turn.result() for turn in turns)

    async def _settle(self, merchant: Merchant, state: ChannelState, doubts: Sequence[_Doubt], *, until: float) -> int:
        """Ask the provider of one channel, unless it is known not to answer."""
        channel, found = doubts[0].channel, 0
        lending = self._outlets.lend(merchant, channel, state.settings)
        with contextlib.suppress(ProviderUnusableError), lending as outlet:
            same = [doubt for doubt in doubts if doubt.provider == outlet.sender.name]
            ask = self._choose(merchant, outlet, state)
            if ask is not None and not self._rests(outlet):
                found = await ask_each(same, partial(self._watch, outlet, ask), at_once=AT_ONCE, until=until)
        if found:
            log.info("Settled messages in doubt", merchant_id=merchant.id, channel=channel, settled=found)
            # Their second messages are planned now, perhaps for today.
            self._bell.ring(merchant.id)
        return found

    def _choose(
        self, merchant: Merchant, outlet: Outlet, state: ChannelState
    ) -> Callable[[_Doubt], Awaitable[Asked]] | None:
        """Choose how a provider is asked; None where it cannot be, or where its circuit is open."""
        sender = outlet.sender
        if sender.key_lifetime is not None:
            return partial(self._repeat, outlet, merchant)
        is_open = isinstance(judge_circuit(state.circuit, real_now=self._clock()), Shut)
        return partial(self._ask, sender, merchant) if isinstance(sender, LookUp) and not is_open else None

    def _is_due(self, doubt: _Doubt, *, real_now: datetime) -> bool:
        looks = self._looks.get(_begun(doubt), 0)
        waited = sum(WAITS[: looks + 1], timedelta())
        if looks >= len(WAITS):
            waited += (looks + 1 - len(WAITS)) * WAITS[-1]
        return real_now >= max(doubt.started_at + waited, self._not_before.get(_begun(doubt), real_now))

    def _rests(self, outlet: Outlet) -> bool:
        """Say whether a provider hung not long ago, or asked to wait."""
        real_now, hang = self._clock(), self._hangs.get(outlet)
        if outlet.rests_until is not None and outlet.rests_until > real_now:
            return True
        return hang is not None and hang.rests_until > real_now

    async def _watch(self, outlet: Outlet, ask: _Ask, doubt: _Doubt) -> Asked:
        """Ask, and leave a provider alone that takes too long, the longer the oftener in a row."""
        answer = await ask(doubt)
        if answer is Asked.HUNG:
            hangs = self._hangs[outlet].count if outlet in self._hangs else 0
            rest = OPEN_FOR[min(hangs, len(OPEN_FOR) - 1)]
            self._hangs[outlet] = _Hang(hangs + 1, self._clock() + rest)
            log.warning("A provider hangs when it is asked about messages in doubt", provider=outlet.sender.name)
        elif answer in {Asked.SETTLED, Asked.OPEN}:
            self._hangs.pop(outlet, None)
        return answer

    async def _repeat(self, outlet: Outlet, merchant: Merchant, doubt: _Doubt) -> Asked:
        """Call again under the message's key, in one of the places for the provider's open calls."""
        try:
            async with outlet.places.hold_one(merchant.id, within=PLACE_SECONDS):
                answer = await self._same_key.repeat(outlet, merchant.id, doubt)
        except NoPlaceError:
            return Asked.FAILED
        if isinstance(answer, Withheld):
            # The look was none: what a closed window keeps back is to be called about as soon as it opens.
            later = self._clock() + WITHHELD_WAIT
            self._not_before[_begun(doubt)] = later if answer.shut is None else min(later, answer.shut.until)
            return Asked.NOT_ASKED if answer.shut is None else Asked.FAILED
        if answer is None:
            self._remember(doubt)
            return Asked.NOT_ASKED
        if answer.receipt.outcome not in SETTLING:
            self._remember(doubt)
            return Asked.HUNG if answer.seconds >= self._look_seconds else Asked.FAILED
        self._forget(doubt)
        return Asked.SETTLED

    async def _ask(self, sender: LookUp, merchant: Merchant, doubt: _Doubt) -> Asked:
        self._remember(doubt)
        try:
            async with asyncio.timeout(self._look_seconds):
                receipt = await sender.look_up(
                    doubt.message_id,
                    to_address=doubt.contact,
                    attempted_at=doubt.started_at,
                    content_hash=doubt.content_hash,
                )
        except TimeoutError:
            return Asked.HUNG
        if receipt is None or receipt.outcome is not OutcomeWord.ACCEPTED:
            return Asked.OPEN
        return Asked.SETTLED if await self._end(merchant, doubt, receipt) else Asked.OPEN

    def _remember(self, doubt: _Doubt) -> None:
        if len(self._looks) >= MAX_REMEMBERED:
            self._looks.clear()
            self._not_before.clear()
        self._looks[_begun(doubt)] = self._looks.get(_begun(doubt), 0) + 1
        self._not_before.pop(_begun(doubt), None)

    def _forget(self, doubt: _Doubt) -> None:
        self._looks.pop(_begun(doubt), None)
        self._not_before.pop(_begun(doubt), None)

    async def _end(self, merchant: Merchant, doubt: _Doubt, receipt: Receipt) -> bool:
        now = merchant.now(self._clock())
        async with self._database.transaction() as stores:
            if isinstance(doubt, NoticeDoubt):
                is_settled = await end_notice_doubt(stores, merchant, doubt.id, reason=receipt.reason, now=now)
            else:
                is_settled = await end_doubt(stores, merchant, doubt, reason=receipt.reason, now=now)
        self._forget(doubt)
        return is_settled


def _begun(doubt: _Doubt) -> _Begun:
    return doubt.id, doubt.started_at
