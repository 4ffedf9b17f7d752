"""What load balancers and monitoring ask, on the wire."""

from dataclasses import dataclass
from typing import Literal, Self

from invite_service.api.schemas.fields import Answer
from invite_service.services.health import Health, Readiness


@dataclass(frozen=True, slots=True)
class AliveResponse(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessResponse(Answer):
    """Whether requests can be answered."""

    status: Literal["ready", "degraded", "not_ready"]
    """degraded: everything works, and without Redis a little later."""
    database: Health
    redis: Health

    @classmethod
    def of(cls, readiness: Readiness) -> Self:
        """Shape what the service saw."""
        working: Literal["ready", "degraded"] = "degraded" if readiness.is_degraded else "ready"
        return cls(
            status=working if readiness.is_ready else "not_ready", database=readiness.database, redis=readiness.redis
        )
