"""E-mails: prepared once per text version, filled in per mail.

Preparing renders the templates, inlines the CSS and encodes everything that is the same for all customers; filling in
joins those pieces with the few that differ. The result is, header by header and part by part, what
`email.message.EmailMessage` would have built (a test holds the two equal).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import css_inline
from markupsafe import escape

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.rendering.brand import Brand, brand_of
from invite_service.rendering.cleaning import one_line, picture_address
from invite_service.rendering.environment import environment
from invite_service.rendering.headers import check_address, encode_mailbox, encode_text, header_line
from invite_service.rendering.links import Links, product_query
from invite_service.rendering.products import PRODUCT_NAME_LIMIT, ShownProduct
from invite_service.rendering.skeleton import Gaps, Piece, Skeleton, Template, cut, joined, piece_of
from invite_service.rendering.texts import Texts, available_language, texts_of

MAX_SHOWN_PRODUCTS = 12
"""Products shown in one mail; of the others their number is told, and the page shows them all."""

CUSTOMER_NAME_LIMIT = 80
PICTURE_ADDRESS_LIMIT = 1000

MAX_PRODUCT_BYTES = 64_000
"""Encoded bytes of products in one mail; with all else it stays under the 100 kB at which Gmail cuts off."""

_MARKUP = re.compile("[&<>\"']")

_BOUNDARY = "=_invite_service_parts"
"""`=_` cannot occur in quoted-printable, so that no body can contain the boundary (RFC 2045 section 6.7)."""

_TEXT_HEAD = (
    f"--{_BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
).encode()
_HTML_HEAD = b"\r\n" + _TEXT_HEAD.replace(b"text/plain", b"text/html")
_END = f"\r\n--{_BOUNDARY}--\r\n".encode()


class EmailSender(NamedTuple):
    """Whom mails are from where the merchant says nothing of it; without a name the merchant's own is shown."""

    address: str
    name: str | None = None


class TextVersion(NamedTuple):
    """What a prepared mail depends on; a change of any of it prepares anew."""

    merchant_id: MerchantId
    merchant_name: str
    homepage_url: str
    branding: Branding
    step: Step | Notice
    language: str
    sender: EmailSender


@dataclass(frozen=True, eq=False, slots=True)
class PreparedEmail:
    """Everything of one merchant's message, step and language that no customer changes."""

    merchant_id: MerchantId
    texts: Texts
    from_address: str
    from_name: str
    reply_to: str | None
    subject: str
    domain: str
    """Of the sender; Message-IDs end in it."""
    headers: tuple[tuple[str, str], ...]
    head: bytes
    """The header lines that are the same in every mail, and the empty line after them."""
    html: Template
    text: Template


def render_email(
    invitation: Invitation,
    *,
    step: Step,
    merchant: Merchant,
    branding: Branding,
    products: Sequence[ShownProduct],
    links: Links,
    attempt_id: UUID,
    sender: EmailSender,
    at: datetime,
) -> Message:
    """Write the e-mail of one attempt; `at` is the real instant its Date tells.

    `sender` is the installation's, for merchants that have none. Raises ValueError for an address that cannot stand in
    a header; contacts are read so that none such is stored.
    """
    version = TextVersion(
        merchant.id,
        merchant.name,
        merchant.homepage_url,
        branding,
        step,
        available_language(invitation.language),
        sender,
    )
    prepared = prepare_email(version)
    to_name = to_name_of(invitation)
    text, html = _fill_bodies(prepared, to_name, products, links)
    return assemble_email(
        prepared, invitation, to_name, step=step, links=links, attempt_id=attempt_id, at=at, text=text, html=html
    )


def to_name_of(invitation: Invitation) -> str:
    """Clean the customer's name; empty where there is none."""
    return one_line(invitation.customer_name, limit=CUSTOMER_NAME_LIMIT)


def assemble_email(
    prepared: PreparedEmail,
    invitation: Invitation,
    to_name: str,
    *,
    step: Step | Notice,
    links: Links,
    attempt_id: UUID,
    at: datetime,
    text: Piece,
    html: Piece,
) -> Message:
    """Put headers and bodies together; raises ValueError for an address or a link that cannot stand in them."""
    links.check()
    list_unsubscribe = f"<{links.unsubscribe}>"
    idempotency_key = str(attempt_id)
    message_id = f"<{idempotency_key}@{prepared.domain}>"
    head = (
        f"Message-ID: {message_id}\r\nDate: {_date_header(at.replace(microsecond=0))}\r\n"
        f"To: {encode_mailbox(to_name, invitation.contact)}\r\nList-Unsubscribe: {list_unsubscribe}\r\n"
    ).encode()
    return Message(
        attempt_id=attempt_id,
        merchant_id=prepared.merchant_id,
        invitation_id=invitation.id,
        step=step,
        channel=Channel.EMAIL,
        to_address=invitation.contact,
        to_name=to_name or None,
        from_address=prepared.from_address,
        from_name=prepared.from_name or None,
        reply_to=prepared.reply_to,
        subject=prepared.subject,
        text=text.text,
        html=html.text,
        headers={"List-Unsubscribe": list_unsubscribe, **dict(prepared.headers)},
        message_id=message_id,
        idempotency_key=idempotency_key,
        raw=b"".join((head, prepared.head, _TEXT_HEAD, text.encoded, _HTML_HEAD, html.encoded, _END)),
    )


@lru_cache(maxsize=16)
def _date_header(at: datetime) -> str:
    """Write an instant of whole seconds as RFC 5322 does; many mails leave in one."""
    return format_datetime(at.astimezone(UTC))


@lru_cache(maxsize=256)
def prepare_email(version: TextVersion) -> PreparedEmail:
    """Render what is the same in every mail of a text version; some milliseconds once, 50 kB kept."""
    branding = version.branding
    brand = brand_of(version.merchant_name, version.homepage_url, branding)
    texts = texts_of(version.language)
    subject = one_line(texts(f"{version.step}_subject", merchant=brand.name), limit=200)
    address = branding.sender_email or version.sender.address
    name = one_line(branding.sender_name or version.sender.name, limit=CUSTOMER_NAME_LIMIT) or brand.name
    headers = _fixed_headers(version.merchant_id, version.step, address, language=version.language)
    return PreparedEmail(
        merchant_id=version.merchant_id,
        texts=texts,
        from_address=address,
        from_name=name,
        reply_to=branding.reply_to,
        subject=subject,
        domain=address.rpartition("@")[2],
        headers=headers,
        head=_fixed_head(subject, encode_mailbox(name, address), branding.reply_to, headers),
        html=_prepare_html(brand, texts, version.step, subject),
        text=cut(_render(f"{version.step}.txt", brand, texts, version.step, subject)),
    )


def _fixed_headers(
    merchant_id: MerchantId, step: Step | Notice, sender: str, *, language: str
) -> tuple[tuple[str, str], ...]:
    """List the further headers; none names a customer (RFC 8058, RFC 3834, RFC 2919, RFC 3282, Gmail's Feedback-ID)."""
    check_address(sender)
    domain = sender.rpartition("@")[2]
    instance = sha256(domain.encode()).hexdigest()[:12]
    return (
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", f"<{merchant_id}.invitations.{domain}>"),
        ("Feedback-ID", f"{step}:{merchant_id}:invitation:{instance}"),
        ("Content-Language", language),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    )


def _fixed_head(subject: str, sender: str, reply_to: str | None, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [header_line("From", sender)]
    if reply_to is not None:
        lines.append(header_line("Reply-To", encode_mailbox("", reply_to)))
    lines.append(header_line("Subject", encode_text(subject, name="Subject")))
    lines += [header_line(name, value) for name, value in headers]
    lines.append(header_line("MIME-Version", "1.0"))
    lines.append(header_line("Content-Type", f'multipart/alternative;\r\n boundary="{_BOUNDARY}"'))
    return b"".join(lines) + b"\r\n"


def _prepare_html(brand: Brand, texts: Texts, step: Step | Notice, subject: str) -> Template:
    """Render and inline the HTML; the style sheet for dark screens stays a style sheet."""
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, minify_css=True)
    return cut(inliner.inline(_render(f"{step}.html", brand, texts, step, subject)).rstrip() + "\n")


def _render(template: str, brand: Brand, texts: Texts, step: Step | Notice, subject: str) -> str:
    return (
        environment()
        .get_template(template)
        .render(brand=brand, palette=brand.palette, texts=texts, step=step.value, subject=subject, slots=Gaps())
    )


def _fill_bodies(
    prepared: PreparedEmail, to_name: str, products: Sequence[ShownProduct], links: Links
) -> tuple[Piece, Piece]:
    """Fill in the plain text and the HTML, which say the same and show the same products."""
    texts = prepared.texts
    greeting = texts("greeting", name=to_name) if to_name else texts("greeting_unnamed")
    text_values = {
        "greeting": piece_of(greeting),
        "page_query": piece_of(links.page + links.query_mark),
        "unsubscribe": piece_of(links.unsubscribe),
    }
    html_values = _escaped(text_values)
    if "product" in prepared.html.parts:
        text_values["products"], html_values["products"] = _fill_products(
            prepared, products, links.page, text_values=text_values, html_values=html_values
        )
    return prepared.text.whole.fill(text_values), prepared.html.whole.fill(html_values)


def _fill_products(
    prepared: PreparedEmail,
    products: Sequence[ShownProduct],
    page: str,
    *,
    text_values: Mapping[str, Piece],
    html_values: Mapping[str, Piece],
) -> tuple[Piece, Piece]:
    """Fill in the products, as many as the mail has room for, and the number of the others."""
    text_rows: list[Piece] = []
    html_rows: list[Piece] = []
    room = MAX_PRODUCT_BYTES
    for product in products[:MAX_SHOWN_PRODUCTS]:
        rows = _prepare_product(prepared, product.product_id, product.name, product.image_url)
        text_row, html_row = rows.text.fill(text_values), rows.html.fill(html_values)
        room -= len(text_row.encoded) + len(html_row.encoded)
        if room < 0 and html_rows:
            break
        text_rows.append(text_row)
        html_rows.append(html_row)
    if len(html_rows) < len(products):
        count = prepared.texts("more_products", count=len(products) - len(html_rows))
        more = {"more": piece_of(count), "page": piece_of(page)}
        text_rows.append(prepared.text.parts["more"].fill({**text_values, **more}))
        html_rows.append(prepared.html.parts["more"].fill({**html_values, **_escaped(more)}))
    return joined(text_rows), joined(html_rows)


class _ProductRows(NamedTuple):
    """How one product is shown, but for what differs from customer to customer."""

    text: Skeleton
    html: Skeleton


@lru_cache(maxsize=1024)
def _prepare_product(prepared: PreparedEmail, product_id: str, name: str | None, image_url: str | None) -> _ProductRows:
    """Put a product into the parts for it: customers buy the same ones; 2 kB kept, with links to its stars 8 kB."""
    shown_name = one_line(name, limit=PRODUCT_NAME_LIMIT) or prepared.texts("unnamed_product")
    values = {"name": piece_of(shown_name), "product_query": piece_of(product_query(product_id))}
    text = prepared.text.parts["product"].bind(values)
    picture = picture_address(image_url)
    if picture is None or len(picture) > PICTURE_ADDRESS_LIMIT:
        return _ProductRows(text, prepared.html.parts["product"].bind(_escaped(values)))
    values["picture"] = piece_of(picture)
    return _ProductRows(text, prepared.html.parts["pictured_product"].bind(_escaped(values)))


def _escaped(values: Mapping[str, Piece]) -> dict[str, Piece]:
    """Escape pieces of plain text for HTML; most of them, links above all, have nothing to escape."""
    return {
        name: piece_of(str(escape(piece.text))) if _MARKUP.search(piece.text) else piece
        for name, piece in values.items()
    }
