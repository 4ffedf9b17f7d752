"""`invite-service customers`: a copy of what is kept of one, and erasing one."""

import json

from tests.cli.conftest import Shop, assert_told, make_order


def test_customer_is_printed_and_erased(shop: Shop) -> None:
    shop.post(make_order(1))
    exported = shop.run("customers", "export", "--contact", "kari1@example.com")
    assert (exported.exit_code, exported.stderr) == (0, "")
    [order] = json.loads(exported.stdout)["orders"]
    assert (order["order_id"], order["email"]) == ("A-1", "kari1@example.com")
    erased = shop.run("customers", "erase", "--contact", "kari1@example.com", "--yes")
    assert (erased.exit_code, erased.stderr) == (0, "")
    assert_told(
        erased.stdout,
        """
        Erasure  <id 1>
        Erased  <now>
        Contacts  1
        Orders  1
        Invitations  1
        Ratings  0
        Texts taken away  0
        Pictures  0
        """,
    )
    [order] = json.loads(shop.run("customers", "export", "--contact", "kari1@example.com").stdout)["orders"]
    assert order["email"] is None


def test_nobody_is_erased_without_a_yes(shop: Shop) -> None:
    shop.post(make_order(1))
    refused = shop.run("customers", "erase", "--contact", "kari1@example.com")
    assert refused.exit_code == 1
    assert "kari1@example.com" in shop.run("customers", "export", "--contact", "kari1@example.com").stdout


def test_faulty_contact_is_named_and_not_repeated(shop: Shop) -> None:
    refused = shop.run("customers", "export", "--contact", "nobody")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [
        "The options have faults.",
        "  contact: Must be an e-mail address, a phone number or a wildcard.",
    ]
