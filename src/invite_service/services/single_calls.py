"""Calls to a provider that are made one at a time, beside the batches: what keeps those back holds for these too."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import Receipt
from invite_service.rules.circuits import TRIAL, Shut, ShutReason, Trial, judge_circuit
from invite_service.services.circuits import CircuitWatch
from invite_service.services.claim import Claim
from invite_service.services.gates import LOOK_AGAIN
from invite_service.services.outlets import Outlet
from invite_service.services.pacing import Pacing
from invite_service.storage.database import Database

PLACE_SECONDS: Final = 2.0
"""How long a call waits for one of the places for open calls, which batches of the worker may hold."""

TOKEN_SECONDS: Final = 2.0
"""How long a call waits for the token that it needs, before whoever makes it comes again."""


@dataclass(slots=True)
class Admission:
    """One call that may be made."""

    _database: Database
    _claim: Claim
    _channel: Channel
    _watch: CircuitWatch | None
    """None in a sandbox, whose mailbox never fails."""
    _trial_until: datetime | None

    async def note(self, receipt: Receipt) -> None:
        """Take what the call was answered: it may open the circuit, or close it."""
        if self._watch is not None:
            await self._watch.note([receipt])

    async def give_back(self) -> None:
        """Make no call after all, so that another may try."""
        if self._trial_until is None:
            return
        async with self._database.autocommit() as stores:
            await stores.circuits.end_trial(self._claim.merchant.id, self._channel, until=self._trial_until)


class SingleCalls:
    """Admits calls for merchants, one at a time."""

    def __init__(self, database: Database, *, pacing: Pacing, clock: Callable[[], datetime]) -> None:
        """Make a gate; `clock` tells real time."""
        self._database = database
        self._pacing = pacing
        self._clock = clock

    async def admit(self, claim: Claim, outlet: Outlet, channel: Channel) -> Admission | Shut:
        """Say whether a call may be made now; else until when, in real time, and why not."""
        if claim.merchant.sandbox:
            return Admission(self._database, claim, channel, None, None)
        watch, real_now = CircuitWatch(claim, outlet, channel), self._clock()
        state, trial_until = claim.account.state_of(channel), None
        match watch.find_shut() or judge_circuit(state.circuit, real_now=real_now):
            case Shut() as shut:
                return shut
            case Trial():
                trial_until = real_now + TRIAL
                async with self._database.autocommit() as stores:
                    version = state.settings.version
                    if not await stores.circuits.start_trial(
                        claim.merchant.id, channel, version=version, real_now=real_now, until=trial_until
                    ):
                        return Shut(real_now + LOOK_AGAIN, ShutReason.CIRCUIT_OPEN)
        admission = Admission(self._database, claim, channel, watch, trial_until)
        loop = asyncio.get_running_loop()
        until = loop.time() + TOKEN_SECONDS
        while (opens_at := await self._pacing.take(claim.merchant, channel, state)) is not None:
            wait = (opens_at - self._clock()).total_seconds()
            if loop.time() + wait > until:
                await admission.give_back()
                return Shut(opens_at, ShutReason.PACED)
            await asyncio.sleep(wait)
        return admission
