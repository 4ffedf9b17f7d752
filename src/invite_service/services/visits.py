"""What the token of a message's link leads to, and changing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import (
    InvitationNotFoundError,
    MerchantNotFoundError,
    TokenErasedError,
    TokenNotFoundError,
)
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.services.tokens import TokenClaims
from invite_service.storage.stores import Stores

CUSTOMER: Final = "customer"
"""The actor of everything that is done by a message's link."""

_UNKNOWN: Final = "This link is not known, or no longer."


@dataclass(frozen=True, slots=True)
class Visit:
    """What a token leads to, read in one transaction; `now` is the merchant's time."""

    stores: Stores
    merchant: Merchant
    invitation: Invitation
    step: Step
    now: datetime

    def entry(self, event: TimelineEvent, data: Mapping[str, JsonFigure] | None = None) -> TimelineEntry:
        """Write a timeline entry of the customer's doing."""
        return TimelineEntry(
            at=self.now,
            actor=CUSTOMER,
            event=event,
            invitation_id=self.invitation.id,
            data={"step": self.step.value, **(data or {})},
        )


async def find_visit(stores: Stores, claims: TokenClaims, *, real_now: datetime, lock: bool = False) -> Visit:
    """Find what a token leads to.

    Raises:
        TokenNotFoundError: it leads nowhere or has expired; TokenErasedError where what it led to was erased.
    """
    try:
        merchant = await stores.merchants.get(claims.merchant_id)
        invitation = await stores.invitations.get(merchant.id, claims.invitation_id)
    except (MerchantNotFoundError, InvitationNotFoundError):
        raise unknown_token() from None
    now = merchant.now(real_now)
    claims.check_expiry(now)
    if lock:
        (invitation,) = await stores.invitations.lock(merchant.id, [invitation.id])
    if invitation.status is InvitationStatus.ERASED:
        raise TokenErasedError(_UNKNOWN, merchant_name=merchant.name, language=invitation.language)
    return Visit(stores, merchant, invitation, claims.step, now)


def unknown_token() -> TokenNotFoundError:
    """Say that a link leads nowhere; one answer for every reason."""
    return TokenNotFoundError(_UNKNOWN)
