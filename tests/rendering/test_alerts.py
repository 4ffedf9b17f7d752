"""The mail to a merchant's own support."""

from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.message import Message, Notice
from invite_service.rendering.alerts import SupportAlert, render_alert
from tests.rendering.messages import ATTEMPT_ID, SENDER
from tests.support.builders import NOON, make_branding, make_invitation, make_merchant

CASE_ID = UUID("0192f3a4-7c1e-7b5a-9d2e-3f4a5b6c7d8e")


def render(*, language: str = "en", to_address: str = "help@gifts.example", **changes: Any) -> Message:
    alert: dict[str, Any] = {
        "product_name": "Mug <1>",
        "stars": 1,
        "text": "Broken.\nTwice & again.",
        "publish_at": NOON + timedelta(days=7),
        "order_ids": ["A-1001", "A-1002"],
        "case_id": CASE_ID,
    }
    return render_alert(
        SupportAlert(**alert | changes),
        make_invitation(),
        merchant=make_merchant(),
        branding=make_branding(sender_email=None),
        to_address=to_address,
        attempt_id=ATTEMPT_ID,
        sender=SENDER.email,
        language=language,
        at=NOON,
    )


@pytest.mark.parametrize(
    ("language", "subject", "text"),
    [
        (
            "en",
            "A customer gave 1 star",
            (
                "A customer gave “Mug <1>” 1 star. A support case is open.\n\n"
                "The customer wrote:\n\nBroken.\nTwice & again.\n\n"
                "It will be published on 17 March 2026 at 13:00. "
                "The customer may change it until then, and afterwards.\n\n"
                f"Orders: A-1001 and A-1002\n\nSupport case: {CASE_ID}"
            ),
        ),
        (
            "nb",
            "En kunde ga 1 stjerne",
            (
                "En kunde ga «Mug <1>» 1 stjerne. Det er opprettet en supportsak.\n\n"
                "Kunden skrev:\n\nBroken.\nTwice & again.\n\n"
                "Den blir publisert 17. mars 2026 kl. 13:00. Kunden kan endre den både før og etter.\n\n"
                f"Bestillinger: A-1001 og A-1002\n\nSupportsak: {CASE_ID}"
            ),
        ),
    ],
)
def test_alert_tells_support_what_it_needs(language: str, subject: str, text: str) -> None:
    message = render(language=language)
    assert (message.step, message.to_address, message.subject, message.text) == (
        Notice.SUPPORT_ALERT,
        "help@gifts.example",
        subject,
        text,
    )
    parsed = message_from_bytes(message.raw or b"", policy=default)
    assert isinstance(parsed, EmailMessage)
    assert (parsed["Subject"], parsed["To"], parsed["Message-ID"]) == (
        subject,
        "help@gifts.example",
        message.message_id,
    )
    plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == text
    assert "Twice &amp; again." in html.get_content()


def test_alert_about_the_service_without_words_or_hold_is_short() -> None:
    message = render(product_name=None, stars=3, text=None, publish_at=None, order_ids=[])
    assert message.text.startswith("A customer gave the service of ")
    assert "3 stars" in message.text
    assert "published" not in message.text


def test_same_alert_has_the_same_bytes() -> None:
    assert render().raw == render().raw


def test_address_that_could_break_out_of_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="not an address"):
        render(to_address="help@gifts.example\r\nBcc: all@example.com")


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=50), max_size=3))
def test_no_name_or_word_breaks_the_mail(name: str, text: str, order_ids: list[str]) -> None:
    message = render(product_name=name, text=text, order_ids=order_ids)
    parsed = message_from_bytes(message.raw or b"", policy=default)
    assert parsed.keys() == message_from_bytes(render().raw or b"", policy=default).keys()
    assert "\n" not in message.subject
