"""E-mails that follow a customer's answer: the shop's reply, a voucher, the help of its support.

They are prepared once per text version, as those that ask are, and filled in per mail.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from markupsafe import escape

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message, Notice
from invite_service.domain.texts import TextName
from invite_service.rendering.brand import NAME_LIMIT
from invite_service.rendering.cleaning import one_line, picture_address, some_lines
from invite_service.rendering.email import (
    PICTURE_ADDRESS_LIMIT,
    assemble_email,
    to_name_of,
    write_or_give_way,
    write_own,
)
from invite_service.rendering.links import Links
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnTexts
from invite_service.rendering.preparing import EmailSender, TextVersion, prepare_email
from invite_service.rendering.products import PRODUCT_NAME_LIMIT, ShownProduct
from invite_service.rendering.skeleton import EMPTY, Piece, Skeleton, Template, piece_of
from invite_service.rendering.texts import Texts, available_language

ANSWER_LIMIT = 600
"""Characters of the customer's own words that are repeated to them; the page has them all."""

REPLY_LIMIT = 1_500
"""Characters of a reply; the page has it whole. In any alphabet a mail of both stays under 100 kB."""

TERMS_LIMIT = 1_000
CODE_LIMIT = 60
STARS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """What a customer answered."""

    product: ShownProduct | None
    """None: the service."""
    stars: int
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyNotice:
    """Says that the merchant has replied to a review."""

    notice: ClassVar = Notice.REPLY_NOTICE
    answer: GivenAnswer
    reply: str = field(repr=False)
    editable_until: date | None = None
    """The last day on which the review can be changed, on the merchant's calendar; None where that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherNotice:
    """Brings a voucher code after a review."""

    notice: ClassVar = Notice.VOUCHER
    code: str = field(repr=False)
    terms: str | None = None
    """What the merchant says of it in its own words, in the order's language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportNotice:
    """Offers support's help after few stars."""

    notice: ClassVar = Notice.SUPPORT_NOTICE
    answer: GivenAnswer
    shown_by: date | None = None
    """The day by which the answer is public, on the merchant's calendar; None where it is already."""


NoticeContent = ReplyNotice | VoucherNotice | SupportNotice


class _Block(NamedTuple):
    """A part of a template with what fills its gaps."""

    part: str
    gaps: "_Gaps"


_Gaps = Mapping[str, str | Piece | _Block | None]
"""What fills each gap; None leaves it empty."""

_OWN_TEXTS: Final = {Notice.REPLY_NOTICE: TextName.REPLY_NOTICE, Notice.VOUCHER: TextName.VOUCHER}
"""Those that merchants may write."""


def render_notice(
    content: NoticeContent,
    invitation: Invitation,
    *,
    merchant: Merchant,
    branding: Branding,
    links: Links,
    attempt_id: UUID,
    sender: EmailSender,
    at: datetime,
    own_texts: OwnTexts = NO_OWN_TEXTS,
) -> Message:
    """Write the e-mail of one attempt to the customer of an invitation by e-mail; `at` is the real instant of its Date.

    `links.page` leads to the page that shows the answer. Where the merchant's own text fails the catalogue's takes its
    place, and the message says so. Raises ValueError for an address or a link that cannot stand in a header. The same
    arguments give the same bytes.
    """
    language = available_language(invitation.language)
    name = _OWN_TEXTS.get(content.notice)
    own = own_texts.find(name, language) if name is not None else None
    version = TextVersion(
        merchant.id, merchant.name, merchant.homepage_url, branding, content.notice, language, sender, own
    )

    def write(version: TextVersion) -> Message:
        return _write(version, content, invitation, links=links, attempt_id=attempt_id, at=at)

    return write(version) if own is None else write_or_give_way(write, version, own)


def _write(
    version: TextVersion,
    content: NoticeContent,
    invitation: Invitation,
    *,
    links: Links,
    attempt_id: UUID,
    at: datetime,
) -> Message:
    prepared = prepare_email(version)
    to_name = to_name_of(invitation)
    shop = one_line(version.merchant_name, limit=NAME_LIMIT)
    own = write_own(prepared, invitation)

    def fill(template: Template, make_piece: Callable[[str], Piece], own_pieces: Mapping[str, Piece]) -> Piece:
        gaps: dict[str, str | Piece | _Block | None] = {
            **_gaps_of(content, prepared.texts, shop, has_pictures="pictured_answer" in template.parts),
            "greeting": _greeting(prepared.texts, to_name),
            "page": links.page,
            "unsubscribe": links.unsubscribe,
            **own_pieces,
        }
        return _fill(template.whole, gaps, template.parts, make_piece)

    return assemble_email(
        prepared,
        invitation,
        to_name,
        step=content.notice,
        links=links,
        attempt_id=attempt_id,
        at=at,
        text=fill(prepared.text, piece_of, own.text if own is not None else {}),
        html=fill(prepared.html, _html_piece, own.html if own is not None else {}),
        own=own,
    )


def _greeting(texts: Texts, to_name: str) -> str:
    return texts("greeting", name=to_name) if to_name else texts("greeting_unnamed")


def _gaps_of(content: NoticeContent, texts: Texts, shop: str, *, has_pictures: bool) -> _Gaps:
    match content:
        case ReplyNotice():
            return {
                "reply": some_lines(content.reply, limit=REPLY_LIMIT),
                "answer": _answer(content.answer, texts, shop, has_pictures=has_pictures),
                "closing": _closing(texts, "reply_notice_editable", content.editable_until),
            }
        case VoucherNotice():
            terms = some_lines(content.terms, limit=TERMS_LIMIT)
            return {
                "code": one_line(content.code, limit=CODE_LIMIT),
                "terms": _Block("terms", {"text": terms}) if terms else None,
            }
        case SupportNotice():
            return {
                "answer": _answer(content.answer, texts, shop, has_pictures=has_pictures),
                "closing": _closing(texts, "support_notice_shown", content.shown_by),
            }


def _answer(answer: GivenAnswer, texts: Texts, shop: str, *, has_pictures: bool) -> _Block:
    product = answer.product
    if product is None:
        name, picture = texts("rate_service_subject", merchant=shop), None
    else:
        name = one_line(product.name, limit=PRODUCT_NAME_LIMIT) or texts("unnamed_product")
        picture = picture_address(product.image_url)
    words = some_lines(answer.text, limit=ANSWER_LIMIT)
    is_pictured = has_pictures and picture is not None and len(picture) <= PICTURE_ADDRESS_LIMIT
    return _Block(
        "pictured_answer" if is_pictured else "answer",
        {
            "name": name,
            "picture": picture,
            "stars": texts("stars_out_of_five", stars=answer.stars),
            "full": "★" * answer.stars,
            "empty": "★" * (STARS - answer.stars),
            "words": _Block("words", {"text": words}) if words else None,
        },
    )


def _closing(texts: Texts, key: str, day: date | None) -> _Block | None:
    return None if day is None else _Block("closing", {"sentence": texts(key, date=texts.day(day))})


def _fill(skeleton: Skeleton, gaps: _Gaps, parts: Mapping[str, Skeleton], make_piece: Callable[[str], Piece]) -> Piece:
    """Fill in a skeleton, and the parts that stand in its gaps."""
    pieces = {}
    for name, value in gaps.items():
        if isinstance(value, _Block):
            pieces[name] = _fill(parts[value.part], value.gaps, parts, make_piece)
        elif isinstance(value, Piece):
            pieces[name] = value
        else:
            pieces[name] = EMPTY if value is None else make_piece(value)
    return skeleton.fill(pieces)


def _html_piece(text: str) -> Piece:
    """Escape a plain text for HTML, its line ends made breaks."""
    return piece_of(str(escape(text)).replace("\n", "<br>\n"))
