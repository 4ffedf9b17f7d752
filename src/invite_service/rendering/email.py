"""E-mails: prepared once per text version, filled in per mail.

Preparing renders the templates, inlines the CSS and encodes everything that is the same for all customers; filling in
joins those pieces with the few that differ. The result is, header by header and part by part, what
`email.message.EmailMessage` would have built (a test holds the two equal).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from markupsafe import escape

from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Message, Notice
from invite_service.domain.texts import TextName
from invite_service.rendering.cleaning import one_line, picture_address
from invite_service.rendering.headers import encode_mailbox
from invite_service.rendering.links import Links, product_query
from invite_service.rendering.own_emails import SUBJECT, OwnValues
from invite_service.rendering.own_texts import NO_OWN_TEXTS, OwnText, OwnTextFailedError, OwnTexts
from invite_service.rendering.preparing import (
    BOUNDARY,
    CUSTOMER_NAME_LIMIT,
    EmailSender,
    PreparedEmail,
    TextVersion,
    fixed_head,
    prepare_email,
)
from invite_service.rendering.products import PRODUCT_NAME_LIMIT, ShownProduct
from invite_service.rendering.skeleton import Piece, Skeleton, joined, piece_of
from invite_service.rendering.text_variables import customer_variables
from invite_service.rendering.texts import available_language

MAX_SHOWN_PRODUCTS = 12
"""Products shown in one mail; of the others their number is told, and the page shows them all."""

PICTURE_ADDRESS_LIMIT = 1000

MAX_PRODUCT_BYTES = 64_000
"""Encoded bytes of products in one mail; with all else it stays under the 100 kB at which Gmail cuts off."""

_MARKUP = re.compile("[&<>\"']")

_TEXT_HEAD = (
    f"--{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
).encode()
_HTML_HEAD = b"\r\n" + _TEXT_HEAD.replace(b"text/plain", b"text/html")
_END = f"\r\n--{BOUNDARY}--\r\n".encode()


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
    own_texts: OwnTexts = NO_OWN_TEXTS,
) -> Message:
    """Write the e-mail of one attempt; `at` is the real instant its Date tells.

    `sender` is the installation's, for merchants that have none. Where the merchant's own text fails, which saving it
    made unlikely, the catalogue's takes its place and the message says so. Raises ValueError for an address that
    cannot stand in a header; contacts are read so that none such is stored.
    """
    language = available_language(invitation.language)
    own = own_texts.find(TextName(step.value), language)
    version = TextVersion(merchant.id, merchant.name, merchant.homepage_url, branding, step, language, sender, own)
    facts = _MailFacts(invitation, products, links, attempt_id, at)
    if own is None:
        return _write(version, facts)
    return write_or_give_way(lambda version: _write(version, facts), version, own)


def write_or_give_way(write: Callable[[TextVersion], Message], version: TextVersion, own: OwnText) -> Message:
    """Write a message in the merchant's own words, and in the catalogue's where those fail for this customer."""
    try:
        return write(version)
    except OwnTextFailedError as error:
        message = write(version._replace(own=None))
        return replace(message, own_text_version=own.version, own_text_fault=f"{error.field}:{error.fault.code}")


class _MailFacts(NamedTuple):
    """What differs from mail to mail."""

    invitation: Invitation
    products: Sequence[ShownProduct]
    links: Links
    attempt_id: UUID
    at: datetime


def _write(version: TextVersion, facts: _MailFacts) -> Message:
    invitation, products, links, attempt_id, at = facts
    prepared = prepare_email(version)
    to_name = to_name_of(invitation)
    own = write_own(prepared, invitation, products)
    text, html = _fill_bodies(prepared, to_name, products, links, own)
    return assemble_email(
        prepared,
        invitation,
        to_name,
        step=version.step,
        links=links,
        attempt_id=attempt_id,
        at=at,
        text=text,
        html=html,
        own=own,
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
    own: OwnValues | None = None,
) -> Message:
    """Put headers and bodies together; raises ValueError for an address or a link that cannot stand in them."""
    links.check()
    subject, shared_head = prepared.subject, prepared.head
    if own is not None and SUBJECT in own.text:
        subject = own.text[SUBJECT].text
        sender = encode_mailbox(prepared.from_name, prepared.from_address)
        shared_head = fixed_head(subject, sender, prepared.reply_to, prepared.headers)
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
        subject=subject,
        text=text.text,
        html=html.text,
        headers={"List-Unsubscribe": list_unsubscribe, **dict(prepared.headers)},
        message_id=message_id,
        idempotency_key=idempotency_key,
        raw=b"".join((head, shared_head, _TEXT_HEAD, text.encoded, _HTML_HEAD, html.encoded, _END)),
        own_text_version=prepared.own.own.version if prepared.own is not None else None,
    )


@lru_cache(maxsize=16)
def _date_header(at: datetime) -> str:
    """Write an instant of whole seconds as RFC 5322 does; many mails leave in one."""
    return format_datetime(at.astimezone(UTC))


def write_own(
    prepared: PreparedEmail, invitation: Invitation, products: Sequence[ShownProduct] = ()
) -> OwnValues | None:
    """Write what the merchant's own text says to this customer; raises OwnTextFailedError."""
    if prepared.own is None:
        return None
    variables = customer_variables(
        prepared.own.own.name,
        customer_name=invitation.customer_name,
        order_id=next(iter(invitation.order_ids), None),
        products=products,
        unnamed_product=prepared.texts("unnamed_product"),
    )
    return prepared.own.write(variables, prepared.text, prepared.html)


def _fill_bodies(
    prepared: PreparedEmail, to_name: str, products: Sequence[ShownProduct], links: Links, own: OwnValues | None
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
    room = MAX_PRODUCT_BYTES
    if own is not None:
        text_values |= own.text
        html_values |= own.html
        room -= own.size
    if "product" in prepared.html.parts:
        text_values["products"], html_values["products"] = _fill_products(
            prepared, products, links.page, text_values=text_values, html_values=html_values, room=room
        )
    return prepared.text.whole.fill(text_values), prepared.html.whole.fill(html_values)


def _fill_products(
    prepared: PreparedEmail,
    products: Sequence[ShownProduct],
    page: str,
    *,
    text_values: Mapping[str, Piece],
    html_values: Mapping[str, Piece],
    room: int,
) -> tuple[Piece, Piece]:
    """Fill in the products, as many as the mail has room for in encoded bytes, and the number of the others."""
    text_rows: list[Piece] = []
    html_rows: list[Piece] = []
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
