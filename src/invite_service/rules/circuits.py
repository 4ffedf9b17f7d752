"""When nothing is tried at a merchant's provider, for how long, and which answers say so.

A provider that fails several times in a row is left alone for a while that grows, so that messages neither use up
their tries nor wait for time-outs; then one message tries, and its answer decides for all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from invite_service.domain.channel import Circuit
from invite_service.domain.receipt import OutcomeWord

FAILURES_TO_OPEN: Final = 5
"""In a row, as one process sees them; after that a trial that fails is enough."""

OPEN_FOR: Final[Sequence[timedelta]] = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 480, 900))
"""How long a circuit stays open the first, the second, … time in a row; the last holds for all further ones."""

TRIAL: Final = timedelta(seconds=60)
"""How long others wait for the message that tries; no call takes longer (claim.LEASE_SECONDS)."""

NOTED_REST: Final = timedelta(seconds=1)
"""A wait that a provider asks for is told to other workers where it adds more than this."""

FAILURES: Final = frozenset({OutcomeWord.NOT_SENT, OutcomeWord.UNKNOWN})
"""What a provider that is there and knows the account does not answer; all else shows that it is."""


class ShutReason(StrEnum):
    """Why messages wait that may be sent."""

    CIRCUIT_OPEN = "circuit_open"
    """The provider fails; one message at a time finds out whether it still does."""
    RATE_LIMITED = "rate_limited"
    """The provider asked to wait."""
    PACED = "paced"
    """As many as may have left: a limit of the merchant, or of the installation's provider."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Nothing is tried until an instant of real time."""

    until: datetime
    reason: ShutReason


@dataclass(frozen=True, slots=True)
class Trial:
    """One message may try."""


def judge_circuit(circuit: Circuit | None, *, real_now: datetime) -> Shut | Trial | None:
    """Say what a circuit leaves open; None: everything."""
    if circuit is None:
        return None
    if circuit.rests_until is not None and circuit.rests_until > real_now:
        return Shut(circuit.rests_until, ShutReason.RATE_LIMITED)
    if circuit.open_until is None:
        return None
    until = max(circuit.open_until, circuit.trial_until or circuit.open_until)
    return Shut(until, ShutReason.CIRCUIT_OPEN) if until > real_now else Trial()
