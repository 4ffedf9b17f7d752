"""Sending what is due: claim a merchant's batch, ask may_send again for each, write, hand over, record.

DESIGN.md section 6. No transaction is open during a call.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Message
from invite_service.services.accounts import AccountReader
from invite_service.services.channel_providers import ProviderUnusableError
from invite_service.services.claim import LEASE_SECONDS, Account, Claim, Observer, Turn
from invite_service.services.conclusions import Conclusion
from invite_service.services.gates import Claimed, Gates
from invite_service.services.hand_over import HandOver, Patience, Sendable
from invite_service.services.judgement import Facts, Permitted, judge, read_facts
from invite_service.services.lines import Lines
from invite_service.services.outlets import Outlet, Outlets
from invite_service.services.policy_versions import PolicyVersions
from invite_service.services.send_report import Fate, SendReport
from invite_service.services.text_versions import TextVersions
from invite_service.services.writing import Writer
from invite_service.storage.database import Database
from invite_service.storage.sending import Lease, SendContent

log = structlog.get_logger()

BATCH_SIZE: Final = 200
"""Invitations claimed at once."""

MAX_COUNTED: Final = 100_000
"""Due messages beyond which nobody counts."""

MAX_REST: Final = timedelta(seconds=10)
"""How long a merchant at most is not looked at of whom nothing was let through: something else may be due."""

FRESH_SECONDS: Final = 5.0
"""How long may_send's answer holds. What is not started by then is given back and asked again."""


@dataclass(frozen=True, slots=True)
class _Batch:
    claim: Claim
    claimed: Claimed
    facts: Facts


class SendingService:
    """Sends what is due."""

    def __init__(
        self,
        database: Database,
        *,
        outlets: Outlets,
        writer: Writer,
        policies: PolicyVersions,
        texts: TextVersions,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        observe: Observer,
        observe_claim: Callable[[float], None] = lambda _: None,
        batch_size: int = BATCH_SIZE,
        patience: Patience | None = None,
        lines: Lines | None = None,
    ) -> None:
        """Make a service; `observe` is told of each provider's answer, `observe_claim` of the seconds a claim took.

        `lines` know the paces of the installation's own providers; without any these have none.
        """
        self._database = database
        self._outlets = outlets
        self._writer = writer
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._observe_claim = observe_claim
        self._batch_size = batch_size
        self._patience = patience or Patience()
        self._looks_by_join = False
        self._policies = policies
        self._accounts = AccountReader(policies=policies, texts=texts)
        self._rests_until: dict[MerchantId, datetime] = {}
        self._lines = lines or Lines()

    async def find_due(self, *, except_for: Collection[MerchantId] = ()) -> list[MerchantId]:
        """Find merchants with due invitations, each by its own clock.

        Where the looks across all merchants fail, each is asked for itself, so that a database node that is down
        stops only its own merchants. Those of which a moment ago nothing was let through are left out.
        """
        real_now = self._clock()
        self._rests_until = {one: until for one, until in self._rests_until.items() if until > real_now}
        self._lines.forget_past(real_now=real_now)
        except_for = {*except_for, *self._rests_until}
        for by_join in (self._looks_by_join, not self._looks_by_join):
            try:
                async with self._database.autocommit() as stores:
                    due = await stores.due.list_due_merchants(
                        real_now=self._clock(), except_for=except_for, by_join=by_join
                    )
            except Exception as error:
                log.warning("Failed to look across merchants", by_join=by_join, error=type(error).__name__)
            else:
                self._looks_by_join = by_join
                return due
        async with self._database.autocommit() as stores:
            clocks = await stores.due.list_clocks()
        found = []
        for merchant_id, offset in clocks:
            if merchant_id not in except_for and await self._is_due(merchant_id, self._clock() + offset):
                found.append(merchant_id)
        return found

    async def count_due(self) -> int:
        """Count what is due and not claimed, up to 100,000."""
        async with self._database.autocommit() as stores:
            return await stores.due.count_due(real_now=self._clock(), at_most=MAX_COUNTED, by_join=self._looks_by_join)

    async def count_open_circuits(self) -> Mapping[str, int]:
        """Count the circuits of all merchants that are open, or wait for a trial, by provider."""
        async with self._database.autocommit() as stores:
            return await stores.circuits.count_open()

    async def _is_due(self, merchant_id: MerchantId, now: datetime) -> bool:
        try:
            async with self._database.autocommit() as stores:
                due_at = await stores.due.find_next_due(merchant_id)
        except Exception as error:
            log.warning("Failed to look for due messages", merchant_id=merchant_id, error=type(error).__name__)
            return False
        return due_at is not None and due_at <= now

    async def send_due(
        self,
        merchant_id: MerchantId,
        *,
        turn: Turn,
        due_by: datetime | None = None,
        time_of: Callable[[Invitation], datetime] | None = None,
    ) -> SendReport:
        """Send one batch of the merchant's due messages and say what became of them.

        `due_by` and `time_of` are for a sandbox's clock on its way: what is due by an instant is claimed, and each
        message is judged and sent at the time that `time_of` tells.
        """
        batch = await self._claim(merchant_id, turn=turn, due_by=due_by, time_of=time_of)
        if batch is None:
            return SendReport()
        with contextlib.ExitStack() as borrowed:
            return await self._send(batch, await self._borrow_outlets(batch, borrowed), turn=turn)

    async def _send(self, batch: _Batch, outlets: Mapping[Channel, Outlet], *, turn: Turn) -> SendReport:
        fresh_until = asyncio.get_running_loop().time() + FRESH_SECONDS
        judgement = await judge(
            batch.facts,
            policy=batch.claim.account.policy,
            paused=self._paused(batch, outlets),
            now_for=batch.claim.merchant_now,
        )
        has_more = batch.claimed.is_full
        if has_more and not judgement.permitted:
            turn.announce_more()
        fates = await _record(batch.claim, judgement.concluded)
        hand_overs = [
            HandOver(
                batch.claim,
                outlet,
                [self._sendable(batch, permitted) for permitted in judgement.permitted if permitted.channel is channel],
                channel=channel,
                turn=turn,
                fresh_until=fresh_until,
                new_id=self._new_id,
                observe=self._observe,
                has_more=has_more,
                patience=self._patience,
            )
            for channel, outlet in outlets.items()
        ]
        try:
            await asyncio.gather(*(hand_over.run() for hand_over in hand_overs))
        finally:
            await self._end_trials(batch, {one.channel for one in hand_overs if one.started_count})
            report = SendReport.of([*fates, *(fate for hand_over in hand_overs for fate in hand_over.fates)])
            log.info("Sent a batch", merchant_id=batch.claim.merchant.id, **report.counts())
        return report

    async def _end_trials(self, batch: _Batch, started: Collection[Channel]) -> None:
        """Give back the trials of circuits that no call was made for, so that another message may try."""
        unused = {channel: until for channel, until in batch.claimed.trials.items() if channel not in started}
        if not unused:
            return
        async with self._database.autocommit() as stores:
            for channel, until in unused.items():
                await stores.circuits.end_trial(batch.claim.merchant.id, channel, until=until)

    async def _borrow_outlets(self, batch: _Batch, borrowed: contextlib.ExitStack) -> dict[Channel, Outlet]:
        """Find where the batch's messages leave, by open channels; one that leads to no provider is paused."""
        outlets = {}
        account = batch.claim.account
        wanted = {content.invitation.channel for content in batch.facts.contents}
        for channel in (channel for channel in wanted if not account.is_paused(channel)):
            lending = self._outlets.lend(account.merchant, channel, account.state_of(channel).settings)
            try:
                outlets[channel] = borrowed.enter_context(lending)
            except ProviderUnusableError as error:
                await batch.claim.pause_channel(channel, reason=error.reason)
        return outlets

    def _paused(self, batch: _Batch, outlets: Collection[Channel]) -> frozenset[Channel]:
        account = batch.claim.account
        if account.merchant.paused_at is not None:
            return frozenset(Channel)
        return frozenset(channel for channel in Channel if channel not in outlets)

    def _sendable(self, batch: _Batch, permitted: Permitted) -> Sendable:
        content, account = permitted.content, batch.claim.account
        return Sendable(
            invitation=content.invitation,
            plan=batch.facts.plans[content.invitation.policy_version],
            product_ids=permitted.verdict.product_ids,
            dropped=permitted.verdict.dropped,
            write=partial(self._write, content, account, permitted.verdict.product_ids),
        )

    def _write(self, content: SendContent, account: Account, product_ids: Sequence[str], attempt_id: UUID) -> Message:
        return self._writer.write(
            content,
            merchant=account.merchant,
            policy=account.policy,
            branding=account.branding,
            own_texts=account.own_texts,
            product_ids=product_ids,
            attempt_id=attempt_id,
            real_now=self._clock(),
        )

    async def _claim(
        self,
        merchant_id: MerchantId,
        *,
        turn: Turn,
        due_by: datetime | None,
        time_of: Callable[[Invitation], datetime] | None,
    ) -> _Batch | None:
        async with self._database.autocommit() as stores:
            account = await self._accounts.read(stores, merchant_id)
            real_now = self._clock()
            lease = Lease(self._new_id(), real_now + timedelta(seconds=LEASE_SECONDS))
            now = due_by if due_by is not None else account.merchant.now(real_now)
            began_at = asyncio.get_running_loop().time()
            gates = Gates(stores, account, self._lines, now=now, real_now=real_now, lease=lease)
            claimed = await gates.claim(self._batch_size)
            self._observe_claim(asyncio.get_running_loop().time() - began_at)
            if claimed.opens_at is not None:
                self._wait(merchant_id, claimed, turn=turn, real_now=real_now)
            if not claimed.ids:
                return None
            facts = await read_facts(stores, merchant_id, claimed.ids, policies=self._policies)
        claim = Claim(
            account,
            lease.token,
            database=self._database,
            clock=self._clock,
            new_id=self._new_id,
            time_of=time_of,
        )
        return _Batch(claim, claimed, facts)

    def _wait(self, merchant_id: MerchantId, claimed: Claimed, *, turn: Turn, real_now: datetime) -> None:
        """Come back for what was kept back, and not before where that was everything."""
        assert claimed.opens_at is not None
        wait = min(claimed.opens_at - real_now, MAX_REST)
        if not claimed.ids:
            self._rests_until[merchant_id] = real_now + wait
        if not claimed.is_full:
            turn.announce_more(after=wait.total_seconds())


async def _record(claim: Claim, concluded: Sequence[Conclusion]) -> list[Fate]:
    """Record what is not sent, and say what became of that which was still ours."""
    if not concluded:
        return []
    recorded = await claim.record(concluded)
    return [
        conclusion.fate
        for conclusion in concluded
        if conclusion.fate is not None and conclusion.recording.invitation.id in recorded.recorded_ids
    ]
