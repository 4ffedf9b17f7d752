"""Messages as they are written: whose links they carry, and where these lead."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.message import Message
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.preparing import EmailSender
from invite_service.rules.suppressions import NOTHING_SUPPRESSED
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.services.writing import TOKEN_PARAMETER, MessageWriter
from invite_service.storage.sending import ProductCard, SendContent
from tests.support.builders import NOON, make_branding, make_invitation, make_merchant, make_policy, new_id

SIGNER = TokenSigner({0: b"a secret"}, current=0)
MUG = ProductCard("mug", "Mug", "https://gifts.example/p/mug?color=blue#reviews", None)
TENT = ProductCard("tent", "Tent", None, None)


def write(*cards: ProductCard, hosted: bool = True, **changes: Any) -> Message:
    arguments: dict[str, Any] = {
        "merchant": make_merchant(),
        "policy": make_policy(hosted_landing_page=hosted),
        "branding": make_branding(),
        "product_ids": [card.product_id for card in cards],
        "attempt_id": new_id(),
        "real_now": NOON,
    }
    invitation = changes.pop("invitation", make_invitation())
    content = SendContent(
        invitation=invitation,
        cards=(MUG, TENT),
        orders=(),
        suppressed=NOTHING_SUPPRESSED,
        has_feedback=False,
        other_ids=(),
    )
    writer = MessageWriter(
        SIGNER,
        public_base_url="https://reviews.example/r",
        sender=SenderDefaults(email=EmailSender("in@reviews.example"), sms_sender="Reviews"),
    )
    return writer.write(content, **{**arguments, **changes})


def page_of(message: Message) -> str:
    return next(line for line in message.text.splitlines() if line.startswith("https://"))


def test_links_lead_to_the_hosted_pages_with_a_token_each() -> None:
    invitation = make_invitation(next_step=Step.PRODUCT_2)
    message = write(MUG, invitation=invitation, branding=make_branding(support_url=None))
    address = message.text.split("5 stjerner (Svært bra): ")[1].split("?")[0]
    assert address.startswith("https://reviews.example/r/i/")
    claims = SIGNER.read(address.rpartition("/")[2], TokenPurpose.PAGE)
    assert (claims.merchant_id, claims.invitation_id, claims.step) == ("gift-shop", invitation.id, Step.PRODUCT_2)
    unsubscribe = message.headers["List-Unsubscribe"]
    assert unsubscribe.startswith("<https://reviews.example/r/u/")
    token = unsubscribe.strip("<>").rpartition("/")[2]
    assert SIGNER.read(token, TokenPurpose.UNSUBSCRIBE).invitation_id == invitation.id
    assert (message.step, message.merchant_id) == (Step.PRODUCT_2, "gift-shop")


def test_products_are_those_that_are_asked_about_in_their_order() -> None:
    message = write(TENT, MUG)
    assert message.text.index("Tent") < message.text.index("Mug")
    assert "Mug" not in write(TENT).text


@pytest.mark.parametrize(
    ("cards", "page"),
    [
        ((MUG,), "https://gifts.example/p/mug"),
        ((TENT,), "https://gifts.example"),
        ((MUG, TENT), "https://gifts.example"),
    ],
)
def test_own_page_is_that_of_the_product_else_the_homepage(cards: tuple[ProductCard, ...], page: str) -> None:
    address = page_of(write(*cards, hosted=False))
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == page
    query = parse_qs(parts.query)
    assert SIGNER.read(query.pop(TOKEN_PARAMETER)[0], TokenPurpose.PAGE).step is Step.PRODUCT_1
    # What the customer pressed is told to the merchant's page as it is to ours.
    assert query.pop("received") == ["yes"]
    assert query == ({"color": ["blue"]} if page.endswith("mug") else {})
    assert parts.fragment == ""


def test_merchant_without_a_web_address_gets_the_hosted_page() -> None:
    message = write(TENT, hosted=False, merchant=make_merchant(homepage_url="gifts"))
    assert page_of(message).startswith("https://reviews.example/r/i/")


def test_unsubscribing_is_ours_whoever_has_the_page() -> None:
    assert write(MUG, hosted=False).headers["List-Unsubscribe"].startswith("<https://reviews.example/r/u/")


def test_sms_carries_both_links() -> None:
    message = write(MUG, invitation=make_invitation(channel=Channel.SMS, contact="+4791234567"))
    assert [part for part in message.text.split() if part.startswith("https://")] == [
        part for part in message.text.split() if "/r/i/" in part or "/r/u/" in part
    ]
    assert message.text.count("https://") == 2
