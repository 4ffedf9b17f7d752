"""The same bytes under the same key again, where nobody knows whether a message left (DESIGN.md section 6).

A provider that honours keys answers the second call as it answered the first, and sends nothing twice. So a broken
connection is followed by a second call at once, and a worker that was killed by another worker's call minutes later.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import Sender
from invite_service.services.accounts import AccountReader
from invite_service.services.claim import Account, Claim
from invite_service.services.conclusions import Tried
from invite_service.services.judgement import judge
from invite_service.services.outlets import Outlet
from invite_service.services.writing import Writer
from invite_service.storage.database import Database
from invite_service.storage.doubts import Doubt
from invite_service.storage.sending import SendContent

log = structlog.get_logger()

SAME_KEY_TRIES: Final = 3
"""Calls in a row with the same bytes and key, before an unknown outcome is left in doubt."""

SETTLING: Final = frozenset({OutcomeWord.ACCEPTED, OutcomeWord.REJECTED})
"""What a further call can settle. Any other answer (no connection, a rate limit, refused credentials) was given before
the provider looked at the key, and says nothing of the call before."""

KEY_MARGIN: Final = timedelta(minutes=2)
"""How long before a key's end it is used for the last time: longer than a call may take."""

WRITTEN_AHEAD: Final = 10
"""Seconds, at most, between writing a message and starting its attempt; its Date header tells whole ones."""


async def send_surely(sender: Sender, message: Message, *, pause: float) -> Receipt:
    """Hand a message over; while its outcome is unknown and the provider honours keys, again after `pause` seconds."""
    first = await sender.send(message)
    if first.outcome is not OutcomeWord.UNKNOWN or sender.key_lifetime is None:
        return first
    for _ in range(SAME_KEY_TRIES - 1):
        await asyncio.sleep(pause)
        receipt = await sender.send(message)
        if receipt.outcome in SETTLING:
            return receipt
    return first


class SameKeyService:
    """Settles doubts by calls of the same bytes under the same key."""

    def __init__(
        self,
        database: Database,
        *,
        accounts: AccountReader,
        writer: Writer,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._accounts = accounts
        self._writer = writer
        self._clock = clock
        self._new_id = new_id

    async def repeat(self, outlet: Outlet, merchant_id: MerchantId, doubts: Sequence[Doubt]) -> int:
        """Call again about the attempts of one channel whose keys still hold; tell how many were settled.

        may_send is asked as before any message, since a call that never reached the provider is made now. What may not
        be sent any more, and what would not be written in the same bytes today, stays in doubt.
        """
        settled = 0
        by_invitation = {doubt.invitation_id: doubt for doubt in doubts if self._has_key(doubt, outlet.sender)}
        if not by_invitation:
            return 0
        claim, plans, permitted = await self._judge(merchant_id, list(by_invitation))
        for content in permitted:
            invitation = content.invitation
            doubt = by_invitation[invitation.id]
            message = self._write_again(claim.account, content, doubt)
            if message is None:
                continue
            receipt = await outlet.sender.send(message)
            if receipt.outcome in SETTLING:
                tried = _take_up(doubt, invitation, claim.merchant, plan=plans[invitation.policy_version])
                await claim.settle(tried, receipt, price=claim.account.price_of(invitation.channel))
                settled += 1
        return settled

    def _has_key(self, doubt: Doubt, sender: Sender) -> bool:
        if sender.key_lifetime is None or doubt.provider != sender.name:
            return False
        return self._clock() - doubt.started_at + KEY_MARGIN < sender.key_lifetime

    async def _judge(
        self, merchant_id: MerchantId, invitation_ids: Sequence[UUID]
    ) -> tuple[Claim, Mapping[int, Policy], list[SendContent]]:
        async with self._database.autocommit() as stores:
            account = await self._accounts.read(stores, merchant_id)
            contents = await stores.sending.read_contents(merchant_id, invitation_ids)
            versions = {content.invitation.policy_version for content in contents}
            plans = await stores.policies.find_versions(merchant_id, versions)
            other_ids = {other_id for content in contents for other_id in content.other_ids}
            others = await stores.sending.read_invitations(merchant_id, other_ids)
        claim = Claim(account, self._new_id(), database=self._database, clock=self._clock, new_id=self._new_id)
        judgement = await judge(
            contents,
            others={other.id: other for other in others},
            policy=account.policy,
            plans=plans,
            paused=[channel for channel in Channel if account.merchant.paused_at or account.is_paused(channel)],
            now_for=claim.merchant_now,
        )
        return claim, plans, [permitted.content for permitted in judgement.permitted]

    def _write_again(self, account: Account, content: SendContent, doubt: Doubt) -> Message | None:
        """Write the attempt's message as it was, in one of the seconds before its start; None where that cannot be."""
        if not set(doubt.product_ids) <= {card.product_id for card in content.cards}:
            return None
        for seconds in range(WRITTEN_AHEAD + 1):
            message = self._writer.write(
                content,
                merchant=account.merchant,
                policy=account.policy,
                branding=account.branding,
                own_texts=account.own_texts,
                product_ids=doubt.product_ids,
                attempt_id=doubt.id,
                real_now=doubt.started_at - timedelta(seconds=seconds),
            )
            if message.content_hash() == doubt.content_hash:
                return message
        log.info("Cannot write a message in doubt as it was", attempt_id=str(doubt.id))
        return None


def _take_up(doubt: Doubt, invitation: Invitation, merchant: Merchant, *, plan: Policy) -> Tried:
    """Take up the attempt; before it, the customer was last written to when a message was last accepted."""
    assert invitation.next_step is not None
    return Tried(
        attempt_id=doubt.id,
        invitation=replace(invitation, last_message_at=invitation.last_sent_at),
        step=invitation.next_step,
        plan=plan,
        merchant=merchant,
        asked_at=doubt.asked_at,
        product_ids=doubt.product_ids,
    )
