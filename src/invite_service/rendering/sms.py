"""SMS: one short text with the page's link and an opt-out link, in the GSM alphabet wherever the words allow it."""

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.links import Links
from invite_service.rendering.texts import available_language, texts_of

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038, default alphabet: one septet each."""

GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
"""The same, extension table: two septets each."""

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


@dataclass(frozen=True, slots=True)
class Segments:
    """What an SMS is cut into on its way."""

    encoding: str
    """gsm-7 or ucs-2."""
    count: int


def count_segments(text: str) -> Segments:
    """Count the segments of a text (3GPP TS 23.040: 160 or 153 septets each, 70 or 67 UTF-16 units each)."""
    if all(character in GSM_BASIC or character in GSM_EXTENDED for character in text):
        return Segments("gsm-7", _cut([2 if character in GSM_EXTENDED else 1 for character in text], 160, 153))
    return Segments("ucs-2", _cut([2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67))


def _cut(widths: list[int], whole: int, part: int) -> int:
    """Count the parts; a character of two units is never split between two."""
    if sum(widths) <= whole:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return count


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
