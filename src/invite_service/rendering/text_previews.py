"""A text as a customer would get it: one made up, or one of a real order; rendered by the very code that sends."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from html import escape, unescape
from typing import Final
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.domain.texts import FixedText, TextName
from invite_service.rendering.alerts import SupportAlert, render_alert
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.headers import encode_text, header_line
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults, render
from invite_service.rendering.notices import (
    GivenAnswer,
    NoticeContent,
    ReplyNotice,
    SupportNotice,
    VoucherNotice,
    render_notice,
)
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rendering.pages import (
    PageFrame,
    ask_page,
    make_item,
    not_received_page,
    rate_page,
    thanks_page,
)
from invite_service.rendering.sms import render_sms_notice
from invite_service.rendering.text_fields import SMS_TEXTS
from invite_service.rendering.text_samples import SampleCustomer
from invite_service.rendering.texts import FALLBACK_LANGUAGE
from invite_service.rules.publishing import display_name
from invite_service.rules.slots import local_day

NO_INVITATION: Final = UUID(int=0)
"""Whose links a preview has: they are as long as real ones and lead nowhere."""

SAMPLE_EMAIL: Final = "customer@example.com"
SAMPLE_PHONE: Final = "+4791234567"

SAMPLE_ANSWER: Final = "Just what I was looking for."
SAMPLE_REPLY: Final = "Thank you for your kind words!"
SAMPLE_CODE: Final = "THANKS10"

SAMPLE_FEW_STARS: Final = 1
"""Few under any settings."""
SAMPLE_COMPLAINT: Final = "It broke in the first week."

REVIEW_LIMIT: Final = 5_000

TEST_MARK: Final = "[Test]"
SUBJECT_LIMIT: Final = 200

_PREHEADER: Final = re.compile(r'<div class="preheader"[^>]*>(.*?)</div>', re.DOTALL)

_SUBJECT: Final = re.compile(rb"\r\nSubject:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")
"""Of whichever mail, folded or not; it stands before the bodies."""

_STEPS: Final[Mapping[TextName | FixedText, Step]] = {
    TextName.PRODUCT_1: Step.PRODUCT_1,
    TextName.PRODUCT_2: Step.PRODUCT_2,
    TextName.SERVICE: Step.SERVICE,
    TextName.PRODUCT_SMS: Step.PRODUCT_1,
    TextName.SERVICE_SMS: Step.SERVICE,
}


class PageView(StrEnum):
    """The pages that the text `page` is about."""

    ASK = "ask"
    RATE = "rate"
    RATE_SERVICE = "rate_service"
    THANKS = "thanks"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewScene:
    """Everything that a preview is drawn from; `at` is real time."""

    merchant: Merchant
    branding: Branding
    own_texts: OwnTexts
    language: str
    customer: SampleCustomer
    links: Links
    sender: SenderDefaults
    attempt_id: UUID
    at: datetime
    contact: str | None = None
    """To whom; None for a made-up address."""
    publish_at: datetime | None = None
    """When few stars that are left now are published, on the merchant's clock; None for at once."""
    alert_language: str = FALLBACK_LANGUAGE
    """The story language of the merchant's support."""


def preview_message(name: TextName | FixedText, scene: PreviewScene, *, by_sms: bool = False) -> Message:
    """Write a message; `by_sms` is for reply notices and vouchers, which go either way."""
    invitation = _invitation(name, scene, is_sms=by_sms or name in SMS_TEXTS)
    if name in _STEPS:
        return render(
            invitation,
            step=_STEPS[name],
            merchant=scene.merchant,
            branding=scene.branding,
            products=() if _STEPS[name] is Step.SERVICE else scene.customer.products,
            links=scene.links,
            attempt_id=scene.attempt_id,
            sender=scene.sender,
            at=scene.at,
            own_texts=scene.own_texts,
        )
    if name is FixedText.SUPPORT_ALERT:
        return _alert(invitation, scene)
    content = _notice(name, scene)
    if by_sms and not isinstance(content, SupportNotice):
        return render_sms_notice(
            content,
            invitation,
            merchant=scene.merchant,
            branding=scene.branding,
            links=scene.links,
            attempt_id=scene.attempt_id,
            sender=scene.sender.sms_sender,
        )
    return render_notice(
        content,
        invitation,
        merchant=scene.merchant,
        branding=scene.branding,
        links=scene.links,
        attempt_id=scene.attempt_id,
        sender=scene.sender.email,
        at=scene.at,
        own_texts=scene.own_texts,
    )


def _alert(invitation: Invitation, scene: PreviewScene) -> Message:
    product = next(iter(scene.customer.products), None)
    return render_alert(
        SupportAlert(
            product_name=(product.name or "") if product is not None else None,
            stars=SAMPLE_FEW_STARS,
            text=SAMPLE_COMPLAINT,
            publish_at=scene.publish_at,
            order_ids=invitation.order_ids,
            case_id=NO_INVITATION,
        ),
        invitation,
        merchant=scene.merchant,
        branding=scene.branding,
        to_address=scene.contact or scene.branding.support_email or SAMPLE_EMAIL,
        attempt_id=scene.attempt_id,
        sender=scene.sender.email,
        language=scene.alert_language,
        at=scene.at,
    )


def _notice(name: TextName | FixedText, scene: PreviewScene) -> NoticeContent:
    if name is TextName.VOUCHER:
        return VoucherNotice(code=SAMPLE_CODE)
    product = next(iter(scene.customer.products), None)
    if name is FixedText.SUPPORT_NOTICE:
        return SupportNotice(
            answer=GivenAnswer(product=product, stars=SAMPLE_FEW_STARS, text=SAMPLE_COMPLAINT),
            shown_by=local_day(scene.publish_at, scene.merchant.time_zone) if scene.publish_at is not None else None,
        )
    return ReplyNotice(answer=GivenAnswer(product=product, stars=5, text=SAMPLE_ANSWER), reply=SAMPLE_REPLY)


def _invitation(name: TextName | FixedText, scene: PreviewScene, *, is_sms: bool) -> Invitation:
    """Make an invitation that exists nowhere."""
    step = _STEPS.get(name, Step.PRODUCT_2)
    order_ids = (scene.customer.order_id,) if scene.customer.order_id is not None else ()
    return Invitation(
        id=NO_INVITATION,
        kind=Kind.SERVICE if step is Step.SERVICE else Kind.PRODUCT,
        channel=Channel.SMS if is_sms else Channel.EMAIL,
        language=scene.language,
        contact=scene.contact or (SAMPLE_PHONE if is_sms else SAMPLE_EMAIL),
        customer_name=scene.customer.customer_name,
        status=InvitationStatus.SCHEDULED,
        steps=(step,),
        next_step=step,
        policy_version=scene.merchant.policy_version,
        time_zone=scene.merchant.time_zone,
        spread_order_id="",
        created_at=scene.at,
        send_at=scene.at,
        next_attempt_at=None,
        order_ids=order_ids,
    )


def preview_page(name: TextName, view: PageView, scene: PreviewScene) -> str:
    """Draw a page as HTML."""
    frame = PageFrame(
        scene.merchant,
        scene.branding,
        scene.language,
        "preview",
        scene.own_texts,
        customer_name=scene.customer.customer_name,
        displayed_name=display_name(scene.customer.customer_name),
    )
    products = scene.customer.products
    if name is TextName.NOT_RECEIVED:
        return not_received_page(frame, scene.customer.customer_name, is_noted=False).html
    match view:
        case PageView.ASK:
            return ask_page(frame, products).html
        case PageView.RATE:
            items = [make_item(product, frame) for product in products]
            return rate_page(frame, items or [make_item(None, frame)], text_limit=REVIEW_LIMIT).html
        case PageView.RATE_SERVICE:
            return rate_page(frame, [make_item(None, frame)], text_limit=REVIEW_LIMIT).html
        case PageView.THANKS:
            first = next(iter(products), None)
            given = [make_item(first, frame, stars=5, text=SAMPLE_ANSWER)]
            return thanks_page(frame, given, is_waiting=False, remaining_count=max(0, len(products) - 1)).html


def framed(html: str, *, width: int) -> str:
    """Put a document into a frame of so many pixels, as a device of that width shows it; nothing in it is run."""
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8"><title>Preview</title>'
        "<style>body{margin:0;background:#d9d9de}"
        "iframe{display:block;margin:0 auto;border:0;background:#fff;height:100vh}</style></head><body>"
        f'<iframe sandbox="" title="Preview" width="{width}" style="width:{width}px" srcdoc="{escape(html)}"></iframe>'
        "</body></html>\n"
    )


def preheader_of(html: str) -> str:
    """Read the preheader out of a mail: what a mail programme shows after the subject."""
    found = _PREHEADER.search(html)
    return unescape(found[1]) if found is not None else ""


def marked_as_test(message: Message) -> Message:
    """Mark a message so that nobody takes it for a real one: before the subject, of an SMS before the text."""
    if message.channel is Channel.SMS or message.raw is None:
        return replace(message, text=f"{TEST_MARK} {message.text}")
    subject = one_line(f"{TEST_MARK} {message.subject}", limit=SUBJECT_LIMIT)
    line = b"\r\n" + header_line("Subject", encode_text(subject, name="Subject"))
    return replace(message, subject=subject, raw=_SUBJECT.sub(lambda _: line, message.raw, count=1))
