"""The same bytes under the same key again, where nobody knows whether a message left (DESIGN.md section 6).

A provider that honours keys answers the second call as it answered the first, and sends nothing twice. So a broken
connection is followed by a second call at once, and a worker that was killed by another worker's call minutes later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import Sender
from invite_service.rules.circuits import Shut
from invite_service.services.accounts import AccountReader
from invite_service.services.claim import Account, Claim
from invite_service.services.conclusions import Tried
from invite_service.services.judgement import Permitted, judge, read_facts
from invite_service.services.notice_ends import ENDS, ended, record_end
from invite_service.services.notice_writing import NoticeWriter, Unwanted
from invite_service.services.outlets import Outlet
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.send_report import Fate
from invite_service.services.single_calls import SingleCalls
from invite_service.services.text_versions import TextVersions
from invite_service.services.writing import Writer
from invite_service.storage.database import Database
from invite_service.storage.doubts import AttemptDoubt, NoticeDoubt

log = structlog.get_logger()

SAME_KEY_TRIES: Final = 3
"""Calls in a row with the same bytes and key, before an unknown outcome is left in doubt."""

SAME_KEY_PAUSE: Final = 0.2
"""Seconds between these calls."""

SETTLING: Final = frozenset({OutcomeWord.ACCEPTED, OutcomeWord.REJECTED})
"""What a further call can settle. Any other answer (no connection, a rate limit, refused credentials) was given before
the provider looked at the key, and says nothing of the call before."""

KEY_MARGIN: Final = timedelta(minutes=2)
"""How long before a key's end it is used for the last time: longer than a call may take."""

WRITTEN_AHEAD: Final = 10
"""Seconds, at most, between writing a message and starting its attempt; its Date header tells whole ones."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A call that may be made later: when the provider's time has come, or when may_send lets the message go."""

    shut: Shut | None


@dataclass(frozen=True, slots=True)
class Repeated:
    """A call that was made, and how many seconds its answer took."""

    receipt: Receipt
    seconds: float


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A call that may be made: with which message, and what is done with an answer that settles the doubt."""

    message: Message
    settle: Callable[[Receipt], Awaitable[None]]


async def send_surely(sender: Sender, message: Message, *, pause: float = SAME_KEY_PAUSE) -> Receipt:
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
        writer: Writer,
        notice_writer: NoticeWriter,
        policies: PolicyVersions,
        texts: TextVersions,
        calls: SingleCalls,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._calls = calls
        self._writer = writer
        self._notice_writer = notice_writer
        self._policies = policies
        self._accounts = AccountReader(policies=policies, texts=texts)
        self._clock = clock
        self._new_id = new_id

    async def repeat(
        self, outlet: Outlet, merchant_id: MerchantId, doubt: AttemptDoubt | NoticeDoubt
    ) -> Repeated | Withheld | None:
        """Call again about what went through this outlet, and record an answer that settles the doubt.

        No call is made, and none is answered, where the key has ended, where what is asked before any message, since a
        call that never reached the provider is made now, ends it (may_send, of a notice its writer), or where it would
        not be written in the same bytes today. None is made yet where it may go later, or while the circuit is open.
        """
        lifetime = outlet.sender.key_lifetime
        if lifetime is None or self._clock() - doubt.started_at + KEY_MARGIN >= lifetime:
            return None
        async with self._database.autocommit() as stores:
            account = await self._accounts.read(stores, merchant_id)
        claim = Claim(account, self._new_id(), database=self._database, clock=self._clock, new_id=self._new_id)
        if isinstance(doubt, NoticeDoubt):
            repeat = await self._prepare_notice(claim, doubt)
        else:
            repeat = await self._prepare_attempt(claim, doubt)
        if not isinstance(repeat, _Repeat):
            return repeat
        admission = await self._calls.admit(claim, outlet, doubt.channel)
        if isinstance(admission, Shut):
            return Withheld(admission)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        receipt = await outlet.sender.send(repeat.message)
        seconds = loop.time() - began_at
        await admission.note(receipt)
        if receipt.outcome in SETTLING:
            await repeat.settle(receipt)
        if receipt.suppress_address and repeat.message.step is not Notice.SUPPORT_ALERT:
            at = claim.merchant.now(self._clock())
            await claim.suppress(repeat.message.to_address, doubt.channel, at=at)
        return Repeated(receipt, seconds)

    async def _prepare_attempt(self, claim: Claim, doubt: AttemptDoubt) -> _Repeat | Withheld | None:
        account, merchant = claim.account, claim.merchant
        async with self._database.autocommit() as stores:
            facts = await read_facts(stores, merchant.id, [doubt.invitation_id], policies=self._policies)
        judgement = await judge(
            facts,
            policy=account.policy,
            paused=[channel for channel in Channel if merchant.paused_at or account.is_paused(channel)],
            now_for=claim.merchant_now,
        )
        if not judgement.permitted:
            is_later = judgement.concluded[0].fate is Fate.POSTPONED
            return Withheld(None) if is_later else None
        [permitted] = judgement.permitted
        message = self._write_again(account, permitted, doubt)
        if message is None:
            return None
        invitation = permitted.content.invitation
        tried = _take_up(doubt, invitation, merchant, plan=facts.plans[invitation.policy_version])

        async def settle(receipt: Receipt) -> None:
            await claim.settle(tried, receipt, price=account.price_of(invitation.channel))

        return _Repeat(message, settle)

    async def _prepare_notice(self, claim: Claim, doubt: NoticeDoubt) -> _Repeat | Withheld | None:
        account, notice = claim.account, doubt.notice
        async with self._database.autocommit() as stores:
            draft = await self._notice_writer.draft(stores, account, notice, real_now=doubt.started_at)
        if isinstance(draft, Unwanted):
            return None
        if claim.merchant.paused_at is not None or account.is_paused(notice.channel):
            return Withheld(None)
        message = _find_same(draft, doubt)
        if message is None:
            return None

        async def settle(receipt: Receipt) -> None:
            end = ended(notice, ENDS[receipt.outcome], reason=receipt.reason)
            price = account.price_of(notice.channel)
            async with self._database.transaction() as stores:
                await record_end(
                    stores,
                    claim.merchant,
                    end,
                    token=claim.token,
                    real_now=self._clock(),
                    receipt=receipt,
                    price=price,
                )

        return _Repeat(message, settle)

    def _write_again(self, account: Account, permitted: Permitted, doubt: AttemptDoubt) -> Message | None:
        if not set(doubt.product_ids) <= set(permitted.verdict.product_ids):
            return None

        def write(at: datetime) -> Message:
            return self._writer.write(
                permitted.content,
                merchant=account.merchant,
                policy=account.policy,
                branding=account.branding,
                own_texts=account.own_texts,
                product_ids=doubt.product_ids,
                attempt_id=doubt.id,
                real_now=at,
            )

        return _find_same(write, doubt)


def _find_same(write: Callable[[datetime], Message], doubt: AttemptDoubt | NoticeDoubt) -> Message | None:
    """Write a message as it was, in one of the seconds before its call began; None where that cannot be."""
    for seconds in range(WRITTEN_AHEAD + 1):
        message = write(doubt.started_at - timedelta(seconds=seconds))
        if message.content_hash() == doubt.content_hash:
            return message
    log.info("Cannot write a message in doubt as it was", attempt_id=str(doubt.id))
    return None


def _take_up(doubt: AttemptDoubt, invitation: Invitation, merchant: Merchant, *, plan: Policy) -> Tried:
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
