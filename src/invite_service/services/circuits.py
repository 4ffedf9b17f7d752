"""What a provider's answers mean for the messages that come next: whether its merchant's circuit opens or closes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.rules.circuits import FAILURES, FAILURES_TO_OPEN, NOTED_REST, OPEN_FOR, Shut, ShutReason
from invite_service.services.claim import Claim
from invite_service.services.outlets import NotedShut, Outlet

_NOTHING: Final = timedelta(0)


class CircuitWatch:
    """Watches the answers to one merchant's calls through one outlet, and tells the database only what changes."""

    def __init__(self, claim: Claim, outlet: Outlet, channel: Channel) -> None:
        circuit = claim.account.state_of(channel).circuit
        self._claim = claim
        self._outlet = outlet
        self._channel = channel
        self._is_stored = circuit is not None
        self._is_trial = circuit is not None and circuit.openings > 0

    def find_shut(self) -> Shut | None:
        """Say whether, until when and why no call may begin."""
        real_now, merchant_id = self._claim.real_now(), self._claim.merchant.id
        rests_until, noted = self._outlet.rests_until, self._outlet.shut.get(merchant_id)
        if rests_until is not None and rests_until <= real_now:
            rests_until = self._outlet.rests_until = None
        # What was noted before the account was read stands in it, or somebody opened the channel by hand since.
        if noted is not None and (noted.shut.until <= real_now or noted.noted_at < self._claim.account.read_at):
            noted = None
            del self._outlet.shut[merchant_id]
        if rests_until is not None:
            return Shut(rests_until, ShutReason.RATE_LIMITED)
        return noted.shut if noted is not None else None

    def _rest(self, receipt: Receipt) -> timedelta:
        """Wait as a provider asked, this process at once, and say by how much that is longer than was known."""
        if receipt.outcome is not OutcomeWord.RATE_LIMITED or receipt.retry_after is None:
            return _NOTHING
        real_now = self._claim.real_now()
        known = max(self._outlet.rests_until or real_now, real_now)
        self._outlet.rests_until = max(known, real_now + receipt.retry_after)
        return self._outlet.rests_until - known

    async def note(self, receipts: Sequence[Receipt]) -> None:
        """Take what one call was answered: one failure where all its messages failed, else what the others were."""
        told = {receipt.outcome: receipt for receipt in receipts if receipt.outcome not in FAILURES}
        for receipt in told.values() or receipts[:1]:
            await self._note(receipt)

    async def _note(self, receipt: Receipt) -> None:
        """Take one answer: open the circuit, close it, or tell other workers to wait."""
        failures, merchant_id = self._outlet.failures, self._claim.merchant.id
        if receipt.outcome in FAILURES:
            failures[merchant_id] += 1
            if self._is_trial or failures[merchant_id] >= FAILURES_TO_OPEN:
                await self._open(receipt)
            return
        failures.pop(merchant_id, None)
        longer = self._rest(receipt)
        if self._is_stored:
            self._is_stored = self._is_trial = False
            self._outlet.shut.pop(merchant_id, None)
            await self._claim.close_circuit(self._channel)
        if longer > NOTED_REST and self._outlet.rests_until is not None:
            await self._claim.rest_channel(self._channel, provider=receipt.provider, until=self._outlet.rests_until)

    async def _open(self, receipt: Receipt) -> None:
        """Open the circuit; what fails meanwhile, because its call had begun before, does not open it once more."""
        merchant_id = self._claim.merchant.id
        if self.find_shut() is not None and merchant_id in self._outlet.shut:
            return
        # Before anything is awaited, so that other batches of this process start nothing meanwhile.
        first = self._claim.real_now() + OPEN_FOR[0]
        self._note_shut(first)
        self._outlet.failures.pop(merchant_id, None)
        self._is_stored = True
        until = await self._claim.open_circuit(self._channel, provider=receipt.provider, reason=receipt.reason)
        if until is not None:
            self._note_shut(until)

    def _note_shut(self, until: datetime) -> None:
        noted_at = asyncio.get_running_loop().time()
        self._outlet.shut[self._claim.merchant.id] = NotedShut(Shut(until, ShutReason.CIRCUIT_OPEN), noted_at)
