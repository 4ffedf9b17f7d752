"""Messages in doubt: ending a doubt, and asking providers that can tell later whether they have a message.

DESIGN.md section 6: by the same key again where the provider honours keys, else by a look-up, and all that before a
provider's event or an operator. Asking again and again costs a call, so that each message is asked about less and less
often, and not for ever.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from invite_service.bell import Bell
from invite_service.domain.channel import UNSET_CHANNEL
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.providers.base import LookUp, Sender
from invite_service.rules import actions
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.outlets import Outlets
from invite_service.services.same_key import SETTLING, SameKeyService
from invite_service.storage.database import Database
from invite_service.storage.doubts import Doubt
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

KEPT_FOR: Final = timedelta(days=3)
"""How long a provider is asked; afterwards an event or an operator ends the doubt."""

BATCH_SIZE: Final = 200
"""Messages of a merchant that are asked about in one turn."""

MAX_REMEMBERED: Final = 10_000
"""Messages of which a process remembers when it asked last; forgetting costs a call."""

PROVIDER: Final = "provider"
"""The actor of what a provider says later."""


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
    ) -> None:
        """Make a service that remembers its looks; `clock` tells real time."""
        self._same_key = same_key
        self._database = database
        self._outlets = outlets
        self._bell = bell
        self._clock = clock
        self._looks: dict[UUID, int] = {}

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants who have messages in doubt."""
        async with self._database.autocommit() as stores:
            return await stores.doubts.find_merchants()

    async def look_up(self, merchant_id: MerchantId) -> int:
        """Ask about the merchant's messages whose turn it is, and tell how many are in doubt no more."""
        real_now = self._clock()
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
            channels = await stores.channels.read(merchant_id)
            doubts = await stores.doubts.list_(merchant_id, since=real_now - KEPT_FOR, limit=BATCH_SIZE)
        found = 0
        for channel in {doubt.channel for doubt in doubts}:
            settings = channels.get(channel, UNSET_CHANNEL).settings
            due = [doubt for doubt in doubts if doubt.channel is channel and self._is_due(doubt, real_now=real_now)]
            with contextlib.suppress(ProviderUnusableError), self._outlets.lend(merchant, channel, settings) as outlet:
                same = [doubt for doubt in due if doubt.provider == outlet.sender.name]
                if outlet.sender.key_lifetime is not None:
                    found += await self._repeat(merchant, outlet.sender, same)
                elif isinstance(outlet.sender, LookUp):
                    found += await self._ask(merchant, outlet.sender, same)
        return found

    def _is_due(self, doubt: Doubt, *, real_now: datetime) -> bool:
        looks = self._looks.get(doubt.id, 0)
        waited = sum(WAITS[: looks + 1], timedelta())
        if looks >= len(WAITS):
            waited += (looks + 1 - len(WAITS)) * WAITS[-1]
        return real_now >= doubt.started_at + waited

    async def _repeat(self, merchant: Merchant, sender: Sender, doubts: Sequence[Doubt]) -> int:
        """Call again about one after the other, until an answer settles nothing: the next calls may hang as well."""
        settled = 0
        for doubt in doubts:
            self._remember(doubt)
            receipt = await self._same_key.repeat(sender, merchant.id, doubt)
            if receipt is None:
                continue
            if receipt.outcome not in SETTLING:
                break
            self._looks.pop(doubt.id, None)
            settled += 1
        if settled:
            log.info("Settled messages in doubt under their keys", merchant_id=merchant.id, settled=settled)
            self._bell.ring(merchant.id)
        return settled

    async def _ask(self, merchant: Merchant, sender: LookUp, doubts: Sequence[Doubt]) -> int:
        found = 0
        for doubt in doubts:
            self._remember(doubt)
            receipt = await sender.look_up(
                doubt.message_id,
                to_address=doubt.contact,
                attempted_at=doubt.started_at,
                content_hash=doubt.content_hash,
            )
            if receipt is not None and receipt.outcome is OutcomeWord.ACCEPTED:
                found += await self._end(merchant, doubt, receipt)
        return found

    def _remember(self, doubt: Doubt) -> None:
        if len(self._looks) >= MAX_REMEMBERED:
            self._looks.clear()
        self._looks[doubt.id] = self._looks.get(doubt.id, 0) + 1

    async def _end(self, merchant: Merchant, doubt: Doubt, receipt: Receipt) -> bool:
        async with self._database.transaction() as stores:
            is_settled = await end_doubt(
                stores, merchant, doubt, reason=receipt.reason, now=merchant.now(self._clock())
            )
        self._looks.pop(doubt.id, None)
        if is_settled:
            log.info("Found a message in doubt to have left", merchant_id=merchant.id, attempt_id=str(doubt.id))
            # Its second message is planned now, perhaps for today.
            self._bell.ring(merchant.id)
        return is_settled
