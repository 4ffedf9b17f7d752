"""`invite-service invitations`: looking at them, and changing one or many."""

import json

import pytest

from tests.cli.conftest import Command, Shop, assert_told, fields_of, make_order, working

SCHEDULED = ("--status", "scheduled")


def statuses_of(shop: Shop) -> dict[str, str]:
    """Tell the status of each invitation by its order."""
    items = json.loads(shop.run("invitations", "list", "--json").stdout)["items"]
    return {item["order_ids"][0]: item["status"] for item in items}


def test_list_is_a_table_without_personal_data(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2, products=[{"id": "mug", "name": "Mug"}]))
    listed = shop.run("invitations", "list", *SCHEDULED, "--sort", "send_at", "--counts")
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert_told(
        listed.stdout,
        """
        Invitation  Status  Kind  Channel  Next  send_at  Orders  Products
        <id 1>  scheduled  product  email  product_1  2026-03-16 10:54  A-2  mug
        <id 2>  scheduled  product  email  product_1  2026-03-16 11:10  A-1  t1
        Times are in Europe/Oslo.

        In each status
        Status  Count
        scheduled  2
        sending  0
        in_doubt  0
        sent  0
        responded  0
        cancelled  0
        missed  0
        failed  0
        erased  0
        """,
    )
    assert_told(shop.run("invitations", "list", "--product-id", "none").stdout, "There are none.")


def test_list_goes_on_where_a_page_ends(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2))
    first = shop.run("invitations", "list", "--limit", 1, "--sort", "send_at").stdout
    assert "A-2" in first
    cursor = first.split("--cursor ")[1].strip()
    second = shop.run("invitations", "list", "--limit", 1, "--sort", "send_at", "--cursor", cursor)
    assert "A-1" in second.stdout
    assert "Previous page: --cursor " in second.stdout


def test_list_as_json_has_the_shape_of_the_api(shop: Shop) -> None:
    shop.post(make_order(1))
    listed = json.loads(shop.run("invitations", "list", "--json", "--counts").stdout)
    assert set(listed) == fields_of("InvitationListResponse")
    assert listed["counts"]["scheduled"] == 1
    [item] = listed["items"]
    assert set(item) == fields_of("InvitationResponse")
    assert item["contact"] == "kari1@example.com"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--email", "kari1@example.com"], {"A-1"}),
        (["--order-id", "A-2"], {"A-2"}),
        (["--kind", "product", "--channel", "email", "--created-from", "2026-03-02"], {"A-1", "A-2"}),
        (["--created-to", "2026-03-02T13:00:00+01:00"], set()),
        (["--send-from", "2026-03-16", "--send-to", "2026-03-17"], {"A-1", "A-2"}),
        (["--period", "tomorrow"], set()),
        (["--status", "sent", "--status", "cancelled"], set()),
    ],
)
def test_filters_choose(shop: Shop, filters: list[str], found: set[str]) -> None:
    shop.post(make_order(1), make_order(2))
    listed = json.loads(shop.run("invitations", "list", "--json", *filters).stdout)
    assert {item["order_ids"][0] for item in listed["items"]} == found


def test_one_is_shown_with_what_happened(shop: Shop) -> None:
    [invitation_id] = shop.post(make_order(1))
    assert_told(
        shop.run("invitations", "show", invitation_id).stdout,
        """
        Invitation  <id 1>
        Status  scheduled
        Ended because  -
        Kind  product
        Channel  email
        Language  en
        Products  t1 (Tent)
        On hold since  -
        Made  <now>
        Decided by  policy version 1, saved <now> by operator
        Planned by  policy version 1, saved <now> by operator
        Possible now  cancel, send_now, reschedule

        Orders
        Order  Status  Outcome  Received
        A-1  shipped  invited  <now>

        Messages
        Step  State  send_at  Sent  Price
        product_1  planned  2026-03-16 11:10  -  -
        product_2  planned  -  -  -

        What happened
        At  Who  What  Reason  Figures
        <now>  rule  invitation_scheduled  -  kind=product, channel=email, send_at=2026-03-16 11:10

        Times are in Europe/Oslo.
        """,
    )
    personal = shop.run("invitations", "show", invitation_id, "--personal").stdout
    assert "Goes to        kari1@example.com" in personal
    assert "Customer       Kari 1" in personal
    answer = json.loads(shop.run("invitations", "show", invitation_id, "--json").stdout)
    assert set(answer) == fields_of("InvitationDetailResponse")


def test_dry_run_forecasts_and_changes_nothing(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2))
    dry = shop.run("invitations", "reschedule", *SCHEDULED, "--shift-days", 3, "--dry-run")
    assert (dry.exit_code, dry.stderr) == (0, "")
    assert_told(
        dry.stdout,
        """
        Matched  2
        Would change  2
        Skipped  0
        First send_at  2026-03-19 10:54
        Last send_at  2026-03-19 11:10

        Load per day
        Day  Messages
        2026-03-19  2
        """,
    )
    answer = json.loads(shop.run("invitations", "cancel", "--all", "--dry-run", "--json").stdout)
    assert answer == {
        "matched": 2,
        "would_change": 2,
        "skipped": {},
        "first_send_at": None,
        "last_send_at": None,
        "load": {},
    }
    assert statuses_of(shop) == {"A-1": "scheduled", "A-2": "scheduled"}


def test_the_forecast_is_shown_before_it_asks(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2))
    declined = shop.run("invitations", "cancel", *SCHEDULED, answer="n\n")
    assert (declined.exit_code, declined.stdout) == (1, "")
    assert_told(
        declined.stderr,
        """
        Matched  2
        Would change  2
        Skipped  0
        First send_at  -
        Last send_at  -
        Cancel 2 of 2 invitations? [y/N]: Nothing was changed.
        """,
    )
    accepted = shop.run("invitations", "cancel", *SCHEDULED, answer="y\n")
    assert accepted.exit_code == 0
    assert_told(
        accepted.stdout,
        """
        Batch update  <id 1>
        Status  accepted
        Action  cancel
        Chosen by  status=scheduled
        Accepted  <now> by operator
        Finished  -
        Matched  2
        Changed  0
        Skipped  0
        """,
    )
    last = accepted.stderr.splitlines()[-1]
    assert last.startswith("A worker does it. Look at it: invite-service batch-updates show ")
    assert last.endswith(" --merchant gifts")


def test_without_an_answer_nothing_is_changed(shop: Shop) -> None:
    shop.post(make_order(1))
    silent = shop.run("invitations", "cancel", "--all", answer="")
    assert (silent.exit_code, silent.stdout) == (1, "")
    assert statuses_of(shop) == {"A-1": "scheduled"}


def test_a_worker_cancels_many_and_enables_one(shop: Shop) -> None:
    [_, second] = shop.post(make_order(1), make_order(2))
    with working():
        due = ("--send-from", "2026-03-16", "--period", "next_30_days")
        done = shop.run("invitations", "cancel", *due, "--expected-count", 2, "--yes", "--wait", "--json")
        assert done.exit_code == 0, done.output
        assert done.stderr.startswith("Accepted batch update ")
        answer = json.loads(done.stdout)
        assert set(answer) == fields_of("BatchUpdateResponse")
        figures = {name: answer[name] for name in ("status", "action", "filter", "matched", "changed", "created_by")}
        assert figures == {
            "status": "finished",
            "action": "cancel",
            "filter": {"send_from": "2026-03-15T23:00:00Z", "period": "next_30_days"},
            "matched": 2,
            "changed": 2,
            "created_by": "operator",
        }
        assert statuses_of(shop) == {"A-1": "cancelled", "A-2": "cancelled"}
        enabled = shop.run("invitations", "enable", second, "--yes", "--wait")
        assert_told(
            enabled.stdout,
            """
        Batch update  <id 1>
        Status  finished
        Action  enable
        Chosen by  ids=1
        Accepted  <now> by operator
        Finished  <now>
        Matched  1
        Changed  1
        Skipped  0
        """,
        )
        assert statuses_of(shop) == {"A-1": "cancelled", "A-2": "scheduled"}
        again = shop.run("invitations", "enable", second, "--yes", "--wait", "--json")
        assert (again.exit_code, json.loads(again.stdout)["skipped"]) == (0, {"unchanged": 1})
        moved = shop.run("invitations", "reschedule", second, "--date", "2026-04-01", "--yes", "--wait")
        assert_told(
            moved.stdout,
            """
        Batch update  <id 1>
        Status  finished
        Action  reschedule to 2026-04-01
        Chosen by  ids=1
        Accepted  <now> by operator
        Finished  <now>
        Matched  1
        Changed  1
        Skipped  0
        """,
        )
        sent = shop.run("invitations", "send-now", second, "--yes", "--wait")
        assert_told(
            sent.stdout,
            """
        Batch update  <id 1>
        Status  finished
        Action  send_now
        Chosen by  ids=1
        Accepted  <now> by operator
        Finished  <now>
        Matched  1
        Changed  1
        Skipped  0
        """,
        )


def test_one_whose_state_does_not_allow_it_is_refused_by_reason(shop: Shop) -> None:
    [invitation_id] = shop.post(make_order(1))
    refused = shop.run("invitations", "enable", invitation_id, "--yes")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "The invitation's state does not allow it: not_cancelled.\n"


def test_another_number_than_expected_is_refused(shop: Shop) -> None:
    shop.post(make_order(1), make_order(2))
    for more in (["--yes"], ["--dry-run", "--json"], []):
        refused = shop.run("invitations", "cancel", "--all", "--expected-count", 1, *more)
        assert refused.exit_code == 1
        assert refused.stderr == "It is about 2 invitations, and 1 were expected.\n"
    assert statuses_of(shop) == {"A-1": "scheduled", "A-2": "scheduled"}


@pytest.mark.parametrize("command", ["list", "cancel"])
def test_filters_that_do_not_go_together_are_all_named(shop: Shop, command: str) -> None:
    filters = ["--email", "nobody", "--created-from", "2026-04-01", "--created-to", "2026-03-01"]
    refused = shop.run("invitations", command, *filters)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "The options have faults.\n"
        "  email: Must be an e-mail address.\n"
        "  created-to: Must be later than created_from.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cancel"], "Give an invitation's id, filters, or --all."),
        (["cancel", "--all", "--status", "sent"], "Give only one of these: an invitation's id, filters, or"),
        (["reschedule", "--all"], "Give either --date or --shift-days."),
        (["reschedule", "--all", "--date", "2026-02-30"], "There is no such day."),
        (["list", "--created-from", "yesterday"], "Must be a day, as in 2026-03-16, or an instant,"),
        (["list", "--status", "lost"], "'lost' is not one of"),
        (["show", "A-1"], "UUID"),
        (["list", "--merchant", "\udcff"], "Must be text in UTF-8."),
    ],
)
def test_misuse_is_said_before_anything_is_done(run: Command, arguments: list[str], says: str) -> None:
    refused = run("invitations", arguments[0], "--merchant", "gifts", *arguments[1:])
    assert (refused.exit_code, refused.stdout) == (2, "")
    # The box around it breaks lines where it likes.
    assert says in " ".join(refused.stderr.replace("│", " ").split())


def test_what_is_not_there_is_named(run: Command, shop: Shop) -> None:
    unknown = "01a218a4-9754-74e2-ae21-441286a5544a"
    for command in (["show", unknown], ["cancel", unknown, "--yes"]):
        refused = shop.run("invitations", *command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr == "No invitation of that id exists.\n"
    refused = run("invitations", "list", "--merchant", "nobody")
    assert (refused.exit_code, refused.stderr) == (1, "No merchant of that id exists.\n")


def test_an_old_schema_is_named_with_the_command_that_mends_it(run_unmigrated: Command) -> None:
    refused = run_unmigrated("invitations", "list", "--merchant", "gifts")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.endswith("run `invite-service migrate`.\n")
