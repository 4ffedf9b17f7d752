"""`invite-service orders explain`: an order's story."""

import json

from tests.cli.conftest import Shop, assert_told, fields_of, make_order


def test_story_is_told_rule_by_rule(shop: Shop) -> None:
    shop.post(make_order(1, status="packed"))
    explained = shop.run("orders", "explain", "A-1")
    assert (explained.exit_code, explained.stderr) == (0, "")
    assert_told(
        explained.stdout,
        """
        Order  A-1
        Status  packed
        Purchased  2026-03-02 10:00
        Received  <now>
        Outcome  waiting
        Reason  status_not_triggering

        Waiting: the status “packed” does not yet let the customer be asked.

        Rule by rule
        Rule  It said  In words
        cancel_status  passed  The status “packed” does not cancel an order.
        decided_before  passed  Nothing had been decided about this order before.
        trigger_status  status_not_triggering  The status “packed” does not yet let the customer be asked; the order waits for one that does.

        What happened
        At  Who  What  Reason  Figures
        <now>  rule  order_decided  status_not_triggering  -

        Times are in Europe/Oslo.
        """,  # noqa: E501 - lines of an output
    )


def test_story_of_an_invited_order_names_its_invitation(shop: Shop) -> None:
    shop.post(make_order(1))
    explained = shop.run("orders", "explain", "A-1").stdout
    assert_told(
        explained,
        """
        Order  A-1
        Status  shipped
        Purchased  2026-03-02 10:00
        Received  <now>
        Outcome  invited
        Reason  -
        Invitation  <id 1> (scheduled, send_at 2026-03-16 11:10)

        Invited: the customer will be asked about the product by e-mail on 16 March 2026 at 11:10.

        Rule by rule
        Rule  It said  In words
        cancel_status  passed  The status “shipped” does not cancel an order.
        decided_before  passed  Nothing had been decided about this order before.
        trigger_status  passed  The status “shipped” says that the customer may be asked.
        order_age  passed  Bought on 2 March 2026 at 10:00; on 2 March 2026 at 13:00, when it was looked at, that was not more than 180 days ago.
        contact  passed  The order has an e-mail address and no mobile number.
        consent  passed  Consent is not required; the order says nothing about it.
        channel  passed  The customer can be reached by e-mail.
        same_day  passed  The customer has no open invitation from a purchase of the same day, 2 March 2026.
        repeat_customer  passed  Repeat customers are not blocked.
        kind  passed  Lots decide between products and shop: number 2,734 of 10,000 stands for the products, as 0% of the orders are about the shop.
        products  passed  The order has 1 product to ask about.
        exclusions  passed  The shop excludes none of them.
        product_repeat  passed  The customer may be asked about all of them: bought on 2 March 2026 at 10:00, with a pause of 90 days after each message.
        invite  invited  The customer is asked about the products by e-mail in English; the message was planned for 16 March 2026 at 11:10, within the send window on the clock of Europe/Oslo. It asks
        whether the order has arrived, and a second message asks for stars.

        What happened
        At  Who  What  Reason  Figures
        <now>  rule  invitation_scheduled  -  kind=product, channel=email, send_at=2026-03-16 11:10

        Times are in Europe/Oslo.
        """,  # noqa: E501 - lines of an output
    )
    norwegian = shop.run("orders", "explain", "A-1", "--language", "nb").stdout
    assert "Invitert: kunden blir spurt om varen på e-post 16. mars 2026 kl. 11:10." in norwegian
    assert "\N{REPLACEMENT CHARACTER}" not in norwegian


def test_as_json_it_has_the_shape_of_the_api(shop: Shop) -> None:
    shop.post(make_order(1))
    answer = json.loads(shop.run("orders", "explain", "A-1", "--json").stdout)
    assert set(answer) == fields_of("OrderResponse")
    assert answer["outcome"] == "invited"


def test_text_of_a_shop_cannot_move_the_cursor(shop: Shop) -> None:
    shop.post(make_order(1, status="[red]\x1b[2Jpacked"))
    assert "\x1b" not in shop.run("orders", "explain", "A-1").stdout
    assert "[red]\N{REPLACEMENT CHARACTER}[2Jpacked" in shop.run("orders", "explain", "A-1").stdout


def test_an_unknown_order_is_named(shop: Shop) -> None:
    refused = shop.run("orders", "explain", "A-1")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "No order of that id was posted.\n"
