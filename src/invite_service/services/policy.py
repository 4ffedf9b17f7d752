"""A merchant's policy: what holds now, changing it, and what held before (RULES.md section 2)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from invite_service.domain.errors import Fault, InvalidInputError, PreconditionFailedError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.policy import Policy
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules.policy import check_policy
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.settings_news import tell_change
from invite_service.storage.database import Database
from invite_service.storage.policies import PolicyVersion, policy_from_json, policy_json
from invite_service.storage.stores import Stores


class PolicyService:
    """Reads and changes policies; every change is a new version."""

    def __init__(self, database: Database, *, policy_versions: PolicyVersions, clock: Callable[[], datetime]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._policy_versions = policy_versions
        self._clock = clock

    async def get(self, merchant_id: MerchantId) -> Policy:
        """Get the policy that holds now; its version is its ETag.

        Raises:
            MerchantNotFoundError: there is no such merchant.
        """
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
            return await self._read(stores, merchant_id, merchant.policy_version)

    async def patch(
        self, merchant_id: MerchantId, changes: Mapping[str, Any], *, replacing: int | None, actor: str
    ) -> Policy:
        """Change settings, given by their wire names; a change that changes nothing makes no version.

        `replacing` is the version the caller has seen, None stands for any. `actor` is who saves it.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
            PreconditionFailedError: `replacing` is not the current version.
            MerchantNotFoundError: there is no such merchant.
        """
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.lock(merchant_id)
            return await self.save(stores, merchant, changes, replacing=replacing, actor=actor)

    async def save(
        self, stores: Stores, merchant: Merchant, changes: Mapping[str, Any], *, replacing: int | None, actor: str
    ) -> Policy:
        """Do what `patch` does in the caller's transaction, which has locked the merchant; raises the same."""
        current = await self._read(stores, merchant.id, merchant.policy_version)
        _check_version(current, replacing)
        changed = _change(current, changes)
        if not changed_anything(current, changed):
            return current
        now = merchant.now(self._clock())
        await stores.policies.add(merchant.id, changed, created_at=now, created_by=actor)
        await stores.merchants.set_policy_version(merchant.id, changed.version, replacing=current.version)
        told = tell_change(
            TimelineEvent.POLICY_CHANGED,
            policy_json(current),
            policy_json(changed),
            version=changed.version,
            at=now,
            actor=actor,
        )
        await stores.timeline.add(merchant.id, [told])
        return changed

    async def try_change(
        self, merchant_id: MerchantId, changes: Mapping[str, Any], *, replacing: int | None = None
    ) -> tuple[Policy, Policy]:
        """Give the policy that holds now, and what it would be with these changes; nothing is saved.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
            MerchantNotFoundError: there is no such merchant.
            PreconditionFailedError: `replacing` is not the current version.
        """
        current = await self.get(merchant_id)
        _check_version(current, replacing)
        return current, _change(current, changes)

    async def list_versions(
        self, merchant_id: MerchantId, *, before: int | None = None, limit: int
    ) -> list[PolicyVersion]:
        """List saved versions, the newest first; with `before` those lower than it."""
        async with self._database.autocommit() as stores:
            return await stores.policies.list_versions(merchant_id, before=before, limit=limit)

    async def _read(self, stores: Stores, merchant_id: MerchantId, version: int) -> Policy:
        return (await self._policy_versions.get(stores, merchant_id, [version]))[version]


def changed_anything(current: Policy, changed: Policy) -> bool:
    """Say whether a change makes a new version: one to what is set already does not."""
    return replace(changed, version=current.version) != current


def _check_version(current: Policy, replacing: int | None) -> None:
    if replacing is not None and replacing != current.version:
        raise PreconditionFailedError("The policy was changed meanwhile; read it again.")


def _change(current: Policy, changes: Mapping[str, Any]) -> Policy:
    settings = policy_json(current)
    unknown = [
        Fault(f"/{name}", "unknown_field", "There is no such setting.") for name in changes if name not in settings
    ]
    if unknown:
        raise InvalidInputError("The policy has unknown settings.", faults=unknown)
    changed = policy_from_json(current.version + 1, {**settings, **changes})
    faults = check_policy(changed)
    if faults:
        raise InvalidInputError("The policy has settings out of range.", faults=faults)
    return changed
