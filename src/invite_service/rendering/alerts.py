"""The mail that tells a merchant's own support of few stars, in words a colleague would use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from markupsafe import escape

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message, Notice
from invite_service.rendering.brand import NAME_LIMIT
from invite_service.rendering.cleaning import one_line, some_lines
from invite_service.rendering.headers import check_address
from invite_service.rendering.preparing import EmailSender
from invite_service.rendering.products import PRODUCT_NAME_LIMIT
from invite_service.rendering.texts import story_texts_of
from invite_service.rendering.words import Words

TEXT_LIMIT = 5_000
"""Characters of the customer's words; a review has no more."""

MAX_ORDERS = 10
"""Orders that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportAlert:
    """What support hears of."""

    product_name: str | None
    """None: the service."""
    stars: int
    text: str | None = field(repr=False)
    publish_at: datetime | None
    """When it is published by itself; None where it is public or held already."""
    order_ids: Sequence[str]
    case_id: UUID


def render_alert(
    alert: SupportAlert,
    invitation: Invitation,
    *,
    merchant: Merchant,
    branding: Branding,
    to_address: str,
    attempt_id: UUID,
    sender: EmailSender,
    language: str,
    at: datetime,
) -> Message:
    """Write the mail of one attempt in a story language; `at` is the real instant of its Date.

    Raises ValueError for an address that cannot stand in a header. The same arguments give the same bytes.
    """
    from_address = branding.sender_email or sender.address
    check_address(to_address)
    check_address(from_address)
    texts, words = story_texts_of(language), Words(story_texts_of(language), zone=merchant.time_zone)
    shop = one_line(merchant.name, limit=NAME_LIMIT)
    subject = words.count("alert_subject", alert.stars)
    paragraphs = [_opening(alert, words, shop)]
    if alert.text is not None:
        paragraphs += [texts("alert_words"), some_lines(alert.text, limit=TEXT_LIMIT)]
    if alert.publish_at is not None:
        paragraphs.append(texts("alert_publish", instant=words.instant(alert.publish_at)))
    orders = words.listed([one_line(order_id, limit=NAME_LIMIT) for order_id in alert.order_ids[:MAX_ORDERS]])
    paragraphs += [texts("alert_orders", orders=orders), texts("alert_case", case=str(alert.case_id))]
    text = "\n\n".join(paragraphs)
    rows = "".join(f"<p>{str(escape(paragraph)).replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)
    html = f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"></head><body>{rows}</body></html>'
    headers = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    message_id = f"<{attempt_id}@{from_address.rpartition('@')[2]}>"
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = message_id
    mail["Date"] = format_datetime(at.replace(microsecond=0))
    mail["From"] = from_address
    mail["To"] = to_address
    mail["Subject"] = subject
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    mail.set_boundary("=_invite_service_alert")
    return Message(
        attempt_id=attempt_id,
        merchant_id=merchant.id,
        invitation_id=invitation.id,
        step=Notice.SUPPORT_ALERT,
        channel=Channel.EMAIL,
        to_address=to_address,
        from_address=from_address,
        subject=subject,
        text=text,
        html=html,
        headers=headers,
        message_id=message_id,
        idempotency_key=str(attempt_id),
        raw=mail.as_bytes(),
    )


def _opening(alert: SupportAlert, words: Words, shop: str) -> str:
    if alert.product_name is None:
        return words.texts("alert_service", stars=words.count("alert_stars", alert.stars), merchant=shop)
    product = one_line(alert.product_name, limit=PRODUCT_NAME_LIMIT) or words.texts("alert_unnamed")
    return words.texts("alert_product", stars=words.count("alert_stars", alert.stars), product=words.quoted(product))
