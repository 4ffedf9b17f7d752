"""What became of due messages, counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Fate(StrEnum):
    """What can become of one due message; the names of SendReport's fields."""

    SENT = "sent"
    SKIPPED = "skipped"
    MISSED = "missed"
    POSTPONED = "postponed"
    """It waits: for its window, for a hold or a pause to end, or for a provider that sets the pace."""
    FAILED = "failed"
    """It was rejected, or its tries are used up."""
    NOT_SENT = "not_sent"
    """It has not left and is tried again."""
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport:
    """How many messages met each fate."""

    sent: int = 0
    skipped: int = 0
    missed: int = 0
    postponed: int = 0
    failed: int = 0
    not_sent: int = 0
    in_doubt: int = 0

    @classmethod
    def of(cls, fates: Iterable[Fate]) -> Self:
        """Count fates."""
        return cls(**{fate.value: count for fate, count in Counter(fates).items()})

    def counts(self) -> dict[str, int]:
        """Give the figures by name."""
        return {fate.value: getattr(self, fate.value) for fate in Fate}

    def __add__(self, other: "SendReport") -> "SendReport":
        ours, theirs = self.counts(), other.counts()
        return SendReport(**{name: count + theirs[name] for name, count in ours.items()})
