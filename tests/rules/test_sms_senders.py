"""Who an SMS may be from, and what becomes of names by country."""

import phonenumbers
import pytest

from invite_service.rules.sms_senders import (
    NAME_RULES,
    NameRule,
    SenderKind,
    SenderWarning,
    country_of,
    kind_of_sender,
    rule_for,
    warn_of_sender,
)


@pytest.mark.parametrize(
    ("sender", "kind"),
    [
        ("+4790000001", SenderKind.NUMBER),
        ("+1234567", SenderKind.NUMBER),
        ("123", SenderKind.SHORT_CODE),
        ("26112233", SenderKind.SHORT_CODE),
        ("Shop", SenderKind.NAME),
        ("1Shop", SenderKind.NAME),
        ("GiftShop123", SenderKind.NAME),
        ("GiftShop1234", None),
        ("Gift Shop", None),
        ("Gåver", None),
        ("12", None),
        ("123456789", None),
        ("+0123456789", None),
        ("+47 900", None),
        ("", None),
    ],
)
def test_sender_is_a_number_a_short_code_or_a_name(sender: str, kind: SenderKind | None) -> None:
    assert kind_of_sender(sender) is kind


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("+12015550123", NameRule.REFUSED),
        ("+15062345678", NameRule.REFUSED),
        ("+17872345678", NameRule.REFUSED),
        ("+18764567890", None),
        ("+5491123456789", NameRule.REPLACED),
        ("+4791234567", NameRule.REGISTERED),
        ("+46701234567", None),
        ("+491701234567", None),
        ("+870773111632", None),
        ("no number", None),
    ],
)
def test_country_of_the_number_says_what_becomes_of_a_name(number: str, rule: NameRule | None) -> None:
    assert rule_for("GiftShop", number) is rule
    assert rule_for("+4790000001", number) is None
    assert rule_for("26112", number) is None


def test_countries_of_the_table_exist_and_stand_in_it_once() -> None:
    counts = {rule: sum(1 for one in NAME_RULES.values() if one is rule) for rule in NameRule}

    assert counts == {NameRule.REFUSED: 4, NameRule.REPLACED: 23, NameRule.REGISTERED: 25}
    assert NAME_RULES.keys() <= set(phonenumbers.SUPPORTED_REGIONS)


def test_number_of_a_country_is_of_that_country() -> None:
    assert [country_of(number) for number in ("+4791234567", "+12015550123", "+15062345678")] == ["NO", "US", "CA"]


def test_name_is_warned_of_and_a_number_is_not() -> None:
    warnings = list(warn_of_sender("GiftShop"))

    assert [warning.code for warning in warnings] == [
        "sender_takes_no_answers",
        "sender_refused_in_countries",
        "sender_registered_in_countries",
        "sender_replaced_in_countries",
    ]
    assert warnings[1] == SenderWarning(
        "sender_refused_in_countries",
        "Messages from a name are not delivered to numbers of CA, GU, PR, US, and so not sent there; "
        "they need a number of that country.",
    )
    assert list(warn_of_sender("+4790000001")) == []
    assert list(warn_of_sender("26112")) == []
