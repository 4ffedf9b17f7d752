"""`invite-service notices`: looking at what follows customers' answers."""

import json
import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

from invite_service.bootstrap import TOKEN_KEY_ID, Factory
from invite_service.cli.running import run_with_services
from invite_service.domain.feedback import Feedback
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.services.tokens import TokenPurpose, TokenSigner
from tests.cli.conftest import SECRET, Shop, assert_told, fields_of, make_order

SIGNER = TokenSigner({TOKEN_KEY_ID: SECRET.encode()}, current=TOKEN_KEY_ID)


def reply_to(shop: Shop, *numbers: int) -> None:
    """Have the customers of orders review what they bought, and hear of a reply."""
    ids = shop.post(*(make_order(number) for number in numbers))

    review = Feedback(product_id="t1", stars=4, text="Dry inside.")

    async def answer(services: Factory) -> None:
        merchant = await services.create_merchants().get(MerchantId("gifts"))
        for invitation_id in ids:
            token = SIGNER.make(
                merchant.id,
                UUID(invitation_id),
                purpose=TokenPurpose.PAGE,
                step=Step.PRODUCT_1,
                at=merchant.now(datetime.now(UTC)),
            )
            [rating] = await services.create_feedback().leave_feedback(token, [review])
            await services.create_replies().write(merchant, rating.id, "Thank you!", actor="operator")

    run_with_services(answer)


def test_list_is_a_table_that_goes_on_where_a_page_ends(shop: Shop) -> None:
    assert_told(shop.run("notices", "list").stdout, "There are none.")
    reply_to(shop, 1, 2)
    first = shop.run("notices", "list", "--status", "waiting", "--limit", 1)
    assert (first.exit_code, first.stderr) == (0, "")
    table, _, cursor = first.stdout.partition("Next page: --cursor ")
    assert_told(
        table,
        """
        Notice  Kind  Channel  Status  Reason  Queued  Provider  Message-ID
        <id 1>  reply_notice  email  waiting  -  <now>  -  -
        Times are in Europe/Oslo.
        """,
    )
    second = shop.run("notices", "list", "--status", "waiting", "--limit", 1, "--cursor", cursor.strip())
    assert "Previous page: --cursor " in second.stdout
    assert "There are none." in shop.run("notices", "list", "--status", "in_doubt").stdout


def test_notice_is_shown_with_what_is_known_of_it(shop: Shop) -> None:
    reply_to(shop, 1)
    listed = json.loads(shop.run("notices", "list", "--json").stdout)
    assert set(listed) == fields_of("NoticeListResponse")
    [notice] = listed["items"]
    assert set(notice) == fields_of("NoticeResponse")
    assert json.loads(shop.run("notices", "show", notice["id"], "--json").stdout) == notice
    assert_told(
        re.sub(r"(Next try +)\S+ \S+", r"\1<real time>", shop.run("notices", "show", notice["id"]).stdout),
        """
        Notice  <id 1>
        Kind  reply_notice
        Channel  email
        Status  waiting
        Reason  -
        Invitation  <id 2>
        Rating  <id 3>
        Queued  <now>
        Tries  0
        Next try  <real time>
        Last call began  -
        Ended  -
        Provider  -
        Message-ID  -
        Provider's id  -
        Price  -
        Possible now  -

        Times are in Europe/Oslo.
        """,
    )


def test_notice_that_is_not_there_is_named(shop: Shop) -> None:
    missing = shop.run("notices", "show", uuid4())
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr == "No notice of that id exists.\n"
