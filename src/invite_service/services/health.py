"""Whether this process can do its work."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from invite_service.bell import Bell
from invite_service.domain.errors import SchemaOutdatedError
from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError

log = structlog.get_logger()

CHECK_SECONDS: Final = 3.0
"""How long the database may take to answer."""


class Health(StrEnum):
    """How a part is."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    OUTDATED = "outdated"
    """The database schema is not at head."""
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, slots=True)
class Readiness:
    """How the parts of the installation are, as this process sees them."""

    database: Health
    redis: Health

    @property
    def is_ready(self) -> bool:
        """Whether requests can be answered; without Redis workers only wake up later."""
        return self.database is Health.OK

    @property
    def is_degraded(self) -> bool:
        """Whether it works, and something that was set up does not."""
        return self.is_ready and self.redis is Health.UNREACHABLE


class HealthService:
    """Looks at what this process depends on."""

    def __init__(self, database: Database, *, bell: Bell) -> None:
        self._database = database
        self._bell = bell

    async def check(self) -> Readiness:
        """Look at the database and at Redis, both at once."""
        database, redis = await asyncio.gather(self._check_database(), self._check_redis())
        return Readiness(database, redis)

    async def _check_database(self) -> Health:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._database.check_schema()
        except SchemaOutdatedError:
            return Health.OUTDATED
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("Failed to reach the database", error=type(error).__name__)
            return Health.UNREACHABLE
        return Health.OK

    async def _check_redis(self) -> Health:
        is_heard = await self._bell.is_heard()
        if is_heard is None:
            return Health.NOT_CONFIGURED
        return Health.OK if is_heard else Health.UNREACHABLE
