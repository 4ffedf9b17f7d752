"""SMS: one short text with the page's link and an opt-out link, in the GSM alphabet wherever the words allow it."""

from urllib.parse import urlsplit
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.links import Links
from invite_service.rendering.texts import available_language, texts_of

SMS_NAME_LIMIT = 30
"""Characters of a merchant's name in an SMS: room is dear."""

_PLAINER = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{NO-BREAK SPACE}": " ",
    }
)
"""Typographic signs of merchants' names that would double the price of a text."""


def render_sms(
    invitation: Invitation,
    *,
    step: Step,
    merchant: Merchant,
    branding: Branding,
    links: Links,
    attempt_id: UUID,
    sender: str,
) -> Message:
    """Write the SMS of one attempt; `sender` is the installation's, for merchants that have none."""
    links.check()
    texts = texts_of(available_language(invitation.language))
    name = one_line(merchant.name.translate(_PLAINER), limit=SMS_NAME_LIMIT).translate(_PLAINER)
    question = texts("service_sms" if step is Step.SERVICE else "product_sms", merchant=name, page=links.page)
    return Message(
        attempt_id=attempt_id,
        merchant_id=merchant.id,
        invitation_id=invitation.id,
        step=step,
        channel=Channel.SMS,
        to_address=invitation.contact,
        from_address=branding.sms_sender or sender,
        subject="",
        text=f"{question}\n{texts('sms_opt_out', unsubscribe=links.unsubscribe)}",
        headers={},
        message_id=f"<{attempt_id}@{urlsplit(links.unsubscribe).hostname}>",
        idempotency_key=str(attempt_id),
    )
