"""Handing the messages of one claim to one sender: written down, called, recorded, a group at a time.

An attempt is committed before its call begins and closed after it has ended, and there are never more open attempts
than the sender has places for calls. What ended is closed in the same statement that opens what comes next.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.message import Message
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.rules.circuits import Shut
from invite_service.services.circuits import CircuitWatch
from invite_service.services.claim import Claim, Observer, Turn
from invite_service.services.conclusions import (
    Conclusion,
    Tried,
    conclude,
    conclude_failure,
    conclude_rest,
    conclude_unstarted,
    give_back,
)
from invite_service.services.outlets import Outlet, Share
from invite_service.services.same_key import SAME_KEY_PAUSE, send_surely
from invite_service.services.send_report import Fate
from invite_service.storage.attempts import NewAttempt, Recorded

log = structlog.get_logger()

LEAD_SECONDS: Final = 0.15
"""How long before this batch is used up, at the pace so far, the merchant lines up again: for the next one to be
claimed and judged meanwhile, and no longer, as what may_send said holds for seconds."""

NOT_WRITTEN: Final = "not_written"
"""Why a message waits that could not be written: a fault of ours, tried again like one of the provider's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a hand-over waits for what, in seconds."""

    others: float = 0.004
    """A call that has ended for others to end: a quick provider's answers are then recorded together."""
    place: float = 0.25
    """For a place, before it looks whether anything may still be started."""
    call: float = 20.0
    """For calls, before the leases of those still open are renewed: a third of a lease."""
    database: tuple[float, ...] = (0.2, 1.0, 2.0, 4.0, 8.0)
    """Between tries to record what has ended, while the database is away."""
    same_key: float = SAME_KEY_PAUSE
    """Between calls with the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """A message that may be sent and is not written yet."""

    invitation: Invitation
    plan: Policy
    """The policy version stored with the invitation."""
    product_ids: tuple[str, ...]
    dropped: tuple[str, ...]
    write: Callable[[UUID], Message]
    """Writes the message of the attempt with this id."""


@dataclass(slots=True)
class _Ended:
    """A conclusion to be recorded; a call's answer holds its place until it is."""

    conclusion: Conclusion
    answer: tuple[Tried, Receipt] | None = None


class HandOver:
    """One outlet's part of one claim; used once."""

    def __init__(
        self,
        claim: Claim,
        outlet: Outlet,
        sendables: Iterable[Sendable],
        *,
        channel: Channel,
        turn: Turn,
        fresh_until: float,
        new_id: Callable[[], UUID],
        observe: Observer,
        has_more: bool,
        patience: Patience,
    ) -> None:
        """Prepare; what is not started by `fresh_until`, on the event loop's clock, is given back and judged anew."""
        self.fates: list[Fate] = []
        """What became of messages, as far as it is recorded."""
        self._claim = claim
        self._outlet = outlet
        self.channel = channel
        self._circuit = CircuitWatch(claim, outlet, channel)
        self._waiting = deque(sendables)
        self._turn = turn
        self._fresh_until = fresh_until
        self._new_id = new_id
        self._observe = observe
        self._written: deque[tuple[Sendable, Message]] = deque()
        self._calls: dict[asyncio.Task[Sequence[Receipt]], Sequence[Tried]] = {}
        self._in_flight = 0
        self._ended: list[_Ended] = []
        self._is_refused = False
        self.started_count = 0
        """Messages for which a call may have begun."""
        self._began_at = asyncio.get_running_loop().time()
        self._has_more = has_more
        self._patience = patience
        self._renew_at = self._next_renewal()

    async def run(self) -> None:
        """Send all that waits, or give it back."""
        with self._outlet.places.share(self._claim.merchant.id) as share:
            try:
                while self._left or self._calls or self._ended:
                    await self._advance(share)
            finally:
                if self._calls:
                    await asyncio.wait(self._calls)

    async def _advance(self, share: Share) -> None:
        self._turn_away()
        share.is_hungry = self._left > 0
        room = min(self._left, max(0, share.room - self._in_flight))
        if room or self._ended:
            share.hold(max(share.held, self._in_flight + room))
            await self._record_and_open(room)
            share.is_hungry = self._left > 0
            share.hold(self._in_flight)
        elif not self._calls:
            await self._wait_for_place(share)
        if self._calls:
            await self._await_calls()

    def _turn_away(self) -> None:
        """Conclude what waits without a call, where no further call may begin."""
        if not self._left:
            return
        is_over = self._turn.must_end or asyncio.get_running_loop().time() > self._fresh_until
        if self._is_refused or is_over:
            self._ended += [_Ended(give_back(sendable.invitation)) for sendable in self._take_all()]
        elif (shut := self._circuit.find_shut()) is not None:
            self._ended += [_Ended(self._postpone(sendable, shut)) for sendable in self._take_all()]

    def _take_all(self) -> list[Sendable]:
        """Take out everything that no call has begun for."""
        left = [*(sendable for sendable, _ in self._written), *self._waiting]
        self._written.clear()
        self._waiting.clear()
        return left

    def _postpone(self, sendable: Sendable, shut: Shut) -> Conclusion:
        return conclude_rest(
            sendable.invitation,
            plan=sendable.plan,
            rest=shut.until - self._claim.real_now(),
            reason=shut.reason,
            now=self._claim.merchant_now(sendable.invitation),
        )

    async def _record_and_open(self, room: int) -> None:
        while len(self._written) < room and self._waiting:
            self._write_one()
        starting = [self._start(self._written.popleft()) for _ in range(min(room, len(self._written)))]
        self._announce_more()
        self.started_count += len(starting)
        ended, self._ended = self._ended, []
        openings = [_opening(tried, message, provider=self._outlet.sender.name) for tried, message in starting]
        recording = asyncio.create_task(self._claim.record([entry.conclusion for entry in ended], openings))
        try:
            await self._write_ahead(recording)
            recorded = await recording
        except Exception as error:
            log.warning("Failed to record what was sent", merchant_id=self._claim.merchant.id, exc_info=error)
            never_begun = [_Ended(conclude_unstarted(tried, self._never_begun())) for tried, _ in starting]
            await self._record_patiently([*ended, *never_begun], error)
            return
        await self._finish(ended, recorded)
        self._call([one for one in starting if one[0].invitation.id in recorded.opened_ids])

    def _call(self, opened: Sequence[tuple[Tried, Message]]) -> None:
        """Begin the calls of attempts that are written down, as many messages in each as it takes."""
        for group in _divide(opened, at_most=self._outlet.per_call):
            messages = [message for _, message in group]
            self._calls[asyncio.create_task(self._send(messages), name="send")] = [tried for tried, _ in group]
        self._in_flight += len(opened)

    async def _write_ahead(self, recording: "asyncio.Task[Recorded]") -> None:
        """Write what goes next while the database records what went before."""
        await asyncio.sleep(0)
        while not recording.done() and self._waiting and len(self._written) < self._outlet.places.capacity:
            self._write_one()
            await asyncio.sleep(0)

    def _write_one(self) -> None:
        sendable = self._waiting.popleft()
        invitation = sendable.invitation
        try:
            message = sendable.write(self._new_id())
        except Exception as error:
            log.exception("Failed to write a message", invitation_id=str(invitation.id))
            now = self._claim.merchant_now(invitation)
            failure = conclude_failure(invitation, NOT_WRITTEN, plan=sendable.plan, error=error, now=now)
            self._ended.append(_Ended(failure))
        else:
            if message.own_text_fault is not None:
                log.warning(
                    "Wrote a message in the catalogue's words",
                    merchant_id=self._claim.merchant.id,
                    invitation_id=str(invitation.id),
                    text_version=message.own_text_version,
                    fault=message.own_text_fault,
                )
            self._written.append((sendable, message))

    def _start(self, written: tuple[Sendable, Message]) -> tuple[Tried, Message]:
        """Fix the time at which the customer is written to."""
        sendable, message = written
        invitation = sendable.invitation
        assert invitation.next_step is not None
        tried = Tried(
            attempt_id=message.attempt_id,
            invitation=invitation,
            step=invitation.next_step,
            plan=sendable.plan,
            merchant=self._claim.merchant,
            asked_at=self._claim.merchant_now(invitation),
            product_ids=sendable.product_ids,
            dropped=sendable.dropped,
            own_text_version=message.own_text_version,
            own_text_fault=message.own_text_fault,
        )
        return tried, message

    def _announce_more(self) -> None:
        if not self._has_more:
            return
        pace = self.started_count / max(asyncio.get_running_loop().time() - self._began_at, LEAD_SECONDS / 100)
        if self._left <= max(pace * LEAD_SECONDS, self._outlet.places.capacity):
            self._has_more = False
            self._turn.announce_more()

    @property
    def _left(self) -> int:
        return len(self._waiting) + len(self._written)

    async def _record_patiently(self, ended: Sequence[_Ended], error: Exception) -> None:
        """Start nothing further, and try again to record while the database is away.

        Attempts that may have been opened are closed as never begun. Raises the error when the database stays away:
        what is not recorded then is settled when its lease expires.
        """
        self._is_refused = True
        for pause in self._patience.database:
            await asyncio.sleep(pause)
            try:
                recorded = await self._claim.record([entry.conclusion for entry in ended])
            except Exception as again:
                error = again
                continue
            await self._finish(ended, recorded)
            return
        self._take_all()
        raise error

    async def _finish(self, ended: Sequence[_Ended], recorded: Recorded) -> None:
        """Count what was recorded, and settle answers to invitations that others took out of our hands."""
        for entry in ended:
            is_ours = entry.conclusion.recording.invitation.id in recorded.recorded_ids
            if not is_ours and entry.answer is not None:
                price = self._claim.account.price_of(entry.answer[0].invitation.channel)
                await _bear(self._claim.settle(*entry.answer, price=price))
            if entry.conclusion.fate is not None and (is_ours or entry.answer is not None):
                self.fates.append(entry.conclusion.fate)

    async def _wait_for_place(self, share: Share) -> None:
        try:
            async with asyncio.timeout(self._patience.place):
                await share.wait()
        except TimeoutError:
            return

    async def _send(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        sender, batches = self._outlet.sender, self._outlet.batches
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        if batches is not None and len(messages) > 1:
            receipts = await batches.send_many(messages)
        else:
            receipts = [await send_surely(sender, message, pause=self._patience.same_key) for message in messages]
        for message, receipt in zip(messages, receipts, strict=True):
            self._observe(receipt, message.channel, seconds=loop.time() - started_at)
        return receipts

    async def _await_calls(self) -> None:
        timeout = max(0.0, self._renew_at - asyncio.get_running_loop().time())
        done, running = await asyncio.wait(self._calls, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if done and running:
            done, _ = await asyncio.wait(self._calls, timeout=self._patience.others)
        for task in done:
            group = self._calls.pop(task)
            self._in_flight -= len(group)
            await self._conclude(group, self._receipts_of(task, group))
        await self._renew_leases()

    async def _renew_leases(self) -> None:
        """Keep the leases of open calls, however many others end meanwhile; what nobody started has no need of it."""
        if asyncio.get_running_loop().time() < self._renew_at:
            return
        self._renew_at = self._next_renewal()
        if self._calls:
            in_flight = [tried.invitation.id for group in self._calls.values() for tried in group]
            await _bear(self._claim.renew(in_flight))

    def _next_renewal(self) -> float:
        return asyncio.get_running_loop().time() + self._patience.call

    async def _conclude(self, group: Sequence[Tried], receipts: Sequence[Receipt]) -> None:
        """Conclude what one call was answered of each of its messages."""
        await _bear(self._circuit.note(receipts))
        is_told = False
        for tried, receipt in zip(group, receipts, strict=True):
            is_refusal = receipt.outcome is OutcomeWord.MISCONFIGURED
            self._is_refused = self._is_refused or is_refusal
            if (is_refusal and not is_told) or receipt.suppress_address:
                await _bear(self._claim.take_note(tried, receipt))
            is_told = is_told or is_refusal
            now = self._claim.merchant_now(tried.invitation)
            price = self._claim.account.price_of(tried.invitation.channel)
            conclusion = conclude(tried, receipt, price=price, now=now)
            self._ended.append(_Ended(conclusion, answer=(tried, receipt)))

    def _receipts_of(self, task: "asyncio.Task[Sequence[Receipt]]", group: Sequence[Tried]) -> Sequence[Receipt]:
        """Read a call's answers; of one that raised, which no sender should, nobody knows what became."""
        error = task.exception()
        if error is None:
            return task.result()
        log.error("A sender raised", invitation_ids=[str(tried.invitation.id) for tried in group], exc_info=error)
        unknown = Receipt(outcome=OutcomeWord.UNKNOWN, reason="sender_raised", provider=self._outlet.sender.name)
        return [unknown] * len(group)

    def _never_begun(self) -> Receipt:
        return Receipt(outcome=OutcomeWord.NOT_SENT, reason="never_begun", provider=self._outlet.sender.name)


async def _bear(step: Awaitable[None]) -> None:
    """Do what goes beyond a message's own record; where it fails, the record of the others must not."""
    try:
        await step
    except Exception:
        log.exception("Failed to follow up an answer")


def _divide(opened: Sequence[tuple[Tried, Message]], *, at_most: int) -> Iterator[Sequence[tuple[Tried, Message]]]:
    for start in range(0, len(opened), at_most):
        yield opened[start : start + at_most]


def _opening(tried: Tried, message: Message, *, provider: str) -> NewAttempt:
    return NewAttempt(
        id=tried.attempt_id,
        invitation_id=tried.invitation.id,
        step=tried.step,
        channel=tried.invitation.channel,
        language=tried.invitation.language,
        provider=provider,
        message_id=message.message_id,
        idempotency_key=message.idempotency_key,
        content_hash=message.content_hash(),
        product_ids=tried.product_ids,
        asked_at=tried.asked_at,
    )
