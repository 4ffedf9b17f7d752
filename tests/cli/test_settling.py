"""`invite-service … retry` and `… mark-sent`: what an operator says of one message in doubt."""

import json

import pytest

from invite_service.bootstrap import Factory
from invite_service.cli.running import run_with_services
from tests.cli.conftest import Shop, assert_told, fields_of, make_order
from tests.cli.test_notices import reply_to


def leave(table: str, status: str) -> None:
    """Leave the rows of a table as a provider's answer would."""

    async def update(services: Factory) -> None:
        async with services._context.database.transaction() as stores:
            await stores._driver.execute(f"UPDATE {table} SET status = $1, next_attempt_at = NULL", status)

    run_with_services(update)


def events_of(shop: Shop, invitation_id: str) -> list[tuple[str, str]]:
    shown = json.loads(shop.run("invitations", "show", invitation_id, "--json").stdout)
    return [(entry["actor"], entry["event"]) for entry in shown["timeline"]]


def test_message_in_doubt_is_settled_as_sent(shop: Shop) -> None:
    [invitation_id] = shop.post(make_order(1))
    leave("invitations", "in_doubt")
    marked = json.loads(shop.run("invitations", "mark-sent", invitation_id, "--json").stdout)
    assert set(marked) == fields_of("InvitationResponse")
    assert (marked["status"], marked["next_step"]) == ("scheduled", "product_2")
    assert events_of(shop, str(invitation_id))[-1] == ("operator", "message_settled")
    refused = shop.run("invitations", "mark-sent", invitation_id)
    assert (refused.exit_code, refused.stderr) == (1, "It is scheduled.\n")


@pytest.mark.parametrize(("answer", "status"), [("n", "in_doubt"), ("y", "scheduled")])
def test_message_is_tried_again_once_somebody_says_yes(shop: Shop, answer: str, status: str) -> None:
    [invitation_id] = shop.post(make_order(1))
    leave("invitations", "in_doubt")
    retried = shop.run("invitations", "retry", invitation_id, answer=f"{answer}\n")
    assert retried.exit_code == (0 if answer == "y" else 1)
    assert "it may arrive twice. Try it again?" in retried.stderr
    shown = json.loads(shop.run("invitations", "show", invitation_id, "--json").stdout)
    assert shown["status"] == status


def test_notice_is_tried_again_and_settled(shop: Shop) -> None:
    reply_to(shop, 1)
    leave("notices", "in_doubt")
    [notice] = json.loads(shop.run("notices", "list", "--json").stdout)["items"]
    retried = shop.run("notices", "retry", notice["id"], "--yes")
    assert (retried.exit_code, retried.stderr) == (0, "")
    assert_told(
        retried.stdout,
        """
        Notice  <id 1>
        Status  waiting
        Reason  retried
        """,
    )
    leave("notices", "in_doubt")
    marked = json.loads(shop.run("notices", "mark-sent", notice["id"], "--json").stdout)
    assert set(marked) == fields_of("NoticeResponse")
    assert (marked["status"], marked["reason"]) == ("sent", "marked_sent")
    assert events_of(shop, notice["invitation_id"])[-2:] == [
        ("operator", "notice_retried"),
        ("operator", "notice_sent"),
    ]
    refused = shop.run("notices", "retry", notice["id"], "--yes")
    assert (refused.exit_code, refused.stderr) == (1, "It has left.\n")
