"""From a due invitation to the message of one attempt, for either channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.rendering.email import render_email
from invite_service.rendering.links import Links
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnTexts
from invite_service.rendering.preparing import EmailSender
from invite_service.rendering.products import ShownProduct
from invite_service.rendering.sms import render_sms


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDefaults:
    """The installation's senders, for merchants whose branding names none."""

    email: EmailSender
    sms_sender: str
    """At most 11 letters and digits, or an E.164 number."""


def render(
    invitation: Invitation,
    *,
    step: Step,
    merchant: Merchant,
    branding: Branding,
    products: Sequence[ShownProduct],
    links: Links,
    attempt_id: UUID,
    sender: SenderDefaults,
    at: datetime,
    own_texts: OwnTexts = NO_OWN_TEXTS,
) -> Message:
    """Write the message of one attempt, in the invitation's language or, where that has no texts yet, in English.

    `products` are those this message asks about, in order, and empty for a service invitation. `at` is real time: it
    stands in the Date header; `own_texts` are the merchant's at the current version. The same arguments give the same
    bytes.
    """
    if invitation.channel is Channel.SMS:
        return render_sms(
            invitation,
            step=step,
            merchant=merchant,
            branding=branding,
            links=links,
            attempt_id=attempt_id,
            sender=sender.sms_sender,
            products=products,
            own_texts=own_texts,
        )
    return render_email(
        invitation,
        step=step,
        merchant=merchant,
        branding=branding,
        products=products,
        links=links,
        attempt_id=attempt_id,
        sender=sender.email,
        at=at,
        own_texts=own_texts,
    )
