"""Writing notices: what each is about is read when it is sent, so that it says what holds then."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from invite_service.domain.errors import InvitationNotFoundError
from invite_service.domain.feedback import Rating
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message, Notice
from invite_service.domain.notice import QueuedNotice
from invite_service.rendering.alerts import SupportAlert, render_alert
from invite_service.rendering.links import Links
from invite_service.rendering.message import SenderDefaults
from invite_service.rendering.notices import (
    GivenAnswer,
    NoticeContent,
    ReplyNotice,
    SupportNotice,
    VoucherNotice,
    render_notice,
)
from invite_service.rendering.sms import render_sms_notice
from invite_service.rendering.texts import FALLBACK_LANGUAGE, STORY_LANGUAGES
from invite_service.rules.feedback import editable_until, is_editable
from invite_service.rules.slots import local_day
from invite_service.services.claim import Account
from invite_service.services.suppressing import is_suppressed
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.storage.sending import ProductCard
from invite_service.storage.stores import Stores


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Why a notice is not to be sent any more, or never was."""

    reason: str


Draft = Callable[[datetime], Message]
"""A notice of which all is known but when it leaves: a real instant makes its message, always in the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Whose notice is written, and of when."""

    account: Account
    notice: QueuedNotice
    invitation: Invitation
    real_now: datetime

    @property
    def merchant(self) -> Merchant:
        """Who writes."""
        return self.account.merchant


class NoticeWriter:
    """Writes the notices of every merchant of this installation.

    `public_base_url` is where customers reach the hosted pages, without a slash at its end.
    """

    def __init__(self, signer: TokenSigner, *, public_base_url: str, sender: SenderDefaults) -> None:
        self._signer = signer
        self._public_base_url = public_base_url
        self._sender = sender

    async def draft(
        self, stores: Stores, account: Account, notice: QueuedNotice, *, real_now: datetime
    ) -> Draft | Unwanted:
        """Read what a notice says at an instant, or say why there is nothing to write any more."""
        merchant_id = account.merchant.id
        try:
            invitation = await stores.invitations.get(merchant_id, notice.invitation_id)
        except InvitationNotFoundError:
            return Unwanted("erased")
        if invitation.status is InvitationStatus.ERASED:
            return Unwanted("erased")
        about = _About(account=account, notice=notice, invitation=invitation, real_now=real_now)
        rating = await stores.ratings.get(merchant_id, notice.rating_id)
        if notice.notice is Notice.SUPPORT_ALERT:
            return await self._draft_alert(stores, about, rating)
        if await is_suppressed(stores, merchant_id, invitation.contact):
            return Unwanted("suppressed")
        content = await self._content(stores, about, rating)
        if isinstance(content, Unwanted):
            return content
        if notice.channel is Channel.SMS:
            return Unwanted("no_email") if isinstance(content, SupportNotice) else self._sms_draft(content, about)

        def write(at: datetime) -> Message:
            return render_notice(
                content,
                invitation,
                merchant=account.merchant,
                branding=account.branding,
                links=self._links(about, at=at),
                attempt_id=notice.id,
                sender=self._sender.email,
                at=at,
                own_texts=account.own_texts,
            )

        return write

    def _sms_draft(self, content: ReplyNotice | VoucherNotice, about: _About) -> Draft:
        def write(at: datetime) -> Message:
            return render_sms_notice(
                content,
                about.invitation,
                merchant=about.merchant,
                branding=about.account.branding,
                links=self._links(about, at=at),
                attempt_id=about.notice.id,
                sender=self._sender.sms_sender,
            )

        return write

    async def _content(self, stores: Stores, about: _About, rating: Rating) -> NoticeContent | Unwanted:
        merchant = about.merchant
        answer = GivenAnswer(
            product=await _find_card(stores, about, rating), stars=rating.stars, text=rating.review_text
        )
        match about.notice.notice:
            case Notice.VOUCHER:
                voucher = await stores.notices.find_voucher(merchant.id, about.invitation.id)
                if voucher is None:
                    return Unwanted("no_voucher")
                return VoucherNotice(code=voucher.code, terms=voucher.description)
            case Notice.REPLY_NOTICE:
                replies = await stores.replies.find(merchant.id, [rating.id])
                if rating.id not in replies:
                    return Unwanted("reply_withdrawn")
                until = editable_until(rating)
                return ReplyNotice(
                    answer=answer,
                    reply=replies[rating.id].text,
                    editable_until=local_day(until, merchant.time_zone)
                    if until is not None and is_editable(rating, now=merchant.now(about.real_now))
                    else None,
                )
            case _:
                shown_by = rating.publish_at
                return SupportNotice(
                    answer=answer,
                    shown_by=local_day(shown_by, merchant.time_zone) if shown_by is not None else None,
                )

    async def _draft_alert(self, stores: Stores, about: _About, rating: Rating) -> Draft | Unwanted:
        to_address = about.account.branding.support_email
        if to_address is None:
            return Unwanted("no_support_address")
        cases = await stores.support_cases.find_open(about.merchant.id, [rating.id])
        if rating.id not in cases:
            return Unwanted("case_closed")
        card = await _find_card(stores, about, rating)
        is_of_product = rating.product_id is not None
        alert = SupportAlert(
            product_name=(card.name or "" if card is not None else "") if is_of_product else None,
            stars=rating.stars,
            text=rating.review_text,
            publish_at=rating.publish_at,
            order_ids=about.invitation.order_ids,
            case_id=cases[rating.id].id,
        )
        language = await language_of_alerts(stores, about.merchant)

        def write(at: datetime) -> Message:
            return render_alert(
                alert,
                about.invitation,
                merchant=about.merchant,
                branding=about.account.branding,
                to_address=to_address,
                attempt_id=about.notice.id,
                sender=self._sender.email,
                language=language,
                at=at,
            )

        return write

    def _links(self, about: _About, *, at: datetime) -> Links:
        merchant, invitation = about.merchant, about.invitation
        step = invitation.steps[-1] if invitation.steps else Step.PRODUCT_1

        def make(purpose: TokenPurpose) -> str:
            return self._signer.make(merchant.id, invitation.id, purpose=purpose, step=step, at=merchant.now(at))

        return Links(
            page=f"{self._public_base_url}/i/{make(TokenPurpose.PAGE)}",
            unsubscribe=f"{self._public_base_url}/u/{make(TokenPurpose.UNSUBSCRIBE)}",
        )


async def language_of_alerts(stores: Stores, merchant: Merchant) -> str:
    """Tell the story language that a merchant's support is written to in: the policy's fallback, else English."""
    policies = await stores.policies.find_versions(merchant.id, [merchant.policy_version])
    spoken = policies[merchant.policy_version].fallback_language
    return spoken if spoken in STORY_LANGUAGES else FALLBACK_LANGUAGE


async def _find_card(stores: Stores, about: _About, rating: Rating) -> ProductCard | None:
    product_id = rating.moved_from or rating.product_id
    cards = await stores.pages.list_cards(about.merchant.id, about.invitation.id)
    return next((card for card in cards if card.product_id == product_id), None)
