import pytest

from invite_service.domain.suppression import SuppressionReason
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.builders import EMAIL, PHONE, make_suppression

IS_WIDE = {
    SuppressionReason.HARD_BOUNCE: False,
    SuppressionReason.SMS_UNDELIVERABLE: False,
    SuppressionReason.UNSUBSCRIBED: True,
    SuppressionReason.COMPLAINED: True,
    SuppressionReason.ERASED: True,
    SuppressionReason.MANUAL: True,
}


@pytest.mark.parametrize(("reason", "is_wide"), IS_WIDE.items())
def test_reason_closes_its_address_and_a_wide_one_the_customer(reason: SuppressionReason, *, is_wide: bool) -> None:
    suppressed = SuppressedContacts([make_suppression(EMAIL, reason)])

    assert suppressed.closes_address(EMAIL)
    assert not suppressed.closes_address(PHONE)
    assert suppressed.closes_customer([PHONE, EMAIL]) is is_wide
    assert not suppressed.closes_customer([PHONE])


def test_every_reason_there_is_stands_in_the_table() -> None:
    assert IS_WIDE.keys() == set(SuppressionReason)


@pytest.mark.parametrize(
    "reasons",
    [
        (SuppressionReason.HARD_BOUNCE, SuppressionReason.UNSUBSCRIBED),
        (SuppressionReason.UNSUBSCRIBED, SuppressionReason.HARD_BOUNCE),
    ],
)
def test_of_several_reasons_the_widest_counts(reasons: tuple[SuppressionReason, ...]) -> None:
    suppressed = SuppressedContacts(make_suppression(EMAIL, reason) for reason in reasons)
    assert suppressed.closes_customer([EMAIL])
