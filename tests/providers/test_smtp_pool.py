"""Connections: used again, used side by side, replaced when they die, and never a reason to send twice."""

import asyncio
import random
from collections import Counter, defaultdict

import pytest

from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.email.smtp import SmtpSender
from tests.providers.messages import ACCEPTED, RAW, make_message, open_sender, wait_until
from tests.support.smtp_server import EXTENSIONS, Act, At, Behaviour, ScriptedSmtpServer

NOT_SENT = OutcomeWord.NOT_SENT


async def send_all(sender: SmtpSender, count: int) -> list[Receipt]:
    return [await sender.send(make_message(number)) for number in range(1, count + 1)]


def message_ids(server: ScriptedSmtpServer) -> list[str]:
    """The Message-IDs that the server took, in its order."""
    return [message.data.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode() for message in server.messages]


async def test_messages_one_after_the_other_share_a_connection() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        receipts = await send_all(sender, 20)

    assert receipts == [ACCEPTED] * 20
    assert message_ids(server) == [f"<{number}@example.com>" for number in range(1, 21)]
    assert server.connection_count == 1
    assert [command.split()[0] for command in server.commands] == ["EHLO", *["MAIL", "RCPT", "DATA"] * 20, "QUIT"]


async def test_messages_side_by_side_use_as_many_connections_as_allowed() -> None:
    hold = asyncio.Event()
    async with ScriptedSmtpServer(hold=hold) as server, open_sender(server, connections=3) as sender:
        tasks = [asyncio.create_task(sender.send(make_message(number))) for number in range(1, 8)]
        await wait_until(lambda: server.waiting_at_final_dot == sender.max_in_flight)
        hold.set()
        receipts = await asyncio.gather(*tasks)

    assert receipts == [ACCEPTED] * 7
    assert sorted(message_ids(server)) == [f"<{number}@example.com>" for number in range(1, 8)]
    assert (server.connection_count, server.peak_at_final_dot) == (3, 3)


async def test_waiting_for_a_free_connection_ends_with_the_time_limit() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, connections=1, timeout=0.2) as sender:
        await sender._slots.acquire()
        receipt = await sender.send(make_message())
        sender._slots.release()
        second = await sender.send(make_message(2))

    assert receipt == Receipt(outcome=NOT_SENT, reason="no_free_connection", provider="smtp")
    assert second == ACCEPTED


async def test_connection_is_replaced_after_its_share_of_messages() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, messages_per_connection=2) as sender:
        receipts = await send_all(sender, 5)

    assert receipts == [ACCEPTED] * 5
    assert [message.connection for message in server.messages] == [1, 1, 2, 2, 3]


async def test_server_that_was_restarted_gets_the_next_message_once() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        before = await sender.send(make_message(1))
        await server.stop()
        down = await sender.send(make_message(2))
        await server.start()
        after = await send_all(sender, 2)

    assert [before, *after] == [ACCEPTED] * 3
    assert (down.outcome, down.reason) == (NOT_SENT, "connection_refused")
    assert message_ids(server) == ["<1@example.com>", "<1@example.com>", "<2@example.com>"]


async def test_idle_connection_that_the_server_ends_under_the_message_is_replaced() -> None:
    script = {At.MAIL: [Act.NORMAL, Act.DROP]}
    async with ScriptedSmtpServer(script) as server, open_sender(server) as sender:
        receipts = await send_all(sender, 2)

    assert receipts == [ACCEPTED] * 2
    assert message_ids(server) == ["<1@example.com>", "<2@example.com>"]
    assert server.connection_count == 2


async def test_server_that_has_enough_of_a_connection_gets_the_message_on_another() -> None:
    async with ScriptedSmtpServer(messages_per_connection=2) as server, open_sender(server) as sender:
        receipts = await send_all(sender, 5)

    assert receipts == [ACCEPTED] * 5
    assert [message.connection for message in server.messages] == [1, 1, 2, 2, 3]


async def test_fresh_connection_that_ends_as_well_is_not_replaced_again() -> None:
    script = {At.MAIL: [Act.NORMAL, Act.DROP, Act.DROP]}
    async with ScriptedSmtpServer(script) as server, open_sender(server) as sender:
        receipts = await send_all(sender, 2)

    assert receipts == [ACCEPTED, Receipt(outcome=NOT_SENT, reason="dropped_at_mail", provider="smtp")]
    assert server.connection_count == 2


@pytest.mark.parametrize(
    ("stage", "reason"), [(At.RCPT, "dropped_at_rcpt"), (At.DATA, "dropped_at_data"), (At.FINAL_DOT, None)]
)
async def test_message_whose_mail_command_was_taken_is_never_tried_again(stage: At, reason: str | None) -> None:
    script = {stage: [Act.NORMAL, Act.DROP]}
    async with ScriptedSmtpServer(script) as server, open_sender(server) as sender:
        _, receipt = await send_all(sender, 2)

    outcome = NOT_SENT if reason else OutcomeWord.UNKNOWN
    assert receipt == Receipt(outcome=outcome, reason=reason or "dropped_after_data", provider="smtp")
    assert message_ids(server) == ["<1@example.com>"]
    assert server.connection_count == 1


async def test_connection_idle_for_long_is_asked_whether_it_lives() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, probe_after=0.0) as sender:
        receipts = await send_all(sender, 2)

    assert receipts == [ACCEPTED] * 2
    assert server.connection_count == 1
    assert [command.split()[0] for command in server.commands if command.split()[0] in {"NOOP", "MAIL"}] == [
        "MAIL",
        "NOOP",
        "MAIL",
    ]


@pytest.mark.parametrize("behaviour", [Act.DROP, Act.HANG, "421 4.3.2 Idle too long", "451 4.3.0 Ill"])
async def test_idle_connection_that_shows_no_life_is_replaced(behaviour: Behaviour) -> None:
    script = {At.NOOP: [behaviour]}
    async with (
        ScriptedSmtpServer(script) as server,
        open_sender(server, probe_after=0.0, connect_timeout=0.2) as sender,
    ):
        receipts = await send_all(sender, 2)
        if behaviour is not Act.HANG:
            await wait_until(lambda: server.open_connection_count == 1)

    assert receipts == [ACCEPTED] * 2
    assert message_ids(server) == ["<1@example.com>", "<2@example.com>"]
    assert server.connection_count == 2


async def test_silence_of_one_idle_connection_condemns_the_older_ones() -> None:
    hold = asyncio.Event()
    async with (
        ScriptedSmtpServer({At.NOOP: Act.HANG}, hold=hold) as server,
        open_sender(server, probe_after=0.0, connect_timeout=0.2) as sender,
    ):
        async with asyncio.TaskGroup() as group:
            for number in range(1, 5):
                group.create_task(sender.send(make_message(number)))
            await wait_until(lambda: server.waiting_at_final_dot == 4)
            hold.set()
        receipt = await sender.send(make_message(5))

    assert receipt == ACCEPTED
    assert server.commands.count("NOOP") == 1
    assert server.connection_count == 5


async def test_connection_idle_for_too_long_is_closed() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server, idle_time=0.05) as sender:
        await sender.send(make_message(1))
        await wait_until(lambda: "QUIT" in server.commands)
        receipt = await sender.send(make_message(2))

    assert receipt == ACCEPTED
    assert server.connection_count == 2


@pytest.mark.parametrize("stage", [At.MAIL, At.RCPT, At.DATA, At.FINAL_DOT])
@pytest.mark.parametrize("is_pipelined", [True, False])
async def test_connection_is_used_again_after_a_refusal(stage: At, *, is_pipelined: bool) -> None:
    extensions = EXTENSIONS if is_pipelined else EXTENSIONS[1:]
    script = {stage: ["552 5.2.2 Full"]}
    async with ScriptedSmtpServer(script, extensions=extensions) as server, open_sender(server) as sender:
        first, second = await send_all(sender, 2)

    assert first.outcome is OutcomeWord.REJECTED
    assert second == ACCEPTED
    assert message_ids(server) == ["<2@example.com>"]
    assert server.connection_count == 1


async def test_connection_that_cannot_be_reset_is_replaced() -> None:
    script = {At.RCPT: ["550 5.1.1 No such user"], At.RSET: ["502 5.5.1 Never heard of it"]}
    async with ScriptedSmtpServer(script) as server, open_sender(server) as sender:
        first, second = await send_all(sender, 2)

    assert (first.outcome, first.suppress_address) == (OutcomeWord.REJECTED, True)
    assert second == ACCEPTED
    assert message_ids(server) == ["<2@example.com>"]
    assert server.connection_count == 2


@pytest.mark.parametrize("stage", [At.MAIL, At.RCPT, At.DATA, At.FINAL_DOT])
async def test_server_that_says_it_closes_and_does_not_is_left(stage: At) -> None:
    script = {stage: ["421 4.3.2 Closing"]}
    async with ScriptedSmtpServer(script, lingers=True) as server, open_sender(server, timeout=60.0) as sender:
        async with asyncio.timeout(10):
            first, second = await send_all(sender, 2)

    assert first.outcome is NOT_SENT
    assert second == ACCEPTED
    assert [message.connection for message in server.messages] == [2]


async def test_connection_with_an_answer_of_no_sense_is_left() -> None:
    async with ScriptedSmtpServer({At.FINAL_DOT: ["354 What?"]}) as server, open_sender(server) as sender:
        first, second = await send_all(sender, 2)

    assert first.outcome is OutcomeWord.UNKNOWN
    assert second == ACCEPTED
    assert [message.connection for message in server.messages] == [2]


async def test_send_that_is_cancelled_takes_its_connection_with_it() -> None:
    hold = asyncio.Event()
    async with ScriptedSmtpServer(hold=hold) as server, open_sender(server, connections=1) as sender:
        task = asyncio.create_task(sender.send(make_message(1)))
        await wait_until(lambda: server.waiting_at_final_dot == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        await wait_until(lambda: server.open_connection_count == 0)
        receipt = await sender.send(make_message(2))

    assert receipt == ACCEPTED
    assert server.connection_count == 2


async def test_close_says_goodbye_and_ends_the_sender() -> None:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        await sender.send(make_message(1))
        await sender.close()
        await sender.close()
        receipt = await sender.send(make_message(2))
        await wait_until(lambda: "QUIT" in server.commands)

    assert receipt == Receipt(outcome=NOT_SENT, reason="sender_closed", provider="smtp")
    assert message_ids(server) == ["<1@example.com>"]


async def test_close_lets_a_message_under_way_finish() -> None:
    hold = asyncio.Event()
    async with ScriptedSmtpServer(hold=hold) as server, open_sender(server) as sender:
        task = asyncio.create_task(sender.send(make_message(1)))
        await wait_until(lambda: server.waiting_at_final_dot == 1)
        await sender.close()
        hold.set()
        receipt = await task
        await wait_until(lambda: "QUIT" in server.commands)

    assert receipt == ACCEPTED


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("is_pipelined", [True, False])
async def test_storm_of_faults_sends_nothing_twice_and_says_the_truth(seed: int, *, is_pipelined: bool) -> None:
    chance = random.Random(seed)
    faults: list[Behaviour] = [Act.DROP, "451 4.3.0 Later", "550 5.7.1 No", "421 4.3.2 Bye", "250 Ok\r\n250 Twice"]
    script: dict[At, list[Behaviour]] = {
        stage: [chance.choice(faults) if chance.random() < 0.15 else Act.NORMAL for _ in range(200)]
        for stage in (At.EHLO, At.RSET, At.MAIL, At.RCPT, At.DATA, At.FINAL_DOT)
    }
    script[At.MID_BODY] = [chance.choice(faults[:4]) if chance.random() < 0.15 else Act.NORMAL for _ in range(200)]
    script[At.FINAL_DOT][::9] = [Act.TAKE_AND_DROP] * len(script[At.FINAL_DOT][::9])
    extensions = EXTENSIONS if is_pipelined else EXTENSIONS[1:]
    numbers = range(1, 121)
    async with ScriptedSmtpServer(script, extensions=extensions) as server, open_sender(server) as sender:
        receipts = await asyncio.gather(*(sender.send(make_message(number)) for number in numbers))

    taken = Counter(message_ids(server))
    times_taken: defaultdict[OutcomeWord, set[int]] = defaultdict(set)
    for number, receipt in zip(numbers, receipts, strict=True):
        times_taken[receipt.outcome].add(taken[f"<{number}@example.com>"])
    assert times_taken[OutcomeWord.ACCEPTED] == {1}
    assert times_taken[NOT_SENT] == times_taken[OutcomeWord.REJECTED] == {0}
    assert times_taken[OutcomeWord.UNKNOWN] <= {0, 1}
    assert all(message.data in {RAW.replace(b"<1@", f"<{n}@".encode()) for n in numbers} for message in server.messages)
