"""Policies: rows of policies, every saved version, and the values they stand for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time
from enum import Enum
from typing import Any, Final

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps, SendZone
from invite_service.storage.driver import Driver
from invite_service.storage.statements import json_text

_SETTINGS: Final = tuple(field.name for field in fields(Policy) if field.name != "version")

_ENUMS: Final[Mapping[str, type[Enum]]] = {
    "delay_origin": DelayOrigin,
    "product_steps": ProductSteps,
    "preferred_channel": Channel,
    "send_zone": SendZone,
    "consent": ConsentRequirement,
}

ADD_POLICY: Final = """
INSERT INTO policies (merchant_id, version, settings, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
"""

FIND_POLICIES: Final = "SELECT version, settings FROM policies WHERE merchant_id = $1 AND version = ANY($2::int4[])"

LIST_POLICIES: Final = """
SELECT version, settings, created_at, created_by FROM policies
WHERE merchant_id = $1 AND ($2::int4 IS NULL OR version < $2)
ORDER BY version DESC
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A saved version: the policy, when it was saved (the merchant's clock) and by whom."""

    policy: Policy
    created_at: datetime
    created_by: str


class PolicyStore:
    """A merchant's policy versions; a version never changes once it is saved."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, merchant_id: MerchantId, policy: Policy, *, created_at: datetime, created_by: str) -> None:
        """Save a version; numbers are given under the merchant's lock."""
        settings = json_text(policy_json(policy))
        await self._driver.execute(ADD_POLICY, merchant_id, policy.version, settings, created_at, created_by)

    async def find_versions(self, merchant_id: MerchantId, versions: Collection[int]) -> dict[int, Policy]:
        """Find versions by their number; those that do not exist are left out."""
        rows = await self._driver.fetch(FIND_POLICIES, merchant_id, list(versions))
        return {version: policy_from_json(version, settings) for version, settings in rows}

    async def list_versions(self, merchant_id: MerchantId, *, before: int | None, limit: int) -> list[PolicyVersion]:
        """List versions, the newest first; those lower than `before` where that is given."""
        rows = await self._driver.fetch(LIST_POLICIES, merchant_id, before, limit)
        return [
            PolicyVersion(policy_from_json(row["version"], row["settings"]), row["created_at"], row["created_by"])
            for row in rows
        ]


def policy_json(policy: Policy) -> dict[str, Any]:
    """Write a policy's settings by their wire names (RULES.md section 2), times as HH:MM."""
    return {name: _to_json(getattr(policy, name)) for name in _SETTINGS}


def _to_json(value: object) -> object:
    match value:
        case time():
            return value.strftime("%H:%M")
        case Enum():
            return value.value
        case tuple():
            return list(value)
    return value


def policy_from_json(version: int, settings: Mapping[str, Any]) -> Policy:
    """Read a policy's settings; one that is missing, because it is newer than the version, has its default."""
    return Policy(version=version, **{name: _from_json(name, settings[name]) for name in _SETTINGS if name in settings})


def _from_json(name: str, value: Any) -> Any:
    if name in _ENUMS:
        return _ENUMS[name](value)
    if name in {"send_window_start", "send_window_end"}:
        return value if isinstance(value, time) else time.fromisoformat(value)
    return tuple(value) if isinstance(value, list) else value
