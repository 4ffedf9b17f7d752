"""When this worker comes back for what it found kept back: the lines in which merchants wait for a shared bucket.

Each worker keeps its own. Nobody takes of a bucket before its place has come, so that a large backlog leaves as many
tokens to a small one as it takes itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.rules.paces import Pace

NO_PACES: Final[Mapping[Channel, Pace]] = {}


@dataclass(frozen=True, slots=True)
class Look:
    """When a merchant's channel is looked at next, in real time, and whether something may be kept back until then."""

    at: datetime
    is_kept_back: bool


class Lines:
    """Remembers for a process when which channel of which merchant is looked at again."""

    def __init__(self, paces: Mapping[Channel, Pace] = NO_PACES) -> None:
        """Make empty lines for the paces of the installation's own providers."""
        self.paces = paces
        self._looks: dict[tuple[MerchantId, Channel], Look] = {}
        self._ends: dict[Channel, datetime] = {}

    def find(self, merchant_id: MerchantId, channel: Channel, *, real_now: datetime) -> Look | None:
        """Find when a channel is to be looked at; None: it may be now."""
        look = self._looks.get((merchant_id, channel))
        return look if look is not None and look.at > real_now else None

    def line_up(self, merchant_id: MerchantId, channel: Channel, *, opens_at: datetime) -> datetime:
        """Put a merchant at the end of the line for a shared bucket, which opens then; give when its place comes."""
        at = max(opens_at, self._ends.get(channel, opens_at))
        self._ends[channel] = at + self.paces[channel].portion_delay
        self._looks[merchant_id, channel] = Look(at, is_kept_back=True)
        return at

    def leave_alone(self, merchant_id: MerchantId, channel: Channel, *, until: datetime) -> None:
        """Do not look for what is due by a channel of which nothing was."""
        self._looks[merchant_id, channel] = Look(until, is_kept_back=False)

    def forget_past(self, *, real_now: datetime) -> None:
        """Forget whose place has come."""
        self._looks = {place: look for place, look in self._looks.items() if look.at > real_now}
