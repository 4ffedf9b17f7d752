"""`invite-service batch-updates`: which there are, how far one is, undoing it, and Ctrl-C while one is waited for."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from uuid import uuid4

from tests.cli.conftest import Shop, assert_told, fields_of, make_order, working


def batch_id_of(stdout: str) -> str:
    batch_id: str = json.loads(stdout)["id"]
    return batch_id


def test_undo_puts_back_what_was_changed(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2))
    with working():
        batch_id = batch_id_of(shop.run("invitations", "cancel", "--all", "--yes", "--wait", "--json").stdout)
        assert_told(
            shop.run("batch-updates", "show", batch_id).stdout,
            """
        Batch update  <id 1>
        Status  finished
        Action  cancel
        Chosen by  everything
        Accepted  <now> by operator
        Finished  <now>
        Matched  2
        Changed  2
        Skipped  0
        """,
        )
        undone = shop.run("batch-updates", "undo", batch_id, "--wait")
        assert undone.exit_code == 0
        assert_told(
            undone.stdout,
            """
        Batch update  <id 1>
        Status  finished
        Action  undo of <id 2>
        Chosen by  -
        Accepted  <now> by operator
        Finished  <now>
        Matched  2
        Changed  2
        Skipped  0
        """,
        )
        again = json.loads(shop.run("batch-updates", "undo", batch_id, "--json").stdout)
    assert set(again) == fields_of("BatchUpdateResponse")
    assert (again["undo_of"], again["status"]) == (batch_id, "finished")


def test_what_was_left_as_it_was_is_told_by_reason(shop: Shop) -> None:
    [first, _] = shop.post(make_order(1), make_order(2))
    with working():
        shop.run("invitations", "cancel", first, "--yes", "--wait")
        moved = shop.run("invitations", "reschedule", "--all", "--date", "2026-04-01", "--yes", "--wait", "--json")
        shown = shop.run("batch-updates", "show", batch_id_of(moved.stdout), "--wait")
    assert_told(
        shown.stdout,
        """
        Batch update  <id 1>
        Status  finished
        Action  reschedule to 2026-04-01
        Chosen by  everything
        Accepted  <now> by operator
        Finished  <now>
        Matched  2
        Changed  1
        Skipped  1

        Left as they were
        Reason  Count
        already_cancelled  1
        """,
    )


def test_list_begins_with_the_newest_and_goes_on_where_a_page_ends(shop: Shop) -> None:
    assert_told(shop.run("batch-updates", "list").stdout, "There are none.")
    shop.post(make_order(1), make_order(2))
    with working():
        first = batch_id_of(shop.run("invitations", "cancel", "--order-id", "A-1", "--yes", "--wait", "--json").stdout)
        shop.run("batch-updates", "undo", first, "--wait")
        shop.run("invitations", "reschedule", "--all", "--shift-days", "4", "--yes", "--wait")
    shop.run("invitations", "cancel", "--all", "--yes")
    newest = shop.run("batch-updates", "list", "--limit", 3)
    table, _, cursor = newest.stdout.partition("Next page: --cursor ")
    assert_told(
        table,
        """
        Batch update  Status  Action  Chosen by  Accepted  By  Matched  Changed  Skipped
        <id 1>  accepted  cancel  everything  <now>  operator  2  0  0
        <id 2>  finished  reschedule by +4 days  everything  <now>  operator  2  2  0
        <id 3>  finished  undo of <id 4>  -  <now>  operator  1  1  0
        Times are in Europe/Oslo.
        """,
    )
    oldest = shop.run("batch-updates", "list", "--limit", 3, "--cursor", cursor.strip())
    assert_told(
        oldest.stdout.partition("Previous page: --cursor ")[0],
        """
        Batch update  Status  Action  Chosen by  Accepted  By  Matched  Changed  Skipped
        <id 1>  finished  cancel  order_id=A-1  <now>  operator  1  1  0
        Times are in Europe/Oslo.
        """,
    )
    listed = json.loads(shop.run("batch-updates", "list", "--status", "accepted", "--json").stdout)
    assert set(listed) == fields_of("BatchUpdateListResponse")
    shown = [json.loads(shop.run("batch-updates", "show", item["id"], "--json").stdout) for item in listed["items"]]
    assert (len(shown), shown) == (1, listed["items"])
    refused = shop.run("batch-updates", "list", "--cursor", "x")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "The options have faults.\n  cursor: Is not a cursor of this service.\n"


def test_what_still_runs_is_not_undone(shop: Shop) -> None:
    shop.post(make_order(1))
    batch_id = batch_id_of(shop.run("invitations", "cancel", "--all", "--yes", "--json").stdout)
    refused = shop.run("batch-updates", "undo", batch_id)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "It is still running; undo it once it has finished.\n"


def test_an_unknown_one_is_named(shop: Shop) -> None:
    for command in ("show", "undo"):
        refused = shop.run("batch-updates", command, uuid4())
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr == "No batch update of that id exists.\n"


def test_ctrl_c_ends_the_waiting_and_leaves_the_batch_update(shop: Shop) -> None:
    shop.post(make_order(1))
    terminal, end = pty.openpty()
    command = ["invitations", "cancel", "--all", "--yes", "--wait", "--json", "--merchant", "gifts"]
    process = subprocess.Popen(
        [sys.executable, "-m", "invite_service.cli.main", *command], stdout=subprocess.PIPE, stderr=end
    )
    os.close(end)
    said = b""
    while b"Changing invitations" not in said:
        said += os.read(terminal, 1024)
    process.send_signal(signal.SIGINT)
    # What is written to a terminal has to be read, or its writer waits; when the last writer has gone, reading fails.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 1024):
            said += part
    os.close(terminal)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"")
    text = said.decode()
    batch_id = text.split("Accepted batch update ")[1].split(" ")[0]
    look = f"invite-service batch-updates show {batch_id} --merchant gifts"
    assert f"Batch update {batch_id} goes on. Look at it: {look}" in text
    assert "Traceback" not in text
    with working():
        shown = json.loads(shop.run("batch-updates", "show", batch_id, "--wait", "--json").stdout)
    assert (shown["status"], shown["changed"]) == ("finished", 1)
