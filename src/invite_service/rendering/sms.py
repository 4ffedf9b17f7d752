"""SMS: one short text with the page's link and an opt-out link, in the GSM alphabet wherever the words allow it."""

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message
from invite_service.domain.texts import TextName
from invite_service.rendering.cleaning import one_line
from invite_service.rendering.links import Links
from invite_service.rendering.notices import CODE_LIMIT, ReplyNotice, VoucherNotice
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnText, OwnTextFailedError, OwnTexts
from invite_service.rendering.products import ShownProduct
from invite_service.rendering.text_fields import SMS
from invite_service.rendering.text_variables import customer_variables, merchant_variables, plain_name
from invite_service.rendering.texts import Texts, available_language, texts_of
from invite_service.rules.sms_transliteration import transliterate


def render_sms(
    invitation: Invitation,
    *,
    step: Step,
    merchant: Merchant,
    branding: Branding,
    links: Links,
    attempt_id: UUID,
    sender: str,
    products: Sequence[ShownProduct] = (),
    own_texts: OwnTexts = NO_OWN_TEXTS,
) -> Message:
    """Write the SMS of one attempt; `sender` is the installation's, for merchants that have none.

    The merchant's own text is followed by the links, which are ours; where it fails, the catalogue's takes its place
    and the message says so.
    """
    links.check()
    language = available_language(invitation.language)
    texts = texts_of(language)
    name = TextName.SERVICE_SMS if step is Step.SERVICE else TextName.PRODUCT_SMS
    own, fault = own_texts.find(name, language), None
    question = texts(name.value, merchant=plain_name(merchant.name), page=links.page)
    if own is not None:
        try:
            asked = _own_question(own, invitation, merchant=merchant, branding=branding, products=products, texts=texts)
            question = f"{asked} {links.page}"
        except OwnTextFailedError as error:
            fault = f"{error.field}:{error.fault.code}"
    return Message(
        attempt_id=attempt_id,
        merchant_id=merchant.id,
        invitation_id=invitation.id,
        step=step,
        channel=Channel.SMS,
        to_address=invitation.contact,
        from_address=branding.sms_sender or sender,
        subject="",
        text=_spell(f"{question}\n{texts('sms_opt_out', unsubscribe=links.unsubscribe)}", branding),
        headers={},
        message_id=f"<{attempt_id}@{urlsplit(links.unsubscribe).hostname}>",
        idempotency_key=str(attempt_id),
        own_text_version=own.version if own is not None else None,
        own_text_fault=fault,
    )


def render_sms_notice(
    content: ReplyNotice | VoucherNotice,
    invitation: Invitation,
    *,
    merchant: Merchant,
    branding: Branding,
    links: Links,
    attempt_id: UUID,
    sender: str,
) -> Message:
    """Write the SMS of a notice to the customer of an invitation by SMS; merchants have no text of their own for it."""
    links.check()
    texts = texts_of(available_language(invitation.language))
    shop = plain_name(merchant.name)
    match content:
        case ReplyNotice():
            news = texts("reply_notice_sms", merchant=shop, page=links.page)
        case VoucherNotice():
            news = texts("voucher_sms", merchant=shop, code=one_line(content.code, limit=CODE_LIMIT))
    return Message(
        attempt_id=attempt_id,
        merchant_id=merchant.id,
        invitation_id=invitation.id,
        step=content.notice,
        channel=Channel.SMS,
        to_address=invitation.contact,
        from_address=branding.sms_sender or sender,
        subject="",
        text=_spell(f"{news}\n{texts('sms_opt_out', unsubscribe=links.unsubscribe)}", branding),
        headers={},
        message_id=f"<{attempt_id}@{urlsplit(links.unsubscribe).hostname}>",
        idempotency_key=str(attempt_id),
    )


def _spell(text: str, branding: Branding) -> str:
    return transliterate(text) if branding.sms_transliterate else text


def _own_question(
    own: OwnText,
    invitation: Invitation,
    *,
    merchant: Merchant,
    branding: Branding,
    products: Sequence[ShownProduct],
    texts: Texts,
) -> str:
    variables = merchant_variables(
        own.name, merchant_name=merchant.name, homepage_url=merchant.homepage_url, branding=branding
    ) | customer_variables(
        own.name,
        customer_name=invitation.customer_name,
        order_id=next(iter(invitation.order_ids), None),
        products=products,
        unnamed_product=texts("unnamed_product"),
    )
    return "\n".join(own.fields[SMS.name].write(variables))
