"""Writing a message: tokens made, links put together, content rendered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.domain.policy import Policy
from invite_service.rendering.cleaning import web_address
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults, render
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnTexts
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.storage.sending import ProductCard, SendContent

TOKEN_PARAMETER = "invite_token"  # noqa: S105 - the parameter's name
"""How the token is passed to a merchant's own page."""


class Writer(Protocol):
    """Who writes messages."""

    def write(
        self,
        content: SendContent,
        *,
        merchant: Merchant,
        policy: Policy,
        branding: Branding,
        own_texts: OwnTexts,
        product_ids: Sequence[str],
        attempt_id: UUID,
        real_now: datetime,
    ) -> Message:
        """Write the next message of an invitation about these products; `policy` is the current version."""


class MessageWriter:
    """Writes the messages of every merchant of this installation.

    `public_base_url` is where customers reach the hosted pages, without a slash at its end.
    """

    def __init__(self, signer: TokenSigner, *, public_base_url: str, sender: SenderDefaults) -> None:
        self._signer = signer
        self._public_base_url = public_base_url
        self._sender = sender

    def write(
        self,
        content: SendContent,
        *,
        merchant: Merchant,
        policy: Policy,
        branding: Branding,
        own_texts: OwnTexts = NO_OWN_TEXTS,
        product_ids: Sequence[str],
        attempt_id: UUID,
        real_now: datetime,
    ) -> Message:
        """Write the next message of an invitation about these products; `policy` is the current version."""
        invitation = content.invitation
        assert invitation.next_step is not None
        cards = {card.product_id: card for card in content.cards}
        products = [cards[product_id] for product_id in product_ids]
        homepage_url = branding.homepage_url or merchant.homepage_url
        own_page = None if policy.hosted_landing_page else _own_page(homepage_url, products)
        return render(
            invitation,
            step=invitation.next_step,
            merchant=merchant,
            branding=branding,
            products=products,
            links=self._links(invitation, merchant, own_page, at=real_now),
            attempt_id=attempt_id,
            sender=self._sender,
            at=real_now,
            own_texts=own_texts,
        )

    def _links(self, invitation: Invitation, merchant: Merchant, own_page: str | None, *, at: datetime) -> Links:
        step, now = invitation.next_step, merchant.now(at)
        assert step is not None
        page = self._signer.make(merchant.id, invitation.id, purpose=TokenPurpose.PAGE, step=step, at=now)
        unsubscribe = self._signer.make(merchant.id, invitation.id, purpose=TokenPurpose.UNSUBSCRIBE, step=step, at=now)
        return Links(
            page=f"{self._public_base_url}/i/{page}" if own_page is None else _with_token(own_page, page),
            unsubscribe=f"{self._public_base_url}/u/{unsubscribe}",
        )


def _own_page(homepage_url: str, products: Sequence[ProductCard]) -> str | None:
    """Choose the merchant's page: that of the product where there is one, else the homepage (RULES.md section 2).

    None where neither is a web address: the hosted page then stands in for it.
    """
    product_page = web_address(products[0].url) if len(products) == 1 else None
    return product_page or web_address(homepage_url)


def _with_token(page: str, token: str) -> str:
    """Add the token to an address; what a message's links add comes after it, so that a fragment has to go."""
    address = page.partition("#")[0]
    return f"{address}{'&' if '?' in address else '?'}{urlencode({TOKEN_PARAMETER: token})}"
