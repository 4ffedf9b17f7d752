"""What keeps messages from merchants' providers, shared by all workers; instants are real time.

A row is there only while something is wrong. It is read with the merchant's channels (channels.py).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.channel import Circuit
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver, Row

# What is learned under settings that were replaced says nothing. One that somebody else opened just now stays.
OPEN_CIRCUIT: Final = """
INSERT INTO provider_circuits AS c (
    merchant_id, channel, provider, settings_version, openings, reason, open_until
)
VALUES ($1, $2, $3, $4, 1, $5, $6::timestamptz + ($7::interval[])[1])
ON CONFLICT (merchant_id, channel) DO UPDATE
SET provider = excluded.provider,
    settings_version = excluded.settings_version,
    openings = CASE WHEN c.settings_version = $4 THEN least(c.openings, 999) ELSE 0 END + 1,
    reason = excluded.reason,
    open_until = $6::timestamptz + ($7::interval[])[
        least(CASE WHEN c.settings_version = $4 THEN c.openings ELSE 0 END + 1, cardinality($7::interval[]))
    ],
    trial_until = NULL,
    rests_until = CASE WHEN c.settings_version = $4 THEN c.rests_until END
WHERE c.settings_version < $4 OR (c.settings_version = $4 AND (c.open_until IS NULL OR c.open_until <= $6))
RETURNING c.openings, c.open_until
"""

START_TRIAL: Final = """
UPDATE provider_circuits
SET trial_until = $5
WHERE merchant_id = $1 AND channel = $2 AND settings_version = $3 AND open_until <= $4
  AND (trial_until IS NULL OR trial_until <= $4)
RETURNING channel
"""

END_TRIAL: Final = """
UPDATE provider_circuits SET trial_until = NULL WHERE merchant_id = $1 AND channel = $2 AND trial_until = $3
"""

REST: Final = """
INSERT INTO provider_circuits AS c (merchant_id, channel, provider, settings_version, openings, rests_until)
VALUES ($1, $2, $3, $4, 0, $5)
ON CONFLICT (merchant_id, channel) DO UPDATE
SET provider = excluded.provider,
    settings_version = excluded.settings_version,
    openings = CASE WHEN c.settings_version = $4 THEN c.openings ELSE 0 END,
    open_until = CASE WHEN c.settings_version = $4 THEN c.open_until END,
    trial_until = CASE WHEN c.settings_version = $4 THEN c.trial_until END,
    rests_until = CASE WHEN c.settings_version = $4 THEN greatest(c.rests_until, $5) ELSE $5 END
WHERE c.settings_version <= $4
"""

# A wait that the provider asked for goes on, whatever else it answers meanwhile.
CLOSE_CIRCUIT: Final = """
DELETE FROM provider_circuits
WHERE merchant_id = $1 AND channel = $2 AND settings_version <= $3 AND (rests_until IS NULL OR rests_until <= $4)
RETURNING openings, provider
"""

DISCARD_CIRCUIT: Final = """
DELETE FROM provider_circuits
WHERE merchant_id = $1 AND channel = $2 AND open_until IS NOT NULL
RETURNING provider
"""

COUNT_OPEN_CIRCUITS: Final = """
SELECT c.provider, count(*)
FROM merchants
JOIN provider_circuits AS c ON c.merchant_id = merchants.id
WHERE c.open_until IS NOT NULL
GROUP BY c.provider
"""


class CircuitStore:
    """The circuits of merchants' channels."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def open(
        self,
        merchant_id: MerchantId,
        channel: Channel,
        *,
        provider: str,
        version: int,
        reason: str,
        real_now: datetime,
        durations: Sequence[timedelta],
    ) -> tuple[int, datetime] | None:
        """Open a circuit for the first, second, … of the durations, and give how often in a row and until when.

        None: somebody else opened it already, or the settings of this version were replaced.
        """
        row = await self._driver.fetchrow(
            OPEN_CIRCUIT, merchant_id, channel, provider, version, reason, real_now, list(durations)
        )
        return None if row is None else (row["openings"], row["open_until"])

    async def start_trial(
        self, merchant_id: MerchantId, channel: Channel, *, version: int, real_now: datetime, until: datetime
    ) -> bool:
        """Take the one trial of a circuit whose time is over; False where somebody else has it."""
        started = await self._driver.fetchval(START_TRIAL, merchant_id, channel, version, real_now, until)
        return started is not None

    async def end_trial(self, merchant_id: MerchantId, channel: Channel, *, until: datetime) -> None:
        """Give a trial back that no call was made for; `until` is what it was started with."""
        await self._driver.execute(END_TRIAL, merchant_id, channel, until)

    async def rest(
        self, merchant_id: MerchantId, channel: Channel, *, provider: str, version: int, until: datetime
    ) -> None:
        """Note until when a provider asked to wait."""
        await self._driver.execute(REST, merchant_id, channel, provider, version, until)

    async def close(
        self, merchant_id: MerchantId, channel: Channel, *, version: int, real_now: datetime
    ) -> tuple[int, str] | None:
        """Close a circuit, and give how often in a row it had opened, and of which provider; None: it was closed."""
        row = await self._driver.fetchrow(CLOSE_CIRCUIT, merchant_id, channel, version, real_now)
        return None if row is None else (row["openings"], row["provider"])

    async def discard(self, merchant_id: MerchantId, channel: Channel) -> str | None:
        """Forget an open circuit and give its provider; None where it was closed: a wait asked for goes on."""
        provider: str | None = await self._driver.fetchval(DISCARD_CIRCUIT, merchant_id, channel)
        return provider

    async def count_open(self) -> dict[str, int]:
        """Count the circuits of all merchants that are open, or wait for a trial, by provider."""
        return {row[0]: row[1] for row in await self._driver.fetch(COUNT_OPEN_CIRCUITS)}


def circuit_from_row(row: Row) -> Circuit:
    """Make a circuit of the columns that channels are read with."""
    return Circuit(
        provider=row["circuit_provider"],
        openings=row["openings"],
        reason=row["circuit_reason"],
        open_until=row["open_until"],
        trial_until=row["trial_until"],
        rests_until=row["rests_until"],
    )
