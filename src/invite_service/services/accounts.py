"""Reading what sending for a merchant goes by: its own settings, under whose versions, and who signs."""

import asyncio

from invite_service.domain.channel import UNSET_CHANNEL, signed_by
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.services.claim import Account
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.text_versions import TextVersions
from invite_service.storage.stores import Stores


class AccountReader:
    """Reads accounts; versions of policies and texts that were read before are kept."""

    def __init__(self, *, policies: PolicyVersions, texts: TextVersions) -> None:
        self._policies = policies
        self._texts = texts

    async def read(self, stores: Stores, merchant_id: MerchantId) -> Account:
        """Read a merchant's account as it is now."""
        read_at = asyncio.get_running_loop().time()
        merchant = await stores.merchants.get(merchant_id)
        policies = await self._policies.get(stores, merchant_id, {merchant.policy_version})
        look = await stores.branding.get_look(merchant_id)
        channels = await stores.channels.read(merchant_id)
        return Account(
            merchant=merchant,
            policy=policies[merchant.policy_version],
            branding=signed_by(
                look.branding,
                email=channels.get(Channel.EMAIL, UNSET_CHANNEL).settings,
                sms=channels.get(Channel.SMS, UNSET_CHANNEL).settings,
            ),
            own_texts=await self._texts.get(stores, merchant_id, look.texts_version),
            channels=channels,
            read_at=read_at,
        )
