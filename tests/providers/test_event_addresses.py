"""Where providers are told to tell: only where somebody can, and with what brings the message back."""

import pytest

from invite_service.providers.event_addresses import NO_EVENT_ADDRESSES, EventAddresses, attempt_of_url
from tests.providers.played import make_sms

MESSAGE = make_sms()


def test_address_names_provider_merchant_and_attempt() -> None:
    address = EventAddresses("https://example.com/reviews").find(
        "46elks", make_sms(merchant_id="gift/shop"), secret="a&b"
    )

    assert address == (
        f"https://example.com/reviews/provider-events/46elks/gift%2Fshop?secret=a%26b&attempt_id={MESSAGE.attempt_id}"
    )
    assert address is not None
    assert attempt_of_url(address) == MESSAGE.attempt_id


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:8000", "http://example.com"])
def test_nobody_is_told_to_call_what_cannot_be_called_in_safety(base_url: str | None) -> None:
    assert EventAddresses(base_url).find("twilio", MESSAGE) is None
    assert NO_EVENT_ADDRESSES.find("twilio", MESSAGE) is None


@pytest.mark.parametrize(
    "url", ["", "https://example.com/x", "https://example.com/x?attempt_id=7", "https://[", "?attempt_id"]
)
def test_address_without_an_attempt_names_none(url: str) -> None:
    assert attempt_of_url(url) is None
