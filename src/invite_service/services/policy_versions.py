"""A process's memory of policy versions: they never change once saved, so that remembering them is safe."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import Policy
from invite_service.storage.stores import Stores

MAX_REMEMBERED: Final = 500
"""Versions kept at once; one can hold twenty thousand exclusions, most hold none."""


class PolicyVersions:
    """Reads policy versions from memory, and from the database those it has not seen.

    Which version is the current one is not remembered: that stands with the merchant and is read fresh.
    """

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[tuple[MerchantId, int], Policy] = OrderedDict()

    async def get(self, stores: Stores, merchant_id: MerchantId, versions: Iterable[int]) -> dict[int, Policy]:
        """Get saved versions of a merchant's policy; all of them must exist."""
        found: dict[int, Policy] = {}
        unseen = []
        for version in set(versions):
            policy = self._remembered.get((merchant_id, version))
            if policy is None:
                unseen.append(version)
            else:
                self._remembered.move_to_end((merchant_id, version))
                found[version] = policy
        if unseen:
            read = await stores.policies.find_versions(merchant_id, unseen)
            for version, policy in read.items():
                self._remember(merchant_id, version, policy)
            found |= read
        return found

    def _remember(self, merchant_id: MerchantId, version: int, policy: Policy) -> None:
        self._remembered[merchant_id, version] = policy
        if len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)
