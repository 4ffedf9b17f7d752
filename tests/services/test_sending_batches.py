"""Messages that are claimed together and leave in one call, and what becomes of each."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from invite_service.domain.invitation import Channel, InvitationStatus
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import BatchSender, Sender
from invite_service.providers.doubles import FakeSender
from invite_service.services.outlets import MAX_PER_CALL, find_batches
from invite_service.services.send_report import SendReport
from tests.services.test_sending_outcomes import make_receipt
from tests.support.sending import OpenTurn, SendingHouse
from tests.support.workers import comes_to_be

Answer = Callable[[int, Message], Receipt]
"""Says what becomes of the message in this place of a call."""


def accept(_: int, message: Message) -> Receipt:
    return replace(make_receipt(OutcomeWord.ACCEPTED), provider_message_id=f"m-{message.attempt_id}")


class FakeBatchSender(FakeSender):
    """Takes many messages in one call, and remembers which came together."""

    max_batch = 100

    def __init__(self, answer: Answer = accept, *, key_lifetime: timedelta | None = None) -> None:
        super().__init__(max_in_flight=8, key_lifetime=key_lifetime)
        self._answer = answer
        self.calls: list[Sequence[Message]] = []

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Remember the call, and answer message by message."""
        self.calls.append(messages)
        return [self._answer(place, message) for place, message in enumerate(messages)]


class SlowBatchSender(FakeBatchSender):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Wait, and accept."""
        receipts = await super().send_many(messages)
        await self.may_answer.wait()
        return receipts


class BrokenBatchSender(FakeBatchSender):
    """Raises, or answers of fewer messages than it got: both are faults of ours."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Fail."""
        if self._error is not None:
            raise self._error
        return (await super().send_many(messages))[1:]


if TYPE_CHECKING:
    _SENDER: tuple[Sender, BatchSender] = (FakeBatchSender(), FakeBatchSender())


async def fill(house: SendingHouse, count: int) -> None:
    await house.invite_many(count)
    await house.rows("UPDATE invitations SET send_now = true, next_attempt_at = $1", house.clock.now)


async def outcomes(house: SendingHouse) -> Counter[str]:
    return Counter(attempt["outcome"] for attempt in await house.attempts())


def sizes(calls: Iterable[Sequence[Message]]) -> list[int]:
    return sorted(len(call) for call in calls)


async def test_messages_leave_many_in_a_call_and_each_is_recorded_by_itself(house: SendingHouse) -> None:
    await fill(house, 60)
    sender = FakeBatchSender()

    assert await house.send(sender) == SendReport(sent=60)

    assert sum(sizes(sender.calls)) == 60
    assert max(sizes(sender.calls)) == MAX_PER_CALL
    assert len(sender.calls) == 3
    assert sender.messages == []
    taken = {attempt["id"]: attempt["provider_message_id"] for attempt in await house.attempts()}
    assert taken == {message.attempt_id: f"m-{message.attempt_id}" for call in sender.calls for message in call}
    assert len(house.answers.outcomes) == 60


async def test_single_message_goes_by_the_single_call(house: SendingHouse) -> None:
    await fill(house, 1)
    sender = FakeBatchSender()
    assert await house.send(sender) == SendReport(sent=1)
    assert (len(sender.messages), sender.calls) == (1, [])


async def test_each_message_of_a_call_meets_its_own_fate(house: SendingHouse) -> None:
    await fill(house, 5)
    answers = [
        make_receipt(OutcomeWord.ACCEPTED),
        make_receipt(OutcomeWord.REJECTED, reason="invalid_address", suppress_address=True),
        make_receipt(OutcomeWord.RATE_LIMITED, reason="rate_limited", retry_after=timedelta(seconds=30)),
        make_receipt(OutcomeWord.NOT_SENT, reason="service_unavailable"),
        make_receipt(OutcomeWord.UNKNOWN, reason="answer_unreadable"),
    ]

    report = await house.send(FakeBatchSender(lambda place, _: answers[place]))

    assert report == SendReport(sent=1, failed=1, postponed=1, not_sent=1, in_doubt=1)
    assert await outcomes(house) == Counter(receipt.outcome.value for receipt in answers)
    assert len(await house.rows("SELECT 1 FROM suppressions")) == 1


@pytest.mark.parametrize(
    ("outcome", "report"),
    [
        (OutcomeWord.UNKNOWN, SendReport(in_doubt=6)),
        (OutcomeWord.NOT_SENT, SendReport(not_sent=6)),
        (OutcomeWord.REJECTED, SendReport(failed=6)),
        (OutcomeWord.RATE_LIMITED, SendReport(postponed=6)),
        (OutcomeWord.MISCONFIGURED, SendReport(postponed=6)),
    ],
)
async def test_call_that_is_answered_as_a_whole_is_that_answer_for_each_of_its_messages(
    house: SendingHouse, outcome: OutcomeWord, report: SendReport
) -> None:
    await fill(house, 6)
    sender = FakeBatchSender(lambda *_: make_receipt(outcome, retry_after=timedelta(seconds=1)))
    assert await house.send(sender) == report
    assert sizes(sender.calls) == [6]
    assert await outcomes(house) == {outcome.value: 6}
    # However many messages, it was one failure of the provider's.
    assert await house.rows("SELECT 1 FROM provider_circuits") == []
    pauses = await house.rows("SELECT 1 FROM timeline_entries WHERE event = 'channel_paused'")
    assert len(pauses) == (outcome is OutcomeWord.MISCONFIGURED)


async def test_five_failed_calls_open_the_circuit(house: SendingHouse) -> None:
    await fill(house, 6 * 5)
    sender = FakeBatchSender(lambda *_: make_receipt(OutcomeWord.NOT_SENT))
    sending = house.sending(sender, batch_size=6)
    for failed in range(5):
        assert await house.rows("SELECT 1 FROM provider_circuits") == [], failed
        assert await sending.send_due(house.merchant.id, turn=OpenTurn()) == SendReport(not_sent=6)
    assert len(await house.rows("SELECT 1 FROM provider_circuits WHERE open_until IS NOT NULL")) == 1


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), None])
async def test_call_that_no_answer_can_be_read_of_leaves_all_its_messages_in_doubt(
    house: SendingHouse, error: Exception | None
) -> None:
    await fill(house, 7)
    assert await house.send(BrokenBatchSender(error)) == SendReport(in_doubt=7)
    assert await outcomes(house) == {"unknown": 7}


async def test_worker_that_is_gone_leaves_no_more_in_doubt_than_its_calls_carried(house: SendingHouse) -> None:
    await fill(house, 80)
    sender = SlowBatchSender()
    gone = asyncio.create_task(house.send(sender))

    async def find_two_calls() -> list[int] | None:
        return sizes(sender.calls) if len(sender.calls) == 2 else None

    assert await comes_to_be(find_two_calls) == [MAX_PER_CALL, MAX_PER_CALL]
    assert len(await house.attempts()) == 2 * MAX_PER_CALL

    house.clock.advance(timedelta(seconds=61))
    report = await house.leases.sweep()
    assert report == SendReport(in_doubt=2 * MAX_PER_CALL, postponed=80 - 2 * MAX_PER_CALL)
    carried = {message.attempt_id for call in sender.calls for message in call}
    doubtful = await house.rows(
        "SELECT a.id FROM attempts AS a JOIN invitations AS i ON i.id = a.invitation_id WHERE i.status = $1",
        InvitationStatus.IN_DOUBT,
    )
    assert {row["id"] for row in doubtful} == carried
    # It was not dead after all: what it was answered counts.
    sender.may_answer.set()
    await gone
    assert await outcomes(house) == {"accepted": 2 * MAX_PER_CALL}


async def test_provider_that_honours_keys_gets_every_message_under_its_own(house: SendingHouse) -> None:
    await fill(house, 9)
    sender = FakeBatchSender(key_lifetime=timedelta(hours=24))
    assert find_batches(sender) is None
    assert await house.send(sender) == SendReport(sent=9)
    assert (len(sender.messages), sender.calls) == (9, [])


async def test_messages_of_one_call_keep_to_the_limit(house: SendingHouse) -> None:
    await fill(house, 30)
    await house.rows(
        "INSERT INTO channel_settings (merchant_id, channel, version, max_per_second) VALUES ($1, $2, 1, 20)",
        house.merchant.id,
        Channel.EMAIL,
    )
    sender = FakeBatchSender()
    assert await house.send(sender) == SendReport(sent=10)
    assert sizes(sender.calls) == [10]
